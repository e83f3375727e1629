"""The templates of documents, in one place: how they are found, delimited and escaped.

In: the name of a template below `templates/`.  Out: a jinja2 template.
Invariant: a name that is not given is an error; what goes into a template for HTML is escaped unless it is
`Markup`.  Templates for LaTeX use `<< >>`, `<% %>` and `<# #>`, which TeX does not.
"""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from derive.resources import template_dir


@cache
def environment(kind: str) -> Environment:
    """The environment for `html`, `latex` or `python` templates."""
    latex = kind == "latex"
    opening, closing = ("<", ">") if latex else ("{", "}")
    return Environment(
        loader=FileSystemLoader(template_dir()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=kind == "html",
        block_start_string=f"{opening}%",
        block_end_string=f"%{closing}",
        variable_start_string=opening * 2,
        variable_end_string=closing * 2,
        comment_start_string=f"{opening}#",
        comment_end_string=f"#{closing}",
    )


def template(kind: str, name: str) -> Template:
    return environment(kind).get_template(name)


def fill(kind: str, name: str, macro: str, **parts: object) -> str:
    """The markup of one block: a macro of the template `name`, called with finished strings.

    >>> str(fill("html", "blocks.html.j2", "emphasis", text="a < b"))
    '<em>a &lt; b</em>'
    """
    return str(getattr(_module(kind, name), macro)(**parts))


@cache
def _module(kind: str, name: str) -> object:
    return template(kind, name).module
