"""Reading a table of numbers from a CSV file that nobody has vouched for.

In: a path, and where to keep the numbers.  Out: a `Table` of named columns, each of numbers, of text labels, or of
neither.  A file that cannot be a table at all (empty, ragged, unreadable, too large) is a `DeriveError` at once; a cell
that is not a number is one only when its column is asked for: a column of names does no harm to those who leave it out.

Invariant: what `Table.numbers` and `Table.labels` return is complete and finite.  Each line is one row, so
that errors name the line an editor shows; a quoted cell with a line break in it is refused.
"""

from __future__ import annotations

import gzip
import math
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from derive.errors import DeriveError, did_you_mean
from derive.train.pieces import pieces
from derive.train.rows import count, error_at, listed, quoted, read_rows
from derive.train.store import MEMORY, FloatArray, Store

LABEL_LIMIT = 1000  # different labels in one column; with more it is free text
BLOCK = 2**20  # cells that are read before they go to the store


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a column cannot be read in some way: the first line that forbids it."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `codes` are its numbers, or the places of its cells in the sorted `classes`; `place` is its place
    in the table's matrix."""

    name: str
    place: int
    codes: FloatArray
    classes: tuple[str, ...]
    not_numbers: Flaw | None
    not_labels: Flaw | None


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of a file, in its order."""

    names: tuple[str, ...]
    columns: tuple[Column, ...]
    source: str
    matrix: FloatArray  # shape (rows, columns of the file)
    store: Store = MEMORY

    def column(self, name: str) -> Column:
        if name not in self.names:
            hint = did_you_mean(name, self.names) or f"its columns are {listed(self.names)}"
            raise DeriveError(f"{self.source} has no column {quoted(name)}", hint=hint)
        return self.columns[self.names.index(name)]

    def numbers(self, name: str) -> FloatArray:
        """The column as finite numbers, shape (rows,)."""
        column = self.column(name)
        if column.not_numbers is not None:
            hint = "mend the cell, or leave the column out with --features"
            raise self._error(column, column.not_numbers, hint)
        return column.codes

    def labels(self, name: str) -> tuple[FloatArray, tuple[str, ...]]:
        """The column as text labels: the place of each row's label in the sorted classes, and the classes.

        A column of numbers has no classes: ``(numbers, ())``.
        """
        column = self.column(name)
        if column.not_numbers is None:
            return column.codes, ()
        if column.not_labels is None:
            return column.codes, column.classes
        # The column began as one kind; the cell that broke this is the later of the two.
        raise self._error(column, max(column.not_labels, column.not_numbers, key=lambda flaw: flaw.line))

    def _error(self, column: Column, flaw: Flaw, hint: str | None = None) -> DeriveError:
        return error_at(self.source, flaw.line, f"column {quoted(column.name)}: {flaw.message}", hint)


def read_table(path: str | Path, store: Store = MEMORY) -> Table:
    """The table in a CSV file: comma-separated, UTF-8, its first line the names of the columns; .gz is unpacked."""
    source = "".join(c if c.isprintable() else "?" for c in str(path))
    try:
        with Path(path).open("rb") as stream:
            plain = cast(BinaryIO, gzip.GzipFile(fileobj=stream)) if str(path).lower().endswith(".gz") else stream
            return _read(read_rows(plain, source, not store.streamed), source, store)
    except FileNotFoundError:
        raise DeriveError(f"there is no file {source}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise DeriveError(f"{source} is damaged, or not compressed by gzip") from None
    except IsADirectoryError:
        raise DeriveError(f"{source} is a folder, not a CSV file") from None
    except OSError as error:
        raise DeriveError(f"cannot read {source}: {error.strerror}") from None
    except ValueError:  # a NUL in the path
        raise DeriveError(f"{source} is not a file name") from None


def _read(rows: Iterator[tuple[int, list[str]]], source: str, store: Store = MEMORY) -> Table:
    line, names = next(rows, (0, []))
    if not names:
        hint = "the first line names the columns, each further line is an example"
        raise DeriveError(f"{source} is empty", hint=hint)
    _check_header(names, source, line)
    builder = TableBuilder(names, source, store)
    for line, cells in rows:
        if len(cells) != len(names):
            found = f"this row has {count(len(cells), 'cell')}"
            raise error_at(source, line, f"{found}, but the header names {count(len(names), 'column')}")
        builder.add(cells, line)
    return builder.build()


class TableBuilder:
    """Collects a table row by row, or column pieces at a time, and hands it to the store in blocks."""

    def __init__(self, names: Sequence[str], source: str, store: Store) -> None:
        self.names, self.source, self.store = tuple(names), source, store
        self.sink = store.sink(len(names))
        self.builders = [_Builder() for _ in names]
        self.waiting = self.rows = 0

    def add(self, cells: Sequence[str], line: int) -> None:
        for builder, cell in zip(self.builders, cells, strict=True):
            builder.add(cell, line)
        self.waiting += 1
        if self.waiting * len(self.names) >= BLOCK:
            self.flush(self.waiting)

    def flush(self, rows: int) -> None:
        """Hand on the rows that every column has now; one that is neither numbers nor labels has none."""
        self.sink.write(np.stack([builder.taken(rows) for builder in self.builders], axis=1))
        self.rows += rows
        self.waiting = 0

    def build(self) -> Table:
        if self.waiting:
            self.flush(self.waiting)
        if not self.rows:
            raise DeriveError(f"{self.source} has a header but no rows")
        matrix = self.sink.matrix()
        named = enumerate(zip(self.builders, self.names, strict=True))
        columns = tuple(builder.build(name, place, matrix[:, place]) for place, (builder, name) in named)
        return Table(self.names, columns, self.source, matrix, self.store)


def _check_header(names: list[str], source: str, line: int) -> None:
    if all(_number(name) is not None for name in names):
        raise error_at(source, line, "the first line holds numbers", "the first line must name the columns")
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        hint = "columns are separated by commas"
        raise error_at(source, line, f"the header is the single name {quoted(names[0])}", hint)
    seen: set[str] = set()
    for place, name in enumerate(names, start=1):
        if not name:
            raise error_at(source, line, f"column {place} has no name")
        if name in seen:
            raise error_at(source, line, f"two columns are named {quoted(name)}")
        seen.add(name)


@dataclass(slots=True)
class _Builder:
    """Collects one column: its numbers while all cells are numbers, its labels while none is."""

    codes: array[float] = field(default_factory=lambda: array("d"))
    places: dict[str, int] = field(default_factory=dict)  # label -> order of appearance
    not_numbers: Flaw | None = None
    not_labels: Flaw | None = None

    def taken(self, rows: int) -> FloatArray:
        """The codes that were collected, which are then forgotten; what is missing is NaN."""
        found = np.full(rows, np.nan)
        found[: len(self.codes)] = self.codes
        self.codes = array("d")
        return found

    def add_numbers(self, numbers: FloatArray, first_line: int) -> None:
        """A piece of a column that can only hold numbers; NaN and infinity are flaws."""
        bad = np.flatnonzero(~np.isfinite(numbers))
        if self.not_numbers is None and bad.size:
            value = numbers[bad[0]]
            why = "the cell is empty" if np.isnan(value) else f"{quoted(f'{value:g}')} is not a finite number"
            self.not_numbers = Flaw(first_line + int(bad[0]), why)
        if self.not_labels is None:
            self.not_labels = Flaw(first_line, "it holds numbers")
        self.codes.extend(numbers.tolist())

    def add(self, cell: str, line: int) -> None:
        number = _number(cell)
        if self.not_numbers is None and (number is None or not math.isfinite(number)):
            self.not_numbers = Flaw(line, _why_not_a_number(cell, number))
        if self.not_labels is None and (why := self._why_not_a_label(cell, number)):
            self.not_labels = Flaw(line, why)
        if self.not_numbers is None and number is not None:
            self.codes.append(number)
        elif self.not_labels is None:
            self.codes.append(self.places.setdefault(cell, len(self.places)))

    def _why_not_a_label(self, cell: str, number: float | None) -> str | None:
        if not cell:
            return "the cell is empty"
        if number is not None:
            return f"{quoted(cell)} stands among text labels"
        if cell not in self.places and len(self.places) == LABEL_LIMIT:
            return f"more than {LABEL_LIMIT} different labels"
        return None

    def build(self, name: str, place: int, codes: FloatArray) -> Column:
        classes = tuple(sorted(self.places))
        if self.not_labels is None:
            rank = {label: order for order, label in enumerate(classes)}
            ranks = np.array([rank[label] for label in self.places], dtype=np.float64)
            for piece in pieces(len(codes), 8):
                codes[piece] = ranks[codes[piece].astype(np.intp)]
        return Column(name, place, codes, classes, self.not_numbers, self.not_labels)


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return None if "_" in cell else number  # Python reads 1_000, tables do not mean it


def _why_not_a_number(cell: str, number: float | None) -> str:
    if not cell:
        return "the cell is empty"
    return f"{quoted(cell)} is not a {'number' if number is None else 'finite number'}"
