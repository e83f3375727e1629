"""The data sets that scikit-learn bundles, as tables: nothing is downloaded."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from derive.errors import DeriveError
from derive.train.store import MEMORY
from derive.train.tables import Table, TableBuilder

# What scikit-learn bundles and derive does not: the name, and the function that gives it.
LIBRARY_SETS = {"iris": "load_iris", "wine": "load_wine"}
TARGET = "target"


def library_table(name: str) -> Table:
    """The named set: its features, and the column `target` of text labels.

    Raises DeriveError where scikit-learn is not installed.
    """
    found = getattr(_datasets(name), LIBRARY_SETS[name])()
    names = [*(" ".join(str(each).split()) for each in found.feature_names), TARGET]
    builder = TableBuilder(names, name, MEMORY)
    for line, (numbers, code) in enumerate(zip(found.data, found.target, strict=True), start=1):
        builder.add([*(repr(float(number)) for number in numbers), _label(found, code)], line)
    return builder.build()


def _label(found: Any, code: np.integer[Any]) -> str:
    return str(found.target_names[code])


def _datasets(name: str) -> ModuleType:
    try:
        import sklearn.datasets
    except ImportError:
        message = f"the data set '{name}' comes with scikit-learn, which is not installed"
        raise DeriveError(message, hint="pip install 'derive-gradients[data]'") from None
    datasets: ModuleType = sklearn.datasets
    return datasets
