"""Notebooks: what Jupyter shows of derive's objects, and reports as notebooks that run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest

from derive.commands.documents import told
from derive.model import Model
from derive.render.notebook_document import print_notebook
from derive.render.report import report
from tests.cli_runner import ROOT, derive
from tests.sample_document import HOSTILE, sample

GENERATED = ROOT / "generated" / "two-layer.ipynb"


def shown(thing: object) -> dict[str, str]:
    found = thing._repr_mimebundle_()  # type: ignore[attr-defined]
    assert all(isinstance(text, str) and text.strip() for text in found.values())
    return found  # type: ignore[no-any-return]


def test_a_model_is_its_equations_and_its_text() -> None:
    model = Model.builtin("logistic")
    found = shown(model)
    assert found["text/plain"] == model.text
    assert r"a &= \sigma(z)" in found["text/latex"] and "sigmoid(z)" in found["text/markdown"]


def test_a_derivation_and_its_gradients() -> None:
    derivation = Model.builtin("softmax-regression").derive()
    assert r"\frac{\partial L}{\partial W} &= (a - y)\, x^{\top}" in shown(derivation)["text/latex"]
    assert "∂L/∂W" in shown(derivation)["text/plain"] and "$$" in shown(derivation)["text/markdown"]
    gradient = next(a for a in derivation.gradients if a.name == "W")
    assert shown(gradient)["text/plain"] == "∂L/∂Wᵢⱼ = (aᵢ − yᵢ)·xⱼ"
    assert shown(gradient.result) == shown(gradient)
    assert shown(gradient)["text/latex"].startswith("$\\displaystyle")
    local = next(r for r in derivation.local if (r.of, r.wrt) == ("a", "z"))
    assert shown(local)["text/plain"].startswith("∂aᵢ/∂zₗ = ")


def test_a_hessian_a_graph_and_a_program() -> None:
    model = Model.builtin("logistic")
    assert "∂²L" in shown(model.hessian())["text/plain"]
    graph = shown(model.graph())
    assert ElementTree.fromstring(graph["image/svg+xml"]).tag.endswith("svg")
    assert "a ← z" in graph["text/plain"]
    source = model.derive().generate()
    assert isinstance(source, str) and shown(source)["text/x-python"] == source
    compile(shown(source)["text/x-python"], "program", "exec")


@pytest.mark.parametrize("name", ["quadratic", "softmax-regression"])
@pytest.mark.parametrize("language", ["en", "es"])
def test_the_notebook_is_valid(name: str, language: str) -> None:
    model = Model.builtin(name)
    text = print_notebook(report(model.derive(), language), model.text)
    nbformat.validate(nbformat.reads(text, as_version=4))
    cells = json.loads(text)["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)


def test_a_notebook_of_strangers_words_is_valid() -> None:
    hostile = "x: parameter  # '''\\n \\ \u2028\nL: loss = x**2\n"
    text = print_notebook(sample(HOSTILE, "en", HOSTILE), hostile)
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    names: dict[str, object] = {}
    exec(first.source.replace("Model.parse(", "dict(text="), names)
    assert names["model"] == {"text": hostile}


def test_it_has_every_block_of_the_document() -> None:
    model = Model.builtin("logistic")
    cells = json.loads(print_notebook(report(model.derive()), model.text))["cells"]
    prose = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    from derive.render.markdown_document import print_markdown

    whole = print_markdown(report(model.derive()))
    missing = [
        line
        for line in whole.split("\n")
        if line.strip() and line not in prose and "←" not in line and "```" not in line
    ]
    assert missing == []
    pictures = [cell for cell in cells if cell["cell_type"] == "code" and cell["outputs"]]
    assert len(pictures) == 1 and "".join(pictures[0]["outputs"][0]["data"]["image/svg+xml"]).startswith("<svg")


def test_the_command_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "x.ipynb"
    assert derive("report", "quadratic", "-o", str(file)).code == 0
    model = Model.builtin("quadratic")
    assert file.read_text(encoding="utf-8") == print_notebook(told(model), model.text)


def test_the_generated_notebook_runs(tmp_path: Path) -> None:
    """In a kernel of its own, as a person would run it: its cells give the derivation, the code, and equal gradients."""
    runner = (
        "import nbformat, nbclient, sys; book = nbformat.read(sys.argv[1], 4); "
        "nbclient.NotebookClient(book, timeout=60, kernel_name='python3').execute(); nbformat.write(book, sys.argv[2])"
    )
    done = tmp_path / "done.ipynb"
    settings = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "IPYTHONDIR": str(tmp_path),
    }
    command = [sys.executable, "-c", runner, str(GENERATED), str(done)]
    subprocess.run(command, check=True, env=settings, cwd=tmp_path, timeout=120, capture_output=True)
    cells = [cell for cell in json.loads(done.read_text())["cells"] if cell["cell_type"] == "code"]
    kinds = [set(output["data"]) for cell in cells for output in cell["outputs"] if "data" in output]
    assert {"image/svg+xml", "text/plain"} <= kinds[0]
    assert any("text/x-python" in kind for kind in kinds)
    last = "".join(cells[-1]["outputs"][0]["data"]["text/plain"])
    assert last.startswith("Comparison(worst=")
    assert float(last.split("worst=")[1].split(",")[0].strip("np.float64()")) < 1e-9
