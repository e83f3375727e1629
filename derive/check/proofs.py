"""How many steps of a derivation were proved, and how."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from derive.derivation import Derivation, Step
from derive.differentiate.batch import batch_gradients


def steps(derivation: Derivation) -> Iterator[Step]:
    """Every step: of local derivatives, adjoints, gradients, lemmas, and the gradients over a batch.

    Those of derivatives inside the model come first.
    """
    for inner in derivation.inner:
        yield from single(inner.prove())
    yield from single(derivation)
    for gradient in batch_gradients(derivation):
        yield from gradient.steps


def single(derivation: Derivation) -> Iterator[Step]:
    """The steps of one example's derivation."""
    for result in derivation.local:
        yield from result.steps
    for adjoint in (*derivation.nodes, *derivation.gradients):
        yield from adjoint.result.steps
    for lemma in derivation.lemmas.values():
        yield from lemma


def count_proofs(derivation: Derivation) -> Counter[str]:
    """The number of steps by how they were proved: "symbolic", "numeric", or "none" where a proof is missing."""
    return Counter(step.proof or "none" for step in steps(derivation))
