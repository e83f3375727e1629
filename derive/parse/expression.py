"""Text → Expression: the syntax is Python's, read with `ast`, and nothing is ever executed.

In: the text of one expression, or an `ast` node of a model's text.  Out: an `Expression` that says what the author
wrote, with places.  Names are only told apart here (tensor, index, constant); whether they exist and what shapes they
have is the business of `elaborate`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from derive.errors import DeriveError, Place, did_you_mean
from derive.expression.build import add, div, mul, neg, power
from derive.expression.nodes import (
    Both,
    Call,
    Compare,
    Constant,
    D,
    Expression,
    Index,
    Item,
    MatMul,
    Neg,
    Number,
    Reduce,
    Ref,
    Slice,
    Stack,
    Transpose,
    Where,
)
from derive.expression.walk import bottom_up, children, walk
from derive.functions import ALIASES, ARRAY_FUNCTIONS, AXIS_FUNCTIONS, FUNCTIONS, PLANNED, REDUCTIONS, known_functions
from derive.parse import limits
from derive.parse.numbers import constant_value, exact_number, power_of_numbers
from derive.parse.source import Source, parse_python

CONSTANTS = ("pi", "inf")
COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}


@dataclass(frozen=True, slots=True)
class Names:
    """What names stand for while an expression is read.

    `tensors`: the declared names, or None where every bare name is taken as one.  `functions`: number of arguments
    (least, most) of each of the author's functions.  `indices`: index names in scope.
    """

    tensors: frozenset[str] | None = None
    functions: tuple[tuple[str, int], ...] = ()
    indices: frozenset[str] = frozenset()


def parse_expression(text: str, names: Names | None = None) -> Expression:
    """Reads one expression.

    Without `names`, a bare name that stands as a subscript, in ``delta`` or among the indices of a reduction is an
    index; every other name is a tensor.

    >>> str(parse_expression("-y*log(a) - (1 - y)*log(1 - a)"))
    '-y*log(a) - (1 - y)*log(1 - a)'
    """
    try:
        tree = parse_python(text.strip(), "eval")
        if not isinstance(tree, ast.Expression):
            raise DeriveError("this is not an expression")
        return read_expression(tree.body, Source(text.strip()), names or Names())
    except DeriveError as error:
        raise error.within(text.strip()) from None


def read_expression(node: ast.expr, source: Source, names: Names) -> Expression:
    """One `ast` expression as an Expression."""
    reader = _Reader(source, names)
    reader.check_size(node)
    expression = reader.read(node)
    _check_comparisons(expression, is_condition=isinstance(expression, Compare))
    return _tell_indices(expression, names)


def _check_comparisons(e: Expression, is_condition: bool = False) -> None:
    """A comparison has no value: it stands in where(…), behind a reduction or in assume(…) alone."""
    if isinstance(e, (Compare, Both)) and not is_condition:
        raise DeriveError("a comparison is no number", _place_of(e), "use where(condition, then, otherwise)")
    for child in children(e):
        allowed = isinstance(e, Both) or (isinstance(e, (Where, Reduce)) and child == e.condition)
        _check_comparisons(child, is_condition=allowed)


def _place_of(e: Expression) -> Place | None:
    return next((node.place for node in walk(e) if node.place is not None), None)


def _tell_indices(e: Expression, names: Names) -> Expression:
    """Turns the names that are indices from `Ref` into `Index`."""
    marked: set[str] = set(names.indices)
    for node in walk(e):
        if isinstance(node, Reduce):
            marked |= set(node.indices)
        elif names.tensors is None and (
            isinstance(node, (Ref, Item)) or (isinstance(node, Call) and node.function == "delta")
        ):
            subscripts = children(node)[1:] if isinstance(node, Item) else children(node)
            inner = (leaf for part in subscripts for leaf in walk(part))
            marked |= {leaf.name for leaf in inner if isinstance(leaf, Ref) and not leaf.indices}
    if names.tensors is not None:
        marked = {name for name in marked if name not in (names.tensors or ())}

    def change(node: Expression) -> Expression:
        if isinstance(node, Ref) and not node.indices and node.name in marked:
            return Index(node.name, place=node.place)
        return node

    return bottom_up(e, change) if marked else e


class _Reader:
    def __init__(self, source: Source, names: Names) -> None:
        self.source = source
        self.names = names
        self.functions = dict(names.functions)

    def fail(self, node: ast.AST, message: str, hint: str | None = None) -> DeriveError:
        return DeriveError(message, self.source.place(node), hint)

    def check_size(self, node: ast.expr) -> None:
        """Bounds depth and size without recursion, before anything recursive reads the tree."""
        stack: list[tuple[ast.AST, int]] = [(node, 1)]
        count = 0
        while stack:
            part, depth = stack.pop()
            count += 1
            # chains such as a + b + c + … lean to the left and are flat to a reader
            if depth > limits.DEPTH:
                raise self.fail(part, "the expression is nested too deeply", "give a part of it a name of its own")
            if count > 4 * limits.NODES:
                raise self.fail(node, "the expression is too large", "give parts of it names of their own")
            chain = isinstance(part, ast.BinOp)
            for child in ast.iter_child_nodes(part):
                flat = chain and child is part.left and isinstance(child, ast.BinOp) and _same_chain(part.op, child.op)  # type: ignore[attr-defined]
                stack.append((child, depth if flat else depth + 1))

    def read(self, node: ast.expr) -> Expression:
        reader = _READERS.get(type(node))
        if reader is None:
            raise self.fail(node, f"{_describe(node)} is not part of the model language")
        return reader(self, node)

    def constant(self, node: ast.Constant) -> Expression:
        place = self.source.place(node)
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
            raise self.fail(node, f"{_describe(node)} is not part of the model language")
        if place is None:
            raise self.fail(node, "a number has no place in the text")
        line = self.source.lines[place.line - 1]
        spelling = line[place.column - 1 : place.column - 1 + place.width]
        value = exact_number(spelling)
        if value is None:
            raise self.fail(
                node,
                "this number is out of range"
                if len(spelling) > 20 or "e" in spelling
                else "this number is not a decimal",
            )
        plain = value.denominator == 1 and spelling == str(value.numerator)
        return Number(value, None if plain else spelling, place=place)

    def name(self, node: ast.Name) -> Expression:
        place = self.source.place(node)
        tensors = self.names.tensors
        if node.id in CONSTANTS and (tensors is None or node.id not in tensors):
            return Constant(node.id, place=place)
        return Ref(node.id, place=place)

    def unary(self, node: ast.UnaryOp) -> Expression:
        if isinstance(node.op, ast.USub):
            return neg(self.read(node.operand))
        if isinstance(node.op, ast.UAdd):
            return self.read(node.operand)
        raise self.fail(
            node, "`not` and `~` are not part of the model language", "use where(condition, then, otherwise)"
        )

    def binary(self, node: ast.BinOp) -> Expression:
        # sums and products lean to the left; they are read in a loop, so that long ones do not nest
        chain: list[tuple[ast.operator, ast.expr]] = [(node.op, node.right)]
        part: ast.expr = node.left
        while isinstance(part, ast.BinOp) and _same_chain(node.op, part.op):
            chain.append((part.op, part.right))
            part = part.left
        result = self.read(part)
        terms: list[Expression] = [result]
        for op, right_node in reversed(chain):
            right = self.read(right_node)
            match op:
                case ast.Add():
                    terms.append(right)
                    continue
                case ast.Sub():
                    terms.append(Neg(right))
                    continue
                case ast.Mult():
                    terms.append(right)
                    continue
                case ast.Div():
                    terms = [div(mul(*terms), right)]
                case ast.MatMult():
                    terms = [self.matmul(node, mul(*terms), right)]
                case ast.Pow():
                    terms = [self.power(node, right_node, terms[0], right)]
                case ast.BitXor():
                    raise self.fail(node, "`^` is not a power here", "use ** for powers")
                case _:
                    raise self.fail(
                        node,
                        f"{_OPERATORS.get(type(op), 'this operator')} is not part of the model language",
                        "use / for division" if isinstance(op, ast.FloorDiv) else None,
                    )
        return add(*terms) if isinstance(node.op, (ast.Add, ast.Sub)) else mul(*terms)

    def matmul(self, node: ast.expr, left: Expression, right: Expression) -> Expression:
        if isinstance(left, Neg):  # -a @ b reads as -(a @ b)
            return Neg(self.matmul(node, left.arg, right))
        return MatMul(left, right, place=self.source.place(node))

    def power(self, node: ast.expr, exponent_node: ast.expr, base: Expression, exponent: Expression) -> Expression:
        value = constant_value(exponent)
        if value is not None and abs(value) > limits.EXPONENT:
            raise self.fail(exponent_node, f"a constant exponent is at most {limits.EXPONENT:,}")
        number = constant_value(base)
        if (
            value is not None
            and number is not None
            and value.denominator == 1
            and power_of_numbers(number, value) is None
        ):
            raise self.fail(node, "this number is out of range")
        return power(base, exponent)

    def compare(self, node: ast.Compare) -> Expression:
        sides = [self.read(side) for side in (node.left, *node.comparators)]
        parts: list[Expression] = []
        for op, left, right in zip(node.ops, sides, sides[1:], strict=False):
            symbol = COMPARISONS.get(type(op))
            if symbol is None:
                raise self.fail(node, "this comparison is not part of the model language", "use < <= > >= == !=")
            parts.append(Compare(symbol, left, right, place=self.source.place(node)))
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def both(self, node: ast.BoolOp) -> Expression:
        if isinstance(node.op, ast.Or):
            raise self.fail(node, "`or` is not part of the model language", "nest where(…) instead")
        parts = [self.read(value) for value in node.values]
        if not all(isinstance(part, (Compare, Both)) for part in parts):
            raise self.fail(node, "`and` stands between comparisons", "for example where(0 < u and u < 1, u, 0)")
        return Both(tuple(c for part in parts for c in (part.conditions if isinstance(part, Both) else (part,))))

    def attribute(self, node: ast.Attribute) -> Expression:
        if node.attr != "T":
            raise self.fail(node, f"there is no attribute '.{node.attr}'", "the only one is .T, the transpose")
        return Transpose(self.read(node.value), place=self.source.place(node))

    def subscript(self, node: ast.Subscript) -> Expression:
        raw = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if not raw:
            raise self.fail(node, "a subscript needs an index")
        indices = tuple(self.read(part) for part in raw)
        for part, index in zip(raw, indices, strict=True):
            value = constant_value(index)
            if value is not None and value < 0:
                raise self.fail(part, "an index is not negative: nothing wraps around")
            if value is not None and value.denominator != 1:
                raise self.fail(part, "an index is a whole number")
        inner = self.read(node.value)
        place = self.source.place(node)
        if isinstance(inner, Ref) and not inner.indices:
            return Ref(inner.name, indices, place=place)
        return Item(inner, indices, place=place)

    def slice(self, node: ast.Slice) -> Expression:
        parts = [None if part is None else self.read(part) for part in (node.lower, node.upper, node.step)]
        for part in parts:
            value = None if part is None else constant_value(part)
            if value is not None and (value < 0 or value.denominator != 1):
                raise self.fail(node, "a slice has whole numbers from 0 on: nothing wraps around")
        return Slice(*parts, place=self.source.place(node))

    def stack(self, node: ast.List) -> Expression:
        if not node.elts:
            raise self.fail(node, "a vector of pieces needs at least one piece")
        return Stack(tuple(self.read(item) for item in node.elts), place=self.source.place(node))

    def call(self, node: ast.Call) -> Expression:
        if not isinstance(node.func, ast.Name):
            raise self.fail(node, "only functions by their name can be called", _numpy_hint(node.func))
        name = node.func.id
        if any(isinstance(arg, ast.Starred) for arg in node.args):
            raise self.fail(node, "`*` before an argument is not part of the model language")
        own = self.functions.get(name)
        if own is None:
            if self.names.tensors is not None and name in self.names.tensors:
                raise self.fail(node.func, f"'{name}' is declared as a name and cannot be called as a function")
            name = ALIASES.get(name, name)
        place = self.source.place(node)
        special = _SPECIAL.get(name)
        if own is None and special is not None:
            return special(self, node)
        args = tuple(self.read(arg) for arg in node.args)
        if own is not None:
            self.arity(node, name, len(args), own, own)
        elif name in FUNCTIONS:
            row = FUNCTIONS[name]
            if node.keywords or row.required <= len(args) < len(row.parameters):
                args = self.keywords(node, row.parameters, row.defaults, args)
            self.arity(node, name, len(args), row.required, len(row.parameters))
            return Call(name, args, place=place)
        elif name in ARRAY_FUNCTIONS:
            self.arity(node, name, len(args), *ARRAY_FUNCTIONS[name])
        elif name in PLANNED:
            raise self.fail(node.func, f"'{name}' is not supported yet")
        else:
            raise self.fail(
                node.func, f"there is no function '{name}'", did_you_mean(name, [*known_functions(), *self.functions])
            )
        if node.keywords:
            raise self.fail(node, f"'{name}' takes no keyword arguments")
        return Call(name, args, place=place)

    def keywords(
        self, node: ast.Call, parameters: tuple[str, ...], defaults: tuple[str, ...], args: tuple[Expression, ...]
    ) -> tuple[Expression, ...]:
        given = {word.arg: self.read(word.value) for word in node.keywords}
        row = node.func.id if isinstance(node.func, ast.Name) else ""
        filled = list(args)
        for position in range(len(args), len(parameters)):
            name = parameters[position]
            if name in given:
                filled.append(given.pop(name))
            elif position >= len(parameters) - len(defaults):
                filled.append(parse_expression(defaults[position - len(parameters) + len(defaults)]))
        if given:
            word = next(iter(given))
            raise self.fail(node, f"'{row}' has no argument '{word}'", did_you_mean(str(word), parameters))
        return tuple(filled)

    def arity(self, node: ast.Call, name: str, count: int, least: int, most: int) -> None:
        if least <= count <= most:
            return
        wanted = str(least) if least == most else f"{least} to {most}"
        noun = "argument" if wanted == "1" else "arguments"
        raise self.fail(node, f"'{name}' takes {wanted} {noun}, here it has {count}")

    def where(self, node: ast.Call) -> Expression:
        self.arity(node, "where", len(node.args), 3, 3)
        condition, then, otherwise = (self.read(arg) for arg in node.args)
        if not isinstance(condition, (Compare, Both)):
            raise self.fail(
                node.args[0], "the first argument of where is a comparison", "for example where(u > 0, u, 0)"
            )
        return Where(condition, then, otherwise, place=self.source.place(node))

    def derivative(self, node: ast.Call) -> Expression:
        self.arity(node, "D", len(node.args), 2, 2)
        body, wrt = (self.read(arg) for arg in node.args)
        if not isinstance(wrt, Ref):
            raise self.fail(node.args[1], "a derivative is taken with respect to a name")
        return D(body, wrt, place=self.source.place(node))

    def reduction(self, node: ast.Call) -> Expression:
        """``sum(x)``, ``sum(x, axis=0)``, ``sum(x[i], i)``, ``softmax(e[t, s], s, s <= t)``."""
        name = ALIASES.get(_called(node), _called(node))
        place = self.source.place(node)
        if not node.args:
            self.arity(node, name, 0, 1, 1)
        body = self.read(node.args[0])
        rest = node.args[1:]
        bound = [arg.id for arg in rest if isinstance(arg, ast.Name)]
        conditions = [self.read(arg) for arg in rest if not isinstance(arg, ast.Name)]
        for arg, condition in zip([a for a in rest if not isinstance(a, ast.Name)], conditions, strict=True):
            if not isinstance(condition, (Compare, Both)):
                hint = (
                    "the elementwise ones are maximum and minimum"
                    if name in ("max", "min")
                    else "for example sum(u[j], j, j < 3)"
                )
                raise self.fail(arg, f"after its first argument, '{name}' takes indices and comparisons", hint)
        if rest and not bound:
            raise self.fail(node, f"'{name}' has a condition but no index")
        if len(set(bound)) != len(bound):
            raise self.fail(node, f"'{name}' names an index twice")
        flat = tuple(
            c
            for condition in conditions
            for c in (condition.conditions if isinstance(condition, Both) else (condition,))
        )
        test: Expression | None = None if not flat else flat[0] if len(flat) == 1 else Both(flat)
        if bound and node.keywords:
            raise self.fail(node, f"'{name}' takes either named indices or axis=")
        options: list[tuple[str, Expression]] = []
        for word in node.keywords:
            if word.arg != "axis":
                raise self.fail(node, f"'{name}' has no argument '{word.arg}'", "the only one is axis=")
            options.append(("axis", self.read(word.value)))
        if bound:
            return Reduce(name, body, tuple(bound), test, place=place)
        return Call(name, (body,), tuple(options), place=place)


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _same_chain(outer: ast.operator, inner: ast.operator) -> bool:
    sums, products = (ast.Add, ast.Sub), (ast.Mult, ast.Div, ast.MatMult)
    return (isinstance(outer, sums) and isinstance(inner, sums)) or (
        isinstance(outer, products) and isinstance(inner, products)
    )


_OPERATORS: dict[type[ast.operator], str] = {
    ast.Mod: "`%`",
    ast.FloorDiv: "`//`",
    ast.LShift: "`<<`",
    ast.RShift: "`>>`",
    ast.BitOr: "`|`",
    ast.BitAnd: "`&`",
}


def _describe(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return "text in quotes" if isinstance(node.value, (str, bytes)) else f"'{node.value}'"
    words = {
        "Lambda": "`lambda`",
        "IfExp": "`if … else`",
        "ListComp": "a comprehension",
        "GeneratorExp": "a comprehension",
        "Dict": "a dictionary",
        "Set": "a set",
        "Tuple": "a tuple",
        "NamedExpr": "`:=`",
        "JoinedStr": "text in quotes",
        "Await": "`await`",
        "Starred": "`*` before a name",
        "SetComp": "a comprehension",
        "DictComp": "a comprehension",
    }
    return words.get(type(node).__name__, "this")


def _numpy_hint(func: ast.expr) -> str | None:
    if isinstance(func, ast.Attribute):
        return f"write {func.attr}(…), without what stands before the dot"
    return None


_READERS: dict[type[ast.expr], Callable[[_Reader, Any], Expression]] = {
    ast.Constant: _Reader.constant,
    ast.Name: _Reader.name,
    ast.UnaryOp: _Reader.unary,
    ast.BinOp: _Reader.binary,
    ast.Compare: _Reader.compare,
    ast.BoolOp: _Reader.both,
    ast.Attribute: _Reader.attribute,
    ast.Subscript: _Reader.subscript,
    ast.Slice: _Reader.slice,
    ast.List: _Reader.stack,
    ast.Call: _Reader.call,
}

_SPECIAL: dict[str, Callable[[_Reader, ast.Call], Expression]] = {
    "where": _Reader.where,
    "D": _Reader.derivative,
    **dict.fromkeys((*REDUCTIONS, *AXIS_FUNCTIONS), _Reader.reduction),
}
