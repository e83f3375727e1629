"""Recurrences in a program: entries given apart, and a loop over the steps; sums over some of the steps as slices.

In: core expressions over a first index that counts steps.  Out: expressions of one step, in which that index is a
scalar, so that arrays can be written step by step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from derive.errors import DeriveError
from derive.expression.build import ONE, ZERO, add, div, mul, neg, number
from derive.expression.nodes import (
    Call,
    Compare,
    Div,
    Expression,
    Index,
    Item,
    Mul,
    Neg,
    Number,
    Reduce,
    Ref,
    Slice,
    Where,
)
from derive.expression.parts import flat_factors
from derive.expression.walk import bottom_up, free_indices, names, rename_indices, walk
from derive.lower.program import Loop
from derive.model import GIVEN, Equation, Model, Shape
from derive.parse.numbers import constant_value
from derive.parse.order import lag
from derive.parse.sizes import collected, polynomial
from derive.rules.arithmetic import tidy
from derive.rules.guards import CONDITIONS, Known, joined, solved, tests_of
from derive.rules.rule import Context
from derive.rules.sums import is_delta


@dataclass(frozen=True)
class Step:
    """What a statement computes of an array: one entry, the step of a loop, or a slice of `length` steps.

    An entry with a loop is the only step of that, where it has one.
    """

    at: Expression
    loop: Loop | None = None
    length: Expression = ONE

    def of(self, body: Expression, index: str, shapes: Mapping[str, Shape]) -> Expression:
        """The body of an array over an index, at this step."""
        if self.loop is not None and self.at == Ref(self.loop.index):
            own = rename_indices(body, {index: Index(self.loop.index)})
            return at_step(own, self.loop.index, shapes, self.loop.start, self.loop.stop)
        if isinstance(self.at, Slice):
            moved = at_position(body, index, collected(add(Index(index), self.at.start or ZERO)))
            return scalars_chosen(CONDITIONS.apply(moved, _context({index: self.length}, shapes)) or moved)
        return decided(at_position(body, index, self.at), shapes)


def forward_steps(group: Sequence[Equation], model: Model) -> Iterator[tuple[Equation, Step]]:
    """The entries that a recurrence begins with, then the steps of its loop; of what is none, entries and a slice."""
    if group[0].name not in model.recurrent:
        for e in group:
            yield from ((e, Step(entry.position)) for entry in e.entries)
            length = collected(add(e.shape[0], neg(number(e.first or len(e.entries)))))
            yield e, Step(Slice(number(e.first), None, None) if e.first else Slice(None, length, None), None, length)
        return
    loop = _loop(group)
    for k in _outside(group, loop):
        yield from ((e, Step(e.entries[k].position)) for e in group if k < len(e.entries))
    beyond = _beyond(group, loop)
    yield from reversed(beyond) if loop.backwards else ()
    yield from ((e, Step(Ref(loop.index), loop)) for e in group)
    yield from () if loop.backwards else beyond


def backward_steps(group: Sequence[Equation], model: Model) -> Iterator[tuple[Equation, Step]]:
    """The steps of a recurrence's adjoint, against the order of time; entries on which something depends come last."""
    loop = _loop(group)
    loop = replace(loop, backwards=not loop.backwards, of=tuple(f"∂{name}" for name in loop.of))
    backwards = tuple(reversed(group))
    beyond = _beyond(backwards, loop)
    yield from reversed(beyond) if loop.backwards else ()
    yield from ((e, Step(Ref(loop.index), loop)) for e in backwards)
    yield from () if loop.backwards else beyond
    varying = {*model.parameters, *model.by_name, *(v.name for v in model.variables.values() if v.role in GIVEN)}
    for k in _outside(group, loop) if not loop.backwards else reversed(_outside(group, loop)):
        for e in backwards:
            if k < len(e.entries) and varying & set(names(e.entries[k].written)):
                yield e, Step(e.entries[k].position)


Steps = Sequence[tuple[Equation, Step]]


def first_apart(steps: Steps) -> Steps:
    """The first step of a loop before the others: it often obeys other conditions.

    Where there may be no step at all, it is in a loop of its own, of one step or none.
    """
    inside = [(e, step) for e, step in steps if step.loop]
    loop = inside[0][1].loop if inside else None
    if loop is None:
        return steps
    before, after = (neg(ONE), ZERO) if loop.backwards else (ZERO, ONE)
    first = collected(add(loop.stop if loop.backwards else loop.start, before))
    start, stop = collected(add(loop.start, after)), collected(add(loop.stop, before))
    once = _at_most_once(loop, start, stop)
    where = next(k for k, (_, step) in enumerate(steps) if step.loop)
    return [
        *steps[:where],
        *((e, Step(first, once)) for e, _ in inside),
        *((e, replace(step, loop=replace(loop, start=start, stop=stop))) for e, step in inside),
        *steps[where + len(inside) :],
    ]


def _at_most_once(loop: Loop, start: Expression, stop: Expression) -> Loop | None:
    """The loop over its first step alone, beside others from `start` to before `stop`; None if it surely has one."""
    if surely_at_least(add(loop.stop, neg(loop.start)), 1):
        return None
    if loop.backwards:
        return replace(loop, start=Call("maximum", (loop.start, stop)))
    return replace(loop, stop=Call("minimum", (loop.stop, start)))


def surely_at_least(size: Expression, least: int) -> bool:
    """Whether a size is as large whenever those in it are at least 1."""
    terms = polynomial(size)
    if terms is None:
        return False
    return all(c > 0 for sizes, c in terms.items() if sizes) and sum(terms.values()) >= least


def _outside(group: Sequence[Equation], loop: Loop) -> range:
    """The entries, by number, that the loop does not compute: those before its start, or all that stand at the end."""
    most = max(len(e.entries) for e in group)
    at_end = any(e.entries and not isinstance(e.entries[0].position, Number) for e in group)
    return (
        range(most if at_end else min(most, int(loop.start.value))) if isinstance(loop.start, Number) else range(most)
    )


def _loop(group: Sequence[Equation]) -> Loop:
    """From the first step that a rule computes to the last, so that what a step asks for is there."""
    is_backward = _asks_for_later(group)
    stop = _stop(min(group, key=lambda e: _more(_stop(e, is_backward), _stop(group[0], is_backward))), is_backward)
    start = number(min(e.first for e in group))
    return Loop(group[0].indices[0], start, stop, is_backward, tuple(e.name for e in group))


def _stop(e: Equation, is_backward: bool) -> Expression:
    """Before which step a rule ends."""
    return collected(add(e.shape[0], neg(number(len(e.entries))))) if is_backward else e.shape[0]


def _more(stop: Expression, other: Expression) -> int:
    """By how many steps a rule is longer than another of its recurrence."""
    by = constant_value(collected(add(stop, neg(other))))
    if by is None:
        raise DeriveError("the steps of a recurrence are of different number, and no loop is known for them")
    return int(by)


def _beyond(group: Sequence[Equation], loop: Loop) -> list[tuple[Equation, Step]]:
    """The steps that the longer rules have behind the loop's last, as adjoints inside of a model do."""
    found = []
    is_backward = _asks_for_later(group)
    more = {e.name: _more(_stop(e, is_backward), loop.stop) for e in group}
    for k in range(max(more.values())):
        at = collected(add(loop.stop, number(k)))
        found += [(e, Step(at)) for e in group if more[e.name] > k]
    return found


def _asks_for_later(group: Sequence[Equation]) -> bool:
    """Whether the steps need later ones: ``g[t + 1]`` in the rule of g[t]."""
    own = {e.name for e in group}
    return any(
        (lag(node, e.indices[0]) or 0) > 0
        for e in group
        for node in walk(e.body)
        if isinstance(node, Ref) and node.name in own
    )


def at_step(
    body: Expression, index: str, shapes: Mapping[str, Shape], start: Expression, stop: Expression
) -> Expression:
    """A body at one step from `start` to before `stop`, conditions decided that hold for all of these or for none.

    The index is a name like that of a scalar.
    """
    moved = at_position(body, index, collected(add(Index(index), start)))
    context = _context({index: collected(add(stop, neg(start)))}, shapes)
    moved = CONDITIONS.apply(moved, context) or moved
    back = at_position(moved, index, collected(add(Index(index), neg(start))))
    found = scalars_chosen(rename_indices(bottom_up(back, solved), {index: Ref(index)}), index)
    return tidy(bottom_up(found, lambda node: _possible(node, index, start, stop)))


def _possible(e: Expression, index: str, start: Expression, stop: Expression) -> Expression:
    """``where(t == T, u, v)`` as v where the steps end before T, or begin behind it."""
    match e:
        case Where(condition=Compare(op="==", left=Ref(name=name), right=step)) if name == index:
            after = constant_value(collected(add(step, neg(stop))))
            before = constant_value(collected(add(start, neg(step))))
            beyond = (after is not None and after >= 0) or (before is not None and before > 0)
            return e.otherwise if beyond else e
    return e


def at_position(body: Expression, index: str, position: Expression) -> Expression:
    """A body at one value of its index."""
    found = rename_indices(body, {index: position})
    return tidy(bottom_up(found, _subscripts_collected))


def _subscripts_collected(e: Expression) -> Expression:
    match e:
        case Ref(indices=(_, *_)):
            return Ref(e.name, tuple(map(collected, e.indices)), place=e.place)
        case Item():
            return Item(e.arg, tuple(map(collected, e.indices)))
        case Compare():
            return Compare(e.op, collected(e.left), collected(e.right))
    return e


def decided(body: Expression, shapes: Mapping[str, Shape]) -> Expression:
    """A body without the conditions that the sizes decide."""
    found = scalars_chosen(tidy(CONDITIONS.apply(body, _context({}, shapes)) or body))
    known = Known.of(_context({}, shapes))

    def chosen(e: Expression) -> Expression:
        if not isinstance(e, Where) or not _is_scalar(e.condition):
            return e
        holds = {test: known.decided(test) for test in tests_of(e.condition)}
        if False in holds.values():
            return e.otherwise
        left = joined(tuple(test for test, known in holds.items() if known is None))
        return e.then if left is None else Where(left, e.then, e.otherwise)

    return tidy(bottom_up(found, chosen))


def _context(ranges: Mapping[str, Expression], shapes: Mapping[str, Shape]) -> Context:
    return Context(ranges=ranges, shapes={name: shape for name, shape in shapes.items() if shape})


def scalars_chosen(e: Expression, step: str = "") -> Expression:
    """``u*delta(T, t)`` with steps that are scalars as ``where(t == T, u, 0)``."""

    def change(node: Expression) -> Expression:
        match node:
            case Call() if is_delta(node) and not free_indices(node):
                left, right = node.args if step in names(node.args[0]) else node.args[::-1]
                return Where(Compare("==", left, right), ONE, ZERO)
            case Neg(arg=Where(otherwise=Number(value=0)) as inner) if _is_scalar(inner.condition):
                return Where(inner.condition, neg(inner.then), ZERO)
            case Div(numerator=Where(otherwise=Number(value=0)) as inner) if _is_scalar(inner.condition):
                return Where(inner.condition, div(inner.then, node.denominator), ZERO)
            case Mul():
                flat = flat_factors(node)
                for k, f in enumerate(flat):
                    if isinstance(f, Where) and f.otherwise == ZERO and _is_scalar(f.condition):
                        rest = (*flat[:k], *(() if f.then == ONE else (f.then,)), *flat[k + 1 :])
                        return Where(f.condition, change(mul(*rest)) if rest else ONE, ZERO)
        return node

    return bottom_up(e, change)


def _is_scalar(condition: Expression) -> bool:
    return not free_indices(condition) and not any(isinstance(n, Ref) and n.indices for n in walk(condition))


def sliced(e: Expression) -> Expression:
    """Sums over some values of an index, ``sum(u[t]*v[t - 1], t, t > 0)``, as sums over all values of another.

    The index counts from the first value on, so that arrays are slices: ``u[t + 1]*v[t]``.
    """

    def change(node: Expression) -> Expression:
        if not isinstance(node, Reduce) or node.condition is None or len(node.ranges) != len(node.indices):
            return node
        first: dict[str, Expression] = dict.fromkeys(node.indices, ZERO)
        stop: dict[str, Expression] = dict(zip(node.indices, node.ranges, strict=True))
        for test in map(solved, tests_of(node.condition)):
            match test:
                case Compare(op=">", left=Index(name=name), right=Number() as below) if first.get(name) == ZERO:
                    first[name] = collected(add(below, ONE))
                case Compare(op="<", left=Index(name=name), right=end) if name in stop and not free_indices(end):
                    if stop[name] != node.ranges[node.indices.index(name)]:
                        return node
                    stop[name] = end
                case _:
                    return node
        body = node.body
        for name, by in first.items():
            body = at_position(body, name, collected(add(Index(name), by))) if by != ZERO else body
        ranges = tuple(collected(add(stop[name], neg(first[name]))) for name in node.indices)
        return Reduce(node.op, body, node.indices, None, ranges)

    return bottom_up(e, change)
