"""Numbers at which two expressions differ, for a reader: few digits, small values, the same every time.

In: both sides and their setting, as for a proof.  Out: a `Counterexample`, or None where none was found.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from derive.expression.nodes import Expression
from derive.prove.digits import Undefined, working_digits
from derive.prove.named import Hole, as_plain
from derive.prove.numeric import DIGITS, Evaluator
from derive.prove.sampling import agree, compute_nodes, over_axes, positions_of_indices, sample
from derive.prove.setting import Setting

MILD = 5  # the first magnitudes that are drawn
TRIES = 40
LARGE = 100


@dataclass(frozen=True)
class Counterexample:
    """The values of names, the entry of the result that is looked at (by axis), and both sides; None: no value."""

    values: dict[str, Any]
    entry: dict[str, int]
    before: float
    after: float | None


class Points:
    """Points at which `before` has a value; other expressions are held against it there."""

    def __init__(self, before: Expression, others: Expression, setting: Setting, count: int) -> None:
        self.before, self.setting = before, setting
        self.found: list[tuple[Evaluator, dict[str, list[int]], dict[tuple[int, ...], Any]]] = []
        with working_digits(DIGITS):
            for evaluator in _drawn(before, others, setting):
                positions = positions_of_indices(before, others, setting, evaluator)
                left = _entries(before, setting, evaluator, positions)
                if left is not None and not any(isinstance(v, Hole) for v in left.values()):
                    self.found.append((evaluator, positions, left))
                if len(self.found) == count:
                    return

    def agrees(self, after: Expression) -> bool:
        """Whether another expression has the same value at all the points."""
        with working_digits(DIGITS):
            return bool(self.found) and next(self._differences(after), None) is None

    def counterexample(self, after: Expression, names: list[str]) -> Counterexample | None:
        """Where the other expression differs, with the values of the given names there."""
        with working_digits(DIGITS):
            for evaluator, entry, left, right in self._differences(after):
                told = {name: _plain(evaluator.values[name]) for name in names if name in evaluator.values}
                value = None if isinstance(right, Hole) else float(right)
                return Counterexample(told, entry, float(left), value)
        return None

    def _differences(self, after: Expression) -> Iterator[tuple[Evaluator, dict[str, int], Any, Any]]:
        for evaluator, positions, left in self.found:
            right = _entries(after, self.setting, evaluator, positions)
            for place, value in left.items():
                other = Hole(computed=True) if right is None else right.get(place, Hole(computed=True))
                if agree(value, other) is False:
                    yield evaluator, dict(zip(positions, place, strict=True)), value, other


def _drawn(before: Expression, others: Expression, setting: Setting) -> Iterator[Evaluator]:
    generator = random.Random(20240611)
    for attempt in range(TRIES):
        drawn = sample(before, others, setting, generator, attempt % MILD)
        if drawn is not None and (rounded := drawn if setting.assumptions else _rounded(drawn, setting)) is not None:
            yield rounded


def _rounded(evaluator: Evaluator, setting: Setting) -> Evaluator | None:
    """The same point with two decimals, so that a reader can try it."""
    computed = {element.name for element, _ in setting.equations}
    for name, value in evaluator.values.items():
        if name not in computed:
            array = np.frompyfunc(lambda v: _two_decimals(v, evaluator), 1, 1)(value)
            evaluator.values[name] = array
    try:
        compute_nodes(setting, evaluator, computed)
    except Undefined:
        return None
    return evaluator


def _two_decimals(value: Any, evaluator: Evaluator) -> Any:
    moderate = float(value)
    if abs(moderate) > LARGE:  # exact points are large whole numbers
        moderate /= LARGE
    return evaluator.lift(Fraction(round(moderate * 100), 100) or Fraction(1, 100))


def _entries(
    e: Expression, setting: Setting, evaluator: Evaluator, positions: dict[str, list[int]]
) -> dict[tuple[int, ...], Any] | None:
    try:
        value = over_axes(evaluator.value(e, positions), setting, positions)
        lengths = [len(p) for p in positions.values()]
        data = as_plain(value, tuple(positions), lengths).data
    except (Undefined, ValueError):
        return None
    if data.ndim != len(positions):
        return None
    places = product(*positions.values())
    return dict(zip(places, data.reshape(-1), strict=True))


def _plain(value: Any) -> Any:
    """Floats, in nested lists where there are axes."""
    data = getattr(value, "data", value)
    if isinstance(data, np.ndarray):
        return np.frompyfunc(lambda v: float(v), 1, 1)(data).tolist()
    return float(value)
