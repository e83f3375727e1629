"""Repeated layers of a graph as one node: of layers 2 to 9 that look alike, the first, “layers 3 … 8”, and the last.

In: a `Graph` whose ids are names of a model (`z1`, `W1`; the digits are the layer).  Out: a smaller `Graph`.
Kept: a layer is put away only where it and its neighbours have the same nodes and the same edges, numbers apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from derive.render.graph_layout import Graph, GraphEdge, GraphNode
from derive.render.names import split_name

FEWEST = 2  # layers that are worth a node of their own


def collapsed(graph: Graph, word: str = "layers") -> Graph:
    """The same graph with the inner layers of every run of equal ones as one node.

    >>> names = ["x", *(f"a{k}" for k in range(1, 8))]
    >>> nodes = tuple(GraphNode(n, n, n, "node") for n in names)
    >>> small = collapsed(Graph(nodes, tuple(GraphEdge(a, b) for a, b in pairwise(names))))
    >>> [node.id for node in small.nodes], [(e.source, e.target) for e in small.edges][1:3]
    (['x', 'a1', 'a2', 'layers 3-6', 'a7'], [('a1', 'a2'), ('a2', 'layers 3-6')])
    """
    into = {name: run for run in _runs(graph) for name in run[1]}
    if not into:
        return graph
    name_of = {name: f"layers {layers[0]}-{layers[-1]}" for name, (layers, _) in into.items()}
    nodes: dict[str, GraphNode] = {}
    for node in graph.nodes:
        if node.id not in into:
            nodes[node.id] = node
            continue
        first, last = into[node.id][0][0], into[node.id][0][-1]
        shown = f"{word} {first} … {last}"
        latex = rf"\text{{{word} }} {first} \ldots {last}"
        nodes.setdefault(name_of[node.id], GraphNode(name_of[node.id], shown, latex, "node"))
    edges: dict[tuple[str, str], GraphEdge] = {}
    for edge in graph.edges:
        source, target = name_of.get(edge.source, edge.source), name_of.get(edge.target, edge.target)
        kept = replace(edge, source=source, target=target)
        if (source, target) != (edge.source, edge.target):
            kept = GraphEdge(source, target)
        if source != target:
            edges.setdefault((source, target), kept)
    return Graph(tuple(nodes.values()), tuple(edges.values()))


def _runs(graph: Graph) -> list[tuple[list[int], list[str]]]:
    """The layers that are put away together, and their nodes."""
    members: dict[int, list[str]] = defaultdict(list)
    for node in graph.nodes:
        layer = split_name(node.id).layer
        if layer:
            members[int(layer)].append(node.id)
    patterns = {layer: _pattern(graph, names, layer) for layer, names in members.items()}
    found = []
    for layers in _equal(sorted(members), patterns):
        inner = layers[1:-1]
        if len(inner) >= FEWEST:
            found.append((inner, [name for layer in inner for name in members[layer]]))
    return found


def _equal(layers: Iterable[int], patterns: dict[int, object]) -> list[list[int]]:
    """Stretches of consecutive layers with one pattern; the layers around them may differ in where they lead."""
    runs: list[list[int]] = []
    for one, next_ in pairwise(layers):
        if next_ == one + 1 and patterns[one] == patterns[next_]:
            runs[-1].append(next_) if runs and runs[-1][-1] == one else runs.append([one, next_])
    return runs


def _pattern(graph: Graph, names: list[str], layer: int) -> object:
    """The nodes and the edges into them, with layers counted from this one."""
    own = set(names)
    roles = {node.id: node.role for node in graph.nodes}
    nodes = frozenset((_apart(name, layer), roles[name]) for name in names)
    edges = frozenset((_apart(e.source, layer), _apart(e.target, layer)) for e in graph.edges if e.target in own)
    return nodes, edges


def _apart(name: str, layer: int) -> tuple[str, object, tuple[str, ...]]:
    parts = split_name(name)
    return parts.head, int(parts.layer) - layer if parts.layer else None, parts.components
