"""The Matrix Cookbook's identities: derived, printed in its form, and equal to autograd's and the complex step's numbers.

Every eighth one is proved in each run, all of them where `DERIVE_CASES` is set.
"""

from __future__ import annotations

import os
from functools import reduce

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from cookbook import ROWS, SIZES, model_text

from derive.check.complex_step import complex_step_gradient
from derive.check.sample import sample
from derive.derivation import Derivation
from derive.model import Model
from derive.rules.naming import displayed

PROVED = list(ROWS) if "DERIVE_CASES" in os.environ else list(ROWS)[::8]


def _norm(u):
    return anp.sqrt(anp.sum(u**2))


def _logsumexp(u):
    return anp.log(anp.sum(anp.exp(u)))


def _logdet(a):
    return anp.log(anp.linalg.det(a))


NUMPY = {
    "sum": anp.sum, "mean": anp.mean, "trace": anp.trace, "det": anp.linalg.det, "inv": anp.linalg.inv, "norm": _norm,
    "logdet": _logdet, "logsumexp": _logsumexp, "kron": anp.kron, "diag": anp.diag, "outer": anp.outer, "eye": anp.eye,
    "exp": anp.exp, "log": anp.log, "sin": anp.sin, "sqrt": anp.sqrt, "abs": anp.abs,
    "matrix_power": lambda a, k: reduce(anp.dot, [a] * k), "solve": anp.linalg.solve, "sigmoid": lambda u: 1 / (1 + anp.exp(-u)),
}  # fmt: skip


@pytest.fixture(scope="module")
def derivations() -> dict[str, Derivation]:
    return {}


def derived(name: str, known: dict[str, Derivation]) -> Derivation:
    if name not in known:
        known[name] = Model.parse(model_text(name)).derive()
    return known[name]


@pytest.mark.parametrize("name", ROWS)
def test_the_form(name: str, derivations: dict[str, Derivation]) -> None:
    derivation = derived(name, derivations)
    results = [a.result for a in derivation.gradients]
    shown = {r.wrt: str(displayed(r.expr, r.indices, r.shape, derivation.model)) for r in results}
    assert shown == ROWS[name][2]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ROWS)
def test_the_numbers(name: str, derivations: dict[str, Derivation]) -> None:
    derivation = derived(name, derivations)
    model = derivation.model
    drawn = sample(model, seed=3)
    values = drawn.values({})
    _, grads = derivation.compile().loss_and_gradients(dict(drawn.parameters), **drawn.constants)
    for p in model.parameters:
        np.testing.assert_allclose(grads[p], complex_step_gradient(model, values, p), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(grads[p], by_autograd(name, model, values, p), rtol=1e-7, atol=1e-9)


def by_autograd(name: str, model: Model, values: dict, p: str) -> np.ndarray:
    """The scalar's text as Python, differentiated by autograd; by the free entries of a structured one."""
    known = {k: np.asarray(v) if np.ndim(v) else float(v) for k, v in values.items()} | {s: SIZES[s] for s in SIZES}

    def loss(value):
        return eval(ROWS[name][1], {**NUMPY, **known, p: value})

    known |= {s: int(values[s]) for s in SIZES if s in values}
    slope = autograd.grad(loss)(known[p])
    match model.structures.get(p):
        case "symmetric":
            return slope + slope.T - np.diag(np.diag(slope))
        case "diagonal":
            return np.diag(np.diag(slope))
    return slope


@pytest.mark.parametrize("name", PROVED)
def test_every_step_is_proved(name: str, derivations: dict[str, Derivation]) -> None:
    proved = derived(name, derivations).prove()
    for result in (*proved.local, *(a.result for a in (*proved.nodes, *proved.gradients))):
        assert all(step.proof for step in result.steps)
