"""A picture that is not wider than the page: a long graph in several bands, one beneath the other, or down the page.

In: a `Graph` and the width that a reader can still read.  Out: `Layout`s, to be drawn one beneath the other.
Kept: every edge is drawn once; a quantity that a later band uses is drawn there once more, as a node of the same
quantity (`GraphNode.of`), so that no edge leads from one band to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from derive.render.graph_layout import Graph, GraphEdge, GraphNode, Layout, PlacedEdge, PlacedNode, layout

WIDEST = 780.0  # pixels: what is wider is shrunk in print until its letters have less than 8 points
PHONE = 460.0
BETWEEN = 14.0  # pixels from band to band
LENIENT = 1.1  # a little wider than that is still one band


def banded(graph: Graph, widest: float = WIDEST) -> tuple[Layout, ...]:
    """The picture from left to right, in as few bands as the width allows.

    >>> names = [f"a{k}" for k in range(30)]
    >>> nodes = tuple(GraphNode(name, name, name, "node") for name in names)
    >>> chain = Graph(nodes, tuple(GraphEdge(a, b) for a, b in zip(names, names[1:])))
    >>> [len(band.edges) for band in banded(chain)]
    [8, 7, 7, 7]
    """
    placed = layout(graph)
    if placed.width <= LENIENT * widest:
        return (placed,)
    return tuple(layout(band) for band in _bands(graph, placed, widest))


def narrow(graph: Graph, widest: float = PHONE) -> tuple[Layout, ...]:
    """The picture for a narrow screen: down the page, or in bands where that is narrower still."""
    down = (layout(graph, down=True),)
    if down[0].width <= LENIENT * widest:
        return down
    return min(down, banded(graph, widest), key=lambda bands: max(band.width for band in bands))


def repeats(bands: Sequence[Layout]) -> bool:
    """Whether a band draws what another has drawn."""
    return any(n.node.again and n.node.role != "earlier" for band in bands for n in band.nodes)


def stacked(bands: Sequence[Layout]) -> Layout:
    """The bands as one picture."""
    nodes: list[PlacedNode] = []
    edges: list[PlacedEdge] = []
    top = 0.0
    for band in bands:
        nodes += (replace(n, y=round(n.y + top, 2)) for n in band.nodes)
        edges += (_lowered(e, top) for e in band.edges)
        top += band.height + BETWEEN
    width = max((band.width for band in bands), default=0.0)
    return Layout(tuple(nodes), tuple(edges), width, max(0.0, top - BETWEEN))


def _lowered(edge: PlacedEdge, by: float) -> PlacedEdge:
    points = tuple((x, round(y + by, 2)) for x, y in edge.points)
    return replace(edge, points=points, label_at=(edge.label_at[0], round(edge.label_at[1] + by, 2)))


@dataclass(frozen=True, slots=True)
class _Cuts:
    """The first layers of the bands; `cost` is the number of bands, of quantities drawn again, and the unused room."""

    cost: tuple[int, int, float]
    starts: tuple[int, ...]


def _bands(graph: Graph, placed: Layout, widest: float) -> list[Graph]:
    layer_of = _homes(graph, placed)
    spans = _spans(placed)
    best = [_Cuts((0, 0, 0.0), ())]
    for stop in range(1, len(spans) + 1):
        found: list[_Cuts] = []
        for start in range(stop - 1, -1, -1):
            # what comes again has the place that the layer before has here
            width = spans[stop - 1][1] - spans[max(0, start - 1)][0]
            if width > widest and found:
                break
            bands, again, room = best[start].cost
            cost = (bands + 1, again + len(_again(graph, layer_of, start, stop)), room + (widest - width) ** 2)
            found.append(_Cuts(cost, (*best[start].starts, start)))
        best.append(min(found, key=lambda cuts: cuts.cost))
    starts = best[-1].starts
    return [
        _band(graph, layer_of, start, stop, k)
        for k, (start, stop) in enumerate(zip(starts, (*starts[1:], len(spans)), strict=True))
    ]


def _homes(graph: Graph, placed: Layout) -> dict[str, int]:
    """The layer to which each node belongs; a leaf belongs to what first uses it."""
    layer_of = {n.node.id: n.layer for n in placed.nodes}
    computed = {e.target for e in graph.edges}
    users: dict[str, list[int]] = {}
    for e in graph.edges:
        users.setdefault(e.source, []).append(layer_of[e.target])
    return {name: layer if name in computed else min(users.get(name, [layer])) for name, layer in layer_of.items()}


def _spans(placed: Layout) -> list[tuple[float, float]]:
    """Left and right of every layer."""
    count = 1 + max(n.layer for n in placed.nodes)
    return [
        (min(n.x - n.width / 2 for n in layer), max(n.x + n.width / 2 for n in layer))
        for k in range(count)
        if (layer := [n for n in placed.nodes if n.layer == k])
    ]


def _again(graph: Graph, layer_of: dict[str, int], start: int, stop: int) -> set[str]:
    """What the band of these layers uses of earlier ones."""
    return {e.source for e in graph.edges if layer_of[e.source] < start <= layer_of[e.target] < stop}


def _band(graph: Graph, layer_of: dict[str, int], start: int, stop: int, number: int) -> Graph:
    again = _again(graph, layer_of, start, stop)
    nodes: Sequence[GraphNode] = [
        _once_more(node, number) if node.id in again else node
        for node in graph.nodes
        if node.id in again or start <= layer_of[node.id] < stop
    ]
    renamed = {name: _id(name, number) for name in again}
    edges: Sequence[GraphEdge] = [
        replace(e, source=renamed.get(e.source, e.source)) for e in graph.edges if start <= layer_of[e.target] < stop
    ]
    return Graph(tuple(nodes), tuple(edges))


def _once_more(node: GraphNode, number: int) -> GraphNode:
    return replace(node, id=_id(node.id, number), of=node.quantity, subtitle="")


def _id(name: str, number: int) -> str:
    return f"{name}.{number}"
