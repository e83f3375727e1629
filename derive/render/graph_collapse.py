"""Repeated layers of a graph as one node: of layers 2 to 9 that look alike, the first, “layers 3 … 8”, and the last.

In: a `Graph` whose ids are names of a model (`z1`, `W1`; the digits are the layer).  Out: a smaller `Graph`.
Kept: a layer is put away only where it and its neighbours have the same nodes and the same edges, numbers apart.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise

from derive.render.graph_layout import Graph, GraphEdge, GraphNode
from derive.render.names import split_name

Numbered = Callable[[str], tuple[str, "int | None"]]  # the family of a name, and its layer

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
        nodes[name_of[node.id]] = GraphNode(name_of[node.id], shown, latex, "layers", of=node.quantity)
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
    """The layers that are put away together, and their nodes; the last number of a name is its layer, or the first."""
    return _runs_by(graph, _by_last) or _runs_by(graph, _by_first)


def _by_last(name: str) -> tuple[str, int | None]:
    """``W_Q2``, ``mu1_2``, ``z2`` are of layer 2."""
    match = re.fullmatch(r"(.*?)(\d{1,9})", name)
    return (match[1], int(match[2])) if match else (name, None)


def _by_first(name: str) -> tuple[str, int | None]:
    """``w2_1`` is of layer 2."""
    parts = split_name(name)
    return "_".join((parts.head, *parts.components)), int(parts.layer) if parts.layer else None


def _runs_by(graph: Graph, numbered: Numbered) -> list[tuple[list[int], list[str]]]:
    members: dict[int, list[str]] = defaultdict(list)
    for node in graph.nodes:
        layer = numbered(node.id)[1]
        if layer is not None:
            members[layer].append(node.id)
    patterns = {layer: _pattern(graph, names, layer, numbered) for layer, names in members.items()}
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


def _pattern(graph: Graph, names: list[str], layer: int, numbered: Numbered) -> object:
    """The nodes and the edges into them, with layers counted from this one."""
    own = set(names)
    roles = {node.id: node.role for node in graph.nodes}

    def apart(name: str) -> tuple[str, int | None]:
        family, number = numbered(name)
        return family, None if number is None else number - layer

    nodes = frozenset((apart(name), roles[name]) for name in names)
    return nodes, frozenset((apart(e.source), apart(e.target)) for e in graph.edges if e.target in own)
