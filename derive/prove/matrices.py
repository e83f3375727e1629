"""Determinants and inverses of matrices of exact or many-digit numbers, by elimination."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from derive.prove.digits import digits_now
from derive.prove.named import UNCOMPUTED, UNDEFINED, Hole
from derive.prove.primitives import divide


def determinant(matrix: np.ndarray) -> Any:
    """By elimination with row exchanges; a hole where an entry is one, or where rounding leaves nothing of it."""
    rows, sign = _copy(matrix), 1
    if rows is None:
        return UNDEFINED
    n, least = len(rows), _least(rows)
    value: Any = 1
    for k in range(n):
        pivot = max(range(k, n), key=lambda r: abs(rows[r][k]))
        if rows[pivot][k] == 0:
            return rows[pivot][k]
        if abs(rows[pivot][k]) < least:
            return UNCOMPUTED
        if pivot != k:
            rows[k], rows[pivot], sign = rows[pivot], rows[k], -sign
        value = value * rows[k][k]
        for r in range(k + 1, n):
            _subtract(rows[r], rows[k], divide(rows[r][k], rows[k][k]))
    return sign * value


def inverse(matrix: np.ndarray) -> np.ndarray:
    """By elimination on the matrix beside the unit matrix; holes everywhere where it is singular."""
    n = len(matrix)
    left = _copy(matrix)
    out = np.full((n, n), UNDEFINED, dtype=object)
    if left is None:
        return out
    least = _least(left)
    rows = [[*row, *(int(r == c) for c in range(n))] for r, row in enumerate(left)]
    for k in range(n):
        pivot = max(range(k, n), key=lambda r: abs(rows[r][k]))
        if rows[pivot][k] == 0:
            return out
        if abs(rows[pivot][k]) < least:
            return np.full((n, n), UNCOMPUTED, dtype=object)
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [divide(entry, rows[k][k]) for entry in rows[k]]
        for r in range(n):
            if r != k:
                _subtract(rows[r], rows[k], rows[r][k])
    for r in range(n):
        out[r, :] = rows[r][n:]
    return out


def _least(rows: list[list[Any]]) -> Any:
    """Below this a pivot is rounding: the matrix is singular, as X.T @ X of an X with few rows is, or nearly so."""
    entries = [entry for row in rows for entry in row]
    if not any(isinstance(entry, Decimal) for entry in entries):
        return 0
    return max(abs(entry) for entry in entries) * Decimal(10) ** (-digits_now() // 2)


def _copy(matrix: np.ndarray) -> list[list[Any]] | None:
    rows = [list(row) for row in matrix]
    return None if any(isinstance(entry, Hole) for row in rows for entry in row) else rows


def _subtract(row: list[Any], other: list[Any], factor: Any) -> None:
    if factor != 0:
        row[:] = [entry - factor * above for entry, above in zip(row, other, strict=True)]
