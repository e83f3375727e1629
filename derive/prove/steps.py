"""The judgement of one step: proved symbolically, proved numerically, refuted, or not established."""

from __future__ import annotations

from dataclasses import dataclass

from derive.expression.nodes import Call, Expression, Index, MatMul, Reduce, Stack, Transpose
from derive.expression.walk import contains
from derive.prove.domain import new_edge
from derive.prove.sampling import agree_numerically
from derive.prove.setting import ProofError, Setting
from derive.prove.symbolic import prove_symbolically


@dataclass(frozen=True, slots=True)
class Verdict:
    """`proof` is "symbolic" or "numeric" where the step holds, else None and `reason` says why not."""

    proof: str | None
    reason: str = ""


def judge(before: Expression, after: Expression, setting: Setting | None = None) -> Verdict:
    """Whether, wherever `before` is defined, `after` is defined and equal to it.

    >>> from derive.parse.expression import parse_expression as read
    >>> judge(read("((1 - y)/(1 - a) - y/a)*a*(1 - a)"), read("a - y")).proof
    'symbolic'
    >>> judge(read("sqrt(x**2)"), read("x")).proof is None
    True
    """
    setting = setting or Setting()
    if before == after:
        return Verdict("symbolic")
    scalar = not any(contains(e, _is_tensor) for e in (before, after)) and not any(setting.shapes.values())
    if scalar and not setting.assumptions and prove_symbolically(before, after, setting):
        edge = new_edge(before, after, setting)
        return Verdict("symbolic") if edge is None else Verdict(None, f"a pole that was not there: {edge}")
    agreed = agree_numerically(before, after, setting)
    if agreed:
        edge = new_edge(before, after, setting) if scalar else None
        return Verdict("numeric") if edge is None else Verdict(None, f"a pole that was not there: {edge}")
    return Verdict(
        None, "the two sides differ" if agreed is False else "no point was found at which the left side is defined"
    )


def _is_tensor(e: Expression) -> bool:
    return isinstance(e, (Index, Reduce, MatMul, Transpose, Stack)) or (isinstance(e, Call) and e.function == "delta")


def prove(before: Expression, after: Expression, setting: Setting, rule: str) -> str:
    """How the step is proved; ProofError where it cannot be established."""
    verdict = judge(before, after, setting)
    if verdict.proof is None:
        raise ProofError(f"the step '{rule}' could not be established ({verdict.reason}): {before}  →  {after}")
    return verdict.proof
