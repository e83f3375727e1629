"""The command `derive`: its subcommands live in `derive.commands`, one file for each theme."""

from __future__ import annotations

import click

from derive import __version__
from derive.commands.checking import check
from derive.commands.code import generate
from derive.commands.differentiation import diff, gradient, hessian
from derive.commands.documents import graph, report
from derive.commands.explaining import explain
from derive.commands.look import models, show
from derive.commands.root import Root
from derive.commands.training import predict, run
from derive.commands.verification import verify

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
EPILOG = 'MODEL is a built-in name, a .model file, - for standard input, or -e "z = w*x; L = (z - 1)**2".'


@click.group(cls=Root, epilog=EPILOG, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="derive")
def main() -> None:
    """Derive the gradients of a network from its equations, prove every step, and train with the code."""


for command in (models, show, diff, gradient, hessian, explain, report, graph, generate, run, predict, check, verify):
    main.add_command(command)
