"""Identities of functions: what an inverse undoes, and the relations of circular and hyperbolic functions.

Rows of text, ``before = after``, over the metavariable u; each holds wherever its left side is defined.
"""

from __future__ import annotations

from derive.algebra.rational import alpha_normal
from derive.expression.nodes import Call, Expression, Ref
from derive.expression.walk import Pass, bottom_up, children, walk
from derive.parse.expression import parse_expression
from derive.rules.rule import Rule, leaves_up

ROWS = (
    ("exp of log", "exp(log(u))", "u"),
    ("log of exp", "log(exp(u))", "u"),
    ("tan of arctan", "tan(arctan(u))", "u"),
    ("cos of arcsin", "cos(arcsin(u))", "sqrt(1 - u**2)"),
    ("sin of arccos", "sin(arccos(u))", "sqrt(1 - u**2)"),
    ("cosh of arcsinh", "cosh(arcsinh(u))", "sqrt(u**2 + 1)"),
    ("sinh of arccosh", "sinh(arccosh(u))", "sqrt(u**2 - 1)"),
    ("tanh of arctanh", "tanh(arctanh(u))", "u"),
    ("sigmoid of logit", "sigmoid(logit(u))", "u"),
    ("exp of 0", "exp(0)", "1"),
    ("log of 1", "log(1)", "0"),
    ("sine and cosine", "sin(u)**2 + cos(u)**2", "1"),
    ("cosine and sine", "cos(u)**2 + sin(u)**2", "1"),
    ("number and sign", "u*sign(u)", "abs(u)"),
    ("absolute value and sign", "abs(u)*sign(u)", "u"),
    ("sign and absolute value", "sign(u)*abs(u)", "u"),
    ("square of the absolute value", "abs(u)**2", "u**2"),
)


def matches(pattern: Expression, e: Expression, binding: dict[str, Expression]) -> bool:
    """Structural matching; the metavariable u stands for one expression throughout."""
    if isinstance(pattern, Ref):
        if pattern.name in binding:
            return alpha_normal(binding[pattern.name]) == alpha_normal(e)
        binding[pattern.name] = e
        return True
    if type(pattern) is not type(e):
        return False
    mine, theirs = children(pattern), children(e)
    if not mine or not theirs or getattr(pattern, "function", None) != getattr(e, "function", None):
        return pattern == e
    return len(mine) == len(theirs) and all(matches(p, c, binding) for p, c in zip(mine, theirs, strict=True))


def _identity(name: str, before: str, after: str) -> Rule:
    left, right = parse_expression(before), parse_expression(after)

    def one(node: Expression) -> Expression:
        binding: dict[str, Expression] = {}
        if matches(left, node, binding):
            return bottom_up(right, lambda n: binding.get(n.name, n) if isinstance(n, Ref) else n)
        return node

    needs = frozenset(node.function for node in walk(left) if isinstance(node, Call))
    return Rule(name, f"{before} = {after}", leaves_up(Pass(one, type(left))), needs)


IDENTITIES = tuple(_identity(*row) for row in ROWS)
