"""KaTeX for HTML pages: its script and its style sheet, ready to stand in a page or beside it.

In: the copy in `templates/katex/`.  Out: strings; the style sheet has its fonts inside, because a page
opened from a disk may not be allowed to load them (each file there is an origin of its own).
Invariant: nothing here refers to the network or to another file.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

from derive.resources import template_dir

SCRIPT, STYLE, LICENSE = "katex/katex.min.js", "katex/katex.min.css", "katex/LICENSE"


def shared_files() -> dict[str, str]:
    """What must stand beside pages printed with `katex="shared"`: path below the page's folder, content."""
    return {SCRIPT: katex_script(), STYLE: katex_style(), LICENSE: _read("LICENSE")}


@cache
def katex_script() -> str:
    return in_script(_read("katex.min.js"))


@cache
def katex_style() -> str:
    """The style sheet with every font as a data URL."""
    return re.sub(r"url\(([^)]*)\)", lambda m: f"url({_data_url(_folder() / m[1])})", _read("katex.min.css"))


def in_script(code: str) -> str:
    r"""JavaScript that may stand in a `<script>` element, whatever its strings contain.

    >>> in_script("a = '</script>'")
    "a = '<\\/script>'"
    """
    return re.sub(r"</(?=script)", r"<\\/", code, flags=re.IGNORECASE).replace("<!--", r"<\!--")


def content_hash(code: str) -> str:
    """The source expression that allows exactly this inline script in a Content-Security-Policy."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() + "'"


def _folder() -> Path:
    return template_dir() / "katex"


def _read(name: str) -> str:
    return (_folder() / name).read_text(encoding="utf-8")


def _data_url(font: Path) -> str:
    return "data:font/woff2;base64," + base64.b64encode(font.read_bytes()).decode()
