"""What a model's output means, and how good it is on examples."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from derive.expression.build import ONE, ZERO
from derive.expression.nodes import Call, Ref, Where
from derive.model import Model
from derive.train.metrics import Kind
from derive.train.store import FloatArray

_KINDS: dict[str, Kind] = {"sigmoid": "binary", "softmax": "classes"}


def output_kind(model: Model) -> Kind:
    """ "binary" for a sigmoid or a decision as the first output, "classes" for a softmax, else "regression"."""
    if not model.outputs:
        return "regression"
    written = model.by_name[model.outputs[0]].written
    if isinstance(written, Where):
        return "binary" if {written.then, written.otherwise} == {ZERO, ONE} else "regression"
    return _KINDS.get(written.function, "regression") if isinstance(written, Call) else "regression"


def predict(
    module: ModuleType, model: Model, params: Mapping[str, Any], arrays: Mapping[str, Any], constants: Mapping[str, Any]
) -> dict[str, FloatArray]:
    """The outputs of the model by name, examples along axis 0."""
    inputs = {v.name: arrays[v.name] for v in model.of_role("input", "noise") if v.name in arrays}
    accepted = _accepted(module, {**inputs, **constants})
    with np.errstate(all="ignore"):
        found = module.predict(dict(params), **accepted)
    values = found if isinstance(found, tuple) else (found,)
    length = len(next(iter(inputs.values()), ()))
    return {
        name: _over_examples(np.asarray(value), name, model, length)
        for name, value in zip(model.outputs, values, strict=True)
    }


def _accepted(module: ModuleType, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that `predict` takes: an input that no output needs is not among them."""
    import inspect

    known = inspect.signature(module.predict).parameters
    takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())
    return arguments if takes_all else {name: value for name, value in arguments.items() if name in known}


def _over_examples(value: FloatArray, name: str, model: Model, length: int) -> FloatArray:
    """An output that no example enters is the same for each."""
    return (
        value
        if name in model.per_example or _speaks_of_all(name, model)
        else np.broadcast_to(value, (length, *value.shape))
    )


def _speaks_of_all(name: str, model: Model) -> bool:
    """Whether the model writes the examples out as the first axis of a name."""
    return model.examples is not None and model.shapes[name][:1] == (Ref(model.examples),)


def compared(model: Model) -> str | None:
    """What the first output is compared with: the only target, or, in a model without targets, the only input."""
    known = model.of_role("target") or model.of_role("input")
    return known[0].name if len(known) == 1 and model.outputs else None


def metric_kind(model: Model) -> Kind:
    """A model without targets restores its input, whatever its output is."""
    return output_kind(model) if model.of_role("target") else "regression"
