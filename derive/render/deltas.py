"""Which adjoints are needed by name, and what they are called: δ^{[l]} for the one that a layer's gradients use.

In: a derivation.  Out: the adjoints in the order of the backward pass, and the names of those that have their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from derive.derivation import Adjoint, Derivation
from derive.expression.nodes import D, Expression, Ref
from derive.expression.walk import walk
from derive.render.names import split_name


def trained(derivation: Derivation) -> list[Adjoint]:
    """The gradients of the parameters that the loss depends on."""
    return [a for a in derivation.gradients if a.name in derivation.model.parameters and a.terms]


def needed(derivation: Derivation, gradients: Iterable[Adjoint]) -> list[Adjoint]:
    """The adjoints that the gradients use, and those that these use, from the loss backwards."""
    nodes = {a.name: a for a in derivation.nodes}
    wanted: set[str] = set()
    pending = [a.compact for a in gradients]
    while pending:
        for name in used(pending.pop(), derivation.model.loss):
            if name in nodes and name not in wanted:
                wanted.add(name)
                pending.append(nodes[name].compact)
    return [a for a in derivation.nodes if a.name in wanted]


def used(e: Expression, loss: str) -> list[str]:
    """The nodes whose adjoints stand in an expression."""
    return [node.wrt.name for node in walk(e) if isinstance(node, D) and node.body == Ref(loss)]


def layer_deltas(derivation: Derivation) -> dict[str, str]:
    """``{"z1": "delta1"}``: where the gradients of the parameters use the adjoint of one node of a layer alone."""
    found: dict[str, set[str]] = defaultdict(set)
    for a in trained(derivation):
        for name in used(a.compact, derivation.model.loss):
            found[split_name(name).layer].add(name)
    return {name: f"delta{layer}" for layer, names in found.items() if layer and len(names) == 1 for name in names}
