"""Optimisers, schedules, clipping and weight decay: each file of `optimizers/` and `schedules/`, found by listing.

Trajectories are compared with a plain implementation of the published algorithm and with recorded ones of PyTorch
(`tests/extra/torch_optimizers.py` wrote them; `tests/extra/test_optimizers_torch.py` compares every step).
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import published_optimizers as published
import pytest
from cli_runner import derive
from optimizer_cases import CASES, DATA, START, STEPS, TEXT, trajectory

from derive.derivation import Derivation
from derive.differentiate.updates import assignments, equations
from derive.emit.module import load
from derive.errors import DeriveError
from derive.model import Model
from derive.optimizer import load_optimizer, optimizer_names, read_optimizer, read_schedule, schedule_names
from derive.render.document import Document
from derive.render.html_document import print_html
from derive.render.latex_document import print_latex
from derive.render.markdown_document import print_markdown
from derive.render.pdf import compile_with_log
from derive.render.report import gradient_text, report
from derive.render.text_document import print_text
from derive.update_rule import KEYWORDS, UpdateRule, rule_for, update_rule

RECORD = json.loads((Path(__file__).parent / "torch_trajectories.json").read_text(encoding="utf-8"))
TOLERANCE = 1e-10
NAMES = optimizer_names()
OURS = [name for name in NAMES if name != "lbfgs"]  # those that are told by equations


# Trajectories.


@pytest.mark.parametrize("name", CASES)
def test_a_trajectory_equals_that_of_pytorch(name: str) -> None:
    found = trajectory(name)
    assert len(found) == STEPS
    for step, wanted in RECORD[name].items():
        assert found[int(step) - 1] == pytest.approx(wanted, rel=0, abs=TOLERANCE), f"after step {step}"


def test_every_optimizer_and_schedule_has_a_recorded_trajectory() -> None:
    rules = [update_rule(**options) for _, options in CASES.values()]
    assert {rule.optimizer.name for rule in rules} == set(OURS)
    assert {schedule.name for rule in rules for schedule in rule.schedules} == set(schedule_names()) - {"constant"}
    assert {change for rule in rules for change in rule.changes} == {"clip_norm", "clip_value", "weight_decay"}


def gradient(p: np.ndarray) -> np.ndarray:
    """Of the mean log loss at (w, b), written out for this test."""
    logit = DATA["x"] @ p[:3] + p[3]
    error = 1 / (1 + np.exp(-logit)) - DATA["y"]
    return np.array([*(error @ DATA["x"]), error.sum()]) / len(error)


def clipped(f: Callable[[np.ndarray], np.ndarray], limit: float) -> Callable[[np.ndarray], np.ndarray]:
    def g(p: np.ndarray) -> np.ndarray:
        found = f(p)
        return found * min(1, limit / (math.sqrt(sum(v * v for v in found)) + 1e-6))

    return g


def decayed(f: Callable[[np.ndarray], np.ndarray], strength: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda p: f(p) + strength * p


def cosine(step: int) -> float:
    return (1 + math.cos(math.pi * step / STEPS)) / 2


ONES = [1.0] * STEPS
PUBLISHED: dict[str, tuple[Callable[..., list[np.ndarray]], Callable[[np.ndarray], np.ndarray], Sequence[float]]] = {
    "gradient-descent": (published.gradient_descent, gradient, ONES),
    "momentum": (published.momentum, gradient, ONES),
    "momentum-slow": (partial(published.momentum, mu=0.5), decayed(gradient, 0.05), ONES),
    "nesterov": (partial(published.momentum, nesterov=True), gradient, ONES),
    "nesterov-decay": (partial(published.momentum, nesterov=True), decayed(gradient, 0.05), ONES),
    "adagrad": (published.adagrad, gradient, ONES),
    "rmsprop": (published.rmsprop, gradient, ONES),
    "rmsprop-epsilon": (partial(published.rmsprop, rho=0.9, eps=0.1), decayed(gradient, 0.1), ONES),
    "adam": (published.adam, gradient, ONES),
    "adam-epsilon": (partial(published.adam, b1=0.8, b2=0.95, eps=0.01), gradient, ONES),
    "adam-decay": (published.adam, decayed(gradient, 0.1), ONES),
    "adamw": (partial(published.adam, decay=0.01), gradient, ONES),
    "adamw-decay": (partial(published.adam, decay=0.2), gradient, ONES),
    "clip-norm": (published.gradient_descent, clipped(gradient, 0.2), ONES),
    "clip-value": (published.momentum, lambda p: np.maximum(-0.03, np.minimum(0.03, gradient(p))), ONES),
    "clip-decay": (published.adam, decayed(clipped(gradient, 0.1), 0.1), ONES),
    "step": (published.gradient_descent, gradient, [0.5 ** (k // 25) for k in range(STEPS)]),
    "cosine": (published.adam, gradient, [cosine(k) for k in range(STEPS)]),
    "warm-up": (published.gradient_descent, gradient, [min(1, (k + 1) / 20) for k in range(STEPS)]),
    "warm-up-cosine": (
        partial(published.adam, decay=0.01),
        gradient,
        [min(1, (k + 1) / 10) * cosine(k) for k in range(STEPS)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_trajectory_is_that_of_the_published_algorithm(name: str) -> None:
    algorithm, f, factors = PUBLISHED[name]
    start = np.array([*START["w"], START["b"]])
    wanted = algorithm(start, f, [CASES[name][0] * factor for factor in factors])
    assert np.max(np.abs(np.array(trajectory(name)) - np.array(wanted))) < 1e-11


def test_the_cases_differ() -> None:
    """No option is without effect: a trajectory that ignored it would be another case's."""
    last = {name: tuple(round(v, 9) for v in RECORD[name]["100"]) for name in CASES}
    assert len(set(last.values())) == len(CASES)


# The generated code.


@pytest.fixture(scope="module")
def small() -> Derivation:
    return Model.parse(TEXT).derive()


@pytest.mark.parametrize("name", OURS)
def test_each_line_stands_beneath_its_formula(name: str, small: Derivation) -> None:
    lines = [line.strip() for line in small.generate(optimizer=name).splitlines()]
    for equation in load_optimizer(name).equations:
        below = lines[lines.index(f"# {equation.name}[t] = {equation.value}") + 1]
        assert below.startswith(("params[name] = ", f"{equation.name}[name] = ", f"{equation.name} = "))


@pytest.mark.parametrize("name", OURS)
def test_updates_are_in_place_and_states_begin_at_first_use(name: str, small: Derivation) -> None:
    module = small.compile(optimizer=name)
    params, state = {"w": np.ones(3), "b": 1.0}, {}
    grads = {"w": np.array([1.0, -2.0, 0.5]), "b": 0.25}
    assert module.update(params, grads, state) is None
    assert set(state) - {"t"} == set(load_optimizer(name).states)
    assert np.all(np.sign(1 - params["w"]) == np.sign(grads["w"])) and params["b"] < 1
    assert list(grads["w"]) == [1.0, -2.0, 0.5], "the caller's gradients are as they were"
    if state:
        module.update(params, grads, state)
        assert all(set(kept) == {"w", "b"} for key, kept in state.items() if key != "t")


ADADELTA = """theta: parameter
g: input
v: state = 0
d: state = 0
eta: constant = 1
rho: constant = 0.9
epsilon: constant = 1e-6
v[t] = rho*v[t-1] + (1 - rho)*g[t]**2
s[t] = sqrt(d[t-1] + epsilon)/sqrt(v[t] + epsilon)*g[t]
d[t] = rho*d[t-1] + (1 - rho)*s[t]**2
theta[t] = theta[t-1] - eta*s[t]
"""


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("first", [0.0, 0.25])
def test_states_have_the_type_of_the_parameters(dtype: str, first: float, small: Derivation) -> None:
    """Zeiler's Adadelta, whose first step takes the root of a state at its first value."""
    rule = UpdateRule(read_optimizer(ADADELTA.replace("d: state = 0", f"d: state = {first}"), "adadelta"))
    module = small.compile(optimizer=rule, dtype=dtype)
    params, state = {"w": np.arange(3, dtype=dtype)}, {}
    module.update(params, {"w": np.array([1, -2, 4], dtype=dtype)}, state, lr=1.0)
    assert params["w"].dtype == state["v"]["w"].dtype == state["d"]["w"].dtype == dtype
    g = np.array([1, -2, 4])
    wanted = np.arange(3) - np.sqrt(first + 1e-6) / np.sqrt(0.1 * g**2 + 1e-6) * g
    assert params["w"] == pytest.approx(wanted, rel=1e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("name", OURS)
def test_single_precision_stays_so(name: str, small: Derivation) -> None:
    everything = {"schedule": "warm-up,step,cosine", "clip_norm": 0.1, "clip_value": 0.05, "weight_decay": 0.1}
    module = small.compile(optimizer=name, dtype="float32", **everything)
    params = {"w": np.ones(3, dtype=np.float32), "b": np.float32(1)}
    data = {key: value.astype(np.float32) for key, value in DATA.items()}
    params, _ = module.train(data, epochs=5, params=params)
    assert params["w"].dtype == np.float32


def test_what_was_not_asked_for_is_not_in_the_code(small: Derivation) -> None:
    plain = small.generate()
    assert plain == small.generate(optimizer="sgd") == small.generate(optimizer="gradient descent", schedule="constant")
    for word in ("learning_rate", "clip", "decay", "norm =", "state |=", "rule"):
        assert word not in plain
    assert "state=None" in plain and "state=None" not in small.generate(optimizer="adam")


@pytest.mark.parametrize("name", NAMES)
def test_the_code_is_clean(name: str, small: Derivation, tmp_path: Path) -> None:
    """Also with every option: no line is too long, and what the rule writes is as `ruff format` has it."""
    options = {"schedule": "warm-up,step,cosine", "clip_norm": 1.0, "clip_value": 0.5, "weight_decay": 0.01}
    for k, extra in enumerate([{}, options] if name in OURS else [{}]):
        (tmp_path / f"code{k}.py").write_text(small.generate(optimizer=name, **extra))
    ruff = [sys.executable, "-m", "ruff"]
    checked = subprocess.run(
        [*ruff, "check", "--isolated", "--line-length", "120", "--select", "E,F,W", str(tmp_path)], check=False
    )
    formatted = subprocess.run(
        [*ruff, "format", "--isolated", "--line-length", "120", "--check", str(tmp_path)], check=False
    )
    assert checked.returncode == formatted.returncode == 0


def test_train_takes_what_was_asked_for(small: Derivation) -> None:
    import inspect

    module = small.compile(optimizer="adam", schedule="warm-up,step", clip_norm=2.0, weight_decay=0.5)
    arguments = {name: p.default for name, p in inspect.signature(module.train).parameters.items()}
    wanted = {"beta_1": 0.9, "clip_norm": 2, "weight_decay": 0.5, "warmup": 0.1, "parts": 3, "gamma": 0.1}
    assert wanted.items() <= arguments.items()
    slow, _ = module.train(DATA, epochs=20, params=dict(START))
    fast, _ = module.train(DATA, epochs=20, params=dict(START), weight_decay=0.0, clip_norm=100.0, parts=1, warmup=0.05)
    given = small.compile(optimizer="adam", schedule="warm-up(warmup=0.05)").train(DATA, epochs=20, params=dict(START))[
        0
    ]
    assert not np.allclose(slow["w"], fast["w"])
    assert np.allclose(fast["w"], given["w"], rtol=0, atol=1e-14)


@pytest.mark.parametrize("warmup", ["0", "0.001"])
def test_no_warm_up_is_the_plain_rate(warmup: str, small: Derivation) -> None:
    module = small.compile(schedule=f"warm-up(warmup={warmup})")
    assert [module.learning_rate(t, 10, 0.5, float(warmup)) for t in (1, 5, 10)] == [0.5, 0.5, 0.5]


def test_the_learning_rate_by_step() -> None:
    """Over minibatches too: the steps are counted, not the epochs, and the last one is step T."""
    module = Model.parse(TEXT).derive().compile(optimizer="sgd", schedule="cosine")
    seen: list[tuple[int, int]] = []
    plain = module.learning_rate
    module.learning_rate = lambda t, T, lr: seen.append((t, T)) or plain(t, T, lr)
    module.train(DATA, epochs=3, batch_size=3)  # 8 examples make 3 minibatches
    assert seen == [(step, 9) for step in range(1, 10)]
    assert plain(1, 9, 0.5) == 0.5 and 0 < plain(9, 9, 0.5) < 0.05


NAMES_OF_OURS = """x: input[2]
y: target
theta: parameter[2]
m: parameter
v: parameter
g: parameter
t: constant = 0.5
state: parameter
params: parameter
weight_decay: constant = 0.1
momentum: constant = 0.3
eta: constant = 1
T: parameter
part: constant = 2
z = theta @ x + m*v + g + t*state + params*T + part*0.1
L: loss = (z - y)**2 + weight_decay*m**2 + momentum*v**2 + eta*g**2
"""


@pytest.mark.parametrize(
    "options", [{"optimizer": "adamw"}, {"optimizer": "nesterov", "clip_norm": 1.0, "schedule": "warm-up,step"}]
)
def test_names_of_the_model_are_free(options: dict[str, Any]) -> None:
    """The model's own m, v, t, state, weight_decay: the training is that of the same model under other names."""
    import re

    other = re.sub(r"\b(theta|m|v|g|t|state|params|weight_decay|momentum|eta|T|part)\b", r"q_\1", NAMES_OF_OURS)
    data = {"x": DATA["x"][:, :2], "y": DATA["y"]}
    found = []
    for text, prefix in ((NAMES_OF_OURS, ""), (other, "q_")):
        module = Model.parse(text).derive().compile(**options)
        start = {f"{prefix}{name}": 0.1 * k for k, name in enumerate(("m", "v", "g", "state", "params", "T"))}
        start[f"{prefix}theta"] = np.array([0.3, -0.2])
        params, history = module.train(
            data, epochs=20, params=start, **{f"{prefix}weight_decay": 0.2, f"{prefix}part": 3}
        )
        found.append(({name.removeprefix("q_"): value for name, value in params.items()}, history))
        report(Model.parse(text).derive(), rule=update_rule(**options))
    assert found[0][1] == found[1][1]
    assert all(np.array_equal(found[0][0][name], found[1][0][name]) for name in found[0][0])


def test_what_an_old_value_is_needed_for_is_kept() -> None:
    """Nesterov's step in Sutskever's other form, θ ← θ − μ v_old + (1 + μ) v: v_old is needed after v has changed."""
    text = """theta: parameter
g: input
v: state = 0
eta: constant = 0.1
mu: constant = 0.9
v[t] = mu*v[t-1] - eta*g[t]
theta[t] = theta[t-1] - mu*v[t-1] + (1 + mu)*v[t]
"""
    rule = UpdateRule(read_optimizer(text, "other"))
    assert [(a.target, str(a.value)) for a in rule.assignments] == [
        ("v_before", "v"),
        ("v", "mu*v_before - eta*g"),
        ("theta", "theta - mu*v_before + (1 + mu)*v"),
    ]
    model = Model.parse(TEXT)
    found = []
    for optimizer in (rule, update_rule("nesterov")):
        module = model.derive().compile(optimizer=optimizer)
        found.append(module.train(DATA, epochs=50, lr=0.1, params=dict(START))[0]["w"])
    assert np.allclose(*found, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "change", [("beta_1*m[t-1]", "beta_2*m[t-1]"), ("+ epsilon", "- epsilon"), ("1 - beta_2**t", "1 - beta_1**t")]
)
def test_another_text_is_another_trajectory(change: tuple[str, str]) -> None:
    """The trajectories above would tell a mistake in the text."""
    file = Path(sys.modules["derive.optimizer"].__file__ or "").parent / "optimizers" / "adam.optimizer"
    text = file.read_text(encoding="utf-8")
    assert change[0] in text
    rule = UpdateRule(read_optimizer(text.replace(*change), "adam"))
    module = Model.parse(TEXT).derive().compile(optimizer=rule)
    params, _ = module.train(DATA, epochs=100, lr=0.05, params=dict(START))
    assert np.max(np.abs(params["w"] - RECORD["adam"]["100"][:3])) > 1e-9


def test_symmetric_parameters_stay_so() -> None:
    text = "x: input[2]\nS: parameter[2, 2] = symmetric\nL: loss = (x @ S @ x - 1)**2"
    for name in OURS:
        params, _ = Model.parse(text).derive().compile(optimizer=name).train({"x": DATA["x"][:, :2]}, epochs=10)
        assert np.array_equal(params["S"], params["S"].T)


# SciPy's L-BFGS.


def test_lbfgs_finds_the_minimum(small: Derivation) -> None:
    pytest.importorskip("scipy")
    module = small.compile(optimizer="lbfgs")
    params, history = module.train(DATA, epochs=200, params=dict(START))
    assert np.max(np.abs(gradient(np.array([*params["w"], params["b"]])))) < 1e-4
    assert [entry["epoch"] for entry in history] == list(range(1, len(history) + 1))
    assert all(a["loss"] >= b["loss"] for a, b in zip(history, history[1:], strict=False))
    stopped, short = module.train(DATA, params=dict(START), callback=lambda epoch, loss, params: epoch == 2)
    assert len(short) == 2 and module.loss(stopped, **DATA) == pytest.approx(short[-1]["loss"])


def test_lbfgs_without_scipy_says_so(small: Derivation, monkeypatch: pytest.MonkeyPatch) -> None:
    source = small.generate(optimizer="lbfgs")
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.delitem(sys.modules, "scipy.optimize", raising=False)
    with pytest.raises(DeriveError, match="needs scipy") as error:
        load(source, "small")
    assert error.value.hint == "pip install scipy"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("e: noise\nw: parameter\nL: loss = (w - e)**2", "draws noise"),
        ("S: parameter[2, 2] = symmetric\nL: loss = sum((S - 1)**2)", "'S' is symmetric"),
    ],
)
def test_lbfgs_refuses_what_it_cannot_do(text: str, message: str) -> None:
    with pytest.raises(DeriveError, match=message):
        Model.parse(text).derive().generate(optimizer="lbfgs")


# Reports.


def documents(language: str) -> dict[str, Document]:
    derivation = Model.builtin("logistic").derive()
    found = {name: report(derivation, language, "brief", update_rule(name)) for name in NAMES}
    rich = update_rule("adam", "warm-up,step,cosine", clip_norm=1, clip_value=0.5, weight_decay=0.01)
    return found | {"everything": report(derivation, language, "brief", rich)}


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_printer_tells_every_rule(language: str) -> None:
    for name, document in documents(language).items():
        optimizer = load_optimizer("adam" if name == "everything" else name)
        for text in (
            print_text(document),
            print_markdown(document),
            print_html(document, katex="shared"),
            print_latex(document),
        ):
            if name != "gradient-descent":
                assert optimizer.source.split()[0].rstrip(",") in text
        if optimizer.states:
            assert r"\theta_{t} &= \theta_{t - 1} - " in print_markdown(document)


@pytest.mark.skipif(
    not (shutil.which("latexmk") and shutil.which("pdflatex")), reason="latexmk or pdflatex is not installed"
)
@pytest.mark.parametrize("language", ["en", "es"])
def test_the_reports_compile(language: str) -> None:
    """One document with the update rules and the algorithm of every optimiser."""
    blocks = []
    for name, document in documents(language).items():
        told = list(document.blocks)
        start = next(k for k, block in enumerate(told) if getattr(block, "anchor", "") == "updates")
        stop = next(k for k, block in enumerate(told) if getattr(block, "anchor", "") == "summary")
        blocks += [_renamed(block, name) for block in told[start:stop]]
    pdf, log = compile_with_log(print_latex(Document("Optimisers", tuple(blocks), language)))
    assert pdf.startswith(b"%PDF-")
    assert [line for line in log.splitlines() if line.startswith(("Overfull", "Missing character"))] == []


def _renamed(block: Any, name: str) -> Any:
    from dataclasses import replace

    anchor = getattr(block, "anchor", "")
    return replace(block, anchor=f"{anchor}-{name}") if anchor else block


def test_gradient_descent_puts_the_gradient_in() -> None:
    derivation = Model.builtin("logistic").derive()
    assert "w₁ ← w₁ − η·(a − y)·x₁" in gradient_text(derivation)
    assert gradient_text(derivation) == gradient_text(derivation, rule=update_rule("sgd"))


def test_what_has_no_equations_is_told_in_words() -> None:
    derivation = Model.builtin("logistic").derive()
    assert "finds the length of each step itself" in " ".join(
        gradient_text(derivation, rule=update_rule("lbfgs")).split()
    )
    assert derivation.to_dict(update_rule("lbfgs"))["updates"] == []


def test_letters_that_the_model_has_get_others() -> None:
    model = Model.parse(
        "m: parameter\ntheta: parameter\neta: parameter\nt: parameter\nL: loss = (m + theta + eta - t)**2"
    )
    told = {str(target): str(value) for target, value in equations(update_rule("adam"), model)}
    assert told["m_opt[k]"] == "beta_1*m_opt[k - 1] + (1 - beta_1)*g[k]"
    assert told["theta_opt[k]"].startswith("theta_opt[k - 1] - alpha*m_hat[k]")
    assert [str(target) for target, _ in assignments(update_rule("adam"), model)][-1] == "theta_opt"


def test_the_json_has_the_lines_of_the_rule() -> None:
    derivation = Model.builtin("quadratic").derive()
    assert "optimizer" not in derivation.to_dict()
    told = derivation.to_dict(update_rule("momentum", "cosine", clip_value=2))
    assert told["updates"][0]["expr"] == "x - eta*v"
    assert [line["name"] for line in told["optimizer"]["equations"]] == ["v[t]", "theta[t]", "eta[t]"]
    assert told["optimizer"]["assignments"][0]["expr"] == "clip(g, -c_value, c_value)"
    assert told["optimizer"]["constants"] == {"mu": "0.9", "c_value": "2"}


# The command line.


@pytest.mark.parametrize("name", NAMES)
def test_a_run_trains(name: str, tmp_path: Path) -> None:
    if name == "lbfgs":
        pytest.importorskip("scipy")
    outcome = derive("run", "logistic", "--optimizer", name, "--epochs", "60", "-o", str(tmp_path / "run"))
    assert outcome.code == 0, outcome.err
    rows = (tmp_path / "run" / "history.csv").read_text().splitlines()
    first, last = float(rows[1].split(",")[1]), float(rows[-1].split(",")[1])
    assert last < (0.9 * first if name != "lbfgs" else 0.2)
    assert load_optimizer(name).title in (tmp_path / "run" / "report.tex").read_text().replace("’", "'")


def test_options_of_the_command_line(tmp_path: Path) -> None:
    options = [
        "--optimizer",
        "adam(beta_1=0.8)",
        "--schedule",
        "warm-up,cosine",
        "--clip-norm",
        "1",
        "--weight-decay",
        "0.01",
    ]
    code = derive("generate", "quadratic", *options)
    assert code.code == 0
    assert "beta_1=0.8" in code.out and "def learning_rate(t, T, lr, warmup)" in code.out
    told = derive("gradient", "quadratic", "--optimizer", "momentum", "--format", "latex")
    assert r"\mu v_{t - 1}" in told.out and r"{}- \eta v_{t}" in told.out
    file = tmp_path / "r.md"
    assert derive("report", "quadratic", "-o", str(file), "--lang", "es", *options).code == 0
    assert "calentamiento lineal" in file.read_text()


def test_a_builtin_model_may_name_its_optimizer(monkeypatch: pytest.MonkeyPatch) -> None:
    from derive import resources

    row = {"quadratic": {"optimizer": "adam", "lr": 0.3, "epochs": 7}}
    for module in ("derive.update_rule", "derive.emit.defaults"):
        monkeypatch.setattr(sys.modules[module], "training_rows", lambda: row)
    model = Model.builtin("quadratic")
    assert resources.training_rows()["logistic"]["data"] == "breast_cancer"
    assert rule_for(model).optimizer.name == "adam"
    source = model.derive().generate()
    assert "One step of Adam" in source and "lr=0.3," in source and "epochs=7" in source
    assert "optimizer" not in model.derive().to_dict(), "the documented updates are those of gradient descent"
    assert "lr=0.01," in model.derive().generate(optimizer="momentum(eta=0.01)")


# The texts.

START_OF_TEXT = "theta: parameter\ng: input\neta: constant = 0.1\n"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("theta[t] = theta[t-1] - eta*h[t]", "there is no name 'h'", None),
        ("theta[t] = theta[t-1] - eta*g", "'g' has no value here", "write g[t]"),
        ("theta[t] = theta[t-1] - eta*g[t-1]", "'g[t - 1]' has no value here", "write g[t]"),
        ("theta[t] = theta - eta*g[t]", "'theta' has no value here", "write theta[t - 1]"),
        ("theta[t] = theta[t-1] - eta*u[t]\nu[t] = g[t]", "'u[t]' has no value here", "further down"),
        ("u[t] = g[t]\ntheta[t] = theta[t-1] - eta*u[t-1]", "'u[t - 1]' has no value here", "write u[t]"),
        ("theta[t] = theta[t-1] - eta[t]*g[t]", "'eta[t]' has no value here", "write eta"),
        ("theta[t] = theta[t-1] - eta*sum(g[t])", "elementwise", None),
        ("theta[t] = theta[t-1] - eta*norm(g[t])", "elementwise", None),
        ("theta[t] = theta[t-1] - eta*g[t]\ntheta[t] = theta[t-1]", "'theta' is defined twice", None),
        ("u = 3\ntheta[t] = theta[t-1] - eta*g[t]", "what a name is after step t", None),
        ("u[k] = 3\ntheta[t] = theta[t-1] - eta*g[t]", "counted by 'k'", None),
        ("v: state = 0\ntheta[t] = theta[t-1] - eta*g[t]", "nothing says what 'v' is", "write v[t]"),
        ("v: state\nv[t] = g[t]\ntheta[t] = theta[t-1] - eta*v[t]", "'v' has no value", None),
        ("y: target\ntheta[t] = theta[t-1] - eta*g[t]", "the role 'target' has no place here", None),
        ("c: constant[3] = 1\ntheta[t] = theta[t-1] - eta*g[t]", "'c' has a shape", None),
        ("h: input\ntheta[t] = theta[t-1] - eta*g[t]", "has one input", None),
    ],
)
def test_mistakes_in_a_text(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(DeriveError) as error:
        read_optimizer(START_OF_TEXT + text, "mine")
    assert message in error.value.message and (hint is None or hint in (error.value.hint or ""))
    assert str(error.value).startswith("mine.optimizer:")


def test_mistakes_without_a_place() -> None:
    with pytest.raises(DeriveError, match="no learning rate 'eta'"):
        read_optimizer("theta: parameter\ng: input\ntheta[t] = theta[t-1] - g[t]", "mine")
    with pytest.raises(DeriveError, match="a schedule has one equation"):
        read_schedule("eta_0: constant\nrate[t] = eta_0", "mine")


def test_parameters_of_models_have_no_equations() -> None:
    with pytest.raises(DeriveError, match="defined twice"):
        Model.parse("w: parameter[3]\nw[i] = 3\nL: loss = sum(w)")


@pytest.mark.parametrize("name", NAMES)
def test_every_optimizer_says_where_it_is_from(name: str) -> None:
    found = load_optimizer(name)
    assert found.title and (found.source or name == "gradient-descent")
    assert set(KEYWORDS) >= {"eta", "lam", "mu"}
