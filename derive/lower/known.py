"""What a rewriting may look into: the definitions of the nodes, and which names are data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from derive.expression.nodes import Expression, Ref
from derive.expression.walk import operations, rename_indices

DEEPEST = 8  # nodes that are looked through one after another, so that long chains stay cheap
LONGEST = 16  # operations of a definition that is put in, so that what is put into each other does not grow

Body = tuple[tuple[str, ...], Expression]


@dataclass(frozen=True, slots=True)
class Known:
    """The right-hand sides of the nodes over their indices, and the names that nothing is differentiated by."""

    bodies: Mapping[str, Body] = field(default_factory=dict)
    data: frozenset[str] = frozenset()
    depth: int = 0

    def definition(self, ref: Ref) -> Expression | None:
        """The right-hand side of a node at the indices of `ref`; None of no node, and of one too deep or too long."""
        if ref.name not in self.bodies or self.depth >= DEEPEST:
            return None
        indices, body = self.bodies[ref.name]
        if operations(body) > LONGEST:
            return None
        return rename_indices(body, dict(zip(indices, ref.indices, strict=True)))

    def deeper(self) -> Known:
        return Known(self.bodies, self.data, self.depth + 1)
