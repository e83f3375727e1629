"""The decision boundary and the loss surface: level curves lie where the function has the level; only where they make sense."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from derive.model import Model
from derive.train.boundary import boundary_svg, has_boundary
from derive.train.field import level_curve
from derive.train.run import Options, run
from derive.train.surface import surface_svg

SVG = "{http://www.w3.org/2000/svg}"
BOWL = "u: parameter = 3\nv: parameter = -2\nL: loss = (u - 1)**2 + 4*(v + 1)**2\n"


def test_level_curves_lie_on_the_level() -> None:
    xs, ys = np.linspace(-2, 2, 81), np.linspace(-2, 2, 61)
    values = xs[None, :] ** 2 + ys[:, None] ** 2
    pieces = list(level_curve(xs, ys, values, 2.0))
    assert len(pieces) > 80
    assert all(np.hypot(*point) == pytest.approx(np.sqrt(2), abs=2e-3) for piece in pieces for point in piece)
    length = sum(np.hypot(a[0] - b[0], a[1] - b[1]) for a, b in pieces)
    assert length == pytest.approx(2 * np.pi * np.sqrt(2), rel=1e-2)  # the whole circle, and nothing twice
    saddle = list(level_curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.array([[1.0, 0.0], [0.0, 1.0]]), 0.5))
    assert len(saddle) == 2


def test_a_boundary_is_drawn_for_two_features_alone() -> None:
    assert [
        n for n in ("logistic", "two-layer", "svm", "mlp", "ridge", "quadratic") if has_boundary(Model.builtin(n))
    ] == [
        "logistic",
        "two-layer",
    ]
    assert boundary_svg(Model.builtin("mlp"), {}, lambda arrays: {}) is None


def test_the_boundary_of_a_line_is_that_line() -> None:
    model = Model.builtin("logistic")
    rng = np.random.default_rng(0)
    x_1, x_2 = rng.normal(size=(2, 120))
    data = {"x_1": x_1, "x_2": x_2, "y": (x_1 > x_2).astype(float)}
    drawn = boundary_svg(model, data, lambda a: {"a": 1 / (1 + np.exp(-4 * (a["x_1"] - a["x_2"])))})
    assert drawn is not None
    root = ET.fromstring(drawn)
    assert "100.0% of the examples" in (root.findtext(f"{SVG}desc") or "")
    assert len(list(root.iter(f"{SVG}circle"))) == 120
    assert {"above", "below"} <= {r.get("class") for r in root.iter(f"{SVG}rect")}


def test_a_run_leaves_boundary_and_surface(tmp_path: Path) -> None:
    said = run(Model.builtin("logistic"), Options(epochs=5, folder=str(tmp_path / "a")), lambda text: None)
    assert said.files["the decision boundary"].read_text().startswith("<svg")
    model = Model.parse(BOWL, "bowl")
    found = run(model, Options(epochs=20, lr=0.05, folder=str(tmp_path / "b")), lambda text: None)
    root = ET.fromstring(found.files["the path on the loss surface"].read_text())
    assert len([p for p in root.iter(f"{SVG}path") if p.get("class") == "level"]) == 12
    assert _walked(root) == 21
    assert surface_svg(model, ("u", "v"), [], lambda at: 0.0) is None


LINE = "x: input\ny: target\nw: parameter\nb: parameter\np: output = w*x + b\nL: loss = (p - y)**2/2"


def test_a_model_of_data_has_its_surface_too(tmp_path: Path) -> None:
    rows = "\n".join(f"{k / 10},{3 * k / 10 - 1}" for k in range(20))
    (tmp_path / "line.csv").write_text(f"x,y\n{rows}\n")
    data = {"data": str(tmp_path / "line.csv"), "target": "y", "standardise": False}
    found = run(Model.parse(LINE, "line"), Options(**data, epochs=30, lr=0.3, folder=str(tmp_path / "a")), lambda t: None)
    root = ET.fromstring(found.files["the path on the loss surface"].read_text())
    assert _walked(root) == 31
    alone = LINE.replace("b: parameter\n", "").replace(" + b", "")
    found = run(Model.parse(alone, "ray"), Options(**data, epochs=5, folder=str(tmp_path / "b")), lambda text: None)
    assert found.files["the path on the loss curve"].read_text().startswith("<svg")


def _walked(root: ET.Element) -> int:
    """The points of the path; of those that would cover each other only some are marked."""
    path = next(line for line in root.iter(f"{SVG}polyline") if "second" in (line.get("class") or ""))
    points = (path.get("points") or "").split()
    marked = {f"{dot.get('cx')},{dot.get('cy')}" for dot in root.iter(f"{SVG}circle")}
    assert marked <= set(points) and points[-1] in marked and len(marked) > 5
    return len(points)
