"""How far an index runs: the largest range in which every access is in bounds.

In: a core expression and the shapes of its names.  Out: the size of each index that a subscript fixes: ``x[i]``,
``x[i + 1]``, ``x[2*i + p]`` where the range of p is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import ceil, floor

from derive.errors import DeriveError, Place
from derive.expression.build import add, mul, number
from derive.expression.nodes import (
    Add,
    Binder,
    Both,
    Call,
    Compare,
    ComponentTensor,
    Expression,
    Index,
    Item,
    Mul,
    Neg,
    Reduce,
    Ref,
    Where,
)
from derive.expression.walk import children, rename_indices, walk
from derive.parse.numbers import constant_value
from derive.parse.sizes import divided, plus, polynomial, same_size

OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}

Shape = tuple[Expression, ...]

OPEN = Ref("range")  # the length of an axis that is not known yet: that of the steps of a recurrence


def ranges_of(
    e: Expression, shapes: Mapping[str, Shape], wanted: tuple[str, ...], written: Mapping[str, str] | None = None
) -> dict[str, Expression]:
    """The size of each wanted index: the largest range in which every access is in bounds.

    `written` are the author's names for indices that were renamed.
    """
    written = written or {}
    accesses = [
        (index, size, node)
        for node in walk(e)
        if isinstance(node, (Ref, Item))
        for index, size in zip(node.indices, _shape_of(node, shapes), strict=False)
        if size != OPEN
    ]
    known = {
        i: size
        for node in walk(e)
        if isinstance(node, Binder)
        for i, size in zip(node.indices, node.ranges, strict=False)
    }
    found: dict[str, Expression] = {}
    for index, size, node in accesses:
        name, offset = _shifted(index)
        if name in wanted:
            extent = plus(size, -offset) if offset else size
            known_extent = constant_value(extent)
            if known_extent is not None and known_extent < 1:
                shown = rename_indices(index, {new: Index(old) for new, old in written.items()})
                message = f"the subscript {shown} is beyond the size {size} for every '{written.get(name, name)}'"
                raise DeriveError(message, node.place)
            old = found.get(name)
            found[name] = extent if old is None else smaller(old, extent, node.place, written.get(name, name))
    for index, size, _ in accesses:  # then x[2*i + p], where all but one of the ranges are known
        line = _line(index)
        unknown = [] if line is None else [i for i in line if i and i in wanted and i not in found]
        if line is None or len(unknown) != 1:
            continue
        (name,) = unknown
        reach = _extent(line, name, size, known | found)
        if reach is not None:
            found[name] = reach
    return found


def _shape_of(e: Expression, shapes: Mapping[str, Shape]) -> Shape:
    """The shape of what stands before subscripts: a name's, or that of ``inv(A)``."""
    match e:
        case Ref():
            return shapes.get(e.name, ())
        case Item(arg=Call(function="inv", args=(Ref() as matrix,))):
            return shapes.get(matrix.name, ())[len(matrix.indices) :]
        case Item(arg=Call(function="inv", args=(ComponentTensor() as matrix,))):
            return matrix.ranges
    return ()


Least = Mapping[str, int]  # the least value of an index, where a condition around says more than 0


def check_below_zero(e: Expression, place: Place | None, least: Least | None = None) -> None:
    """Refuses ``x[i - 1]`` where i begins at 0: an index does not wrap around.  A condition ``i > 0`` allows it."""
    least = least or {}
    for index in e.indices if isinstance(e, (Ref, Item)) else ():
        name, offset = _shifted(index) if isinstance(index, Expression) else ("", 0)
        if offset + least.get(name, 0) < 0:
            message = f"the subscript {index} is negative where {name} is {least.get(name, 0)}"
            hint = f"shift the other side: x[{name}] beside y[{name} + 1], or use where({name} > {-offset - 1}, …, 0)"
            raise DeriveError(message, e.place or place, hint)
    for child, known in _guarded(e, least):
        check_below_zero(child, place, known)


def needed_start(e: Expression, name: str, begins: Mapping[str, int], least: Least | None = None) -> int:
    """From where on an index may run so that no subscript lies before the first entry: in ``x[t - 1]`` from 1.

    `begins`: the first entry of arrays that have none at 0.
    """
    least = least or {}
    found = 0
    for k, index in enumerate(e.indices if isinstance(e, (Ref, Item)) else ()):
        own, offset = _shifted(index) if isinstance(index, Expression) else ("", 0)
        first = begins.get(e.name, 0) if isinstance(e, Ref) and k == 0 else 0
        if own == name and first - offset > least.get(name, 0):
            found = max(found, first - offset)
    inner = (needed_start(child, name, begins, known) for child, known in _guarded(e, least))
    return max(found, max(inner, default=0))


def _guarded(e: Expression, least: Least) -> list[tuple[Expression, Least]]:
    """The parts of an expression, and what is known of the indices in each."""
    match e:
        case Where():
            then, otherwise = (said(e.condition, least, holds) for holds in (True, False))
            return [(e.condition, least), (e.then, then), (e.otherwise, otherwise)]
        case Reduce(condition=Compare() | Both() as condition):
            own = {name: value for name, value in least.items() if name not in e.indices}
            return [(condition, own), (e.body, said(condition, own, holds=True))]
    return [(child, least) for child in children(e)]


def said(condition: Expression, least: Least, holds: bool) -> Least:
    """The least values of indices where a condition holds, or where it does not."""
    if isinstance(condition, Both):
        for part in condition.conditions if holds else ():
            least = said(part, least, holds)
        return least
    if not isinstance(condition, Compare):
        return least
    op = condition.op if holds else OPPOSITE[condition.op]
    left, right = condition.left, condition.right
    if not isinstance(left, Index):
        left, right, op = right, left, MIRRORED[op]
    bound = constant_value(right)
    if not isinstance(left, Index) or bound is None:
        return least
    now = least.get(left.name, 0)
    from_here = {">": floor(bound) + 1, ">=": ceil(bound), "==": ceil(bound), "!=": now + (bound == now)}
    return {**least, left.name: max(now, from_here.get(op, now))}


def _line(e: Expression) -> dict[str, Fraction] | None:
    """``2*i + p + 1`` as {i: 2, p: 1, "": 1}; None for another subscript."""
    total: dict[str, Fraction] = {}
    for term in e.terms if isinstance(e, Add) else (e,):
        value = constant_value(term)
        if value is not None:
            total[""] = total.get("", Fraction(0)) + value
            continue
        factors = term.factors if isinstance(term, Mul) else (term,)
        scale = constant_value(factors[0]) if len(factors) == 2 else Fraction(1)
        index = factors[-1]
        if not isinstance(index, Index) or scale is None or len(factors) > 2 or scale.denominator != 1 or scale < 1:
            return None
        total[index.name] = total.get(index.name, Fraction(0)) + scale
    return total


def _extent(
    line: dict[str, Fraction], name: str, size: Expression, known: Mapping[str, Expression]
) -> Expression | None:
    """How far one index of a subscript may run when the others reach the ends of their ranges."""
    rest = plus(size, -int(line.get("", 0)))
    for other, scale in line.items():
        if other in ("", name):
            continue
        if other not in known:
            return None
        rest = plus(add(rest, Neg(mul(number(scale), plus(known[other], -1)))), 0)
    return rest if line[name] == 1 else divided(rest, int(line[name]))


def _shifted(index: Expression) -> tuple[str, int]:
    """``i`` → (i, 0), ``i + 1`` → (i, 1); other subscripts do not fix a range."""
    if isinstance(index, Index):
        return index.name, 0
    if isinstance(index, Add) and isinstance(index.terms[0], Index) and len(index.terms) == 2:
        offset = constant_value(index.terms[1])
        if offset is not None and offset.denominator == 1:
            return index.terms[0].name, int(offset)
    return "", 0


def within(index: str, stop: Expression, reach: Expression | None, place: Place | None) -> Expression:
    """The stop of a declared index, where every access is in bounds up to it."""
    if reach is not None and not same_size(reach, stop):
        room = _constant_difference(reach, stop)
        if room is None or room < 0:
            message = f"the index '{index}' is declared up to {stop}, and the subscripts allow {reach}"
            raise DeriveError(message, place)
    return stop


def smaller(a: Expression, b: Expression, place: Place | None, name: str) -> Expression:
    """The smaller of two sizes that an index runs over."""
    if same_size(a, b):
        return a
    difference = _constant_difference(a, b)
    if difference is not None:
        return a if difference < 0 else b
    raise DeriveError(f"the index '{name}' runs over a size {a} and over a size {b}", place)


def _constant_difference(a: Expression, b: Expression) -> Fraction | None:
    p = polynomial(add(a, Neg(b)))
    if p is None or any(m for m in p):
        return None
    return p.get((), Fraction(0))
