"""``derive report`` and ``derive graph``: the derivation as a document, the computational graph as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click

from derive.commands.options import Choice, force_option, model_argument, output_option, update_options
from derive.commands.output import check_writable, kind_of, write
from derive.commands.source import read_model
from derive.errors import DeriveError

if TYPE_CHECKING:
    from derive.model import Model
    from derive.render.document import Document

REPORTS = ("tex", "pdf", "html", "md", "ipynb")
GRAPHS = ("svg", "tex")


@click.command()
@model_argument
@output_option("The report: .tex, .pdf, .html, .md or .ipynb.", required=True)
@click.option("--lang", "language", type=Choice(["en", "es"]), default="en", show_default=True)
@click.option("--detail", type=Choice(["brief", "normal", "full"]), default="normal", show_default=True)
@click.option("--standalone/--fragment", default=True, help="A whole document, or LaTeX for your own.")
@click.option("--bold", is_flag=True, help="Vectors and matrices in bold letters.")
@click.option("--collapse", is_flag=True, help="Repeated layers as one node of the graph.")
@update_options
@force_option
def report(
    model: str | None,
    text: str | None,
    output: str,
    language: str,
    detail: str,
    standalone: bool,
    bold: bool,
    collapse: bool,
    rule: dict[str, Any],
    force: bool,
) -> None:
    """Write the derivation of MODEL as a document."""
    kind = kind_of(output, REPORTS)
    if not standalone and kind != "tex":
        hint = "give a name that ends in .tex"
        raise DeriveError(f"--fragment is for LaTeX, and the output ends in .{kind}", hint=hint)
    check_writable(output, force)
    found = read_model(model, text)
    write(_printed(told(found, language, detail, bold, rule, collapse), kind, standalone, found), output, force)


def told(
    model: Model,
    language: str = "en",
    detail: str = "normal",
    bold: bool = False,
    rule: dict[str, Any] | None = None,
    collapse: bool = False,
) -> Document:
    """The report of a model; beyond `brief` it has one example in numbers.  `rule` says how parameters are updated."""
    from derive.check.example import example_numbers
    from derive.render.report import report as tell
    from derive.update_rule import rule_for

    numbers = None if detail == "brief" else example_numbers(model)
    return tell(model.derive().prove(), language, detail, rule_for(model, **(rule or {})), numbers, bold, collapse)


def page(document: Document, model: Model, katex: Literal["embedded", "shared"] = "embedded") -> str:
    """The report as a web page, whose formulas can be copied as numpy too."""
    from derive.emit.formula import numpy_formulas
    from derive.render.html_document import print_html

    return print_html(document, katex=katex, numpy=numpy_formulas(model))


def _printed(document: Document, kind: str, standalone: bool, model: Model) -> str | bytes:
    if kind == "ipynb":
        from derive.render.notebook_document import print_notebook

        return print_notebook(document, model.text)
    if kind == "html":
        return page(document, model)
    if kind == "md":
        from derive.render.markdown_document import print_markdown

        return print_markdown(document)
    from derive.render.latex_document import print_fragment, print_latex

    tex = print_latex(document) if standalone else print_fragment(document)
    if kind == "tex":
        return tex
    from derive.render.pdf import compile_pdf

    return compile_pdf(tex)


@click.command()
@model_argument
@output_option("The picture: .svg, or .tex for TikZ.", required=True)
@click.option("--collapse", is_flag=True, help="Repeated layers as one node.")
@force_option
def graph(model: str | None, text: str | None, output: str, collapse: bool, force: bool) -> None:
    """Draw the computational graph of MODEL."""
    kind = kind_of(output, GRAPHS)
    check_writable(output, force)
    found = read_model(model, text)
    from derive.render.graph_svg import svg
    from derive.render.graph_tikz import tikz
    from derive.render.model_graph import model_graph

    drawn = model_graph(found)
    if collapse:
        from derive.render.graph_collapse import collapsed

        drawn = collapsed(drawn)
    write(svg(drawn) if kind == "svg" else tikz(drawn), output, force)
