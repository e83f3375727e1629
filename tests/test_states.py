"""States: what a step leaves for the next one beside the parameters, batch normalization's running statistics first."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runner import derive

from derive.check.gradients import compare
from derive.errors import DeriveError
from derive.model import Model

EACH = """
x: input
y: target
w: parameter
m: state = 0.5
z = w*x
m = 0.9*m + 0.1*z
L: loss = (z - y - m)**2
"""
MODELS = {
    "of each example": EACH,
    "vector of each example": EACH.replace("x: input", "x: input[3]")
    .replace("w: parameter", "w: parameter[3]")
    .replace("m: state = 0.5", "m: state[3] = ones")
    .replace("w*x", "w @ x")
    .replace("0.1*z", "0.1*w*x")
    .replace("y - m", "y - sum(m)"),
    "of no example": EACH.replace("0.9*m + 0.1*z", "m + 1"),
    "a copy": "n: examples\nx: input[n]\ny: target[n]\nw: parameter\nk: state\n"
    "mu = mean(w*x)\nk = mu\nL: loss = mean((w*x - y + k)**2)\n",
    "without data": "w: parameter\nm: state = 1\nm = 2*m\nL: loss = (w - m)**2\n",
    "noise": EACH.replace("y: target", "y: target\ne: noise").replace("z = w*x", "z = w*(x + e)"),
}


def some_data(model: Model, rows: int = 40) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    given = model.of_role("input", "target")
    return {v.name: rng.normal(size=(rows, *(int(str(n)) for n in model.entry_shape(v)))) for v in given}


def test_batch_normalization_keeps_running_statistics() -> None:
    """Two steps beside numpy's own mean and variance, and what is predicted then."""
    module = Model.builtin("batch-norm-net", d=4, h=3).derive().compile()
    rng = np.random.default_rng(1)
    x, y = rng.normal(2, 3, (50, 4)), (rng.random(50) > 0.5).astype(float)
    start = module.init(seed=0, d=4, h=3)
    assert np.array_equal(start["mu_run"], np.zeros(3)) and np.array_equal(start["v_run"], np.ones(3))
    found = {}

    def keep(epoch: int, loss: float, params: dict[str, Any]) -> None:
        found[epoch] = {name: np.copy(value) for name, value in params.items()}

    trained, _ = module.train({"x": x, "y": y}, epochs=2, lr=0.1, params=start, callback=keep)
    mu, v, weights = np.zeros(3), np.ones(3), start["W1"]
    for epoch in (1, 2):
        z = x @ weights.T  # of the parameters before the step
        mu, v = 0.9 * mu + 0.1 * np.mean(z, axis=0), 0.9 * v + 0.1 * np.var(z, axis=0, ddof=1)
        np.testing.assert_allclose(found[epoch]["mu_run"], mu, rtol=1e-12)
        np.testing.assert_allclose(found[epoch]["v_run"], v, rtol=1e-12)
        weights = found[epoch]["W1"]
    one = x[:1] @ trained["W1"].T
    hidden = np.maximum(trained["gamma"] * (one - mu) / np.sqrt(v + 1e-5) + trained["beta"], 0)
    expected = 1 / (1 + np.exp(-(hidden @ trained["w2"] + trained["b2"])))
    np.testing.assert_allclose(module.predict(trained, x=x[:1]), expected, rtol=1e-12)


def test_of_each_example_the_mean_is_kept() -> None:
    module = Model.parse(EACH).derive().compile()
    x = np.array([1.0, 2.0, 6.0])
    assert module.next_states({"w": 2.0, "m": 0.5}, x=x, y=x) == {"m": pytest.approx(0.9 * 0.5 + 0.1 * 6.0)}


def test_no_derivative_is_taken_through_the_next_value() -> None:
    """∂L/∂w = 2 (z − y − m) x, with m as it was before the step."""
    derivation = Model.parse(EACH).derive()
    (gradient,) = derivation.to_dict()["gradients"]
    assert gradient["expr"] == "2*(z - y - m)*x"
    _, grads = derivation.compile().loss_and_gradients({"w": 2.0, "m": 0.5}, x=np.array([3.0]), y=np.array([1.0]))
    assert grads == {"w": pytest.approx(2 * (6 - 1 - 0.5) * 3)}


@pytest.mark.parametrize("text", MODELS.values(), ids=MODELS.keys())
@pytest.mark.parametrize(
    "rule", [{}, {"optimizer": "adam", "clip_norm": 0.1, "weight_decay": 0.1}], ids=["plain", "adam"]
)
def test_fast_code_comes_to_the_same_parameters_and_states(text: str, rule: dict[str, Any]) -> None:
    model = Model.parse(text)
    derivation = model.derive()
    readable, fast = (derivation.compile(style=style, **rule) for style in ("readable", "fast"))
    data = some_data(model)
    if model.of_role("noise"):
        data["e"] = np.random.default_rng(2).normal(size=40)
    given = [data] if data else []
    for size in ({"batch_size": None}, {"batch_size": 16}) if data else ({},):
        expected, _ = readable.train(*given, epochs=5, lr=0.01, **size)
        found, _ = fast.train(*given, epochs=5, lr=0.01, **size)
        assert found.keys() == expected.keys() == set(model.kept)
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-9)
    state = next(iter(model.states.values()))
    assert not np.array_equal(expected[state], readable.init()[state])


def test_the_check_sees_a_wrong_next_value() -> None:
    model = Model.parse(EACH)
    module = model.derive().compile()
    assert compare(model, module).worst < 1e-10
    right = module.next_states
    module.next_states = lambda params, **data: {"m": -right(params, **data)["m"]}  # type: ignore[attr-defined]
    assert compare(model, module).worst > 1


def test_a_run_goes_on_with_its_states_and_predicts_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    with (tmp_path / "data.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["a", "b", "y"], *([*row, int(row[0] > 0)] for row in rng.normal(1, 2, (60, 2)))])
    common = ("run", "batch-norm-net", "--data", "data.csv", "--target", "y", "--set", "h=3", "--batch-size", "16")
    assert derive(*common, "--epochs", "6", "-o", "whole").code == 0
    assert derive(*common, "--epochs", "3", "-o", "parts").code == 0
    assert derive(*common, "--epochs", "6", "-o", "parts", "--resume").code == 0
    whole, parts = (dict(np.load(tmp_path / folder / "parameters.npz")) for folder in ("whole", "parts"))
    assert whole.keys() == {"W1", "gamma", "beta", "w2", "b2", "mu_run", "v_run"}
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)
    assert derive("predict", "whole", "--data", "data.csv").code == 0


def test_what_needs_the_same_loss_each_time_refuses_states() -> None:
    derivation = Model.parse(EACH).derive()
    with pytest.raises(DeriveError, match="has a state"):
        derivation.generate(optimizer="lbfgs")
    with pytest.raises(DeriveError):
        derivation.generate(style="estimator")


def test_a_state_without_an_equation_is_warned_of() -> None:
    (warning,) = Model.parse("w: parameter\nm: state\nL: loss = (w - m)**2\n").warnings
    assert warning == "line 2: no equation says the next value of the state 'm': it stays as it is"


def test_the_name_of_a_next_value_is_no_name_of_the_author() -> None:
    with pytest.raises(DeriveError, match="there is no name 'next_m'"):
        Model.parse("w: parameter\nm: state\nm = m + 1\nL: loss = w**2 + next_m\n")
    model = Model.parse("w: parameter\nnext_m: constant = 2\nm: state\nm = m + next_m\nL: loss = w**2 + m\n")
    assert model.derive().compile().next_states({"w": 1.0, "m": 3.0}) == {"m": 5.0}


@pytest.mark.parametrize("line", ["m ← 0.9·m + 0.1·z", "States"])
def test_the_report_tells_the_next_value(line: str) -> None:
    from derive.render.report import report
    from derive.render.text_document import print_text

    assert line in print_text(report(Model.parse(EACH).derive()), 100)
