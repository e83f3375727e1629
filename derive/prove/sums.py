"""Sums over indices in symbolic proofs: each is a symbol, named by what it sums.

A sum of several terms is taken apart and factors without the index come in front, so that equal sums get equal names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy

from derive.expression.nodes import Expression, Index, Reduce
from derive.expression.walk import children, rename_indices, with_children, with_indices


def alpha_normal(e: Reduce) -> Reduce:
    """The same reduction with indices named by their depth."""

    def visit(node: Expression, depth: int) -> Expression:
        if isinstance(node, Reduce):
            names = tuple(f"bound {depth + k}" for k in range(len(node.indices)))
            swap: dict[str, Expression] = dict(zip(node.indices, map(Index, names), strict=True))
            parts = tuple(rename_indices(c, swap) for c in children(node))
            node, depth = with_children(with_indices(node, names), parts), depth + len(names)
        return with_children(node, tuple(visit(c, depth) for c in children(node)))

    found = visit(e, 0)
    if not isinstance(found, Reduce):
        raise TypeError("a reduction stays one")
    return found


class Sums:
    """The reductions of one proof; `depth` is how many are being converted around each other."""

    def __init__(self) -> None:
        self.known: dict[Any, Any] = {}
        self.depth = 0

    def reduce(self, e: Reduce, convert: Callable[[Expression], Any], expand: bool) -> Any:
        """The reduction, its indices named by depth, as SymPy's expression."""
        self.depth += 1
        try:
            body = convert(e.body)
            body = sympy.expand(body) if expand else body
        finally:
            self.depth -= 1
        if e.op != "sum" or e.condition is not None:
            return self.symbol(e, body)
        return sympy.Add(*(self.term(e, term) for term in sympy.Add.make_args(body)))

    def term(self, e: Reduce, term: Any) -> Any:
        factors = sympy.Mul.make_args(term)
        inside = [f for f in factors if any(i in s.name for i in e.indices for s in f.free_symbols)]
        outside = [f for f in factors if f not in inside]
        return sympy.Mul(*outside, self.symbol(e, sympy.Mul(*inside)))

    def symbol(self, e: Reduce, body: Any) -> Any:
        key = (e.op, e.indices, tuple(map(str, e.ranges)), str(e.condition), body)
        if key not in self.known:
            names = " ".join(sorted(s.name for s in body.free_symbols))  # so that an outer sum sees its index in it
            self.known[key] = sympy.Symbol(f"sum {len(self.known)} of {names}", real=True)
        return self.known[key]
