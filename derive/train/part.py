"""A part of the examples (training, validation, test), taken a few at a time.

In: arrays by name, examples along axis 0, in memory or mapped from a file; which rows; how they are prepared.
Out: a `Part`.  Invariant: what it gives is the same whether the arrays lie in memory or in a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from derive.train.pieces import pieces
from derive.train.preparation import take
from derive.train.store import FloatArray

Arrays = dict[str, FloatArray]
Places = npt.NDArray[np.intp]
Prepare = Callable[[Mapping[str, FloatArray]], Arrays]


@dataclass(frozen=True, slots=True)
class Part:
    """The examples at `places` of `arrays`, all of them if that is None; `prepare` is applied to what is taken."""

    arrays: Mapping[str, FloatArray]
    places: Places | None = None
    prepare: Prepare = dict
    streamed: bool = False

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values()), ())) if self.places is None else len(self.places)

    def take(self, which: Places | slice) -> Arrays:
        """The examples at these places of the part."""
        if self.places is not None:
            which = self.places[which]
        return self.prepare({name: values[which] for name, values in self.arrays.items()})

    def whole(self) -> Arrays:
        """All examples at once: for parts that lie in memory."""
        return self.take(slice(None))

    def chunks(self) -> Iterator[Arrays]:
        """All examples, a piece at a time where they are streamed."""
        if not self.streamed:
            yield self.whole()
            return
        row_bytes = sum(values[:1].nbytes for values in self.arrays.values())
        for piece in pieces(len(self), row_bytes):
            yield self.take(piece)


def part_of(arrays: Mapping[str, FloatArray], places: Places, prepare: Prepare, streamed: bool) -> Part:
    """The part at these places; in memory it is taken and prepared once."""
    if streamed:
        return Part(arrays, places, prepare, True)
    return Part(prepare(take(arrays, places)))
