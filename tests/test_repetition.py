"""Layers that are equal but for their numbers are told once, in every format, and what is not told is proved all the same."""

from __future__ import annotations

import re
from functools import cache

import pytest
from html_page import Page

from derive.derivation import Derivation
from derive.model import Model
from derive.render.document import Derivation as Derived
from derive.render.document import Document, Equation, Equations, Figure, Paragraph, plain
from derive.render.html_document import print_html
from derive.render.latex_document import print_latex
from derive.render.markdown_document import print_markdown
from derive.render.report import gradient_text, report
from derive.render.text_document import print_text

LAYERS = """m: size = 4
x: input[m]
y: target[m]
a[0] = x
for l in range(1, {stop}):
    W[l]: parameter[m, m]
    b[l]: parameter[m]
    z[l] = W[l] @ a[l-1] + b[l]
    a[l] = {function}
L: loss = sum((a[{last}] - y)**2)
"""
BLOCKS = """m: size = 4
x: input[m]
y: target[m]
W1: parameter[m, m]
W2: parameter[m, m]
W3: parameter[m, m]
W4: parameter[m, m]
def block(u, W):
    s = tanh(W @ u)
    return u + s
a1 = block(x, W1)
a2 = block(a1, W2)
a3 = block(a2, W3)
a4 = block(a3, W4)
L: loss = sum((a4 - y)**2)
"""


@cache
def derivation(layers: int) -> Derivation:
    text = LAYERS.format(stop=layers + 1, last=layers, function="tanh(z[l])")
    return Model.parse(text).derive().prove()


def titles(document: Document) -> list[str]:
    return [plain(block.title) for block in document.blocks if isinstance(block, Derived)]


@pytest.mark.parametrize("detail", ["brief", "normal"])
def test_twelve_layers_take_no_more_pages_than_two(detail: str) -> None:
    few, many = (print_text(report(derivation(n), "en", detail)) for n in (2, 12))
    assert len(many.splitlines()) < 1.1 * len(few.splitlines())
    assert "likewise" in many and "likewise" not in few


def test_the_report_says_for_which_layers_it_speaks() -> None:
    document = report(derivation(12))
    assert titles(document).count("Derivative of z^[12] with respect to W^[12]") == 1
    assert not any("W^[5]" in title for title in titles(document))
    said = [plain(block.inlines) for block in document.blocks if isinstance(block, Paragraph)]
    assert "The same holds for ∂z^[11]/∂W^[11], …, ∂z^[1]/∂W^[1], with the numbers accordingly." in said
    spanish = [plain(b.inlines) for b in report(derivation(12), "es").blocks if isinstance(b, Paragraph)]
    assert "Lo mismo vale para ∂z^[11]/∂W^[11], …, ∂z^[1]/∂W^[1], con los números correspondientes." in spanish
    notes = {plain(line.note) for block in document.blocks if isinstance(block, Equations) for line in block.items}
    assert "likewise z^[2], …, z^[12]" in notes


def test_nothing_that_is_left_out_is_missing() -> None:
    """Each equation, local derivative and gradient is told or told by another, whose place is its own."""
    document, all_of = report(derivation(12)), derivation(12)
    anchors: set[str] = set()
    for block in document.blocks:
        if isinstance(block, Derived):
            anchors |= {block.anchor, *block.also}
        if isinstance(block, Equations):
            anchors |= {anchor for line in block.items for anchor in (line.anchor, *line.also)}
    assert {f"step-{a.name}" for a in (*all_of.nodes, *all_of.gradients)} <= anchors
    assert {f"eq-{e.name}" for e in all_of.model.equations if e.name != "L"} <= anchors
    assert {f"local-{r.of}-{r.wrt}" for r in all_of.local if r.of != "L"} <= anchors


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_link_of_the_page_leads_somewhere(language: str) -> None:
    page = Page(print_html(report(derivation(12), language)))
    ids = page.ids()
    assert len(ids) == len(set(ids))
    links = [attrs["href"] or "" for _, attrs in page.elements if "href" in attrs]
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)


def test_every_format_tells_it_once() -> None:
    document = report(derivation(12))
    for printed in (print_latex(document), print_markdown(document), print_html(document), print_text(document)):
        told = re.sub(r"<dl.*?</dl>|data-[a-z]+=\"[^\"]*\"", "", printed, flags=re.DOTALL)
        assert "z^{[12]}" in told or "z^[12]" in told
        assert told.count("z^{[6]}") + told.count("z^[6]") == 0
    latex = print_latex(document)
    targets = set(re.findall(r"\\derive(?:anchor|number)\{([^}]*)\}", latex))
    assert set(re.findall(r"\\hyperlink\{([^}]*)\}", latex)) <= targets


def test_the_picture_has_the_inner_layers_as_one_node() -> None:
    picture = next(block.graph for block in report(derivation(12)).blocks if isinstance(block, Figure))
    assert "layers 2 … 11" in {node.label for node in picture.nodes}


def test_all_steps_are_proved_and_counted() -> None:
    count = sum(len(r.steps) for r in derivation(12).local)
    assert count > 5 * sum(len(r.steps) for r in derivation(2).local)
    said = " ".join(plain(b.inlines) for b in report(derivation(12)).blocks if isinstance(b, Paragraph))
    proved = re.search(r"All (\d+) steps are proved", said)
    assert proved is not None and int(proved[1]) > count


def test_a_layer_that_differs_is_told() -> None:
    text = LAYERS.format(stop=8, last=7, function="tanh(z[l])").replace("a[0] = x", "a[0] = 3*x")
    odd = text.replace("L: loss", "for k in range(8, 9):\n    a[k] = sin(a[k-1])\nL: loss").replace(
        "a[7] - y", "a[8] - y"
    )
    told = titles(report(Model.parse(odd).derive()))
    assert "Derivative of a^[8] with respect to a^[7]" in told
    assert "Derivative of a^[7] with respect to z^[7]" in told
    assert "Derivative of a^[3] with respect to z^[3]" not in told


def test_a_function_used_four_times_is_told_once() -> None:
    document = report(Model.parse(BLOCKS).derive())
    assert [t for t in titles(document) if t.startswith("Derivative of a^[")] == [
        "Derivative of a^[4] with respect to a^[3]",
        "Derivative of a^[4] with respect to W^[4]",
        "Derivative of a^[1] with respect to W^[1]",
    ]


def test_what_was_asked_for_in_the_terminal_is_told() -> None:
    text = gradient_text(derivation(12))
    assert all(f"∂L/∂W^[{k}]" in text for k in range(1, 13))


def test_no_equation_is_told_by_another_that_says_something_else() -> None:
    document = report(derivation(12))
    lines = [line for b in document.blocks if isinstance(b, Equations) for line in b.items if line.also]
    told = {line.left.text: line for line in lines}
    assert set(told) == {"z^[1]", "a^[1]"}
    assert isinstance(told["z^[1]"], Equation) and told["z^[1]"].also == tuple(f"eq-z{k}" for k in range(2, 13))
