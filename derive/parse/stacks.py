"""Pieces laid end to end: ``[q1, q2 - q1]``."""

from __future__ import annotations

from derive.errors import DeriveError
from derive.expression.build import ONE, ZERO, add, mul
from derive.expression.nodes import Call, Expression, Stack
from derive.parse.axis_functions import reduced
from derive.parse.scope import Array, Indices, Scope
from derive.parse.sizes import plus
from derive.parse.subscripts import affine


def stack(e: Stack, scope: Scope) -> Array:
    """A vector of pieces; the element i is Σ over the pieces' entries of δ(i, position)·entry."""
    pieces = [scope.array(item) for item in e.items]
    if any(piece.rank > 1 for piece in pieces):
        raise DeriveError("the pieces of a vector are scalars and vectors", e.place)
    starts, size = _starts(pieces)

    def at(i: Indices) -> Expression:
        return add(*(_entry(i[0], start, piece, scope) for start, piece in zip(starts, pieces, strict=True)))

    return Array((size,), at)


def _starts(pieces: list[Array]) -> tuple[list[Expression], Expression]:
    """Where each piece begins, and where the last one ends."""
    starts: list[Expression] = []
    offset: Expression = ZERO
    for piece in pieces:
        starts.append(offset)
        offset = plus(add(offset, piece.shape[0] if piece.shape else ONE), 0)
    return starts, offset


def _entry(i: Expression, start: Expression, piece: Array, scope: Scope) -> Expression:
    """What one piece gives to the entry i."""
    if not piece.shape:
        return mul(Call("delta", (i, start)), piece.at(()))
    k = scope.bind(piece.shape[0], "k")
    return reduced("sum", mul(Call("delta", (i, affine(start, 1, k))), piece.at((k,))), (k.name,), scope)
