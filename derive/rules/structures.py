"""Structured matrices: the derivative by an entry of a symmetric, diagonal or lower triangular parameter, and symmetry.

The free entries of a symmetric or lower triangular S are those with i >= j, of a diagonal one those with i == j.
``D(f, S[i, j])`` moves all entries that the free one determines: of a symmetric S both S[i, j] and S[j, i].  Where
there is no free entry, the derivative is 0.  With G[i, j] the derivative as if all entries were free, that is
G + G.T - diag(diag(G)), diag(diag(G)) and tril(G) (Petersen and Pedersen, The Matrix Cookbook, 2.8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import permutations

from derive.algebra.rational import alpha_normal, parts_sorted
from derive.arrays.transposes import has_transpose, without_transposes
from derive.expression.build import ONE, ZERO, add, div, mul, neg
from derive.expression.nodes import (
    Add,
    Binder,
    Call,
    Compare,
    ComponentTensor,
    D,
    Div,
    Expression,
    Index,
    Item,
    Mul,
    Neg,
    Number,
    Pow,
    Reduce,
    Ref,
    Where,
)
from derive.expression.parts import factors_of, minus, terms_of
from derive.expression.walk import (
    Pass,
    bottom_up,
    children,
    free_indices,
    holds,
    nodes_of,
    rename_indices,
    walk,
    with_children,
)
from derive.model import COMPUTED, SELF_TRANSPOSE, SPD, Equation
from derive.parse.sizes import same_size
from derive.rules.expansion import written_out
from derive.rules.rule import Context, Rule, at_every_place

MOST_TURNED = 3  # indices of a sum that are tried in every order
ASSUMED = {SPD: "spd({0})", SELF_TRANSPOSE: "{0} == {0}.T"}  # how the model says so
OF_FREE_ENTRIES = ("symmetric", "diagonal", "lower")  # structures in which one entry determines others
SYMMETRIC = ("symmetric", "diagonal", COMPUTED, *ASSUMED)  # structures of matrices that equal their transposes


# The derivative of a structured variable by its own entries.


def _delta(a: Expression, b: Expression) -> Expression:
    return ONE if a == b else Call("delta", (a, b))


Indices = tuple[Expression, ...]
Slope = Callable[[Indices, Indices], Expression]


def _symmetric(own: Indices, x: Indices) -> Expression:
    (p, q), (i, j) = own, x
    here, there = mul(_delta(p, i), _delta(q, j)), mul(_delta(p, j), _delta(q, i))
    return Where(Compare("==", i, j), here, add(here, there))


def _diagonal(own: Indices, x: Indices) -> Expression:
    (p, q), (i, j) = own, x
    return Where(Compare("==", i, j), mul(_delta(p, i), _delta(q, j)), ZERO)


def _lower(own: Indices, x: Indices) -> Expression:
    (p, q), (i, j) = own, x
    return Where(Compare(">=", i, j), mul(_delta(p, i), _delta(q, j)), ZERO)


def _variable(structure: str, name: str, slope: str, derivative: Slope) -> Rule:
    def change(e: Expression, context: Context) -> Expression | None:
        if not isinstance(e, D) or not isinstance(e.body, Ref) or e.body.name != e.wrt.name:
            return None
        if context.structures.get(e.wrt.name) != structure:
            return None
        return derivative(e.body.indices, e.wrt.indices)

    return Rule(name, f"D(S[p, q], S[i, j]) = {slope}", at_every_place(change, D), heads=frozenset({Ref}))


HERE, THERE = "delta(p, i)*delta(q, j)", "delta(p, j)*delta(q, i)"

STRUCTURED_VARIABLES = (
    _variable("symmetric", "symmetric variable", f"where(i == j, {HERE}, {HERE} + {THERE})", _symmetric),
    _variable("diagonal", "diagonal variable", f"where(i == j, {HERE}, 0)", _diagonal),
    _variable("lower", "lower triangular variable", f"where(i >= j, {HERE}, 0)", _lower),
)


# The distinction between entries moves outwards, until the whole derivative stands in each case.


def _outwards(e: Expression, context: Context) -> Expression | None:
    if not context.structures:
        return None
    result = _CASES_OUTWARDS(e)
    return None if result is e or result == e else result


def _around(e: Expression) -> Expression:
    """``u*where(c, v, w)`` as ``where(c, u*v, u*w)``, and so for signs, quotients, sums over indices and of cases."""
    match e:
        case Neg(arg=Where() as inner) if of_entries(inner):
            return _in_each_case(inner, neg)
        case Div(numerator=Where() as inner) if of_entries(inner):
            return _in_each_case(inner, lambda u: div(u, e.denominator))
        case Reduce(op="sum", condition=None, body=Where() as inner) if of_entries(inner):
            bound = set(e.indices) & set(free_indices(inner.condition))
            return e if bound else _in_each_case(inner, lambda u: Reduce("sum", u, e.indices, None, e.ranges))
        case Mul():
            return _product(e)
        case Add():
            return _sum(e)
    return e


def _product(e: Mul) -> Expression:
    found = next(((k, f) for k, f in enumerate(e.factors) if isinstance(f, Where) and of_entries(f)), None)
    if found is None:
        return e
    k, case = found
    return _in_each_case(case, lambda u: mul(*e.factors[:k], *factors_of(u), *e.factors[k + 1 :]))


def _sum(e: Add) -> Expression:
    """A sum of cases of the same entries; their signs have gone inside before."""
    cases = [t for t in e.terms if isinstance(t, Where) and of_entries(t)]
    if len(cases) < len(e.terms) or len({c.condition for c in cases}) > 1:
        return e
    return Where(cases[0].condition, add(*(c.then for c in cases)), add(*(c.otherwise for c in cases)))


def _in_each_case(e: Where, change: Callable[[Expression], Expression]) -> Expression:
    """Both cases changed alike; where a case is u + v, its terms each by itself, so that u and v stay apart."""
    if e.otherwise == ZERO:
        return Where(e.condition, change(e.then), ZERO)
    return Where(e.condition, *(add(*map(change, terms_of(u))) for u in (e.then, e.otherwise)))


def of_entries(e: Where) -> bool:
    """``where(i >= j, u, v)`` and ``where(i == j, u, v)``: what lies below a diagonal or on it, and the rest."""
    test = e.condition
    if not isinstance(test, Compare) or test.op not in (">=", "=="):
        return False
    return isinstance(test.left, Index) and isinstance(test.right, Index)


_CASES_OUTWARDS = Pass(_around)

FREE_ENTRIES = Rule("cases of the entries", "u*where(i == j, v, w) = where(i == j, u*v, u*w)", _outwards)


# Symmetric matrices: which index comes first makes no difference.


Ranks = dict[str, int]


def _symmetry(e: Expression, context: Context) -> Expression | None:
    if has_transpose(e):
        plain = without_transposes(e, lambda name: _is_named_symmetric(name, context))
        return None if plain == e else plain
    if not holds(e, Item) and not any(_is_named_symmetric(node.name, context) for node in nodes_of(e, Ref)):
        return None
    result = in_order(e, _ranks(context.ranges), context)
    return None if result == e else result


def _ranks(indices: Iterable[str]) -> Ranks:
    return {name: k for k, name in enumerate(indices)}


def _inside(e: Binder, ranks: Ranks) -> Ranks:
    """In a sum its first free index stands before the bound ones, the others behind: A[i, k]*S[k, j], S[i, k]*x[k]."""
    free = sorted(free_indices(e), key=lambda name: _rank(Index(name), ranks))
    return _ranks((*free[:1], *e.indices, *free[1:]))


def in_order(e: Expression, ranks: Ranks, context: Context) -> Expression:
    """Elements of symmetric matrices with their indices in order, and the factors that are summed with them."""
    if isinstance(e, D):
        return e  # there one entry may move alone
    if isinstance(e, Binder):
        ranks = _inside(e, ranks)
    e = with_children(e, tuple(in_order(c, ranks, context) for c in children(e)))
    if isinstance(e, Call) and e.function == "delta":
        first, second = e.args
        if isinstance(first, Index) and isinstance(second, Index) and _rank(first, ranks) > _rank(second, ranks):
            return Call("delta", (second, first))
        return e
    if isinstance(e, (Ref, Item)) and is_symmetric_element(e, context):
        row, column = e.indices
        turned = isinstance(row, Index) and isinstance(column, Index) and _rank(row, ranks) > _rank(column, ranks)
        return with_children(e, (*children(e)[:-2], column, row)) if turned else e
    if isinstance(e, Reduce) and e.op == "sum" and isinstance(e.body, Mul) and _has_symmetric_factor(e.body, context):
        factors = sorted(e.body.factors, key=lambda f: sorted(_rank(Index(i), ranks) for i in free_indices(f)))
        return Reduce(e.op, mul(*factors), e.indices, e.condition, e.ranges)
    return e


def _has_symmetric_factor(e: Mul, context: Context) -> bool:
    return any(is_symmetric_element(f, context) for f in e.factors)


def _rank(index: Index, ranks: Ranks) -> tuple[int, str]:
    return ranks.get(index.name, -1), index.name


def is_symmetric_element(e: Expression, context: Context) -> bool:
    """S[i, j] of a symmetric S, inv(S)[i, j] of a symmetric S."""
    match e:
        case Ref(indices=(_, _)):
            return _is_named_symmetric(e.name, context)
        case Item(arg=Call(function="inv", args=(matrix,)), indices=(_, _)):
            return is_symmetric(matrix, context)
    return False


def is_symmetric(matrix: Expression, context: Context) -> bool:
    """Whether an argument of a matrix function equals its transpose: by its name, or by its entries as A.T @ A."""
    if isinstance(matrix, Ref):
        return not matrix.indices and _is_named_symmetric(matrix.name, context)
    if not isinstance(matrix, ComponentTensor):
        return False
    row, column = matrix.indices
    turned = rename_indices(matrix.body, {row: Index(column), column: Index(row)})
    normal = _normal(matrix.body, matrix.indices, context)
    return any(normal == _normal(e, matrix.indices, context) for e in _with_sums_turned(turned))


def _with_sums_turned(e: Expression) -> list[Expression]:
    """A sum over several indices with the indices in every order, as A[k, p]*S[k, l]*A[l, q] needs it."""
    e = written_out(e)
    if not isinstance(e, Reduce) or len(e.indices) > MOST_TURNED or len(e.ranges) != len(e.indices):
        return [e]
    pairs = permutations(zip(e.indices, e.ranges, strict=True))
    return [Reduce(e.op, e.body, tuple(i for i, _ in p), e.condition, tuple(n for _, n in p)) for p in pairs]


def _normal(e: Expression, order: tuple[str, ...], context: Context) -> Expression:
    """The same expression with factors, terms and the indices of symmetric matrices in one order."""
    return parts_sorted(_unsigned(parts_sorted(alpha_normal(in_order(written_out(e), _ranks(order), context)))))


def _unsigned(e: Expression) -> Expression:
    """``(u - v)**2`` and ``(v - u)**2`` as one of them, and so for ``i != j``."""

    def change(node: Expression) -> Expression:
        match node:
            case Pow(base=Add() as base, exponent=Number(value=power)) if power % 2 == 0:
                return Pow(min(base, add(*sorted(map(minus, base.terms), key=str)), key=str), node.exponent)
            case Compare(op="==" | "!="):
                return Compare(node.op, *sorted((node.left, node.right), key=str))
        return node

    return bottom_up(e, change)


def symmetric_nodes(equations: Iterable[Equation], structures: Mapping[str, str]) -> dict[str, str]:
    """The matrices whose equations stay the same when rows and columns are exchanged, a kernel's for one."""
    found: dict[str, str] = {}
    for equation in equations:
        if len(equation.indices) == 2 and same_size(*equation.shape):
            matrix = ComponentTensor(equation.body, equation.indices, equation.shape)
            if is_symmetric(matrix, Context(structures={**structures, **found})):
                found[equation.name] = COMPUTED
    return found


def _is_named_symmetric(name: str, context: Context) -> bool:
    return context.structures.get(name) in SYMMETRIC


SYMMETRY = Rule("symmetry", "S[j, i] = S[i, j] where S is symmetric, and so for inv(S)", _symmetry)


def assumed_structures(e: Expression, context: Context) -> str | None:
    """What the model assumes of the symmetric matrices that occur: ``spd(K)``."""
    said = {node.name: context.structures.get(node.name, "") for node in walk(e) if isinstance(node, Ref)}
    return "; ".join(ASSUMED[s].format(name) for name, s in said.items() if s in ASSUMED) or None
