"""Declarations → variables: shapes, values, how a parameter starts, what data an input takes."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from derive.errors import DeriveError
from derive.expression.nodes import Expression, Number, Ref
from derive.expression.walk import names, walk
from derive.model import GIVEN, Variable
from derive.parse import limits
from derive.parse.expression import Names, read_expression
from derive.parse.layers import Layers
from derive.parse.naming import Naming
from derive.parse.numbers import constant_value, number_value
from derive.parse.sizes import check_entries, polynomial, print_shape, same_size
from derive.parse.statements import Declaration

INITIAL = {"zeros": 0, "ones": 0, "normal": 1, "uniform": 1, "glorot": 0, "he": 0}
STRUCTURES = ("symmetric", "diagonal", "lower")
DISTRIBUTIONS = {"normal": 0, "uniform": 0, "bernoulli": 1}
DATA = {"integer": 1}
SIZES = ("size", "examples")


def variable(d: Declaration, naming: Naming) -> Variable:
    shape = tuple(_size(part, d.layers, naming) for part in d.shape)
    if len(shape) > limits.RANK:
        raise DeriveError(f"an array has at most {limits.RANK} axes", d.place)
    check_entries(shape, d.place)
    if d.role in ("size", "constant") and d.value is not None:
        return Variable(d.name, d.role, shape, value=_value(d, naming), place=d.place)
    if d.role in SIZES and shape:
        raise DeriveError(f"the size '{d.name}' has a shape", d.place, "a size is one number")
    if d.role == "examples" and d.value is not None:
        raise DeriveError(f"the number of examples '{d.name}' has a value", d.place, "the data tell it")
    _check_examples(d, shape, naming)
    if _structure(d) is not None:
        return _structured(d, shape)
    kind, argument, start = _kind(d, naming)
    return Variable(d.name, d.role, shape, value=start, kind=kind, kind_argument=argument, place=d.place)


def _check_examples(d: Declaration, shape: tuple[Expression, ...], naming: Naming) -> None:
    """Where the examples are an axis that the model writes out, it is the first one of the data and of nothing else."""
    n = naming.examples
    if n is None or d.role in SIZES:
        return
    if d.role in GIVEN and (not shape or shape[0] != Ref(n)):
        sizes = ", ".join([n, *(str(size) for size in shape if size != Ref(n))])
        hint = f"`{d.name}: {d.role}[{sizes}]`; what all examples share is a constant"
        raise DeriveError(f"'{d.name}' does not have the examples '{n}' as its first axis", d.place, hint)
    if any(n in names(size) for size in (shape[1:] if d.role in GIVEN else shape)):
        hint = "they are the first axis of inputs, targets and noise"
        raise DeriveError(f"the {d.role} '{d.name}' has another axis of the examples '{n}'", d.place, hint)


def _structure(d: Declaration) -> str | None:
    """``symmetric``, ``diagonal`` or ``lower`` after the ``=`` of a parameter."""
    word = d.value.id if isinstance(d.value, ast.Name) and d.role == "parameter" else None
    return word if word in STRUCTURES else None


def _structured(d: Declaration, shape: tuple[Expression, ...]) -> Variable:
    structure = _structure(d)
    if len(shape) != 2 or not same_size(*shape):
        message = f"a parameter that is {structure} is a square matrix, the shape of '{d.name}' is {print_shape(shape)}"
        raise DeriveError(message, d.place, f"for example `{d.name}: parameter[n, n] = {structure}`")
    return Variable(d.name, d.role, shape, structure=structure, place=d.place)


def _value(d: Declaration, naming: Naming) -> Expression:
    """The number of a constant or a size."""
    if d.value is None:
        raise DeriveError(f"'{d.name}' has no value", d.place)
    e = naming.read(d.value, layers=d.layers)
    value, place = constant_value(e), naming.source.place(d.value)
    if d.role == "size":
        if value is None or value.denominator != 1 or value < 1:
            raise DeriveError(f"the size '{d.name}' is not a whole number from 1 on", place)
        if value > 10**9:
            raise DeriveError("this size is too large", place)
        return Number(value) if not isinstance(e, Number) else e
    if number_value(e) is None:
        raise DeriveError(f"the value of '{d.name}' is not a number", place, "for example 0.01, 1/3, -2, 2*pi, sqrt(2)")
    return e


def _size(node: ast.expr, layers: Layers, naming: Naming) -> Expression:
    """One axis of a shape: whole numbers and sizes with arithmetic."""
    declarations, place = naming.statements.declarations, naming.source.place(node)
    e = read_expression(node, naming.source, Names(frozenset(declarations), (), layers=layers))
    for part in walk(e):
        if isinstance(part, Ref) and (part.name not in declarations or declarations[part.name].role not in SIZES):
            message = "there is no size '{}'" if part.name not in declarations else "'{}' is no size"
            raise DeriveError(message.format(part.name), part.place, f"declare it: `{part.name}: size`")
    value = constant_value(e)
    if polynomial(e) is None or (value is not None and (value.denominator != 1 or value < 1)):
        raise DeriveError("a size is a whole number from 1 on, or made of sizes", place)
    if value is not None and value > 10**9:
        raise DeriveError("this size is too large", place)
    return e


@dataclass(frozen=True)
class _Words:
    """What may stand after ``=``: words with the number of their arguments."""

    noun: str
    known: Mapping[str, int]
    default: str | None = None
    structures: tuple[str, ...] = ()
    more: str = ""


_AFTER_EQUALS = {
    "parameter": _Words("start", INITIAL, structures=STRUCTURES, more=", or a number"),
    "state": _Words("start", INITIAL, more=", or a number"),
    "noise": _Words("kind", DISTRIBUTIONS, default="normal"),
}
_OF_DATA = _Words("kind", DATA)


def _kind(d: Declaration, naming: Naming) -> tuple[str | None, Expression | None, Expression | None]:
    """A word, its argument, or the number that a parameter starts at."""
    words = _AFTER_EQUALS.get(d.role, _OF_DATA)
    if d.value is None:
        return words.default, None, None
    place = naming.source.place(d.value)
    word, args = _word(d.value)
    if word in words.known and word not in naming.statements.declarations:
        if len(args) > max(1, words.known[word]):
            raise DeriveError(f"'{word}' takes one argument here", place)
        if word in ("integer", "bernoulli") and not args:
            raise DeriveError(f"'{word}' needs an argument", place, "for example integer(10), bernoulli(0.5)")
        if word == "integer":
            return word, _size(args[0], d.layers, naming), None
        return word, naming.read(args[0], layers=d.layers) if args else None, None
    start = naming.read(d.value, layers=d.layers) if d.role in ("parameter", "state") else None
    if start is not None and number_value(start) is not None:
        return None, None, start
    hint = f"one of {', '.join((*words.known, *words.structures))}{words.more}"
    raise DeriveError(f"this is no {words.noun} of the {d.role} '{d.name}'", place, hint)


def _word(node: ast.expr) -> tuple[str, list[ast.expr]]:
    """``he`` and ``normal(0.1)`` as a word with its arguments."""
    if isinstance(node, ast.Name):
        return node.id, []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return node.func.id, node.args
    return "", []
