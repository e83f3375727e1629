"""A computational graph in words, for the formats that cannot show a picture.

In: a `Graph`.  Out: one line for each computed node, in the order of computation: `z ← x_1, x_2, w_1, w_2,
b`.
"""

from __future__ import annotations

from graphlib import TopologicalSorter

from derive.render.graph_label import runs
from derive.render.graph_layout import Graph


def graph_lines(graph: Graph) -> tuple[str, ...]:
    """What each node is computed from.

    >>> from derive.render.graph_layout import GraphEdge, GraphNode
    >>> x, z = GraphNode("x", "x", "x", "input"), GraphNode("z", "z", "z", "node")
    >>> graph_lines(Graph((x, z), (GraphEdge("x", "z"),)))
    ('z ← x',)
    """
    label = {node.id: _label(node.label) for node in graph.nodes}
    sources: dict[str, list[str]] = {node.id: [] for node in graph.nodes}
    for edge in graph.edges:
        if edge.source not in sources[edge.target]:
            sources[edge.target].append(edge.source)
    width = max((len(label[node]) for node, before in sources.items() if before), default=0)
    return tuple(
        f"{label[node]:<{width}} ← {', '.join(label[source] for source in sources[node])}"
        for node in TopologicalSorter(sources).static_order()
        if sources[node]
    )


def _label(label: str) -> str:
    """A label on one line.

    >>> _label("a^{[1]}"), _label("w_{2}")
    ('a^[1]', 'w_2')
    """
    signs = {1: "^", 0: "", -1: "_"}
    return "".join(signs[(run.rise > 0) - (run.rise < 0)] + run.text for run in runs(label))
