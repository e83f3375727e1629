"""The drawing of computational graphs: what the layout promises, and that no label can break the SVG."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from derive.commands.documents import told
from derive.model import Model
from derive.render.document import Figure
from derive.render.graph_collapse import collapsed
from derive.render.graph_label import label_width, runs
from derive.render.graph_layout import LABEL_HEIGHT, Graph, GraphEdge, GraphNode, Layout, edge_label_width, layout
from derive.render.graph_order import assign_layers, crossings, make_net
from derive.render.graph_svg import svg
from derive.render.graph_tikz import as_set, tikz
from derive.render.report import report

SVG = "{http://www.w3.org/2000/svg}"


def graph_of(*pairs: tuple[str, str]) -> Graph:
    names = dict.fromkeys(name for pair in pairs for name in pair)
    nodes = tuple(GraphNode(name, name, name, "node") for name in names)
    return Graph(nodes, tuple(GraphEdge(source, target) for source, target in pairs))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    count = draw(st.integers(1, 25))
    numbers = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(numbers, numbers).filter(lambda p: p[0] != p[1]), max_size=60))
    texts = st.text(max_size=12)
    nodes = [GraphNode(f"n{i}", draw(texts), "x", "node", draw(texts)) for i in range(count)]
    edges = [GraphEdge(f"n{min(p)}", f"n{max(p)}", draw(st.sampled_from(["", "∂z/∂w"]))) for p in pairs]
    return Graph(tuple(draw(st.permutations(nodes))), tuple(edges))


@given(graphs())
def test_nodes_do_not_overlap_and_lie_within_the_picture(graph: Graph) -> None:
    placed = layout(graph)
    for a, b in combinations(placed.nodes, 2):
        apart_x = abs(a.x - b.x) - (a.width + b.width) / 2
        apart_y = abs(a.y - b.y) - (a.height + b.height) / 2
        assert max(apart_x, apart_y) > 10, (a, b)
    for node in placed.nodes:
        assert node.width / 2 < node.x < placed.width - node.width / 2
        assert node.height / 2 < node.y < placed.height - node.height / 2
        assert label_width(node.node.label) < node.width


@given(graphs())
def test_edges_go_right_from_border_to_border_and_through_no_node(graph: Graph) -> None:
    placed = layout(graph)
    at = {node.node.id: node for node in placed.nodes}
    for edge in placed.edges:
        source, target = at[edge.edge.source], at[edge.edge.target]
        assert source.layer < target.layer
        assert edge.points[0] == pytest.approx((source.x + source.width / 2, source.y), abs=0.01)
        assert edge.points[-1] == pytest.approx((target.x - target.width / 2, target.y), abs=0.01)
        assert all(one[0] < next_[0] for one, next_ in pairwise(edge.points))
        for node in placed.nodes:
            assert not any(_meets(one, next_, node) for one, next_ in pairwise(edge.points)), (edge, node)


def _meets(one: tuple[float, float], next_: tuple[float, float], node: object) -> bool:
    """Whether the box around a piece of an edge, which holds line and cubic alike, enters a node."""
    left, right = node.x - node.width / 2 + 0.1, node.x + node.width / 2 - 0.1  # type: ignore[attr-defined]
    top, bottom = node.y - node.height / 2, node.y + node.height / 2  # type: ignore[attr-defined]
    ys = sorted((one[1], next_[1]))
    return one[0] < right and left < next_[0] and ys[0] < bottom and top < ys[1]


@given(graphs())
def test_the_same_graph_gives_the_same_picture(graph: Graph) -> None:
    assert svg(graph) == svg(graph)
    assert tikz(graph) == tikz(graph)


def test_the_picture_does_not_depend_on_the_order_of_hashes() -> None:
    script = (
        "from tests.test_graph import graph_of, svg\n"
        "print(svg(graph_of(*((f'n{i * j % i}', f'n{i}') for i in range(1, 40) for j in (3, 7, 8)))))"
    )
    root = Path(__file__).parent.parent
    drawn = {
        subprocess.check_output([sys.executable, "-c", script], cwd=root, env={"PYTHONHASHSEED": seed})
        for seed in "123"
    }
    assert len(drawn) == 1


def test_leaves_stand_just_before_their_first_consumer() -> None:
    placed = layout(graph_of(*pairwise("xabcd"), ("w", "c"), ("w", "d"), ("y", "d")))
    layers = {n.node.id: n.layer for n in placed.nodes}
    assert layers == {"x": 0, "a": 1, "b": 2, "c": 3, "d": 4, "w": 2, "y": 3}


def test_a_chain_is_a_straight_line() -> None:
    names = [f"a{i}" for i in range(60)]
    placed = layout(graph_of(*pairwise(names)))
    assert len({node.y for node in placed.nodes}) == 1
    assert all(len(edge.points) == 2 for edge in placed.edges)


def test_the_spine_of_a_residual_net_is_straight() -> None:
    pairs = [("x", "h0")]
    for k in range(4):
        pairs += [(f"w{k}", f"z{k}"), (f"h{k}", f"z{k}"), (f"z{k}", f"a{k}"), (f"h{k}", f"h{k + 1}")]
        pairs += [(f"a{k}", f"h{k + 1}")]
    placed = layout(graph_of(*pairs))
    assert len({round(n.y) for n in placed.nodes if n.node.id[0] in "hza"}) == 1


@pytest.mark.parametrize(
    ("fewest", "pairs"),
    [
        # written crosswise, but without need
        (0, [(0, 4), (1, 3), (2, 5), (4, 7), (3, 6), (5, 8), (6, 9), (8, 9), (7, 9)]),
        # the first sweep finds 2
        (1, [(0, 3), (0, 4), (1, 3), (1, 4), (2, 3), (3, 6), (3, 7), (4, 7), (5, 7)]),
        # K(2,2) has 1, K(3,3) has 9 in any order
        (1, [(0, 2), (0, 3), (1, 2), (1, 3)]),
        (9, [(a, b) for a in range(3) for b in range(3, 6)]),
        # a long edge round the whole and leaves at every node
        (0, [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4), (5, 2), (6, 3), (7, 4)]),
    ],
)
def test_known_graphs_have_the_fewest_crossings(fewest: int, pairs: list[tuple[int, int]]) -> None:
    count = 1 + max(max(pair) for pair in pairs)
    net = make_net(assign_layers(count, pairs), pairs)
    assert crossings(net, net.layers) == fewest


def test_crossings_are_counted() -> None:
    pairs = [(0, 2), (1, 3)]
    net = make_net(assign_layers(4, pairs), pairs)
    assert crossings(net, [[0, 1], [2, 3]]) == 0
    assert crossings(net, [[0, 1], [3, 2]]) == 1


@pytest.mark.parametrize("shape", ["random", "deep", "wide"])
def test_300_nodes_take_less_than_a_second(shape: str) -> None:
    pick = random.Random(0)
    pairs = {
        "random": [(f"n{pick.randrange(i)}", f"n{i}") for i in range(1, 300) for _ in range(3)],
        "deep": [(source, f"a{i + 1}") for i in range(149) for source in (f"a{i}", f"w{i}", "c")],
        "wide": [(f"n{i}_{j}", f"n{i + 1}_{k}") for i in range(14) for j in range(20) for k in range(20)],
    }[shape]
    graph = graph_of(*pairs)
    assert len(graph.nodes) >= 299
    start = time.process_time()
    layout(graph)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (graph_of(("a", "b"), ("b", "a")), "cycle"),
        (Graph((GraphNode("a", "a", "a", "node"),) * 2, ()), "same id"),
        (Graph((), (GraphEdge("a", "b"),)), "'a' to 'b'"),
    ],
)
def test_what_is_no_acyclic_graph_is_refused(graph: Graph, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layout(graph)


def test_the_empty_graph_has_a_picture() -> None:
    assert layout(Graph((), ())) == Layout((), (), 12.0, 12.0)
    ET.fromstring(svg(Graph((), ())))
    assert "tikzpicture" in tikz(Graph((), ()))


HOSTILE = "</text><script>alert(1)</script>\"'&amp; ]]> <!-- \x00\x1b\ud800\ufffe\u202e"

TAGS = {"svg", "title", "desc", "style", "g", "path", "polygon", "rect", "a", "text", "tspan"}
ATTRIBUTES = {
    "data-quantity",
    "data-of",
    "class",
    "role",
    "width",
    "height",
    "viewBox",
    "id",
    "href",
    "x",
    "y",
    "rx",
    "d",
    "points",
}
ATTRIBUTES |= {"dx", "dy", "font-size"}


@given(st.text(st.characters(), max_size=60))
@example(HOSTILE)
@example("^{" * 1000)
@example("}_{" * 50)
@settings(max_examples=200)
def test_no_text_breaks_the_svg(text: str) -> None:
    nodes = (GraphNode(text, text, "a", text, text), GraphNode(text + "b", text, "b", "loss"))
    root = ET.fromstring(svg(Graph(nodes, (GraphEdge(text, text + "b", text),)), text).encode())
    assert {e.tag.removeprefix(SVG) for e in root.iter()} <= TAGS
    assert {key for e in root.iter() for key in e.attrib} <= ATTRIBUTES
    assert all(e.get("href", "").startswith("#step-") for e in root.iter(f"{SVG}a"))


def test_hostile_labels_are_text() -> None:
    node = GraphNode(HOSTILE, HOSTILE, "a", '"><x', HOSTILE)
    drawn = svg(Graph((node,), ()), HOSTILE)
    assert "<script" not in drawn
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in drawn
    assert not set("\x00\x1b\ud800\ufffe\u202e") & set(drawn)


def test_the_svg_is_accessible_and_links_to_the_steps() -> None:
    graph = Graph(
        (GraphNode("w_1", "w_{1}", "w_1", "parameter"), GraphNode("z", "z^{[1]}_{2}", "z", "node")),
        (GraphEdge("w_1", "z", "∂z/∂w"),),
    )
    root = ET.fromstring(svg(graph, "Forward & backward"))
    assert root.get("role") == "img"
    assert [child.tag for child in root][:2] == [SVG + "title", SVG + "desc"]
    assert root.findtext(SVG + "title") == "Forward & backward"
    assert "z[1]2 from w1" in (root.findtext(SVG + "desc") or "")
    assert {g.get("id"): g.find(SVG + "a").get("href") for g in root.iter(SVG + "g") if g.get("id")} == {
        "node-w_1": "#step-w_1",
        "node-z": "#step-z",
    }
    assert "".join(root.find(f".//{SVG}g[@id='node-z']/{SVG}a/{SVG}text").itertext()) == "z[1]2"


def test_scripts_return_to_the_baseline() -> None:
    node = GraphNode("a", "a^{[1]}_{2} b_{i}c^{2}d", "a", "node")
    spans = list(ET.fromstring(svg(Graph((node,), ()))).iter(SVG + "tspan"))
    assert [s.text for s in spans] == ["[1]", "2", " b", "i", "c", "2", "d"]
    dys = [float(s.get("dy", "0")) for s in spans]
    assert sum(dys) == pytest.approx(0, abs=0.03)
    assert dys[0] < 0 < dys[1]  # y points down


def test_label_markup() -> None:
    assert [(r.text, r.rise > 0, r.rise < 0) for r in runs("a^{b}_{c}d")] == [
        ("a", False, False),
        ("b", True, False),
        ("c", False, True),
        ("d", False, False),
    ]
    assert "".join(r.text for r in runs("{x} } ^ _ x_1 ^{unclosed")) == "{x} } ^ _ x_1 unclosed"
    nested = {r.text: r for r in runs("e^{x_{1}}")}
    assert nested["1"].size < nested["x"].size < nested["e"].size
    assert 0 < nested["1"].rise < nested["x"].rise
    assert "".join(r.text for r in runs("m" * 100)) == "m" * 40 + "…"


def test_tikz_fits_the_page() -> None:
    assert tikz(graph_of(("a", "b"))).startswith(r"\begin{tikzpicture}")
    chain = graph_of(*pairwise(f"a_{{{i}}}" for i in range(400)))
    scale = re.match(r"\\scalebox\{([\d.]+)\}", tikz(chain))
    assert scale is not None and 0.7 < float(scale[1]) < 1  # in bands, and still to be read
    assert max(map(float, re.findall(r"at \(([\d.]+),", tikz(chain)))) * float(scale[1]) < 430
    star = tikz(graph_of(*((f"w{i}", "z") for i in range(60))))
    shrunk = re.match(r"\\scalebox\{([\d.]+)\}", star)
    assert shrunk is not None and max(map(float, re.findall(r"at \([\d.]+,([\d.]+)\)", star))) * float(shrunk[1]) < 540


def layered(depth: int, width: int = 1) -> Graph:
    """A network: z_l from W_l and a_{l-1}, with `width` branches."""
    pairs = []
    for branch in range(width):
        tail = "" if width == 1 else f"_{branch}"
        for k in range(1, depth + 1):
            before = f"a{k - 1}{tail}" if k > 1 else "x"
            pairs += [(f"W{k}{tail}", f"z{k}{tail}"), (before, f"z{k}{tail}"), (f"z{k}{tail}", f"a{k}{tail}")]
        pairs.append((f"a{depth}{tail}", "L"))
    return graph_of(*pairs)


def test_repeated_layers_collapse_to_one_node() -> None:
    small = collapsed(layered(40))
    assert [n.id for n in small.nodes if n.id.startswith("layers")] == ["layers 3-39"]
    assert {"x", "z1", "a2", "z40", "L"} <= {n.id for n in small.nodes}
    assert ("a2", "layers 3-39") in {(e.source, e.target) for e in small.edges}
    assert ("layers 3-39", "z40") in {(e.source, e.target) for e in small.edges}
    layout(small)  # acyclic, and every edge has its nodes
    assert collapsed(layered(3)) == layered(3)


@pytest.mark.parametrize(("language", "word"), [("en", "layers"), ("es", "capas")])
def test_a_report_draws_repeated_layers_as_one_node(language: str, word: str) -> None:
    text = """m: size = 2
x: input[m]
y: target[m]
a[0] = x
for l in range(1, 7):
    W[l]: parameter[m, m]
    a[l] = tanh(W[l] @ a[l-1])
L: loss = sum((a6 - y)**2)"""
    derivation = Model.parse(text).derive()
    for collapse in (False, True):  # what is told once is drawn once, asked for or not
        blocks = report(derivation, language, "brief", collapse=collapse).blocks
        picture = next(b.graph for b in blocks if isinstance(b, Figure))
        assert [n.label for n in picture.nodes if word in n.label] == [f"{word} 2 … 5"]



def test_a_layer_that_differs_is_not_put_away() -> None:
    other = layered(12)
    odd = Graph((*other.nodes, GraphNode("c6", "c6", "c", "constant")), (*other.edges, GraphEdge("c6", "z6")))
    names = {n.id for n in collapsed(odd).nodes}
    assert {"c6", "z6", "a6"} <= names and len(names) < len(odd.nodes)


@pytest.mark.parametrize(("depth", "width"), [(100, 1), (12, 8), (4, 30)])
def test_some_hundred_nodes_are_drawn_with_labels_apart(depth: int, width: int) -> None:
    graph = layered(depth, width)
    marked = Graph(
        graph.nodes, tuple(replace(e, label="0.123", back="−4.56") if k % 3 else e for k, e in enumerate(graph.edges))
    )
    started = time.perf_counter()
    placed = layout(marked)
    assert time.perf_counter() - started < 10
    boxes = [(*e.label_at, max(edge_label_width(e.edge.label), edge_label_width(e.edge.back)), 2 * LABEL_HEIGHT)
             for e in placed.edges if e.edge.label]  # fmt: skip
    boxes += [(n.x, n.y, n.width, n.height) for n in placed.nodes]
    clashes = [
        (a, b)
        for a, b in combinations(boxes, 2)
        if abs(a[0] - b[0]) < (a[2] + b[2]) / 2 - 0.01 and abs(a[1] - b[1]) < (a[3] + b[3]) / 2 - 0.01
    ]
    assert not clashes, clashes[:3]


SHIPPED = sorted(page.stem for page in (Path(__file__).parent.parent / "generated").glob("*.html"))


@pytest.mark.parametrize("name", SHIPPED)
def test_no_label_of_a_shipped_model_is_left_out(name: str) -> None:
    for block in told(Model.builtin(name)).blocks:
        if isinstance(block, Figure):
            for graph in (block.graph, as_set(block.graph)):
                placed = layout(graph)
                assert [(e.edge.label, e.edge.back) for e in placed.edges] == [(e.label, e.back) for e in graph.edges]
