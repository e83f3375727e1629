"""The formulas of a report as numpy: run, they give what the prover's own evaluator gives.

The evaluator shares nothing with what prints numpy: it differentiates numerically, and knows indices as named axes.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from derive.commands.documents import told
from derive.emit.formula import _read, numpy_formula, numpy_formulas
from derive.expression.nodes import D, Expression, Ref
from derive.expression.walk import free_indices, transform, walk
from derive.model import Model
from derive.parse.elaborate import in_index_form
from derive.parse.model import whole_names
from derive.prove.digits import Undefined, working_digits
from derive.prove.named import Hole, as_plain
from derive.prove.numeric import DIGITS
from derive.prove.sampling import sample
from derive.prove.setting import Setting
from derive.render.html_document import print_html

STRANGE = """
m: size = 3
x: input[m]
y: target
W: parameter[4, m]
v: parameter[4]
beta: parameter = 1
def half(u):
    r = u/2
    return r

h = sin(W @ x)*exp(-beta**2)
q = norm(h) + 1
c = cumsum(h)
g[i] = where(i > 0, h[i]*h[i - 1], 0)
s: output = half(v @ c)/q + sum(g)
L: loss = softplus(-(2*y - 1)*s) + sum(abs(v)) + sum(W**2) + maximum(beta, 0)**3
"""
MODELS = {
    "two-layer": Model.builtin("two-layer"),
    "cox": Model.builtin("cox"),
    "strange": Model.parse(STRANGE),
}


def formulas(name: str) -> dict[tuple[str, str], str | None]:
    """What can be copied from a report, as numpy."""
    model = MODELS[name]
    found: dict[tuple[str, str], str | None] = {}
    say = numpy_formulas(model)
    print_html(told(model), numpy=lambda source, first: found.setdefault((source, first), say(source, first)))
    return found


@pytest.mark.parametrize("name", MODELS)
def test_every_formula_can_be_copied_as_numpy_and_means_the_same(name: str) -> None:
    model = MODELS[name]
    found = formulas(name)
    assert [source for (source, _), code in found.items() if code is None] == []
    compared = 0
    for (source, first), code in found.items():
        e = _index_form(source, model)
        if e is None or code is None or "N" in free_names(e) or any(_has_examples(n, model) for n in walk(e)):
            continue
        with working_digits(DIGITS):
            compared += _agree(e, code, model, (source, first))
    assert compared > 15


def free_names(e: Expression) -> set[str]:
    return {node.name for node in walk(e) if isinstance(node, Ref)}


def _index_form(source: str, model: Model) -> Expression | None:
    """The formula as the language reads it; None for one about a variable of its own (the derivative of a function)."""
    e = _read(source, model)
    if any(isinstance(n, Ref) and n.name not in model.shapes for n in walk(e)):
        return None
    if free_indices(e) or any(isinstance(n, D) for n in walk(e)):
        return e
    return in_index_form(e, model.shapes, dict(model.functions), (), None, whole_names(model.variables))[0]


def _has_examples(node: Expression, model: Model) -> bool:
    return isinstance(node, Ref) and len(node.indices) > len(model.shapes.get(node.name, ()))


def _agree(e: Expression, code: str, model: Model, told: Any) -> bool:
    shapes = {n: s for n, s in model.shapes.items() if s}

    def named(node: Expression) -> Expression | None:
        """Derivatives of the graph are arrays of their own, which both sides are given."""
        if not (isinstance(node, D) and isinstance(node.body, Ref)) or node.body.name == node.wrt.name:
            return None
        of, wrt = node.body, node.wrt
        name = f"d_{wrt.name}" if of.name == model.loss else f"d{of.name}_d{wrt.name}"
        if name not in code:
            return None
        shapes[name] = (*model.shapes[of.name], *model.shapes[wrt.name])
        return Ref(name, (*of.indices, *wrt.indices))

    e = transform(e, named)
    setting = Setting(equations=tuple((q.element, q.body) for q in model.equations), shapes=shapes)
    evaluator = sample(e, e, setting, random.Random(3), 2)
    assert evaluator is not None
    sizes = {v.name for v in model.of_role("size", "examples")}
    space: dict[str, Any] = {n: int(v) if n in sizes else _plain(v) for n, v in evaluator.values.items()}
    *before, last = code.split("\n\n")
    space["np"] = np
    exec("\n\n".join(before), space)
    found = np.asarray(eval(last, space), dtype=float)
    axes = tuple(sorted(free_indices(e)))
    if not axes and found.shape:
        return False  # a whole array has no named axes to compare by
    at = {i: range(n) for i, n in zip(axes, found.shape, strict=True)}
    try:
        wanted = as_plain(evaluator.value(e, at), axes, found.shape).data
    except Undefined:
        return False  # nothing tells the evaluator how far a sum runs
    if any(isinstance(entry, Hole) for entry in np.ravel(wanted)):
        return False  # at a kink
    np.testing.assert_allclose(found, np.asarray(wanted, dtype=float), rtol=1e-7, atol=1e-9, err_msg=str(told))
    return True


def _plain(value: Any) -> Any:
    return np.asarray(value, dtype=float) if np.shape(value) else float(value)


def test_a_window_of_unknown_size_has_no_numpy_form():
    model = Model.parse("x: input[4]; w: parameter; a = w*x; b[i] = max(a[2*i + p], p, p < 2); L: loss = sum(b)".replace("; ", "\n"))
    assert numpy_formula("D(max(a[2*i + p], p, p < 2), a[k])", model=model) is None
