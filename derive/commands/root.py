"""The root command: how every command ends.

Exit codes: 0 done, 1 the check that was asked for failed, 2 the user's input or options are wrong; 130 after Ctrl-C,
141 when nobody reads the output any more, 3 for a mistake of derive itself (``DERIVE_DEBUG=1`` shows its traceback).
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from derive.errors import DeriveError

FAILED, WRONG, INTERNAL, INTERRUPTED, UNREAD = 1, 2, 3, 130, 141


class Root(click.Group):
    """A group that turns errors into messages and exit codes; a user never sees a traceback."""

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> Any:
        if not extra.pop("standalone_mode", True):
            return super().main(args, prog_name, standalone_mode=False, **extra)
        try:
            result = super().main(args, prog_name, standalone_mode=False, **extra)
            sys.stdout.flush()
        except click.ClickException as error:
            error.show()
            sys.exit(WRONG)
        except click.Abort:
            sys.exit(INTERRUPTED)
        except DeriveError as error:
            sys.exit(_complain(str(error), WRONG))
        except RecursionError:
            sys.exit(_complain("the model is nested too deeply", WRONG))
        except MemoryError:
            sys.exit(_complain("there is not enough memory for this", WRONG))
        except OSError as error:
            sys.exit(_output_failed(error))
        except Exception as error:
            if os.environ.get("DERIVE_DEBUG"):
                raise
            sys.exit(_own_mistake(error))
        sys.exit(result if isinstance(result, int) else 0)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were added: that of the road, not of the alphabet."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; output that nobody reads any more ends it quietly (click would exit with 1)."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _forget_stdout()
            ctx.exit(UNREAD)
        return result


def _complain(message: str, code: int) -> int:
    click.echo(message, err=True)
    return code


def _output_failed(error: OSError) -> int:
    """An error of the operating system that no command foresaw: standard output, as a rule."""
    _forget_stdout()
    if error.errno == errno.EPIPE:
        return UNREAD
    where = f"{error.filename}: " if error.filename else "the output cannot be written: "
    return _complain(f"{where}{error.strerror or error}", WRONG)


def _own_mistake(error: Exception) -> int:
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    message = f"derive made a mistake (its own, not yours), and prints nothing that it cannot vouch for:\n    {said}"
    return _complain(f"{message}\nhint: please report it with the model; DERIVE_DEBUG=1 shows where", INTERNAL)


def _forget_stdout() -> None:
    """What is still buffered goes nowhere, or Python would complain once more at its end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # standard output is not a real file
        return
