"""The adjoint of one node: the chain rule over its consumers, simplified; their adjoints put in where that is short.

In: a `Node` and what is known of its consumers' adjoints, in placeholders.  Out: an `AdjointForm`.  What the chain rule
gives does not depend on what the consumers' adjoints are, so it is found once for all depths of a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from derive.derivation import Step
from derive.differentiate.forms import Form
from derive.differentiate.strategy import Chain, simplify
from derive.expression.build import ZERO
from derive.expression.nodes import Call, Compare, D, Div, Expression, Index, Ref
from derive.expression.walk import holds, nodes_of, operations
from derive.model import Shape
from derive.prove.setting import Setting
from derive.rules.chain import ADJOINTS, CHAIN_RULE, LOCAL_RESULTS, NOT_REACHED
from derive.rules.naming import NAME_FUNCTION
from derive.rules.notation import ARRAY_NOTATION
from derive.rules.rule import Consumer, Context, Fact
from derive.rules.structures import SYMMETRY
from derive.rules.sums import holds_windows

LONGEST = 40  # operations up to which an adjoint is expanded through its consumers
LONGEST_COMPACT = 24  # operations up to which it is tried whether adjoints cancel against local derivatives
SLACK = 20  # operations beyond that which simplifying may be hoped to remove

Equation = tuple[Ref, Expression]


@dataclass(frozen=True, slots=True)
class User:
    """A direct consumer: its element, its equation's right-hand side, the local derivative by the node."""

    element: Ref
    body: Expression
    local: Fact
    is_loss: bool


@dataclass(frozen=True, slots=True)
class Later:
    """What was found before of a consumer's adjoint."""

    name: str
    adjoint: Fact
    compact: Fact
    expanded: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A node with its consumers; `others` are equations around it, `order` sorts all of them topologically.

    `structures` are those of parameters, also of such as stand in the consumers' adjoints alone.
    """

    start: D
    users: tuple[User, ...]
    others: tuple[Equation, ...]
    order: tuple[int, ...]
    assumptions: tuple[Compare, ...]
    shapes: tuple[tuple[str, Shape], ...]
    structures: tuple[tuple[str, str], ...] = ()
    stepwise: bool = False  # whether the model has recurrences

    @property
    def equations(self) -> tuple[Equation, ...]:
        return (*((u.element, u.body) for u in self.users), *self.others)

    @property
    def loss(self) -> str:
        return str(self.start.body)

    @property
    def shape(self) -> Shape:
        return dict(self.shapes).get(self.start.wrt.name, ())

    @property
    def axes(self) -> tuple[str, ...]:
        return tuple(i.name for i in self.start.wrt.indices if isinstance(i, Index))

    @property
    def ranges(self) -> dict[str, Expression]:
        return dict(zip(self.axes, self.shape, strict=True))


@dataclass(frozen=True, slots=True)
class ByAdjoint:
    """What the chain rule and the local derivatives give, with the steps."""

    expr: Expression
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class AdjointForm:
    by_adjoint: Expression
    compact: Expression
    expr: Expression
    expanded: bool
    form: Form


def by_adjoint(node: Node) -> ByAdjoint:
    """The chain rule at the node, the local derivatives put in, simplified."""
    chain = Chain(node.start, _context(node, {}))
    if not node.users:
        chain.apply(NOT_REACHED)
    else:
        chain.apply(CHAIN_RULE)
        chain.apply(LOCAL_RESULTS)
        simplify(chain)
    return ByAdjoint(chain.expr, tuple(chain.steps))


def adjoint_form(
    node: Node,
    found: ByAdjoint,
    later: tuple[Later, ...],
    shapes: Mapping[str, Shape],
    structures: Mapping[str, str],
) -> AdjointForm:
    """The node's adjoint with those of its consumers put in where that stays short, and in the form for code.

    `shapes` and `structures` are those of the names in the consumers' adjoints too.
    """
    node = replace(node, shapes=tuple(shapes.items()), structures=tuple(structures.items()))
    setting = _setting(node, later, shapes, structures)
    if not node.users:
        return AdjointForm(ZERO, ZERO, ZERO, True, Form(found.steps, setting))
    chain = Chain(found.expr, _context(node, {(node.loss, x.name): x.adjoint for x in later}))
    chain.steps = list(found.steps)
    compact = _compact(found.expr, _context(node, {(node.loss, x.name): x.compact for x in later}))
    apart = chain.fork()
    expanded = _expand(chain, later)
    core = chain.expr
    _in_arrays(chain)
    if expanded and later and operations(chain.expr) > LONGEST:  # whole arrays may need what sums over indices do not
        chain, expanded = apart, False
        core = chain.expr
        _in_arrays(chain)
    inner = {x.name: (x.compact.indices, x.compact.expr) for x in later}
    any_adjoints = replace(setting, adjoints={})  # what is found once for all depths holds whatever they are
    unseen = [
        (Step("compact form", found.expr, compact), replace(setting, adjoints=inner)),
        *((step, any_adjoints) for step in found.steps),
    ]
    return AdjointForm(found.expr, compact, core, expanded, Form(chain.steps, setting, unseen))


def _in_arrays(chain: Chain) -> None:
    if chain.apply(ARRAY_NOTATION):
        chain.apply(SYMMETRY)
        chain.apply(NAME_FUNCTION)


def _expand(chain: Chain, later: tuple[Later, ...]) -> bool:
    """Puts the consumers' adjoints in where the result stays short; whether the chain's result holds none of them."""
    if not all(x.expanded for x in later) or holds_windows(chain.expr):
        return False
    if _is_recurrence(chain.expr, {x.name for x in later}, chain.context.loss):
        return False
    if sum(operations(x.adjoint.expr) for x in later) + operations(chain.expr) > LONGEST + SLACK:
        return False
    fork = chain.fork()
    if not fork.apply(ADJOINTS):
        return operations(chain.expr) <= LONGEST
    simplify(fork)
    if operations(fork.expr) > LONGEST:
        return False
    chain.take(fork)
    return True


def _is_recurrence(expr: Expression, known: set[str], loss: str) -> bool:
    """Whether an adjoint stands in the expression that is not known before, as in that of a recurrence."""
    return any(n.body == Ref(loss) and n.wrt.name not in known for n in nodes_of(expr, D))


def _context(node: Node, adjoints: Mapping[tuple[str, str], Fact]) -> Context:
    wrt = node.start.wrt.name
    local = {(f"{u.element.name} itself" if u.is_loss else u.element.name, wrt): u.local for u in node.users}
    consumers = tuple(_consumer(u, dict(node.shapes)) for u in node.users)
    return Context(
        loss=node.loss,
        facts={**local, **adjoints},
        consumers={wrt: consumers} if consumers else {},
        assumptions=node.assumptions,
        axes=node.axes,
        sizes=node.shape,
        ranges=node.ranges,
        shapes=dict(node.shapes),
        equations=node.equations,
        structures=dict(node.structures),
        stepwise=node.stepwise,
    )


def _consumer(user: User, shapes: Mapping[str, Shape]) -> Consumer:
    name = user.element.name
    if user.is_loss:
        return Consumer(name, (), user.body)
    letters = tuple(i.name for i in user.element.indices if isinstance(i, Index))
    return Consumer(name, letters, None, tuple(shapes.get(name, ())))


def _setting(
    node: Node, later: tuple[Later, ...], shapes: Mapping[str, Shape], structures: Mapping[str, str]
) -> Setting:
    return Setting(
        tuple(node.equations[k] for k in node.order),
        node.loss,
        node.start.wrt.name,
        tuple(u.element.name for u in node.users),
        {x.name: (x.adjoint.indices, x.adjoint.expr) for x in later},
        node.assumptions,
        shapes,
        node.axes,
        node.ranges,
        structures,
    )


def _compact(expr: Expression, context: Context) -> Expression:
    """The adjoint with a consumer's adjoint put in where something cancels: what code computes."""
    facts = [fact for (of, _), fact in context.facts.items() if of == context.loss]
    if not any(_has_fraction(e) for e in (expr, *(fact.expr for fact in facts))):
        return expr  # nothing can cancel
    if operations(expr) + sum(operations(fact.expr) for fact in facts) > LONGEST_COMPACT:
        return expr
    chain = Chain(expr, context)
    if not chain.apply(ADJOINTS):
        return expr
    apart = operations(chain.expr)
    simplify(chain)
    shorter = operations(chain.expr) < apart
    return chain.expr if shorter and operations(chain.expr) <= operations(expr) + 2 else expr


def _has_fraction(e: Expression) -> bool:
    return holds(e, Div) or any(node.function in ("log", "exp") for node in nodes_of(e, Call))
