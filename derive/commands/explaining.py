"""``derive explain``: the path of one gradient, step by step."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from derive.commands.options import Choice, model_argument
from derive.commands.source import read_model
from derive.errors import DeriveError, did_you_mean, printable

if TYPE_CHECKING:
    from derive.model import Model


@click.command(short_help="Explain one gradient, step by step.")
@model_argument
@click.argument("gradient", required=False, metavar="dL/dNAME")
@click.option("--lang", "language", type=Choice(["en", "es"]), default="en", show_default=True)
@click.option("--detail", type=Choice(["normal", "full"]), default="normal", show_default=True)
def explain(model: str | None, text: str | None, gradient: str | None, language: str, detail: str) -> None:
    """Explain one gradient of MODEL: its chain, each factor, the product.

    In a terminal each key shows one step more, and q ends it.

    For example: derive explain two-layer dL/dw1_1
    """
    if text is not None and gradient is None:
        model, gradient = None, model
    if gradient is None:
        raise click.UsageError("Which gradient: dL/dNAME, or the NAME alone.")
    found = read_model(model, text)
    name = gradient_name(gradient, found)
    from derive.commands.terminal import columns, step_by_step
    from derive.render.catalogue import Words
    from derive.render.explanation import explanation
    from derive.render.text_document import print_text

    document = explanation(found.derive((name,)), name, language, detail)
    step_by_step(print_text(document, columns()), Words(language)["next step"])


def gradient_name(gradient: str, model: Model) -> str:
    """The name that a gradient is by: ``dL/dw``, ``∂L/∂w`` or ``w``."""
    from derive.verify.notation import Vocabulary

    known = Vocabulary({name: len(shape) for name, shape in model.shapes.items()})
    match = re.fullmatch(r"[d∂](.+?)\s*/\s*[d∂](.+)", gradient.strip())
    names = [known.resolve(part)[0] for part in (match.groups() if match else (gradient.strip(),))]
    for name in names:
        if name not in model.shapes:
            hint = did_you_mean(name, model.shapes) or f"its names are {', '.join(model.shapes)}"
            raise DeriveError(f"there is no name '{printable(name)}' in the model", hint=hint)
    if match and names[0] != model.loss:
        raise DeriveError(f"'{names[0]}' is not the loss", hint=f"write d{model.loss}/d{names[1]}")
    if names[-1] == model.loss:
        raise DeriveError(f"'{names[-1]}' is the loss itself: its derivative by itself is 1")
    return names[-1]
