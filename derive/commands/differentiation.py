"""``derive diff`` and ``derive gradient``: derivatives, printed with their steps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from derive.commands.options import Choice, force_option, model_argument, output_option, update_options
from derive.commands.output import check_writable, present, write
from derive.commands.source import read_model
from derive.commands.terminal import columns

if TYPE_CHECKING:
    from derive.derivation import Derivation
    from derive.update_rule import UpdateRule


class Positional(click.Command):
    """A command whose first argument may begin with a minus: ``derive diff "-x**2" x``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {spelling for param in self.get_params(ctx) for spelling in param.opts}
        return super().parse_args(ctx, [f" {arg}" if _is_term(arg, known) else arg for arg in args])


def _is_term(arg: str, known: set[str]) -> bool:
    return arg.startswith("-") and not arg.startswith("--") and arg != "-" and arg not in known


@click.command(cls=Positional, short_help="Differentiate one expression, step by step.")
@click.argument("expression", metavar="EXPR")
@click.argument("name")
@click.option("--format", "form", type=Choice(["text", "latex", "json"]), default="text", show_default=True)
@output_option("Where to write it; standard output if not given.")
@force_option
def diff(expression: str, name: str, form: str, output: str | None, force: bool) -> None:
    """Differentiate EXPR by NAME, step by step.

    For example: derive diff "exp(sin(x**2))" x
    """
    from derive.differentiate.single import differentiate_expression
    from derive.render.single import print_json, print_latex, print_text

    check_writable(output, force)
    found = differentiate_expression(expression.strip(), name.strip())
    if not found.occurs:
        click.echo(f"warning: '{found.name}' does not occur in it: the derivative is 0", err=True)
    put = present if form == "text" else write
    put({"text": print_text, "latex": print_latex, "json": print_json}[form](found), output, force)


@click.command(short_help="Print the chain rule, the gradients and the updates.")
@model_argument
@click.option("--wrt", multiple=True, metavar="NAME", help="Differentiate by this name too; repeatable.")
@click.option("--format", "form", type=Choice(["text", "latex", "markdown", "json"]), default="text", show_default=True)
@update_options
@output_option("Where to write it; standard output if not given.")
@force_option
def gradient(
    model: str | None,
    text: str | None,
    wrt: tuple[str, ...],
    form: str,
    rule: dict[str, Any],
    output: str | None,
    force: bool,
) -> None:
    """Print the chain rule, the gradients and the update rules of MODEL."""
    check_writable(output, force)
    found = read_model(model, text)
    from derive.update_rule import update_rule

    updated_by = update_rule(**rule)
    put = present if form == "text" else write
    put(_printed(found.derive(wrt).prove(), form, updated_by, columns(output)), output, force)


def _printed(derivation: Derivation, form: str, rule: UpdateRule, width: int) -> str:
    if form == "json":
        return json.dumps(derivation.to_dict(rule), indent=2, ensure_ascii=False) + "\n"
    from derive.render import report

    if form == "latex":
        return report.gradient_latex(derivation, rule=rule)
    if form == "markdown":
        return report.gradient_markdown(derivation, rule=rule)
    return report.gradient_text(derivation, rule=rule, width=width)


@click.command(short_help="Print the second derivatives, step by step.")
@model_argument
@click.option(
    "--wrt", multiple=True, metavar="NAME", help="Differentiate by this name, not by all parameters; repeatable."
)
@click.option("--format", "form", type=Choice(["text", "latex", "markdown", "json"]), default="text", show_default=True)
@output_option("Where to write it; standard output if not given.")
@force_option
def hessian(
    model: str | None, text: str | None, wrt: tuple[str, ...], form: str, output: str | None, force: bool
) -> None:
    """Print the second derivatives of MODEL's loss by every pair of parameters.

    For example: derive hessian logistic --wrt w_1 --wrt w_2
    """
    check_writable(output, force)
    found = read_model(model, text).hessian(wrt)
    if form == "json":
        write(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) + "\n", output, force)
        return
    from derive.render.hessian import hessian_latex, hessian_markdown, hessian_text

    if form == "text":
        present(hessian_text(found, width=columns(output)), output, force)
    else:
        write({"latex": hessian_latex, "markdown": hessian_markdown}[form](found), output, force)
