"""Symbolic proof of scalar steps by SymPy: both sides become SymPy expressions, and their difference must vanish.

Derivatives are SymPy's own; functions of the table are replaced by their definitions first; case distinctions are
proved branch by branch.  The conversion here is the prover's own and shares nothing with the engine's algebra.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import sympy

from derive.expression.nodes import (
    Add,
    Call,
    Compare,
    Constant,
    D,
    Div,
    Expression,
    Mul,
    Neg,
    Number,
    Pow,
    Ref,
    Where,
)
from derive.expression.walk import operations, replace, transform, walk
from derive.functions import FUNCTIONS
from derive.parse.expression import parse_expression
from derive.prove.setting import Setting

MOST_OPERATIONS = 300
MOST_CONDITIONS = 4

_NATIVE: dict[str, Any] = {
    "exp": sympy.exp,
    "log": sympy.log,
    "sqrt": sympy.sqrt,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "abs": sympy.Abs,
    "sign": sympy.sign,
    "erf": sympy.erf,
    "log_normal_cdf": lambda u: sympy.log((1 + sympy.erf(u / sympy.sqrt(2))) / 2),
    "lgamma": sympy.loggamma,
    "gamma": sympy.gamma,
    "digamma": lambda u: sympy.polygamma(0, u),
    "trigamma": lambda u: sympy.polygamma(1, u),
    "polygamma": sympy.polygamma,
    "arcsin": sympy.asin,
    "arccos": sympy.acos,
    "arctan": sympy.atan,
    "arcsinh": sympy.asinh,
    "arccosh": sympy.acosh,
    "arctanh": sympy.atanh,
    "arctan2": sympy.atan2,
    "cbrt": lambda u: sympy.sign(u) * sympy.Abs(u) ** sympy.Rational(1, 3),
}


# Functions that SymPy differentiates by itself; tried first, since exponentials take longer to multiply out.
_BY_NAME: dict[str, Any] = {
    "tanh": sympy.tanh,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "tan": sympy.tan,
    "sigmoid": lambda u: (1 + sympy.tanh(u / 2)) / 2,
}


class Unconvertible(Exception):
    """SymPy cannot say this as a plain scalar expression."""


@cache
def _symbol(name: str) -> Any:
    return sympy.Symbol(name, real=True)


@cache
def _definition(name: str) -> Expression | None:
    text = FUNCTIONS[name].definition
    return None if text is None else parse_expression(text)


class Converter:
    """Core scalar expressions to SymPy, in a setting; `by_name` keeps functions that SymPy knows by their names."""

    def __init__(self, setting: Setting, by_name: bool = False) -> None:
        self.setting = setting
        self.by_name = by_name
        self.values = {element.name: body for element, body in setting.equations}
        self.memo: dict[Expression, Any] = {}

    def __call__(self, e: Expression) -> Any:
        if e not in self.memo:
            self.memo[e] = self.convert(e)
        return self.memo[e]

    def convert(self, e: Expression) -> Any:
        match e:
            case Number():
                return sympy.Rational(e.value.numerator, e.value.denominator)
            case Constant(name="pi"):
                return sympy.pi
            case Ref() if not e.indices:
                return self(self.values[e.name]) if e.name in self.values else _symbol(e.name)
            case Add():
                return sympy.Add(*map(self, e.terms))
            case Mul():
                return sympy.Mul(*map(self, e.factors))
            case Neg():
                return -self(e.arg)
            case Div():
                return self(e.numerator) / self(e.denominator)
            case Pow():
                return self(e.base) ** self(e.exponent)
            case Call():
                return self.call(e)
            case D():
                return self.derivative(e)
        raise Unconvertible

    def call(self, e: Call) -> Any:
        if self.by_name and e.function in _BY_NAME:
            return _BY_NAME[e.function](*map(self, e.args))
        if e.function in _NATIVE:
            return _NATIVE[e.function](*map(self, e.args))
        row = FUNCTIONS.get(e.function)
        definition = _definition(e.function) if row else None
        if row is None or definition is None:
            raise Unconvertible
        return self(replace(definition, {Ref(p): arg for p, arg in zip(row.parameters, e.args, strict=True)}))

    def derivative(self, e: D) -> Any:
        setting = self.setting
        if e.wrt.indices:
            raise Unconvertible
        x = _symbol(e.wrt.name)
        if isinstance(e.body, Ref) and e.body.name == setting.loss and setting.loss:
            if e.wrt.name == setting.node:
                return self.adjoint_of_node(x)
            known = setting.adjoints.get(e.wrt.name)
            return self(known[1]) if known is not None else _symbol(f"adjoint of {e.wrt.name}")
        if isinstance(e.body, Ref) and e.body.name in self.values and e.body.name != e.wrt.name:
            return self.at_values(sympy.diff(_apart(self.values[e.body.name], self.by_name), x))
        return self.at_values(sympy.diff(_apart(e.body, self.by_name), x))

    def adjoint_of_node(self, x: Any) -> Any:
        """Σ over the consumers of adjoint · derivative of the consumer's equation, read off the equations."""
        setting = self.setting
        total = sympy.Integer(0)
        for name in setting.consumers:
            slope = sympy.diff(_apart(self.values[name], self.by_name), x)
            if name == setting.loss:
                total += self.at_values(slope)
            else:
                total += self(D(Ref(setting.loss), Ref(name))) * self.at_values(slope)
        return total

    def at_values(self, e: Any) -> Any:
        """Nodes with an equation replaced by their values."""
        table = {s: self(self.values[s.name]) for s in e.free_symbols if s.name in self.values}
        return e.xreplace(table) if table else e


def _apart(body: Expression, by_name: bool) -> Any:
    """A right-hand side with every name as a symbol of its own, so that `diff` gives its partial derivative."""
    return Converter(Setting(), by_name)(body)


def prove_symbolically(before: Expression, after: Expression, setting: Setting) -> bool:
    """Whether SymPy shows that the two sides are equal; False says nothing."""
    if operations(before) + operations(after) > MOST_OPERATIONS:
        return False
    try:
        return all(_vanishes(left, right, setting) for left, right in _branches(before, after))
    except (Unconvertible, RecursionError):
        return False


def _branches(before: Expression, after: Expression) -> Iterator[tuple[Expression, Expression]]:
    """Both sides on every branch of their case distinctions, functions with cases written out."""
    left, right = _written_out(before), _written_out(after)
    conditions = list(dict.fromkeys(n.condition for e in (left, right) for n in walk(e) if isinstance(n, Where)))
    if not conditions:
        yield before, after
        return
    if len(conditions) > MOST_CONDITIONS or not all(isinstance(c, Compare) for c in conditions):
        raise Unconvertible
    for truth in product((True, False), repeat=len(conditions)):
        table = dict(zip(conditions, truth, strict=True))
        yield _on_branch(left, table), _on_branch(right, table)


def _written_out(e: Expression) -> Expression:
    """Functions whose definition distinguishes cases, replaced by it."""

    def change(node: Expression) -> Expression | None:
        if isinstance(node, Call) and node.function in FUNCTIONS:
            definition = _definition(node.function)
            if definition is not None and any(isinstance(n, Where) for n in walk(definition)):
                row = FUNCTIONS[node.function]
                return _written_out(
                    replace(definition, {Ref(p): a for p, a in zip(row.parameters, node.args, strict=True)})
                )
        return None

    return transform(e, change)


def _on_branch(e: Expression, table: dict[Expression, bool]) -> Expression:
    def change(node: Expression) -> Expression | None:
        if isinstance(node, Where):
            return _on_branch(node.then if table[node.condition] else node.otherwise, table)
        return None

    return transform(e, change)


def _vanishes(before: Expression, after: Expression, setting: Setting) -> bool:
    for by_name in (True, False):
        convert = Converter(setting, by_name)
        difference = convert(before) - convert(after)
        if difference == 0 or sympy.expand(difference) == 0:
            return True
    numerator = sympy.fraction(sympy.together(difference))[0]
    expanded = sympy.expand(numerator)
    if expanded == 0:
        return True
    if expanded.has(sympy.sin, sympy.cos):
        expanded = sympy.expand(
            sympy.expand(expanded).replace(
                lambda t: (
                    isinstance(t, sympy.Pow) and isinstance(t.base, sympy.cos) and t.exp.is_Integer and t.exp >= 2
                ),
                lambda t: (1 - sympy.sin(t.base.args[0]) ** 2) ** (t.exp // 2) * t.base ** (t.exp % 2),
            )
        )
    return bool(expanded == 0)
