"""The algorithm box: forward pass, backward pass and update of one step of training."""

from __future__ import annotations

from derive.derivation import Adjoint
from derive.expression.nodes import Ref
from derive.expression.walk import contains
from derive.model import Equation as ModelEquation
from derive.render.deltas import needed, trained
from derive.render.document import Algorithm, Block, Equation, Group, Inlines, Math, Paragraph, Section, says
from derive.render.latex import LATEX
from derive.render.model_graph import written_lines
from derive.render.prose import joined
from derive.render.report_model import next_value
from derive.render.report_steps import brackets_in_results, delta_lines, likewise, told_apart
from derive.render.report_updates import training_step, update_lines
from derive.render.story import Story, adjoint_of
from derive.render.told import in_matrices, naming
from derive.render.unicode import UNICODE
from derive.rules.naming import kept_indices
from derive.rules.sums import is_delta

MOST_NAMES = 8
ONES, ONES_IN_TEXT = LATEX.ones(), UNICODE.ones()


def algorithm(story: Story) -> list[Block]:
    """One step of training; the adjoints that are used again are named δ."""
    words, model = story.words, story.model
    found = trained(story.derivation)
    if not found:
        return []
    deltas = needed(story.derivation, found)
    equations = [e for e in model.equations if e.name not in story.equations_once.left_out]
    states = tuple(next_value(story, e) for e in equations if e.name in model.states)
    forward = [line for e in equations if e.name not in model.states for line in _forward(story, e)]
    told = told_apart(story, found)
    backward = [*delta_lines(story, deltas), *(_gradient(story, a) for a in told)]
    groups = [
        Group(words["forward pass"], tuple(forward)),
        Group(words["backward pass"], tuple(backward)),
        *([Group(words["parameter update"], update_lines(story))] if story.rule.optimizer.equations else []),
        *([Group(words["states"], states)] if states else []),
    ]
    after: list[Block] = [Paragraph(story.say("same parameters"))]
    if any(contains(a.compact, is_delta) for a in (*deltas, *found)) and not brackets_in_results(story):
        after.insert(0, Paragraph(story.say("iverson", bracket=Math("[i = j]", "[i = j]"))))
    if any(ONES in line.right.latex for line in (*forward, *backward)):
        after.insert(0, Paragraph(story.say("ones", ones=Math(ONES, ONES_IN_TEXT))))
    if deltas and not story.notation.has_delta:
        after.insert(0, Paragraph(story.say("deltas", names=_names(story, deltas))))
    return [
        Section(says(words["algorithm"]), anchor="algorithm"),
        Algorithm(training_step(story), tuple(groups), anchor="algorithm-box"),
        *after,
    ]


def _forward(story: Story, e: ModelEquation) -> list[Equation]:
    others = story.likewise([*map(Ref, story.equations_once.others(e.name))])
    return [Equation(story.math(left), story.math(right), note=others) for left, right in written_lines(e)]


def _names(story: Story, deltas: list[Adjoint]) -> Inlines:
    """δ^{[2]} = ∂L/∂z^{[2]}, …; of many the first and the last."""
    names: list[Inlines] = [(naming(story, a),) for a in deltas]
    return joined(names if len(names) <= MOST_NAMES else [*names[:2], says("…"), names[-1]])


def _gradient(story: Story, a: Adjoint) -> Equation:
    """∂L/∂w by the δ."""
    whole = in_matrices(story, a, a.compact)
    indices = a.result.indices if whole is None else kept_indices(whole, a.result.indices)
    left = adjoint_of(story.model.loss, a.name, indices)
    right = story.deltas.math(a.compact if whole is None else whole)
    return Equation(story.math(left), right, note=likewise(story, a))
