"""Index form → whole-array notation: ``(a[i] - y[i])*x[j]`` over the axes (i, j) is ``outer(a - y, x)``.

In: a core expression and the order of its axes.  Out: the same in whole-array notation, or None where that notation
cannot say it.  It is the inverse of `derive.parse.elaborate`.  With `new_axes`, operands may be given axes of
length one (``x[:, None]``), as numpy can and the model language does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from derive.expression.build import ONE, ZERO, add, div, mul, neg, number
from derive.expression.nodes import (
    Add,
    Both,
    Call,
    Compare,
    Constant,
    D,
    Div,
    Expression,
    Index,
    Item,
    MatMul,
    Mul,
    Neg,
    Number,
    Pow,
    Reduce,
    Ref,
    Slice,
    Transpose,
    Where,
)
from derive.expression.walk import children, contains, free_indices, rename_indices, with_children
from derive.parse.sizes import plus, same_size
from derive.rules.sums import is_delta

LEAST = Neg(Constant("inf"))
NEUTRAL: dict[str, Expression] = {
    "sum": ZERO,
    "prod": ONE,
    "max": LEAST,
    "min": Constant("inf"),
    "logsumexp": LEAST,
}
NEW_AXIS = Constant("None")
WHOLE = Slice(None, None, None)


class NoArrayForm(Exception):
    """Whole-array notation cannot say this."""


@dataclass(frozen=True, slots=True)
class Laid:
    """An array expression and the axes it has, in order."""

    expr: Expression
    axes: tuple[str, ...]


def in_arrays(
    e: Expression,
    axes: tuple[str, ...],
    sizes: tuple[Expression, ...] = (),
    shapes: Mapping[str, tuple[Expression, ...]] | None = None,
) -> Expression | None:
    """The expression over `axes`, of the given sizes, in whole-array notation, or None.

    With the `shapes` of the names, everything that numpy can say is allowed: new axes, slices, index arrays.
    """
    try:
        return _Layout(axes, dict(zip(axes, sizes, strict=False)), shapes).whole(e)
    except NoArrayForm:
        return None


class _Layout:
    def __init__(
        self, axes: tuple[str, ...], sizes: dict[str, Expression], shapes: Mapping[str, tuple[Expression, ...]] | None
    ) -> None:
        self.axes = axes
        self.sizes = sizes
        self.shapes = shapes
        self.new_axes = shapes is not None

    def whole(self, e: Expression) -> Expression:
        laid = self.lay(e, self.axes)
        if laid.axes == self.axes:
            return laid.expr
        if not self.new_axes:
            raise NoArrayForm
        sizes = tuple(self.size(i) for i in self.axes)  # the same for every example, say
        return Call("broadcast_to", (self.broadcast(laid, self.axes), *sizes))

    def lay(self, e: Expression, order: tuple[str, ...]) -> Laid:
        """The expression with its free indices as axes, in the given order."""
        match e:
            case Number() | Constant():
                return Laid(e, ())
            case Index():
                return self.positions(e)
            case Ref():
                return self.ref(e, order, lambda indices: Ref(e.name, indices))
            case D(body=Ref()):
                return self.ref(e.wrt, order, lambda indices: D(e.body, Ref(e.wrt.name, indices)))
            case Add() | Div() | Pow() | Where() | Compare() | Both():
                if isinstance(e, Add) and contains(e, is_delta):
                    return self.elementwise(e.terms, order, lambda parts: add(*parts))
                try:
                    return self.elementwise(children(e), order, lambda parts: with_children(e, parts))
                except NoArrayForm:
                    if not isinstance(e, Div) or self.new_axes:
                        raise
                    return self.product((e,), order)
            case Neg():
                inner = self.lay(e.arg, order)
                return Laid(neg(inner.expr), inner.axes)
            case Call() if is_delta(e):
                return self.delta(e, order)
            case Call(options=(("axis", Index() as axis),)):
                inner = self.lay(e.args[0], order)
                return Laid(Call(e.function, (inner.expr,), (("axis", _position(axis.name, inner.axes)),)), inner.axes)
            case Call():
                return self.elementwise(e.args, order, lambda parts: Call(e.function, parts, e.options))
            case Mul():
                return self.product(e.factors, order)
            case Reduce():
                return self.reduction(e, order)
        raise NoArrayForm

    def positions(self, e: Index) -> Laid:
        """An index as an array of its positions (in code)."""
        if not self.new_axes or e.name not in self.sizes:
            raise NoArrayForm
        return Laid(Call("arange", (self.sizes[e.name],)), (e.name,))

    def ref(self, e: Ref, order: tuple[str, ...], make: Callable[[tuple[Expression, ...]], Expression]) -> Laid:
        plain = tuple(i.name for i in e.indices if isinstance(i, Index))
        fixed = [k for k, i in enumerate(e.indices) if not isinstance(i, Index)]
        twice = len(set(plain)) != len(plain)
        if self.shapes is not None and (
            fixed or twice or any(map(self.is_part, e.indices, self.shapes.get(e.name, ())))
        ):
            return self.part(e, order, make)
        if any(free_indices(e.indices[k]) for k in fixed) or fixed != list(range(len(fixed))) or twice:
            raise NoArrayForm
        return self.ordered(Laid(make(e.indices[: len(fixed)]), plain), order)

    def is_part(self, index: Expression, size: Expression) -> bool:
        """Whether an index runs over less than the axis that it subscripts."""
        return isinstance(index, Index) and index.name in self.sizes and not same_size(self.sizes[index.name], size)

    def part(self, e: Ref, order: tuple[str, ...], make: Callable[[tuple[Expression, ...]], Expression]) -> Laid:
        """``x[j + 1]`` as the slice ``x[1:1 + size]``, ``x[2*i + p]`` by an array of positions."""
        subscripts: list[Expression] = []
        axes: list[str] = []
        shape = (self.shapes or {}).get(e.name, ())
        for index, size in zip(e.indices, shape, strict=True):
            free = list(free_indices(index))
            if not free:
                subscripts.append(index)
            elif len(free) == 1 and free[0] not in axes and (start := _start(index, free[0])) is not None:
                whole = start == ZERO and not self.is_part(Index(free[0]), size)
                stop = plus(add(start, self.size(free[0])), 0)
                subscripts.append(WHOLE if whole else Slice(None if start == ZERO else start, stop, None))
                axes.append(free[0])
            else:
                return self.gathered(e, order, make)
        return self.ordered(Laid(make(tuple(subscripts)), tuple(axes)), order)

    def gathered(self, e: Ref, order: tuple[str, ...], make: Callable[[tuple[Expression, ...]], Expression]) -> Laid:
        """Every subscript an array of positions over all axes that the subscripts speak of."""
        laid = [self.lay(index, order) for index in e.indices]
        axes = tuple(i for i in order if any(i in part.axes for part in laid))
        return Laid(make(tuple(self.broadcast(part, axes) for part in laid)), axes)

    def size(self, index: str) -> Expression:
        if index not in self.sizes:
            raise NoArrayForm
        return self.sizes[index]

    def ordered(self, laid: Laid, order: tuple[str, ...]) -> Laid:
        """The axes brought into the given order."""
        wanted = tuple(i for i in order if i in laid.axes)
        if len(wanted) != len(laid.axes):
            raise NoArrayForm
        if wanted == laid.axes:
            return laid
        if self.new_axes and len(wanted) > 2:
            return Laid(Call("transpose", (laid.expr, *(number(laid.axes.index(i)) for i in wanted))), wanted)
        if len(wanted) == 2:
            return Laid(laid.expr.arg if isinstance(laid.expr, Transpose) else Transpose(laid.expr), wanted)
        raise NoArrayForm

    def broadcast(self, laid: Laid, axes: tuple[str, ...]) -> Expression:
        """The operand so that numpy's broadcasting gives it the given axes."""
        if not laid.axes or laid.axes == axes[len(axes) - len(laid.axes) :]:
            return laid.expr
        if not self.new_axes:
            raise NoArrayForm
        first = axes.index(laid.axes[0])
        parts = tuple(WHOLE if i in laid.axes else NEW_AXIS for i in axes[first:])
        return Item(laid.expr, parts)

    def elementwise(
        self,
        parts: tuple[Expression, ...],
        order: tuple[str, ...],
        join: Callable[[tuple[Expression, ...]], Expression],
    ) -> Laid:
        laid = [self.lay(part, order) for part in parts]
        axes = tuple(i for i in order if any(i in part.axes for part in laid))
        if not self.new_axes and axes and not any(part.axes == axes for part in laid):
            raise NoArrayForm
        return Laid(join(tuple(self.broadcast(part, axes) for part in laid)), axes)

    def delta(self, e: Call, order: tuple[str, ...]) -> Laid:
        a, b = e.args
        if isinstance(a, Index) and isinstance(b, Index) and a.name in order and b.name in order:
            square = a.name in self.sizes and b.name in self.sizes and same_size(self.sizes[a.name], self.sizes[b.name])
            if square and (not self.new_axes or len(order) == 2):
                return Laid(Call("eye", (self.sizes[a.name],)), tuple(i for i in order if i in (a.name, b.name)))
        if not self.new_axes:
            raise NoArrayForm
        return self.lay(Where(Compare("==", a, b), ONE, ZERO), order)

    def product(self, factors: tuple[Expression, ...], order: tuple[str, ...]) -> Laid:
        for k, f in enumerate(factors if not self.new_axes else ()):
            if is_delta(f):
                return self.diagonal(f, [*factors[:k], *factors[k + 1 :]], order)
            if isinstance(f, Add) and contains(f, is_delta):
                rest = (*factors[:k], *factors[k + 1 :])
                terms = [neg(mul(*rest, t.arg)) if isinstance(t, Neg) else mul(*rest, t) for t in f.terms]
                return self.lay(add(*(_flat(t) for t in terms)), order)
        above, below = _over_and_under(factors)
        if below and not self.new_axes:
            laid = [self.lay(f, order) for f in (*above, *below)]
        else:
            above, below = list(factors), []
            laid = [self.lay(f, order) for f in factors]
        axes = tuple(i for i in order if any(i in part.axes for part in laid))
        if len(axes) == 2 and all(len(part.axes) < 2 for part in laid) and not self.new_axes:
            return Laid(self.outer(laid[: len(above)], laid[len(above) :], axes), axes)
        if below:
            raise NoArrayForm
        if not self.new_axes and axes and not any(part.axes == axes for part in laid):
            raise NoArrayForm
        return Laid(mul(*(self.broadcast(part, axes) for part in laid)), axes)

    def outer(self, above: list[Laid], below: list[Laid], axes: tuple[str, ...]) -> Expression:
        """A product of vectors over two axes; scalars go with the first."""
        sides: list[Expression] = []
        for own in (((), axes[:1]), (axes[1:],)):
            top = mul(*(part.expr for part in above if part.axes in own))
            under = [part.expr for part in below if part.axes in own]
            sides.append(div(top, mul(*under)) if under else top)
        return Call("outer", tuple(sides))

    def diagonal(self, delta: Expression, rest: list[Expression], order: tuple[str, ...]) -> Laid:
        """``delta(i, j)*u[i]`` is diag(u)."""
        a, b = (arg.name if isinstance(arg, Index) else "" for arg in children(delta))
        if a not in order or b not in order or not rest:
            raise NoArrayForm
        inner = self.lay(rename_indices(mul(*rest), {b: Index(a)}), order)
        axes = tuple(i for i in order if i in (a, b))
        if inner.axes == ():
            return Laid(mul(inner.expr, self.delta(Call("delta", (Index(a), Index(b))), order).expr), axes)
        if inner.axes != (a,):
            raise NoArrayForm
        return Laid(Call("diag", (inner.expr,)), axes)

    # Reductions and contractions.

    def reduction(self, e: Reduce, order: tuple[str, ...]) -> Laid:
        outer = self.sizes
        self.sizes = outer | dict(zip(e.indices, e.ranges, strict=False))
        try:
            return self.reduced(e, order)
        finally:
            self.sizes = outer

    def reduced(self, e: Reduce, order: tuple[str, ...]) -> Laid:
        condition = self.own_condition(e)
        if condition is not None:
            if not self.new_axes or e.op not in NEUTRAL:
                raise NoArrayForm
            e = Reduce(e.op, Where(condition, e.body, NEUTRAL[e.op]), e.indices, None, e.ranges)
        if e.op == "sum":
            found = self.contraction(Reduce("sum", e.body, e.indices, None, e.ranges), order)
            if found is not None:
                return found
        if any(i in order for i in e.indices):
            raise NoArrayForm
        # bound axes behind the others, or before: whichever needs no transpose
        last = self.lay(e.body, (*order, *e.indices))
        if contains(last.expr, lambda node: isinstance(node, Transpose)) and len(e.indices) == 1:
            first = self.lay(e.body, (*e.indices, *order))
            if not contains(first.expr, lambda node: isinstance(node, Transpose)):
                return self.summed(e.op, first, e)
        return self.summed(e.op, last, e)

    def own_condition(self, e: Reduce) -> Expression | None:
        """The reduction's condition without what its ranges say already."""
        if e.condition is None:
            return None
        parts = e.condition.conditions if isinstance(e.condition, Both) else (e.condition,)
        said = [Compare("<", Index(i), size) for i, size in zip(e.indices, e.ranges, strict=False)]
        kept = tuple(c for c in parts if not (self.new_axes and c in said))
        return None if not kept else kept[0] if len(kept) == 1 else Both(kept)

    def summed(self, op: str, inner: Laid, e: Reduce) -> Laid:
        bound = [i for i in inner.axes if i in e.indices]
        if len(bound) != len(e.indices):
            raise NoArrayForm
        left = tuple(i for i in inner.axes if i not in e.indices)
        if not left:
            return Laid(Call(op, (inner.expr,)), ())
        expr, axes = inner.expr, list(inner.axes)
        for index in reversed(bound):
            axis = axes.index(index)
            expr = Call(op, (expr,), (("axis", number(axis)),))
            axes.pop(axis)
        return Laid(expr, left)

    def contraction(self, e: Reduce, order: tuple[str, ...]) -> Laid | None:
        """A sum of products over one index as ``@``, with a transpose where the index stands first."""
        body: Expression = e.body
        below: Expression = ONE
        if isinstance(body, Neg):
            inner = self.reduction(Reduce("sum", body.arg, e.indices, None, e.ranges), order)
            return Laid(neg(inner.expr), inner.axes)
        if isinstance(e.body, Div) and not set(e.indices) & set(free_indices(e.body.denominator)):
            body, below = e.body.numerator, e.body.denominator
        if len(e.indices) != 1 or not isinstance(body, Mul):
            return None
        (j,) = e.indices
        if j not in free_indices(body):
            return None
        groups: dict[tuple[str, ...], list[Expression]] = {}
        for f in _flat_factors(body):
            own = tuple(i for i in order if i in free_indices(f))
            groups.setdefault(own, []).append(f)
        outside = [k for k in groups if k]
        if len(outside) > 2 or any(len(k) > 1 for k in outside):
            return None
        if not outside:
            return self.dot(groups[()], j, below, order)
        left_key = outside[0] if len(outside) == 1 else min(outside, key=lambda k: order.index(k[0]))
        right_key = () if len(outside) == 1 else next(k for k in outside if k != left_key)
        if right_key == () and () not in groups:
            return None
        left_factors = groups[left_key]
        right_factors = groups[right_key]
        if len(outside) == 2 and () in groups:
            right_factors = (
                [*groups[()], *right_factors]
                if len(right_factors) == 1 and not isinstance(right_factors[0], Ref)
                else right_factors
            )
            if right_factors is groups[right_key]:
                left_factors = [*groups[()], *left_factors]
        left = self.lay(mul(*left_factors), (*left_key, j))
        right = self.lay(mul(*right_factors), (j, *right_key))
        if left.axes != (*left_key, j) or right.axes != (j, *right_key):
            return None
        # v @ M reads better than M.T @ v
        if not right_key and isinstance(left.expr, Transpose) and self.new_axes:
            product: Expression = MatMul(right.expr, left.expr.arg)
        else:
            product = MatMul(left.expr, right.expr)
        laid = Laid(product, (*left_key, *right_key))
        if below != ONE:
            under = self.lay(below, order)
            if under.axes:
                axes = tuple(i for i in order if i in laid.axes or i in under.axes)
                return Laid(div(self.broadcast(laid, axes), self.broadcast(under, axes)), axes)
            laid = Laid(div(laid.expr, under.expr), laid.axes)
        return laid

    def dot(self, factors: list[Expression], j: str, below: Expression, order: tuple[str, ...]) -> Laid | None:
        if len(factors) != 2 or not all(isinstance(f, Ref) for f in factors) or factors[0] == factors[1]:
            return None
        left, right = (self.lay(f, (j,)) for f in factors)
        whole: Expression = MatMul(left.expr, right.expr)
        if below != ONE:
            whole = div(whole, self.lay(below, order).expr)
        return Laid(whole, ())


def _start(index: Expression, name: str) -> Expression | None:
    """Where ``j`` or ``j + start`` begins."""
    if index == Index(name):
        return ZERO
    if isinstance(index, Add) and index.terms[0] == Index(name):
        return add(*index.terms[1:])
    return None


def _position(axis: str, axes: tuple[str, ...]) -> Expression:
    """An axis by its number, counted from the end."""
    if axis not in axes:
        raise NoArrayForm
    return neg(number(len(axes) - axes.index(axis)))


def _over_and_under(factors: tuple[Expression, ...]) -> tuple[list[Expression], list[Expression]]:
    above: list[Expression] = []
    below: list[Expression] = []
    for f in factors:
        if isinstance(f, Div):
            above += _flat_factors(f.numerator)
            below += _flat_factors(f.denominator)
        else:
            above.append(f)
    return above, below


def _flat(e: Expression) -> Expression:
    """A product of products as one product."""
    if isinstance(e, Neg):
        return neg(_flat(e.arg))
    return mul(*_flat_factors(e)) if isinstance(e, Mul) else e


def _flat_factors(e: Expression) -> list[Expression]:
    if isinstance(e, Mul):
        return [g for f in e.factors for g in _flat_factors(f)]
    return [e]
