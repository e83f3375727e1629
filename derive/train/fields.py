"""Filling the inputs and targets of a model, once it is known which columns belong to which.

In: a `DataField` and the names of its columns.  Out: its array, examples along axis 0; on the way symbolic
sizes are bound and text labels become classes.  Invariant: each array has the shape that its field declares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from derive.errors import DeriveError
from derive.train.pieces import pieces
from derive.train.rows import count, listed, quoted
from derive.train.store import FloatArray
from derive.train.tables import LABEL_LIMIT, Table

LARGEST = 10**9  # a whole number that counts something


@dataclass(frozen=True, slots=True)
class DataField:
    """An input or target of a model.

    `shape` is ``()`` for a scalar, ``(2,)`` for a vector, ``("d",)`` for one whose size the data bind;
    `whole` is K for values declared ``integer(K)``: whole numbers 0 … K-1; a name if the data bind it.
    """

    name: str
    shape: tuple[int | str, ...] = ()
    whole: int | str | None = None


class FieldFiller:
    """Collects the arrays, checks each against its field, and binds the symbolic sizes on the way."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.arrays: dict[str, FloatArray] = {}
        self.classes: tuple[str, ...] = ()
        self.sizes: dict[str, int] = {}
        self.counted: dict[str, int] = {}  # sizes that are one more than the largest whole number

    def numbers(self, each: DataField, names: Sequence[str]) -> None:
        """Fill a field with columns of numbers: shape (n,) for a scalar, else (n, columns)."""
        values = self._side_by_side(names)
        for place, name in enumerate(names):
            self._check_whole(each, values[:, place], name)
        if each.shape:
            self._bind(each, len(names), f"{self.table.source} has {count(len(names), 'column')} for it")
        self.arrays[each.name] = values if each.shape else values[:, 0]

    def _side_by_side(self, names: Sequence[str]) -> FloatArray:
        """The columns as one array, shape (rows, columns): a view where they stand so in the table already."""
        columns = [self.table.numbers(name) for name in names]
        first = self.table.column(names[0]).place
        if [self.table.column(name).place for name in names] == list(range(first, first + len(names))):
            return self.table.matrix[:, first : first + len(names)]
        values = self.table.store.empty((len(columns[0]), len(names)))
        for piece in pieces(len(values), 8 * len(names)):
            np.stack([column[piece] for column in columns], axis=-1, out=values[piece])
        return values

    def target(self, each: DataField, name: str) -> None:
        """Fill a target with one column: numbers or labels for a scalar, one-hot rows for a vector."""
        codes, classes = self.table.labels(name)
        if each.shape in ((), (1,)):
            if classes:
                _check_classes(each, classes, name)
                self._count(each, len(classes))
            else:
                self._check_whole(each, codes, name)
            self.arrays[each.name] = codes.reshape(-1, *each.shape) if each.shape else codes
        else:
            if not classes:
                codes, classes = self._numbered_classes(codes, name)
            self._bind(each, len(classes), f"column {quoted(name)} has {_described(classes)}")
            self.arrays[each.name] = self._one_hot(codes, len(classes))
        self.classes = self.classes or classes

    def _one_hot(self, codes: FloatArray, size: int) -> FloatArray:
        values = self.table.store.empty((len(codes), size))
        for piece in pieces(len(codes), 8 * size):
            values[piece] = codes[piece, None] == np.arange(size)
        return values

    def _numbered_classes(self, values: FloatArray, column: str) -> tuple[FloatArray, tuple[str, ...]]:
        """The distinct numbers as classes: the place of each value among them, and their spellings."""
        distinct = np.empty(0)
        for piece in pieces(len(values), 8):
            distinct = np.union1d(distinct, values[piece])
            if len(distinct) > LABEL_LIMIT:
                many = f"more than {LABEL_LIMIT} different numbers"
                raise DeriveError(f"column {quoted(column)} has {many}: too many classes")
        spelled = tuple(str(int(value)) if value.is_integer() else repr(value) for value in distinct.tolist())
        places = self.table.store.empty(values.shape)
        for piece in pieces(len(values), 8):
            places[piece] = np.searchsorted(distinct, values[piece])
        return places, spelled

    def _bind(self, each: DataField, found: int, instead: str) -> None:
        """Check the length of a vector, or let it bind the symbolic size."""
        size = each.shape[0]
        if isinstance(size, str):
            size = self.sizes.setdefault(size, found)
        if size != found:
            known = f"{each.shape[0]} = {size}" if isinstance(each.shape[0], str) else f"{size}"
            raise DeriveError(f"{quoted(each.name)} has size {known}, but {instead}")

    def _check_whole(self, each: DataField, values: FloatArray, column: str) -> None:
        """Raise unless values declared ``integer(K)`` are whole numbers 0 … K-1; they bind a K that is not known."""
        if each.whole is None:
            return
        limit = self.sizes.get(each.whole, LARGEST) if isinstance(each.whole, str) else each.whole
        for piece in (values[rows] for rows in pieces(len(values), 8)):
            wrong = piece[(piece != np.floor(piece)) | (piece < 0) | (piece >= limit)]
            if wrong.size:
                message = f"column {quoted(column)} holds {wrong[0]:g}, but {quoted(each.name)}"
                most = f" to {limit - 1}" if limit < LARGEST else ""
                raise DeriveError(f"{message} takes whole numbers from 0{most}")
        self._count(each, 1 + int(values.max()))

    def _count(self, each: DataField, found: int) -> None:
        if isinstance(each.whole, str):
            self.counted[each.whole] = max(self.counted.get(each.whole, 1), found)

    def bound_sizes(self) -> dict[str, int]:
        """The sizes that the data bind: lengths of vectors, else what the whole numbers need."""
        for name, found in self.counted.items():
            if found > self.sizes.get(name, found):
                raise DeriveError(f"the size '{name}' is {self.sizes[name]}, but {found - 1} is among its numbers")
        return self.counted | self.sizes


def _check_classes(each: DataField, classes: tuple[str, ...], column: str) -> None:
    """Raise unless text labels fit a scalar target: two for 0 and 1, up to K for ``integer(K)``."""
    whole = len(classes) if isinstance(each.whole, str) else each.whole
    fits = len(classes) == 2 if whole is None else len(classes) <= whole
    if not fits:
        wanted = "two, for 0 and 1" if whole is None else f"at most {whole}"
        found = f"column {quoted(column)} has {_described(classes)}"
        raise DeriveError(f"{found}, but the target {quoted(each.name)} takes {wanted}")


def _described(classes: tuple[str, ...]) -> str:
    return f"{count(len(classes), 'class', 'classes')} ({listed(classes)})"
