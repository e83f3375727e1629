"""Rules of fractions, products and powers: cancel, bring to a common denominator, multiply out, collect."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

from derive.algebra.rational import Rational, TooLarge, alpha_normal
from derive.expression.build import add, decimal, div, mul, neg, number, power
from derive.expression.nodes import Add, Call, Div, Expression, Mul, Neg, Number, Pow, Ref
from derive.expression.parts import unsigned
from derive.expression.walk import Pass, nodes_of, operations
from derive.rules.arithmetic import exact, is_decimal, tidy
from derive.rules.rule import Context, Rule, at_every_place, leaves_up
from derive.rules.sharing import terms_share

LONGEST_MULTIPLIED_OUT = 30  # operations; a longer fraction hardly becomes shorter when it is multiplied out


def length(e: Expression) -> tuple[int, int]:
    """How long an expression is: its operations, and how often names stand in it; ``2*u`` is shorter than ``u + u``."""
    return operations(e), sum(1 for _ in nodes_of(e, Ref))


Powers = dict[Expression, tuple[Expression, Fraction]]  # by key: the base as shown, its exponent


def _factors(e: Expression, sign: int = 1) -> Iterator[tuple[Expression, int]]:
    """The factors of nested products and quotients, with +1 above the line and -1 below; a bare -1 for a sign."""
    match e:
        case Neg():
            yield number(-1), 1
            yield from _factors(e.arg, sign)
        case Mul():
            for f in e.factors:
                yield from _factors(f, sign)
        case Div():
            yield from _factors(e.numerator, sign)
            yield from _factors(e.denominator, -sign)
        case Pow(base=Mul() | Div() | Neg(), exponent=Number() as n) if n.value.denominator == 1 and n.value <= 12:
            for f, s in _factors(e.base, sign):
                yield power(f, n), s
        case _:
            yield e, sign


def _collect(e: Expression) -> tuple[Fraction, Powers, bool]:
    """Coefficient and powers of a product; and whether two factors met in one power."""
    coefficient = Fraction(1)
    powers: Powers = {}
    met = False
    for factor, sign in _factors(e):
        value = exact(factor)
        if value is not None and (value or sign > 0):
            coefficient *= value if sign > 0 else 1 / value
            continue
        base, exponent = _power_of(factor)
        exponent *= sign
        key = alpha_normal(base)
        if key not in powers and isinstance(base, Add):
            opposite = alpha_normal(_negative(base))
            if opposite in powers and exponent.denominator == 1:
                key = opposite
                if exponent % 2:
                    coefficient = -coefficient
        if key in powers:
            met = True
            shown, old = powers[key]
            powers[key] = (shown, old + exponent)
        else:
            powers[key] = (base, exponent)
    for key, (base, exponent) in list(powers.items()):  # a root of a number may have become a number
        if isinstance(base, Number) and exponent.denominator == 1 and base.value and abs(exponent) < 64:
            coefficient *= base.value ** int(exponent)
            del powers[key]
    return coefficient, powers, met


def _power_of(e: Expression) -> tuple[Expression, Fraction]:
    match e:
        case Call(function="sqrt"):
            return e.args[0], Fraction(1, 2)
        case Call(function="exp", args=(Neg() as inner,)):
            return Call("exp", (inner.arg,)), Fraction(-1)
        case Pow():
            value = exact(e.exponent)
            if value is not None:
                base, inner_exponent = _power_of(e.base)
                if inner_exponent == 1 or value.denominator == 1:
                    return base, inner_exponent * value
                return e.base, value
    return e, Fraction(1)


def _negative(e: Add) -> Expression:
    """-e, term by term, a positive term first as in `e`."""
    flipped = [t.arg if isinstance(t, Neg) else neg(t) for t in e.terms]
    if isinstance(flipped[0], Neg):
        flipped.sort(key=lambda t: isinstance(t, Neg))
    return Add(tuple(flipped))


def from_powers(coefficient: Fraction, powers: Powers, as_decimal: bool = False) -> Expression:
    """The product again: number, factors in their order, over the denominators in theirs."""
    top: list[Expression] = []
    bottom: list[Expression] = []
    for base, exponent in powers.values():
        if exponent > 0:
            top.append(_shown(base, exponent))
        elif exponent < 0:
            if isinstance(base, Call) and base.function == "exp":
                inner = base.args[0]
                top.append(Call("exp", (neg(inner if exponent == -1 else mul(number(-exponent), inner)),)))
            else:
                bottom.append(_shown(base, -exponent))
    size = abs(coefficient)
    if as_decimal and isinstance(decimal(size), Number):
        if size != 1 or not top:
            top.insert(0, decimal(size))
        size = Fraction(1)
    elif size.numerator != 1 or not top:
        top.insert(0, number(size.numerator))
    if size.denominator != 1:
        bottom.insert(0, number(size.denominator))
    result = div(mul(*top), mul(*bottom)) if bottom else mul(*top)
    return neg(result) if coefficient < 0 else result


def _shown(base: Expression, exponent: Fraction) -> Expression:
    if exponent == Fraction(1, 2):
        return Call("sqrt", (base,))
    if exponent == 1:
        return base
    if isinstance(base, Call) and base.function == "exp":
        return Call("exp", (mul(number(exponent), base.args[0]),))
    return power(base, number(exponent))


def _cancel_node(e: Expression) -> Expression:
    if not isinstance(e, (Mul, Div)):
        return e
    coefficient, powers, met = _collect(e)
    if not met and _numbers(e) < 2:
        return e
    return _from_collected(coefficient, powers, e)


def _from_collected(coefficient: Fraction, powers: Powers, e: Expression) -> Expression:
    if coefficient == 0:
        return number(0)
    as_decimal = any(is_decimal(f) for f, _ in _factors(e))
    return from_powers(coefficient, {k: v for k, v in powers.items() if v[1]}, as_decimal)


def _merge_node(e: Expression) -> Expression:
    """A fraction inside a product, a quotient or a power becomes one fraction."""
    match e:
        case Mul():
            fits = any(isinstance(unsigned(f), Div) or isinstance(f, Neg) for f in e.factors)
        case Div():
            sides = (*_outer_factors(e.numerator), *_outer_factors(e.denominator))
            fits = any(isinstance(f, Div) for f in sides)
        case Pow(base=Div() | Mul() | Neg(), exponent=Number() as n):
            fits = n.value.denominator == 1 and n.value <= 12 and _worth(e.base)
        case _:
            fits = False
    if not fits:
        return e
    coefficient, powers, _ = _collect(e)
    return _from_collected(coefficient, powers, e)


def _outer_factors(e: Expression) -> tuple[Expression, ...]:
    return e.factors if isinstance(e, Mul) else (e,)


def _worth(base: Expression) -> bool:
    """A power of a product is taken apart only where a root or a number becomes simpler by it."""
    return any(exact(f) is not None or (isinstance(f, Call) and f.function == "sqrt") for f, _ in _factors(base))


def _merge(e: Expression, _: Context) -> Expression | None:
    result = tidy(_MERGED(e))
    return None if result is e or result == e else result


_MERGED = Pass(_merge_node, Mul, Div, Pow)
MERGE_FRACTIONS = Rule("product of fractions", "u*(v/w) = u*v/w", _merge)


def _numbers(e: Expression) -> int:
    return sum(1 for f, _ in _factors(e) if (v := exact(f)) is not None and abs(v) != 1)


def _cancel(e: Expression, _: Context) -> Expression | None:
    result = tidy(_CANCELLED(e))
    return None if result is e or result == e else result


_CANCELLED = Pass(_cancel_node, Mul, Div)
CANCEL = Rule("cancel", "u*v/(u*w) = v/w, and equal factors become powers", _cancel)


def _common(e: Expression, _: Context) -> Expression | None:
    """Sums of fractions, each over its own denominator, become one fraction; outermost sums only."""
    if not isinstance(e, Add) or not any(map(_has_denominator, e.terms)):
        return None
    parts: list[tuple[bool, Fraction, Powers]] = []
    least: Powers = {}
    for term in e.terms:
        coefficient, powers, _met = _collect(term)
        below = {k: (b, -x) for k, (b, x) in powers.items() if x < 0}
        for key, (base, exponent) in below.items():
            if key not in least or least[key][1] < exponent:
                least[key] = (base, exponent)
        parts.append((coefficient < 0, abs(coefficient), powers))
    if not least:
        return None
    terms: list[Expression] = []
    for negative, coefficient, powers in parts:
        raised = {k: v for k, v in powers.items() if v[1] > 0}
        for key, (base, exponent) in least.items():
            own = powers.get(key, (base, Fraction(0)))[1]
            missing = exponent + own if own < 0 else exponent
            if missing > 0:
                old = raised.get(key, (base, Fraction(0)))[1]
                raised[key] = (base, old + missing)
        shown = from_powers(coefficient, raised)
        terms.append(neg(shown) if negative else shown)
    denominator = from_powers(Fraction(1), least)
    return div(add(*terms), denominator)


def _has_denominator(e: Expression) -> bool:
    return any(sign < 0 for _, sign in _factors(e))


COMMON_DENOMINATOR = Rule("common denominator", "u/v + w/z = (u*z + w*v)/(v*z)", at_every_place(_common, Add))


def _expand_node(e: Expression) -> Expression:
    """A sum with products of sums in it, multiplied out and collected, where that makes it shorter."""
    return _expanded(e) if isinstance(e, Add) and _expands(e) else e


@lru_cache(maxsize=4096)
def _expands(e: Add) -> bool:
    """Whether it becomes shorter: the roads to a short form ask it of the same sums again and again.

    Only the answer is kept, not the form: equal sums may run over other ranges.
    """
    return terms_share(e) and length(_expanded(e)) < length(e)


def _expanded(e: Add) -> Expression:
    try:
        space = Rational(e)
        element = space.into(e)
    except (TooLarge, ZeroDivisionError):
        return e
    return e if element.denom != 1 and len(element.denom) > 1 else space.out(element, factored=False)


EXPAND = Rule("expand", "u*(v + w) = u*v + u*w, and like terms collected", leaves_up(Pass(_expand_node, Add)))


def _factor_node(e: Expression) -> Expression:
    return _factored(e) if isinstance(e, Add) and _factors_out(e) else e


@lru_cache(maxsize=4096)
def _factors_out(e: Add) -> bool:
    """Whether it becomes shorter; only the answer is kept, as above."""
    return terms_share(e) and operations(_factored(e)) < operations(e)


def _factored(e: Add) -> Expression:
    try:
        space = Rational(e)
        return space.out(space.into(e))
    except (TooLarge, ZeroDivisionError):
        return e


FACTOR = Rule("factor", "u*v + u*w = u*(v + w)", leaves_up(Pass(_factor_node, Add)))


def _lowest_terms(e: Expression, _: Context) -> Expression | None:
    """The whole expression as one fraction in lowest terms."""
    if operations(e) > LONGEST_MULTIPLIED_OUT:
        return None
    try:
        space = Rational(e)
        shown = space.out(space.into(e))
    except (TooLarge, ZeroDivisionError):
        return None
    return None if shown == e else shown


LOWEST_TERMS = Rule(
    "lowest terms", "numerator and denominator multiplied out, and their common factors cancelled", _lowest_terms
)


def _order_node(e: Expression) -> Expression:
    if isinstance(e, Add) and isinstance(e.terms[0], Neg):
        positive = [t for t in e.terms if not isinstance(t, Neg)]
        if positive:
            return add(*positive, *(t for t in e.terms if isinstance(t, Neg)))
        if len(e.terms) > 1:
            return neg(add(*(t.arg for t in e.terms if isinstance(t, Neg))))
    return e


def _order(e: Expression, _: Context) -> Expression | None:
    result = tidy(_ORDERED(e))
    return None if result is e or result == e else result


_ORDERED = Pass(_order_node, Add)
ORDER_TERMS = Rule("order of terms", "-u + v = v - u", _order)


def _sign_node(e: Expression) -> Expression:
    """A sign in front of a product moves into its first difference: -(y - a)*x = (a - y)*x; -(u/v) likewise."""
    if not isinstance(e, Neg):
        return e
    inner = e.arg
    top = inner.numerator if isinstance(inner, Div) else inner
    factors = list(top.factors) if isinstance(top, Mul) else [top]
    for k, f in enumerate(factors):
        if isinstance(f, Add) and any(isinstance(t, Neg) for t in f.terms):
            factors[k] = _negative(f)
            flipped = mul(*factors)
            return div(flipped, inner.denominator) if isinstance(inner, Div) else flipped
    return e


SIGNS = Rule("signs", "-(u - v)*w = (v - u)*w", leaves_up(Pass(_sign_node, Neg)))
