"""What passes have in common: the sections of a program, and changing every value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from derive.expression.nodes import Expression
from derive.lower.program import Program, Statement

SECTIONS = ("forward", "reported", "backward", "gradients")


def section(program: Program, name: str) -> tuple[Statement, ...]:
    found: tuple[Statement, ...] = getattr(program, name)
    return found


def with_sections(program: Program, sections: Mapping[str, Iterable[Statement]]) -> Program:
    """The program with other statements, by section."""
    forward, reported, backward, gradients = (tuple(sections[name]) for name in SECTIONS)
    return replace(program, forward=forward, reported=reported, backward=backward, gradients=gradients)


def with_values(program: Program, change: Callable[[Expression], Expression]) -> Program:
    """The program with each value changed."""
    return with_sections(
        program, {name: [replace(s, value=change(s.value)) for s in section(program, name)] for name in SECTIONS}
    )
