"""Running a generated module's `train` with a progress bar, and ending well however it ends.

In: the module, its data and the options.  Out: a `Training`: parameters, history, and why it stopped.
Invariant: the parameters are finite and usable, also after Ctrl-C or a loss that became infinite: then they
are those of the best epoch so far.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from derive.errors import DeriveError

MOST_EPOCHS = 1_000_000_000  # no run lasts that long

Params = dict[str, Any]  # arrays; a scalar parameter may be a plain float
History = list[dict[str, float]]
Callback = Callable[[int, float, Params], bool | None]
Stopped = Literal["epochs", "tolerance", "interrupted", "diverged"]


class TrainableModule(Protocol):
    """What is needed of a generated module.

    `train` calls ``callback(epoch, loss, params)`` after each epoch (counted from 1) and stops when it
    returns True, or when the loss falls by less than a positive `tolerance`.  It may change `params` in
    place.
    """

    def train(
        self,
        data: Mapping[str, Any],
        epochs: int = ...,
        lr: float = ...,
        batch_size: int | None = None,
        seed: int = 0,
        tolerance: float = 0.0,
        params: Params | None = None,
        callback: Callback | None = None,
    ) -> tuple[Params, History]: ...


@dataclass(frozen=True, slots=True)
class Training:
    params: Params
    history: History  # one {"epoch": …, "loss": …} for each epoch whose loss is finite
    stopped: Stopped


def train_module(
    module: TrainableModule,
    data: Mapping[str, Any],
    *,
    epochs: int,
    lr: float | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    tolerance: float = 0.0,
    params: Params | None = None,
    observe: Callback | None = None,
    judge: Callable[[Params], float] | None = None,
    **options: Any,
) -> Training:
    """Train, with a progress bar on standard error if that is a terminal.

    `lr` and `batch_size` None leave the module's own defaults; `params` continues from there; `observe` sees every
    epoch as the module's callback does and may stop it too; further options are handed on.  The loss that a module
    tells may be that of the parameters before the epoch or after it; `judge`, if given, says which ones are better.
    """
    check_options(epochs, lr, batch_size, tolerance)
    options |= {name: value for name, value in (("lr", lr), ("batch_size", batch_size)) if value is not None}
    progress = _progress_bar()
    watcher = _Watcher(observe, judge, progress, epochs, before=_copied(params or {}))
    with progress, np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # the watcher sees to it
        try:
            final, _ = module.train(
                data,
                epochs=epochs,
                seed=seed,
                tolerance=tolerance,
                params=params,
                callback=watcher,
                **options,
            )
        except KeyboardInterrupt:
            return Training(watcher.best_or_raise("interrupted"), watcher.history, "interrupted")
    if watcher.diverged:
        return Training(watcher.best_or_raise("diverged"), watcher.history, "diverged")
    return Training(final, watcher.history, "epochs" if len(watcher.history) >= epochs else "tolerance")


@dataclass(slots=True)
class _Watcher:
    """The callback: keeps the history and the best parameters, moves the bar, stops a hopeless run."""

    observe: Callback | None
    judge: Callable[[Params], float] | None
    progress: Progress
    epochs: int
    before: Params  # the parameters at the beginning of the epoch, if they are known
    history: History = field(default_factory=list)
    best: tuple[float, Params, Params] | None = None  # a loss, and the parameters before and after that epoch
    diverged: bool = False

    def __post_init__(self) -> None:
        self.progress.add_task("training", total=self.epochs, loss="")

    def __call__(self, epoch: int, loss: float, params: Params) -> bool:
        if not (math.isfinite(loss) and all(np.isfinite(values).all() for values in params.values())):
            self.diverged = True
            return True
        self.history.append({"epoch": epoch, "loss": float(loss)})
        if self.best is None or loss < self.best[0]:
            self.best = (loss, self.before, _copied(params))
        self.before = _copied(params)
        self.progress.update(self.progress.task_ids[0], completed=epoch, loss=f"loss {loss:.6g}")
        return bool(self.observe and self.observe(epoch, loss, params))

    def best_or_raise(self, stopped: Stopped) -> Params:
        if self.best is not None:
            _, before, after = self.best
            return before if self._is_better(before, after) else after
        if stopped == "interrupted":
            raise DeriveError("training was interrupted before the first epoch ended")
        raise DeriveError("the loss is not finite after the first epoch", hint="lower the learning rate with --lr")

    def _is_better(self, before: Params, after: Params) -> bool:
        if self.judge is None or not before:
            return False
        first, second = self.judge(before), self.judge(after)
        return first < second or not math.isfinite(second)


def _copied(params: Params) -> Params:
    return {name: np.copy(values) for name, values in params.items()}


def _progress_bar() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())


def check_options(epochs: int, lr: float | None, batch_size: int | None, tolerance: float) -> None:
    """Raise unless training can be done with these options."""
    if epochs < 1:
        raise DeriveError(f"the number of epochs must be at least 1, not {epochs}")
    if epochs > MOST_EPOCHS:
        raise DeriveError(f"the number of epochs must be at most {MOST_EPOCHS:,}")
    if lr is not None and not (math.isfinite(lr) and lr > 0):
        raise DeriveError(f"the learning rate must be positive, not {lr:g}")
    if batch_size is not None and batch_size < 1:
        raise DeriveError(f"the batch size must be at least 1, not {batch_size}")
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise DeriveError(f"the tolerance must not be negative, not {tolerance:g}")
