"""Arrays in which the steps of recurrences come before the examples: a step of all examples is one piece of memory.

In: a model, or index form over a batch.  Out: which of its arrays have steps, and the same with their first two axes
exchanged.  Data are given with the examples first, so that a copy of them has a name of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from derive.errors import DeriveError
from derive.expression.build import add, neg
from derive.expression.nodes import Expression, Ref
from derive.expression.walk import bottom_up
from derive.lower.program import adjoint_name
from derive.model import GIVEN, Model
from derive.parse.numbers import constant_value
from derive.parse.sizes import collected

Axis = TypeVar("Axis")


def turned_arrays(model: Model) -> dict[str, str]:
    """The arrays over examples whose first axis counts steps, and the names under which they lie with it first."""
    stepped = (e for e in model.equations if e.name in model.recurrent or e.first or e.entries)
    lengths = {e.shape[0]: None for e in stepped if e.shape}
    given = {v.name for v in model.of_role(*GIVEN)}
    found: dict[str, str] = {}
    for name, shape in model.shapes.items():
        if name not in model.per_example or not any(_are_steps(shape[:1], length) for length in lengths):
            continue
        if name in given:
            found[name] = _new_name(f"{name}_steps", model)
        else:
            found |= {each: each for each in (name, adjoint_name(name))}
    return found


def _are_steps(first: tuple[Expression, ...], length: Expression) -> bool:
    """Whether an axis has as many entries as the recurrence has steps, or some more or less."""
    return any(constant_value(collected(add(size, neg(length)))) is not None for size in first)


def _new_name(name: str, model: Model) -> str:
    taken = {*model.variables, *model.by_name}
    while name in taken:
        name += "_"
    return name


def steps_before_examples(axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    """The first two exchanged.

    >>> steps_before_examples(("n", "t", "i"))
    ('t', 'n', 'i')
    """
    return (axes[1], axes[0], *axes[2:])


class StepsNotFirst(DeriveError):
    """A model whose arrays cannot be laid so."""


def with_turned(e: Expression, turned: Mapping[str, str]) -> Expression:
    """An expression over a batch that subscripts the turned arrays."""

    def change(node: Expression) -> Expression:
        if not isinstance(node, Ref) or node.name not in turned:
            return node
        if len(node.indices) < 2:
            raise StepsNotFirst(f"'{node.name}' is read as a whole, and its steps cannot come first")
        return Ref(turned[node.name], steps_before_examples(node.indices), place=node.place)

    return bottom_up(e, change)
