"""How good predictions are: accuracy where the model says classes, R² elsewhere.

In: the model's output and the target, examples along axis 0.  Out: a `Metric`, a name and a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from derive.errors import DeriveError
from derive.train.tables import FloatArray

Kind = Literal["binary", "classes", "regression"]


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    value: float

    def __str__(self) -> str:
        return f"{self.name} {self.value:.4f}"


def measure(kind: Kind, output: FloatArray, target: FloatArray) -> Metric:
    """The metric of a sigmoid or a decision ("binary"), a softmax ("classes"), or any other output ("regression").

    A softmax output has shape (n, classes); its target is one-hot of the same shape, or the number of the
    class, shape (n,).  Else both have the same shape.

    >>> str(measure("binary", np.array([0.9, 0.2, 0.6]), np.array([1.0, 0.0, 0.0])))
    'accuracy 0.6667'
    """
    if len(output) == 0:
        raise DeriveError("there are no examples to measure on")
    if kind == "classes" and target.ndim == 2:
        target = target.argmax(axis=1)
    if kind == "classes":
        output = output.argmax(axis=1)
    if output.shape != target.shape:  # numpy would broadcast (n,) against (n, 1) to (n, n)
        raise DeriveError(f"the output has shape {output.shape}, but the target has shape {target.shape}")
    if kind == "regression":
        return Metric("R²", r_squared(output, target))
    hits = output == target if kind == "classes" else (output >= 0.5) == (target >= 0.5)
    return Metric("accuracy", float(np.mean(hits)))


def r_squared(output: FloatArray, target: FloatArray) -> float:
    """1 - Σ(y - a)²/Σ(y - ȳ)², both sums over the examples and the entries of a vector, ȳ for each entry.

    For a target that never changes it is 1 if the output is equal to it, else 0 (as in scikit-learn).
    """
    residual = float(np.sum((target - output) ** 2))
    varies = target.max(axis=0) > target.min(axis=0)  # the mean of equal numbers is rounded
    total = float(np.sum(np.where(varies, (target - target.mean(axis=0)) ** 2, 0)))
    return 1 - residual / total if total > 0 else float(residual == 0)


def check_target(kind: Kind, target: FloatArray, name: str) -> None:
    """Raise unless a sigmoid's target is within 0 … 1; another would train, but to nothing meaningful."""
    outside = target[(target < 0) | (target > 1)] if kind == "binary" else target[:0]
    if outside.size:
        message = f"the target {name!r} of a sigmoid output is {outside.flat[0]:g} in some row"
        raise DeriveError(message, hint="it must be 0 or 1; text labels become 0 and 1 by themselves")
