"""Symmetric, diagonal and lower triangular parameters: gradients by the free entries, proofs, training.

The oracles write the loss and the matrix's dependence on its free entries by hand, in numpy, and take the complex step.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from model_corpus import structured
from numpy.linalg import det, inv

from derive.errors import DeriveError
from derive.expression.text import print_expression
from derive.model import Model
from derive.parse.expression import parse_expression as read
from derive.prove.setting import Setting
from derive.prove.steps import judge
from derive.rules.naming import displayed

N, STEP = 3, 1e-30
RNG = np.random.default_rng(7)
A, X = RNG.normal(size=(N, N)), RNG.normal(size=N)

# Model, structure, the same loss in numpy, and the gradient as it reads.
CASES: dict[str, tuple[str, str, Callable[..., complex], str]] = {
    "quadratic form": ("x @ S @ x", "symmetric", lambda s: X @ s @ X, "2*outer(x, x) - diag(x*x)"),
    "log-determinant": (
        "logdet(S @ S)",
        "symmetric",
        lambda s: np.log(det(s @ s)),
        "",
    ),
    "determinant": ("det(S)", "symmetric", det, "2*det(S)*inv(S) - diag(diag(det(S)*inv(S)))"),
    "trace of the inverse": (
        "trace(inv(S))",
        "symmetric",
        lambda s: np.trace(inv(s)),
        "-2*(inv(S) @ inv(S)) + diag(diag(inv(S) @ inv(S)))",
    ),
    "squares": ("sum(S**2)", "symmetric", lambda s: np.sum(s**2), "4*S - 2*diag(diag(S))"),
    "squares of a diagonal": ("sum(S**2)", "diagonal", lambda s: np.sum(s**2), "2*diag(diag(S))"),
    "squares of a triangle": ("sum(S**2)", "lower", lambda s: np.sum(s**2), "tril(2*S)"),
    "an entry": ("S[0, 1]**2*S[1, 1]", "symmetric", lambda s: s[0, 1] ** 2 * s[1, 1], ""),
    "an upper entry of a triangle": ("S[1, 0]*S[0, 0] + S[0, 1]", "lower", lambda s: s[1, 0] * s[0, 0] + s[0, 1], ""),
    "Cholesky factor": ("sum((S @ S.T - A)**2)", "lower", lambda s: np.sum((s @ s.T - A) ** 2), ""),
    "Gaussian by its covariance": (
        "x @ inv(S) @ x/2 + log(det(S)**2)/4",
        "symmetric",
        lambda s: X @ inv(s) @ X / 2 + np.log(det(s) ** 2) / 4,
        "",
    ),
    "Gaussian by its Cholesky factor": (
        "x @ inv(S @ S.T) @ x/2 + logdet(S @ S.T)/2",
        "lower",
        lambda s: X @ inv(s @ s.T) @ X / 2 + np.log(det(s @ s.T)) / 2,
        "",
    ),
    "scaling": ("sum((A @ S @ x)**2)", "diagonal", lambda s: np.sum((A @ s @ X) ** 2), ""),
    "in a network": ("sum(tanh(A @ tanh(S @ x)))", "symmetric", lambda s: np.sum(np.tanh(A @ np.tanh(s @ X))), ""),
    "elementwise": ("sum(A*sigmoid(S))", "symmetric", lambda s: np.sum(A / (1 + np.exp(-s))), ""),
    "sum": ("sum(S)", "lower", np.sum, "tril(ones(n, n))"),
}


def model_of(name: str) -> Model:
    loss, structure, _, _ = CASES[name]
    uses = [d for d, letter in (("A: constant[n, n]", "A"), ("x: constant[n]", "x")) if letter in loss]
    return Model.parse("\n".join(["n: size", *uses, f"S: parameter[n, n] = {structure}", f"L: loss = {loss}"]))


def by_free_entries(loss: Callable[..., complex], s: np.ndarray, structure: str) -> np.ndarray:
    """The complex step in each free entry; a symmetric matrix has the derivative on both sides of its diagonal."""
    free = np.eye(N, dtype=bool) if structure == "diagonal" else np.tri(N, dtype=bool)
    found = np.zeros((N, N))
    for i, j in np.argwhere(free):
        moved = s.astype(complex)
        moved[i, j] += 1j * STEP
        if structure == "symmetric" and i != j:
            moved[j, i] += 1j * STEP
        found[i, j] = np.imag(loss(moved)) / STEP
    return structured(found, structure)


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_is_by_the_free_entries(name: str) -> None:
    _, structure, loss, _ = CASES[name]
    module = model_of(name).derive().compile()
    constants = {k: v for k, v in {"A": A, "x": X}.items() if k in model_of(name).variables}
    for seed in range(3):
        s = structured(np.random.default_rng(seed).uniform(0.3, 1.5, (N, N)), structure)
        value, grads = module.loss_and_gradients({"S": s}, **constants)
        assert value == pytest.approx(np.real(loss(s)), rel=1e-12)
        np.testing.assert_allclose(grads["S"], by_free_entries(loss, s, structure), rtol=1e-9, atol=1e-10)


def shown(model: Model) -> str:
    """The gradient of the first parameter as it is printed."""
    result = model.derive().gradients[0].result
    return print_expression(displayed(result.expr, result.indices, result.shape, model))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[3]])
def test_gradients_read_as_whole_arrays(name: str) -> None:
    assert shown(model_of(name)) == CASES[name][3]


@pytest.mark.parametrize("name", ["quadratic form", "trace of the inverse", "squares of a diagonal", "Cholesky factor"])
def test_every_step_is_proved(name: str) -> None:
    derivation = model_of(name).derive().prove()
    steps = [*derivation.gradients[0].result.steps, *derivation.local[0].steps]
    assert steps
    assert all(step.proof for step in steps)


@pytest.mark.parametrize(
    ("structure", "right", "wrong"),
    [
        ("symmetric", "outer(2*x, x) - diag(x*x)", "outer(x, x)"),
        ("diagonal", "diag(x*x)", "outer(x, x)"),
        ("lower", "tril(outer(x, x))", "outer(x, x)"),
    ],
)
def test_the_prover_refutes_the_gradient_of_a_matrix_without_structure(structure: str, right: str, wrong: str) -> None:
    n = (read("n"),)
    setting = Setting(
        shapes={"S": n * 2, "x": n}, axes=("i", "j"), ranges={"i": n[0], "j": n[0]}, structures={"S": structure}
    )
    start = read("D(sum(x[k]*S[k, l]*x[l], k, l), S[i, j])")
    assert judge(start, read(right), setting).proof == "numeric"
    assert judge(start, read(wrong), setting).proof is None


def test_forms_of_other_structures_are_not_taken_from_the_cache() -> None:
    found = {model_of(name).derive().gradients[0].result.expr for name in CASES if name.startswith("squares")}
    assert len(found) == 3


def test_what_is_symmetric_equals_its_transpose() -> None:
    text = "n: size\nm: size\nX: parameter[n, m]\nL: loss = logdet(X.T @ X)"
    assert shown(Model.parse(text)) == "2*(X @ inv(X.T @ X))"
    assert "S.T" in shown(Model.parse("n: size\nS: constant[n, n]\nx: parameter[n]\nL: loss = x @ S @ x"))


@pytest.mark.parametrize(
    ("structure", "kept"), [("symmetric", lambda s: s.T), ("diagonal", np.diag), ("lower", np.tril)]
)
def test_training_keeps_the_structure(structure: str, kept: Callable[[np.ndarray], np.ndarray]) -> None:
    text = (
        f"n: size\nx: input[n]\ny: target[n]\nS: parameter[n, n] = {structure}\nz = S @ x\n"
        "a: output = tanh(z)\nL: loss = sum((a - y)**2) + sum(inv(S)**2)/100"
    )
    data = {"x": RNG.normal(size=(20, N)), "y": RNG.uniform(-0.8, 0.8, (20, N))}
    params, history = Model.parse(text).derive().compile().train(data, epochs=30, lr=0.05)
    s = params["S"]
    assert history[-1]["loss"] < history[0]["loss"]
    assert not np.array_equal(s, np.eye(N))
    assert np.array_equal(s, np.diag(kept(s)) if structure == "diagonal" else kept(s))


def test_json_and_updates_know_the_structure() -> None:
    row = model_of("squares").derive().to_dict()["gradients"][0]
    assert (row["wrt"], row["structure"]) == ("S", "symmetric")


def test_tril_and_triu_are_part_of_the_language() -> None:
    text = "A: constant[3, 3]\nW: parameter[3, 3]\nL: loss = sum(tril(A*W)**2) + sum(triu(W)*A)"
    w = RNG.normal(size=(3, 3))
    _, grads = Model.parse(text).derive().compile().loss_and_gradients({"W": w}, A=A)
    np.testing.assert_allclose(grads["W"], 2 * np.tril(A**2 * w) + np.triu(A), rtol=1e-12)


def test_the_trace_of_data_with_a_unit_matrix() -> None:
    module = Model.parse("A: input[2, 2]\nw: parameter\nL: loss = w*trace(A + 3*eye(2))").derive().compile()
    a = RNG.normal(size=(5, 2, 2))
    loss, grads = module.loss_and_gradients({"w": 2.0}, A=a)
    traces = np.trace(a, axis1=1, axis2=2) + 6
    np.testing.assert_allclose([loss, grads["w"]], [2 * traces.mean(), traces.mean()], rtol=1e-12)


def test_a_norm_along_an_axis_keeps_its_axis() -> None:
    text = "m: size\nn: size\nA: parameter[m, n]\nc: constant[m]\nL: loss = sum(c*norm(A, axis=1))"
    shown = Model.parse(text).derive().prove().to_dict()["gradients"][0]["expr"]
    assert "norm(A)" not in shown


ASSUMED = "n: size\nK: constant[n, n]\nassume({})\nm: parameter[n]\nJ: loss = m @ inv(K) @ m"


@pytest.mark.parametrize("said", ["spd(K)", "K == K.T", "K.T == K"])
def test_what_is_assumed_symmetric_needs_no_transpose(said: str) -> None:
    derivation = Model.parse(ASSUMED.format(said)).derive().prove()
    (gradient,) = derivation.to_dict()["gradients"]
    assert gradient["expr"] == "2*(inv(K) @ m)"
    used = [step.assumption for result in derivation.local for step in result.steps if step.rule == "symmetry"]
    assert used and set(used) == {"spd(K)" if "spd" in said else "K == K.T"}


def test_without_the_assumption_both_stay() -> None:
    derivation = Model.parse(ASSUMED.format("K[0, 0] > 0")).derive().prove()
    assert derivation.to_dict()["gradients"][0]["expr"] == "(inv(K) + inv(K).T) @ m"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("K: constant[2, 3]\nassume(spd(K))\nw: parameter\nL: loss = w*sum(K)", "no square matrix"),
        ("K: parameter[2, 2]\nassume(spd(K))\nL: loss = sum(K)", "free entries on both sides"),
        ("w: parameter[2]\nK = outer(w, w)\nassume(spd(K))\nL: loss = sum(K)", "is computed"),
        ("w: parameter[2]\nassume(spd(w + w))\nL: loss = sum(w)", "takes the name of a matrix"),
    ],
)
def test_definiteness_is_assumed_of_what_is_given(lines: str, message: str) -> None:
    with pytest.raises(DeriveError, match=message):
        Model.parse(lines)
