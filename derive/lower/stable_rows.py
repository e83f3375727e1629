"""The table of stable forms: before = after over the metavariables u and v, and why.

Both sides are equal; the right one neither overflows nor loses the digits where the left one would.  Rows of functions
stand for every spelling of their arguments: the rewriting is from the leaves up, and what a node is named does not
matter where `derive.lower.logarithm` looks into it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from derive.expression.nodes import Expression, Ref
from derive.expression.walk import bottom_up, transform
from derive.parse.expression import parse_expression
from derive.rules.arithmetic import tidy
from derive.rules.identities import matches


@dataclass(frozen=True, slots=True)
class Row:
    before: str
    after: str
    why: str


OVERFLOW = "an exponential overflows"
SATURATED = "1 is subtracted from what rounds to 1"
VANISHES = "the logarithm's argument underflows to 0, or overflows"
NEAR_0 = "near 0 the difference cancels"

# What the rows below leave behind.
CANCEL_ROWS: tuple[Row, ...] = (
    Row("2*u/2", "u", "arithmetic"),
    Row("2*(u/2)", "u", "arithmetic"),
)

# Equal forms in functions that the engine differentiates.
ROWS: tuple[Row, ...] = (
    Row("1/(1 + exp(-u))", "sigmoid(u)", OVERFLOW),
    Row("1/(exp(-u) + 1)", "sigmoid(u)", OVERFLOW),
    Row("1/(1 + exp(u))", "sigmoid(-u)", OVERFLOW),
    Row("1/(exp(u) + 1)", "sigmoid(-u)", OVERFLOW),
    Row("exp(u)/(1 + exp(u))", "sigmoid(u)", OVERFLOW),
    Row("exp(u)/(exp(u) + 1)", "sigmoid(u)", OVERFLOW),
    Row("v/(1 + exp(-u))", "v*sigmoid(u)", OVERFLOW),
    Row("v/(exp(-u) + 1)", "v*sigmoid(u)", OVERFLOW),
    Row("(exp(u) - exp(-u))/(exp(u) + exp(-u))", "tanh(u)", OVERFLOW),
    Row("1 + tanh(u)", "2*sigmoid(2*u)", SATURATED),
    Row("tanh(u) + 1", "2*sigmoid(2*u)", SATURATED),
    Row("1 - tanh(u)", "2*sigmoid(-2*u)", SATURATED),
    Row("1 - sigmoid(u)", "sigmoid(-u)", SATURATED),
    Row("sigmoid(u) - 1", "-sigmoid(-u)", SATURATED),
    Row("1 - tanh(u)**2", "sech(u)**2", SATURATED),
    Row("1 - normal_cdf(u)", "normal_cdf(-u)", SATURATED),
    Row("normal_cdf(u) - 1", "-normal_cdf(-u)", SATURATED),
    Row("exp(u) - 1", "expm1(u)", NEAR_0),
    Row("1 - exp(u)", "-expm1(u)", NEAR_0),
    Row("sqrt(1 + u**2) - 1", "u**2/(sqrt(1 + u**2) + 1)", NEAR_0),
    Row("sqrt(u**2 + 1) - 1", "u**2/(sqrt(u**2 + 1) + 1)", NEAR_0),
    Row("log(sigmoid(u))", "-softplus(-u)", VANISHES),
    Row("log(softplus(u))", "where(u < -40, u, log(softplus(u)))", VANISHES),
    Row("log(cosh(u))", "log_cosh(u)", VANISHES),
    Row("log(sech(u))", "-log_cosh(u)", VANISHES),
    Row("log(normal_cdf(u))", "log_ndtr(u)", VANISHES),
    Row("log(1 + exp(u))", "softplus(u)", VANISHES),
    Row("log(exp(u) + 1)", "softplus(u)", VANISHES),
    Row("log(exp(u))", "u", VANISHES),
    Row("exp(log(u))", "u", OVERFLOW),
    Row("softplus(u) - softplus(-u)", "u", "the difference cancels"),
    Row("-softplus(-u) + softplus(u)", "u", "the difference cancels"),
    Row("-softplus(u) + softplus(-u)", "-u", "the difference cancels"),
    *CANCEL_ROWS,
)

# What code computes besides, once nothing is differentiated any more.
LAST_ROWS: tuple[Row, ...] = (
    Row("log(1 + u)", "log1p(u)", NEAR_0),
    Row("log(u + 1)", "log1p(u)", NEAR_0),
    Row("log(1 - u)", "log1p(-u)", NEAR_0),
    Row("v*softplus(-u) + (1 - v)*softplus(u)", "binary_cross_entropy_with_logits(u, v)", "one logarithm, not two"),
    Row("u*log(u)", "xlogy(u, u)", "0 times the logarithm of 0"),
)


@cache
def _parsed(rows: tuple[Row, ...]) -> tuple[tuple[Expression, Expression], ...]:
    return tuple((parse_expression(row.before), parse_expression(row.after)) for row in rows)


def by_rows(node: Expression, rows: tuple[Row, ...]) -> Expression:
    """The node by the first row that matches it, tidied; itself where none does."""
    found = _first(node, rows)
    return node if found is None else tidy(bottom_up(found, lambda n: _first(n, CANCEL_ROWS) or n))


def _first(node: Expression, rows: tuple[Row, ...]) -> Expression | None:
    for before, after in _parsed(rows):
        binding: dict[str, Expression] = {}
        if type(before) is type(node) and matches(before, node, binding):
            return transform(after, lambda n, b=binding: b.get(n.name) if isinstance(n, Ref) else None)  # type: ignore[misc]
    return None
