"""The last sections of a report: the batch, the table of results, conventions and proofs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from derive.derivation import Adjoint
from derive.derivation import Derivation as Derived
from derive.differentiate.batch import (
    BatchGradient,
    batch_adjoint,
    batch_gradients,
    example_names,
    objective,
    over_examples,
)
from derive.differentiate.forms import RenamedSteps
from derive.expression.nodes import Call, D, Index, Reduce, Ref
from derive.expression.walk import free_indices, operations, walk
from derive.expression.windows import is_over_window
from derive.functions import FUNCTIONS
from derive.model import Model
from derive.prove.numeric import DIGITS
from derive.prove.sampling import AGREEING_DIGITS, is_exact
from derive.prove.setting import Setting
from derive.render.deltas import needed, trained
from derive.render.document import (
    Block,
    Equation,
    Equations,
    List,
    Math,
    Paragraph,
    Reference,
    Section,
    Table,
    says,
)
from derive.render.report_model import shape_of
from derive.render.report_steps import adjoints_once, likewise, told_apart
from derive.render.story import Story, adjoint_of
from derive.render.told import in_matrices, told

SHORT_IN_BATCH = 6  # operations up to which a gradient of the batch is shown without δ
OBJECTIVES = ("J", "C", "Q", "objective")


def batch(story: Story) -> list[Block]:
    """The objective over all examples, and its gradients: the mean over the examples, then in matrices."""
    model = story.model
    found = batch_gradients(story.derivation)
    if model.loss not in model.per_example or not found:
        return []
    n, count = example_names(model)
    notation = story.batch
    j = Ref(objective_name(model))
    about = Equation(notation.math(j), notation.math(objective(model)), note=says(story.words["objective"]))
    intro = story.say("batch intro", count=notation.math(Ref(count)), index=notation.math(Index(n)))
    deltas = [a for a in needed(story.derivation, trained(story.derivation)) if a.name in model.per_example]
    capital = next((name for name in model.shapes if notation.capital(name) != name), None)
    rows = [
        replace(_batch_delta(story, a), note=likewise(story, a, notation)) for a in told_apart(story, deltas) if capital
    ]
    told_by = adjoints_once(story)
    lines = [line for b in found if b.wrt not in told_by.left_out for line in _batch_lines(story, j, b)]
    matrices: list[Block] = []
    if capital:
        row = notation.math(Ref(capital, (Index(n),)))
        rule = story.say("rows", matrix=notation.math(Ref(capital)), row=row, index=notation.math(Index(n)))
        matrices = [Paragraph(rule), *([Equations(tuple(rows))] if rows else [])]
    return [
        Section(says(story.words["batch"]), anchor="batch"),
        Paragraph(intro),
        Equations((about,)),
        *matrices,
        Equations(tuple(lines)),
    ]


def objective_name(model: Model) -> str:
    return next((o for o in OBJECTIVES if o not in model.shapes), "objective_")


def _batch_delta(story: Story, a: Adjoint) -> Equation:
    """Δ = …, one row for each example; where matrices cannot say it, one row alone: δ_n = …."""
    loss, notation = story.model.loss, story.batch
    whole = batch_adjoint(a, story.model) if len(a.result.shape) < 2 else None
    if whole is not None:
        return Equation(notation.math(adjoint_of(loss, a.name)), notation.math(whole))
    n, _ = example_names(story.model)
    in_arrays = in_matrices(story, a, a.compact)
    left = adjoint_of(loss, a.name, a.result.indices if in_arrays is None else ())
    sides = (left, a.compact if in_arrays is None else in_arrays)
    left_side, right_side = (notation.math(over_examples(e, story.model, n)) for e in sides)
    return Equation(left_side, right_side)


def _batch_lines(story: Story, j: Ref, b: BatchGradient) -> list[Equation]:
    """(1/N) Σ δ_n x_nᵀ = (1/N) Δᵀ X, and without δ where that is short."""
    steps = [step.after for step in b.steps[1:]]
    short = [e for e in steps[-1:] if operations(e) <= SHORT_IN_BATCH]
    shown = dict.fromkeys((*b.by_adjoints, *short)) if b.by_adjoints else dict.fromkeys(steps)
    maths = dict.fromkeys(story.batch.math(e) for e in shown or (b.expr,))
    letters = [i for i in story.adjoints[b.wrt].result.indices if i in free_indices((*shown, b.expr)[0])]
    left = story.batch.math(D(j, Ref(b.wrt, tuple(map(Index, letters)))))
    sides = [left, *(Math("", "") for _ in maths)]
    note = story.likewise([D(j, Ref(name)) for name in adjoints_once(story).others(b.wrt)])
    return [Equation(side, right, note=note if side.latex else ()) for side, right in zip(sides, maths, strict=False)]


def summary(story: Story) -> list[Block]:
    """The gradients with their shapes, and where each was derived."""
    words = story.words
    found = story.derivation.gradients
    if not found:
        return []
    rows = []
    for a in told_apart(story, found):
        shown = told(story, a)
        right = story.deltas.math(shown.expr)
        others = [replace(shown.wrt, name=name) for name in adjoints_once(story).others(a.name)]
        reference = Reference(story.adjoint_anchor(a.name))
        names = story.listed([shown.wrt, *others])
        rows.append((names, (right,), shape_of(story, a.result.shape), (reference,)))
    header = (says(words["name"]), says(words["gradient"]), says(words["shape"]), says(words["equation"]))
    table = Table(header, tuple(rows), story.say("summary caption", loss=story.loss), anchor="table-results")
    return [Section(says(words["summary"]), anchor="summary"), table]


def conventions(story: Story) -> list[Block]:
    """What was assumed, and what derivatives are taken to be at kinks."""
    blocks: list[Block] = []
    if story.model.assumptions:
        blocks += [
            Section(says(story.words["assumptions"]), anchor="assumptions"),
            Paragraph(story.say("assumptions intro")),
            List(tuple((story.math(a),) for a in story.model.assumptions)),
        ]
    kinks, structures = _kinks(story), dict.fromkeys(story.model.structured_parameters.values())
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
                over = "a window" if is_over_window(node) else "an index"
                found[story.words.convention(node.op, f"maximum over {over}")] = None
    return list(found)


def proofs(story: Story) -> list[Block]:
    """How many steps were proved, and how."""
    counts = Counter(_proofs(story.derivation))
    total = sum(counts.values())
    if not total or None in counts:
        return []
    words = story.words
    parts = [words.sentence("proved", count=str(total))]
    for kind in ("symbolic", "exact", "numeric"):
        if counts[kind]:
            told_by = "one" if counts[kind] == 1 else "several"
            agreed = str(AGREEING_DIGITS)
            parts.append(words.sentence(f"{kind} {told_by}", count=str(counts[kind]), digits=str(DIGITS), agree=agreed))
    if counts["symbolic"] == total:
        parts = [words.sentence("all symbolic", count=str(total))]
    return [
        Section(says(words["proofs"]), anchor="proofs"),
        Paragraph(says(" ".join(parts))),
        Paragraph(story.say("proof intro")),
    ]


def _proofs(derivation: Derived) -> Iterator[str | None]:
    """How each step was proved: "symbolic", "exact" (in fractions) or "numeric"."""
    for inner in derivation.inner:
        yield from _proofs(inner.prove())
    results = [*derivation.local, *(a.result for a in (*derivation.nodes, *derivation.gradients))]
    for steps in (*(r.steps for r in results), *derivation.lemmas.values()):
        setting = steps.form.setting if isinstance(steps, RenamedSteps) else Setting()
        for step in steps:
            exact = step.proof == "numeric" and is_exact(step.before, step.after, setting)
            yield "exact" if exact else step.proof
