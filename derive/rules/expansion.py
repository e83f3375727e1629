"""A sum over indices written out: no sum inside a factor, each term a sum of a plain product."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from derive.expression.build import ONE, add, div, mul, neg
from derive.expression.nodes import Add, Div, Expression, Index, Mul, Neg, Reduce
from derive.expression.walk import fresh, index_names, names, rename_indices

MOST_TERMS = 24


@dataclass(frozen=True, slots=True)
class Term:
    """A signed product, summed over indices with their ranges."""

    negative: bool = False
    factors: tuple[Expression, ...] = ()
    indices: tuple[str, ...] = ()
    ranges: tuple[Expression, ...] = ()

    def expr(self) -> Expression:
        whole = mul(*self.factors)
        if self.indices:
            whole = Reduce("sum", whole, self.indices, None, self.ranges)
        return neg(whole) if self.negative else whole


def written_out(e: Expression) -> Expression:
    """``sum(A[i, k]*sum(B[k, l]*x[l], l), k)`` as ``sum(A[i, k]*B[k, l]*x[l], k, l)``; `e` itself where it is long."""
    found = _terms(e, set(index_names(e)) | set(names(e)))
    return e if found is None else add(*(term.expr() for term in found))


def _terms(e: Expression, taken: set[str]) -> list[Term] | None:
    match e:
        case Neg():
            inner = _terms(e.arg, taken)
            return inner and [Term(not t.negative, t.factors, t.indices, t.ranges) for t in inner]
        case Add():
            parts = [_terms(t, taken) for t in e.terms]
            return _limited([t for part in parts if part is not None for t in part]) if all(parts) else None
        case Mul():
            sides = [_terms(f, taken) for f in e.factors]
            found = [s for s in sides if s is not None]
            if len(found) < len(sides):
                return None
            return _limited([_joined(choice, taken) for choice in product(*found)])
        case Div() if e.numerator != ONE:
            above = _terms(e.numerator, taken)
            under = Term(factors=(div(ONE, e.denominator),))
            return above and [_joined((t, under), taken) for t in above]
        case Reduce(op="sum", condition=None) if len(e.ranges) == len(e.indices):
            inner = _terms(e.body, taken)
            return inner and [_summed(t, e, taken) for t in inner]
    return [Term(factors=(e,))]


def _limited(terms: list[Term]) -> list[Term] | None:
    return terms if len(terms) <= MOST_TERMS else None


def _summed(term: Term, e: Reduce, taken: set[str]) -> Term:
    return Term(term.negative, term.factors, (*e.indices, *term.indices), (*e.ranges, *term.ranges))


def _joined(terms: tuple[Term, ...], taken: set[str]) -> Term:
    """The product of the terms, their bound indices kept apart."""
    whole = Term()
    for term in terms:
        term = _apart(term, whole.indices, taken)
        whole = Term(
            whole.negative != term.negative,
            (*whole.factors, *term.factors),
            (*whole.indices, *term.indices),
            (*whole.ranges, *term.ranges),
        )
    return whole


def _apart(term: Term, used: tuple[str, ...], taken: set[str]) -> Term:
    swap: dict[str, Expression] = {}
    for name in term.indices:
        if name in used:
            letter = fresh(taken, name)
            taken.add(letter)
            swap[name] = Index(letter)
    if not swap:
        return term
    return Term(
        term.negative,
        tuple(rename_indices(f, swap) for f in term.factors),
        tuple(str(swap.get(i, i)) for i in term.indices),
        term.ranges,
    )
