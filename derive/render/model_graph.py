"""Model → computational graph: the quantities as nodes, and an edge from each to what is computed from it.

In: a model.  Out: a `Graph` for `derive.render.graph_svg` and `derive.render.graph_tikz`.
"""

from __future__ import annotations

import re

from derive.expression.nodes import D, Expression, Index, Ref
from derive.expression.walk import names, walk
from derive.model import Equation, Model
from derive.render.graph_layout import Graph, GraphEdge, GraphNode
from derive.render.names import label, latex_name
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
        GraphNode(e.name, *_called(e, model, notation), e.role or "node", _subtitle(e.written, notation))
        for e in model.equations
    ]
    known = {node.id for node in nodes}
    read = {e.name: _read_by(e, model) for e in model.equations}
    steps = dict.fromkeys(step for steps in read.values() for step in steps if step.indices)
    nodes = [*(_of_another_step(step, notation) for step in steps), *nodes]
    pairs = [(step, e) for e in model.equations for step in read[e.name] if step.name in known]
    inner = [(step, e) for step, e in pairs if step.name in model.by_name or len(pairs) <= len(model.equations)]
    shown = inner if len(inner) <= LABELLED else []
    return Graph(tuple(nodes), tuple(_edge(step, e, notation, (step, e) in shown) for step, e in pairs))


def _called(e: Equation, model: Model, notation: Notation) -> tuple[str, str]:
    """A node's label, and in LaTeX; the next value of a state m is called m⁺."""
    if (state := model.states.get(e.name)) is not None:
        return f"{label(state)}⁺", latex_name(state, superscript="+", spelling=model.spellings.get(state))
    return label(e.name), notation.latex(Ref(e.name))


def _read_by(e: Equation, model: Model) -> list[Ref]:
    """The names that an equation uses; of its recurrence, other steps than its own as such: ``h[t - 1]``."""
    found: dict[Ref, None] = {}
    for name in names(e.body):
        if name not in model.cycle(e.name):
            found[Ref(name)] = None
            continue
        for node in walk(e.body):
            if isinstance(node, Ref) and node.name == name:
                own = node.indices[0] == Index(e.indices[0])
                found[Ref(name) if own else Ref(name, node.indices[:1])] = None
    return list(found)


def _of_another_step(step: Ref, notation: Notation) -> GraphNode:
    index = notation.text(step.indices[0]).replace(" ", "")
    return GraphNode(str(step), f"{label(step.name)}_{{{index}}}", notation.latex(step), "earlier", of=step.name)


def local_derivative(of: Equation, wrt: str) -> D:
    """∂of/∂wrt as a sign, without indices."""
    return D(Ref(of.name), Ref(wrt))


def left_side(equation: Equation) -> Ref:
    """The name, with indices where the author wrote the equation with them."""
    from derive.expression.walk import free_indices

    written = free_indices(equation.written)
    given = [k for k, i in enumerate(equation.indices) if i in written]
    if equation.entries or equation.first:
        return Ref(equation.name, tuple(map(Index, equation.indices[: 1 + max(given, default=0)])))
    if given:
        return Ref(equation.name, tuple(map(Index, equation.indices)))
    return Ref(equation.name)


def written_lines(equation: Equation) -> list[tuple[Ref, Expression]]:
    """The equation as the author wrote it: the entries that a recurrence begins with, and its rule."""
    entries = [(Ref(equation.name, (entry.position,)), entry.written) for entry in equation.entries]
    return [*entries, (left_side(equation), equation.written)]


def _leaf_role(role: str) -> str:
    return "constant" if role == "state" else role


def _subtitle(e: Expression, notation: Notation) -> str:
    text = notation.text(e)
    return in_labels(text) if len(text) <= SUBTITLE else ""


def in_labels(text: str) -> str:
    """Unicode mathematics in the markup of labels.

    >>> in_labels("z^[1] + W_Q1[h] + (y − x_f)^⊙2")
    'z^{[1]} + W_{Q1,h} + (y − x_{f})^{⊙2}'
    """
    text = re.sub(r"\^(\[\d+\]|⊙\d)", r"^{\1}", text)
    return re.sub(r"_([^\W_]+)(?:\[([^\[\]]*)\])?", lambda m: f"_{{{m[1]}{',' + m[2] if m[2] else ''}}}", text)


def _edge(step: Ref, target: Equation, notation: Notation, labelled: bool) -> GraphEdge:
    source = step.name
    if step.indices:
        return GraphEdge(str(step), target.name)
    if not labelled:
        return GraphEdge(source, target.name)
    derivative = local_derivative(target, source)
    sign = "d" if notation.total(derivative) else "∂"
    command = r"\mathrm{d}" if sign == "d" else r"\partial "
    latex = f"{command}{notation.latex(Ref(target.name))}/{command}{notation.latex(Ref(source))}"
    return GraphEdge(source, target.name, f"{sign}{label(target.name)}/{sign}{label(source)}", latex)
