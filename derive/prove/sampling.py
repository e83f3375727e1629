"""Numerical proof: both sides of a step at many points, with 60 digits or exactly.

Points have both signs and several magnitudes; sizes of tensors are unequal primes, so nothing is square that need not
be.  Wherever `before` is defined, `after` must be defined and equal.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np

from derive.expression.build import TWO
from derive.expression.nodes import Add, Call, Compare, D, Expression, Index, Mul, Neg, Number, Pow, Reduce, Ref
from derive.expression.walk import free_indices, names, walk
from derive.prove.numeric import DIGITS, Evaluator
from derive.prove.primitives import Uncomputed, Undefined
from derive.prove.setting import Setting

SECOND_LOOKS = (600, 6000)  # digits, where two sides seem to differ: subtraction may have eaten those there were
POINTS = 12  # points at which both sides are compared
TRIES = 600  # points tried to find them
TOLERANCE = mpmath.mpf(10) ** -30
RANGES = ((-2, 2), (0, 1), (-1, 1), (0, 4), (-12, 12), (1, 30), (20, 400), (-400, -20), (300, 9000))
PRIMES = (3, 5, 2, 7, 11, 13)


def agree_numerically(before: Expression, after: Expression, setting: Setting) -> bool | None:
    """True where both sides agreed at every point, False where they differed, None where no point was found."""
    generator = random.Random(20190203)
    with mpmath.workdps(DIGITS):
        compared = 0
        for attempt in range(TRIES):
            evaluator = _sample(before, after, setting, generator, attempt)
            if evaluator is None:
                continue
            outcome = _compare_everywhere(before, after, setting, evaluator, generator)
            if outcome is False:
                return False
            compared += outcome is True
            if compared >= POINTS or (compared >= 3 and setting.shapes):
                return True
        return True if compared >= 2 else None


def _sizes(setting: Setting) -> dict[str, int]:
    """A prime for each size name, all different."""
    found: dict[str, int] = {}
    for shape in (*setting.shapes.values(), tuple(setting.ranges.values())):
        for size in shape:
            for name in names(size):
                if name not in found:
                    found[name] = PRIMES[len(found) % len(PRIMES)] if len(found) < len(PRIMES) else 2 + len(found)
    return found


def _sample(
    before: Expression, after: Expression, setting: Setting, generator: random.Random, attempt: int
) -> Evaluator | None:
    sizes = _sizes(setting)
    exact = _polynomial(before) and _polynomial(after) and not setting.equations
    computed = {element.name for element, _ in setting.equations}
    wanted = dict.fromkeys(names(before)) | dict.fromkeys(names(after))
    for element, body in setting.equations:
        wanted |= dict.fromkeys((element.name, *names(body)))
    for _, expr in setting.adjoints.values():
        wanted |= dict.fromkeys(names(expr))
    evaluator = Evaluator(setting, {}, {}, exact)
    evaluator.values = {name: evaluator.lift(n) for name, n in sizes.items()}
    adjoints: dict[str, Any] = {}
    evaluator.adjoints = adjoints
    known = (*(body for _, body in setting.equations), *(expr for _, expr in setting.adjoints.values()))
    subscripts = _subscripts((before, after, *known), setting)
    try:
        for name in wanted:
            shape = _concrete(setting.shapes.get(name, ()), evaluator)
            if name not in sizes and name not in computed:
                evaluator.values[name] = _random(shape, generator, attempt, exact)
                if name in subscripts:
                    evaluator.values[name] = _each_in(shape, generator, evaluator, subscripts[name])
            adjoints[name] = _random(shape, generator, 0, exact)
        _solve_assumptions(setting, evaluator)
        _compute_nodes(setting, evaluator, wanted)
    except Undefined:
        return None
    return evaluator


def _subscripts(expressions: tuple[Expression, ...], setting: Setting) -> dict[str, Expression]:
    """Names that stand as subscripts, with the size of the axis: they hold whole numbers below it."""
    found: dict[str, Expression] = {}
    for e in expressions:
        for node in walk(e):
            if isinstance(node, Ref):
                for index, size in zip(node.indices, setting.shapes.get(node.name, ()), strict=False):
                    found |= {inner.name: size for inner in walk(index) if isinstance(inner, Ref)}
            elif isinstance(node, Call) and node.function == "delta":
                inside = {inner.name for arg in node.args for inner in walk(arg) if isinstance(inner, Ref)}
                found = dict.fromkeys(inside, TWO) | found  # no axis is shorter than two here
    return found


def _each_in(shape: tuple[int, ...], generator: random.Random, evaluator: Evaluator, size: Expression) -> Any:
    most = int(evaluator.value(size, {}))
    if not shape:
        return evaluator.lift(generator.randrange(most))
    out = np.empty(shape, dtype=object)
    for position in np.ndindex(*shape):
        out[position] = evaluator.lift(generator.randrange(most))
    return out


def _concrete(shape: tuple[Expression, ...], evaluator: Evaluator) -> tuple[int, ...]:
    return tuple(min(int(evaluator.value(size, {})), 40) for size in shape)


def _random(shape: tuple[int, ...], generator: random.Random, attempt: int, exact: bool) -> Any:
    if not shape:
        return draw_number(generator, attempt, exact)
    out = np.empty(shape, dtype=object)
    for position in np.ndindex(*shape):
        out[position] = draw_number(generator, attempt, exact)
    return out


def draw_number(generator: random.Random, attempt: int, exact: bool) -> Any:
    """Both signs and several magnitudes; now and then in (0, 1), where logarithms and probabilities live."""
    low, high = RANGES[attempt % len(RANGES)]
    value = Fraction(generator.randint(low * 997, high * 997) or 1, 997)
    return value if exact else mpmath.mpf(value.numerator) / value.denominator


def _compute_nodes(setting: Setting, evaluator: Evaluator, wanted: Iterable[str]) -> None:
    for element, body in setting.equations:
        if element.name in wanted:
            evaluator.values[element.name] = _computed(element, body, setting, evaluator)


def _computed(element: Ref, body: Expression, setting: Setting, evaluator: Evaluator) -> Any:
    shape = _concrete(setting.shapes.get(element.name, ()), evaluator)
    if not shape:
        return evaluator.value(body, {})
    out = np.empty(shape, dtype=object)
    for position in np.ndindex(*shape):
        at = {i.name: p for i, p in zip(element.indices, position, strict=True) if isinstance(i, Index)}
        out[position] = evaluator.value(body, at)
    return out


def _solve_assumptions(setting: Setting, evaluator: Evaluator) -> None:
    """Makes the values satisfy what is assumed: a linear equation is solved for one entry, a bound is tested."""
    for assumption in setting.assumptions:
        if not set(names(assumption)) <= set(evaluator.values):
            continue
        if assumption.op == "==":
            _solve(assumption, evaluator)
        elif isinstance(assumption.left, Ref) and not names(assumption.right):
            _move_inside(assumption, assumption.left.name, evaluator)
        elif not free_indices(assumption) and not evaluator.truth(assumption, {}):
            raise Undefined


def _move_inside(assumption: Compare, name: str, evaluator: Evaluator) -> None:
    """Values of a name that is bounded by a number, mirrored to the right side of the bound."""
    bound = evaluator.value(assumption.right, {})
    sign = 1 if assumption.op in (">", ">=") else -1
    evaluator.values[name] = bound + sign * abs(evaluator.values[name] - bound)


def _solve(assumption: Compare, evaluator: Evaluator) -> None:
    for name in names(assumption):
        array = evaluator.values[name]
        position: tuple[int, ...] = tuple(0 for _ in np.shape(array))

        def residual(x: Any, name: str = name, array: Any = array, position: tuple[int, ...] = position) -> Any:
            if position:
                moved = array.copy()
                moved[position] = x
                evaluator.values[name] = moved
            else:
                evaluator.values[name] = x
            return evaluator.value(assumption.left, {}) - evaluator.value(assumption.right, {})

        start = array[position] if position else array
        first, second = residual(start), residual(start + 1)
        if second == first:
            continue
        x = start - first / (second - first)
        if _close(residual(x), evaluator.lift(0)):
            return
    raise Undefined


def _polynomial(e: Expression) -> bool:
    """Whether only sums, products and whole powers occur, so that fractions stay exact."""
    allowed = (Add, Mul, Neg, Number, Ref, Index, Reduce)
    return all(
        isinstance(n, allowed) or (isinstance(n, Pow) and isinstance(n.exponent, Number)) for n in walk(e)
    ) and not any(isinstance(n, D) for n in walk(e))


def _points(
    before: Expression, after: Expression, setting: Setting, evaluator: Evaluator, generator: random.Random
) -> Iterator[dict[str, int]]:
    """Positions of the free indices: the first few, and some drawn at random."""
    free = list(dict.fromkeys((*free_indices(before), *free_indices(after))))
    if not free:
        yield {}
        return
    ranges = {index: int(evaluator.value(size, {})) for index, size in setting.ranges.items() if index in free}
    for index in free:
        if index in ranges:
            continue
        for e in (before, after):
            try:
                ranges[index] = evaluator.range(index, e)
                break
            except Undefined:
                continue
        ranges.setdefault(index, _axis(index, setting, evaluator))
    yield dict.fromkeys(free, 0)
    for _ in range(5):
        yield {index: generator.randrange(size) for index, size in ranges.items()}


def _axis(index: str, setting: Setting, evaluator: Evaluator) -> int:
    """The range of an index that the step itself does not fix: that of the same letter in the equations."""
    for _, body in setting.equations:
        try:
            return evaluator.range(index, body)
        except Undefined:
            continue
    return 2


def _compare_everywhere(
    before: Expression, after: Expression, setting: Setting, evaluator: Evaluator, generator: random.Random
) -> bool | None:
    found: bool | None = None
    for at in list(_points(before, after, setting, evaluator, generator)):
        outcome = _compare(_values(before, after, setting, evaluator, at))
        if outcome is False:
            outcome = _look_again(before, after, setting, evaluator, at)
        if outcome is False:
            return False
        found = outcome or found
    return found


@dataclass(frozen=True, slots=True)
class _Values:
    """Of both sides at one point: a number, an array, or None where undefined; no evidence where `skip`."""

    left: Any = None
    right: Any = None
    skip: bool = False


def _values(
    before: Expression, after: Expression, setting: Setting, evaluator: Evaluator, at: dict[str, int]
) -> _Values:
    try:
        left = evaluator.value(before, at)
    except (Undefined, ValueError):  # numpy's word for shapes that do not fit
        return _Values(skip=True)
    try:
        right = evaluator.value(after, at)
    except Uncomputed:
        return _Values(skip=True)
    except (Undefined, ValueError):
        return _Values(left)
    if isinstance(right, np.ndarray) and not isinstance(left, np.ndarray):
        right = right[tuple(at[i] for i in setting.axes)]
    return _Values(left, right)


def _compare(values: _Values) -> bool | None:
    return None if values.skip else values.right is not None and _close(values.left, values.right)


def _look_again(
    before: Expression, after: Expression, setting: Setting, evaluator: Evaluator, at: dict[str, int]
) -> bool | None:
    """Whether sides that seem to differ are equal with more digits after all; None where it stays open.

    They differ where each has the same value with more digits as with fewer.
    """
    seen = _values(before, after, setting, evaluator, at)
    for digits in () if evaluator.exact else SECOND_LOOKS:
        with mpmath.workdps(digits):
            closer = Evaluator(setting, evaluator.values, evaluator.adjoints)
            try:
                _compute_nodes(setting, closer, closer.values)
            except Undefined:
                return None
            again = _values(before, after, setting, closer, at)
            if again.skip:
                break
            if _compare(again):
                return True
        if _settled(seen.left, again.left) and _settled(seen.right, again.right):
            return False
        seen = again
    return False if evaluator.exact or seen.right is None else None


def _settled(first: Any, second: Any) -> bool:
    return first is not None and second is not None and _close(first, second)


def _close(left: Any, right: Any) -> bool:
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return np.shape(left) == np.shape(right) and all(
            _close(a, b) for a, b in zip(np.ravel(left), np.ravel(right), strict=True)
        )
    if isinstance(left, (int, Fraction)) and isinstance(right, (int, Fraction)):
        return left == right
    left, right = (
        mpmath.mpf(v.numerator) / v.denominator if isinstance(v, Fraction) else mpmath.mpf(v) for v in (left, right)
    )
    return bool(abs(left - right) <= TOLERANCE * max(1, abs(left), abs(right)))
