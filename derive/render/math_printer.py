"""Prints an expression as mathematics: the one traversal that the LaTeX and the Unicode printer share.

In: an expression, a `Style` and the model's `Conventions`.  Out: a string.  The author's order is kept; what is printed
is what the tree says, so nothing is simplified here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

from derive.arrays.contraction import transposed
from derive.arrays.form import in_arrays
from derive.expression.build import ONE, ZERO, add, mul, neg, number, power
from derive.expression.nodes import (
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
from derive.expression.text import spell_number
from derive.expression.walk import children, free_indices
from derive.functions import AXIS_FUNCTIONS, FUNCTIONS, REDUCTIONS
from derive.parse.sizes import collected
from derive.render.math_rank import rank
from derive.render.math_style import (
    ATOM,
    COMPARISON,
    POWER,
    PRODUCT,
    REDUCTION,
    SUM,
    Conventions,
    Printed,
    Style,
)

_AXES = {ZERO: False, ONE: True, neg(ONE): True, number(-2): False}  # which axis of a matrix is the second
OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


def _spans(e: Reduce, conditions: tuple[Expression, ...]) -> dict[str, tuple[Expression, Expression]]:
    """From where to where indices run that are asked to be above a number or below a size; none for other tests."""
    if e.op not in ("sum", "prod") or not conditions or len(e.ranges) != len(e.indices):
        return {}
    low: dict[str, Expression] = {}
    high: dict[str, Expression] = {}
    for test in conditions:
        match test:
            case Compare(op=">", left=Index(name=name), right=Number() as below) if name in e.indices:
                low[name] = collected(add(below, ONE))
            case Compare(op="<", left=Index(name=name), right=stop) if name in e.indices and not free_indices(stop):
                high[name] = collected(add(stop, neg(ONE)))
            case _:
                return {}
    ranges = dict(zip(e.indices, e.ranges, strict=True))
    spanned = (i for i in e.indices if i in low or i in high)
    return {i: (low.get(i, ZERO), high.get(i, collected(add(ranges[i], neg(ONE))))) for i in spanned}


class Printer:
    """Prints one expression; `at(e, least)` puts parentheses round what binds less than `least`."""

    def __init__(self, style: Style, conventions: Conventions) -> None:
        self.style = style
        self.conventions = conventions
        self._done: dict[int, tuple[Expression, Printed]] = {}  # by identity: equal numbers may be spelled otherwise
        self.beside: dict[int, Expression] = {}  # by identity: see `mark`

    def text(self, e: Expression) -> str:
        return self.printed(e).text

    def at(self, e: Expression, least: int) -> str:
        printed = self.printed(e)
        return printed.text if printed.binding >= least else self.style.parentheses(printed.text)

    def printed(self, e: Expression) -> Printed:
        known = self._done.get(id(e))
        if known is not None:
            return known[1]
        kind = type(e)
        if kind not in _PRINTERS:
            raise TypeError(f"{kind.__name__} cannot be printed")
        if kind in _ELEMENTWISE:
            self.mark(e)
        result = _PRINTERS[kind](self, e)
        self._done[id(e)] = (e, result)
        return result

    def rank(self, e: Expression) -> int:
        return rank(e, self.conventions.shapes)

    def mark(self, e: Expression) -> None:
        """Notes the sums kept as columns or rows that stand beside a matrix, entry by entry."""
        leaves = list(_leaves(e))
        kept = {id(leaf): leaf for leaf in leaves if isinstance(leaf, Call) and len(leaf.options) == 2}
        if kept and any(self.rank(leaf) == 2 for leaf in leaves):
            self.beside |= kept

    # Leaves.

    def number(self, e: Number) -> Printed:
        return self.style.number(e.spelling or spell_number(e.value), self.conventions.decimal)

    def constant(self, e: Constant) -> Printed:
        return Printed(self.style.constant(e.name))

    def index(self, e: Index) -> Printed:
        return Printed(self.style.name(self.conventions.index(e.name), ()))

    def ref(self, e: Ref) -> Printed:
        return Printed(self.style.name(self.spelled(e), [self.text(i) for i in e.indices]))

    def spelled(self, e: Ref) -> str:
        return e.name if e.indices else self.conventions.whole(e.name)

    def slice(self, e: Slice) -> Printed:
        start, stop, step = ("" if part is None else self.text(part) for part in (e.start, e.stop, e.step))
        return Printed(self.style.slice(start, stop, step))

    # Arithmetic.

    def add(self, e: Add) -> Printed:
        parts = [self.text(e.terms[0]) if isinstance(e.terms[0], Neg) else self.at(e.terms[0], REDUCTION)]
        for term in e.terms[1:]:
            if isinstance(term, Neg):
                parts.append(self.style.minus + self.at(term.arg, REDUCTION))
            else:
                parts.append(self.style.plus + self.at(term, REDUCTION))
        return Printed("".join(parts), SUM)

    def neg(self, e: Neg) -> Printed:
        return Printed(self.style.minus.strip() + self.at(e.arg, REDUCTION), SUM)

    def mul(self, e: Mul) -> Printed:
        factors = _flat(e)
        arrays = [self.rank(f) > 0 for f, _ in factors]
        texts = [self.at(f, self.least(f, sum(arrays) > 1, k == len(factors) - 1)) for k, (f, _) in enumerate(factors)]
        out = texts[0]
        for k in range(1, len(factors)):
            (left, _), (right, nested) = factors[k - 1], factors[k]
            left, right = self.bare(left), self.bare(right)
            if arrays[k] and any(arrays[:k]):
                out += self.style.elementwise + texts[k]
            else:
                out += self.style.between(left, texts[k - 1], right, texts[k], nested) + texts[k]
        return Printed(out, PRODUCT)

    def bare(self, factor: Expression) -> Expression:
        """An adjoint with the name δ stands in a product as any name does."""
        return factor.wrt if isinstance(factor, D) and self.is_adjoint(factor) else factor

    def least(self, factor: Expression, elementwise: bool, last: bool) -> int:
        """How tightly a factor must bind: sums over an index may stand last, matrix products alone."""
        if isinstance(factor, (MatMul, Call)) and not elementwise and last:
            return PRODUCT
        return REDUCTION if last and not elementwise and isinstance(factor, Reduce) else POWER

    def div(self, e: Div) -> Printed:
        if self.rank(e.denominator) > 0:
            parts = self.at(e.numerator, POWER), self.at(e.denominator, POWER)
            return Printed(self.style.divided(*parts), PRODUCT)
        if isinstance(e.denominator, (Ref, Number)) and (
            isinstance(e.numerator, Reduce) or self.is_matrix(e.numerator)
        ):
            part = self.style.fraction("1", self.text(e.denominator)).text
            return Printed(part + self.style.before_sum + self.text(e.numerator), REDUCTION)
        return self.style.fraction(
            self.at(e.numerator, self.style.numerator), self.at(e.denominator, self.style.denominator)
        )

    def is_matrix(self, e: Expression) -> bool:
        """A product that is a vector or a matrix: (1/N) XᵀY."""
        return _is_matrix_product(e) and self.rank(e) > 0

    def pow(self, e: Pow) -> Printed:
        exponent = self.exponent(e.exponent)
        base = e.base
        if isinstance(base, Call) and base.function in FUNCTIONS and len(base.args) == 1 and _whole(e.exponent):
            args = self.arguments(base)
            found = self.style.function_power(FUNCTIONS[base.function].latex, args, exponent)
            if found is not None and not self.rank(base):
                return found
        return Printed(self.style.power(self.at(base, ATOM), exponent, self.rank(base) > 0), POWER)

    def exponent(self, e: Expression) -> str:
        """Small fractions stand on one line: x^{1/2}."""
        if isinstance(e, Div) and all(isinstance(p, (Number, Ref, Constant)) for p in (e.numerator, e.denominator)):
            return self.style.inline_fraction(self.text(e.numerator), self.text(e.denominator))
        return self.at(e, self.style.exponent)

    # Functions.

    def call(self, e: Call) -> Printed:
        special = _SPECIAL.get(e.function)
        if special is not None:
            return special(self, e)
        if e.function in FUNCTIONS and not e.options and len(e.args) == len(FUNCTIONS[e.function].parameters):
            return self.style.call(FUNCTIONS[e.function].latex, self.arguments(e))
        if e.function in AXIS_FUNCTIONS and not e.options and len(e.args) == 1:
            return self.style.call(AXIS_FUNCTIONS[e.function].latex, self.arguments(e))
        if e.function == "concatenate" and len(e.args) == 1 and isinstance(e.args[0], Stack):
            items, across = [self.text(item) for item in e.args[0].items], dict(e.options).get("axis") == ONE
            return Printed(self.style.row(items) if across else self.style.vector(items))
        return self.along(e) or self.with_options(e)

    def with_options(self, e: Call) -> Printed:
        """A function as it is written in the language."""
        options = [(name, self.text(value)) for name, value in e.options]
        return self.style.named(e.function, [self.text(a) for a in e.args], options)

    def along(self, e: Call) -> Printed | None:
        """A function of some axes of an array: softmax_j(S_{·j}), Σ_k δ_{··k}; the dots are the other axes."""
        rank = self.rank(e.args[0]) if e.args else 0
        axes = _axes(dict(e.options).get("axis"), rank)
        if not axes:
            return None
        letters = dict(zip(range(rank), self.letters(), strict=False))
        marked = self.marked(e.args[0], [letters[k] if k in axes else None for k in range(rank)])
        over = [letters[k] for k in axes]
        if e.function in REDUCTIONS:
            return Printed(self.style.reduction(e.function, over, (), marked), REDUCTION)
        rest = [self.text(a) for a in e.args[1:]]
        template = AXIS_FUNCTIONS[e.function].latex if e.function in AXIS_FUNCTIONS else None
        return self.style.along(e.function, template, over, [marked, *rest])

    def letters(self) -> list[str]:
        """Letters for axes that have none: those that are no names of the model."""
        return [letter for letter in "ijklpqrsuv" if letter not in self.conventions.shapes]

    def marked(self, e: Expression, letters: Sequence[str | None]) -> str:
        subscripts = [self.style.every if letter is None else letter for letter in letters]
        if isinstance(e, Ref) and not e.indices:
            return self.style.name(self.spelled(e), subscripts)
        text = self.at(e, ATOM)
        return self.style.subscripted(self.style.parentheses(text) if "_" in text else text, subscripts)

    def arguments(self, e: Call) -> list[str]:
        return [self.exponent(a) if e.function == "exp" else self.text(a) for a in e.args]

    def whole_reduction(self, e: Call) -> Printed:
        """``sum(y*log(p))`` over all axes; over one axis of a matrix A the sums are A 1 and Aᵀ 1.

        Kept as a column or a row they are A 1 and 1ᵀ A; beside a matrix each is there for every entry: A 1 1ᵀ, 1 1ᵀ A.
        """
        axis = dict(e.options).get("axis")
        if e.function == "sum" and len(e.args) == 1 and self.rank(e.args[0]) == 2 and axis in _AXES:
            ones = self.style.ones()
            if len(e.options) == 1:
                matrix = e.args[0] if _AXES[axis] else transposed(e.args[0])
                return Printed(self.at_product(matrix) + self.style.matrix + ones, PRODUCT)
            turned = self.style.transposed(Printed(ones), None, ()).text
            inner = self.at_product(e.args[0])
            parts = [inner, ones, turned] if _AXES[axis] else [ones, turned, inner]
            if id(e) not in self.beside:
                parts.remove(turned if _AXES[axis] else ones)
            return Printed(self.style.matrix.join(parts), PRODUCT)
        if e.options or len(e.args) != 1:
            return self.along(e) or self.with_options(e)
        return Printed(self.style.reduction(e.function, (), (), self.at(e.args[0], POWER)), REDUCTION)

    def reduce(self, e: Reduce) -> Printed:
        conditions: tuple[Expression, ...] = ()
        if e.condition is not None:
            conditions = e.condition.conditions if isinstance(e.condition, Both) else (e.condition,)
        spans = _spans(e, conditions)
        if spans:
            rest = tuple(i for i in e.indices if i not in spans)
            body = self.reduce(Reduce(e.op, e.body, rest)).text if rest else self.at(e.body, REDUCTION)
            for index, (first, last) in reversed(spans.items()):
                name = self.style.name(self.conventions.index(index), ())
                body = f"{self.style.span(e.op, name, self.text(first), self.text(last))} {body}"
            return Printed(body, REDUCTION)
        subscripts = [self.style.name(self.conventions.index(i), ()) for i in e.indices]
        body = self.at(e.body, REDUCTION)
        return Printed(self.style.reduction(e.op, subscripts, [self.text(c) for c in conditions], body), REDUCTION)

    def delta(self, e: Call) -> Printed:
        texts = [self.text(a) for a in e.args]
        if self.conventions.iverson:
            return Printed(f"[{' = '.join(texts)}]")
        return Printed(self.style.delta(texts))

    def outer(self, e: Call) -> Printed:
        left, right = e.args
        return Printed(self.style.outer(self.at_product(left), self.transpose_of(right)), PRODUCT)

    def at_product(self, e: Expression) -> str:
        """A factor of a matrix product: products of matrices need no parentheses there, elementwise ones do."""
        return self.text(e) if _is_matrix_product(e) else self.at(e, POWER)

    def dot(self, e: Call) -> Printed:
        return self.matmul(MatMul(*e.args))

    def eye(self, e: Call) -> Printed:
        return Printed(self.style.identity(self.text(e.args[0])))

    def filled(self, e: Call) -> Printed:
        return Printed(self.style.filled("1" if e.function == "ones" else "0", [self.text(size) for size in e.args]))

    # Cases and comparisons.

    def where(self, e: Where) -> Printed:
        rows: list[tuple[str, str]] = []
        last: Expression = e
        while isinstance(last, Where):
            rows += [(self.text(value), self.text(condition)) for value, condition in _branches(last)]
            condition, last = last.condition, last.otherwise
        single = last is e.otherwise and isinstance(condition, Compare)
        rows.append((self.text(last), self.text(_opposite(condition)) if single else self.conventions.otherwise))
        return Printed(self.style.cases(rows, otherwise=not single), self.style.cases_binding)

    def compare(self, e: Compare) -> Printed:
        sides = self.at(e.left, SUM), self.at(e.right, SUM)
        return Printed(f"{sides[0]} {self.style.relations[e.op]} {sides[1]}", COMPARISON)

    def both(self, e: Both) -> Printed:
        return Printed(", ".join(self.text(c) for c in e.conditions), COMPARISON)

    # Derivatives.

    def derivative(self, e: D) -> Printed:
        if self.is_adjoint(e):
            return self.adjoint(e.wrt)
        if isinstance(e.body, D) and isinstance(e.body.body, Ref):
            return self.second_derivative(e.body.body, e.body, e.wrt)
        wrt, total = self.text(e.wrt), self.conventions.total(e)
        direct = self.conventions.direct(e)
        if direct is not None:
            loss, held = direct
            plain = self.style.derivative(self.style.name(loss, ()), wrt, total).text
            return Printed(self.style.held(plain, [self.style.name(name, ()) for name in held]) if held else plain)
        if isinstance(e.body, Ref):
            return self.style.derivative(self.text(e.body), wrt, total)
        return self.style.derivative_of(self.text(e.body), wrt, total)

    def second_derivative(self, of: Ref, first: D, wrt: Ref) -> Printed:
        """∂²L/∂u∂v; of two vectors ∂²L/∂u∂vᵀ."""
        total, left = self.conventions.total(first), self.text(first.wrt)
        vectors = self.rank(first.wrt) == 1 and self.rank(wrt) == 1
        right = self.transpose_of(wrt).text if vectors else self.text(wrt)
        twice = self.style.power(left, "2", False) if left == right else None
        return self.style.second_derivative(self.text(of), left, right, twice, total)

    def is_adjoint(self, e: D) -> bool:
        """Whether it has the name δ: the loss of one example by a node of the same example, if they have an index."""
        if not isinstance(e.body, Ref) or e.body.name != self.conventions.adjoints_of:
            return False
        return e.body.indices == e.wrt.indices[: len(e.body.indices)]

    def adjoint(self, wrt: Ref) -> Printed:
        """δ^{[1]} for the δ of a layer, else δ_z; capital for a whole batch."""
        indices = [self.text(i) for i in wrt.indices]
        if wrt.name in self.conventions.deltas:
            return Printed(self.style.name(self.delta_name(wrt), indices))
        return Printed(self.style.adjoint(self.delta_name(wrt), wrt.name, indices))

    def delta_name(self, wrt: Ref) -> str:
        named = self.conventions.deltas.get(wrt.name, "delta")
        return named if self.spelled(wrt) == wrt.name else named.capitalize()

    def transposed_adjoint(self, wrt: Ref) -> Printed:
        name = self.delta_name(wrt)
        indices = [self.text(i) for i in wrt.indices]
        return self.style.transposed(self.adjoint(wrt), name if wrt.name in self.conventions.deltas else None, indices)

    # Whole arrays.

    def component_tensor(self, e: ComponentTensor) -> Printed:
        whole = None if set(free_indices(e.body)) - set(e.indices) else in_arrays(e.body, e.indices)
        if whole is not None:
            return self.printed(whole)
        subscripts = [self.style.name(self.conventions.index(i), ()) for i in e.indices]
        return Printed(self.style.subscripted(self.style.brackets(self.text(e.body)), subscripts), POWER)

    def inverse(self, e: Call) -> Printed:
        return Printed(self.style.power(self.at(e.args[0], ATOM), self.style.minus.strip() + "1", False), POWER)

    def determinant(self, e: Call) -> Printed:
        return self.style.determinant(e.function == "logdet", self.text(e.args[0]))

    def matrix_power(self, e: Call) -> Printed:
        return Printed(self.style.power(self.at(e.args[0], ATOM), self.text(e.args[1]), False), POWER)

    def trace(self, e: Call) -> Printed:
        return self.style.call(r"\operatorname{tr}\left(#0\right)", [self.text(e.args[0])])

    def solve(self, e: Call) -> Printed:
        return Printed(self.inverse(e).text + self.style.matrix + self.at_product(e.args[1]), PRODUCT)

    def matmul(self, e: MatMul) -> Printed:
        """Vectors are columns: ``u @ W`` is Wᵀu.  Products are associative; equal neighbours are a power."""
        factors = self.matrix_factors(e)
        if factors is None:
            left = self.rank(e.left)
            if left == 1 and self.rank(e.right) == 2:
                return Printed(self.transpose_of(e.right).text + self.style.matrix + self.at_product(e.left), PRODUCT)
            first = self.transpose_of(e.left).text if left == 1 else self.at_product(e.left)
            return Printed(first + self.style.matrix + self.at_product(e.right), PRODUCT)
        powers = [(factor, len(list(group))) for factor, group in groupby(factors)]
        texts = [
            self.style.power(self.at(factor, ATOM), str(count), False) if count > 1 else self.at_product(factor)
            for factor, count in powers
        ]
        return Printed(self.style.matrix.join(texts), PRODUCT if len(texts) > 1 else POWER)

    def matrix_factors(self, e: Expression) -> list[Expression] | None:
        """The matrices of a product of matrices alone, whose last factor may be a vector."""
        if not isinstance(e, MatMul):
            return [e]
        if self.rank(e.left) != 2:
            return None
        left, right = self.matrix_factors(e.left), self.matrix_factors(e.right)
        return None if left is None or right is None else [*left, *right]

    def transpose_of(self, e: Expression) -> Printed:
        if isinstance(e, MatMul) and self.rank(e.left) == 1 and self.rank(e.right) == 2:  # of Wᵀu
            text = self.transpose_of(e.left).text + self.style.matrix + self.at_product(e.right)
            return Printed(text, PRODUCT)
        if isinstance(e, Call) and e.function == "inv":
            return Printed(self.style.power(self.at(e.args[0], ATOM), self.style.inverse_transposed, False), POWER)
        if isinstance(e, Transpose):
            return Printed(self.at(e.arg, POWER), POWER)
        if isinstance(e, D) and self.is_adjoint(e):
            return self.transposed_adjoint(e.wrt)
        if isinstance(e, Ref):
            return self.style.transposed(self.printed(e), self.spelled(e), [self.text(i) for i in e.indices])
        return self.style.transposed(Printed(self.at(e, ATOM)), None, ())

    def transpose(self, e: Transpose) -> Printed:
        return self.transpose_of(e.arg)

    def item(self, e: Item) -> Printed:
        return Printed(self.style.subscripted(self.at(e.arg, ATOM), [self.text(i) for i in e.indices]))

    def stack(self, e: Stack) -> Printed:
        return Printed(self.style.vector([self.text(item) for item in e.items]))

    def concatenate(self, e: Call) -> Printed:
        """Blocks below each other or side by side; of arrays of more axes, by name."""
        options = dict(e.options)
        if isinstance(e.args[0], Stack) and self.rank(e) <= 2:
            blocks = [self.text(piece) for piece in e.args[0].items]
            beside = self.rank(e) == 2 and _AXES.get(options.get("axis", ZERO), False)
            return Printed(self.style.row(blocks) if beside else self.style.vector(blocks))
        return self.style.named(e.function, [self.text(e.args[0])], [(n, self.text(v)) for n, v in e.options])

    def rewritten(self, e: Call) -> Printed:
        """Functions that are only a spelling of a product, a power or a fraction."""
        return self.printed(_REWRITTEN[e.function](*e.args))


def _flat(e: Mul) -> list[tuple[Expression, bool]]:
    """The factors, those of inner products among them; with each, whether an inner product begins there."""
    found: list[tuple[Expression, bool]] = []
    for k, factor in enumerate(e.factors):
        if isinstance(factor, Mul):
            inner = _flat(factor)
            found += [(inner[0][0], k > 0 or inner[0][1]), *inner[1:]]
        else:
            found.append((factor, False))
    return found


def _is_matrix_product(e: Expression) -> bool:
    return isinstance(e, MatMul) or (isinstance(e, Call) and e.function in ("outer", "dot", "solve"))


def _axes(axis: Expression | None, rank: int) -> list[int]:
    """The numbers of the axes, counted from the first; none where they are not plain numbers of such axes."""
    values = axis.items if isinstance(axis, Stack) else () if axis is None else (axis,)
    found = []
    for value in values:
        match value:
            case Number(value=k):
                found.append(int(k))
            case Neg(arg=Number(value=k)):
                found.append(rank - int(k))
    return found if len(found) == len(values) and all(0 <= k < rank for k in found) else []


def _opposite(e: Expression) -> Expression:
    return Compare(OPPOSITE[e.op], e.left, e.right) if isinstance(e, Compare) else e


def _branches(e: Where) -> list[tuple[Expression, Expression]]:
    """What holds under the condition: two cases where a distinction inside is as simple as that."""
    inner = e.then
    if isinstance(inner, Where) and isinstance(e.condition, Compare) and isinstance(inner.condition, Compare):
        both = [Both((e.condition, inner.condition)), Both((e.condition, _opposite(inner.condition)))]
        return [(inner.then, both[0]), (inner.otherwise, both[1])]
    return [(inner, e.condition)]


def _whole(e: Expression) -> bool:
    return isinstance(e, Number) and e.value.denominator == 1 and e.value > 0


_ELEMENTWISE = (Add, Mul, Div, Neg, Pow)


def _leaves(e: Expression) -> Iterator[Expression]:
    """What stands in an operation entry by entry."""
    if isinstance(e, _ELEMENTWISE) or (isinstance(e, Call) and e.function in FUNCTIONS):
        for part in children(e):
            yield from _leaves(part)
    else:
        yield e


_PRINTERS: dict[type[Expression], Callable[[Printer, Any], Printed]] = {
    Number: Printer.number, Constant: Printer.constant, Ref: Printer.ref, Index: Printer.index, Slice: Printer.slice,
    Add: Printer.add, Mul: Printer.mul, Neg: Printer.neg, Div: Printer.div, Pow: Printer.pow, Call: Printer.call,
    Reduce: Printer.reduce, Compare: Printer.compare, Both: Printer.both, Where: Printer.where, D: Printer.derivative,
    MatMul: Printer.matmul, Transpose: Printer.transpose, Item: Printer.item, Stack: Printer.stack,
    ComponentTensor: Printer.component_tensor,
}  # fmt: skip

_REWRITTEN: dict[str, Callable[..., Expression]] = {
    "square": lambda u: power(u, 2),
    "reciprocal": lambda u: Div(ONE, u),
    "rsqrt": lambda u: Div(ONE, Call("sqrt", (u,))),
    "rgamma": lambda u: Div(ONE, Call("gamma", (u,))),
    "power": power,
    "xlogy": lambda u, v: mul(u, Call("log", (v,))),
    "xlog1py": lambda u, v: mul(u, Call("log", (add(ONE, v),))),
}

_SPECIAL: dict[str, Callable[[Printer, Call], Printed]] = {
    **dict.fromkeys(REDUCTIONS, Printer.whole_reduction),
    "delta": Printer.delta, "outer": Printer.outer, "dot": Printer.dot, "eye": Printer.eye,
    "ones": Printer.filled, "zeros": Printer.filled, "concatenate": Printer.concatenate,
    "inv": Printer.inverse, "det": Printer.determinant, "logdet": Printer.determinant,
    "matrix_power": Printer.matrix_power, "trace": Printer.trace, "solve": Printer.solve,
    **dict.fromkeys(_REWRITTEN, Printer.rewritten),
}  # fmt: skip
