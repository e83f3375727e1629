"""Pictures of long graphs: in bands that a page has room for, and down the page for a phone."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations, pairwise

import pytest
from test_graph import layered

from derive.model import Model
from derive.render.graph_bands import LENIENT, PHONE, WIDEST, banded, narrow, repeats, stacked
from derive.render.graph_layout import Graph, GraphEdge, GraphNode, Layout, label_size, layout
from derive.render.graph_svg import svg
from derive.render.model_graph import model_graph

MODELS = ("gpt", "lenet", "lstm-regression", "transformer-block", "two-layer", "physics-informed")


def some_hundred_nodes() -> Graph:
    pick = random.Random(7)
    nodes = tuple(GraphNode(f"n{i}", f"n_{{{i}}}", f"n_{{{i}}}", "node") for i in range(100))
    pairs = {(max(0, i - pick.randrange(1, 9)), i) for i in range(1, 100) for _ in range(2)}
    return Graph(nodes, tuple(GraphEdge(f"n{a}", f"n{b}", "∂n/∂m" if b % 3 else "") for a, b in sorted(pairs)))


GRAPHS = {name: model_graph(Model.builtin(name)) for name in MODELS}
GRAPHS |= {"deep": layered(40), "hundred": some_hundred_nodes()}


@pytest.mark.parametrize("name", GRAPHS)
def test_bands_are_no_wider_than_the_page_and_draw_every_edge_once(name: str) -> None:
    graph = GRAPHS[name]
    bands = banded(graph)
    assert max(band.width for band in bands) <= LENIENT * LENIENT * WIDEST
    quantity = {n.node.id: n.node.quantity for band in bands for n in band.nodes}
    of_graph = {node.id: node.quantity for node in graph.nodes}
    drawn = Counter((quantity[e.edge.source], quantity[e.edge.target]) for band in bands for e in band.edges)
    assert drawn == Counter((of_graph[e.source], of_graph[e.target]) for e in graph.edges)
    first = [n.node.id for band in bands for n in band.nodes if n.node.id in of_graph]
    assert sorted(first) == sorted(of_graph)
    assert repeats(bands) == (len(bands) > 1)


@pytest.mark.parametrize("name", GRAPHS)
def test_what_is_drawn_again_has_been_drawn_before(name: str) -> None:
    seen: set[str] = set()
    for band in banded(GRAPHS[name]):
        assert {n.node.quantity for n in band.nodes if "." in n.node.id} <= seen
        seen |= {n.node.id for n in band.nodes}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("phone", [False, True])
def test_nothing_overlaps_and_no_arrow_runs_through_a_node(name: str, phone: bool) -> None:
    picture = stacked(narrow(GRAPHS[name]) if phone else banded(GRAPHS[name]))
    boxes = [(n.x, n.y, n.width, n.height) for n in picture.nodes]
    boxes += [(*e.label_at, *label_size(e.edge)) for e in picture.edges if e.edge.label]
    for a, b in combinations(boxes, 2):
        assert abs(a[0] - b[0]) >= (a[2] + b[2]) / 2 - 0.01 or abs(a[1] - b[1]) >= (a[3] + b[3]) / 2 - 0.01, (a, b)
    for edge in picture.edges:
        ends = {edge.edge.source, edge.edge.target}
        for node in picture.nodes:
            if node.node.id not in ends:
                assert not any(_enters(a, b, node.x, node.y, node.width, node.height) for a, b in pairwise(edge.points))


def _enters(a: tuple[float, float], b: tuple[float, float], x: float, y: float, width: float, height: float) -> bool:
    """Whether the box around a piece of an edge, which holds line and cubic alike, enters a node."""
    (left, right), (top, bottom) = sorted((a[0], b[0])), sorted((a[1], b[1]))
    across = left < x + width / 2 - 0.1 and right > x - width / 2 + 0.1
    return across and top < y + height / 2 - 0.1 and bottom > y - height / 2 + 0.1


@pytest.mark.parametrize("name", GRAPHS)
def test_a_picture_that_leads_down_has_its_arrows_down(name: str) -> None:
    picture = layout(GRAPHS[name], down=True)
    at = {n.node.id: n for n in picture.nodes}
    for edge in picture.edges:
        source, target = at[edge.edge.source], at[edge.edge.target]
        assert edge.points[0] == pytest.approx((source.x, source.y + source.height / 2), abs=0.02)
        assert edge.points[-1] == pytest.approx((target.x, target.y - target.height / 2), abs=0.02)
        assert all(one[1] < next_[1] for one, next_ in pairwise(edge.points))


@pytest.mark.parametrize("name", MODELS)
def test_a_phone_can_show_it(name: str) -> None:
    assert max(band.width for band in narrow(GRAPHS[name])) <= 1.25 * PHONE


def test_a_short_graph_is_one_band() -> None:
    graph = layered(2)
    assert banded(graph) == (layout(graph),)
    assert not repeats(banded(graph))


def test_the_empty_graph_has_a_picture_in_every_form() -> None:
    assert stacked(banded(Graph((), ()))) == Layout((), (), 12.0, 12.0)
    assert "<svg" in svg(Graph((), ()), phone=True)
