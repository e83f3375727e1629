"""`derive predict`: the saved parameters of a run, applied to new data.

In: the folder of a run and a data file.  Out: the predictions as CSV.
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
from derive.train.examples import Examples, default_sizes, read_examples
from derive.train.metrics import Kind
from derive.train.outcome import output_kind, predict
from derive.train.run import MODEL, PARAMETERS, PREPARATION
from derive.train.saved import Preparation, load_parameters, load_preparation
from derive.train.settings import Settings
from derive.train.tables import FloatArray


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
    shapes = {v.name: concrete(v.shape, sizes) for v in model.of_role("parameter")}
    params = load_parameters(folder / PARAMETERS, shapes)
    constants = dict(preparation.constants or {})
    features = None if data.lower().endswith(".npz") else preparation.features or None
    examples = read_examples(model, data, Settings(constants, sizes), features=features, for_prediction=True)
    arrays = _scaled(preparation, examples)
    module = model.derive().prove().compile()
    outputs = predict(module, model, params, arrays, {**constants, **examples.constants})
    return _table(outputs, output_kind(model), preparation.classes)


def _scaled(preparation: Preparation, examples: Examples) -> dict[str, FloatArray]:
    scaler = preparation.scaler
    if scaler is None:
        return examples.arrays
    for name, mean in scaler.mean.items():
        if name not in examples.arrays or examples.arrays[name].shape[1:] != mean.shape:
            raise DeriveError(f"the saved scaler does not fit the input '{name}'", hint="train the model again")
    return scaler.apply(examples.arrays)


def _table(outputs: dict[str, FloatArray], kind: Kind, classes: tuple[str, ...]) -> str:
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
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return stream.getvalue()
