r"""Where a long formula may be broken.

In: LaTeX from our own printer.  Out: its pieces in order, each with the depth at which it was cut: 0 at
relations and at sums outside all parentheses, more inside plain parentheses, more again before a factor, with a sign
or in brackets.
Invariant: joined with nothing between, the pieces are the formula; none is cut inside a group, an
environment or `\left … \right`, so each piece is a formula of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"(?<=begin)\{[a-z]+\}|(?<=end)\{[a-z]+\}|\\[A-Za-z]+\*?|\\.|\s+|.", re.DOTALL)

RELATION = {"=", "<", ">", r"\leq", r"\geq", r"\neq", r"\approx", r"\leftarrow", r"\in", r"\sim", r"\propto"}
SUM = {"+", "-", r"\pm"}
PRODUCT = {r"\cdot", r"\times", r"\odot", r"\,"}
_OPEN, _CLOSE = {"{", r"\left", r"\begin"}, {"}", r"\right", r"\end"}
_LEFT, _RIGHT = {"(", "[", r"\bigl", r"\Bigl", r"\{"}, {")", "]", r"\}"}
OPENING = ("(", "[", r"\left")  # after a bracket and a blank: another factor


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a formula; `depth` says how bad it is to begin a line with it (0: good)."""

    latex: str
    depth: int = 0

    @property
    def unsigned(self) -> bool:
        """A factor without a sign before it, which needs a dot where a line begins with it."""
        return self.depth > 0 and self.latex.startswith(OPENING)


def tokens_of(latex: str) -> list[str]:
    """The formula as TeX reads it: commands, signs, and stretches of white space; the names of environments whole."""
    return _TOKEN.findall(latex)


def pieces(latex: str) -> tuple[Piece, ...]:
    r"""The formula cut wherever a line may begin.

    >>> [p.latex for p in pieces(r"w_{1} x_{1} + \frac{a+b}{2} - (c + d)")]
    ['w_{1} x_{1} ', '+ \\frac{a+b}{2} ', '- (c ', '+ d)']
    """
    found: list[Piece] = []
    current, depth = "", 0
    for token, cut in _cuts(_TOKEN.findall(latex)):
        if cut is not None and current.strip():
            found.append(Piece(current, depth))
            current, depth = "", cut
        current += token
    return (*found, Piece(current, depth))


def _cuts(tokens: list[str]) -> list[tuple[str, int | None]]:
    """Each token, and the depth of a cut before it, or None where there may be none."""
    cuts: list[tuple[str, int | None]] = []
    group = parenthesis = 0
    before = last = ""  # `before`: the last token that is not white space
    opened = False  # `before` is a script sign or a command that takes what follows as its argument
    for token in tokens:
        cut = None
        if not group and not opened and before and before not in SUM | RELATION | PRODUCT | _LEFT:
            cut = _badness(token, parenthesis)
            if before == ")" and last == " " and token in OPENING:
                cut = 2 * parenthesis + 1
        cuts.append((token, cut))
        group += (token in _OPEN) - (token in _CLOSE)
        if not group and before != r"\right":
            parenthesis = max(0, parenthesis + (token in _LEFT) - (token in _RIGHT))
        if token.strip():
            opened = token in {"^", "_", r"\left", r"\right", r"\bigl", r"\bigr", r"\Bigl", r"\Bigr"}
            before = token
        last = token
    return cuts


def _badness(token: str, parenthesis: int) -> int | None:
    if token in RELATION | SUM:
        return 2 * parenthesis
    return 2 * parenthesis + 1 if token in PRODUCT else None
