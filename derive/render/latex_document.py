r"""The LaTeX printer: a document as an article for pdflatex.

In: a `Document`.  Out: a whole `.tex` file, or its body alone (`fragment=True`) to `\input` beneath the
macros of `templates/macros.tex.j2`.
Invariant: no line is wider than the page.  TeX itself measures every formula (the macros are in the
preamble): the rule stands beside a formula where there is room, beneath it where there is not; what is
wider than the page is broken before relations and operators, and a piece that cannot be broken is scaled
down.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from derive.render.catalogue import Words
from derive.render.document import (
    RELATIONS,
    Algorithm,
    Block,
    Code,
    CodeBlock,
    Derivation,
    Document,
    Emphasis,
    Equation,
    Equations,
    Figure,
    Inline,
    Inlines,
    List,
    Math,
    Numbered,
    Paragraph,
    Reference,
    Result,
    Section,
    Table,
    Text,
    plain,
)
from derive.render.graph_bands import repeats
from derive.render.graph_tikz import tikz_bands, tikz_picture
from derive.render.latex_break import Piece, pieces
from derive.render.latex_stack import alternatives
from derive.render.latex_text import latex_code, latex_text, pdf_text, with_blanks
from derive.render.numbering import Numbering, also, number_blocks
from derive.render.templates import fill, template

COMMANDS = {1: "section", 2: "subsection", 3: "subsubsection"}
BABEL = {"en": "english", "es": "spanish"}
CODE_COLUMNS = 88  # of footnotesize typewriter letters on a line
LONG_PIECE = 100  # characters of LaTeX up to which a piece of a formula is never wider than the page
WORDY_CELL = 42  # characters in a cell beyond which its column is set as a paragraph


@dataclass(frozen=True, slots=True)
class TexLine:
    """One line of mathematics as the macro `\\deriveline` takes it."""

    left: str
    relation: str
    formula: str
    note: str
    number: str


def print_latex(document: Document, *, fragment: bool = False) -> str:
    """The document as LaTeX source."""
    printer = _Printer(Words(document.language), number_blocks(document))
    body = "".join(printer.blocks(document.blocks)).rstrip("\n")
    if fragment:
        return body + "\n"
    return template("latex", "report.tex.j2").render(
        babel=BABEL.get(document.language, "english"),
        spanish=document.language == "es",
        title=latex_text(document.title),
        subtitle=latex_text(document.subtitle),
        pdf_title=pdf_text(document.title),
        contents=sum(1 for _ in document.sections()) > 2,
        body=body,
    )


def print_fragment(document: Document) -> str:
    r"""The body with the macros it needs, to be `\input` into a document that loads the packages named on top."""
    body = print_latex(document, fragment=True)
    return template("latex", "fragment.tex.j2").render(title=latex_text(document.title), body=body)


@dataclass(frozen=True, slots=True)
class _Printer:
    words: Words
    numbering: Numbering

    def blocks(self, blocks: tuple[Block, ...]) -> Iterator[str]:
        """Each block; with no break of the page between those that belong together."""
        for before, block, after in zip((None, *blocks), blocks, (*blocks[1:], None), strict=False):
            printed = self.block(block)
            yield printed.rstrip("\n") + "\n\\par\\nobreak\n" if _belong(before, block, after) else printed

    def block(self, block: Block) -> str:
        match block:
            case Section():
                return self._section(block)
            case Paragraph(inlines):
                return _fill("paragraph", content=self.inlines(inlines))
            case Derivation():
                return self._derivation(block)
            case Equations(items):
                return self._equations(items) + "\n"
            case Result(items, title):
                heading = self.inlines(title) or self.words["result"]
                return _fill("panel", title=rf"\textbf{{{heading}}}", content=self._equations(items), compact=False)
            case Algorithm():
                return self._algorithm(block)
            case Figure():
                return self._figure(block)
            case Table():
                return self._table(block)
            case List(items, ordered):
                printed = tuple(self.inlines(item) for item in items)
                return _fill("list", environment="enumerate" if ordered else "itemize", items=printed)
            case CodeBlock(_, text):
                return _fill("code", lines=[latex_code(line) for line in _code_lines(text)])
        assert_never(block)

    def inlines(self, inlines: Inlines) -> str:
        return "".join(self._inline(inline) for inline in inlines)

    def _inline(self, inline: Inline) -> str:
        match inline:
            case Text(text):
                return with_blanks(text, latex_text(text))
            case Math(latex, _):
                return rf"\deriveinline{{{_formula(latex)}}}" if len(latex) > 60 else f"${latex}$"
            case Code(text):
                return rf"\texttt{{{latex_code(text)}}}"
            case Emphasis(text):
                return rf"\emph{{{latex_text(text)}}}"
            case Reference(anchor):
                target, shown = _anchor(anchor), latex_text(self.numbering.reference(anchor))
                return rf"\hyperlink{{{target}}}{{\mbox{{{shown}}}}}"
        assert_never(inline)

    def _section(self, section: Section) -> str:
        return _fill(
            "section",
            command=COMMANDS[section.level],
            tex=self.inlines(section.title),
            pdf=pdf_text(plain(section.title)),
            anchor=_anchor(section.anchor),
        )

    def _derivation(self, derivation: Derivation) -> str:
        last = len(derivation.lines) - 1
        lines = [
            TexLine(
                derivation.left.latex if i == 0 else "",
                RELATIONS[line.relation],
                _formula(line.latex),
                self.inlines(line.note),
                self._number(derivation) if i == last else "",
            )
            for i, line in enumerate(derivation.lines)
        ]
        title = self.inlines(derivation.title)
        return _fill("lines", title=title, lefts=[derivation.left.latex], lines=lines) + "\n"

    def _equations(self, items: tuple[Equation, ...]) -> str:
        lines = [
            TexLine(
                item.left.latex,
                RELATIONS[item.relation],
                _formula(item.right.latex),
                self.inlines(item.note),
                self._number(item),
            )
            for item in items
        ]
        return _fill("lines", title="", lefts=[item.left.latex for item in items], lines=lines)

    def _number(self, item: Numbered) -> str:
        number = self.numbering.number(item)
        others = "".join(rf"\deriveanchor{{{_anchor(anchor)}}}" for anchor in also(item))
        return rf"{others}\derivenumber{{{_anchor(item.anchor)}}}{{{number}}}" if number else ""

    def _algorithm(self, algorithm: Algorithm) -> str:
        label = f"{self.words['algorithm']} {self.numbering.number(algorithm)}."
        title = rf"\textbf{{{label}}} {self.inlines(algorithm.title)}"
        if algorithm.anchor:
            title = rf"\deriveanchor{{{_anchor(algorithm.anchor)}}}" + title
        groups = "".join(
            rf"\derivetitle{{\small\color{{deriveaccent}}{latex_text(group.heading)}}}"
            + "\n"
            + self._equations(group.lines)
            for group in algorithm.groups
        )
        return _fill("panel", title=title, content=groups, compact=True)

    def _figure(self, figure: Figure) -> str:
        bands = tikz_bands(figure.graph)
        caption = self.inlines(figure.caption)
        return _fill(
            "figure",
            pictures=[tikz_picture(band, bands).strip() for band in bands],
            anchor=_anchor(figure.anchor),
            label=f"{self.words['figure']} {self.numbering.number(figure)}.",
            caption=f"{caption} {self.words['drawn again']}" if repeats(bands) else caption,
        )

    def _table(self, table: Table) -> str:
        rows = [" & ".join(self.inlines(cell) for cell in row) for row in table.rows]
        return _fill(
            "table",
            columns=_columns(table),
            header=" & ".join(rf"\textbf{{{self.inlines(cell)}}}" for cell in table.header),
            rows=rows,
            anchor=_anchor(table.anchor),
            label=f"{self.words['table']} {self.numbering.number(table)}.",
            caption=self.inlines(table.caption),
        )


def _belong(before: Block | None, block: Block, after: Block | None) -> bool:
    """An introduction and what it introduces; a derivation and its result in array notation."""
    if isinstance(block, Paragraph) and isinstance(after, Derivation | Equations | List | Table):
        return isinstance(before, Section) or plain(block.inlines).endswith(":")
    return isinstance(block, Derivation) and isinstance(after, Equations)


def _fill(macro: str, **parts: object) -> str:
    return fill("latex", "blocks.tex.j2", macro, **parts)


def _formula(latex: str) -> str:
    r"""The formula in `\derivepiece`s; the empty group makes an operator that begins a piece a binary one."""
    first, *rest = pieces(latex)
    return rf"\derivepiece[10000]{{{_that_fits(first.latex)}}}" + "".join(map(_later_piece, rest))


def _later_piece(piece: Piece) -> str:
    if piece.unsigned:
        return rf"\derivedot\derivepiece[10000]{{{_that_fits(piece.latex)}}}"
    return rf"\derivepiece[{400 * piece.depth}]{{{_that_fits('{}' + piece.latex)}}}"


def _that_fits(piece: str) -> str:
    """The piece, or where it is wider than the page one of its alternatives."""
    if len(piece) < LONG_PIECE:
        return piece
    *others, last = alternatives(piece)
    return "".join(rf"\deriveelse{{{other}}}{{" for other in others) + last + "}" * len(others)


def _anchor(anchor: str) -> str:
    """A name for a target that TeX takes as it is."""
    return re.sub(r"[^A-Za-z0-9-]", lambda m: f".{ord(m[0]):x}.", anchor)


def _columns(table: Table) -> str:
    """The preamble of the alignment: a cell as it is, or as a paragraph where the column is wordy."""
    wordy = [max((_length(row[i]) for row in table.rows), default=0) > WORDY_CELL for i in range(len(table.header))]
    width = 0.62 / max(1, sum(wordy))
    paragraph = rf"\vtop{{\hsize={width:.2f}\linewidth\raggedright\noindent\strut#\strut\par}}"
    cells = [paragraph if w else r"\strut#\hfil" for w in wordy]
    return r"\tabskip=1.5em&".join(cells)


def _length(cell: Inlines) -> int:
    """How long a cell reads; a matrix is narrower than its letters."""
    return 0 if any(isinstance(i, Math) and "matrix}" in i.latex for i in cell) else len(plain(cell))


def _code_lines(text: str) -> list[str]:
    """Lines no longer than the page; what is longer goes on, indented, on the next."""
    return [
        part
        for line in text.expandtabs(4).rstrip("\n").split("\n")
        for part in textwrap.wrap(line, CODE_COLUMNS, subsequent_indent="    ", drop_whitespace=False) or [""]
    ]
