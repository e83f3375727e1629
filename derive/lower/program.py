"""The Program: a short list of array statements, in order.  It knows shapes and formulas, not numpy."""

from __future__ import annotations

from dataclasses import dataclass

from derive.expression.nodes import Expression
from derive.expression.walk import names
from derive.model import Model


@dataclass(frozen=True, slots=True)
class Statement:
    """``name = value``: the value in whole-array notation over `axes` (the example axis first where there is one).

    `formula` is what the derivation prints for it, in the model language; `rewritten` says that the value computes it
    in another, stable form.
    """

    name: str
    axes: tuple[str, ...]
    value: Expression
    formula: str
    rewritten: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """Forward pass, backward pass and gradients of a model over a batch.

    Adjoints are named by `adjoint_name`; `count` is the name of the number of examples, None where no data enters.
    """

    model: Model
    forward: tuple[Statement, ...]
    backward: tuple[Statement, ...]
    gradients: tuple[Statement, ...]
    count: str | None

    def needed(self, *wanted: str) -> tuple[Statement, ...]:
        """The forward statements that the wanted names depend on."""
        return needed_for(self.forward, frozenset(wanted))


def needed_for(statements: tuple[Statement, ...], wanted: frozenset[str]) -> tuple[Statement, ...]:
    """The statements among these that the wanted names depend on, in order (dead code leaves)."""
    alive = set(wanted)
    found: list[Statement] = []
    for statement in reversed(statements):
        if statement.name in alive:
            found.append(statement)
            alive |= set(names(statement.value))
    return tuple(reversed(found))


def adjoint_name(name: str) -> str:
    """The name under which a program keeps ∂J/∂name; no user's name looks like it."""
    return f"∂{name}"
