"""What a person sees in a terminal: colours by rich there alone, and one step at the press of a key.

Into a pipe or a file text goes as it is.  NO_COLOR is honoured.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.text import Text

WIDTH = 96  # columns in a pipe or a file
RULE = re.compile(r"[═─╌]+")  # the line under a heading
FRAME = re.compile(r"[┌└│]")
NOTE = re.compile(r"(?<=\S)\s{2,}(?=[^\s=≈])[^=]*$")  # the rule that gave a line, in its own column


def columns(output: str | None = None) -> int:
    """How wide a text may be: as the terminal is, within reason; in a pipe or a file always the same."""
    if output not in (None, "-") or not sys.stdout.isatty():
        return WIDTH
    return min(max(60, shutil.get_terminal_size((WIDTH, 24)).columns), 120)


def show(text: str) -> None:
    """Prints a text, with colours on a terminal."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        click.echo(text.rstrip("\n"))
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in coloured(text):
        console.print(line)


def coloured(text: str) -> Iterator[Text]:
    """The lines of a text: headings bold, rules dim, results in a colour."""
    from rich.text import Text

    lines = text.rstrip("\n").split("\n")
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        styled = Text(line)
        if line and RULE.fullmatch(below.strip() or " "):
            styled.stylize("bold")
        elif RULE.fullmatch(line.strip() or " "):
            styled.stylize("dim")
        elif FRAME.match(line):
            styled.stylize("green")
        elif (note := NOTE.search(line)) is not None:
            styled.stylize("cyan", note.start())
        yield styled


def step_by_step(text: str, prompt: str) -> None:
    """Prints a text one step at the press of a key; q ends it.  Without a person at both ends everything is printed."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        show(text)
        return
    pieces = steps(text)
    for k, piece in enumerate(pieces):
        show(piece)
        if k + 1 == len(pieces):
            return
        click.echo(f"{prompt}\r", nl=False)
        key = click.getchar()
        click.echo(" " * len(prompt) + "\r", nl=False)
        if key in ("q", "Q", "\x1b", "\x04"):
            return


def steps(text: str) -> list[str]:
    r"""A text in the pieces that are shown one by one: each line of a derivation, with the heading above it.

    >>> steps("1  Title\n────────\n\na = b\n  = c\n\nwords that\ngo on\n")
    ['1  Title\n────────\n\na = b\n', '  = c\n', '\nwords that\ngo on\n']
    """
    found: list[str] = []
    piece = ""
    lines = text.rstrip("\n").split("\n")
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        piece += line + "\n"
        framed = FRAME.match(line) is not None and FRAME.match(below) is not None
        goes_on = below.startswith("  ") and " = " not in below
        formula = " = " in piece and not goes_on
        prose_ends = bool(line.strip()) and not below.strip() and RULE.fullmatch(line.strip()) is None
        if (formula or prose_ends) and not framed:
            found.append(piece)
            piece = ""
    return [*found, piece] if piece else found
