"""Walking and rebuilding expressions: children, substitution, names, size.

What is asked of the same nodes again and again is remembered in them: which kinds of nodes they hold, their names and
free indices, their size, and which passes leave them as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import is_
from typing import Any, TypeVar

from derive.expression.build import add, div, matmul, mul
from derive.expression.nodes import (
    Add,
    Binder,
    Both,
    Call,
    Compare,
    ComponentTensor,
    Constant,
    D,
    Div,
    Expression,
    Index,
    Item,
    MatMul,
    Mul,
    Neg,
    Number,
    Pow,
    Reduce,
    Ref,
    Slice,
    Stack,
    Transpose,
    Where,
)

Children = tuple[Expression, ...]
Kind = TypeVar("Kind", bound=Expression)


def _slice_parts(e: Slice) -> Children:
    return tuple(part for part in (e.start, e.stop, e.step) if part is not None)


def _slice_with(e: Slice, parts: Children) -> Expression:
    left = iter(parts)
    return Slice(*(None if part is None else next(left) for part in (e.start, e.stop, e.step)), place=e.place)


def _reduce_with(e: Reduce, c: Children) -> Expression:
    return Reduce(e.op, c[0], e.indices, c[1] if len(c) > 1 else None, e.ranges, place=e.place)


def _d_with(e: D, c: Children) -> Expression:
    wrt = c[1]
    if not isinstance(wrt, Ref):
        raise TypeError("a derivative is taken with respect to a name")
    return D(c[0], wrt, place=e.place)


# For each kind of node: its children, and the same node with other children.
_KINDS: dict[type[Expression], tuple[Callable[[Any], Children], Callable[[Any, Children], Expression]]] = {
    Number: (lambda e: (), lambda e, c: e),
    Constant: (lambda e: (), lambda e, c: e),
    Index: (lambda e: (), lambda e, c: e),
    Ref: (lambda e: e.indices, lambda e, c: Ref(e.name, c, place=e.place)),
    Add: (lambda e: e.terms, lambda e, c: add(*c)),
    Mul: (lambda e: e.factors, lambda e, c: mul(*c)),
    Neg: (lambda e: (e.arg,), lambda e, c: Neg(c[0])),
    Div: (lambda e: (e.numerator, e.denominator), lambda e, c: div(*c)),
    Pow: (lambda e: (e.base, e.exponent), lambda e, c: Pow(*c)),
    Call: (lambda e: e.args, lambda e, c: Call(e.function, c, e.options, place=e.place)),
    Reduce: (lambda e: (e.body,) if e.condition is None else (e.body, e.condition), _reduce_with),
    ComponentTensor: (
        lambda e: (e.body,),
        lambda e, c: ComponentTensor(c[0], e.indices, e.ranges, place=e.place),
    ),
    Compare: (lambda e: (e.left, e.right), lambda e, c: Compare(e.op, *c)),
    Both: (lambda e: e.conditions, lambda e, c: Both(c)),
    Where: (lambda e: (e.condition, e.then, e.otherwise), lambda e, c: Where(*c)),
    D: (lambda e: (e.body, e.wrt), _d_with),
    MatMul: (
        lambda e: (e.left, e.right),
        lambda e, c: matmul(*c) if isinstance(c[0], Neg) else MatMul(*c, place=e.place),
    ),
    Transpose: (lambda e: (e.arg,), lambda e, c: Transpose(c[0], place=e.place)),
    Item: (lambda e: (e.arg, *e.indices), lambda e, c: Item(c[0], c[1:], place=e.place)),
    Slice: (_slice_parts, _slice_with),
    Stack: (lambda e: e.items, lambda e, c: Stack(c, place=e.place)),
}


def children(e: Expression) -> Children:
    return _KINDS[type(e)][0](e)


def with_children(e: Expression, parts: Children) -> Expression:
    """The same kind of node with other children; `e` itself where none changed."""
    take_apart, put_together = _KINDS[type(e)]
    return e if _same(take_apart(e), parts) else put_together(e, parts)


def _same(old: Children, new: Sequence[Expression]) -> bool:
    """Whether the children are the very same objects."""
    return len(old) == len(new) and all(map(is_, old, new))


_BITS: dict[type[Expression], int] = {kind: 1 << k for k, kind in enumerate(_KINDS)}


def _kinds(e: Expression) -> int:
    """The kinds of nodes in an expression, a bit each."""
    try:
        return e._kinds  # type: ignore[attr-defined, no-any-return]
    except AttributeError:
        found = _BITS[type(e)]
        for child in _KINDS[type(e)][0](e):
            found |= _kinds(child)
        object.__setattr__(e, "_kinds", found)
        return found


def _bits(kinds: Iterable[type[Expression]]) -> int:
    found = 0
    for kind in kinds:
        found |= _BITS[kind]
    return found


def holds(e: Expression, *kinds: type[Expression]) -> bool:
    """Whether a node of one of the kinds occurs."""
    return bool(_kinds(e) & _bits(kinds))


def nodes_of(e: Expression, kind: type[Kind]) -> Iterator[Kind]:
    """The nodes of a kind, parents before children, in reading order; parts without any are not entered."""
    return (node for node in walk(e, kind) if isinstance(node, kind))


def binders(e: Expression) -> Iterator[Binder]:
    """The nodes that bind indices."""
    return (node for node in walk(e, Reduce, ComponentTensor) if isinstance(node, Binder))


def transform(
    e: Expression, change: Callable[[Expression], Expression | None], kind: type[Expression] | None = None
) -> Expression:
    """Replaces outermost nodes for which `change` gives something; what it gives is not entered again.

    With a `kind`, only nodes of it are asked for.
    """
    return _transformed(e, change, 0 if kind is None else _BITS[kind])


def _transformed(e: Expression, change: Callable[[Expression], Expression | None], bit: int) -> Expression:
    if bit and not _kinds(e) & bit:
        return e
    if not bit or _BITS[type(e)] & bit:
        new = change(e)
        if new is not None:
            return new
    old = _KINDS[type(e)][0](e)
    if not old:
        return e
    parts = [_transformed(c, change, bit) for c in old]
    return e if _same(old, parts) else _KINDS[type(e)][1](e, tuple(parts))


def bottom_up(e: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """Rewrites the children first, then the node."""
    old = _KINDS[type(e)][0](e)
    if old:
        parts = [bottom_up(c, change) for c in old]
        if not _same(old, parts):
            e = _KINDS[type(e)][1](e, tuple(parts))
    return change(e)


class Pass:
    """A rewriting from the leaves up by what a node says alone; what it leaves as it is it does not enter again."""

    _count = 0

    def __init__(self, change: Callable[[Expression], Expression], *kinds: type[Expression]) -> None:
        """`kinds`: of the nodes that it may change; of all if none is given."""
        self.change = change
        self.kinds = _bits(kinds or _KINDS)
        self.bit = 1 << Pass._count
        Pass._count += 1

    def __call__(self, e: Expression) -> Expression:
        if not _kinds(e) & self.kinds:
            return e
        settled = getattr(e, "_settled", 0)
        if settled & self.bit:
            return e
        old = _KINDS[type(e)][0](e)
        whole = e
        if old:
            parts = [self(c) for c in old]
            if not _same(old, parts):
                whole = _KINDS[type(e)][1](e, tuple(parts))
        if _BITS[type(whole)] & self.kinds:
            new = self.change(whole)
            if new is not whole and new != whole:
                return new
        if whole is e:
            object.__setattr__(e, "_settled", getattr(e, "_settled", 0) | self.bit)
        return whole


def walk(e: Expression, *kinds: type[Expression]) -> Iterator[Expression]:
    """Every node, parents before children, in reading order; with `kinds`, those in which such nodes are."""
    bits = _bits(kinds) if kinds else -1
    stack = [e]
    while stack:
        node = stack.pop()
        if bits == -1 or _kinds(node) & bits:
            yield node
            stack.extend(_KINDS[type(node)][0](node)[::-1])


def contains(e: Expression, test: Callable[[Expression], bool]) -> bool:
    return any(test(node) for node in walk(e))


def names(e: Expression) -> dict[str, None]:
    """The names of the tensors that occur, in reading order (also inside derivatives)."""
    return dict.fromkeys(_names(e))


def _names(e: Expression) -> tuple[str, ...]:
    if not _kinds(e) & _BITS[Ref]:
        return ()
    try:
        return e._names  # type: ignore[attr-defined, no-any-return]
    except AttributeError:
        parts = [_names(child) for child in children(e)]
        if isinstance(e, Ref):
            parts.insert(0, (e.name,))
        found = _union(parts)
        object.__setattr__(e, "_names", found)
        return found


def _union(parts: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The names of several parts in their order, each once."""
    there = [part for part in parts if part]
    return there[0] if len(there) == 1 else tuple(dict.fromkeys(name for part in there for name in part))


def has_name(e: Expression, name: str) -> bool:
    """Whether a tensor of this name occurs."""
    return name in _names(e)


def index_names(e: Expression) -> dict[str, None]:
    """Every index name, free or bound, in reading order."""
    found: dict[str, None] = {}
    if not holds(e, Index, Reduce, ComponentTensor):
        return found
    for node in walk(e):
        if isinstance(node, Index):
            found[node.name] = None
        elif isinstance(node, Binder):
            found.update(dict.fromkeys(node.indices))
    return found


def free_indices(e: Expression) -> dict[str, None]:
    """The indices that are not bound by a reduction inside `e`, in reading order."""
    return dict.fromkeys(_free(e))


def _free(e: Expression) -> tuple[str, ...]:
    if not _kinds(e) & _BITS[Index]:
        return ()
    try:
        return e._free  # type: ignore[attr-defined, no-any-return]
    except AttributeError:
        found = (e.name,) if isinstance(e, Index) else _union([_free(child) for child in children(e)])
        if isinstance(e, Binder):
            found = tuple(name for name in found if name not in e.indices)
        object.__setattr__(e, "_free", found)
        return found


def fresh(taken: Mapping[str, object] | set[str], preferred: str = "i") -> str:
    """An index name that is not taken: the preferred one, the next letters, then ``i_1``, …"""
    letters = "ijklmpqrst"  # n is kept for the examples
    start = letters.find(preferred)
    letter: str
    for letter in [preferred, *letters[max(start, 0) :], *letters]:
        if letter not in taken:
            return letter
    number = 1
    while f"i_{number}" in taken:
        number += 1
    return f"i_{number}"


def rename_indices(e: Expression, mapping: Mapping[str, Expression]) -> Expression:
    """Replaces free indices; a bound index that would capture one of the new ones is renamed first."""
    if not mapping:
        return e
    if isinstance(e, Index):
        return mapping.get(e.name, e)
    if isinstance(e, Binder):
        inner = {k: v for k, v in mapping.items() if k not in e.indices}
        incoming = {name for v in inner.values() for name in index_names(v)}
        clash = [name for name in e.indices if name in incoming]
        if clash:
            taken = incoming | set(index_names(e)) | set(names(e)) | set(inner)
            new = list(e.indices)
            for name in clash:
                letter = fresh(taken, name)
                new[new.index(name)] = letter
                taken.add(letter)
            inner |= {old: Index(n) for old, n in zip(e.indices, new, strict=True) if old != n}
            e = with_indices(e, tuple(new))
        return with_children(e, tuple(rename_indices(c, inner) for c in children(e)))
    return with_children(e, tuple(rename_indices(c, mapping) for c in children(e)))


def bound_apart(e: Expression, taken: Mapping[str, object]) -> Expression:
    """The same expression with other letters for the indices that it binds where they are taken."""
    used = {**taken, **index_names(e), **names(e)}

    def change(node: Expression) -> Expression:
        if not isinstance(node, Binder) or not set(node.indices) & set(taken):
            return node
        letters: list[str] = []
        for name in node.indices:
            letters.append(fresh(used, name) if name in taken else name)
            used[letters[-1]] = None
        swap: dict[str, Expression] = {i: Index(k) for i, k in zip(node.indices, letters, strict=True) if i != k}
        parts = tuple(rename_indices(c, swap) for c in children(node))
        return with_children(with_indices(node, tuple(letters)), parts)

    return bottom_up(e, change)


def with_indices(e: Binder, indices: tuple[str, ...]) -> Binder:
    """The same node with other letters to bind; the body is not renamed."""
    if isinstance(e, Reduce):
        return Reduce(e.op, e.body, indices, e.condition, e.ranges, place=e.place)
    return ComponentTensor(e.body, indices, e.ranges, place=e.place)


def with_ranges(e: Binder, ranges: tuple[Expression, ...]) -> Binder:
    if isinstance(e, Reduce):
        return Reduce(e.op, e.body, e.indices, e.condition, ranges, place=e.place)
    return ComponentTensor(e.body, e.indices, ranges, place=e.place)


def replace(e: Expression, mapping: Mapping[Expression, Expression]) -> Expression:
    """Replaces every occurrence of the given expressions, outermost first."""
    return transform(e, mapping.get)


def rename(e: Expression, mapping: Mapping[str, str]) -> Expression:
    """Renames tensors; what occurs several times is renamed once."""
    return Renaming(mapping)(e)


class Renaming:
    """Renames tensors in expressions, an object once: expressions that share parts share them afterwards too.

    Where different names stay different (`apart`), what was found out of a node, but its names, is true of the new one.
    """

    def __init__(self, mapping: Mapping[str, str], apart: bool = False) -> None:
        self.mapping = mapping
        self.apart = apart
        self._done: dict[int, tuple[Expression, Expression]] = {}  # by identity: equal numbers may be spelled otherwise

    def __call__(self, e: Expression) -> Expression:
        known = self._done.get(id(e))
        if known is not None:
            return known[1]
        if isinstance(e, Ref) and e.name in self.mapping:
            result: Expression = Ref(self.mapping[e.name], tuple(map(self, e.indices)), place=e.place)
        else:
            old = _KINDS[type(e)][0](e)
            if not old:
                return e
            parts = [self(c) for c in old]
            result = e if _same(old, parts) else _KINDS[type(e)][1](e, tuple(parts))
            if isinstance(result, Binder) and result.ranges:
                ranges = tuple(map(self, result.ranges))
                result = result if _same(result.ranges, ranges) else with_ranges(result, ranges)
        if self.apart and result is not e:
            for slot in ("_free", "_kinds", "_operations", "_settled"):
                if hasattr(e, slot):
                    object.__setattr__(result, slot, getattr(e, slot))
        self._done[id(e)] = (e, result)
        return result


def operations(e: Expression) -> int:
    """How many operations a reader sees: each sign, operator, call and reduction counts one (``a - b`` is one)."""
    try:
        return e._operations  # type: ignore[attr-defined, no-any-return]
    except AttributeError:
        count = sum(map(operations, children(e)))
        if isinstance(e, Add):
            count += len(e.terms) - 1 - sum(1 for term in e.terms[1:] if isinstance(term, Neg))
        elif isinstance(e, Mul):
            count += len(e.factors) - 1
        elif isinstance(e, (Div, Pow, Call, Reduce, Compare, Where, MatMul, Transpose, Neg)):
            count += 1
        object.__setattr__(e, "_operations", count)
        return count
