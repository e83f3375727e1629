"""The pages of reports as TeX sets them: nothing is wider than the page, and fragments stand in another's document."""

from __future__ import annotations

import re
import shutil
from functools import cache

import pytest

from derive.model import Model
from derive.parse.files import builtin_names
from derive.render.document import Derivation, Document
from derive.render.latex_document import print_fragment, print_latex
from derive.render.pdf import compile_with_log
from derive.render.report import report

NEEDS_TEX = pytest.mark.skipif(
    not (shutil.which("latexmk") and shutil.which("pdflatex")), reason="latexmk and pdflatex are not installed"
)

_TERMS = " + ".join(f"a_very_long_name_{k}*sin(another_long_name_{k}*x)" for k in range(9))
NASTY = (
    f"z = {_TERMS}\n"
    + "u = exp(a_very_long_name_0*z + another_long_name_1*(x - exp(-(x + y)/(1 + exp(x*y)))))\n"
    + "v = sin(cos(sin(cos(sin(cos(u*y + another_long_name_1*(x - y)))))))\n"
    + "L = (z - u*v)**2\n"
)


@cache
def document(name: str) -> Document:
    model = Model.parse(NASTY, "nasty", implicit=True) if name == "nasty" else Model.builtin(name)
    return report(model.derive())


def complaints(tex: str) -> list[str]:
    _, log = compile_with_log(tex)
    return [line for line in log.splitlines() if re.match(r"Overfull|Missing character", line)]


@NEEDS_TEX
def test_no_line_of_any_model_is_wider_than_the_page() -> None:
    head, tail = print_latex(Document("All models", ())).split(r"\begin{document}")
    bodies = [print_latex(document(name), fragment=True) for name in (*builtin_names(), "nasty")]
    assert complaints("\n".join([head, r"\begin{document}", *bodies, tail.split("\n\n")[-1]])) == []


@NEEDS_TEX
def test_fragments_stand_in_a_plain_article() -> None:
    fragments = [print_fragment(document(name)) for name in ("logistic", "softmax-regression")]
    head = r"\documentclass{article}\usepackage{amsmath,amssymb,mathtools,tikz}\begin{document}"
    assert complaints("\n".join([head, *fragments, r"\end{document}"])) == []


def test_a_fragment_brings_its_macros_and_no_preamble() -> None:
    fragment = print_fragment(document("chain"))
    assert r"\newcommand\deriveline" in fragment and r"\usepackage{" in fragment.split("\n")[2]
    assert not re.search(r"^\\(documentclass|usepackage|begin\{document\})", fragment, re.MULTILINE)


def test_normal_joins_small_steps_and_no_more() -> None:
    steps = {d: [b for b in report(Model.builtin("mlp").derive(), "en", d).blocks if isinstance(b, Derivation)]
             for d in ("normal", "full")}  # fmt: skip
    normal, full = (sum(len(block.lines) for block in blocks) for blocks in steps.values())
    assert normal < 0.75 * full
    for short, long in zip(steps["normal"], steps["full"], strict=True):
        shown = {line.latex for line in long.lines}
        assert short.lines[-1].latex in shown
