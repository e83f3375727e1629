"""Prints an expression in the model language, so that parsing the text gives the same expression back."""

from __future__ import annotations

from fractions import Fraction

from derive.expression.nodes import (
    Add,
    Both,
    Call,
    Compare,
    ComponentTensor,
    Constant,
    D,
    Div,
    Expression,
    Index,
    Item,
    MatMul,
    Mul,
    Neg,
    Number,
    Pow,
    Reduce,
    Ref,
    Slice,
    Stack,
    Transpose,
    Where,
)

# How tightly a node binds, as in Python; a child that binds less than its place asks for gets parentheses.
COMPARISON, SUM, PRODUCT, SIGN, POWER, ATOM = range(6)


def print_expression(e: Expression) -> str:
    """The text of an expression.

    >>> from derive.expression.nodes import Add, Mul, Neg, Ref
    >>> print_expression(Mul((Add((Ref("a"), Neg(Ref("y")))), Ref("x"))))
    '(a - y)*x'
    """
    return _print(e)[0]


def spell_number(value: Fraction) -> str:
    """A fraction as the language can write it: whole numbers, decimals where they end."""
    if value.denominator == 1:
        return str(value.numerator)
    denominator, digits = value.denominator, 0
    while denominator % 10 == 0 or denominator % 2 == 0 or denominator % 5 == 0:
        denominator //= 10 if denominator % 10 == 0 else 2 if denominator % 2 == 0 else 5
        digits += 1
    if denominator != 1:
        raise ValueError(f"{value} has no finite decimal")
    scaled = value * 10**digits
    text = str(scaled.numerator).rjust(digits + 1, "0")
    return f"{text[:-digits]}.{text[-digits:]}".rstrip("0")


def _at(e: Expression, least: int) -> str:
    text, binding = _print(e)
    return text if binding >= least else f"({text})"


def _comma(items: tuple[Expression, ...]) -> str:
    return ", ".join(_print(item)[0] for item in items)


def _print_sum(e: Add) -> str:
    parts = [_at(e.terms[0], SUM + 1)]
    for term in e.terms[1:]:
        if isinstance(term, Neg):
            # the term itself binds like a product: `a - b*c`, but `a - (b + c)` and `a - (-b)`
            inner = term.arg
            parts.append(f" - {_at(inner, PRODUCT) if not isinstance(inner, Neg) else f'({_print(inner)[0]})'}")
        else:
            parts.append(f" + {_at(term, SUM + 1)}")
    return "".join(parts)


def _print_product(e: Mul) -> str:
    parts = [_at(e.factors[0], POWER if isinstance(e.factors[0], MatMul) else PRODUCT)]
    for factor in e.factors[1:]:
        parts.append(_at(factor, POWER))
    return "*".join(parts)


def _print_reduce(e: Reduce) -> str:
    condition = () if e.condition is None else _conditions(e.condition)
    return f"{e.op}({', '.join([_print(e.body)[0], *e.indices, *(_print(c)[0] for c in condition)])})"


def _conditions(condition: Expression) -> tuple[Expression, ...]:
    return condition.conditions if isinstance(condition, Both) else (condition,)


def _option(e: Expression) -> str:
    """``1``, and several axes as numpy writes them: ``(0, 1)``."""
    if isinstance(e, Stack):
        return f"({_comma(e.items)}{',' if len(e.items) == 1 else ''})"
    return _print(e)[0]


def _print(e: Expression) -> tuple[str, int]:  # one case per kind of node
    match e:
        case Number():
            return e.spelling or spell_number(e.value), ATOM
        case Constant() | Index():
            return e.name, ATOM
        case Ref():
            return (f"{e.name}[{_comma(e.indices)}]" if e.indices else e.name), ATOM
        case Add():
            return _print_sum(e), SUM
        case Mul():
            return _print_product(e), PRODUCT
        case Neg():
            # `-a*b` reads as the negated product
            return f"-{_at(e.arg, PRODUCT)}", PRODUCT if isinstance(e.arg, (Mul, Div, MatMul)) else SIGN
        case Div():
            return f"{_at(e.numerator, PRODUCT)}/{_at(e.denominator, POWER)}", PRODUCT
        case MatMul():
            return f"{_at(e.left, PRODUCT)} @ {_at(e.right, POWER)}", PRODUCT
        case Pow():
            return f"{_at(e.base, ATOM)}**{_at(e.exponent, POWER)}", POWER
        case Call():
            options = "".join(f", {name}={_option(value)}" for name, value in e.options)
            return f"{e.function}({_comma(e.args)}{options})", ATOM
        case Reduce():
            return _print_reduce(e), ATOM
        case ComponentTensor():
            return f"array({', '.join([_print(e.body)[0], *e.indices])})", ATOM
        case Compare():
            return f"{_at(e.left, SUM)} {e.op} {_at(e.right, SUM)}", COMPARISON
        case Both():
            return " and ".join(_at(c, COMPARISON) for c in e.conditions), COMPARISON
        case Where():
            return f"where({_comma((e.condition, e.then, e.otherwise))})", ATOM
        case D():
            return f"D({_comma((e.body, e.wrt))})", ATOM
        case Transpose():
            return f"{_at(e.arg, ATOM)}.T", ATOM
        case Item():
            return f"{_at(e.arg, ATOM)}[{_comma(e.indices)}]", ATOM
        case Slice():
            start, stop, step = ("" if p is None else _print(p)[0] for p in (e.start, e.stop, e.step))
            return f"{start}:{stop}" + (f":{step}" if step else ""), ATOM
        case Stack():
            return f"[{_comma(e.items)}]", ATOM
    raise TypeError(f"{type(e).__name__} has no text")
