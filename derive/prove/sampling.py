"""Numerical proof: both sides of a step at many points, with 60 digits or exactly.

Points have both signs and several magnitudes; sizes of tensors are unequal primes, so nothing is square that need not
be.  Wherever `before` is defined, `after` must be defined and equal.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from derive.expression.build import TWO
from derive.expression.nodes import Add, Call, Compare, D, Expression, Index, Mul, Neg, Number, Pow, Reduce, Ref
from derive.expression.walk import binders, free_indices, holds, names, nodes_of, walk
from derive.prove.digits import Undefined, many_digits, working_digits
from derive.prove.named import UNDEFINED, Hole, Named, Positions, as_plain, elementwise, name_axes
from derive.prove.numeric import DIGITS, LONGEST, Evaluator
from derive.prove.points import RECENT
from derive.prove.polynomials import apart, with_free_nodes
from derive.prove.setting import Setting
from derive.prove.sizes import numbers_for

SECOND_LOOKS = (200, 600, 6000)  # digits, where two sides seem to differ: subtraction may have eaten those there were
POINTS = 12  # points at which both sides are compared
LONGEST_UNCUT = 1000  # entries of an axis that cannot be cut, because subscripts are computed or ranges are known
MOST_UNCUT = 10_000  # entries of an array whose axes are not cut
MOST_INDICES = 2  # beside which three positions of each are compared at once
TRIES = 600  # points tried to find them
KINKS, AT_KINKS = 24, -1  # points of small whole numbers, and the attempt that means them
AGREEING_DIGITS = 30
TOLERANCE = Decimal(10) ** -AGREEING_DIGITS
RANGES = ((-2, 2), (0, 1), (-1, 1), (0, 4), (-12, 12), (1, 30), (20, 400), (-400, -20), (300, 9000))


def agree_numerically(before: Expression, after: Expression, setting: Setting) -> bool | None:
    """True where both sides agreed at every point, False where they differed, None where no point was found.

    What holds for any values of the nodes needs not to be tried at those that the equations give.
    """
    free = with_free_nodes(before, after, setting)
    if free is not None and _agree(before, after, free, exact=True):
        return True
    return _agree(before, after, setting, is_exact(before, after, setting))


def _agree(before: Expression, after: Expression, setting: Setting, exact: bool) -> bool | None:
    with working_digits(DIGITS):
        compared = 0
        for attempt in range(TRIES):
            evaluator = _point(before, after, setting, attempt, exact)
            if evaluator is None:
                continue
            outcome = _compare(before, after, setting, evaluator, attempt)
            if outcome is False:
                return False
            compared += outcome is True
            if compared >= POINTS or (compared >= 3 and setting.shapes):
                return True
        return True if compared >= 2 else None


def differ_at_a_kink(before: Expression, after: Expression, setting: Setting) -> bool:
    """Whether the sides differ at a point of small whole numbers, where arguments meet zero and each other."""
    generator = random.Random(20190203)
    with working_digits(DIGITS):
        points = (sample(before, after, setting, generator, AT_KINKS) for _ in range(KINKS))
        return any(point is not None and _compare(before, after, setting, point) is False for point in points)


def _sizes(setting: Setting, expressions: Iterable[Expression], attempt: int) -> dict[str, int]:
    """A prime for each size name, at which every shape and every range has entries."""
    shapes = [size for shape in (*setting.shapes.values(), tuple(setting.ranges.values())) for size in shape]
    ranges = [size for e in expressions for node in binders(e) for size in node.ranges]
    found = dict.fromkeys(name for size in shapes for name in names(size))
    return numbers_for(tuple(found), (*shapes, *ranges), swapped=attempt % 2 == 1)


def sample(
    before: Expression,
    after: Expression,
    setting: Setting,
    generator: random.Random,
    attempt: int,
    exact: bool | None = None,
) -> Evaluator | None:
    exact = is_exact(before, after, setting) if exact is None else exact
    return _drawn(_asked(before, after, setting, attempt), setting, generator, attempt, exact)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a step asks of a point: the names that need values, sizes, how long axes may be, which names are subscripts
    and of axes how long."""

    names: tuple[str, ...]
    sizes: tuple[tuple[str, int], ...]
    longest: int
    subscripts: tuple[tuple[str, Expression], ...]


def _asked(before: Expression, after: Expression, setting: Setting, attempt: int) -> _Asked:
    known = (*(body for _, body in setting.equations), *(expr for _, expr in setting.adjoints.values()))
    wanted = dict.fromkeys(name for element, body in setting.equations for name in (element.name, *names(body)))
    wanted |= dict.fromkeys(name for _, expr in setting.adjoints.values() for name in names(expr))
    wanted |= names(before) | names(after)  # last, so that all steps of a derivation are held to the same values
    longest = max(LONGEST, 1 + _largest_subscript((before, after, *known)))
    if _must_not_be_cut((before, after, *known), setting, longest):
        longest = max(longest, LONGEST_UNCUT)
    sizes = _sizes(setting, (before, after, *known), attempt)
    return _Asked(
        tuple(wanted), tuple(sizes.items()), longest, tuple(_subscripts((before, after, *known), setting).items())
    )


def _drawn(asked: _Asked, setting: Setting, generator: random.Random, attempt: int, exact: bool) -> Evaluator | None:
    """Random values of what is not computed, and what the equations make of them."""
    sizes, subscripts = dict(asked.sizes), dict(asked.subscripts)
    computed = {element.name for element, _ in setting.equations}
    adjoints: dict[str, Any] = {}
    evaluator = Evaluator(setting, {}, adjoints, exact)
    evaluator.values = {name: evaluator.lift(n) for name, n in sizes.items()}
    evaluator.longest = asked.longest
    try:
        for name in asked.names:
            shape = _concrete(setting.shapes.get(name, ()), evaluator)
            if name not in sizes and name not in computed:
                drawn = _random(shape, generator, attempt, exact)
                evaluator.values[name] = _structured(apart(drawn) if exact else drawn, name, setting)
                if name in subscripts:
                    evaluator.values[name] = _each_in(shape, generator, evaluator, subscripts[name])
            adjoints[name] = _random(shape, generator, 0, exact)
        _solve_assumptions(setting, evaluator)
        compute_nodes(setting, evaluator, asked.names)
    except Undefined:
        return None
    return evaluator


def _point(before: Expression, after: Expression, setting: Setting, attempt: int, exact: bool) -> Evaluator | None:
    """The point of an attempt; the steps of a derivation share it, and what was computed at it."""
    asked = _asked(before, after, setting, attempt)

    def drawn() -> Evaluator | None:
        evaluator = _drawn(asked, setting, random.Random(20190203 + attempt), attempt, exact)
        if evaluator is not None:
            evaluator.remembers = True
        return evaluator

    found: Evaluator | None = RECENT.get((setting.identity, asked, attempt, exact), drawn)
    return found


def _largest_subscript(expressions: tuple[Expression, ...]) -> int:
    """The largest number in a subscript: the entry that it names must be there."""
    subscripts = (i for e in expressions for node in nodes_of(e, Ref) for i in node.indices)
    return max((int(n.value) for i in subscripts for n in nodes_of(i, Number)), default=0)


def _must_not_be_cut(expressions: tuple[Expression, ...], setting: Setting, longest: int) -> bool:
    """Whether cut axes no longer fit together: subscripts are computed (``x[i + p]``), or ranges are longer."""
    numbers = [[s.value for s in shape if isinstance(s, Number)] for shape in setting.shapes.values()]
    if max(map(prod, numbers), default=1) > MOST_UNCUT:
        return False
    return any(map(has_shifted_subscripts, expressions)) or _longest_range(expressions, setting) > longest


def has_shifted_subscripts(e: Expression) -> bool:
    """Whether a subscript is computed, as in ``x[i + p]``."""
    subscripts = (i for node in nodes_of(e, Ref) for i in node.indices)
    return any(not isinstance(i, (Index, Number, Ref)) for i in subscripts)


def _longest_range(expressions: tuple[Expression, ...], setting: Setting) -> int:
    """The largest range that an index is known to have, as a number: the entries that it names must be there."""
    sums = (size for e in expressions for node in nodes_of(e, Reduce) for size in node.ranges)
    sizes = (*setting.ranges.values(), *sums)
    return max((int(size.value) for size in sizes if isinstance(size, Number)), default=0)


def _subscripts(expressions: tuple[Expression, ...], setting: Setting) -> dict[str, Expression]:
    """Names that stand as subscripts, with the size of the axis: they hold whole numbers below it."""
    found: dict[str, Expression] = {}
    for e in expressions:
        for node in walk(e, Ref, Call):
            if isinstance(node, Ref):
                for index, size in zip(node.indices, setting.shapes.get(node.name, ()), strict=False):
                    found |= {inner.name: size for inner in nodes_of(index, Ref)}
            elif isinstance(node, Call) and node.function == "delta":
                inside = {inner.name for arg in node.args for inner in nodes_of(arg, Ref)}
                found = dict.fromkeys(inside, TWO) | found  # no axis is shorter than two here
    return found


def _each_in(shape: tuple[int, ...], generator: random.Random, evaluator: Evaluator, size: Expression) -> Any:
    most = int(evaluator.number(size))
    if not shape:
        return evaluator.lift(generator.randrange(most))
    out = np.empty(shape, dtype=object)
    for position in np.ndindex(*shape):
        out[position] = evaluator.lift(generator.randrange(most))
    return out


def _concrete(shape: tuple[Expression, ...], evaluator: Evaluator) -> tuple[int, ...]:
    return tuple(min(int(evaluator.number(size)), evaluator.longest) for size in shape)


def _random(shape: tuple[int, ...], generator: random.Random, attempt: int, exact: bool) -> Any:
    if not shape:
        return draw_number(generator, attempt, exact)
    out = np.empty(shape, dtype=object)
    for position in np.ndindex(*shape):
        out[position] = draw_number(generator, attempt, exact)
    return out


def _structured(drawn: Any, name: str, setting: Setting) -> Any:
    """A random matrix with the structure that a name has."""
    match setting.structures.get(name):
        case "spd":
            return drawn.dot(drawn.T) + np.eye(len(drawn), dtype=int).astype(object)
        case "symmetric" | "self-transpose" | "self-transpose by its equation":
            return np.where(np.tri(len(drawn), dtype=bool), drawn, drawn.T)
        case "diagonal":
            return np.where(np.eye(len(drawn), dtype=bool), drawn, 0 * drawn)
        case "lower":
            return np.where(np.tri(len(drawn), dtype=bool), drawn, 0 * drawn)
    return drawn


def draw_number(generator: random.Random, attempt: int, exact: bool) -> Any:
    """Both signs and several magnitudes; now and then in (0, 1), where logarithms and probabilities live."""
    if attempt == AT_KINKS:
        return generator.randint(-1, 1) if exact else Decimal(generator.randint(-1, 1))
    low, high = RANGES[attempt % len(RANGES)]
    whole = generator.randint(low * 997, high * 997) or 1
    if exact:
        return whole
    return Decimal(whole) / 997


def compute_nodes(setting: Setting, evaluator: Evaluator, wanted: Iterable[str]) -> None:
    """The values of nodes; of recurrences, whose entries wait for each other, in as many rounds as that takes."""
    equations = [(element, body) for element, body in setting.equations if element.name in wanted]
    open_names = {element.name for element, _ in equations}
    waiting = 0
    for element, body in equations:
        if open_names & set(names(body)):
            shape = _concrete(setting.shapes.get(element.name, ()), evaluator)
            evaluator.values[element.name] = np.full(shape, UNDEFINED, dtype=object)
            waiting += prod(shape)
        else:
            evaluator.values[element.name] = _computed(element, body, setting, evaluator)
            open_names.discard(element.name)
    while waiting:
        left = 0
        for element, body in equations:
            if element.name in open_names:
                found = _entries(element, body, setting, evaluator)
                evaluator.values[element.name] = found
                left += sum(isinstance(entry, Hole) for entry in found.flat)
        if left >= waiting:
            raise Undefined
        waiting = left


def _computed(element: Ref, body: Expression, setting: Setting, evaluator: Evaluator) -> Any:
    data = _entries(element, body, setting, evaluator)
    if any(isinstance(entry, Hole) for entry in data.flat):
        raise Undefined
    return data if data.shape else data[()]


def _entries(element: Ref, body: Expression, setting: Setting, evaluator: Evaluator) -> Any:
    shape = _concrete(setting.shapes.get(element.name, ()), evaluator)
    at = {i.name: range(n) for i, n in zip(element.indices, shape, strict=True) if isinstance(i, Index)}
    return as_plain(evaluator.value(body, at), tuple(at), shape).data


def _solve_assumptions(setting: Setting, evaluator: Evaluator) -> None:
    """Makes the values satisfy what is assumed: a linear equation is solved for one entry, a bound is tested.

    What is assumed at free indices is assumed at each of their places.
    """
    for assumption in setting.assumptions:
        if not set(names(assumption)) <= set(evaluator.values):
            continue
        if assumption.op == "==":
            _solve(assumption, evaluator)
        elif isinstance(assumption.left, Ref) and not names(assumption.right):
            _move_inside(assumption, assumption.left.name, evaluator)
        elif not all(evaluator.number(assumption, at) for at in _places(assumption, evaluator)):
            raise Undefined


def _places(assumption: Compare, evaluator: Evaluator) -> list[dict[str, int]]:
    """The places of an assumption's free indices."""
    free = free_indices(assumption)
    return [
        dict(zip(free, place, strict=True))
        for place in np.ndindex(*(evaluator.range(index, assumption) for index in free))
    ]


def _move_inside(assumption: Compare, name: str, evaluator: Evaluator) -> None:
    """Values of a name that is bounded by a number, mirrored to the right side of the bound."""
    bound = evaluator.number(assumption.right)
    sign = 1 if assumption.op in (">", ">=") else -1
    evaluator.values[name] = bound + sign * abs(evaluator.values[name] - bound)


def _solve(assumption: Compare, evaluator: Evaluator) -> None:
    """Solves for one entry of a name, at every position of the indices that the equation leaves free."""
    places = _places(assumption, evaluator)
    for name in names(assumption):
        start = evaluator.values[name]
        if all(_solved_for(name, assumption, at, evaluator) for at in places):
            return
        evaluator.values[name] = start
    raise Undefined


def _solved_for(name: str, assumption: Compare, at: Mapping[str, int], evaluator: Evaluator) -> bool:
    array = evaluator.values[name]
    position = _first_entry(name, assumption, at)

    def residual(x: Any) -> Any:
        evaluator.values[name] = _with_entry(array, position, x)
        return evaluator.number(assumption.left, at) - evaluator.number(assumption.right, at)

    start = array[position] if position else array
    first, second = residual(start), residual(start + 1)
    return second != first and _close(residual(start - first / (second - first)), evaluator.lift(0))


def _first_entry(name: str, assumption: Compare, at: Mapping[str, int]) -> tuple[int, ...]:
    """The first entry of a name that an equation speaks of, at a position of its free indices."""
    element = next(node for node in nodes_of(assumption, Ref) if node.name == name)
    return tuple(at.get(i.name, 0) if isinstance(i, Index) else 0 for i in element.indices)


def _with_entry(array: Any, position: tuple[int, ...], x: Any) -> Any:
    if not position:
        return x
    moved = array.copy()
    moved[position] = x
    return moved


def is_exact(before: Expression, after: Expression, setting: Setting) -> bool:
    """Whether both sides are compared in fractions, without rounding."""
    return _polynomial(before) and _polynomial(after) and not setting.equations


def _polynomial(e: Expression) -> bool:
    """Whether only sums, products and whole powers occur, so that fractions stay exact."""
    allowed = (Add, Mul, Neg, Number, Ref, Index, Reduce)
    return all(
        isinstance(n, allowed) or (isinstance(n, Pow) and isinstance(n.exponent, Number)) for n in walk(e)
    ) and not holds(e, D)


def positions_of_indices(
    before: Expression, after: Expression, setting: Setting, evaluator: Evaluator
) -> dict[str, list[int]]:
    """Positions of the free indices: the first, the last, and one between."""
    free = dict.fromkeys((*setting.axes, *free_indices(before), *free_indices(after)))
    found: dict[str, list[int]] = {}
    for index in free:
        size = size_of(index, before, after, setting, evaluator)
        found[index] = sorted({0, size // 2, size - 1})
    return found


def size_of(index: str, before: Expression, after: Expression, setting: Setting, evaluator: Evaluator) -> int:
    if index in setting.ranges:
        return int(evaluator.number(setting.ranges[index]))
    for e in (before, after):
        try:
            return evaluator.range(index, e)
        except Undefined:
            continue
    return _axis(index, setting, evaluator)


def _axis(index: str, setting: Setting, evaluator: Evaluator) -> int:
    """The range of an index that the step itself does not fix: that of the same letter in the equations."""
    for _, body in setting.equations:
        try:
            return evaluator.range(index, body)
        except Undefined:
            continue
    return 2


def _compare(
    before: Expression, after: Expression, setting: Setting, evaluator: Evaluator, attempt: int = 0
) -> bool | None:
    """Whether the sides agree at the positions of their indices; None where the left side has no value at any.

    Where there are many indices, two positions of each are tried at a time: which ones, the attempt says.
    """
    positions = positions_of_indices(before, after, setting, evaluator)
    if len(positions) > MOST_INDICES:
        positions = {i: _two_of(own, attempt) for i, own in positions.items()}
    seen = sides_of(before, after, setting, evaluator, positions)
    if seen is None:
        return None
    differing = {k: pair for k, pair in enumerate(seen) if agree(*pair) is False}
    if differing and not equal_after_all(before, after, setting, evaluator, positions, differing):
        return False
    return True if any(agree(*pair) for pair in seen) or differing else None


def _two_of(positions: list[int], attempt: int) -> list[int]:
    """Two of three positions, in turn the outer ones, the last two, the first two."""
    left_out = (1, 0, 2)[attempt % 3]
    return [place for k, place in enumerate(positions) if len(positions) < 3 or k != left_out]


Pair = tuple[Any, Any]


def sides_of(
    before: Expression, after: Expression, setting: Setting, evaluator: Evaluator, positions: Positions
) -> list[Pair] | None:
    """The values of both sides, entry by entry; None where the left side cannot be evaluated at all."""
    try:
        left = evaluator.line(before, positions)
    except (Undefined, ValueError):  # numpy's word for shapes that do not fit
        return None
    left = over_axes(left, setting, positions)
    try:
        right = over_axes(evaluator.line(after, positions), setting, positions)
        pairs = elementwise(np.frompyfunc(lambda u, v: (u, v), 2, 1), left, right)
    except (Undefined, ValueError):
        return [(entry, UNDEFINED) for entry in left.data.flat]
    if max(left.rank, right.rank) and left.shape != right.shape:
        return [(entry, UNDEFINED) for entry in left.data.flat]
    return list(pairs.data.flat)


def over_axes(value: Named, setting: Setting, positions: Positions) -> Named:
    """Whole-array notation of the result, at the positions of its axes."""
    left = tuple(axis for axis in setting.axes if axis not in value.axes)  # that of steps may be an index still
    return name_axes(value, left, positions) if value.rank and value.rank == len(left) else value


def agree(left: Any, right: Any) -> bool | None:
    """Of two entries; None where that says nothing."""
    if isinstance(left, Hole) or (isinstance(right, Hole) and not right.computed):
        return None
    return not isinstance(right, Hole) and _close(left, right)


def equal_after_all(
    before: Expression,
    after: Expression,
    setting: Setting,
    evaluator: Evaluator,
    positions: Positions,
    differing: dict[int, Pair],
) -> bool:
    """Whether sides that seem to differ are equal with more digits; what cannot be computed with them is not.

    They differ where each has the same value with more digits as with fewer.
    """
    for digits in () if evaluator.exact else SECOND_LOOKS:
        with working_digits(digits):
            closer = Evaluator(setting, evaluator.values, evaluator.adjoints)
            closer.longest = evaluator.longest
            try:
                compute_nodes(setting, closer, closer.values)
            except Undefined:
                return False
            again = sides_of(before, after, setting, closer, positions)
            if again is None:
                return False
            fewer, differing = differing, {k: again[k] for k in differing if not agree(*again[k])}
        if not differing:
            return True
        if any(_settled(fewer[k][0], now[0]) and _settled(fewer[k][1], now[1]) for k, now in differing.items()):
            return False
    return False


def _settled(first: Any, second: Any) -> bool:
    return not isinstance(first, Hole) and not isinstance(second, Hole) and _close(first, second)


def _close(left: Any, right: Any) -> bool:
    if isinstance(left, (int, Fraction)) and isinstance(right, (int, Fraction)):
        return left == right
    left, right = many_digits(left), many_digits(right)
    return bool(abs(left - right) <= TOLERANCE * max(1, abs(left), abs(right)))
