"""The rows of a CSV file, line by line, within limits; and the words in which data errors are told.

In: an open binary stream.  Out: line numbers and stripped cells.  Bytes that are not UTF-8, NUL bytes, quotes
that do not close, and files or lines beyond the limits are a `DeriveError` that names the line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from derive.errors import DeriveError, Place

FILE_LIMIT = 512 * 2**20  # bytes
LINE_LIMIT = 2**20  # bytes


def read_rows(stream: BinaryIO, source: str, limited: bool = True) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with its line number: stripped cells; if `limited`, of `FILE_LIMIT` bytes."""
    total = 0
    line = 0
    while raw := stream.readline(LINE_LIMIT + 1):
        line += 1
        total += len(raw)
        if len(raw) > LINE_LIMIT:
            raise error_at(source, line, f"this line is longer than {LINE_LIMIT // 2**20} MiB")
        if limited and total > FILE_LIMIT:
            larger = f"{source} is larger than {FILE_LIMIT // 2**20} MiB"
            raise DeriveError(larger, hint="--stream reads it piece by piece")
        text = _decode(raw, source, line)
        try:
            cells = next(csv.reader([text], strict=True, skipinitialspace=True), [])
        except csv.Error as error:
            hint = "a quoted cell must end on its line" if "end of data" in str(error) else None
            raise error_at(source, line, f"not a row of CSV: {error}", hint) from None
        if text.strip():
            yield line, [cell.strip() for cell in cells]


def _decode(raw: bytes, source: str, line: int) -> str:
    if b"\0" in raw:
        raise error_at(source, line, "a NUL byte: this is not a text file", "save the file as CSV in UTF-8")
    try:
        text = raw.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError:
        raise error_at(source, line, "bytes that are not UTF-8", "save the file as CSV in UTF-8") from None
    return text.rstrip("\r\n")


def quoted(text: str) -> str:
    """The text in quotes, on one line, without control characters, and not longer than is useful."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


def listed(names: Sequence[str], most: int = 8) -> str:
    """The names in one line: ``'a', 'b' and 3 more``."""
    shown = ", ".join(quoted(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def error_at(source: str, line: int, message: str, hint: str | None = None) -> DeriveError:
    error = DeriveError(message, Place(line, 1), hint)
    error.source = source
    return error


def count(number: int, noun: str, plural: str | None = None) -> str:
    """The number with its noun.

    >>> count(1, "class"), count(3, "class", "classes")
    ('1 class', '3 classes')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
