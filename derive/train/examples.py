"""Where a model's data come from: a set that ships with derive or scikit-learn, or a file.

In: the model, the options of `derive run` or `derive predict`, what ``--set`` gave.  Out: `Examples`.
A CSV, .npy or Parquet file that is larger than `STREAM_ABOVE`, or where ``--stream`` says so, is not read into memory:
its numbers lie in a file that is mapped.
Invariant: every input and target has an array of the shape that the model declares, all of the same length and finite.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import DeriveError, did_you_mean, printable
from derive.expression.build import number
from derive.expression.nodes import Expression, Number, Ref
from derive.expression.walk import bottom_up, names
from derive.model import Model, Variable
from derive.parse.numbers import constant_value
from derive.train.array_table import read_array_table
from derive.train.assignment import assign
from derive.train.examples_of import Examples
from derive.train.fields import DataField
from derive.train.library_sets import LIBRARY_SETS, library_table
from derive.train.parquet_table import read_parquet_table
from derive.train.rows import listed, quoted
from derive.train.settings import Settings
from derive.train.shipped import ShippedSet, shipped, shipped_sets
from derive.train.store import MEMORY, FloatArray, Store
from derive.train.tables import Table, read_table
from derive.train.text_data import read_text_data, text_variables

ARCHIVE_LIMIT = 2**31  # bytes of all arrays in an .npz file


def read_examples(
    model: Model,
    data: str,
    settings: Settings,
    target: str | None = None,
    features: Sequence[str] | None = None,
    *,
    for_prediction: bool = False,
    store: Store = MEMORY,
) -> Examples:
    """The examples in the data set or file `data`; for prediction without targets."""
    inputs = model.of_role("input")
    targets = () if for_prediction else model.of_role("target")
    if not inputs and not targets:
        raise DeriveError("the model has no inputs or targets, so it takes no data")
    texts = text_variables(model)
    if texts is not None and data.lower().endswith(".txt") and not for_prediction:
        if target is not None or features is not None:
            raise DeriveError("--target and --features choose columns of a table, and this is a text")
        return read_text_data(Path(data), model, *texts, settings)
    if data.lower().endswith(".npz"):
        if target is not None or features is not None:
            message = "--target and --features choose columns of a table; the arrays of an .npz file have names"
            raise DeriveError(message)
        return _from_archive(Path(data), model, (*inputs, *targets), settings)
    if not data.lower().endswith(ENDINGS) and not Path(data).exists() and _named_set(data) is None:
        names = known_sets()
        hint = did_you_mean(data.replace("-", "_"), names) or f"the sets that derive knows: {', '.join(names)}"
        raise DeriveError(f"there is no data set or file '{printable(data)}'", hint=hint)
    return _from_table(data, model, for_prediction, settings, target, features, store)


ENDINGS = (".csv", ".txt", ".gz", ".npy", ".parquet")
READERS = {".npy": read_array_table, ".parquet": read_parquet_table}  # of tables; all else is read as CSV


def known_sets() -> list[str]:
    """The names that `--data` knows besides those of files."""
    return sorted({*shipped_sets(), *LIBRARY_SETS})


def _named_set(data: str) -> ShippedSet | None:
    """What is known of a set that ships with derive or scikit-learn; None where a file is meant."""
    if (known := shipped(data)) is not None:
        return known
    name = data.replace("-", "_")
    return ShippedSet(name, None, LIBRARY_SETS[name][1]) if name in LIBRARY_SETS and not Path(data).exists() else None


def _read(data: str, known: ShippedSet | None, store: Store) -> Table:
    if known is not None:
        return library_table(known.name) if known.path is None else read_table(known.path)
    return READERS.get(Path(data).suffix.lower(), read_table)(Path(data), store)


def _from_table(
    data: str,
    model: Model,
    for_prediction: bool,
    settings: Settings,
    target: str | None,
    features: Sequence[str] | None,
    store: Store,
) -> Examples:
    ships = _named_set(data)
    table = _read(data, ships, store)
    if ships is not None:
        table = _for_model(table, ships, model)
    inputs = [_field(v, model, settings) for v in model.of_role("input")]
    targets = [] if for_prediction else [_field(v, model, settings) for v in model.of_role("target")]
    if ships is not None and target is None and len(targets) == 1 and targets[0].name not in table.names:
        target = ships.target
    found = assign(table, [_laid_flat(each) for each in inputs], targets, target, features)
    arrays = dict(found.arrays)
    for each in inputs:
        if _is_laid_flat(each):
            arrays[each.name] = arrays[each.name].reshape(-1, *each.shape)
    source = printable(table.source)
    streamed = table.store.streamed
    return Examples(arrays, found.features, found.classes, found.sizes, source=source, ships=ships, streamed=streamed)


def _laid_flat(each: DataField) -> DataField:
    """An array of several axes, of known sizes, as the vector of its entries, one row after another."""
    return DataField(each.name, (math.prod(each.shape),), each.whole) if _is_laid_flat(each) else each


def _is_laid_flat(each: DataField) -> bool:
    return len(each.shape) > 1 and all(isinstance(size, int) for size in each.shape)


def _for_model(table: Table, ships: ShippedSet, model: Model) -> Table:
    """The table under its set's name; a model without targets does not see the target's column."""
    columns = [c for c in table.columns if c.name != ships.target or model.of_role("target")]
    return Table(tuple(c.name for c in columns), tuple(columns), ships.name, table.matrix, table.store)


def _field(v: Variable, model: Model, settings: Settings) -> DataField:
    """A variable as columns must fill it: sizes that are set are numbers, the others are bound by the data."""
    shape: list[int | str] = []
    for size in model.entry_shape(v):
        known = _known(size, settings.sizes if isinstance(size, Ref) else {**default_sizes(model), **settings.sizes})
        if known is None and not isinstance(size, Ref):
            raise DeriveError(
                f"{quoted(v.name)} has the size {size}, which the data cannot tell", hint="set it with --set NAME=VALUE"
            )
        shape.append(str(size) if known is None else known)
    whole: int | str | None = None
    if v.kind == "integer" and v.kind_argument is not None:
        whole = _known(v.kind_argument, {**default_sizes(model), **settings.sizes})
        if whole is None and isinstance(v.kind_argument, Ref):
            whole = v.kind_argument.name
    return DataField(v.name, tuple(shape), whole)


def default_sizes(model: Model) -> dict[str, int]:
    """The sizes that the model gives a value."""
    return {v.name: int(v.value.value) for v in model.of_role("size") if isinstance(v.value, Number)}


def _known(size: Expression, sizes: Mapping[str, int]) -> int | None:
    """A size as a number, if the sizes in it are known."""
    if isinstance(size, Number):
        return int(size.value)
    if not set(names(size)) <= set(sizes):
        return None
    value = constant_value(bottom_up(size, lambda e: number(sizes[e.name]) if isinstance(e, Ref) else e))
    return None if value is None else int(value)


# .npz files: arrays by the model's names.


def _from_archive(path: Path, model: Model, variables: Sequence[Variable], settings: Settings) -> Examples:
    constants = [v for v in model.of_role("constant") if v.name not in settings.constants]
    arrays = _read_archive(path, [v.name for v in (*variables, *constants)])
    if missing := [v.name for v in variables if v.name not in arrays]:
        held = listed(sorted(arrays)) or "none that the model knows"
        raise DeriveError(f"{printable(path)} has no array {quoted(missing[0])}; it has {held}")
    sizes = dict(settings.sizes)
    lengths: dict[str, int] = {}
    for v in variables:
        array = arrays[v.name]
        shape = model.entry_shape(v)
        if array.ndim != len(shape) + 1:
            wanted = len(shape) + 1
            raise DeriveError(
                f"{quoted(v.name)} in {printable(path)} has {array.ndim} axes, not {wanted}: the examples come first"
            )
        lengths[v.name] = len(array)
        _bind(v.name, shape, array.shape[1:], sizes, path)
    for v in (v for v in variables if v.kind == "integer"):
        if (bad := _not_whole(v, arrays[v.name], {**default_sizes(model), **sizes})) is not None:
            raise DeriveError(
                f"{quoted(v.name)} in {printable(path)} holds {bad:g}, which is not one of its whole numbers"
            )
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DeriveError(f"the arrays in {printable(path)} do not have the same number of examples: {told}")
    if not min(lengths.values(), default=0):
        raise DeriveError(f"{printable(path)} has no examples")
    sizes = _counted(variables, arrays, default_sizes(model)) | sizes
    given = {v.name: arrays[v.name] for v in constants if v.name in arrays}
    for v in constants:
        if v.name in given:
            _bind(v.name, v.shape, given[v.name].shape, sizes, path)
    bound = {name: size for name, size in sizes.items() if name not in settings.sizes}
    return Examples({name: arrays[name] for name in lengths}, (), (), bound, given, printable(path))


def _not_whole(v: Variable, array: FloatArray, sizes: Mapping[str, int]) -> float | None:
    limit = _known(v.kind_argument, sizes) if v.kind_argument is not None else None
    wrong = array[(array != np.floor(array)) | (array < 0) | (array >= (np.inf if limit is None else limit))]
    return float(wrong.flat[0]) if wrong.size else None


def _counted(
    variables: Sequence[Variable], arrays: Mapping[str, FloatArray], known: Mapping[str, int]
) -> dict[str, int]:
    """Sizes that only ``integer(size)`` speaks of: one more than the largest number there."""
    found: dict[str, int] = {}
    for v in variables:
        if v.kind == "integer" and isinstance(v.kind_argument, Ref) and v.kind_argument.name not in known:
            name = v.kind_argument.name
            found[name] = max(found.get(name, 1), 1 + int(arrays[v.name].max()))
    return found


def _bind(name: str, declared: Sequence[Expression], shape: tuple[int, ...], sizes: dict[str, int], path: Path) -> None:
    if len(shape) != len(declared):
        raise DeriveError(
            f"{quoted(name)} in {printable(path)} has the shape {shape}, but {len(declared)} axes are declared"
        )
    for size, length in zip(declared, shape, strict=True):
        wanted = sizes.setdefault(size.name, length) if isinstance(size, Ref) else _known(size, sizes)
        if wanted is not None and wanted != length:
            raise DeriveError(
                f"{quoted(name)} in {printable(path)} has an axis of {length} entries, but {size} is {wanted}"
            )


def _read_archive(path: Path, wanted: Sequence[str]) -> Mapping[str, FloatArray]:
    shown = printable(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > ARCHIVE_LIMIT:
                raise DeriveError(f"the arrays in {shown} are larger than {ARCHIVE_LIMIT // 2**30} GiB")
            present = set(archive.namelist())
            found: dict[str, FloatArray] = {}
            for name in wanted:
                if f"{name}.npy" in present:
                    with archive.open(f"{name}.npy") as member:
                        found[name] = _finite(np.lib.format.read_array(member, allow_pickle=False), name, shown)
            return found
    except FileNotFoundError:
        raise DeriveError(f"there is no file {shown}") from None
    except OSError as error:
        raise DeriveError(f"cannot read {shown}: {error.strerror or error}") from None
    except (ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
        raise DeriveError(f"{shown} is damaged, or not an .npz file of numbers") from None


def _finite(array: Any, name: str, shown: str) -> FloatArray:
    if array.dtype.kind not in "fiub":
        raise DeriveError(f"{quoted(name)} in {shown} does not hold real numbers")
    values = np.asarray(array, dtype=np.float64)
    if not np.isfinite(values).all():
        raise DeriveError(f"{quoted(name)} in {shown} is not finite everywhere")
    return values
