"""What a notebook shows of a model, a derivation, a gradient, a graph, a program: one content in several forms.

In: the object.  Out: its forms by MIME type, as Jupyter asks for them; ``text/plain`` is always among them.  Nothing is
computed here: the formulas are those of the printers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from derive.derivation import Adjoint, Derivation, Hessian, Result
from derive.expression.nodes import D, Expression, Index, Ref
from derive.model import Model
from derive.render.graph_layout import Graph
from derive.render.graph_svg import svg
from derive.render.graph_text import graph_lines
from derive.render.latex import latex
from derive.render.markdown_document import fenced
from derive.render.report_model import equation_lines
from derive.render.story import Story
from derive.render.unicode import unicode_math

Bundle = Mapping[str, str]


def bundle(shown: object) -> dict[str, str]:
    """The forms of one object of derive.

    >>> from derive.model import Model
    >>> sorted(bundle(Model.builtin("quadratic")))
    ['text/latex', 'text/markdown', 'text/plain']
    """
    for kind, forms in _FORMS.items():
        if isinstance(shown, kind):
            return dict(forms(shown))
    raise TypeError(f"{type(shown).__name__} has no forms")


class Source(str):
    """The text of a program: a plain string that a notebook shows as code."""

    __slots__ = ()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return bundle(self)


def _model(model: Model) -> Bundle:
    """The equations as mathematics; the text as it was written."""
    story = Story(Derivation(model, (), (), ()), "en", "brief")
    rows = [line for e in model.equations for line in equation_lines(story, e)]
    aligned = " \\\\\n".join(rf"{row.left.latex} &= {row.right.latex}" for row in rows)
    displayed = "$$\n\\begin{aligned}\n" + aligned + "\n\\end{aligned}\n$$"
    return {
        "text/plain": model.text,
        "text/latex": displayed,
        "text/markdown": f"{displayed}\n\n{fenced(model.text.rstrip(), 'python')}",
    }


def _derivation(derivation: Derivation) -> Bundle:
    from derive.render.report import gradient_markdown, gradient_text

    story = Story(derivation.prove(), "en", "brief")
    rows = [_equation(story, a) for a in story.derivation.gradients]
    return {
        "text/plain": gradient_text(derivation),
        "text/latex": "$$\n\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}\n$$",
        "text/markdown": gradient_markdown(derivation),
    }


def _equation(story: Story, a: Adjoint) -> str:
    from derive.render.told import sides

    left, right = sides(story, a)
    return f"{left.latex} &= {right.latex}"


def _hessian(hessian: Hessian) -> Bundle:
    from derive.render.hessian import hessian_markdown, hessian_text

    return {"text/plain": hessian_text(hessian), "text/markdown": hessian_markdown(hessian)}


def _adjoint(adjoint: Adjoint) -> Bundle:
    return _result(adjoint.result)


def _result(result: Result) -> Bundle:
    """``∂L/∂w = (a − y)·x``: a derivative by its indices."""
    left = _derivative(result)
    return {
        "text/plain": f"{unicode_math(left)} = {unicode_math(result.expr)}",
        "text/latex": rf"$\displaystyle {latex(left)} = {latex(result.expr)}$",
    }


def _derivative(result: Result) -> Expression:
    """The left side: the indices of what is differentiated stand first."""
    start = result.steps[0].before if len(result.steps) else None
    if isinstance(start, D):
        by = start.wrt.indices
        of = tuple(Index(i) for i in result.indices[: len(result.indices) - len(by)])
        return D(Ref(result.of, of), start.wrt)
    return D(Ref(result.of), Ref(result.wrt, tuple(map(Index, result.indices))))


def _graph(graph: Graph) -> Bundle:
    return {"text/plain": "\n".join(graph_lines(graph)), "image/svg+xml": svg(graph)}


def _source(source: Source) -> Bundle:
    text = str(source)
    return {"text/plain": text, "text/x-python": text, "text/markdown": fenced(text.rstrip(), "python")}


_FORMS: dict[type, Callable[[Any], Bundle]] = {
    Model: _model,
    Derivation: _derivation,
    Hessian: _hessian,
    Adjoint: _adjoint,
    Result: _result,
    Graph: _graph,
    Source: _source,
}
