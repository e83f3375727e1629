"""A table in an `.npy` file: an array of shape (rows, columns) whose columns are named 0, 1, …, or one with names.

In: a path and a store.  Out: a `Table`.  The file is mapped, not read, where its examples are streamed; only what
no window of the file shows (columns out of order, numbers that are not float64 beside names) is copied to the store.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from derive.errors import DeriveError, printable
from derive.train.pieces import pieces
from derive.train.rows import count
from derive.train.store import FloatArray, Store
from derive.train.tables import Column, Flaw, Table


def read_array_table(path: Path, store: Store) -> Table:
    """The table in an .npy file; objects, which only pickle could read, are refused."""
    shown = printable(path)
    found = _mapped(path, shown)
    names = tuple(found.dtype.names or ())
    matrix = _fields(found, names, store, shown) if names else _matrix(found, store, shown)
    if not len(matrix):
        raise DeriveError(f"{shown} has no rows")
    names = names or tuple(str(place) for place in range(matrix.shape[1]))
    flaws = _flaws(matrix)
    words = Flaw(1, "it holds numbers")
    columns = (Column(n, k, matrix[:, k], (), flaws.get(k), words) for k, n in enumerate(names))
    return Table(names, tuple(columns), shown, matrix, store)


def _mapped(path: Path, shown: str) -> npt.NDArray[Any]:
    try:
        return np.asanyarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except FileNotFoundError:
        raise DeriveError(f"there is no file {shown}") from None
    except OSError as error:
        raise DeriveError(f"cannot read {shown}: {error.strerror or error}") from None
    except (ValueError, EOFError, SyntaxError, TypeError):
        raise DeriveError(f"{shown} is damaged, or not an .npy file of numbers") from None


def _matrix(found: npt.NDArray[Any], store: Store, shown: str) -> FloatArray:
    if found.ndim != 2:
        axes = count(found.ndim, "axis", "axes")
        raise DeriveError(f"{shown} has {axes}, not 2: a row for each example, a column for each number")
    _check_real(found.dtype, shown)
    return found if store.streamed else np.asarray(found, dtype=np.float64)


def _fields(found: npt.NDArray[Any], names: tuple[str, ...], store: Store, shown: str) -> FloatArray:
    if found.ndim != 1:
        raise DeriveError(f"{shown} has {found.ndim} axes; an array with named columns has one, its rows")
    for name in names:
        _check_real(found.dtype[name], shown)
    matrix = store.empty((len(found), len(names)))
    for piece in pieces(len(found), found.dtype.itemsize):
        for place, name in enumerate(names):
            matrix[piece, place] = found[name][piece]
    return matrix


def _check_real(kind: np.dtype[Any], shown: str) -> None:
    if kind.kind not in "fiub":
        raise DeriveError(f"{shown} holds {kind.name}, not real numbers")


def _flaws(matrix: FloatArray) -> dict[int, Flaw]:
    """For each column that is not finite everywhere the first row that is not, counted from 1."""
    found: dict[int, Flaw] = {}
    for piece in pieces(len(matrix), matrix.itemsize * matrix.shape[1]):
        for row, place in np.argwhere(~np.isfinite(matrix[piece])).tolist():
            value = float(matrix[piece][row, place])
            found.setdefault(place, Flaw(piece.start + row + 1, f"'{value:g}' is not a finite number"))
            if len(found) == matrix.shape[1]:
                return found
    return found
