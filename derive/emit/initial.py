"""How parameters start: as the model says, else biases at 0 and all else from a Glorot-scaled normal distribution.

A symmetric, diagonal or lower triangular parameter starts at the unit matrix, which has each of these structures and
an inverse, and is positive definite.
"""

from __future__ import annotations

from collections.abc import Callable

from derive.emit.numpy_code import NumpyPrinter
from derive.expression.build import mul
from derive.expression.nodes import Add, Expression, Mul, Reduce, Ref
from derive.expression.parts import unsigned
from derive.expression.walk import names, walk
from derive.model import Model, Variable
from derive.parse.numbers import number_value


def initial_values(model: Model, name: Callable[[str], str], dtype: str) -> list[dict[str, str]]:
    """For each parameter and state the code of its initial value; ``rng`` is a seeded generator."""
    printer = NumpyPrinter(name)
    kept = (model.variables[name] for name in model.kept)
    return [{"name": v.name, "code": _value(v, model, printer, dtype)} for v in kept]


def _value(v: Variable, model: Model, printer: NumpyPrinter, dtype: str) -> str:
    shape = _shape(v, printer)
    cast = "" if dtype == "float64" or not v.shape else f".astype(np.{dtype})"
    if v.structure is not None:
        return f"np.eye({printer.code(v.shape[0])}{_dtype(dtype)})"
    if v.value is not None:
        start = repr(number_value(v.value) or 0.0)
        return f"np.full({shape}, {start}{_dtype(dtype)})" if v.shape else start
    kind = v.kind or ("zeros" if v.role == "state" or is_bias(v.name, model) else "glorot")
    if kind in ("zeros", "ones"):
        return f"np.{kind}({shape}{_dtype(dtype)})" if v.shape else {"zeros": "0.0", "ones": "1.0"}[kind]
    if (not v.shape and kind in ("glorot", "he")) or (kind == "normal" and v.kind_argument is None and not v.shape):
        return "rng.normal()"
    scale = printer.code(v.kind_argument) if v.kind_argument is not None else "1"
    if kind == "uniform":
        drawn = f"rng.uniform(-{scale}, {scale}{', ' + shape if v.shape else ''})"
        return drawn + cast
    if kind == "glorot":
        scale = f"np.sqrt(2 / ({_fans(v, model, printer)}))"
    elif kind == "he":
        scale = f"np.sqrt(2 / {_fan_in(v, model, printer)})"
    drawn = f"rng.normal(0, {scale}{', ' + shape if v.shape else ''})"
    return drawn + cast


def _dtype(dtype: str) -> str:
    return "" if dtype == "float64" else f", dtype=np.{dtype}"


def _shape(v: Variable, printer: NumpyPrinter) -> str:
    inner = ", ".join(printer.code(size) for size in v.shape)
    return inner if len(v.shape) == 1 else f"({inner})"


def _fan_in(v: Variable, model: Model, printer: NumpyPrinter) -> str:
    if summed := _summed_axes(v, model):
        return f"({_product_of([v.shape[k] for k in summed], printer)})"
    return printer.code(v.shape[-1]) if v.shape else "1"


def _fans(v: Variable, model: Model, printer: NumpyPrinter) -> str:
    if not v.shape:
        return "1 + 1"
    if len(v.shape) == 1:
        return f"{printer.code(v.shape[0])} + 1"
    if summed := _summed_axes(v, model):
        others = [size for k, size in enumerate(v.shape) if k not in summed]
        return f"{_product_of([v.shape[k] for k in summed], printer)} + {_product_of(others, printer)}"
    return f"{printer.code(v.shape[-2])} + {printer.code(v.shape[-1])}"


def _product_of(sizes: list[Expression], printer: NumpyPrinter) -> str:
    return printer.code(mul(*sizes)) if sizes else "1"


def _summed_axes(v: Variable, model: Model) -> tuple[int, ...]:
    """The axes of a kernel that one sum runs over, channels and places: what enters each of its outputs."""
    for equation in model.equations:
        for e in walk(equation.body):
            if isinstance(e, Reduce) and e.op == "sum" and len(e.indices) > 1:
                for node in walk(e.body):
                    if isinstance(node, Ref) and node.name == v.name:
                        found = tuple(k for k, i in enumerate(node.indices) if str(i) in e.indices)
                        return found if len(found) > 1 else ()
    return ()


def is_bias(name: str, model: Model) -> bool:
    """A parameter that is added to a product wherever it occurs."""
    uses = 0
    for equation in model.equations:
        if name not in names(equation.body):
            continue
        count = sum(1 for node in walk(equation.body) if isinstance(node, Ref) and node.name == name)
        added = 0
        for node in walk(equation.body):
            if isinstance(node, Add):
                plain = [unsigned(t) for t in node.terms]
                if any(isinstance(t, Ref) and t.name == name for t in plain) and any(_is_product(t) for t in plain):
                    added += sum(1 for t in plain if isinstance(t, Ref) and t.name == name)
        if added != count:
            return False
        uses += count
    return uses > 0


def _is_product(e: Expression) -> bool:
    return isinstance(e, Mul) or (isinstance(e, Reduce) and e.op == "sum")
