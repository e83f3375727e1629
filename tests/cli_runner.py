"""Running `derive` in a test: in this process, and as a process of its own; golden texts of what it prints."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from derive.cli import main

GOLDEN = Path(__file__).parent / "golden" / "cli"
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


def derive(*args: str, stdin: str | bytes | None = None) -> Outcome:
    """`derive` with these arguments; an error that no user should see fails the test."""
    result = CliRunner(env={"DERIVE_DEBUG": "1"}).invoke(main, list(args), input=stdin, prog_name="derive")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert "Traceback" not in result.output
    return Outcome(result.exit_code, result.stdout, result.stderr)


def process(*args: str | bytes, cwd: Path, stdin: bytes = b"", **options: object) -> subprocess.CompletedProcess[bytes]:
    """`python -m derive` as a process of its own."""
    command = [sys.executable, "-m", "derive", *args]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    kept = {"capture_output": True, **options}
    return subprocess.run(command, cwd=cwd, env=environment, input=stdin, timeout=120, check=False, **kept)  # type: ignore[call-overload, no-any-return]


@contextmanager
def interruptible(command: list[str], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process that control-C ends, even where the tests themselves run in the background; killed at the latest here."""
    running = subprocess.Popen(  # type: ignore[call-overload]
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )
    with running:
        try:
            yield running
        finally:
            running.kill()


def check_golden(name: str, outcome: Outcome) -> None:
    """Compare with ``golden/cli/NAME.txt``; DERIVE_UPDATE=1 rewrites it.  Rounding errors are not compared."""
    told = f"{outcome.out}[standard error]\n{outcome.err}[exit code {outcome.code}]\n"
    told = re.sub(r"(worst (relative )?error) [\d.e+-]+", r"\1 …", told)
    told = re.sub(r"(relative, in) \w+", r"\1 …", told)
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("DERIVE_UPDATE"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(told, encoding="utf-8")
    assert golden.is_file(), f"no golden text {golden}: run pytest with DERIVE_UPDATE=1"
    assert told == golden.read_text(encoding="utf-8")
