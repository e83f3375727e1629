"""Models from SymPy and to SymPy, for those who already hold SymPy objects.

A model from SymPy is written down in the model language first, so that it takes the same road as any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import sympy

from derive.errors import DeriveError
from derive.expression.build import add, div, mul, neg, number, power
from derive.expression.nodes import Call, Compare, Constant, Expression, Ref, Where
from derive.model import Model
from derive.parse.model import parse_model
from derive.prove.setting import Setting
from derive.prove.to_sympy import Converter, Unconvertible

_FUNCTIONS: dict[Any, str] = {
    sympy.exp: "exp",
    sympy.log: "log",
    sympy.sin: "sin",
    sympy.cos: "cos",
    sympy.tan: "tan",
    sympy.sinh: "sinh",
    sympy.cosh: "cosh",
    sympy.tanh: "tanh",
    sympy.asin: "arcsin",
    sympy.acos: "arccos",
    sympy.atan: "arctan",
    sympy.asinh: "arcsinh",
    sympy.acosh: "arccosh",
    sympy.atanh: "arctanh",
    sympy.Abs: "abs",
    sympy.sign: "sign",
    sympy.erf: "erf",
    sympy.erfc: "erfc",
    sympy.gamma: "gamma",
    sympy.loggamma: "lgamma",
    sympy.sec: "sec",
    sympy.csc: "csc",
    sympy.cot: "cot",
    sympy.sech: "sech",
    sympy.polygamma: "polygamma",
    sympy.csch: "csch",
    sympy.coth: "coth",
    sympy.asec: "arcsec",
    sympy.acsc: "arccsc",
    sympy.acot: "arccot",
    sympy.asech: "arcsech",
    sympy.acsch: "arccsch",
    sympy.acoth: "arccoth",
    sympy.atan2: "arctan2",
    sympy.erfinv: "erfinv",
    sympy.erfcinv: "erfcinv",
    sympy.LambertW: "lambertw",
    sympy.Ei: "expi",
    sympy.beta: "beta",
    sympy.factorial: "factorial",
    sympy.besselj: "jv",
    sympy.bessely: "yv",
    sympy.besseli: "iv",
    sympy.besselk: "kv",
    sympy.floor: "floor",
    sympy.ceiling: "ceil",
    sympy.Mod: "mod",
    sympy.Max: "maximum",
    sympy.Min: "minimum",
}
_RELATIONS: dict[Any, str] = {
    sympy.StrictLessThan: "<",
    sympy.LessThan: "<=",
    sympy.StrictGreaterThan: ">",
    sympy.GreaterThan: ">=",
    sympy.Eq: "==",
    sympy.Ne: "!=",
}


def expression_from_sympy(e: Any) -> Expression:
    """A SymPy scalar expression as ours; DeriveError for what the language cannot say."""
    if isinstance(e, sympy.Symbol):
        return Ref(str(e.name))
    if isinstance(e, sympy.Rational):
        return number(Fraction(int(e.p), int(e.q)))
    if isinstance(e, sympy.Float):
        return expression_from_sympy(sympy.Rational(str(e)))
    if e == sympy.pi:
        return Constant("pi")
    if e == sympy.E:
        return Call("exp", (number(1),))
    if isinstance(e, sympy.Add):
        return add(*map(expression_from_sympy, e.as_ordered_terms()))
    if isinstance(e, sympy.Mul):
        return _product(e)
    if isinstance(e, sympy.Pow):
        return _power(e)
    if isinstance(e, sympy.Piecewise):
        return _cases(e)
    for kind, name in _FUNCTIONS.items():
        if isinstance(e, kind):
            args = [expression_from_sympy(arg) for arg in e.args]
            result: Expression = Call(name, tuple(args[:2] if name in ("maximum", "minimum") else args))
            for arg in args[2:] if name in ("maximum", "minimum") else ():
                result = Call(name, (result, arg))
            return result
    raise DeriveError(f"SymPy's {type(e).__name__} has no counterpart in the model language", hint=f"in {e}")


def _product(e: Any) -> Expression:
    coefficient, factors = e.as_coeff_mul()
    above, below = [], []
    for factor in factors:
        if isinstance(factor, sympy.Pow) and factor.exp.is_Rational and factor.exp < 0:
            below.append(expression_from_sympy(1 / factor))
        else:
            above.append(expression_from_sympy(factor))
    size = abs(coefficient)
    if size.p != 1 or not above:
        above.insert(0, number(int(size.p)))
    if size.q != 1:
        below.insert(0, number(int(size.q)))
    result = div(mul(*above), mul(*below)) if below else mul(*above)
    return neg(result) if coefficient < 0 else result


def _power(e: Any) -> Expression:
    if e.exp == sympy.Rational(1, 2):
        return Call("sqrt", (expression_from_sympy(e.base),))
    if e.exp.is_Rational and e.exp < 0:
        return div(number(1), expression_from_sympy(1 / e))
    return power(expression_from_sympy(e.base), expression_from_sympy(e.exp))


def _cases(e: Any) -> Expression:
    pieces = list(e.args)
    if pieces[-1].cond != True:  # noqa: E712  (SymPy's own true)
        raise DeriveError("a Piecewise needs a last case for everything else")
    result = expression_from_sympy(pieces[-1].expr)
    for piece in reversed(pieces[:-1]):
        relation = _RELATIONS.get(type(piece.cond))
        if relation is None:
            raise DeriveError(f"the condition {piece.cond} has no counterpart in the model language")
        condition = Compare(relation, expression_from_sympy(piece.cond.lhs), expression_from_sympy(piece.cond.rhs))
        result = Where(condition, expression_from_sympy(piece.expr), result)
    return result


def model_from_sympy(
    equations: Iterable[Any],
    parameters: Iterable[Any] = (),
    loss: Any = None,
    *,
    targets: Iterable[Any] = (),
    name: str = "model",
) -> Model:
    """A model from ``Eq(symbol, expression)``.

    `parameters` are trained, `targets` given; every other free symbol is an input.  `loss` is the symbol of
    the equation that is the loss; without it the last one.

    >>> from sympy import Eq, symbols
    >>> w, x, y, L = symbols("w x y L")
    >>> Model.from_sympy([Eq(L, (w*x - y)**2)], parameters=[w], loss=L).derive().gradients[0].name
    'w'
    """
    pairs = []
    for equation in equations:
        if not isinstance(equation, sympy.Eq) or not isinstance(equation.lhs, sympy.Symbol):
            raise DeriveError(f"{equation} is not an equation Eq(symbol, expression)")
        pairs.append((str(equation.lhs.name), expression_from_sympy(equation.rhs), equation.rhs))
    if not pairs:
        raise DeriveError("there is no equation")
    defined = {pair[0] for pair in pairs}
    trained = [str(p) for p in parameters]
    given = [str(t) for t in targets]
    free = dict.fromkeys(sorted(str(s) for pair in pairs for s in pair[2].free_symbols))
    lines = [f"{p}: parameter" for p in trained] + [f"{t}: target" for t in given]
    lines += [f"{s}: input" for s in free if s not in defined and s not in trained and s not in given]
    chosen = str(loss) if loss is not None else pairs[-1][0]
    lines += [f"{left}: loss = {right}" if left == chosen else f"{left} = {right}" for left, right, _ in pairs]
    return parse_model("\n".join(lines), name)


def expression_to_sympy(e: Expression) -> Any:
    """A scalar expression as SymPy's, with real symbols; functions that SymPy lacks are written out."""
    try:
        return Converter(Setting())(e)
    except Unconvertible:
        raise DeriveError(f"{e} is no scalar expression that SymPy could say") from None


def model_to_sympy(model: Model) -> list[Any]:
    """The equations as ``Eq``, in order."""
    return [
        sympy.Eq(sympy.Symbol(e.name, real=True), expression_to_sympy(e.body), evaluate=False) for e in model.equations
    ]
