"""Reads operators: signs, sums, products, powers, comparisons."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from derive.expression.build import add, div, mul, neg, power
from derive.expression.nodes import Both, Compare, Expression, MatMul, Neg
from derive.parse import limits
from derive.parse.numbers import constant_value, power_of_numbers
from derive.parse.reader import Reader

COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_FOREIGN: dict[type[ast.operator], tuple[str, str | None]] = {
    ast.Mod: ("`%`", None),
    ast.FloorDiv: ("`//`", "use / for division"),
    ast.LShift: ("`<<`", None),
    ast.RShift: ("`>>`", None),
    ast.BitOr: ("`|`", None),
    ast.BitAnd: ("`&`", None),
}
_SUMS, _PRODUCTS = (ast.Add, ast.Sub), (ast.Mult, ast.Div, ast.MatMult)


def unary(reader: Reader, node: ast.UnaryOp) -> Expression:
    if isinstance(node.op, ast.USub):
        return neg(reader.read(node.operand))
    if isinstance(node.op, ast.UAdd):
        return reader.read(node.operand)
    hint = "use where(condition, then, otherwise)"
    raise reader.fail(node, "`not` and `~` are not part of the model language", hint)


def same_chain(outer: ast.operator, inner: ast.operator) -> bool:
    """Sums and products lean to the left; a chain of them is read in a loop, so that long ones do not nest."""
    return (isinstance(outer, _SUMS) and isinstance(inner, _SUMS)) or (
        isinstance(outer, _PRODUCTS) and isinstance(inner, _PRODUCTS)
    )


def _chain(node: ast.BinOp) -> tuple[ast.expr, Iterator[tuple[ast.operator, ast.expr]]]:
    """The first operand, and each further one with the operator before it."""
    chain: list[tuple[ast.operator, ast.expr]] = [(node.op, node.right)]
    part: ast.expr = node.left
    while isinstance(part, ast.BinOp) and same_chain(node.op, part.op):
        chain.append((part.op, part.right))
        part = part.left
    return part, reversed(chain)


def binary(reader: Reader, node: ast.BinOp) -> Expression:
    first, rest = _chain(node)
    parts = [reader.read(first)]  # terms of a sum, or factors of a product
    for op, right_node in rest:
        right = reader.read(right_node)
        match op:
            case ast.Add() | ast.Mult():
                parts.append(right)
            case ast.Sub():
                parts.append(Neg(right))
            case ast.Div():
                parts = [div(mul(*parts), right)]
            case ast.MatMult():
                parts = [_matmul(reader, node, mul(*parts), right)]
            case ast.Pow():
                parts = [_power(reader, node, parts[0], right)]
            case ast.BitXor():
                raise reader.fail(node, "`^` is not a power here", "use ** for powers")
            case _:
                symbol, hint = _FOREIGN.get(type(op), ("this operator", None))
                raise reader.fail(node, f"{symbol} is not part of the model language", hint)
    return add(*parts) if isinstance(node.op, _SUMS) else mul(*parts)


def _matmul(reader: Reader, node: ast.expr, left: Expression, right: Expression) -> Expression:
    if isinstance(left, Neg):  # -a @ b reads as -(a @ b)
        return Neg(_matmul(reader, node, left.arg, right))
    return MatMul(left, right, place=reader.source.place(node))


def _power(reader: Reader, node: ast.BinOp, base: Expression, exponent: Expression) -> Expression:
    value, number = constant_value(exponent), constant_value(base)
    if value is not None and abs(value) > limits.EXPONENT:
        raise reader.fail(node.right, f"a constant exponent is at most {limits.EXPONENT:,}")
    if value is None or number is None or value.denominator != 1:
        return power(base, exponent)
    if power_of_numbers(number, value) is None:
        raise reader.fail(node, "this number is out of range")
    return power(base, exponent)


def compare(reader: Reader, node: ast.Compare) -> Expression:
    sides = [reader.read(side) for side in (node.left, *node.comparators)]
    parts: list[Expression] = []
    for op, left, right in zip(node.ops, sides, sides[1:], strict=False):
        symbol = COMPARISONS.get(type(op))
        if symbol is None:
            raise reader.fail(node, "this comparison is not part of the model language", "use < <= > >= == !=")
        parts.append(Compare(symbol, left, right, place=reader.source.place(node)))
    return parts[0] if len(parts) == 1 else Both(tuple(parts))


def both(reader: Reader, node: ast.BoolOp) -> Expression:
    if isinstance(node.op, ast.Or):
        raise reader.fail(node, "`or` is not part of the model language", "nest where(…) instead")
    parts = [reader.read(value) for value in node.values]
    if not all(isinstance(part, (Compare, Both)) for part in parts):
        raise reader.fail(node, "`and` stands between comparisons", "for example where(0 < u and u < 1, u, 0)")
    return Both(flat(parts))


def flat(conditions: list[Expression]) -> tuple[Expression, ...]:
    return tuple(c for part in conditions for c in (part.conditions if isinstance(part, Both) else (part,)))
