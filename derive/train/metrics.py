"""How good predictions are: accuracy where the model says classes, R² elsewhere.

In: the model's output and the target, examples along axis 0.  Out: a `Metric`, a name and a number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from derive.errors import DeriveError
from derive.train.pieces import pieces
from derive.train.store import FloatArray

Kind = Literal["binary", "classes", "regression"]


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    value: float

    @property
    def column(self) -> str:
        """The name of its column in the history."""
        return {"R²": "r2"}.get(self.name, self.name)

    def __str__(self) -> str:
        return f"{self.name} {self.value:.4f}"


def measure(kind: Kind, output: FloatArray, target: FloatArray) -> Metric:
    """The metric of a sigmoid or a decision ("binary"), a softmax ("classes"), or any other output ("regression").

    A softmax output has shape (n, classes), or (n, steps, classes); its target is one-hot of the same shape, or the
    number of the class, shape (n,) or (n, steps).  Else both have the same shape.

    >>> str(measure("binary", np.array([0.9, 0.2, 0.6]), np.array([1.0, 0.0, 0.0])))
    'accuracy 0.6667'
    """
    return measure_parts(kind, [(output, target)])


Parts = Iterable[tuple[FloatArray, FloatArray]]


def measure_parts(kind: Kind, parts: Parts) -> Metric:
    """The same of output and target that come a piece of the examples at a time."""
    return r_squared(parts) if kind == "regression" else _accuracy(kind, parts)


def _accuracy(kind: Kind, parts: Parts) -> Metric:
    hits = count = 0
    for output, target in parts:
        if kind == "classes" and target.ndim == output.ndim:
            target = target.argmax(axis=-1)
        if kind == "classes":
            output = output.argmax(axis=-1)
        _check_shapes(output, target)
        right = output == target if kind == "classes" else (output >= 0.5) == (target >= 0.5)
        hits, count = hits + int(np.sum(right)), count + right.size
    _check_count(count)
    return Metric("accuracy", hits / count)


def r_squared(parts: Parts) -> Metric:
    """1 - Σ(y - a)²/Σ(y - ȳ)², both sums over the examples and the entries of a vector, ȳ for each entry.

    For a target that never changes it is 1 if the output is equal to it, else 0 (as in scikit-learn).
    """
    residual, seen = 0.0, 0
    mean = squares = low = high = np.zeros(())
    for output, target in parts:
        output, target = np.asarray(output, dtype=np.float64), np.asarray(target, dtype=np.float64)
        _check_shapes(output, target)
        _check_count(len(target))
        residual += float(np.sum((target - output) ** 2))
        count, centre = len(target), target.mean(axis=0)
        apart, share = centre - mean, seen * len(target) / (seen + len(target))
        squares = squares + np.sum((target - centre) ** 2, axis=0) + apart**2 * share
        low = np.minimum(low, target.min(axis=0)) if seen else target.min(axis=0)
        high = np.maximum(high, target.max(axis=0)) if seen else target.max(axis=0)
        seen += count
        mean = mean + apart * (count / seen)
    _check_count(seen)
    total = float(np.sum(np.where(high > low, squares, 0)))  # the mean of equal numbers is rounded
    return Metric("R²", 1 - residual / total if total > 0 else float(residual == 0))


def _check_shapes(output: FloatArray, target: FloatArray) -> None:
    if output.shape != target.shape:  # numpy would broadcast (n,) against (n, 1) to (n, n)
        raise DeriveError(f"the output has shape {output.shape}, but the target has shape {target.shape}")


def _check_count(count: int) -> None:
    if count == 0:
        raise DeriveError("there are no examples to measure on")


def check_target(kind: Kind, target: FloatArray, name: str) -> None:
    """Raise unless a sigmoid's target is within 0 … 1; another would train, but to nothing meaningful."""
    if kind != "binary":
        return
    for piece in (target[rows] for rows in pieces(len(target), target[:1].nbytes)):
        outside = piece[(piece < 0) | (piece > 1)]
        if outside.size:
            message = f"the target {name!r} of a sigmoid output is {outside.flat[0]:g} in some row"
            raise DeriveError(message, hint="it must be 0 or 1; text labels become 0 and 1 by themselves")
