"""MODEL on the command line: a built-in name, a file, standard input, or ``-e "text"``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from derive.errors import DeriveError, did_you_mean, printable

if TYPE_CHECKING:
    from derive.model import Model


def read_model(model: str | None, text: str | None) -> Model:
    """The model that was named or written; its warnings go to standard error."""
    if (model is None) == (text is None):
        said = "Give a model or -e, not both" if model is not None else "Which model"
        raise click.UsageError(f"{said}: a built-in name, a .model file, - for standard input, or -e TEXT.")
    found = _written(text) if text is not None else _named(str(model))
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)
    return found if text is None else _with_declarations(found)


def _written(text: str) -> Model:
    from derive.model import Model

    lines = text if "\n" in text else "\n".join(line.strip() for line in text.split(";"))
    return Model.parse(lines, implicit=True)


def _with_declarations(model: Model) -> Model:
    """The same model from a text that says all that was left unsaid, and can be saved and read without ``-e``."""
    from derive.model import Model
    from derive.parse.statements import read_statements

    said = read_statements(model.text)
    lines = model.text.split("\n")
    loss = said.definitions[model.loss]
    if loss.role != "loss" and loss.place is not None:
        row = loss.place.line - 1
        lines[row] = f"{model.loss}: loss = {lines[row].partition('=')[2].strip()}"
    unsaid = [f"{name}: parameter" for name in model.variables if name not in said.declarations]
    return Model.parse("\n".join([*unsaid, *([""] if unsaid else []), *lines]) + "\n")


def _named(name: str) -> Model:
    from derive.parse import limits
    from derive.parse.files import builtin_model, builtin_names, decode, read_text
    from derive.parse.model import parse_model

    if name == "-":
        data = sys.stdin.buffer.read(4 * limits.TEXT + 1)
        if len(data) > 4 * limits.TEXT:
            raise DeriveError("the text is too large for a model")
        return parse_model(decode(data, "standard input"), "model")
    if name in builtin_names():
        return builtin_model(name)
    if not _is_path(name):
        hint = did_you_mean(name, builtin_names()) or "`derive models` lists them; files end in .model"
        raise DeriveError(f"there is no model '{printable(name)}'", hint=hint)
    return parse_model(read_text(name), printable(Path(name).name))


def _is_path(name: str) -> bool:
    return name.endswith(".model") or "/" in name or os.sep in name or os.path.lexists(name)
