"""The section of a report about derivatives inside the model: how the equations of ``grad(u, x)`` come about.

In: a story.  Out: blocks; each derivative is told like that of the loss, and said to be which equation of the model.
"""

from __future__ import annotations

from collections.abc import Iterator

from derive.derivation import Derivation
from derive.expression.nodes import Ref
from derive.model import Inner
from derive.render.document import Block, Equation, Equations, Paragraph, Reference, Section, says
from derive.render.explanation import path, restricted
from derive.render.report_steps import lemma_steps
from derive.render.story import Story, adjoint_of


def inner_derivatives(story: Story) -> list[Block]:
    """For each ``grad(u, x)`` the path from u back to x; what stands in one before is not told again."""
    found = list(zip(story.model.inner, story.derivation.inner, strict=True))
    if not found:
        return []
    lemmas = set(story.derivation.lemmas)
    blocks: list[Block] = [
        Section(says(story.words["inner"]), anchor="inner"),
        Paragraph(story.say("inner intro")),
    ]
    for k, (inner, derivation) in enumerate(found, 1):
        own = _story(story, inner, derivation, k)
        blocks += _told(own, inner, lemmas)
        lemmas |= set(own.derivation.lemmas)
    return blocks


def _story(story: Story, inner: Inner, derivation: Derivation, k: int) -> Story:
    return Story(
        restricted(derivation.prove(), inner.wrt), story.language, story.detail, bold=story.bold, inside=f"inner-{k}-"
    )


def _told(own: Story, inner: Inner, lemmas: set[str]) -> Iterator[Block]:
    left = own.math(adjoint_of(inner.model.loss, inner.wrt))
    yield Section((left,), level=2, anchor=f"{own.inside}path")
    for name, steps in own.derivation.lemmas.items():
        if name not in lemmas and own.detail != "brief":
            yield lemma_steps(own, name, steps)
    yield from path(own)
    yield Paragraph(own.say("inner names"))
    yield Equations(tuple(_named(own, inner, node, name) for node, name in inner.called))


def _named(own: Story, inner: Inner, node: str, name: str) -> Equation:
    reference = own.say("by", references=Reference(f"eq-{name}"))
    return Equation(own.math(adjoint_of(inner.model.loss, node)), own.math(Ref(name)), note=reference)
