"""Every page of every built-in model's report, looked at by a machine: ``python tests/benchmark/pages.py``.

Compiles each report (``--lang es``, ``--detail brief|full``, or the models named) and tells what a reader would stumble
over: a line wider than the page, a sign without a glyph, a reference to nothing, a formula shrunk below 80 %, a page
that is more than a third empty (with pdftoppm of poppler-utils alone).  Ends with 1 if it found anything.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from derive.model import Model
from derive.parse.files import builtin_names
from derive.render.latex_document import print_latex
from derive.render.pdf import compile_with_log
from derive.render.report import report

SMALLEST = 0.8  # of a formula that is scaled to the width of the page
EMPTIEST = 1 / 3  # of a page, the last one apart
TOP, BOTTOM = 0.07, 0.925  # of the paper, where the text begins and ends


def complaints(log: str) -> Iterator[str]:
    """What TeX's log tells of lines that are too wide, of missing signs and references, and of what was shrunk."""
    for line in log.splitlines():
        wide = re.match(r"Overfull \\hbox \(([\d.]+)pt", line)
        shrunk = re.match(r"derive: scaled from ([\d.]+)pt to ([\d.]+)pt", line)
        small = shrunk and float(shrunk[2]) < SMALLEST * float(shrunk[1])
        if small or (wide and float(wide[1]) > 0.5) or re.search(r"Missing character|undefined|multiply", line):
            yield line


def empty_pages(pdf: bytes) -> Iterator[str]:
    """The pages with too little on them."""
    if shutil.which("pdftoppm") is None:
        return
    drawn = subprocess.run(["pdftoppm", "-r", "20", "-gray"], input=pdf, capture_output=True, check=True).stdout
    pages = list(_pages(drawn))
    for number, page in enumerate(pages[:-1], 1):
        height = len(page)
        inked = np.flatnonzero((page[: int(BOTTOM * height)] < 200).any(axis=1))
        last = inked[-1] / height if len(inked) else TOP
        if (BOTTOM - last) / (BOTTOM - TOP) > EMPTIEST:
            yield f"page {number} of {len(pages)} is {(BOTTOM - last) / (BOTTOM - TOP):.0%} empty"


def _pages(drawn: bytes) -> Iterator[np.ndarray]:
    at = 0
    while header := re.compile(rb"P5\s+(\d+)\s+(\d+)\s+255\s").match(drawn, at):
        width, height = int(header[1]), int(header[2])
        yield np.frombuffer(drawn, np.uint8, width * height, header.end()).reshape(height, width)
        at = header.end() + width * height


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--lang", default="en")
    parser.add_argument("--detail", default="normal")
    parser.add_argument("--keep", type=Path, help="a folder for the PDFs")
    options = parser.parse_args()
    count = 0
    for name in options.models or builtin_names():
        pdf, log = compile_with_log(print_latex(report(Model.builtin(name).derive(), options.lang, options.detail)))
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / f"{name}.pdf").write_bytes(pdf)
        pages = re.search(r"Output written.*\((\d+) pages?", log)
        found = [*complaints(log), *empty_pages(pdf)]
        count += len(found)
        print(f"{name}: {pages[1] if pages else '?'} pages", *found, sep="\n    ", flush=True)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
