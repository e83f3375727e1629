"""The rules of differentiation: each carries one derivative a step further.

A rule rewrites ``D(body, x)`` where the body has its form; other names than x are constants: these are the partial
derivatives of one equation's right-hand side.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from derive.algebra.rational import alpha_normal
from derive.errors import DeriveError
from derive.expression.build import ONE, TWO, ZERO, add, div, mul, number, power
from derive.expression.nodes import (
    Add,
    Both,
    Call,
    Compare,
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
from derive.expression.parts import terms_of
from derive.expression.walk import (
    bound_apart,
    free_indices,
    fresh,
    has_name,
    index_names,
    names,
    nodes_of,
    rename_indices,
    replace,
)
from derive.expression.windows import in_reading_order, is_over_window, reading_number
from derive.functions import FUNCTIONS, Function
from derive.parse.expression import parse_expression
from derive.rules.matrices import MATRIX_RULES
from derive.rules.rule import Context, Rule, at_every_place
from derive.rules.structures import OF_FREE_ENTRIES, STRUCTURED_VARIABLES


def is_constant(e: Expression, x: Ref) -> bool:
    """Whether the tensor that x belongs to does not occur in e."""
    return not has_name(e, x.name)


Differentiation = Callable[[Expression, Ref], Expression | None]
RULES: list[Rule] = []


def _rule(name: str, statement: str, *heads: type, free: bool = False) -> Callable[[Differentiation], Differentiation]:
    """`free`: of a variable whose entries are all free, none determined by another as in a symmetric matrix."""

    def register(differentiate: Differentiation) -> Differentiation:
        def change(node: Expression, context: Context) -> Expression | None:
            if not isinstance(node, D) or (free and context.structures.get(node.wrt.name) in OF_FREE_ENTRIES):
                return None
            return differentiate(node.body, node.wrt)

        RULES.append(Rule(name, statement, at_every_place(change, D), heads=frozenset(heads)))
        return differentiate

    return register


@_rule("power of a root", "D(sqrt(u)**2, x) = D(u, x)", Pow)
def _power_of_root(e: Expression, x: Ref) -> Expression | None:
    """So that no root is differentiated at 0 where none is there in the end: the distance of a point to itself."""
    match e:
        case Pow(base=Call(function="sqrt", args=(u,)), exponent=Number(value=n)) if n % 2 == 0 and n > 0:
            return None if is_constant(u, x) else D(u if n == 2 else power(u, number(n / 2)), x)
    return None


@_rule("elementwise", "D(f(x[i]), x[k]) = D(f(x[i]), x[i])*delta(i, k)", free=True)
def _elementwise(e: Expression, x: Ref) -> Expression | None:
    """Where x occurs at one place of indices alone, other entries of x do not matter."""
    if isinstance(e, Ref) or not x.indices:
        return None
    found = {node for node in nodes_of(e, Ref) if node.name == x.name}
    if len(found) != 1:
        return None
    (own,) = found
    if len(own.indices) < len(x.indices):
        return None  # the whole of x, as argument of a matrix function
    pairs = [pair for pair in zip(own.indices, x.indices, strict=True) if pair[0] != pair[1]]
    counted = [_counted_by(i) for i in own.indices]
    if not pairs or None in counted or not set(counted) <= set(free_indices(e)) or len(set(counted)) < len(counted):
        return None
    if any(node.op != "sum" for node in nodes_of(e, Reduce)):
        return None
    return mul(D(e, own), *(Call("delta", pair) for pair in pairs))


def _counted_by(subscript: Expression) -> str | None:
    """i in ``x[i]`` and in ``x[i + 3]``."""
    index, *offset = terms_of(subscript)
    return index.name if isinstance(index, Index) and not any(map(free_indices, offset)) else None


@_rule("sum rule", "D(u + v, x) = D(u, x) + D(v, x)", Add)
def _sum(e: Expression, x: Ref) -> Expression | None:
    if isinstance(e, Add):
        return add(*(Neg(D(t.arg, x)) if isinstance(t, Neg) else D(t, x) for t in e.terms))
    return None


@_rule("negation", "D(-u, x) = -D(u, x)", Neg)
def _negation(e: Expression, x: Ref) -> Expression | None:
    return Neg(D(e.arg, x)) if isinstance(e, Neg) and not is_constant(e, x) else None


@_rule("constant multiple", "D(c*u, x) = c*D(u, x) where c does not depend on x", Mul, Div)
def _constant_multiple(e: Expression, x: Ref) -> Expression | None:
    if isinstance(e, Div) and is_constant(e.denominator, x) and not is_constant(e.numerator, x):
        return div(D(e.numerator, x), e.denominator)
    if isinstance(e, Mul):
        varying = [k for k, f in enumerate(e.factors) if not is_constant(f, x)]
        if len(varying) == 1:
            k = varying[0]
            return mul(*e.factors[:k], D(e.factors[k], x), *e.factors[k + 1 :])
        if varying and (varying[0] > 0 or varying[-1] < len(e.factors) - 1):
            first, last = varying[0], varying[-1] + 1
            return mul(*e.factors[:first], D(mul(*e.factors[first:last]), x), *e.factors[last:])
    return None


@_rule("product rule", "D(u*v, x) = D(u, x)*v + u*D(v, x)", Mul)
def _product(e: Expression, x: Ref) -> Expression | None:
    if not isinstance(e, Mul) or is_constant(e, x):
        return None
    terms = [
        mul(*e.factors[:k], D(f, x), *e.factors[k + 1 :]) for k, f in enumerate(e.factors) if not is_constant(f, x)
    ]
    return add(*terms)


@_rule("reciprocal rule", "D(c/v, x) = -c*D(v, x)/v**2 where c does not depend on x", Div)
def _reciprocal(e: Expression, x: Ref) -> Expression | None:
    if isinstance(e, Div) and is_constant(e.numerator, x) and not is_constant(e.denominator, x):
        slope = D(e.denominator, x)
        return Neg(div(slope if e.numerator == ONE else mul(e.numerator, slope), power(e.denominator, TWO)))
    return None


def _softmax(e: Expression, x: Ref) -> Expression | None:
    """By logarithmic differentiation; where the whole right-hand side is one of a name, elimination finds it."""
    if not isinstance(e, Div) or is_constant(e, x) or not isinstance(e.denominator, Reduce):
        return None
    top, total = e.numerator, bound_apart(e.denominator, dict.fromkeys((*free_indices(e), *index_names(x))))
    if not (isinstance(top, Call) and isinstance(total, Reduce) and isinstance(total.body, Call)):
        return None
    if top.function != "exp" or total.body.function != "exp" or total.op != "sum":
        return None
    if not _is_a_term(top, total):
        return None
    share = div(total.body, e.denominator)
    mean = Reduce("sum", mul(share, D(total.body.args[0], x)), total.indices, total.condition, total.ranges)
    return mul(e, add(D(top.args[0], x), Neg(mean)))


def _is_a_term(e: Expression, total: Reduce) -> bool:
    """Whether an expression is a term of a sum over one index: exp(u[i]) of sum(exp(u[j]), j)."""
    if len(total.indices) != 1:
        return False
    (j,) = total.indices
    return any(alpha_normal(rename_indices(total.body, {j: Index(i)})) == alpha_normal(e) for i in free_indices(e))


def _softmax_rule() -> Rule:
    def change(node: Expression, context: Context) -> Expression | None:
        if not isinstance(node, D) or (context.output is not None and _of_a_name(context.output[1])):
            return None
        return _softmax(node.body, node.wrt)

    statement = "D(a[i], x) = a[i]*(D(u[i], x) - sum(a[j]*D(u[j], x), j)) with a[i] = exp(u[i])/sum(exp(u[j]), j)"
    return Rule("shares of exponentials", statement, at_every_place(change, D), frozenset({"exp"}), frozenset({Div}))


def _of_a_name(e: Expression) -> bool:
    """Whether a quotient's numerator is a function of a plain name."""
    return isinstance(e, Div) and isinstance(e.numerator, Call) and isinstance(e.numerator.args[0], Ref)


RULES.append(_softmax_rule())


@_rule("quotient rule", "D(u/v, x) = (D(u, x)*v - u*D(v, x))/v**2", Div)
def _quotient(e: Expression, x: Ref) -> Expression | None:
    if not isinstance(e, Div) or is_constant(e, x):
        return None
    u, v = e.numerator, e.denominator
    return div(add(mul(D(u, x), v), Neg(mul(u, D(v, x)))), power(v, TWO))


@_rule("power rule", "D(x**n, x) = n*x**(n - 1) where n does not depend on x", Pow)
def _power(e: Expression, x: Ref) -> Expression | None:
    return _lowered(e) if isinstance(e, Pow) and e.base == x and is_constant(e.exponent, x) else None


@_rule("chain rule for powers", "D(u**n, x) = n*u**(n - 1)*D(u, x) where n does not depend on x", Pow)
def _chain_power(e: Expression, x: Ref) -> Expression | None:
    if isinstance(e, Pow) and is_constant(e.exponent, x) and not is_constant(e.base, x):
        return mul(_lowered(e), D(e.base, x))
    return None


def _lowered(e: Pow) -> Expression:
    if e.exponent == TWO:
        return mul(TWO, e.base)
    less = number(e.exponent.value - 1) if isinstance(e.exponent, Number) else add(e.exponent, Neg(ONE))
    return mul(e.exponent, power(e.base, less))


@_rule("exponential rule", "D(c**u, x) = c**u*log(c)*D(u, x) where c does not depend on x", Pow)
def _exponential(e: Expression, x: Ref) -> Expression | None:
    if isinstance(e, Pow) and is_constant(e.base, x) and not is_constant(e.exponent, x):
        return mul(e, Call("log", (e.base,)), D(e.exponent, x))
    return None


@_rule("general power rule", "D(u**v, x) = u**v*(D(v, x)*log(u) + v*D(u, x)/u)", Pow)
def _general_power(e: Expression, x: Ref) -> Expression | None:
    if isinstance(e, Pow) and not is_constant(e.base, x) and not is_constant(e.exponent, x):
        u, v = e.base, e.exponent
        return mul(e, add(mul(D(v, x), Call("log", (u,))), div(mul(v, D(u, x)), u)))
    return None


@_rule("case distinction", "D(where(t, u, v), x) = where(t, D(u, x), D(v, x))", Where)
def _cases(e: Expression, x: Ref) -> Expression | None:
    return (
        Where(e.condition, D(e.then, x), D(e.otherwise, x)) if isinstance(e, Where) and not is_constant(e, x) else None
    )


@_rule("derivative of a sum over an index", "D(sum(u, j), x) = sum(D(u, x), j)", Reduce)
def _reduced_sum(e: Expression, x: Ref) -> Expression | None:
    if not isinstance(e, Reduce) or e.op != "sum" or is_constant(e, x):
        return None
    e = _apart(e, x)
    return Reduce("sum", D(e.body, x), e.indices, e.condition, e.ranges)


@_rule("product over several indices", "D(prod(u, j, k), x) = D(prod(prod(u, k), j), x)", Reduce)
def _product_over_several(e: Expression, x: Ref) -> Expression | None:
    if not isinstance(e, Reduce) or e.op != "prod" or is_constant(e, x) or len(e.indices) < 2:
        return None
    inner = Reduce("prod", e.body, e.indices[1:], e.condition, e.ranges[1:])
    return D(Reduce("prod", inner, e.indices[:1], None, e.ranges[:1]), x)


@_rule(
    "derivative of a product over an index", "D(prod(u[j], j), x) = sum(D(u[j], x)*prod(u[k], k, k != j), j)", Reduce
)
def _reduced_product(e: Expression, x: Ref) -> Expression | None:
    if not isinstance(e, Reduce) or e.op != "prod" or is_constant(e, x) or len(e.indices) != 1:
        return None
    e = _apart(e, x)
    (j,) = e.indices
    k = fresh({**index_names(e), **index_names(x), **names(e)}, "k")
    other = Compare("!=", Index(k), Index(j))
    given = None if e.condition is None else rename_indices(e.condition, {j: Index(k)})
    condition = other if given is None else Both((other, *(given.conditions if isinstance(given, Both) else (given,))))
    rest = Reduce("prod", rename_indices(e.body, {j: Index(k)}), (k,), condition, e.ranges)
    return Reduce("sum", mul(D(e.body, x), rest), (j,), e.condition, e.ranges)


@_rule(
    "derivative of a maximum over a window",
    "D(max(u[p], p), x) = sum(where(argmax(u[k], k) == p, 1, 0)*D(u[p], x), p): that of the first to attain it",
    Reduce,
)
def _window_maximum(e: Expression, x: Ref) -> Expression | None:
    """Of a maximum by which p moves within a window, ``u[2*i + p]``; the entries are numbered in reading order."""
    if not isinstance(e, Reduce) or e.op not in ("max", "min") or is_constant(e, x) or not is_over_window(e):
        return None
    if len(e.ranges) < len(e.indices):  # nothing tells how large the window is
        return None
    e = in_reading_order(_apart(e, x))
    first = Reduce(f"arg{e.op}", e.body, e.indices, e.condition, e.ranges)
    taken = {**index_names(e), **index_names(x), **names(e), **dict.fromkeys("klm")}  # k, l, m: of the chain rule
    is_first = Where(Compare("==", bound_apart(first, taken), reading_number(e)), ONE, ZERO)
    return Reduce("sum", mul(is_first, D(e.body, x)), e.indices, e.condition, e.ranges)


@_rule("position of an extremum", "D(argmax(u[j], j), x) = 0: it is constant but for jumps", Reduce)
def _position(e: Expression, x: Ref) -> Expression | None:
    return ZERO if isinstance(e, Reduce) and e.op in ("argmax", "argmin") and not is_constant(e, x) else None


@_rule(
    "derivative of a maximum over an index",
    "D(max(u[j], j), x) = the mean of D(u[j], x) over the entries that attain it (and so for min)",
    Reduce,
)
def _reduced_maximum(e: Expression, x: Ref) -> Expression | None:
    if not isinstance(e, Reduce) or e.op not in ("max", "min") or is_constant(e, x):
        return None
    e = _apart(e, x)
    taken = {**index_names(e), **index_names(x), **names(e)}
    again: dict[str, Expression] = {}
    for j in e.indices:
        again[j] = Index(fresh(taken, "k"))
        taken[str(again[j])] = None
    inner = Reduce(
        e.op,
        rename_indices(e.body, again),
        tuple(str(i) for i in again.values()),
        None if e.condition is None else rename_indices(e.condition, again),
        e.ranges,
    )
    attained = Where(Compare("==", e.body, inner), ONE, ZERO)
    return div(
        Reduce("sum", mul(attained, D(e.body, x)), e.indices, e.condition, e.ranges),
        Reduce("sum", attained, e.indices, e.condition, e.ranges),
    )


def _apart(e: Reduce, x: Ref) -> Reduce:
    """The reduction with bound indices other than those of x."""
    clash = [i for i in e.indices if i in index_names(x)]
    if not clash:
        return e
    taken = {**index_names(e), **index_names(x), **names(e)}
    swap: dict[str, Expression] = {}
    for name in clash:
        swap[name] = Index(fresh(taken, name))
        taken[str(swap[name])] = None
    indices = tuple(str(swap.get(i, i)) for i in e.indices)
    condition = None if e.condition is None else rename_indices(e.condition, swap)
    return Reduce(e.op, rename_indices(e.body, swap), indices, condition, e.ranges)


@_rule("constant", "D(c, x) = 0 where c does not depend on x")
def _constant(e: Expression, x: Ref) -> Expression | None:
    return ZERO if is_constant(e, x) else None


@_rule("variable", "D(x, x) = 1, and D(x[j], x[i]) = delta(j, i)", Ref, free=True)
def _variable(e: Expression, x: Ref) -> Expression | None:
    if not isinstance(e, Ref) or e.name != x.name:
        return None
    return mul(*(Call("delta", pair) for pair in zip(e.indices, x.indices, strict=True) if pair[0] != pair[1]))


# The derivative of each function of the table.


@cache
def partial_derivative(name: str, argument: int) -> Expression:
    """The derivative of a function by one argument, in terms of its parameters: an axiom, or derived from them.

    Raises DeriveError where none is known.
    """
    from derive.differentiate.lemma import lemma

    row = FUNCTIONS[name]
    if not row.partials:
        return lemma(name, argument).result
    text = row.partials[argument]
    if text is None:
        raise DeriveError(f"'{name}' has no known derivative with respect to its argument {row.parameters[argument]}")
    return parse_expression(text)


CALLS: frozenset[type] = frozenset({Call})


def _function_rule(row: Function, direct: bool) -> Rule:
    """The rule for f(x) itself, or for f(u) with the chain rule."""

    def differentiate(node: Expression, _: Context) -> Expression | None:
        if not isinstance(node, D) or not isinstance(node.body, Call) or node.body.function != row.name:
            return None
        args, x = node.body.args, node.wrt
        if is_constant(node.body, x) or direct != (args == (x,)):
            return None
        terms: list[Expression] = []
        binding: dict[Expression, Expression] = {Ref(p): arg for p, arg in zip(row.parameters, args, strict=True)}
        for k, arg in enumerate(args):
            if not is_constant(arg, x):
                outer = replace(partial_derivative(row.name, k), binding)
                terms.append(outer if direct else mul(outer, D(arg, x)))
        return add(*terms)

    u, needs = ", ".join(row.parameters), frozenset({row.name})
    if direct:
        statement = f"D({row.name}(x), x) = {row.name}'(x)"
        return Rule(f"derivative of {row.name}", statement, at_every_place(differentiate, D), needs, CALLS)
    statement = f"D({row.name}({u}), x) = {row.name}'({u})*D(u, x)"
    return Rule(f"chain rule for {row.name}", statement, at_every_place(differentiate, D), needs, CALLS)


@cache
def definition(name: str) -> Expression:
    text = FUNCTIONS[name].definition
    if text is None:
        raise DeriveError(f"'{name}' has no definition in simpler functions")
    return parse_expression(text)


def _unfold(row: Function) -> Rule:
    """``D(f(u), x) = D(definition, x)``."""

    def change(node: Expression, _: Context) -> Expression | None:
        if isinstance(node, D) and isinstance(node.body, Call) and node.body.function == row.name:
            return D(unfolded(node.body), node.wrt)
        return None

    return Rule(
        f"definition of {row.name}",
        f"{row.name}({', '.join(row.parameters)}) = {row.definition}",
        at_every_place(change, D),
    )


def unfolded(e: Call) -> Expression:
    row = FUNCTIONS[e.function]
    return replace(definition(e.function), {Ref(p): arg for p, arg in zip(row.parameters, e.args, strict=True)})


def _inverse(row: Function) -> Rule:
    """``D(f(u), u) = 1/h'(f(u))`` where h undoes f, from differentiating ``h(f(u)) = u``."""

    def change(node: Expression, _: Context) -> Expression | None:
        if (
            isinstance(node, D)
            and isinstance(node.body, Call)
            and node.body.function == row.name
            and node.body.args == (node.wrt,)
        ):
            return div(ONE, inverse_slope(row.name, node.body))
        return None

    return Rule(
        f"inverse function rule for {row.name}",
        f"D({row.name}(u), u) = 1/h'({row.name}(u)) with h(u) = {row.inverse}",
        at_every_place(change, D),
    )


def inverse_slope(name: str, at: Expression) -> Expression:
    """h'(at), where h is what undoes the function."""
    from derive.differentiate.lemma import slope_of

    return replace(slope_of(str(FUNCTIONS[name].inverse)), {Ref("u"): at})


def _function_rules(row: Function) -> tuple[Rule, ...]:
    chain_rule = _function_rule(row, direct=False)
    return (_function_rule(row, direct=True), chain_rule) if len(row.parameters) == 1 else (chain_rule,)


FUNCTION_RULES = [rule for row in FUNCTIONS.values() for rule in _function_rules(row)]
DEFINITION_RULES = {row.name: _unfold(row) for row in FUNCTIONS.values() if row.definition}
INVERSE_RULES = {row.name: _inverse(row) for row in FUNCTIONS.values() if row.inverse}

ELEMENTWISE = next(rule for rule in RULES if rule.name == "elementwise")
CASES = next(rule for rule in RULES if rule.name == "case distinction")

# The order in which a derivation tries them: what takes an expression apart first, constants and the variable last.
ORDER: tuple[Rule, ...] = (
    *(r for r in RULES if r.name not in ("constant", "variable")),
    *FUNCTION_RULES,
    *MATRIX_RULES,
    *STRUCTURED_VARIABLES,
    *(r for r in RULES if r.name in ("constant", "variable")),
)
