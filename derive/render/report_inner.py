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
    for own, (inner, _) in zip(inner_stories(story), found, strict=True):
        blocks += _told(own, inner, lemmas)
        lemmas |= set(own.derivation.lemmas)
    return blocks


def inner_stories(story: Story) -> list[Story]:
    """One for each ``grad(u, x)``; it knows where the ones before it told a local derivative."""
    told: list[Story] = []
    for k, (inner, derivation) in enumerate(zip(story.model.inner, story.derivation.inner, strict=True), 1):
        told.append(_story(story, inner, derivation, k, told_in(told)))
    return told


def told_in(stories: list[Story]) -> dict[tuple[str, str], str]:
    """Where local derivatives are told."""
    return {edge: anchor for own in stories for edge in own.local if (anchor := own.local_anchor(*edge))}


def _story(
    story: Story, inner: Inner, derivation: Derivation, k: int, earlier: dict[tuple[str, str], str]
) -> Story:
    own = restricted(derivation.prove(), inner.wrt)
    return Story(own, story.language, story.detail, bold=story.bold, inside=f"inner-{k}-", earlier=earlier)


def _told(own: Story, inner: Inner, lemmas: set[str]) -> Iterator[Block]:
    title = own.say("derivative title", of=own.loss, wrt=own.math(Ref(inner.wrt)))
    yield Section(title, level=2, anchor=f"{own.inside}path")
    for name, steps in own.derivation.lemmas.items():
        if name not in lemmas and own.detail != "brief":
            yield lemma_steps(own, name, steps)
    yield from path(own)
    yield Paragraph(own.say("inner names"))
    yield Equations(tuple(_named(own, inner, node, name) for node, name in inner.called))


def _named(own: Story, inner: Inner, node: str, name: str) -> Equation:
    reference = own.say("by", references=Reference(f"eq-{name}"))
    return Equation(own.math(adjoint_of(inner.model.loss, node)), own.math(Ref(name)), note=reference)
