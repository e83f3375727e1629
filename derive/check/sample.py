"""Random data at which a model is defined: parameters, and a few examples of inputs, targets and noise.

In: a `Model` and a seed.  Out: a `Sample`.
Invariant: every assumption of the model holds, and the loss of every example is finite; symbolic sizes are small,
unequal primes, so that no array is square that need not be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.check.complex_step import evaluate, evaluate_expression
from derive.errors import DeriveError
from derive.expression.build import number
from derive.expression.nodes import Binder, Compare, Expression, Index, Number, Ref
from derive.expression.walk import free_indices, names, rename_indices, walk
from derive.model import GIVEN, Model, Variable
from derive.parse.numbers import number_value
from derive.parse.sizes import told_by
from derive.prove.sizes import numbers_for

Values = dict[str, NDArray[np.float64]]

TRIES = 60  # draws of the parameters; for each of them as many of every example

FAINT = 1e-6  # a value as small as this has lost digits in the definitions of functions, tanh for one

_UNDERFLOW = 1e-250  # the complex step is a small part of a value, and needs digits of its own
_NEAR = 1e-9  # how well an equation that is assumed of computed values must hold
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": lambda left, right: np.abs(left - right) < _NEAR,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
_RANGES = ((-1.5, 1.5), (0.05, 0.95), (0.1, 2.5), (-0.9, 0.9), (0.95, 1.1))


class NoSample(DeriveError):
    """No random data were found at which the loss is defined."""


@dataclass(frozen=True, slots=True)
class Sample:
    """`shared` are parameters and constants without a value; `examples` the rest, one mapping for each example."""

    parameters: Values
    constants: Values
    sizes: dict[str, int]
    examples: tuple[Values, ...]
    together: bool = False  # the one mapping holds all examples, of a model that speaks of all of them at once

    @property
    def data(self) -> Values:
        """The examples as a generated module takes them: along axis 0."""
        names = self.examples[0]
        if self.together:
            return dict(names)
        return {name: np.stack([example[name] for example in self.examples]) for name in names}

    def values(self, example: Mapping[str, Any]) -> dict[str, Any]:
        return {**self.sizes, **self.constants, **self.parameters, **example}


def sample(model: Model, seed: int, examples: int = 4) -> Sample:
    """Draws parameters and data; DeriveError where no point is found at which the loss is defined.

    >>> found = sample(Model.builtin("logistic"), seed=0)
    >>> sorted(found.data), found.data["y"].shape
    (['x_1', 'x_2', 'y'], (4,))
    """
    rng = np.random.default_rng(seed)
    for tries, least in ((2 * len(_RANGES), FAINT), (TRIES, 0.0)):
        if found := _sample(model, rng, examples, tries, least):
            return found
    raise NoSample("no random data were found at which the loss is defined")


def _sample(model: Model, rng: np.random.Generator, examples: int, tries: int, least: float) -> Sample | None:
    shared = model.of_role("parameter", "constant", "state")
    given = model.of_role(*GIVEN)
    for attempt in range(tries):
        sizes = _sizes(model, swapped=attempt % 2 == 1)
        if model.examples is not None:
            sizes[model.examples], examples = max(examples, 2), 1
        drawn = {v.name: _draw(v, sizes, rng, attempt) for v in shared if v.name in model.kept or v.value is None}
        if not _made_true(model, drawn, {}, sizes, frozenset(drawn)):
            continue
        told = {**sizes, **_scalars(model, drawn)}
        found: list[Values] = []
        for _ in range(tries if given else 1):
            example = {v.name: _draw(v, told, rng, attempt + len(found)) for v in given}
            allowed = _made_true(model, drawn, example, sizes, frozenset(example))
            if allowed and _is_defined(model, {**sizes, **drawn, **example}, least):
                found.append(example)
            if len(found) == (examples if given else 1):
                parameters = {name: drawn[name] for name in drawn if name in model.kept}
                constants = {name: drawn[name] for name in drawn if name not in parameters}
                return Sample(parameters, constants, sizes, tuple(found), model.examples is not None)
    return None


def _sizes(model: Model, swapped: bool) -> dict[str, int]:
    """Different primes, at which every array has entries; now the first is the smaller of the first two, now not."""
    shapes = (size for shape in model.shapes.values() for size in shape)
    ranges = (
        size for e in model.equations for node in walk(e.body) if isinstance(node, Binder) for size in node.ranges
    )
    drawn = numbers_for(tuple(v.name for v in model.of_role("size")), (*shapes, *ranges), swapped)
    told = told_by(size for v in model.variables.values() for size in v.shape)
    return drawn | {
        v.name: int(v.value.value)
        for v in model.of_role("size")
        if v.name not in told and isinstance(v.value, Number)  # the code has no other either
    }


def concrete(shape: Sequence[Any], sizes: Mapping[str, int]) -> tuple[int, ...]:
    """A shape in numbers."""
    return tuple(round(float(evaluate_expression(size, sizes))) for size in shape)


def _draw(v: Variable, sizes: Mapping[str, Any], rng: np.random.Generator, attempt: int) -> NDArray[np.float64]:
    shape = concrete(v.shape, sizes)
    if v.kind == "integer":
        return np.asarray(rng.integers(0, round(_argument(v, sizes)), shape), dtype=float)
    if v.kind == "bernoulli":
        return np.asarray(rng.random(shape) < _argument(v, sizes), dtype=float)
    if v.role == "noise":
        return np.asarray(rng.random(shape) if v.kind == "uniform" else rng.standard_normal(shape))
    low, high = _RANGES[attempt % len(_RANGES)]
    return _with_structure(v, np.asarray(rng.uniform(low, high, shape)))


def _scalars(model: Model, drawn: Values) -> dict[str, Any]:
    """The constants that the argument of a distribution may name."""
    valued = {v.name: number_value(v.value) for v in model.of_role("constant") if v.value is not None}
    return {**valued, **{v.name: drawn[v.name] for v in model.of_role("constant") if v.name in drawn and not v.shape}}


def _with_structure(v: Variable, drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    match v.structure:
        case "spd":
            return np.asarray(drawn @ drawn.T + np.eye(len(drawn)))
        case "symmetric" | "self-transpose":
            return np.tril(drawn) + np.tril(drawn, -1).T
        case "diagonal":
            return np.diag(np.diag(drawn))
        case "lower":
            return np.tril(drawn)
    return drawn


def _argument(v: Variable, sizes: Mapping[str, Any]) -> float:
    return float(evaluate_expression(v.kind_argument, sizes)) if v.kind_argument is not None else 0.5


def _is_defined(model: Model, values: Mapping[str, Any], least: float) -> bool:
    """Whether the loss is finite and the assumptions hold; where there is a `least`, also whether every quantity is
    finite and no signal has faded below that on its way, nor a part of one to where no digits are left."""
    found = evaluate(model, values)
    if least and not all(_has_digits(found[equation.name]) for equation in model.equations):
        return False
    if any(0 < np.max(np.abs(found[equation.name]), initial=0.0) < least for equation in model.equations):
        return False
    return bool(np.isfinite(found[model.loss]).all()) and all(
        _holds(assumption, found) for assumption in model.assumptions if set(names(assumption)) <= set(found)
    )


def _has_digits(values: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(values).all()) and not np.any((values != 0) & (np.abs(values) < _UNDERFLOW))


# Assumptions: an equation is solved for one entry of what was drawn, a bound is tested.


def _made_true(model: Model, drawn: Values, example: Values, sizes: Mapping[str, int], free: frozenset[str]) -> bool:
    """Makes the assumptions true that speak of nothing but what was drawn, and of something in `free`."""
    values: Values = {**{name: np.asarray(float(n)) for name, n in sizes.items()}, **drawn, **example}
    for assumption in model.assumptions:
        mentioned = set(names(assumption))
        if not mentioned <= set(values) or not mentioned & free:
            continue
        if assumption.op == "==":
            for name in sorted(mentioned & free):
                if _solve(assumption, name, values):
                    (example if name in example else drawn)[name] = values[name]
                    break
        if not _holds(assumption, values):
            return False
    return True


def _solve(assumption: Compare, name: str, values: Values) -> bool:
    """Moves the first entry of `name` so that a linear equation holds, at every position of its free indices."""
    start = values[name]
    ranges = {index: range(_range(index, assumption, values)) for index in free_indices(assumption)}
    for place in product(*ranges.values()):
        if not _solve_at(dict(zip(ranges, place, strict=True)), assumption, name, values):
            values[name] = start
            return False
    return True


def _solve_at(at: Mapping[str, int], assumption: Compare, name: str, values: Values) -> bool:
    start = values[name]
    element = next(node for node in walk(assumption) if isinstance(node, Ref) and node.name == name)
    entry = tuple(at.get(i.name, 0) if isinstance(i, Index) else 0 for i in element.indices)
    left, right = (_at(side, at) for side in (assumption.left, assumption.right))

    def residual(moved: float) -> float:
        array = start.copy()
        array[entry] += moved
        values[name] = array
        return float(evaluate_expression(left, values) - evaluate_expression(right, values))

    at_start, beyond = residual(0.0), residual(1.0)
    return beyond != at_start and abs(residual(-at_start / (beyond - at_start))) < _NEAR


def _at(e: Expression, at: Mapping[str, int]) -> Expression:
    """The expression with numbers for its free indices."""
    return rename_indices(e, {index: number(place) for index, place in at.items()})


def _holds(assumption: Compare, values: Values) -> bool:
    indices = tuple(free_indices(assumption))
    shape = tuple(_range(index, assumption, values) for index in indices)
    left, right = (evaluate_expression(side, values, indices, shape) for side in (assumption.left, assumption.right))
    return bool(np.all(_COMPARISONS[assumption.op](left, right)))


def _range(index: str, assumption: Compare, values: Values) -> int:
    for node in walk(assumption):
        if isinstance(node, Ref):
            for subscript, length in zip(node.indices, values[node.name].shape, strict=False):
                if subscript == Index(index):
                    return int(length)
    return 1
