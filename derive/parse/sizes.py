"""Arithmetic of symbolic sizes: two shapes agree when their dimensions are equal as polynomials."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

from derive.errors import DeriveError, Place
from derive.expression.build import ONE, add, mul, number
from derive.expression.nodes import Add, Div, Expression, Index, Mul, Neg, Number, Pow, Ref
from derive.expression.walk import bottom_up
from derive.parse import limits

MOST_TERMS, MOST_FACTORS = 60, 12  # of a size: more would only keep the machine busy

Polynomial = dict[tuple[str, ...], Fraction]


def polynomial(e: Expression) -> Polynomial | None:
    """A size as a polynomial in size names, or None if it is not one."""
    match e:
        case Number():
            return {(): e.value} if e.value else {}
        case Ref() if not e.indices:
            return {(e.name,): Fraction(1)}
        case Neg():
            inner = polynomial(e.arg)
            return None if inner is None else {m: -c for m, c in inner.items()}
        case Add():
            total: Polynomial = {}
            for term in e.terms:
                part = polynomial(term)
                if part is None:
                    return None
                for m, c in part.items():
                    total[m] = total.get(m, Fraction(0)) + c
            return {m: c for m, c in total.items() if c}
        case Mul():
            return _product([polynomial(f) for f in e.factors])
        case Div():
            top, bottom = polynomial(e.numerator), polynomial(e.denominator)
            if top is None or bottom is None or set(bottom) != {()}:
                return None
            return {m: c / bottom[()] for m, c in top.items()}
        case Pow() if isinstance(e.exponent, Number) and e.exponent.value.denominator == 1 and e.exponent.value <= 8:
            return _product([polynomial(e.base)] * int(e.exponent.value))
    return None


def _product(parts: list[Polynomial | None]) -> Polynomial | None:
    total: Polynomial = {(): Fraction(1)}
    for part in parts:
        if part is None:
            return None
        grown: Polynomial = {}
        for m, c in total.items():
            for n, d in part.items():
                key = tuple(sorted(m + n))
                grown[key] = grown.get(key, Fraction(0)) + c * d
                if len(grown) > MOST_TERMS or len(key) > MOST_FACTORS:
                    return None
        total = grown
    return {m: c for m, c in total.items() if c}


def same_size(a: Expression, b: Expression) -> bool:
    if a == b:
        return True
    left, right = polynomial(a), polynomial(b)
    return left is not None and left == right


def same_shape(a: tuple[Expression, ...], b: tuple[Expression, ...]) -> bool:
    return len(a) == len(b) and all(same_size(m, n) for m, n in zip(a, b, strict=True))


def is_one(size: Expression) -> bool:
    return isinstance(size, Number) and size.value == 1


def plus(size: Expression, offset: int) -> Expression:
    """``size + offset``, tidied."""
    terms = polynomial(add(size, number(offset)))
    return add(size, number(offset)) if terms is None else from_polynomial(terms)


def from_polynomial(terms: Polynomial) -> Expression:
    """A polynomial as a size, ``n - 2*k + 1``."""
    constant_last = sorted(terms.items(), key=lambda term: not term[0]) if _begins_well(terms) else list(terms.items())
    return add(*(_signed(m, c) for m, c in constant_last)) if terms else number(0)


def _begins_well(terms: Polynomial) -> bool:
    """Whether the first name has no minus in front: ``1 - n`` stays as it is."""
    return next((c > 0 for m, c in terms.items() if m), False)


def _signed(m: tuple[str, ...], c: Fraction) -> Expression:
    if not m:
        return number(c)
    term = mul(*([] if abs(c) == 1 else [number(abs(c))]), *(Ref(n) for n in m))
    return term if c > 0 else Neg(term)


MARK = "index "  # an index in a polynomial is a name that no variable can have


def collected(e: Expression) -> Expression:
    """A sum of indices, sizes and numbers with like terms collected.

    >>> from derive.parse.expression import parse_expression
    >>> print(collected(parse_expression("n + 1 - 1")))
    n
    """
    marked = bottom_up(e, lambda n: Ref(MARK + n.name) if isinstance(n, Index) else n)
    terms = polynomial(marked)
    if terms is None:
        return e
    found = from_polynomial(terms)
    return bottom_up(
        found, lambda n: Index(n.name[len(MARK) :]) if isinstance(n, Ref) and n.name.startswith(MARK) else n
    )


def divided(size: Expression, by: int) -> Expression | None:
    """How many of 0, by, 2*by, … are below a size; None where that depends on the sizes in it.

    >>> from derive.parse.expression import parse_expression
    >>> print(divided(parse_expression("2*m + 4*k - 1"), 2), divided(parse_expression("m + 1"), 2))
    m + 2*k None
    """
    terms = polynomial(size)
    if terms is None or any((c / by).denominator != 1 for m, c in terms.items() if m):
        return None
    last = (terms.get((), Fraction(0)) - 1) // by + 1
    whole = {m: c / by for m, c in terms.items() if m}
    return from_polynomial({**whole, (): Fraction(last)} if last else whole)


def count(shape: tuple[Expression, ...]) -> Expression:
    """The number of entries."""
    return mul(*shape) if shape else ONE


def check_entries(shape: tuple[Expression, ...], place: Place | None) -> None:
    """Refuses an array that no machine would hold."""
    entries = math.prod(size.value for size in shape if isinstance(size, Number))
    if entries > limits.ENTRIES:
        message = f"an array of shape {print_shape(shape)} is too large"
        raise DeriveError(message, place, f"an array has at most {limits.ENTRIES:,} entries")


def told_by(lengths: Iterable[Expression]) -> set[str]:
    """The names of sizes that follow from lengths that are known, one after the other: n and k from n and n - k + 1."""
    monomials = [set(polynomial(length) or {}) for length in lengths]
    found: set[str] = set()
    for _ in range(1 + len(monomials)):
        unknown = [{name for m in terms for name in m} - found for terms in monomials]
        pairs = zip(unknown, monomials, strict=True)
        new = [names for names, terms in pairs if len(names) == 1 and _alone(names, terms)]
        if not new:
            return found
        found = found.union(*new)
    return found


def _alone(names: set[str], monomials: set[tuple[str, ...]]) -> bool:
    """Whether the one unknown size stands in a single product, with a number."""
    return all(m == tuple(names) or not names & set(m) for m in monomials)


def print_shape(shape: tuple[Expression, ...]) -> str:
    """A shape as numpy prints one: ``()``, ``(3,)``, ``(h, d)``."""
    inner = ", ".join(str(size) for size in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"
