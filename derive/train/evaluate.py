"""How good parameters are on a part of the examples: the loss and the metric that fits the output.

Invariant: the same parameters and examples always give the same figures; noise is drawn from the run's seed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from derive.model import Model
from derive.train.batches import Drawn, with_noise
from derive.train.metrics import Metric, measure_parts
from derive.train.outcome import compared, metric_kind, predict
from derive.train.part import Arrays, Part
from derive.train.state import Params
from derive.train.store import FloatArray


@dataclass(frozen=True, slots=True)
class Figures:
    """How a part of the examples came out."""

    examples: int
    loss: float
    metric: Metric | None


@dataclass(frozen=True, slots=True)
class Evaluator:
    model: Model
    module: ModuleType
    constants: Mapping[str, Any]
    drawn: tuple[Drawn, ...] = ()
    seed: int = 0

    def figures(self, params: Params, part: Part | None) -> Figures:
        return Figures(len(part) if part else 0, self.loss(params, part), self.metric(params, part))

    def loss(self, params: Params, part: Part | None) -> float:
        """The loss; over examples its mean, piece by piece where they are streamed."""
        mean, seen = 0.0, 0
        with np.errstate(all="ignore"):
            for arrays in self._chunks(part):
                share = len(next(iter(arrays.values()), (0,)))
                seen += share
                mean += (float(self.module.loss(dict(params), **arrays, **self.constants)) - mean) * (share / seen)
        return mean

    def metric(self, params: Params, part: Part | None) -> Metric | None:
        """Accuracy or R² of the first output; None where there is nothing to compare it with."""
        target = compared(self.model)
        if part is None or target is None:
            return None
        kind, pairs = metric_kind(self.model), self._outputs(params, part, target)
        first = next(pairs)
        if kind != "classes" and first[0].shape != first[1].shape:
            return None
        return measure_parts(kind, itertools.chain([first], pairs))

    def _outputs(self, params: Params, part: Part, target: str) -> Iterator[tuple[FloatArray, FloatArray]]:
        for arrays in self._chunks(part):
            outputs = predict(self.module, self.model, params, arrays, self.constants)
            yield outputs[self.model.outputs[0]], arrays[target]

    def _chunks(self, part: Part | None) -> Iterator[Arrays]:
        if part is None:
            yield {}
            return
        rng = np.random.default_rng(self.seed)
        for arrays in part.chunks():
            yield with_noise(arrays, self.drawn, rng)
