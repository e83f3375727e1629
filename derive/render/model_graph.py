"""Model → computational graph: the quantities as nodes, and an edge from each to what is computed from it.

In: a model.  Out: a `Graph` for `derive.render.graph_svg` and `derive.render.graph_tikz`.
"""

from __future__ import annotations

import re

from derive.expression.nodes import D, Expression, Index, Ref
from derive.expression.walk import names
from derive.model import Equation, Model
from derive.render.graph_layout import Graph, GraphEdge, GraphNode
from derive.render.names import label
from derive.render.notation import Notation

SUBTITLE = 16  # letters of an equation that are shown beneath its name
LABELLED = 24  # edges up to which the local derivatives stand on them
_HIDDEN = ("size", "index", "examples")


def model_graph(model: Model, bold: bool = False) -> Graph:
    """The computational graph.

    >>> graph = model_graph(Model.builtin("chain"))
    >>> [edge.source + edge.target for edge in graph.edges], [edge.label for edge in graph.edges]
    (['xz', 'zv', 'vf'], ['dz/dx', 'dv/dz', 'df/dv'])
    """
    notation = Notation(model, bold=bold)
    leaves = [v for v in model.variables.values() if v.role not in _HIDDEN]
    nodes = [GraphNode(v.name, label(v.name), notation.latex(Ref(v.name)), _leaf_role(v.role)) for v in leaves]
    nodes += [
        GraphNode(e.name, label(e.name), notation.latex(Ref(e.name)), e.role or "node", _subtitle(e.written, notation))
        for e in model.equations
    ]
    known = {node.id for node in nodes}
    pairs = [(name, e) for e in model.equations for name in names(e.body) if name in known]
    inner = [(name, e) for name, e in pairs if name in model.by_name or len(pairs) <= len(model.equations)]
    shown = inner if len(inner) <= LABELLED else []
    return Graph(tuple(nodes), tuple(_edge(name, e, notation, (name, e) in shown) for name, e in pairs))


def local_derivative(of: Equation, wrt: str) -> D:
    """∂of/∂wrt as a sign, without indices."""
    return D(Ref(of.name), Ref(wrt))


def left_side(equation: Equation) -> Ref:
    """The name, with indices where the author wrote the equation with them."""
    from derive.expression.walk import free_indices

    written = free_indices(equation.written)
    if any(i in written for i in equation.indices):
        return Ref(equation.name, tuple(Index(i) for i in equation.indices))
    return Ref(equation.name)


def _leaf_role(role: str) -> str:
    return "constant" if role == "state" else role


def _subtitle(e: Expression, notation: Notation) -> str:
    text = notation.text(e)
    return re.sub(r"\^(\[\d+\])", r"^{\1}", text) if len(text) <= SUBTITLE else ""


def _edge(source: str, target: Equation, notation: Notation, labelled: bool) -> GraphEdge:
    if not labelled:
        return GraphEdge(source, target.name)
    derivative = local_derivative(target, source)
    sign = "d" if notation.total(derivative) else "∂"
    command = r"\mathrm{d}" if sign == "d" else r"\partial "
    latex = f"{command}{notation.latex(Ref(target.name))}/{command}{notation.latex(Ref(source))}"
    return GraphEdge(source, target.name, f"{sign}{label(target.name)}/{sign}{label(source)}", latex)
