"""Evaluation with 60 digits, or exactly in fractions, of any expression: index form and whole arrays alike.

The prover's own evaluator.  It shares nothing with the engine: no rule, no table of derivatives; ``D`` is numerical
differentiation.  Values are `mpmath` numbers, or `Fraction` where the step is polynomial; arrays are numpy arrays
of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np

from derive.expression.nodes import (
    RELATIONS,
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
    Stack,
    Transpose,
    Where,
)
from derive.expression.walk import walk
from derive.functions import AXIS_FUNCTIONS, FUNCTIONS
from derive.parse.expression import parse_expression
from derive.prove.primitives import PRIMITIVES, Uncomputed, Undefined, divide, power
from derive.prove.setting import Setting

DIGITS = 60

_DEFINITIONS: dict[str, Expression] = {}


def _definition(name: str) -> Expression:
    if name not in _DEFINITIONS:
        _DEFINITIONS[name] = parse_expression(str(FUNCTIONS[name].definition))
    return _DEFINITIONS[name]


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

    def lift(self, value: int | Fraction) -> Any:
        """A number of the text, exactly or with all digits."""
        if self.exact:
            return Fraction(value)
        value = Fraction(value)
        return mpmath.mpf(value.numerator) / value.denominator

    def value(self, e: Expression, at: Mapping[str, int]) -> Any:
        """The value with the free indices at the given positions: a number, or an array where axes are left."""
        match e:
            case Number():
                return self.lift(e.value)
            case Constant(name="pi"):
                return +mpmath.pi
            case Index():
                return self.lift(at[e.name])
            case Ref():
                return self.element(self.values[e.name], e.indices, at)
            case Add():
                return sum((self.value(t, at) for t in e.terms[1:]), self.value(e.terms[0], at))
            case Mul():
                total = self.value(e.factors[0], at)
                for f in e.factors[1:]:
                    total = total * self.value(f, at)
                return total
            case Neg():
                return -self.value(e.arg, at)
            case Div():
                return _each(divide, self.value(e.numerator, at), self.value(e.denominator, at))
            case Pow():
                return _each(power, self.value(e.base, at), self.value(e.exponent, at))
            case Where():
                return self.where(e, at)
            case Reduce():
                return self.reduce(e, at)
            case Call():
                return self.call(e, at)
            case D():
                return self.derivative(e, at)
            case MatMul():
                return np.dot(self.value(e.left, at), self.value(e.right, at))
            case Transpose():
                return np.transpose(self.value(e.arg, at))
            case Item():
                return self.element(self.value(e.arg, at), e.indices, at)
            case Stack():
                return np.concatenate([np.atleast_1d(self.value(item, at)) for item in e.items])
        raise Undefined

    def element(self, array: Any, indices: tuple[Expression, ...], at: Mapping[str, int]) -> Any:
        if not indices:
            return array
        position = tuple(int(self.value(i, at)) for i in indices)
        if any(p < 0 or p >= n for p, n in zip(position, array.shape, strict=False)):
            raise Undefined
        return array[position]

    def truth(self, e: Expression, at: Mapping[str, int]) -> bool:
        if isinstance(e, Both):
            return all(self.truth(c, at) for c in e.conditions)
        if not isinstance(e, Compare):
            raise Undefined
        left, right = self.value(e.left, at), self.value(e.right, at)
        return bool(RELATIONS[e.op](left, right))

    def where(self, e: Where, at: Mapping[str, int]) -> Any:
        left = self.value(e.condition.left, at) if isinstance(e.condition, Compare) else None
        right = self.value(e.condition.right, at) if isinstance(e.condition, Compare) else None
        if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
            return self.where_array(e, left, right, at)
        return self.value(e.then if self.truth(e.condition, at) else e.otherwise, at)

    def where_array(self, e: Where, left: Any, right: Any, at: Mapping[str, int]) -> Any:
        """A case distinction between arrays, entry by entry."""
        op = e.condition.op if isinstance(e.condition, Compare) else "=="
        test = _each(RELATIONS[op], left, right)
        return _each(lambda t, u, v: u if t else v, test, self.value(e.then, at), self.value(e.otherwise, at))

    def reduce(self, e: Reduce, at: Mapping[str, int]) -> Any:
        found = [
            self.value(e.body, point)
            for point in self.points(e, at)
            if e.condition is None or self.truth(e.condition, point)
        ]
        match e.op:
            case "sum":
                return sum(found, self.lift(0))
            case "prod":
                total: Any = self.lift(1)
                for value in found:
                    total = total * value
                return total
        if not found:
            raise Undefined
        return max(found) if e.op == "max" else min(found)

    def points(self, e: Reduce, at: Mapping[str, int]) -> list[dict[str, int]]:
        points = [dict(at)]
        for k, index in enumerate(e.indices):
            size = int(self.value(e.ranges[k], {})) if e.ranges else self.range(index, e)
            points = [{**point, index: n} for point in points for n in range(size)]
        return points

    def range(self, index: str, e: Expression) -> int:
        """How far an index runs: within every array that it subscripts plainly or with an offset."""
        sizes: list[int] = []
        for node in walk(e):
            if isinstance(node, Ref) and node.indices:
                shape = self.shape(node.name)
                for part, size in zip(node.indices, shape, strict=False):
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

    def shape(self, name: str) -> tuple[int, ...]:
        value = self.values.get(name, self.adjoints.get(name))
        return tuple(value.shape) if isinstance(value, np.ndarray) else ()

    def call(self, e: Call, at: Mapping[str, int]) -> Any:
        if e.function == "delta":
            return self.lift(int(self.value(e.args[0], at) == self.value(e.args[1], at)))
        args = [self.value(arg, at) for arg in e.args]
        if e.function in PRIMITIVES:
            return _each(PRIMITIVES[e.function], *args)
        if e.function in FUNCTIONS:
            row = FUNCTIONS[e.function]

            def defined(*one: Any) -> Any:
                inner = Evaluator(Setting(), dict(zip(row.parameters, one, strict=True)), {}, self.exact)
                return inner.value(_definition(row.name), {})

            return _each(defined, *args)
        return self.whole_array(e, args)

    def whole_array(self, e: Call, args: list[Any]) -> Any:
        axis = next((int(self.value(v, {})) for k, v in e.options if k == "axis"), None)
        u = args[0]
        match e.function:
            case "sum":
                return np.sum(u, axis=axis) if isinstance(u, np.ndarray) else u
            case "prod":
                return np.prod(u, axis=axis)
            case "max" | "min":
                return (np.max if e.function == "max" else np.min)(u, axis=axis)
            case "outer":
                return np.multiply.outer(*args)
            case "dot":
                return np.dot(*args)
            case "eye":
                n = int(u)
                return np.array([[self.lift(int(i == j)) for j in range(n)] for i in range(n)], dtype=object)
            case "diag":
                if u.ndim == 2:
                    return np.array([u[i, i] for i in range(len(u))], dtype=object)
                return np.array(
                    [[u[i] if i == j else self.lift(0) for j in range(len(u))] for i in range(len(u))], dtype=object
                )
            case "trace":
                return sum(u[i, i] for i in range(len(u)))
        if e.function in AXIS_FUNCTIONS and axis is None and isinstance(u, np.ndarray) and u.ndim == 1:
            definition = parse_expression(AXIS_FUNCTIONS[e.function].definition)
            inner = Evaluator(Setting(), {"u": u, "size": self.lift(len(u))}, {}, self.exact)
            if AXIS_FUNCTIONS[e.function].keeps_axis:
                return np.array([inner.value(definition, {"i": i}) for i in range(len(u))], dtype=object)
            return inner.value(definition, {})
        raise Undefined

    # Derivatives.

    def derivative(self, e: D, at: Mapping[str, int]) -> Any:
        position = tuple(int(self.value(i, at)) for i in e.wrt.indices)
        if isinstance(e.body, Ref) and self.setting.loss and e.body.name == self.setting.loss:
            if not e.wrt.indices and self.shape(e.wrt.name):
                return self.whole_adjoint(e.wrt.name)
            if e.wrt.name == self.setting.node:
                return self.adjoint_of_node(position)
            if e.body.indices and len(position) < len(self.shape_of_adjoint(e.wrt.name)):  # D(L[n], w): of one example
                position = (*(int(self.value(i, at)) for i in e.body.indices), *position)
            return self.adjoint(e.wrt.name, position)
        body = e.body
        if isinstance(body, Ref) and body.name in self.bodies and body.name != e.wrt.name:
            element, value = self.bodies[body.name]
            where = {
                i.name: int(self.value(own, at))
                for i, own in zip(element.indices, body.indices, strict=True)
                if isinstance(i, Index)
            }
            return self.slope(value, where, e.wrt.name, position)
        return self.slope(body, at, e.wrt.name, position)

    def shape_of_adjoint(self, name: str) -> tuple[int, ...]:
        return tuple(np.shape(self.adjoints.get(name, ())))

    def whole_adjoint(self, name: str) -> Any:
        out = np.empty(self.shape(name), dtype=object)
        for position in np.ndindex(*out.shape):
            out[position] = self.adjoint(name, position)
        return out

    def adjoint(self, name: str, position: tuple[int, ...]) -> Any:
        known = self.setting.adjoints.get(name)
        if known is None:
            array = self.adjoints[name]
            return array[position] if position else array
        indices, expr = known
        return self.value(expr, dict(zip(indices, position, strict=True)))

    def adjoint_of_node(self, position: tuple[int, ...]) -> Any:
        """Σ over the consumers of adjoint · derivative of their equation."""
        total: Any = self.lift(0)
        for name in self.setting.consumers:
            element, body = self.bodies[name]
            for own in np.ndindex(*self.shape(name)):
                at = {i.name: p for i, p in zip(element.indices, own, strict=True) if isinstance(i, Index)}
                slope = self.slope(body, at, self.setting.node, position)
                total = total + (slope if name == self.setting.loss else self.adjoint(name, own) * slope)
        return total

    def slope(self, body: Expression, at: Mapping[str, int], name: str, position: tuple[int, ...]) -> Any:
        """∂body/∂name[position], other names fixed, by a five-point formula; a kink on the way is no derivative."""
        center = self.values[name]
        base = center[position] if position else center
        digits = mpmath.mp.dps
        with mpmath.workdps(digits * 7 // 3):  # so that the differences' cancellation costs nothing
            return self.five_points(body, at, name, position, center, base, digits * 5 // 12)

    def five_points(
        self,
        body: Expression,
        at: Mapping[str, int],
        name: str,
        position: tuple[int, ...],
        center: Any,
        base: Any,
        step_digits: int,
    ) -> Any:
        """The formula's error is the fourth power of the step, a tenth to the power of `step_digits`."""
        step = mpmath.mpf(10) ** -step_digits
        found = []
        for k in (-2, -1, 0, 1, 2):
            moved = base + k * step
            if position:
                array = center.copy()
                array[position] = moved
                self.values[name] = array
            else:
                self.values[name] = moved
            try:
                value = self.value(body, at)
                found.append(mpmath.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value)
            finally:
                self.values[name] = center
        left, right = (found[2] - found[1]) / step, (found[3] - found[2]) / step
        if abs(right - left) > mpmath.mpf(10) ** -12 * max(1, abs(left), abs(right)):
            raise Uncomputed  # a kink has no derivative
        slope = (found[0] - 8 * found[1] + 8 * found[3] - found[4]) / (12 * step)
        rounding = max(abs(value) for value in found) * mpmath.mpf(10) ** (step_digits - mpmath.mp.dps + 5)
        if rounding > mpmath.mpf(10) ** -35 * max(1, abs(slope)):
            raise Uncomputed  # too large a value for its change to be seen: another point will do
        return slope


def _each(function: Any, *args: Any) -> Any:
    """A function of numbers, applied entry by entry where arguments are arrays."""
    if not any(isinstance(arg, np.ndarray) for arg in args):
        return function(*args)
    arrays = np.broadcast_arrays(*(np.asarray(arg, dtype=object) for arg in args))
    out = np.empty(arrays[0].shape, dtype=object)
    for position in np.ndindex(*out.shape):
        out[position] = function(*(a[position] for a in arrays))
    return out
