"""What passes over programs with loops have in common: the statements of a loop together, and indices of steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from derive.expression.build import ZERO, add
from derive.expression.nodes import Call, Expression, Index, Number, Ref, Slice, Where
from derive.expression.walk import bottom_up, names, transform, walk
from derive.lower.passes.mapping import SECTIONS, section, with_sections
from derive.lower.program import Loop, Program, Statement
from derive.parse.sizes import collected

WHOLE = Slice(None, None, None)


def steps_as_indices(program: Program) -> Program:
    """The number of a step is an index: ``h[t]`` and ``h[T]`` then are views of an array, as ``h[0]`` is."""
    steps = {s.loop.index for s in program.statements if s.loop}
    numbers = {v.name for v in program.model.of_role("size")} | steps
    if all(s.at is None for s in program.statements):
        return program

    def as_index(e: Expression) -> Expression | None:
        return Index(e.name) if isinstance(e, Ref) and e.name in numbers else None

    def change(e: Expression) -> Expression:
        match e:
            case Ref(indices=()) if e.name in steps:
                return Index(e.name)
            case Ref(indices=(first, *rest)) if not isinstance(first, Slice):
                return Ref(e.name, (transform(first, as_index), *rest), place=e.place)
            case Where() if set(names(e.condition)) <= numbers:
                return Where(transform(e.condition, as_index), e.then, e.otherwise)
        return e

    def of_statement(s: Statement) -> Statement:
        at = s.at if s.at is None or isinstance(s.at, Slice) else transform(s.at, as_index)
        return replace(s, value=bottom_up(s.value, change), at=at)

    return with_sections(program, {name: [of_statement(s) for s in section(program, name)] for name in SECTIONS})


def by_loop(statements: Sequence[Statement]) -> Iterator[tuple[Loop | None, list[Statement]]]:
    """The statements in order, those of a loop together."""
    for loop, group in groupby(statements, key=lambda s: s.loop):
        yield loop, list(group)


def is_step(e: Expression) -> bool:
    """A step by its number: ``t``, ``t - 1``."""
    found = collected(e) if not isinstance(e, (Slice, Number)) else e
    return any(isinstance(node, Index) for node in walk(found)) and not names(found)


def moved(e: Expression, by: Expression) -> Expression:
    return collected(add(e, by))


def step_of(e: Expression) -> Expression | None:
    """Which step of an array a reference reads: t of ``h[t, :, :]``; None of what is no step."""
    if not isinstance(e, Ref) or not e.indices or any(i != WHOLE for i in e.indices[1:]):
        return None
    return None if isinstance(e.indices[0], Slice) else e.indices[0]


def is_zero(e: Expression) -> bool:
    return e == ZERO or (isinstance(e, Call) and e.function == "broadcast_to" and e.args[0] == ZERO)
