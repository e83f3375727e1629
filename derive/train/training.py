"""Training with a generated module's gradients and update rule, epoch by epoch, and ending well however it ends.

In: the module, the minibatches, the plan, and the state to begin with.  Out: a `Training`: parameters, history, and why
it stopped.
Invariant: the state is always that at the end of an epoch, complete; training from a state gives the same bits whether
or not it was saved and read back in between.  The parameters that come out are finite, also after Ctrl-C or a
loss that became infinite: then they are the best so far.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from derive.errors import DeriveError
from derive.train.batches import Batches
from derive.train.interrupt import Interruptible
from derive.train.limits import Plan
from derive.train.progress import Bar
from derive.train.state import Best, Params, State, Stopped

History = list[dict[str, float]]
Rate = Callable[[int], float]  # the learning rate of a step, counted from 1 over the whole training
STEP, LOSS = "#step", "#loss"  # columns of a path, which no parameter can be called


class TrainableModule(Protocol):
    """What is needed of a generated module; `update` changes `params` and `state`, which begins empty."""

    def loss_and_gradients(self, params: Params, **data: Any) -> tuple[float, Mapping[str, Any]]: ...

    def update(self, params: Params, grads: Mapping[str, Any], state: dict[str, Any], lr: float = ...) -> None: ...


@dataclass(frozen=True, slots=True)
class Training:
    """`epochs` were done in all; the history has at most `history.LIMIT` of them; `kept` is the epoch whose
    parameters these are, where they are not the last."""

    params: Params
    history: History  # {"epoch": …, "loss": …, …}
    stopped: Stopped
    epochs: int
    path: History = field(default_factory=list)  # {"#step": …, "#loss": …, parameter: …}, from the start on
    kept: int | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What is asked during training.

    `measure` gives further columns of the history for the parameters after an epoch, `judge` the loss over all
    examples, `trace` what the path tells of parameters, `save` keeps a state.
    """

    measure: Callable[[Params], dict[str, float]] = lambda params: {}
    judge: Callable[[Params], float] | None = None
    trace: Callable[[Params], dict[str, float]] | None = None
    save: Callable[[State], None] = lambda state: None


NOTHING = Watch()


def train_module(
    module: TrainableModule,
    batches: Batches,
    plan: Plan,
    state: State,
    watch: Watch = NOTHING,
    constants: Mapping[str, Any] | None = None,
    rate: Rate | None = None,
) -> Training:
    """Train from `state` on, with a progress bar on standard error if that is a terminal.

    The loss of an epoch is the mean over its steps, each before its update.  Where `measure` tells a validation loss,
    the parameters of its lowest value come out; else the last ones, or after an early end the best.
    """
    return finished(Loop(module, batches, plan, state, watch, dict(constants or {}), rate))


def finished(loop: Loop) -> Training:
    """What a loop comes to, with a progress bar."""
    plan, state = loop.plan, loop.state
    with Bar(plan.epochs, state.epoch) as bar, np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        stopped = loop.run(bar)
        return loop.ended(stopped)


@dataclass(slots=True)
class Loop:
    """Training epoch by epoch; `rate` tells the learning rate where it changes from step to step."""

    module: TrainableModule
    batches: Batches
    plan: Plan
    state: State
    watch: Watch
    constants: dict[str, Any]
    rate: Rate | None = None
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    saved: float | None = None  # when the last checkpoint was taken

    def run(self, bar: Bar) -> Stopped:
        self.rng.bit_generator.state = self.state.generator
        try:
            with Interruptible() as interruptible:
                while self.state.epoch < self.plan.epochs and self.state.stopped is None:
                    self._epoch(bar, interruptible)
        except KeyboardInterrupt:
            self._save(last=True)
            return "interrupted"
        self._save(last=True)
        return self.state.stopped or "epochs"

    def _epoch(self, bar: Bar, interruptible: Interruptible) -> None:
        """One epoch; the state changes at its end, and not before."""
        before = self.state
        params, optimiser = copied(before.params), copy.deepcopy(before.optimiser)
        loss = self._steps(params, optimiser, bar)
        if not is_finite(loss, params):
            before.stopped = "diverged"
            return
        row = {"epoch": before.epoch + 1, "loss": loss, **self.watch.measure(params)}
        with interruptible.whole():
            now = State(params, dict(self.rng.bit_generator.state), optimiser, before.epoch + 1)
            # The loss of a whole epoch is that of its beginning; that over several steps is nearer to its end.
            self.advance(row, now, before.params if self.batches.whole else params, loss)
            self._save()
        bar.move(self.state.epoch, loss, always=self.state.epoch == self.plan.epochs)

    def _steps(self, params: Params, optimiser: dict[str, Any], bar: Bar) -> float:
        """The steps of an epoch; the mean of their losses."""
        rate = {} if self.plan.lr is None else {"lr": self.plan.lr}
        total, done = 0.0, 0.0
        first = self.state.epoch * self.batches.count + 1
        for step, (part, share) in enumerate(self.batches.epoch(self.rng), start=first):
            value, grads = self.module.loss_and_gradients(params, **part, **self.constants)
            if self.rate is not None:
                rate = {"lr": self.rate(step)}
            self.module.update(params, grads, optimiser, **rate)
            total += value * share
            done += share
            bar.move(self.state.epoch + done)
        return float(total)

    def advance(self, row: dict[str, float], now: State, seen: Params, loss_before: float) -> None:
        """Go on to the next state; the row's loss is that of the parameters `seen`."""
        before = self.state
        now.history, now.path = before.history, before.path
        now.best = _better(before, row, now.params if "validation_loss" in row else seen)
        if self.plan.tolerance > 0 and before.history.last is not None:
            fell = abs(before.history.last["loss"] - row["loss"])
            now.stopped = "tolerance" if fell < self.plan.tolerance else None
        if self.plan.patience is not None and now.epoch - now.best.epoch >= self.plan.patience:
            now.stopped = "patience"
        now.history.add(row)
        if self.watch.trace is not None:
            now.path.add({STEP: before.epoch, LOSS: loss_before, **self.watch.trace(before.params)})
        self.state = now

    def _save(self, last: bool = False) -> None:
        """Save after the first epoch, then from time to time, and at the end."""
        now = time.monotonic()
        if self.state.epoch and (last or self.saved is None or now - self.saved >= self.plan.checkpoint):
            self.watch.save(self.state)
            self.saved = time.monotonic()

    # The end.

    def ended(self, stopped: Stopped) -> Training:
        params, kept = self._final(stopped)
        state = self.state
        return Training(params, state.history.rows(), stopped, state.epoch, self._path(), kept)

    def _path(self) -> History:
        """The path up to the parameters that no epoch has told the loss of yet."""
        if self.watch.trace is None or self.watch.judge is None:
            return []
        params = self.state.params
        last = {STEP: self.state.epoch, LOSS: self.watch.judge(params), **self.watch.trace(params)}
        return [*self.state.path.rows(), last]

    def _final(self, stopped: Stopped) -> tuple[Params, int | None]:
        best = self.state.best
        if best is None:
            if stopped == "interrupted":
                raise DeriveError("training was interrupted before the first epoch ended")
            raise DeriveError("the loss is not finite after the first epoch", hint="lower the learning rate with --lr")
        validated = "validation_loss" in (self.state.history.last or {})
        if validated or (stopped not in ("epochs", "tolerance") and self._is_better(best.params)):
            return best.params, best.epoch
        return self.state.params, None

    def _is_better(self, params: Params) -> bool:
        if self.watch.judge is None:
            return False
        first, last = self.watch.judge(params), self.watch.judge(self.state.params)
        return first < last or not math.isfinite(last)


def _better(before: State, row: dict[str, float], seen: Params) -> Best:
    """The best with this epoch: by the loss on the validation part where there is one, else by the training loss."""
    watched = row.get("validation_loss", row["loss"])
    watched = math.inf if math.isnan(watched) else watched
    if before.best is not None and not watched < before.best.loss:
        return before.best
    return Best(watched, int(row["epoch"]), seen)


def is_finite(loss: float, params: Params) -> bool:
    return math.isfinite(loss) and all(np.isfinite(values).all() for values in params.values())


def copied(params: Params) -> Params:
    return {name: np.copy(values)[()] for name, values in params.items()}
