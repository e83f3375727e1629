"""Preparing data for training: splitting off a test part, and standardising.

In: arrays by name, examples along axis 0.  Out: the same names with fewer rows, or with standardised values.
Invariant: what the test part holds never enters the means and scales.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from derive.errors import DeriveError
from derive.train.pieces import pieces
from derive.train.store import FloatArray


@dataclass(frozen=True, slots=True)
class Scaler:
    """(x - mean)/scale for each array named in it, entry by entry: what training saw, prediction applies."""

    mean: dict[str, FloatArray]  # shape () for a scalar input, (size,) for a vector
    scale: dict[str, FloatArray]

    def apply(self, arrays: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """The arrays, those that the scaler knows standardised, the others as they are."""
        return {
            name: (values - self.mean[name]) / self.scale[name] if name in self.mean else values
            for name, values in arrays.items()
        }


def divided(train: Mapping[str, FloatArray], names: Iterable[str], by: float) -> Scaler:
    """The scaler that divides every entry of the named arrays by the same number.

    >>> divided({"x": np.array([1.0, 3.0])}, ["x"], 2).apply({"x": np.array([5.0])})["x"].tolist()
    [2.5]
    """
    shapes = {name: train[name].shape[1:] for name in names}
    return Scaler({n: np.zeros(s) for n, s in shapes.items()}, {n: np.full(s, float(by)) for n, s in shapes.items()})


def standardise(
    train: Mapping[str, FloatArray], names: Iterable[str], places: npt.NDArray[np.intp] | None = None
) -> Scaler:
    """The scaler that gives the named arrays mean 0 and standard deviation 1, at `places` of the examples if given.

    An entry that never changes is only centred.

    >>> scaler = standardise({"x": np.array([1.0, 3.0])}, ["x"])
    >>> scaler.apply({"x": np.array([5.0])})["x"].tolist()
    [3.0]
    """
    mean: dict[str, FloatArray] = {}
    scale: dict[str, FloatArray] = {}
    for name in names:
        centre, spread = _moments(train[name], places)
        if not np.isfinite(spread).all():
            raise DeriveError(f"the values of {name!r} are too large to standardise")
        # The deviation of equal numbers is not always exactly 0: their mean is rounded.
        constant = spread <= 1e-13 * np.abs(centre)
        mean[name], scale[name] = centre, np.where(constant, 1.0, spread)
    return Scaler(mean, scale)


def _moments(values: FloatArray, places: npt.NDArray[np.intp] | None) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation over the examples, a piece at a time (Chan, Golub and LeVeque 1979)."""
    total = len(values) if places is None else len(places)
    centre = squares = np.zeros(values.shape[1:])
    seen = 0
    with np.errstate(over="ignore", invalid="ignore"):
        for each in pieces(total, values[:1].nbytes):
            part = np.asarray(values[each] if places is None else values[places[each]], dtype=np.float64)
            count = len(part)
            apart = part.mean(axis=0) - centre
            centre = centre + apart * (count / (seen + count))
            squares = squares + part.var(axis=0) * count + apart**2 * (seen * count / (seen + count))
            seen += count
        return np.asarray(centre), np.asarray(np.sqrt(squares / total))


def split(n: int, fraction: float, seed: int, what: str = "test") -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The rows of the training part and of the part split off, in ascending order, the same for the same seed.

    >>> train, test = split(10, 0.2, seed=0)
    >>> len(train), len(test)
    (8, 2)
    """
    if not 0 <= fraction < 1:
        raise DeriveError(f"the {what} part must be at least 0 and less than 1 of the rows, not {fraction:g}")
    size = 0 if fraction == 0 else max(1, round(n * fraction))
    if size >= n:
        raise DeriveError(f"{n} {'row is' if n == 1 else 'rows are'} too few to split off a {what} part")
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[size:]), np.sort(order[:size])


def take(arrays: Mapping[str, FloatArray], rows: npt.NDArray[np.intp]) -> dict[str, FloatArray]:
    """The given rows of every array."""
    return {name: values[rows] for name, values in arrays.items()}
