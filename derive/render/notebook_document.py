"""The notebook printer: the document in cells, with the code that derives it again.

In: a `Document` and the text of its model.  Out: a Jupyter notebook (nbformat 4.5) as JSON.  Prose is the Markdown
printer's, a cell for each section; the picture is the output of a cell.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from derive.render.catalogue import Words
from derive.render.document import Block, Document, Figure, Section
from derive.render.graph_svg import svg
from derive.render.graph_text import graph_lines
from derive.render.markdown_document import MarkdownPrinter, markdown_head
from derive.render.numbering import number_blocks

Cell = dict[str, Any]


def print_notebook(document: Document, model: str) -> str:
    """The document as a notebook; its first cells hold the model, its last ones run what was derived."""
    words = Words(document.language)
    printer = MarkdownPrinter(words, number_blocks(document), {})
    cells = [
        _markdown(markdown_head(document)),
        _code(f"from derive import Model\n\nmodel = Model.parse({_literal(model)})"),
    ]
    for blocks in _sections(document):
        cells += _told(blocks, printer)
    cells += [
        _markdown(f"## {words['notebook code']}\n\n{words.template('notebook code')}"),
        _code("derivation = model.derive().prove()\nderivation"),
        _code("derivation.generate()"),
        _code("from derive.check.gradients import compare\n\ncompare(model, derivation.compile())"),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    return json.dumps({"cells": cells, **_FRAME}, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


_FRAME = {
    "metadata": {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    },
    "nbformat": 4,
    "nbformat_minor": 5,
}


def _sections(document: Document) -> Iterator[list[Block]]:
    """The blocks, from heading to heading."""
    found: list[Block] = []
    for block in document.blocks:
        if isinstance(block, Section) and found:
            yield found
            found = []
        found.append(block)
    if found:
        yield found


def _told(blocks: list[Block], printer: MarkdownPrinter) -> Iterator[Cell]:
    """A section's cells: its Markdown, and a cell of its own for each picture."""
    prose: list[str] = []
    for block in blocks:
        if isinstance(block, Figure):
            if prose:
                yield _markdown("\n\n".join(prose))
                prose = []
            shown = {"image/svg+xml": svg(block.graph), "text/plain": "\n".join(graph_lines(block.graph))}
            yield _code("model.graph()", shown)
            prose.append(printer.caption(block))
        else:
            prose.append(printer.block(block))
    if prose:
        yield _markdown("\n\n".join(prose))


def _markdown(text: str) -> Cell:
    return {"cell_type": "markdown", "metadata": {}, "source": _lines(text)}


def _code(text: str, shown: dict[str, str] | None = None) -> Cell:
    outputs = [] if shown is None else [{
        "output_type": "display_data", "metadata": {}, "data": {kind: _lines(value) for kind, value in shown.items()},
    }]  # fmt: skip
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": outputs, "source": _lines(text)}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _literal(text: str) -> str:
    """A text as Python writes it: on lines of its own where nothing in it ends it."""
    plain = all(c.isprintable() or c == "\n" for c in text) and "'''" not in text and "\\" not in text
    return f"'''{text}'''" if plain and not text.endswith("'") else repr(text)
