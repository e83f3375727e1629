"""Numerically stable forms, as rows of rewrites: before = after over the metavariable u.

Both sides are equal; the right one does not overflow, and does not lose the digits, where the left one would.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from derive.algebra.rational import alpha_normal
from derive.expression.build import ONE
from derive.expression.nodes import Add, Call, Div, Expression, Index, Neg, Reduce, Ref
from derive.expression.walk import bottom_up, free_indices, rename_indices, transform
from derive.parse.expression import parse_expression
from derive.rules.arithmetic import tidy
from derive.rules.identities import matches

ROWS: tuple[tuple[str, str], ...] = (
    ("1/(1 + exp(-u))", "sigmoid(u)"),
    ("1/(exp(-u) + 1)", "sigmoid(u)"),
    ("exp(u)/(1 + exp(u))", "sigmoid(u)"),
    ("exp(u)/(exp(u) + 1)", "sigmoid(u)"),
    ("(exp(u) - exp(-u))/(exp(u) + exp(-u))", "tanh(u)"),
    ("log(sigmoid(u))", "-softplus(-u)"),
    ("log(1 - sigmoid(u))", "-softplus(u)"),
    ("log(1 - tanh(u))", "log(2) - softplus(2*u)"),
    ("log(1 + tanh(u))", "log(2) - softplus(-2*u)"),
    ("log(1 + exp(u))", "softplus(u)"),
    ("log(exp(u) + 1)", "softplus(u)"),
    ("log(cosh(u))", "log_cosh(u)"),
    ("log(exp(u))", "u"),
    ("exp(log(u))", "u"),
    ("exp(u) - 1", "expm1(u)"),
    ("log(1 + u)", "log1p(u)"),
    ("log(u + 1)", "log1p(u)"),
    ("log(1 - u)", "log1p(-u)"),
    ("u*log(u)", "xlogy(u, u)"),
)


@cache
def _rows() -> tuple[tuple[Expression, Expression], ...]:
    return tuple((parse_expression(before), parse_expression(after)) for before, after in ROWS)


def stable(e: Expression, bodies: Mapping[str, tuple[tuple[str, ...], Expression]]) -> Expression:
    """The expression in stable form; a logarithm may look into `bodies`, the right-hand sides of the nodes."""
    result = bottom_up(e, lambda node: _one(_looked_into(node, bodies)))
    return e if result == e else tidy(result)


def _one(node: Expression) -> Expression:
    found = _over_an_axis(node)
    if found is not None:
        return found
    for before, after in _rows():
        binding: dict[str, Expression] = {}
        if type(before) is type(node) and matches(before, node, binding):
            return transform(after, lambda n, b=binding: b.get(n.name) if isinstance(n, Ref) else None)  # type: ignore[misc]
    return node


def _looked_into(node: Expression, bodies: Mapping[str, tuple[tuple[str, ...], Expression]]) -> Expression:
    """``log(a)`` and ``log(1 - a)`` with the definition of the node a put in, where a stable form of that is known."""
    if not isinstance(node, Call) or node.function != "log":
        return node
    arg = node.args[0]
    for ref in (n for n in _refs(arg) if n.name in bodies):
        indices, body = bodies[ref.name]
        inner = rename_indices(body, dict(zip(indices, ref.indices, strict=True)))
        candidate = Call("log", (transform(arg, lambda n, r=ref, b=inner: b if n == r else None),))  # type: ignore[misc]
        candidate = Call("log", (bottom_up(candidate.args[0], _one),))
        result = _one(_looked_into(candidate, bodies))
        if not (isinstance(result, Call) and result.function in ("log", "log1p")):
            return result
    return node


def _refs(e: Expression) -> list[Ref]:
    """The name in ``a``, ``1 - a`` or ``1 + a``."""
    match e:
        case Ref():
            return [e]
        case Add(terms=(first, Neg(arg=Ref() as ref))) if first == ONE:
            return [ref]
        case Add(terms=(first, Ref() as ref)) if first == ONE:
            return [ref]
    return []


def _over_an_axis(node: Expression) -> Expression | None:
    """softmax and log-sum-exp, recognised in index form."""
    match node:
        case Div(
            numerator=Call(function="exp", args=(u,)),
            denominator=Reduce(op="sum", body=Call(function="exp", args=(v,))),
        ) if (axis := _axis_of(node, u, v)) is not None:
            return Call("softmax", (u,), (("axis", Index(axis)),))
        case Call(function="log", args=(Reduce(op="sum", body=Call(function="exp", args=(v,))) as total,)):
            return Reduce("logsumexp", v, total.indices, total.condition, total.ranges)
        case Call(function="log", args=(Call(function="softmax", args=(u,), options=options),)):
            return Call("log_softmax", (u,), options)
    return None


def _axis_of(node: Div, u: Expression, v: Expression) -> str | None:
    """The free index along which the quotient is a softmax: renaming the bound one to it gives the numerator."""
    total = node.denominator
    if not isinstance(total, Reduce) or len(total.indices) != 1 or total.condition is not None:
        return None
    for index in free_indices(u):
        if index not in free_indices(total) and alpha_normal(
            rename_indices(v, {total.indices[0]: Index(index)})
        ) == alpha_normal(u):
            return index
    return None
