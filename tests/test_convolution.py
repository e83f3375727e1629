"""Convolutions with symbolic sizes: derived, proved on sizes at which the kernel fits, compiled, and right."""

from __future__ import annotations

import numpy as np
import pytest

from derive.check.complex_step import complex_step_gradient
from derive.check.sample import sample
from derive.errors import DeriveError
from derive.model import Model
from derive.parse.expression import parse_expression
from derive.prove.sampling import agree_numerically
from derive.prove.setting import Setting
from derive.prove.sizes import numbers_for

SIZES = "n: size; m: size; k: size; l: size; "
ONE = "x: parameter[n]; K: parameter[k]; L: loss = sum(tanh(z)**2); "
TWO = "x: parameter[n, m]; K: parameter[k, l]; L: loss = sum(z**2); "
CONVOLUTIONS = {
    "one axis": (SIZES + ONE + "z[i] = sum(K[p]*x[i + p], p)", ["n - k + 1"]),
    "two axes": (SIZES + TWO + "z[i, j] = sum(K[p, q]*x[i + p, j + q], p, q)", ["n - k + 1", "m - l + 1"]),
    "dilation": (SIZES + ONE + "z[i] = sum(K[p]*x[i + 2*p], p)", ["n - 2*k + 2"]),
    "two axes, dilation": (
        SIZES + TWO + "z[i, j] = sum(K[p, q]*x[i + 2*p, j + 3*q], p, q)",
        ["n - 2*k + 2", "m - 3*l + 3"],
    ),
    "stride": (
        SIZES + "x: parameter[2*n + k]; K: parameter[k]; z[i] = sum(K[p]*x[2*i + p], p); L: loss = sum(z**3)",
        ["n + 1"],
    ),
    "stride and dilation": (
        SIZES + "x: input[2*n + k]; K: parameter[k]; z[i] = sum(K[p]*x[2*i + 3*p], p); L: loss = sum(z**2)",
        ["n - k + 2"],
    ),
    "channels": (
        SIZES + "x: input[2, n, m]; K: parameter[2, 2, k, k]; "
        "z[f, i, j] = sum(K[f, g, p, q]*x[g, i + p, j + q], g, p, q); L: loss = sum(z**2)",
        ["2", "n - k + 1", "m - k + 1"],
    ),
    "with a target": (
        SIZES + "x: input[n]; K: parameter[k]; y: target[n - k + 1]; z[i] = sum(K[p]*x[i + p], p); "
        "L: loss = sum((z - y)**2)",
        ["n - k + 1"],
    ),
    "padded": (
        SIZES + "x: parameter[n]; K: parameter[2*k + 1]; w = pad(x, k); z[i] = sum(K[p]*w[i + p], p); "
        "L: loss = sum(z**2*x)",
        ["n"],
    ),
    "longer than proofs usually are": (
        "x: parameter[61]; K: parameter[5]; z[i] = sum(K[p]*x[2*i + p], p); L: loss = sum(z**2)",
        ["29"],
    ),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name: str) -> None:
    text, shape = CONVOLUTIONS[name]
    model = Model.parse(text.replace("; ", "\n"))
    assert [str(size) for size in model.shapes["z"]] == shape
    derivation = model.derive().prove()
    assert all(step.proof for gradient in derivation.gradients for step in gradient.result.steps)
    if model.per_example:
        assert "batch" in derivation.to_dict()  # proved where it is made
    module = derivation.compile()
    drawn = sample(model, seed=1, examples=1)
    _, gradients = module.loss_and_gradients(dict(drawn.parameters), **(drawn.data if drawn.examples[0] else {}))
    for name, gradient in gradients.items():
        true = complex_step_gradient(model, drawn.values(drawn.examples[0]), name)
        assert np.allclose(gradient, true, rtol=1e-10, atol=1e-12)


def test_a_wrong_convolution_is_refuted() -> None:
    sizes = {name: parse_expression(name) for name in "nk"}
    shapes = {"x": (sizes["n"],), "K": (sizes["k"],)}
    setting = Setting(shapes=shapes, axes=("j",), ranges={"j": parse_expression("n - k + 1")})
    sides = ["sum(K[p]*x[j + p], p)", "sum(x[j + p]*K[p], p)", "sum(K[k - 1 - p]*x[j + p], p, p < k)"]
    before, same, flipped = map(parse_expression, sides)
    assert agree_numerically(before, same, setting)
    assert not agree_numerically(before, flipped, setting)


@pytest.mark.parametrize("size", ["n - k + 1", "n - 2*k + 2", "n - 17", "m - n - k", "(n + k)*m - 3*n"])
@pytest.mark.parametrize("swapped", [False, True])
def test_every_size_has_entries(size: str, swapped: bool) -> None:
    e = parse_expression(size)
    found = numbers_for(("k", "m", "n", "d"), [e], swapped)
    assert len(set(found.values())) == 4
    assert eval(size, {}, found) >= 1


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(DeriveError, match="no small sizes were found"):
        numbers_for(("n",), [parse_expression("3 - 2*n")], swapped=False)


def test_a_size_that_no_array_tells_is_refused() -> None:
    text = "n: size\nk: size\nx: parameter[n]\nL: loss = sum((x[k:] - x[:n - k])**2)"
    with pytest.raises(DeriveError, match="no array tells the size 'k', and it has no value"):
        Model.parse(text).derive().compile()
    module = Model.parse(text.replace("k: size", "k: size = 2")).derive().compile()
    x = np.array([0.3, 1.0, -2.0, 0.5])
    loss, gradients = module.loss_and_gradients({"x": x})
    difference = x[2:] - x[:-2]
    assert np.isclose(loss, (difference**2).sum())
    assert np.allclose(gradients["x"], 2 * np.concatenate([-difference, difference]))
