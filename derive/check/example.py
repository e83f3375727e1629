"""One example in numbers: random data at which the model is defined, its values, and the derivatives of its loss.

In: a model.  Out: `Numbers` for a report, or None where no such data are found or they would be too many.
Invariant: derivatives come from the complex step, not from the derivation that the report tells; the seed is fixed, so
that the numbers are the same everywhere to the digits that are printed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from derive.check.complex_step import complex_step_gradient, evaluate
from derive.check.sample import NoSample, sample
from derive.expression.walk import names
from derive.model import Model
from derive.render.report_example import Numbers, Value

SEEDS = range(1, 13)  # the first at which the rounded data are as good as any
MOST = 400  # entries of all quantities together, beyond which there is no example
HIDDEN = ("size", "index", "examples")


def example_numbers(model: Model) -> Numbers | None:
    """The numbers of one example, its data rounded to one decimal where the model allows that.

    >>> found = example_numbers(Model.builtin("quadratic"))
    >>> found.adjoints["x"] == 2*(found.values["x"] - 3)
    True
    """
    given = _drawn(model)
    if given is None or sum(np.size(value) for value in given.values()) > MOST:
        return None
    found = evaluate(model, given)
    hidden = {*model.states, *(v.name for v in model.of_role(*HIDDEN))}
    shown = [n for n in found if n not in hidden]
    adjoints = {name: complex_step_gradient(model, given, name) for name in shown if _reaches(model, name)}
    values = {name: _value(found[name]) for name in shown}
    return Numbers(values, {n: _value(g) for n, g in adjoints.items()}, _along(model, given, adjoints))


def _drawn(model: Model) -> dict[str, Any] | None:
    """Random data with one decimal, a single target 1; as drawn where the model assumes what rounding might break."""
    first: dict[str, Any] | None = None
    for seed in SEEDS:
        try:
            drawn = sample(model, seed, examples=1)
        except NoSample:
            return None
        given = drawn.values(drawn.examples[0])
        if model.assumptions:
            return given
        targets = {v.name for v in model.of_role("target") if not v.shape and v.kind is None}
        rounded = {name: 1.0 if name in targets else _rounded(value) for name, value in given.items()}
        if _is_regular(model, rounded):
            return rounded
        first = first or given
    return first


def _reaches(model: Model, name: str) -> bool:
    """Whether a derivative by it is of interest: nodes, and what is trained."""
    return name in model.by_name or model.variables[name].role == "parameter"


def _along(model: Model, given: dict[str, Any], adjoints: dict[str, Any]) -> dict[tuple[str, str], float]:
    """∂L/∂target · ∂target/∂source for the edges between scalars, the first from `adjoints`."""
    found: dict[tuple[str, str], float] = {}
    for e in model.equations:
        for source in names(e.body):
            if (
                e.name in adjoints
                and source in adjoints
                and np.size(adjoints[e.name]) == np.size(adjoints[source]) == 1
            ):
                one = _with_loss(model, e.name)
                # what is computed from the source otherwise is held: it is given beside it
                slope = complex_step_gradient(one, {**given, **_held(model, given, e.name)}, source)
                found[source, e.name] = float(slope) * float(adjoints[e.name])
    return found


def _with_loss(model: Model, name: str) -> Model:
    """The one equation of `name` as a model, in which the other quantities are given."""
    from derive.model import Variable

    equation = model.by_name[name]
    given = {n: Variable(n, "input", model.shapes[n]) for n in names(equation.body) if n in model.by_name}
    return Model(model.name, "", "", {**model.variables, **given}, (equation,), name, ())


def _held(model: Model, given: dict[str, Any], name: str) -> dict[str, Any]:
    values = evaluate(model, given)
    return {n: values[n] for n in names(model.by_name[name].body) if n in model.by_name}


def _rounded(value: Any) -> Any:
    return value if isinstance(value, int) else np.round(np.asarray(value, dtype=float), 1)


def _is_regular(model: Model, given: dict[str, Any]) -> bool:
    """All values finite, and none of what was drawn rounded to nothing."""
    values = evaluate(model, given)
    return all(np.isfinite(v).all() for v in values.values()) and all(np.all(v != 0) for v in given.values())


def _value(array: Any) -> Value:
    array = np.asarray(array, dtype=float)
    return float(array) if array.ndim == 0 else tuple(_value(part) for part in array)
