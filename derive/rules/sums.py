"""Rules of sums over indices and of Kronecker's delta."""

from __future__ import annotations

from collections.abc import Callable

from derive.algebra.rational import alpha_normal
from derive.expression.build import ONE, ZERO, add, div, mul, neg
from derive.expression.nodes import (
    Add,
    Both,
    Call,
    Compare,
    Div,
    Expression,
    Index,
    Mul,
    Neg,
    Number,
    Reduce,
    Ref,
    Where,
)
from derive.expression.parts import factors_of, flat_factors, minus, terms_of
from derive.expression.walk import (
    Pass,
    children,
    free_indices,
    fresh,
    index_names,
    names,
    nodes_of,
    rename_indices,
    transform,
    with_children,
)
from derive.parse.sizes import collected, is_one, polynomial, same_size
from derive.rules.guards import joined, tests_of
from derive.rules.rule import Context, Rule, at_every_place, leaves_up


def is_delta(e: Expression) -> bool:
    return isinstance(e, Call) and e.function == "delta"


def holds_windows(e: Expression) -> bool:
    """Whether a delta says which windows hold an entry, ``delta(2*i + p, j)``: such a sum is not put into others."""
    return any(is_delta(n) and any(isinstance(a, Add) for a in n.args) for n in nodes_of(e, Call))


def _distribute(e: Expression, _: Context) -> Expression | None:
    """A product with a sum that holds a delta, inside a sum over an index that the delta can contract."""
    if not isinstance(e, Reduce) or e.op != "sum":
        return None
    body = _multiplied_out(e.body, frozenset(e.indices))
    return None if body == e.body else Reduce(e.op, body, e.indices, e.condition, e.ranges)


def _multiplied_out(e: Expression, indices: frozenset[str]) -> Expression:
    match e:
        case Neg():
            inner = _multiplied_out(e.arg, indices)
            return neg(inner) if not isinstance(inner, Add) else add(*(minus(t) for t in inner.terms))
        case Add():
            return add(*(part for t in e.terms for part in terms_of(_multiplied_out(t, indices))))
        case Div() if _holds_delta(e.numerator, indices):
            top = _multiplied_out(e.numerator, indices)
            return add(*(div(t, e.denominator) for t in terms_of(top)))
        case Mul():
            for k, f in enumerate(e.factors):
                if isinstance(f, Neg) and _holds_delta(f, indices):
                    return _multiplied_out(neg(mul(*e.factors[:k], f.arg, *e.factors[k + 1 :])), indices)
                if isinstance(f, Add) and _holds_delta(f, indices):
                    terms = [_with_factor(e, k, t) for t in f.terms]
                    return add(*(part for t in terms for part in terms_of(_multiplied_out(t, indices))))
                if isinstance(f, (Mul, Div)) and _holds_delta(f, indices):
                    inner = _multiplied_out(f, indices)
                    if inner != f:
                        return _multiplied_out(mul(*e.factors[:k], inner, *e.factors[k + 1 :]), indices)
    return e


def _with_factor(e: Mul, k: int, term: Expression) -> Expression:
    sign, bare = (True, term.arg) if isinstance(term, Neg) else (False, term)
    flat = bare.factors if isinstance(bare, Mul) else (bare,)
    product = mul(*e.factors[:k], *flat, *e.factors[k + 1 :])
    return neg(product) if sign else product


def _holds_delta(e: Expression, indices: frozenset[str]) -> bool:
    return any(is_delta(n) and any(name in indices for name in free_indices(n)) for n in nodes_of(e, Call))


DELTA = frozenset({"delta"})
DISTRIBUTE = Rule("distribute", "u*(v + w) = u*v + u*w", at_every_place(_distribute, Reduce), DELTA)


def _split(e: Expression, _: Context) -> Expression | None:
    """The sum of a sum whose terms differ in their deltas; signs and factors free of the index come out."""
    if not isinstance(e, Reduce) or e.op != "sum" or not _holds_delta(e.body, frozenset(e.indices)):
        return None
    if isinstance(e.body, Neg):
        return neg(Reduce("sum", e.body.arg, e.indices, e.condition, e.ranges))
    if not isinstance(e.body, Add):
        return None
    parts = [(isinstance(t, Neg), t.arg if isinstance(t, Neg) else t) for t in e.body.terms]
    sums = [(sign, Reduce("sum", t, e.indices, e.condition, e.ranges)) for sign, t in parts]
    return add(*(neg(s) if sign else s for sign, s in sums))


SPLIT = Rule("linearity of the sum", "sum(u + v, j) = sum(u, j) + sum(v, j)", at_every_place(_split, Reduce), DELTA)


def _contract(e: Expression, context: Context) -> Expression | None:
    """``sum(delta(j, i)*u[j], j) = u[i]``, under the sum's condition if it has one; outermost sums first."""
    result = _contracted(e, dict(context.ranges))
    return None if result == e else result


def _contracted(e: Expression, ranges: dict[str, Expression]) -> Expression:
    if isinstance(e, Reduce):
        ranges = ranges | dict(zip(e.indices, e.ranges, strict=False))
        if e.op == "sum":
            found = _contract_one(e, ranges) or _contract_one(merged := _merged(e), ranges | _ranges(merged))
            if found is not None:
                return found
    return with_children(e, tuple(_contracted(c, ranges) for c in children(e)))


def _cases(e: Expression, _: Context) -> Expression | None:
    """A sum of ``where(c, u, 0)``, with a delta of its index in u: the condition becomes the sum's."""
    if not isinstance(e, Reduce) or e.op != "sum":
        return None
    sign, body = (True, e.body.arg) if isinstance(e.body, Neg) else (False, e.body)
    flat = flat_factors(body) if isinstance(body, (Mul, Where)) else ()
    for k, f in enumerate(flat):
        if isinstance(f, Where) and f.otherwise == ZERO and _holds_delta(f.then, frozenset(e.indices)):
            condition = joined((*tests_of(e.condition), *tests_of(f.condition)))
            whole = mul(*flat[:k], *flat_factors(f.then), *flat[k + 1 :])
            found = Reduce("sum", whole, e.indices, condition, e.ranges)
            return neg(found) if sign else found
    return None


CASES = Rule("condition of the sum", "sum(where(c, u, 0), j) = sum(u, j, c)", at_every_place(_cases, Reduce))


def _ranges(e: Reduce) -> dict[str, Expression]:
    return dict(zip(e.indices, e.ranges, strict=False))


def _merged(e: Reduce) -> Reduce:
    """A sum with the sums in its product that hold deltas of its indices drawn into it."""
    for k, f in enumerate(flat := flat_factors(e.body)):
        if not isinstance(f, Reduce) or f.op != "sum" or len(f.ranges) != len(f.indices):
            continue
        if not _holds_delta(f.body, frozenset(e.indices)) or len(e.ranges) != len(e.indices):
            continue
        taken = {**index_names(e), **names(e)}
        letters: list[str] = []
        for i in f.indices:
            letters.append(fresh({**taken, **dict.fromkeys(letters)}, i))
        swap: dict[str, Expression] = {i: Index(new) for i, new in zip(f.indices, letters, strict=True)}
        whole = mul(*flat[:k], *flat_factors(rename_indices(f.body, swap)), *flat[k + 1 :])
        inner = tuple(rename_indices(test, swap) for test in tests_of(f.condition))
        condition = joined((*tests_of(e.condition), *inner))
        return Reduce("sum", whole, (*e.indices, *letters), condition, (*e.ranges, *f.ranges))
    return e


def _contract_one(e: Reduce, ranges: dict[str, Expression]) -> Expression | None:
    body = e.body
    if isinstance(body, Neg):
        inner = _contract_one(Reduce("sum", body.arg, e.indices, e.condition, e.ranges), ranges)
        return None if inner is None else neg(inner)
    if isinstance(body, Div):
        whole = mul(*factors_of(body.numerator), div(ONE, body.denominator))
        return _contract_one(Reduce("sum", whole, e.indices, e.condition, e.ranges), ranges)
    flat = flat_factors(body)
    for k, f in enumerate(flat):
        if not is_delta(f) or not isinstance(f, Call):
            continue
        for side, opposite in (f.args, f.args[::-1]):
            own, other = _alone(side, opposite)
            if not isinstance(own, Index) or own.name not in e.indices or own.name in free_indices(other):
                continue
            guards = () if _within(other, own.name, ranges) else _guards(other, ranges.get(own.name))
            if guards is None:
                continue
            swap = {own.name: other}
            inner = rename_indices(mul(*(g for m, g in enumerate(flat) if m != k)), swap)
            left = tuple(i for i in e.indices if i != own.name)
            sizes = tuple(r for i, r in zip(e.indices, e.ranges, strict=False) if i != own.name)
            condition = None if e.condition is None else rename_indices(e.condition, swap)
            now, later = _conditions(joined((*tests_of(condition), *guards)), left)
            if left:
                inner = Reduce("sum", inner, left, later, sizes)
            return inner if now is None else Where(now, inner, ZERO)
    return None


def _alone(side: Expression, other: Expression) -> tuple[Expression, Expression]:
    """``t - 1`` and u as t and ``u + 1``."""
    index, *offset = terms_of(side)
    if isinstance(index, Index) and offset and all(map(_is_fixed, offset)):
        return index, collected(add(other, neg(add(*offset))))
    return side, other


def _is_fixed(e: Expression) -> bool:
    """A number, or made of sizes."""
    return polynomial(e) is not None


def _guards(other: Expression, size: Expression | None) -> tuple[Expression, ...] | None:
    """The conditions under which an index, or one beside a number or a size, is in the range of a bound one."""
    index, *offset = terms_of(other)
    if size is None or not isinstance(index, Index) or not all(map(_is_fixed, offset)):
        return None
    return Compare(">=", other, ZERO), Compare("<", other, size)


def _one_term_left(e: Expression, context: Context) -> Expression | None:
    """``sum(u[j], j, j == i) = u[i]``, by way of ``sum(delta(j, i)*u[j], j)``."""
    result = _equal_indices(e, dict(context.ranges))
    return None if result == e else result


def _equal_indices(e: Expression, ranges: dict[str, Expression]) -> Expression:
    if isinstance(e, Reduce):
        ranges = ranges | _ranges(e)
        if e.op == "sum" and e.condition is not None and (found := _by_condition(e, ranges)) is not None:
            return found
    return with_children(e, tuple(_equal_indices(c, ranges) for c in children(e)))


def _by_condition(e: Reduce, ranges: dict[str, Expression]) -> Expression | None:
    parts = tests_of(e.condition)
    for k, c in enumerate(parts):
        if isinstance(c, Compare) and c.op == "==" and isinstance(c.left, Index) and isinstance(c.right, Index):
            rest = joined((*parts[:k], *parts[k + 1 :]))
            whole = mul(Call("delta", (c.left, c.right)), *flat_factors(e.body))
            if (found := _contract_one(Reduce("sum", whole, e.indices, rest, e.ranges), ranges)) is not None:
                return found
    return None


EQUAL_INDEX = Rule("the one term of the sum", "sum(u[j], j, j == i) = u[i]", _one_term_left)


def _within(other: Expression, own: str, ranges: dict[str, Expression]) -> bool:
    """Whether what takes a bound index's place stays in its range: an index of the same range, or a number in it."""
    size = ranges.get(own)
    if isinstance(other, Index):
        theirs = ranges.get(other.name)
        return size is None or theirs is None or _at_most(theirs, size) or _stays_below(other, size, ranges)
    if isinstance(other, Ref):
        return True  # an integer input: its values are subscripts
    if isinstance(other, Number):
        return size is None or (isinstance(size, Number) and other.value < size.value)
    return size is not None and isinstance(other, (Add, Mul)) and _stays_below(other, size, ranges)


def _stays_below(e: Expression, size: Expression, ranges: dict[str, Expression]) -> bool:
    """Whether ``n*i + j + 2`` is a number from 0 to size - 1, by the ranges of its indices; sizes are at least 1."""
    most: list[Expression] = []
    for term in terms_of(e):
        if _is_size(term):
            most.append(term)
            continue
        factors = factors_of(term)
        if not isinstance(factors[-1], Index) or factors[-1].name not in ranges or len(factors) > 2:
            return False
        if len(factors) == 2 and not _is_size(factors[0]):
            return False
        most.append(mul(*factors[:-1], add(ranges[factors[-1].name], neg(ONE))))
    return _at_most(add(*most, ONE), size)


def _at_most(small: Expression, large: Expression) -> bool:
    """Whether a size is at most another one, whatever the names in them stand for."""
    room = polynomial(add(large, neg(small)))
    return room is not None and set(room) <= {()} and room.get((), 0) >= 0


def _is_size(e: Expression) -> bool:
    return (isinstance(e, Ref) and not e.indices) or (isinstance(e, Number) and e.value.denominator == 1)


def _split_delta(e: Expression, context: Context) -> Expression | None:
    """``delta(n*i + p, n*j + q)`` is ``delta(i, j)*delta(p, q)`` where p and q run over n."""
    result = _deltas_split(e, dict(context.ranges))
    return None if result == e else result


def _deltas_split(e: Expression, ranges: dict[str, Expression]) -> Expression:
    if isinstance(e, Reduce):
        ranges = ranges | dict(zip(e.indices, e.ranges, strict=False))
    if isinstance(e, Call) and is_delta(e):
        first, second = (_block(arg, ranges) for arg in e.args)
        if first is not None and second is not None and first[0] == second[0]:
            return mul(Call("delta", (first[1], second[1])), Call("delta", (first[2], second[2])))
        return e
    return with_children(e, tuple(_deltas_split(c, ranges) for c in children(e)))


def _block(e: Expression, ranges: dict[str, Expression]) -> tuple[Expression, Expression, Expression] | None:
    """``n*i + p`` as n, i, p, where p runs over n."""
    if not isinstance(e, Add) or len(e.terms) != 2:
        return None
    big, small = e.terms
    if not isinstance(small, Index) or not isinstance(big, Mul) or len(big.factors) != 2:
        return None
    n, i = big.factors
    fits = isinstance(i, Index) and small.name in ranges and same_size(ranges[small.name], n)
    return (n, i, small) if fits else None


SPLIT_DELTA = Rule(
    "delta of blocks", "delta(n*i + p, n*j + q) = delta(i, j)*delta(p, q) where p and q run over n", _split_delta, DELTA
)


def _one_value(e: Expression, context: Context) -> Expression | None:
    """Every index that runs over one value becomes 0: the delta of such indices is 1, a sum over one has one term."""
    lone: dict[str, Expression] = {i: ZERO for i, size in context.ranges.items() if is_one(size)}
    result = _ONE_TERM(rename_indices(e, lone) if lone else e)
    return None if result is e or result == e else result


def _one_term(e: Expression) -> Expression:
    if is_delta(e) and isinstance(e, Call) and e.args[0] == e.args[1]:
        return ONE
    if not isinstance(e, Reduce) or e.condition is not None or not any(map(is_one, e.ranges)):
        return e
    ranges = dict(zip(e.indices, e.ranges, strict=True))
    body = rename_indices(e.body, {i: ZERO for i, size in ranges.items() if is_one(size)})
    left = {i: size for i, size in ranges.items() if not is_one(size)}
    return Reduce(e.op, body, tuple(left), None, tuple(left.values())) if left else body


_ONE_TERM = Pass(_one_term, Reduce, Call)

ONE_VALUE = Rule("an index of one value", "u[j] = u[0] where j runs over one value", _one_value)


def _conditions(condition: Expression | None, left: tuple[str, ...]) -> tuple[Expression | None, Expression | None]:
    """The part of a condition that no remaining index occurs in, and the rest."""
    if condition is None:
        return None, None
    parts = condition.conditions if isinstance(condition, Both) else (condition,)
    now = tuple(c for c in parts if not any(i in left for i in free_indices(c)))
    later = tuple(c for c in parts if c not in now)
    return joined(now), joined(later)


CONTRACT = Rule("contract the Kronecker delta", "sum(delta(j, i)*u[j], j) = u[i]", _contract, DELTA)


def pulled_out(e: Expression) -> Expression:
    """A sum over indices with the factors that they do not enter in front of it."""
    if not isinstance(e, Reduce) or e.op != "sum":
        return e
    body = e.body
    entered = set(free_indices(body)) | set(() if e.condition is None else free_indices(e.condition))
    if len(e.ranges) == len(e.indices) and not set(e.indices) <= entered:
        kept_indices = [(i, r) for i, r in zip(e.indices, e.ranges, strict=True) if i in entered]
        counts = [r for i, r in zip(e.indices, e.ranges, strict=True) if i not in entered]
        if not kept_indices:
            return mul(*counts, body)
        names, sizes = zip(*kept_indices, strict=True)
        return mul(*counts, pulled_out(Reduce("sum", body, names, e.condition, sizes)))
    if isinstance(body, Neg):
        return neg(pulled_out(Reduce("sum", body.arg, e.indices, e.condition, e.ranges)))
    bound = set(e.indices)
    if isinstance(body, Div):
        below = list(factors_of(body.denominator))
        free_below = [f for f in below if not bound & set(free_indices(f))]
        if free_below:
            kept_below = [f for f in below if f not in free_below]
            inner = div(body.numerator, mul(*kept_below)) if kept_below else body.numerator
            return div(pulled_out(Reduce("sum", inner, e.indices, e.condition, e.ranges)), mul(*free_below))
        above = list(factors_of(body.numerator))
        out = [f for f in above if not bound & set(free_indices(f))]
        if (out and len(out) < len(above)) or (out and not (len(out) == 1 and out[0] == ONE)):
            kept = [f for f in above if f not in out]
            return mul(*out, Reduce("sum", div(mul(*kept), body.denominator), e.indices, e.condition, e.ranges))
        return e
    if not isinstance(body, Mul):
        return e
    flat = flat_factors(body)
    out = [f for f in flat if not bound & set(free_indices(f))]
    if not out:
        return e
    kept = [f for f in flat if bound & set(free_indices(f))]
    if not kept:
        if e.condition is None and len(e.ranges) == len(e.indices):
            return mul(*e.ranges, *out)
        return mul(*out, Reduce("sum", ONE, e.indices, e.condition, e.ranges))
    return mul(*out, Reduce("sum", mul(*kept), e.indices, e.condition, e.ranges))


PULL_OUT = Rule("factor out of the sum", "sum(c*u[j], j) = c*sum(u[j], j)", leaves_up(Pass(pulled_out, Reduce)))


def _nested_node(e: Expression) -> Expression:
    """A sum of a sum is one sum over both indices; so is one of a product with a sum of deltas of its indices."""
    if isinstance(e, Reduce) and e.op == "sum" and isinstance(e.body, Reduce) and e.body.op == "sum":
        inner = e.body
        condition = joined((*tests_of(e.condition), *tests_of(inner.condition)))
        return Reduce("sum", inner.body, (*e.indices, *inner.indices), condition, (*e.ranges, *inner.ranges))
    return _merged(e) if isinstance(e, Reduce) and e.op == "sum" else e


MERGE_SUMS = Rule("merge sums", "sum(v*sum(u, k), j) = sum(v*u, j, k)", leaves_up(Pass(_nested_node, Reduce)))


def _assumed(e: Expression, context: Context) -> Expression | None:
    """Replaces the left side of an assumed equation by its right side, at any value of the indices left free."""
    rows = [(alpha_normal(a.left), a) for a in context.assumptions if a.op == "=="]
    if not rows:
        return None

    def known(node: Expression) -> Expression | None:
        for left, assumption in rows:
            at: dict[str, Expression] = {}
            if type(node) is type(left) and is_instance(left, alpha_normal(node), set(free_indices(assumption)), at):
                return rename_indices(assumption.right, at)
        return None

    def change(node: Expression) -> Expression | None:
        return None if isinstance(node, Compare) else known(node) or _one_of_several(node, known)

    result = transform(e, change)
    return None if result == e else result


def _one_of_several(e: Expression, known: Callable[[Expression], Expression | None]) -> Expression | None:
    """``sum(u[i]*y[i, j], i, j)`` as ``sum(u[i]*v, i)`` where ``sum(y[i, j], j)`` is known to be v."""
    if not isinstance(e, Reduce) or e.op != "sum" or e.condition is not None or len(e.indices) < 2:
        return None
    flat = flat_factors(e.body)
    for j, size in zip(e.indices, e.ranges, strict=False):
        own = [f for f in flat if j in free_indices(f)]
        value = known(Reduce("sum", mul(*own), (j,), None, (size,))) if own else None
        if value is not None:
            left = [(i, n) for i, n in zip(e.indices, e.ranges, strict=True) if i != j]
            rest = mul(*(f for f in flat if f not in own), value)
            return Reduce("sum", rest, tuple(i for i, _ in left), None, tuple(n for _, n in left))
    return None


def is_instance(pattern: Expression, e: Expression, free: set[str], at: dict[str, Expression]) -> bool:
    """Whether `e` is the pattern with subscripts for its free indices; `at` says which."""
    if isinstance(pattern, Index) and pattern.name in free:
        return at.setdefault(pattern.name, e) == e
    mine, theirs = children(pattern), children(e)
    if type(pattern) is not type(e) or len(mine) != len(theirs) or with_children(e, mine) != pattern:
        return False
    return all(is_instance(p, c, free, at) for p, c in zip(mine, theirs, strict=True))


ASSUME = Rule("assumption", "u = v where the model states it", _assumed)
