"""The command line: every command on good and bad input, its exit codes and what it leaves alone."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
from cli_runner import ROOT, check_golden, derive, interruptible, process

from derive import Model
from derive.check.gradients import compare
from derive.check.sample import sample
from derive.train.folder import MANIFEST
from derive.train.run import file_stem, module_name
from derive.train.saved import load_parameters

COMMANDS = ("models", "show", "diff", "gradient", "hessian", "report", "graph", "generate", "run", "predict", "check")

VECTORS = '''"""Softmax of three features"""
d: size
k: size
lam: constant = 0.01
x: input[d]
y: target[k]
W: parameter[k, d]
b: parameter[k]
assume(sum(y) == 1)
z = W @ x + b
a: output = softmax(z)
L: loss = -sum(y*log(a)) + lam*sum(W**2)
'''

LINE = """c: constant
x: input
y: target
w: parameter
b: parameter
p: output = c*w*x + b
L: loss = (p - y)**2
"""

HOSTILE = (
    "; rm -rf .model",
    "$(touch pwned).model",
    "`id`.model",
    "-x.model",
    "a\nb.model",
    "\x1b[31mred.model",
    "%s{0}.model",
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_classes(path: Path, rows: int = 60) -> None:
    """Three features around three centres, and a column of text labels."""
    rng = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["sl", "sw", "pl", "kind"])
        for row in range(rows):
            writer.writerow([*(rng.normal(size=3) + 2 * (row % 3)).round(3), "abc"[row % 3] * 3])


def write_line(path: Path) -> None:
    xs = np.arange(20.0) / 10
    np.savez(path, x=xs, y=3 * xs + 1, c=2.0)


# --- help


def test_help_of_the_whole_and_of_every_command() -> None:
    check_golden("help", derive("--help"))
    for command in COMMANDS:
        assert derive(command, "--help").out.startswith(f"Usage: derive {command}")


def test_version() -> None:
    assert derive("--version").out == "derive, version 0.1.0\n"


@pytest.mark.parametrize("command", [["--help"], ["--version"], ["run", "--help"], ["no-such"]])
def test_help_imports_nothing_heavy(command: list[str], here: Path) -> None:
    script = (
        "import sys\nfrom derive.cli import main\n"
        f"try: main({command!r})\nexcept SystemExit: pass\n"
        "heavy = {'sympy', 'numpy', 'rich', 'jinja2', 'mpmath'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_import_derive_is_lazy_and_complete() -> None:
    script = (
        "import sys, derive\nassert not {'sympy', 'numpy', 'click'} & set(sys.modules)\n"
        "from derive import Derivation, DeriveError, Model, __version__\nassert 'Model' in dir(derive)\n"
        "try: derive.nothing\nexcept AttributeError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "module 'derive' has no attribute 'nothing'\n", done.stderr


# --- good input


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("models", ["models"]),
        ("show-logistic", ["show", "logistic"]),
        ("show-expression", ["show", "-e", "z = w*x; (L) = 1"]),
        ("show-implicit", ["show", "-e", "z = w*x; L = (z - 1)**2"]),
        ("diff", ["diff", "exp(sin(x**2))", "x"]),
        ("diff-minus", ["diff", "-cos(x)*y", "x"]),
        ("diff-latex", ["diff", "x*y/x", "x", "--format", "latex"]),
        ("diff-json", ["diff", "x*y", "x", "--format", "json"]),
        ("diff-absent", ["diff", "x**2", "y"]),
        ("gradient-quadratic", ["gradient", "quadratic"]),
        ("gradient-unused", ["gradient", "-e", "L = x**2; u: parameter"]),
        ("check-logistic", ["check", "logistic"]),
        ("check-chain", ["check", "chain"]),
        ("run-quadratic", ["run", "quadratic", "--epochs", "12"]),
    ],
)
def test_what_is_printed(name: str, args: list[str]) -> None:
    check_golden(name, derive(*args))


def test_show_can_be_saved_and_read_again(here: Path) -> None:
    assert derive("show", "two-layer", "-o", "mine.model").code == 0
    assert derive("show", "mine.model").out == derive("show", "two-layer").out


def test_a_model_from_standard_input() -> None:
    assert derive("show", "-", stdin="x: parameter\nL: loss = x**2\n").out == "x: parameter\nL: loss = x**2\n"
    assert derive("check", "-", stdin="x: parameter\nL: loss = x**2").code == 0


def test_an_expression_becomes_a_model_that_stands_alone(here: Path) -> None:
    told = derive("show", "-e", "x: input; y: target; p: output = w*x + b; L = (p - y)**2").out
    assert Model.parse(told).parameters == ("w", "b")


def test_gradient_formats() -> None:
    found = json.loads(derive("gradient", "logistic", "--format", "json", "--wrt", "x_1").out)
    assert [gradient["wrt"] for gradient in found["gradients"]] == ["w_1", "w_2", "b", "x_1"]
    assert all(step["proof"] in ("symbolic", "numeric") for g in found["gradients"] for step in g["steps"])
    assert r"\frac{\partial L}{\partial w_{1}}" in derive("gradient", "logistic", "--format", "latex").out
    assert "$$" in derive("gradient", "logistic", "--format", "markdown").out


@pytest.mark.parametrize(
    ("args", "start"),
    [
        (["report", "chain", "-o", "out.html"], b"<!DOCTYPE html>"),
        (["report", "chain", "-o", "out.tex", "--lang", "es"], rb"\documentclass"),
        (["report", "chain", "-o", "out.tex", "--fragment"], b"% The chain rule"),
        (["report", "chain", "-o", "out.md", "--detail", "full"], b"# "),
        (["graph", "chain", "-o", "out.svg"], b"<svg"),
        (["graph", "chain", "-o", "out.tex"], rb""),
        (["generate", "chain", "-o", "out.py"], b'"""'),
    ],
)
def test_files(args: list[str], start: bytes, here: Path) -> None:
    output = here / args[args.index("-o") + 1]
    outcome = derive(*args)
    assert (outcome.code, outcome.out, outcome.err) == (0, "", f"wrote {output.name}\n")
    assert output.read_bytes().lower().startswith(start.lower())
    before = output.read_bytes()
    output.write_bytes(b"mine")
    again = derive(*args)
    assert again.code == 2 and "is there already" in again.err and output.read_bytes() == b"mine"
    assert derive(*args, "--force").code == 0 and output.read_bytes() == before
    assert sorted(path.name for path in here.iterdir()) == [output.name]


@pytest.mark.skipif(not shutil.which("latexmk"), reason="needs TeX: latexmk and pdflatex")
def test_pdf(here: Path) -> None:
    assert derive("report", "chain", "-o", "out.pdf").code == 0
    assert (here / "out.pdf").read_bytes().startswith(b"%PDF")


def test_generated_code_to_standard_output() -> None:
    module = types.ModuleType("generated")
    exec(compile(derive("generate", "logistic").out, "generated", "exec"), module.__dict__)
    assert compare(Model.builtin("logistic"), module).passed


# --- bad input


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("no-command", ["grad"]),
        ("no-model", ["gradient"]),
        ("wrong-model", ["gradient", "logitic"]),
        ("wrong-model-far", ["gradient", "zzz"]),
        ("empty-model", ["gradient", ""]),
        ("model-and-expression", ["gradient", "logistic", "-e", "L = x"]),
        ("missing-file", ["gradient", "none.model"]),
        ("folder-as-model", ["gradient", "/"]),
        ("empty-expression", ["gradient", "-e", " ; "]),
        ("bad-expression", ["gradient", "-e", "a = sigmod(x)"]),
        ("wrong-format", ["gradient", "logistic", "--format", "lates"]),
        ("wrong-format-far", ["gradient", "logistic", "--format", "xml"]),
        ("wrong-option", ["gradient", "logistic", "--fromat", "json"]),
        ("wrong-wrt", ["gradient", "logistic", "--wrt", "zz"]),
        ("wrong-ending", ["report", "logistic", "-o", "r.doc"]),
        ("near-ending", ["report", "logistic", "-o", "r.htm"]),
        ("no-ending", ["graph", "logistic", "-o", "r"]),
        ("no-output", ["report", "logistic"]),
        ("no-folder", ["report", "logistic", "-o", "none/r.tex"]),
        ("output-is-folder", ["show", "logistic", "-o", "/"]),
        ("fragment-of-html", ["report", "logistic", "-o", "r.html", "--fragment"]),
        ("wrong-language", ["report", "logistic", "-o", "r.html", "--lang", "fr"]),
        ("wrong-optimizer", ["generate", "logistic", "--optimizer", "adma"]),
        ("wrong-optimizer-empty", ["generate", "logistic", "--optimizer", ""]),
        ("wrong-optimizer-hostile", ["run", "logistic", "--optimizer", "../adam\n\x1b[31m"]),
        ("wrong-optimizer-far", ["report", "logistic", "-o", "r.md", "--optimizer", "levenberg"]),
        ("wrong-optimizer-constant", ["gradient", "logistic", "--optimizer", "adam(beta_3=0.9)"]),
        ("wrong-optimizer-value", ["generate", "logistic", "--optimizer", "adam(beta_1=much)"]),
        ("wrong-optimizer-negative", ["generate", "logistic", "--optimizer", "adam(epsilon=-1)"]),
        ("wrong-schedule", ["run", "logistic", "--schedule", "warm-up,cosin"]),
        ("wrong-schedule-twice", ["generate", "logistic", "--schedule", "cosine,cosine"]),
        ("wrong-clip-norm", ["generate", "logistic", "--clip-norm", "0"]),
        ("wrong-weight-decay", ["generate", "logistic", "--weight-decay", "-1"]),
        ("lbfgs-rate", ["run", "logistic", "--optimizer", "lbfgs", "--lr", "0.1"]),
        ("lbfgs-schedule", ["generate", "logistic", "--optimizer", "lbfgs", "--schedule", "cosine"]),
        ("wrong-dtype", ["generate", "logistic", "--dtype", "float16"]),
        ("code-ending", ["generate", "logistic", "-o", "c.txt"]),
        ("diff-caret", ["diff", "x^2", "x"]),
        ("diff-empty", ["diff", " ", "x"]),
        ("diff-no-name", ["diff", "x**2", "3"]),
        ("diff-reserved", ["diff", "x**2", "lambda"]),
        ("diff-hostile", ["diff", "__import__('os').system('id')", "x"]),
        ("diff-huge", ["diff", "9**9**9**9", "x"]),
        ("run-no-data", ["run", "-e", "x: input; L = (w*x)**2"]),
        ("run-data-for-none", ["run", "quadratic", "--data", "breast_cancer"]),
        ("run-no-such-data", ["run", "logistic", "--data", "breast_cancr"]),
        ("run-no-such-file", ["run", "logistic", "--data", "none.csv"]),
        ("run-no-such-column", ["run", "logistic", "--features", "worst_area,worst_smothness"]),
        ("run-too-few-features", ["run", "logistic", "--features", "worst_area"]),
        ("run-empty-feature", ["run", "logistic", "--features", "a,"]),
        ("run-no-epochs", ["run", "logistic", "--epochs", "0"]),
        ("run-no-rate", ["run", "logistic", "--lr", "0"]),
        ("run-rate-text", ["run", "logistic", "--lr", "fast"]),
        ("run-nan-fraction", ["run", "logistic", "--test-fraction", "nan"]),
        ("run-tolerance", ["run", "logistic", "--tolerance", "-1"]),
        ("run-set-nothing", ["run", "logistic", "--set", "w_1"]),
        ("run-set-parameter", ["run", "logistic", "--set", "w_1=2"]),
        ("run-set-unknown", ["run", "-e", "rate: constant = 1; L = rate*x**2", "--set", "rat=2"]),
        ("run-set-twice", ["run", "-e", "rate: constant = 1; L = rate*x**2", "--set", "rate=2", "--set", "rate=3"]),
        ("run-set-nan", ["run", "-e", "rate: constant = 1; L = rate*x**2", "--set", "rate=nan"]),
        ("run-set-size", ["run", "-e", "h: size; w: parameter[h]; L = sum(w**2)", "--set", "h=2.5"]),
        ("run-size-unknown", ["run", "-e", "h: size; w: parameter[h]; L = sum(w**2)"]),
        ("run-constant-unknown", ["run", "-e", "c: constant; L = c*x**2"]),
        ("predict-no-run", ["predict", "none", "--data", "x.csv"]),
        ("predict-no-data", ["predict", "none"]),
    ],
)
def test_wrong_input(name: str, args: list[str], here: Path) -> None:
    outcome = derive(*args)
    assert outcome.code == 2 and not outcome.out
    assert not list(here.iterdir()), "nothing is written for wrong input"
    check_golden(f"wrong-{name}", outcome)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe\x00x", b"L: loss = x\0", b"(" * 5000, b"L: loss = " + b"-" * 100000 + b"x"]
)
def test_hostile_text_on_standard_input(data: bytes) -> None:
    outcome = derive("gradient", "-", stdin=data)
    assert outcome.code == 2 and outcome.err and len(outcome.err) < 2000


def test_a_device_is_no_model(here: Path) -> None:
    assert "regular file" in derive("show", "/dev/zero").err


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_names(name: str, here: Path) -> None:
    missing = derive("show", "--", name)
    assert missing.code == 2 and len(missing.err.splitlines()) == 1 and "\x1b" not in missing.err
    (here / name).write_text("x: parameter = 1\nL: loss = x**2\n")
    assert derive("show", "--", name).code == 0
    broken = derive("gradient", "--", f"./{name}")
    assert broken.code == 0
    (here / name).write_text("L: loss = y\n")
    assert "\x1b" not in derive("gradient", "--", name).err
    (here / name).write_text("x: parameter = 1\nL: loss = x**2\n")
    ran = derive("run", "--epochs", "2", "--", name)
    assert ran.code == 0 and "\x1b" not in ran.out
    assert sorted(path.name for path in here.iterdir()) == sorted([name, "runs"])
    (folder,) = (here / "runs").iterdir()
    assert re.fullmatch(r"[\w-]+", folder.name) and folder.is_dir()
    for file in folder.iterdir():
        assert re.fullmatch(r"[\w-]+\.\w+", file.name)


def test_hostile_output_names(here: Path) -> None:
    for name in ("-x.md", "; rm -rf x.md", "a\nb.md", "\x1b[31m.md"):
        outcome = derive("report", "chain", "-o", name)
        assert outcome.code == 0 and (here / name).is_file()
        assert len(outcome.err.splitlines()) == 1 and "\x1b" not in outcome.err


def test_names_that_would_hide_a_module() -> None:
    assert module_name("random.model") == "random_model" and module_name("numpy") == "numpy_model"
    assert module_name("2d.model") == "model_2d" and module_name("class") == "class_model"
    assert file_stem("..") == "model" and file_stem("../../etc/x.model") == "etc_x"


# --- run and predict


def test_run_logistic(here: Path) -> None:
    outcome = derive("run", "logistic")
    assert outcome.code == 0
    folder = here / "runs" / "logistic"
    told = ["report.html", "report.tex", "logistic.py", "model.model", "parameters.npz", "preparation.json"]
    told += ["checkpoint.npz", "history.csv", "loss.svg", "metric.svg", "boundary.svg"]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*told, MANIFEST])
    assert all(name in outcome.out for name in told) and "runs/logistic" in outcome.out
    accuracy = re.search(r"test +loss ([\d.]+), accuracy ([\d.]+)", outcome.out)
    assert accuracy and float(accuracy[1]) < 0.2 and float(accuracy[2]) > 0.9
    assert "checked against complex-step derivatives" in outcome.out and "standardised" in outcome.out
    history = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    assert float(history[-1]["loss"]) < float(history[0]["loss"]) and history[0]["epoch"] == "1"
    spec = importlib.util.spec_from_file_location("logistic", folder / "logistic.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert compare(Model.load(folder / "model.model"), module).passed


def test_runs_are_reproducible_and_replace_only_their_own_files(here: Path) -> None:
    folder = here / "runs" / "two-layer"
    assert derive("run", "two-layer", "--epochs", "5").code == 0
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert derive("run", "two-layer", "--epochs", "5").code == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    (folder / "mine.txt").write_text("mine")
    (folder / "two_layer.py").write_text("# mine")
    refused = derive("run", "two-layer", "--epochs", "5")
    assert refused.code == 2 and "was changed after derive wrote it" in refused.err
    assert (folder / "two_layer.py").read_text() == "# mine"
    assert derive("run", "two-layer", "--epochs", "5", "--force").code == 0
    assert (folder / "two_layer.py").read_bytes() == first["two_layer.py"] and (folder / "mine.txt").exists()
    assert derive("run", "two-layer", "--epochs", "5", "--seed", "1", "-o", "other").code == 0
    assert (here / "other" / "parameters.npz").read_bytes() != first["parameters.npz"]


def test_run_refuses_a_file_as_folder_and_files_of_others(here: Path) -> None:
    (here / "file").write_text("mine")
    assert "is a file, not a folder" in derive("run", "quadratic", "-o", "file").err
    (here / "mine").mkdir()
    (here / "mine" / "loss.svg").write_text("mine")
    assert derive("run", "quadratic", "-o", "mine").code == 2
    assert [path.name for path in (here / "mine").iterdir()] == ["loss.svg"]


def test_quadratic_shows_its_path(here: Path) -> None:
    outcome = derive("run", "quadratic")
    rows = [line.split() for line in outcome.out.splitlines() if re.match(r" +\d", line)]
    assert [row[0] for row in rows[:7]] == ["0", "1", "2", "3", "4", "5", "10"]
    values = [3 + 0.8 ** int(row[0]) for row in rows]
    assert np.allclose([float(row[1]) for row in rows], values, rtol=1e-6)
    assert (here / "runs" / "quadratic" / "trajectory.svg").read_text().startswith("<svg")


def test_tolerance_and_divergence(here: Path) -> None:
    assert "16 steps, until the loss no longer fell" in derive("run", "quadratic", "--tolerance", "1e-3").out
    rising = derive("run", "quadratic", "--lr", "2")
    assert rising.code == 0 and "the loss rose from 1 to" in rising.err
    infinite = derive("run", "quadratic", "--lr", "1e200")
    assert infinite.code == 0 and "the loss became infinite" in infinite.out and "loss       1\n" in infinite.out


def test_classes_from_a_csv_file(here: Path) -> None:
    (here / "vectors.model").write_text(VECTORS)
    write_classes(here / "classes.csv")
    ran = derive(
        "run", "vectors.model", "--data", "classes.csv", "--target", "kind", "--standardise", "--batch-size", "7"
    )
    assert ran.code == 0 and "48 examples, 12 held out, standardised" in ran.out, ran.err
    assert re.search(r"test +loss [\d.]+, accuracy [\d.]+", ran.out)
    predicted = derive("predict", "runs/vectors", "--data", "classes.csv")
    rows = list(csv.DictReader(io.StringIO(predicted.out)))
    assert list(rows[0]) == ["a_0", "a_1", "a_2", "class"]
    assert np.mean([row["class"] == "abc"[k % 3] * 3 for k, row in enumerate(rows)]) > 0.8
    assert np.allclose([sum(float(row[f"a_{k}"]) for k in range(3)) for row in rows], 1)


def test_arrays_from_an_npz_file(here: Path) -> None:
    (here / "line.model").write_text(LINE)
    write_line(here / "line.npz")
    ran = derive("run", "line.model", "--data", "line.npz", "--epochs", "500", "--test-fraction", "0.1")
    assert ran.code == 0 and "test       loss" in ran.out and "R² 1.0000" in ran.out
    assert derive("predict", "runs/line", "--data", "line.npz", "-o", "p.csv").code == 0
    found = [float(row["p"]) for row in csv.DictReader((here / "p.csv").read_text().splitlines())]
    assert np.allclose(found, 3 * np.arange(20) / 10 + 1, atol=1e-6)
    assert derive("predict", "runs/line", "--data", "line.npz", "-o", "p.csv").code == 2


def test_constants_and_sizes_are_set_and_remembered(here: Path) -> None:
    (here / "line.model").write_text(LINE)
    (here / "line.csv").write_text("x,y\n" + "".join(f"{k / 10},{k}\n" for k in range(20)))
    assert derive("run", "line.model", "--data", "line.csv", "--set", "c=2", "--test-fraction", "0").code == 0
    assert json.loads((here / "runs" / "line" / "preparation.json").read_text())["constants"] == {"c": 2.0}
    assert derive("predict", "runs/line", "--data", "line.csv").code == 0
    sized = derive("run", "-e", "h: size; w: parameter[h]; L = sum((w - 1)**2)", "--set", "h=3", "-o", "sized")
    assert sized.code == 0
    assert load_parameters(here / "sized" / "parameters.npz", {"w": (3,)})


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.zeros(3), "c": 1.0}, "has no array 'y'"),
        ({"x": np.zeros(3), "y": np.zeros(2), "c": 1.0}, "same number of examples"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(3), "c": 1.0}, "has 2 axes, not 1"),
        ({"x": np.zeros(3), "y": np.full(3, np.nan), "c": 1.0}, "not finite"),
        ({"x": np.array(["a"] * 3), "y": np.zeros(3), "c": 1.0}, "real numbers"),
        ({"x": np.zeros(0), "y": np.zeros(0), "c": 1.0}, "has no examples"),
        ({"x": np.zeros(3), "y": np.zeros(3)}, "the constant 'c' has no value"),
        ({"x": np.array([{}], dtype=object), "y": np.zeros(3)}, "damaged"),
    ],
)
def test_wrong_archives(arrays: dict[str, object], said: str, here: Path) -> None:
    (here / "line.model").write_text(LINE)
    np.savez(here / "data.npz", **arrays)  # type: ignore[arg-type]
    outcome = derive("run", "line.model", "--data", "data.npz")
    assert outcome.code == 2 and said in outcome.err
    (here / "data.npz").write_bytes(b"PK not really")
    assert "damaged" in derive("run", "line.model", "--data", "data.npz").err


def test_predict_trusts_no_folder(here: Path) -> None:
    (here / "line.model").write_text(LINE)
    write_line(here / "line.npz")
    assert derive("run", "line.model", "--data", "line.npz", "--epochs", "2").code == 0
    folder = here / "runs" / "line"
    (folder / "line.py").write_text("open('pwned', 'w')")  # never executed
    assert derive("predict", "runs/line", "--data", "line.npz").code == 0 and not (here / "pwned").exists()
    (folder / "parameters.npz").write_bytes(b"nonsense")
    assert "damaged" in derive("predict", "runs/line", "--data", "line.npz").err
    (folder / "preparation.json").write_text("{}")
    assert "damaged" in derive("predict", "runs/line", "--data", "line.npz").err


# --- check


def test_check_where_the_loss_is_never_defined() -> None:
    check_golden("check-undefined", derive("check", "-e", "L = sqrt(-x**2 - 1)"))


def test_check_of_vectors(here: Path) -> None:
    (here / "vectors.model").write_text(VECTORS)
    outcome = derive("check", "vectors.model")
    assert outcome.code == 0 and "5 random draws of 4 examples" in outcome.out


@pytest.mark.parametrize(
    ("wrong", "right", "fast"),
    [
        ("(a - y)", "(y - a)", ("subtract(a, y, a)", "subtract(y, a, a)")),
        ("d_z @ x_1 / n", "2 * d_z @ x_1 / n", ("work.gradient /= count", "work.gradient *= 2 / count")),
    ],
)
def test_check_fails_where_a_gradient_is_wrong(
    monkeypatch: pytest.MonkeyPatch, wrong: str, right: str, fast: tuple[str, str]
) -> None:
    from derive.derivation import Derivation

    generate = Derivation.generate

    def broken(self: Derivation, **options: object) -> str:
        source = generate(self, **options)
        if options.get("style") == "fast":
            wrong_, right_ = fast
        else:
            wrong_, right_ = wrong, right
        changed = source.replace(wrong_, right_).replace(wrong_.strip("()") + "\n", right_.strip("()") + "\n")
        assert changed != source
        return changed

    monkeypatch.setattr(Derivation, "generate", broken)
    outcome = derive("check", "logistic")
    assert outcome.code == 1 and "above the limit" in outcome.out
    assert derive("run", "logistic").code == 1 and not Path("runs").exists()


def test_check_fails_where_a_step_is_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    from derive.derivation import Derivation
    from derive.prove.setting import ProofError

    def refuse(self: Derivation) -> Derivation:
        raise ProofError("the step 'power rule' could not be established")

    monkeypatch.setattr(Derivation, "prove", refuse)
    outcome = derive("check", "chain")
    assert outcome.code == 1 and "not proved" in outcome.out


def test_samples_keep_the_assumptions() -> None:
    model = Model.parse(VECTORS + "assume(lam > 0)\n")
    for seed in range(3):
        found = sample(model, seed)
        assert np.allclose(found.data["y"].sum(axis=1), 1)
        assert len(set(found.sizes.values())) == len(found.sizes)
    positive = sample(Model.parse("s: parameter[4]\nassume(s > 0)\nL: loss = sum(log(s))"), 0)
    assert (positive.parameters["s"] > 0).all()


# --- as a process


def test_as_a_process(here: Path) -> None:
    done = process("show", "logistic", cwd=here)
    assert done.returncode == 0 and done.stdout.decode() == derive("show", "logistic").out and not done.stderr
    wrong = process("gradient", "-", cwd=here, stdin=b"L: loss = \xff")
    assert wrong.returncode == 2 and b"Traceback" not in wrong.stderr
    bytes_name = process("show", b"\xff\xfe.model", cwd=here)
    assert bytes_name.returncode == 2 and b"Traceback" not in bytes_name.stderr


def test_nobody_reads_the_output(here: Path) -> None:
    command = f"{sys.executable} -m derive gradient two-layer --format json | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert done.returncode in (0, 141) and not done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("args", [["--help"], ["show", "logistic"]])
def test_a_full_disk(args: list[str], here: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = process(*args, cwd=here, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert (
        done.returncode == 2
        and done.stderr.startswith(b"the output cannot be written")
        and done.stderr.count(b"\n") == 1
    )


def test_control_c(here: Path) -> None:
    command = [sys.executable, "-c", "from derive.cli import main; print('ready', flush=True); main(['show', '-'])"]
    with interruptible(command, cwd=ROOT, stdin=subprocess.PIPE) as running:
        assert running.stdout and running.stdout.readline() == b"ready\n"
        time.sleep(1.5)  # it waits for standard input
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 130
        assert running.stderr and b"Traceback" not in running.stderr.read()


def test_control_c_while_training_keeps_the_best(here: Path) -> None:
    command = [sys.executable, "-m", "derive", "run", "quadratic", "--epochs", "100000000"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    with interruptible(command, cwd=here, env=environment) as running:
        last_before_training = here / "runs" / "quadratic" / "model.model"
        for _ in range(600):
            if last_before_training.exists() or running.poll() is not None:
                break
            time.sleep(0.1)
        time.sleep(1.5)
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0
        assert running.stdout and b"then interrupted" in running.stdout.read()
    assert (here / "runs" / "quadratic" / "parameters.npz").is_file()
