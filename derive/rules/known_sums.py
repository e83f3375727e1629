"""Sums that the model's own equations know: the mean's sum, the entries of a softmax, what a node's name stands for.

A rule reads them off the equations of the nodes around: m = sum(x[j], j)/d says that sum(x[j], j) is d*m, and
a[i] = u[i]/sum(u[j], j) that the entries of a sum to one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

from derive.algebra.rational import Rational, TooLarge, alpha_normal, parts_sorted
from derive.expression.build import ONE, ZERO, add, div, mul, neg, number, power
from derive.expression.nodes import Add, Call, Div, Expression, Index, Mul, Neg, Number, Pow, Reduce, Ref
from derive.expression.walk import bottom_up, free_indices, holds, operations, rename_indices
from derive.rules.expansion import written_out
from derive.rules.rule import Context, Rule, at_every_place

Equation = tuple[Ref, Expression]


@dataclass(frozen=True, slots=True)
class Known:
    """`total`, a sum over an index, has this value wherever the free indices of the node stand."""

    total: Reduce
    value: Expression
    indices: tuple[str, ...]


def says_a_sum(body: Expression) -> bool:
    """Whether an equation tells the value of a sum."""
    return _sum_in(body) is not None or _normalised_over(body) is not None


def _sum_in(body: Expression) -> tuple[Reduce, Expression | None, bool] | None:
    """The sum R, the divisor k and the sign in R, -R, R/k and -R/k."""
    negative = isinstance(body, Neg)
    bare = body.arg if isinstance(body, Neg) else body
    divisor = bare.denominator if isinstance(bare, Div) else None
    top = bare.numerator if isinstance(bare, Div) else bare
    if not isinstance(top, Reduce) or top.op != "sum" or top.condition is not None:
        return None
    if divisor is not None and (free_indices(divisor) or holds(divisor, Reduce)):
        return None
    return top, divisor, negative


def _normalised_over(body: Expression) -> tuple[Expression, Reduce] | None:
    """Numerator and sum of a quotient u[i]/sum(u[j], j)."""
    if not isinstance(body, Div) or not isinstance(body.denominator, Reduce):
        return None
    total = body.denominator
    if total.op != "sum" or len(total.indices) != 1 or total.condition is not None:
        return None
    return body.numerator, total


def known_sums(equations: tuple[Equation, ...]) -> list[Known]:
    found: list[Known] = []
    for element, body in equations:
        own = tuple(i.name for i in element.indices if isinstance(i, Index))
        if (said := _sum_in(body)) is not None:
            total, divisor, negative = said
            value: Expression = element if divisor is None else mul(divisor, element)
            found.append(Known(total, neg(value) if negative else value, own))
        if (quotient := _normalised_over(body)) is not None:
            numerator, total = quotient
            (bound,) = total.indices
            for i in own:
                if alpha_normal(rename_indices(numerator, {i: Index(bound)})) == alpha_normal(total.body):
                    whole = Reduce("sum", rename_indices(element, {i: Index(bound)}), (bound,), None, total.ranges)
                    found.append(Known(whole, ONE, tuple(k for k in own if k != i)))
    return found


def _value_of(total: Expression, known: list[Known]) -> Expression | None:
    """What a sum is worth, at the indices at which it stands."""
    if not isinstance(total, Reduce):
        return None
    free = tuple(free_indices(total))
    for row in known:
        if len(row.indices) != len(free) or len(row.total.indices) != len(total.indices):
            continue
        for letters in permutations(free):
            swap: dict[str, Expression] = {i: Index(k) for i, k in zip(row.indices, letters, strict=True)}
            if _in_order(rename_indices(row.total, swap)) == _in_order(total):
                return rename_indices(row.value, swap)
    return None


@lru_cache(maxsize=1 << 12)
def _in_order(e: Expression) -> Expression:
    return parts_sorted(alpha_normal(e))


def _replaced(e: Expression, context: Context) -> Expression | None:
    if not isinstance(e, Reduce) or e.op != "sum" or e.condition is not None:
        return None
    known = known_sums(context.equations)
    value = _value_of(e, known)
    if value is not None:
        return value
    terms = written_out(e)
    if not isinstance(terms, Add):
        return None
    parts = [_term(t, known) for t in terms.terms]
    if not any(replaced for _, replaced in parts):
        return None
    whole = _zero_or(add(*(part for part, _ in parts)))
    return whole if operations(whole) < operations(e) else None


def _term(term: Expression, known: list[Known]) -> tuple[Expression, bool]:
    """A term of a sum with its value put in, and whether one was known."""
    if isinstance(term, Neg):
        inner, replaced = _term(term.arg, known)
        return neg(inner), replaced
    if not isinstance(term, Reduce):
        return term, False
    constant, rest = _without_constants(term)
    value = _value_of(rest, known)
    if value is None:
        return term, rest == ONE
    return (value if constant == ONE else mul(constant, value)), True


def _without_constants(e: Reduce) -> tuple[Expression, Expression]:
    """``sum(c*u[j], j)`` as c and the sum of u[j]; ``sum(c, j)`` as the size times c, and 1."""
    factors = e.body.factors if isinstance(e.body, Mul) else (e.body,)
    outside = [f for f in factors if not set(e.indices) & set(free_indices(f))]
    inside = [f for f in factors if f not in outside]
    if not inside:
        return mul(*e.ranges, *outside), ONE
    if not outside:
        return ONE, e
    return mul(*outside), Reduce("sum", mul(*inside), e.indices, None, e.ranges)


def _zero_or(e: Expression) -> Expression:
    """0 where the terms cancel."""
    parts = e.terms if isinstance(e, Add) else (e,)
    plain = add(*(_counted(part) for part in parts))
    try:
        return ZERO if Rational(plain).into(plain) == 0 else e
    except (TooLarge, ZeroDivisionError):
        return e


def _counted(term: Expression) -> Expression:
    """A sum of what its index does not enter as the number of terms times it."""
    if isinstance(term, Neg):
        return neg(_counted(term.arg))
    if isinstance(term, Reduce):
        constant, rest = _without_constants(term)
        if rest == ONE:
            return constant
    return term


KNOWN_SUM = Rule("sum of a node", "sum(x[j], j) = d*m where m = sum(x[j], j)/d", at_every_place(_replaced, Reduce))


def _named_quotient(e: Expression, context: Context) -> Expression | None:
    if not holds(e, Div):
        return None
    result = bottom_up(e, lambda node: _quotient(node, context.equations))
    return None if result == e else result


def _quotient(e: Expression, equations: tuple[Equation, ...]) -> Expression:
    """(x[i] - m)*c/(s**2) as u[i]*c/s where u[i] = (x[i] - m)/s."""
    if not isinstance(e, Div):
        return e
    above = list(e.numerator.factors) if isinstance(e.numerator, Mul) else [e.numerator]
    below = list(e.denominator.factors) if isinstance(e.denominator, Mul) else [e.denominator]
    for element, body in equations:
        if not isinstance(body, Div) or isinstance(body.numerator, (Ref, Call)) or says_a_sum(body):
            continue
        place = next((k for k, f in enumerate(below) if _less(f, body.denominator) is not None), None)
        if place is None:
            continue
        less = _less(below[place], body.denominator)
        kept = [f for f in (*below[:place], less, *below[place + 1 :]) if f is not None and f != ONE]
        for k, f in enumerate(above):
            shown = _instance(element, body.numerator, f)
            if shown is not None:
                top = mul(*above[:k], shown, *above[k + 1 :])
                return div(top, mul(*kept)) if kept else top
    return e


def _less(factor: Expression, base: Expression) -> Expression | None:
    """s**2 with one s fewer; None where the factor is no power of s."""
    if factor == base:
        return ONE
    if isinstance(factor, Pow) and factor.base == base and isinstance(factor.exponent, Number):
        n = factor.exponent.value - 1
        return None if n.denominator != 1 or n < 1 else base if n == 1 else power(base, number(n))
    return None


def _instance(element: Ref, numerator: Expression, found: Expression) -> Expression | None:
    """The node's element where its numerator stands at other indices."""
    own = tuple(i.name for i in element.indices if isinstance(i, Index))
    free = tuple(free_indices(found))
    if len(free) != len(own):
        return None
    for letters in permutations(free):
        swap: dict[str, Expression] = {i: Index(k) for i, k in zip(own, letters, strict=True)}
        if alpha_normal(rename_indices(numerator, swap)) == alpha_normal(found):
            return rename_indices(element, swap)
    return None


NAME_QUOTIENT = Rule("name a quotient", "v*c/s = u*c where u = v/s", _named_quotient)
