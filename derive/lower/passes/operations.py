"""One operation a statement: what numpy computes in one call, over names, numbers and views.

What numpy has no single call for (a helper of the module, an array that is put together) stays as readable code has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from derive.expression.build import number
from derive.expression.nodes import (
    Add,
    Both,
    Call,
    Compare,
    Constant,
    Div,
    Expression,
    Index,
    Item,
    MatMul,
    Mul,
    Neg,
    Number,
    Pow,
    Ref,
    Slice,
    Transpose,
    Where,
)
from derive.expression.parts import is_indicator
from derive.expression.walk import children, with_children
from derive.functions import FUNCTIONS
from derive.lower.passes.loops import WHOLE, is_step
from derive.lower.passes.mapping import SECTIONS, section, with_sections
from derive.lower.program import Loop, Program, Statement, asks_which_step
from derive.lower.shapes import is_elementwise, shape_of
from derive.model import Shape

CONSTANT_ARRAYS = frozenset({"ones", "zeros", "eye", "arange"})
SIDE_BY_SIDE = frozenset({"gathered", "rows"})  # parameters, and vectors, that lie in memory as one array
REDUCED = frozenset({"sum", "prod", "max", "min"})
WITH_OUTPUT = frozenset({"outer", "einsum", "scatter_add", "matmul", "copied"}) | REDUCED
# A function that numpy computes in one call, into an array that is given behind its arguments.
ONE_CALL = re.compile(r"np\.(?!round\b|sinc\b)\w+\((#\d|, |-?[\d.]+)+\)")


def single_operations(program: Program) -> Program:
    """Every value taken apart into single operations; what is in between gets a name."""
    splitter = _Splitter(program)
    return with_sections(
        program, {name: [t for s in section(program, name) for t in splitter.statements(s)] for name in SECTIONS}
    )


def is_atom(e: Expression) -> bool:
    """A name, a number, a view of a name, or an array of ones and the like: what costs nothing."""
    match e:
        case Number() | Constant() | Index() | Neg(arg=Number()):
            return True
        case Ref():
            return all(_is_basic(i) for i in e.indices)
        case Item():
            return is_atom(e.arg) and all(_is_basic(i) for i in e.indices)
        case Transpose():
            return is_atom(e.arg)
        case Call(function="transpose"):
            return is_atom(e.args[0])
        case Call(function="reshape"):  # a view of what lies in memory in the order of its axes
            return isinstance(e.args[0], Ref) and _is_one_piece(e.args[0])
        case Call():
            return e.function in CONSTANT_ARRAYS | SIDE_BY_SIDE
    return False


def _is_one_piece(e: Ref) -> bool:
    """An array, or some of it along its first axis, which lie side by side."""
    return all(isinstance(i, Slice) for i in e.indices[:1]) and all(i == WHOLE for i in e.indices[1:])


def _is_basic(subscript: Expression) -> bool:
    return isinstance(subscript, (Number, Slice)) or subscript == Constant("None") or is_step(subscript)


def is_operation(e: Expression) -> bool:
    """Whether numpy computes it in one call that writes into a given array."""
    match e:
        case Ref(indices=(Ref(indices=()),)):
            return True  # rows by number
        case Add() | Mul() | Both() | Div() | Pow() | Neg() | Compare() | Where() | MatMul():
            return all(is_atom(part) or _is_negated(e, part) for part in children(e))
        case Call(function="reshape", args=(MatMul() as product, *_)):
            return is_operation(product)
        case Call() if e.function in WITH_OUTPUT:
            return all(is_atom(part) for part in children(e))
        case Call():
            return is_one_call(e) and all(is_atom(part) for part in children(e))
    return False


def _is_negated(e: Expression, part: Expression) -> bool:
    """In ``u - v`` the second."""
    return isinstance(e, Add) and part is not e.terms[0] and isinstance(part, Neg) and is_atom(part.arg)


def is_one_call(e: Call) -> bool:
    return e.function in FUNCTIONS and ONE_CALL.fullmatch(FUNCTIONS[e.function].numpy) is not None


class _Splitter:
    def __init__(self, program: Program) -> None:
        self.shapes: dict[str, Shape | None] = program.shapes
        self.integers = {v.name for v in program.model.variables.values() if v.kind == "integer"}
        self.found: list[Statement] = []
        self.formula = ""
        self.loop: Loop | None = None
        self.count = 0

    def statements(self, s: Statement) -> list[Statement]:
        self.found, self.formula, self.loop = [], s.formula, s.loop
        if asks_which_step(s):  # what is not chosen cannot be computed: there may be no such step
            return [s]
        value = s.value if is_atom(s.value) else self.operation(s.value)
        return [*self.found, replace(s, value=value)]

    def operand(self, e: Expression) -> Expression:
        """The expression itself if it is an atom, else the name of what computes it."""
        if is_atom(e):
            return e
        shape = shape_of(e, self.shapes)
        value = self.operation(e)
        if is_atom(value):
            return value
        return self.statement(value, shape)

    def named(self, e: Expression) -> Expression:
        """A name for the expression, also where that is a view that does not lie in one piece."""
        found = self.operand(e)
        plain = isinstance(found, Ref) and _is_one_piece(found)
        return found if plain else self.statement(found, shape_of(found, self.shapes))

    def statement(self, value: Expression, shape: Shape | None) -> Ref:
        name = self.new_name()
        self.shapes[name] = shape
        self.found.append(Statement(name, (), value, self.formula, shape=shape, named=False, loop=self.loop))
        return Ref(name)

    def new_name(self) -> str:
        self.count += 1
        while f"t{self.count}" in self.shapes:
            self.count += 1
        return f"t{self.count}"

    def operation(self, e: Expression) -> Expression:
        """The expression with atoms for its operands."""
        if shape_of(e, self.shapes) is None and not self.is_known_call(e):
            return e
        match e:
            case Item() if is_atom(Item(Ref(""), e.indices)):
                return Item(self.operand(e.arg), e.indices)
            case Transpose():
                return Transpose(self.operand(e.arg))
            case Call(function="transpose"):
                return Call("transpose", (self.operand(e.args[0]), *e.args[1:]))
            case Call(function="reshape", args=(MatMul() as product, *sizes)):
                return Call("reshape", (self.operation(product), *sizes))
            case Call(function="reshape"):
                return Call("reshape", (self.named(e.args[0]), *e.args[1:]))
            case Add():
                return self.sum_of(e)
            case Mul():
                return self.folded(self.ordered(self.masked(e)), lambda u, v: Mul((u, v)))
            case Both():
                return self.folded(list(e.conditions), lambda u, v: Both((u, v)))
            case Div(denominator=Number() as below) if _is_power_of_two(below.value):
                return self.operation(Mul((e.numerator, Number(1 / below.value))))
            case Pow():
                return self.power(e)
            case Where():
                return self.cases(e)
        if isinstance(e, (Div, Neg, Compare, MatMul)) or is_elementwise(e) or self.is_known_call(e):
            return with_children(e, tuple(self.operand(part) for part in children(e)))
        return with_children(e, tuple(self.argument(part) for part in children(e))) if isinstance(e, Call) else e

    def argument(self, e: Expression) -> Expression:
        """An argument of a function of whole arrays; numbers are sizes, and stay."""
        return e if shape_of(e, self.shapes) in (None, ()) else self.operand(e)

    def is_known_call(self, e: Expression) -> bool:
        return isinstance(e, Call) and (e.function in WITH_OUTPUT or is_one_call(e))

    def sum_of(self, e: Add) -> Expression:
        """Term by term, a positive one first."""
        first = next((t for t in e.terms if not isinstance(t, Neg)), e.terms[0])
        rest = list(e.terms)
        rest.remove(first)
        return self.folded([first, *rest], lambda u, v: Add((u, v)))

    def folded(self, parts: list[Expression], join: Callable[[Expression, Expression], Expression]) -> Expression:
        """From left to right, two at a time."""
        found = self.operand(parts[0])
        for k, part in enumerate(parts[1:], 1):
            joined = join(found, self.term(part))
            if k == len(parts) - 1:
                return joined
            found = self.operand(joined)
        return found

    def term(self, e: Expression) -> Expression:
        """What is taken off keeps its sign."""
        return Neg(self.operand(e.arg)) if isinstance(e, Neg) and not is_atom(e) else self.operand(e)

    def masked(self, e: Mul) -> tuple[Expression, ...]:
        """Truth values for ``where(…, 1, 0)`` as a factor of an array that is as large."""
        arrays = [f for f in e.factors if not is_indicator(f) and shape_of(f, self.shapes) == shape_of(e, self.shapes)]
        return tuple(f.condition if arrays and is_indicator(f) else f for f in e.factors)

    def ordered(self, factors: tuple[Expression, ...]) -> list[Expression]:
        """Scalars among several arrays first, so that they are multiplied with each other."""
        scalars = [f for f in factors if shape_of(f, self.shapes) == ()]
        if len(scalars) < 2:
            return list(factors)
        return [*scalars, *(f for f in factors if not any(f is s for s in scalars))]

    def power(self, e: Pow) -> Expression:
        """Squares and cubes as products."""
        match e.exponent:
            case Number(value=value) if value in (2, 3, 4):
                base = self.operand(e.base)
                square = Mul((base, base))
                if value == 2:
                    return square
                half = self.operand(square)
                return Mul((half, half if value == 4 else base))
            case Div(numerator=Number(value=above), denominator=Number(value=below)) if above / below == Fraction(1, 2):
                return self.operation(Call("sqrt", (e.base,)))
            case Neg(arg=Number(value=value)) if value == 1:
                return self.operation(Div(number(1), e.base))
        return with_children(e, (self.operand(e.base), self.operand(e.exponent)))

    def cases(self, e: Where) -> Expression:
        """A case distinction; where the other case is 0, and this one a product of names, a product with the test."""
        condition = self.operand(e.condition)
        same_shape = shape_of(e.condition, self.shapes) == shape_of(e, self.shapes)
        if e.otherwise == number(0) and _is_finite(e.then) and same_shape:
            return Mul((self.operand(e.then), condition))
        return Where(condition, self.operand(e.then), self.operand(e.otherwise))


def _is_finite(e: Expression) -> bool:
    """Whether an expression has a finite value wherever its names have."""
    match e:
        case Number() | Ref(indices=()):
            return True
        case Neg() | Mul() | Add() | Item():
            return all(_is_finite(part) for part in children(e) if not _is_basic(part))
    return False


def _is_power_of_two(value: Fraction) -> bool:
    return value.denominator == 1 and value > 0 and value.numerator & (value.numerator - 1) == 0
