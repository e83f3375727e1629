"""``derive generate``: training code that stands alone."""

from __future__ import annotations

import click

from derive.commands.options import Choice, force_option, model_argument, output_option
from derive.commands.output import check_writable, kind_of, write
from derive.commands.source import read_model


@click.command()
@model_argument
@output_option("Where to write it; standard output if not given.")
@click.option("--style", type=Choice(["readable"]), default="readable", show_default=True)
@click.option("--optimizer", metavar="NAME", default="gradient descent", show_default=True)
@click.option("--dtype", type=Choice(["float32", "float64"]), default="float64", show_default=True)
@force_option
def generate(
    model: str | None, text: str | None, output: str | None, style: str, optimizer: str, dtype: str, force: bool
) -> None:
    """Write numpy code that trains MODEL and needs nothing else."""
    if output not in (None, "-"):
        kind_of(str(output), ["py"])
    check_writable(output, force)
    derivation = read_model(model, text).derive().prove()
    write(derivation.generate(style=style, optimizer=optimizer, dtype=dtype), output, force)
