"""Where results go: standard output, or a file that is not overwritten unless that was asked for."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import click

from derive.errors import DeriveError, did_you_mean, printable


def kind_of(output: str, endings: Sequence[str]) -> str:
    """The output's ending, which says what is written: one of `endings`.

    >>> kind_of("report.HTML", ["tex", "html"])
    'html'
    """
    ending = Path(output).suffix.lower().removeprefix(".")
    if ending in endings:
        return ending
    known = " or ".join(filter(None, [", ".join(f".{each}" for each in endings[:-1]), f".{endings[-1]}"]))
    said = f"ends in .{ending}" if ending else "has no ending"
    hint = did_you_mean(ending, endings) or "the ending says what is written"
    raise DeriveError(f"the output '{printable(output)}' {said}; it must be {known}", hint=hint)


def check_writable(output: str | None, force: bool) -> None:
    """Raises unless the output may be written: asked before the work, not after it."""
    if output in (None, "-"):
        return
    path = Path(str(output))
    shown = printable(path)
    try:
        if path.is_dir():
            raise DeriveError(f"the output '{shown}' is a folder", hint="give the name of a file in it")
        if not path.parent.is_dir():
            raise DeriveError(f"there is no folder '{printable(path.parent)}'")
        if os.path.lexists(path) and not force and not _is_device(path):
            raise DeriveError(f"'{shown}' is there already", hint="--force overwrites it")
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error) from None


def write(content: str | bytes, output: str | None, force: bool = False) -> None:
    """Writes a result; a file's name goes to standard error."""
    if output is None or output == "-":
        click.echo(content, nl=isinstance(content, str) and not content.endswith("\n"))
        return
    from derive.train.folder import replace_file

    check_writable(output, force)
    path = Path(output)
    raw = content.encode("utf-8") if isinstance(content, str) else content
    try:
        if _is_device(path):
            path.write_bytes(raw)
        else:
            replace_file(path, raw)
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error) from None
    click.echo(f"wrote {printable(path)}", err=True)


def present(text: str, output: str | None, force: bool = False) -> None:
    """Writes a text for people: on a terminal in colour."""
    if output is None or output == "-":
        from derive.commands.terminal import show

        show(text)
    else:
        write(text, output, force)


def _cannot_write(path: Path, error: Exception) -> DeriveError:
    return DeriveError(f"'{printable(path)}' cannot be written: {getattr(error, 'strerror', None) or error}")


def _is_device(path: Path) -> bool:
    """Whether the path is a terminal, a pipe or the like: written into, never replaced."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
