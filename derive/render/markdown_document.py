"""The Markdown printer: a document for GitHub and whoever else sets `$` and `$$` as mathematics.

In: a `Document`, and where pictures are (anchor of the figure, path of its file).  Out: Markdown.
Invariant: words of strangers come out as words: no HTML, link, code or formula can begin in them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import assert_never
from urllib.parse import quote

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
    Paragraph,
    Reference,
    Result,
    Section,
    Table,
    Text,
    plain,
)
from derive.render.graph_text import graph_lines
from derive.render.latex_break import pieces
from derive.render.latex_text import math_text, with_blanks
from derive.render.numbering import Numbering, number_blocks

LONG = 160  # characters of LaTeX: about a line of a page


def print_markdown(document: Document, figures: Mapping[str, str] | None = None) -> str:
    """The document as Markdown; a figure without a file is told in words."""
    printer = MarkdownPrinter(Words(document.language), number_blocks(document), figures or {})
    return "\n\n".join([markdown_head(document), *(printer.block(block) for block in document.blocks)]) + "\n"


def markdown_head(document: Document) -> str:
    """The title and the subtitle."""
    head = f"# {markdown_text(document.title)}"
    return f"{head}\n\n*{markdown_text(document.subtitle)}*" if document.subtitle else head


@dataclass(frozen=True, slots=True)
class MarkdownPrinter:
    words: Words
    numbering: Numbering
    figures: Mapping[str, str]

    def block(self, block: Block) -> str:
        match block:
            case Section(title, level, _):
                return f"{'#' * (level + 1)} {self.numbering.number(block)} {self.inlines(title)}"
            case Paragraph(inlines):
                return _not_a_marker(self.inlines(inlines))
            case Derivation():
                heading = f"**{self.inlines(block.title)}**\n\n" if block.title else ""
                return heading + self._derivation(block)
            case Equations(items):
                return self._equations(items)
            case Result(items, title):
                heading = self.inlines(title) or self.words["result"]
                return f"**{heading}**\n\n" + _displayed(rf"\boxed{{{_aligned(self._rows(items))}}}")
            case Algorithm():
                return self._algorithm(block)
            case Figure():
                return self._figure(block)
            case Table():
                return self._table(block)
            case List(items, ordered):
                marks = (f"{i}." if ordered else "-" for i in range(1, len(items) + 1))
                return "\n".join(
                    f"{mark} {_not_a_marker(self.inlines(item))}"
                    for mark, item in zip(marks, items, strict=True)
                )
            case CodeBlock(language, text):
                return fenced(text.rstrip("\n"), language)
        assert_never(block)

    def inlines(self, inlines: Inlines) -> str:
        return "".join(self._inline(inline) for inline in inlines)

    def _inline(self, inline: Inline) -> str:
        match inline:
            case Text(text):
                return markdown_text(text)
            case Math(latex, _):
                return f"${latex.strip()}$"
            case Code(text):
                return _code_span(text)
            case Emphasis(text):
                return f"*{markdown_text(text)}*"
            case Reference(anchor):
                return self.numbering.reference(anchor)
        assert_never(inline)

    def _derivation(self, derivation: Derivation) -> str:
        number = self.numbering.number(derivation)
        last = len(derivation.lines) - 1
        rows = [
            _row(
                derivation.left.latex if i == 0 else "",
                line.relation,
                line.latex,
                self._note(line.note, number if i == last else ""),
            )
            for i, line in enumerate(derivation.lines)
        ]
        return _displayed(_aligned(rows))

    def _equations(self, items: tuple[Equation, ...]) -> str:
        return _displayed(_aligned(self._rows(items)))

    def _rows(self, items: tuple[Equation, ...]) -> list[str]:
        return [
            _row(
                item.left.latex,
                item.relation,
                item.right.latex,
                self._note(item.note, self.numbering.number(item)),
            )
            for item in items
        ]

    def _note(self, note: Inlines, number: str) -> str:
        """The rule and the equation's number beside a line; formulas in a note stay formulas."""
        parts = [
            inline.latex if isinstance(inline, Math) else rf"\text{{{self._bare(inline)}}}" for inline in note
        ]
        if number:
            parts.append((r"\quad " if parts else "") + rf"\text{{({number})}}")
        return "".join(parts)

    def _bare(self, inline: Inline) -> str:
        return math_text(
            self.numbering.reference(inline.anchor) if isinstance(inline, Reference) else inline.text
        )

    def _algorithm(self, algorithm: Algorithm) -> str:
        label = f"{self.words['algorithm']} {self.numbering.number(algorithm)}."
        head = f"**{label}** {self.inlines(algorithm.title)}"
        groups = (f"*{markdown_text(g.heading)}*\n\n{self._equations(g.lines)}" for g in algorithm.groups)
        return "\n\n".join([head, *groups])

    def _figure(self, figure: Figure) -> str:
        caption = self.caption(figure)
        if figure.anchor in self.figures:
            words, path = markdown_text(plain(figure.caption)), quote(self.figures[figure.anchor])
            return f"![{words}]({path})\n\n{caption}"
        return fenced("\n".join(graph_lines(figure.graph)), "text") + f"\n\n{caption}"

    def caption(self, figure: Figure) -> str:
        return f"**{self.words['figure']} {self.numbering.number(figure)}.** {self.inlines(figure.caption)}"

    def _table(self, table: Table) -> str:
        caption = f"**{self.words['table']} {self.numbering.number(table)}.** {self.inlines(table.caption)}"
        rows = [table.header, *table.rows]
        lines = ["| " + " | ".join(_in_cell(self.inlines(cell)) for cell in row) + " |" for row in rows]
        lines.insert(1, "|" + " --- |" * len(table.header))
        return caption + "\n\n" + "\n".join(lines)


def markdown_text(text: str) -> str:
    r"""Words as Markdown: on one line, with nothing in them that Markdown or HTML would obey.

    >>> print(markdown_text("a_1 * <b> [x](y) $2"))
    a\_1 \* &lt;b&gt; \[x\](y) &#36;2
    """
    escaped = re.sub(r"([\\`*_\[\]|#~])", r"\\\1", escape(" ".join(text.split()), quote=False)).replace(
        "$", "&#36;"
    )
    # A bare address would become a link.
    escaped = re.sub(r"(?i)\b(https?|ftp|www)(:|\.)", r"\1<!-- -->\2", escaped)
    return with_blanks(text, escaped)


def _not_a_marker(line: str) -> str:
    """A paragraph that begins like a list, a quotation or a rule is still a paragraph."""
    return re.sub(r"^\s*(?:([-+=])|(\d+)([.)]))", lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\{m[3]}", line)


def _row(left: str, relation: str, right: str, note: str) -> str:
    first, *rest = _broken(right)
    rows = [f"{left} &{RELATIONS[relation]} {first}", *(rf" &\quad {{}}{part}" for part in rest)]
    return " \\\\\n".join(rows) + (f" && {note}" if note else "")


def _broken(latex: str) -> list[str]:
    """A long formula in parts of about a line (measured in LaTeX), cut outside all parentheses."""
    parts = [""]
    for piece in pieces(latex):
        if parts[-1] and piece.depth == 0 and len(parts[-1]) + len(piece.latex) > LONG:
            parts.append("")
        parts[-1] += piece.latex
    return [part.strip() for part in parts]


def _aligned(rows: list[str]) -> str:
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def _displayed(latex: str) -> str:
    return f"$$\n{latex}\n$$"


def fenced(text: str, language: str) -> str:
    """A fence longer than any run of backticks inside."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
    return f"{fence}{re.sub(r'[^A-Za-z0-9+-]', '', language)}\n{text}\n{fence}"


def _code_span(text: str) -> str:
    text = " ".join(text.split())
    ticks = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    padding = " " if "`" in text else ""
    return f"{ticks}{padding}{text}{padding}{ticks}"


def _in_cell(printed: str) -> str:
    """A bar inside a formula or a code span would end the cell."""
    return (
        re.sub(r"(?<!\\)\|", r"\\vert ", printed) if "$" in printed else re.sub(r"(?<!\\)\|", r"\\|", printed)
    )
