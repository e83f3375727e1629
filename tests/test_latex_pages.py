"""The pages of reports as TeX sets them: nothing is wider than the page, and fragments stand in another's document."""

from __future__ import annotations

import re
import shutil
from functools import cache

import pytest

from derive.model import Model
from derive.render.document import Derivation, Document
from derive.render.latex_document import print_fragment, print_latex
from derive.render.latex_stack import alternatives
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
# Those with the widest formulas; `tests/benchmark/pages.py` compiles all models.
SAMPLE = ("two-layer", "siamese", "ppo", "attention", "autoencoder", "ordinal-regression")
SCALED = re.compile(r"derive: scaled from ([\d.]+)pt to ([\d.]+)pt")


@cache
def document(name: str) -> Document:
    model = Model.parse(NASTY, "nasty", implicit=True) if name == "nasty" else Model.builtin(name)
    return report(model.derive())


def complaints(tex: str) -> list[str]:
    """What is wider than the page or has no glyph, refers to nothing, or was shrunk until it is hard to read."""
    _, log = compile_with_log(tex)
    return [
        line
        for line in log.splitlines()
        if re.match(r"Overfull|Missing character|.*undefined", line)
        or ((sizes := SCALED.match(line)) and float(sizes[2]) < 0.8 * float(sizes[1]))
    ]


@NEEDS_TEX
def test_no_line_is_wider_than_the_page() -> None:
    head, tail = print_latex(Document("All models", ())).split(r"\begin{document}")
    bodies = [print_latex(document(name), fragment=True) for name in SAMPLE]
    assert complaints("\n".join([head, r"\begin{document}", *bodies, tail.split("\n\n")[-1]])) == []


WIDE = r"\frac{\left(a + b\right) \left(c + d\right) - \left(e + f\right) \left(g + h\right)}{\left(a + b\right)^{2}}"


@NEEDS_TEX
def test_what_breaks_nowhere_is_scaled_to_the_width_of_the_page() -> None:
    found = complaints(print_latex(document("nasty")))
    assert not [line for line in found if not SCALED.match(line)]


@pytest.mark.parametrize(
    "latex",
    [
        WIDE,
        rf"\begin{{cases}} {WIDE}, & t > 0 \\[9pt] \displaystyle 0, & t \leq 0 \end{{cases}}",
        r"-A \left(\left(\begin{cases} a + b, & x < y \\ c, & \text{otherwise} \end{cases}\right) u + v\right)",
        r"\left.\frac{\partial L}{\partial z}\right|_{a} (x + y) [i = j]",
    ],
)
def test_what_is_too_wide_is_set_on_two_lines_and_says_the_same(latex: str) -> None:
    first, *others = alternatives(latex)
    assert first == latex
    for one in others:
        assert one.count("{") == one.count("}") and one.count(r"\left") == one.count(r"\right")
        assert one.count(r"\begin{") == one.count(r"\end{")
        bare = re.sub(r"\\(begin|end)\{aligned\}|\\\\ & \\q?quad \{\}(\\cdot (?=\\left|[(\[]))?|& (?=\\|[a-z(\[])", "", one)
        assert _signs(bare) == _signs(latex)


def _signs(latex: str) -> str:
    return re.sub(r"\s|&|\\quad|\\qquad|\{\}|\\\\(?!\[)", "", latex)


def test_what_cannot_be_parted_stays() -> None:
    assert alternatives(r"\sigma(z)") == (r"\sigma(z)",)
    assert alternatives(r"\frac{\partial L}{\partial z}") == (r"\frac{\partial L}{\partial z}",)


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
