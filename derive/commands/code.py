"""``derive generate``: training code that stands alone."""

from __future__ import annotations

from typing import Any

import click

from derive.commands.options import Choice, force_option, model_argument, output_option, update_options
from derive.commands.output import check_writable, kind_of, write
from derive.commands.source import read_model


@click.command()
@model_argument
@output_option("Where to write it; standard output if not given.")
@click.option("--style", type=Choice(["readable"]), default="readable", show_default=True)
@update_options
@click.option("--dtype", type=Choice(["float32", "float64"]), default="float64", show_default=True)
@force_option
def generate(
    model: str | None, text: str | None, output: str | None, style: str, rule: dict[str, Any], dtype: str, force: bool
) -> None:
    """Write numpy code that trains MODEL and needs nothing else."""
    if output not in (None, "-"):
        kind_of(str(output), ["py"])
    check_writable(output, force)
    found = read_model(model, text)
    from derive.update_rule import rule_for

    updated_by = rule_for(found, **rule)
    write(found.derive().prove().generate(style=style, optimizer=updated_by, dtype=dtype), output, force)
