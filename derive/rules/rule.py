"""What a rewrite rule is: a name, the theorem it applies, and the rewriting itself.

``apply(e, context)`` rewrites the whole expression, at every place where the rule fits, and gives None where it fits
nowhere.  It is deterministic, so that a step can be replayed: the named rule applied to `before` gives `after`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from derive.expression.nodes import Compare, Expression, Ref
from derive.expression.walk import Pass, transform


@dataclass(frozen=True, slots=True)
class Consumer:
    """A node that uses another one directly: its name, letters and sizes of its axes; of the loss, its equation."""

    name: str
    indices: tuple[str, ...] = ()
    body: Expression | None = None
    sizes: tuple[Expression, ...] = ()
    ranges: Mapping[str, Expression] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fact:
    """A derivative found before, at generic indices: first those of what is differentiated, then those of the name."""

    indices: tuple[str, ...]
    expr: Expression


@dataclass(frozen=True)
class Context:
    """What a rule may know besides the expression.

    `output`: the node whose equation is being differentiated, as (element, right-hand side).  `facts`: results found
    before, by (of, with respect to).  `consumers`: of each name.  `assumptions`: what the author stated.  `axes`,
    `sizes`: the axes of the result, for whole-array notation.  `ranges`: the sizes that free indices run over.
    `shapes`: of the names.  `equations`: of nodes around, as (element, right-hand side).  `structures`: of parameters
    that have one (symmetric, diagonal, lower).  `stepwise`: whether array notation may keep the index of steps.
    `holds`: conditions on indices that hold where the expression stands.
    """

    output: tuple[Ref, Expression] | None = None
    loss: str = ""
    facts: Mapping[tuple[str, str], Fact] = field(default_factory=dict)
    consumers: Mapping[str, tuple[Consumer, ...]] = field(default_factory=dict)
    assumptions: tuple[Compare, ...] = ()
    axes: tuple[str, ...] = ()
    sizes: tuple[Expression, ...] = ()
    ranges: Mapping[str, Expression] = field(default_factory=dict)
    shapes: Mapping[str, tuple[Expression, ...]] = field(default_factory=dict)
    equations: tuple[tuple[Ref, Expression], ...] = ()
    structures: Mapping[str, str] = field(default_factory=dict)
    stepwise: bool = False
    holds: tuple[Expression, ...] = ()


Rewrite = Callable[[Expression, Context], Expression | None]


@dataclass(frozen=True)
class Rule:
    """A named rewriting.  `statement` is the theorem, as it would stand in a table of rules.

    `needs`: functions without which the rule cannot fit; `heads`: what kinds of expression a rule of
    differentiation takes apart.  With them most rules need not be tried at all.
    """

    name: str
    statement: str
    apply: Rewrite
    needs: frozenset[str] = frozenset()
    heads: frozenset[type] = frozenset()


def at_every_place(change: Rewrite, kind: type[Expression] | None = None) -> Rewrite:
    """Applies `change` to the outermost nodes (of a kind) that it fits, all of them at once."""

    def apply(e: Expression, context: Context) -> Expression | None:
        result = transform(e, lambda node: change(node, context), kind)
        return None if result is e or result == e else result

    return apply


def leaves_up(rewrite: Pass) -> Rewrite:
    """A rewriting from the leaves up that needs no context."""

    def apply(e: Expression, _: Context) -> Expression | None:
        result = rewrite(e)
        return None if result is e or result == e else result

    return apply
