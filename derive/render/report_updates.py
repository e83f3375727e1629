"""How a report tells the update rule: its section, and its lines in the algorithm.

In: a story with a rule.  Out: blocks and lines.  Every formula is one of the optimiser's text, or of `CHANGES`.
Gradient descent alone is told for each parameter, its gradient put in; other rules once for all parameters.
"""

from __future__ import annotations

from derive.derivation import Adjoint
from derive.differentiate.updates import (
    assignments,
    equations,
    is_used,
    learning_rate,
    letters,
    scheduled_rate,
    step,
)
from derive.expression.build import ONE, ZERO
from derive.expression.nodes import Add, D, Expression, Ref
from derive.optimizer import BASE_RATE, RATE, STEPS
from derive.render.deltas import trained
from derive.render.document import (
    Block,
    Equation,
    Equations,
    Inlines,
    Math,
    Paragraph,
    Section,
    Text,
    says,
)
from derive.render.prose import joined
from derive.render.report_steps import adjoints_once, told_apart
from derive.render.story import Story, adjoint_of
from derive.render.told import told
from derive.update_rule import CHANGES, NORM

MOST_NAMES = 8


def updates(story: Story) -> list[Block]:
    """w ← w − η ∂L/∂w for every parameter, or the equations of the rule for all of them."""
    found = trained(story.derivation)
    if not found:
        return []
    section = Section(says(story.words["updates"]), anchor="updates")
    if not story.rule.is_plain:
        return [section, *_rule(story)]
    eta = story.math(Ref(learning_rate(story.model)))
    items = tuple(_descent(story, a) for a in told_apart(story, found))
    return [section, Paragraph(story.say("update intro", eta=eta)), Equations(items)]


def _descent(story: Story, a: Adjoint) -> Equation:
    """Both sides with the indices of the gradient, where no array notation says it."""
    shown = told(story, a)
    right = story.deltas.math(step(shown.wrt, shown.expr, story.model, story.rule))
    return Equation(story.math(shown.wrt), right, "←", _likewise(story, a))


def _likewise(story: Story, a: Adjoint) -> Inlines:
    return story.likewise([Ref(other) for other in adjoints_once(story).others(a.name)])


def _rule(story: Story) -> list[Block]:
    rule, called = story.rule, letters(story.rule, story.model)
    name = _name(story, rule.optimizer.title, rule.optimizer.source)
    if not rule.optimizer.equations:
        return [Paragraph(story.say("scipy intro", optimizer=name))]
    o = rule.optimizer
    theta, g, eta, t = (story.math(Ref(called[letter])) for letter in (o.parameter, o.gradient, RATE, "t"))
    mean = story.say("mean of a batch") if story.model.loss in story.model.per_example else ()
    of_batch: Inlines = (Text(" ("), *mean, Text(")")) if mean else ()
    intro = story.say("rule intro", optimizer=name, loss=story.loss, theta=theta, g=g, eta=eta, t=t, mean=of_batch)
    lines = tuple(Equation(story.math(left), story.math(right)) for left, right in equations(rule, story.model))
    return [*_changes(story, g), Paragraph(intro), Equations(lines), *_values(story), *_schedule(story)]


def _name(story: Story, title: str, source: str) -> Inlines:
    """“Adam (Kingma and Ba 2015, algorithm 1)”; what is in brackets is a citation, the same in every language."""
    return says(story.words.title(title) + (f" ({story.words.title(source)})" if source else ""))


def _changes(story: Story, g: Math) -> list[Block]:
    """What happens to the gradient first."""
    asked = [change for change in CHANGES if change.option in story.rule.changes]
    if not asked:
        return []
    names = joined(says(story.words[change.option]) for change in asked)
    count = sum(2 if change.once else 1 for change in asked)
    lines = tuple(_line(story, *line) for line in assignments(story.rule, story.model)[:count])
    blocks: list[Block] = [Paragraph(story.say("changes intro", changes=names, g=g)), Equations(lines)]
    if is_used(NORM, story.rule):
        norm = _norm(story)
        equal = Math(f"{norm.left.latex} = {norm.right.latex}", f"{norm.left.text} = {norm.right.text}")
        blocks.append(Paragraph(story.say("norm of all", norm=equal)))
    return blocks


def _norm(story: Story) -> Equation:
    """The norm of the gradients of all parameters, laid end to end."""
    loss = story.model.loss
    each = _listed([story.math(adjoint_of(loss, a.name)) for a in trained(story.derivation)])
    right = Math(rf"\left\lVert \left({each.latex}\right) \right\rVert", f"‖({each.text})‖")
    return Equation(story.math(Ref(letters(story.rule, story.model)[NORM])), right, "←")


def _values(story: Story) -> list[Block]:
    """The states before the first step, and the constants."""
    rule, called = story.rule, letters(story.rule, story.model)
    said: list[Inlines] = []
    if rule.optimizer.states:
        first = [(Ref(called[name], (ZERO,)), value) for name, value in rule.optimizer.states.items()]
        said.append(story.say("states at first", values=_equal(story, first)))
    if rule.constants:
        constants = [(Ref(called[name]), value) for name, value in rule.constants.items()]
        said.append(story.say("constants of the rule", values=_equal(story, constants)))
    return [Paragraph(joined(said, " "))] if said else []


def _equal(story: Story, pairs: list[tuple[Ref, Expression]]) -> Inlines:
    """m_0 = 0, v_0 = 0"""
    both = [(story.math(left), story.math(right)) for left, right in pairs]
    return joined((Math(f"{a.latex} = {b.latex}", f"{a.text} = {b.text}"),) for a, b in both)


def _schedule(story: Story) -> list[Block]:
    rule, called = story.rule, letters(story.rule, story.model)
    if not rule.schedules:
        return []
    names = joined((_name(story, s.title, s.source) for s in rule.schedules), "; ")
    left, right = scheduled_rate(rule, story.model)
    steps, base = story.math(Ref(called[STEPS])), story.math(Ref(called[BASE_RATE]))
    constants = [(Ref(called[name]), value) for name, value in rule.schedule_constants.items()]
    blocks: list[Block] = [
        Paragraph(story.say("schedule intro", schedules=names, steps=steps, base=base)),
        Equations((Equation(story.math(left), story.math(right)),)),
    ]
    if constants:
        blocks.append(Paragraph(story.say("constants of the rule", values=_equal(story, constants))))
    return blocks


# In the algorithm.


def training_step(story: Story) -> Inlines:
    """The algorithm's title."""
    if story.rule.optimizer.name == "gradient-descent":
        return says(story.words["training step"])
    return story.say("step of", optimizer=says(story.words.title(story.rule.optimizer.title)))


def update_lines(story: Story) -> tuple[Equation, ...]:
    """w ← w − η ∂L/∂w for each parameter, or for each θ among them the assignments of the rule."""
    found = trained(story.derivation)
    if story.rule.is_plain:
        return tuple(_plain_update(story, a) for a in told_apart(story, found))
    rule, called = story.rule, letters(story.rule, story.model)
    theta, g = Ref(called[rule.optimizer.parameter]), Ref(called[rule.optimizer.gradient])
    t = Ref(called["t"])
    counted = [_line(story, t, Add((t, ONE)))] if is_used("t", rule) or rule.schedules else []
    rate = [_line(story, Ref(called[RATE]), scheduled_rate(rule, story.model)[1])] if rule.schedules else []
    norm = [_norm(story)] if is_used(NORM, rule) else []
    names = _listed([story.math(Ref(a.name)) for a in found])
    each = Equation(story.math(theta), Math(rf"\{{{names.latex}\}}", f"{{{names.text}}}"), "∈")
    gradient = _line(story, g, D(Ref(story.model.loss), theta))
    with_lines = list(zip(rule.assignments, assignments(rule, story.model), strict=True))
    once, for_each = ([_line(story, *line) for a, line in with_lines if a.scalar is scalar] for scalar in (True, False))
    return (*counted, *rate, *norm, *once, each, gradient, *for_each)


def _line(story: Story, left: Expression, right: Expression) -> Equation:
    return Equation(story.math(left), story.math(right), "←")


def _listed(names: list[Math]) -> Math:
    """w₁, w₂, b; of many the first and the last."""
    shown = names if len(names) <= MOST_NAMES else [*names[:2], Math(r"\dots", "…"), names[-1]]
    return Math(", ".join(n.latex for n in shown), ", ".join(n.text for n in shown))


def _plain_update(story: Story, a: Adjoint) -> Equation:
    name, eta = story.math(Ref(a.name)), story.math(Ref(learning_rate(story.model)))
    gradient = story.math(adjoint_of(story.model.loss, a.name))
    right = Math(rf"{name.latex} - {eta.latex} \, {gradient.latex}", f"{name.text} − {eta.text}·{gradient.text}")
    return Equation(name, right, "←", _likewise(story, a))
