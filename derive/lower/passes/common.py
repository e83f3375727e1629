"""Common subexpressions: what has been computed is not computed again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from derive.expression.nodes import Expression, Item, Ref, Slice
from derive.expression.walk import transform
from derive.lower.passes.loops import WHOLE, by_loop
from derive.lower.passes.mapping import SECTIONS, section, with_sections
from derive.lower.passes.operations import is_atom
from derive.lower.passes.scalars import pinned
from derive.lower.program import Program, Statement


def common_subexpressions(program: Program) -> Program:
    """A statement whose value an earlier one has goes, and its name is that one's.

    What is computed for the loss alone is not always there, so nothing else is taken from it; gradients are results
    and stay.
    """
    sections: dict[str, list[Statement]] = {}
    results = {program.model.loss, *pinned(program)}
    names: dict[str, Expression] = {}
    known: dict[Expression, Ref] = {}
    for name in SECTIONS:
        seen = dict(known) if name == "reported" else known
        sections[name] = []
        for loop, group in by_loop(section(program, name)):
            inside = seen if loop is None else dict(seen)  # behind the loop it is another step's
            sections[name] += _shared(group, inside, names, results, name == "gradients")
    return with_sections(program, sections)


def _shared(
    statements: Sequence[Statement],
    known: dict[Expression, Ref],
    names: dict[str, Expression],
    results: set[str],
    are_results: bool,
) -> list[Statement]:
    found: list[Statement] = []
    for s in statements:
        value = _renamed(s.value, names)
        is_result = s.name in results or s.at is not None or (are_results and s.name.startswith("∂"))
        if isinstance(value, Ref) and is_atom(value) and not is_result:
            names[s.name] = value
        elif value in known and not is_result:
            names[s.name] = known[value]
        else:
            if (own := _computed(s)) is not None:
                known.setdefault(value, own)
            found.append(replace(s, value=value))
    return found


def _computed(s: Statement) -> Ref | None:
    """The array that a statement computes; of several steps at once None."""
    if s.at is None:
        return Ref(s.name)
    return None if isinstance(s.at, Slice) else Ref(s.name, (s.at, *(WHOLE for _ in (s.whole or ())[1:])))


def _renamed(value: Expression, names: dict[str, Expression]) -> Expression:
    def change(e: Expression) -> Expression | None:
        if not isinstance(e, Ref) or e.name not in names:
            return None
        other = names[e.name]
        if not e.indices:
            return other
        indices = tuple(_renamed(i, names) for i in e.indices)
        return Ref(other.name, indices) if isinstance(other, Ref) and not other.indices else Item(other, indices)

    return transform(value, change)
