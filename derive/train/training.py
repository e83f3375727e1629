"""Training with a generated module's gradients and update rule, epoch by epoch, and ending well however it ends.

In: the module, the minibatches, the plan, and the state to begin with.  Out: a `Training`: parameters, history, and why
it stopped.
Invariant: the state is always that at the end of an epoch that is told, complete; training from a state gives the same
bits whether or not it was saved and read back in between.  The parameters that come out are finite, also after Ctrl-C
or a loss that became infinite: then they are the best so far.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from derive.errors import DeriveError
from derive.train.batches import Batches
from derive.train.interrupt import Interruptible
from derive.train.limits import Plan
from derive.train.progress import Bar
from derive.train.state import Best, Params, State, Stopped
from derive.train.steps import Rate, Steps, TrainableModule, steps_of

History = list[dict[str, float]]
STEP, LOSS = "#step", "#loss"  # columns of a path, which no parameter can be called


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
    sizes: Mapping[str, int] | None = None,
) -> Training:
    """Train from `state` on, with a progress bar on standard error if that is a terminal.

    The loss of an epoch is the mean over its steps, each before its update; it is computed in the epochs that the plan
    tells, and in the last one.  Where `measure` tells a validation loss,
    the parameters of its lowest value come out; else the last ones, or after an early end the best.
    """
    return finished(Loop(module, batches, plan, state, watch, dict(constants or {}), rate, dict(sizes or {})))


def finished(loop: Loop) -> Training:
    """What a loop comes to, with a progress bar."""
    plan, state = loop.plan, loop.state
    with Bar(plan.epochs, state.epoch) as bar, np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        stopped = loop.run(bar)
        return loop.ended(stopped)


@dataclass(slots=True)
class Loop:
    """Training from one epoch that is told to the next; `rate` tells the learning rate where it changes by step."""

    module: TrainableModule
    batches: Batches
    plan: Plan
    state: State
    watch: Watch
    constants: dict[str, Any]
    rate: Rate | None = None
    sizes: dict[str, int] = field(default_factory=dict)
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    saved: float | None = None  # when the last checkpoint was taken

    def run(self, bar: Bar) -> Stopped:
        self.rng.bit_generator.state = self.state.generator
        try:
            with Interruptible() as interruptible:
                steps = steps_of(
                    self.module, self.batches, self.plan, self.state, self.constants, self.sizes, self.rng, self.rate
                )
                while self.state.epoch < self.plan.epochs and self.state.stopped is None:
                    self._on(steps, bar, interruptible)
        except KeyboardInterrupt:
            self._save(last=True)
            return "interrupted"
        self._save(last=True)
        return self.state.stopped or "epochs"

    def _on(self, steps: Steps, bar: Bar, interruptible: Interruptible) -> None:
        """Go on to the next epoch that is told; the state changes at its end, and not before."""
        told = self.plan.next_told(self.state.epoch)
        for epoch in range(self.state.epoch + 1, told):
            steps.epoch(epoch, report=False)
            bar.move(epoch)
        # The loss of a whole epoch is that of its beginning; that over several steps is nearer to its end.
        first = steps.params if self.batches.whole else None
        loss = steps.epoch(told, report=True)
        params = steps.params
        if not is_finite(loss, params):
            self.state.stopped = "diverged"
            return
        row = {"epoch": told, "loss": loss, **self.watch.measure(params)}
        with interruptible.whole():
            now = State(params, dict(self.rng.bit_generator.state), steps.optimiser, told)
            self.advance(row, now, params if first is None else first, loss)
            self._save()
        bar.move(told, loss, always=told == self.plan.epochs)

    def advance(self, row: dict[str, float], now: State, seen: Params, loss_before: float) -> None:
        """Go on to the next state; the row's loss is that of the parameters `seen`."""
        before = self.state
        now.history, now.path = before.history, before.path
        if not self.plan.is_told(now.epoch):  # the last one, and not with more epochs: what goes on must not know
            now.best = before.best
            now.history.end(row)
            self.state = now
            return
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
        best = self._best()
        if best is None:
            if stopped == "interrupted":
                raise DeriveError("training was interrupted before the first epoch ended")
            raise DeriveError("the loss is not finite after the first epoch", hint="lower the learning rate with --lr")
        validated = "validation_loss" in (self.state.history.last or {})
        if validated or (stopped not in ("epochs", "tolerance") and self._is_better(best.params)):
            return best.params, best.epoch
        return self.state.params, None

    def _best(self) -> Best | None:
        """The best, the last epoch included."""
        state = self.state
        if state.history.last is None or self.plan.is_told(state.epoch):
            return state.best
        return _better(state, state.history.last, state.params)

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
