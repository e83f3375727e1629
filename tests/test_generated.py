"""`generated/`: what the tool writes today for the built-in models, byte for byte; and its code runs and is right.

Regenerate with ``DERIVE_UPDATE=1 pytest tests/test_generated.py``.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from gallery_oracles import GALLERY
from model_oracles import LOSSES

from derive.check.gradients import LIMIT, compare
from derive.commands.documents import page, told
from derive.model import Model
from derive.render.katex import shared_files
from derive.render.latex_document import print_latex
from derive.render.markdown_document import print_markdown
from derive.render.notebook_document import print_notebook

FOLDER = Path(__file__).parent.parent / "generated"
UPDATE = os.environ.get("DERIVE_UPDATE") == "1"


def written(name: str) -> dict[str, str]:
    """The files of one model, by name."""
    model = Model.builtin(name)
    document = told(model)
    files = {
        f"{name}.py": model.derive().generate(),
        f"{name}.tex": print_latex(document),
        f"{name}.html": page(document, model, katex="shared"),
        f"{name}.md": print_markdown(document),
    }
    if name == "two-layer":
        files["two-layer.es.tex"] = print_latex(told(model, language="es"))
        files["two-layer.ipynb"] = print_notebook(document, model.text)
    return files


def compare_with_golden(file: Path, text: str) -> None:
    if UPDATE:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.is_file(), f"{file} is missing: run DERIVE_UPDATE=1 pytest {__file__}"
    assert file.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", LOSSES)
def test_reports_and_code_are_what_the_tool_writes(name: str) -> None:
    for file, text in written(name).items():
        compare_with_golden(FOLDER / file, text)


def test_the_pages_share_one_katex() -> None:
    for file, text in shared_files().items():
        compare_with_golden(FOLDER / file, text)


def test_nothing_else_lies_in_the_folder() -> None:
    known = {file for name in LOSSES for file in written(name)} | set(shared_files())
    known |= {f"{name}{ending}" for name in GALLERY for ending in (".md", ".py")}  # see test_gallery.py
    assert {str(file.relative_to(FOLDER)) for file in FOLDER.rglob("*") if file.suffix != ".pyc" and file.is_file()} == known


def imported(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name.replace("-", "_"), FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", LOSSES)
def test_the_code_computes_the_gradients_of_the_model(name: str) -> None:
    result = compare(Model.builtin(name), imported(name))
    assert result.worst < LIMIT, f"{result.worst} in {result.name}"


@pytest.mark.parametrize("name", LOSSES)
def test_the_code_is_clean(name: str) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length", "120", "--select", "E,F,W"]
    found = subprocess.run([*command, str(FOLDER / f"{name}.py")], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("name", ["logistic", "two-layer"])
@pytest.mark.parametrize("logit", [-1000.0, 1000.0, 0.0])
def test_extreme_logits_give_finite_losses_and_gradients(name: str, logit: float) -> None:
    module = imported(name)
    params = module.init(0)
    bias = "b" if name == "logistic" else "b2"
    params[bias] = logit
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        for target in (0.0, 1.0):
            loss, grads = module.loss_and_gradients(params, x_1=np.array([0.5]), x_2=np.array([-0.5]), y=np.array([target]))
            assert np.isfinite(loss)
            assert all(np.all(np.isfinite(g)) for g in grads.values())
    if logit == 1000.0:
        assert loss == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", ["logistic", "two-layer"])
def test_training_lowers_the_loss(name: str) -> None:
    rng = np.random.default_rng(1)
    x_1, x_2 = rng.normal(size=(2, 200))
    data = {"x_1": x_1, "x_2": x_2, "y": (x_1 + 2 * x_2 > 0.3).astype(float)}
    for batch_size in (None, 32):
        params, history = imported(name).train(data, epochs=60, batch_size=batch_size)
        assert history[-1]["loss"] < 0.5 * history[0]["loss"]
        assert all(np.isfinite(v) for v in params.values())


def test_quadratic_walks_down_as_the_article_says() -> None:
    module = imported("quadratic")
    params, history = module.train(epochs=5)
    assert [h["loss"] for h in history] == pytest.approx([1.0, 0.64, 0.4096, 0.262144, 0.16777216])
    assert params["x"] == pytest.approx(3.32768)


@pytest.mark.parametrize("name", ["logistic", "two-layer"])
def test_the_module_trains_by_itself(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    rows = ["x_1,x_2,y", *(f"{a},{b},{int(a > b)}" for a, b in rng.normal(size=(50, 2)))]
    (tmp_path / "data.csv").write_text("\n".join(rows) + "\n")
    command = [sys.executable, str(FOLDER / f"{name}.py"), str(tmp_path / "data.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "loss" in done.stdout
    assert done.stderr == ""
