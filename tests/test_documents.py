"""Every printer prints every block, nothing that a stranger wrote is obeyed, and the pages are really set.

LaTeX runs where latexmk is installed.  (The HTML page has its own tests.)
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import tomllib
import typing
from pathlib import Path

import pytest
from html_page import Page, page
from sample_document import HOSTILE, sample

from derive.errors import DeriveError
from derive.render import catalogue
from derive.render.catalogue import Words, languages
from derive.render.document import Block, Document, Math, Paragraph, Section, Text, says
from derive.render.html_document import print_html
from derive.render.latex_break import pieces
from derive.render.latex_document import print_latex
from derive.render.latex_text import latex_text
from derive.render.markdown_document import print_markdown
from derive.render.numbering import number_blocks
from derive.render.pdf import compile_pdf, compile_with_log
from derive.render.text_document import length, print_text

PRINTERS = {"latex": print_latex, "html": print_html, "markdown": print_markdown, "text": print_text}
NEEDS_TEX = pytest.mark.skipif(
    not (shutil.which("latexmk") and shutil.which("pdflatex")), reason="latexmk or pdflatex is not installed"
)


# -- the model -----------------------------------------------------------------------------------------------


def test_the_sample_has_every_block_and_every_inline() -> None:
    document = sample()
    assert {type(block) for block in document.blocks} == set(typing.get_args(Block))
    assert all(dataclasses.is_dataclass(block) for block in document.blocks)
    paragraph = next(block for block in document.blocks if isinstance(block, Paragraph))
    assert {type(inline).__name__ for inline in paragraph.inlines} == {
        "Text",
        "Math",
        "Code",
        "Emphasis",
        "Reference",
    }


@pytest.mark.parametrize("name", PRINTERS)
@pytest.mark.parametrize("language", languages())
def test_every_printer_prints_the_same_story(name: str, language: str) -> None:
    printed = PRINTERS[name](sample(language=language))
    words = Words(language)
    for said in [words["figure"], words["algorithm"], "Back through", "reciprocal rule", "(5)", "words"]:
        assert said in printed
    assert printed == PRINTERS[name](sample(language=language))
    assert printed.endswith("\n")
    shown = printed.split("<main>")[-1].split("<script>")[0]
    assert "None" not in shown and "Markup(" not in shown


def test_numbers_are_given_once_for_all() -> None:
    document = sample()
    numbering = number_blocks(document)
    assert numbering.reference("eq-L") == "(3)"
    assert numbering.reference("step-z") == "(5)"
    assert numbering.reference("cancellation") == "section 2.2"
    assert numbering.reference("figure-graph") == "figure 1"
    with pytest.raises(KeyError, match="two blocks"):
        number_blocks(Document("t", (Section(says("a"), 1, "x"), Section(says("b"), 1, "x"))))


# -- the words -----------------------------------------------------------------------------------------------


def test_the_catalogues_are_complete() -> None:
    tables = {
        path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in catalogue.FOLDER.glob("*.toml")
    }
    assert {"en", "es"} <= set(tables)
    for language, table in tables.items():
        for part in ("words", "sentences", "rules"):
            assert table[part].keys() == tables["en"][part].keys(), f"{language}: {part}"
            assert all(phrase.strip() == phrase != "" for phrase in table[part].values())
        for key, sentence in table["sentences"].items():
            gaps = re.findall(r"\{\w+\}", sentence)
            assert sorted(gaps) == sorted(re.findall(r"\{\w+\}", tables["en"]["sentences"][key]))


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(DeriveError, match="catalogue for the language 'xx'"):
        Words("xx")
    with pytest.raises(DeriveError):
        Words("../en")


# -- LaTeX ---------------------------------------------------------------------------------------------------


def test_hostile_words_are_only_words_in_latex() -> None:
    tex = print_latex(sample(HOSTILE, "en", HOSTILE))
    body = tex.split(r"\begin{document}")[1]
    assert r"\input" not in body.replace(r"\textbackslash{}input", "")
    assert r"\$x\$" in body and "49" not in latex_text("{{7*7}}")


@pytest.mark.parametrize(
    "text",
    [HOSTILE, "\\", "%", "a\nb", "\x00\x1b[31m", "∂𝛔ⅷ✓\u202e", "é ñ ß Ω ℝ ₁ ²", "x" * 500, "$$", "^^41"],
)
def test_escaped_text_holds_nothing_that_tex_obeys(text: str) -> None:
    escaped = latex_text(text)
    commands = set(re.findall(r"\\([A-Za-z]+|.)", escaped))
    assert not commands & {"input", "write", "def", "csname", "openin", "catcode", "include"}
    bare = re.sub(r"\\(?:[A-Za-z]+|.)", "", escaped)
    assert not set(bare) & set("$&#%_^\\")
    assert all(c.isascii() or c.isalpha() or c in "¡¿§£" for c in bare)


def test_a_fragment_is_the_body_alone() -> None:
    body = print_latex(sample(), fragment=True)
    assert r"\documentclass" not in body and body in print_latex(sample())


def test_pieces_join_to_the_formula() -> None:
    for latex in [
        *page().formulas(),
        r"-\left(a + b\right) + (c - (d + e))^{2} = \sum_{i = 1}^{n} x_{i}",
        "",
        "=",
    ]:
        assert "".join(piece.latex for piece in pieces(latex)) == latex


@NEEDS_TEX
@pytest.mark.parametrize(
    ("language", "hostile"), [("en", ""), ("es", HOSTILE), ("en", "x" * 400 + "∂𝛔✓ℝ^^41")]
)
def test_latex_compiles_without_overfull_lines_or_warnings(language: str, hostile: str) -> None:
    pdf, log = compile_with_log(print_latex(sample(hostile or "A title", language, hostile)))
    assert pdf.startswith(b"%PDF-")
    bad = [
        line for line in log.splitlines() if re.match(r"Overfull|Underfull|.*Warning|Missing character", line)
    ]
    assert not bad, bad


@NEEDS_TEX
def test_the_compiler_reads_no_file_and_never_hangs(tmp_path: Path) -> None:
    secret = tmp_path / "secret.tex"
    secret.write_text("secret", encoding="utf-8")
    head, tail = r"\documentclass{article}\begin{document}x", r"\end{document}"
    with pytest.raises(DeriveError, match="could not compile"):
        compile_pdf(rf"{head}\input{{{secret}}}{tail}")
    with pytest.raises(DeriveError, match="within 3 seconds"):
        compile_pdf(rf"{head}\def\x{{\x}}\x{tail}", time_limit=3)


def test_a_missing_compiler_is_one_line_of_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DeriveError) as caught:
        compile_pdf("")
    assert caught.value.hint is not None and "texlive" in caught.value.hint and "\n" not in caught.value.hint


# -- Markdown and text ---------------------------------------------------------------------------------------


def test_hostile_words_are_only_words_in_markdown() -> None:
    pytest.importorskip("markdown_it")
    from markdown_it import MarkdownIt

    html = MarkdownIt("commonmark").enable("table").render(print_markdown(sample(HOSTILE, "en", HOSTILE)))
    assert "<script" not in html and "<strong>b</strong>" not in html and "<code>c</code>" not in html
    title = Page(html.split("</h1>")[0] + "</h1>")
    assert "".join(title.text).strip() == HOSTILE


def test_markdown_can_show_the_picture_instead_of_words() -> None:
    assert "](graph.svg)" in print_markdown(sample(), {"figure-graph": "graph.svg"})
    assert "z ← x_1" in print_markdown(sample())


@pytest.mark.parametrize("width", [48, 80, 120])
def test_text_keeps_to_the_width_and_moves_no_cursor(width: int) -> None:
    printed = print_text(sample("A title\x1b[2J", hostile="\x1b]0;x\x07\u202e"), width)
    assert all(c == "\n" or c.isprintable() for c in printed)
    body = printed.split("1. First")[0]
    assert max(length(line) for line in body.splitlines()) <= width


def test_blanks_around_formulas_stay() -> None:
    document = Document("t", (Paragraph((Text("of "), Math("z", "z"), Text(" and"))),))
    assert "of $z$ and" in print_latex(document)
    assert "of $z$ and" in print_markdown(document)
    assert "of z and" in print_text(document)
