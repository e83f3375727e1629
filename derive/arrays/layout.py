"""What an expression is laid out in: the axes wanted, their sizes, and what numpy alone can say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from derive.arrays.columns import ONE_LONG, column
from derive.arrays.contraction import NEW_AXIS, WHOLE, transposed, turned
from derive.arrays.terms import collected, numbers_in_front
from derive.expression.build import ONE, ZERO, mul, neg
from derive.expression.nodes import Add, Call, Div, Expression, Index, Item, Neg
from derive.parse.sizes import is_one

Axes = tuple[str, ...]

MARK = "step "  # an index that stays is laid out like a scalar, under a name that nothing else has


class NoArrayForm(Exception):
    """Whole-array notation cannot say this."""


@dataclass(frozen=True, slots=True)
class Laid:
    """An array expression and the axes it has, in order."""

    expr: Expression
    axes: Axes


class Layout:
    """`meaning` lays out one node; `sizes` are those of the axes; the `shapes` are those of the names."""

    def __init__(
        self,
        meaning: Callable[[Layout, Expression, Axes], Laid],
        sizes: dict[str, Expression],
        shapes: Mapping[str, tuple[Expression, ...]] | None,
        in_code: bool,
    ) -> None:
        self.meaning = meaning
        self.sizes = sizes
        self.shapes = shapes
        self.in_code = in_code
        self.writing_out = False  # while sums inside of factors are written out, none is again

    def whole(self, e: Expression, axes: Axes) -> Expression:
        """The expression over exactly these axes."""
        laid = self.lay(e, axes)
        if laid.axes == axes:
            return laid.expr if self.in_code else numbers_in_front(laid.expr)
        if not self.in_code:
            return numbers_in_front(self.with_missing(laid, axes))
        sizes = tuple(self.size(i) for i in axes)  # the same for every example, say
        return Call("broadcast_to", (self.broadcast(laid, axes), *sizes))

    def with_missing(self, laid: Laid, axes: Axes) -> Expression:
        """An array that is the same along some axes: ``ones(n)``, a column where the last axis is one long."""
        if axes and is_one(self.size(axes[-1])) and laid.axes in (axes[:-1], (*axes[:-1], ONE_LONG)):
            return self.broadcast(laid, (*axes[:-1], ONE_LONG))
        ones = tuple(Call("ones", (self.size(i),)) for i in axes)
        if laid.expr == ZERO and axes:
            return Call("zeros", tuple(self.size(i) for i in axes))
        if not laid.axes and len(axes) == 2:
            whole = Call("ones", tuple(self.size(i) for i in axes))
        elif not laid.axes and len(axes) == 1:
            (whole,) = ones
        elif len(axes) == 2 and len(laid.axes) == 1 and laid.axes[0] in axes:
            pair = (laid.expr, ones[1]) if laid.axes[0] == axes[0] else (ones[0], laid.expr)
            return Call("outer", pair)
        else:
            raise NoArrayForm
        return times(laid.expr, whole)

    def lay(self, e: Expression, order: Axes) -> Laid:
        """The expression with its free indices as axes, in the given order."""
        return self.meaning(self, e, order)

    def positions(self, e: Index, order: Axes) -> Laid:
        """An index as an array of its positions (in code)."""
        if not self.in_code or e.name not in self.sizes or e.name not in order:
            raise NoArrayForm
        return Laid(Call("arange", (self.sizes[e.name],)), (e.name,))

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
        if self.in_code and len(wanted) > 2:
            return Laid(turned(laid.expr, tuple(laid.axes.index(i) for i in wanted)), wanted)
        if len(wanted) == 2:
            return Laid(transposed(laid.expr), wanted)
        raise NoArrayForm

    def broadcast(self, laid: Laid, axes: tuple[str, ...]) -> Expression:
        """The operand so that numpy's broadcasting gives it the given axes."""
        if not laid.axes or laid.axes == axes[len(axes) - len(laid.axes) :]:
            return laid.expr
        if not self.in_code:
            return self.as_column(laid, axes)
        if isinstance(laid.expr, Neg):
            return Neg(self.broadcast(Laid(laid.expr.arg, laid.axes), axes))
        first = axes.index(laid.axes[0])
        parts = tuple(WHOLE if i in laid.axes else NEW_AXIS for i in axes[first:])
        return Item(laid.expr, parts)

    def as_column(self, laid: Laid, axes: Axes) -> Expression:
        """A vector over the first of two axes, so that broadcasting sets it against every column."""
        if len(axes) == 2 and laid.axes == (axes[0], ONE_LONG):
            return laid.expr
        found = column(laid.expr, self.shapes or {}) if len(axes) == 2 and laid.axes == axes[:1] else None
        if found is None:
            raise NoArrayForm
        return found

    def common_axes(self, laid: Sequence[Laid], order: Axes) -> Axes:
        """The axes of arrays that stand beside each other; outside of code one of them has all of these."""
        axes = tuple(i for i in order if any(i in part.axes for part in laid))
        if any(part.axes == (*axes, ONE_LONG) for part in laid):
            return (*axes, ONE_LONG)
        if self.in_code or not axes or any(part.axes == axes for part in laid):
            return axes
        raise NoArrayForm

    def elementwise(
        self,
        parts: tuple[Expression, ...],
        order: tuple[str, ...],
        join: Callable[[tuple[Expression, ...]], Expression],
    ) -> Laid:
        laid = [self.lay(part, order) for part in parts]
        axes = self.common_axes(laid, order)
        joined = join(tuple(self.broadcast(part, axes) for part in laid))
        if isinstance(joined, Add) and not self.in_code:
            joined = collected(joined)
        return Laid(joined, axes)


def times(e: Expression, ones: Expression) -> Expression:
    """A scalar times an array of ones."""
    if isinstance(e, Neg):
        return neg(times(e.arg, ones))
    if isinstance(e, Div):
        return Div(times(e.numerator, ones), e.denominator)
    if e == ZERO and isinstance(ones, Call):
        return Call("zeros", ones.args)
    return ones if e == ONE else mul(e, ones)
