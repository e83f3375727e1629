"""``derive check``: every step proved, the code's gradients beside numerical ones."""

from __future__ import annotations

import sys

import click

from derive.commands.options import model_argument
from derive.commands.root import FAILED
from derive.commands.source import read_model


@click.command(short_help="Prove every step, and check the code's gradients.")
@model_argument
def check(model: str | None, text: str | None) -> None:
    """Prove every step of MODEL and compare the code's gradients with numerical ones.

    Exit code 1 where a step cannot be proved, or a gradient differs by more than 1e-9, relative.
    """
    found = read_model(model, text)
    from derive.check.gradients import LIMIT, compare
    from derive.check.proofs import count_proofs
    from derive.prove.setting import ProofError

    try:
        derivation = found.derive().prove()
        counts = count_proofs(derivation)
    except ProofError as error:
        click.echo(f"not proved  {error}")
        sys.exit(FAILED)
    total = sum(counts.values())
    told = ", ".join(f"{counts[how]} {word}" for how, word in HOW.items() if counts[how])
    click.echo(f"steps       {total - counts['none']} of {total} proved" + (f": {told}" if told else ""))
    comparison = compare(found, derivation.compile())
    points = f"{comparison.draws} random draws" if comparison.draws > 1 else "1 random draw"
    examples = f" of {comparison.examples} examples" if comparison.examples > 1 else ""
    compared = f"{len(found.parameters)} and the loss compared with complex-step derivatives"
    click.echo(f"gradients   {compared} at {points}{examples}")
    verdict = "" if comparison.passed else f": above the limit of {LIMIT:.0e}"
    click.echo(f"worst error {comparison.worst:.2g}, relative, in {comparison.name}{verdict}")
    if counts["none"] or not comparison.passed:
        sys.exit(FAILED)


HOW = {"symbolic": "symbolically", "numeric": "numerically with 60 digits"}
