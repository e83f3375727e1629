"""What `derive hessian` prints: each block of second derivatives with its steps, and the mean over the examples.

In: a `Hessian`.  Out: a `Document` for every printer.  Nothing is computed here but the passage to the batch.
"""

from __future__ import annotations

from derive.derivation import Hessian, Result
from derive.differentiate.batch import batch_second, example_names, objective
from derive.expression.nodes import D, Index, Ref
from derive.render.document import Block, Derivation, Document, Equation, Equations, Paragraph, Section, says
from derive.render.json import shown
from derive.render.report_results import OBJECTIVES
from derive.render.story import Story
from derive.render.text_document import print_text


def hessian_document(hessian: Hessian, language: str = "en") -> Document:
    """The blocks, one after the other, then those of the objective over all examples."""
    story = Story(hessian.derivation, language, "normal")
    blocks: list[Block] = [Section(says(story.words["second derivatives"]), anchor="second-derivatives")]
    for block in hessian.blocks:
        blocks += _block(story, block)
    title = story.words.title(story.model.title or story.model.name)
    return Document(title, (*blocks, *_batch(story, hessian)), language)


def hessian_text(hessian: Hessian, language: str = "en", width: int = 96) -> str:
    """For the terminal."""
    return print_text(hessian_document(hessian, language), width)


def hessian_latex(hessian: Hessian, language: str = "en") -> str:
    """As LaTeX, to stand beneath the preamble of a report."""
    from derive.render.latex_document import print_latex

    return print_latex(hessian_document(hessian, language), fragment=True)


def hessian_markdown(hessian: Hessian, language: str = "en") -> str:
    """As Markdown."""
    from derive.render.markdown_document import print_markdown

    return print_markdown(hessian_document(hessian, language))


def _block(story: Story, block: Result) -> list[Block]:
    in_arrays = shown(block) != block.expr
    steps = [s for s in block.steps if not in_arrays or s.rule not in ("array notation", "name a known function")]
    found: list[Block] = [Derivation(story.math(block.steps[0].before), story.lines(steps))]
    if in_arrays:
        left = D(D(Ref(story.model.loss), Ref(block.of)), Ref(block.wrt))
        note = says(story.words["array form"])
        found.append(Equations((Equation(story.math(left), story.math(shown(block)), note=note),)))
    return found


def _batch(story: Story, hessian: Hessian) -> list[Block]:
    """The second derivatives of the mean over the examples."""
    model = story.model
    blocks = [b for b in hessian.blocks if model.per_example.isdisjoint((b.of, b.wrt))]
    if model.loss not in model.per_example or not blocks:
        return []
    n, count = example_names(model)
    name = next((o for o in OBJECTIVES if o not in model.shapes), "objective_")
    math = story.batch.math
    items = [Equation(math(Ref(name)), math(objective(model)), note=says(story.words["objective"]))]
    for b in blocks:
        expr, _ = batch_second(b, shown(b), model)
        at = b.indices if _in_indices(b) else ()
        own = len(model.shapes[b.of]) if at else 0
        first, second = Ref(b.of, tuple(map(Index, at[:own]))), Ref(b.wrt, tuple(map(Index, at[own:])))
        items.append(Equation(math(D(D(Ref(name), first), second)), math(expr)))
    intro = story.say("batch intro", count=math(Ref(count)), index=math(Index(n)))
    return [Section(says(story.words["batch"]), anchor="batch"), Paragraph(intro), Equations(tuple(items))]


def _in_indices(block: Result) -> bool:
    """Whether whole-array notation cannot say the block."""
    return bool(block.indices) and shown(block) == block.expr
