"""A run that is stopped at any moment goes on with `--resume` to the same bits as one that was not."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runner import ROOT, derive

from derive.check.gradients import Comparison
from derive.errors import DeriveError
from derive.model import Model
from derive.train import run as running
from derive.train.batches import noises
from derive.train.folder import MANIFEST, open_folder
from derive.train.history import Thinned
from derive.train.run import Options
from derive.train.state import Best, State, dump_state, load_state
from derive.train.steps import FastSteps

NOISY = """
x_1: input
x_2: input
y: target
w_1: parameter
w_2: parameter
e: noise = normal()
z = w_1*(x_1 + e) + w_2*x_2
a: output = sigmoid(z)
L: loss = -y*log(a) - (1 - y)*log(1 - a)
"""

# A process that trains alone: what comes before (derivation, proof, check) is the same each time, and tested elsewhere.
ALONE = """
import sys
from pathlib import Path
from derive.derivation import Derivation
from derive.model import Model
from derive.train import run as running
from derive.check.gradients import Comparison
Derivation.prove = lambda self: self
running._checked = lambda *args: Comparison(0.0, "w", 1, 1)
running.count_proofs = lambda derivation: {}
running._write_derivation = lambda *args: {}
options = running.Options(data="breast_cancer", epochs=int(sys.argv[2]), batch_size=7, lr=0.05, validation=0.1, folder="out",
                          checkpoint=0.0, resume=True)
running.run(Model.parse(Path(sys.argv[1]).read_text()), options, lambda message: None)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "noisy.model").write_text(NOISY)
    return tmp_path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without proofs and reports."""
    monkeypatch.setattr("derive.derivation.Derivation.prove", lambda self: self)
    monkeypatch.setattr(running, "_checked", lambda *args: Comparison(0.0, "w", 1, 1))
    monkeypatch.setattr(running, "count_proofs", lambda derivation: {})
    monkeypatch.setattr(running, "_write_derivation", lambda *args: {})


def results(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def train_alone(where: Path, epochs: int, kill_at: int | None = None, delay: float = 0.0) -> int:
    """The exit code of a process that trains; it is killed a little after a checkpoint tells the given epoch."""
    where.mkdir(exist_ok=True)
    command = [sys.executable, "-c", ALONE, str(where.parent / "noisy.model"), str(epochs)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=where, env=environment) as process:
        while kill_at is not None and process.poll() is None:
            found = load_state(where / "out" / "checkpoint.npz")  # it is whole whenever one looks
            if found is not None and found[0].epoch >= kill_at:
                time.sleep(delay)
                process.kill()
                break
        return process.wait(60)


def test_a_run_killed_at_random_moments_ends_with_the_same_bits(here: Path) -> None:
    epochs, chance = 200, random.Random(4)
    assert train_alone(here / "whole", epochs) == 0
    for kill_at in (1, 30, 60, 90):
        code = train_alone(here / "part", epochs, kill_at + chance.randrange(10), 0.02 * chance.random())
        assert code == -signal.SIGKILL  # otherwise the test shows nothing
    assert train_alone(here / "part", epochs) == 0
    assert results(here / "part" / "out") == results(here / "whole" / "out")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_size": 10, "dtype": "float32"},
        {"validation": 0.2, "patience": 50},
        {"report": 4, "batch_size": 10},
        {"report": 7, "validation": 0.2},
        {"report": 40, "rule": {"optimizer": "adam"}},
    ],
)
def test_more_epochs_continue_a_finished_run(here: Path, quick: None, options: dict[str, Any]) -> None:
    def trained(epochs: int, folder: str, resume: bool = False) -> None:
        whole = Options(data="breast_cancer", epochs=epochs, folder=folder, resume=resume, **options)
        running.run(Model.builtin("logistic"), whole, lambda message: None)

    trained(30, "whole")
    trained(11, "parts")
    assert results(here / "parts") != results(here / "whole")
    trained(30, "parts", resume=True)
    assert results(here / "parts") == results(here / "whole")
    trained(30, "parts", resume=True)  # nothing is left to be done
    assert results(here / "parts") == results(here / "whole")


@pytest.mark.parametrize("batch_size", [None, 50])
def test_epochs_that_are_not_told_change_nothing_and_compute_no_loss(
    here: Path, quick: None, batch_size: int | None
) -> None:
    asked: list[bool] = []

    def trained(folder: str, report: int | None) -> Any:
        asked.clear()
        options = Options(data="breast_cancer", epochs=11, batch_size=batch_size, folder=folder, report=report)
        return running.run(Model.builtin("logistic"), options, lambda message: None).training

    def recorded(steps: FastSteps, number: int, report: bool) -> float:
        asked.append(report)
        return epoch(steps, number, report)

    epoch = FastSteps.epoch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FastSteps, "epoch", recorded)
        every, some = trained("every", None), trained("some", 4)
    assert asked == [number in (4, 8, 11) for number in range(1, 12)]
    assert some.params == every.params
    assert some.history == [row for row in every.history if row["epoch"] in (4, 8, 11)]


def test_a_run_with_noise_does_what_the_module_does_by_itself(here: Path, quick: None) -> None:
    model = Model.parse(NOISY, "noisy")
    data = examples()
    np.savez(here / "data.npz", **data)
    options = Options(data="data.npz", epochs=5, batch_size=8, folder="out", test_fraction=0.0, standardise=False)
    found = running.run(model, options, lambda message: None).training
    module = model.derive().compile(style="fast")
    params, history = module.train(data, epochs=5, batch_size=8)
    assert found.params == params
    assert [row["loss"] for row in found.history] == [row["loss"] for row in history]


def examples() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x_1, x_2 = rng.normal(size=(2, 60))
    return {"x_1": x_1, "x_2": x_2, "y": (x_1 > 0.2 * x_2).astype(float)}


RULES: list[dict[str, Any]] = [
    {"optimizer": "adam", "schedule": "warm-up,cosine", "clip_norm": 0.5},
    {"optimizer": "nesterov", "weight_decay": 0.01},
    {"optimizer": "lbfgs"},
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("batch_size", [None, 50])
def test_a_run_does_what_the_module_does_by_itself(
    here: Path, quick: None, rule: dict[str, Any], batch_size: int | None
) -> None:
    if rule["optimizer"] == "lbfgs" and batch_size:
        return
    seen: dict[str, Any] = {}

    def recorded(trainer: Any, folder: Any, say: Any) -> State:
        seen["module"], seen["data"] = trainer.module, trainer.prepared.train.whole()
        return start(trainer, folder, say)

    start = running._Trainer.start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running._Trainer, "start", recorded)
        options = Options(data="breast_cancer", epochs=12, rule=rule, batch_size=batch_size, folder="out")
        found = running.run(Model.builtin("logistic"), options, lambda message: None).training
    size = {"batch_size": batch_size} if batch_size else {}
    params, history = seen["module"].train(seen["data"], epochs=12, **size)
    assert found.params == params
    assert [row["loss"] for row in found.history] == pytest.approx([row["loss"] for row in history], rel=1e-12)


@pytest.mark.parametrize("rule", RULES[:2])
def test_the_state_of_an_optimiser_is_continued(here: Path, quick: None, rule: dict[str, Any]) -> None:
    """Killed after the seventh epoch: the checkpoint is what counts."""
    options: dict[str, Any] = {"data": "breast_cancer", "epochs": 20, "batch_size": 30, "rule": rule, "checkpoint": 0.0}

    def killed(trainer: Any, folder: Any, state: State, told: Any) -> None:
        save(trainer, folder, state, told)
        if state.epoch == 7:
            raise MemoryError

    save = running._Trainer._save
    running.run(Model.builtin("logistic"), Options(**options, folder="whole"), lambda message: None)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(running._Trainer, "_save", killed)
        running.run(Model.builtin("logistic"), Options(**options, folder="parts"), lambda message: None)
    running.run(Model.builtin("logistic"), Options(**options, folder="parts", resume=True), lambda message: None)
    assert results(here / "parts") == results(here / "whole")


def test_what_scipy_does_cannot_be_continued(here: Path) -> None:
    done = derive("run", "logistic", "--optimizer", "lbfgs", "--resume")
    assert (done.code, "takes no --resume" in done.err) == (2, True)


def test_a_model_without_data_is_continued_with_its_path(here: Path, quick: None) -> None:
    for epochs, folder in ((200, "whole"), (77, "parts"), (200, "parts")):
        running.run(Model.builtin("quadratic"), Options(epochs=epochs, folder=folder, resume=True), lambda message: None)
    assert results(here / "parts") == results(here / "whole")


CHANGES = {
    "--lr": {"lr": 0.1},
    "--batch-size": {"batch_size": 7},
    "--seed": {"seed": 1},
    "--dtype": {"dtype": "float32"},
    "--validation": {"validation": 0.1},
    "--report": {"report": 2},
    "the data or how they are scaled": {"standardise": False},
}


@pytest.mark.parametrize("name", CHANGES)
def test_another_run_is_not_continued(here: Path, quick: None, name: str) -> None:
    options = {"data": "breast_cancer", "epochs": 3, "folder": "out"}
    running.run(Model.builtin("logistic"), Options(**options), lambda message: None)  # type: ignore[arg-type]
    before = results(here / "out")
    with pytest.raises(DeriveError, match=f"belongs to another run: {name}"):
        running.run(Model.builtin("logistic"), Options(**{**options, **CHANGES[name]}, resume=True), lambda message: None)  # type: ignore[arg-type]
    assert results(here / "out") == before


def test_the_command_says_where_it_goes_on(here: Path) -> None:
    first = derive("run", "quadratic", "--epochs", "5", "--resume")
    assert (first.code, "no checkpoint in runs/quadratic: beginning anew" in first.err) == (0, True)
    second = derive("run", "quadratic", "--epochs", "9", "--resume")
    assert (second.code, "continuing after epoch 5" in second.err) == (0, True)
    assert "training   9 steps" in second.out


# --- the checkpoint


def a_state() -> State:
    rng = np.random.default_rng(3)
    history = Thinned("epoch", limit=10, head=3)
    for epoch in range(1, 40):
        history.add({"epoch": epoch, "loss": 1 / epoch, "accuracy": float(epoch % 2)})
    optimiser = {"w": {"m": np.arange(3.0), "t": 7}, "rate": np.float32(0.1), "names": ["a", None], "big": 0.1}
    params = {"w": rng.normal(size=(2, 3)), "b": np.float64(0.1), "content": np.float32(2)}
    best = Best(0.25, 4, {"w": np.ones((2, 3)), "b": np.float64(1), "content": np.float32(0)})
    return State(params, dict(rng.bit_generator.state), optimiser, 39, best, history)


def test_a_state_reads_back_bit_for_bit(tmp_path: Path) -> None:
    raw = dump_state(a_state(), {"--lr": "0.1"})
    (tmp_path / "c.npz").write_bytes(raw)
    loaded = load_state(tmp_path / "c.npz")
    assert loaded is not None
    found, told = loaded
    assert told == {"--lr": "0.1"}
    assert dump_state(found, told) == raw
    assert found.history.rows() == a_state().history.rows()
    assert found.params["content"].dtype == np.float32
    assert found.optimiser["w"]["t"] == 7
    assert load_state(tmp_path / "none.npz") is None
    tables = found.history, a_state().history
    for table in tables:  # they go on alike
        for epoch in range(40, 80):
            table.add({"epoch": epoch, "loss": 0.0, "accuracy": 1.0})
    assert tables[0].rows() == tables[1].rows()


def damaged() -> dict[str, bytes]:
    raw = dump_state(a_state(), {})
    pickled = io.BytesIO()
    np.save(pickled, np.array([{}], dtype=object), allow_pickle=True)
    content = json.loads(zipfile.ZipFile(io.BytesIO(raw)).read("content.json"))

    def with_members(**members: bytes) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(stream, "w") as new:
            for name in old.namelist():
                new.writestr(name, members.get(name.partition(".")[0].replace("0", "zero"), old.read(name)))
        return stream.getvalue()

    def changed(**values: Any) -> bytes:
        items = [[name, values.get(name, value)] for name, value in content["items"]]
        return with_members(content=json.dumps({"items": items}).encode())

    huge = b"\x93NUMPY\x01\x00"
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 9), }\n"
    return {
        "empty": b"",
        "cut": raw[:-60],
        "pickle": with_members(zero=pickled.getvalue()),
        "huge": with_members(zero=huge + len(header).to_bytes(2, "little") + header),
        "format": changed(format="derive checkpoint 0"),
        "generator": changed(generator={"items": [["bit_generator", "MT19937"]]}),
        "history": changed(history=3),
        "array": changed(params={"items": [["w", {"array": 99}]]}),
        "not-json": with_members(content=b"[" * 100_000),
    }


@pytest.mark.parametrize("case", damaged())
def test_a_damaged_checkpoint_is_refused(case: str, tmp_path: Path) -> None:
    (tmp_path / "c.npz").write_bytes(damaged()[case])
    with pytest.raises(DeriveError, match="is damaged, or not a checkpoint of derive"):
        load_state(tmp_path / "c.npz")


def test_what_was_being_written_when_a_run_was_killed_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from derive.train import folder as folders

    open_folder(tmp_path).write("parameters.npz", "old")
    original, calls = folders.replace_file, []

    def killed(path: Path, content: bytes) -> None:
        calls.append(path.name)
        if len(calls) == 3:  # the file was replaced, the manifest not yet
            raise KeyboardInterrupt
        original(path, content)

    monkeypatch.setattr(folders, "replace_file", killed)
    with pytest.raises(KeyboardInterrupt):
        open_folder(tmp_path).write("parameters.npz", "new")
    monkeypatch.undo()
    (tmp_path / ".parameters.npz.0123abcd.tmp").write_text("half")
    (tmp_path / ".notes.txt.0123abcd.tmp").write_text("mine")
    assert (tmp_path / "parameters.npz").read_text() == "new"
    open_folder(tmp_path).check(["parameters.npz"])
    open_folder(tmp_path).write("parameters.npz", "newer")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([".notes.txt.0123abcd.tmp", MANIFEST, "parameters.npz"])
    (tmp_path / "parameters.npz").write_text("changed by hand")
    with pytest.raises(DeriveError, match="was changed after derive wrote it"):
        open_folder(tmp_path).check(["parameters.npz"])


# --- memory


def test_memory_does_not_grow_with_the_epochs(here: Path, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import tracemalloc

    defaults = Thinned.__init__.__defaults__  # type: ignore[misc]
    monkeypatch.setattr(Thinned.__init__, "__defaults__", (100, 10, *defaults[2:]))  # type: ignore[index, misc]

    def peak(epochs: int) -> int:
        tracemalloc.start()
        running.run(Model.builtin("quadratic"), Options(epochs=epochs, folder=f"out{epochs}"), lambda message: None)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(10)
    first, second = peak(2_000), peak(20_000)
    assert second < 1.1 * first + 50_000
    lines = (here / "out20000" / "history.csv").read_text().splitlines()
    assert 50 <= len(lines) <= 102
    assert lines[1].startswith("1,") and lines[-1].startswith("20000,")


# --- noise


def test_noise_is_drawn_as_the_generated_module_draws_it() -> None:
    model = Model.parse(NOISY.replace("normal()", "bernoulli(0.3)") + "u: noise[2] = uniform()\n".replace("u:", "u:"))
    drawn = noises(model, {}, {})
    rng, other = np.random.default_rng(1), np.random.default_rng(1)
    assert np.array_equal(drawn[0].draw(rng, 5), (other.random(5) < 0.3).astype(float))
    assert np.array_equal(drawn[1].draw(rng, 5), other.random((5, 2)))
