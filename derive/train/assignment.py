"""Which column of a table fills which input or target of a model.

In: a `Table`, the model's inputs and targets as `DataField`s, and the options `--target` and `--features`.
Out: `Data`, one float64 array for each input and target, examples along axis 0.

The columns of a field are those that bear its name: ``x`` for a scalar, ``x_1, x_2, …`` (or ``x_0, x_1, …``)
for a vector.  Where the inputs' names are not in the table, its feature columns fill the scalar inputs in the
order of their declaration, and a single vector takes them all.  A target is found by its name or by
`--target`, never by guessing; text labels become sorted classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from derive.errors import DeriveError
from derive.train.fields import DataField, FieldFiller
from derive.train.rows import count, listed, quoted
from derive.train.store import FloatArray
from derive.train.tables import Table


@dataclass(frozen=True, slots=True)
class Data:
    """What the model is given: arrays by field name, and how they came about."""

    arrays: dict[str, FloatArray]  # shape (n,) or (n, size)
    features: tuple[str, ...]  # the columns behind the inputs, in the order in which they fill them
    classes: tuple[str, ...]  # the text labels that 0, 1, … or the places of a one-hot row stand for
    sizes: dict[str, int]  # symbolic sizes bound by the data


def assign(
    table: Table,
    inputs: Sequence[DataField],
    targets: Sequence[DataField],
    target: str | None = None,
    features: Sequence[str] | None = None,
) -> Data:
    """The arrays of a model's inputs and targets (none for prediction) from the columns of a table."""
    for each in (*inputs, *targets):
        if len(each.shape) > 1:
            axes = f"{quoted(each.name)} has {len(each.shape)} axes"
            raise DeriveError(f"{axes}, but a table fills only scalars and vectors")
    target_columns = _target_columns(table, targets, target)
    taken = {name for names in target_columns for name in names}
    input_columns = _input_columns(table, inputs, _candidates(table, taken, features))

    filler = FieldFiller(table)
    for each, names in zip(inputs, input_columns, strict=True):
        filler.numbers(each, names)
    for each, names in zip(targets, target_columns, strict=True):
        if len(names) > 1:
            filler.numbers(each, names)
        else:
            filler.target(each, names[0])
    flat = tuple(name for names in input_columns for name in names)
    for name in features or ():
        if name not in flat:
            raise DeriveError(f"--features names {quoted(name)}, which no input takes")
    return Data(filler.arrays, flat, filler.classes, filler.bound_sizes())


def _target_columns(table: Table, targets: Sequence[DataField], chosen: str | None) -> list[list[str]]:
    if chosen is not None:
        if len(targets) != 1:
            has = "no target" if not targets else f"the targets {listed([each.name for each in targets])}"
            raise DeriveError(f"--target names one column, but the model has {has}")
        return [[table.column(chosen).name]]
    return [_target_named(table, each) for each in targets]


def _target_named(table: Table, each: DataField) -> list[str]:
    """The columns of the target's entries, or the one column of its labels."""
    if found := _named(table.names, each):
        return found
    if each.name in table.names:
        return [each.name]
    hint = f"choose it with --target; the columns are {listed(table.names)}"
    raise DeriveError(f"{table.source} has no column for the target {quoted(each.name)}", hint=hint)


def _candidates(table: Table, taken: set[str], features: Sequence[str] | None) -> list[str]:
    """The columns that may fill the inputs."""
    if features is None:
        return [name for name in table.names if name not in taken]
    for place, name in enumerate(features):
        table.column(name)
        if name in taken:
            raise DeriveError(f"--features names {quoted(name)}, which is the target")
        if name in features[:place]:
            raise DeriveError(f"--features names {quoted(name)} twice")
    return list(features)


def _input_columns(table: Table, inputs: Sequence[DataField], candidates: list[str]) -> list[list[str]]:
    by_name = [_named(candidates, each) for each in inputs]
    if all(by_name):
        return by_name
    if any(each.shape for each in inputs) and len(inputs) > 1:
        names = listed([each.name for each in inputs])
        hint = "name a vector's columns x_1, x_2, …"
        raise DeriveError(f"it is not clear which columns fill {names}", hint=hint)
    wanted = _entries(inputs)
    if len(candidates) == wanted or (wanted is None and candidates):
        if inputs[0].shape:
            return [candidates]
        _check_order(inputs, candidates)
        return [[name] for name in candidates]
    raise _wrong_number(table, inputs, candidates)


def _entries(inputs: Sequence[DataField]) -> int | None:
    """How many columns scalars or a single vector take; None if the data decide."""
    size = inputs[0].shape[0] if inputs[0].shape else len(inputs)
    return size if isinstance(size, int) else None


def _wrong_number(table: Table, inputs: Sequence[DataField], candidates: list[str]) -> DeriveError:
    wanted = f"{count(len(inputs), 'input')} ({listed([each.name for each in inputs])})"
    if inputs[0].shape:
        wanted = f"a vector {quoted(inputs[0].name)} of size {inputs[0].shape[0]}"
    available = count(len(candidates), "feature column") + (f" ({listed(candidates)})" if candidates else "")
    too_many = len(candidates) > (_entries(inputs) or 0)
    hint = "choose the columns to use with --features" if too_many else None
    return DeriveError(f"the model has {wanted}, but {table.source} has {available}", hint=hint)


def _check_order(inputs: Sequence[DataField], candidates: list[str]) -> None:
    """Refuse to fill by order what would contradict the names: a column ``x_1`` that would fill ``x_2``."""
    for each, column in zip(inputs, candidates, strict=True):
        if column != each.name and each.name in candidates:
            message = f"column {quoted(column)} would fill the input {quoted(each.name)}"
            hint = f"there is a column {quoted(each.name)} too: name all inputs in the header, or none"
            raise DeriveError(message, hint=hint)


def _named(names: Sequence[str], each: DataField) -> list[str]:
    """The columns that bear the field's name, a vector's numbered from 0 or 1; none if they do not fit."""
    known = set(names)
    if not each.shape:
        return [each.name] if each.name in known else []
    first = 0 if f"{each.name}_0" in known else 1
    numbered = (f"{each.name}_{place}" for place in itertools.count(first))
    found = list(itertools.takewhile(known.__contains__, numbered))
    size = each.shape[0]
    return found if isinstance(size, str) or size == len(found) else []
