"""The markup of a graph's labels, and how wide a label will be.

In: a plain string such as ``z^{[1]}_{2}``; nothing in it is trusted.  Out: its `Run`s, for a printer to set,
and an estimate of its width, for the layout.  Any string is a label: what is not markup is text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

FONT, SMALL_FONT = 16.0, 11.5
_LONGEST = 40
_NARROW, _WIDE = frozenset("ijlt f.,;:!|'()[]{}r"), frozenset("mw@%∂∑∏→≤≥…")


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of a label: how far it is raised, and how large it is, both in units of the label's size."""

    text: str
    rise: float
    size: float


def runs(label: str) -> tuple[Run, ...]:
    """The stretches of a label in which `^{…}` raises and `_{…}` lowers; a long label is cut short.

    >>> [(run.text, run.rise) for run in runs("z^{[1]}_{2}")]
    [('z', 0.0), ('[1]', 0.42), ('2', -0.22)]
    """
    found: list[Run] = []
    open_: list[tuple[float, float, str]] = [(0.0, 1.0, "")]  # rise, size, what the closing brace prints
    left = _LONGEST
    for token in re.findall(r"[\^_]\{|[{}]|[^{}^_]+|.", label[: 8 * _LONGEST], re.DOTALL):
        rise, size, closing = open_[-1]
        text = token
        if token in ("^{", "_{") and len(open_) < 4:
            open_.append((rise + size * (0.42 if token == "^{" else -0.22), size * 0.7, ""))
            text = ""
        elif token.endswith("{"):
            open_.append((rise, size, "}"))
        elif token == "}" and len(open_) > 1:
            open_.pop()
            text = closing
        if len(text) > left:
            return (*found, Run(text[:left] + "…", rise, size))
        if text:
            found.append(Run(text, rise, size))
            left -= len(text)
    return tuple(found)


def label_width(label: str, font: float = FONT) -> float:
    """A generous estimate of a label's width in pixels (there is no font at hand to measure it with)."""
    return font * sum(run.size * sum(map(_em, run.text)) for run in runs(label))


def _em(char: str) -> float:
    if unicodedata.combining(char):
        return 0.0
    if unicodedata.east_asian_width(char) in "WF" or unicodedata.category(char) == "So":
        return 1.1
    return 0.38 if char in _NARROW else 0.92 if char in _WIDE or char.isupper() else 0.6
