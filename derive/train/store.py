"""Where the numbers of a data file are kept: in memory, or in a temporary file that is mapped into it.

Invariant: a temporary file has no name that outlives the process, also if it is killed (on POSIX systems).
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import numpy as np
import numpy.typing as npt

from derive.errors import DeriveError, printable

FloatArray = npt.NDArray[np.float64]


class Sink(Protocol):
    """Takes a table in blocks of shape (rows, columns)."""

    def write(self, block: FloatArray) -> None: ...

    def matrix(self) -> FloatArray:
        """All rows that were written."""
        ...


class Store(Protocol):
    @property
    def streamed(self) -> bool: ...

    def sink(self, columns: int) -> Sink: ...

    def empty(self, shape: tuple[int, ...]) -> FloatArray: ...


@dataclass(slots=True)
class _MemorySink:
    columns: int
    blocks: list[FloatArray] = field(default_factory=list)

    def write(self, block: FloatArray) -> None:
        self.blocks.append(block)

    def matrix(self) -> FloatArray:
        return np.concatenate([np.empty((0, self.columns)), *self.blocks])


@dataclass(frozen=True, slots=True)
class Memory:
    """Numbers are kept in memory."""

    streamed: bool = False

    def sink(self, columns: int) -> Sink:
        return _MemorySink(columns)

    def empty(self, shape: tuple[int, ...]) -> FloatArray:
        return np.empty(shape)


@dataclass(slots=True)
class _DiskSink:
    file: BinaryIO
    columns: int
    rows: int = 0

    def write(self, block: FloatArray) -> None:
        try:
            self.file.write(np.ascontiguousarray(block).tobytes())
        except OSError as error:
            raise DeriveError(f"the examples cannot be kept on disk: {error.strerror}") from None
        self.rows += len(block)

    def matrix(self) -> FloatArray:
        if not self.rows:
            return np.empty((0, self.columns))
        self.file.flush()
        return cast(FloatArray, np.memmap(self.file, np.float64, "r+", shape=(self.rows, self.columns)))

    def __del__(self) -> None:
        self.file.close()  # the map keeps what it needs


@dataclass(frozen=True, slots=True)
class Disk:
    """Numbers are kept in temporary files of the folder, and mapped."""

    folder: Path
    streamed: bool = True

    def sink(self, columns: int) -> Sink:
        return _DiskSink(self._file(), columns)

    def empty(self, shape: tuple[int, ...]) -> FloatArray:
        try:
            with self._file() as file:
                file.truncate(8 * int(np.prod(shape, dtype=object)))
                return cast(FloatArray, np.memmap(cast(Any, file), np.float64, "r+", shape=shape))
        except OSError as error:
            raise DeriveError(f"the examples cannot be kept on disk: {error.strerror}") from None

    def _file(self) -> BinaryIO:
        try:
            return cast(BinaryIO, tempfile.TemporaryFile(dir=self.folder))
        except OSError as error:
            raise DeriveError(f"cannot keep examples in {printable(self.folder)}: {error.strerror}") from None


MEMORY = Memory()
STREAM_ABOVE = 2**28  # bytes of a file that is not read into memory


def disk_near(folder: Path) -> Disk:
    """A store in the folder where the results will be, or in the nearest one above it that is there."""
    return Disk(next(each for each in (folder.absolute(), *folder.absolute().parents) if each.is_dir()))
