"""Symbolic proof of steps by SymPy: both sides become SymPy expressions, and their difference must vanish.

An element of a tensor is a symbol, a sum over an index is one too, named by what it sums (`derive.prove.sums`); so the
scalar parts of a step between tensors are proved here, and what happens to the indices is left to numbers.
Derivatives are SymPy's own; functions of the table are replaced by their definitions first; case distinctions are
proved branch by branch.  The conversion here is the prover's own and shares nothing with the engine's algebra.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, partial
from itertools import product
from math import comb, prod
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
    Index,
    Mul,
    Neg,
    Number,
    Pow,
    Reduce,
    Ref,
    Where,
)
from derive.expression.walk import (
    contains,
    free_indices,
    index_names,
    operations,
    rename_indices,
    replace,
    transform,
    walk,
)
from derive.functions import FUNCTIONS
from derive.parse.expression import parse_expression
from derive.prove.setting import Setting
from derive.prove.sums import Sums, alpha_normal

MOST_OPERATIONS = 1500
MOST_TENSOR_OPERATIONS = 40
MOST_CONDITIONS = 4
MOST_JOINED = 600  # operations of what is brought over a common denominator
MOST_TERMS = 400_000  # that multiplying out may give


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
def _definition(name: str) -> Expression | None:
    text = FUNCTIONS[name].definition
    return None if text is None else parse_expression(text)


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
        definition = _definition(e.function) if row else None
        if row is None or definition is None:
            raise Unconvertible
        if self.sums.depth and contains(definition, lambda n: isinstance(n, Where)):
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
        if x.name in self.setting.structures:
            raise Unconvertible  # other entries move with it
        elements = [node for node in walk(body) if isinstance(node, Ref) and node.name == x.name]
        bound = set(index_names(body)) - set(free_indices(body))
        if any(node != x for node in elements) or bound & set(index_names(x)):
            raise Unconvertible
        return self.at_values(sympy.diff(self.apart(body), _symbol(str(x))))

    def apart(self, body: Expression) -> Any:
        """A right-hand side with every name as a symbol of its own, so that `diff` gives its partial derivative."""
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


def _terms(e: Any) -> int:
    """About how many terms an expression has, multiplied out: of itself or of an argument in it."""
    if isinstance(e, sympy.Add):
        return sum(map(_terms, e.args))
    if isinstance(e, sympy.Mul):
        return prod(map(_terms, e.args))
    if isinstance(e, sympy.Pow):
        times = int(abs(e.exp)) if e.exp.is_Integer else 1
        return comb(_terms(e.base) + times - 1, times) if times < MOST_TERMS else MOST_TERMS + 1
    return max(map(_terms, e.args), default=1)


def prove_symbolically(
    before: Expression, after: Expression, setting: Setting, functions: Functions | None = None
) -> bool:
    """Whether SymPy shows that the two sides are equal; False says nothing.

    `functions`: names that stand for any function of certain elements.
    """
    if operations(before) + operations(after) > MOST_OPERATIONS:
        return False
    if _puts_in_adjoints(before, setting) and _equal(before, after, Converter(setting, opaque=True, expand=False)):
        return True
    try:
        return all(_vanishes(left, right, setting, functions) for left, right in _branches(before, after))
    except (Unconvertible, RecursionError):
        return False


def _puts_in_adjoints(before: Expression, setting: Setting) -> bool:
    """Whether an adjoint stands in the line whose value is known: then the line mostly holds whatever the rest is."""
    adjoints = (n.wrt for n in walk(before) if isinstance(n, D) and str(n.body) == setting.loss)
    return any(wrt.name in setting.adjoints for wrt in adjoints)


def _branches(before: Expression, after: Expression) -> Iterator[tuple[Expression, Expression]]:
    """Both sides on every branch of their case distinctions, functions with cases written out."""
    if sum(map(_has_cases, dict.fromkeys(n for e in (before, after) for n in walk(e)))) > MOST_CONDITIONS:
        raise Unconvertible
    left, right = _written_out(before), _written_out(after)
    if any(isinstance(n, Where) for e in (left, right) for r in walk(e) if isinstance(r, Reduce) for n in walk(r)):
        raise Unconvertible  # which case holds differs from term to term
    conditions = list(dict.fromkeys(n.condition for e in (left, right) for n in walk(e) if isinstance(n, Where)))
    if not conditions:
        yield before, after
        return
    if len(conditions) > MOST_CONDITIONS or not all(isinstance(c, Compare) for c in conditions):
        raise Unconvertible
    for truth in product((True, False), repeat=len(conditions)):
        table = dict(zip(conditions, truth, strict=True))
        yield _on_branch(left, table), _on_branch(right, table)


def _has_cases(e: Expression) -> bool:
    if isinstance(e, Call) and e.function in FUNCTIONS:
        definition = _definition(e.function)
        return definition is not None and any(isinstance(n, Where) for n in walk(definition))
    return isinstance(e, Where)


def _written_out(e: Expression) -> Expression:
    """Functions whose definition distinguishes cases, replaced by it."""

    def change(node: Expression) -> Expression | None:
        if isinstance(node, Reduce):
            return node
        if not isinstance(node, Call) or not _has_cases(node):
            return None
        row, definition = FUNCTIONS[node.function], _definition(node.function)
        assert definition is not None
        return _written_out(replace(definition, {Ref(p): a for p, a in zip(row.parameters, node.args, strict=True)}))

    return transform(e, change)


def _on_branch(e: Expression, table: dict[Expression, bool]) -> Expression:
    def change(node: Expression) -> Expression | None:
        if isinstance(node, Where):
            return _on_branch(node.then if table[node.condition] else node.otherwise, table)
        return None

    return transform(e, change)


def _sums_vanish(before: Expression, after: Expression, setting: Setting) -> bool:
    """The same where there are sums over indices: first whatever the values of nodes and functions, then with them."""
    ways = [Converter(setting, opaque=True, expand=False)]
    if operations(before) + operations(after) <= MOST_TENSOR_OPERATIONS:
        ways += [Converter(setting, opaque=True), Converter(setting, by_name=True)]
    return any(_equal(before, after, convert) for convert in ways)


def _equal(before: Expression, after: Expression, convert: Converter) -> bool:
    try:
        return bool(sympy.expand(convert(before) - convert(after)) == 0)
    except Unconvertible:
        return False


def _by_signs(e: Any) -> Any:
    """|u| as u times its sign, each sign a symbol; at a kink the convention decides, as everywhere."""
    signs = {u: sympy.Symbol(f"sign of {u}", integer=True) for f in e.atoms(sympy.Abs, sympy.sign) for u in f.args}
    return e.replace(sympy.Abs, lambda u: u * signs[u]).replace(sympy.sign, lambda u: signs[u]) if signs else e


def _squared_signs(e: Any) -> Any:
    """The square of a sign is one."""
    return e.replace(
        lambda t: isinstance(t, sympy.Pow) and t.base.is_Symbol and t.base.is_integer and t.exp.is_Integer,
        lambda t: t.base ** (t.exp % 2),
    )


def _vanishes(before: Expression, after: Expression, setting: Setting, functions: Functions | None) -> bool:
    if any(isinstance(node, Reduce) for e in (before, after) for node in walk(e)):
        return _sums_vanish(before, after, setting)
    for by_name in (True, False):
        convert = Converter(setting, by_name, functions=functions)
        difference = convert(before) - convert(after)
        if difference == 0:
            return True
        if _terms(difference) <= MOST_TERMS and sympy.expand(difference) == 0:
            return True
    if sympy.count_ops(difference) > MOST_JOINED:
        return False
    numerator = sympy.fraction(sympy.together(_by_signs(difference)))[0]
    if _terms(numerator) > MOST_TERMS:
        return False
    expanded = _squared_signs(sympy.expand(numerator))
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
