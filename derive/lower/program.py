"""The Program: a short list of array statements, in order.  It knows shapes and formulas, not numpy."""

from __future__ import annotations

from dataclasses import dataclass

from derive.expression.nodes import Expression, Ref
from derive.expression.walk import names
from derive.model import Model, Shape


@dataclass(frozen=True, slots=True)
class Statement:
    """``name = value``: the value in whole-array notation over `axes` (the example axis first where there is one).

    `formula` is what the derivation prints for it, in the model language; `rewritten` says that the value computes it
    in another, stable form.  `shape` are the sizes of the axes, None where they are not known.  `buffer` is the array
    that the value is written into, None before buffers are assigned, and where the value is an array of its own.
    `named` says that the name is the model's, and not one that a pass has given to what is in between.
    """

    name: str
    axes: tuple[str, ...]
    value: Expression
    formula: str
    rewritten: bool = False
    shape: Shape | None = ()
    buffer: str | None = None
    named: bool = True


@dataclass(frozen=True, slots=True)
class Program:
    """Forward pass, backward pass and gradients of a model over a batch.

    Adjoints are named by `adjoint_name`; `count` is the name of the number of examples, None where no data enters.
    `reported` are the statements that the loss alone needs, once they have been set apart; where `summed`, the
    gradients are sums over the examples that are still to be divided by their number.  The scalar parameters of a tuple
    in `gathered` lie side by side, and have one gradient together.
    """

    model: Model
    forward: tuple[Statement, ...]
    backward: tuple[Statement, ...]
    gradients: tuple[Statement, ...]
    count: str | None
    reported: tuple[Statement, ...] = ()
    summed: bool = False
    gathered: tuple[tuple[str, ...], ...] = ()

    @property
    def statements(self) -> tuple[Statement, ...]:
        """All of them, in the order in which they are carried out."""
        return (*self.forward, *self.reported, *self.backward, *self.gradients)

    @property
    def shapes(self) -> dict[str, Shape | None]:
        """The shape of every name over the batch."""
        examples: Shape = () if self.count is None else (Ref(self.count),)
        given: dict[str, Shape | None] = {
            v.name: (examples if v.name in self.model.per_example else ()) + v.shape
            for v in self.model.variables.values()
        }
        counted: dict[str, Shape | None] = {} if self.count is None else {self.count: ()}
        return given | counted | {s.name: s.shape for s in self.statements}

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
