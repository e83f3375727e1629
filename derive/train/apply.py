"""`derive predict`: the saved parameters of a run, applied to new data.

In: the folder of a run and a data file, which is streamed if it is large.  Out: the predictions as CSV.
Invariant: no code from the folder is executed: the model is read again, and its code generated anew.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from derive.check.sample import concrete
from derive.errors import DeriveError, printable
from derive.model import Model
from derive.parse.files import read_text
from derive.train.examples import default_sizes, read_examples
from derive.train.examples_of import Examples
from derive.train.metrics import Kind
from derive.train.outcome import output_kind, predict
from derive.train.part import Part
from derive.train.preparation import Scaler
from derive.train.prepared import check_streamed, store_for
from derive.train.run import MODEL, PARAMETERS, PREPARATION
from derive.train.saved import Preparation, load_parameters, load_preparation
from derive.train.settings import Settings
from derive.train.store import FloatArray


def predict_file(folder: str | Path, data: str) -> str:
    """The predictions for the examples in `data`, one row each."""
    folder = Path(folder)
    if not (folder / MODEL).is_file() or not (folder / PREPARATION).is_file():
        raise DeriveError(
            f"'{printable(folder)}' is not the folder of a finished run", hint="`derive run` makes one: runs/MODEL"
        )
    model = Model.parse(read_text(folder / MODEL), MODEL)
    if not model.outputs:
        raise DeriveError(
            "the model has no output", hint="mark an equation, for example `a: output = sigmoid(z)`, and train again"
        )
    preparation = load_preparation(folder / PREPARATION)
    sizes = {**default_sizes(model), **(preparation.sizes or {})}
    if unknown := [v.name for v in model.of_role("size") if v.name not in sizes]:
        raise DeriveError(f"{printable(folder / PREPARATION)} does not know the size '{unknown[0]}'")
    shapes = {v.name: concrete(v.shape, sizes) for v in model.of_role("parameter", "state")}
    params = load_parameters(folder / PARAMETERS, shapes)
    constants = dict(preparation.constants or {})
    features = None if data.lower().endswith(".npz") else preparation.features or None
    store = store_for(data, None, folder)
    options = Settings(constants, sizes)
    examples = read_examples(model, data, options, features=features, for_prediction=True, store=store)
    check_streamed(model, examples)
    scaler = _scaler(preparation, examples)
    part = Part(examples.arrays, None, scaler.apply if scaler else dict, examples.streamed)
    module = model.derive().prove().compile(dtype=preparation.dtype)
    constants |= examples.constants
    stream = io.StringIO()
    for number, arrays in enumerate(part.chunks()):
        outputs = predict(module, model, params, arrays, constants)
        _write_rows(stream, outputs, output_kind(model), preparation.classes, header=number == 0)
    return stream.getvalue()


def _scaler(preparation: Preparation, examples: Examples) -> Scaler | None:
    scaler = preparation.scaler
    for name, mean in scaler.mean.items() if scaler else ():
        if name not in examples.arrays or examples.arrays[name].shape[1:] != mean.shape:
            raise DeriveError(f"the saved scaler does not fit the input '{name}'", hint="train the model again")
    return scaler


def _write_rows(
    stream: io.StringIO, outputs: dict[str, FloatArray], kind: Kind, classes: tuple[str, ...], header: bool
) -> None:
    """A column for each entry of an output, and the class where the model says classes."""
    columns: dict[str, list[object]] = {}
    for name, values in outputs.items():
        flat = values.reshape(len(values), -1)
        for place in range(flat.shape[1]):
            columns[f"{name}_{place}" if values.ndim > 1 else name] = list(map(float, flat[:, place]))
    first = next(iter(outputs.values()))
    if (kind == "binary" and first.ndim == 1) or kind == "classes":
        codes = (first >= 0.5).astype(int) if kind == "binary" else first.argmax(axis=-1)
        columns["class"] = [classes[code] if code < len(classes) else int(code) for code in np.ravel(codes)]
    writer = csv.writer(stream, lineterminator="\n")
    if header:
        writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
