"""The HTML printer: a document as one page that needs nothing else.

In: a `Document`.  Out: the page as a string.  KaTeX is inside it (`katex="embedded"`), or stands beside it
(`katex="shared"`: the page's folder then needs the files of `derive.render.katex.shared_files`).
Invariants: every string of a document is escaped by the templates; the page's Content-Security-Policy
forbids the network and any script but ours (by hash); without scripts the page is whole and shows formulas
as LaTeX.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, assert_never

from markupsafe import Markup

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
    Line,
    List,
    Math,
    Paragraph,
    Reference,
    Result,
    Section,
    Symbol,
    Table,
    Text,
    plain,
)
from derive.render.graph_bands import PHONE, banded, repeats
from derive.render.graph_svg import svg
from derive.render.katex import SCRIPT, STYLE, content_hash, in_script, katex_script, katex_style
from derive.render.numbering import Numbering, number_blocks
from derive.render.templates import fill, template
from derive.resources import template_dir


@dataclass(frozen=True, slots=True)
class HtmlLine:
    """One line of mathematics as the macro `lines` takes it."""

    left: Markup
    relation: Markup
    formula: Markup
    note: Markup
    number: str
    anchor: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the table of contents."""

    level: int
    anchor: str
    number: str
    title: Markup


def print_html(
    document: Document,
    *,
    katex: Literal["embedded", "shared"] = "embedded",
    numpy: Callable[[str, str], str | None] = lambda source, first: None,
) -> str:
    """The document as an HTML page; `numpy` says an expression of the model language in
    numpy, where it can; its second argument is the first line of the derivation, which says how far indices run."""
    shared = katex == "shared"
    printer = _Printer(Words(document.language), number_blocks(document), numpy)
    script = in_script(_read("report.js"))
    return template("html", "report.html.j2").render(
        language=document.language,
        title=document.title,
        subtitle=document.subtitle,
        policy=_policy(script, shared),
        contents=printer.contents(document),
        contents_word=printer.words["contents"],
        words=_tool_words(printer.words),
        symbols=[printer.symbol(symbol) for symbol in document.symbols],
        body=Markup("").join(printer.block(block) for block in document.blocks),
        shared=shared,
        style_file=STYLE,
        script_file=SCRIPT,
        katex_style="" if shared else Markup(katex_style()),
        katex_script="" if shared else Markup(katex_script()),
        style=Markup(_read("report.css")),
        script=Markup(script),
    )


@dataclass(frozen=True, slots=True)
class _Printer:
    words: Words
    numbering: Numbering
    numpy: Callable[[str, str], str | None]

    def symbol(self, symbol: Symbol) -> dict[str, object]:
        """An entry of the glossary that the page's signs refer to."""
        defined = _math(symbol.defined.latex) if symbol.defined else ""
        shown, about = _math(symbol.latex), self.inlines(symbol.about)
        return {"name": symbol.name, "latex": symbol.latex, "shown": shown, "about": about, "defined": defined}

    def contents(self, document: Document) -> list[Entry]:
        """The entries, or none where they would be no help."""
        sections = list(document.sections())
        if len(sections) < 3:
            return []
        return [Entry(s.level, self._id(s), self.numbering.number(s), self.inlines(s.title)) for s in sections]

    def block(self, block: Block) -> Markup:
        match block:
            case Section(title, level, _):
                number = self.numbering.number(block)
                return _fill(
                    "section",
                    tag=f"h{level + 1}",
                    anchor=self._id(block),
                    number=number,
                    title=self.inlines(title),
                )
            case Paragraph(inlines):
                return _fill("paragraph", content=self.inlines(inlines))
            case Derivation():
                return self._derivation(block)
            case Equations(items):
                return self._equations(items)
            case Result(items, title):
                heading = self.inlines(title) or Markup.escape(self.words["result"])
                return _fill("result", title=heading, content=self._equations(items))
            case Algorithm():
                return self._algorithm(block)
            case Figure():
                return self._figure(block)
            case Table():
                return self._table(block)
            case List(items, ordered):
                return _fill("list", tag="ol" if ordered else "ul", items=[self.inlines(item) for item in items])
            case CodeBlock(language, text):
                return _fill("code_block", language=language, text=text.rstrip("\n"))
        assert_never(block)

    def inlines(self, inlines: Inlines) -> Markup:
        return Markup("").join(self._inline(inline) for inline in inlines)

    def _inline(self, inline: Inline) -> Markup:
        match inline:
            case Text(text):
                return Markup.escape(text)
            case Math(latex, _):
                return _math(latex)
            case Code(text):
                return _fill("code", text=text)
            case Emphasis(text):
                return _fill("emphasis", text=text)
            case Reference(anchor):
                return _fill("reference", anchor=anchor, text=self.numbering.reference(anchor))
        assert_never(inline)

    def _id(self, section: Section) -> str:
        return section.anchor or "section-" + self.numbering.number(section)

    def _derivation(self, derivation: Derivation) -> Markup:
        count = f"{len(derivation.lines)} {self.words['step' if len(derivation.lines) == 1 else 'steps']}"
        title = self.inlines(derivation.title) or _math(derivation.left.latex)
        return _fill(
            "derivation",
            anchor=derivation.anchor,
            also=derivation.also,
            title=title,
            count=count,
            content=self._lines(derivation, derivation.lines) + self._lines(derivation, derivation.full, every=True),
        )

    def _lines(self, derivation: Derivation, steps: tuple[Line, ...], every: bool = False) -> Markup:
        """The steps; `every` one of them is there to be unfolded."""
        if not steps:
            return Markup("")
        last, number = len(steps) - 1, self.numbering.number(derivation)
        lines = [
            HtmlLine(
                _math(derivation.left.latex, display=True) if i == 0 else Markup(""),
                _math(RELATIONS[line.relation]),
                self._display(line.latex, line.source, steps[0].source),
                self.inlines(line.note),
                f"({number})" if number and i == last else "",
                "",
            )
            for i, line in enumerate(steps)
        ]
        return _fill("lines", lines=lines, every=every)

    def _display(self, latex: str, source: str, first: str = "") -> Markup:
        return _math(latex, True, source, (self.numpy(source, first) or "") if source else "")

    def _equations(self, items: tuple[Equation, ...]) -> Markup:
        return _fill("lines", lines=[self._line(item) for item in items], every=False)

    def _line(self, item: Equation) -> HtmlLine:
        number = self.numbering.number(item)
        return HtmlLine(
            _math(item.left.latex, display=True) if item.left.latex else Markup(""),
            _math(RELATIONS[item.relation]),
            self._display(item.right.latex, item.right.source),
            self.inlines(item.note),
            f"({number})" if number else "",
            item.anchor,
            item.also,
        )

    def _algorithm(self, algorithm: Algorithm) -> Markup:
        return _fill(
            "algorithm",
            anchor=algorithm.anchor,
            label=f"{self.words['algorithm']} {self.numbering.number(algorithm)}.",
            title=self.inlines(algorithm.title),
            groups=[(group.heading, self._equations(group.lines)) for group in algorithm.groups],
        )

    def _figure(self, figure: Figure) -> Markup:
        title, prefix = plain(figure.caption), f"{figure.anchor}-" if figure.anchor else ""
        bands = banded(figure.graph)
        caption = self.inlines(figure.caption)
        return _fill(
            "figure",
            anchor=figure.anchor,
            picture=Markup(svg(figure.graph, title, prefix)),
            phone=Markup(svg(figure.graph, title, prefix + "phone-", phone=True)) if bands[0].width > PHONE else "",
            label=f"{self.words['figure']} {self.numbering.number(figure)}.",
            caption=caption + _fill("of_wide", text=self.words["drawn again"]) if repeats(bands) else caption,
        )

    def _table(self, table: Table) -> Markup:
        return _fill(
            "table",
            anchor=table.anchor,
            label=f"{self.words['table']} {self.numbering.number(table)}.",
            caption=self.inlines(table.caption),
            header=[self.inlines(cell) for cell in table.header],
            rows=[[self.inlines(cell) for cell in row] for row in table.rows],
            row_anchors=table.row_anchors or ("",) * len(table.rows),
            row_keys=table.row_keys or ("",) * len(table.rows),
        )


def _fill(macro: str, **parts: object) -> Markup:
    return Markup(fill("html", "blocks.html.j2", macro, **parts))


def _math(latex: str, display: bool = False, source: str = "", numpy: str = "") -> Markup:
    return _fill("math", latex=latex, display=display, source=source, numpy=numpy)


def _tool_words(words: Words) -> dict[str, str]:
    keys = ("details", "brief", "normal", "full", "theme", "copy", "signs", "walk", "forward", "backward")
    return {key: words[key] for key in keys} | {"language": words["model language"]}


def _read(name: str) -> str:
    return (template_dir() / name).read_text(encoding="utf-8")


def _policy(script: str, shared: bool) -> str:
    """Nothing from anywhere; our scripts by hash (a file beside the page cannot be named by one)."""
    beside = "'self' file:" if shared else ""
    scripts = f"{content_hash(script)} {beside or content_hash(katex_script())}"
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline' {beside}; "
        "font-src data:; img-src data:; base-uri 'none'; form-action 'none'"
    )
