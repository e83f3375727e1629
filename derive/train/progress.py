"""The progress bar: loss and time left on standard error, nothing where that is no terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

OFTEN = 0.1  # seconds between two looks of the bar


class Bar:
    """A bar that costs nothing while it is not to be drawn."""

    def __init__(self, epochs: int, done: int = 0) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(),
        )
        self.shown = sys.stderr.isatty()
        self.progress = Progress(*columns, console=Console(stderr=True), disable=not self.shown)
        self.task = self.progress.add_task("training", total=epochs, completed=done, loss="")
        self.next = 0.0

    def __enter__(self) -> Bar:
        self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.progress.stop()

    def move(self, epochs: float, loss: float | None = None, *, always: bool = False) -> None:
        """So many epochs are done, a fraction while one goes on."""
        if not self.shown or (time.monotonic() < self.next and not always):
            return
        said = {} if loss is None else {"loss": f"loss {loss:.6g}"}
        self.progress.update(self.task, completed=epochs, **said)  # type: ignore[arg-type]
        self.next = time.monotonic() + OFTEN
