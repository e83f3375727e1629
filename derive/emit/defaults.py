"""How training is done where no option says so: a built-in model's row in `models/training.toml`, else by the kind.

The generated module's `train` takes these as the defaults of its arguments, and `derive run` leaves them to it.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

from derive.model import Model
from derive.resources import model_dir


@dataclass(frozen=True, slots=True)
class Defaults:
    """`batch_size` None is all examples in every step; `data` is the set that a built-in model is trained on."""

    epochs: int
    lr: float
    batch_size: int | None = None
    data: str | None = None


def training_defaults(model: Model, classifier: bool = False) -> Defaults:
    """The defaults of a model; where a probability is the output, the learning rate may be larger."""
    has_data = bool(model.of_role("input", "target", "noise"))
    usual: dict[str, Any] = {"epochs": 200 if has_data else 50, "lr": 0.5 if classifier and has_data else 0.1}
    return Defaults(**usual | _table().get(model.name, {}))


@cache
def _table() -> dict[str, dict[str, Any]]:
    return tomllib.loads((model_dir() / "training.toml").read_text(encoding="utf-8"))
