"""How `derive diff` prints one derivative: every line with the rule that gave it, the result last.

In: a `Single`.  Out: text for the terminal, LaTeX, or the JSON of a gradient's steps.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from derive.derivation import Step
from derive.differentiate.single import Single
from derive.errors import DeriveError
from derive.expression.nodes import D, Expression, Ref
from derive.parse.expression import parse_expression
from derive.render.latex import latex
from derive.render.math_style import Conventions
from derive.render.unicode import unicode_math

MOST = 60  # the column that notes stand in, at most


def print_text(single: Single) -> str:
    """One line for each step.

    >>> from derive.differentiate.single import differentiate_expression
    >>> print(print_text(differentiate_expression("x**2", "x")))
    d/dx [x²]
      = 2·x   (power rule)
    """
    shown = conventions(single)
    rows = [(f"  = {unicode_math(step.after, conventions=shown)}", _note(step, unicode_math)) for step in single.steps]
    column = min(MOST, max((len(line) for line, _ in rows), default=0))
    told = [f"{line:<{column}}   ({note})" for line, note in rows]
    return "\n".join([unicode_math(_start(single), conventions=shown), *told])


def print_latex(single: Single) -> str:
    """An ``align*`` environment, one line for each step."""
    shown = conventions(single)
    left = latex(_start(single), conventions=shown)
    lines = [rf"&= {latex(step.after, conventions=shown)} && \text{{{_note(step, _inline)}}}" for step in single.steps]
    body = " \\\\\n".join(f"  {line}" for line in lines)
    return "\\begin{align*}\n  " + left + "\n" + body + "\n\\end{align*}"


def print_json(single: Single) -> str:
    """The expression, its derivative and the steps, as in ``derive gradient --format json``."""
    shown = conventions(single)
    content = {
        "of": str(single.body),
        "wrt": single.name,
        "expr": str(single.expr),
        "latex": latex(single.expr, conventions=shown),
        "steps": [
            {
                "rule": step.rule, "before": str(step.before), "after": str(step.after),
                "latex": latex(step.after, conventions=shown), "condition": step.condition,
                "assumption": step.assumption, "proof": step.proof,
            }
            for step in single.steps
        ],
    }  # fmt: skip
    return json.dumps(content, indent=2, ensure_ascii=False)


def conventions(single: Single) -> Conventions:
    """d where the expression has one name, ∂ where it has several."""
    return Conventions(total=lambda derivative: not single.partial)


def _start(single: Single) -> Expression:
    return single.steps[0].before if single.steps else D(single.body, Ref(single.name))


def _note(step: Step, printed: Callable[[Expression], str]) -> str:
    """The rule, and what must not be 0 for it."""
    if step.condition is None:
        return step.rule
    try:
        condition = printed(parse_expression(step.condition))
    except DeriveError:  # conditions joined by commas
        condition = step.condition
    return f"{step.rule}, where {condition}"


def _inline(e: Expression) -> str:
    return f"${latex(e)}$"
