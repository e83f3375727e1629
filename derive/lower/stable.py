"""Numerically stable forms of an equation: what is equal, and neither overflows nor loses the digits.

Two passes.  `restated` gives an equal expression of the model language, which the engine can differentiate: the rows
of `stable_rows`, logarithms and quotients by their structure.  `in_code` then takes what only code has: softmax,
log-sum-exp, log1p, norms that may be 0.
"""

from __future__ import annotations

from collections.abc import Callable

from derive.algebra.rational import alpha_normal
from derive.expression.build import ONE, TWO, ZERO, add, div, mul, neg, number
from derive.expression.nodes import Add, Call, Compare, Div, Expression, Index, Mul, Neg, Pow, Reduce, Ref, Where
from derive.expression.walk import bottom_up, contains, free_indices, operations, rename_indices, transform
from derive.lower.known import LONGEST, Known
from derive.lower.logarithm import complement, log_of
from derive.lower.quotient import quotient, softmax_in
from derive.lower.stable_rows import LAST_ROWS, ROWS, by_rows
from derive.rules.arithmetic import tidy

Component = tuple[Expression, tuple[str, ...]]  # what is squared in a norm, and the indices of its sum
Parts = tuple[Expression | None, Expression, Expression | None]

# Of each logarithm: what stands before it, what it is taken of, and what it is divided by.
LOGARITHMS: dict[str, Callable[[tuple[Expression, ...]], Parts]] = {
    "log": lambda args: (None, args[0], None),
    "log1p": lambda args: (None, add(ONE, args[0]), None),
    "log2": lambda args: (None, args[0], Call("log", (TWO,))),
    "log10": lambda args: (None, args[0], Call("log", (number(10),))),
    "xlogy": lambda args: (args[0], args[1], None),
    "logit": lambda args: (None, div(args[0], add(ONE, neg(args[0]))), None),
}


def restated_equation(e: Expression, known: Known) -> Expression:
    """A right-hand side in stable form.

    ``1 - a`` of a node a becomes an activation of its own where a logarithm tells small differences apart, and where
    it is the right-hand side: a gate in a product keeps its cheap form.
    """
    telling = complement(e, known) is not None or contains(
        e, lambda n: isinstance(n, Call) and n.function in LOGARITHMS
    )
    return restated(e, known, known if telling else Known())


def restated(e: Expression, known: Known, complements: Known) -> Expression:
    """An equal expression of the model language in stable form.

    Logarithms, quotients and cases look into the nodes of `known`, differences from 1 into those of `complements`.
    """
    result = bottom_up(e, lambda node: _restated_node(node, known, complements))
    return e if result == e else tidy(result)


def in_code(e: Expression) -> Expression:
    """The same in functions that only code has."""
    result = bottom_up(e, _in_code_node)
    return e if result == e else tidy(result)


def with_norms(e: Expression, known: Known) -> Expression:
    """A derivative in which what is divided by its norm is 0 where the norm is."""
    return bottom_up(e, lambda node: (_over_a_norm(node, known) or node) if isinstance(node, Div) else node)


def _restated_node(node: Expression, known: Known, complements: Known) -> Expression:
    by_row = by_rows(node, ROWS)
    if by_row != node:
        return by_row
    found: Expression | None = None
    match node:
        case Call() if node.function in LOGARITHMS:
            found = _logarithm(node, known)
        case Call(function="binary_cross_entropy", args=(p, y)):
            found = _cross_entropy(p, y, known)
        case Div():
            found = quotient(node, known)
        case Add():
            found = complement(node, complements)
        case Where():
            found = _guarded(node, known)
        case Neg(arg=Where(then=Neg(arg=u), otherwise=Neg(arg=v)) as case):
            found = Where(case.condition, u, v)
    return node if found is None else found


def _logarithm(node: Call, known: Known) -> Expression | None:
    factor, inner, below = LOGARITHMS[node.function](node.args)
    found = log_of(tidy(inner), known)
    if found is None:
        return None
    product = found if factor is None else mul(factor, found)
    return product if below is None else div(product, below)


def _cross_entropy(p: Expression, y: Expression, known: Known) -> Expression | None:
    """``binary_cross_entropy(p, y)`` through its logarithms, where both have a stable form."""
    one, other = log_of(tidy(p), known), log_of(tidy(add(ONE, Neg(p))), known)
    return None if one is None or other is None else Neg(add(mul(y, one), mul(add(ONE, Neg(y)), other)))


# What may have no value, or none that a float holds, where a case distinction does not ask for it.
PARTIAL = frozenset({"log", "log2", "log10", "log1p", "sqrt", "exp", "expm1", "arcsin", "arccos", "arccosh", "arctanh"})


def is_partial(e: Expression) -> bool:
    return contains(e, lambda n: isinstance(n, (Div, Pow)) or (isinstance(n, Call) and n.function in PARTIAL))


def _guarded(node: Where, known: Known) -> Expression | None:
    """A node that has no value everywhere is defined inside of the case that asks for it."""

    then, otherwise = _put_in(node.then, known), _put_in(node.otherwise, known)
    return None if (then, otherwise) == (node.then, node.otherwise) else Where(node.condition, then, otherwise)


def _put_in(e: Expression, known: Known) -> Expression:
    """The expression with the definitions of the nodes that have no value everywhere, through nodes between."""

    def inside(ref: Expression) -> Expression | None:
        body = known.definition(ref) if isinstance(ref, Ref) else None
        if body is None or is_partial(body):
            return body
        whole = _put_in(body, known.deeper())
        return whole if is_partial(whole) and operations(whole) <= LONGEST else None

    return transform(e, inside)


def _in_code_node(node: Expression) -> Expression:
    match node:
        case Div():
            return softmax_in(node) or node
        case Call(function="log", args=(Reduce(op="sum", body=Call(function="exp", args=(v,))) as total,)):
            return Reduce("logsumexp", v, total.indices, total.condition, total.ranges)
        case Call(function="log", args=(Call(function="softmax", args=(u,), options=options),)):
            return Call("log_softmax", (u,), options)
        case Add(terms=(u, Neg(arg=Reduce(op="logsumexp") as total))):
            return _log_softmax(u, total) or node
    return by_rows(node, LAST_ROWS)


def _log_softmax(u: Expression, total: Reduce) -> Expression | None:
    exponentials = Reduce("sum", Call("exp", (total.body,)), total.indices, total.condition, total.ranges)
    found = softmax_in(Div(Call("exp", (u,)), exponentials))
    return Call("log_softmax", found.args, found.options) if isinstance(found, Call) else None


def _over_a_norm(node: Div, known: Known) -> Expression | None:
    """``u[i]/norm(u)`` is 0 where the norm is, as the derivative of a norm is taken to be."""
    below = node.denominator.factors if isinstance(node.denominator, Mul) else (node.denominator,)
    for k, norm in enumerate(below):
        parts = _components(norm, known)
        if parts and _vanishes_with(node.numerator, parts):
            guarded = Where(Compare("==", norm, ZERO), ONE, norm)
            return Div(node.numerator, mul(*below[:k], guarded, *below[k + 1 :]))
    return None


def _vanishes_with(e: Expression, parts: list[Component]) -> bool:
    """Whether every term of the expression has a factor that is 0 where all these components are."""
    if any(_is_component(e, part, indices) for part, indices in parts):
        return True
    match e:
        case Neg():
            return _vanishes_with(e.arg, parts)
        case Add():
            return all(_vanishes_with(t, parts) for t in e.terms)
        case Mul():
            return any(_vanishes_with(f, parts) for f in e.factors)
    return False


def _components(norm: Expression, known: Known) -> list[Component]:
    """What is squared in ``sqrt(sum(u[j]**2, j))`` and ``sqrt(u**2 + v**2)``, and the indices it is summed over."""
    match norm:
        case Ref():
            body = known.definition(norm)
            return [] if body is None else _components(body, known.deeper())
        case Call(function="sqrt", args=(Ref() as ref,)):
            body = known.definition(ref)
            return [] if body is None else _components(Call("sqrt", (body,)), known.deeper())
        case Call(function="sqrt", args=(Reduce(op="sum", body=Pow(base=u, exponent=exponent)) as total,)):
            return [(u, total.indices)] if exponent == TWO else []
        case Call(function="sqrt", args=(Pow(base=u, exponent=exponent),)):
            return [(u, ())] if exponent == TWO else []
        case Call(function="sqrt", args=(Add(terms=terms),)):
            squares = [t.base for t in terms if isinstance(t, Pow) and t.exponent == TWO]
            return [(u, ()) for u in squares] if len(squares) == len(terms) else []
    return []


def _is_component(f: Expression, part: Expression, indices: tuple[str, ...]) -> bool:
    if len(indices) != 1:
        return not indices and f == part
    return any(alpha_normal(rename_indices(part, {indices[0]: Index(i)})) == alpha_normal(f) for i in free_indices(f))
