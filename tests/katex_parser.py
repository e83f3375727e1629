"""KaTeX in quickjs: does a formula parse, with every warning an error?"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from derive.render.katex import katex_script


@cache
def _context() -> Any:
    quickjs = pytest.importorskip("quickjs")
    context = quickjs.Context()
    context.eval(katex_script())
    context.eval(
        "var complaint = latex => { try { katex.renderToString(latex, {displayMode: true, throwOnError: true, "
        "strict: 'error', trust: false}); return ''; } catch (error) { return String(error); } }"
    )
    return context


def complaint(latex: str) -> str:
    """What KaTeX has to say against a formula; nothing where it parses."""
    return str(_context().eval(f"complaint({json.dumps(latex)})"))
