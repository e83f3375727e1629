"""A sum over indices of a product of arrays as a chain of matrix products.

Indices are the vertices of a graph: a vector is a weight on a vertex, a matrix an edge.  Bound vertices are eliminated
one by one: an end of a path becomes a matrix-vector product, a vertex between two others a matrix product.  What three
or more matrices share has no such form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeGuard

from derive.expression.build import ONE, add, div, mul, number
from derive.expression.nodes import (
    Add,
    Call,
    Constant,
    Expression,
    Item,
    MatMul,
    Mul,
    Neg,
    Number,
    Ref,
    Slice,
    Transpose,
)

NEW_AXIS = Constant("None")  # in code, as numpy writes it
WHOLE = Slice(None, None, None)


class NoMatrixForm(Exception):
    """The sum is no chain of matrix products."""


@dataclass(frozen=True, slots=True)
class Factor:
    """An array over the given indices (two at most), above or below the line."""

    expr: Expression
    axes: tuple[str, ...]
    below: bool = False


@dataclass(slots=True)
class _Product:
    """Factors over the same indices, as one fraction."""

    above: list[Expression] = field(default_factory=list)
    below: list[Expression] = field(default_factory=list)

    def add(self, expr: Expression, below: bool = False) -> None:
        (self.below if below else self.above).append(expr)

    def expr(self) -> Expression:
        top = mul(*_flat(self.above))
        return div(top, mul(*_flat(self.below))) if self.below else top

    @property
    def empty(self) -> bool:
        return not self.above and not self.below


def transposed(e: Expression) -> Expression:
    """The transpose, of a product factor by factor; of a sum term by term where one of them is a transpose."""
    match e:
        case Transpose():
            return e.arg
        case MatMul():
            return matrix_product(transposed(e.right), transposed(e.left))
        case Call(function="diag" | "eye"):
            return e
        case Call(function="outer"):
            return Call("outer", e.args[::-1])
        case Neg():
            return Neg(transposed(e.arg))
        case Mul(factors=(Number() as number, factor)):
            return mul(number, transposed(factor))
        case Add() if all(_is_matrix(t, e) for t in e.terms):
            return add(*map(transposed, e.terms))
    return Transpose(e)


def _is_matrix(term: Expression, e: Add) -> bool:
    """Whether a term of X + X.T is a matrix for certain, not a vector that is added to every row."""
    bare = term.arg if isinstance(term, Neg) else term
    if isinstance(bare, Transpose):
        return True
    return any((t.arg if isinstance(t, Neg) else t) == Transpose(bare) for t in e.terms)


def turned(e: Expression, order: tuple[int, ...]) -> Expression:
    """``e.transpose(0, 2, 1)``; one after the other is one."""
    if isinstance(e, Call) and e.function == "transpose":
        before = [int(str(k)) for k in e.args[1:]]
        return turned(e.args[0], tuple(before[k] for k in order))
    return e if order == tuple(range(len(order))) else Call("transpose", (e, *map(number, order)))


def _flat(factors: list[Expression]) -> list[Expression]:
    """The factors of products among them, without ones."""
    found = [g for f in factors for g in (f.factors if isinstance(f, Mul) else (f,))]
    return [f for f in found if f != ONE] or [ONE]


def is_diagonal(vector: Expression) -> TypeGuard[Call]:
    return isinstance(vector, Call) and vector.function == "diag"


def _bilinear(factors: list[Expression]) -> Expression | None:
    """``sum((A @ x)*y)`` as ``y @ A @ x``, or as ``x @ A @ y`` where the matrix stands transposed."""
    for product, other in (factors, factors[::-1]) if len(factors) == 2 else ():
        if isinstance(product, MatMul) and not isinstance(other, MatMul):
            if isinstance(product.left, Transpose):
                return MatMul(MatMul(product.right, product.left.arg), other)
            return matrix_product(other, product)
    return None


class Network:
    """The product as a graph; `sizes` are asked for where an index has no array of its own."""

    def __init__(self, factors: list[Factor], in_code: bool) -> None:
        self.scalar = _Product()
        self.weights: dict[str, _Product] = {}
        self.edges: dict[tuple[str, str], _Product] = {}
        self.in_code = in_code
        for f in factors:
            if not f.axes:
                self.scalar.add(f.expr, f.below)
            elif len(f.axes) == 1:
                self.weight(f.axes[0]).add(f.expr, f.below)
            elif len(set(f.axes)) == 2:
                self.join(f.axes[0], f.axes[1], f.expr, f.below)
            else:
                raise NoMatrixForm

    def weight(self, index: str) -> _Product:
        return self.weights.setdefault(index, _Product())

    def join(self, row: str, column: str, expr: Expression, below: bool = False) -> None:
        if (column, row) in self.edges:
            row, column, expr = column, row, transposed(expr)
        self.edges.setdefault((row, column), _Product()).add(expr, below)

    def neighbours(self, index: str) -> list[str]:
        return [b if a == index else a for a, b in self.edges if index in (a, b)]

    def edge(self, row: str, column: str) -> Expression:
        """Takes out the matrix between two indices, rows first."""
        if (row, column) in self.edges:
            return self.edges.pop((row, column)).expr()
        return transposed(self.edges.pop((column, row)).expr())

    def contracted(self, bound: tuple[str, ...]) -> None:
        """Sums over the bound indices, ends of paths first."""
        left = [i for i in bound if i in self.weights or self.neighbours(i)]
        if len(left) != len(bound):
            raise NoMatrixForm
        while left:
            degree = {i: len(self.neighbours(i)) for i in left}
            index = min(left, key=lambda i: (degree[i], degree[i] == 1 and self._leads_to_bound(i, left)))
            if degree[index] > 2:
                raise NoMatrixForm
            left.remove(index)
            (self._alone, self._end, self._between)[degree[index]](index)

    def _leads_to_bound(self, index: str, left: list[str]) -> bool:
        return self.neighbours(index)[0] in left

    def _alone(self, index: str) -> None:
        """Σ of a vector: a dot product where it is a product of two vectors, else its sum."""
        weight = self.weights.pop(index)
        above = _flat(weight.above)
        plain = self.in_code or all(isinstance(f, Ref) for f in above)
        form = None if self.in_code or weight.below else _bilinear(above)
        if form is not None:
            self.scalar.add(form)
        elif len(above) == 2 and not weight.below and above[0] != above[1] and plain:
            self.scalar.add(MatMul(above[0], above[1]))
        elif not self.in_code and not weight.below and len(above) == 1 and is_diagonal(above[0]):
            self.scalar.add(Call("trace", above[0].args))
        else:
            self.scalar.add(total(weight.expr()))

    def _end(self, index: str) -> None:
        """A matrix times a vector, or its row sums."""
        (other,) = self.neighbours(index)
        weight = self.weights.pop(index, _Product())
        matrix = self.edge(other, index)
        if not weight.empty:
            vector = weight.expr()
            if _is_unit(matrix):
                self.weight(other).add(vector)
            elif isinstance(matrix, Transpose) and self.in_code:
                self.weight(other).add(MatMul(vector, matrix.arg))  # reads better than M.T @ v
            else:
                self.weight(other).add(MatMul(matrix, vector))
        elif isinstance(matrix, Transpose):
            self.weight(other).add(Call("sum", (matrix.arg,), (("axis", number(0)),)))
        else:
            self.weight(other).add(Call("sum", (matrix,), (("axis", number(1)),)))

    def _between(self, index: str) -> None:
        """A product of two matrices, with a diagonal one between them where the index has a weight."""
        row, column = self.neighbours(index)
        weight = self.weights.pop(index, _Product())
        left, right = self.edge(row, index), self.edge(index, column)
        if isinstance(left, Transpose) and isinstance(right, Transpose):
            row, column, left, right = column, row, transposed(right), transposed(left)
        if not weight.empty:
            left = self.columns_scaled(left, weight.expr())
        self.join(row, column, matrix_product(left, right))

    def result(self, order: tuple[str, ...]) -> tuple[Expression, tuple[str, ...]]:
        """What is left over the free indices, brought into the given order."""
        free = [i for i in order if i in self.weights or self.neighbours(i)]
        if len(free) > 2 or set(self.weights) - set(free):
            raise NoMatrixForm
        if len(free) < 2:
            parts = [self.weights[i].expr() for i in free]
            return self.scaled(parts), tuple(free)
        row, column = free
        left, right = self.weights.get(row, _Product()), self.weights.get(column, _Product())
        if not self.neighbours(row):
            sides = (mul(*_flat([*self.scalar.above, left.expr()])), right.expr())
            return self._over(Call("outer", sides)), (row, column)
        matrix = self.edge(row, column)
        if not left.empty:
            matrix = self.rows_scaled(matrix, left.expr())
        if not right.empty:
            matrix = self.columns_scaled(matrix, right.expr())
        return self.scaled([matrix]), (row, column)

    def rows_scaled(self, matrix: Expression, weight: Expression) -> Expression:
        if self.in_code:
            return mul(matrix, Item(weight, (WHOLE, NEW_AXIS)))
        return matrix_product(Call("diag", (weight,)), matrix)

    def columns_scaled(self, matrix: Expression, weight: Expression) -> Expression:
        return mul(matrix, weight) if self.in_code else matrix_product(matrix, Call("diag", (weight,)))

    def scaled(self, parts: list[Expression]) -> Expression:
        """The array times the scalar factors."""
        return self._over(mul(*_flat([*self.scalar.above, *parts])))

    def _over(self, top: Expression) -> Expression:
        return div(top, mul(*_flat(self.scalar.below))) if self.scalar.below else top


def total(e: Expression) -> Expression:
    """The sum of all entries; of the sums over an axis it is that of what is summed."""
    match e:
        case Call(function="sum", args=(inner,), options=(("axis", _),)):
            return total(inner)
    return Call("sum", (e,))


def _is_unit(e: Expression) -> bool:
    return isinstance(e, Call) and e.function == "eye"


def matrix_product(left: Expression, right: Expression) -> Expression:
    """The product of two matrices, without parentheses between its factors and without unit matrices."""
    if _is_unit(left) or _is_unit(right):
        return right if _is_unit(left) else left
    if isinstance(right, MatMul):
        return MatMul(matrix_product(left, right.left), right.right)
    return MatMul(left, right)
