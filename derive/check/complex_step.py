"""The model itself, evaluated on numbers, and the gradient of its loss by the complex step: an oracle.

In: a `Model` and values of its variables for one example.  Out: the values of its equations, or ∂loss/∂name.

For an analytic f, ∂f/∂x = Im f(x + ih)/h without cancellation, so h can be 1e-30 and every digit is right.  What is not
analytic follows the model, not numpy: comparisons, `abs`, `sign`, `maximum` and the like look at the real part, since
numpy's complex `abs` is the modulus and would give a zero gradient silently.

Invariant: nothing here knows a derivative of a function.  It reads the equations in core form (`Equation.body`) and the
`definition` of each function, and shares no code with the prover, the rules or the generated modules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from derive.check.complex_evaluator import ComplexEvaluator
from derive.errors import DeriveError
from derive.expression.nodes import Expression, Ref
from derive.expression.walk import names
from derive.model import Equation, Model
from derive.parse.numbers import number_value

Array = NDArray[Any]

STEP = 1e-30


def complex_step_gradient(model: Model, values: Mapping[str, ArrayLike], name: str) -> NDArray[np.float64]:
    """∂loss/∂name at the given values of one example, in the shape of `name`: a variable or the name of an equation.

    Of a symmetric, diagonal or lower triangular parameter by its free entries, 0 where an entry is not free.

    >>> model = Model.parse("w: parameter" + chr(10) + "L: loss = w**3")
    >>> float(complex_step_gradient(model, {"w": 2.0}, "w"))
    12.0
    """
    found = _run(model, _values(model, values))
    if name not in found:
        raise DeriveError(f"there is no name '{name}' to differentiate by")
    later = _behind(model, name)
    gradient = np.zeros(found[name].shape)
    for position in np.ndindex(*gradient.shape):
        shifted = _rerun(found, name, _moving(model, name, position), later)
        gradient[position] = shifted[model.loss].imag / STEP
    return gradient


def _behind(model: Model, name: str) -> tuple[Equation, ...]:
    """The equations that depend on a name, in order."""
    reached = {name}
    for _ in range(1 + len(model.recurrent)):
        for equation in model.equations:
            if any(used in reached for used in names(equation.body)):
                reached.add(equation.name)
    return tuple(e for e in model.equations if e.name in reached and (e.name != name or name in model.recurrent))


def evaluate(model: Model, values: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
    """The values of all variables and equations at given values of one example; constants and sizes have their
    defaults.

    >>> model = Model.parse("w: parameter[2]" + chr(10) + "c: constant = 3" + chr(10) + "L: loss = c*sum(w**2)")
    >>> float(evaluate(model, {"w": [1, 2]})["L"])
    15.0
    """
    return {name: np.asarray(value.real) for name, value in _run(model, _values(model, values)).items()}


def evaluate_expression(
    e: Expression,
    values: Mapping[str, ArrayLike],
    indices: Sequence[str] = (),
    shape: Sequence[int] = (),
    adjoints: Mapping[str, ArrayLike] | None = None,
) -> NDArray[np.float64]:
    """A core expression over its free `indices`, which run over `shape`; `adjoints` are the values of ``D(loss,
    name)``."""
    evaluator = ComplexEvaluator(
        {k: np.asarray(v) for k, v in values.items()}, {k: np.asarray(v) for k, v in (adjoints or {}).items()}
    )
    with np.errstate(all="ignore"):
        return np.asarray(evaluator.over(e, indices, tuple(shape)).real, dtype=float)


def _values(model: Model, given: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """All variables as complex arrays; sizes from the shapes of what is given, else their own values."""
    values: dict[str, Array] = {}
    for v in model.variables.values():
        if v.name in given:
            values[v.name] = np.asarray(given[v.name], dtype=complex)
            for size, length in zip(v.shape, values[v.name].shape, strict=False):
                if isinstance(size, Ref) and size.name not in given:
                    values[size.name] = np.asarray(length, dtype=complex)
    for v in model.variables.values():
        if v.name not in values and v.role in ("size", "constant") and v.value is not None:
            values[v.name] = np.asarray(number_value(v.value), dtype=complex)
        if v.name not in values:
            raise DeriveError(f"there is no value for the {v.role} '{v.name}'")
    for v in model.variables.values():
        wanted = _concrete(v.shape, values)
        if values[v.name].shape == () and wanted:
            values[v.name] = np.full(wanted, values[v.name])
        if values[v.name].shape != wanted:
            raise DeriveError(f"'{v.name}' has the shape {values[v.name].shape}, not {wanted}")
    return values


def _concrete(shape: Sequence[Expression], values: Mapping[str, Array]) -> tuple[int, ...]:
    return tuple(round(float(ComplexEvaluator(values, {}).value(size, {}).real)) for size in shape)


def _run(model: Model, start: Mapping[str, Array]) -> dict[str, Array]:
    """All equations in order."""
    return _computed(model.equations, dict(start))


def _rerun(
    found: Mapping[str, Array], name: str, places: Sequence[tuple[int, ...]], later: Sequence[Equation]
) -> dict[str, Array]:
    """The equations behind a name again, the entries at `places` moved by i·STEP."""
    step = np.zeros_like(found[name], dtype=complex)
    for place in places:
        step[place] += 1j * STEP
    moved = {**found, name: found[name] + step}
    return _computed(later, moved, {name: step})  # the step of a recurrence is seen by its own later entries


def _computed(
    equations: Sequence[Equation], values: dict[str, Array], steps: Mapping[str, Array] | None = None
) -> dict[str, Array]:
    """The values of equations in order, `steps` added to them."""
    evaluator = ComplexEvaluator(values, {})
    left = list(equations)
    with np.errstate(all="ignore"):
        while left:
            equation = left[0]
            waiting = {e.name for e in left}
            if waiting.isdisjoint(names(equation.body)):
                shape = _concrete(equation.shape, values)
                values[equation.name] = evaluator.over(equation.body, equation.indices, shape)
                left.pop(0)
            else:
                _recurrence(left, values, evaluator, steps or {})
    return values


def _recurrence(
    left: list[Equation], values: dict[str, Array], evaluator: ComplexEvaluator, steps: Mapping[str, Array]
) -> None:
    """The equations that wait for each other's entries, taken off the list: as many rounds as there are steps."""
    group = _together(left)
    shapes = {e.name: _concrete(e.shape, values) for e in group}
    for name, shape in shapes.items():
        values[name] = np.full(shape, np.nan + 0j)
    for _ in range(max(shape[0] for shape in shapes.values())):
        before = {e.name: values[e.name] for e in group}
        for e in group:
            values[e.name] = evaluator.over(e.body, e.indices, shapes[e.name]) + steps.get(e.name, 0)
        if all(np.array_equal(before[name], values[name], equal_nan=True) for name in shapes):
            break
    left[:] = [e for e in left if e.name not in shapes]


def _together(left: Sequence[Equation]) -> list[Equation]:
    """The first equation and those up to the last one that it waits for."""
    place = {e.name: k for k, e in enumerate(left)}
    last = k = 0
    while k <= last:
        last = max(last, *(place.get(name, 0) for name in names(left[k].body)))
        k += 1
    return list(left[: last + 1])


def _moving(model: Model, name: str, position: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The entries that change with a free one, of a structured parameter; none where the entry is not free."""
    match model.structures.get(name):
        case "symmetric":
            return list({position, position[::-1]})
        case "diagonal":
            return [position] if position[0] == position[1] else []
        case "lower":
            return [position] if position[0] >= position[1] else []
    return [position]
