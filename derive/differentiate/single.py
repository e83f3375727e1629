"""One derivative of one expression: what `derive diff` shows.

In: the text of an expression and a name in it.  Out: a `Single`, every step of it proved.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from derive.derivation import Step
from derive.differentiate.lemma import OUTPUT, lemma
from derive.differentiate.local import differentiate
from derive.errors import DeriveError, printable
from derive.expression.nodes import Call, Expression, Ref
from derive.expression.walk import names, rename
from derive.expression.walk import replace as substitute
from derive.functions import FUNCTIONS
from derive.parse.elaborate import in_index_form
from derive.parse.expression import CONSTANTS, parse_expression
from derive.prove.setting import Setting
from derive.prove.steps import prove


@dataclass(frozen=True, slots=True)
class Single:
    """d(`body`)/d(`name`) = `expr`, and the steps from its ``D`` form; `partial` where other names stand in it too."""

    body: Expression
    name: str
    expr: Expression
    steps: tuple[Step, ...]
    occurs: bool
    partial: bool


def differentiate_expression(text: str, name: str) -> Single:
    """Differentiates the expression by the name; all its names are scalars.

    >>> str(differentiate_expression("sin(x**2)", "x").expr)
    '2*cos(x**2)*x'
    """
    if not text.strip():
        raise DeriveError("the expression is empty")
    if keyword.iskeyword(name):
        hint = "write 'lam'" if name == "lambda" else f"write '{name}_'"
        raise DeriveError(f"'{name}' is a reserved word", hint=hint)
    if not name.isidentifier() or name in CONSTANTS:
        raise DeriveError(
            f"'{printable(name)}' is not a name to differentiate by", hint="the expression comes first, then the name"
        )
    written = parse_expression(text)
    try:
        shapes: dict[str, tuple[Expression, ...]] = dict.fromkeys((*names(written), name), ())
        body, _, shape = in_index_form(written, shapes, {}, (), written.place)
        if shape:
            raise DeriveError("this is not a scalar", written.place, "`derive gradient` takes models with arrays")
        expr, steps = _derived(body, Ref(name))
    except DeriveError as error:
        raise error.within(text) from None
    except RecursionError:
        raise DeriveError("the expression is nested too deeply") from None
    proved = tuple(replace(step, proof=prove(step.before, step.after, Setting(), step.rule)) for step in steps)
    found = names(written)
    return Single(body, name, expr, proved, name in found, len(found) > 1)


def _derived(body: Expression, wrt: Ref) -> tuple[Expression, Sequence[Step]]:
    """A function of the variable itself is derived from what defines it, as its lemma is; all else by the rules."""
    row = FUNCTIONS.get(body.function) if isinstance(body, Call) else None
    if row is None or not isinstance(body, Call) or row.partials or body.args != (wrt,):
        return differentiate(body, wrt, None)
    known = lemma(row.name)

    def back(e: Expression) -> Expression:
        return rename(
            substitute(e, {Ref(OUTPUT): Call(row.name, (Ref(row.parameters[0]),))}), {row.parameters[0]: wrt.name}
        )

    def condition(text: str | None) -> str | None:
        return None if text is None else re.sub(rf"\b{row.parameters[0]}\b", wrt.name, text)

    steps = [
        Step(s.rule, back(s.before), back(s.after), condition(s.condition))
        for s in known.form.steps
        if back(s.before) != back(s.after)
    ]
    return back(known.result), steps
