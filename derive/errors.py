"""The one error type of derive, and how an error shows the user's line.

Every mistake a user can make (in a model, a data file or an option) becomes a `DeriveError`: one sentence,
the place in the user's own text if there is one, and a hint if there is a likely way out.  ``str(error)`` is
what the command line prints::

    logistic.model:5: there is no name 'sigmod'
        a = sigmod(z)
            ^^^^^^
    hint: did you mean 'sigmoid'?
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of the user's text: line and column count from 1, `width` is in characters."""

    line: int
    column: int
    width: int = 1


class DeriveError(Exception):
    """A mistake in what the user gave, or something that derive refuses to do."""

    def __init__(self, message: str, place: Place | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.hint = hint
        self.text: str | None = None
        self.source: str | None = None

    @property
    def line(self) -> int | None:
        return self.place.line if self.place else None

    @property
    def column(self) -> int | None:
        return self.place.column if self.place else None

    def within(self, text: str, source: str | None = None) -> DeriveError:
        """The same error, knowing the text it speaks of (the innermost text wins)."""
        if self.text is None:
            self.text, self.source = text, source
        return self

    def __str__(self) -> str:
        head = self.message
        if self.place is not None:
            where = f"line {self.place.line}" if self.source is None else f"{self.source}:{self.place.line}"
            head = f"{where}: {self.message}"
        lines = [head, *self._excerpt()]
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)

    def _excerpt(self) -> list[str]:
        if self.place is None or self.text is None:
            return []
        lines = self.text.split("\n")
        if not 1 <= self.place.line <= len(lines):
            return []
        line = lines[self.place.line - 1].rstrip("\r")
        start = min(self.place.column - 1, len(line))
        width = max(1, min(self.place.width, len(line) - start))
        window = 100  # a very long line is shown around the place only
        first = max(0, start - window // 2) if len(line) > window else 0
        shown = "".join(c if c.isprintable() else " " for c in line[first : first + window])
        return [f"    {shown}", "    " + " " * (start - first) + "^" * min(width, window - (start - first))]


def printable(text: object) -> str:
    """A name as a message shows it: on one line, without what would steer a terminal, never longer than is useful.

    >>> printable("a\\nb")
    'a?b'
    """
    shown = "".join(c if c.isprintable() else "?" for c in str(text))
    return shown if len(shown) <= 200 else f"{shown[:197]}..."


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint that names the closest known word, if one is close.

    >>> did_you_mean("sigmod", ["sigmoid", "tanh"])
    "did you mean 'sigmoid'?"
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.7)
    return f"did you mean '{close[0]}'?" if close else None
