"""Sizes as code: what the dimensions of arrays tell of them, ``n`` itself or ``2*k + 1``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from derive.expression.nodes import Expression
from derive.parse.sizes import Polynomial, polynomial


def solved_sizes(axes: Iterable[tuple[Expression, str]], known: Mapping[str, str]) -> dict[str, str]:
    """Sizes that stand in a dimension with numbers and known sizes alone, by the linear equation that it gives.

    `axes` are dimensions with the code that tells their length; `known` are sizes with theirs.

    >>> from derive.parse.expression import parse_expression
    >>> solved_sizes([(parse_expression("2*k + 1"), "K.shape[0]")], {})
    {'k': '(K.shape[0] - 1)//2'}
    >>> solved_sizes([(parse_expression("n - k + 1"), "y.shape[1]")], {"n": "x.shape[1]"})
    {'k': '(x.shape[1] + 1 - y.shape[1])'}
    """
    found: dict[str, str] = {}
    for size, length in axes:
        terms = polynomial(size) or {}
        unknown = {name for m in terms for name in m if name not in known and name not in found}
        if len(unknown) != 1 or any(c.denominator != 1 for c in terms.values()):
            continue
        (name,) = unknown
        scale = terms.get((name,), Fraction(0))
        rest = {m: c for m, c in terms.items() if m != (name,)}
        if scale and not any(name in m for m in rest):
            found[name] = _solved(length, scale, rest, {**known, **found})
    return found


def _solved(length: str, scale: Fraction, rest: Polynomial, known: Mapping[str, str]) -> str:
    """The code of (length - rest)/scale, every term with a sign of its own."""
    sign = 1 if scale > 0 else -1
    terms = [(Fraction(sign), length)]
    terms += [(-sign * c, "*".join(known[name] for name in m)) for m, c in rest.items()]
    terms.sort(key=lambda term: term[0] < 0)  # what is added first
    text = "".join(f"{' - ' if c < 0 else ' + '}{_term(abs(c), product)}" for c, product in terms)
    text = text.removeprefix(" + ") if not text.startswith(" - ") else f"-{text[3:]}"
    return f"({text})" + (f"//{abs(scale)}" if abs(scale) != 1 else "")


def _term(scale: Fraction, product: str) -> str:
    return "*".join([*([str(scale)] if scale != 1 or not product else []), *([product] if product else [])])
