"""Estimators pass scikit-learn's own checks, find what is known of their models, and refuse what is none."""

from __future__ import annotations

import ast
import subprocess
import sys
import types
from functools import cache
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from cli_runner import derive
from golden_errors import check_error
from scipy.special import erf
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from derive.errors import DeriveError
from derive.model import Model
from derive.parse.files import builtin_names

SETTINGS: dict[str, dict[str, Any]] = {
    "mlp": {"h1": 6, "h2": 5, "batch_size": None},
    "softmax-regression": {"batch_size": None},
    "lasso": {"lam": 0.01},  # a penalty that suits targets of variance 1
}
REGRESSORS = ("linear-regression", "ridge", "lasso", "poisson-regression")
CLASSIFIERS = ("logistic", "two-layer", "softmax-regression", "svm", "mlp")
OWN = {
    "labels": """
        d: size
        k: size
        x: input[d]
        y: target = integer(k)
        W: parameter[k, d]
        b: parameter[k]
        lam: constant = 0.01
        a: output = softmax(W @ x + b)
        L: loss = -log(a[y]) + lam*sum(W**2)
        """,
    "robust": """
        f: size
        X: input[f]
        params: target
        w: parameter[f]
        np: parameter
        tol: constant = 1
        max_iter: size = 4
        V: parameter[max_iter, f]
        u: parameter[max_iter]
        h = w @ X + np + u @ tanh(V @ X)
        p: output = h
        L: loss = softplus((h - params)/tol) + softplus((params - h)/tol)
        """,
}


@cache
def module_of(name: str) -> types.ModuleType:
    model = Model.parse(dedent(OWN[name]), name) if name in OWN else Model.builtin(name)
    module = types.ModuleType(f"estimator_of_{name.replace('-', '_')}")
    sys.modules[module.__name__] = module  # so that estimators can be pickled
    exec(compile(model.derive().generate(style="estimator"), module.__name__, "exec"), module.__dict__)
    return module


def estimator_class(name: str) -> Any:
    """The one class that the module defines."""
    module = module_of(name)
    return next(each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__)


def any_number_of_features(cls: Any, columns: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The class on features that are mixed to as many as the model has: scikit-learn's checks bring their own number."""

    def mixed(self: Any, X: Any) -> Any:
        matrix = np.random.default_rng(0).normal(size=(X.shape[1], columns))
        matrix[:columns] += 2 * np.eye(columns)[: X.shape[1]]
        return cls._inputs(self, X @ matrix)

    found = type(cls.__name__, (cls,), {"_inputs": mixed, "__module__": cls.__module__})
    monkeypatch.setattr(sys.modules[cls.__module__], cls.__name__, found)  # where pickle looks for it
    return found


@pytest.mark.parametrize("name", [*REGRESSORS, *CLASSIFIERS, *OWN])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_it_passes_the_checks_of_scikit_learn(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cls = estimator_class(name)
    if name in ("logistic", "two-layer"):
        cls = any_number_of_features(cls, 2, monkeypatch)
    results = check_estimator(cls(max_iter=40, **SETTINGS.get(name, {})), on_fail=None)
    failed = {each["check_name"]: each["exception"] for each in results if each["status"] in ("failed", "xfail")}
    assert failed == {}
    assert sum(each["status"] == "passed" for each in results) > 35


def test_the_file_needs_numpy_and_scikit_learn_alone() -> None:
    for name in (*REGRESSORS, *CLASSIFIERS):
        tree = ast.parse(Model.builtin(name).derive().generate(style="estimator"))
        imported = {
            (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert {each.partition(".")[0] for each in imported} == {"numpy", "sklearn"}


@pytest.mark.parametrize("name", [*REGRESSORS, *CLASSIFIERS])
def test_the_file_is_clean(name: str) -> None:
    source = Model.builtin(name).derive().generate(style="estimator")
    lint = ["check", "--line-length", "120", "--select", "E,F,W,I"]
    for command in (lint, ["format", "--check", "--line-length", "100"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "-"]
        done = subprocess.run(ruff, input=source, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("lam", [0.01, 1.0])
def test_ridge_finds_what_scikit_learn_finds(lam: float) -> None:
    X, y = load_diabetes(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    found = estimator_class("ridge")(lam=lam, max_iter=20_000, tol=1e-13, learning_rate=0.3).fit(X, y)
    known = Ridge(alpha=lam * len(X)).fit(X, y)
    assert found.params_["w"] == pytest.approx(known.coef_, rel=1e-3, abs=1e-2)
    assert found.score(X, y) == pytest.approx(known.score(X, y), abs=1e-8)
    assert clone(found).get_params()["lam"] == lam


def test_classifiers_at_home_in_a_pipeline() -> None:
    X, y = load_iris(return_X_y=True)
    labels = np.array(["setosa", "versicolor", "virginica"])[y]
    for name in ("mlp", "softmax-regression"):
        model = make_pipeline(StandardScaler(), estimator_class(name)(random_state=0, **SETTINGS[name]))
        assert cross_val_score(model, X, labels, cv=3).mean() > 0.9
    two = estimator_class("logistic")(random_state=0).fit(X[:100, :2], labels[:100])
    assert two.score(X[:100, :2], labels[:100]) > 0.95
    assert two.predict_proba(X[:3, :2]).sum(axis=1) == pytest.approx(1)
    assert not hasattr(estimator_class("svm"), "predict_proba")


def test_the_loss_never_rises_and_no_rate_is_too_high() -> None:
    X, y = load_diabetes(return_X_y=True)
    found = estimator_class("poisson-regression")(learning_rate=1e6, max_iter=300).fit(100 * X, y)
    assert all(b <= a for a, b in zip(found.loss_curve_, found.loss_curve_[1:], strict=False))
    assert found.loss_curve_[-1] < found.loss_curve_[0]
    assert np.isfinite(found.predict(100 * X)).all()


def test_helpers_and_titles_are_taken_over_whole() -> None:
    text = """
        \'\'\'Smooth steps \\"\\"\\" + print("never") + \\"\\"\\"\'\'\'
        d: size
        x: input[d]
        y: target
        w: parameter[d]
        p: output = where(w @ x > 0, erf(w @ x), log(1 + abs(w @ x)))
        L: loss = (p - y)**2
        """
    source = Model.parse(dedent(text).strip(), "smooth").derive().generate(style="estimator")
    assert "print" in source and not [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name) and n.id == "print"]
    space: dict[str, Any] = {}
    exec(source, space)
    X = np.random.default_rng(0).normal(size=(200, 3))
    y = np.where(X[:, 0] > 0, erf(X[:, 0]), np.log1p(np.abs(X[:, 0])))
    found = space["Smooth"](random_state=1, max_iter=2000, tol=1e-12).fit(X, y)
    assert found.params_["w"] == pytest.approx([1, 0, 0], abs=1e-3)


def test_partial_fit_goes_on() -> None:
    X, y = load_iris(return_X_y=True)
    whole = estimator_class("softmax-regression")(batch_size=None, random_state=0, max_iter=5).fit(X, y)
    parts = estimator_class("softmax-regression")(batch_size=None, random_state=0)
    for _ in range(5):
        parts.partial_fit(X, y, classes=[0, 1, 2])
    assert parts.n_iter_ == whole.n_iter_ == 5
    assert np.array_equal(parts.params_["W"], whole.params_["W"])
    with pytest.raises(ValueError, match="classes must be passed"):
        clone(parts).partial_fit(X, y)
    with pytest.raises(ValueError, match=r"y holds np.int64\(5\), which is not among the classes"):
        parts.partial_fit(X, y + 5)


@pytest.mark.parametrize("options", [{"max_iter": 0}, {"learning_rate": float("nan")}, {"batch_size": 0}, {"h1": 0}])
def test_settings_that_make_no_sense(options: dict[str, Any]) -> None:
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="must be"):
        estimator_class("mlp")(**options).fit(X, y)


def test_the_number_of_features_that_the_model_has() -> None:
    with pytest.raises(ValueError, match="X has 3 features, but the model has 2: x_1, x_2"):
        estimator_class("logistic")().fit(np.eye(3), [0, 1, 1])
    with pytest.raises(ValueError, match="Negative values in y"):
        estimator_class("poisson-regression")().fit(np.eye(3), [0, 1, -1])


REFUSED = {
    "autoencoder": "autoencoder",
    "quadratic": "quadratic",
    "matrix-factorization": "matrix-factorization",
    "two-targets": "x: input; y: target; t: target; w: parameter; a: output = w*x; L: loss = (a - y)**2 + t**2",
    "no-output": "x: input; y: target; w: parameter; L: loss = (w*x - y)**2",
    "examples": "n: examples; x: input[n]; y: target[n]; w: parameter; a: output = w*x; L: loss = sum((a - y)**2)",
    "noise": "x: input; y: target; e: noise; w: parameter; a: output = w*x + e; L: loss = (a - y)**2",
    "mixed": "d: size; x: input[d]; u: input; y: target; w: parameter[d]; a: output = w @ x + u; L: loss = (a - y)**2",
    "matrix": "x: input[3, 3]; y: target; w: parameter; a: output = w*sum(x); L: loss = (a - y)**2",
    "vector-target": "d: size; x: input[d]; y: target[d]; w: parameter; a: output = w*x; L: loss = sum((a - y)**2)",
    "constant-output": "x: input; y: target; w: parameter; a: output = w; L: loss = (a - y + x)**2",
    "unused-input": "x: input; u: input; y: target; w: parameter; a: output = w*x; L: loss = (a - y)**2*u**2",
    "no-value": "d: size; x: input[d]; y: target; w: parameter[d]; c: constant; a: output = c*w @ x; L: loss = (a - y)**2",
    "size": "d: size; x: input[2*d]; y: target; w: parameter[2*d]; a: output = w @ x; L: loss = (a - y)**2",
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_model_that_is_no_estimator(case: str) -> None:
    text = REFUSED[case]
    model = Model.builtin(text) if text in builtin_names() else Model.parse(text.replace("; ", "\n"))
    with pytest.raises(DeriveError) as caught:
        model.derive().generate(style="estimator")
    check_error(f"estimator-{case}", caught.value)


def test_the_command() -> None:
    done = derive("generate", "ridge", "--style", "estimator")
    assert done.code == 0
    assert "class Ridge(RegressorMixin, BaseEstimator):" in done.out
    assert derive("generate", "ridge", "--style", "estimator", "--dtype", "float32").code == 2
