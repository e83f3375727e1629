"""The options that several commands share: the model, choices that suggest, the output file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

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
