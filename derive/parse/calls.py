"""Reads calls: functions of the table and of the author, ``where``, ``D``, and reductions with their indices."""

from __future__ import annotations

import ast
from collections.abc import Callable

from derive.errors import did_you_mean
from derive.expression.nodes import (
    Both,
    Call,
    Compare,
    ComponentTensor,
    Constant,
    D,
    Expression,
    Reduce,
    Ref,
    Stack,
    Where,
)
from derive.functions import ALIASES, ARRAY_FUNCTIONS, AXIS_FUNCTIONS, FUNCTIONS, REDUCTIONS, known_functions
from derive.parse.operators import flat
from derive.parse.reader import Reader


def call(reader: Reader, node: ast.Call) -> Expression:
    name = _function_name(reader, node)
    if name in reader.functions:
        return _own_call(reader, node, name)
    if reader.names.declared(name):
        raise reader.fail(node.func, f"'{name}' is declared as a name and cannot be called as a function")
    name = ALIASES.get(name, name)
    if name in _SPECIAL:
        return _SPECIAL[name](reader, node, name)
    args = tuple(reader.read(arg) for arg in node.args)
    if name in FUNCTIONS:
        return _table_call(reader, node, name, args)
    if name == "pad":
        _check_arity(reader, node, name, len(args), *ARRAY_FUNCTIONS[name])
        return Call(name, args, _axis(reader, node, name), place=reader.source.place(node))
    if name == "concatenate" and len(args) == 1:
        return Call(name, args, _axis(reader, node, name), place=reader.source.place(node))
    if name in ARRAY_FUNCTIONS:
        return _plain_call(reader, node, name, args, *ARRAY_FUNCTIONS[name])
    hint = did_you_mean(name, [*known_functions(), *reader.functions])
    raise reader.fail(node.func, f"there is no function '{name}'", hint)


def _function_name(reader: Reader, node: ast.Call) -> str:
    if not isinstance(node.func, ast.Name):
        raise reader.fail(node, "only functions by their name can be called", _dotted_hint(node.func))
    if any(isinstance(arg, ast.Starred) for arg in node.args):
        raise reader.fail(node, "`*` before an argument is not part of the model language")
    return node.func.id


def _dotted_hint(func: ast.expr) -> str | None:
    return f"write {func.attr}(…), without what stands before the dot" if isinstance(func, ast.Attribute) else None


def _own_call(reader: Reader, node: ast.Call, name: str) -> Expression:
    args = tuple(reader.read(arg) for arg in node.args)
    wanted = reader.functions[name]
    return _plain_call(reader, node, name, args, wanted, wanted)


def _plain_call(
    reader: Reader, node: ast.Call, name: str, args: tuple[Expression, ...], least: int, most: int
) -> Expression:
    _check_arity(reader, node, name, len(args), least, most)
    if node.keywords:
        raise reader.fail(node, f"'{name}' takes no keyword arguments")
    return Call(name, args, place=reader.source.place(node))


def _table_call(reader: Reader, node: ast.Call, name: str, args: tuple[Expression, ...]) -> Expression:
    row = FUNCTIONS[name]
    if node.keywords or row.required <= len(args) < len(row.parameters):
        args = _with_keywords(reader, node, name, args)
    _check_arity(reader, node, name, len(args), row.required, len(row.parameters))
    return Call(name, args, place=reader.source.place(node))


def _with_keywords(reader: Reader, node: ast.Call, name: str, args: tuple[Expression, ...]) -> tuple[Expression, ...]:
    """The arguments by position, then those by keyword and by default."""
    row = FUNCTIONS[name]
    given = {word.arg: reader.read(word.value) for word in node.keywords}
    filled = list(args)
    for position in range(len(args), len(row.parameters)):
        parameter = row.parameters[position]
        if parameter in given:
            filled.append(given.pop(parameter))
        elif position >= row.required:
            filled.append(reader.of(row.defaults[position - row.required]))
    if given:
        word = str(next(iter(given)))
        raise reader.fail(node, f"'{name}' has no argument '{word}'", did_you_mean(word, row.parameters))
    return tuple(filled)


def _check_arity(reader: Reader, node: ast.Call, name: str, count: int, least: int, most: int) -> None:
    if least <= count <= most:
        return
    wanted = str(least) if least == most else f"{least} to {most}"
    noun = "argument" if wanted == "1" else "arguments"
    raise reader.fail(node, f"'{name}' takes {wanted} {noun}, here it has {count}")


def _where(reader: Reader, node: ast.Call, name: str) -> Expression:
    _check_arity(reader, node, name, len(node.args), 3, 3)
    condition, then, otherwise = (reader.read(arg) for arg in node.args)
    if not isinstance(condition, (Compare, Both)):
        hint = "for example where(u > 0, u, 0)"
        raise reader.fail(node.args[0], "the first argument of where is a comparison", hint)
    return Where(condition, then, otherwise, place=reader.source.place(node))


def _derivative(reader: Reader, node: ast.Call, name: str) -> Expression:
    _check_arity(reader, node, name, len(node.args), 2, 2)
    body, wrt = (reader.read(arg) for arg in node.args)
    if not isinstance(wrt, Ref):
        raise reader.fail(node.args[1], "a derivative is taken with respect to a name")
    return D(body, wrt, place=reader.source.place(node))


def _gradient(reader: Reader, node: ast.Call, name: str) -> Expression:
    """``grad(u, x)``: of a node by a name."""
    _check_arity(reader, node, name, len(node.args), 2, 2)
    of, wrt = (reader.read(arg) for arg in node.args)
    for e, arg in ((of, node.args[0]), (wrt, node.args[1])):
        if not isinstance(e, Ref) or e.indices:
            raise reader.fail(arg, "grad takes the name of a node and the name that it is differentiated by", GRAD_HINT)
    return Call(name, (of, wrt), place=reader.source.place(node))


GRAD_HINT = "write `u = …` and then `grad(u, x)`"


def _reduction(reader: Reader, node: ast.Call, name: str) -> Expression:
    """``sum(x)``, ``sum(x, axis=0)``, ``sum(x[i], i)``, ``softmax(e[t, s], s, s <= t)``."""
    if not node.args:
        _check_arity(reader, node, name, 0, 1, 1)
    body = reader.read(node.args[0])
    bound = _bound_indices(reader, node, name)
    test = _condition(reader, node, name)
    if test is not None and not bound:
        raise reader.fail(node, f"'{name}' has a condition but no index")
    if bound and node.keywords:
        raise reader.fail(node, f"'{name}' takes either named indices or axis=")
    place = reader.source.place(node)
    if bound:
        return Reduce(name, body, bound, test, place=place)
    return Call(name, (body,), _axis(reader, node, name), place=place)


def _bound_indices(reader: Reader, node: ast.Call, name: str) -> tuple[str, ...]:
    bound = tuple(arg.id for arg in node.args[1:] if isinstance(arg, ast.Name))
    if len(set(bound)) != len(bound):
        raise reader.fail(node, f"'{name}' names an index twice")
    for index in bound:
        if index in reader.names.layers.values:
            raise reader.fail(node, f"'{index}' is the index of the loop", "sum over another index")
    return bound


def _condition(reader: Reader, node: ast.Call, name: str) -> Expression | None:
    """All comparisons among the arguments after the first."""
    conditions: list[Expression] = []
    for arg in node.args[1:]:
        if isinstance(arg, ast.Name):
            continue
        conditions.append(reader.read(arg))
        if not isinstance(conditions[-1], (Compare, Both)):
            message = f"after its first argument, '{name}' takes indices and comparisons"
            raise reader.fail(arg, message, _reduction_hint(name))
    tests = flat(conditions)
    return None if not tests else tests[0] if len(tests) == 1 else Both(tests)


def _reduction_hint(name: str) -> str:
    return (
        "the elementwise ones are maximum and minimum" if name in ("max", "min") else "for example sum(u[j], j, j < 3)"
    )


def _axis(reader: Reader, node: ast.Call, name: str) -> tuple[tuple[str, Expression], ...]:
    """``axis=1``, ``axis=(0, 1)`` and, of what reduces, ``keepdims=True``."""
    keeps = name not in REDUCTIONS and (name not in AXIS_FUNCTIONS or AXIS_FUNCTIONS[name].keeps_axis)
    allowed = ("axis",) if keeps else ("axis", "keepdims")
    given = {word.arg: word.value for word in node.keywords}
    for word in given:
        if word not in allowed:
            hint = "the only one is axis=" if keeps else "there are axis= and keepdims=True"
            raise reader.fail(node, f"'{name}' has no argument '{word}'", hint)
    options: list[tuple[str, Expression]] = []
    if "axis" in given:
        options.append(("axis", _axes(reader, given["axis"])))
    if "keepdims" in given and _is_true(reader, given["keepdims"], name):
        options.append(("keepdims", Constant("True")))
    return tuple(options)


def _axes(reader: Reader, node: ast.expr) -> Expression:
    """One axis, or several as numpy writes them."""
    if isinstance(node, ast.Tuple) and node.elts:
        return Stack(tuple(reader.read(axis) for axis in node.elts), place=reader.source.place(node))
    return reader.read(node)


def _is_true(reader: Reader, node: ast.expr, name: str) -> bool:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, bool):
        raise reader.fail(node, f"keepdims of '{name}' is True or False")
    return node.value


def _array(reader: Reader, node: ast.Call, name: str) -> Expression:
    """``array(body, i, j)``, as derived matrices print: the array with these entries."""
    indices = _bound_indices(reader, node, name)
    if not indices or len(indices) != len(node.args) - 1 or node.keywords:
        raise reader.fail(node, "'array' takes an entry and its indices", "as in array(x[i]*y[j], i, j)")
    return ComponentTensor(reader.read(node.args[0]), indices, place=reader.source.place(node))


_SPECIAL: dict[str, Callable[[Reader, ast.Call, str], Expression]] = {
    "where": _where,
    "D": _derivative,
    "grad": _gradient,
    "array": _array,
    **dict.fromkeys((*REDUCTIONS, *AXIS_FUNCTIONS), _reduction),
}
