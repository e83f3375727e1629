"""A computational graph as a self-contained, accessible SVG.

In: a `Graph`; its ids, labels and title may come from a stranger's model.  Out: one `<svg>` element that
stands alone or inside an HTML page: no script, no outside reference, colours for light and dark pages.

Kept: whatever the labels contain, the output is well-formed XML and they are only ever text in it.
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from html import escape
from urllib.parse import quote

from derive.render.graph_bands import banded, narrow, stacked
from derive.render.graph_label import FONT, SMALL_FONT, Run, label_width, runs
from derive.render.graph_layout import Graph, PlacedEdge, PlacedNode, edge_label_width
from derive.render.graph_places import Point

_HUES = {  # of each role: fill and border on a light page, then on a dark one
    "input": ("#dcebfb", "#2b6cb0", "#17324d", "#63a4e8"),
    "target": ("#ece3fb", "#6b46c1", "#33254f", "#a98bec"),
    "parameter": ("#ffedd5", "#b45309", "#45290c", "#eb9a45"),
    "constant": ("#edf0f2", "#64707d", "#2b3137", "#94a0ac"),
    "noise": ("#edf0f2", "#64707d", "#2b3137", "#94a0ac"),
    "node": ("#ffffff", "#47525e", "#1c2126", "#a9b4bf"),
    "earlier": ("#ffffff", "#8a949e", "#1c2126", "#78838e"),
    "loss": ("#fde2e1", "#c53030", "#4a1d1d", "#ef7e7e"),
    "output": ("#dcf5e5", "#25774a", "#16382a", "#5fc48d"),
}
_LEAVES = frozenset({"input", "target", "parameter", "constant", "noise"})
_ARROW = 7.0

# Edges are drawn in a grey that is legible on white and on black: a page around us may not know of dark mode.
_STYLE = """\
.derive-graph { color-scheme: light dark; font-family: "STIX Two Text", "Latin Modern Roman", Cambria, Georgia, serif; }
.derive-graph text { text-anchor: middle; unicode-bidi: isolate; white-space: pre; }
.derive-graph .edge path { fill: none; stroke: #7b8591; stroke-width: 1.4; }
.derive-graph .edge polygon { fill: #7b8591; }
.derive-graph .edge .wide { stroke: transparent; stroke-width: 14; }
.derive-graph .box { stroke-width: 1.4; }
.derive-graph .noise .box, .derive-graph .again .box { stroke-dasharray: 4 3; }
.derive-graph .value text, .derive-graph .back text { paint-order: stroke; stroke-width: 4px; stroke-linejoin: round; }
.derive-graph .loss .box, .derive-graph .output .box { stroke-width: 2.4; }
.derive-graph a:hover .box, .derive-graph a:focus .box { stroke-width: 3.2; }
.derive-graph a:hover .line, .derive-graph a:focus .line { stroke-width: 3; }
"""
_COLOURS = (  # selector and property, then the colour on a light page and on a dark one
    ("text", "fill", "#14191f", "#eef1f4"),
    (".edge rect", "fill", "#f4f6f8", "#262c33"),
    (".value text", "fill", "#1f6b3a", "#6fce93"),
    (".back text", "fill", "#b42318", "#ff9a8f"),
    (".value text", "stroke", "#fdfdfc", "#14181d"),
    (".back text", "stroke", "#fdfdfc", "#14181d"),
)


def svg(graph: Graph, title: str = "", prefix: str = "", phone: bool = False) -> str:
    """Draw a graph; each node is a link to `#step-<id>`.  `prefix` tells the ids of several in a page apart.

    A long one is drawn in bands, one beneath the other; for the screen of a `phone`, down the page.

    >>> from derive.render.graph_layout import GraphNode
    >>> a = Graph((GraphNode("a", "a^{[1]}", "a^{[1]}", "node"),), ())
    >>> 'href="#step-a"' in svg(a, "A node") and "<title>A node</title>" in svg(a, "A node")
    True
    """
    placed = stacked(narrow(graph) if phone else banded(graph))
    width, height = _number(placed.width), _number(placed.height)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="derive-graph" role="img" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>{_text(title or 'Computational graph')}</title>",
        f"<desc>{_text(_description(graph))}</desc>",
        f"<style>\n{_style()}</style>",
        *(_edge(edge) for edge in placed.edges),
        *(_edge_label(edge) for edge in placed.edges if edge.edge.label),
        *(_node(node, prefix) for node in placed.nodes),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _style() -> str:
    """Each colour twice: plain, for those who do not know `light-dark`."""
    rows = list(_COLOURS)
    for role, (fill, stroke, dark_fill, dark_stroke) in _HUES.items():
        rows += [(f".{role} .box", "fill", fill, dark_fill), (f".{role} .box", "stroke", stroke, dark_stroke)]
    return _STYLE + "".join(
        f".derive-graph {selector} {{ {name}: {light}; {name}: light-dark({light}, {dark}); }}\n"
        for selector, name, light, dark in rows
    )


def _description(graph: Graph) -> str:
    """The graph in words, for those who do not see it: what is computed from what."""
    label = {node.id: _plain(node.label) for node in graph.nodes}
    operands: dict[str, list[str]] = {}
    for edge in graph.edges:
        operands.setdefault(edge.target, []).append(label[edge.source])
    said = [f"{label[n.id]} from {', '.join(operands[n.id])}" for n in graph.nodes if n.id in operands]
    return f"{len(graph.nodes)} nodes. Computed: {'; '.join(said) or 'nothing'}."


def _plain(label: str) -> str:
    return "".join(run.text for run in runs(label))


def _node(placed: PlacedNode, prefix: str) -> str:
    node = placed.node
    role = node.role if node.role in _HUES else "node"
    radius = 17.0 if role in _LEAVES else 6.0
    left, top = _number(placed.x - placed.width / 2), _number(placed.y - placed.height / 2)
    box = (
        f'<rect class="box" x="{left}" y="{top}" width="{_number(placed.width)}" '
        f'height="{_number(placed.height)}" rx="{_number(radius)}"/>'
    )
    baseline = placed.y + (-3 if node.subtitle else 5)
    texts = _label(node.label, (placed.x, baseline), FONT)
    if node.subtitle:
        texts += _label(node.subtitle, (placed.x, placed.y + 16), SMALL_FONT)
    again = " again" if node.again else ""
    marks = f'id="{prefix}node-{_text(node.id)}" data-quantity="{_text(node.quantity)}" class="{role}{again}"'
    title = f"<title>{_text(f'{_plain(node.label)} ({role})')}</title>"
    return f'<g {marks}><a href="#step-{quote(_clean(node.quantity), safe="")}">{title}{box}{texts}</a></g>'


def _edge(placed: PlacedEdge) -> str:
    # a line ends inside its arrow head, not at the tip
    stem = replace(placed, points=(*placed.points[:-1], _behind(placed, _ARROW - 1)))
    path = [f"M{_pair(stem.points[0])}"]
    for curve in stem.curves():
        along = ("V", curve[-1][1]) if placed.down else ("H", curve[-1][0])
        path.append(f"{along[0]}{_number(along[1])}" if len(curve) == 1 else "C" + " ".join(map(_pair, curve)))
    corners = (placed.points[-1], _behind(placed, _ARROW, -_ARROW / 2), _behind(placed, _ARROW, _ARROW / 2))
    tip = " ".join(f"{_number(x)},{_number(y)}" for x, y in corners)
    stem_path = "".join(path)
    line = f'<path class="line" d="{stem_path}"/><polygon points="{tip}"/>'
    if placed.edge.anchor:
        title = _text(_plain(placed.edge.label) or f"{placed.edge.source} → {placed.edge.target}")
        wide = f'<path class="wide" d="{stem_path}"/>'
        line = f'<a href="#{quote(_clean(placed.edge.anchor), safe="")}"><title>{title}</title>{wide}{line}</a>'
    return f'<g class="edge">{line}</g>'


def _behind(placed: PlacedEdge, far: float, beside: float = 0.0) -> Point:
    """A point as far from the tip, against the edge's direction, and as far to one side."""
    x, y = placed.points[-1]
    return (x + beside, y - far) if placed.down else (x - far, y + beside)


def _pair(point: Point) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _edge_label(placed: PlacedEdge) -> str:
    x, y = placed.label_at
    if placed.edge.back:  # the value above the line, what flows back beneath it
        of = f'data-of="{_text(placed.edge.source)}"'
        above = _label(placed.edge.label, (x, y - 5), SMALL_FONT)
        below = _label(placed.edge.back, (x, y + 13), SMALL_FONT)
        return f'<g class="value" {of}>{above}</g><g class="back" {of}>{below}</g>'
    width = edge_label_width(placed.edge.label)
    left, top = _number(x - width / 2), _number(y - 9)
    box = f'<rect x="{left}" y="{top}" width="{_number(width)}" height="18" rx="4"/>'
    return f'<g class="edge">{box}{_label(placed.edge.label, (x, y + 4), SMALL_FONT)}</g>'


def _label(label: str, at: Point, font: float) -> str:
    """A `<text>` whose runs are moved by dy, which all browsers know; baseline-shift is not."""
    spans: list[str] = []
    height, last, ahead = 0.0, None, 0.0
    for run in runs(label):
        dx, rise, ahead = ahead, run.rise, 0.0
        if last and last.rise > 0 > run.rise and last.size == run.size:  # a subscript below the superscript
            dx, rise = -_real_width(last), run.rise - 0.1
            ahead = max(0.0, -dx - _real_width(run))
        shift = f' dx="{_number(dx * font)}"' if dx else ""
        shift += f' dy="{_number((height - rise) * font)}"' if rise != height else ""
        shift += f' font-size="{_number(run.size * font)}"' if run.size != 1 else ""
        spans.append(f"<tspan{shift}>{_text(run.text)}</tspan>" if shift else _text(run.text))
        height, last = rise, run
    x, y = _number(at[0]), _number(at[1])
    return f'<text x="{x}" y="{y}" font-size="{_number(font)}">{"".join(spans)}</text>'


def _real_width(run: Run) -> float:
    """The likely width of a run; `label_width` is an estimate from above."""
    return 0.77 * run.size * label_width(run.text, 1.0)


def _text(text: str) -> str:
    return escape(_clean(text), quote=True)


def _clean(text: str) -> str:
    """No control characters, surrogates or non-characters (XML forbids them), and nothing that turns the
    direction of writing around (it could make one name look like another)."""
    bad = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs") or ord(c) & 0xFFFE == 0xFFFE}
    return "".join("\ufffd" if c in bad else c for c in text)


def _number(value: float) -> str:
    """At most two decimals, without trailing zeros or a minus before 0, so that output is stable.

    >>> _number(-0.001), _number(-0.5), _number(20.0)
    ('0', '-0.5', '20')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
