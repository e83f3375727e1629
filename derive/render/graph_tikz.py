r"""A computational graph as a `tikzpicture`.

In: a `Graph`; of its labels only `latex` is read, which our own printer has made and which is set as
mathematics (subtitles are left out).  Out: LaTeX that needs `\usepackage{tikz}` and no TikZ library.

Kept: the picture is never wider than the line or taller than the page; a picture that fits keeps its size, a long one
is drawn in bands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from derive.render.graph_bands import banded
from derive.render.graph_layout import Graph, Layout, PlacedEdge

_UNIT = 0.7  # pt for a pixel of the layout: its 16 px letters become the 10 pt of an article
_WIDEST, _TALLEST = 427.0, 540.0  # pt: 15 cm, and most of the height of a page
_LARGEST = 12000.0  # pt: TeX knows no length above 16383

_STYLES = {
    "input": "draw=blue!55!black, fill=blue!10, rounded corners=8pt",
    "target": "draw=violet!80!black, fill=violet!12, rounded corners=8pt",
    "parameter": "draw=orange!75!black, fill=orange!16, rounded corners=8pt",
    "constant": "draw=gray!80!black, fill=gray!12, rounded corners=8pt",
    "noise": "draw=gray!80!black, fill=gray!12, rounded corners=8pt, dashed",
    "earlier": "draw=gray!80!black, fill=white, rounded corners=2pt",
    "node": "draw=black!70, fill=white",
    "loss": "draw=red!70!black, fill=red!10, line width=1pt",
    "output": "draw=green!45!black, fill=green!10, line width=1pt",
}


def tikz(graph: Graph) -> str:
    r"""Draw a graph.

    >>> from derive.render.graph_layout import GraphNode
    >>> print(tikz(Graph((GraphNode("b", "b", "b", "node"),), ())).splitlines()[-2])
      \node[graph node, graph role node, minimum width=28.0pt, minimum height=23.8pt] at (22.4,20.3) {$b$};
    """
    bands = tikz_bands(graph)
    return "\\par\\medskip\n".join(tikz_picture(band, bands) for band in bands)


def tikz_bands(graph: Graph) -> tuple[Layout, ...]:
    """The bands in which a long graph is drawn, one beneath the other."""
    return banded(as_set(graph))


def tikz_picture(placed: Layout, bands: Sequence[Layout]) -> str:
    """One of the bands, on the same scale as the others."""
    width, height = max(band.width for band in bands) * _UNIT, max(band.height for band in bands) * _UNIT
    scale = min(1.0, _WIDEST / width, _TALLEST / height)
    unit = min(_UNIT, _LARGEST / max(placed.width, placed.height, 1.0))
    body = "\n".join(_picture(placed, unit))
    if scale == 1:
        return body + "\n"
    return f"\\scalebox{{{scale * _UNIT / unit:.4f}}}{{%\n{body}%\n}}\n"


def as_set(graph: Graph) -> Graph:
    """The same graph with labels about as wide as LaTeX will set them, to be measured by the layout."""
    nodes = tuple(replace(n, label=_measure(n.latex), subtitle="") for n in graph.nodes)
    edges = (replace(e, label=_measure(e.latex), back=_measure(e.back_latex)) for e in graph.edges)
    return Graph(nodes, tuple(edges))


def _measure(latex: str) -> str:
    r"""Commands count as one letter, fonts and braces as none.

    >>> _measure(r"\mathbf{W}^{[1]} \sigma_2")
    'W^{[1]}x_{2}'
    """
    latex = re.sub(r"\\(math\w+|text\w*|operatorname|left|right|[dt]?frac|[,;:! ])\s*", "", latex)
    latex = re.sub(r"\\[A-Za-z]+\s*|\\.", "x", latex)
    latex = re.sub(r"([\^_])([^{\s])", r"\1{\2}", latex)
    return re.sub(r"(?<![\^_])\{([^{}]*)\}", r"\1", latex).replace(" ", "")


def _picture(placed: Layout, unit: float) -> list[str]:
    shrink = f", scale={unit / _UNIT:.4f}" if unit < _UNIT else ""
    lines = [
        r"\begin{tikzpicture}[x=1pt, y=-1pt,",
        rf"  graph node/.style={{inner sep=2pt, rounded corners=2.5pt, font=\normalsize{shrink}}},",
        rf"  graph label/.style={{inner sep=1.2pt, fill=white, font=\scriptsize{shrink}}},",
        "  graph pale/.style={inner sep=1pt, outer sep=1pt, fill=white, fill opacity=0.8, text opacity=1},",
        rf"  graph value/.style={{graph pale, text=green!35!black, font=\scriptsize{shrink}}},",
        rf"  graph back/.style={{graph pale, text=red!70!black, font=\scriptsize{shrink}}},",
        *(f"  graph role {role}/.style={{{style}}}," for role, style in _STYLES.items()),
        "  graph edge/.style={-stealth, draw=black!55}]",
    ]
    lines += [_edge(edge, unit) for edge in placed.edges]
    for edge in placed.edges:
        lines += _labels(edge, unit)
    for node in placed.nodes:
        role = node.node.role if node.node.role in _STYLES else "node"
        role += ", dashed" if node.node.again else ""
        size = f"minimum width={node.width * _UNIT:.1f}pt, minimum height={node.height * _UNIT:.1f}pt"
        where = _at((node.x, node.y), unit)
        lines.append(rf"  \node[graph node, graph role {role}, {size}] at {where} {{${node.node.latex}$}};")
    return [*lines, r"\end{tikzpicture}"]


def _labels(placed: PlacedEdge, unit: float) -> list[str]:
    """On the edge; or the value above it and the derivative beneath."""
    edge, at = placed.edge, _at(placed.label_at, unit)
    if edge.back_latex:
        return [
            rf"  \node[graph value, above] at {at} {{${edge.latex}$}};",
            rf"  \node[graph back, below] at {at} {{${edge.back_latex}$}};",
        ]
    return [rf"  \node[graph label] at {at} {{${edge.latex}$}};"] if edge.latex else []


def _edge(placed: PlacedEdge, unit: float) -> str:
    path = [_at(placed.points[0], unit)]
    for curve in placed.curves():
        *bends, end = (_at(point, unit) for point in curve)
        path += [f".. controls {' and '.join(bends)} .." if bends else "--", end]
    return rf"  \draw[graph edge] {' '.join(path)};"


def _at(point: tuple[float, float], unit: float) -> str:
    return f"({point[0] * unit:.1f},{point[1] * unit:.1f})"
