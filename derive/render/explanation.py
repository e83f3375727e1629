"""One gradient alone: its chain from the loss, each factor worked out, the product simplified.

In: a derivation that has the gradient, its name, a language and a level of detail.  Out: a `Document`, in the order in
which one works: the equations on the way, the chain rule, then from the loss backwards each local derivative and the
derivative that it leads to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from derive.derivation import Derivation
from derive.errors import DeriveError, did_you_mean
from derive.expression.nodes import Ref
from derive.render.document import Block, Document, Equation, Equations, Paragraph, Section, says
from derive.render.document import Result as Boxed
from derive.render.report_model import equation_lines
from derive.render.report_steps import adjoint_steps, chain_rule, functions, local_steps
from derive.render.story import DETAILS, Story, adjoint_of
from derive.render.told import sides


def explanation(derivation: Derivation, name: str, language: str = "en", detail: str = "normal") -> Document:
    """The path of one gradient.

    >>> from derive.model import Model
    >>> explanation(Model.builtin("quadratic").derive(), "x").title
    'Gradient descent on a parabola'
    """
    if detail not in DETAILS:
        raise DeriveError(f"there is no level of detail '{detail}'", hint=did_you_mean(detail, DETAILS))
    derivation = derivation.prove()
    story = Story(restricted(derivation, name), language, detail)
    title = story.words.title(story.model.title or story.model.name)
    return Document(title, tuple(_blocks(story, name)), language, story.math(adjoint_of(story.model.loss, name)).text)


def _blocks(story: Story, name: str) -> Iterator[Block]:
    derivation, model = story.derivation, story.model
    (gradient,) = derivation.gradients
    if not gradient.terms:
        yield Paragraph(story.say("zero gradient", loss=story.loss, name=story.math(Ref(name))))
        return
    involved = {r.of for r in derivation.local}
    yield Section(says(story.words["forward pass"]), anchor="model")
    yield Equations(tuple(i for e in model.equations if e.name in involved for i in equation_lines(story, e)))
    yield from chain_rule(story)
    yield from functions(story)
    yield Section(says(story.words["adjoints"]), anchor="adjoints")
    yield from path(story)
    yield Boxed((Equation(*sides(story, gradient)),))


def path(story: Story) -> Iterator[Block]:
    """From the loss backwards to the one gradient: each local derivative, and the derivative that it leads to."""
    order = {e.name: k for k, e in enumerate(story.model.equations)}
    nodes = sorted(story.derivation.nodes, key=lambda a: -order[a.name])
    for a in (*nodes, *story.derivation.gradients):
        for r in story.derivation.local:
            if r.wrt == a.name and (r.of, r.wrt) not in story.earlier:
                yield from local_steps(story, r, "")
        yield from adjoint_steps(story, a, "")


def restricted(derivation: Derivation, name: str) -> Derivation:
    """The derivation without what does not lie between the loss and the name."""
    model = derivation.model
    found = next((a for a in (*derivation.gradients, *derivation.nodes) if a.name == name), None)
    if found is None:
        known = [a.name for a in (*derivation.gradients, *derivation.nodes)]
        raise DeriveError(f"there is no gradient by '{name}'", hint=did_you_mean(name, known))
    above, pending = {name}, [name]
    while pending:
        for consumer in model.consumers.get(pending.pop(), ()):
            if consumer not in above and consumer in model.reaches_loss:
                above.add(consumer)
                pending.append(consumer)
    local = tuple(r for r in derivation.local if r.of in above and r.wrt in above)
    used = {step.rule.rpartition(" ")[2] for r in local for step in r.steps}
    for lemma, steps in derivation.lemmas.items():  # a lemma stands before those that it uses
        if lemma.partition(" ")[0] in used:
            used |= {step.rule.rpartition(" ")[2] for step in steps}
    return replace(
        derivation,
        local=local,
        nodes=tuple(a for a in derivation.nodes if a.name in above - {name}),
        gradients=(found,),
        lemmas={k: steps for k, steps in derivation.lemmas.items() if k.partition(" ")[0] in used},
    )
