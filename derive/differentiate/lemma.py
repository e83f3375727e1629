"""Lemmas: the derivative of a function of the table, derived once from what defines it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from derive.differentiate.forms import Form
from derive.differentiate.local import differentiate
from derive.expression.nodes import Call, Expression, Ref
from derive.expression.walk import replace
from derive.functions import FUNCTIONS
from derive.parse.expression import parse_expression
from derive.prove.setting import Setting


@dataclass(frozen=True, slots=True)
class Lemma:
    """The derivative of a function of the table by one of its parameters, in those parameters."""

    result: Expression
    form: Form


OUTPUT = "output"  # no function of the table has a parameter of this name


@cache
def lemma(name: str, argument: int = 0) -> Lemma:
    """Derives f' for f of the table; its output is written as f(u) again.

    >>> str(lemma("sigmoid").result), str(lemma("tanh").result)
    ('sigmoid(u)*(1 - sigmoid(u))', '1 - tanh(u)**2')
    """
    row = FUNCTIONS[name]
    call = Call(name, tuple(Ref(p) for p in row.parameters))
    output = Ref(OUTPUT)
    result, steps = differentiate(call, Ref(row.parameters[argument]), output)
    return Lemma(replace(result, {output: call}), Form(steps, Setting(equations=((output, call),))))


@cache
def slope_of(text: str) -> Expression:
    """The derivative by u of an expression in u."""
    whole = parse_expression(text)
    if isinstance(whole, Call) and not FUNCTIONS[whole.function].partials:
        return lemma(whole.function).result
    return differentiate(whole, Ref("u"), None)[0]
