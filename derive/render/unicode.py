"""Expression → one line of Unicode for terminals: `∂L/∂z = a − y`, `σ(z)`, `w^[1]₂·x₂`.

The order, the parentheses and the signs are those of `derive.render.latex`; fractions stand on the line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from derive.expression.nodes import D, Expression
from derive.functions import fill
from derive.render.math_printer import Printer
from derive.render.math_style import ATOM, POWER, PRODUCT, Conventions, Printed, Shapes, Style
from derive.render.names import SUBSCRIPTS, SUPERSCRIPTS, lowered, unicode_name

_REDUCTIONS = {"sum": "∑", "prod": "∏", "max": "max", "min": "min", "argmax": "argmax", "argmin": "argmin"}
_TEMPLATES = {  # the LaTeX of the function table, piece by piece
    r"\sqrt[3]{#0}": "∛(#0)", r"\sqrt{#0}": "√(#0)", "^{(#0)}": "^(#0)", "^{#0}": "^(#0)", "_{2}": "₂", "_{10}": "₁₀",
    r"\left": "", r"\right": "", r"\sigma": "σ", r"\Gamma": "Γ", r"\psi": "ψ", r"\Phi": "Φ", r"\lVert": "‖",
    r"\rVert": "‖", " - ": " − ", "'": "′", r"\varphi": "φ", r"\lfloor ": "⌊", r" \rfloor": "⌋", r"\lceil ": "⌈",
    r" \rceil": "⌉", "^{-1}": "⁻¹", "_{0}": "₀", "_{1}": "₁", "_{#0}": "_(#0)",
}  # fmt: skip


def unicode_math(e: Expression, shapes: Shapes | None = None, conventions: Conventions | None = None) -> str:
    """The expression on one line.

    >>> from derive.parse.expression import parse_expression as parse
    >>> unicode_math(parse("(1 - y)/(1 - a2) - y/a2"))
    '(1 − y)/(1 − a^[2]) − y/a^[2]'
    >>> unicode_math(parse("2*sigmoid(z)**2*x_1"))
    '2·σ(z)²·x₁'
    """
    return Printer(UNICODE, conventions or Conventions(shapes or {})).text(e)


class _Unicode(Style):
    numerator, denominator, exponent = PRODUCT, POWER, POWER
    elementwise = " ⊙ "
    matrix = " "
    every = "·"
    inverse_transposed = "-T"
    cases_binding = ATOM
    before_sum = " · "
    plus, minus = " + ", " − "
    relations: Mapping[str, str] = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "==": "=", "!=": "≠"}

    def number(self, spelling: str, decimal: str) -> Printed:
        mantissa, _, exponent = spelling.replace("_", "").lower().partition("e")
        mantissa = mantissa.rstrip(".").replace(".", decimal.strip("{}"))
        mantissa = mantissa if mantissa[0].isdigit() else "0" + mantissa
        if not exponent:
            return Printed(mantissa)
        ten = self.power("10", str(int(exponent)), False)
        return Printed(ten, POWER) if mantissa == "1" else Printed(f"{mantissa}·{ten}", PRODUCT)

    def constant(self, name: str) -> str:
        return {"pi": "π", "inf": "∞"}.get(name, name)

    def name(self, name: str, indices: Sequence[str]) -> str:
        plain = name.rstrip("'")
        return unicode_name(plain, [i.replace("'", "′") for i in indices]) + "′" * (len(name) - len(plain))

    def transposed(self, base: Printed, name: str | None, indices: Sequence[str]) -> Printed:
        return Printed(base.text + "ᵀ", POWER)

    def parentheses(self, text: str) -> str:
        return f"({text})"

    def fraction(self, numerator: str, denominator: str) -> Printed:
        spaced = " · " in numerator or "∂" in numerator + denominator
        return Printed(numerator + (" / " if spaced else "/") + denominator, PRODUCT)

    def divided(self, numerator: str, denominator: str) -> str:
        return f"{numerator} ⊘ {denominator}"

    def brackets(self, text: str) -> str:
        return f"[{text}]"

    def determinant(self, logarithm: bool, matrix: str) -> Printed:
        return Printed(f"{'ln ' if logarithm else ''}det({matrix})", POWER)

    def inline_fraction(self, numerator: str, denominator: str) -> str:
        return f"({numerator}/{denominator})"

    def power(self, base: str, exponent: str, elementwise: bool) -> str:
        if elementwise:
            return f"{self._base(base)}^⊙{exponent}"
        raised = exponent.replace("−", "-")
        if raised == "-T":
            return base + "⁻ᵀ"
        if all(c in SUPERSCRIPTS for c in raised):
            return base + "".join(SUPERSCRIPTS[c] for c in raised)
        return f"{self._base(base)}^{exponent}"

    def _base(self, base: str) -> str:
        return f"({base})" if "^" in base and not base.startswith("(") else base

    def between(self, left: Expression, left_text: str, right: Expression, right_text: str, dot: bool) -> str:
        return " · " if isinstance(left, D) or isinstance(right, D) else "·"

    def call(self, template: str, args: Sequence[str]) -> Printed:
        if template == r"e^{#0}":
            return Printed(self._exponential(args[0]), POWER)
        text = re.sub(r"\\operatorname\{([^{}]*)\}", r"\1", template)
        for latex, plain in _TEMPLATES.items():
            text = text.replace(latex, plain)
        text = re.sub(r"\s+", " ", text.replace("\\", ""))
        text = text.replace("( ", "(").replace("‖ ", "‖").replace(" ‖", "‖")
        return Printed(fill(text, args), ATOM)

    def _exponential(self, exponent: str) -> str:
        bare = re.fullmatch(r"[^\s()+−·/^]+", exponent) or _enclosed(exponent)
        return f"e^{exponent}" if bare else f"e^({exponent})"

    def function_power(self, template: str, args: Sequence[str], exponent: str) -> Printed | None:
        return None

    def named(self, function: str, args: Sequence[str], options: Sequence[tuple[str, str]]) -> Printed:
        return Printed(f"{function}({', '.join([*args, *(f'{name}={value}' for name, value in options)])})")

    def along(self, function: str, template: str | None, letters: Sequence[str], args: Sequence[str]) -> Printed:
        low = lowered("".join(letters)) or f"[{', '.join(letters)}]"
        if template is not None and "operatorname" not in template:  # ‖x‖
            return Printed(self.call(template, args).text + low)
        return Printed(f"{function.replace('_', ' ')}{low}({', '.join(args)})")

    def reduction(self, op: str, subscripts: Sequence[str], conditions: Sequence[str], body: str) -> str:
        names = [s.replace("'", "′") for s in subscripts]
        low = "".join(SUBSCRIPTS.get(c, "?") for c in "".join(names))
        head = _REDUCTIONS.get(op, op)
        if conditions or "?" in low:
            head += f"[{', '.join(names)}{': ' if conditions else ''}{', '.join(conditions)}]"
        else:
            head += low
        return f"{head} {body}"

    def span(self, op: str, index: str, first: str, last: str) -> str:
        return f"{_REDUCTIONS.get(op, op)}[{index} = {first}…{last}]"

    def delta(self, indices: Sequence[str]) -> str:
        return unicode_name("delta", [i.replace("'", "′") for i in indices])

    def held(self, derivative: str, names: Sequence[str]) -> str:
        return f"({derivative})|[{', '.join(names)}]"

    def ones(self) -> str:
        return "𝟏"

    def outer(self, left: str, right: Printed) -> str:
        return f"{left} {right.text}"

    def adjoint(self, delta: str, name: str, indices: Sequence[str]) -> str:
        return f"{unicode_name(delta)}_{self.name(name, ())}" + (f"[{', '.join(indices)}]" if indices else "")

    def cases(self, rows: Sequence[tuple[str, str]], otherwise: bool) -> str:
        return "{" + "; ".join(f"{value}, {condition}" for value, condition in rows) + "}"

    def derivative(self, body: str, wrt: str, total: bool) -> Printed:
        sign = "d" if total else "∂"
        return Printed(f"{sign}{body}/{sign}{wrt}", POWER)

    def derivative_of(self, body: str, wrt: str, total: bool) -> Printed:
        sign = "d" if total else "∂"
        return Printed(f"{sign}/{sign}{wrt} [{body}]", POWER)

    def second_derivative(self, body: str, left: str, right: str, twice: str | None, total: bool) -> Printed:
        sign = "d" if total else "∂"
        return Printed(f"{sign}²{body}/{sign}{twice}" if twice else f"{sign}²{body}/{sign}{left}{sign}{right}", POWER)

    def vector(self, items: Sequence[str]) -> str:
        return f"[{'; '.join(items)}]"

    def row(self, items: Sequence[str]) -> str:
        return f"[{', '.join(items)}]"

    def slice(self, start: str, stop: str, step: str) -> str:
        return f"{start}:{stop}" + (f":{step}" if step else "")

    def identity(self, size: str) -> str:
        return unicode_name("I", [size])

    def filled(self, digit: str, sizes: Sequence[str]) -> str:
        return self.subscripted({"0": "𝟎", "1": "𝟏"}[digit], sizes)

    def subscripted(self, base: str, indices: Sequence[str]) -> str:
        return base + (lowered("".join(indices).replace("'", "′")) or f"[{', '.join(indices)}]")


def _enclosed(text: str) -> bool:
    """Whether one pair of parentheses encloses everything."""
    depth = 0
    for k, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return character == ")" and k == len(text) - 1
    return False


UNICODE = _Unicode()
