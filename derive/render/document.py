"""What a report consists of: prose, mathematics, pictures and tables, before any printer has seen them.

In: built by whoever tells the story of a derivation.  Out: read by `print_latex`, `print_html`,
`print_markdown` and `print_text`, each of which prints every block defined here.

Invariant: a document holds content, never markup of one output format.  Mathematics is the one thing that
cannot be said independently of the format, so each formula carries two spellings from our own expression
printer: `latex` (trusted, for LaTeX, HTML and Markdown) and `text` (Unicode, for the terminal).  Every
other string may come from a stranger and is escaped by the printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from derive.render.graph_layout import Graph

# The signs that may join the two sides of a formula, and their LaTeX.
RELATIONS: dict[str, str] = {
    "=": "=",
    "≠": r"\neq",
    "≈": r"\approx",
    "≤": r"\leq",
    "≥": r"\geq",
    "<": "<",
    ">": ">",
    "∈": r"\in",
    "∼": r"\sim",
    "∝": r"\propto",
    "←": r"\leftarrow",
    "→": r"\rightarrow",
    "⇒": r"\Rightarrow",
    "⇔": r"\Leftrightarrow",
}


# -- inlines: what a sentence is made of ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """Plain words."""

    text: str


@dataclass(frozen=True, slots=True)
class Math:
    r"""A formula in a sentence or a part of a displayed one: `Math(r"\sigma(z)", "σ(z)")`."""

    latex: str
    text: str
    source: str = field(default="", compare=False)  # the same in the model language, where it is an expression of it


@dataclass(frozen=True, slots=True)
class Code:
    """A name or a command, in typewriter letters."""

    text: str


@dataclass(frozen=True, slots=True)
class Emphasis:
    text: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A link to the block with that anchor; prints as its number: “(7)”, “section 3.1”, “figure 1”."""

    anchor: str


Inline: TypeAlias = Text | Math | Code | Emphasis | Reference
Inlines: TypeAlias = tuple[Inline, ...]


# -- blocks --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Section:
    """A heading; level 1 is the highest below the document's title, 3 the lowest."""

    title: Inlines
    level: int = 1
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    inlines: Inlines


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a derivation, without its left-hand side: `= a - y   (cancel)`.

    `relation` is a key of `RELATIONS`; `note` names the rule that gave this line.
    """

    relation: str
    latex: str
    text: str
    note: Inlines = ()
    source: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Derivation:
    """`left = line 1 = line 2 = …`.  With an anchor it has an equation number, at its last line.

    With a title the steps can be folded where the format can fold; `full` has every step, where lines leave some out.
    """

    left: Math
    lines: tuple[Line, ...]
    anchor: str = ""
    title: Inlines = ()
    full: tuple[Line, ...] = ()
    also: tuple[str, ...] = ()  # further anchors: of what this tells too


@dataclass(frozen=True, slots=True)
class Equation:
    """`left = right`, perhaps with a remark beside it; with an anchor it has an equation number."""

    left: Math
    right: Math
    relation: str = "="
    note: Inlines = ()
    anchor: str = ""
    also: tuple[str, ...] = ()  # further anchors: of what this tells too


@dataclass(frozen=True, slots=True)
class Equations:
    """Displayed equations, aligned at their relations."""

    items: tuple[Equation, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """Equations in a box: what the reader came for."""

    items: tuple[Equation, ...]
    title: Inlines = ()


@dataclass(frozen=True, slots=True)
class Figure:
    graph: Graph
    caption: Inlines = ()
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """`row_anchors`, if any, names a target for each row, where the format has links into tables.

    `row_keys` say which quantity a row is about, and whether an equation computes it.
    """

    header: tuple[Inlines, ...]
    rows: tuple[tuple[Inlines, ...], ...]
    caption: Inlines = ()
    anchor: str = ""
    row_anchors: tuple[str, ...] = ()
    row_keys: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """A part of an algorithm: “Forward pass” and its lines, in order."""

    heading: str
    lines: tuple[Equation, ...]


@dataclass(frozen=True, slots=True)
class Algorithm:
    """The groups in a box, under a numbered title."""

    title: Inlines
    groups: tuple[Group, ...]
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class List:
    items: tuple[Inlines, ...]
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class CodeBlock:
    language: str
    text: str


Block: TypeAlias = (
    Section | Paragraph | Derivation | Equations | Result | Figure | Table | Algorithm | List | CodeBlock
)


# What has an anchor and, with it, a number.
Numbered: TypeAlias = Section | Derivation | Equation | Figure | Table | Algorithm


@dataclass(frozen=True, slots=True)
class Symbol:
    """A quantity for those who ask what a sign in a formula means: where it is defined, and how."""

    name: str
    latex: str
    about: Inlines
    defined: Math | None = None
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A title, a language (`en`, `es`: a catalogue of words) and the blocks in reading order."""

    title: str
    blocks: tuple[Block, ...]
    language: str = "en"
    subtitle: str = ""
    symbols: tuple[Symbol, ...] = ()

    def sections(self) -> Iterator[Section]:
        return (block for block in self.blocks if isinstance(block, Section))


def says(text: str) -> Inlines:
    """Plain words as inlines.

    >>> says("chain rule")
    (Text(text='chain rule'),)
    """
    return (Text(text),) if text else ()


def plain(inlines: Inlines) -> str:
    """The inlines as bare text: for outlines, tooltips and measuring.

    >>> plain((Text("derivative of "), Math(r"\\sigma", "σ")))
    'derivative of σ'
    """
    return "".join(inline.anchor if isinstance(inline, Reference) else inline.text for inline in inlines)
