"""What a run saves for `derive predict` and `--resume`: the parameters, and how the data were prepared.

In and out: `dump_…` gives the bytes (npz) or the text (JSON) of a file, `load_…` reads it back.  Saved files
are treated like any stranger's: no pickle, and names, shapes and values are checked before they are believed.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from derive.errors import DeriveError
from derive.train.preparation import Scaler
from derive.train.rows import listed

PREPARATION_LIMIT = 64 * 2**20  # bytes


@dataclass(frozen=True, slots=True)
class Preparation:
    """How the columns of a table become the model's inputs, and its output a class."""

    features: tuple[str, ...]
    classes: tuple[str, ...] = ()
    sizes: Mapping[str, int] | None = None
    scaler: Scaler | None = None
    constants: Mapping[str, float] | None = None  # those that were set for the run
    dtype: str = "float64"


def dump_parameters(params: Mapping[str, npt.ArrayLike]) -> bytes:
    """The parameters as an uncompressed npz file: the same bytes for the same values.

    `numpy.savez` would not do: it takes the arrays as keyword arguments, so none could be called ``file``.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, values in params.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(values), allow_pickle=False)
    return stream.getvalue()


def load_parameters(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, npt.NDArray[Any]]:
    """The parameters of an npz file, which must be exactly those named, of these shapes, and finite."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_names(path, [name.removesuffix(".npy") for name in archive.namelist()], list(shapes))
            return {name: _read_array(archive, path, name, shape) for name, shape in shapes.items()}
    except FileNotFoundError:
        raise DeriveError(f"there is no file {path}") from None
    except OSError as error:
        raise DeriveError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
        raise DeriveError(f"{path} is damaged, or not a file of saved parameters") from None


def _check_names(path: Path, found: list[str], wanted: list[str]) -> None:
    if sorted(found) != sorted(wanted):
        known = listed(sorted(found)) or "nothing"
        message = f"{path} holds {known}, but the model's parameters are {listed(sorted(wanted))}"
        raise DeriveError(message, hint="the model was changed since: train it again")


def _read_array(archive: zipfile.ZipFile, path: Path, name: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    # The header is judged before the data are read, so that no file can ask for more memory than the model.
    with archive.open(f"{name}.npy") as member:
        found, kind = read_header(member)
    if found != shape:
        raise DeriveError(f"{path}: the parameter {name!r} has shape {found}, but the model's has {shape}")
    if kind.kind != "f":
        raise DeriveError(f"{path}: the parameter {name!r} holds {kind.name}, not real numbers")
    with archive.open(f"{name}.npy") as member:
        values: npt.NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
    if not np.isfinite(values).all():
        raise DeriveError(f"{path}: the parameter {name!r} is not finite")
    return values


def read_header(stream: BinaryIO | Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """The shape and the kind of the array that follows."""
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, kind = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, _, kind = np.lib.format.read_array_header_2_0(stream)
    return shape, kind


def dump_preparation(preparation: Preparation) -> str:
    """The preparation as JSON; numbers are written so that they read back exactly."""
    scaler = preparation.scaler
    content = {
        "features": list(preparation.features),
        "classes": list(preparation.classes),
        "sizes": dict(preparation.sizes or {}),
        "constants": dict(preparation.constants or {}),
        "dtype": preparation.dtype,
        "scaler": scaler
        and {name: {"mean": scaler.mean[name].tolist(), "scale": scaler.scale[name].tolist()} for name in scaler.mean},
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def load_preparation(path: Path) -> Preparation:
    """The preparation that a run saved."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(PREPARATION_LIMIT)
    except FileNotFoundError:
        raise DeriveError(f"there is no file {path}") from None
    except OSError as error:
        raise DeriveError(f"cannot read {path}: {error.strerror}") from None
    try:
        return _preparation(json.loads(raw))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise DeriveError(f"{path} is damaged, or not written by derive") from None


def _preparation(content: Any) -> Preparation:
    """The checked content; any of the errors that `load_preparation` expects if it is not as it should be."""
    sizes = {str(name): int(size) for name, size in content["sizes"].items()}
    scaler = None
    if content["scaler"] is not None:
        entries = content["scaler"].items()
        scaler = Scaler(
            {name: np.array(entry["mean"], dtype=np.float64) for name, entry in entries},
            {name: np.array(entry["scale"], dtype=np.float64) for name, entry in entries},
        )
        for name, scale in scaler.scale.items():
            mean = scaler.mean[name]
            if mean.shape != scale.shape or not (np.isfinite(mean).all() and (scale > 0).all()):
                raise ValueError(name)
    constants = {str(name): float(value) for name, value in content.get("constants", {}).items()}
    dtype = content.get("dtype", "float64")
    if dtype not in ("float32", "float64"):
        raise ValueError(dtype)
    return Preparation(_strings(content["features"]), _strings(content["classes"]), sizes, scaler, constants, dtype)


def _strings(values: Any) -> tuple[str, ...]:
    if not (isinstance(values, list) and all(isinstance(value, str) for value in values)):
        raise TypeError(values)
    return tuple(values)
