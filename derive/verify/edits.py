"""The slips of the pen: every small change of a tree that would undo one, with the kind of slip it is.

In: the tree of a wrong side, and what may have been left out.  Out: `Edit`s, the likelier ones first.  An edit is only
a proposal: what it gives is proved before anybody sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations

from derive.expression.build import ONE, TWO, add, div, mul, number, sub
from derive.expression.nodes import (
    Add,
    Call,
    Div,
    Expression,
    Index,
    MatMul,
    Mul,
    Neg,
    Number,
    Pow,
    Ref,
    Transpose,
)
from derive.expression.walk import children, rename_indices, with_children

MOST = 3_000  # edits of one side


@dataclass(frozen=True)
class Edit:
    """The tree after an edit; `kind` names the slip, `before` and `after` are the part that changed."""

    kind: str
    tree: Expression
    before: Expression | None
    after: Expression | None


@dataclass(frozen=True)
class Pool:
    """What may be missing or mixed up: factors with the kind of slip, terms, names alike, functions alike."""

    factors: tuple[tuple[str, Expression], ...] = ()
    terms: tuple[Expression, ...] = ()
    alike: dict[str, tuple[str, ...]] = field(default_factory=dict)  # names of one shape, then of as many axes
    indices: tuple[str, ...] = ()
    matrices: tuple[Expression, ...] = ()
    vectors: tuple[Expression, ...] = ()


_ALIKE = (("sin", "cos"), ("sinh", "cosh"), ("tanh", "sigmoid"), ("exp", "log"), ("maximum", "minimum"))


def edits(e: Expression, pool: Pool) -> Iterator[Edit]:
    """All edits of a tree: signs first, then what is there, then what may be missing."""
    parts = list(_places(e))
    for propose in (_turned_differences, _signs, _orders, _axes, _numbers, _names, _slopes, _surplus):
        for part, put in parts:
            for kind, new in propose(part, pool):
                yield Edit(kind, put(new), part, new)
    for first, second in combinations(pool.indices, 2):
        swapped = rename_indices(e, {first: Index(second), second: Index(first)})
        yield Edit("wrong index", swapped, e, swapped)
        delta = Call("delta", (Index(first), Index(second)))
        for part, put in parts:
            if part == ONE:
                yield Edit("missing delta", put(delta), None, delta)
            elif not isinstance(part, (Number, Index)):
                yield Edit("missing delta", put(_times(part, delta)), None, delta)
    for kind, factor in pool.factors:
        for part, put in parts:
            if not isinstance(part, (Number, Index)):
                yield Edit(kind, put(_times(part, factor)), None, factor)
                yield Edit("missing divisor", put(div(part, factor)), None, factor)
    for part, put in parts:
        for new, lacking in _arrays(part, pool):
            yield Edit("missing factor", put(new), None, lacking)
    for term in pool.terms:
        for part, put in parts:
            if part is e or not isinstance(part, (Number, Index, Neg)):
                yield Edit("missing term", put(add(part, term)), None, term)
                yield Edit("missing term", put(add(part, Neg(term))), None, Neg(term))


Put = Callable[[Expression], Expression]


def _places(e: Expression, put: Put = lambda new: new) -> Iterator[tuple[Expression, Put]]:
    """Every part of a tree, with how to put another in its place."""
    yield e, put
    below = children(e)
    for k, child in enumerate(below):
        if isinstance(e, Ref):
            continue  # subscripts are edited with their name

        def inside(new: Expression, k: int = k, below: tuple[Expression, ...] = below) -> Expression:
            return put(with_children(e, (*below[:k], new, *below[k + 1 :])))

        yield from _places(child, inside)


Proposals = Iterator[tuple[str, Expression]]


def _turned_differences(e: Expression, _: Pool) -> Proposals:
    """u − v → v − u."""
    match e:
        case Add(terms=(first, Neg(second))):
            yield "sign", add(second, Neg(first))


def _signs(e: Expression, _: Pool) -> Proposals:
    """u → −u; in a sum, one term's sign."""
    match e:
        case Neg():
            yield "sign", e.arg
        case Add():
            for k, term in enumerate(e.terms):
                yield "sign", add(*e.terms[:k], _negated(term), *e.terms[k + 1 :])
        case Number():
            return
    if not isinstance(e, Neg):
        yield "sign", Neg(e)


def _negated(e: Expression) -> Expression:
    return e.arg if isinstance(e, Neg) else Neg(e)


def _orders(e: Expression, _: Pool) -> Proposals:
    """Products in the wrong order, transposes that are missing or too many, a quotient upside down."""
    match e:
        case MatMul(left, right):
            if isinstance(left, Transpose):
                yield "transposed product", MatMul(_turned(left), _turned(right))
            yield "transposed product", MatMul(_turned(left), right)
            yield "transposed product", MatMul(left, _turned(right))
            yield "transposed product", MatMul(right, left)
            yield "transposed product", MatMul(_turned(right), _turned(left))
            yield "transposed product", MatMul(_turned(right), left)
            yield "transposed product", MatMul(right, _turned(left))
            yield "transposed product", Call("outer", (left, right))
            yield "transposed product", Call("outer", (right, left))
            yield "wrong product", mul(left, right)
        case Call(function="outer", args=(left, right)):
            yield "transposed product", Call("outer", (right, left))
        case Transpose(arg):
            yield "transposed product", arg
        case Ref(indices=(first, second)):
            yield "wrong index", Ref(e.name, (second, first))
        case Mul(factors) if len(factors) == 2:
            yield "wrong product", MatMul(*factors)
            yield "wrong product", MatMul(_turned(factors[0]), factors[1])
            yield "wrong product", Call("outer", factors)
            yield "wrong product", Call("outer", factors[::-1])
        case Div(above, below):
            yield "upside down", div(below, above)
            yield "upside down", mul(above, below)
    if isinstance(e, Mul):
        for k, factor in enumerate(e.factors[1:], 1):
            rest = mul(*e.factors[:k], *e.factors[k + 1 :])
            yield "upside down", div(rest, factor)


def _axes(e: Expression, _: Pool) -> Proposals:
    """A sum or mean over other axes."""
    match e:
        case Call(function="sum" | "mean", args=args, options=options):
            for k in (0, 1):
                if options != (("axis", number(k)),):
                    yield "wrong axis", Call(e.function, args, (("axis", number(k)),))
            if options:
                yield "wrong axis", Call(e.function, args)


def _turned(e: Expression) -> Expression:
    return e.arg if isinstance(e, Transpose) else Transpose(e)


def _numbers(e: Expression, _: Pool) -> Proposals:
    """Another constant, another exponent; a power that is missing or too many."""
    match e:
        case Pow(base, Number(value)):
            for other in (value + 1, value - 1):
                if other > 0:
                    yield "exponent", base if other == 1 else Pow(base, number(other))
            if value not in (0, 1, 2):
                yield "exponent", base
        case Div(above, below) if not isinstance(below, Number):
            yield "quotient rule", Div(above, Pow(below, TWO))
        case Number(value):
            for other in (value + 1, value - 1, value * 2, value / 2, -value, Fraction(1) / value if value else value):
                if other != value:
                    yield "constant", number(other)
    if isinstance(e, (Ref, Call)):
        yield "exponent", Pow(e, TWO)


def _names(e: Expression, pool: Pool) -> Proposals:
    """Another name of the same shape, another index, a function that is easily mixed up."""
    match e:
        case Ref(name, indices):
            for other in pool.alike.get(name, ()):
                yield "wrong index" if _stem(other) == _stem(name) else "wrong name", Ref(other, indices)
            for k, index in enumerate(indices):
                if isinstance(index, Index):
                    for letter in pool.indices:
                        if letter != index.name:
                            yield "wrong index", Ref(name, (*indices[:k], Index(letter), *indices[k + 1 :]))
        case Call(function, args):
            for pair in _ALIKE:
                if function in pair:
                    yield "wrong function", Call(pair[1 - pair.index(function)], args, e.options)


def _slopes(e: Expression, _: Pool) -> Proposals:
    """The derivative of the sigmoid for that of tanh, and the other way round: a(1 − a), 1 − a²."""
    match e:
        case Mul():
            factors = _factors(e)
            for k, factor in enumerate(factors):
                if sub(ONE, factor) in factors[k + 1 :]:
                    rest = [f for i, f in enumerate(factors) if i != k and f != sub(ONE, factor)]
                    yield "wrong derivative", mul(*rest, sub(ONE, Pow(factor, TWO)))
        case Add(terms=(Number(value=1), Neg(Pow(base, Number(value=2))))):
            yield "wrong derivative", mul(base, sub(ONE, base))


def _factors(e: Expression) -> list[Expression]:
    return [part for factor in e.factors for part in _factors(factor)] if isinstance(e, Mul) else [e]


def _stem(name: str) -> str:
    """What is left of a name without its layer and component: w1_2 → w."""
    return name.split("_")[0].rstrip("0123456789")


def _surplus(e: Expression, _: Pool) -> Proposals:
    """A factor or a term too many."""
    match e:
        case Mul(factors):
            for k in range(len(factors)):
                yield "extra factor", mul(*factors[:k], *factors[k + 1 :])
        case Add(terms):
            for k in range(len(terms)):
                yield "extra term", add(*terms[:k], *terms[k + 1 :])
        case Div(above, _):
            yield "extra factor", above
            yield "extra factor", Div(number(1), e.denominator)
        case MatMul(left, right):
            yield "extra factor", left
            yield "extra factor", right
        case Call(args=(inner,)):
            yield "extra factor", inner


def _times(e: Expression, factor: Expression) -> Expression:
    """The part multiplied; in a product the factor stands at the end."""
    own, more = (each.factors if isinstance(each, Mul) else (each,) for each in (e, factor))
    return mul(*own, *more)


def _arrays(e: Expression, pool: Pool) -> Iterator[tuple[Expression, Expression]]:
    """The part multiplied by a matrix, or made an outer product with a vector."""
    if isinstance(e, (Number, Index)):
        return
    for matrix in pool.matrices:
        for factor in (Transpose(matrix), matrix):
            yield MatMul(factor, e), factor
            yield MatMul(e, factor), factor
    for vector in pool.vectors:
        yield Call("outer", (e, vector)), vector
        yield Call("outer", (vector, e)), vector
