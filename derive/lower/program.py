"""The Program: a short list of array statements, in order.  It knows shapes and formulas, not numpy."""

from __future__ import annotations

from dataclasses import dataclass

from derive.expression.nodes import Expression, Index, Ref, Where
from derive.expression.walk import names, walk
from derive.model import Model, Shape


@dataclass(frozen=True, slots=True)
class Loop:
    """``for index in range(start, stop)``, or from the last to the first; statements with the same loop follow each
    other.  `of` are the arrays that it computes, so that two loops alike are two."""

    index: str
    start: Expression
    stop: Expression
    backwards: bool
    of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """``name = value``: the value in whole-array notation over `axes` (the example axis first where there is one).

    `formula` is what the derivation prints for it, in the model language; `rewritten` says that the value computes it
    in another, stable form.  `shape` are the sizes of the axes, None where they are not known.  `buffer` is the array
    that the value is written into, None before buffers are assigned, and where the value is an array of its own.
    `named` says that the name is the model's, and not one that a pass has given to what is in between.
    `at` is what the statement computes of an array of the shape `whole`: one step, or the steps of a slice; its axis is
    the first, behind that of the examples, and not among `axes`.  What no statement computes is 0.
    """

    name: str
    axes: tuple[str, ...]
    value: Expression
    formula: str
    rewritten: bool = False
    shape: Shape | None = ()
    buffer: str | None = None
    named: bool = True
    at: Expression | None = None
    whole: Shape | None = None
    loop: Loop | None = None

    @property
    def read(self) -> dict[str, None]:
        """The names that it needs: in its value, and in sizes."""
        sizes = () if self.loop is None else (self.loop.start, self.loop.stop)
        parts = (self.value, *(() if self.at is None else (self.at,)), *sizes, *(self.whole or ()))
        own = () if self.loop is None else (self.loop.index,)
        return {name: None for e in parts for name in names(e) if name not in own}


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
        steps: dict[str, Shape | None] = {s.loop.index: () for s in self.statements if s.loop}
        return given | counted | steps | {s.name: s.whole or s.shape for s in self.statements}

    def needed(self, *wanted: str) -> tuple[Statement, ...]:
        """The forward statements that the wanted names depend on."""
        return needed_for(self.forward, frozenset(wanted))


def needed_for(statements: tuple[Statement, ...], wanted: frozenset[str]) -> tuple[Statement, ...]:
    """The statements among these that the wanted names depend on, in order (dead code leaves)."""
    alive = set(wanted)
    while True:
        before = len(alive)
        for s in reversed(statements):
            if s.name in alive:
                alive |= set(s.read)
        if len(alive) == before or not any(s.loop for s in statements):
            return tuple(s for s in statements if s.name in alive)


def asks_which_step(s: Statement) -> bool:
    """Whether a case distinction in a statement's value asks for the number of a step, or of steps."""
    parts = [part for node in walk(s.value) if isinstance(node, Where) for part in walk(node.condition)]
    own = "" if s.loop is None else s.loop.index
    return any(isinstance(part, Index) or (isinstance(part, Ref) and part.name == own) for part in parts)


def adjoint_name(name: str) -> str:
    """The name under which a program keeps ∂J/∂name; no user's name looks like it."""
    return f"∂{name}"
