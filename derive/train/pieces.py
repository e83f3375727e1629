"""Arrays in pieces: what is done to all examples is done to a few megabytes at a time, for they may lie on disk."""

from __future__ import annotations

from collections.abc import Iterator

PIECE = 2**24  # bytes


def pieces(count: int, row_bytes: int) -> Iterator[slice]:
    """Slices that together are all of `count` rows, each of at most `PIECE` bytes, or of one row.

    >>> list(pieces(3, 2**23))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    step = max(1, PIECE // max(1, row_bytes))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
