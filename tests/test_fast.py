"""Fast code gives what readable code gives: loss, gradients and training, for every kind of model; and how it does it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tracemalloc
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from cli_runner import derive
from model_oracles import LOSSES
from random_models import random_model

from derive.check.sample import NoSample, Sample, sample
from derive.errors import DeriveError
from derive.model import Model

CASES = int(os.environ.get("DERIVE_CASES", "60"))
TOLERANCE = 1e-12

# What the built-in models have none of, in lines separated by semicolons.
OTHERS = {
    "noise": "d: size = 3; x: input[d]; y: target; eps: noise[d]; m: noise = bernoulli(0.5); u: noise = uniform(); "
    "w: parameter[d]; b: parameter; L: loss = ((x + 0.1*eps)@w*m + b*u - y)**2",
    "size-of-noise": "k: size = 3; x: input; y: target; e: noise[k]; v: parameter[k]; L: loss = (x + sum(v*e) - y)**2",
    "examples-together": "n: examples; d: size = 3; x: input[n, d]; y: target[n]; w: parameter[d]; "
    "z = x @ w; L: loss = mean((z - mean(z) - y)**2)",
    "constant-array": "d: size = 3; K: constant[d, d]; x: input[d]; w: parameter[d]; L: loss = (x @ K @ w)**2 + w @ K @ w",
    "symmetric": "d: size = 3; x: input[d]; S: parameter[d, d] = symmetric; L: loss = (x @ S @ x - 1)**2",
    "rows-and-columns": "E: parameter[5, 4]; t: input[3] = integer(5); y: target[3]; v: parameter[4]; "
    "s[i] = softmax(E[t[i]] @ v, i); z[i] = sum(E[t[i], j]*v[j], j); L: loss = sum(s[i]*(z[i] - y[i])**2, i)",
    "einsum": "x: input[3]; A: parameter[2, 3, 4]; v: parameter[4]; z[i] = sum(A[i, j, k]*x[j]*v[k], j, k); L: loss = sum(z**2)",
    "relu": "d: size = 3; h: size = 4; x: input[d]; y: target; W: parameter[h, d]; b: parameter[h]; w: parameter[h]; "
    "z = W @ x + b; a = relu(z); L: loss = (w @ a - y)**2",
    "number-names": "one: input; n: target; step: parameter; add: parameter; zero: parameter; total: parameter; "
    "L: loss = (one*step + add*one**2 - n)**2 + 0*zero + total**2",
    "data-unused": "x: input; y: target; w: parameter; L: loss = (w*x)**2",
    "loss-of-parameters": "x: input; w: parameter; a: output = w*x; L: loss = (w - 3)**2",
}


def model_of(name: str) -> Model:
    return Model.parse(OTHERS[name].replace("; ", "\n"), name) if name in OTHERS else Model.builtin(name)


def both(model: Model, **options: Any) -> tuple[ModuleType, ModuleType]:
    derivation = model.derive()
    options = {"optimizer": "gradient-descent"} | options
    return derivation.compile(**options), derivation.compile(style="fast", **options)


def gradients(module: ModuleType, drawn: Sample) -> tuple[float, dict[str, Any]]:
    data = drawn.data if drawn.examples[0] else {}
    found: tuple[float, dict[str, Any]] = module.loss_and_gradients(dict(drawn.parameters), **data, **drawn.constants)
    return found


def assert_same(
    found: tuple[float, dict[str, Any]], wanted: tuple[float, dict[str, Any]], tolerance: float = TOLERANCE
) -> None:
    """Each gradient relative to its largest entry; one that is next to nothing, to the largest of all."""
    assert found[0] == pytest.approx(wanted[0], rel=tolerance)
    largest = max(float(np.max(np.abs(g), initial=0)) for g in wanted[1].values())
    for name, gradient in wanted[1].items():
        assert np.shape(found[1][name]) == np.shape(gradient)
        scale = max(float(np.max(np.abs(gradient), initial=0)), 1e-4 * largest)
        assert np.max(np.abs(found[1][name] - gradient), initial=0) <= tolerance * scale, name


@pytest.mark.parametrize("name", [*LOSSES, *OTHERS])
@pytest.mark.parametrize("examples", [1, 7])
def test_loss_and_gradients_are_the_same(name, examples):
    model = model_of(name)
    drawn = sample(model, seed=1, examples=examples)
    readable, fast = both(model)
    assert_same(gradients(fast, drawn), gradients(readable, drawn))


@pytest.mark.parametrize("batch", range(4))
def test_the_same_for_random_models(batch):
    for seed in range(batch, CASES, 4):
        try:
            model = Model.parse(random_model(seed))
            readable, fast = both(model)
            drawn = sample(model, seed=0, examples=3)
        except (DeriveError, NoSample):
            continue
        with np.errstate(all="ignore"):
            wanted = gradients(readable, drawn)
        assert_same(gradients(fast, drawn), wanted)


def data_of(model: Model, count: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Examples for training, and the constants that have no value."""
    drawn = sample(model, seed=0, examples=4)
    rng = np.random.default_rng(0)
    data = {
        name: values[rng.integers(0, len(values), count)] + (0 if model.variables[name].kind or name == "y" else 0.01 * rng.normal(size=(count, *values.shape[1:])))
        for name, values in drawn.data.items()
        if model.variables[name].role != "noise"
    } if drawn.examples[0] else {}  # fmt: skip
    return data, drawn.constants


@pytest.mark.parametrize("name", [*LOSSES, *OTHERS])
@pytest.mark.parametrize("batch_size", [None, 1, 5, 100])
def test_training_takes_the_same_way(name, batch_size):
    """With minibatches whose last one is smaller, over three epochs; noise is drawn in the same order."""
    model = model_of(name)
    data, constants = data_of(model, 12)
    if not data and batch_size is not None:
        return
    readable, fast = both(model)
    given = {"epochs": 3, "lr": 0.01, "batch_size": batch_size, "seed": 3, **constants}
    wanted, before = readable.train(data, **given)
    found, history = fast.train(data, **given)
    for name in wanted:
        assert np.allclose(found[name], wanted[name], rtol=1e-11, atol=1e-13), name
        assert type(found[name]) is type(wanted[name]) or np.ndim(wanted[name]) == 0
    assert [h["loss"] for h in history] == pytest.approx([h["loss"] for h in before], rel=1e-11)


RULES = (
    {"optimizer": "adam"},
    {"optimizer": "nesterov", "weight_decay": 0.01},
    {"optimizer": "rmsprop", "schedule": "warm-up,cosine"},
    {"optimizer": "momentum", "clip_norm": 0.05},
    {"optimizer": "adamw", "clip_value": 0.01, "schedule": "step"},
    {"optimizer": "adagrad"},
    {"optimizer": "lbfgs"},
    {"schedule": "cosine"},
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: ",".join(map(str, rule.values())))
@pytest.mark.parametrize("name", ["two-layer", "ridge", "softmax-regression", "chain"])
def test_every_update_rule_takes_the_same_way(name, rule):
    """Where the gradients are sums and where they are means, and where there are no data."""
    model = model_of(name)
    data, constants = data_of(model, 12)
    readable, fast = both(model, **rule)
    steps = {} if rule.get("optimizer") == "lbfgs" else {"lr": 0.02, **({"batch_size": 5} if data else {})}
    given = {"epochs": 4, **steps, **constants}
    wanted, before = readable.train(data, **given)
    found, history = fast.train(data, **given)
    for name in wanted:
        assert np.allclose(found[name], wanted[name], rtol=1e-9, atol=1e-12), name
    assert [h["loss"] for h in history] == pytest.approx([h["loss"] for h in before], rel=1e-9)


@pytest.mark.parametrize("name", ["logistic", "ridge", "softmax-regression"])
def test_blocks_of_examples_add_up(name):
    """More examples than a block has, where the gradients are sums, and where they are not."""
    model = Model.builtin(name)
    readable, fast = both(model)
    fast._examples_at_once = lambda *arrays: 64
    data, _ = data_of(model, 64 * 3 + 17)
    sizes = sample(model, seed=0).sizes
    params = readable.init(0, **sizes)
    assert_same(fast.loss_and_gradients(params, **data), readable.loss_and_gradients(params, **data))


@pytest.mark.parametrize("name", ["logistic", "two-layer"])
@pytest.mark.parametrize("count", [1024, 1025])
def test_steps_of_few_and_of_many_examples(name, count):
    """Scalar parameters are gathered into products where the examples are few."""
    model = Model.builtin(name)
    readable, fast = both(model)
    data, _ = data_of(model, count)
    params = readable.init(1)
    assert_same(fast.loss_and_gradients(params, **data), readable.loss_and_gradients(params, **data))
    found, wanted = (module.train(data, epochs=2, lr=0.1) for module in (fast, readable))
    assert all(found[0][name] == pytest.approx(wanted[0][name], rel=1e-11) for name in params)


def test_the_loss_is_reported_as_often_as_asked():
    _, fast = both(Model.builtin("logistic"))
    data, _ = data_of(Model.builtin("logistic"), 20)
    params, history = fast.train(data, epochs=10, report=4)
    every, whole = fast.train(data, epochs=10)
    assert [h["epoch"] for h in history] == [4, 8, 10]
    assert history == [h for h in whole if h["epoch"] in (4, 8, 10)]
    assert params == every


def test_training_changes_neither_the_parameters_nor_the_data_that_it_is_given():
    model = Model.builtin("ridge")
    _, fast = both(model)
    data, _ = data_of(model, 20)
    before = {name: values.copy() for name, values in data.items()}
    start = fast.init(0, d=data["x"].shape[1])
    kept = {name: np.copy(values) for name, values in start.items()}
    fast.train(data, epochs=3, batch_size=6, params=start)
    assert all(np.array_equal(data[name], before[name]) for name in data)
    assert all(np.array_equal(start[name], kept[name]) for name in start)


def test_gradients_of_two_calls_are_not_the_same_arrays():
    model = Model.builtin("softmax-regression")
    _, fast = both(model)
    drawn = sample(model, seed=0)
    first = gradients(fast, drawn)[1]
    kept = {name: np.copy(values) for name, values in first.items()}
    gradients(fast, sample(model, seed=1))
    assert all(np.array_equal(first[name], kept[name]) for name in first)


def test_rows_beyond_the_last_are_an_error():
    model = Model.builtin("matrix-factorization")
    _, fast = both(model)
    params = fast.init(0, n_users=3, n_items=2)
    with pytest.raises(IndexError, match="u has numbers below 0 or beyond"):
        fast.loss_and_gradients(params, u=[0, 3], i=[0, 1], r=[1.0, 2.0])


@pytest.mark.parametrize(
    "name",
    ["logistic", "two-layer", "mlp", "softmax-regression", "autoencoder", "linear-regression", "matrix-factorization"],
)
def test_a_steady_step_makes_no_array_of_the_examples(name):
    model = Model.builtin(name)
    _, fast = both(model)
    count = 40_000
    data, constants = data_of(model, count)
    sizes = sample(model, seed=0, examples=4).sizes
    given = [constants] if model.of_role("constant") else []
    work = fast._Work(fast.init(0, **sizes), fast._arrays(data), *given)
    step = work.block(0, count)
    step(True), step(False)
    tracemalloc.start()
    for _ in range(3):
        step(False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * count  # bytes: not even one number for each example; numpy has buffers of a fixed size


@pytest.mark.parametrize("style", ["readable", "fast"])
@pytest.mark.parametrize(
    "name",
    [
        *("logistic", "mlp", "ridge", "quadratic", "matrix-factorization", "transformer-block", "cnn-2d", "vae"),
        "negative-binomial-regression",
    ],
)
def test_float32(name, style):
    """All arrays are of that kind, and the gradients those of float64 up to its rounding."""
    model = Model.builtin(name)
    exact = model.derive().compile()
    module = model.derive().compile(style=style, dtype="float32")
    drawn = sample(model, seed=1, examples=7)
    loss, grads = gradients(module, drawn)
    assert_same((loss, grads), gradients(exact, drawn), tolerance=1e-4)
    data, constants = data_of(model, 12)
    params, _ = module.train(data, epochs=2, lr=0.01, **constants)
    assert all(np.asarray(values).dtype == np.float32 for values in params.values() if np.ndim(values))
    if style == "fast":
        assert all(np.asarray(values).dtype == np.float32 for values in (*grads.values(), *params.values()))


# Helpers of these compute in float64.
OF_HELPERS = ("beta-regression", "gamma-regression", "negative-binomial-regression", "probit-regression", "tobit")


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in OF_HELPERS])
def test_nothing_in_between_is_of_a_longer_kind(name):
    """What numpy makes float64 of itself (roots of sizes, masks, noise) would make all behind it float64."""
    model = Model.builtin(name)
    module, drawn = model.derive().compile(dtype="float32"), sample(model, seed=0, examples=3)
    params = {name: np.float32(value) for name, value in drawn.parameters.items()}
    data = drawn.data if drawn.examples[0] else {}
    inside: dict[str, Any] = {}

    def watch(frame, event, _):
        if event == "return" and frame.f_code.co_name == "loss_and_gradients":
            inside.update(frame.f_locals)

    sys.setprofile(watch)
    try:
        module.loss_and_gradients(params, **data, **drawn.constants)
    finally:
        sys.setprofile(None)
    kinds = {name: value.dtype for name, value in inside.items() if isinstance(value, np.ndarray)}
    assert inside and [name for name, kind in kinds.items() if kind == np.float64] == []


@pytest.mark.parametrize("logit", [-1000.0, 1000.0])
def test_saturation_gives_neither_warnings_nor_infinities(logit):
    _, fast = both(Model.builtin("logistic"))
    params = {"w_1": 0.1, "w_2": -0.2, "b": logit}
    for target in (0.0, 1.0):
        loss, grads = fast.loss_and_gradients(params, x_1=[0.5], x_2=[1.0], y=[target])
        assert np.isfinite(loss) and all(np.isfinite(g) for g in grads.values())


def ruff(*command: str) -> None:
    arguments = [sys.executable, "-m", "ruff", command[0], "--isolated", "--line-length", "120", *command[1:]]
    found = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_code_is_formatted_and_clean(tmp_path, dtype):
    """The built-in models' altogether; formulas of others may be longer than a line."""
    for name in (*LOSSES, *OTHERS):
        folder = tmp_path / ("others" if name in OTHERS else "built-in")
        folder.mkdir(exist_ok=True)
        for style in ("readable", "fast"):
            code = model_of(name).derive().generate(style=style, dtype=dtype)
            (folder / f"{re.sub('-', '_', name)}_{style}.py").write_text(code, encoding="utf-8")
    for name in ("lstm-regression", "garch", "linear-chain-crf"):
        code = Model.builtin(name).derive().generate(style="fast", dtype=dtype)
        (tmp_path / "others" / f"{name}_fast.py").write_text(code, encoding="utf-8")
    ruff("check", "--select", "E,F,W,I", str(tmp_path / "built-in"))
    ruff("format", "--diff", str(tmp_path / "built-in"))
    ruff("check", "--select", "E,F,W,I", "--ignore", "E501", str(tmp_path / "others"))


def test_explain_prints_the_program_before_and_after_each_pass_that_changed_it():
    out = derive("generate", "logistic", "--style", "fast", "--explain").out
    assert out.startswith("program\n  forward:\n    z(N,) = w_1*x_1 + w_2*x_2 + b\n")
    assert "means put off: " in out and "each gradient is a sum, still to be divided by N" in out
    assert "cheapest products" not in out  # there is no chain of products
    assert "import numpy" not in out


def test_explain_of_an_estimator_is_the_program_that_its_functions_are_made_from():
    told = [derive("generate", "logistic", "--style", style, "--explain") for style in ("estimator", "readable")]
    assert told[0].code == 0
    assert told[0].out == told[1].out
    refused = derive("generate", "quadratic", "--style", "estimator", "--explain")
    assert (refused.code, "cannot be a scikit-learn estimator" in refused.err) == (2, True)


def test_generate_writes_the_fast_code_beside_the_explanation(tmp_path):
    file = tmp_path / "code.py"
    out = derive("generate", "logistic", "--style", "fast", "--explain", "-o", str(file)).out
    assert "buffers assigned: " in out
    assert file.read_text(encoding="utf-8") == Model.builtin("logistic").derive().generate(style="fast")
