"""What differs between LaTeX and Unicode when an expression is printed.

`derive.render.math_printer` decides order, parentheses and signs once; a `Style` supplies the spelling.  The levels say
how tightly a printed part binds; a part that binds less than its place asks for gets parentheses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from derive.expression.nodes import D, Expression
from derive.model import Spelling

COMPARISON, SUM, REDUCTION, PRODUCT, POWER, ATOM = range(6)

Shapes = Mapping[str, tuple[Expression, ...]]


@dataclass(frozen=True, slots=True)
class Printed:
    """A printed part and how tightly it binds."""

    text: str
    binding: int = ATOM


@dataclass(frozen=True)
class Conventions:
    """What the printer must know of the model.

    `shapes`: of every name, for transposes and elementwise products.  `total`: whether a derivative is written with d.
    `index`: how an index is spelt.  `decimal`: the decimal sign.  `otherwise`: the words of a last case.
    `adjoints_of`: the loss whose derivatives are called δ, if they are; `deltas`: the δ with a name of their own.
    `direct`: the loss's name and the nodes held, for its derivative by its own equation alone.
    `whole`: how a name without indices is spelt: the batch's matrices in capital letters.
    `iverson`: δ_{ij} is spelt [i = j], where δ means something else.
    `spellings`: the names that the author spells; `bold`: whole vectors and matrices are bold (both in LaTeX alone).
    """

    shapes: Shapes = field(default_factory=dict)
    total: Callable[[D], bool] = lambda derivative: False
    index: Callable[[str], str] = lambda name: name
    decimal: str = "."
    otherwise: str = "otherwise"
    adjoints_of: str | None = None
    deltas: Mapping[str, str] = field(default_factory=dict)
    direct: Callable[[D], tuple[str, tuple[str, ...]] | None] = lambda derivative: None
    whole: Callable[[str], str] = lambda name: name
    iverson: bool = False
    spellings: Mapping[str, Spelling] = field(default_factory=dict)
    bold: bool = False


class Style(ABC):
    """The spelling of each construct.  Arguments are printed parts."""

    numerator: int  # how tightly a numerator, a denominator, an exponent must bind
    denominator: int
    exponent: int
    elementwise: str
    matrix: str
    every: str  # in place of an index: all of that axis
    inverse_transposed: str  # what stands as exponent
    before_sum: str
    cases_binding: int
    plus: str
    minus: str
    relations: Mapping[str, str]

    @abstractmethod
    def number(self, spelling: str, decimal: str) -> Printed: ...

    @abstractmethod
    def constant(self, name: str) -> str: ...

    @abstractmethod
    def name(self, name: str, indices: Sequence[str]) -> str: ...

    @abstractmethod
    def transposed(self, base: Printed, name: str | None, indices: Sequence[str]) -> Printed: ...

    @abstractmethod
    def parentheses(self, text: str) -> str: ...

    @abstractmethod
    def fraction(self, numerator: str, denominator: str) -> Printed: ...

    @abstractmethod
    def divided(self, numerator: str, denominator: str) -> str: ...

    @abstractmethod
    def brackets(self, text: str) -> str: ...

    @abstractmethod
    def determinant(self, logarithm: bool, matrix: str) -> Printed: ...

    @abstractmethod
    def power(self, base: str, exponent: str, elementwise: bool) -> str: ...

    @abstractmethod
    def inline_fraction(self, numerator: str, denominator: str) -> str: ...

    @abstractmethod
    def between(self, left: Expression, left_text: str, right: Expression, right_text: str, dot: bool) -> str: ...

    @abstractmethod
    def call(self, template: str, args: Sequence[str]) -> Printed: ...

    @abstractmethod
    def function_power(self, template: str, args: Sequence[str], exponent: str) -> Printed | None: ...

    @abstractmethod
    def named(self, function: str, args: Sequence[str], options: Sequence[tuple[str, str]]) -> Printed: ...

    @abstractmethod
    def along(self, function: str, template: str | None, letters: Sequence[str], args: Sequence[str]) -> Printed:
        """A function of the axes that have these letters in its first argument."""

    @abstractmethod
    def reduction(self, op: str, subscripts: Sequence[str], conditions: Sequence[str], body: str) -> str: ...

    @abstractmethod
    def span(self, op: str, index: str, first: str, last: str) -> str: ...

    @abstractmethod
    def delta(self, indices: Sequence[str]) -> str: ...

    @abstractmethod
    def held(self, derivative: str, names: Sequence[str]) -> str: ...

    @abstractmethod
    def ones(self) -> str: ...

    @abstractmethod
    def outer(self, left: str, right: Printed) -> str: ...

    @abstractmethod
    def adjoint(self, delta: str, name: str, indices: Sequence[str]) -> str: ...

    @abstractmethod
    def cases(self, rows: Sequence[tuple[str, str]], otherwise: bool) -> str: ...

    @abstractmethod
    def derivative(self, body: str, wrt: str, total: bool) -> Printed: ...

    @abstractmethod
    def derivative_of(self, body: str, wrt: str, total: bool) -> Printed: ...

    @abstractmethod
    def second_derivative(self, body: str, left: str, right: str, twice: str | None, total: bool) -> Printed:
        """By two names, or `twice` by the same."""

    @abstractmethod
    def vector(self, items: Sequence[str]) -> str: ...

    @abstractmethod
    def row(self, items: Sequence[str]) -> str: ...

    @abstractmethod
    def slice(self, start: str, stop: str, step: str) -> str: ...

    @abstractmethod
    def identity(self, size: str) -> str: ...

    @abstractmethod
    def filled(self, digit: str, sizes: Sequence[str]) -> str: ...

    @abstractmethod
    def subscripted(self, base: str, indices: Sequence[str]) -> str: ...
