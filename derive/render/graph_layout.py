"""Where the nodes and edges of a computational graph go on the page.

In: a `Graph` (nodes and edges, acyclic).  Out: a `Layout` in CSS pixels, y pointing down, that the SVG and
the TikZ printer both draw.  The method is Sugiyama's: layers and few crossings (`graph_order`), then rows by
isotonic regression, then columns.  The layers stand from left to right; a picture that leads `down` is the
same with both axes exchanged, for boxes whose widths and heights are.

Kept: every edge goes to a later layer; no two nodes overlap; no edge runs through a node, because edges bend
only in the gaps between the columns; the same graph gives the same layout.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from derive.render.graph_label import SMALL_FONT, label_width
from derive.render.graph_order import Net, assign_layers, make_net
from derive.render.graph_places import Curve, Point, on_curve, place

_ROW_GAP, _MARGIN, _DUMMY_HEIGHT = 18.0, 12.0, 6.0

LABEL_HEIGHT = 16.0


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A quantity; `role` is input, target, parameter, constant, noise, node, earlier, layers, loss or output.

    `of`: of another step of a recurrence, or of what is drawn once more, the quantity itself, which has the id; of
    several layers one of their quantities.
    """

    id: str
    label: str
    latex: str
    role: str
    subtitle: str = ""
    of: str = ""

    @property
    def quantity(self) -> str:
        return self.of or self.id

    @property
    def again(self) -> bool:
        """Whether it stands for what has a place of its own."""
        return bool(self.of) and self.role != "layers"


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """`target` is computed from `source`; the label, if any, is a few symbols such as a local derivative."""

    source: str
    target: str
    label: str = ""
    latex: str = ""
    back: str = ""  # beneath the edge, what flows against its direction; the label then stands above it
    back_latex: str = ""
    anchor: str = ""  # where its derivative is told


@dataclass(frozen=True, slots=True)
class Graph:
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from derive.render.mime import bundle

        return bundle(self)


@dataclass(frozen=True, slots=True)
class PlacedNode:
    """A node with its layer (from 0, in the direction of the edges), its centre and its size."""

    node: GraphNode
    layer: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class PlacedEdge:
    """Neighbouring points of equal y are joined by a line, others by a cubic whose ends are horizontal and
    whose control points lie halfway in x (`down`: x and y exchanged); the label, if there is one, is centred on
    `label_at`."""

    edge: GraphEdge
    points: tuple[Point, ...]
    label_at: Point
    down: bool = False

    def curves(self) -> Iterator[tuple[Point, ...]]:
        """The end of each line, or the two control points and the end of each cubic."""
        for (x, y), (to_x, to_y) in pairwise(self.points):
            if (x == to_x) if self.down else (y == to_y):
                yield ((to_x, to_y),)
            elif self.down:
                yield (x, (y + to_y) / 2), (to_x, (y + to_y) / 2), (to_x, to_y)
            else:
                yield ((x + to_x) / 2, y), ((x + to_x) / 2, to_y), (to_x, to_y)


@dataclass(frozen=True, slots=True)
class Layout:
    nodes: tuple[PlacedNode, ...]
    edges: tuple[PlacedEdge, ...]
    width: float
    height: float


def edge_label_width(label: str) -> float:
    return label_width(label, SMALL_FONT) + 8.0


def label_size(edge: GraphEdge) -> Point:
    """Of one label on the edge, or of two, one above the other."""
    if edge.back:
        return max(map(edge_label_width, (edge.label, edge.back))), 2 * LABEL_HEIGHT + 4
    return edge_label_width(edge.label), LABEL_HEIGHT


def layout(graph: Graph, down: bool = False) -> Layout:
    """Place a graph, from left to right or `down` the page.

    Raises ValueError for a cycle, an edge without its nodes, or an id given twice.

    >>> w, z = GraphNode("w", "w", "w", "parameter"), GraphNode("z", "z", "z", "node")
    >>> [(n.node.id, n.layer) for n in layout(Graph((w, z), (GraphEdge("w", "z"),))).nodes]
    [('w', 0), ('z', 1)]
    """
    pairs = _numbered(graph)
    layer_of = assign_layers(len(graph.nodes), pairs)
    net = make_net(layer_of, pairs)
    sizes = [_turned(_size(node), down) for node in graph.nodes]
    labels = [_turned(label_size(edge), down) for edge in graph.edges]
    rows = _rows(net, [height for _, height in sizes])
    columns = _columns(graph, labels, net, [width for width, _ in sizes], rows)
    nodes = []
    for node, layer, (width, height), y in zip(graph.nodes, layer_of, sizes, rows, strict=False):
        nodes.append(PlacedNode(node, layer, sum(columns[layer]) / 2, y, width, height))
    routes = [_points(path, nodes, rows, columns) for path in net.paths]
    edges = _placed_edges(graph, labels, routes, nodes, down)
    bottom = max([0.0, *(n.y + n.height / 2 for n in nodes), *rows[net.real :]])
    right = columns[-1][1] if columns else 0.0
    found = Layout(tuple(nodes), tuple(edges), right + _MARGIN, bottom + _MARGIN)
    return _down(found) if down else found


def _turned(pair: Point, down: bool) -> Point:
    return pair[::-1] if down else pair


def _down(placed: Layout) -> Layout:
    """With x and y exchanged."""
    nodes = (replace(n, x=n.y, y=n.x, width=n.height, height=n.width) for n in placed.nodes)
    edges = (
        replace(e, points=tuple(p[::-1] for p in e.points), label_at=e.label_at[::-1], down=True) for e in placed.edges
    )
    return Layout(tuple(nodes), tuple(edges), placed.height, placed.width)


def _numbered(graph: Graph) -> list[tuple[int, int]]:
    number = {node.id: i for i, node in enumerate(graph.nodes)}
    if len(number) < len(graph.nodes):
        raise ValueError("two nodes of the graph have the same id")
    for edge in graph.edges:
        if edge.source not in number or edge.target not in number:
            raise ValueError(f"the graph has no nodes for the edge from {edge.source!r} to {edge.target!r}")
    return [(number[edge.source], number[edge.target]) for edge in graph.edges]


def _size(node: GraphNode) -> tuple[float, float]:
    width = max(label_width(node.label), label_width(node.subtitle, SMALL_FONT)) + 22.0
    return max(width, 40.0), 50.0 if node.subtitle else 34.0


def _rows(net: Net, heights: Sequence[float]) -> list[float]:
    """The y of every item: sweeps to and fro draw each item towards its neighbours, in the layer's order."""
    size = [*heights, *[_DUMMY_HEIGHT] * (len(net.before) - net.real)]
    rows = [0.0] * len(size)
    for layer in net.layers:
        for above, item in pairwise(layer):
            rows[item] = rows[above] + (size[above] + size[item]) / 2 + _ROW_GAP
    both = tuple(b + a for b, a in zip(net.before, net.after, strict=True))
    # between both sides first, for balance; then one side at a time, for straight lines; leaves come last
    for sweep, side in enumerate((*[both] * 6, *[net.before, net.after] * 4)):
        for layer in net.layers if sweep % 2 == 0 else net.layers[::-1]:
            wishes = [_wish(net, item, side[item], rows) for item in layer]
            steps = [(size[a] + size[b]) / 2 + _ROW_GAP for a, b in pairwise(layer)]
            for item, y in zip(layer, _spread(wishes, steps), strict=True):
                rows[item] = y
    top = min((y - s / 2 for y, s in zip(rows, size, strict=True)), default=0.0)
    return [round(y - top + _MARGIN, 2) for y in rows]


def _wish(net: Net, item: int, neighbours: Sequence[int], rows: Sequence[float]) -> tuple[float, float]:
    """Where an item would like to be, and how strongly.

    The spine of nodes that are computed from each other is straight; long edges give way to it, and leaves
    to both.
    """

    def rank(other: int) -> int:
        if item >= net.real or other >= net.real:
            return 2 if item >= net.real and other >= net.real else 0
        return 1 if net.before[item] and net.before[other] else 0

    if not neighbours:
        return rows[item], 1e-8
    top = max(map(rank, neighbours))
    heard = [rows[n] for n in neighbours if rank(n) == top]
    return sum(heard) / len(heard), (1e-6, 1.0, 1e-4)[top]


def _spread(wishes: Sequence[tuple[float, float]], steps: Sequence[float]) -> list[float]:
    """The places nearest to the wishes (weighted least squares) that keep the order and the least steps.

    This is isotonic regression of the wishes less the steps before them: pool adjacent violators.

    >>> _spread([(0.0, 1.0), (0.0, 1.0)], [10.0])
    [-5.0, 5.0]
    """
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many items
    offsets = [0.0]
    for step in steps:
        offsets.append(offsets[-1] + step)
    for (wish, weight), offset in zip(wishes, offsets, strict=False):
        block = (wish - offset, weight, 1)
        while blocks and blocks[-1][0] > block[0]:
            mean, mass, count = blocks.pop()
            total = mass + block[1]
            block = ((mean * mass + block[0] * block[1]) / total, total, count + block[2])
        blocks.append(block)
    means = [mean for mean, _, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=False)]


def _columns(
    graph: Graph, labels: Sequence[Point], net: Net, widths: Sequence[float], rows: Sequence[float]
) -> list[tuple[float, float]]:
    """Left and right of every layer; a gap is wide enough for its labels and for its steepest edge."""
    layer_of = {item: k for k, layer in enumerate(net.layers) for item in layer}
    gaps = [44.0] * len(net.layers)
    for edge, (width, _), path in zip(graph.edges, labels, net.paths, strict=True):
        if edge.label:
            k = layer_of[path[-1]]
            gaps[k] = max(gaps[k], (1.8 if edge.back and width > 40 else 1.5) * width + 16)
        for one, next_ in pairwise(path):
            k = layer_of[next_]
            gaps[k] = max(gaps[k], min(140.0, 0.4 * abs(rows[one] - rows[next_])))
    columns = []
    x = _MARGIN
    for k, layer in enumerate(net.layers):
        left = x + (gaps[k] if k else 0.0)
        x = left + max((widths[item] for item in layer if item < net.real), default=0.0)
        columns.append((left, x))
    return columns


def _points(
    path: Sequence[int], nodes: Sequence[PlacedNode], rows: Sequence[float], columns: Sequence[Point]
) -> list[Point]:
    """Straight through the columns, bending only between them: every other stretch is a bend, from the second on."""
    source, target = nodes[path[0]], nodes[path[-1]]
    points = [(source.x + source.width / 2, source.y)]
    for k, (one, next_) in enumerate(pairwise(path), source.layer):
        points += [(columns[k][1], rows[one]), (columns[k + 1][0], rows[next_])]
    return [*points, (target.x - target.width / 2, target.y)]


def _placed_edges(
    graph: Graph, labels: Sequence[Point], routes: Sequence[Sequence[Point]], nodes: Sequence[PlacedNode], down: bool
) -> list[PlacedEdge]:
    """The edges, their labels clear of all nodes and of each other."""
    crossing: dict[float, dict[Curve, None]] = defaultdict(dict)
    for points in routes:
        for start, end in zip(points[1:-1:2], points[2::2], strict=True):
            crossing[end[0]][start, end] = None
    taken = [(n.x, n.y, n.width, n.height) for n in nodes]
    placed: dict[int, PlacedEdge] = {}
    steep = [abs(points[-3][1] - points[-2][1]) for points in routes]
    for k in sorted(range(len(routes)), key=steep.__getitem__):  # the label of a straight edge has the fewest places
        edge, own = graph.edges[k], (routes[k][-3], routes[k][-2])
        label_at: Point | None = on_curve(own, 0.4)
        if edge.label or edge.back:
            others = [curve for curve in crossing[own[1][0]] if curve != own]
            label_at = place(own, labels[k], bool(edge.back) and not down, others, taken)
            if label_at is not None:
                taken.append((*label_at, *labels[k]))
        if label_at is None:  # in a crowd a label is left out rather than set upon another
            edge, label_at = replace(edge, label="", latex="", back="", back_latex=""), own[0]
        placed[k] = PlacedEdge(edge, _without_straight(routes[k]), label_at)
    return [placed[k] for k in range(len(routes))]


def _without_straight(points: Sequence[Point]) -> tuple[Point, ...]:
    """Without the points in which nothing bends: those that coincide, or lie on a line with their neighbours."""
    distinct = list(dict.fromkeys((round(x, 2), round(y, 2)) for x, y in points))
    triples = zip(distinct, distinct[1:], distinct[2:], strict=False)
    bends = [b for a, b, c in triples if not a[1] == b[1] == c[1]]
    return (distinct[0], *bends, distinct[-1])
