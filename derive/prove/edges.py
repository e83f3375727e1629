"""What keeps an expression from being defined: divisors that vanish, logarithms and roots of what is not positive."""

from __future__ import annotations

from derive.expression.nodes import Add, Call, D, Div, Expression, Mul, Neg, Number, Pow, Ref
from derive.expression.walk import replace, walk
from derive.functions import FUNCTIONS
from derive.parse.expression import parse_expression
from derive.prove.setting import Setting

_BOUNDED_BELOW = {"log", "sqrt", "lgamma", "log2", "log10"}


def edges(e: Expression) -> dict[Expression, None]:
    """The factors that must not vanish, or must not be negative, for the expression to be defined."""
    found: dict[Expression, None] = {}
    for node in walk(e, Div, Pow, Call):
        if isinstance(node, Div):
            found |= dict.fromkeys(_bases(node.denominator))
        elif isinstance(node, Pow) and not isinstance(node.exponent, Number):  # 1/u, real powers of what is positive
            found |= dict.fromkeys(_bases(node.base))
        elif isinstance(node, Call) and node.function in _BOUNDED_BELOW:
            found |= dict.fromkeys(_bases(node.args[0]))
    return found


def _bases(e: Expression) -> list[Expression]:
    match e:
        case Mul():
            return [b for f in e.factors for b in _bases(f)]
        case Div():
            return [*_bases(e.numerator), *_bases(e.denominator)]
        case Pow() | Neg():
            return _bases(e.base if isinstance(e, Pow) else e.arg)
    return [] if _positive(e) else [e]


def _positive(e: Expression) -> bool:
    """Whether an expression is above 0 wherever it is defined, seen from its signs alone."""
    match e:
        case Number():
            return e.value > 0
        case Call(function="exp" | "cosh"):
            return True
        case Add():
            return all(map(_not_negative, e.terms)) and any(map(_positive, e.terms))
        case Mul():
            return all(map(_positive, e.factors))
        case Div():
            return _positive(e.numerator) and _positive(e.denominator)
        case Pow():
            return _positive(e.base)
        case Call(function="sqrt"):
            return _positive(e.args[0])
    return False


def _not_negative(e: Expression) -> bool:
    match e:
        case Call(function="abs" | "sqrt"):
            return True
        case Pow(exponent=Number() as exponent) if exponent.value.denominator == 1 and exponent.value % 2 == 0:
            return True
        case Add():
            return all(map(_not_negative, e.terms))
        case Mul():
            return all(map(_not_negative, e.factors))
        case Div():
            return _not_negative(e.numerator) and _not_negative(e.denominator)
    return _positive(e)


def edges_in(e: Expression, setting: Setting) -> dict[Expression, None]:
    """The edges of an expression and of what its functions, derivatives and adjoints stand for in a setting."""
    found = edges(e)
    bodies = {element.name: body for element, body in setting.equations}
    for node in walk(e, Call, D):
        if isinstance(node, Call) and node.function in FUNCTIONS and (text := FUNCTIONS[node.function].definition):
            row = FUNCTIONS[node.function]
            table: dict[Expression, Expression] = dict(zip(map(Ref, row.parameters), node.args, strict=True))
            found |= edges(replace(parse_expression(text), table))
        elif isinstance(node, D) and isinstance(node.body, Ref):
            if node.body.name != setting.loss:
                stands_for = [bodies[node.body.name]] if node.body.name in bodies else []
            elif node.wrt.name == setting.node:
                stands_for = list(bodies.values()) + [known for _, known in setting.adjoints.values()]
            else:
                stands_for = [setting.adjoints[node.wrt.name][1]] if node.wrt.name in setting.adjoints else []
            for value in stands_for:
                found |= edges(value)
    return found
