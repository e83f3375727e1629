"""The page in a real browser: what a reader can do with pointer and keyboard, and that nothing is fetched or goes wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from html_page import Page

from derive.check.complex_step import complex_step_gradient
from derive.check.example import example_numbers
from derive.commands.documents import page, told
from derive.emit.formula import numpy_formula
from derive.model import Model
from derive.render.html_document import print_html
from derive.render.report_example import shown

NEEDS_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def report_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file, model = tmp_path_factory.mktemp("pages") / "two-layer.html", Model.builtin("two-layer")
    file.write_text(page(told(model), model), encoding="utf-8")
    return file


def opened(browser: Browser, file: Path, width: int = 1280, dark: bool = False) -> Browser:
    browser.run("try { localStorage.clear(); } catch {}")  # what the test before chose
    browser.complaints.clear()
    browser.open(file, width, dark=dark)
    return browser


@NEEDS_BROWSER
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_page_is_whole_and_fits_the_screen(browser: Browser, report_file: Path, width: int, dark: bool) -> None:
    seen = opened(browser, report_file, width, dark)
    formulas = len(Page(report_file.read_text(encoding="utf-8")).formulas())
    assert seen.run("document.querySelectorAll('.math > .katex').length") == formulas > 200
    assert seen.run("document.querySelectorAll('.katex-error').length") == 0
    assert seen.run("document.documentElement.scrollWidth <= innerWidth")
    assert seen.complaints == []


@NEEDS_BROWSER
def test_a_click_on_a_node_or_an_edge_opens_its_derivation(browser: Browser, report_file: Path) -> None:
    seen = opened(browser, report_file)
    for anchor in ("step-z1", "local-a1-z1"):
        seen.run("document.querySelectorAll('details').forEach(d => { d.open = false; })")
        link = f'#figure-graph a[href="#{anchor}"]'
        seen.run(f"document.querySelector('{link}').dispatchEvent(new MouseEvent('click', {{bubbles: true}}))")
        seen.run("new Promise(done => setTimeout(done, 50))")
        assert seen.run(f"document.getElementById('{anchor}').open"), anchor
        assert seen.run("document.querySelector('.found').id") == anchor
    assert seen.complaints == []


@NEEDS_BROWSER
def test_a_sign_and_a_node_say_what_they_are(browser: Browser, report_file: Path) -> None:
    seen = opened(browser, report_file)
    assert seen.run("document.getElementById('card').hidden")
    for place in (".formula [data-symbol=symbol-a1]", "#figure-graph g[data-quantity=a1] a"):
        seen.run(f"document.querySelector('{place}').dispatchEvent(new PointerEvent('pointerover', {{bubbles: true}}))")
        card = "document.getElementById('card')"
        assert not seen.run(f"{card}.hidden")
        assert seen.run(f"{card}.querySelector('dt .math').dataset.latex") == "a^{[1]}"
        assert (
            seen.run(f"{card}.querySelectorAll('dd')[1].querySelector('.math').dataset.latex")
            == r"a^{[1]} = \tanh(z^{[1]})"
        )
        seen.press("Escape", 27)
        assert seen.run(f"{card}.hidden")
    seen.run("document.querySelector('#figure-graph g[data-quantity=z2] a').focus()")
    assert seen.run("document.querySelector('#card dt .math').dataset.latex") == "z^{[2]}"


@NEEDS_BROWSER
def test_the_arrow_keys_go_through_the_signs_of_a_line(browser: Browser, report_file: Path) -> None:
    seen = opened(browser, report_file)
    line = "Array.from(document.querySelectorAll('.result .line')).at(-1)"
    seen.run(f"{line}.querySelector('button.copy').focus()")
    told = []
    for key, code in (("ArrowRight", 39), ("ArrowRight", 39), ("ArrowLeft", 37), ("ArrowLeft", 37)):
        seen.press(key, code)
        assert not seen.run("document.getElementById('card').hidden")
        told.append(seen.run("document.querySelector('#card dt .math').dataset.latex"))
    signs = seen.run(f"Array.from({line}.querySelectorAll('[data-symbol]'), s => s.dataset.symbol)")
    assert len(signs) >= 4 and signs[-2:] == ["symbol-a2", "symbol-y"]
    assert told == ["b^{[2]}", "L", "b^{[2]}", "y"] and seen.run("document.querySelectorAll('.told-of').length") == 1
    assert seen.run("document.getElementById('card').role") == "status"  # a screen reader says it
    seen.press("Escape", 27)
    assert seen.run("document.getElementById('card').hidden")
    seen.run("document.activeElement.blur()")
    assert seen.run("document.querySelectorAll('.told-of').length") == 0
    assert seen.complaints == []


@NEEDS_BROWSER
def test_steps_fold_to_brief_normal_and_full(browser: Browser, report_file: Path) -> None:
    seen = opened(browser, report_file)
    lines = "Array.from(document.querySelectorAll('.derivation .line')).filter(l => l.offsetParent !== null).length"
    counts = []
    for detail in ("brief", "normal", "full"):
        seen.run(f"document.querySelector('#tools [data-detail={detail}]').click()")
        assert (
            seen.run(f"document.querySelector('#tools [data-detail={detail}]').getAttribute('aria-pressed')") == "true"
        )
        counts.append(seen.run(lines))
    assert counts[0] < counts[1] < counts[2]


@NEEDS_BROWSER
def test_the_slider_walks_back_through_the_graph(browser: Browser, report_file: Path) -> None:
    seen = opened(browser, report_file)
    model = Model.builtin("two-layer")
    numbers = example_numbers(model)
    assert numbers is not None
    seen.run("document.querySelector('.walk input').focus()")
    order = []
    for _ in range(int(seen.run("document.querySelector('.walk input').max"))):
        seen.press("ArrowRight", 39)
        order.append(seen.run("document.querySelector('tr.here').dataset.quantity"))
        assert order[-1] == seen.run("document.querySelector('#figure-example g.here').dataset.quantity")
    computed = [e.name for e in model.equations]
    assert order[:5] == computed and order[5:10] == computed[::-1]
    assert set(order[10:]) == set(model.parameters)
    last = seen.run("document.querySelector('.told').textContent")
    assert "backwards" in last
    value = f"document.querySelector('#table-example tr[data-quantity={order[-1]}]').cells[2].querySelector('.math').dataset.latex"
    adjoint = numbers.adjoints[order[-1]]
    assert isinstance(adjoint, float) and seen.run(value) == shown(adjoint, "en").latex


@NEEDS_BROWSER
def test_a_formula_is_copied_in_three_ways_by_keyboard(browser: Browser, report_file: Path) -> None:
    seen = opened(browser, report_file)
    line = "Array.from(document.querySelectorAll('.result .line')).at(-1)"
    seen.run(f"{line}.querySelector('button.copy').focus()")
    found = {}
    for steps in range(3):
        seen.press("Enter", 13, "\r")
        for _ in range(steps):
            seen.press("ArrowDown", 40)
        name = seen.run("document.activeElement.textContent")
        seen.press("Enter", 13, "\r")
        seen.run("new Promise(done => setTimeout(done, 50))")
        found[name] = seen.run("document.documentElement.dataset.copied")
    assert found == {"LaTeX": "a^{[2]} - y", "NumPy": "a2 - y", "Model language": "a2 - y"}
    assert seen.complaints == []


@NEEDS_BROWSER
def test_light_and_dark_are_legible(browser: Browser, report_file: Path) -> None:
    seen = opened(browser, report_file)
    colours = "['color', 'backgroundColor'].map(c => getComputedStyle(document.body)[c])"
    light = seen.run(colours)
    seen.run("document.getElementById('theme').click()")
    dark = seen.run(colours)
    assert light != dark
    for ink, ground in (light, dark):
        assert _contrast(ink, ground) > 7
    quiet = "getComputedStyle(document.querySelector('.note')).color"
    assert _contrast(seen.run(quiet), dark[1]) > 4.5


def _contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(c) / 255 for c in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def test_without_scripts_the_tools_stay_hidden() -> None:
    html = print_html(told(Model.builtin("logistic")))
    elements = {attrs["id"]: attrs for _, attrs in Page(html).elements if "id" in attrs}
    assert elements["tools"]["data-copy"] == "Copy" and elements["tools"]["data-walk"] == "Walk through the graph"
    assert "hidden" in elements["tools"] and "hidden" in elements["symbols"]
    assert "figure-example" in elements and "table-example" in elements


@pytest.mark.parametrize("name", ["two-layer", "svm", "matrix-factorization"])
def test_the_example_has_the_derivatives_of_the_equations(name: str) -> None:
    """What flows back along a node's edges adds up to its derivative, here taken by differences of the loss."""
    model = Model.builtin(name)
    numbers = example_numbers(model)
    assert numbers is not None
    given = {n: v for n, v in numbers.values.items() if n in model.variables}
    for source in {s for s, _ in numbers.along}:
        backwards = sum(value for (s, _), value in numbers.along.items() if s == source)
        assert backwards == pytest.approx(float(complex_step_gradient(model, given, source)), abs=1e-9)


def test_a_formula_in_numpy_means_the_same() -> None:
    import numpy as np

    text = "h: size; w_1: parameter; W: parameter[h, h]; x: input[h]; t: input; z = w_1*t + sum(W @ x); a = tanh(z); L: loss = a"
    say = partial(numpy_formula, model=Model.parse(text.replace("; ", "\n")))
    code = say("D(L, z)*w_1*(1 - a**2)/exp(-t)")
    assert code is not None
    values = {"d_z": 0.3, "w_1": -1.2, "a": 0.4, "t": 0.7}
    assert eval(code, {"np": np, **values}) == pytest.approx(0.3 * -1.2 * (1 - 0.16) * np.exp(0.7))
    assert say("sum(W[i, j]*x[j], j)") == "W @ x" and say("norm(x)") == "np.linalg.norm(x)"
    assert say("D(a, z)*D(L, a)") == "da_dz * d_a"  # a derivative of the graph is none of the loss
    assert say("D(w_1*t, w_1)") == "t"
    shifted = say("where(i > 0, x[i - 1], 0)*W[i, j]") or ""
    W, x = np.arange(4.0).reshape(2, 2), np.array([3.0, 5.0])
    np.testing.assert_allclose(eval(shifted, {"np": np, "W": W, "x": x}), [[0, 0], [3 * 2, 3 * 3]])
    assert (say("softmax(x) - x") or "").endswith("\n\n_softmax(x, axis=-1) - x")
    space: dict[str, object] = {"np": np, "x": np.array([-800.0, 0.5])}
    *helpers, last = (say("1 - sigmoid(x)") or "").split("\n\n")
    exec("\n\n".join(helpers), space)
    np.testing.assert_allclose(eval(last, space), [1, 1 - 1 / (1 + np.exp(-0.5))])
