"""All that training needs to go on from the end of an epoch, and the checkpoint that holds it.

In and out: `dump_state` gives the bytes of a checkpoint, `load_state` reads them back, bit for bit.  A checkpoint is an
npz file of arrays beside one text of JSON that says where they belong: no pickle, and nothing in it is believed
before it is checked.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from derive.errors import DeriveError, printable
from derive.train.history import Thinned
from derive.train.saved import read_header

Params = dict[str, Any]  # arrays; a scalar parameter may be a plain float
Stopped = Literal["epochs", "tolerance", "patience", "interrupted", "diverged"]
FORMAT = "derive checkpoint 1"
CONTENT = "content.json"
COUNTS = ("limit", "head", "stride", "count")  # of a thinned table
CONTENT_LIMIT = 2**28  # bytes


@dataclass(frozen=True, slots=True)
class Best:
    """The parameters with the lowest loss so far, and the epoch that it is the loss of."""

    loss: float
    epoch: int
    params: Params


@dataclass(slots=True)
class State:
    """Where training stands at the end of an epoch; `generator` is the state of numpy's bit generator."""

    params: Params
    generator: dict[str, Any]
    optimiser: dict[str, Any] = field(default_factory=dict)
    epoch: int = 0
    best: Best | None = None
    history: Thinned = field(default_factory=lambda: Thinned("epoch"))
    path: Thinned = field(default_factory=lambda: Thinned("#step"))
    stopped: Stopped | None = None  # why it would not go on even with more epochs


def first_state(params: Params, seed: int) -> State:
    return State(params, dict(np.random.default_rng(seed).bit_generator.state))


def dump_state(state: State, run: Mapping[str, str]) -> bytes:
    """The checkpoint; `run` is what must be the same for another run to continue it."""
    content = {
        "format": FORMAT,
        "run": dict(run),
        "params": state.params,
        "generator": state.generator,
        "optimiser": state.optimiser,
        "epoch": state.epoch,
        "best": state.best and {"loss": state.best.loss, "epoch": state.best.epoch, "params": state.best.params},
        "history": _table(state.history),
        "path": _table(state.path),
        "stopped": state.stopped,
    }
    arrays: list[npt.NDArray[Any]] = []
    text = json.dumps(_packed(content, arrays))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo(CONTENT), text)
        for place, values in enumerate(arrays):
            with archive.open(zipfile.ZipInfo(f"{place}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, values, allow_pickle=False)
    return stream.getvalue()


def load_state(path: Path) -> tuple[State, dict[str, str]] | None:
    """The state in a checkpoint and the run it belongs to; None where there is no file."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(CONTENT).file_size > CONTENT_LIMIT:
                raise ValueError(CONTENT)
            content = _unpacked(json.loads(archive.read(CONTENT)), archive)
        return _state(content), {str(name): str(value) for name, value in content["run"].items()}
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DeriveError(f"cannot read {printable(path)}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
        message = f"{printable(path)} is damaged, or not a checkpoint of derive"
        raise DeriveError(message, hint="without --resume training begins anew") from None


def _state(content: dict[str, Any]) -> State:
    """The state; any of the errors that `load_state` expects if the content is not as it should be."""
    if content["format"] != FORMAT:
        raise ValueError(content["format"])
    np.random.default_rng(0).bit_generator.state = content["generator"]  # numpy checks it
    best = content["best"]
    return State(
        dict(content["params"]),
        content["generator"],
        dict(content["optimiser"]),
        int(content["epoch"]),
        best and Best(float(best["loss"]), int(best["epoch"]), dict(best["params"])),
        _thinned("epoch", content["history"]),
        _thinned("#step", content["path"]),
        content["stopped"],
    )


def _table(table: Thinned) -> dict[str, Any]:
    rows = [*table.kept, *([table.last] if table.last is not None else [])]
    names = list(rows[0]) if rows else []
    values = np.array([[row[name] for name in names] for row in rows], dtype=np.float64)
    counts = {name: getattr(table, name) for name in COUNTS}
    return {"names": names, "values": values, **counts}


def _thinned(key: str, content: dict[str, Any]) -> Thinned:
    rows = [dict(zip(content["names"], row, strict=True)) for row in content["values"].tolist()]
    for row in rows:
        row[key] = int(row[key])
    counts = {name: int(content[name]) for name in COUNTS}
    return Thinned(key, **counts, kept=rows[:-1], last=rows[-1] if rows else None)


def _packed(value: Any, arrays: list[npt.NDArray[Any]]) -> Any:
    """The value as JSON can hold it: an array, or a number of numpy, is its place among the arrays."""
    if isinstance(value, np.ndarray | np.generic):
        arrays.append(np.asarray(value))
        return {"array": len(arrays) - 1}
    if isinstance(value, dict):
        return {"items": [[str(name), _packed(each, arrays)] for name, each in value.items()]}
    if isinstance(value, list | tuple):
        return [_packed(each, arrays) for each in value]
    return value


def _unpacked(value: Any, archive: zipfile.ZipFile) -> Any:
    if isinstance(value, list):
        return [_unpacked(each, archive) for each in value]
    if isinstance(value, dict) and "array" in value:
        return _array(archive, f"{int(value['array'])}.npy")
    if isinstance(value, dict):
        return {str(name): _unpacked(each, archive) for name, each in value["items"]}
    return value


def _array(archive: zipfile.ZipFile, name: str) -> Any:
    with archive.open(name) as member:
        shape, kind = read_header(member)
    # A header must not ask for more memory than the file has bytes.
    if kind.hasobject or kind.itemsize * int(np.prod(shape, dtype=object)) > archive.getinfo(name).file_size:
        raise ValueError(name)
    with archive.open(name) as member:
        values = np.lib.format.read_array(member, allow_pickle=False)
    return values if values.ndim else values[()]
