"""Rules that put earlier results in: local derivatives, adjoints, and the chain rule that asks for them."""

from __future__ import annotations

from derive.expression.nodes import D, Expression, Ref
from derive.expression.walk import rename_indices, transform
from derive.rules.rule import Context, Rule


def _lookup(node: Expression, context: Context) -> Expression | None:
    """The result that a derivative stands for; facts are kept at generic indices and moved to the ones asked for."""
    if not isinstance(node, D) or not isinstance(node.body, Ref):
        return None
    for pattern, result in context.facts.items():
        if not isinstance(pattern, D) or not isinstance(pattern.body, Ref):
            continue
        if pattern.body.name == node.body.name and pattern.wrt.name == node.wrt.name:
            swap = {
                str(generic): actual
                for generic, actual in zip(
                    (*pattern.body.indices, *pattern.wrt.indices), (*node.body.indices, *node.wrt.indices), strict=True
                )
            }
            return rename_indices(result, swap)
    return None


def _substitute(e: Expression, context: Context) -> Expression | None:
    result = transform(e, lambda node: _lookup(node, context))
    return None if result == e else result


SUBSTITUTE = Rule("substitute", "a derivative that was found before is replaced by its value", _substitute)
