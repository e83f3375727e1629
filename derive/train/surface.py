"""The loss over two parameters as level curves, and on them the path that training took.

In: a model that has two scalar parameters, and their values from step to step or epoch to epoch.  Out: an SVG file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from derive.model import Model
from derive.train.chart import Series, linear_axis
from derive.train.field import field_svg

CELLS, LEVELS = 80, 12


def surface_svg(
    model: Model,
    names: tuple[str, str],
    path: Sequence[Mapping[str, Any]],
    loss: Callable[[dict[str, Any]], float],
) -> str | None:
    """The picture; None where the loss is nowhere finite around the path."""
    walked = [tuple(float(params[name]) for name in names) for params in path]
    walked = [point for point in walked if np.isfinite(point).all()]
    if not walked:
        return None
    axes = []
    for name, along in zip(names, np.array(walked).T, strict=True):
        around = max(float(np.ptp(along)), 1e-3 * float(np.max(np.abs(along))), 1e-9)
        axes.append(linear_axis(name, float(along.min()) - 0.4 * around, float(along.max()) + 0.4 * around))
    xs, ys = (np.linspace(axis.low, axis.high, CELLS + 1) for axis in axes)
    values = np.array([[loss({names[0]: x, names[1]: y}) for x in xs] for y in ys])
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    # levels as far apart as equal shares of the plane, closer where the loss is flat
    levels = np.unique(np.quantile(finite, np.linspace(0.02, 0.95, LEVELS)))
    start, end = (f"({x:.4g}, {y:.4g})" for x, y in (walked[0], walked[-1]))
    told = f"Level curves of {model.loss}; the path leads from {start} to {end}."
    series = [Series([(x, y) for x, y in walked], style="second", dots=True)]
    return field_svg(model.title or model.name, told, (axes[0], axes[1]), (xs, ys, values), levels.tolist(), series)
