"""The data sets that scikit-learn bundles, as tables: nothing is downloaded."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from derive.errors import DeriveError
from derive.train.store import MEMORY
from derive.train.tables import Table, TableBuilder

TARGET = "target"
# What scikit-learn bundles and derive does not: the function that gives it, and the column to be predicted unless told.
LIBRARY_SETS = {
    "iris": ("load_iris", TARGET),
    "wine": ("load_wine", TARGET),
    "linnerud": ("load_linnerud", "Weight"),
}


def library_table(name: str) -> Table:
    """The named set: its features, and the column `target` of text labels, or a column for each of several targets.

    Raises DeriveError where scikit-learn is not installed.
    """
    found = getattr(_datasets(name), LIBRARY_SETS[name][0])()
    several = np.ndim(found.target) > 1
    names = [" ".join(str(each).split()) for each in found.feature_names]
    builder = TableBuilder([*names, *(found.target_names if several else [TARGET])], name, MEMORY)
    for line, (numbers, target) in enumerate(zip(found.data, found.target, strict=True), start=1):
        of_target = [repr(float(number)) for number in target] if several else [str(found.target_names[target])]
        builder.add([*(repr(float(number)) for number in numbers), *of_target], line)
    return builder.build()


def _datasets(name: str) -> ModuleType:
    try:
        import sklearn.datasets
    except ImportError:
        message = f"the data set '{name}' comes with scikit-learn, which is not installed"
        raise DeriveError(message, hint="pip install 'derive-gradients[data]'") from None
    datasets: ModuleType = sklearn.datasets
    return datasets
