"""`derive explain` and the terminal: what is printed, key by key where a person reads, in colour there alone."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from derive.commands.terminal import steps
from derive.model import Model
from derive.render.catalogue import Words
from derive.render.document import Derivation
from derive.render.explanation import explanation
from derive.render.report import report
from derive.render.text_document import print_text
from tests.cli_runner import ROOT, check_golden, derive

ESCAPE = "\x1b["


def in_terminal(*args: str, keys: str = "", pause: str = "", **environment: str) -> str:
    """What `derive` writes when a terminal is at both its ends; a key is pressed each time `pause` is asked for."""
    ours, theirs = pty.openpty()
    settings = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "96", **environment}
    command = [sys.executable, "-m", "derive", *args]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=settings, cwd=ROOT)
    os.close(theirs)
    read, pressed, end = "", 0, time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                read += os.read(ours, 65536).decode()
            except OSError:  # the other end is closed
                break
        elif process.poll() is not None:
            break
        if pressed < len(keys) and read.count(pause) > pressed:
            time.sleep(0.05)  # until it waits for the key
            os.write(ours, keys[pressed].encode())
            pressed += 1
    os.close(ours)
    assert process.wait(10) == 0
    return read.replace("\r\n", "\n")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize(("name", "args"), [
    ("explain-logistic", ("logistic", "dL/dw_1")),
    ("explain-es", ("two-layer", "∂L/∂w₂", "--lang", "es")),
    ("explain-tensor", ("softmax-regression", "W", "--detail", "full")),
    ("explain-node", ("linear-regression", "dL/dy_hat")),
    ("explain-implicit", ("-e", "z = 3*w; L = z**2", "dL/dw")),
    ("explain-zero", ("-e", "u: parameter; w: parameter; L: loss = w**2", "u")),
    ("wrong-explain-name", ("logistic", "dL/dww_1")),
    ("wrong-explain-loss", ("logistic", "da/dz")),
    ("wrong-explain-itself", ("logistic", "dL/dL")),
    ("wrong-explain-nothing", ("logistic",)),
])  # fmt: skip
def test_what_is_printed(name: str, args: tuple[str, ...]) -> None:
    check_golden(name, derive("explain", *args))


def test_every_formula_is_one_of_the_report() -> None:
    """Nothing is told that the derivation does not hold, and nothing of another path."""
    derived = Model.builtin("two-layer").derive()
    told = [b for b in explanation(derived, "w1_1").blocks if isinstance(b, Derivation)]
    whole = {b.left.text: [line.text for line in b.lines] for b in report(derived).blocks if isinstance(b, Derivation)}
    assert all(line.text in whole[b.left.text] for b in told for line in b.lines[-1:])
    lefts = [b.left.text for b in told]
    assert "∂z^[1]/∂w^[1]₁" in lefts and "∂z^[1]/∂w^[1]₂" not in lefts and "∂L/∂w^[2]" not in lefts


@pytest.mark.parametrize("model", ["chain", "two-layer", "mlp", "svm"])
def test_the_steps_are_the_whole_text(model: str) -> None:
    found = Model.builtin(model)
    name = (*found.parameters, *found.variables)[0]
    text = print_text(explanation(found.derive((name,)), name))
    pieces = steps(text)
    assert "".join(pieces) == text
    assert all(piece.strip() for piece in pieces)
    assert max(piece.count(" = ") for piece in pieces) <= 8  # a box is shown at once


def test_step_by_step_at_the_press_of_a_key() -> None:
    prompt = Words("en")["next step"]
    whole = derive("explain", "quadratic", "x").out
    pieces = steps(whole)
    everything = in_terminal("explain", "quadratic", "x", keys=" " * (len(pieces) - 1), pause=prompt, NO_COLOR="1")
    assert everything.count(prompt) == len(pieces) - 1
    shown = everything.replace(prompt, "").replace("\r", "")
    assert [line.strip() for line in shown.split("\n") if line.strip()] == [
        line.strip() for line in whole.split("\n") if line.strip()
    ]


def test_q_ends_it() -> None:
    prompt = Words("en")["next step"]
    shown = in_terminal("explain", "quadratic", "x", keys=" q", pause=prompt)
    assert shown.count(prompt) == 2
    assert steps(derive("explain", "quadratic", "x").out)[-1].strip() not in plain(shown)


def test_into_a_pipe_everything_is_printed_at_once_and_plain(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "derive", "explain", "quadratic", "x"]
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=settings, stdin=subprocess.DEVNULL)
    assert done.stdout == derive("explain", "quadratic", "x").out
    assert ESCAPE not in done.stdout


def test_gradient_is_coloured_on_a_terminal_alone() -> None:
    piped = derive("gradient", "logistic").out
    coloured = in_terminal("gradient", "logistic")
    assert ESCAPE not in piped
    assert ESCAPE in coloured and "\x1b[1m" in coloured and "\x1b[36m" in coloured
    assert plain(coloured).strip() == piped.strip()


def test_no_color_is_honoured() -> None:
    assert ESCAPE not in in_terminal("gradient", "quadratic", NO_COLOR="1")
    assert ESCAPE not in in_terminal("gradient", "quadratic", TERM="dumb")


def test_what_stands_in_the_loss_alone_is_derived_once():
    text = print_text(explanation(Model.builtin("logistic").derive(), "w_1"))
    assert text.count("∂L/∂a = ") == 1
