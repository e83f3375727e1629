"""A small example in numbers: what every quantity is, and the derivative of the loss with respect to it.

In: a story and the `Numbers` of one example, computed elsewhere (`derive.check.example`).  Out: the picture with values
along its edges and derivatives against them, and the same as a table in the order of the forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, isnan
from typing import TypeAlias

from derive.expression.nodes import D, Expression, Ref
from derive.render.document import Block, Figure, Inlines, Math, Paragraph, Section, Table, says
from derive.render.graph_layout import Graph, GraphEdge
from derive.render.model_graph import model_graph
from derive.render.report_model import pictured
from derive.render.report_steps import adjoints_once
from derive.render.story import Story, adjoint_of

Value: TypeAlias = float | tuple["Value", ...]

DIGITS = 3  # significant ones, in print
MOST = 15  # entries of an array that are all shown
LARGEST_PICTURE = 60  # nodes up to which numbers fit into the picture


@dataclass(frozen=True, slots=True)
class Numbers:
    """Every quantity's value and ∂L/∂name; `along` has what flows back on each edge between scalars."""

    values: Mapping[str, Value]
    adjoints: Mapping[str, Value]
    along: Mapping[tuple[str, str], float]


def example(story: Story, numbers: Numbers) -> list[Block]:
    """The section."""
    parameters = adjoints_once(story).left_out & set(story.model.parameters)
    left_out = parameters | story.equations_once.left_out
    names = [name for name in numbers.values if name not in left_out]
    graph = _graph(story, numbers)
    picture: list[Block] = []
    if len(graph.nodes) <= LARGEST_PICTURE and any(edge.back for edge in graph.edges):
        values = any(edge.label.strip() for edge in graph.edges)
        caption = story.say("example caption" if values else "example caption of arrays")
        picture = [Figure(graph, caption, anchor="figure-example")]
    header = tuple(says(story.words[key]) for key in ("quantity", "value", "derivative", "chain rule in short"))
    table = Table(
        header,
        tuple(tuple(_row(story, numbers, name)) for name in names),
        story.say("example table", loss=story.loss),
        anchor="table-example",
        row_keys=tuple((name, name in story.model.by_name) for name in names),
    )
    return [
        Section(says(story.words["example"]), anchor="example"),
        Paragraph(story.say("example intro", digits=Math(str(DIGITS), str(DIGITS)))),
        *picture,
        table,
    ]


def _row(story: Story, numbers: Numbers, name: str) -> Iterator[Inlines]:
    yield (story.math(Ref(name)),)
    yield (shown(numbers.values[name], story.language),)
    yield (shown(numbers.adjoints[name], story.language),) if name in numbers.adjoints else ()
    yield tuple(_chain(story, name))


def _chain(story: Story, name: str) -> Iterator[Math]:
    """∂L/∂a · da/dz, a sum of such products where the node is used in several places."""
    a = story.adjoints.get(name)
    if a is None or not a.terms or all(len(term) == 1 for term in a.terms):
        return
    products = [_product(story, [D(Ref(of), Ref(wrt)) for of, wrt in term]) for term in a.terms]
    yield Math(" + ".join(p.latex for p in products), " + ".join(p.text for p in products))


def _product(story: Story, factors: Sequence[Expression]) -> Math:
    parts = [story.math(factor) for factor in factors]
    return Math(r" \cdot ".join(p.latex for p in parts), " · ".join(p.text for p in parts))


def _graph(story: Story, numbers: Numbers) -> Graph:
    """Along each edge the value of its source; beneath it what flows back: as numbers, or as δ where it is an array."""
    graph = model_graph(story.model, story.bold)
    return pictured(story, Graph(graph.nodes, tuple(_edge(story, numbers, edge) for edge in graph.edges)))


def _edge(story: Story, numbers: Numbers, edge: GraphEdge) -> GraphEdge:
    value = numbers.values.get(edge.source)
    back = numbers.along.get((edge.source, edge.target))
    bare = replace(edge, label="", latex="")
    if isinstance(value, float) and back is not None:
        above, below = shown(value, story.language), shown(back, story.language)
        return replace(bare, label=above.text, latex=above.latex, back=below.text, back_latex=below.latex)
    if edge.source not in story.adjoints or story.adjoints[edge.source].terms == ():
        return bare
    notation = story.deltas if edge.source in story.named else story.notation
    delta = notation.math(adjoint_of(story.model.loss, edge.source))
    return replace(
        bare, label=" ", latex=r"\vphantom{x}", back=_plain(delta.text), back_latex=_plain_latex(delta.latex)
    )


def _plain(text: str) -> str:
    """`δ^[2]` and `δ_z` in the markup of labels."""
    return text.replace("^[", "^{[").replace("]", "]}") if "^[" in text and "_" not in text else text


def _plain_latex(latex: str) -> str:
    r"""A fraction on one line, \partial L/\partial z."""
    return latex.replace(r"\frac{", "{", 1).replace("}{", "}/{", 1) if latex.startswith(r"\frac{") else latex


def shown(value: Value, language: str) -> Math:
    """A number to three digits; an array as a column or a matrix, a large one by its Euclidean norm.

    >>> shown((0.5, -1.0), "es").text, shown((3.0,) * 16, "en").text
    ('(0,5; −1)', '‖·‖ = 12')
    """
    entries = list(_entries(value))
    if isinstance(value, float):
        return number(value, language)
    if len(entries) > MOST or any(isinstance(row, tuple) and any(isinstance(e, tuple) for e in row) for row in value):
        norm = number(sum(e * e for e in entries) ** 0.5, language)
        return Math(rf"\left\|\cdot\right\| = {norm.latex}", f"‖·‖ = {norm.text}")
    if isinstance(value[0], tuple):
        rows = [[number(e, language) for e in _entries(row)] for row in value]
        body = r" \\ ".join(" & ".join(e.latex for e in row) for row in rows)
        text = "; ".join(" ".join(e.text for e in row) for row in rows)
        return Math(rf"\left(\begin{{smallmatrix}}{body}\end{{smallmatrix}}\right)", f"[{text}]")
    parts = [number(e, language) for e in entries]
    body = r" \\ ".join(p.latex for p in parts)
    comma = "; " if language == "es" else ", "  # a comma is the decimal sign
    return Math(
        rf"\left(\begin{{smallmatrix}}{body}\end{{smallmatrix}}\right)", f"({comma.join(p.text for p in parts)})"
    )


def _entries(value: Value) -> Iterator[float]:
    if isinstance(value, tuple):
        for part in value:
            yield from _entries(part)
    else:
        yield value


def number(value: float, language: str) -> Math:
    """A number to three digits, with the language's decimal sign.

    >>> number(-0.12345, "en").text, number(12345.0, "en").text, number(1e-7, "en").text
    ('−0.123', '12300', '1·10^-7')
    >>> number(float("nan"), "en").text, number(float("-inf"), "en").text
    ('–', '−∞')
    """
    if not isfinite(value):
        sign = "-" if value < 0 else ""
        return Math("-", "–") if isnan(value) else Math(rf"{sign}\infty", f"{sign.replace('-', '−')}∞")
    mantissa, exponent = f"{value:.{DIGITS - 1}e}".split("e")
    if float(mantissa) == 0:
        return Math("0", "0")
    power = int(exponent)
    if -4 <= power <= 5:
        digits = f"{float(f'{mantissa}e{exponent}'):.{max(0, DIGITS - 1 - power)}f}"
        digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
        return _signed(digits, language)
    base = _signed(mantissa.rstrip("0").rstrip("."), language)
    return Math(rf"{base.latex} \cdot 10^{{{power}}}", f"{base.text}·10^{power}")


def _signed(digits: str, language: str) -> Math:
    latex, text = (digits.replace(".", "{,}"), digits.replace(".", ",")) if language == "es" else (digits, digits)
    return Math(latex, text.replace("-", "−"))
