"""How training is done where no option says so: a built-in model's row in `models/training.toml`, else by the kind.

The generated module's `train` takes these as the defaults of its arguments, and `derive run` leaves them to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from derive.expression.build import ZERO
from derive.model import Model
from derive.optimizer import RATE
from derive.parse.numbers import number_value
from derive.resources import training_rows
from derive.update_rule import UpdateRule, rule_for


@dataclass(frozen=True, slots=True)
class Defaults:
    """`batch_size` None is all examples in every step; `data` is the set that a built-in model is trained on."""

    epochs: int
    lr: float
    batch_size: int | None = None
    data: str | None = None


def training_defaults(model: Model, classifier: bool = False, rule: UpdateRule | None = None) -> Defaults:
    """The defaults of a model; where a probability is the output, the learning rate may be larger."""
    has_data = bool(model.of_role("input", "target", "noise"))
    usual: dict[str, Any] = {"epochs": 200 if has_data else 50, "lr": 0.5 if classifier and has_data else 0.1}
    row = {key: value for key, value in training_rows().get(model.name, {}).items() if key != "optimizer"}
    found = usual | row
    if rule is not None and (rate := _rate(rule, model, found.get("batch_size"))) is not None:
        found["lr"] = rate
    return Defaults(**found)


def _rate(rule: UpdateRule, model: Model, batch_size: int | None) -> float | None:
    """The learning rate that the rule itself says; None leaves it to the model, whose row is for its own optimiser.

    What an optimiser's text says suits minibatches; where an epoch is a single step, it is ten times that.
    """
    if rule.rate is not None:
        return number_value(rule.rate)
    own = rule_for(model).optimizer.name
    if rule.optimizer.name in ("gradient-descent", own):
        return None
    rate = number_value(rule.optimizer.constants.get(RATE, ZERO)) or 0.0
    return float(f"{rate if batch_size else 10 * rate:.12g}")
