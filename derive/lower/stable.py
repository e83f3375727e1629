"""Numerically stable forms, as rows of rewrites: before = after over the metavariables u and v.

Both sides are equal; the right one does not overflow, and does not lose the digits, where the left one would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from derive.algebra.rational import alpha_normal
from derive.expression.build import ONE, add, div, mul, number
from derive.expression.nodes import Add, Call, Div, Expression, Index, Mul, Neg, Number, Reduce, Ref, Where
from derive.expression.walk import bottom_up, free_indices, rename_indices, transform
from derive.parse.expression import parse_expression
from derive.rules.arithmetic import tidy
from derive.rules.identities import matches

ROWS: tuple[tuple[str, str], ...] = (
    ("1/(1 + exp(-u))", "sigmoid(u)"),
    ("1/(exp(-u) + 1)", "sigmoid(u)"),
    ("exp(u)/(1 + exp(u))", "sigmoid(u)"),
    ("exp(u)/(exp(u) + 1)", "sigmoid(u)"),
    ("v/(1 + exp(-u))", "v*sigmoid(u)"),
    ("v/(exp(-u) + 1)", "v*sigmoid(u)"),
    ("(exp(u) - exp(-u))/(exp(u) + exp(-u))", "tanh(u)"),
    ("log(sigmoid(u))", "-softplus(-u)"),
    ("log(1 - sigmoid(u))", "-softplus(u)"),
    ("log(1 - tanh(u))", "log(2) - softplus(2*u)"),
    ("log(1 + tanh(u))", "log(2) - softplus(-2*u)"),
    ("log(1 + exp(u))", "softplus(u)"),
    ("log(exp(u) + 1)", "softplus(u)"),
    ("log1p(exp(u))", "softplus(u)"),
    ("log(cosh(u))", "log_cosh(u)"),
    ("log(exp(u))", "u"),
    ("exp(log(u))", "u"),
    ("exp(u) - 1", "expm1(u)"),
    ("log(1 + u)", "log1p(u)"),
    ("log(u + 1)", "log1p(u)"),
    ("log(1 - u)", "log1p(-u)"),
    ("u*log(u)", "xlogy(u, u)"),
)


# Of other logarithms: what stands before the logarithm, what is in it, and what it is divided by.
LOGARITHMS: dict[str, Callable[[tuple[Expression, ...]], tuple[Expression | None, Expression, Expression | None]]] = {
    "log1p": lambda args: (None, add(ONE, args[0]), None),
    "log2": lambda args: (None, args[0], Call("log", (number(2),))),
    "log10": lambda args: (None, args[0], Call("log", (number(10),))),
    "xlogy": lambda args: (args[0], args[1], None),
}


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
    if isinstance(node, Call) and node.function in LOGARITHMS:
        return _other_logarithm(node, bodies)
    if isinstance(node, Call) and node.function == "binary_cross_entropy":
        return _cross_entropy(node, bodies)
    if not isinstance(node, Call) or node.function != "log":
        return node
    arg = node.args[0]
    if isinstance(arg, Where):  # the logarithm of a case is the case of the logarithms
        then, otherwise = (_one(_looked_into(Call("log", (branch,)), bodies)) for branch in (arg.then, arg.otherwise))
        return Where(arg.condition, then, otherwise)
    if isinstance(arg, Div) and isinstance(arg.denominator, Number):
        above = Call("log", (arg.numerator,))
        inner = _one(_looked_into(above, bodies))
        return node if inner == above else add(inner, Neg(Call("log", (arg.denominator,))))
    for ref in (n for n in _refs(arg) if n.name in bodies):
        indices, body = bodies[ref.name]
        inner = rename_indices(body, dict(zip(indices, ref.indices, strict=True)))
        candidate = Call("log", (transform(arg, lambda n, r=ref, b=inner: b if n == r else None),))  # type: ignore[misc]
        candidate = Call("log", (bottom_up(candidate.args[0], _one),))
        result = _one(_looked_into(candidate, bodies))
        if not (isinstance(result, Call) and result.function in ("log", "log1p")):
            return result
    return node


def _other_logarithm(node: Call, bodies: Mapping[str, tuple[tuple[str, ...], Expression]]) -> Expression:
    """``log1p(-a)``, ``log2(a)``, ``xlogy(y, a)``: through the logarithm they stand for, if that has a stable form."""
    factor, inner, below = LOGARITHMS[node.function](node.args)
    plain = Call("log", (inner,))
    found = _one(_looked_into(plain, bodies))
    if found == plain or (isinstance(found, Call) and found.function in ("log", "log1p")):
        return node
    product = found if factor is None else mul(factor, found)
    return product if below is None else div(product, below)


def _cross_entropy(node: Call, bodies: Mapping[str, tuple[tuple[str, ...], Expression]]) -> Expression:
    """``binary_cross_entropy(a, y)``: through its logarithms, if both have a stable form."""
    p, y = node.args
    logarithms = (Call("log", (p,)), Call("log", (add(ONE, Neg(p)),)))
    found = [_one(_looked_into(log, bodies)) for log in logarithms]
    if any(isinstance(log, Call) and log.function in ("log", "log1p") for log in found):
        return node
    return Neg(add(mul(y, found[0]), mul(add(ONE, Neg(y)), found[1])))


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
        case Div():
            return _softmax_in(node)
        case Call(function="log", args=(Reduce(op="sum", body=Call(function="exp", args=(v,))) as total,)):
            return Reduce("logsumexp", v, total.indices, total.condition, total.ranges)
        case Call(function="log", args=(Call(function="softmax", args=(u,), options=options),)):
            return Call("log_softmax", (u,), options)
    return None


def _softmax_in(node: Div) -> Expression | None:
    """``c*exp(u[i])/sum(exp(u[j]), j)`` is c times a softmax, whatever else stands above and below the line."""
    above = node.numerator.factors if isinstance(node.numerator, Mul) else (node.numerator,)
    below = node.denominator.factors if isinstance(node.denominator, Mul) else (node.denominator,)
    for k, top in enumerate(above):
        for m, total in enumerate(below):
            if not isinstance(top, Call) or top.function != "exp" or not isinstance(total, Reduce):
                continue
            axis = _axis_of(top.args[0], total)
            if axis is None:
                continue
            softmax = Call("softmax", top.args, (("axis", Index(axis)),))
            numerator = mul(*above[:k], softmax, *above[k + 1 :])
            rest = (*below[:m], *below[m + 1 :])
            return div(numerator, mul(*rest)) if rest else numerator
    return None


def _axis_of(u: Expression, total: Reduce) -> str | None:
    """The free index along which exp(u)/total is a softmax: renaming the bound one to it gives the numerator."""
    body = total.body
    if total.op != "sum" or not isinstance(body, Call) or body.function != "exp":
        return None
    if len(total.indices) != 1 or total.condition is not None:
        return None
    for index in free_indices(u):
        renamed = rename_indices(body.args[0], {total.indices[0]: Index(index)})
        if index not in free_indices(total) and alpha_normal(renamed) == alpha_normal(u):
            return index
    return None
