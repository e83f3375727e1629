"""The judgement of one step: proved symbolically, proved numerically, refuted, or not established."""

from __future__ import annotations

from dataclasses import dataclass, replace

from derive.cache import Cache
from derive.errors import DeriveError
from derive.expression.nodes import Call, D, Expression, Index, MatMul, Reduce, Ref, Stack, Transpose
from derive.expression.walk import contains, walk
from derive.prove.edges import edges, edges_in
from derive.prove.setting import ProofError, Setting
from derive.prove.symbolic import prove_symbolically

NOWHERE = "no point was found at which the left side is defined"


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
    if setting.adjoints and _keeps_adjoints(before, after, setting):
        found = _for_any_adjoints(before, after, replace(setting, adjoints={}))
        if found.proof is not None:
            return found
    return _judge(before, after, setting)


def _keeps_adjoints(before: Expression, after: Expression, setting: Setting) -> bool:
    """Whether the adjoints of consumers that the first side speaks of stand in the second too, as they are."""
    own, left = _adjoints_in(before, setting), _adjoints_in(after, setting)
    wanted = own - {setting.node} | (set(setting.consumers) - {setting.loss} if setting.node in own else set())
    return bool(wanted) and wanted <= left


def _adjoints_in(e: Expression, setting: Setting) -> set[str]:
    return {n.wrt.name for n in walk(e) if isinstance(n, D) and isinstance(n.body, Ref) and n.body.name == setting.loss}


_FOR_ANY: Cache[Verdict] = Cache()


def _for_any_adjoints(before: Expression, after: Expression, setting: Setting) -> Verdict:
    """The judgement of a step that holds whatever the adjoints are: the same for every depth of a network."""
    key = (before, after, setting.key(before, after), str(before), str(after))
    return _FOR_ANY.get(key, lambda: _judge(before, after, setting))


def forget() -> None:
    """Forgets what was judged (for measuring)."""
    _FOR_ANY.clear()


def _judge(before: Expression, after: Expression, setting: Setting) -> Verdict:
    scalar = not any(contains(e, _is_tensor) for e in (before, after)) and not any(setting.shapes.values())
    if prove_symbolically(before, after, setting):
        return _within_the_domain("symbolic", before, after, setting) if scalar else Verdict("symbolic")
    from derive.prove.sampling import agree_numerically  # numpy and mpmath wait until they are needed

    agreed = agree_numerically(before, after, setting)
    if agreed:
        return _within_the_domain("numeric", before, after, setting) if scalar else Verdict("numeric")
    return Verdict(None, "the two sides differ" if agreed is False else NOWHERE)


def _within_the_domain(proof: str, before: Expression, after: Expression, setting: Setting) -> Verdict:
    """The proof, unless `after` has a pole or an edge that `before` has not."""
    if set(edges(after)) <= set(edges_in(before, setting)):
        return Verdict(proof)
    from derive.prove.domain import new_edge

    edge = new_edge(before, after, setting)
    return Verdict(proof) if edge is None else Verdict(None, f"a pole that was not there: {edge}")


def _is_tensor(e: Expression) -> bool:
    return isinstance(e, (Index, Reduce, MatMul, Transpose, Stack)) or (isinstance(e, Call) and e.function == "delta")


def prove(before: Expression, after: Expression, setting: Setting, rule: str) -> str:
    """How the step is proved; ProofError where it cannot be established, DeriveError where no value makes sense."""
    verdict = judge(before, after, setting)
    if verdict.reason == NOWHERE:
        raise DeriveError(
            "no values were found at which the model is defined, so its derivation cannot be proved",
            hint="does it divide by zero, or assume what cannot be?",
        )
    if verdict.proof is None:
        raise ProofError(f"the step '{rule}' could not be established ({verdict.reason}): {before}  →  {after}")
    return verdict.proof
