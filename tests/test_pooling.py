"""Pooling and padding: derived, proved, compiled, and right, also where entries of a window are equal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from derive.check.complex_step import complex_step_gradient
from derive.check.sample import sample
from derive.errors import DeriveError
from derive.expression.nodes import Expression, Index, Reduce, Ref
from derive.expression.walk import replace
from derive.model import Model
from derive.parse.expression import parse_expression
from derive.prove.polynomials import with_free_nodes
from derive.prove.setting import ProofError, Setting
from derive.rules import calculus
from derive.train.examples import read_examples
from derive.train.settings import Settings

LOSS = "; L: loss = sum(P**3)"
MODELS = {
    "max": "m: size; l: size; x: parameter[2*m, 2*l]; P[i, j] = max(x[2*i + p, 2*j + q], p, q, p < 2, q < 2)" + LOSS,
    "min of overlapping windows": "m: size; x: parameter[2, 2*m + 1]; P[c, i] = min(x[c, 2*i + p], p, p < 3)" + LOSS,
    "indices the other way round": "x: parameter[4, 5]; P[i, j] = max(x[i + p, j + q], q, p, p < 2, q < 3)" + LOSS,
    "average": "m: size; x: parameter[2*m, 6]; P[i, j] = sum(x[2*i + p, 3*j + q], p, q, p < 2, q < 3)/6" + LOSS,
    "with a dilation": "x: parameter[9]; P[i] = max(x[i + 2*p], p, p < 3)" + LOSS,
    "pad": "n: size; x: parameter[n, 3]; P = pad(x, 2)" + LOSS,
    "pad one axis": "n: size; x: parameter[n, 3]; P = pad(x, 2, 1, axis=0)" + LOSS,
    "pad the last axes": "n: size; x: parameter[2, n, 3]; P = pad(x, 1, axis=(1, 2))" + LOSS,
    "pad, convolve with a stride, pool": "n: size; x: parameter[2, 4*n, 7]; K: parameter[3, 2, 3, 3]; "
    "w = pad(x, 1, axis=(1, 2)); z[o, i, j] = sum(K[o, c, p, q]*w[c, 2*i + p, 2*j + q], c, p, q); "
    "P[o, i, j] = max(z[o, 2*i + p, 2*j + q], p, q, p < 2, q < 2)" + LOSS,
}


@pytest.mark.parametrize("name", MODELS)
def test_models(name: str) -> None:
    model = Model.parse(MODELS[name].replace("; ", "\n"))
    derivation = model.derive().prove()
    assert all(step.proof for gradient in derivation.gradients for step in gradient.result.steps)
    module = derivation.compile()
    drawn = sample(model, seed=1, examples=1)
    _, gradients = module.loss_and_gradients(dict(drawn.parameters))
    for parameter, gradient in gradients.items():
        true = complex_step_gradient(model, drawn.values(drawn.examples[0]), parameter)
        assert np.allclose(gradient, true, rtol=1e-10, atol=1e-12)


def pooled_by_loops(x: np.ndarray, size: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """The maxima and the gradient of the sum of their cubes, as in PyTorch's max_pool2d: only a greater entry wins."""
    places = (x.shape[0] - size) // step + 1
    maxima, gradient = np.zeros((places, places)), np.zeros_like(x)
    for i in range(places):
        for j in range(places):
            best = (step * i, step * j)
            for p in range(size):
                for q in range(size):
                    if x[step * i + p, step * j + q] > x[best]:
                        best = (step * i + p, step * j + q)
            maxima[i, j] = x[best]
            gradient[best] += 3 * x[best] ** 2
    return maxima, gradient


@pytest.mark.parametrize(("size", "step", "entries"), [(2, 2, "2*n"), (3, 2, "2*n + 1"), (2, 1, "n + 1")])
@pytest.mark.parametrize("style", ["readable", "fast"])
def test_of_equal_entries_the_first_takes_all(size: int, step: int, entries: str, style: str) -> None:
    window = f"max(x[{step}*i + p, {step}*j + q], p, q, p < {size}, q < {size})".replace("1*", "")
    text = f"n: size\nx: parameter[{entries}, {entries}]\nP[i, j] = {window}\nL: loss = sum(P**3)"
    module = Model.parse(text).derive().compile(style=style)
    n = 4
    x = np.random.default_rng(2).integers(1, 3, (eval(entries, {}, {"n": n}),) * 2).astype(float)
    maxima, gradient = pooled_by_loops(x, size, step)
    if style == "readable":
        loss, found = module.loss_and_gradients({"x": x})
        assert loss == (maxima**3).sum()
        assert (found["x"] == gradient).all()
    else:
        params, _ = module.train({}, epochs=1, lr=0.125, params={"x": x}, n=n)
        assert (params["x"] == x - 0.125 * gradient).all()


def test_over_an_axis_equal_entries_share() -> None:
    """As torch.amax has it."""
    model = Model.parse("x: parameter[2, 3]\nP[i] = max(x[i, j], j)\nL: loss = sum(P)")
    _, found = model.derive().compile().loss_and_gradients({"x": np.array([[1.0, 2, 2], [3, 3, 3]])})
    assert np.allclose(found["x"], [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]])


def test_the_order_of_reading_is_that_of_the_array() -> None:
    """Not that in which the reduction names its indices."""
    text = "x: parameter[2, 2]\nP[i, j] = max(x[i + p, j + q], q, p, p < 2, q < 2)\nL: loss = sum(P)"
    _, found = Model.parse(text).derive().compile().loss_and_gradients({"x": np.array([[0.0, 1], [1, 1]])})
    assert found["x"].tolist() == [[0, 1], [0, 0]]


@pytest.mark.parametrize(("number", "size"), [("p + 2*q", 5), ("9 - 5*p - q", 4), ("5*p", 3)])
def test_another_entry_of_the_window_is_refuted(number: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in a model of its own, because what was derived once is remembered."""

    def other(e: Reduce) -> Expression:
        return replace(parse_expression(number), {Ref(name): Index(i) for name, i in zip("pq", e.indices, strict=True)})

    text = f"n: size\nx: parameter[2*n, {size}*n]\nP[i, j] = max(x[2*i + p, {size}*j + q], p, q, p < 2, q < {size})"
    monkeypatch.setattr(calculus, "reading_number", other)
    with pytest.raises(ProofError, match="could not be established"):
        Model.parse(text + "\nL: loss = sum(P**5)").derive().prove()


def test_nothing_is_taken_for_granted_where_equal_values_matter() -> None:
    """Whole numbers that are drawn freely would never be equal."""
    setting = Setting(shapes={"x": (parse_expression("n"),)}, axes=("i",), ranges={"i": parse_expression("n")})
    before, after = map(parse_expression, ("where(x[i] == s, 1, 0)", "0*x[i]"))
    assert with_free_nodes(before, after, setting) is None


def test_pad_needs_an_array() -> None:
    with pytest.raises(DeriveError, match="'pad' needs an array"):
        Model.parse("x: parameter\nL: loss = sum(pad(x, 2))")


def test_the_columns_of_a_table_fill_the_rows_of_an_image(tmp_path: Path) -> None:
    file = tmp_path / "images.csv"
    file.write_text("a,b,c,d,e,f,y\n1,2,3,4,5,6,0\n7,8,9,10,11,12,1\n")
    model = Model.parse("n: size = 1\nx: input[2*n, 3]\ny: target\nw: parameter\nL: loss = (w*sum(x) - y)**2")
    examples = read_examples(model, str(file), Settings({}, {}), target="y")
    assert examples.arrays["x"].tolist() == [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]]
