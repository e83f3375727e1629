"""Rules that pass from the explicit form of a derivative to the node's own output: a*(1 - a), 1 - a**2.

The form is found by elimination (`derive.algebra.eliminate`), never taken from a list.
"""

from __future__ import annotations

from itertools import product

from derive.algebra.eliminate import Definitions, eliminate
from derive.algebra.rational import alpha_normal
from derive.expression.build import div, mul, neg
from derive.expression.nodes import Add, Call, Div, Expression, Index, Mul, Neg, Number, Ref, Where
from derive.expression.walk import (
    bottom_up,
    free_indices,
    holds,
    names,
    nodes_of,
    operations,
    rename_indices,
    transform,
    walk,
)
from derive.functions import FUNCTIONS
from derive.rules.calculus import unfolded
from derive.rules.fractions import CANCEL
from derive.rules.rule import Context, Rewrite, Rule
from derive.rules.sums import is_delta, is_instance

# Functions that may stand in a result beside the output, as σ does in SiLU's derivative.
BOUNDED, UNBOUNDED = ("sigmoid", "tanh"), ("cosh", "sinh")
HELPERS = (*BOUNDED, *UNBOUNDED)
MOST_INSTANCES = 4  # of a node, at other indices than its own


def _instances(e: Expression, output: tuple[Ref, Expression]) -> Definitions:
    """The node's equation at its own indices, and at the other indices that the derivative speaks of."""
    element, body = output
    value = _explicit(body)
    found: Definitions = [(element, value)]
    own = [i.name for i in element.indices if isinstance(i, Index)]
    others = [i for i in free_indices(e) if i not in own]
    for letters in product(*((i, *others) for i in own)):
        if letters != tuple(own) and len(found) < MOST_INSTANCES and set(letters) <= {*own, *others}:
            swap: dict[str, Expression] = {i: Index(k) for i, k in zip(own, letters, strict=True) if i != k}
            shown = rename_indices(value, swap)
            if len(own) == 1 or _occurs(shown, e):
                found.append((Ref(element.name, tuple(map(Index, letters))), shown))
    return found


def _occurs(value: Expression, e: Expression) -> bool:
    """Whether a quotient's numerator occurs in an expression: that instance of the node may be of use."""
    top = alpha_normal(value.numerator if isinstance(value, Div) else value)
    return any(alpha_normal(node) == top for node in walk(e))


def _explicit(body: Expression) -> Expression:
    if isinstance(body, Call) and body.function in FUNCTIONS and FUNCTIONS[body.function].definition:
        inner = unfolded(body)
        return body if isinstance(inner, Where) else inner
    return body


def _without_deltas(rewrite: Rewrite) -> Rewrite:
    """Kronecker deltas of an elementwise derivative stay outside of the elimination."""

    def apply(e: Expression, context: Context) -> Expression | None:
        top = e.numerator if isinstance(e, Div) else e
        if not isinstance(top, Mul) or not any(is_delta(f) for f in top.factors):
            return rewrite(e, context)
        rest = mul(*(f for f in top.factors if not is_delta(f)))
        found = rewrite(div(rest, e.denominator) if isinstance(e, Div) else rest, context)
        return None if found is None else mul(found, *(f for f in top.factors if is_delta(f)))

    return apply


def _through_output(e: Expression, context: Context) -> Expression | None:
    """g = P(f): the derivative as an expression in the right-hand side, which `name the output` then names."""
    if context.output is None:
        return None
    definitions = _instances(e, context.output)
    found = eliminate(e, definitions)
    if found is None:
        found = (
            _beside_a_kernel(e, context.output)
            or _of_a_fraction(e, context.output)
            or _with_the_numerator(e, context.output)
        )
    if found is None:
        return None
    table = dict(definitions)
    result = transform(found, table.get)
    return None if result == e else result


def _beside_a_kernel(e: Expression, output: tuple[Ref, Expression]) -> Expression | None:
    """A form that keeps a known function and eliminates its argument: a + s*(1 - a) with s = sigmoid(z)."""
    element, body = output
    inner = _explicit(body)
    inside = [n.name for n in nodes_of(inner, Ref)]
    calls = [n for n in nodes_of(inner, Call) if n.function in FUNCTIONS]
    if len(set(inside)) != 1 or len(set(calls)) != 1:
        return None
    return eliminate(e, [(element, inner)], inside[0])


def _of_a_fraction(e: Expression, output: tuple[Ref, Expression]) -> Expression | None:
    """A fraction of names: the derivative of a = 1/z is -a**2."""
    element, body = output
    inside = names(body)
    if not isinstance(body, Div) or len(inside) != 1 or holds(body, Call):
        return None
    return eliminate(e, [(element, body)], next(iter(inside)))


def _with_the_numerator(e: Expression, output: tuple[Ref, Expression]) -> Expression | None:
    """u = v/s, so v = u*s: the derivative of (x - m)/s by s is -u/s."""
    element, body = output
    if not isinstance(body, Div) or not isinstance(e, (Div, Neg)):
        return None
    fraction = e.arg if isinstance(e, Neg) else e
    if not isinstance(fraction, Div):
        return None
    top, whole = fraction.numerator, mul(element, body.denominator)
    for value, turned in ((whole, body.numerator), (neg(whole), _turned(body.numerator))):
        if turned is not None and alpha_normal(top) == alpha_normal(turned):
            quotient = div(value, fraction.denominator)
            found = CANCEL.apply(neg(quotient) if isinstance(e, Neg) else quotient, Context())
            return found if found is not None and operations(found) < operations(e) else None
    return None


def _turned(e: Expression) -> Expression | None:
    """v - u for u - v."""
    if not isinstance(e, Add) or len(e.terms) != 2 or not isinstance(e.terms[1], Neg):
        return None
    return Add((e.terms[1].arg, neg(e.terms[0])))


def _argument(e: Call) -> Expression:
    """u in exp(u), exp(-u) and exp(2*u)."""
    u = e.args[0].arg if isinstance(e.args[0], Neg) else e.args[0]
    if isinstance(u, Mul) and isinstance(u.factors[0], Number):
        return mul(*u.factors[1:])
    return u


def _through_helper(e: Expression, context: Context) -> Expression | None:
    """The derivative through a known function of the same exponential, and the output: SiLU's a + s*(1 - a).

    A function that is not bounded is not divided by: its values cannot always be computed.
    """
    calls = {node for node in nodes_of(e, Call) if not is_delta(node)}
    known = {node for node in calls if node.function in ("exp", *HELPERS)}
    if len(known) < 2 and not any(node.function == "exp" for node in known):
        return None
    if any(inner in known for node in known for arg in node.args for inner in nodes_of(arg, Call)):
        return None  # one exponential within another: there are several arguments
    length = operations(e)
    e = bottom_up(e, lambda n: unfolded(n) if isinstance(n, Call) and n.function in HELPERS else n)
    arguments = {_argument(n) for n in nodes_of(e, Call) if n.function == "exp"}
    if len(arguments) != 1 or known != calls:
        return None  # with other functions beside it, elimination could take too long
    (argument,) = arguments
    output: Definitions = [] if context.output is None else [(context.output[0], _explicit(context.output[1]))]
    found = [_through(e, Call(name, (argument,)), output) for name in HELPERS]
    shorter = [
        f
        for f, name in zip(found, HELPERS, strict=True)
        if f is not None and operations(f) < length and (name in BOUNDED or not _below_a_line(f, name))
    ]
    if not shorter:
        return None
    best = min(shorter, key=operations)
    if context.output is None:
        return best
    element, body = context.output
    return transform(best, lambda node: body if node == element else None)


def _below_a_line(e: Expression, function: str) -> bool:
    """Whether a function stands in a denominator, where one that is not bounded should not be computed."""
    return any(
        inner.function == function for node in nodes_of(e, Div) for inner in nodes_of(node.denominator, Call)
    )


def _through(e: Expression, helper: Call, output: Definitions) -> Expression | None:
    """The shorter of the forms in the helper alone, and in the helper and the output."""
    definitions: Definitions = [(helper, unfolded(helper))]
    found = [eliminate(e, definitions), eliminate(e, [*definitions, *output]) if output else None]
    return min((f for f in found if f is not None), key=operations, default=None)


def _fold(e: Expression, context: Context) -> Expression | None:
    """The right-hand side, where it occurs, becomes the node's name."""
    if context.output is None:
        return None
    element, body = context.output
    if isinstance(body, (Ref, Number)):
        return None
    table: dict[Expression, Expression] = {}
    for shown, value in reversed(_instances(e, (element, body))):
        table[alpha_normal(value)] = shown
    table[alpha_normal(body)] = element
    pattern = alpha_normal(body)
    own = {i.name for i in element.indices if isinstance(i, Index)}

    def change(node: Expression) -> Expression | None:
        known = table.get(alpha_normal(node))
        if known is not None or type(node) is not type(body):
            return known
        at: dict[str, Expression] = {}  # at an index that a sum binds
        named = is_instance(pattern, alpha_normal(node), own, at) and own <= set(at)
        return rename_indices(element, at) if named else None

    result = transform(e, change)
    return None if result == e else result


THROUGH_OUTPUT = Rule("express through the output", "f' = P(f), found by elimination", _without_deltas(_through_output))
THROUGH_HELPER = Rule(
    "express through a known function", "f' = P(f, s) with a known function s", _without_deltas(_through_helper)
)
NAME_OUTPUT = Rule("name the output", "f = a", _fold)
