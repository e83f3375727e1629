"""A table in a Parquet file, read by pyarrow a batch of rows at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from derive.errors import DeriveError, printable
from derive.train.rows import count, quoted
from derive.train.store import Store
from derive.train.tables import Flaw, Table, TableBuilder

ROWS = 2**14  # in a batch


def read_parquet_table(path: Path, store: Store) -> Table:
    """The table in a Parquet file: columns of numbers, of truth values, or of text labels; others may not be used."""
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise DeriveError("Parquet files need pyarrow", hint="pip install 'derive-gradients[data]'") from None
    shown = printable(path)
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if len(set(names)) < len(names):
                raise DeriveError(f"two columns of {shown} have the same name")
            builder = TableBuilder(names, shown, store)
            for batch in file.iter_batches(batch_size=ROWS):
                _add(builder, batch, arrow)
    except FileNotFoundError:
        raise DeriveError(f"there is no file {shown}") from None
    except arrow.ArrowException:
        raise DeriveError(f"{shown} is damaged, or not a Parquet file") from None
    except OSError as error:
        raise DeriveError(f"cannot read {shown}: {error.strerror or error}") from None
    if not builder.rows:
        raise DeriveError(f"{shown} has {count(len(names), 'column')} but no rows")
    return builder.build()


def _add(builder: TableBuilder, batch: Any, arrow: Any) -> None:
    """Add the rows of a batch; a flaw names the row, counted from 1."""
    first, types = builder.rows + 1, arrow.types
    for column, values in zip(builder.builders, batch.columns, strict=True):
        kind = values.type
        if types.is_dictionary(kind):
            values, kind = values.dictionary_decode(), kind.value_type
        if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
            numbers = values.cast(arrow.float64(), safe=False).to_numpy(zero_copy_only=False)  # what is missing is NaN
            column.add_numbers(numbers, first)
        elif types.is_string(kind) or types.is_large_string(kind):
            for row, text in enumerate(values.to_pylist()):
                column.add((text or "").strip(), first + row)
        else:
            column.not_numbers = column.not_labels = Flaw(first, f"it holds {quoted(str(kind))}, not numbers or text")
    builder.flush(batch.num_rows)
