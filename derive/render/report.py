"""Derivation → report: the whole story of a model's gradients, as a document for every printer.

In: a derivation, a language and a level of detail: `brief` (the chain rule and the results), `normal` (worked steps, small
ones on one line), `full` (every step).  Out: a `Document`.
Nothing is computed here: every formula is one that the derivation holds.
"""

from __future__ import annotations

from derive.derivation import Derivation
from derive.errors import DeriveError, did_you_mean
from derive.render.document import Block, Document
from derive.render.latex_document import print_latex
from derive.render.markdown_document import print_markdown
from derive.render.report_algorithm import algorithm
from derive.render.report_model import graph_section, model_section
from derive.render.report_results import batch, conventions, proofs, summary, updates
from derive.render.report_steps import adjoints, chain_rule, functions, gradients, local_derivatives
from derive.render.story import DETAILS, Story
from derive.render.text_document import print_text

STORY = (
    model_section, graph_section, chain_rule, functions, local_derivatives, adjoints, gradients, updates, batch, algorithm,
    summary, conventions, proofs,
)  # fmt: skip
BRIEF = (model_section, graph_section, chain_rule, adjoints, gradients, updates, algorithm, summary)
GRADIENT = (chain_rule, adjoints, gradients, updates)


def report(derivation: Derivation, language: str = "en", detail: str = "normal") -> Document:
    """The report.

    >>> from derive.model import Model
    >>> document = report(Model.builtin("quadratic").derive(), language="es", detail="brief")
    >>> document.title, document.language
    ('Gradient descent on a parabola', 'es')
    """
    if detail not in DETAILS:
        raise DeriveError(f"there is no level of detail '{detail}'", hint=did_you_mean(detail, DETAILS))
    story = Story(derivation.prove(), language, detail)
    return _document(story, BRIEF if detail == "brief" else STORY, story.words["subtitle"])


def gradient_document(derivation: Derivation, language: str = "en") -> Document:
    """The chain rule, the gradient of each parameter and its update rule: what `derive gradient` prints."""
    return _document(Story(derivation.prove(), language, "brief"), GRADIENT, "")


def gradient_text(derivation: Derivation, language: str = "en", width: int = 96) -> str:
    """The same for the terminal."""
    return print_text(gradient_document(derivation, language), width)


def gradient_latex(derivation: Derivation, language: str = "en") -> str:
    """The same as LaTeX, to stand beneath the preamble of a report."""
    return print_latex(gradient_document(derivation, language), fragment=True)


def gradient_markdown(derivation: Derivation, language: str = "en") -> str:
    """The same as Markdown."""
    return print_markdown(gradient_document(derivation, language))


def _document(story: Story, parts: tuple[object, ...], subtitle: str) -> Document:
    blocks: list[Block] = []
    for part in parts:
        blocks += part(story)  # type: ignore[operator]
    model = story.model
    return Document(model.title or model.name, tuple(blocks), story.language, subtitle)
