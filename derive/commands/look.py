"""``derive models`` and ``derive show``: what there is, and a model as text that can be saved and changed."""

from __future__ import annotations

import click

from derive.commands.options import force_option, model_argument, output_option
from derive.commands.output import check_writable, write
from derive.commands.source import read_model


@click.command()
def models() -> None:
    """List the built-in models, by groups."""
    from derive.parse.files import builtin_groups, builtin_model

    groups = builtin_groups()
    width = max(len(name) for names in groups.values() for name in names)
    told = [
        "\n".join([group, *(f"  {name:<{width}}  {builtin_model(name).title}" for name in names)])
        for group, names in groups.items()
    ]
    click.echo("\n\n".join(told))


@click.command()
@model_argument
@output_option("Where to write it; standard output if not given.")
@force_option
def show(model: str | None, text: str | None, output: str | None, force: bool) -> None:
    """Print MODEL as text that can be saved and changed."""
    check_writable(output, force)
    write(read_model(model, text).text, output, force)
