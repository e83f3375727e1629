"""A model may give its variables the names that generated code has for its own: what comes out is the same."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runner import derive

from derive.derivation import Derivation
from derive.emit.estimator import class_name
from derive.emit.python_names import option_names
from derive.model import Model

NAMES = (
    "np", "seed", "rng", "params", "loss", "grads", "state", "data", "self", "update", "init", "train", "sizes",
    "options", "constants", "step", "report", "work", "count", "theta", "rate", "lr", "batch_size", "callback", "print",
    "partial", "Trainer",
)  # fmt: skip
PLAIN = "q"  # nothing in the code is called that
MODELS = {
    "parameter": "x: input; y: target; NAME: parameter; z: output = NAME*x; L: loss = (z - y)**2",
    "input": "NAME: input; y: target; w: parameter; z: output = w*NAME; L: loss = (z - y)**2",
    "target": "x: input; NAME: target; w: parameter; z: output = w*x; L: loss = (z - NAME)**2",
    "size": "NAME: size = 3; x: input; y: target; w: parameter[NAME]; v: parameter[NAME]; "
    "z: output = sum(w*tanh(v*x)); L: loss = (z - y)**2 + sum(w)/NAME",
    "constant": "NAME: constant = 0.5; x: input; y: target; w: parameter; z: output = w*x; "
    "L: loss = (z - y)**2 + NAME*w**2",
    "noise": "x: input; y: target; NAME: noise; w: parameter; z: output = w*x; L: loss = (z - y + NAME*w)**2",
    "node": "x: input; y: target; w: parameter; NAME = w*x; z: output = NAME; L: loss = (NAME - y)**2",
    "output": "x: input; y: target; w: parameter; z = w*x; NAME: output = z; L: loss = (z - y)**2",
    "loss": "x: input; y: target; w: parameter; z: output = w*x; NAME: loss = (z - y)**2",
}
SETTINGS = {"size": 2, "constant": 0.3}  # other values than the model's


def model_of(role: str, name: str) -> Model:
    return Model.parse(MODELS[role].replace("NAME", name).replace("; ", "\n"), "named")


def data_of(model: Model) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {v.name: rng.normal(size=6) for v in model.of_role("input", "target")}


def results(derivation: Derivation, style: str, role: str, name: str) -> list[Any]:
    """What every function of the module gives, without names."""
    module = derivation.compile(style=style, optimizer="adam")
    model, data = derivation.model, data_of(derivation.model)
    setting = {name: SETTINGS[role]} if role in SETTINGS else {}
    constants = setting if role == "constant" else {}
    options = option_names([name])
    params, history = module.train(
        data, epochs=2, batch_size=4, lr=0.01, **{options[key]: value for key, value in setting.items()}
    )
    start = module.init(1, **(setting if role == "size" else {}))
    given = data | ({name: np.full(6, 0.4)} if role == "noise" else {})
    value, grads = module.loss_and_gradients(start, **given, **constants)
    inputs = {v.name: data[v.name] for v in model.of_role("input")}
    told = [params, grads, start]
    return [
        [np.asarray(values).tolist() for each in told for values in each.values()],
        [row["loss"] for row in history],
        [value, module.loss(start, **given, **constants), np.asarray(module.predict(start, **inputs)).tolist()],
    ]


@cache
def plain(role: str, style: str) -> list[Any]:
    return results(model_of(role, PLAIN).derive(), style, role, PLAIN)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("role", MODELS)
def test_modules_give_the_same_whatever_the_names(role, name):
    derivation = model_of(role, name).derive()
    for style in ("readable", "fast"):
        assert results(derivation, style, role, name) == plain(role, style), style


def test_noise_is_drawn_where_its_name_is_the_codes_own():
    for name in ("np", "seed", "data", "rng"):
        module = model_of("noise", name).derive().compile()
        first, second = (module.loss({"w": 2.0}, x=np.ones(5), y=np.ones(5)) for _ in range(2))
        assert first != second


def fitted(role: str, name: str) -> Any:
    space: dict[str, Any] = {}
    exec(model_of(role, name).derive().generate(style="estimator", optimizer="gradient-descent"), space)
    x = np.random.default_rng(1).normal(size=(12, 1))
    estimator = space[class_name("named")](max_iter=3, random_state=0)
    estimator.set_params(**estimator.get_params())
    return estimator.fit(x, 2 * x[:, 0]).predict(x).tolist()


@pytest.mark.parametrize("role", [role for role in MODELS if role != "noise"])
def test_estimators_give_the_same_whatever_the_names(role):
    pytest.importorskip("sklearn")
    wanted = fitted(role, PLAIN)
    for name in ("np", "seed", "params", "loss", "data", "self", "update", "fit", "X", "random_state", "batch_size"):
        assert fitted(role, name) == wanted, name


@pytest.mark.parametrize("style", [(), ("--optimizer", "lbfgs")])
@pytest.mark.parametrize(("role", "name"), [("size", "np"), ("size", "seed"), ("constant", "lr"), ("constant", "data")])
def test_run_and_predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role, name, style):
    monkeypatch.chdir(tmp_path)
    told = []
    for each in (name, PLAIN):
        (tmp_path / f"{each}.model").write_text(model_of(role, each).text, encoding="utf-8")
        np.savez(tmp_path / "data.npz", **data_of(model_of(role, each)))
        setting = ("--set", f"{each}={SETTINGS[role]}")
        done = derive("run", f"{each}.model", "--data", "data.npz", "--epochs", "3", *setting, *style, "-o", each)
        assert done.code == 0, done.err
        predicted = derive("predict", each, "--data", "data.npz")
        assert predicted.code == 0, predicted.err
        told.append(predicted.out)
    assert told[0] == told[1]
