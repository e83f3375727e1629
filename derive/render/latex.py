r"""Expression → LaTeX: the one printer of model expressions for reports, JSON and notebooks.

Out: mathematics for KaTeX and for pdflatex with amsmath and amssymb, without delimiters.  Every name is made safe by
`derive.render.names`, so what strangers call their variables is only ever printed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from derive.expression.nodes import Call, D, Div, Expression, Neg, Number, Ref
from derive.functions import fill
from derive.model import Spelling
from derive.render.math_printer import Printer
from derive.render.math_style import ATOM, POWER, PRODUCT, SUM, Conventions, Printed, Shapes, Style
from derive.render.names import joined_indices, latex_name

# What stands higher than a line of letters: parentheses round it must grow.
_TALL = re.compile(r"\\(frac|sum|prod|max_|min_|begin|left|sqrt)|\^\{[^{}]*[\^{]")
_OPERATOR = re.compile(r"\\(ln|log|sin|cos|tan|sec|csc|cot|arc|max|min|operatorname)")
_REDUCTIONS = {
    "sum": r"\sum",
    "prod": r"\prod",
    "max": r"\max",
    "min": r"\min",
    "argmax": r"\operatorname{argmax}",
    "argmin": r"\operatorname{argmin}",
}


def latex(e: Expression, shapes: Shapes | None = None, conventions: Conventions | None = None) -> str:
    r"""The expression in LaTeX.

    `shapes` tells vectors from matrices; without `conventions` every derivative is partial.  See
    `derive.render.notation.Notation` for expressions of a model.

    >>> from derive.parse.expression import parse_expression as parse
    >>> print(latex(parse("-y*log(a) - (1 - y)*log(1 - a)")))
    -y \ln(a) - (1 - y) \ln(1 - a)
    >>> print(latex(parse("D(L, z)*x[i]/2")))
    \frac{\frac{\partial L}{\partial z} \cdot x_{i}}{2}
    """
    return latex_printer(conventions or Conventions(shapes or {})).text(e)


def latex_printer(conventions: Conventions) -> Printer:
    """A printer for many expressions: what they share is printed once."""
    return Printer(style(conventions), conventions)


def style(conventions: Conventions) -> Style:
    """LaTeX with the author's spellings, and bold names where they are asked for."""
    if not conventions.spellings and not conventions.bold:
        return LATEX
    arrays = frozenset(name for name, shape in conventions.shapes.items() if shape) if conventions.bold else frozenset()
    return _Latex(conventions.spellings, arrays)


class _Latex(Style):
    def __init__(self, spellings: Mapping[str, Spelling] | None = None, arrays: frozenset[str] = frozenset()) -> None:
        self.spellings = spellings or {}
        self.arrays = arrays  # names that are bold where they stand for the whole

    def _name(self, name: str, indices: Sequence[str], superscript: str = "") -> str:
        return latex_name(name, indices, superscript, self.spellings.get(name), name in self.arrays and not indices)

    numerator = denominator = exponent = 0
    elementwise = r" \odot "
    matrix = r"\, "
    every = r"\cdot"
    inverse_transposed = r"-\top"
    cases_binding = SUM
    before_sum = " "
    plus, minus = " + ", " - "
    relations: Mapping[str, str] = {"<": "<", "<=": r"\leq", ">": ">", ">=": r"\geq", "==": "=", "!=": r"\neq"}

    def number(self, spelling: str, decimal: str) -> Printed:
        mantissa, _, exponent = spelling.replace("_", "").lower().partition("e")
        mantissa = mantissa.strip().rstrip(".").replace(".", decimal)
        mantissa = "0" + mantissa if mantissa.startswith(decimal) else mantissa
        if not exponent:
            return Printed(mantissa)
        ten = f"10^{{{int(exponent)}}}"
        return Printed(ten, POWER) if mantissa == "1" else Printed(rf"{mantissa} \cdot {ten}", PRODUCT)

    def constant(self, name: str) -> str:
        return {"pi": r"\pi", "inf": r"\infty"}.get(name, latex_name(name))

    def name(self, name: str, indices: Sequence[str]) -> str:
        plain = name.rstrip("'")
        return self._name(plain, indices) + name[len(plain) :]

    def transposed(self, base: Printed, name: str | None, indices: Sequence[str]) -> Printed:
        if name is not None:
            return Printed(self._name(name, indices, r"\top"), POWER)
        return Printed(rf"{base.text}^{{\top}}", POWER)

    def parentheses(self, text: str) -> str:
        return rf"\left({text}\right)" if _TALL.search(text) else f"({text})"

    def fraction(self, numerator: str, denominator: str) -> Printed:
        return Printed(rf"\frac{{{numerator}}}{{{denominator}}}", POWER)

    def divided(self, numerator: str, denominator: str) -> str:
        return rf"{numerator} \oslash {denominator}"

    def brackets(self, text: str) -> str:
        return rf"\left[{text}\right]" if _TALL.search(text) else f"[{text}]"

    def determinant(self, logarithm: bool, matrix: str) -> Printed:
        return Printed((r"\ln " if logarithm else "") + r"\det" + self.parentheses(matrix), POWER)

    def inline_fraction(self, numerator: str, denominator: str) -> str:
        return f"{numerator}/{denominator}"

    def power(self, base: str, exponent: str, elementwise: bool) -> str:
        if "^" in base and not base.endswith(")"):
            base = self.parentheses(base)
        return rf"{base}^{{\odot {exponent}}}" if elementwise else f"{base}^{{{exponent}}}"

    def between(self, left: Expression, left_text: str, right: Expression, right_text: str, dot: bool) -> str:
        if dot or isinstance(left, D) or isinstance(right, (D, Div, Neg)) or right_text[0].isdigit():
            return r" \cdot "
        if isinstance(left, Call) and _OPERATOR.match(left_text):
            return r" \cdot "
        if isinstance(left, Number) and left.value == 1:
            return r" \cdot "
        upright = any(isinstance(f, Ref) and r"\mathrm" in latex_name(f.name) for f in (left, right))
        return r" \, " if upright else " "

    def call(self, template: str, args: Sequence[str]) -> Printed:
        text = _flatten(fill(template, args), args)
        closed = template.startswith(r"\left") and template.endswith((")", "|"))
        return Printed(text, ATOM if closed else POWER)

    def function_power(self, template: str, args: Sequence[str], exponent: str) -> Printed | None:
        r"""\sin^{2}(x), σ(z)^{2}."""
        match = re.fullmatch(r"(\\operatorname\{[^{}]*\}|\\[A-Za-z]+)(\\left\(#0\\right\))", template)
        if match is None:
            return None
        if match[1] in (r"\sigma", r"\Gamma", r"\psi", r"\Phi"):
            return Printed(_flatten(fill(template, args), args) + f"^{{{exponent}}}", POWER)
        return Printed(match[1] + f"^{{{exponent}}}" + _flatten(fill(match[2], args), args), POWER)

    def named(self, function: str, args: Sequence[str], options: Sequence[tuple[str, str]]) -> Printed:
        low = ", ".join(rf"\mathrm{{{name}}}={value}" for name, value in options)
        head = rf"\operatorname{{{_word(function)}}}" + (f"_{{{low}}}" if low else "")
        return Printed(head + self.parentheses(", ".join(args)), POWER)

    def along(self, function: str, template: str | None, letters: Sequence[str], args: Sequence[str]) -> Printed:
        low = joined_indices(letters)
        if template is None:
            template = rf"\operatorname{{{_word(function)}}}\left({', '.join(f'#{k}' for k in range(len(args)))}\right)"
        named = re.match(r"\\operatorname\{[^{}]*\}", template)
        head = named[0] if named else ""
        filled = _flatten(fill(template[len(head) :], args), args)
        return Printed(f"{head}_{{{low}}}{filled}" if head else f"{filled}_{{{low}}}", POWER)

    def reduction(self, op: str, subscripts: Sequence[str], conditions: Sequence[str], body: str) -> str:
        low = ", ".join(subscripts) + (r" \,:\, " + ", ".join(conditions) if conditions else "")
        if op not in _REDUCTIONS:
            return rf"\operatorname{{{_word(op)}}}_{{{low}}}" + self.parentheses(body)
        return _REDUCTIONS[op] + (f"_{{{low}}}" if low else "") + f" {body}"

    def span(self, op: str, index: str, first: str, last: str) -> str:
        return rf"{_REDUCTIONS[op]}_{{{index} = {first}}}^{{{last}}}"

    def delta(self, indices: Sequence[str]) -> str:
        return latex_name("delta", indices)

    def held(self, derivative: str, names: Sequence[str]) -> str:
        return rf"\left.{derivative}\right|_{{{', '.join(names)}}}"

    def ones(self) -> str:
        return r"\mathbf{1}"

    def outer(self, left: str, right: Printed) -> str:
        return rf"{left}\, {right.text}"

    def adjoint(self, delta: str, name: str, indices: Sequence[str]) -> str:
        return latex_name(delta, (",".join([self.name(name, ()), *indices]),))

    def cases(self, rows: Sequence[tuple[str, str]], otherwise: bool) -> str:
        high = any(r"\frac" in value for value, _ in rows)
        rows = [(r"\displaystyle " * high + value, condition) for value, condition in rows]
        shown = [rf"{value}, & {condition}" for value, condition in rows]
        if otherwise:
            shown[-1] = rf"{rows[-1][0]}, & \text{{{rows[-1][1]}}}"
        return r"\begin{cases} " + (r" \\[9pt] " if high else r" \\ ").join(shown) + r" \end{cases}"

    def derivative(self, body: str, wrt: str, total: bool) -> Printed:
        sign = r"\mathrm{d}" if total else r"\partial "
        return Printed(rf"\frac{{{sign}{body}}}{{{sign}{wrt}}}", POWER)

    def derivative_of(self, body: str, wrt: str, total: bool) -> Printed:
        sign = r"\mathrm{d}" if total else r"\partial"
        gap = "" if total else " "
        return Printed(rf"\frac{{{sign}}}{{{sign}{gap}{wrt}}}\left[{body}\right]", POWER)

    def second_derivative(self, body: str, left: str, right: str, twice: str | None, total: bool) -> Printed:
        sign, gap = (r"\mathrm{d}", "") if total else (r"\partial", " ")
        below = f"{sign}{gap}{twice}" if twice else rf"{sign}{gap}{left}\,{sign}{gap}{right}"
        return Printed(rf"\frac{{{sign}^{{2}}{gap}{body}}}{{{below}}}", POWER)

    def vector(self, items: Sequence[str]) -> str:
        return r"\begin{bmatrix} " + r" \\ ".join(items) + r" \end{bmatrix}"

    def row(self, items: Sequence[str]) -> str:
        return r"\begin{bmatrix} " + " & ".join(items) + r" \end{bmatrix}"

    def slice(self, start: str, stop: str, step: str) -> str:
        return f"{start}{{:}}{stop}" + (f"{{:}}{step}" if step else "")

    def identity(self, size: str) -> str:
        return f"I_{{{size}}}"

    def filled(self, digit: str, sizes: Sequence[str]) -> str:
        return rf"\mathbf{{{digit}}}_{{" + r" \times ".join(sizes) + "}"

    def subscripted(self, base: str, indices: Sequence[str]) -> str:
        if _has_subscript(base):  # TeX knows no second one
            base = self.parentheses(base)
        return f"{base}_{{{joined_indices(indices)}}}"


def _has_subscript(latex: str) -> bool:
    r"""Whether what stands last has a subscript, perhaps with a superscript behind it.

    >>> [_has_subscript(one) for one in (r"\delta_{x^{[1]}}", "x_1", "W_{i}^{\\top}", "x", r"a_{1} b", r"\mathrm{a_b}")]
    [True, True, True, False, False, False]
    """
    rest = latex
    while match := re.search(r"([_^])(?:\\?[A-Za-z0-9*']+|.)$", rest) or _last_group(rest):
        if match[1] == "_":
            return True
        rest = rest[: match.start(1)]
    return False


def _last_group(latex: str) -> re.Match[str] | None:
    """The braces that a text ends with, if they are a subscript or a superscript."""
    if not latex.endswith("}"):
        return None
    depth = 0
    for k in range(len(latex) - 1, -1, -1):
        depth += {"}": 1, "{": -1}.get(latex[k], 0)
        if depth == 0:
            return re.compile(r"([_^])\{").match(latex, max(0, k - 1))
    return None


def _word(name: str) -> str:
    """A function's name; the author's own functions have names of their choice."""
    return "".join(rf"\{c}" if c in "_{}$&#%" else c if c.isascii() else f"U{ord(c):04X}" for c in name)


def _flatten(text: str, args: Sequence[str]) -> str:
    r"""Plain parentheses where the arguments are no higher than a line: \ln(a)."""
    if any(_TALL.search(arg) for arg in args):
        return text
    return text.replace(r"\left(", "(").replace(r"\right)", ")")


LATEX = _Latex()
