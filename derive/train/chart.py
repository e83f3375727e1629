"""A small line chart as SVG: axes with round ticks, light and dark.

In: series of points, labels.  Out: the text of one SVG file, without scripts, fonts or anything from outside.
Invariant: every text is escaped, every coordinate is finite.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 104, 28, 52, 60  # margins around the plot

STYLE = """\
  svg { color-scheme: light dark; --ink: #1d2433; --soft: #5b6577; --grid: #e3e7ee; --paper: #ffffff;
        --first: #2563c9; --second: #d0481f; }
  @media (prefers-color-scheme: dark) {
    svg { --ink: #e8ebf2; --soft: #a3adbf; --grid: #2d3442; --paper: #14181f;
          --first: #7aaefc; --second: #ff9466; }
  }
  text { font: 13px system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; fill: var(--soft); }
  .title { font-weight: 600; fill: var(--ink); }
  .paper { fill: var(--paper); }
  .grid { stroke: var(--grid); }
  .axis { stroke: var(--soft); }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
  .first { stroke: var(--first); }
  .second { stroke: var(--second); stroke-width: 1; }
  .dot { fill: var(--second); stroke: var(--paper); stroke-width: 1; }
  .above { fill: var(--second); opacity: 0.16; }
  .below { fill: var(--first); opacity: 0.16; }
  .level { fill: none; stroke: var(--soft); stroke-width: 1.2; }
  .dot.first { fill: var(--first); }
  .middle { text-anchor: middle; }
  .end { text-anchor: end; }"""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: its ticks, and where a value lies between 0 (its lower end) and 1."""

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def place(self, value: float) -> float:
        if self.log:
            return math.log10(value / self.low) / math.log10(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Series:
    """Points joined by a line, or (`dots`) marked one by one; `style` is "first" or "second"."""

    points: Sequence[Point]
    style: str = "first"
    line: bool = True
    dots: bool = False


def linear_axis(label: str, low: float, high: float, margin: float = 0.0) -> Axis:
    """An axis that covers low … high with ticks at multiples of 1, 2 or 5 times a power of ten.

    >>> linear_axis("x", 0, 10).ticks
    (0.0, 2.0, 4.0, 6.0, 8.0, 10.0)
    """
    # Values that hardly differ are drawn as such: their tick labels would not fit.
    least = 1e-3 * max(abs(low), abs(high)) or 1.0
    if high - low < least:
        low, high = (low + high - least) / 2, (low + high + least) / 2
    else:
        low, high = low - margin * (high - low), high + margin * (high - low)
    step = _round_step((high - low) / 5)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Axis(label, low, high, tuple(place * step for place in range(first, last + 1)))


def log_axis(label: str, low: float, high: float) -> Axis:
    """An axis from one power of ten to another, with a tick at each, or at every few if there are many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, math.ceil((last - first) / 8))
    ticks = tuple(10.0**power for power in range(first, last + 1, every))
    return Axis(label, 10.0**first, 10.0**last, ticks, log=True)


def chart(
    title: str, description: str, x_axis: Axis, y_axis: Axis, series: Sequence[Series], under: Sequence[str] = ()
) -> str:
    """The SVG file; `under` are finished elements beneath the series."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{_clean(title)}</title>",
        f"<desc>{_clean(description)}</desc>",
        f"<style>\n{STYLE}\n</style>",
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
        _title(title),
        *_draw_x_axis(x_axis),
        *_draw_y_axis(y_axis),
        *under,
    ]
    for each in series:
        parts += _draw(each, x_axis, y_axis)
    return "\n".join([*parts, "</svg>", ""])


def _draw_x_axis(axis: Axis) -> list[str]:
    bottom = HEIGHT - BOTTOM
    parts = []
    for tick, text in zip(axis.ticks, _tick_labels(axis), strict=True):
        x = across(axis, tick)
        parts.append(f'<line class="grid" x1="{x}" y1="{TOP}" x2="{x}" y2="{bottom}"/>')
        parts.append(f'<text class="middle" x="{x}" y="{bottom + 20}">{text}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" y1="{bottom}" x2="{WIDTH - RIGHT}" y2="{bottom}"/>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    return [*parts, f'<text class="middle" x="{middle:g}" y="{HEIGHT - 16}">{_clean(axis.label)}</text>']


def _draw_y_axis(axis: Axis) -> list[str]:
    parts = []
    for tick, text in zip(axis.ticks, _tick_labels(axis), strict=True):
        y = up(axis, tick)
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}"/>')
        parts.append(f'<text class="end" x="{LEFT - 10}" y="{y}" dy="0.35em">{text}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" y1="{TOP}" x2="{LEFT}" y2="{HEIGHT - BOTTOM}"/>')
    turn = f"translate(16 {(TOP + HEIGHT - BOTTOM) / 2:g}) rotate(-90)"
    return [*parts, f'<text class="middle" transform="{turn}">{_clean(axis.label)}</text>']


def _draw(series: Series, x_axis: Axis, y_axis: Axis) -> list[str]:
    places = [(across(x_axis, x), up(y_axis, y)) for x, y in series.points]
    parts = []
    if series.line and len(places) > 1:
        path = " ".join(f"{x},{y}" for x, y in places)
        parts.append(f'<polyline class="line {series.style}" points="{path}"/>')
    if series.dots or len(places) == 1:
        marked = _apart(places) if series.line else places
        parts += [f'<circle class="dot {series.style}" cx="{x}" cy="{y}" r="4"/>' for x, y in marked]
    return parts


def _apart(places: Sequence[Point]) -> list[Point]:
    """Of points that would cover each other along a line only some, and the last."""
    found: list[Point] = []
    for place in places[:-1]:
        if not found or math.dist(place, found[-1]) >= 6:
            found.append(place)
    while found and math.dist(places[-1], found[-1]) < 6:
        found.pop()
    return [*found, *places[-1:]]


def across(axis: Axis, value: float) -> float:
    """Where a value of the horizontal axis lies, in pixels."""
    return round(LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT), 2)


def up(axis: Axis, value: float) -> float:
    """Where a value of the vertical axis lies, in pixels."""
    return round(HEIGHT - BOTTOM - axis.place(value) * (HEIGHT - TOP - BOTTOM), 2)


def _round_step(rough: float) -> float:
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def _tick_labels(axis: Axis) -> list[str]:
    if axis.log:
        powers = [round(math.log10(tick)) for tick in axis.ticks]
        plain = all(-3 <= power <= 3 for power in powers)
        return [f"{10.0**power:g}" if plain else _power_label(power) for power in powers]
    spell = _spelling(axis.ticks)
    return [spell(tick).replace("-", "−") for tick in axis.ticks]


def _power_label(power: int) -> str:
    return f'10<tspan dy="-5" font-size="10">{str(power).replace("-", "−")}</tspan>'


def _spelling(ticks: Sequence[float]) -> Callable[[float], str]:
    """One spelling for all ticks: as many decimals as tell neighbours apart."""
    largest = max((abs(tick) for tick in ticks), default=0.0)
    step = min((b - a for a, b in pairwise(ticks)), default=largest or 1.0)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if digits > 5 or largest >= 1e6:
        precision = max(0, min(15, math.ceil(math.log10(max(largest, step) / step) - 1e-9)))
        return lambda tick: "0" if tick == 0 else re.sub(r"e\+?(-?)0*", r"e\1", f"{tick:.{precision}e}")
    return lambda tick: f"{tick:.{digits}f}"


def _shortened(text: str, most: int = 88) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _title(title: str) -> str:
    size = f"font-size: {_title_size(title):g}px"
    return f'<text class="title" style="{size}" x="{LEFT}" y="30">{_clean(_shortened(title))}</text>'


def _title_size(title: str) -> float:
    """Smaller for a long title, so that it ends within the picture; a letter is about 0.58 of its size wide.

    >>> _title_size("Loss"), _title_size("x" * 80)
    (16, 12.6)
    """
    return min(16, max(11, round((WIDTH - LEFT - 8) / (0.58 * len(_shortened(title) or "x")) * 0.96, 1)))


def _clean(text: str) -> str:
    """The text as XML character data: control characters, which XML forbids, become spaces."""
    return escape("".join(c if c.isprintable() else " " for c in text))
