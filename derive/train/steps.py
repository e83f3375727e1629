"""The steps of an epoch: forward, backward, update, minibatch by minibatch.

In: a generated module, the examples, a state to begin with.  Out: epochs, and copies of what they came to.
Invariant: going on from copies gives the same bits as never having stopped.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from derive.errors import DeriveError
from derive.train.batches import Batches
from derive.train.limits import Plan
from derive.train.state import Params, State

Rate = Callable[[int], float]  # the learning rate of a step, counted from 1 over the whole training


class TrainableModule(Protocol):
    """What is needed of a generated module; `update` changes `params` and `state`, which begins empty."""

    def loss_and_gradients(self, params: Params, **data: Any) -> tuple[float, Mapping[str, Any]]: ...

    def update(self, params: Params, grads: Mapping[str, Any], state: dict[str, Any], lr: float = ...) -> None: ...


class Steps(Protocol):
    """Parameters and an optimiser's state that go on with every epoch."""

    @property
    def params(self) -> Params:
        """A copy of the parameters."""

    @property
    def optimiser(self) -> dict[str, Any]:
        """A copy of the state of the update rule."""

    def epoch(self, number: int, report: bool) -> float:
        """The epoch of this number, from 1; the mean of its losses if it is to `report` it, else any number."""


class FastSteps:
    """The steps of a module in fast style, by what its own `train` goes through the epochs with."""

    def __init__(
        self,
        module: Any,
        batches: Batches,
        plan: Plan,
        state: State,
        options: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> None:
        """`options` are the constants and the sizes of the model."""
        rate = {} if plan.lr is None else {"lr": plan.lr}
        data = None if batches.part is None else batches.part.whole()
        given = {"epochs": plan.epochs, "batch_size": batches.size, "params": state.params, **rate}
        if options:
            given["options"] = dict(options)
        self.trainer = module.Trainer(data, **given)
        self.trainer.rng = rng
        self.count = batches.count
        self._restore(state.optimiser)

    def _restore(self, saved: Mapping[str, Any]) -> None:
        own = self.trainer.state
        if saved and {n: np.shape(v) for n, v in saved.items()} != {n: np.shape(v) for n, v in own.items()}:
            raise DeriveError("the checkpoint's state is not that of the update rule", hint="run without --resume")
        for name, value in saved.items():
            if isinstance(own[name], np.ndarray):
                own[name][...] = value
            else:
                own[name] = value

    @property
    def params(self) -> Params:
        return dict(self.trainer.params)

    @property
    def optimiser(self) -> dict[str, Any]:
        return copy.deepcopy(self.trainer.state)

    def epoch(self, number: int, report: bool) -> float:
        self.trainer.step = (number - 1) * self.count  # what a schedule of the learning rate goes by
        return float(self.trainer.epoch(report))


class PlainSteps:
    """Steps by `loss_and_gradients` and `update`: of examples that are streamed, and of any module that has the two."""

    def __init__(
        self,
        module: TrainableModule,
        batches: Batches,
        plan: Plan,
        state: State,
        constants: Mapping[str, Any],
        rng: np.random.Generator,
        rate: Rate | None = None,
    ) -> None:
        self.module, self.batches, self.plan, self.constants = module, batches, plan, constants
        self.rng, self.rate = rng, rate
        self.now, self.kept = copied(state.params), copy.deepcopy(state.optimiser)

    @property
    def params(self) -> Params:
        return copied(self.now)

    @property
    def optimiser(self) -> dict[str, Any]:
        return copy.deepcopy(self.kept)

    def epoch(self, number: int, report: bool) -> float:
        rate = {} if self.plan.lr is None else {"lr": self.plan.lr}
        total = 0.0
        first = (number - 1) * self.batches.count + 1
        for step, (part, share) in enumerate(self.batches.epoch(self.rng), start=first):
            value, grads = self.module.loss_and_gradients(self.now, **part, **self.constants)
            states = self.next_states(part)
            if self.rate is not None:
                rate = {"lr": self.rate(step)}
            self.module.update(self.now, grads, self.kept, **rate)
            self.now |= states
            total += value * share
        return float(total)

    def next_states(self, part: Mapping[str, Any]) -> Params:
        """What the model's states are after a step, of the parameters before it."""
        if not hasattr(self.module, "next_states"):
            return {}
        found = self.module.next_states(self.now, **part, **self.constants)
        return {name: np.asarray(value, dtype=np.asarray(self.now[name]).dtype)[()] for name, value in found.items()}


def copied(params: Params) -> Params:
    return {name: np.copy(values)[()] for name, values in params.items()}


def steps_of(
    module: Any,
    batches: Batches,
    plan: Plan,
    state: State,
    constants: Mapping[str, Any],
    sizes: Mapping[str, int],
    rng: np.random.Generator,
    rate: Rate | None,
) -> Steps:
    """The quickest way there is."""
    streamed = batches.part is not None and batches.part.streamed
    if hasattr(module, "Trainer") and not streamed:
        return FastSteps(module, batches, plan, state, {**constants, **sizes}, rng)
    return PlainSteps(module, batches, plan, state, constants, rng, rate)
