"""What training tells by epoch, in memory that does not grow: a table that is thinned when it becomes long.

In: a row of numbers for each step.  Out: the rows that are kept, and the table as CSV.
Invariant: at most `LIMIT` rows; which ones depends on the steps alone, so that a run that was killed and continued
keeps the same rows as one that was not.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

LIMIT = 10_000
HEAD = 1_000  # the first rows are kept whatever comes: there the loss changes most


@dataclass(slots=True)
class Thinned:
    """Rows by step: all up to `LIMIT`; then the first `HEAD`, of the others every 2nd, 4th, 8th, …, and the last.

    >>> table = Thinned("step", limit=6, head=2)
    >>> for step in range(1, 15):
    ...     table.add({"step": step})
    >>> [int(row["step"]) for row in table.rows()]
    [1, 2, 3, 7, 11, 14]
    """

    key: str
    limit: int = LIMIT
    head: int = HEAD
    stride: int = 1
    count: int = 0  # how many rows were added
    kept: list[dict[str, float]] = field(default_factory=list)
    last: dict[str, float] | None = None

    def add(self, row: Mapping[str, float]) -> None:
        self.last = dict(row)
        if self.count < self.head or (self.count - self.head) % self.stride == 0:
            self.kept.append(self.last)
        self.count += 1
        if len(self.kept) > self.limit - 1:  # the last row needs a place too
            self.kept[self.head :] = self.kept[self.head :: 2]
            self.stride *= 2

    def end(self, row: Mapping[str, float]) -> None:
        """A last row, whose place the next one takes."""
        self.last = dict(row)

    def rows(self) -> list[dict[str, float]]:
        """The rows that are kept, in order; the last is always among them."""
        if self.last is None or (self.kept and self.kept[-1][self.key] == self.last[self.key]):
            return list(self.kept)
        return [*self.kept, self.last]


def history_csv(history: Sequence[Mapping[str, float]]) -> str:
    """The history as CSV, one row an epoch, its columns the keys of the first entry.

    >>> history_csv([{"epoch": 1, "loss": 0.5}])
    'epoch,loss\\n1,0.5\\n'
    """
    stream = io.StringIO()
    names = list(history[0]) if history else ["epoch", "loss"]
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return stream.getvalue()
