"""Whole-array expressions as numpy source, with Python's precedence and the spacing of formatted code."""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from fractions import Fraction

from derive.errors import DeriveError
from derive.expression.build import ONE, ZERO
from derive.expression.nodes import (
    Add,
    Both,
    Call,
    Compare,
    Constant,
    Div,
    Expression,
    Index,
    Item,
    MatMul,
    Mul,
    Neg,
    Number,
    Pow,
    Ref,
    Slice,
    Transpose,
    Where,
)
from derive.expression.parts import is_indicator
from derive.expression.walk import children, names, walk
from derive.functions import FUNCTIONS, fill

WHOLE = Slice(None, None, None)
COMPARISON, SUM, PRODUCT, SIGN, POWER, ATOM = range(6)

_ALONG_AN_AXIS = {
    "sum": "np.sum",
    "prod": "np.prod",
    "max": "np.max",
    "min": "np.min",
    "mean": "np.mean",
    "norm": "np.linalg.norm",
    "cumsum": "np.cumsum",
    "argmax": "_first_max",
    "argmin": "_first_min",
    "logsumexp": "_logsumexp",
    "softmax": "_softmax",
    "log_softmax": "_log_softmax",
}
_OF_ARRAYS = {
    "outer": "np.outer",
    "diag": "np.diag",
    "tril": "np.tril",
    "triu": "np.triu",
    "arange": "np.arange",
    "trace": "np.trace",
    "dot": "np.dot",
    "det": "np.linalg.det",
    "inv": "np.linalg.inv",
    "logdet": "_logdet",
    "scatter_add": "_scatter_add",
}


class NumpyPrinter:
    """Prints expressions; `name` gives the Python name of a tensor.  It gathers the helpers that were used.

    `scalars`: the names that are plain numbers, of steps and sizes: what asks for them alone is no array.  In
    float32 what numpy would make float64 of itself is of that kind too, so that it does not drag all else along.
    `own`: functions of the author, which are called by their names.
    """

    def __init__(
        self,
        name: Callable[[str], str],
        scalars: frozenset[str] = frozenset(),
        dtype: str = "float64",
        own: Container[str] = (),
    ) -> None:
        self.name = name
        self.dtype = f"np.{dtype}" if dtype != "float64" else ""
        self.scalars = scalars
        self.own = own
        self.helpers: set[str] = set()

    def code(self, e: Expression) -> str:
        return self._print(e)[0]

    def is_scalar(self, condition: Expression) -> bool:
        """Whether a condition asks for steps and sizes alone."""
        found = {n.name for n in walk(condition) if isinstance(n, (Ref, Index))}
        return bool(found) and self.scalars.issuperset(found) and not any(isinstance(n, Call) for n in walk(condition))

    def _at(self, e: Expression, least: int) -> str:
        text, binding = self._print(e)
        return text if binding >= least else f"({text})"

    def _print(self, e: Expression) -> tuple[str, int]:
        match e:
            case Number():
                return number_code(e.value), ATOM
            case Constant(name="pi"):
                return "np.pi", ATOM
            case Constant(name="inf"):
                return "np.inf", ATOM
            case Constant():  # what numpy alone knows: None as a new axis, a tuple of axes
                return e.name, ATOM
            case Index():  # a step
                return self.name(e.name), ATOM
            case Ref():
                return self.name(e.name) + self.subscripts(e.indices), ATOM
            case Add():
                return self._sum(e), SUM
            case Mul():
                return self._product(e), PRODUCT
            case Neg():
                code, binding = self._print(e.arg)
                return f"-{code if binding >= PRODUCT else f'({code})'}", PRODUCT if binding == PRODUCT else SIGN
            case Div():
                return f"{self._at(e.numerator, PRODUCT)} / {self._at(e.denominator, POWER)}", PRODUCT
            case MatMul():
                return self._matrices(e.left, e.right), PRODUCT
            case Pow():
                return self._power(e), POWER
            case Compare():
                return f"{self._at(e.left, SUM)} {e.op} {self._at(e.right, SUM)}", COMPARISON
            case Both():
                return " & ".join(f"({self.code(c)})" for c in e.conditions), COMPARISON
            case Where() if self.is_scalar(e.condition):
                return f"({self.code(e.then)} if {self.code(e.condition)} else {self.code(e.otherwise)})", ATOM
            case Where():
                return self._cases(e), ATOM
            case Transpose():
                return f"{self._at(e.arg, ATOM)}.T", ATOM
            case Item():
                return f"{self._at(e.arg, ATOM)}{self.subscripts(e.indices)}", ATOM
            case Call():
                return self._call(e)
        raise DeriveError(f"no numpy code is known for {e}")

    def subscripts(self, indices: tuple[Expression, ...]) -> str:
        if not indices:
            return ""
        while len(indices) > 1 and indices[-1] == WHOLE:  # what is left out is whole
            indices = indices[:-1]
        return f"[{', '.join(self._slice(i) if isinstance(i, Slice) else self.code(i) for i in indices)}]"

    def _slice(self, e: Slice) -> str:
        """``1:n``, and with spaces around the colon where a bound is more than a name."""
        parts = ["" if part is None else self.code(part) for part in (e.start, e.stop)]
        if all(re.fullmatch(r"\w*", part) for part in parts):
            return ":".join(parts)
        return " : ".join(parts).strip()

    def _sum(self, e: Add) -> str:
        parts = [self._at(e.terms[0], SUM + 1)]
        for term in e.terms[1:]:
            sign, inner = ("-", term.arg) if isinstance(term, Neg) else ("+", term)
            shown = self._at(inner, SUM + 1)
            parts.append(f" {sign} {f'({shown})' if shown.startswith('-') else shown}")
        return "".join(parts)

    def _cases(self, e: Where) -> str:
        code = f"np.where({self.code(e.condition)}, {self.code(e.then)}, {self.code(e.otherwise)})"
        return f"{code}.astype({self.dtype})" if self.dtype and _is_of_numbers(e) else code

    def _product(self, e: Mul) -> str:
        """Truth values times an array are what ``where(…, 1, 0)`` gives, many times quicker."""
        factors = e.factors
        if not all(is_indicator(f) or isinstance(f, Number) for f in factors):
            first = next(k for k, f in enumerate(factors) if not is_indicator(f))  # a truth value takes no sign
            factors = (factors[first], *factors[:first], *factors[first + 1 :])
            factors = tuple(f.condition if is_indicator(f) else f for f in factors)
        return " * ".join([self._at(factors[0], PRODUCT), *(self._at(f, POWER) for f in factors[1:])])

    def _matrices(self, left: Expression, right: Expression) -> str:
        return f"{self._at(left, PRODUCT)} @ {self._at(right, POWER)}"

    def _power(self, e: Pow) -> str:
        base, exponent = self._at(e.base, ATOM), self._at(e.exponent, POWER)
        simple = re.fullmatch(r"[\w.]+", base) and re.fullmatch(r"[\w.]+", exponent)
        return f"{base}**{exponent}" if simple else f"{base} ** {exponent}"

    def _call(self, e: Call) -> tuple[str, int]:
        if e.function == "matmul":
            return self._matrices(*e.args), PRODUCT
        if e.function == "concatenate":
            return self._concatenated(e), ATOM
        args = [self.code(arg) for arg in e.args]
        if e.function in self.own:
            return f"{e.function}({', '.join(args)})", ATOM
        if e.function in _ALONG_AN_AXIS:
            function = _ALONG_AN_AXIS[e.function]
            options = "".join(f", {name}={self.code(value)}" for name, value in e.options)
            return self._used(f"{function}({args[0]}{options})"), ATOM
        if e.function == "broadcast_to":
            rest = ", ".join(args[1:])
            whole = f"{self.dtype}({args[0]})" if self.dtype and _is_of_numbers(e.args[0]) else args[0]
            return f"np.broadcast_to({whole}, ({rest}{',' if len(args) == 2 else ''}))", ATOM
        if e.function in ("transpose", "reshape"):
            return f"{self._at(e.args[0], ATOM)}.{e.function}({', '.join(args[1:])})", ATOM
        if e.function == "tensordot":
            return f"np.tensordot({', '.join(args)}, axes={_pairs_of_axes(e)})", ATOM
        if e.function in ("ones", "zeros", "eye"):
            shape = args[0] if e.function == "eye" else f"({', '.join(args)}{',' if len(args) == 1 else ''})"
            return f"np.{e.function}({shape}{f', dtype={self.dtype}' if self.dtype else ''})", ATOM
        if e.function == "einsum":
            operands = str(e.options[0][1]).split("->")[0].split(",")  # of many axes: by matrix products
            many = ", optimize=True" if len(args) > 2 or max(map(len, operands)) > 3 else ""
            return f'np.einsum("{e.options[0][1]}", {", ".join(args)}{many})', ATOM
        if e.function in ("windows", "overlapped"):
            return self._used(self._windows(e)), ATOM
        if e.function == "padded":
            widths = ", ".join(f"({before}, {behind})" for before, behind in zip(args[1::2], args[2::2], strict=True))
            return f"np.pad({args[0]}, ({widths}{',' if len(args) == 3 else ''}))", ATOM
        if e.function == "diagonal":
            return f"np.diagonal({args[0]}, axis1=-2, axis2=-1)", ATOM
        if e.function in _OF_ARRAYS:
            return self._used(f"{_OF_ARRAYS[e.function]}({', '.join(args)})"), ATOM
        if e.function not in FUNCTIONS:
            raise DeriveError(f"no numpy code is known for '{e.function}'")
        # in a template, (#0) that is no call is an operand, #0 alone an argument
        template = re.sub(r"(?<!\w)\(#(\d)\)", lambda m: self._at(e.args[int(m[1])], ATOM), FUNCTIONS[e.function].numpy)
        code = self._used(fill(template, [self._at(arg, SUM) for arg in e.args]))
        if self.dtype and names(e).keys() <= self.scalars:
            return f"float({code})", ATOM
        return code, ATOM if _is_one_call(code) else PRODUCT

    def _concatenated(self, e: Call) -> str:
        pieces = ", ".join(map(self.code, children(e.args[0])))
        along = "".join(f", {name}={self.code(value)}" for name, value in e.options)
        return f"np.concatenate([{pieces}]{along})"

    def _windows(self, e: Call) -> str:
        """``_windows(x, (1, m, 3), (2, n, 3))``: of several axes in one call."""
        inner: Expression = e
        axes: list[str] = []
        while isinstance(inner, Call) and inner.function == e.function:
            inner, *numbers = inner.args
            axes.insert(0, ", ".join(map(self.code, _told(e.function, numbers))))
        if e.function == "windows":  # those before have doubled their axes
            axes = [_moved(axis, k) for k, axis in enumerate(axes)]
        return f"_{e.function}({self.code(inner)}, {', '.join(f'({axis})' for axis in axes)})"

    def _used(self, code: str) -> str:
        self.helpers |= set(re.findall(r"(?<![\w.])_[a-z]\w*(?=\()", code))
        return code


def _is_of_numbers(e: Expression) -> bool:
    """Numbers, or a choice among numbers."""
    match e:
        case Neg():
            return _is_of_numbers(e.arg)
        case Div():
            return _is_of_numbers(e.numerator) and _is_of_numbers(e.denominator)
        case Where():
            return _is_of_numbers(e.then) and _is_of_numbers(e.otherwise)
    return isinstance(e, Number)


def _pairs_of_axes(e: Call) -> str:
    """Which axes of the two arrays meet; a number where one follows the other in either."""
    left, right = (value for _, value in e.options)
    one = [re.fullmatch(r"\((\d+),\)", str(places)) for places in (left, right)]
    return f"({one[0][1]}, {one[1][1]})" if one[0] and one[1] else f"({left}, {right})"


def _told(function: str, numbers: list[Expression]) -> list[Expression]:
    """The axis and the sizes, then step, dilation and start as far as they are not 1, 1 and 0."""
    count = 3 if function == "windows" else 2
    usual = (ONE, ONE, ZERO)
    while len(numbers) > count and numbers[-1] == usual[len(numbers) - count - 1]:
        numbers = numbers[:-1]
    return numbers


def _moved(axis: str, by: int) -> str:
    first, rest = axis.split(",", 1)
    return f"{int(first) - by},{rest}"


def _is_one_call(code: str) -> bool:
    """Whether the code is one call or one pair of parentheses from end to end."""
    opening = re.match(r"[\w.]*\(", code)
    if not opening:
        return re.fullmatch(r"[\w.]+", code) is not None
    depth = 0
    for k, character in enumerate(code):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0 and k >= opening.end():
            return k == len(code) - 1
    return False


def number_code(value: Fraction) -> str:
    """A number as Python writes it, exactly where a float can."""
    if value.denominator == 1:
        return str(value.numerator) if abs(value) < 10**15 else repr(float(value))
    return repr(value.numerator / value.denominator)
