"""``derive models`` and ``derive show``: what there is, and a model as text that can be saved and changed."""

from __future__ import annotations

import click

from derive.commands.options import force_option, model_argument, output_option
from derive.commands.output import check_writable, write
from derive.commands.source import read_model


@click.command()
def models() -> None:
    """List the built-in models."""
    from derive.parse.files import builtin_model, builtin_names

    names = builtin_names()
    width = max(map(len, names))
    for name in names:
        click.echo(f"{name:<{width}}  {builtin_model(name).title}")


@click.command()
@model_argument
@output_option("Where to write it; standard output if not given.")
@force_option
def show(model: str | None, text: str | None, output: str | None, force: bool) -> None:
    """Print MODEL as text that can be saved and changed."""
    check_writable(output, force)
    write(read_model(model, text).text, output, force)
