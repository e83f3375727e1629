"""The built-in models: their gradients beside two independent oracles, their data, and what training gives."""

from __future__ import annotations

import functools
import re
import shutil
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from cli_runner import derive
from gallery_oracles import GALLERY
from model_oracles import LOSSES

from derive.check.gradients import compare_at
from derive.check.sample import sample
from derive.emit.defaults import training_defaults
from derive.errors import DeriveError
from derive.model import Model
from derive.parse.files import builtin_names
from derive.parse.settings import with_settings
from derive.render.markdown_document import print_markdown
from derive.render.report import report
from derive.resources import data_dir, model_dir
from derive.train.examples import read_examples
from derive.train.run import Options, Run
from derive.train.run import run as run_model
from derive.train.settings import Settings
from derive.train.shipped import shipped_sets

TOLERANCE = 1e-10


@functools.cache
def compiled(name: str, **settings: Any) -> tuple[Model, ModuleType]:
    model = Model.builtin(name, **settings)
    return model, model.derive().compile()


def data_of(model: Model, drawn: Any) -> dict[str, Any]:
    """The batch as numpy takes it: whole numbers as integers."""
    if not drawn.examples[0]:
        return {}
    return {n: v.astype(int) if model.variables[n].kind == "integer" else v for n, v in drawn.data.items()}


def largest_error(found: dict[str, Any], wanted: dict[str, Any]) -> float:
    """The largest error of a gradient, relative to the gradient's largest entry."""
    errors = [0.0]
    for name, true in wanted.items():
        assert np.shape(found[name]) == np.shape(true)
        errors.append(float(np.max(np.abs(found[name] - true)) / max(np.max(np.abs(true)), 1e-3)))
    return max(errors)


# --- gradients


def test_every_built_in_model_has_an_oracle() -> None:
    assert sorted([*LOSSES, *GALLERY]) == builtin_names()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_equal_the_complex_step(name: str, seed: int) -> None:
    model, module = compiled(name)
    found = compare_at(model, module, sample(model, seed, examples=5))
    assert found.worst <= TOLERANCE, found.name


def check_autograd(name: str, seed: int, **settings: Any) -> None:
    model, module = compiled(name, **settings)
    drawn = sample(model, seed, examples=5)
    data = data_of(model, drawn)
    functions = {n: v for n, v in settings.items() if isinstance(v, str)}
    objective = functools.partial(LOSSES[name], anp, **data, **functions)
    params = {n: np.asarray(v) for n, v in drawn.parameters.items()}
    loss, grads = module.loss_and_gradients(dict(params), **data)
    assert loss == pytest.approx(float(objective(params)), rel=TOLERANCE)
    assert loss == pytest.approx(module.loss(dict(params), **data), rel=1e-14)
    assert largest_error(grads, autograd.grad(objective)(params)) <= TOLERANCE


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_equal_those_of_autograd(name: str, seed: int) -> None:
    check_autograd(name, seed)


@pytest.mark.parametrize("seed", range(4))
def test_gradients_of_another_activation_equal_those_of_autograd(seed: int) -> None:
    check_autograd("mlp", seed, act="relu")


def test_the_oracle_would_notice_a_wrong_gradient() -> None:
    model, module = compiled("ridge")
    drawn = sample(model, 0, examples=5)
    _, grads = module.loss_and_gradients(dict(drawn.parameters), **drawn.data, lam=0.06)
    params = {n: np.asarray(v) for n, v in drawn.parameters.items()}
    wanted = autograd.grad(functools.partial(LOSSES["ridge"], anp, **drawn.data))(params)
    assert largest_error(grads, wanted) > 1e-4


# --- data sets


def test_every_data_set_tells_its_source_and_licence() -> None:
    files = {p.name for p in data_dir().iterdir()} - {"datasets.toml"}
    assert files == {n for name, s in shipped_sets().items() for n in (s.path.name, f"{name}.md")}
    for name, known in shipped_sets().items():
        told = (data_dir() / f"{name}.md").read_text(encoding="utf-8")
        assert told.startswith(f"# {known.path.name}\n")
        assert (
            re.search(r"\*\*Source", told)
            and re.search(r"licence\.\*\*", told, re.IGNORECASE)
            and "What was changed" in told
        )
        assert known.path.stat().st_size < 100_000


def test_the_digits_are_those_of_the_source() -> None:
    """1,797 images; pixels 0 to 16; how often each digit was written (as UCI's description of the test set counts)."""
    found = read_examples(Model.builtin("softmax-regression"), "digits", Settings())
    x, y = found.arrays["x"], found.arrays["y"]
    assert x.shape == (1797, 64) and x.min() == 0 and x.max() == 16
    assert y.sum(axis=0).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert found.classes == tuple("0123456789")
    assert (y.sum(axis=1) == 1).all()


def test_the_pixels_are_those_of_the_digits() -> None:
    images = read_examples(Model.builtin("autoencoder"), "digits", Settings()).arrays["x"]
    table = read_examples(Model.builtin("matrix-factorization"), "digit_pixels", Settings())
    u, i, r = (table.arrays[name].astype(int) for name in ("u", "i", "r"))
    assert table.sizes == {"n_users": 200, "n_items": 64}
    assert np.array_equal(images[u, i], r)


@pytest.mark.parametrize("name", ["softmax-regression", "mlp", "autoencoder", "ridge", "svm", "poisson-regression"])
@pytest.mark.parametrize("data", ["digits", "diabetes", "bikes", "breast-cancer"])
def test_a_shipped_set_fits_every_model_of_its_kind(name: str, data: str) -> None:
    """One vector takes all features; sizes that have a value are bound anew."""
    model = Model.builtin(name)
    if name in ("softmax-regression", "mlp") and data in ("diabetes", "bikes"):
        return  # hundreds of different numbers are no classes anyone means
    found = read_examples(model, data, Settings())
    columns = {"digits": 64, "diabetes": 10, "bikes": 4, "breast-cancer": 2}[data]
    assert found.arrays["x"].shape[1] == found.sizes["d"] == columns
    assert "y" in found.arrays or name == "autoencoder"


def test_the_table_of_training_speaks_of_models_and_sets_that_are_there() -> None:
    rows = tomllib.loads((model_dir() / "training.toml").read_text(encoding="utf-8"))
    with_data = [n for n in sorted(LOSSES) if Model.builtin(n).of_role("input", "target")]
    assert set(with_data) <= set(rows) <= set(builtin_names())
    assert {row["data"] for row in rows.values() if "data" in row} == set(shipped_sets())
    assert training_defaults(Model.parse("w: parameter\nL: loss = w**2")).data is None


# --- training


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trained(name: str, **options: Any) -> Run:
    return run_model(Model.builtin(name), Options(**options), lambda message: None)


# The metric on the held-out part, and the least it must be.
GOOD = {
    "autoencoder": ("R²", 0.8),
    "lasso": ("R²", 0.5),
    "linear-regression": ("R²", 0.5),
    "logistic": ("accuracy", 0.92),
    "matrix-factorization": ("R²", 0.7),
    "mlp": ("accuracy", 0.96),
    "poisson-regression": ("R²", 0.7),
    "ridge": ("R²", 0.5),
    "softmax-regression": ("accuracy", 0.95),
    "svm": ("accuracy", 0.92),
    "two-layer": ("accuracy", 0.92),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_model_trains_well_on_its_own_data(name: str, here: Path) -> None:
    found = trained(name)
    metric, least = GOOD[name]
    assert found.test is not None and found.test.metric is not None
    assert found.test.metric.name == metric
    assert found.test.metric.value >= least
    assert found.training.stopped == "epochs"


def test_least_squares_comes_near_the_exact_solution(here: Path) -> None:
    """The normal equations, solved by numpy on the same standardised rows."""
    found = trained("ridge", lr=0.2, epochs=20_000, test_fraction=0.0)
    x = np.genfromtxt(data_dir() / "diabetes.csv", delimiter=",", skip_header=1)
    x, y = (x[:, :-1] - x[:, :-1].mean(axis=0)) / x[:, :-1].std(axis=0), x[:, -1]
    exact = np.linalg.solve(x.T @ x / len(x) + 0.05 * np.eye(10), x.T @ (y - y.mean()) / len(x))
    assert found.training.params["w"] == pytest.approx(exact, abs=1e-6)
    assert found.training.params["b"] == pytest.approx(y.mean())


def test_set_functions_and_sizes_of_a_run(here: Path) -> None:
    ran = derive(
        "run", "mlp", "--data", "digits", "--set", "act=relu", "--set", "h1=16", "--set", "h2=8", "--epochs", "8"
    )
    assert ran.code == 0, ran.err
    assert "divided by 16" in ran.out
    assert "def act(u): return relu(u)" in Path("runs/mlp/model.model").read_text()
    with np.load("runs/mlp/parameters.npz") as saved:
        assert saved["W1"].shape == (16, 64) and saved["W3"].shape == (10, 8)
    predicted = derive("predict", "runs/mlp", "--data", "digits")
    classes = [row.rsplit(",", 1)[1] for row in predicted.out.splitlines()[1:]]
    known = read_examples(Model.builtin("mlp"), "digits", Settings()).arrays["y"].argmax(axis=1)
    assert np.mean([c == str(k) for c, k in zip(classes, known, strict=True)]) > 0.85


def test_predictions_of_a_table_of_ratings(here: Path) -> None:
    Path("ratings.csv").write_text("reader,book,stars\n0,0,5\n0,1,1\n1,0,4\n2,2,3\n1,2,2\n2,1,1\n")
    ran = derive(
        "run",
        "matrix-factorization",
        "--data",
        "ratings.csv",
        "--target",
        "stars",
        "--epochs",
        "300",
        "--set",
        "lam=0.001",
    )
    assert ran.code == 0, ran.err
    with np.load("runs/matrix-factorization/parameters.npz") as saved:
        assert saved["P"].shape == (3, 8) and saved["Q"].shape == (3, 8)
    Path("asked.csv").write_text("reader,book\n0,0\n0,1\n2,2\n")
    rows = derive("predict", "runs/matrix-factorization", "--data", "asked.csv").out.split()
    assert rows[0] == "r_hat" and len(rows) == 4
    Path("asked.csv").write_text("reader,book\n3,0\n")
    refused = derive("predict", "runs/matrix-factorization", "--data", "asked.csv")
    assert refused.code == 2 and "column 'reader' holds 3, but 'u' takes whole numbers from 0 to 2" in refused.err


def test_whole_numbers_bind_a_size_from_an_archive_too(here: Path) -> None:
    arrays = {"u": np.array([0, 4, 2, 1]), "i": np.array([1, 0, 1, 2]), "r": np.array([1.0, 2.0, 3.0, 4.0])}
    np.savez("ratings.npz", **arrays)
    found = read_examples(Model.builtin("matrix-factorization"), "ratings.npz", Settings())
    assert found.sizes == {"n_users": 5, "n_items": 3}
    with pytest.raises(DeriveError, match="not one of its whole numbers"):
        read_examples(Model.builtin("matrix-factorization"), "ratings.npz", Settings(sizes={"n_users": 4}))


@pytest.mark.parametrize("cell", ["-1", "0.5", "1e300"])
def test_no_whole_number(cell: str, here: Path) -> None:
    Path("ratings.csv").write_text(f"u,i,r\n0,0,5\n{cell},1,1\n")
    refused = derive("run", "matrix-factorization", "--data", "ratings.csv")
    assert refused.code == 2 and "takes whole numbers from 0" in refused.err


def test_a_damaged_gz_file(here: Path) -> None:
    whole = shipped_sets()["digits"].path.read_bytes()
    for content in (whole[: len(whole) // 2], b"u,i,r\n0,0,5\n", whole[:30] + b"\0" * 30 + whole[60:]):
        Path("digits.csv.gz").write_bytes(content)
        refused = derive("run", "mlp", "--data", "digits.csv.gz")
        assert refused.code == 2 and "is damaged, or not compressed by gzip" in refused.err


# --- settings in a model's text

TEXT = """d: size
h: size = 128  # wide
x: input[d]
W: parameter[h, d]
lam: constant

def act(u):
    v = u*u
    return (v +
            u)
def pair(u, v): return u*v
L: loss = sum(act(W @ x)) + lam
"""


def test_settings_change_their_lines_alone() -> None:
    found = with_settings(TEXT, {"h": 8, "lam": 0.5, "act": "relu", "d": 3})
    wanted = TEXT.replace("d: size\n", "d: size = 3\n").replace("128", "8").replace("constant", "constant = 0.5")
    start, end = wanted.index("def act"), wanted.index("def pair")
    assert found == wanted[:start] + "def act(u): return relu(u)\n" + wanted[end:]
    assert with_settings(found, {"h": 128}) == found.replace("= 8", "= 128")
    assert Model.parse(found).variables["lam"].value is not None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"act": "rellu"}, "there is no function of one argument called 'rellu'\nhint: did you mean 'relu'?"),
        ({"act": "act"}, "there is no function of one argument called 'act'"),
        ({"act": "softmax"}, "there is no function of one argument called 'softmax'"),
        ({"act": "maximum"}, "there is no function of one argument called 'maximum'"),
        ({"act": "__import__('os')"}, "there is no function of one argument"),
        ({"pair": "relu"}, "'pair' takes 2 arguments; only a function of one can be set"),
        ({"W": 3}, "'W' cannot be set\nhint: this model's constants, sizes and functions are act, pair, d, h, lam"),
        ({"hh": 3}, "'hh' cannot be set"),
        ({"h": 0}, "the size 'h' is not a whole number from 1 on"),
        ({"h": "x; import os"}, "line 2"),
    ],
)
def test_what_cannot_be_set(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DeriveError) as caught:
        Model.parse(with_settings(TEXT, settings))
    assert message in str(caught.value)


def test_the_code_of_a_model_that_was_set() -> None:
    _, module = compiled("mlp", h1=5, h2=3, act="softplus")
    params = module.init(0)
    assert params["W2"].shape == (3, 5)
    assert "np.tanh" not in Model.builtin("mlp", act="softplus").derive().generate()


# --- reports


def test_a_report_says_what_the_authors_functions_are() -> None:
    text = "w: parameter\ndef scaled(u):\n    v = 2*u\n    return sin(v)\nL: loss = scaled(w)**2"
    told = print_markdown(report(Model.parse(text).derive().prove()))
    assert "functions of its own" in told
    assert r"v &= 2 u" in told and r"\operatorname{scaled}(u) &= \sin(v)" in told


@pytest.mark.skipif(not shutil.which("latexmk"), reason="needs TeX: latexmk and pdflatex")
def test_a_report_with_cases_in_a_table_compiles(here: Path) -> None:
    """TeX would take the & of a case distinction for the end of the cell."""
    assert derive("report", "svm", "-o", "svm.pdf").code == 0
