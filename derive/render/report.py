"""Derivation → report: the whole story of a model's gradients, as a document for every printer.

In: a derivation, a language and a level of detail: `brief` (the chain rule and the results), `normal` (worked steps,
small ones on one line), `full` (every step).  Out: a `Document`.
Nothing is computed here: every formula is one that the derivation holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from derive.derivation import Derivation as Derived
from derive.errors import DeriveError, did_you_mean
from derive.render.document import Block, Derivation, Document, Paragraph, Section
from derive.render.report_algorithm import algorithm
from derive.render.report_example import Numbers, example
from derive.render.report_inner import inner_derivatives, inner_stories, told_in
from derive.render.report_model import graph_section, model_section, symbols
from derive.render.report_results import batch, conventions, proofs, summary
from derive.render.report_steps import adjoints, chain_rule, functions, gradients, local_derivatives
from derive.render.report_updates import updates
from derive.render.story import DETAILS, Story
from derive.render.text_document import print_text
from derive.update_rule import UpdateRule, rule_for, update_rule

Part = Callable[[Story], list[Block]]

STORY: tuple[Part, ...] = (
    model_section, graph_section, inner_derivatives, chain_rule, functions, local_derivatives, adjoints, gradients,
    updates, batch, algorithm, summary, conventions, proofs,
)  # fmt: skip
BRIEF: tuple[Part, ...] = (
    model_section, graph_section, inner_derivatives, chain_rule, adjoints, gradients, updates, algorithm, summary,
)  # fmt: skip
GRADIENT: tuple[Part, ...] = (chain_rule, adjoints, gradients, updates)


def report(
    derivation: Derived,
    language: str = "en",
    detail: str = "normal",
    rule: UpdateRule | None = None,
    numbers: Numbers | None = None,
    bold: bool = False,
    collapse: bool = False,
) -> Document:
    """The report; `rule` updates the parameters, that of the model if it is None.

    With `numbers` (of `derive.check.example`) it has a section with one example; with `bold`, vectors and matrices are
    bold in LaTeX and HTML; with `collapse`, repeated layers are one node of the pictures.

    >>> from derive.model import Model
    >>> document = report(Model.builtin("quadratic").derive(), language="es", detail="brief")
    >>> document.title, document.language
    ('Descenso de gradiente en una parábola', 'es')
    """
    if detail not in DETAILS:
        raise DeriveError(f"there is no level of detail '{detail}'", hint=did_you_mean(detail, DETAILS))
    story = Story(derivation.prove(), language, detail, rule_for(derivation.model, rule), bold, collapse, fold=True)
    story = replace(story, earlier=told_in(inner_stories(story)))
    document = _document(story, BRIEF if detail == "brief" else STORY, story.words["subtitle"], numbers)
    if detail == "normal":
        every = _document(replace(story, detail="full"), STORY, "")
        document = replace(document, blocks=tuple(_with_full(document.blocks, every.blocks)))
    return replace(document, symbols=symbols(story))


def _with_full(blocks: Iterable[Block], every: Iterable[Block]) -> Iterator[Block]:
    """Each derivation with its lines of full detail, where those are more."""
    lines = {b.anchor: b.lines for b in every if isinstance(b, Derivation)}
    for block in blocks:
        full = lines.get(block.anchor, ()) if isinstance(block, Derivation) and block.anchor else ()
        if isinstance(block, Derivation) and len(full) > len(block.lines):
            yield replace(block, full=full)
        else:
            yield block


def gradient_document(derivation: Derived, language: str = "en", rule: UpdateRule | None = None) -> Document:
    """The chain rule, the gradient of each parameter and its update rule: what `derive gradient` prints.

    The rule is gradient descent, also of a model that is trained by another one, unless `rule` is given.
    """
    document = _document(Story(derivation.prove(), language, "brief", rule or update_rule()), GRADIENT, "")
    return replace(document, blocks=tuple(_terse(document.blocks)))


def gradient_text(derivation: Derived, language: str = "en", width: int = 96, rule: UpdateRule | None = None) -> str:
    """The same for the terminal."""
    return print_text(gradient_document(derivation, language, rule), width)


def gradient_latex(derivation: Derived, language: str = "en", rule: UpdateRule | None = None) -> str:
    """The same as LaTeX, to stand beneath the preamble of a report."""
    from derive.render.latex_document import print_latex

    return print_latex(gradient_document(derivation, language, rule), fragment=True)


def gradient_markdown(derivation: Derived, language: str = "en", rule: UpdateRule | None = None) -> str:
    """The same as Markdown."""
    from derive.render.markdown_document import print_markdown

    return print_markdown(gradient_document(derivation, language, rule))


def _terse(blocks: Iterable[Block]) -> Iterator[Block]:
    """Without the introductions, titles and numbers that a few lines do not need."""
    found = list(blocks)
    around = zip([None, *found], found, [*found[1:], None], strict=False)
    for before, block, after in around:
        introduces = after is not None and not isinstance(after, Section)
        introduction = isinstance(block, Paragraph) and isinstance(before, (Section, Paragraph)) and introduces
        if isinstance(block, Derivation):
            yield replace(block, title=(), anchor="")
        elif not introduction:
            yield block


def _document(story: Story, parts: tuple[Part, ...], subtitle: str, numbers: Numbers | None = None) -> Document:
    blocks: list[Block] = []
    for part in parts:
        blocks += part(story)
        if part is gradients and numbers is not None:
            blocks += example(story, numbers)
    model = story.model
    return Document(story.words.title(model.title or model.name), tuple(blocks), story.language, subtitle)
