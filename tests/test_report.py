"""The report: the same whole story in both languages, at every level of detail, in every format."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from html_page import Page
from katex_parser import complaint

from derive.derivation import Derivation
from derive.errors import DeriveError
from derive.functions import FUNCTIONS
from derive.model import Model
from derive.parse.files import builtin_names
from derive.render.catalogue import Words, catalogue, languages
from derive.render.document import Derivation as Steps
from derive.render.document import Document, Reference, Section
from derive.render.html_document import print_html
from derive.render.latex_document import print_latex
from derive.render.markdown_document import print_markdown
from derive.render.model_graph import model_graph
from derive.render.pdf import compile_with_log
from derive.render.report import gradient_latex, gradient_markdown, gradient_text, report
from derive.render.text_document import print_text
from derive.rules.table import RULES

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NEEDS_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
NEEDS_TEX = pytest.mark.skipif(
    not (shutil.which("latexmk") and shutil.which("pdflatex")), reason="latexmk and pdflatex are not installed"
)
BUILTIN = ("chain", "quadratic", "logistic", "two-layer")

CLASSIFIER = """d: size = 3
h: size = 4
k: size = 3
x: input[d]
y: target[k]
W1: parameter[h, d]
b1: parameter[h]
W2: parameter[k, h]
b2: parameter[k]
lam: constant = 0.01
assume(sum(y) == 1)
z1 = W1 @ x + b1
a1 = tanh(z1)
z2 = W2 @ a1 + b2
p: output = softmax(z2)
L: loss = -sum(y*log(p)) + lam*sum(W1**2)
"""

ODD = '''"""Odd & ends <b> $x$ \\\\input{x} 100%"""
x: input[3]
y: target
w: parameter[3] = normal(0.1)
v: parameter = 2
unused: parameter
rate: constant = 0.001
def swish(u): return u*sigmoid(u)
s = w @ x + v
u = swish(s)
r = relu(u) + s*u + maximum(s, 1)
q: output = where(r > 0, r**2, -r)
L: loss = huber(q - y) + rate*norm(w) + abs(v)
'''


@cache
def derived(source: str) -> Derivation:
    return (Model.parse(source) if "\n" in source else Model.builtin(source)).derive().prove()


@cache
def told(source: str, language: str = "en", detail: str = "normal") -> Document:
    return report(derived(source), language, detail)


# -- the words -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", languages())
def test_every_rule_and_every_convention_has_a_name(language: str) -> None:
    words = Words(language)
    names = {rule: words.rule(rule) for rule in RULES}
    assert all(name.strip() for name in names.values())
    if language != "en":
        english = Words("en")
        same = {r for r in RULES if names[r] == english.rule(r)}
        assert same <= {"variable", "sine and cosine", "cosine and sine", "cosh of arcsinh", "sinh of arccosh"}
    for row in FUNCTIONS.values():
        assert row.convention is None or "{" not in words.convention(row.name, row.convention)


@pytest.mark.parametrize("part", ["titles", "conventions"])
def test_all_catalogues_have_the_same_keys(part: str) -> None:
    assert len({tuple(catalogue(language)[part]) for language in languages()}) == 1


def test_the_titles_of_all_models_are_translated() -> None:
    titles = catalogue("es")["titles"]
    assert {Model.builtin(name).title for name in builtin_names()} <= set(titles)
    assert not [title for title, said in titles.items() if title == said]


# -- the story -----------------------------------------------------------------------------------------------


def test_the_two_layer_report_tells_the_story_of_the_article() -> None:
    text = print_text(told("two-layer"), 120)
    for said in (
        "∂L/∂w^[1]₁ = ∂L/∂a^[2] · da^[2]/dz^[2] · ∂z^[2]/∂a^[1] · da^[1]/dz^[1] · ∂z^[1]/∂w^[1]₁",
        "= (1 − y)/(1 − a^[2]) − y/a^[2]",
        "= a^[2]·(1 − a^[2])",
        "= 1 − a^[1]²",
        "= a^[2] − y",
        "= (a^[2] − y)·w^[2]·(1 − a^[1]²)·x₁",
        "quotient rule",
        "w^[2] ← w^[2] − η·(a^[2] − y)·a^[1]",
        "δ^[1] = δ_a^[1]·(1 − a^[1]²)",
        "symbolically",
    ):
        assert said in text, said


def test_the_spanish_two_layer_report_tells_it_too() -> None:
    text = " ".join(print_text(told("two-layer", "es"), 120).split())
    parts = [
        "Una red de dos capas",
        "La propagación hacia adelante calcula, en este orden:",
        "El grafo computacional",
        "La pérdida L depende de cada parámetro a través de los nodos intermedios",
        "∂L/∂b^[1] = ∂L/∂a^[2] · da^[2]/dz^[2] · ∂z^[2]/∂a^[1] · da^[1]/dz^[1] · ∂z^[1]/∂b^[1]",
        "Derivada de a^[1] respecto a z^[1]",
        "regla del cociente",
        "se reutiliza por su nombre en todo lo que la precede",
        "= (a^[2] − y)·w^[2]·(1 − a^[1]²)·x₂",
        "El descenso de gradiente mueve cada parámetro un pequeño paso",
        "De un ejemplo al lote",
        "Propagación hacia atrás",
    ]
    places = [text.find(part, text.find("1 El modelo") if k else 0) for k, part in enumerate(parts)]
    assert -1 not in places and places == sorted(places), list(zip(parts, places, strict=True))


def test_the_reports_of_both_languages_have_the_same_mathematics() -> None:
    for source in (*BUILTIN, CLASSIFIER):
        english, spanish = (Page(print_html(told(source, language))) for language in ("en", "es"))
        assert [f.replace("{,}", ".") for f in spanish.formulas()] == english.formulas()
        assert spanish.ids() == english.ids()


def test_the_spanish_report_has_no_english_words() -> None:
    words = set(re.findall(r"[a-z]{3,}", print_text(told("two-layer", "es")).lower()))
    assert not words & {
        "the",
        "with",
        "respect",
        "chain",
        "derivative",
        "where",
        "and",
        "rule",
        "loss",
        "step",
        "proved",
    }


@pytest.mark.parametrize("source", [*BUILTIN, CLASSIFIER, ODD])
@pytest.mark.parametrize("detail", ["brief", "normal", "full"])
def test_every_reference_and_every_link_leads_somewhere(source: str, detail: str) -> None:
    page = Page(print_html(told(source, "en", detail)))
    ids = page.ids()
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for tag, a in page.elements if tag == "a" and a.get("href")} <= {*ids}  # type: ignore[index]


def test_every_node_of_the_graph_has_its_step() -> None:
    for source in (*BUILTIN, CLASSIFIER, ODD):
        ids = set(Page(print_html(told(source))).ids())
        assert {f"step-{node.id}" for node in model_graph(derived(source).model).nodes} <= ids


def test_details_differ_and_full_shows_every_step() -> None:
    lines = {d: _lines(told("two-layer", "en", d)) for d in ("brief", "normal", "full")}
    assert lines["brief"] < lines["normal"] < lines["full"]
    with pytest.raises(DeriveError, match="level of detail"):
        report(derived("chain"), "en", "chatty")


def test_no_line_repeats_the_one_before_it() -> None:
    for source in (*BUILTIN, CLASSIFIER, ODD):
        for block in told(source).blocks:
            if isinstance(block, Steps):
                shown = [line.latex for line in block.lines]
                assert all(a != b for a, b in pairwise(shown)), shown


def test_a_derivation_of_equal_form_is_shown_once_and_referred_to() -> None:
    same = [
        line
        for block in told(CLASSIFIER).blocks
        if isinstance(block, Steps)
        for line in block.lines
        if line.note and "same way" in str(line.note)
    ]
    assert same and all(any(isinstance(i, Reference) for i in line.note) for line in same)


def test_assumptions_conventions_and_unreached_parameters_are_said() -> None:
    assert "assuming ∑ⱼ yⱼ = 1" in print_text(told(CLASSIFIER), 140)
    text = print_text(told(ODD), 140)
    assert "relu′(0) = 0" in text and "maximum: at a tie each side takes one half" in text
    assert "∂L/∂unused = 0" in text and "the loss does not depend on it" in text
    assert "unused ←" not in text


def _lines(document: Document) -> int:
    return sum(len(block.lines) for block in document.blocks if isinstance(block, Steps))


# -- the formats ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [*BUILTIN, CLASSIFIER, ODD])
def test_every_formula_of_a_report_parses_in_katex(source: str) -> None:
    for language in languages():
        for latex in set(Page(print_html(told(source, language))).formulas()):
            assert not complaint(latex), latex


@NEEDS_TEX
@pytest.mark.parametrize(
    ("source", "language", "detail"),
    [
        ("logistic", "en", "normal"),
        ("two-layer", "en", "full"),
        ("two-layer", "es", "normal"),
        (CLASSIFIER, "en", "full"),
        (ODD, "es", "normal"),
    ],
)
def test_the_pdf_compiles_without_overfull_lines_or_warnings(source: str, language: str, detail: str) -> None:
    pdf, log = compile_with_log(print_latex(told(source, language, detail)))
    assert pdf.startswith(b"%PDF-")
    bad = [line for line in log.splitlines() if re.match(r"Overfull|Underfull|.*Warning|Missing character", line)]
    assert not bad, bad


@NEEDS_BROWSER
@pytest.mark.parametrize("source", ["two-layer", ODD])
def test_the_page_has_no_console_error(tmp_path: Path, source: str) -> None:
    html = print_html(told(source, "es"))
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--dump-dom"]
    logging = ["--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}"]
    page = (tmp_path / "page.html").as_uri()
    done = subprocess.run([str(CHROMIUM), *options, *logging, page], capture_output=True, text=True, timeout=120)
    assert "CONSOLE" not in done.stderr, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert done.stdout.count('class="katex"') == len(Page(html).formulas()) > 40
    assert "katex-error" not in done.stdout.split("<main>")[1].split("</main>")[0]


# -- the terminal --------------------------------------------------------------------------------------------


def test_the_terminal_prints_chain_rule_gradients_and_updates() -> None:
    text = gradient_text(derived("logistic"))
    for said in (
        "∂L/∂w₁ = ∂L/∂a · da/dz · ∂z/∂w₁",
        "∂L/∂z = ∂L/∂a · da/dz",
        "= (a − y)·x₁",
        "w₁ ← w₁ − η·(a − y)·x₁",
    ):
        assert said in text, said
    assert len(text.splitlines()) < 50


def test_the_same_as_latex_and_markdown() -> None:
    for printed in (gradient_latex(derived("logistic")), gradient_markdown(derived("logistic"))):
        assert r"\frac{\partial L}{\partial w_{1}}" in printed and "x_{1}" in printed


def test_a_long_chain_stays_readable() -> None:
    depth = 60
    text = "x: input\ny: target\nh0 = x\n" + "".join(f"w{i}: parameter\n" for i in range(1, depth + 1))
    text += "".join(f"h{i} = tanh(w{i}*h{i - 1})\n" for i in range(1, depth + 1)) + f"L: loss = (h{depth} - y)**2\n"
    document = report(Model.parse(text).derive())
    longest = max(len(line) for line in print_markdown(document).splitlines())
    assert longest < 2000 and any(isinstance(block, Section) for block in document.blocks)
