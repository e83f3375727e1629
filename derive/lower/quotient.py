"""Quotients of exponentials: their exponents are subtracted before the exponential is taken."""

from __future__ import annotations

from derive.algebra.rational import alpha_normal
from derive.expression.build import ONE, ZERO, add, div, mul, neg, sub
from derive.expression.nodes import Add, Call, Div, Expression, Index, Mul, Neg, Pow, Reduce, Ref
from derive.expression.walk import free_indices, names, rename_indices
from derive.lower.known import Known
from derive.lower.logarithm import exponent_of, exponents_of, log_add
from derive.rules.arithmetic import tidy


def quotient(e: Div, known: Known) -> Expression | None:
    """``v*exp(u)/(exp(u) + exp(w))`` as v*sigmoid(u - w), and its kin; None where no denominator is of exponentials."""
    below = e.denominator.factors if isinstance(e.denominator, Mul) else (e.denominator,)
    above = e.numerator.factors if isinstance(e.numerator, Mul) else (e.numerator,)
    if isinstance(e.numerator, Add) and any(_has_exponential(t, known) for t in e.numerator.terms):
        return _term_by_term(e.numerator, e.denominator, known)
    for k, total in enumerate(below):
        exponents = [exponent_of(f, known) for f in above]
        moved = [m for m, u in enumerate(exponents) if u is not None and names(u)]
        top = tidy(add(*(exponents[m] or ZERO for m in moved)))
        ratio = _ratio(top, total, known)
        if ratio is None:
            continue
        left = (*below[:k], *below[k + 1 :])
        place = moved[0] if moved else len(above)
        before = [f for m, f in enumerate(above[:place]) if f != ONE]
        after = [f for m, f in enumerate(above) if m > place and m not in moved]
        numerator = mul(*before, ratio, *after)
        if not left:
            return numerator
        result = div(numerator, mul(*left))
        return result if not isinstance(result, Div) else quotient(result, known) or result
    return None


def _has_exponential(term: Expression, known: Known) -> bool:
    bare = term.arg if isinstance(term, Neg) else term
    factors = bare.factors if isinstance(bare, Mul) else (bare,)
    return any((u := exponent_of(f, known)) is not None and names(u) for f in factors)


def _term_by_term(numerator: Add, denominator: Expression, known: Known) -> Expression | None:
    """``(exp(u)*v + w)/total`` over a sum of exponentials, each term divided before its exponential is taken."""
    parts: list[Expression] = []
    for term in numerator.terms:
        whole = div(term, denominator)
        bare = whole.arg if isinstance(whole, Neg) else whole
        found = quotient(bare, known) if isinstance(bare, Div) else None
        if found is None:
            return None
        parts.append(neg(found) if isinstance(whole, Neg) else found)
    return add(*parts)


def _ratio(top: Expression, total: Expression, known: Known) -> Expression | None:
    """exp(top)/total."""
    match total:
        case Ref():
            body = known.definition(total)
            return None if body is None else _ratio(top, body, known.deeper())
        case Pow(base=base) if _log_of_total(base, known) is not None:
            return _exp(sub(top, mul(total.exponent, _log_of_total(base, known) or ZERO)))
        case Add() if len(exponents := exponents_of(total, known)) == 2:
            for one, other in (exponents, exponents[::-1]):
                if alpha_normal(tidy(one)) == alpha_normal(top):
                    return Call("sigmoid", (tidy(sub(one, other)),))
        case Reduce(op="sum"):
            return _over_axis(top, total, known)
    log = _log_of_total(total, known)
    return None if log is None else _exp(sub(top, log))


def _exp(u: Expression) -> Expression:
    return Call("exp", (tidy(u),))


def _log_of_total(e: Expression, known: Known) -> Expression | None:
    """The logarithm of an exponential or a sum of exponentials."""
    if isinstance(e, Add):
        exponents = exponents_of(e, known)
        if not exponents:
            return None
        log = exponents[0]
        for u in exponents[1:]:
            log = log_add(log, u)
        return log
    if isinstance(e, Ref):
        body = known.definition(e)
        return None if body is None else _log_of_total(body, known.deeper())
    exponent = exponent_of(e, known)
    return exponent if exponent is not None and names(exponent) else None


def _over_axis(top: Expression, total: Reduce, known: Known) -> Expression | None:
    """``exp(u[i])/sum(exp(u[j]), j)``, with the names of exponentials looked through: a softmax once it is computed."""
    exponent = exponent_of(total.body, known)
    if exponent is None or not names(exponent):
        return None
    plain = Reduce("sum", Call("exp", (exponent,)), total.indices, total.condition, total.ranges)
    if axis_of(top, plain) is not None:
        return div(Call("exp", (top,)), plain)
    return _exp(sub(top, Call("log", (plain,))))


def softmax_in(node: Div) -> Expression | None:
    """``c*exp(u[i])/sum(exp(u[j]), j)`` is c times a softmax, whatever else stands above and below the line."""
    above = node.numerator.factors if isinstance(node.numerator, Mul) else (node.numerator,)
    below = node.denominator.factors if isinstance(node.denominator, Mul) else (node.denominator,)
    for k, top in enumerate(above):
        for m, total in enumerate(below):
            if not isinstance(top, Call) or top.function != "exp" or not isinstance(total, Reduce):
                continue
            axis = axis_of(top.args[0], total)
            if axis is None:
                continue
            softmax = Call("softmax", top.args, (("axis", Index(axis)),))
            numerator = mul(*above[:k], softmax, *above[k + 1 :])
            rest = (*below[:m], *below[m + 1 :])
            return div(numerator, mul(*rest)) if rest else numerator
    return None


def axis_of(u: Expression, total: Reduce) -> str | None:
    """The free index along which exp(u)/total is a softmax: renaming the bound one to it gives the numerator."""
    body = total.body
    if total.op != "sum" or not isinstance(body, Call) or body.function != "exp":
        return None
    if len(total.indices) != 1 or total.condition is not None:
        return None
    for index in free_indices(u):
        renamed = rename_indices(body.args[0], {total.indices[0]: Index(index)})
        if index not in free_indices(total) and alpha_normal(renamed) == alpha_normal(u):
            return index
    return None
