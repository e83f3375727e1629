"""The text printer: a document for the terminal, in Unicode.

In: a `Document` and the width of the terminal.  Out: lines of text without control characters or colours.
Invariant: a line is longer than `width` only where one word is (a formula counts as words between its
blanks).
"""

from __future__ import annotations

import textwrap
import unicodedata
from dataclasses import dataclass
from typing import assert_never

from derive.render.catalogue import Words
from derive.render.document import (
    Algorithm,
    Block,
    CodeBlock,
    Derivation,
    Document,
    Equation,
    Equations,
    Figure,
    Inline,
    Inlines,
    List,
    Paragraph,
    Reference,
    Result,
    Section,
    Table,
)
from derive.render.graph_text import graph_lines
from derive.render.numbering import Numbering, number_blocks

UNDERLINES = {1: "─", 2: "╌"}
NOTE_COLUMN = 0.62  # of the width: where the rules stand, if the formulas leave room
GAP = 2


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of mathematics: left-hand side, relation, formula, and the remark in the right column."""

    left: str
    relation: str
    formula: str
    note: str


def print_text(document: Document, width: int = 96) -> str:
    """The document as text for a terminal of that width."""
    printer = _Printer(Words(document.language), number_blocks(document), max(40, width))
    title = clean(document.title)
    head = [_wrap(title, printer.width), "═" * min(length(title), printer.width)]
    if document.subtitle:
        head.append(_wrap(clean(document.subtitle), printer.width))
    return "\n\n".join(["\n".join(head), *(printer.block(block) for block in document.blocks)]) + "\n"


@dataclass(frozen=True, slots=True)
class _Printer:
    words: Words
    numbering: Numbering
    width: int

    def block(self, block: Block) -> str:
        match block:
            case Section(title, level, _):
                heading = f"{self.numbering.number(block)}  {self.inlines(title)}"
                return heading + (
                    "\n" + UNDERLINES[level] * min(length(heading), self.width) if level in UNDERLINES else ""
                )
            case Paragraph(inlines):
                return _wrap(self.inlines(inlines), self.width)
            case Derivation():
                heading = self.inlines(block.title)
                return (f"{heading}\n" if heading else "") + "\n".join(self._derivation(block))
            case Equations(items):
                return "\n".join(self._equations(items, self.width))
            case Result(items, title):
                return _box(
                    self.inlines(title) or self.words["result"],
                    self._equations(items, self.width - 4),
                    self.width,
                )
            case Algorithm():
                return self._algorithm(block)
            case Figure(graph, caption, _):
                drawn = ["  " + clean(line) for line in graph_lines(graph)]
                return "\n".join([*drawn, self._caption("figure", block, caption)])
            case Table():
                return self._table(block)
            case List(items, ordered):
                marks = [f"{i}. " if ordered else "• " for i in range(1, len(items) + 1)]
                return "\n".join(
                    _wrap(self.inlines(item), self.width, mark)
                    for mark, item in zip(marks, items, strict=True)
                )
            case CodeBlock(_, text):
                return "\n".join("    " + clean(line, fold=False) for line in text.rstrip("\n").split("\n"))
        assert_never(block)

    def inlines(self, inlines: Inlines) -> str:
        return clean("".join(self._inline(inline) for inline in inlines))

    def _inline(self, inline: Inline) -> str:
        return self.numbering.reference(inline.anchor) if isinstance(inline, Reference) else inline.text

    def _label(self, word: str, block: Figure | Table | Algorithm) -> str:
        return f"{self.words[word]} {self.numbering.number(block)}."

    def _caption(self, word: str, block: Figure | Table, caption: Inlines) -> str:
        return _wrap(f"{self._label(word, block)} {self.inlines(caption)}", self.width)

    def _derivation(self, derivation: Derivation) -> list[str]:
        number = self.numbering.number(derivation)
        last = len(derivation.lines) - 1
        lines = [
            TextLine(
                derivation.left.text if i == 0 else "",
                line.relation,
                line.text,
                self._note(line.note, number if i == last else ""),
            )
            for i, line in enumerate(derivation.lines)
        ]
        return _lines(lines, self.width)

    def _equations(self, items: tuple[Equation, ...], width: int) -> list[str]:
        lines = [
            TextLine(
                item.left.text,
                item.relation,
                item.right.text,
                self._note(item.note, self.numbering.number(item)),
            )
            for item in items
        ]
        return _lines(lines, width)

    def _note(self, note: Inlines, number: str) -> str:
        return "  ".join(part for part in (self.inlines(note), f"({number})" if number else "") if part)

    def _algorithm(self, algorithm: Algorithm) -> str:
        inside: list[str] = []
        for group in algorithm.groups:
            inside += [*([""] if inside else []), clean(group.heading)]
            inside += ["  " + line for line in self._equations(group.lines, self.width - 6)]
        return _box(
            f"{self._label('algorithm', algorithm)} {self.inlines(algorithm.title)}", inside, self.width
        )

    def _table(self, table: Table) -> str:
        rows = [[self.inlines(cell) for cell in row] for row in (table.header, *table.rows)]
        widths = [max(length(row[i]) for row in rows) for i in range(len(table.header))]
        printed = [
            "  ".join(_pad(cell, w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        rule = "─" * min(self.width, sum(widths) + 2 * (len(widths) - 1))
        caption = self._caption("table", table, table.caption)
        return "\n".join([caption, rule, printed[0], rule, *printed[1:], rule])


def clean(text: str, fold: bool = True) -> str:
    r"""No control, format or surrogate characters: no text moves the cursor or changes colours.

    >>> clean("a\x1b[31m  b")
    'a [31m b'
    """
    text = "".join(" " if unicodedata.category(c) in {"Cc", "Cf", "Cs"} else c for c in text.expandtabs(4))
    return " ".join(text.split()) if fold else text.rstrip()


def length(text: str) -> int:
    """How many columns the text takes: combining signs none, wide letters two."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def _pad(text: str, width: int) -> str:
    return text + " " * (width - length(text))


def _wrap(text: str, width: int, mark: str = "") -> str:
    return textwrap.fill(
        text, width, initial_indent=mark, subsequent_indent=" " * len(mark), break_long_words=False
    )


def _lines(lines: list[TextLine], width: int) -> list[str]:
    """The lines, aligned at their relations, the notes in one column where they fit."""
    left = max((length(line.left) for line in lines), default=0)
    if left > width // 3:  # a long left-hand side has a line of its own
        return [
            out for line in lines for out in ([line.left] if line.left else []) + _line("  ", line, width)
        ]
    return [out for line in lines for out in _line(" " * (left - length(line.left)) + line.left, line, width)]


def broken(formula: str, width: int) -> list[str]:
    """The formula in lines that begin with a sign: a plus or minus outside of brackets where that goes, else any.

    >>> broken("∑ₖ a·b · c + (d + e)·f − g", 14)
    ['∑ₖ a·b · c', '+ (d + e)·f', '− g']
    """
    found: list[str] = []
    _fill(found, formula, width, 0)
    return found


# Where a line may begin, from good to bad: the signs, and in how many brackets they stand.
_BREAKS = (("+−", 0), *(("+−·⊙⊘;", depth) for depth in range(5)))


def _fill(lines: list[str], formula: str, width: int, level: int) -> None:
    for part in _parts(formula, *_BREAKS[level]):
        if lines and length(lines[-1]) + 1 + length(part) <= width:
            lines[-1] += " " + part
        elif length(part) <= width:
            lines.append(part)
        elif level + 1 < len(_BREAKS):
            _fill(lines, part, width, level + 1)
        else:
            lines += textwrap.wrap(part, width, break_long_words=False)


def _parts(formula: str, signs: str, most: int) -> list[str]:
    """Cut before a sign that stands between blanks, in no more than so many brackets; after a semicolon."""
    found, depth = [""], 0
    for k, character in enumerate(formula):
        depth += (character in "([{") - (character in ")]}")
        sign = character in signs and formula[k - 1 : k] == " " == formula[k + 1 : k + 2]
        if depth <= most and (sign or (";" in signs and formula[k - 2 : k] == "; ")):
            found.append("")
        found[-1] += character
    return [part.strip() for part in found if part.strip()]


def _line(left: str, line: TextLine, width: int) -> list[str]:
    head = f"{left} {line.relation} "
    column = max(int(width * NOTE_COLUMN), length(head))
    room = width - length(head)
    if length(line.formula) <= room:
        formula = [line.formula]
    else:
        first, *rest = broken(line.formula, max(20, room - GAP))
        formula = [first, *(" " * GAP + part for part in rest)]
    printed = [head + formula[0], *(" " * length(head) + part for part in formula[1:])]
    if not line.note:
        return printed
    start = max(column, length(printed[-1]) + GAP)
    if start + length(line.note) <= width:
        return [*printed[:-1], _pad(printed[-1], start) + line.note]
    notes = textwrap.wrap(line.note, max(12, width - column))
    if length(printed[-1]) + GAP <= column:
        return [
            *printed[:-1],
            _pad(printed[-1], column) + notes[0],
            *(" " * column + note for note in notes[1:]),
        ]
    return [*printed, *(" " * column + note for note in notes)]


def _box(title: str, lines: list[str], width: int) -> str:
    """The lines in a frame with the title in its upper edge, as wide as they need."""
    inner = max([length(title) + 2, *(length(line) for line in lines)])
    top = f"┌─ {title} " + "─" * max(0, inner - length(title) - 1) + "┐"
    return "\n".join([top, *(f"│ {_pad(line, inner)} │" for line in lines), "└" + "─" * (inner + 2) + "┘"])
