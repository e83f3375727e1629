"""Evaluation with 60 digits, or exactly in fractions, of any expression: index form and whole arrays alike.

The prover's own evaluator.  It shares nothing with the engine: no rule, no table of derivatives; ``D`` is numerical
differentiation.  An index is a named axis of an array of decimals (of whole numbers and fractions where the step is
polynomial), so that one evaluation gives all positions.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any

import mpmath
import numpy as np

from derive.expression.nodes import (
    RELATIONS,
    Add,
    Both,
    Call,
    Compare,
    ComponentTensor,
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
    Stack,
    Transpose,
    Where,
)
from derive.expression.walk import binders, children, free_indices, fresh, index_names, names, nodes_of
from derive.functions import AXIS_FUNCTIONS, FUNCTIONS
from derive.parse.expression import parse_expression
from derive.prove.array_calls import ARRAY_CALLS, with_axis
from derive.prove.digits import Uncomputed, Undefined, digits_now, many_digits, of_mpmath, working_digits
from derive.prove.named import (
    UNCOMPUTED,
    UNDEFINED,
    Hole,
    Named,
    Positions,
    as_plain,
    each,
    elementwise,
    fold,
    gather,
    name_axes,
    positions_of,
    scalar,
    spread,
    union,
)
from derive.prove.polynomials import degree
from derive.prove.primitives import PRIMITIVES, divide, power
from derive.prove.setting import FREE_ENTRIES, Setting

DIGITS = 60
LONGEST = 40  # entries that an axis has at most, however long the model's is
MOST_REMEMBERED = 10_000  # entries of an array that is remembered

_DEFINITIONS: dict[str, Expression] = {}


def _definition(name: str) -> Expression:
    if name not in _DEFINITIONS:
        row = FUNCTIONS[name] if name in FUNCTIONS else AXIS_FUNCTIONS[name]
        _DEFINITIONS[name] = parse_expression(str(row.definition))
    return _DEFINITIONS[name]


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with a hole where it has no value."""

    def entry(*args: Any) -> Any:
        try:
            return function(*args)
        except Uncomputed:
            return UNCOMPUTED
        except Undefined:
            return UNDEFINED

    return entry


class Evaluator:
    """Evaluates in a setting, at given values of the names (arrays of numbers) and of the adjoints."""

    def __init__(
        self, setting: Setting, values: Mapping[str, Any], adjoints: Mapping[str, Any], exact: bool = False
    ) -> None:
        self.setting = setting
        self.exact = exact
        self.values = dict(values)
        self.adjoints = adjoints
        self.bodies = {element.name: (element, body) for element, body in setting.equations}
        self.longest = LONGEST
        self.remembers = False  # whether lines and derivatives that were computed once are kept
        self.known: dict[Hashable, Named] = {}

    def lift(self, value: int | Fraction) -> Any:
        """A number of the text, exactly or with all digits."""
        value = Fraction(value)
        if self.exact:
            return value.numerator if value.denominator == 1 else value
        return many_digits(value)

    def number(self, e: Expression, at: Mapping[str, int] | None = None) -> Any:
        """The value of a scalar, or of one entry; raises Undefined where it has none."""
        value = self.value(e, {index: [place] for index, place in (at or {}).items()}).data
        if value.size != 1:
            raise Undefined
        found = value.flat[0]
        if isinstance(found, Hole):
            raise Undefined if found.computed else Uncomputed
        return found

    def stored(self, name: str) -> Named:
        value = self.values[name]
        return value if isinstance(value, Named) else Named(value) if isinstance(value, np.ndarray) else scalar(value)

    def shape(self, name: str) -> tuple[int, ...]:
        if name not in self.values:
            return tuple(np.shape(self.adjoints.get(name, ())))
        return self.stored(name).shape

    def value(self, e: Expression, at: Positions) -> Named:
        """The value with the indices at the given positions, each a named axis."""
        match e:
            case Number():
                return scalar(self.lift(e.value))
            case Constant(name="pi"):
                return scalar(of_mpmath(+mpmath.pi))
            case Index():
                return each(self.lift, positions_of(e.name, at))
            case Ref():
                return self.part(self.stored(e.name), e.indices, at)
            case Add():
                return self.folded(np.add, e.terms, at)
            case Mul():
                return self.folded(np.multiply, e.factors, at)
            case Neg():
                return elementwise(np.negative, self.value(e.arg, at))
            case Div():
                return each(_guarded(divide), self.value(e.numerator, at), self.value(e.denominator, at))
            case Pow():
                return each(_guarded(power), self.value(e.base, at), self.value(e.exponent, at))
            case Where():
                return self.where(e, at)
            case Compare():
                return each(RELATIONS[e.op], self.value(e.left, at), self.value(e.right, at))
            case Both():
                return each(lambda *tests: all(tests), *(self.value(c, at) for c in e.conditions))
            case Reduce():
                return self.reduce(e, at)
            case ComponentTensor():
                inner = {**at, **self.full_ranges(e)}
                return as_plain(self.value(e.body, inner), e.indices, [len(inner[i]) for i in e.indices])
            case Call():
                return self.call(e, at)
            case D():
                return self.remembered(e, at, self.derivative)
            case MatMul():
                return ARRAY_CALLS["matmul"](self.value(e.left, at), self.value(e.right, at))
            case Transpose():
                return ARRAY_CALLS["transpose"](self.value(e.arg, at))
            case Item():
                return self.part(self.value(e.arg, at), e.indices, at)
            case Stack():
                return ARRAY_CALLS["stack"](*(self.value(item, at) for item in e.items))
        raise Undefined

    def part(self, whole: Named, subscripts: Sequence[Expression], at: Positions) -> Named:
        """The entries at the subscripts; what a slice runs over is a plain axis again."""
        runs: dict[str, Sequence[int]] = {}
        places: list[Named] = []
        for k, subscript in enumerate(subscripts):
            if isinstance(subscript, Slice):
                run = f"slice {k}"
                runs[run] = self.run(subscript, whole.shape[k])
                places.append(each(self.lift, positions_of(run, runs)))
            else:
                places.append(self.value(subscript, at))
        found = gather(whole, places)
        return as_plain(found, tuple(runs), [len(run) for run in runs.values()]) if runs else found

    def run(self, e: Slice, size: int) -> range:
        """The positions of a slice, which lie within the axis."""
        start = 0 if e.start is None else int(self.number(e.start))
        stop = size if e.stop is None else int(self.number(e.stop))
        if e.step is not None or not 0 <= start <= stop <= size:
            raise Undefined
        return range(start, stop)

    def line(self, e: Expression, at: Positions) -> Named:
        """The value of a line of a derivation: the one after it is compared with it again."""
        return self.remembered(e, at, self.value)

    def remembered(self, e: Any, at: Positions, compute: Callable[[Any, Positions], Named]) -> Named:
        if not self.remembers:
            return compute(e, at)
        ranges = tuple(node.ranges for node in binders(e))  # equal sums may run over others
        key = (e, ranges, tuple((i, tuple(at[i])) for i in free_indices(e) if i in at))
        if key in self.known:
            return self.known[key]
        found = compute(e, at)
        if found.data.size <= MOST_REMEMBERED:
            self.known[key] = found
        return found

    def folded(self, function: Any, parts: Sequence[Expression], at: Positions) -> Named:
        total = self.value(parts[0], at)
        for part in parts[1:]:
            total = elementwise(function, total, self.value(part, at))
        return total

    def where(self, e: Where, at: Positions) -> Named:
        def chosen(test: Any, then: Any, otherwise: Any) -> Any:
            return test if isinstance(test, Hole) else then if test else otherwise

        test = self.value(e.condition, at)
        return elementwise(np.frompyfunc(chosen, 3, 1), test, self.value(e.then, at), self.value(e.otherwise, at))

    # Reductions.

    def reduce(self, e: Reduce, at: Positions) -> Named:
        inner = {**at, **self.full_ranges(e)}
        body = self.value(e.body, inner)
        missing = [positions_of(i, inner) for i in e.indices if i not in body.axes]
        body = elementwise(lambda value, *_: value, body, *missing) if missing else body
        body = _full(body, inner)
        if e.condition is not None:
            body = self.kept(self.value(e.condition, inner), body, e)
        return self.total(e.op, body, e.indices)

    def kept(self, test: Named, body: Named, e: Reduce) -> Named:
        """The body where the condition holds, else what changes nothing."""
        neutral = {"sum": self.lift(0), "prod": self.lift(1)}.get(e.op)

        def entry(test: Any, value: Any) -> Any:
            return test if isinstance(test, Hole) else value if test else neutral

        return elementwise(np.frompyfunc(entry, 2, 1), test, body)

    def total(self, op: str, body: Named, indices: tuple[str, ...]) -> Named:
        if op in ("sum", "prod"):
            kept = tuple(a for a in body.axes if a not in indices)
            data = spread(body, (*indices, *kept), body.rank)
            start = self.lift(0 if op == "sum" else 1)
            flat = data.reshape(-1, *data.shape[len(indices) :])
            reduced = (np.add if op == "sum" else np.multiply).reduce(flat, axis=0, initial=start)
            return Named(np.asarray(reduced, dtype=object), kept)
        if op in ("argmax", "argmin"):
            return self.first(op, body, indices)
        found = fold(np.frompyfunc(_extreme(max if op == "max" else min), 2, 1), body, indices)
        return each(lambda value: UNDEFINED if value is None else value, found)

    def first(self, op: str, body: Named, indices: tuple[str, ...]) -> Named:
        """The number, in reading order over the indices, of the first greatest or least entry."""

        def number(entries: list[Any]) -> Any:
            hole = next((v for v in entries if isinstance(v, Hole)), None)
            there = [v for v in entries if v is not None]
            if hole is not None or not there:
                return hole or UNDEFINED
            return self.lift(entries.index(max(there) if op == "argmax" else min(there)))

        kept = tuple(a for a in body.axes if a not in indices)
        data = spread(body, (*kept, *indices), body.rank)
        found = np.empty(data.shape[: len(kept)], dtype=object)
        for place in np.ndindex(found.shape):
            found[place] = number(list(data[place].flat))
        return Named(found, kept)

    def full_ranges(self, e: Reduce | ComponentTensor) -> dict[str, Sequence[int]]:
        """All positions of the indices that a node binds."""
        found: dict[str, Sequence[int]] = {}
        for k, index in enumerate(e.indices):
            found[index] = range(int(self.number(e.ranges[k])) if e.ranges else self.range(index, e))
        return found

    def range(self, index: str, e: Expression) -> int:
        """How far an index runs: within every array that it subscripts plainly or with an offset."""
        sizes: list[int] = []
        for node in nodes_of(e, Ref):
            if node.indices:
                for part, size in zip(node.indices, self.shape(node.name), strict=False):
                    if part == Index(index):
                        sizes.append(size)
                    elif (
                        isinstance(part, Add)
                        and Index(index) in part.terms
                        and all(isinstance(t, (Number, Index)) for t in part.terms)
                        and sum(isinstance(t, Index) for t in part.terms) == 1
                    ):
                        sizes.append(size - sum(int(t.value) for t in part.terms if isinstance(t, Number)))
        if not sizes:
            raise Undefined
        return min(sizes)

    # Functions.

    def call(self, e: Call, at: Positions) -> Named:
        pieces = e.function == "concatenate" and isinstance(e.args[0], Stack)
        args = [self.value(arg, at) for arg in (children(e.args[0]) if pieces else e.args)]
        if e.function == "delta":
            return each(lambda u, v: self.lift(int(u == v)), *args)
        if e.function in PRIMITIVES:
            return each(_guarded(PRIMITIVES[e.function]), *args)
        if e.function in FUNCTIONS:
            inner = Evaluator(Setting(), dict(zip(FUNCTIONS[e.function].parameters, args, strict=True)), {}, self.exact)
            return inner.value(_definition(e.function), {})
        axis = next((int(self.number(value)) for key, value in e.options if key == "axis"), None)
        found = self.whole_call(e.function, args, axis)
        return with_axis(found, args[0], axis) if "keepdims" in dict(e.options) else found

    def whole_call(self, function: str, args: list[Named], axis: int | None) -> Named:
        if function in AXIS_FUNCTIONS:
            return self.axis_function(function, args[0], axis)
        if function in ARRAY_CALLS:
            return ARRAY_CALLS[function](*args) if axis is None else ARRAY_CALLS[function](*args, axis=axis)
        raise Undefined

    def axis_function(self, name: str, u: Named, axis: int | None) -> Named:
        """A function of the last axis, of the given one, or of all axes, by its definition."""
        if u.rank == 0:
            raise Undefined
        row, lengths = AXIS_FUNCTIONS[name], u.shape
        axis = 0 if axis is None and u.rank == 1 else axis
        if axis is None and row.keeps_axis:
            raise Undefined
        plain = tuple(f"axis {k} of {name}" for k in range(u.rank))
        over = plain if axis is None else (plain[axis],)
        positions = {a: range(n) for a, n in zip(plain, lengths, strict=True)}
        named = name_axes(u, plain, positions)
        left = tuple(a for a in plain if a not in over)
        flat = as_plain(named, over, [len(positions[a]) for a in over])
        flat = Named(flat.data.reshape(*flat.data.shape[: len(flat.axes)], -1), flat.axes)
        inner = Evaluator(Setting(), {"u": flat, "size": self.lift(flat.shape[0])}, {}, self.exact)
        found = inner.value(_definition(name), {"i": range(flat.shape[0])})
        found = Named(found.data, tuple(over[0] if a == "i" else a for a in found.axes))
        kept = plain if row.keeps_axis else left
        return as_plain(found, kept, [len(positions[a]) for a in kept])

    # Derivatives.

    def derivative(self, e: D, at: Positions) -> Named:
        if isinstance(e.body, Ref) and self.setting.loss and e.body.name == self.setting.loss:
            return self.adjoint_element(e.body, e.wrt, at)
        subscripts = [self.value(i, at) for i in e.wrt.indices]
        body = e.body
        if isinstance(body, Ref) and self.is_differentiated(body.name, e.wrt.name):
            element, value = self.bodies[body.name]
            return self.slope_of_node(element, value, [self.value(i, at) for i in body.indices], e.wrt.name, subscripts)
        return self.slope(body, at, e.wrt.name, subscripts)

    def adjoint_element(self, loss: Ref, wrt: Ref, at: Positions) -> Named:
        """``D(L, z[i])``; of one example where the loss has an index of its own."""
        if not wrt.indices and (shape := self.shape(wrt.name)):
            rows = self.adjoint(wrt.name)  # of all examples, where the name itself has no example axis
            of_one = loss.indices and rows.rank > len(shape)
            return gather(rows, [self.value(i, at) for i in loss.indices]) if of_one else rows
        if wrt.name == self.setting.node:
            return self.adjoint_of_node([self.value(i, at) for i in wrt.indices])
        whole, indices = self.adjoint(wrt.name), wrt.indices
        if loss.indices and loss.indices != indices[: len(loss.indices)] and len(indices) < whole.rank:
            indices = (*loss.indices, *indices)
        return gather(whole, [self.value(i, at) for i in indices])

    def adjoint(self, name: str) -> Named:
        """All of a name's adjoint, as a plain array."""
        if name == self.setting.node and self.is_own_consumer:
            return Named(self.adjoint_of_recurrence)
        known = self.setting.adjoints.get(name)
        if known is None:
            value = self.adjoints[name]
            return Named(value) if isinstance(value, np.ndarray) else scalar(value)
        indices, expr = known
        lengths = self.shape(name)
        return as_plain(self.value(expr, dict(zip(indices, map(range, lengths), strict=True))), indices, lengths)

    def is_differentiated(self, name: str, wrt: str) -> bool:
        """Whether the derivative of a name is that of its equation.

        Within the equation of a recurrence its earlier entries are constants, as all names but one are.
        """
        if name not in self.bodies:
            return False
        if not self.setting.node and name in names(self.bodies[name][1]):
            return False
        return name != wrt or self.is_own_consumer

    @property
    def is_own_consumer(self) -> bool:
        """Whether the entries of the node, whose adjoint is derived, follow from other entries of it."""
        return self.setting.node in self.setting.consumers

    @cached_property
    def adjoint_of_recurrence(self) -> Any:
        """The adjoint g of a node that is among its own consumers: g = direct + Jᵀ·g, with a J that has no cycle."""
        node = self.setting.node
        lengths, (element, body) = self.shape(node), self.bodies[node]
        axes = tuple(f"axis {k} of the node" for k in range(len(lengths)))
        subscripts = [Named(np.arange(n).astype(object), (axis,)) for axis, n in zip(axes, lengths, strict=True)]
        others = tuple(name for name in self.setting.consumers if name != node)
        direct = as_plain(self.adjoint_through(others, subscripts), axes, lengths).data
        at = self.everywhere(element)
        slope = self.slope(body, at, node, subscripts)
        jacobian = as_plain(_full(slope, at), (*at, *axes), (*lengths, *lengths)).data.reshape(direct.size, direct.size)
        found = direct.reshape(-1)
        for _ in range(lengths[0]):
            found = direct.reshape(-1) + jacobian.T.dot(found)
        return found.reshape(lengths)

    def adjoint_of_node(self, subscripts: list[Named]) -> Named:
        """Σ over the consumers of adjoint · derivative of their equation."""
        if self.is_own_consumer:
            return gather(Named(self.adjoint_of_recurrence), subscripts)
        return self.adjoint_through(self.setting.consumers, subscripts)

    def adjoint_through(self, consumers: tuple[str, ...], subscripts: list[Named]) -> Named:
        total = scalar(self.lift(0))
        for name in consumers:
            element, body = self.bodies[name]
            at = self.everywhere(element)
            apart = {i: fresh({*index_names(body), *union(subscripts)}, f"{i} of {name}") for i in at}
            slope = self.slope(body, at, self.setting.node, [_renamed(s, apart) for s in subscripts])
            if name != self.setting.loss:
                own = [positions_of(i, at) for i in at]
                slope = elementwise(np.multiply, gather(self.adjoint(name), own), slope)
                missing = [positions_of(i, at) for i in at if i not in slope.axes]
                slope = elementwise(lambda value, *_: value, slope, *missing) if missing else slope
            slope = self.total("sum", _full(slope, at), tuple(at)) if at else slope
            total = elementwise(np.add, total, _renamed(slope, {v: k for k, v in apart.items()}))
        return total

    def everywhere(self, element: Ref) -> dict[str, Sequence[int]]:
        """All positions of the indices of an equation's left side."""
        lengths = self.shape(element.name)
        return {i.name: range(n) for i, n in zip(element.indices, lengths, strict=True) if isinstance(i, Index)}

    def slope_of_node(
        self, element: Ref, body: Expression, own: list[Named], name: str, subscripts: list[Named]
    ) -> Named:
        """The derivative of a node's equation at the node's own subscripts, which may be those of the name too."""
        at = self.everywhere(element)
        apart = {i: fresh({*index_names(body), *union([*own, *subscripts])}, f"{i} of it") for i in at}
        found = self.slope(body, at, name, [_renamed(s, apart) for s in subscripts])
        plain = as_plain(found, tuple(at), [len(positions) for positions in at.values()])
        return gather(_renamed(plain, {v: k for k, v in apart.items()}), own)

    def slope(self, body: Expression, at: Positions, name: str, subscripts: list[Named]) -> Named:
        """∂body/∂name[subscripts], other names fixed, by differences, at all positions of the subscripts."""
        bound = set(index_names(body)) - set(free_indices(body))
        clash = {a: f"{a} apart" for a in union(subscripts) if a in bound}
        if clash:
            found = self.slope(body, at, name, [_renamed(s, clash) for s in subscripts])
            return _renamed(found, {v: k for k, v in clash.items()})
        if self.exact:  # a polynomial of the fourth degree at most
            by = (-1, 1) if degree(body, name) <= 2 else (-2, -1, 1, 2)
            return self.by_points(body, at, name, subscripts, by, _exact_slope)
        digits = digits_now()
        with working_digits(digits * 7 // 3):  # so that the differences' cancellation costs nothing
            step = Decimal(10) ** -(digits * 3 // 4)  # the formula's error is of its square
            return self.by_points(body, at, name, subscripts, (-step, 0, step), lambda *points: _slope(points, step))

    def by_points(
        self,
        body: Expression,
        at: Positions,
        name: str,
        subscripts: list[Named],
        by: Sequence[Any],
        formula: Callable[..., Any],
    ) -> Named:
        """The formula of the values where the entry is moved by so much."""
        moved = self.moved(self.stored(name), subscripts, by, self.setting.structures.get(name))
        inner = Evaluator(self.setting, {**self.values, name: moved}, self.adjoints, self.exact)
        value = inner.value(body, at)
        if STEPS not in value.axes:
            value = elementwise(lambda v, _: v, value, Named(np.zeros(len(by), dtype=object), (STEPS,)))
        value = _full(value, {**at, STEPS: range(len(by))})
        kept = tuple(a for a in value.axes if a != STEPS)
        points = spread(value, (STEPS, *kept), value.rank)
        found = np.frompyfunc(formula, len(by), 1)(*points)
        return Named(np.asarray(found, dtype=object), kept)

    def moved(self, whole: Named, subscripts: list[Named], by: Sequence[Any], structure: str | None = None) -> Named:
        """The array with one entry moved by each of some steps; the entry and the step are named axes.

        Of a structured matrix the entries that the one determines move with it, and none where it is not free.
        """
        axes = (*union([whole, *subscripts]), STEPS)
        steps = Named(np.array(by, dtype=object), (STEPS,))
        here = np.ones((1,) * (len(axes) + whole.rank), dtype=bool)
        for k, (subscript, size) in enumerate(zip(subscripts, whole.shape, strict=True)):
            place = spread(subscript, axes, 0)
            entry = np.arange(size).reshape([-1 if j == k else 1 for j in range(whole.rank)])
            here = here & np.asarray(place[(..., *[None] * whole.rank)] == entry, dtype=bool)
        if structure in FREE_ENTRIES:
            here = _with_it(here, structure)
        data = spread(whole, axes, whole.rank)
        change = np.where(here, spread(steps, axes, 0)[(..., *[None] * whole.rank)], 0)
        return Named(data + change, axes)


STEPS = "steps of the slope"
KINK = Decimal(10) ** -12  # by which slopes to the left and to the right may differ
ROUNDING = Decimal(10) ** -35  # that a slope may have


def _with_it(here: np.ndarray, structure: str) -> np.ndarray:
    """Which entries move: `here` is true at one of them, the rows and columns its last two axes."""
    if structure == "symmetric":
        return np.asarray(here | here.swapaxes(-1, -2))
    rows, columns = np.indices(here.shape[-2:])
    return np.asarray(here & (rows == columns if structure == "diagonal" else rows >= columns))


def _renamed(value: Named, apart: Mapping[str, str]) -> Named:
    """Named axes that would meet those of an equation, under other names."""
    return Named(value.data, tuple(apart.get(a, a) for a in value.axes))


def _full(value: Named, positions: Positions) -> Named:
    """Axes of length one, where a value does not depend on an index, at their full length."""
    lengths = tuple(
        len(positions[a]) if a in positions else n for a, n in zip(value.axes, value.data.shape, strict=False)
    )
    return Named(np.broadcast_to(value.data, (*lengths, *value.shape)), value.axes)


def _extreme(better: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The larger or smaller of two entries, of which one may be left out (None)."""

    def choose(u: Any, v: Any) -> Any:
        if u is None or isinstance(v, Hole):
            return v
        return u if v is None or isinstance(u, Hole) else better(u, v)

    return choose


def _exact_slope(*values: Any) -> Any:
    """The slope of a polynomial, of the second degree from two values, of the fourth from four, at whole steps."""
    hole = next((v for v in values if isinstance(v, Hole)), None)
    if hole is not None:
        return hole
    if len(values) == 2:
        times, total = 2, values[1] - values[0]
    else:
        times, total = 12, values[0] - 8 * values[1] + 8 * values[2] - values[3]
    if isinstance(total, int):
        return total // times if total % times == 0 else Fraction(total, times)
    return total / times


def _slope(values: Sequence[Any], step: Decimal) -> Any:
    """The slope from the values a step to the left, here, and a step to the right; a kink here is no derivative."""
    hole = next((v for v in values if isinstance(v, Hole)), None)
    if hole is not None:
        return hole
    first, here, last = map(many_digits, values)
    slope = (last - first) / (2 * step)
    size = max(Decimal(1), abs(slope))
    if abs(first + last - 2 * here) > step * KINK * size:
        return UNCOMPUTED
    rounding = max(abs(first), abs(last)) / step * Decimal(10) ** (5 - digits_now())
    if rounding > ROUNDING * size:
        return UNCOMPUTED  # too large a value for its change to be seen: another point will do
    return slope
