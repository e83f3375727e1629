"""The options that several commands share: the model, choices that suggest, the output file."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from derive.errors import did_you_mean

if TYPE_CHECKING:
    StringChoice = click.Choice[str]
else:
    StringChoice = click.Choice

Command = TypeVar("Command", bound=Callable[..., Any])


class Choice(StringChoice):
    """A choice that says what may have been meant."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        said = f"{str(value)!r} is not one of {', '.join(self.choices)}"
        hint = did_you_mean(str(value).lower(), self.choices)
        return f"{said}; {hint}" if hint else f"{said}."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value in self.choices:
            return value
        return self.fail(self.get_invalid_choice_message(value, ctx), param, ctx)


def model_argument(command: Command) -> Command:
    """MODEL, or its text with ``-e``."""
    argument = click.argument("model", required=False, metavar="MODEL")
    text = click.option(
        "-e", "text", metavar="TEXT", help="The model itself, its lines separated by semicolons, instead of MODEL."
    )
    return argument(text(command))


def output_option(help: str, required: bool = False) -> Callable[[Command], Command]:
    return click.option("-o", "--output", metavar="FILE", required=required, help=help)


def force_option(command: Command) -> Command:
    return click.option("--force", is_flag=True, help="Overwrite a file that is there already.")(command)


# How parameters are updated: what `derive.update_rule.update_rule` takes.
_UPDATES = (
    click.option("--optimizer", metavar="NAME", help="How parameters are updated: momentum, adam, …"),
    click.option("--schedule", metavar="NAME", help="How the learning rate changes: step, cosine, warm-up,cosine, …"),
    click.option("--clip-norm", type=float, metavar="X", help="The largest norm of all gradients together."),
    click.option("--clip-value", type=float, metavar="X", help="The largest entry of a gradient."),
    click.option("--weight-decay", type=float, metavar="X", help="How strongly parameters are drawn to 0."),
)
_NAMES = ("optimizer", "schedule", "clip_norm", "clip_value", "weight_decay")


def update_options(command: Command) -> Command:
    """The options of the update rule, handed on together as `rule`: a dictionary of those that were given."""

    @functools.wraps(command)
    def together(**options: Any) -> Any:
        given = {name: options.pop(name) for name in _NAMES}
        return command(rule={name: value for name, value in given.items() if value is not None}, **options)

    for option in reversed(_UPDATES):
        together = option(together)
    return cast("Command", together)
