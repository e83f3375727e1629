"""Pieces laid end to end: ``[q1, q2 - q1]``, ``concatenate([A, B], axis=1)``, ``pad(x, 2)``, ``kron(x, y)``.

The element i of the whole is Σ over the pieces' entries k of δ(i, start + k)·entry.
"""

from __future__ import annotations

from derive.errors import DeriveError
from derive.expression.build import ONE, ZERO, add, mul
from derive.expression.nodes import Add, Call, Expression, Index, Mul, Stack
from derive.parse.axis_functions import reduced
from derive.parse.reductions import axis_of, named_axes
from derive.parse.scope import Array, Indices, Scope
from derive.parse.sizes import is_one, plus, print_shape, same_shape, same_size
from derive.parse.subscripts import affine


def stack(e: Stack, scope: Scope) -> Array:
    """A vector of scalars and vectors."""
    pieces = [scope.array(item) for item in e.items]
    if any(piece.rank > 1 for piece in pieces):
        raise DeriveError(
            "the pieces of a vector are scalars and vectors", e.place, "join others by concatenate([A, B])"
        )
    return _joined([_as_vector(piece) for piece in pieces], 0, scope)


def _as_vector(piece: Array) -> Array:
    return piece if piece.shape else Array((ONE,), lambda _: piece.at(()))


def concatenate(e: Call, scope: Scope) -> Array:
    """Arrays joined along an axis that they have; all their other axes agree."""
    if not isinstance(e.args[0], Stack):
        raise DeriveError("concatenate takes the pieces in brackets", e.place, "for example concatenate([A, B])")
    pieces = [scope.array(item) for item in e.args[0].items]
    if not e.options and all(piece.rank < 2 for piece in pieces):
        pieces = [_as_vector(piece) for piece in pieces]
    axis = axis_of(e, pieces[0], e.options[0][1]) if e.options else 0
    for piece in pieces:
        others = [p.shape[:axis] + p.shape[axis + 1 :] for p in (pieces[0], piece)]
        if piece.rank != pieces[0].rank or not same_shape(*others):
            shapes = f"{print_shape(pieces[0].shape)} and {print_shape(piece.shape)}"
            raise DeriveError(f"the shapes {shapes} do not fit for concatenate along axis {axis}", e.place)
    return _joined(pieces, axis, scope)


def _joined(pieces: list[Array], axis: int, scope: Scope) -> Array:
    starts, size = _starts([piece.shape[axis] for piece in pieces])
    shape = pieces[0].shape

    def at(i: Indices) -> Expression:
        return add(*(_moved(i, axis, start, piece, scope) for start, piece in zip(starts, pieces, strict=True)))

    return Array((*shape[:axis], size, *shape[axis + 1 :]), at)


def _starts(sizes: list[Expression]) -> tuple[list[Expression], Expression]:
    """Where each piece begins, and where the last one ends."""
    starts: list[Expression] = []
    offset: Expression = ZERO
    for size in sizes:
        starts.append(offset)
        offset = plus(add(offset, size), 0)
    return starts, offset


def _moved(i: Indices, axis: int, start: Expression, piece: Array, scope: Scope) -> Expression:
    """What a piece that begins at `start` gives to the element i of the whole."""
    if is_one(piece.shape[axis]):
        return mul(Call("delta", (i[axis], start)), piece.at((*i[:axis], ZERO, *i[axis + 1 :])))
    k = scope.bind(piece.shape[axis], "k")
    entry = piece.at((*i[:axis], k, *i[axis + 1 :]))
    return reduced("sum", mul(Call("delta", (i[axis], affine(start, 1, k))), entry), (k.name,), scope)


def pad(e: Call, arrays: tuple[Array, ...], scope: Scope) -> Array:
    """``pad(x, p)`` and ``pad(x, p, q)``: p zeros before and q behind, along all axes or those of ``axis=(1, 2)``."""
    inner, before, behind = arrays[0], scope.size(e.args[1], 0), scope.size(e.args[-1], 0)
    if not inner.rank:
        raise DeriveError("'pad' needs an array, this is a scalar", e.place)
    axes = named_axes(e, inner)
    shape = tuple(plus(add(before, n, behind), 0) if k in axes else n for k, n in enumerate(inner.shape))

    def at(i: Indices) -> Expression:
        own = list(i)
        deltas: list[Expression] = []
        letters: list[str] = []
        for axis in axes:
            k = ZERO if is_one(inner.shape[axis]) else scope.bind(inner.shape[axis], "k")
            own[axis] = k
            deltas.append(Call("delta", (i[axis], affine(before, 1, k))))
            letters += [k.name] if isinstance(k, Index) else []
        entry = mul(*deltas, inner.at(tuple(own)))
        return reduced("sum", entry, tuple(letters), scope) if letters else entry

    return Array(shape, at)


def kron(_e: Call, arrays: tuple[Array, ...], scope: Scope) -> Array:
    """The Kronecker product of vectors or of matrices: every entry of the first one times the second one."""
    left, right = arrays

    def at(i: Indices) -> Expression:
        places = [_place(own, n, scope) for own, n in zip(i, right.shape, strict=True)]
        if all(place is not None for place in places):
            blocks, within = zip(*(place for place in places if place is not None), strict=True)
            return mul(left.at(blocks), right.at(within))
        return _of_entries(i)

    def _of_entries(i: Indices) -> Expression:
        blocks = tuple(scope.bind(size) for size in left.shape)
        within = tuple(scope.bind(size) for size in right.shape)
        deltas = [
            Call("delta", (own, add(mul(n, block), inner)))
            for own, n, block, inner in zip(i, right.shape, blocks, within, strict=True)
        ]
        letters = tuple(index.name for index in (*blocks, *within))
        return reduced("sum", mul(*deltas, left.at(blocks), right.at(within)), letters, scope)

    pairs = list(zip(left.shape, right.shape, strict=True))
    sizes = tuple(plus(mul(m, n), 0) for m, n in pairs)
    return Array(sizes, at, blocks={k - len(pairs): pair for k, pair in enumerate(pairs)})


def _place(index: Expression, n: Expression, scope: Scope) -> tuple[Expression, Expression] | None:
    """The block, and the entry within it, of an index that is written ``n*block + within``."""
    if not isinstance(index, Add) or len(index.terms) != 2:
        return None
    product, within = index.terms
    if not isinstance(product, Mul) or product.factors[:-1] != (n,) or not isinstance(within, Index):
        return None
    size = scope.bound.get(within.name)
    return (product.factors[-1], within) if size is not None and same_size(size, n) else None
