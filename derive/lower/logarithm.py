"""Logarithms and exponents of expressions by their structure: of a product the sum, of a case distinction the case.

Both look through the names of nodes into what defines them.  None means that nothing is gained: the logarithm is then
taken of the value, as the author wrote it.
"""

from __future__ import annotations

from derive.expression.build import ONE, TWO, ZERO, add, div, mul, neg, sub
from derive.expression.nodes import (
    Add,
    Call,
    Compare,
    Div,
    Expression,
    Mul,
    Neg,
    Number,
    Pow,
    Reduce,
    Ref,
    Where,
)
from derive.expression.walk import names
from derive.lower.known import Known
from derive.lower.stable_rows import ROWS, by_rows
from derive.rules.arithmetic import tidy

# Functions whose logarithm has a row of its own.
OWN_ROW = frozenset({"sigmoid", "softplus", "cosh", "sech", "normal_cdf"})


def log_of(e: Expression, known: Known) -> Expression | None:
    """The logarithm of the expression in a form that neither underflows nor overflows."""
    found = _log(e, known)
    return None if found is None else by_rows(tidy(found), ROWS)


def _log(e: Expression, known: Known) -> Expression | None:
    match e:
        case Ref():
            body = known.definition(e)
            return None if body is None else log_of(body, known.deeper())
        case Call(function="exp"):
            return e.args[0]
        case Call(function="sqrt"):
            inner = log_of(e.args[0], known)
            return None if inner is None else div(inner, TWO)
        case Call() if e.function in OWN_ROW:
            return by_rows(Call("log", (e,)), ROWS)
        case Pow():
            inner = log_of(e.base, known)
            return None if inner is None else mul(e.exponent, inner)
        case Mul():
            return _of_product(e.factors, known)
        case Div():
            return _of_quotient(e, known)
        case Where():
            then, otherwise = log_of(e.then, known), log_of(e.otherwise, known)
            if then is None and otherwise is None:
                return None
            return Where(e.condition, then or Call("log", (e.then,)), otherwise or Call("log", (e.otherwise,)))
        case Add():
            return _of_sum(e, known)
        case Reduce(op="sum"):
            return _of_total(e, known)
        case Reduce(op="prod"):
            inner = log_of(e.body, known)
            return None if inner is None else Reduce("sum", inner, e.indices, e.condition, e.ranges)
    return None


def _of_product(factors: tuple[Expression, ...], known: Known) -> Expression | None:
    """The factors whose logarithm is known are positive, so what is left has the product's sign."""
    logs = [log_of(f, known) for f in factors]
    if not any(log is not None for log in logs):
        return None
    rest = [f for f, log in zip(factors, logs, strict=True) if log is None]
    found = [log for log in logs if log is not None]
    return add(*found, Call("log", (mul(*rest),))) if rest else add(*found)


def _of_quotient(e: Div, known: Known) -> Expression | None:
    above, below = log_of(e.numerator, known), log_of(e.denominator, known)
    if above is None and below is None:
        return None
    if e.numerator == ONE and below is not None:
        return neg(below)
    return sub(above or Call("log", (e.numerator,)), below or Call("log", (e.denominator,)))


def _of_sum(e: Add, known: Known) -> Expression | None:
    """Of 1 - p by the complement; of exponentials by log-sum-exp; of a mixture by 0 and 1 by what it selects."""
    other = complement(e, known)
    if other is not None:
        return log_of(other, known)
    return _of_mixture(e, known) or sum_of_exponentials(e, known)


def sum_of_exponentials(e: Add, known: Known) -> Expression | None:
    """log(exp(u) + exp(v) + 1), where there is an exponential among positive numbers."""
    exponents = exponents_of(e, known)
    if not exponents:
        return None
    total = exponents[0]
    for u in exponents[1:]:
        total = log_add(total, u)
    return total


def exponents_of(e: Add, known: Known) -> list[Expression]:
    """u, v and 0 of ``exp(u) + exp(v) + 1``; none where that is not what the sum is, or numbers are all there is."""
    found = [u for t in e.terms if (u := exponent_of(t, known)) is not None]
    varying = [u for u in found if not isinstance(u, Number) and names(u)]
    return found if len(found) == len(e.terms) and varying else []


def log_add(u: Expression, v: Expression) -> Expression:
    """log(exp(u) + exp(v))."""
    if u == ZERO:
        return Call("softplus", (v,))
    return Call("softplus", (u,)) if v == ZERO else Call("logaddexp", (u, v))


def _of_total(e: Reduce, known: Known) -> Expression | None:
    """Of a sum of exponentials over an axis; written out it is recognised as log-sum-exp when it is computed."""
    exponent = exponent_of(e.body, known)
    if exponent is None or not names(exponent):
        return None
    return Call("log", (Reduce("sum", Call("exp", (exponent,)), e.indices, e.condition, e.ranges),))


def exponent_of(e: Expression, known: Known) -> Expression | None:
    """u where the expression is exp(u): exponentials, positive numbers, and what is made of them."""
    match e:
        case Number() if e.value > 0:
            return ZERO if e.value == 1 else Call("log", (e,))
        case Call(function="exp"):
            return e.args[0]
        case Ref():
            body = known.definition(e)
            return None if body is None else exponent_of(body, known.deeper())
        case Mul():
            parts = [exponent_of(f, known) for f in e.factors]
            return None if any(p is None for p in parts) else tidy(add(*(p for p in parts if p is not None)))
        case Div():
            above, below = exponent_of(e.numerator, known), exponent_of(e.denominator, known)
            return None if above is None or below is None else tidy(sub(above, below))
        case Pow():
            inner = exponent_of(e.base, known)
            return None if inner is None else tidy(mul(e.exponent, inner))
    return None


def complement(e: Expression, known: Known) -> Expression | None:
    """``1 - p`` without the difference, p a node or an expression; also of a case distinction."""
    match e:
        case Add(terms=(first, Neg(arg=p))) if first == ONE:
            return _complement_of(p, known)
        case Add(terms=(Neg(arg=p), last)) if last == ONE:
            return _complement_of(p, known)
        case Add(terms=(a, b)):
            return _plus_one(a, b, known)
    return None


def _complement_of(p: Expression, known: Known) -> Expression | None:
    plain = add(ONE, neg(p))
    match p:
        case Ref():
            body = known.definition(p)
            return None if body is None else _complement_of(body, known.deeper())
        case Pow(base=Ref() as ref):
            body = known.definition(ref)
            return None if body is None else _complement_of(Pow(body, p.exponent), known.deeper())
        case Where():
            then, otherwise = _complement_of(p.then, known), _complement_of(p.otherwise, known)
            if then is None and otherwise is None:
                return None
            return Where(p.condition, then or add(ONE, neg(p.then)), otherwise or add(ONE, neg(p.otherwise)))
        case Add(terms=(first, Neg(arg=q))) if first == ONE:
            return q
    found = by_rows(plain, ROWS)
    return None if found == plain else tidy(found)


def _plus_one(a: Expression, b: Expression, known: Known) -> Expression | None:
    """``1 + t`` and ``p - 1`` where a row knows what t or p is."""
    for k, part in enumerate((a, b)):
        bare = part.arg if isinstance(part, Neg) else part
        body = known.definition(bare) if isinstance(bare, Ref) else None
        other = (b, a)[k]
        if body is None or other not in (ONE, neg(ONE)) or isinstance(part, Neg):
            continue
        whole = add(body, other) if k == 0 else add(other, body)
        found = by_rows(whole, ROWS)
        if found != whole:
            return tidy(found)
        deeper = _plus_one(*((body, other) if k == 0 else (other, body)), known.deeper())
        if deeper is not None:
            return deeper
    return None


def _of_mixture(e: Add, known: Known) -> Expression | None:
    """Of ``y*p + (1 - y)*q``: that of p or q where the data y is 1 or 0, and nothing vanishes between."""
    if len(e.terms) != 2:
        return None
    for one, other in (e.terms, e.terms[::-1]):
        for y, p in _splits(one):
            if not isinstance(y, Ref) or y.name not in known.data:
                continue
            for weight, q in _splits(other):
                if weight == add(ONE, neg(y)):
                    logs = log_of(p, known), log_of(q, known), Call("log", (e,))
                    return None if logs[0] is None or logs[1] is None else _chosen(y, logs[0], logs[1], logs[2])
    return None


def _chosen(y: Expression, one: Expression, zero: Expression, between: Expression) -> Expression:
    return Where(Compare("==", y, ONE), one, Where(Compare("==", y, ZERO), zero, between))


def _splits(e: Expression) -> list[tuple[Expression, Expression]]:
    """A product as each of its factors and the rest."""
    factors = e.factors if isinstance(e, Mul) else (e,)
    return [(f, mul(*factors[:k], *factors[k + 1 :])) for k, f in enumerate(factors)]
