"""The data of a run as training takes them: parts, scaled, in the chosen precision; and the constants and sizes.

In: the model, the `DataOptions`, what ``--set`` gave.  Out: `Prepared`.
Invariant: what the validation and test parts hold never enters the means and scales.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from derive.emit.defaults import training_defaults
from derive.errors import DeriveError
from derive.model import Model
from derive.train.examples import default_sizes, read_examples
from derive.train.examples_of import Examples
from derive.train.metrics import check_target
from derive.train.outcome import output_kind
from derive.train.part import Arrays, Part, Places, part_of
from derive.train.preparation import Scaler, divided, split, standardise
from derive.train.settings import Settings
from derive.train.store import MEMORY, STREAM_ABOVE, FloatArray, Store, disk_near


@dataclass(frozen=True, slots=True)
class DataOptions:
    """The options of `derive run` that speak of the data; None leaves what suits."""

    data: str | None = None
    target: str | None = None
    features: tuple[str, ...] | None = None
    standardise: bool | None = None
    test_fraction: float = 0.2
    validation: float = 0.0
    seed: int = 0
    dtype: str = "float64"
    stream: bool | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """`train` is None for a model without data, `validation` and `test` where nothing is held out."""

    constants: dict[str, Any]
    sizes: dict[str, int]
    examples: Examples | None = None
    train: Part | None = None
    validation: Part | None = None
    test: Part | None = None
    scaler: Scaler | None = None
    scaling: str = ""  # what was done to the inputs, as the user is told

    @property
    def parts(self) -> dict[str, Part]:
        """The parts that hold examples, by name."""
        named = {"training": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}

    def digest(self) -> str:
        """What tells these data from others: their bytes; of streamed examples their number and shape."""
        found = hashlib.sha256()
        for part in self.parts.values():
            for name, values in sorted(part.arrays.items()):
                found.update(f"{name} {values.shape} {part.streamed}".encode())
                if not part.streamed:
                    found.update(values.tobytes())
        return found.hexdigest()


def prepare(model: Model, options: DataOptions, settings: Settings, folder: Path) -> Prepared:
    """The data; examples that do not fit into memory are kept in files near `folder`."""
    if not model.of_role("input", "target"):
        if options.data or options.target or options.features or options.validation:
            raise DeriveError("the model has no inputs or targets, so it takes no data")
        if noise := model.of_role("noise"):
            hint = "declare an input: there is a draw for each example"
            raise DeriveError(f"the model has the noise '{noise[0].name}' but no inputs or targets", hint=hint)
        return Prepared(*_complete(model, settings, Examples({})))
    data = options.data or _default_data(model)
    store = store_for(data, options.stream, folder)
    examples = read_examples(model, data, settings, options.target, options.features, store=store)
    check_streamed(model, examples)
    targets = model.of_role("target")
    if len(targets) == 1:
        check_target(output_kind(model), examples.arrays[targets[0].name], targets[0].name)
    return _divided(model, options, settings, examples)


def _divided(model: Model, options: DataOptions, settings: Settings, examples: Examples) -> Prepared:
    """The examples in their parts."""
    rest, test = split(len(examples), options.test_fraction, options.seed)
    inner, held = split(len(rest), options.validation, options.seed, "validation")
    train, validation = rest[inner], rest[held]
    scaler, scaling = _scaler(model, options, examples, train)
    whole = frozenset(v.name for v in model.of_role("input", "target") if v.kind == "integer")

    def finish(arrays: Mapping[str, FloatArray]) -> Arrays:
        scaled = dict(arrays) if scaler is None else scaler.apply(arrays)
        return {n: a if n in whole else a.astype(options.dtype, copy=False) for n, a in scaled.items()}

    def part(places: Places) -> Part | None:
        return part_of(examples.arrays, places, finish, examples.streamed) if len(places) else None

    complete = _complete(model, settings, examples)
    return Prepared(*complete, examples, part(train), part(validation), part(test), scaler, scaling)


def store_for(data: str, stream: bool | None, folder: Path) -> Store:
    """Where the numbers of a file are kept: on disk if it is large, or if that was asked for."""
    path = Path(data)
    if stream is None:
        unpacked = {".gz": 4, ".parquet": 4}.get(path.suffix.lower(), 1)  # about
        stream = path.is_file() and path.stat().st_size * unpacked > STREAM_ABOVE
    if stream and path.suffix.lower() == ".npz":
        raise DeriveError("an .npz file cannot be streamed", hint="save one table as .npy, .csv or .parquet")
    return disk_near(folder) if stream else MEMORY


def check_streamed(model: Model, examples: Examples) -> None:
    """Raise for streamed examples of a model that must see them all at once."""
    if examples.streamed and model.examples is not None:
        raise DeriveError(
            "the model speaks of all examples at once, so they cannot be streamed",
            hint="examples of a file below 256 MiB, or with --no-stream, are held in memory",
        )


def _scaler(model: Model, options: DataOptions, examples: Examples, train: Places) -> tuple[Scaler | None, str]:
    """How the inputs are scaled: as asked for, else as suits a set that derive knows; and that in words."""
    names = [v.name for v in model.of_role("input") if v.kind != "integer"]
    if not names or options.standardise is False or (options.standardise is None and examples.ships is None):
        return None, ""
    if options.standardise is None and examples.ships is not None and examples.ships.divide is not None:
        by = examples.ships.divide
        return divided(examples.arrays, names, by), f"divided by {by:g}"
    return standardise(examples.arrays, names, train), "standardised"


def _default_data(model: Model) -> str:
    """Built-in models have a data set of their own."""
    if (known := training_defaults(model).data) is not None:
        return known
    names = ", ".join(v.name for v in model.of_role("input", "target"))
    raise DeriveError(
        f"the model needs data for {names}", hint="--data FILE.csv, or --data breast_cancer, which ships with derive"
    )


def _complete(model: Model, settings: Settings, examples: Examples) -> tuple[dict[str, Any], dict[str, int]]:
    """All constants that are not at their default, and all sizes."""
    constants = {**examples.constants, **settings.constants}
    for v in model.of_role("constant"):
        if v.value is None and v.name not in constants:
            hint = f"--set {v.name}=VALUE" if not v.shape else "give it in an .npz file with --data"
            raise DeriveError(f"the constant '{v.name}' has no value", hint=hint)
    sizes = {**default_sizes(model), **examples.sizes, **settings.sizes}
    for v in model.of_role("size"):
        if v.name not in sizes:
            raise DeriveError(f"the size '{v.name}' is not known from the data", hint=f"--set {v.name}=NUMBER")
    return constants, sizes
