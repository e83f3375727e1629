"""One formula as numpy, to be copied from a report, with the helper functions that it calls.

In: an expression of the model language, as text, and the model that it speaks of.  Out: lines of numpy, or None where
numpy cannot say it.  Adjoints have the names that generated code gives them, ``d_z``; local derivatives are ``da_dz``;
a derivative that is still to be carried out is carried out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from derive.arrays.form import in_arrays
from derive.differentiate.batch import example_names
from derive.differentiate.local import differentiate
from derive.emit.helpers import HELPERS, with_needs
from derive.emit.loops import LoopPrinter, lengths
from derive.emit.numpy_code import NumpyPrinter
from derive.errors import DeriveError
from derive.expression.build import ONE, neg
from derive.expression.nodes import Call, D, Expression, Index, Item, Ref
from derive.expression.walk import bottom_up, contains, free_indices, index_names, transform, walk
from derive.functions import AXIS_FUNCTIONS
from derive.model import Model, Shape
from derive.parse.expression import Names, parse_expression

LONGEST = 2000


def numpy_formulas(model: Model) -> Callable[[str, str], str | None]:
    """What says a formula of the model's report in numpy."""
    return partial(numpy_formula, model=model)


def numpy_formula(source: str, first: str = "", *, model: Model) -> str | None:
    """The formula; where it has several free indices, the axes of the result are these in alphabetical order.

    `first` is a formula over the same indices, which may tell how far they run where this one does not.

    >>> model = Model.parse("w: parameter; x: input; z = w*x; L: loss = exp(-z)".replace("; ", chr(10)))
    >>> numpy_formula("D(L, z)*exp(-x)*w", model=model), numpy_formula("D(w*x**2, x)", model=model)
    ('d_z * np.exp(-x) * w', '2 * w * x')
    """
    if len(source) > LONGEST:
        return None
    try:
        written = _read(source, model)
        known = _of_equations(model) | (lengths(_read(first, model)) if first else {}) | lengths(written)
        axes = tuple(sorted(free_indices(written)))
        code, helpers = _code(_with_names(written, model), axes, known, model)
        own = [_function(name, model) for name in model.functions if f"{name}(" in code]
    except (DeriveError, RecursionError):
        return None
    helpers = helpers.union(*(needs for _, needs in own))
    return "\n\n".join([*(HELPERS[name] for name in with_needs(helpers)), *(text for text, _ in own), code])


def _of_equations(model: Model) -> dict[str, str]:
    """The lengths of the indices on the left of the model's equations, where these agree."""
    found: dict[str, set[str]] = {}
    for equation in model.equations:
        for index, size in zip(equation.indices, equation.shape, strict=False):
            found.setdefault(index, set()).add(str(size))
    return {index: sizes.pop() for index, sizes in found.items() if len(sizes) == 1}


def _function(name: str, model: Model) -> tuple[str, set[str]]:
    """One of the author's functions, and the helpers that it calls."""
    body = model.functions[name]
    printer = NumpyPrinter(lambda tensor: tensor, own=model.functions)
    lines = [f"    {local} = {printer.code(value)}" for local, value in body.lines]
    lines.append(f"    return {printer.code(body.result)}")
    return "\n".join([f"def {name}({', '.join(body.parameters)}):", *lines]), printer.helpers


def _read(source: str, model: Model) -> Expression:
    """The expression; letters in subscripts are indices, unless the model has such a name."""
    functions = tuple((name, len(body.parameters)) for name, body in model.functions.items())
    first = parse_expression(source, Names(functions=functions))
    letters = {*index_names(first), *free_indices(first)} - set(model.shapes)
    return parse_expression(source, Names(frozenset(model.shapes), functions, frozenset(letters)))


def _with_names(e: Expression, model: Model) -> Expression:
    """Derivatives as names, those that are not carried out carried out."""
    shapes = {name: shape for name, shape in model.shapes.items() if shape}

    def change(node: Expression) -> Expression | None:
        if not isinstance(node, D):
            return None
        found = _derivative(node, model)
        if found is not None:
            return found
        body = transform(node.body, change)
        sizes = _sizes(body, model) | _sizes(node.wrt, model)
        carried = differentiate(body, node.wrt, None, sizes, shapes, model.structures)[0]
        return transform(carried, change)

    return bottom_up(transform(e, change), _along_the_last_axis)


def _derivative(e: D, model: Model) -> Ref | None:
    """``D(L, z[i])`` is ``d_z``, ``D(a[i], z[k])`` is ``da_dz``; None for what is no derivative of the graph."""
    if not isinstance(e.body, Ref) or e.body.name == e.wrt.name or e.body.name not in model.by_name:
        return None
    if e.body.name == model.loss:
        return Ref(f"d_{e.wrt.name}", e.wrt.indices)
    inside = {n.name for n in walk(model.by_name[e.body.name].body) if isinstance(n, Ref)}
    return Ref(f"d{e.body.name}_d{e.wrt.name}", (*e.body.indices, *e.wrt.indices)) if e.wrt.name in inside else None


def _sizes(e: Expression, model: Model) -> dict[str, Expression]:
    """The sizes of the axes that indices subscript."""
    found: dict[str, Expression] = {}
    for node in walk(e):
        if isinstance(node, Ref) and node.indices:
            shape = _shape(node, model)
            found |= {i.name: size for i, size in zip(node.indices, shape, strict=False) if isinstance(i, Index)}
    return found


def _shape(e: Ref, model: Model) -> Shape:
    """The shape of a name, with an example axis in front where it stands with one."""
    shape = model.shapes.get(e.name, ())
    return (Ref(example_names(model)[1]), *shape) if len(e.indices) == len(shape) + 1 else shape


def _code(e: Expression, axes: tuple[str, ...], known: dict[str, str], model: Model) -> tuple[str, set[str]]:
    whole = e if not index_names(e) and not axes else None if _is_more(e) else in_arrays(e, axes, (), _shapes(e, model))
    if whole is not None:
        printer = NumpyPrinter(lambda name: name, own=model.functions)
        try:
            return printer.code(whole), printer.helpers
        except DeriveError:
            pass
    loops = LoopPrinter(known | lengths(e), model.functions)
    return loops.array(e, axes), loops.helpers


def _is_more(e: Expression) -> bool:
    """Shifted and fixed places, which have no name in whole arrays."""
    return contains(e, lambda n: isinstance(n, (Ref, Item)) and not all(isinstance(i, Index) for i in n.indices))


def _shapes(e: Expression, model: Model) -> dict[str, Shape]:
    return {node.name: _shape(node, model) for node in walk(e) if isinstance(node, Ref) and node.name in model.shapes}


def _along_the_last_axis(node: Expression) -> Expression:
    """A vector's one axis, which functions along an axis need not be told in the language."""
    row = AXIS_FUNCTIONS.get(node.function) if isinstance(node, Call) else None
    if isinstance(node, Call) and row is not None and row.keeps_axis and not node.options:
        return Call(node.function, node.args, (("axis", neg(ONE)),))
    return node
