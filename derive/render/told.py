"""How a gradient is told: in whole-array notation where that can say it, by the δ where it would be long.

In: an adjoint of the derivation.  Out: its two sides.  Every expression is one that the derivation holds: `result.expr`
or `compact`, in the notation that `derive.rules.naming` gives it.
"""

from __future__ import annotations

from dataclasses import dataclass

from derive.derivation import Adjoint
from derive.expression.nodes import D, Expression, Index, Ref
from derive.expression.walk import contains, operations
from derive.render.document import Equation, Math
from derive.render.story import Story, adjoint_of
from derive.rules.naming import kept_indices, whole_arrays

SHORT = 4  # operations up to which a result in matrices is shown without δ
SHORT_SCALAR = 12


@dataclass(frozen=True, slots=True)
class Told:
    """The right-hand side, the element or array it is the derivative by, and whether δ stand in it."""

    expr: Expression
    wrt: Ref
    by_deltas: bool


def told(story: Story, a: Adjoint) -> Told:
    """What a table or a box shows of a gradient."""
    gradients = story.derivation.gradients
    alike = any(b is a for b in gradients)  # the parameters all in one way
    if alike and "" not in story.long:
        story.long[""] = any(has_deltas(b) and _is_long(story, b) for b in gradients)
    if has_deltas(a) and (story.long[""] if alike else _is_long(story, a)):
        return _told(a, a.compact, in_matrices(story, a, a.compact), True)
    return _told(a, a.result.expr, in_matrices(story, a, a.result.expr), has_deltas(a) and not a.expanded)


def _is_long(story: Story, a: Adjoint) -> bool:
    whole = in_matrices(story, a, a.result.expr)
    return operations(a.result.expr if whole is None else whole) > (SHORT if a.result.indices else SHORT_SCALAR)


def _told(a: Adjoint, expr: Expression, whole: Expression | None, by_deltas: bool) -> Told:
    if whole is not None or not a.result.indices:
        kept = () if whole is None else kept_indices(whole, a.result.indices)
        return Told(expr if whole is None else whole, Ref(a.name, tuple(map(Index, kept))), by_deltas)
    return Told(expr, Ref(a.name, tuple(Index(i) for i in a.result.indices)), by_deltas)


def in_matrices(story: Story, a: Adjoint, e: Expression) -> Expression | None:
    """The expression in whole-array notation, if the result is an array that it can say."""
    return whole_arrays(e, a.result.indices, a.result.shape, story.model)


def has_deltas(a: Adjoint) -> bool:
    return contains(a.compact, lambda node: isinstance(node, D))


def sides(story: Story, a: Adjoint) -> tuple[Math, Math]:
    """∂L/∂w and its value."""
    found = told(story, a)
    left = D(Ref(story.model.loss), found.wrt)
    return story.math(left), story.deltas.math(found.expr)


def delta_line(story: Story, a: Adjoint) -> Equation:
    """δ_z = …, by the δ that come before it."""
    whole = in_matrices(story, a, a.compact)
    indices = a.result.indices if whole is None else kept_indices(whole, a.result.indices)
    left = story.deltas.math(adjoint_of(story.model.loss, a.name, indices))
    return Equation(left, story.deltas.math(a.compact if whole is None else whole))


def naming(story: Story, a: Adjoint, indices: tuple[str, ...] = ()) -> Math:
    """∂L/∂z = δ_z; without a name of its own only ∂L/∂z."""
    derivative = adjoint_of(story.model.loss, a.name, indices)
    plain, named = story.math(derivative), story.deltas.math(derivative)
    if plain == named:
        return plain
    return Math(f"{named.latex} = {plain.latex}", f"{named.text} = {plain.text}")
