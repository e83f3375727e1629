"""The chain rule over the graph, and putting in what was found before."""

from __future__ import annotations

from derive.expression.build import ZERO, add, mul
from derive.expression.nodes import Call, D, Expression, Index, Reduce, Ref
from derive.expression.walk import bound_apart, fresh, index_names, names, rename_indices, transform
from derive.rules.rule import Context, Rule, at_every_place


def _chain(e: Expression, context: Context) -> Expression | None:
    """An adjoint as the sum over the node's direct consumers of adjoint times local derivative.

    What stands in the loss itself contributes the derivative of the loss's right-hand side.
    """
    if not isinstance(e, D) or e.body != Ref(context.loss) or e.wrt.name not in context.consumers:
        return None
    terms: list[Expression] = []
    steps = any(consumer.name == e.wrt.name for consumer in context.consumers[e.wrt.name])  # of a recurrence
    for consumer in context.consumers[e.wrt.name]:
        if consumer.body is not None:
            own = _own_entry(consumer.body, e.wrt) if steps else None
            terms.append(own or D(consumer.body, e.wrt))
            continue
        taken = {**index_names(e), **names(e), consumer.name: None}
        letters = []
        for letter in consumer.indices:
            letters.append(fresh(taken, "k" if letter in taken else letter))
            taken[letters[-1]] = None
        element = Ref(consumer.name, tuple(Index(letter) for letter in letters))
        term = mul(D(e.body, element), D(element, e.wrt))
        terms.append(Reduce("sum", term, tuple(letters), None, consumer.sizes) if letters else term)
    return add(*terms)


def _own_entry(body: Expression, wrt: Ref) -> Expression | None:
    """Of a loss that is one entry of a recurrence, 1 or 0: ``D(h[T], h[t])`` would be asked of the rule of h."""
    if not isinstance(body, Ref) or body.name != wrt.name:
        return None
    deltas = (Call("delta", pair) for pair in zip(body.indices, wrt.indices, strict=True))
    return mul(*deltas)


def _found(node: Expression, context: Context, of_loss: bool, taken: dict[str, None]) -> Expression | None:
    """The result that a derivative stands for, moved from its generic indices to the ones asked for.

    The indices that it binds are other ones than those of the expression it comes to stand in.
    """
    if not isinstance(node, D):
        return None
    own = [c for c in context.consumers.get(node.wrt.name, ()) if c.body is not None and c.body == node.body]
    if isinstance(node.body, Ref) and not own:
        if (node.body.name == context.loss) != of_loss:
            return None
        of, indices = node.body.name, node.body.indices
    else:
        if not own or of_loss:
            return None
        of, indices = f"{own[0].name} itself", ()
    fact = context.facts.get((of, node.wrt.name))
    if fact is None:
        return None
    swap = dict(zip(fact.indices, (*indices, *node.wrt.indices), strict=True))
    return bound_apart(rename_indices(fact.expr, swap), taken)


def _put_local(e: Expression, context: Context) -> Expression | None:
    taken = index_names(e)
    result = transform(e, lambda node: _found(node, context, of_loss=False, taken=taken), D)
    return None if result == e else result


def _put_adjoints(e: Expression, context: Context) -> Expression | None:
    taken = index_names(e)
    result = transform(e, lambda node: _found(node, context, of_loss=True, taken=taken), D)
    return None if result == e else result


def _unreached(e: Expression, context: Context) -> Expression | None:
    if isinstance(e, D) and e.body == Ref(context.loss) and e.wrt.name not in context.consumers:
        return ZERO
    return None


CHAIN_RULE = Rule("chain rule", "D(L, v) = sum over the consumers c of v of D(L, c)*D(c, v)", at_every_place(_chain, D))
LOCAL_RESULTS = Rule("local derivatives", "the local derivatives found before are put in", _put_local)
ADJOINTS = Rule("adjoints", "the adjoints found before are put in", _put_adjoints)
NOT_REACHED = Rule("not reached", "D(L, v) = 0 where the loss does not depend on v", at_every_place(_unreached, D))
