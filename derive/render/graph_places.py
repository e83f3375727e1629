"""Where on its edge a label stands: upon no node and no other label, and with few lines through it.

In: the curves of the edges in the gaps between the layers, and the boxes that are taken, all with the edges running to
the right.  Out: a point on a curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
Box: TypeAlias = tuple[float, float, float, float]  # centre, width and height
Curve: TypeAlias = tuple[Point, Point]  # the ends of a cubic that leaves and arrives horizontally

# Nearer to the source first, where edges into one target are still apart.
_ALONG = (0.4, 0.3, 0.5, 0.2, 0.6, 0.1, 0.7, 0.0, 0.35, 0.45, 0.25, 0.15, 0.55, 0.65, 0.05, 0.75)


def place(own: Curve, size: Point, parted: bool, others: Sequence[Curve], taken: Sequence[Box]) -> Point | None:
    """The centre of a label of that size that overlaps nothing, or None; of several the first with the fewest lines.

    `parted`: the label is written above and below its own line, else upon it.
    """
    free = [box for t in _ALONG if not any(overlap(box := (*on_curve(own, t), *size), other) for other in taken)]
    if not free:
        return None
    return min(free, key=lambda box: _struck(box, own, parted) + sum(_meets(curve, box) for curve in others))[:2]


def _struck(box: Box, own: Curve, parted: bool) -> int:
    x, y, width, height = box
    quarter = height / 4
    return sum(_meets(own, (x, y + side, width, quarter)) for side in (-quarter, quarter)) if parted else 0


def on_curve(curve: Curve, t: float) -> Point:
    """The cubic whose ends are horizontal and whose control points lie halfway."""
    (x, y), (to_x, to_y) = curve
    return (
        round(x + (1.5 * t * (1 - t) + t**3) * (to_x - x), 2),
        round(y + t * t * (3 - 2 * t) * (to_y - y), 2),
    )


def _meets(curve: Curve, box: Box) -> bool:
    """Whether the curve, which rises or falls all the way, goes through the box."""
    x, y, width, height = box
    (left, start), (right, end) = curve
    first, last = max(left, x - width / 2), min(right, x + width / 2)
    if first >= last or min(start, end) >= y + height / 2 or max(start, end) <= y - height / 2:
        return False
    low, high = sorted(_height(curve, at) for at in (first, last))
    return low < y + height / 2 and high > y - height / 2


def _height(curve: Curve, x: float) -> float:
    """The y of the curve at an x; u = 1.5 t (1 - t) + t³ is inverted by Newton's method."""
    (left, start), (right, end) = curve
    u = (x - left) / (right - left)
    t = u
    for _ in range(3):
        t -= (1.5 * t * (1 - t) + t**3 - u) / (1.5 - 3 * t + 3 * t * t)
    return start + t * t * (3 - 2 * t) * (end - start)


def overlap(one: Box, other: Box) -> bool:
    return abs(one[0] - other[0]) < (one[2] + other[2]) / 2 and abs(one[1] - other[1]) < (one[3] + other[3]) / 2
