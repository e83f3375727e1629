"""``derive run`` and ``derive predict``: training with the generated code, and using what was trained."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from derive.commands.options import Choice, force_option, model_argument, output_option, update_options
from derive.commands.output import check_writable, write
from derive.commands.root import FAILED
from derive.commands.source import read_model
from derive.errors import DeriveError, printable

if TYPE_CHECKING:
    from derive.train.evaluate import Figures
    from derive.train.run import Run

ROWS = 12  # of a trajectory after its first steps, at most
DATA = "A CSV, .npz, .npy or Parquet file, or a set that ships with derive or scikit-learn."
STREAM = "Map the examples from disk instead of holding them in memory; done for files above 256 MiB."
TELLING = "Tell loss and metrics of every Nth epoch; if not given of each, from 1000 on of every 10th, then 100th, …"
RESUME = "Go on where a run with the same options was stopped or killed; --epochs may be more."
VALIDATION = "The part of the rest that chooses the best epoch; none if not given."
PATIENCE = "Stop when the loss, on the validation part if there is one, has not fallen for N epochs; keep the best."
STANDARDISE = "Give the inputs mean 0 and deviation 1; data that ship with derive are scaled as suits them."


@click.command(short_help="Derive, generate code, and train with it.")
@model_argument
@click.option("--data", metavar="NAME|FILE", help=DATA)
@click.option("--target", metavar="COLUMN", help="The column that is the target.")
@click.option("--features", metavar="A,B", help="The columns that are the inputs; all others if not given.")
@click.option("--epochs", type=int, metavar="N", help="How often to go through the examples.")
@click.option("--batch-size", type=int, metavar="N", help="Examples in a step; as suits the model if not given.")
@click.option("--lr", type=float, metavar="X", help="The learning rate.")
@update_options
@click.option("--tolerance", type=float, default=0.0, metavar="X", help="Stop when the loss falls by less than this.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, metavar="N", help="For the start, the split and the batches."
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Set a constant, size, or function; repeatable."
)
@click.option("--standardise/--no-standardise", default=None, help=STANDARDISE)
@click.option("--test-fraction", type=float, default=0.2, metavar="X", help="The part held out; 0.2 if not given.")
@click.option("--validation", type=float, default=0.0, metavar="X", help=VALIDATION)
@click.option("--patience", type=int, metavar="N", help=PATIENCE)
@click.option("--dtype", type=Choice(["float32", "float64"]), default="float64", show_default=True)
@click.option("--stream/--no-stream", default=None, help=STREAM)
@click.option("--checkpoint", type=float, default=5.0, metavar="SECONDS", help="The time between checkpoints; 5.")
@click.option("--report", type=int, metavar="N", help=TELLING)
@click.option("--resume", is_flag=True, help=RESUME)
@click.option("-o", "--output", metavar="DIR", help="The folder of results; runs/MODEL if not given.")
@click.option("--force", is_flag=True, help="Overwrite files in the folder that derive did not write.")
def run(
    model: str | None,
    text: str | None,
    data: str | None,
    target: str | None,
    features: str | None,
    epochs: int | None,
    batch_size: int | None,
    lr: float | None,
    rule: dict[str, Any],
    tolerance: float,
    seed: int,
    settings: tuple[str, ...],
    standardise: bool | None,
    test_fraction: float,
    validation: float,
    patience: int | None,
    dtype: str,
    stream: bool | None,
    checkpoint: float,
    report: int | None,
    resume: bool,
    output: str | None,
    force: bool,
) -> None:
    """Derive MODEL, generate its code, train with it, and keep the results in a folder."""
    found = read_model(model, text)
    from derive.train.run import GradientsDiffer, Options
    from derive.train.run import run as train

    columns = None if features is None else tuple(name.strip() for name in features.split(","))
    if columns is not None and not all(columns):
        hint = "for example --features A,B"
        raise DeriveError("--features takes names of columns with commas between them", hint=hint)
    options = Options(
        data,
        target,
        columns,
        epochs,
        batch_size,
        lr,
        tolerance,
        seed,
        settings,
        standardise,
        test_fraction,
        output,
        force,
        rule,
        validation,
        patience,
        dtype,
        resume,
        checkpoint,
        stream,
        report,
    )
    try:
        finished = train(found, options, lambda message: click.echo(message, err=True))
    except GradientsDiffer as error:
        click.echo(f"not trained: {error}; `derive check` says more", err=True)
        sys.exit(FAILED)
    _tell(finished)


@click.command()
@click.argument("folder", metavar="DIR")
@click.option("--data", required=True, metavar="FILE", help="The examples: a file as in training.")
@output_option("The predictions as CSV; standard output if not given.")
@force_option
def predict(folder: str, data: str, output: str | None, force: bool) -> None:
    """Apply what a run saved in DIR to new data."""
    check_writable(output, force)
    from derive.train.apply import predict_file

    write(predict_file(folder, data), output, force)


def _tell(run: Run) -> None:
    from derive.train.rows import count

    if run.training.path:
        _tell_path(run)
    if run.examples is not None:
        _tell_data(run)
    proved = ", ".join(f"{count} {PROVED[how]}" for how, count in run.proofs.items())
    click.echo(f"steps      all {sum(run.proofs.values())} proved: {proved}")
    worst = f"worst relative error {run.comparison.worst:.2g}"
    click.echo(f"gradients  of the code checked against complex-step derivatives: {worst}")
    done = count(run.training.epochs, "epoch" if run.examples is not None else "step")
    kept = "" if run.training.kept is None else f" (parameters of epoch {run.training.kept})"
    click.echo(f"training   {done}{STOPPED[run.training.stopped]}{kept}")
    first = run.training.history[0]["loss"] if run.training.history else run.train.loss
    if run.training.epochs > 1 and run.train.loss > first:
        rose = f"{first:.6g} to {run.train.loss:.6g}"
        click.echo(f"warning: the loss rose from {rose}; a smaller --lr may help", err=True)
    click.echo(f"loss       {_figures(run.train)}" + (" on the training part" if len(run.figures) > 1 else ""))
    for name, figures in run.figures.items():
        if name != "training":
            click.echo(f"{name:<10} loss {_figures(figures)}")
    folder = next(iter(run.files.values())).parent
    click.echo(f"files      {printable(folder)}")
    width = max(len(path.name) for path in run.files.values())
    for what, path in run.files.items():
        click.echo(f"           {path.name:<{width}}  {what}")


def _tell_data(run: Run) -> None:
    assert run.examples is not None
    held = [f"{figures.examples} {HELD[name]}" for name, figures in run.figures.items() if name != "training"]
    told = [f"{run.train.examples} examples", *held, *filter(None, [run.scaling])]
    streamed = ", streamed" if run.examples.streamed else ""
    click.echo(f"data       {printable(run.examples.source)}: {', '.join(told)}{streamed}")
    if run.examples.features:
        click.echo(f"features   {printable(_some(run.examples.features))}")


def _some(names: tuple[str, ...], most: int = 12) -> str:
    """The names, or of many the first ones and the last.

    >>> _some(tuple("abcdefghijklmnop"))
    'a, b, c, …, p (16)'
    """
    shown = names if len(names) <= most else (*names[:3], "…", names[-1])
    return ", ".join(shown) + (f" ({len(names)})" if len(names) > most else "")


HELD = {"validation": "for validation", "test": "held out"}
PROVED = {"symbolic": "symbolically", "numeric": "numerically", "none": "not"}
STOPPED = {
    "epochs": "",
    "tolerance": ", until the loss no longer fell",
    "patience": ", until the loss no longer fell",
    "interrupted": ", then interrupted: these are the best parameters till then",
    "diverged": ", then the loss became infinite: these are the best parameters till then (a smaller --lr helps)",
}


def _figures(part: Figures) -> str:
    return f"{part.loss:.6g}" + (f", {part.metric}" if part.metric is not None else "")


def _tell_path(run: Run) -> None:
    """The way of the parameters as a table: the first steps, then some of the others."""
    from derive.train.training import LOSS, STEP

    names = [name for name in run.training.path[0] if name not in (STEP, LOSS)]
    if not names:
        return
    click.echo("".join([f"{'step':>6}", *(f"{name:>16}" for name in names), f"{run.model.loss:>14}"]))
    rows = {int(row[STEP]): row for row in run.training.path}
    for step in filter(rows.__contains__, _shown_steps(max(rows))):  # of very many steps not all are kept
        row = rows[step]
        click.echo("".join([f"{step:>6}", *(f"{row[name]:>16.8g}" for name in names), f"{row[LOSS]:>14.6g}"]))


def _shown_steps(last: int) -> list[int]:
    """The first five steps, then a round number of them apart, and the last.

    >>> _shown_steps(52)
    [0, 1, 2, 3, 4, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 52]
    """
    every = next(unit * 10**power for power in range(20) for unit in (1, 2, 5) if last <= ROWS * unit * 10**power)
    return sorted({*range(min(5, last) + 1), *range(0, last, every), last})
