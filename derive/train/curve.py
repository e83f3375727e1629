"""The pictures of a training run: the loss by epoch, and the path of a single parameter on its loss curve.

In: the history, or arrays of numbers.  Out: the text of an SVG file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from derive.train.chart import Axis, Point, Series, chart, linear_axis, log_axis

MOST_POINTS = 1000  # more than the picture has pixels to show
LARGEST = 1e300  # what is beyond it would overflow in the arithmetic of an axis


def loss_curve_svg(history: Sequence[Mapping[str, float]], title: str) -> str:
    """The loss by epoch; its axis is logarithmic where the loss spans more than two decades."""
    return history_curve_svg(history, "loss", title)


def history_curve_svg(history: Sequence[Mapping[str, float]], name: str, title: str) -> str:
    """A column of the history by epoch, and beside it the same of the validation part where there is one.

    `history` has "epoch" in each entry; a value that is not finite, or beyond 1e300, is left out.
    """
    first, second = (_finite_column(history, each) for each in (name, f"validation_{name}"))
    points = [*first, *second]
    if not points:
        return chart(title, "no epochs", linear_axis("epoch", 0, 1), linear_axis(name, 0, 1), [])
    epochs, values = zip(*points, strict=True)
    axis = _loss_axis(min(values), max(values)) if name == "loss" else _metric_axis(LABELS.get(name, name), values)
    series = [Series(_thinned(first))] if first else []
    if second:
        series.append(Series(_thinned(second), style="second"))
    shown = (first or second)[0][1], (first or second)[-1][1]
    told = f"The {name} goes from {shown[0]:.4g} to {shown[1]:.4g} in {int(max(epochs))} epochs"
    told += "; the second line is the validation part." if second else "."
    head = f"{title} (orange: validation)" if second else title
    return chart(head, told, _epoch_axis(min(epochs), max(epochs)), axis, series)


LABELS = {"r2": "R²"}


def _finite_column(history: Sequence[Mapping[str, float]], name: str) -> list[Point]:
    points = [(float(entry["epoch"]), float(entry[name])) for entry in history if name in entry]
    return [point for point in points if abs(point[1]) < LARGEST]  # False for NaN


def _metric_axis(label: str, values: Sequence[float]) -> Axis:
    """An accuracy or R² from below its lowest value, at most 1."""
    axis = linear_axis(label, min(values), max(values), margin=0.05)
    return axis if axis.high <= 1 or max(values) > 1 else linear_axis(label, min(axis.low, 0.99), 1)


def trajectory_svg(
    x: npt.ArrayLike,
    loss: npt.ArrayLike,
    path_x: npt.ArrayLike,
    path_loss: npt.ArrayLike,
    title: str,
    x_label: str = "x",
    y_label: str = "loss",
) -> str:
    """The loss as a curve over one parameter (`x`, `loss`), and on it the values training went through."""
    curve = _finite_points(x, loss)
    path = _finite_points(path_x, path_loss)
    every = [*curve, *path] or [(0.0, 0.0)]
    x_axis = linear_axis(x_label, min(p[0] for p in every), max(p[0] for p in every), margin=0.03)
    y_axis = linear_axis(y_label, min(p[1] for p in every), max(p[1] for p in every), margin=0.05)
    steps = f"{x_label} goes from {path[0][0]:.4g} to {path[-1][0]:.4g}." if path else "no steps"
    series = [Series(curve), Series(_thinned(path), style="second", dots=True)]
    return chart(title, steps, x_axis, y_axis, series)


def _epoch_axis(low: float, high: float) -> Axis:
    axis = linear_axis("epoch", low, high)
    whole = tuple(tick for tick in axis.ticks if tick == round(tick))
    return Axis(axis.label, axis.low, axis.high, whole)


def _loss_axis(low: float, high: float) -> Axis:
    if low > 1 / LARGEST and high / low > 100:
        return log_axis("loss (log scale)", low, high)
    # A loss is easiest to judge against 0, if 0 is not far below the curve.
    if 0 <= low < high / 2:
        low = 0.0
    return linear_axis("loss", low, high, margin=0.0 if low == 0 else 0.05)


def _finite_points(x: npt.ArrayLike, y: npt.ArrayLike) -> list[Point]:
    pairs = zip(np.ravel(x).tolist(), np.ravel(y).tolist(), strict=True)
    return [(float(a), float(b)) for a, b in pairs if abs(a) < LARGEST and abs(b) < LARGEST]


def _thinned(points: list[Point]) -> list[Point]:
    """At most `MOST_POINTS`: the ends, and of each stretch the lowest and the highest: no spike is lost."""
    if len(points) <= MOST_POINTS:
        return points
    stretch = math.ceil(2 * len(points) / (MOST_POINTS - 2))
    kept: list[Point] = [points[0]]
    for start in range(1, len(points) - 1, stretch):
        part = points[start : min(start + stretch, len(points) - 1)]
        kept += sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])})
    return [*kept, points[-1]]
