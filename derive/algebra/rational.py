"""Expressions as rational functions over their kernels, with SymPy's polynomial rings doing the algebra.

A kernel is what the four operations do not take apart: a name, ``log(u)``, ``sin(u)``, ``exp(u)``, a root, a sum
over an index, a case distinction.  ``exp(-u)``, ``exp(2*u)`` and ``exp(u + v)`` are powers and products of kernels.
Expressions that are too large or have powers too high to multiply out are refused (None), never waited for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from math import comb, gcd, lcm, prod
from typing import Any

from sympy.polys.domains import QQ
from sympy.polys.fields import FracField
from sympy.polys.orderings import lex

from derive.expression.build import ONE, decimal, div, mul, number, power
from derive.expression.nodes import (
    Add,
    Binder,
    Call,
    ComponentTensor,
    Div,
    Expression,
    Index,
    Mul,
    Neg,
    Number,
    Pow,
    Reduce,
)
from derive.expression.walk import (
    bottom_up,
    children,
    holds,
    nodes_of,
    operations,
    rename_indices,
    with_children,
    with_indices,
)

MOST_KERNELS = 14
MOST_OPERATIONS = 160
MOST_FACTORED = 16  # terms of a polynomial that is factored
MOST_POWER = 8  # the highest power of a sum that is multiplied out
MOST_TERMS = 400  # of a numerator or a denominator
MOST_MULTIPLIED = 40_000  # products of two terms, to multiply two polynomials
MOST_COMMON = 1 << 12  # monomials that a common divisor may have: its price grows with them


class TooLarge(Exception):
    """The expression is not brought into this form: it would take too long."""


@lru_cache(maxsize=64)
def field_over(count: int) -> FracField:
    """The field of rational functions in as many variables over the rationals."""
    return FracField([f"t{k}" for k in range(count)], QQ, lex)


def alpha_normal(e: Expression) -> Expression:
    """The same expression with its bound indices named in order, so that equal sums are equal trees."""
    return _in_letters(e) if holds(e, Reduce, ComponentTensor) else e


@lru_cache(maxsize=1 << 15)
def _in_letters(e: Expression) -> Expression:
    counter = [0]

    def visit(node: Expression) -> Expression:
        if isinstance(node, Binder):
            swap: dict[str, Expression] = {}
            names = []
            for name in node.indices:
                names.append(f"bound {counter[0]}")
                swap[name] = Index(names[-1])
                counter[0] += 1
            parts = tuple(rename_indices(c, swap) for c in children(node))
            node = with_children(with_indices(node, tuple(names)), parts)
        return with_children(node, tuple(visit(c) for c in children(node)))

    return visit(e)


def parts_sorted(e: Expression) -> Expression:
    """The same expression with factors and terms in one order, whatever the author's."""

    def change(node: Expression) -> Expression:
        match node:
            case Mul():
                return Mul(tuple(sorted(node.factors, key=str)))
            case Add():
                return Add(tuple(sorted(node.terms, key=str)))
        return node

    return bottom_up(e, change)


@dataclass
class Kernels:
    """The kernels of some expressions in order of first appearance; exponentials remember their denominators."""

    order: dict[Expression, int] = field(default_factory=dict)
    shown: list[Expression] = field(default_factory=list)
    roots: dict[Expression, int] = field(default_factory=dict)
    steps: dict[Expression, int] = field(default_factory=dict)

    def scan(self, e: Expression) -> None:
        match e:
            case Number():
                return
            case Add():
                for term in e.terms:
                    self.scan(term)
            case Mul():
                for f in e.factors:
                    self.scan(f)
            case Neg():
                self.scan(e.arg)
            case Div():
                self.scan(e.numerator)
                self.scan(e.denominator)
            case _:
                for base, exponent in _as_power(e):
                    if exponent.denominator == 1 and base != e and not _is_kernel(base):
                        self.scan(base)
                    else:
                        self.add(base, exponent)
                        if exponent.denominator != 1 and not _is_kernel(base):
                            self.scan(base)  # so that a root and its base can be related

    def add(self, base: Expression, exponent: Fraction) -> None:
        key = alpha_normal(base)
        if key not in self.order:
            self.order[key] = len(self.order)
            self.shown.append(base)
            self.roots[key] = 1
            self.steps[key] = 0
        self.roots[key] = lcm(self.roots[key], exponent.denominator)
        # where exp(3*u) alone occurs, it is the kernel, and not exp(u)
        self.steps[key] = gcd(self.steps[key], exponent.numerator) if _is_exp(base) else 1
        if len(self.order) > MOST_KERNELS or self.roots[key] > 12:
            raise TooLarge


def _is_exp(e: Expression) -> bool:
    return isinstance(e, Call) and e.function == "exp"


def _is_kernel(e: Expression) -> bool:
    return not isinstance(e, (Number, Add, Mul, Neg, Div, Pow)) or (isinstance(e, Pow) and _as_power(e)[0][0] == e)


def _as_power(e: Expression) -> list[tuple[Expression, Fraction]]:
    """An expression that is no sum, product or quotient, as a product of kernels (or bases) with rational powers."""
    match e:
        case Call(function="exp"):
            return [(Call("exp", (u,)), c) for u, c in _linear(e.args[0])]
        case Call(function="sqrt"):
            return [(e.args[0], Fraction(1, 2))]
        case Pow(exponent=exponent):
            value = _rational(exponent)
            if value is None:
                return [(Pow(e.base, u) if u != ONE else e.base, c) for u, c in _linear(exponent)]
            if value.denominator == 1 and (abs(value) <= MOST_POWER or _is_kernel_base(e.base)) and abs(value) <= 64:
                return [(e.base, value)]
            if value.denominator <= 12 and abs(value) <= MOST_POWER:
                return [(e.base, value)]
            return [(e, Fraction(1))]
    return [(e, Fraction(1))]


def _is_kernel_base(e: Expression) -> bool:
    return not isinstance(e, (Number, Add, Mul, Neg, Div, Pow))


def _rational(e: Expression) -> Fraction | None:
    match e:
        case Number():
            return e.value
        case Neg():
            inner = _rational(e.arg)
            return None if inner is None else -inner
        case Div():
            top, bottom = _rational(e.numerator), _rational(e.denominator)
            return top / bottom if top is not None and bottom else None
    return None


def _linear(e: Expression) -> list[tuple[Expression, Fraction]]:
    """``2*u - v/3 + 1`` as [(u, 2), (v, -1/3), (1, 1)]."""
    found: dict[Expression, Fraction] = {}
    for term in e.terms if isinstance(e, Add) else (e,):
        coefficient, rest = _coefficient(term)
        found[rest] = found.get(rest, Fraction(0)) + coefficient
    return [(u, c) for u, c in found.items() if c]


def _coefficient(e: Expression) -> tuple[Fraction, Expression]:
    value = _rational(e)
    if value is not None:
        return value, ONE
    match e:
        case Neg():
            c, rest = _coefficient(e.arg)
            return -c, rest
        case Mul():
            total, rest_factors = Fraction(1), []
            for f in e.factors:
                v = _rational(f)
                if v is None:
                    rest_factors.append(f)
                else:
                    total *= v
            return total, mul(*rest_factors)
        case Div() if bottom := _rational(e.denominator):
            c, rest = _coefficient(e.numerator)
            return c / bottom, rest
    return Fraction(1), e


class Rational:
    """A common field for several expressions, and the ways in and out of it."""

    def __init__(self, *expressions: Expression) -> None:
        if sum(operations(e) for e in expressions) > MOST_OPERATIONS:
            raise TooLarge
        self.kernels = Kernels()
        for e in expressions:
            self.kernels.scan(e)
        self.field = field_over(max(1, len(self.kernels.order)))
        self.number = decimal if any(_has_decimal(e) for e in expressions) else number
        self.sums = [node for e in expressions for node in _sums(e)]

    def into(self, e: Expression) -> Any:
        """The element of the field that an expression stands for; ZeroDivisionError where it divides by zero."""
        match e:
            case Number():
                return self.field(QQ(e.value.numerator, e.value.denominator))
            case Add():
                total = self.field.zero
                for term in e.terms:
                    total = self._sum_of(total, self.into(term))
                return total
            case Mul():
                total = self.field.one
                for f in e.factors:
                    total = self._product(total, self.into(f))
                return total
            case Neg():
                return -self.into(e.arg)
            case Div():
                bottom = self.into(e.denominator)
                if bottom == 0:
                    raise ZeroDivisionError
                top = self.into(e.numerator)
                return self._fraction(_multiplied(top.numer, bottom.denom), _multiplied(top.denom, bottom.numer))
        total = self.field.one
        for base, exponent in _as_power(e):
            key = alpha_normal(base)
            if key in self.kernels.order:
                exponent *= Fraction(self.kernels.roots[key], self.kernels.steps[key])
                inner = self.field.gens[self.kernels.order[key]]
            else:
                if _is_kernel(base):
                    raise TooLarge
                inner = self.into(base)
                if exponent < 0 and inner == 0:
                    raise ZeroDivisionError
            if exponent.denominator != 1:
                raise TooLarge
            total = self._product(total, _to_the(inner, int(exponent)))
        return total

    def _sum_of(self, a: Any, b: Any) -> Any:
        if a.denom == b.denom:
            return self._fraction(a.numer + b.numer, a.denom)
        top = _multiplied(a.numer, b.denom) + _multiplied(a.denom, b.numer)
        return self._fraction(top, _multiplied(a.denom, b.denom))

    def _product(self, a: Any, b: Any) -> Any:
        return self._fraction(_multiplied(a.numer, b.numer), _multiplied(a.denom, b.denom))

    def _fraction(self, top: Any, bottom: Any) -> Any:
        """In lowest terms; TooLarge where their common divisor could take long, or the result is long."""
        if bottom == 1:
            element = self.field.raw_new(top, bottom)
            if len(top) > MOST_TERMS:
                raise TooLarge
            return element
        if len(top) > 1 and len(bottom) > 1:
            pairs = zip(top.degrees(), bottom.degrees(), strict=True)
            if prod(1 + min(pair) for pair in pairs) > MOST_COMMON:
                raise TooLarge
        element = self.field.new(top, bottom)
        if len(element.numer) > MOST_TERMS or len(element.denom) > MOST_TERMS:
            raise TooLarge
        return element

    def kernel(self, k: int) -> Expression:
        """The expression that the k-th variable stands for."""
        shown = self.kernels.shown[k]
        root, step = self.kernels.roots[alpha_normal(shown)], self.kernels.steps[alpha_normal(shown)]
        if isinstance(shown, Call) and shown.function == "exp" and (root, step) != (1, 1):
            inner = shown.args[0] if step == 1 else mul(number(step), shown.args[0])
            return Call("exp", (inner if root == 1 else div(inner, number(root)),))
        if root == 1:
            return shown
        return Call("sqrt", (shown,)) if root == 2 else power(shown, number(Fraction(1, root)))

    def out(self, element: Any, factored: bool = True) -> Expression:
        """The expression of an element of the field, factors and terms in order of first appearance."""
        numerator, denominator = element.numer, element.denom
        top, number_top = self._factors(numerator, factored)
        bottom, number_bottom = self._factors(denominator, factored)
        coefficient = number_top / number_bottom
        if coefficient < 0 and (flipped := _flipped(top)) is not None:
            top, coefficient = flipped, -coefficient
        sign, coefficient = coefficient < 0, abs(coefficient)
        if isinstance(self.number(coefficient), Number):
            if coefficient != 1 or not top:
                top.insert(0, self.number(coefficient))
            coefficient = Fraction(1)
        elif coefficient.numerator != 1 or not top:
            top.insert(0, number(coefficient.numerator))
        if coefficient.denominator != 1:
            bottom.insert(0, number(coefficient.denominator))
        result = div(mul(*top), mul(*bottom)) if bottom else mul(*top)
        return Neg(result) if sign and element != 0 else result

    def polynomial(self, p: Any) -> Expression:
        return self.out(self.field(p))

    def _factors(self, p: Any, factored: bool) -> tuple[list[Expression], Fraction]:
        """Factors and numeric content of a polynomial, the sign in the content."""
        if p == 0:
            return [], Fraction(0)
        if factored and 1 < len(p) <= MOST_FACTORED and not _is_irreducible(p):
            content, parts = p.factor_list()
        else:
            content, part = p.primitive()
            parts = [(part, 1)] if part.LC > 0 or not factored else [(-part, 1)]
            content = content if part.LC > 0 or not factored else -content
        value = Fraction(int(content.numerator), int(content.denominator))
        monomial: list[Expression] = []
        sums: list[Expression] = []
        for part, exponent in parts:
            if len(part) == 1:
                powers, c = part.terms()[0]
                value *= Fraction(int(c.numerator), int(c.denominator)) ** exponent
                for k, n in enumerate(powers):
                    if n:
                        monomial.append(self._to_power(self.kernel(k), n * exponent))
            else:
                shown, flipped = self._sum(part)
                if flipped and exponent % 2:
                    value = -value
                sums.append(self._to_power(shown, exponent))
        return monomial + sums, value

    def _to_power(self, base: Expression, n: int) -> Expression:
        return base if n == 1 else power(base, n)

    def _sum(self, p: Any) -> tuple[Expression, bool]:
        """A polynomial of several terms; its sign as the author wrote it where it occurs, else a positive term
        first."""
        plus, minus = self._terms(p), self._terms(-p)
        for shown in self.sums:
            if set(shown.terms) == set(plus.terms):
                return shown, False
            if set(shown.terms) == set(minus.terms):
                return shown, True
        flipped = isinstance(plus.terms[0], Neg)
        return (minus, True) if flipped else (plus, False)

    def _terms(self, p: Any) -> Add:
        """Higher powers first, then in order of appearance; but a positive term leads: 1 - a**2, a - y."""
        terms = sorted(p.terms(), key=lambda t: (-sum(t[0]), [-n for n in t[0]]))
        leader = next((k for k, (_, c) in enumerate(terms) if c > 0), 0)
        terms.insert(0, terms.pop(leader))
        parts: list[Expression] = []
        for powers, c in terms:
            value = Fraction(int(c.numerator), int(c.denominator))
            factors = [self._to_power(self.kernel(k), n) for k, n in enumerate(powers) if n]
            size = abs(value)
            if isinstance(self.number(size), Number):
                if size != 1 or not factors:
                    factors.insert(0, self.number(size))
                size = Fraction(1)
            elif size.numerator != 1 or not factors:
                factors.insert(0, number(size.numerator))
            term = mul(*factors)
            if size.denominator != 1:
                term = div(term, number(size.denominator))
            parts.append(Neg(term) if value < 0 else term)
        return Add(tuple(parts))


def _is_irreducible(p: Any) -> bool:
    """Whether a polynomial has no factors, seen at once: a variable stands in one term alone, and there by itself."""
    monomials = p.monoms()
    columns = list(zip(*monomials, strict=True))
    if any(all(column) for column in columns):
        return False
    alone = (k for k, column in enumerate(columns) if sum(map(bool, column)) == 1)
    return any(sum(m) == 1 for k in alone for m in monomials if m[k])


def _multiplied(p: Any, q: Any) -> Any:
    if len(p) * len(q) > MOST_MULTIPLIED:
        raise TooLarge
    return p * q


def _to_the(element: Any, n: int) -> Any:
    """A power; TooLarge where multiplying it out gives too many terms."""
    longest = max(len(element.numer), len(element.denom))
    if comb(longest + abs(n) - 1, abs(n)) > MOST_MULTIPLIED:
        raise TooLarge
    return element**n


def _has_decimal(e: Expression) -> bool:
    return any(node.value.denominator != 1 for node in nodes_of(e, Number))


def _flipped(factors: list[Expression]) -> list[Expression] | None:
    """The same factors with the sign of one difference turned round: a - 1 becomes 1 - a."""
    for k, f in enumerate(factors):
        if isinstance(f, Add) and any(isinstance(t, Neg) for t in f.terms):
            terms = [t.arg if isinstance(t, Neg) else Neg(t) for t in f.terms]
            terms.sort(key=lambda t: isinstance(t, Neg))
            return [*factors[:k], Add(tuple(terms)), *factors[k + 1 :]]
    return None


def _sums(e: Expression) -> Iterable[Add]:
    return nodes_of(e, Add)
