"""Second derivatives proved: every line is evaluated with the whole loss composed from the equations.

``D(e, w[k])`` is here the derivative of e as a function of the leaves: w[k] is moved a little to both sides, all nodes
are computed again, and e with them; in ``D(D(L, w[i]), w[k])`` both are moved.  A node by which something is
differentiated is a leaf itself.  Nothing is shared with the engine: no rule, no local derivative.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise, product
from typing import Any

import numpy as np

from derive.expression.nodes import D, Expression, Index, Ref
from derive.expression.walk import holds
from derive.prove.digits import Undefined, working_digits
from derive.prove.named import Hole, Named, Positions, as_plain, each, scalar, union
from derive.prove.numeric import Evaluator
from derive.prove.sampling import agree, over_axes, sample, size_of
from derive.prove.setting import ProofError, Setting
from derive.prove.steps import NOWHERE, judge

DIGITS = 200
STEPS = (25, 60)  # the digits of the step of the outer and of the inner difference; errors are of its square
POINTS = 3
TRIES = 60
MILD = 4  # the first magnitudes that are drawn: others overflow where exponentials are composed


class Composed(Evaluator):
    """Evaluates at given leaves; `held` are nodes whose values do not follow from their equations."""

    def __init__(self, setting: Setting, values: Mapping[str, Any], held: frozenset[str] = frozenset()) -> None:
        super().__init__(setting, values, {})
        self.held = held
        self.depth = 0

    def perturbed(self, name: str, entry: tuple[int, ...], by: Any) -> Composed:
        """The same with one entry moved, and all nodes computed again but those that are held."""
        value = self.values[name]
        if entry:
            value = value.copy()
            value[entry] += by
        else:
            value = value + by
        held = self.held | ({name} & set(self.bodies))
        found = Composed(self.setting, {**self.values, name: value}, held)
        found.depth = self.depth + 1
        for element, body in self.setting.equations:
            if element.name not in held:
                found.values[element.name] = found.computed(element, body)
        return found

    def computed(self, element: Ref, body: Expression) -> Any:
        shape = np.shape(self.values[element.name])
        at = {i.name: range(n) for i, n in zip(element.indices, shape, strict=True) if isinstance(i, Index)}
        data = as_plain(self.value(body, at), tuple(at), shape).data
        if any(isinstance(entry, Hole) for entry in data.flat):
            raise Undefined
        return data if shape else data[()]

    def derivative(self, e: D, at: Positions) -> Named:
        """Entry by entry of what it is taken by."""
        axes = union([self.value(i, at) for i in e.wrt.indices])
        parts = [self.slopes(e, {**at, **dict(zip(axes, ([p] for p in place), strict=True))}, axes)
                 for place in product(*(at[a] for a in axes))]  # fmt: skip
        rest = union(parts)
        lengths = [max(p.data.shape[p.axes.index(a)] for p in parts if a in p.axes) for a in rest]
        data = np.empty((len(parts), *lengths), dtype=object)
        for k, part in enumerate(parts):
            data[k] = as_plain(part, rest, lengths).data[()]  # a number, not an array of none
        return Named(data.reshape((*(len(at[a]) for a in axes), *lengths)), (*axes, *rest))

    def slopes(self, e: D, at: Positions, axes: tuple[str, ...]) -> Named:
        """The central difference at one entry, over the other axes."""
        entry = tuple(int(self.number(i, {a: at[a][0] for a in axes})) for i in e.wrt.indices)
        step = Decimal(10) ** -STEPS[self.depth]
        left, right = (self.perturbed(e.wrt.name, entry, by).value(e.body, at) for by in (-step, step))
        found = each(lambda u, v: (v - u) / (2 * step), left, right)
        kept = tuple(a for a in found.axes if a not in axes)
        alone = tuple(0 if a in axes else slice(None) for a in found.axes)
        data = found.data[alone]
        return Named(data, kept) if isinstance(data, np.ndarray) else scalar(data)


def prove_lines(lines: Sequence[Expression], setting: Setting, known: Setting) -> list[str]:
    """How each line is proved to equal the one before; ProofError where one cannot be.

    `setting` has all equations that lead to the loss; `known` those whose values rules may have used: lines without
    derivatives are judged there first, names of nodes standing for any numbers.
    """
    _agree_at_points(lines, setting)
    return [_how(before, after, known) for before, after in pairwise(lines)]


def _how(before: Expression, after: Expression, known: Setting) -> str:
    if any(holds(e, D) for e in (before, after)):
        return "numeric"
    verdict = judge(before, after, known)
    if verdict.reason.startswith("a pole"):
        raise ProofError(f"a second derivative could not be established ({verdict.reason}): {before}  →  {after}")
    return verdict.proof or "numeric"


def _agree_at_points(lines: Sequence[Expression], setting: Setting) -> None:
    """Raises unless all lines have the same values at random points."""
    generator = random.Random(20240229)
    compared = 0
    with working_digits(DIGITS):
        for attempt in range(TRIES):
            drawn = sample(lines[0], lines[-1], setting, generator, attempt % MILD)
            seen = None if drawn is None else _values(lines, setting, Composed(setting, drawn.values))
            if seen is None:
                continue
            for before, after, pairs in zip(lines, lines[1:], pairwise(seen), strict=False):
                if any(agree(u, v) is False for u, v in zip(*pairs, strict=True)):
                    raise ProofError(f"a second derivative could not be established: {before}  →  {after}")
            compared += any(agree(u, v) for u, v in zip(seen[0], seen[-1], strict=True))
            if compared == POINTS:
                return
    if not compared:
        raise ProofError(f"a second derivative could not be established ({NOWHERE}): {lines[0]}")


def _values(lines: Sequence[Expression], setting: Setting, evaluator: Composed) -> list[list[Any]] | None:
    """The entries of each line at some positions of the axes; None where the first has none."""
    positions = _positions(setting, evaluator)
    lengths = [len(p) for p in positions.values()]
    found: list[list[Any]] = []
    for line in lines:
        try:
            value = over_axes(evaluator.value(line, positions), setting, positions)
        except (Undefined, ValueError):
            if not found:
                return None
            raise ProofError(f"a second derivative has no value where the loss has one: {line}") from None
        extra = value.rank or set(value.axes) - set(positions)
        if extra:
            raise ProofError(f"a second derivative has the wrong shape: {line}")
        found.append(list(as_plain(value, tuple(positions), lengths).data.flat))
    return found


def _positions(setting: Setting, evaluator: Evaluator) -> dict[str, list[int]]:
    """The first and the last place of every axis, and one between where there are few axes."""
    found: dict[str, list[int]] = {}
    for axis in setting.axes:
        size = size_of(axis, Ref(setting.loss), Ref(setting.loss), setting, evaluator)
        between = {size // 2} if len(setting.axes) < 3 else set()
        found[axis] = sorted({0, size - 1} | between)
    return found
