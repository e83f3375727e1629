"""What the gradient of a convolution or of pooling does, as a sentence of the catalogue; read off the result alone."""

from __future__ import annotations

from derive.expression.nodes import Add, Call, D, Expression, Index, Mul, Number, Reduce, Ref
from derive.expression.parts import flat_factors, terms_of
from derive.expression.walk import contains, free_indices, walk


def window_words(e: Expression) -> str | None:
    """The key of the sentence; None where no sum over windows stands in the result.

    >>> from derive.parse.expression import parse_expression as read
    >>> window_words(read("sum(D(L, z[k])*K[q]*delta(k + q, i), k, q)"))
    'flipped kernel'
    >>> window_words(read("sum(D(L, z[k])*x[k + i], k)"))
    'correlation'
    """
    for node in walk(e):
        if isinstance(node, Reduce) and node.op == "sum":
            told = _of_sum(node)
            if told is not None:
                return told
    return None


def _of_sum(e: Reduce) -> str | None:
    factors = flat_factors(e.body)
    adjoints = [f.wrt for f in factors if isinstance(f, D) and isinstance(f.body, Ref)]
    deltas = [f for f in factors if isinstance(f, Call) and f.function == "delta"]
    if len(adjoints) != 1:
        return None
    places = set(free_indices(adjoints[0])) & set(e.indices)
    others = [f for f in factors if isinstance(f, Ref) and set(free_indices(f)) & set(e.indices)]
    if any(isinstance(a, Add) for f in deltas for a in f.args):
        return _of_entries(e, others, places, deltas)
    moved = [f for f in others if any(_slides(i, places) for i in f.indices)]
    return "correlation" if len(others) == 1 and moved else None


def _of_entries(e: Reduce, others: list[Ref], places: set[str], deltas: list[Call]) -> str | None:
    if contains(e.body, lambda n: isinstance(n, Reduce) and n.op in ("argmax", "argmin")):
        return "to the first"
    if not others:
        return "to all alike"
    slides = [a for f in deltas for a in f.args if isinstance(a, Add)]
    plain = all(len(terms_of(a)) == 2 and all(isinstance(t, Index) for t in a.terms) for a in slides)
    within = {i for a in slides for i in free_indices(a)} - places
    if len(others) != 1 or not within <= set(free_indices(others[0])):
        return None
    return "flipped kernel" if plain else "flipped kernel with gaps"


def _slides(subscript: Expression, places: set[str]) -> bool:
    """``k + i`` or ``2*k + i`` with k one of the places and another index beside it."""
    if not isinstance(subscript, Add) or not all(isinstance(t, (Index, Mul, Number)) for t in subscript.terms):
        return False
    found = set(free_indices(subscript))
    return bool(found & places) and bool(found - places)
