"""The data sets that ship with derive: the rows of `datasets/datasets.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from derive.resources import data_dir


@dataclass(frozen=True, slots=True)
class ShippedSet:
    """`target` is the column to be predicted; inputs are divided by `divide`, or standardised where that is None.

    `path` is None for a set that comes with another library.
    """

    name: str
    path: Path | None
    target: str
    divide: float | None = None


@cache
def shipped_sets() -> dict[str, ShippedSet]:
    """The sets by name, in alphabetical order."""
    rows = tomllib.loads((data_dir() / "datasets.toml").read_text(encoding="utf-8"))
    return {name: ShippedSet(name, _file(name), **rows[name]) for name in sorted(rows)}


def _file(name: str) -> Path:
    plain = data_dir() / f"{name}.csv"
    return plain if plain.is_file() else data_dir() / f"{name}.csv.gz"


def shipped(name: str) -> ShippedSet | None:
    """The set of that name, if there is one and no file is meant; ``breast-cancer`` is ``breast_cancer``."""
    return None if Path(name).exists() else shipped_sets().get(name.replace("-", "_"))
