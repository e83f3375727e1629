"""Steps that nobody asks for later are not kept: what a step of a loop computes for itself is an array of that step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby

from derive.expression.nodes import Expression, Ref
from derive.expression.walk import transform, walk
from derive.lower.passes.loops import WHOLE, step_of
from derive.lower.passes.mapping import SECTIONS, section, with_sections
from derive.lower.program import Program, Statement

Step = tuple[str, int, Expression | None]  # of an array; the loop that computes it by its place, 0 outside; which one


def steps_forgotten(program: Program) -> Program:
    """``z[t]`` that is read in its own step alone, without the axis of the steps."""
    return _forgotten(program, step_of)


def steps_behind_examples_forgotten(program: Program) -> Program:
    """The same of a program in which the examples come first, ``z[:, t]``; outputs are kept."""
    model = program.model

    def step(e: Ref) -> Expression | None:
        name = e.name.removeprefix("∂")
        if name not in model.per_example:
            return step_of(e)
        return step_of(Ref(e.name, e.indices[1:])) if e.indices[:1] == (WHOLE,) else None

    return _forgotten(program, step, model.outputs)


def _forgotten(program: Program, step: Callable[[Ref], Expression | None], kept: tuple[str, ...] = ()) -> Program:
    placed = _placed(program)
    names = _names(program, placed, _read_in_their_own_step(placed, step) - {program.model.loss, *kept})

    def of_step(s: Statement, place: int) -> Statement:
        """The statement with the arrays of its own step in it."""

        def change(e: Expression) -> Expression | None:
            name = names.get((e.name, place, step(e))) if isinstance(e, Ref) else None
            return None if name is None else Ref(name)

        value, name = transform(s.value, change), names.get((s.name, place, s.at))
        if name is None or s.at is None:
            return replace(s, value=value)
        return replace(s, name=name, value=value, at=None, whole=None)

    return with_sections(
        program, {name: [of_step(s, place) for n, s, place in placed if n == name] for name in SECTIONS}
    )


def _placed(program: Program) -> list[tuple[str, Statement, int]]:
    """Each statement with its section and its place: that of its loop, 0 outside of loops."""
    return list(_with_places(program))


def _with_places(program: Program) -> Iterator[tuple[str, Statement, int]]:
    place = 0
    for name in SECTIONS:
        for loop, group in groupby(section(program, name), key=lambda s: s.loop):
            place += 1
            yield from ((name, s, place if loop else 0) for s in group)


def _read_in_their_own_step(
    placed: list[tuple[str, Statement, int]], step: Callable[[Ref], Expression | None]
) -> set[str]:
    """The arrays of steps of which each entry is read by statements behind that which computes it, beside it."""
    stepped = {s.name for _, s, _ in placed if s.at is not None}
    written: set[Step] = set()
    for _, s, place in placed:
        for e in walk(s.value):
            if isinstance(e, Ref) and (step(e) is None or (e.name, place, step(e)) not in written):
                stepped.discard(e.name)
        if s.at is not None:
            written.add((s.name, place, s.at))
    return stepped


def _names(program: Program, placed: list[tuple[str, Statement, int]], alone: set[str]) -> dict[Step, str]:
    """A name for each step of these arrays: the array's own in a loop, another one outside."""
    taken = set(program.shapes)
    found: dict[Step, str] = {}
    free = set(alone)
    for _, s, place in sorted(placed, key=lambda one: one[2] == 0):
        if s.name not in alone or s.at is None or (s.name, place, s.at) in found:
            continue
        name = s.name
        while name in taken and name not in free:
            name += "_"
        free.discard(name)
        taken.add(name)
        found[s.name, place, s.at] = name
    return found
