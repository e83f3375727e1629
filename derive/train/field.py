"""A quantity over a plane as SVG: shaded where it is above a level, with level curves, points and paths upon it.

In: values on a grid, `values[i, j]` at (xs[j], ys[i]).  Out: the text of an SVG file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from derive.train.chart import Axis, Point, Series, across, chart, up

Grid = npt.NDArray[np.float64]
Segment = tuple[Point, Point]


def field_svg(
    title: str,
    description: str,
    axes: tuple[Axis, Axis],
    grid: tuple[Grid, Grid, Grid],
    levels: Sequence[float],
    series: Sequence[Series],
    shade: float | None = None,
) -> str:
    """The level curves of `grid` (xs, ys, values) beneath the series; cells above and below `shade` in two colours."""
    x_axis, y_axis = axes
    under = list(_cells(x_axis, y_axis, grid, shade)) if shade is not None else []
    under += [_curve(x_axis, y_axis, list(level_curve(*grid, level)), level) for level in levels]
    return chart(title, description, x_axis, y_axis, series, under)


def level_curve(xs: Grid, ys: Grid, values: Grid, level: float) -> Iterator[Segment]:
    """The straight pieces of the curve values = level, found cell by cell (marching squares), linear along the edges.

    >>> xs = ys = np.array([0.0, 1.0])
    >>> list(level_curve(xs, ys, np.array([[0.0, 1.0], [0.0, 1.0]]), 0.25))
    [((0.25, 0.0), (0.25, 1.0))]
    """
    for i in range(len(ys) - 1):
        for j in range(len(xs) - 1):
            corners = [(xs[j], ys[i]), (xs[j + 1], ys[i]), (xs[j + 1], ys[i + 1]), (xs[j], ys[i + 1])]
            heights = [values[i, j], values[i, j + 1], values[i + 1, j + 1], values[i + 1, j]]
            if not np.isfinite(heights).all():
                continue
            crossed = []
            for k in range(4):
                (a, b), (p, q) = (heights[k], heights[k - 3]), (corners[k], corners[k - 3])
                if (a > level) != (b > level):
                    t = (level - a) / (b - a)
                    crossed.append((float(p[0] + t * (q[0] - p[0])), float(p[1] + t * (q[1] - p[1]))))
            yield from zip(crossed[::2], crossed[1::2], strict=True)


def _cells(x_axis: Axis, y_axis: Axis, grid: tuple[Grid, Grid, Grid], shade: float) -> Iterator[str]:
    """Runs of cells on one side of the level, row by row, each as one rectangle; judged in the middle of a cell."""
    xs, ys, values = grid
    middle = (values[:-1, :-1] + values[1:, :-1] + values[:-1, 1:] + values[1:, 1:]) / 4
    for i, row in enumerate(middle > shade):
        bottom, top = up(y_axis, float(ys[i])), up(y_axis, float(ys[i + 1]))
        starts = [0, *(np.flatnonzero(row[1:] != row[:-1]) + 1).tolist(), len(row)]
        for start, end in pairwise(starts):
            left, right = across(x_axis, float(xs[start])), across(x_axis, float(xs[end]))
            style = "above" if row[start] else "below"
            yield f'<rect class="{style}" x="{left}" y="{top}" width="{right - left:.2f}" height="{bottom - top:.2f}"/>'


def _curve(x_axis: Axis, y_axis: Axis, segments: Sequence[Segment], level: float) -> str:
    moves = (
        f"M{across(x_axis, a[0])} {up(y_axis, a[1])}L{across(x_axis, b[0])} {up(y_axis, b[1])}" for a, b in segments
    )
    return f'<path class="level" d="{"".join(moves)}"><title>{level:.4g}</title></path>'
