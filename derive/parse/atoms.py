"""Reads what is not put together by operators: numbers, names, subscripts, ``.T``, ``[p, q]``."""

from __future__ import annotations

import ast
from fractions import Fraction

from derive.expression.nodes import Constant, Expression, Item, Number, Ref, Slice, Stack, Transpose
from derive.parse.layers import subscripts_of
from derive.parse.numbers import constant_value, exact_number
from derive.parse.reader import Reader, describe

CONSTANTS = ("pi", "inf")


def number(reader: Reader, node: ast.Constant) -> Expression:
    """A number as it is spelled: exact, and it prints as the author wrote it."""
    place = reader.source.place(node)
    if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
        raise reader.fail(node, f"{describe(node)} is not part of the model language")
    if place is None:
        raise reader.fail(node, "a number has no place in the text")
    line = reader.source.lines[place.line - 1]
    spelling = line[place.column - 1 : place.column - 1 + place.width]
    value = exact_number(spelling)
    if value is None:
        far = len(spelling) > 20 or "e" in spelling
        raise reader.fail(node, "this number is out of range" if far else "this number is not a decimal")
    plain = value.denominator == 1 and spelling == str(value.numerator)
    return Number(value, None if plain else spelling, place=place)


def name(reader: Reader, node: ast.Name) -> Expression:
    place = reader.source.place(node)
    if node.id in reader.names.layers.values:
        return Number(Fraction(reader.names.layers.values[node.id]), place=place)
    if node.id in CONSTANTS and not reader.names.declared(node.id):
        return Constant(node.id, place=place)
    return Ref(node.id, place=place)


def attribute(reader: Reader, node: ast.Attribute) -> Expression:
    if node.attr != "T":
        raise reader.fail(node, f"there is no attribute '.{node.attr}'", "the only one is .T, the transpose")
    return Transpose(reader.read(node.value), place=reader.source.place(node))


def subscript(reader: Reader, node: ast.Subscript) -> Expression:
    """``x[i, 1:]``, ``(A @ B)[0]``, and ``W[l]`` for one of numbered layers."""
    raw = subscripts_of(node)
    if not raw:
        raise reader.fail(node, "a subscript needs an index")
    place = reader.source.place(node)
    layers = reader.names.layers
    if isinstance(node.value, ast.Name) and node.value.id in layers.families:
        inner: Expression = Ref(layers.name(node.value.id, raw, reader.source), place=place)
        raw = raw[layers.families[node.value.id] :]
    else:
        inner = reader.read(node.value)
    indices = tuple(_index(reader, part) for part in raw)
    if not indices:
        return inner
    if isinstance(inner, Ref) and not inner.indices:
        return Ref(inner.name, indices, place=place)
    return Item(inner, indices, place=place)


def _index(reader: Reader, part: ast.expr) -> Expression:
    index = reader.read(part)
    value = constant_value(index)
    if value is not None and value < 0:
        raise reader.fail(part, "an index is not negative: nothing wraps around")
    if value is not None and value.denominator != 1:
        raise reader.fail(part, "an index is a whole number")
    return index


def slice_of(reader: Reader, node: ast.Slice) -> Expression:
    parts = [None if part is None else reader.read(part) for part in (node.lower, node.upper, node.step)]
    for part in parts:
        value = None if part is None else constant_value(part)
        if value is not None and (value < 0 or value.denominator != 1):
            raise reader.fail(node, "a slice has whole numbers from 0 on: nothing wraps around")
    return Slice(*parts, place=reader.source.place(node))


def stack(reader: Reader, node: ast.List) -> Expression:
    if not node.elts:
        raise reader.fail(node, "a vector of pieces needs at least one piece")
    return Stack(tuple(reader.read(item) for item in node.elts), place=reader.source.place(node))
