"""What the options of training may be."""

from __future__ import annotations

import math
from dataclasses import dataclass

from derive.errors import DeriveError, printable

MOST_EPOCHS = 1_000_000_000  # no run lasts that long
CHECKPOINT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train; None leaves what the module says, or does without.

    `report` tells every so many epochs; None tells all, of more than a thousand by three digits: every 10th, 100th, ….
    `tolerance` stops when the loss changes by less, `patience` when it has not fallen below its lowest for that many
    epochs; `checkpoint` is the time between two checkpoints in seconds.
    """

    epochs: int
    lr: float | None = None
    batch_size: int | None = None
    seed: int = 0
    tolerance: float = 0.0
    patience: int | None = None
    checkpoint: float = CHECKPOINT_SECONDS
    report: int | None = 1

    def __post_init__(self) -> None:
        check_options(
            self.epochs, self.lr, self.batch_size, self.tolerance, self.patience, self.checkpoint, self.report
        )

    def stride(self, epoch: int) -> int:
        """How far apart the epochs around this one are that are told.

        >>> [Plan(1, report=None).stride(epoch) for epoch in (1, 999, 1000, 12345)]
        [1, 1, 10, 100]
        """
        return 10 ** max(0, len(str(epoch)) - 3) if self.report is None else self.report

    def is_told(self, epoch: int) -> bool:
        """Whether the loss and the metrics of the epoch are computed."""
        return epoch % self.stride(epoch) == 0

    def next_told(self, epoch: int) -> int:
        """The next epoch after this one that is told; the last one always is."""
        stride = self.stride(epoch + 1)
        return min(self.epochs, (epoch // stride + 1) * stride)


def check_options(
    epochs: int,
    lr: float | None,
    batch_size: int | None,
    tolerance: float,
    patience: int | None = None,
    checkpoint: float = CHECKPOINT_SECONDS,
    report: int | None = None,
) -> None:
    """Raise unless training can be done with these options."""
    _at_least_1("the number of epochs", epochs)
    if epochs > MOST_EPOCHS:
        raise DeriveError(f"the number of epochs must be at most {MOST_EPOCHS:,}")
    if lr is not None and not (math.isfinite(lr) and lr > 0):
        raise DeriveError(f"the learning rate must be positive and finite, not {lr:g}")
    _at_least_1("the batch size", batch_size)
    _at_least_1("the patience", patience)
    _at_least_1("the number of epochs between two reports", report)
    _not_negative("the tolerance", tolerance)
    _not_negative("the time between checkpoints", checkpoint)


def _at_least_1(what: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise DeriveError(f"{what} must be at least 1, not {printable(value)}")


def _not_negative(what: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise DeriveError(f"{what} must be a finite number, 0 or more, not {value:g}")
