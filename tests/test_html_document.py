"""The HTML page: well-formed, offline, with every formula set; hostile words are only words.

KaTeX runs in `quickjs`, the page in headless Chromium, each where it is installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import typing
from pathlib import Path

import pytest
from html_page import Page, page
from sample_document import HOSTILE, sample

from derive.render.document import RELATIONS
from derive.render.html_document import print_html
from derive.render.katex import katex_script, shared_files
from derive.render.latex_break import pieces
from derive.render.markdown_document import print_markdown
from derive.resources import template_dir

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NEEDS_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.mark.parametrize("hostile", ["", HOSTILE])
def test_html_is_well_formed_and_linked(hostile: str) -> None:
    parsed = page(hostile)
    ids = parsed.ids()
    assert len(ids) == len(set(ids))
    links = [attrs["href"] or "" for tag, attrs in parsed.elements if tag == "a"]
    blocks = [href[1:] for href in links if not href.startswith("#step-")]
    assert set(blocks) <= set(ids), "a link leads nowhere"
    assert ("html", {"lang": "en"}) in parsed.elements
    assert {"nav", "main", "figcaption", "caption", "h1", "details"} <= {tag for tag, _ in parsed.elements}


def test_hostile_words_are_only_words_in_html() -> None:
    parsed = page(HOSTILE, "es")
    assert HOSTILE in "".join(parsed.text)
    assert [tag for tag, _ in parsed.elements].count("script") == 2
    assert "49" not in "".join(parsed.text).split("{{7*7}}")[0]


def test_html_needs_no_network() -> None:
    html = print_html(sample())
    policy = next(a["content"] for t, a in Page(html).elements if t == "meta" and "http-equiv" in a)
    assert policy is not None and policy.startswith("default-src 'none'") and "http" not in policy
    assert not re.search(r"""(?:src|href)=["'](?!#)""", html.split("</head>")[0])
    assert not re.search(r"url\((?!data:)", html)


def test_without_scripts_the_latex_is_shown() -> None:
    assert r"\(\frac{\partial L}{\partial z}\)" in "".join(page().text)


def test_a_shared_page_links_to_its_two_files() -> None:
    html = print_html(sample(), katex="shared")
    assert len(html) < 60_000
    for name in ("katex/katex.min.js", "katex/katex.min.css"):
        assert f'"{name}"' in html and name in shared_files()


def test_the_vendored_fonts_are_those_of_the_style_sheet() -> None:
    folder = template_dir() / "katex"
    named = re.findall(r"url\(([^)]*)\)", (folder / "katex.min.css").read_text(encoding="utf-8"))
    assert sorted(named) == sorted(f"fonts/{path.name}" for path in (folder / "fonts").iterdir())


def test_every_formula_parses_in_katex() -> None:
    quickjs = pytest.importorskip("quickjs")
    context = quickjs.Context()
    context.eval(katex_script())
    render = context.eval(
        "(latex => katex.renderToString(latex, {displayMode: true, strict: 'ignore'}).length)"
    )
    displays = re.findall(r"\$\$\n(.*?)\n\$\$", print_markdown(sample(hostile=HOSTILE)), re.DOTALL)
    formulas = {*page(HOSTILE).formulas(), *displays, *RELATIONS.values()}
    assert len(formulas) > 40
    for latex in sorted(formulas):
        assert render(latex) > 100
    for latex in page().formulas():
        assert all(render("{}" + piece.latex) for piece in pieces(latex) if piece.latex.strip())


@NEEDS_BROWSER
@pytest.mark.parametrize("katex", ["embedded", "shared"])
def test_the_page_typesets_itself_in_a_browser(
    tmp_path: Path, katex: typing.Literal["embedded", "shared"]
) -> None:
    html = print_html(sample(HOSTILE, "en", HOSTILE), katex=katex)
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    for name, content in shared_files().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--dump-dom"]
    logging = ["--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [str(CHROMIUM), *options, *logging, (tmp_path / "page.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "CONSOLE" not in done.stderr, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert done.stdout.count('class="katex"') == len(Page(html).formulas()) > 40
    assert "katex-error" not in done.stdout.split("<main>")[1].split("</main>")[0]
