"""The examples that a model is trained on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from derive.train.shipped import ShippedSet
from derive.train.store import FloatArray


@dataclass(frozen=True, slots=True)
class Examples:
    """Arrays by name, examples along axis 0; `constants` are what the data give without an example axis.

    `alphabet`: the characters that whole numbers stand for, where the data are a text.
    """

    arrays: dict[str, FloatArray]
    features: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    sizes: dict[str, int] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    ships: ShippedSet | None = None
    streamed: bool = False
    alphabet: str = ""

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values()), ()))
