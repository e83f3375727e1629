"""The last sections of a report: update rules, the batch, the table of results, conventions and proofs."""

from __future__ import annotations

from collections import Counter

from derive.derivation import Adjoint
from derive.derivation import Derivation as Derived
from derive.differentiate.batch import batch_gradients, example_names, objective
from derive.differentiate.updates import learning_rate, update_rules
from derive.expression.nodes import Call, D, Index, Reduce, Ref
from derive.expression.walk import walk
from derive.functions import FUNCTIONS
from derive.render.document import (
    Block,
    Equation,
    Equations,
    List,
    Paragraph,
    Reference,
    Section,
    Table,
    says,
)
from derive.render.report_model import shape_of
from derive.render.report_steps import result
from derive.render.story import Story
from derive.rules.naming import whole_arrays

OBJECTIVES = ("J", "C", "Q", "objective")


def updates(story: Story) -> list[Block]:
    """w ← w − η ∂L/∂w for every parameter."""
    rules = [(name, e) for name, e in update_rules(story.derivation) if story.adjoints[name].terms]
    if not rules:
        return []
    eta = story.math(Ref(learning_rate(story.model)))
    items = tuple(Equation(story.math(Ref(name)), story.math(e), "←") for name, e in rules)
    return [
        Section(says(story.words["updates"]), anchor="updates"),
        Paragraph(story.say("update intro", eta=eta)),
        Equations(items),
    ]


def batch(story: Story) -> list[Block]:
    """The objective over all examples, and its gradients."""
    model = story.model
    found = batch_gradients(story.derivation)
    if model.loss not in model.per_example or not found:
        return []
    n, count = example_names(model)
    name = next((o for o in OBJECTIVES if o not in model.shapes), "objective_")
    notation = story.batch
    items = [Equation(notation.math(Ref(name)), notation.math(objective(model)), note=says(story.words["objective"]))]
    items += [Equation(notation.math(D(Ref(name), Ref(b.wrt))), notation.math(b.expr)) for b in found]
    intro = story.say("batch intro", count=notation.math(Ref(count)), index=notation.math(Index(n)))
    return [Section(says(story.words["batch"]), anchor="batch"), Paragraph(intro), Equations(tuple(items))]


def summary(story: Story) -> list[Block]:
    """The gradients with their shapes, and where each was derived."""
    words = story.words
    found = story.derivation.gradients
    if not found:
        return []
    rows = []
    for a in found:
        _, right = result(story, a)
        name = story.math(Ref(a.name, tuple(Index(i) for i in a.result.indices) if _in_indices(a, story) else ()))
        rows.append(((name,), (right,), shape_of(story, a.result.shape), (Reference(story.adjoint_anchor(a.name)),)))
    header = (says(words["name"]), says(words["gradient"]), says(words["shape"]), says(words["equation"]))
    table = Table(header, tuple(rows), story.say("summary caption", loss=story.loss), anchor="table-results")
    return [Section(says(words["summary"]), anchor="summary"), table]


def _in_indices(a: Adjoint, story: Story) -> bool:
    """Whether whole-array notation cannot say the gradient."""
    r = a.result
    return bool(r.indices) and whole_arrays(r.expr, r.indices, r.shape, story.model.shapes) is None


def conventions(story: Story) -> list[Block]:
    """What was assumed, and what derivatives are taken to be at kinks."""
    blocks: list[Block] = []
    if story.model.assumptions:
        blocks += [
            Section(says(story.words["assumptions"]), anchor="assumptions"),
            Paragraph(story.say("assumptions intro")),
            List(tuple((story.math(a),) for a in story.model.assumptions)),
        ]
    kinks, structures = _kinks(story), dict.fromkeys(story.model.structures.values())
    if kinks or structures:
        blocks.append(Section(says(story.words["conventions"]), anchor="conventions"))
    if kinks:
        blocks += [Paragraph(story.say("conventions intro")), List(tuple(says(kink) for kink in kinks))]
    if structures:
        told = tuple(says(story.words.sentence(f"{structure} gradient")) for structure in structures)
        blocks += [Paragraph(story.say("structures intro")), List(told)]
    return blocks


def _kinks(story: Story) -> list[str]:
    found: dict[str, None] = {}
    for e in story.model.equations:
        for node in (*walk(e.written), *walk(e.body)):
            if isinstance(node, Call) and node.function in FUNCTIONS:
                convention = FUNCTIONS[node.function].convention
                if convention:
                    found[story.words.convention(node.function, convention)] = None
            elif isinstance(node, Reduce) and node.op in ("max", "min"):
                found[story.words.convention(node.op, "maximum over an index")] = None
    return list(found)


def proofs(story: Story) -> list[Block]:
    """How many steps were proved, and how."""
    counts = _proof_counts(story.derivation)
    total = sum(counts.values())
    if not total or None in counts:
        return []
    how = {kind: str(counts[kind]) for kind in ("symbolic", "numeric")}
    if counts["numeric"]:
        told = story.words.sentence("proved", count=str(total)) + " " + story.words.sentence("proved how", **how)
    else:
        told = story.words.sentence("all symbolic", count=str(total))
    return [
        Section(says(story.words["proofs"]), anchor="proofs"),
        Paragraph(says(told)),
        Paragraph(story.say("proof intro")),
    ]


def _proof_counts(derivation: Derived) -> Counter[str | None]:
    results = [*derivation.local, *(a.result for a in (*derivation.nodes, *derivation.gradients))]
    steps = [step for r in results for step in r.steps]
    steps += [step for lemma in derivation.lemmas.values() for step in lemma]
    return Counter(step.proof for step in steps)
