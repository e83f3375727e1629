"""Expressions → SymPy, for the prover: plain real symbols for elements, SymPy's own derivatives.

Functions of the table are replaced by their definitions, or kept by the names that SymPy knows.  The conversion is the
prover's own and shares nothing with the engine's algebra.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache, partial
from typing import Any

import sympy

from derive.expression.nodes import (
    Add,
    Call,
    Constant,
    D,
    Div,
    Expression,
    Index,
    Mul,
    Neg,
    Number,
    Pow,
    Reduce,
    Ref,
    Where,
)
from derive.expression.walk import free_indices, holds, index_names, nodes_of, rename_indices, replace
from derive.functions import FUNCTIONS
from derive.parse.expression import parse_expression
from derive.prove.setting import FREE_ENTRIES, Setting
from derive.prove.sums import Sums, alpha_normal


def _scaled_i(k: Any, u: Any) -> Any:
    return sympy.besseli(k, u) * sympy.exp(-sympy.Abs(u))


def _scaled_k(k: Any, u: Any) -> Any:
    return sympy.besselk(k, u) * sympy.exp(u)


_NATIVE: dict[str, Any] = {
    "exp": sympy.exp,
    "log": sympy.log,
    "sqrt": sympy.sqrt,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "abs": sympy.Abs,
    "sign": sympy.sign,
    "erf": sympy.erf,
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
    "erfinv": sympy.erfinv,
    "erfcinv": sympy.erfcinv,
    "lambertw": sympy.LambertW,
    "expi": sympy.Ei,
    "gammainc": lambda a, x: sympy.lowergamma(a, x) / sympy.gamma(a),
    "gammaincc": lambda a, x: sympy.uppergamma(a, x) / sympy.gamma(a),
    "jv": sympy.besselj,
    "yv": sympy.bessely,
    "iv": sympy.besseli,
    "kv": sympy.besselk,
    **{
        f"{letter}{order}": partial(bessel, order)
        for letter, bessel in (("j", sympy.besselj), ("y", sympy.bessely), ("i", sympy.besseli), ("k", sympy.besselk))
        for order in (0, 1)
    },
    **{
        f"{letter}{order}e": lambda u, order=order, scaled=scaled: scaled(order, u)
        for letter, scaled in (("i", _scaled_i), ("k", _scaled_k))
        for order in (0, 1)
    },
    "ive": _scaled_i,
    "kve": _scaled_k,
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


Functions = Mapping[str, tuple[Ref, ...]]


class Unconvertible(Exception):
    """SymPy cannot say this as a plain scalar expression."""


@cache
def _symbol(name: str) -> Any:
    return sympy.Symbol(name, real=True)


@cache
def defined_as(name: str) -> Expression | None:
    text = FUNCTIONS[name].definition
    return None if text is None else parse_expression(text)


@lru_cache(maxsize=4096)
def _slope(e: Any, x: Any) -> Any:
    """SymPy's derivative: the steps of a derivation ask for the same ones again and again."""
    return sympy.diff(e, x)


@lru_cache(maxsize=4096)
def _apart(body: Expression, by_name: bool) -> Any:
    return Converter(Setting(), by_name)(body)


def forget_slopes() -> None:
    """Forgets what was differentiated (for measuring)."""
    _slope.cache_clear()
    _apart.cache_clear()


class Converter:
    """Core expressions to SymPy, in a setting; `by_name` keeps functions that SymPy knows by their names.

    With `opaque`, nodes, functions and derivatives are symbols, but for adjoints that are known: what holds whatever
    their values holds.
    """

    def __init__(
        self,
        setting: Setting,
        by_name: bool = False,
        opaque: bool = False,
        expand: bool = True,
        functions: Functions | None = None,
    ) -> None:
        self.setting = setting
        self.functions = functions or {}
        self.by_name = by_name
        self.opaque = opaque
        self.expand = expand
        self.equations = {element.name: (element, body) for element, body in setting.equations}
        self.memo: dict[Expression, Any] = {}
        self.sums = Sums()

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
            case Ref():
                return self.element(e)
            case Index():
                return _symbol(f"index {e.name}")
            case Reduce():
                return self.sums.reduce(alpha_normal(e), self, self.expand)
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
            case Where() if self.opaque and not self.sums.depth:
                return _symbol(str(e))
        raise Unconvertible

    def element(self, e: Ref) -> Any:
        """An element of a tensor, or the value of a node's equation at its indices."""
        if e.name in self.functions:
            return sympy.Function(e.name, real=True)(*(_symbol(str(x)) for x in self.functions[e.name]))
        if e.name in self.equations and not self.opaque:
            return self(self.value_of(e))
        return _symbol(str(e))

    def value_of(self, e: Ref) -> Expression:
        element, body = self.equations[e.name]
        if len(element.indices) != len(e.indices):
            raise Unconvertible
        own = (i.name for i in element.indices if isinstance(i, Index))
        return rename_indices(body, dict(zip(own, e.indices, strict=True)))

    def call(self, e: Call) -> Any:
        if e.function == "delta":
            return _symbol(" ".join(["delta", *sorted(map(str, e.args))]))
        if self.opaque and e.function not in _NATIVE:
            return sympy.Function(e.function, real=True)(*map(self, e.args))
        if self.by_name and e.function in _BY_NAME:
            return _BY_NAME[e.function](*map(self, e.args))
        if e.function in _NATIVE:
            return _NATIVE[e.function](*map(self, e.args))
        row = FUNCTIONS.get(e.function)
        definition = defined_as(e.function) if row else None
        if row is None or definition is None:
            raise Unconvertible
        if self.sums.depth and holds(definition, Where):
            return sympy.Function(e.function)(*map(self, e.args))  # its cases differ from term to term
        return self(replace(definition, {Ref(p): arg for p, arg in zip(row.parameters, e.args, strict=True)}))

    def derivative(self, e: D) -> Any:
        setting = self.setting
        if isinstance(e.body, Ref) and e.body.name == setting.loss and setting.loss:
            if e.wrt.name == setting.node and not self.opaque:
                return self.adjoint_of_node(e.wrt)
            known = None if e.wrt.name == setting.node else setting.adjoints.get(e.wrt.name)
            if known is None:
                return _symbol(f"adjoint of {e.wrt} of {e.body}")
            if len(known[0]) != len(e.wrt.indices):
                raise Unconvertible  # whole-array notation
            return self(rename_indices(known[1], dict(zip(known[0], e.wrt.indices, strict=True))))
        if self.opaque:
            return _symbol(str(e))
        if isinstance(e.body, Ref) and e.body.name in self.equations and e.body.name != e.wrt.name:
            return self.slope(self.value_of(e.body), e.wrt)
        return self.slope(e.body, e.wrt)

    def slope(self, body: Expression, x: Ref) -> Any:
        """The derivative by one element, where the right-hand side has no other element of that tensor."""
        if self.setting.structures.get(x.name) in FREE_ENTRIES:
            raise Unconvertible  # other entries move with it
        elements = [node for node in nodes_of(body, Ref) if node.name == x.name]
        bound = set(index_names(body)) - set(free_indices(body))
        if any(node != x for node in elements) or bound & set(index_names(x)):
            raise Unconvertible
        return self.at_values(_slope(self.apart(body), _symbol(str(x))))

    def apart(self, body: Expression) -> Any:
        """A right-hand side with every name as a symbol of its own, so that `diff` gives its partial derivative."""
        if not self.functions and not holds(body, Reduce):
            return _apart(body, self.by_name)
        inner = Converter(Setting(), self.by_name, functions=self.functions)
        inner.sums = self.sums
        return inner(body)

    def adjoint_of_node(self, x: Ref) -> Any:
        """Σ over the consumers of adjoint · derivative of the consumer's equation, read off the equations."""
        setting = self.setting
        total = sympy.Integer(0)
        for name in setting.consumers:
            element, body = self.equations[name]
            if element.indices:
                raise Unconvertible
            slope = self.slope(body, x)
            total += slope if name == setting.loss else self(D(Ref(setting.loss), Ref(name))) * slope
        return total

    def at_values(self, e: Any) -> Any:
        """Nodes with an equation replaced by their values."""
        table: dict[Any, Any] = {}
        for symbol in e.free_symbols:
            name = symbol.name.partition("[")[0]
            if name in self.equations:
                if self.equations[name][0].indices:
                    raise Unconvertible
                table[symbol] = self(self.equations[name][1])
        return e.xreplace(table) if table else e
