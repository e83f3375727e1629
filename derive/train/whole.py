"""Training by one of SciPy's optimisers: it sees all examples in every step, and decides on its steps itself.

In and out: as `train_module`.  There are no checkpoints: what the optimiser knows of earlier steps stays inside SciPy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from derive.emit.python_names import option_names
from derive.errors import DeriveError
from derive.train.batches import Batches
from derive.train.limits import Plan
from derive.train.progress import Bar
from derive.train.state import Params, State, Stopped
from derive.train.steps import Rate, copied
from derive.train.training import Loop, Training, Watch, finished, is_finite


def train_whole(
    module: Any,
    batches: Batches,
    plan: Plan,
    state: State,
    watch: Watch,
    constants: Mapping[str, Any],
    rate: Rate | None = None,
    sizes: Mapping[str, int] | None = None,
) -> Training:
    """Train with the module's own `train`, which calls SciPy."""
    if batches.part is not None and batches.part.streamed:
        raise DeriveError("an optimiser of SciPy takes all examples in every step, so they cannot be streamed")
    return finished(_WholeLoop(module, batches, plan, state, watch, dict(constants), rate))


class _WholeLoop(Loop):
    """The module's `train` goes through the epochs; its callback tells of each."""

    def run(self, bar: Bar) -> Stopped:
        data = [self.batches.part.whole()] if self.batches.part is not None else []

        def told(epoch: int, loss: float, params: Params) -> bool:
            bar.move(epoch, loss, always=epoch == self.plan.epochs)
            return self._told(loss, copied(params))

        names = option_names(list(self.constants))
        options = {names[name]: value for name, value in self.constants.items()}
        try:
            self.module.train(  # type: ignore[attr-defined]
                *data, epochs=self.plan.epochs, params=self.state.params, callback=told, **options
            )
        except KeyboardInterrupt:
            return "interrupted"
        return self.state.stopped or ("epochs" if self.state.epoch >= self.plan.epochs else "tolerance")

    def _told(self, loss: float, params: Params) -> bool:
        """An epoch is over; whether to stop.  Its loss is that of the parameters it came to."""
        if not is_finite(loss, params):
            self.state.stopped = "diverged"
            return True
        before = self.state
        row = {"epoch": before.epoch + 1, "loss": loss, **self.watch.measure(params)}
        now = State(params, before.generator, {}, before.epoch + 1)
        self.advance(row, now, params, self._loss_before())
        return self.state.stopped is not None

    def _loss_before(self) -> float:
        last = self.state.history.last
        if last is not None:
            return last["loss"]
        return self.watch.judge(self.state.params) if self.watch.judge else math.nan
