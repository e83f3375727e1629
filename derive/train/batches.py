"""The minibatches of an epoch, with the noise that a model draws for each.

In: a part of the examples, the batch size, a seeded generator.  Out: arrays by name, and the share of the examples.
Invariant: a generator in the same state gives the same batches, whether the examples lie in memory or in a file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from derive.check.complex_step import evaluate_expression
from derive.check.sample import concrete
from derive.model import Model
from derive.parse.numbers import number_value
from derive.train.part import Arrays, Part

STREAM_BATCH = 4096  # examples in a step where they are streamed and nobody says how many


@dataclass(frozen=True, slots=True)
class Drawn:
    """A noise of the model: its distribution, and its shape for one example."""

    name: str
    kind: str
    argument: float
    shape: tuple[int, ...]

    def draw(self, rng: np.random.Generator, count: int) -> Any:
        size = (count, *self.shape)
        if self.kind == "bernoulli":
            return (rng.random(size) < self.argument).astype(float)
        return rng.random(size) if self.kind == "uniform" else rng.normal(size=size)


def noises(model: Model, sizes: Mapping[str, int], constants: Mapping[str, Any]) -> tuple[Drawn, ...]:
    """The noises of a model, their shapes in numbers."""
    defaults = {v.name: number_value(v.value) for v in model.of_role("constant") if v.value is not None}
    known = {**sizes, **defaults, **constants}
    return tuple(
        Drawn(
            v.name,
            v.kind or "normal",
            0.5 if v.kind_argument is None else float(evaluate_expression(v.kind_argument, known)),
            concrete(model.entry_shape(v), sizes),
        )
        for v in model.of_role("noise")
    )


def with_noise(arrays: Arrays, drawn: tuple[Drawn, ...], rng: np.random.Generator) -> Arrays:
    count = len(next(iter(arrays.values()), ()))
    return arrays | {each.name: each.draw(rng, count) for each in drawn if each.name not in arrays}


@dataclass(frozen=True, slots=True)
class Batches:
    """`part` None is a model without data: one step an epoch; `size` None is all examples in every step."""

    part: Part | None
    size: int | None = None
    drawn: tuple[Drawn, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every step sees all examples."""
        return self.part is None or self.size is None or self.size >= len(self.part)

    @property
    def count(self) -> int:
        """The number of steps in an epoch."""
        return 1 if self.part is None or self.size is None else math.ceil(len(self.part) / self.size)

    def epoch(self, rng: np.random.Generator) -> Iterator[tuple[Arrays, float]]:
        """The batches of one epoch in the order of the generator, each with its share of the examples."""
        if self.part is None:
            yield {}, 1.0
        elif self.size is None or self.whole:
            yield with_noise(self.part.whole(), self.drawn, rng), 1.0
        else:
            count = len(self.part)
            order = rng.permutation(count)
            for start in range(0, count, self.size):
                places = order[start : start + self.size]
                yield with_noise(self.part.take(places), self.drawn, rng), len(places) / count


def batch_size(part: Part | None, chosen: int | None, usual: int | None) -> int | None:
    """The batch size that was chosen, or the model's own; streamed examples never come all at once by themselves."""
    size = usual if chosen is None else chosen
    return STREAM_BATCH if size is None and part is not None and part.streamed else size
