"""Names that the author spells, and bold vectors: only mathematics gets through, and it joins indices and transposes."""

from __future__ import annotations

import pytest
from html_page import Page
from hypothesis import example, given, settings
from hypothesis import strategies as st
from katex_parser import complaint

from derive.errors import DeriveError
from derive.expression.nodes import Index, Ref
from derive.model import Model
from derive.parse.spelling import COMMANDS, read_spelling
from derive.render.html_document import print_html
from derive.render.latex import latex
from derive.render.names import latex_name
from derive.render.notation import Notation
from derive.render.report import report

TEXT = r"""x: input[d]
d: size = 3
y: target[h]
h: size = 4
W: parameter[h, d] = latex(r"W_{\text{in}}")
V: parameter[h, h] = normal(0.1)
latex(V, r"\hat{V}'")
latex(u, "s")
u = V @ tanh(W @ x)
L: loss = sum((u - y)**2)
"""


def test_spellings_join_indices_and_transposes() -> None:
    notation = Notation(Model.parse(TEXT))
    assert notation.latex(Ref("W")) == r"W_{\text{in}}"
    assert notation.latex(Ref("W", (Index("i"), Index("j")))) == r"W_{\text{in},i,j}"
    assert latex_name("W", (), r"\top", read_spelling(r"W_{\text{in}}")) == r"W^{\top}_{\text{in}}"
    assert notation.latex(Ref("V")) == r"\hat{V}'" and notation.latex(Ref("u")) == "s"
    assert notation.text(Ref("W")) == "W"


def test_a_report_with_spellings_and_bold_names_is_typeset() -> None:
    html = print_html(report(Model.parse(TEXT).derive(), bold=True))
    formulas = Page(html).formulas()
    assert any(r"W_{\text{in}}" in f for f in formulas) and any(r"\mathbf{x}" in f for f in formulas)
    assert not any(r"\mathbf{L}" in f for f in formulas)  # a scalar is not bold
    for formula in set(formulas):
        assert not complaint(formula), formula


@pytest.mark.parametrize(
    "spelled",
    [
        r"\input{x}", r"\write18{ls}", r"\def\x{}", r"\catcode`\@=11", "x$y", "x%", "x&y", "#1", "{", "}", "x}{y", "x__y", "x^{a}^{b}",
        r"\text{\input}", r"\text{a$b}", r"\text", r"\csname x\endcsname", r"\href{a}{b}", r"\\", "", "  ", "_x", "x" * 100, "x~y",
        r"\left(", "α", "\x00", r"\begin{x}", r"\hat", "x_{", "x_a b",
        "{x^a^b}", "{x^a'}", "{x'_a'}",
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused(spelled: str) -> None:
    with pytest.raises(DeriveError):
        read_spelling(spelled)


@given(
    st.lists(st.sampled_from([*(f"\\{c}" for c in sorted(COMMANDS)), *"{{}}^_xyW0' ,.$%&#~\\"]), max_size=8).map(
        "".join
    )
)
@example("x' '")
@example("{x^a}'")
@settings(max_examples=300, deadline=None)
def test_what_gets_through_is_one_formula(spelled: str) -> None:
    try:
        spelling = read_spelling(spelled)
    except DeriveError:
        return
    name = latex_name("x", ["i"], r"\top", spelling)
    assert name.count("{") == name.count("}") and not set(name) & set("$%&#~")
    assert not complaint(name), name


def test_the_error_shows_the_place() -> None:
    with pytest.raises(DeriveError) as caught:
        Model.parse(TEXT.replace(r"\hat{V}'", r"\input{V}"))
    assert caught.value.line == 7 and r"\input" in caught.value.message
    with pytest.raises(DeriveError, match="no name 'Q' to spell"):
        Model.parse(TEXT.replace("latex(u,", "latex(Q,"))


def test_without_spellings_nothing_changes() -> None:
    assert latex(Ref("W1")) == "W^{[1]}"
