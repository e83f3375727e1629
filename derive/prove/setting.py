"""What a step is judged in: the equations around it, what adjoints stand for, what may be assumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from derive.expression.nodes import Compare, Expression, Ref
from derive.expression.walk import names
from derive.model import Shape

FREE_ENTRIES = ("symmetric", "diagonal", "lower")  # structures that parameters keep when an entry moves


class ProofError(Exception):
    """A step that could not be established: an error of derive itself, never the user's."""


@dataclass(frozen=True)
class Setting:
    """The surroundings of a step.

    `equations`: nodes whose values follow from others, as (element, right-hand side), in topological order.
    `node`: the name whose adjoint ``D(loss, node)`` is being derived; its value is the sum over `consumers` of their
    adjoint times the derivative of their equation, read off the equations.  `adjoints`: what is known of the consumers'
    adjoints, at generic indices.  `shapes` of all names; a name without one is a scalar.
    `axes` are the free indices of the result, `ranges` the sizes that free indices run over.
    `structures` of parameters (symmetric, diagonal, lower): a derivative by such an entry moves the entries that it
    determines together.
    """

    equations: tuple[tuple[Ref, Expression], ...] = ()
    loss: str = ""
    node: str = ""
    consumers: tuple[str, ...] = ()
    adjoints: Mapping[str, tuple[tuple[str, ...], Expression]] = field(default_factory=dict)
    assumptions: tuple[Compare, ...] = ()
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    axes: tuple[str, ...] = ()
    ranges: Mapping[str, Expression] = field(default_factory=dict)
    structures: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def identity(self) -> tuple[object, ...]:
        """What settings have in common in which names have the same values at the same points."""
        spelled = (*(body for _, body in self.equations), *(expr for _, expr in self.adjoints.values()))
        tables = (self.adjoints, self.shapes, self.ranges, self.structures)
        return (
            self.equations, self.loss, self.node, self.consumers, self.assumptions, self.axes,
            tuple(map(str, spelled)), *(tuple(table.items()) for table in tables),
        )  # fmt: skip

    def key(self, *sides: Expression) -> tuple[object, ...]:
        """What two settings have in common in which the same is true of a step, known adjoints apart."""
        speaking = (*sides, *(part for equation in self.equations for part in equation), *self.assumptions)
        used = {name for e in speaking for name in names(e)}
        return (
            self.equations, self.loss, self.node, self.consumers, self.assumptions, self.axes,
            tuple(sorted(self.structures.items())),
            tuple(str(body) for _, body in self.equations),
            tuple((name, shape) for name, shape in sorted(self.shapes.items()) if name in used),
            tuple(sorted((index, str(size)) for index, size in self.ranges.items())),
        )  # fmt: skip
