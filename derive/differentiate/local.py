"""Local derivatives: of one equation's right-hand side by one of the names in it, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from derive.derivation import Step
from derive.differentiate.strategy import Chain, simplify
from derive.errors import DeriveError
from derive.expression.nodes import Call, D, Expression, Ref, Where
from derive.expression.walk import has_name, nodes_of, operations
from derive.expression.walk import replace as put
from derive.functions import FUNCTIONS
from derive.rules.arithmetic import ARITHMETIC
from derive.rules.calculus import CASES, DEFINITION_RULES, ELEMENTWISE, INVERSE_RULES, ORDER, is_constant
from derive.rules.fractions import CANCEL
from derive.rules.guards import TAKING_PART, is_guard, tests_of
from derive.rules.output import NAME_OUTPUT, THROUGH_HELPER, THROUGH_OUTPUT
from derive.rules.rule import Context, Rule


def differentiate(
    body: Expression,
    wrt: Ref,
    output: Ref | None,
    ranges: Mapping[str, Expression] | None = None,
    shapes: Mapping[str, tuple[Expression, ...]] | None = None,
    structures: Mapping[str, str] | None = None,
    holds: tuple[Expression, ...] = (),
) -> tuple[Expression, tuple[Step, ...]]:
    """∂body/∂wrt with its steps; `output` is the name that the right-hand side defines, if it has one; `ranges` are the
    sizes that free indices run over, `shapes` those of the names, `structures` of parameters; `holds` are conditions on
    indices that hold.

    Raises DeriveError where no rule applies.
    """
    if isinstance(body, Where) and output is not None and is_guard(body.condition):
        return _by_cases(body, wrt, output, ranges or {}, shapes or {}, structures or {})
    node = None if output is None else (output, body)
    context = Context(
        output=node, ranges=ranges or {}, shapes=shapes or {}, structures=structures or {}, holds=holds
    )
    chain = Chain(D(body, wrt), context)
    chain.apply(ELEMENTWISE)
    unfold(chain, body, wrt)
    carry_out(chain)
    chain.apply(ARITHMETIC)
    before_simplifying = chain.fork()
    before_simplifying.apply(CANCEL)
    simplify(chain)
    to_output(chain, before_simplifying)
    return chain.expr, tuple(chain.steps)


def _by_cases(
    body: Where,
    wrt: Ref,
    output: Ref,
    ranges: Mapping[str, Expression],
    shapes: Mapping[str, tuple[Expression, ...]],
    structures: Mapping[str, str],
) -> tuple[Expression, tuple[Step, ...]]:
    """Each case for itself: in each, the output is what that case says."""
    context = Context(output=(output, body), ranges=ranges, shapes=shapes, structures=structures)
    chain = Chain(D(body, wrt), context)
    chain.apply(CASES)

    def worked_out(case: Expression, holds: tuple[Expression, ...]) -> None:
        """The derivative of one case, in its place."""
        here, around = D(case, wrt), chain.expr
        if here in nodes_of(around, D):
            found, steps = differentiate(case, wrt, output, ranges, shapes, structures, holds)
            chain.steps += [_inside(step, around, here) for step in steps]
            chain.expr = put(around, {here: found})

    if is_constant(body.otherwise, wrt):  # what is said in a line comes first
        worked_out(body.otherwise, ())
    chain.apply(TAKING_PART)
    inner = (n.condition for n in nodes_of(chain.expr, Where) if n.then == D(body.then, wrt))
    worked_out(body.then, tuple(test for c in (body.condition, *inner) for test in tests_of(c)))
    worked_out(body.otherwise, ())
    chain.apply(ARITHMETIC)
    carry_out(chain)
    simplify(chain)
    return chain.expr, tuple(chain.steps)


def _inside(step: Step, around: Expression, here: Expression) -> Step:
    """A step in the place of a part."""
    return replace(step, before=put(around, {here: step.before}), after=put(around, {here: step.after}))


def unfold(chain: Chain, body: Expression, wrt: Ref) -> None:
    """A named function that is the whole right-hand side is differentiated from what defines it."""
    if chain.context.output is None or not isinstance(body, Call) or body.function not in FUNCTIONS:
        return
    if FUNCTIONS[body.function].partials:
        return
    if body.function in DEFINITION_RULES and all(
        isinstance(arg, Ref) or not has_name(arg, wrt.name) for arg in body.args
    ):
        chain.apply(DEFINITION_RULES[body.function])
    elif body.function in INVERSE_RULES and body.args == (_own_wrt(chain, wrt),):
        chain.apply(INVERSE_RULES[body.function])


def _own_wrt(chain: Chain, wrt: Ref) -> Ref:
    """The variable of the derivative, after the elementwise rule put its own indices in."""
    found = _derivatives(chain.expr)
    return found[0].wrt if found else wrt


def carry_out(chain: Chain) -> None:
    """Applies rules of differentiation until no ``D`` is left."""
    while derivatives := _derivatives(chain.expr):
        heads = {type(d.body) for d in derivatives}
        if not any(chain.apply(rule) for rule in ORDER if not rule.heads or rule.heads & heads):
            left = derivatives[0]
            raise DeriveError(f"no rule differentiates {left.body} with respect to {left.wrt}", left.body.place)


def _derivatives(e: Expression) -> list[D]:
    return list(nodes_of(e, D))


def to_output(chain: Chain, explicit: Chain) -> None:
    """The passage to the node's own output, or to a known function, where that is shorter and has no new pole."""
    output = chain.context.output
    best = chain.fork()
    body = None if output is None else output[1]
    through_a_lemma = (
        isinstance(body, Call) and body.function in FUNCTIONS and not all(isinstance(a, Ref) for a in body.args)
    )
    passages: tuple[tuple[Rule, ...], ...] = (
        (NAME_OUTPUT,),
        (THROUGH_OUTPUT, NAME_OUTPUT),
        (THROUGH_HELPER, NAME_OUTPUT),
    )
    for start in (explicit, chain):
        for passage in passages[:1] if through_a_lemma else passages[2:] if output is None else passages:
            fork = start.fork()
            if passage[0] is THROUGH_HELPER and not _has_kernel(fork.expr):
                continue
            if not fork.apply(passage[0]):
                continue
            for rule in passage[1:]:
                fork.apply(rule)
            simplify(fork)
            if output is not None and _inside_a_function(fork.expr, output[0]):
                continue
            if operations(fork.expr) < operations(best.expr):
                best = fork
                if passage[0] is THROUGH_OUTPUT:
                    break
        if best.expr != chain.expr:
            break
    chain.take(best)


def _inside_a_function(e: Expression, output: Ref) -> bool:
    """``cos(a)`` is no form in the output: there it stands as an angle, not as a value."""
    return any(output in nodes_of(arg, Ref) for node in nodes_of(e, Call) for arg in node.args)


def _has_kernel(e: Expression) -> bool:
    return any(node.function != "delta" for node in nodes_of(e, Call))
