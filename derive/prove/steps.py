"""The judgement of one step: proved symbolically, proved numerically, refuted, or not established."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from derive.cache import Cache
from derive.errors import DeriveError
from derive.expression.nodes import Call, D, Expression, Index, MatMul, Reduce, Ref, Stack, Transpose, Where
from derive.expression.walk import holds, nodes_of
from derive.prove.congruence import Pair, differences, generalised, speaks_for_itself
from derive.prove.edges import edges, edges_in
from derive.prove.lengths import of_any_length
from derive.prove.points import RECENT
from derive.prove.setting import ProofError, Setting
from derive.prove.symbolic import prove_symbolically
from derive.prove.to_sympy import forget_slopes

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
    general = of_any_length(before, after, setting)
    if general is not None and (found := judge(*general)).proof is not None:
        return found
    if setting.node and not setting.adjoints:
        return _for_any_adjoints(before, after, setting)
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
    return {n.wrt.name for n in nodes_of(e, D) if isinstance(n.body, Ref) and n.body.name == setting.loss}


_FOR_ANY: Cache[Verdict] = Cache()
_EVERYWHERE: Cache[bool] = Cache()


def _for_any_adjoints(before: Expression, after: Expression, setting: Setting) -> Verdict:
    """The judgement of a step that holds whatever the adjoints are: the same for every depth of a network."""
    key = (before, after, setting.key(before, after), str(before), str(after))
    return _FOR_ANY.get(key, lambda: _judge(before, after, setting))


def forget() -> None:
    """Forgets what was judged (for measuring)."""
    _FOR_ANY.clear()
    _EVERYWHERE.clear()
    RECENT.clear()
    forget_slopes()


def _judge(before: Expression, after: Expression, setting: Setting) -> Verdict:
    scalar = not any(setting.shapes.values()) and not any(map(_holds_tensors, (before, after)))
    if _proved_symbolically(before, after, setting):
        return _within_the_domain("symbolic", before, after, setting) if scalar else Verdict("symbolic")
    from derive.prove.sampling import agree_numerically  # numpy and mpmath wait until they are needed

    agreed = agree_numerically(before, after, setting)
    if agreed:
        return _within_the_domain("numeric", before, after, setting) if scalar else Verdict("numeric")
    return Verdict(None, "the two sides differ" if agreed is False else NOWHERE)


def _proved_symbolically(before: Expression, after: Expression, setting: Setting) -> bool:
    """Whether SymPy shows each part equal that the step changed, or else the whole."""
    pairs = differences(before, after)
    if all(_is_equal(pair, setting) for pair in pairs):
        return True
    return pairs != [(before, after)] and prove_symbolically(before, after, setting)


def _is_equal(pair: Pair, setting: Setting) -> bool:
    general, functions = generalised(pair)
    if functions and speaks_for_itself(general, setting) and _holds_everywhere(general, functions):
        return True
    return _holds_everywhere(pair) if speaks_for_itself(pair, setting) else prove_symbolically(*pair, setting)


def _holds_everywhere(pair: Pair, functions: Mapping[str, tuple[Ref, ...]] | None = None) -> bool:
    key = (pair, tuple((functions or {}).items()))
    return _EVERYWHERE.get(key, lambda: prove_symbolically(*pair, Setting(), functions))


def _within_the_domain(proof: str, before: Expression, after: Expression, setting: Setting) -> Verdict:
    """The proof, unless `after` has a pole, an edge or another value at a kink than `before`."""
    if not set(edges(after)) <= set(edges_in(before, setting)):
        from derive.prove.domain import new_edge

        edge = new_edge(before, after, setting)
        if edge is not None:
            return Verdict(None, f"a pole that was not there: {edge}")
    if any(map(_has_a_kink, (before, after))) and not any(holds(e, D) for e in (before, after)):
        from derive.prove.sampling import differ_at_a_kink

        if differ_at_a_kink(before, after, setting):
            return Verdict(None, "the two sides differ at a kink")
    return Verdict(proof)


def _has_a_kink(e: Expression) -> bool:
    """Whether a function of cases is seen; derivatives follow the conventions there, values must be equal."""
    return holds(e, Where) or any(n.function in ("abs", "sign", "maximum", "minimum") for n in nodes_of(e, Call))


def _holds_tensors(e: Expression) -> bool:
    return holds(e, Index, Reduce, MatMul, Transpose, Stack) or any(n.function == "delta" for n in nodes_of(e, Call))


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
