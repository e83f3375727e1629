"""The decision boundary of a classifier with two features: where its output passes one half, and the data around it.

In: the model, its data and what it predicts.  Out: the text of an SVG file, or None where there is no such plane.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from derive.model import Model
from derive.parse.numbers import number_value
from derive.train.chart import Series, linear_axis
from derive.train.field import field_svg
from derive.train.outcome import output_kind

CELLS = 96  # of the grid, in each direction
MOST_POINTS = 400
HALF = 0.5

Predict = Callable[[Mapping[str, Any]], Mapping[str, npt.NDArray[np.float64]]]


def has_boundary(model: Model) -> bool:
    """Whether it decides between two classes by two features: two scalar inputs, or one vector of two entries."""
    inputs = model.of_role("input")
    shapes = [model.entry_shape(v) for v in inputs]
    plane = shapes == [(), ()] or (len(shapes) == 1 and len(shapes[0]) == 1 and number_value(shapes[0][0]) == 2)
    data = all(v.kind is None for v in inputs) and not model.of_role("noise") and model.examples is None
    return plane and data and output_kind(model) == "binary" and len(model.of_role("target")) == 1


def boundary_svg(model: Model, arrays: Mapping[str, Any], predict: Predict) -> str | None:
    """The plane of the two features as the model sees them (scaled, where the inputs are)."""
    if not has_boundary(model) or not arrays:
        return None
    points, labels = _points(model, arrays)
    target = np.asarray(arrays[model.of_role("target")[0].name], dtype=float).ravel() > HALF
    axes = [linear_axis(n, float(c.min()), float(c.max()), margin=0.05) for n, c in zip(labels, points.T, strict=True)]
    xs, ys = (np.linspace(axis.low, axis.high, CELLS + 1) for axis in axes)
    output = _output(model, np.stack([*map(np.ravel, np.meshgrid(xs, ys))], axis=1), predict)
    at_points = _output(model, points, predict)
    if not np.isfinite(output).all() or len(at_points) != len(target):
        return None
    right = float(np.mean((at_points > HALF) == target))
    told = f"The curve where {model.outputs[0]} = 0.5; {right:.1%} of the examples lie on the side of their class."
    some, classes = points[:MOST_POINTS], target[:MOST_POINTS]
    series = [_dots(some[~classes], "first"), _dots(some[classes], "second")]
    grid = (xs, ys, output.reshape(len(ys), len(xs)))
    title = f"Decision boundary: {model.title or model.name}"
    return field_svg(title, told, (axes[0], axes[1]), grid, [HALF], series, HALF)


def _points(model: Model, arrays: Mapping[str, Any]) -> tuple[npt.NDArray[np.float64], list[str]]:
    """The examples as rows of two features, and what these are called."""
    names = [v.name for v in model.of_role("input")]
    if len(names) == 1:
        return np.asarray(arrays[names[0]], dtype=float), [f"{names[0]}[0]", f"{names[0]}[1]"]
    return np.column_stack([np.asarray(arrays[n], dtype=float) for n in names]), names


def _output(model: Model, rows: npt.NDArray[np.float64], predict: Predict) -> npt.NDArray[np.float64]:
    """The first output at each row of two features."""
    names = [v.name for v in model.of_role("input")]
    given = {names[0]: rows} if len(names) == 1 else {names[0]: rows[:, 0], names[1]: rows[:, 1]}
    return np.asarray(predict(given)[model.outputs[0]], dtype=float).ravel()


def _dots(points: npt.NDArray[np.float64], style: str) -> Series:
    return Series([(float(x), float(y)) for x, y in points], style, line=False, dots=True)
