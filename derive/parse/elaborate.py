"""Whole arrays → index form: what an equation says, element by element.

In: an expression as the author wrote it, and the shapes of the names it uses.  Out: an `Array`: its shape, and a
function that gives the core expression of the element at any indices.  This definition by elements is the meaning of
whole-array notation; shapes are checked here and a mismatch names both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from derive.errors import DeriveError, Place
from derive.expression.build import ONE, ZERO, add, div, mul, number, power
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
    Stack,
    Transpose,
    Where,
)
from derive.expression.walk import contains, free_indices, fresh, index_names, rename_indices, transform, walk
from derive.functions import AXIS_FUNCTIONS, FUNCTIONS
from derive.parse import limits
from derive.parse.expression import parse_expression
from derive.parse.numbers import constant_value
from derive.parse.ranges import ranges_of
from derive.parse.sizes import count, is_one, plus, print_shape, same_size

Indices = tuple[Expression, ...]
Shape = tuple[Expression, ...]


@dataclass(frozen=True)
class Array:
    """A shape, and the core expression of the element at given indices; `weight` is how large that is, about."""

    shape: Shape
    at: Callable[[Indices], Expression]
    weight: int = 1


@dataclass(frozen=True)
class Body:
    """A function of the author: parameters, local lines, and what it returns."""

    parameters: tuple[str, ...]
    lines: tuple[tuple[str, Expression], ...]
    result: Expression

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return (*(e for _, e in self.lines), self.result)


def scalar(e: Expression) -> Array:
    return Array((), lambda _: e)


class Elaborator:
    """Elaborates the expressions of one equation; indices that it makes are unique within it."""

    def __init__(self, shapes: Mapping[str, Shape], bodies: Mapping[str, Body], taken: set[str]) -> None:
        self.shapes = shapes
        self.bodies = bodies
        self.taken = set(taken)
        self.bound: dict[str, Expression] = {}
        self.budget = limits.NODES
        self.depth = 0
        self.weights: list[int] = []

    def new_index(self, preferred: str = "j") -> str:
        name = fresh(self.taken, preferred)
        while name in self.shapes:
            self.taken.add(name)
            name = fresh(self.taken, preferred)
        self.taken.add(name)
        return name

    def spend(self, e: Expression) -> None:
        self.budget -= 1
        if self.budget < 0:
            raise self.too_large(e)

    def too_large(self, e: Expression) -> DeriveError:
        message = "the equation is too large when its functions are written out"
        return DeriveError(message, e.place, "give parts of it names of their own")

    def array(self, e: Expression, local: Mapping[str, Array]) -> Array:
        """The meaning of an expression; `local` holds the arguments of the author's functions."""
        self.spend(e)
        self.weights.append(1)
        found = self.meaning(e, local)
        weight = self.weights.pop()
        if isinstance(e, Ref) and e.name in local:
            weight += local[e.name].weight
        if weight > limits.NODES:
            raise self.too_large(e)
        if self.weights:
            self.weights[-1] += weight
        return Array(found.shape, found.at, weight)

    def meaning(self, e: Expression, local: Mapping[str, Array]) -> Array:
        match e:
            case Number() | Constant() | Index():
                return scalar(e)
            case Ref():
                return self.ref(e, local)
            case Add():
                return self.elementwise(e, e.terms, lambda c: add(*c), local)
            case Mul():
                return self.elementwise(e, e.factors, lambda c: mul(*c), local)
            case Neg():
                return self.elementwise(e, (e.arg,), lambda c: Neg(c[0]), local)
            case Div():
                return self.elementwise(e, (e.numerator, e.denominator), lambda c: div(*c), local)
            case Pow():
                return self.elementwise(e, (e.base, e.exponent), lambda c: Pow(*c), local)
            case Where():
                return self.elementwise(e, (e.condition, e.then, e.otherwise), lambda c: Where(*c), local)
            case Compare():
                return self.elementwise(e, (e.left, e.right), lambda c: Compare(e.op, *c), local)
            case Both():
                return self.elementwise(e, e.conditions, Both, local)
            case Reduce():
                return self.reduce(e, local)
            case MatMul():
                return self.matmul(e, self.array(e.left, local), self.array(e.right, local))
            case Transpose():
                inner = self.array(e.arg, local)
                return Array(inner.shape[::-1], lambda i: inner.at(i[::-1]))
            case Item():
                return self.subscripts(self.array(e.arg, local), e.indices, e, local)
            case Stack():
                return self.stack(e, local)
            case Call():
                return self.call(e, local)
            case D() if isinstance(e.body, Ref):
                return self.adjoint(e)
        raise DeriveError("this cannot stand in an equation", e.place)

    def adjoint(self, e: D) -> Array:
        inner = self.ref(e.wrt, {})
        return Array(inner.shape, lambda i: D(e.body, _as_ref(inner.at(i))))

    def ref(self, e: Ref, local: Mapping[str, Array]) -> Array:
        if e.name in local:
            whole = local[e.name]
        else:
            shape, name, place = self.shapes[e.name], e.name, e.place
            whole = Array(shape, lambda i: Ref(name, i, place=place))
        return self.subscripts(whole, e.indices, e, local) if e.indices else whole

    def subscripts(self, whole: Array, indices: Indices, e: Expression, local: Mapping[str, Array]) -> Array:
        if len(indices) > len(whole.shape):
            raise DeriveError(f"{len(indices)} subscripts on an array of shape {print_shape(whole.shape)}", e.place)
        fixed: list[Expression | None] = []
        starts: list[tuple[Expression, int]] = []
        shape: list[Expression] = []
        for index, size in zip(indices, whole.shape, strict=False):
            if isinstance(index, Slice):
                start, length, step = self.slice_of(index, size)
                fixed.append(None)
                starts.append((start, step))
                shape.append(length)
                continue
            inner = self.array(index, local)
            if inner.shape:
                raise DeriveError("a subscript is a scalar", index.place)
            value, known = constant_value(index), constant_value(size)
            if value is not None and known is not None and value >= known:
                raise DeriveError(f"the subscript {value} is beyond the size {known}", e.place, "indices count from 0")
            fixed.append(inner.at(()))
        rest = whole.shape[len(indices) :]

        def at(i: Indices) -> Expression:
            position = 0
            full: list[Expression] = []
            for part in fixed:
                if part is not None:
                    full.append(part)
                    continue
                start, step = starts[position]
                full.append(_affine(start, step, i[position]))
                position += 1
            return whole.at((*full, *i[position:]))

        return Array((*shape, *rest), at)

    def slice_of(self, index: Slice, size: Expression) -> tuple[Expression, Expression, int]:
        start = index.start or ZERO
        stop = index.stop or size
        step = constant_value(index.step) if index.step is not None else Fraction(1)
        if step is None or step < 1:
            raise DeriveError("the step of a slice is a whole number from 1 on", index.place)
        known_start, known_stop, known_size = constant_value(start), constant_value(stop), constant_value(size)
        if known_stop is not None and known_size is not None and known_stop > known_size:
            raise DeriveError(f"the slice ends at {known_stop}, beyond the size {known_size}", index.place)
        if step != 1:
            if known_start is None or known_stop is None:
                raise DeriveError("a slice with a step needs bounds that are numbers", index.place)
            length: Expression = number((known_stop - known_start + step - 1) // step)
        elif known_start is not None:
            length = plus(stop, -int(known_start))
        else:
            length = add(stop, Neg(start))
        known = constant_value(length)
        if known is not None and known <= 0:
            raise DeriveError("the slice is empty", index.place)
        return start, length, int(step)

    def elementwise(
        self,
        e: Expression,
        parts: tuple[Expression, ...],
        join: Callable[[Indices], Expression],
        local: Mapping[str, Array],
    ) -> Array:
        arrays = [self.array(part, local) for part in parts]
        shape = self.broadcast(e, [a.shape for a in arrays])
        if not shape:
            return scalar(join(tuple(a.at(()) for a in arrays)))

        def at(i: Indices) -> Expression:
            self.spend(e)
            return join(tuple(a.at(_own_indices(a.shape, i)) for a in arrays))

        return Array(shape, at)

    def broadcast(self, e: Expression, shapes: list[Shape]) -> Shape:
        """numpy's broadcasting, save that two operands never both grow: an outer operation must be written out."""
        rank = max(len(s) for s in shapes)
        result: list[Expression] = []
        for axis in range(rank):
            sizes = [s[len(s) - rank + axis] for s in shapes if len(s) - rank + axis >= 0]
            wide = [size for size in sizes if not is_one(size)]
            for size in wide[1:]:
                if not same_size(size, wide[0]):
                    a, b = (s for s in _two_that_differ(shapes, axis - rank))
                    raise DeriveError(
                        f"the shapes {print_shape(a)} and {print_shape(b)} do not fit", e.place or _place_in(e)
                    )
            result.append(wide[0] if wide else sizes[0])
        full = tuple(result)
        grown = [
            s
            for s in shapes
            if s and not (len(s) == rank and all(same_size(a, b) for a, b in zip(s, full, strict=True)))
        ]
        whole = [s for s in shapes if len(s) == rank and all(same_size(a, b) for a, b in zip(s, full, strict=True))]
        if grown and not whole:
            raise DeriveError(
                f"the shapes {print_shape(grown[0])} and {print_shape(grown[-1])} would silently make "
                f"{print_shape(full)}",
                e.place or _place_in(e),
                "write the outer operation out with indices, or with outer(…)",
            )
        return full

    def reduce(self, e: Reduce, local: Mapping[str, Array]) -> Array:
        """A reduction over named indices; what is left of the body's axes stays."""
        keeps = e.op in AXIS_FUNCTIONS and AXIS_FUNCTIONS[e.op].keeps_axis  # there the index is the result's own
        renamed = {name: self.new_index(name) if name in self.taken and not keeps else name for name in e.indices}
        self.taken |= set(renamed.values())
        swap = {old: Index(new) for old, new in renamed.items() if old != new}
        body = rename_indices(e.body, swap)
        condition = None if e.condition is None else rename_indices(e.condition, swap)
        indices = tuple(renamed.values())
        inner = self.array(body, local)
        test = None if condition is None else self.array(condition, local).at(())
        probe = inner.at(tuple(Index(f"axis {k}") for k in range(len(inner.shape))))
        ranges = _limits(test, indices) | ranges_of(probe, self.shapes, indices)
        for old, new in renamed.items():
            if new not in ranges and new not in self.bound:
                raise DeriveError(
                    f"nothing fixes the range of the index '{old}'", e.place, "it must stand as a subscript"
                )
        self.bound |= ranges
        if e.op in AXIS_FUNCTIONS:
            return self.axis_function(e.op, inner, indices, test, tuple(self.bound[i] for i in indices), e)
        return Array(inner.shape, lambda i: self.reduced(e.op, inner.at(i), indices, test))

    def reduced(
        self, op: str, body: Expression, indices: tuple[str, ...], condition: Expression | None = None
    ) -> Expression:
        """A reduction over indices whose sizes are known; where the body does not tell a size, a condition does.

        The sum and the other reductions of what an index does not enter need no index.
        """
        kept = tuple(
            i for i in indices if i in free_indices(body) or (condition is not None and i in free_indices(condition))
        )
        sizes = tuple(self.bound[i] for i in kept)
        inferred = ranges_of(body, self.shapes, kept)
        bounds = [
            Compare("<", Index(i), size)
            for i, size in zip(kept, sizes, strict=True)
            if i not in inferred or not same_size(inferred[i], size)
        ]
        tests = [*(_flat_conditions(condition)), *bounds]
        test = None if not tests else tests[0] if len(tests) == 1 else Both(tuple(tests))
        result: Expression = Reduce(op, body, kept, test, sizes) if kept else body
        left_out = [self.bound[i] for i in indices if i not in kept]
        if op == "sum" and left_out:
            return mul(*left_out, result)
        if op == "prod" and left_out:
            return power(result, mul(*left_out))
        return result

    def axis_function(
        self, name: str, inner: Array, indices: tuple[str, ...], test: Expression | None, sizes: Shape, e: Expression
    ) -> Array:
        """``softmax(u[j], j)`` and its kin: the body is already a function of the named indices."""
        row = AXIS_FUNCTIONS[name]
        bound = {old: self.new_index(old) for old in indices} if row.keeps_axis else {i: i for i in indices}
        self.bound |= {new: self.bound[old] for old, new in bound.items()}
        to_bound = {old: Index(new) for old, new in bound.items()}
        condition = None if test is None else rename_indices(test, to_bound)
        if test is not None and name == "mean":
            raise DeriveError("mean with a condition is not supported", e.place, "divide a sum by a sum")

        def at(i: Indices) -> Expression:
            element = inner.at(i)
            return self.instantiate(
                name, element, rename_indices(element, to_bound), tuple(bound.values()), condition, sizes
            )

        return Array(inner.shape, at)

    def over_axes(self, e: Call, local: Mapping[str, Array]) -> Array:
        """``sum(x)``, ``softmax(x, axis=0)``: over all axes, or one."""
        inner = self.array(e.args[0], local)
        rank = len(inner.shape)
        axes = list(range(rank))
        for _, value in e.options:
            axis = constant_value(value)
            if axis is None or axis.denominator != 1 or not -rank <= axis < rank:
                raise DeriveError(f"there is no axis {value} in an array of shape {print_shape(inner.shape)}", e.place)
            axes = [int(axis) % rank]
        if not axes:
            if e.function in ("sum", "prod", "max", "min", "mean", "logsumexp", "cumsum"):
                return inner
            raise DeriveError(f"'{e.function}' needs an array, this is a scalar", e.place)
        sizes = tuple(inner.shape[a] for a in axes)
        keeps = e.function in AXIS_FUNCTIONS and AXIS_FUNCTIONS[e.function].keeps_axis
        shape = inner.shape if keeps else tuple(s for k, s in enumerate(inner.shape) if k not in axes)

        def at(i: Indices) -> Expression:
            self.spend(e)
            bound = tuple(self.new_index() for _ in axes)
            for name, size in zip(bound, sizes, strict=True):
                self.bound[name] = size
            position = iter(i)
            kept = [ZERO if k in axes and not keeps else next(position) for k in range(rank)]
            summed = list(kept)
            for axis, name in zip(axes, bound, strict=True):
                summed[axis] = Index(name)
            body = inner.at(tuple(summed))
            if e.function in AXIS_FUNCTIONS:
                own = inner.at(tuple(kept)) if keeps else body
                pairs = tuple((kept[axis], name) for axis, name in zip(axes, bound, strict=True))
                return self.instantiate(e.function, own, body, bound, None, sizes, pairs)
            return self.reduced(e.function, body, bound)

        return Array(shape, at)

    def instantiate(
        self,
        name: str,
        own: Expression,
        bound_body: Expression,
        bound: tuple[str, ...],
        condition: Expression | None,
        sizes: Shape,
        pairs: tuple[tuple[Expression, str], ...] = (),
    ) -> Expression:
        """A row of the axis functions: ``u[i]`` is `own`, ``u[j]`` is `bound_body`, j runs over `bound`."""

        def change(node: Expression) -> Expression | None:
            match node:
                case Ref(name="u"):
                    return own if node.indices == (Index("i"),) else bound_body
                case Ref(name="size"):
                    return count(sizes)
                case Reduce():
                    inner = transform(node.body, change)
                    test = condition
                    if node.condition is not None:  # cumsum: j <= i on its one axis
                        test = Compare("<=", Index(bound[0]), pairs[0][0])
                    return self.reduced(node.op, inner, bound, test)
            return None

        return transform(_definition(name), change)

    def matmul(self, e: Expression, left: Array, right: Array) -> Array:
        if not left.shape or not right.shape:
            raise DeriveError("@ needs arrays on both sides", e.place, "use * with a scalar")
        inner, other = left.shape[-1], right.shape[0 if len(right.shape) == 1 else -2]
        if not same_size(inner, other):
            raise DeriveError(
                f"the shapes {print_shape(left.shape)} and {print_shape(right.shape)} do not fit for @: "
                f"{inner} is not {other}",
                e.place,
            )
        if len(left.shape) > 2 or len(right.shape) > 2:
            raise DeriveError(
                "@ takes vectors and matrices", e.place, "write other products with indices: sum(a[i,k]*b[k,j], k)"
            )
        rows = len(left.shape) - 1

        def at(i: Indices) -> Expression:
            self.spend(e)
            k = self.new_index()
            self.bound[k] = inner
            return self.reduced("sum", mul(left.at((*i[:rows], Index(k))), right.at((Index(k), *i[rows:]))), (k,))

        return Array((*left.shape[:-1], *right.shape[1:]), at)

    def stack(self, e: Stack, local: Mapping[str, Array]) -> Array:
        """Pieces end to end; the element i is Σ over the pieces' entries of δ(i, position)·entry."""
        pieces = [self.array(item, local) for item in e.items]
        if any(len(p.shape) > 1 for p in pieces):
            raise DeriveError("the pieces of a vector are scalars and vectors", e.place)
        offset: Expression = ZERO
        placed: list[tuple[Expression, Array]] = []
        for piece in pieces:
            placed.append((offset, piece))
            offset = plus(add(offset, piece.shape[0] if piece.shape else ONE), 0)

        def at(i: Indices) -> Expression:
            terms: list[Expression] = []
            for start, piece in placed:
                if not piece.shape:
                    terms.append(mul(Call("delta", (i[0], start)), piece.at(())))
                    continue
                k = self.new_index("k")
                self.bound[k] = piece.shape[0]
                entry = mul(Call("delta", (i[0], _affine(start, 1, Index(k)))), piece.at((Index(k),)))
                terms.append(self.reduced("sum", entry, (k,)))
            return add(*terms)

        return Array((offset,), at)

    def call(self, e: Call, local: Mapping[str, Array]) -> Array:
        name = e.function
        if name in self.bodies:
            return self.own_function(e, local)
        if name in FUNCTIONS:
            return self.elementwise(e, e.args, lambda c: Call(name, c, place=e.place), local)
        if name in AXIS_FUNCTIONS or name in ("sum", "prod", "max", "min"):
            return self.over_axes(e, local)
        arrays = [self.array(arg, local) for arg in e.args]
        match name:
            case "dot":
                if [len(a.shape) for a in arrays] != [1, 1]:
                    raise DeriveError("dot takes two vectors", e.place, "use @ for products of matrices")
                return self.matmul(e, *arrays)
            case "outer" if [len(a.shape) for a in arrays] == [1, 1]:
                a, b = arrays
                return Array((*a.shape, *b.shape), lambda i: mul(a.at(i[:1]), b.at(i[1:])))
            case "trace" if len(arrays[0].shape) == 2:
                return self.trace(e, arrays[0])
            case "diag" if len(arrays[0].shape) == 1:
                vector = arrays[0]
                return Array(vector.shape * 2, lambda i: mul(Call("delta", i), vector.at(i[:1])))
            case "diag" if len(arrays[0].shape) == 2:
                matrix = arrays[0]
                return Array(matrix.shape[:1], lambda i: matrix.at((i[0], i[0])))
            case "eye" if len(e.args) == 1:
                size = arrays[0].at(())
                return Array((size, size), lambda i: Call("delta", i))
            case "zeros" | "ones":
                filled = ZERO if name == "zeros" else ONE
                return Array(tuple(a.at(()) for a in arrays), lambda _: filled)
            case "concatenate" if isinstance(e.args[0], Stack):
                return arrays[0]
            case "delta" if not any(a.shape for a in arrays):
                return scalar(Call("delta", tuple(a.at(()) for a in arrays)))
        shapes = ", ".join(print_shape(a.shape) for a in arrays)
        raise DeriveError(f"'{name}' does not take {shapes}", e.place)

    def trace(self, e: Expression, matrix: Array) -> Array:
        if not same_size(*matrix.shape):
            raise DeriveError(f"trace needs a square matrix, this one is {print_shape(matrix.shape)}", e.place)
        k = self.new_index()
        self.bound[k] = matrix.shape[0]
        return scalar(self.reduced("sum", matrix.at((Index(k), Index(k))), (k,)))

    def own_function(self, e: Call, local: Mapping[str, Array]) -> Array:
        body = self.bodies[e.function]
        self.depth += 1
        if self.depth > limits.DEPTH:
            raise DeriveError(f"'{e.function}' is nested too deeply, or calls itself", e.place)
        scope = {name: self.array(arg, local) for name, arg in zip(body.parameters, e.args, strict=True)}
        try:
            for name, line in body.lines:
                scope[name] = self.array(line, scope)
            return self.array(body.result, scope)
        finally:
            self.depth -= 1


def _as_ref(e: Expression) -> Ref:
    if not isinstance(e, Ref):
        raise DeriveError("an adjoint belongs to a name", e.place)
    return e


def _affine(start: Expression, step: int, index: Expression) -> Expression:
    scaled = index if step == 1 else mul(number(step), index)
    known = constant_value(start)
    if known == 0:
        return scaled
    value = constant_value(index)
    if known is not None and value is not None:
        return number(known + step * value)
    return add(scaled, start)


def _own_indices(shape: Shape, indices: Indices) -> Indices:
    """An operand's own indices under broadcasting: its axes are the last ones, and an axis of size 1 stays at 0."""
    if not shape:
        return ()
    return tuple(
        ZERO if is_one(size) and not isinstance(index, Number) else index
        for size, index in zip(shape, indices[len(indices) - len(shape) :], strict=True)
    )


def _two_that_differ(shapes: list[Shape], axis: int) -> tuple[Shape, Shape]:
    with_axis = [s for s in shapes if len(s) >= -axis and not is_one(s[axis])]
    first = with_axis[0]
    return first, next(s for s in with_axis if not same_size(s[axis], first[axis]))


def _place_in(e: Expression) -> Place | None:
    """Where an operator stands: from its first operand that has a place to its last."""
    places = [node.place for node in walk(e) if node.place is not None]
    if not places:
        return None
    line = places[0].line
    same = [p for p in places if p.line == line]
    start, stop = min(p.column for p in same), max(p.column + p.width for p in same)
    return Place(line, start, stop - start)


@cache
def _definition(name: str) -> Expression:
    return parse_expression(AXIS_FUNCTIONS[name].definition)


def _limits(condition: Expression | None, wanted: tuple[str, ...]) -> dict[str, Expression]:
    """Sizes that conditions ``j < size`` give to indices that subscript nothing."""
    found: dict[str, Expression] = {}
    for test in _flat_conditions(condition):
        if not isinstance(test, Compare) or test.op != "<" or not isinstance(test.left, Index):
            continue
        if test.left.name in wanted and not free_indices(test.right):
            found.setdefault(test.left.name, test.right)
    return found


def _flat_conditions(condition: Expression | None) -> tuple[Expression, ...]:
    return () if condition is None else condition.conditions if isinstance(condition, Both) else (condition,)


def in_index_form(
    e: Expression,
    shapes: Mapping[str, Shape],
    bodies: Mapping[str, Body],
    indices: tuple[str, ...],
    place: Place | None,
) -> tuple[Expression, tuple[str, ...], Shape]:
    """The core form of a right-hand side: body, free indices (given ones first, then one for each axis left), shape."""
    taken = set(index_names(e)) | set(indices)
    elaborator = Elaborator(shapes, bodies, taken)
    whole = elaborator.array(e, {})
    axes = tuple(elaborator.new_index("i") for _ in whole.shape)
    body = whole.at(tuple(Index(name) for name in axes))
    ranges = ranges_of(body, shapes, indices)
    for name in indices:
        if name not in ranges:
            raise DeriveError(
                f"nothing fixes the range of the index '{name}'", place, "it must stand as a subscript on the right"
            )
    shape = tuple(ranges[name] for name in indices) + whole.shape
    if len(shape) > limits.RANK:
        raise DeriveError(f"an array has at most {limits.RANK} axes", place)
    if contains(body, lambda node: isinstance(node, Index) and node.name.startswith("axis ")):
        raise DeriveError("this equation cannot be brought into index form", place)
    return body, (*indices, *axes), shape
