"""A LaTeX source as a PDF, by latexmk, with nothing in reach of the source.

In: LaTeX of our own printer.  Out: the bytes of the PDF.
Invariant: the compiler runs in an empty folder of its own, without shell escape, reads and writes nothing
outside (`openin_any=p`, `openout_any=p`), and is ended with all its children after `TIME_LIMIT` seconds.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from derive.errors import DeriveError

TIME_LIMIT = 60.0
PACKAGES = (
    "install the packages latexmk, lmodern, texlive-latex-recommended, texlive-pictures; "
    "for Spanish texlive-lang-spanish too"
)
COMMAND = (
    "latexmk",
    "-norc",
    "-pdf",
    "-no-shell-escape",
    "-interaction=nonstopmode",
    "-halt-on-error",
    "report.tex",
)


def compile_pdf(tex: str, time_limit: float = TIME_LIMIT) -> bytes:
    """The PDF; DeriveError where TeX is missing, fails or takes too long."""
    return compile_with_log(tex, time_limit)[0]


def compile_with_log(tex: str, time_limit: float = TIME_LIMIT) -> tuple[bytes, str]:
    """The PDF, and the last run's log (which the tests read for overfull boxes)."""
    if not (shutil.which("latexmk") and shutil.which("pdflatex")):
        raise DeriveError("a PDF needs latexmk and pdflatex, which are not installed", hint=PACKAGES)
    with tempfile.TemporaryDirectory(prefix="derive-") as name:
        folder = Path(name)
        (folder / "report.tex").write_text(tex, encoding="utf-8")
        finished = _run(folder, time_limit)
        log_file = folder / "report.log"
        log = log_file.read_text(encoding="utf-8", errors="replace") if log_file.exists() else ""
        pdf = folder / "report.pdf"
        if not finished or not pdf.exists():
            raise DeriveError("LaTeX could not compile the report: " + _first_error(log), hint=_hint(log))
        return pdf.read_bytes(), log


def _run(folder: Path, time_limit: float) -> bool:
    """Run latexmk in its own process group; whether it ended well."""
    environment = {
        **os.environ,
        "openin_any": "p",
        "openout_any": "p",
        "shell_escape": "f",
        "max_print_line": "10000",  # one message, one line
        "TEXMFOUTPUT": str(folder),
    }
    process = subprocess.Popen(
        COMMAND,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(time_limit) == 0
    except subprocess.TimeoutExpired:
        raise DeriveError(f"LaTeX did not finish within {time_limit:g} seconds") from None
    finally:
        if process.poll() is None:  # also when the user interrupts: latexmk and the pdflatex it started
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _first_error(log: str) -> str:
    """The first line of the log that TeX marks as an error."""
    return next((line[2:] for line in log.splitlines() if line.startswith("! ")), "it left no log")


def _hint(log: str) -> str | None:
    return PACKAGES if "not found" in log else None
