"""Rules of conditions on indices, ``t > 0``: where they stand, what the ranges of the indices say about them.

A *guard* compares sums of indices, sizes and numbers.  Guards come with entries that an array does not have, as before
the first step of a recurrence and beyond the edge of what a convolution slides over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from derive.expression.build import ONE, ZERO, add, div, mul, neg
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
    Reduce,
    Ref,
    Where,
)
from derive.expression.parts import flat_factors, terms_of
from derive.expression.walk import (
    Pass,
    bottom_up,
    children,
    free_indices,
    holds,
    names,
    rename_indices,
    walk,
    with_children,
)
from derive.parse.ranges import MIRRORED, OPPOSITE
from derive.parse.sizes import collected, polynomial
from derive.rules.rule import Context, Rule, leaves_up


def is_guard(e: Expression) -> bool:
    """Whether a condition is one on indices."""
    if isinstance(e, Both):
        return all(map(is_guard, e.conditions))
    return (
        isinstance(e, Compare)
        and holds(e, Index)
        and all(
            isinstance(n, (Index, Number, Add, Neg, Mul)) or _is_size(n) for side in children(e) for n in walk(side)
        )
    )


def _is_size(e: Expression) -> bool:
    return isinstance(e, Ref) and not e.indices


def tests_of(condition: Expression | None) -> tuple[Expression, ...]:
    """The comparisons of a condition."""
    return () if condition is None else condition.conditions if isinstance(condition, Both) else (condition,)


def joined(tests: tuple[Expression, ...]) -> Expression | None:
    """One condition, each comparison once; None where there is none."""
    different = tuple(dict.fromkeys(tests))
    return None if not different else different[0] if len(different) == 1 else Both(different)


@dataclass(frozen=True)
class Known:
    """What is known of indices and sizes: the ranges of indices, and the names that are sizes, so at least 1."""

    ranges: Mapping[str, Expression]
    sizes: frozenset[str]
    holds: frozenset[Expression] = frozenset()  # tests that are known to hold

    @classmethod
    def of(cls, context: Context) -> Known:
        told = (*context.ranges.values(), *(size for shape in context.shapes.values() for size in shape))
        return cls(
            dict(context.ranges),
            frozenset(n for size in told for n in names(size)),
            frozenset(map(solved, context.holds)),
        )

    def within(self, e: Reduce) -> Known:
        """Inside of a sum."""
        own = dict(zip(e.indices, e.ranges, strict=False))
        sizes = self.sizes | {n for size in own.values() for n in names(size)}
        return Known({**self.ranges, **own}, sizes, self.holds)

    def decided(self, test: Expression) -> bool | None:
        """Whether a comparison holds for all values of its indices, or for none; None where it depends on them."""
        if not isinstance(test, Compare):
            return None
        if solved(test) in self.holds:
            return True
        op, left, right = test.op, test.left, test.right
        if op in (">", ">="):
            op, left, right = MIRRORED[op], right, left
        gap = add(right, neg(left))
        less, more = self.never_negative(add(gap, neg(ONE))), self.never_negative(add(neg(gap), neg(ONE)))
        if op in ("==", "!="):
            if collected(gap) == ZERO:
                return op == "=="
            return op == "!=" if less or more else None
        if op == "<":
            return True if less else False if self.never_negative(neg(gap)) else None
        return True if self.never_negative(gap) else False if more else None

    def never_negative(self, e: Expression) -> bool:
        """Whether a sum of indices and sizes is at least 0 whatever they are."""
        low = self.least(collected(e))
        terms = None if low is None else polynomial(low)
        if terms is None or any(c < 0 for m, c in terms.items() if m):
            return False
        return sum(terms.values()) >= 0 and all(n in self.sizes for m in terms for n in m)

    def least(self, e: Expression) -> Expression | None:
        """The lowest value of a sum of indices, sizes and numbers; None where it is not known."""
        total: list[Expression] = []
        for term in terms_of(e):
            negative, bare = (True, term.arg) if isinstance(term, Neg) else (False, term)
            factors = flat_factors(bare)
            index = next((f for f in factors if isinstance(f, Index)), None)
            if index is None:
                total.append(term)
            elif not all(isinstance(f, Number) or f is index for f in factors):
                return None
            elif negative:
                if index.name not in self.ranges:
                    return None
                top = add(self.ranges[index.name], neg(ONE))
                total.append(neg(mul(*(top if f is index else f for f in factors))))
        return add(*total) if total else ZERO


def solved(test: Expression) -> Expression:
    """``i + 1 < T + 1`` as ``i < T``: the first index alone on the left, by its sign."""
    if not isinstance(test, Compare) or not is_guard(test):
        return test
    difference = collected(add(test.left, neg(test.right)))
    terms = terms_of(difference)
    own = next((t for t in terms if isinstance(t, Index) or (isinstance(t, Neg) and isinstance(t.arg, Index))), None)
    if own is None:
        return test
    rest = collected(neg(add(*(t for t in terms if t is not own)))) if len(terms) > 1 else ZERO
    if isinstance(own, Neg):
        return Compare(MIRRORED[test.op], own.arg, collected(neg(rest)))
    return _plain(Compare(test.op, own, rest))


def _plain(test: Compare) -> Compare:
    """``t >= 1`` as ``t > 0``, ``t <= T - 1`` as ``t < T``."""
    match test:
        case Compare(op=">=", right=Number() as bound) if bound.value >= 1:
            return Compare(">", test.left, Number(bound.value - 1))
        case Compare(op="<=", right=Add() as bound) if collected(add(bound, ONE)) != bound:
            more = collected(add(bound, ONE))
            return Compare("<", test.left, more) if len(terms_of(more)) < len(terms_of(bound)) else test
    return test


# Rules.


def _conditions_decided(e: Expression, context: Context) -> Expression | None:
    if not holds(e, Where, Compare):
        return None
    result = _decide(e, Known.of(context))
    return None if result == e else result


def _decide(e: Expression, known: Known) -> Expression:
    if isinstance(e, Reduce):
        known = known.within(e)
    e = with_children(e, tuple(_decide(c, known) for c in children(e)))
    match e:
        case Where() if is_guard(e.condition):
            left = _left_of(e.condition, known)
            if not left:
                return e.otherwise if left is None else e.then
            return Where(joined(left) or e.condition, e.then, e.otherwise)
        case Reduce(op="sum") if e.condition is not None and len(e.ranges) == len(e.indices):
            left = _left_of(e.condition, known)
            if left is None:
                return ZERO
            said = tuple(t for t in tests_of(e.condition) if t not in left and _says_a_range(t, e))
            return Reduce("sum", e.body, e.indices, joined((*left, *said)), e.ranges)
    return e


def _says_a_range(test: Expression, e: Reduce) -> bool:
    """``p < 2`` where p stands in ``x[2*i + p]`` alone: the text would not say the range without it."""
    if not isinstance(test, Compare) or not isinstance(test.left, Index) or test.left.name not in e.indices:
        return False
    if test.op != "<" or test.right != e.ranges[e.indices.index(test.left.name)]:
        return False
    subscripts = (i for n in walk(e.body) if isinstance(n, Ref) for i in n.indices)
    return not any(_is_shifted(i, test.left) for i in subscripts)


def _is_shifted(subscript: Expression, index: Index) -> bool:
    """Whether a subscript is the index, or that beside a number."""
    if isinstance(subscript, Add) and len(subscript.terms) == 2:
        first, second = subscript.terms
        return first == index and isinstance(second.arg if isinstance(second, Neg) else second, Number)
    return subscript == index


def _left_of(condition: Expression, known: Known) -> tuple[Expression, ...] | None:
    """The tests that the ranges leave of a condition; None where it never holds."""
    left: list[Expression] = []
    for test in map(solved, tests_of(condition)):
        holds = known.decided(test) if is_guard(test) else None
        if holds is False:
            return None
        if holds is None:
            left.append(test)
    return None if any(_exclude_each_other(a, b, known) for a in left for b in left) else tuple(left)


def _exclude_each_other(low: Expression, high: Expression, known: Known) -> bool:
    """``i >= n - 1`` and ``i < n - 1``."""
    if not isinstance(low, Compare) or not isinstance(high, Compare) or low.left != high.left:
        return False
    if low.op not in (">", ">=") or high.op not in ("<", "<="):
        return False
    first = add(low.right, ONE) if low.op == ">" else low.right
    stop = add(high.right, ONE) if high.op == "<=" else high.right
    return known.never_negative(add(first, neg(stop)))


CONDITIONS = Rule(
    "conditions on indices", "a condition that the ranges decide, solved for its index", _conditions_decided
)


def _guards_of_a_sum(e: Expression) -> Expression:
    """``sum(u*where(t > 0, v, 0), t)`` as ``sum(u*v, t, t > 0)``."""
    if not isinstance(e, Reduce) or e.op != "sum":
        return e
    found = _taken_out(e.body)
    if found is None:
        return _by_cases(e)
    guard, rest = found
    inside = tuple(t for t in tests_of(guard) if set(free_indices(t)) & set(e.indices))
    outside = joined(tuple(t for t in tests_of(guard) if t not in inside))
    if inside:
        e = Reduce("sum", rest, e.indices, joined((*tests_of(e.condition), *inside)), e.ranges)
    else:
        e = Reduce("sum", rest, e.indices, e.condition, e.ranges)
    return e if outside is None else Where(outside, e, ZERO)


def _by_cases(e: Reduce) -> Expression:
    """``sum(u*where(t > 0, v, w), t)`` as ``sum(u*v, t, t > 0) + sum(u*w, t, t <= 0)``."""
    flat = flat_factors(e.body)
    for k, f in enumerate(flat):
        if not isinstance(f, Where) or not isinstance(f.condition, Compare) or not is_guard(f.condition):
            continue
        if set(free_indices(f.condition)) <= set(e.indices):
            test = f.condition
            other = Compare(OPPOSITE[test.op], test.left, test.right)
            parts = [(test, f.then), (other, f.otherwise)]
            return add(
                *(
                    Reduce(
                        "sum",
                        mul(*flat[:k], *flat_factors(case), *flat[k + 1 :]),
                        e.indices,
                        joined((*tests_of(e.condition), condition)),
                        e.ranges,
                    )
                    for condition, case in parts
                )
            )
    return e


def _taken_out(e: Expression) -> tuple[Expression, Expression] | None:
    """The guard outside of which a product vanishes, and the product without it."""
    match e:
        case Where(otherwise=Number(value=0)) if is_guard(e.condition):
            return e.condition, e.then
        case Where(then=Number(value=0), condition=Compare() as test) if is_guard(test):
            return Compare(OPPOSITE[test.op], test.left, test.right), e.otherwise
        case Neg():
            found = _taken_out(e.arg)
            return None if found is None else (found[0], neg(found[1]))
        case Div():
            found = _taken_out(e.numerator)
            return None if found is None else (found[0], div(found[1], e.denominator))
        case Mul():
            for k, factor in enumerate(e.factors):
                found = _taken_out(factor)
                if found is not None:
                    return found[0], mul(*e.factors[:k], *flat_factors(found[1]), *e.factors[k + 1 :])
        case Add():
            each = [_taken_out(t) for t in e.terms]
            if all(f is not None and f[0] == (each[0] or f)[0] for f in each):
                return each[0][0], add(*(f[1] for f in each if f is not None))  # type: ignore[index]
    return None


GUARDED_SUM = Rule(
    "cases as a condition",
    "sum(u*where(t > 0, v, 0), t) = sum(u*v, t, t > 0)",
    leaves_up(Pass(_guards_of_a_sum, Reduce)),
)


def _outwards(e: Expression, _: Context) -> Expression | None:
    if not holds(e, Where):
        return None
    result = _GUARD_OUTSIDE(e)
    return None if result is e or result == e else result


def _guard_outside(e: Expression) -> Expression:
    """``u*where(t > 0, v, 0)`` as ``where(t > 0, u*v, 0)``; a case of a case as one."""
    match e:
        case Where(then=Where(otherwise=Number(value=0)) as inner, otherwise=Number(value=0)) if is_guard(
            e.condition
        ) and is_guard(inner.condition):
            both = joined((*tests_of(e.condition), *tests_of(inner.condition)))
            return Where(both or e.condition, inner.then, ZERO)
        case Mul() | Div() | Neg() | Add():
            found = _taken_out(e)
            if found is not None:
                return Where(found[0], found[1], ZERO)
            return _together(e) if isinstance(e, Add) else e
    return e


def _together(e: Add) -> Expression:
    """Terms of the same case as one: ``where(t > 0, u, 0) + v + where(t > 0, w, 0)``."""
    cases = [_taken_out(term) for term in e.terms]
    guards = dict.fromkeys(case[0] for case in cases if case is not None)
    if len(guards) == sum(case is not None for case in cases):
        return e
    parts: list[Expression] = []
    for term, case in zip(e.terms, cases, strict=True):
        if case is None:
            parts.append(term)
        elif case[0] in guards:
            del guards[case[0]]
            parts.append(Where(case[0], add(*(c[1] for c in cases if c is not None and c[0] == case[0])), ZERO))
    return add(*parts)


_GUARD_OUTSIDE = Pass(_guard_outside)

GUARDS_OUT = Rule("cases outside", "u*where(t > 0, v, 0) = where(t > 0, u*v, 0)", _outwards)


def _without_weight(e: Expression, context: Context) -> Expression | None:
    equations = (*context.equations, *(() if context.output is None else (context.output,)))
    vanishing = {element.name: (element, body.condition) for element, body in equations if _vanishes_outside(body)}
    if not vanishing:
        return None
    result = bottom_up(e, lambda node: _weighted(node, vanishing))
    return None if result == e else result


def _vanishes_outside(body: Expression) -> TypeGuard[Where]:
    return isinstance(body, Where) and body.otherwise == ZERO and is_guard(body.condition)


Vanishing = Mapping[str, tuple[Ref, Expression]]  # the condition without which an array is 0


def _weighted(e: Expression, vanishing: Vanishing) -> Expression:
    """``where(s <= t, A[t, s]*u, 0)`` as ``A[t, s]*u``, where A vanishes for other s and all of u is there."""
    if not isinstance(e, Where) or e.otherwise != ZERO or not is_guard(e.condition) or not _is_plain(e.then):
        return e
    tests = tests_of(e.condition)
    left = joined(tuple(t for t in tests if not _vanishes(e.then, solved(t), vanishing)))
    return e.then if left is None else e if len(tests_of(left)) == len(tests) else Where(left, e.then, ZERO)


def _vanishes(e: Expression, test: Expression, vanishing: Vanishing) -> bool:
    """Whether an expression is 0 where a test does not hold: each of its terms has a weight that is 0 there."""
    match e:
        case Neg():
            return _vanishes(e.arg, test, vanishing)
        case Div():
            return _vanishes(e.numerator, test, vanishing)
        case Add():
            return all(_vanishes(term, test, vanishing) for term in e.terms)
        case Reduce(op="sum"):
            return not set(free_indices(test)) & set(e.indices) and _vanishes(e.body, test, vanishing)
        case Mul():
            flat = flat_factors(e)
            for k, f in enumerate(flat):
                others = (*flat[:k], *flat[k + 1 :])
                if isinstance(f, Add):
                    return all(_vanishes(mul(*others, term), test, vanishing) for term in f.terms)
                if isinstance(f, Neg):
                    return _vanishes(mul(*others, f.arg), test, vanishing)
            return any(_vanishes(f, test, vanishing) for f in _by_deltas(flat))
        case Ref() if e.name in vanishing and all(isinstance(i, Index) for i in e.indices):
            element, condition = vanishing[e.name]
            letters = [i.name for i in element.indices if isinstance(i, Index)]
            own = rename_indices(condition, dict(zip(letters, e.indices, strict=True)))
            return test in map(solved, tests_of(own))
    return False


def _by_deltas(factors: Sequence[Expression]) -> list[Expression]:
    """The factors, and what they are with the indices that deltas make equal put in for each other."""
    found = list(factors)
    for f in factors:
        if isinstance(f, Call) and f.function == "delta" and all(isinstance(arg, Index) for arg in f.args):
            for one, other in (f.args, f.args[::-1]):
                found += [rename_indices(g, {str(one): other}) for g in factors if g is not f]
    return found


def _is_plain(e: Expression) -> bool:
    """Whether every entry that is asked for exists for all values of the indices."""
    return all(isinstance(i, (Index, Number)) for n in walk(e) if isinstance(n, Ref) for i in n.indices)


NO_WEIGHT = Rule("weights that vanish", "where(s <= t, a[s]*u, 0) = a[s]*u where a[s] is 0 otherwise", _without_weight)


def _taking_part(e: Expression, context: Context) -> Expression | None:
    """In a masked softmax, where ``s <= t``: only entries of the argument with ``m <= t`` have a derivative."""
    if context.output is None or not isinstance(e, Where) or not isinstance(e.then, D) or not is_guard(e.condition):
        return None
    element, wrt = context.output[0], e.then.wrt
    if len(wrt.indices) != len(element.indices):
        return None
    asked = free_indices(e.condition)
    for k, i in enumerate(element.indices):
        if isinstance(i, Index) and i.name in asked and _is_masked(e.then.body, wrt.name, element, k, e.condition):
            own = rename_indices(e.condition, {i.name: wrt.indices[k]})
            return Where(e.condition, Where(own, e.then, ZERO), e.otherwise)
    return None


def _is_masked(body: Expression, name: str, element: Ref, k: int, condition: Expression) -> bool:
    """Whether an array is asked for at the element's own indices alone, and in sums under the same condition."""
    own = element.indices[k]
    sums = [n for n in walk(body) if isinstance(n, Reduce)]
    allowed = {element.indices}
    for n in sums:
        if len(n.indices) == 1 and n.condition == rename_indices(condition, {str(own): Index(n.indices[0])}):
            allowed.add((*element.indices[:k], Index(n.indices[0]), *element.indices[k + 1 :]))
    asked = {n.indices for n in walk(body) if isinstance(n, Ref) and n.name == name}
    return len(asked) > 1 and asked <= allowed


TAKING_PART = Rule(
    "what takes part", "D(u, x[m]) = where(m <= t, D(u, x[m]), 0) where u asks for x[s] with s <= t alone", _taking_part
)


def _single(e: Expression, context: Context) -> Expression | None:
    if not holds(e, Compare):
        return None  # without a condition every term is there
    known = Known.of(context)
    result = bottom_up(e, lambda node: _one_term(node, known))
    return None if result == e else result


def _one_term(e: Expression, known: Known) -> Expression:
    """``sum(u[t], t, t < 1)`` as ``u[0]``: conditions and range leave one value."""
    if not isinstance(e, Reduce) or e.op != "sum" or e.condition is None or len(e.ranges) != len(e.indices):
        return e
    for k, index in enumerate(e.indices):
        value = _only_value(index, e.ranges[k], tests_of(e.condition), known.within(e))
        if value is None:
            continue
        swap = {index: value}
        left = (*e.indices[:k], *e.indices[k + 1 :])
        sizes = (*e.ranges[:k], *e.ranges[k + 1 :])
        tests = tuple(rename_indices(t, swap) for t in tests_of(e.condition) if set(free_indices(t)) - {index})
        body = rename_indices(e.body, swap)
        within = joined(tuple(t for t in tests if set(free_indices(t)) & set(left)))
        outside = joined(tuple(t for t in tests if not set(free_indices(t)) & set(left)))
        if left:
            body = Reduce("sum", body, left, within, sizes)
        elif within is not None:
            continue
        return body if outside is None else Where(outside, body, ZERO)
    return e


def _only_value(index: str, size: Expression, tests: tuple[Expression, ...], known: Known) -> Expression | None:
    """The one value that an index has from 0 below the size, under tests on it alone."""
    tests = (*tests, Compare("<", Index(index), size))
    low: list[Expression] = [ZERO]
    high: list[Expression] = [collected(add(size, neg(ONE)))]
    for test in map(solved, tests):
        if not isinstance(test, Compare) or test.left != Index(index) or free_indices(test.right):
            if index in free_indices(test):
                return None
            continue
        match test.op:
            case ">":
                low.append(collected(add(test.right, ONE)))
            case ">=":
                low.append(test.right)
            case "<":
                high.append(collected(add(test.right, neg(ONE))))
            case "<=":
                high.append(test.right)
            case "==":
                low.append(test.right)
                high.append(test.right)
            case _:
                return None
    value = next((v for v in low if v in high), None)
    own = [test for test in tests if set(free_indices(test)) <= {index}]
    if value is None or not all(known.decided(rename_indices(test, {index: value})) for test in own):
        return None
    return value


ONE_TERM = Rule("one term left", "sum(u[t], t, t < 1) = u[0]", _single)
