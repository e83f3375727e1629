"""The numbers of sections, equations, figures, tables and algorithms, given once for all printers.

In: a document.  Out: a `Numbering`: the number of each numbered block and the words that refer to it.
Invariant: numbers depend on the document alone, so that “(7)” is the same line in every format.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from derive.render.catalogue import Words
from derive.render.document import (
    Algorithm,
    Block,
    Derivation,
    Document,
    Equation,
    Equations,
    Figure,
    Numbered,
    Result,
    Section,
    Table,
)

KINDS: dict[type[object], str] = {Figure: "figure", Table: "table", Algorithm: "algorithm"}


@dataclass(frozen=True, slots=True)
class Numbering:
    """`number(block)` is “3.1” or “7”; `reference(anchor)` is “section 3.1” or “(7)”."""

    numbers: dict[int, str]  # by identity: two equal equations may stand in two places
    references: dict[str, str]

    def number(self, block: Numbered) -> str:
        """The block's number, or "" for an equation without an anchor."""
        return self.numbers.get(id(block), "")

    def reference(self, anchor: str) -> str:
        return self.references[anchor]


def number_blocks(document: Document) -> Numbering:
    """Number everything in reading order.

    Raises KeyError on an anchor that stands twice (a mistake of the program, not of the user).
    """
    words = Words(document.language)
    counters: Counter[str] = Counter()
    sections = [0, 0, 0]
    numbers: dict[int, str] = {}
    references: dict[str, str] = {}
    for block in document.blocks:
        for item in _numbered(block):
            number, reference = _next(item, counters, sections, words)
            numbers[id(item)] = number
            if item.anchor in references:
                raise KeyError(f"two blocks have the anchor '{item.anchor}'")
            for anchor in (item.anchor, *also(item)):
                if anchor:
                    references[anchor] = reference
    return Numbering(numbers, references)


def also(item: Numbered) -> tuple[str, ...]:
    """The anchors of what an equation or a derivation tells besides."""
    return item.also if isinstance(item, Derivation | Equation) else ()


def _numbered(block: Block) -> tuple[Numbered, ...]:
    if isinstance(block, Section | Figure | Table | Algorithm):
        return (block,)
    if isinstance(block, Derivation):
        return (block,) if block.anchor else ()
    if isinstance(block, Equations | Result):
        return tuple(item for item in block.items if item.anchor)
    return ()


def _next(item: Numbered, counters: Counter[str], sections: list[int], words: Words) -> tuple[str, str]:
    if isinstance(item, Section):
        sections[item.level - 1] += 1
        sections[item.level :] = [0] * (3 - item.level)
        number = ".".join(str(n) for n in sections[: item.level])
        return number, f"{words['section']} {number}"
    kind = KINDS.get(type(item), "equation")
    counters[kind] += 1
    number = str(counters[kind])
    return number, f"({number})" if kind == "equation" else f"{words[kind].lower()} {number}"
