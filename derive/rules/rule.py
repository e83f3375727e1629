"""What a rewrite rule is: a name, the theorem it applies, and the rewriting itself.

``apply(e, context)`` rewrites the whole expression, at every place where the rule fits, and gives None where it fits
nowhere.  It is deterministic, so that a step can be replayed: the named rule applied to `before` gives `after`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from derive.expression.nodes import Compare, Expression, Ref
from derive.expression.walk import transform


@dataclass(frozen=True)
class Context:
    """What a rule may know besides the expression.

    `output`: the node whose equation is being differentiated, as (element, right-hand side).  `facts`: results that
    have been derived before, by the derivative they stand for.  `assumptions`: what the author stated.
    """

    output: tuple[Ref, Expression] | None = None
    facts: Mapping[Expression, Expression] = field(default_factory=dict)
    assumptions: tuple[Compare, ...] = ()


Rewrite = Callable[[Expression, Context], Expression | None]


@dataclass(frozen=True)
class Rule:
    """A named rewriting.  `statement` is the theorem, as it would stand in a table of rules."""

    name: str
    statement: str
    apply: Rewrite


def at_every_place(change: Callable[[Expression, Context], Expression | None]) -> Rewrite:
    """Applies `change` to the outermost nodes that it fits, all of them at once."""

    def apply(e: Expression, context: Context) -> Expression | None:
        result = transform(e, lambda node: change(node, context))
        return None if result is e or result == e else result

    return apply
