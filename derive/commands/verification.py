"""``derive verify``: a derivation that someone wrote, judged line by line."""

from __future__ import annotations

import json
import sys

import click

from derive.commands.options import Choice
from derive.commands.root import FAILED
from derive.errors import DeriveError, printable


@click.command(short_help="Judge a derivation that someone wrote, line by line.")
@click.argument("file", metavar="FILE")
@click.option("--format", "form", type=Choice(["text", "json"]), default="text", show_default=True)
@click.option("--lang", "language", type=Choice(["en", "es"]), default="en", show_default=True)
def verify(file: str, form: str, language: str) -> None:
    """Judge the derivation in FILE (- for standard input), line by line.

    FILE has a model, or `model: NAME` of a built-in one, and below it lines such as

    \b
        dL/dz = (-y/a + (1 - y)/(1 - a))*a*(1 - a)
              = a - y

    Each is held against the true derivative and against the line before; a wrong one is explained.
    Exit code 1 where a line is wrong or cannot be decided.
    """
    text, name = _text(file)
    from derive.verify.text import print_text, to_dict
    from derive.verify.verify import verify as judge

    checked = judge(text, name)
    if form == "json":
        click.echo(json.dumps(to_dict(checked), indent=2, ensure_ascii=False))
    else:
        click.echo(print_text(checked, language), nl=False)
    if not checked.right:
        sys.exit(FAILED)


def _text(file: str) -> tuple[str, str]:
    from derive.parse import limits
    from derive.parse.files import decode, read_text

    if file != "-":
        return read_text(file), printable(file)
    data = sys.stdin.buffer.read(4 * limits.TEXT + 1)
    if len(data) > 4 * limits.TEXT:
        raise DeriveError("the text is too large for a derivation")
    return decode(data, "standard input"), "standard input"
