"""The algorithm box: forward pass, backward pass and update of one step of gradient descent."""

from __future__ import annotations

from derive.derivation import Adjoint
from derive.differentiate.updates import learning_rate
from derive.expression.nodes import D, Expression, Ref
from derive.expression.walk import walk
from derive.render.document import Algorithm, Block, Equation, Group, Math, Paragraph, Section, says
from derive.render.model_graph import left_side
from derive.render.story import Story, adjoint_of
from derive.rules.naming import whole_arrays


def algorithm(story: Story) -> list[Block]:
    """One step of gradient descent; the adjoints that are used again are named δ."""
    words, model = story.words, story.model
    trained = [a for a in story.derivation.gradients if a.name in model.parameters and a.terms]
    if not trained:
        return []
    deltas = _needed(story, trained)
    forward = [Equation(story.math(left_side(e)), story.math(e.written)) for e in model.equations]
    backward = [_line(story, a, named) for found, named in ((deltas, True), (trained, False)) for a in found]
    groups = [
        Group(words["forward pass"], tuple(forward)),
        Group(words["backward pass"], tuple(backward)),
        Group(words["parameter update"], tuple(_update(story, a) for a in trained)),
    ]
    after: list[Block] = [Paragraph(story.say("same parameters"))]
    if deltas:
        first = deltas[0]
        delta = _delta_math(story, adjoint_of(model.loss, first.name))
        shown = story.math(adjoint_of(model.loss, first.name))
        after.insert(0, Paragraph(story.say("deltas", delta=delta, derivative=shown)))
    return [
        Section(says(words["algorithm"]), anchor="algorithm"),
        Algorithm(says(words["training step"]), tuple(groups), anchor="algorithm-box"),
        *after,
    ]


def _needed(story: Story, trained: list[Adjoint]) -> list[Adjoint]:
    """The adjoints that the gradients use, and those that these use, from the loss backwards."""
    wanted: set[str] = set()
    pending = [a.compact for a in trained]
    while pending:
        for node in walk(pending.pop()):
            if isinstance(node, D) and node.body == Ref(story.model.loss) and node.wrt.name not in wanted:
                wanted.add(node.wrt.name)
                pending.append(story.adjoints[node.wrt.name].compact)
    return [a for a in story.derivation.nodes if a.name in wanted]


def _line(story: Story, a: Adjoint, named: bool) -> Equation:
    r = a.result
    whole = whole_arrays(a.compact, r.indices, r.shape, story.model.shapes) if r.indices else a.compact
    left = adjoint_of(story.model.loss, a.name, () if whole is not None else r.indices)
    right = _delta_math(story, whole if whole is not None else a.compact)
    return Equation(_delta_math(story, left) if named else story.math(left), right)


def _delta_math(story: Story, e: Expression) -> Math:
    return story.notation.deltas().math(e)


def _update(story: Story, a: Adjoint) -> Equation:
    name, eta = story.math(Ref(a.name)), story.math(Ref(learning_rate(story.model)))
    gradient = story.math(adjoint_of(story.model.loss, a.name))
    right = Math(rf"{name.latex} - {eta.latex} \, {gradient.latex}", f"{name.text} − {eta.text}·{gradient.text}")
    return Equation(name, right, "←")
