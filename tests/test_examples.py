"""Models that write the examples out: ``n: examples``; then nothing is added, and the loss is the objective."""

import inspect

import numpy as np
import pytest

from derive.check.gradients import compare
from derive.derivation import Derivation
from derive.model import Model
from derive.render.markdown_document import print_markdown
from derive.render.report import report
from derive.resources import data_dir
from derive.train.apply import predict_file
from derive.train.run import Options, run

LINEAR = """n: examples
d: size
X: input[n, d]
y: target[n]
w: parameter[d]
b: parameter
p: output = X @ w + b
L: loss = sum((p - y)**2)/(2*n)
"""
LOGISTIC = """n: examples
d: size
X: input[n, d]
y: target[n]
w: parameter[d]
b: parameter
a: output = sigmoid(X @ w + b)
L: loss = -sum(y*log(a) + (1 - y)*log(1 - a))/n
"""
KURTOSIS = """n: examples
x: input[n, 3]
e: noise[n, 3]
W: parameter[3]
z = (x + e) @ W
c = z - mean(z)
v = sum(c**2)/n
L: loss = sum(c**4)/(n*v**2)
"""
CONTRASTIVE = """n: examples
x: input[n, 4]
y: input[n, 4]
A: parameter[2, 4]
B: parameter[2, 4]
u = x @ A.T
v = y @ B.T
s = u @ v.T
L: loss = sum(logsumexp(s, axis=1) - diag(s))/n
"""
COX = """n: examples
t: input[n]
x: input[n, 3]
w: parameter[3]
r = x @ w
L: loss = sum(log(sum(where(t[j] >= t[i], exp(r[j]), 0), j)) - r[i], i)/n
"""
MODELS = {"linear": LINEAR, "logistic": LOGISTIC, "kurtosis": KURTOSIS, "contrastive": CONTRASTIVE, "cox": COX}


def derived(text: str) -> Derivation:
    return Model.parse(text).derive()


@pytest.mark.parametrize("name", MODELS)
def test_the_gradients_are_those_of_complex_steps(name):
    derivation = derived(MODELS[name])
    comparison = compare(derivation.model, derivation.compile())
    assert comparison.passed, comparison


@pytest.mark.parametrize("name", MODELS)
def test_every_step_is_proved(name):
    told = derived(MODELS[name]).to_dict()
    steps = [s for part in ("local", "nodes", "gradients") for d in told[part] for s in d["steps"]]
    assert steps and all(s["proof"] for s in steps)


def test_nothing_is_added_for_the_batch():
    told = derived(LINEAR).to_dict()
    assert told["batch"]["objective"] == "L"
    assert {g["wrt"]: g["expr"] for g in told["batch"]["gradients"]} == {g["wrt"]: g["expr"] for g in told["gradients"]}
    assert next(g["expr"] for g in told["gradients"] if g["wrt"] == "w") == "X.T @ (p - y)/n"


def test_the_gradient_of_logistic_regression_is_the_textbooks():
    told = {g["wrt"]: g["expr"] for g in derived(LOGISTIC).to_dict()["gradients"]}
    assert told["w"] == "X.T @ (a - y)/n"


@pytest.mark.parametrize(
    ("text", "one"),
    [
        (LINEAR, "p: output = x @ w + b\nL: loss = (p - y)**2/2"),
        (LOGISTIC, "p: output = sigmoid(x @ w + b)\nL: loss = -y*log(p) - (1 - y)*log(1 - p)"),
    ],
    ids=["linear", "logistic"],
)
def test_the_whole_batch_agrees_with_the_mean_over_examples(text, one):
    whole = derived(text).compile()
    single = derived(f"d: size\nx: input[d]\ny: target\nw: parameter[d]\nb: parameter\n{one}").compile()
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(7, 3)), (rng.random(7) < 0.5).astype(float)
    params = {"w": rng.normal(size=3), "b": 0.3}
    loss, grads = whole.loss_and_gradients(params, X=x, y=y)
    wanted, wanted_grads = single.loss_and_gradients(params, x=x, y=y)
    assert loss == pytest.approx(wanted, rel=1e-12)
    for name, value in wanted_grads.items():
        np.testing.assert_allclose(grads[name], value, rtol=1e-12)


def test_n_is_the_length_of_the_data():
    module = derived(LINEAR).compile()
    x, y = np.ones((5, 2)), np.arange(5.0)
    loss, grads = module.loss_and_gradients({"w": np.zeros(2), "b": 0.0}, X=x, y=y)
    assert loss == pytest.approx((y**2).mean() / 2)
    np.testing.assert_allclose(grads["b"], -y.mean())
    assert list(inspect.signature(module.init).parameters) == ["seed", "d"]


def test_a_report_speaks_of_all_examples():
    text = print_markdown(report(derived(LOGISTIC).prove(), "en", "normal"))
    assert "X" in text and "one example" not in text


@pytest.mark.parametrize("batch_size", [None, 64])
def test_it_trains_and_predicts(tmp_path, monkeypatch, batch_size):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "whole.model").write_text(LOGISTIC)
    options = Options(data="breast_cancer", epochs=40, batch_size=batch_size, folder="out")
    done = run(Model.load("whole.model"), options, lambda _: None)
    assert done.test is not None and done.test.metric is not None and done.test.metric.value > 0.85
    table = predict_file("out", str(data_dir() / "breast_cancer.csv")).splitlines()
    assert table[0] == "a,class" and len(table) == 570
