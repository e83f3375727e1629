"""Training: preparation, the loop and how it ends, metrics, pictures, and what is saved."""

import io
import json
import math
import pickle
import re
import xml.etree.ElementTree as ElementTree
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sample_module
from golden_errors import check_error

from derive.errors import DeriveError
from derive.resources import data_dir
from derive.train.assignment import assign
from derive.train.batches import Batches
from derive.train.curve import history_curve_svg, loss_curve_svg, trajectory_svg
from derive.train.fields import DataField
from derive.train.folder import MANIFEST, open_folder
from derive.train.history import Thinned, history_csv
from derive.train.limits import Plan
from derive.train.metrics import check_target, measure, measure_parts
from derive.train.part import Part
from derive.train.preparation import split, standardise, take
from derive.train.saved import (
    Preparation,
    dump_parameters,
    dump_preparation,
    load_parameters,
    load_preparation,
)
from derive.train.state import State, first_state
from derive.train.tables import read_table
from derive.train.training import Training, Watch, train_module

SHAPES: dict[str, tuple[int, ...]] = {"w": (2, 3), "file": ()}
PARAMS = {"w": np.arange(6.0).reshape(2, 3) / 7, "file": np.float64(0.1)}


def data() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    x_1, x_2 = rng.standard_normal((2, 80))
    return {"x_1": x_1, "x_2": x_2, "y": (x_1 - 2 * x_2 + rng.standard_normal(80) > 0).astype(float)}


# --- preparation


def test_split_is_a_partition_that_the_seed_fixes() -> None:
    train, test = split(103, 0.2, seed=3)
    assert sorted([*train, *test]) == list(range(103))
    assert len(test) == 21
    assert np.array_equal(test, split(103, 0.2, seed=3)[1])
    assert not np.array_equal(test, split(103, 0.2, seed=4)[1])
    assert [len(part) for part in split(5, 0, seed=0)] == [5, 0]


@pytest.mark.parametrize(
    ("case", "n", "fraction"), [("split-one-row", 1, 0.2), ("split-all", 9, 1.0), ("split-nan", 9, math.nan)]
)
def test_bad_split(case: str, n: int, fraction: float) -> None:
    with pytest.raises(DeriveError) as caught:
        split(n, fraction, seed=0)
    check_error(case, caught.value)


def test_standardise_uses_the_training_part_alone() -> None:
    x = np.array([[1.0, 5.0], [3.0, 5.0], [1e9, -7.0]])
    train, test = take({"x": x, "y": x[:, 0]}, np.array([0, 1])), take({"x": x, "y": x[:, 0]}, np.array([2]))
    scaler = standardise(train, ["x"])
    assert scaler.apply(train)["x"].tolist() == [[-1, 0], [1, 0]]
    assert scaler.apply(test)["x"].tolist() == [[1e9 - 2, -12]]
    assert scaler.apply(test)["y"].tolist() == [1e9]


def test_a_constant_column_is_only_centred() -> None:
    scaler = standardise({"x": np.full(1000, 0.1)}, ["x"])
    assert scaler.scale["x"] == 1


def test_values_too_large_to_standardise() -> None:
    with pytest.raises(DeriveError) as caught:
        standardise({"x": np.array([1e308, -1e308])}, ["x"])
    check_error("too-large-to-standardise", caught.value)


# --- the loop


def begin(seed: int = 0) -> State:
    return first_state({name: np.float64(value) for name, value in sample_module.init(seed).items()}, seed)


def trained(
    given: dict[str, Any] | None = None, module: Any = sample_module, state: State | None = None, **options: Any
) -> Training:
    """Training of the module on the data, with the loss over all of them as judge."""
    part = Part(given or data())
    measure_by = options.pop("measure", lambda params: {})
    judge = lambda params: module.loss(params, **part.whole())  # noqa: E731
    plan = Plan(**{"lr": 0.5, **options})
    watch = Watch(measure_by, judge)
    return train_module(module, Batches(part, plan.batch_size), plan, state or begin(plan.seed), watch)


@pytest.mark.parametrize("batch_size", [None, 16, 80, 1])
def test_training_gives_what_the_module_gives(batch_size: int | None) -> None:
    training = trained(epochs=20, batch_size=batch_size, seed=7)
    params, history = sample_module.train(data(), epochs=20, lr=0.5, batch_size=batch_size, seed=7)
    assert training.params == params
    assert training.history == history
    assert (training.stopped, training.epochs, training.kept) == ("epochs", 20, None)


def test_training_stops_when_the_loss_no_longer_falls() -> None:
    training = trained(epochs=5000, tolerance=1e-6)
    losses = [entry["loss"] for entry in training.history]
    assert training.stopped == "tolerance"
    assert len(losses) < 5000
    assert losses[-2] - losses[-1] < 1e-6 <= losses[-3] - losses[-2]


def test_the_best_epoch_on_the_validation_part_is_kept() -> None:
    told = iter([5.0, 3.0, math.nan, 4.0, 2.0, 2.5, 2.0, 9.0, 1.0])
    seen = []

    def measure_by(params: dict[str, Any]) -> dict[str, float]:
        seen.append(dict(params))
        return {"validation_loss": next(told)}

    training = trained(epochs=50, patience=3, measure=measure_by)
    assert (training.stopped, training.epochs, training.kept) == ("patience", 8, 5)
    assert training.params == seen[4]
    assert [row["validation_loss"] for row in training.history[-3:]] == [2.5, 2.0, 9.0]


def test_patience_without_a_validation_part_watches_the_training_loss() -> None:
    training = trained(epochs=500, lr=60.0, patience=4)
    losses = [row["loss"] for row in training.history]
    assert training.stopped == "patience"
    lowest = losses.index(min(losses)) + 1
    assert training.epochs == lowest + 4
    assert sample_module.loss(training.params, **data()) == min(losses)


def interrupting(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Ctrl-C in the given call of `update`."""
    calls, original = iter(range(1000)), sample_module.update

    def interrupted(*args: Any, **kwargs: Any) -> None:
        if next(calls) == at:
            raise KeyboardInterrupt
        original(*args, **kwargs)

    monkeypatch.setattr(sample_module, "update", interrupted)


def test_interruption_keeps_the_best_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupting(monkeypatch, 27 * 12 + 3)  # 27 batches an epoch
    training = trained(epochs=50, lr=30.0, batch_size=3)
    assert training.stopped == "interrupted"
    assert len(training.history) == training.epochs == 12
    monkeypatch.undo()
    last = trained(epochs=12, lr=30.0, batch_size=3).params
    assert training.params != last  # otherwise the test shows nothing
    assert sample_module.loss(training.params, **data()) < sample_module.loss(last, **data())


def test_interruption_leaves_the_state_of_the_last_whole_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[State] = []
    interrupting(monkeypatch, 5 * 7 + 3)
    batches, plan = Batches(Part(data()), 16), Plan(epochs=50, lr=0.5, checkpoint=1e9)
    train_module(sample_module, batches, plan, begin(), Watch(save=saved.append))
    monkeypatch.undo()
    assert [state.epoch for state in saved] == [1, 7]
    rest = trained(epochs=20, batch_size=16, state=saved[-1])
    whole = trained(epochs=20, batch_size=16)
    assert (rest.params, rest.history) == (whole.params, whole.history)


class InPlace:
    """A module whose update changes its arrays in place; its loss ends as NaN."""

    def __init__(self) -> None:
        self.losses = iter([3.0, 1.0, 2.0, math.nan])

    def loss(self, params: Any, **data: Any) -> float:
        return float((params["w"][0] - 1) ** 2)

    def loss_and_gradients(self, params: Any, **data: Any) -> Any:
        return next(self.losses), {"w": np.ones(2)}

    @staticmethod
    def update(params: Any, grads: Any, state: Any, lr: float = 1.0) -> None:
        params["w"] += grads["w"]
        state.setdefault("count", np.zeros(1))[0] += 1


def test_best_parameters_are_a_copy() -> None:
    training = trained(module=InPlace(), state=first_state({"w": np.zeros(2)}, 0), epochs=9, batch_size=80)
    assert training.stopped == "diverged"
    assert training.params["w"].tolist() == [1, 1]  # the loss 1.0 was that before the second update
    assert len(training.history) == 3


def bad_runs() -> dict[str, Any]:
    huge = {name: values * 1e200 for name, values in data().items()}
    return {
        "diverges-at-once": (huge, {"lr": 1e200}),
        "no-epochs": (data(), {"epochs": 0}),
        "learning-rate-zero": (data(), {"lr": 0.0}),
        "learning-rate-nan": (data(), {"lr": math.nan}),
        "batch-size-zero": (data(), {"batch_size": 0}),
        "tolerance-negative": (data(), {"tolerance": -1.0}),
        "tolerance-infinite": (data(), {"tolerance": math.inf}),
        "patience-zero": (data(), {"patience": 0}),
        "checkpoint-nan": (data(), {"checkpoint": math.nan}),
        "interrupted-at-once": (data(), {}),
    }


@pytest.mark.parametrize("case", bad_runs())
def test_bad_run(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given, options = bad_runs()[case]
    if case == "interrupted-at-once":
        interrupting(monkeypatch, 0)
    with pytest.raises(DeriveError) as caught:
        trained(given, **{"epochs": 5, **options})
    check_error(case, caught.value)


def test_no_progress_bar_where_standard_error_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    trained(epochs=3)
    assert capfd.readouterr() == ("", "")


def test_progress_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    trained(epochs=30)
    shown = terminal.getvalue()
    assert "30/30" in shown
    assert "loss 0." in shown
    assert re.search(r"0:00:0\d|-:--:--", shown)


def test_the_data_set_that_ships_trains_well() -> None:
    fields = [DataField("x_1"), DataField("x_2")], [DataField("y")]
    table = assign(read_table(data_dir() / "breast_cancer.csv"), *fields, target="malignant")
    train_rows, test_rows = split(569, 0.2, seed=0)
    train, test = take(table.arrays, train_rows), take(table.arrays, test_rows)
    scaler = standardise(train, ["x_1", "x_2"])
    training = trained(scaler.apply(train), epochs=500, lr=1.0)
    test = scaler.apply(test)
    output = sample_module.predict(training.params, test["x_1"], test["x_2"])
    assert training.history[-1]["loss"] < 0.15
    assert measure("binary", output, test["y"]).value > 0.93


# --- the history


def test_a_thinned_table_keeps_even_steps_and_the_last() -> None:
    table = Thinned("epoch", limit=100, head=10)
    for epoch in range(1, 12_346):
        table.add({"epoch": epoch, "loss": 1 / epoch})
        assert len(table.rows()) <= 100
    steps = [int(row["epoch"]) for row in table.rows()]
    assert steps[:11] == list(range(1, 12)) and steps[-1] == 12_345
    assert len({b - a for a, b in pairwise(steps[10:-1])}) == 1
    assert len(steps) > 45
    assert all(row["loss"] == 1 / row["epoch"] for row in table.rows())


def test_a_short_table_keeps_all() -> None:
    table = Thinned("epoch")
    for epoch in range(1, 10_000):
        table.add({"epoch": epoch})
    assert len(table.rows()) == 9_999


# --- metrics


def test_metrics() -> None:
    assert measure("binary", np.array([0.5, 0.4, 0.7]), np.array([1.0, 1.0, 1.0])).value == pytest.approx(
        2 / 3
    )
    scores = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    assert measure("classes", scores, np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])).value == pytest.approx(
        2 / 3
    )
    assert measure("classes", scores, np.array([1.0, 1.0, 1.0])).value == pytest.approx(2 / 3)
    y = np.array([1.0, 2.0, 3.0])
    assert measure("regression", y, y).value == 1
    assert measure("regression", np.full(3, 2.0), y).value == 0
    assert measure("regression", y[::-1], y).value == -3
    assert measure("regression", np.array([0.1, 0.2]), np.array([0.1, 0.1])).value == 0
    assert str(measure("regression", y, y)) == "R² 1.0000"


@pytest.mark.parametrize("kind", ["binary", "classes", "regression"])
def test_metrics_piece_by_piece(kind: Any) -> None:
    rng = np.random.default_rng(5)
    output, target = rng.normal(3, 1, (1000, 4)), rng.normal(3, 1, (1000, 4))
    pieces = [(output[a:b], target[a:b]) for a, b in [(0, 1), (1, 400), (400, 1000)]]
    whole = measure(kind, output, target)
    assert measure_parts(kind, pieces).value == pytest.approx(whole.value, rel=1e-12)
    if kind == "regression":
        assert whole.value == pytest.approx(1 - np.sum((target - output) ** 2) / np.sum((target - target.mean(axis=0)) ** 2))


def test_metrics_do_not_broadcast() -> None:
    with pytest.raises(DeriveError) as caught:
        measure("regression", np.zeros((3, 1)), np.zeros(3))
    check_error("metric-shapes", caught.value)
    with pytest.raises(DeriveError) as caught:
        measure("regression", np.zeros(0), np.zeros(0))
    check_error("metric-no-examples", caught.value)


def test_a_sigmoid_target_is_within_0_and_1() -> None:
    check_target("binary", np.array([0.0, 1.0, 0.5]), "y")
    check_target("regression", np.array([7.0]), "y")
    with pytest.raises(DeriveError) as caught:
        check_target("binary", np.array([1.0, 2.0]), "y")
    check_error("target-beyond-1", caught.value)


# --- pictures

HISTORIES = {
    "none": [],
    "one": [3.0],
    "all equal": [2.0, 2.0],
    "all zero": [0.0, 0.0],
    "negative": [-1.0, -5e9],
    "not finite": [1.0, math.nan, math.inf, -1e308, 1e308],
    "tiny": [1e-310, 5e-324],
    "decades": [10.0 ** -(k / 9) for k in range(500)],
    "hardly different": [1e6 + k * 1e-5 for k in range(5)],
    "long": [math.exp(-k / 3e4) for k in range(50_000)],
}


@pytest.mark.parametrize("case", HISTORIES)
def test_loss_curve_is_well_formed_and_small(case: str) -> None:
    history = [{"epoch": k + 1, "loss": loss} for k, loss in enumerate(HISTORIES[case])]
    svg = loss_curve_svg(history, 'a < b & "c" \x00\u202e</svg><script>alert(1)</script>')
    root = ElementTree.fromstring(svg)
    assert not [each for each in root.iter() if each.tag.endswith("script")]
    assert not re.search(r"nan|inf\b|\d{6}\.", re.sub(r"<(style|desc|title).*?</\1>", "", svg, flags=re.S))
    assert len(svg) < 40_000
    assert ("log scale" in svg) == (case in ("decades",))


def test_curves_show_the_validation_part() -> None:
    history = [{"epoch": k, "loss": 1 / k, "r2": 1 - 1 / k, "validation_loss": 2 / k, "validation_r2": 1 - 2 / k} for k in range(1, 9)]
    for svg in (loss_curve_svg(history, "both"), history_curve_svg(history, "r2", "both")):
        assert ElementTree.fromstring(svg) is not None
        assert svg.count("<polyline") == 2
    assert ">R²</text>" in svg


def test_thinning_keeps_a_spike() -> None:
    losses = np.ones(30_000)
    losses[12_345] = 9.0
    svg = loss_curve_svg([{"epoch": k, "loss": loss} for k, loss in enumerate(losses)], "spike")
    heights = [float(pair.split(",")[1]) for pair in re.search(r'points="([^"]+)"', svg)[1].split()]  # type: ignore[index]
    assert min(heights) < min(sorted(heights)[1:]) - 100


def test_trajectory() -> None:
    x = np.linspace(2, 4, 50)
    path = 3 + 0.8 ** np.arange(9)
    svg = trajectory_svg(x, (x - 3) ** 2, path, (path - 3) ** 2, "quadratic", "x", "<L>")
    assert ElementTree.fromstring(svg) is not None
    assert svg.count("<circle") == 9
    assert svg.count("<polyline") == 2
    assert "&lt;L&gt;" in svg
    long = 3 + 0.8 ** np.arange(40)  # its last steps would cover each other: the line alone goes through them
    svg = trajectory_svg(x, (x - 3) ** 2, long, (long - 3) ** 2, "quadratic", "x", "<L>")
    assert 9 < svg.count("<circle") < 40
    ElementTree.fromstring(trajectory_svg([], [], [], [], "nothing"))


# --- the folder


def test_the_folder_replaces_what_derive_wrote_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    open_folder("run").write("model.py", "first")
    Path("run/notes.txt").write_text("mine")
    again = open_folder("run")
    again.check(["model.py", "new.txt"])
    again.write("model.py", "second")
    assert Path("run/model.py").read_text() == "second"

    with pytest.raises(DeriveError) as caught:
        again.check(["model.py", "notes.txt"])
    check_error("folder-not-ours", caught.value)
    Path("run/model.py").write_text("second, and then changed by hand")
    with pytest.raises(DeriveError) as caught:
        open_folder("run").write("model.py", "third")
    check_error("folder-changed", caught.value)

    open_folder("run", force=True).write("model.py", "third")
    assert sorted(path.name for path in Path("run").iterdir()) == [MANIFEST, "model.py", "notes.txt"]


@pytest.mark.parametrize("name", ["../out", "a/b", "", "..", MANIFEST, "a\0b", "/tmp/x"])
def test_nothing_is_written_outside_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(DeriveError, match="is not a name for a file"):
        open_folder(tmp_path / "run", force=True).write(name, "x")


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    folder = open_folder(tmp_path / "run", force=True)
    (tmp_path / "run" / "model.py").symlink_to(outside)
    folder.write("model.py", "generated")
    assert outside.read_text() == "mine"
    with pytest.raises(DeriveError):
        (tmp_path / "run" / "history.csv").symlink_to(tmp_path / "nowhere")
        open_folder(tmp_path / "run").write("history.csv", "x")


@pytest.mark.parametrize(
    "manifest", ["", "[]", "{", "[" * 100_000, '{"written by derive": 3}', '{"written by derive": {"a": 1}}']
)
def test_a_damaged_manifest_allows_nothing(tmp_path: Path, manifest: str) -> None:
    (tmp_path / MANIFEST).write_text(manifest)
    (tmp_path / "a").write_text("mine")
    with pytest.raises(DeriveError, match="derive did not write it"):
        open_folder(tmp_path).check(["a"])


def test_a_file_in_place_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").write_text("mine")
    with pytest.raises(DeriveError) as caught:
        open_folder("run")
    check_error("folder-is-a-file", caught.value)


def test_history_csv_reads_back() -> None:
    history = [{"epoch": 1, "loss": 0.1}, {"epoch": 2, "loss": 1e-17}]
    lines = history_csv(history).splitlines()
    assert lines == ["epoch,loss", "1,0.1", "2,1e-17"]
    assert history_csv([]) == "epoch,loss\n"


# --- saved parameters and preparation


def test_parameters_read_back_exactly(tmp_path: Path) -> None:
    raw = dump_parameters(PARAMS)
    assert raw == dump_parameters(PARAMS)
    (tmp_path / "p.npz").write_bytes(raw)
    found = load_parameters(tmp_path / "p.npz", SHAPES)
    assert {name: values.tolist() for name, values in found.items()} == {
        n: v.tolist() for n, v in PARAMS.items()
    }
    with np.load(tmp_path / "p.npz", allow_pickle=False) as archive:  # numpy's own format
        assert archive["w"].tolist() == PARAMS["w"].tolist()


def archive_of(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def array_header(shape: str) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


class Exploit:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("exploited"),)


def pickled() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([[Exploit()] * 3] * 2, dtype=object), allow_pickle=True)
    return archive_of({"w.npy": stream.getvalue(), "file.npy": array_header("()")})


DAMAGED = {
    "npz-not-zip": lambda: b"not a zip",
    "npz-truncated": lambda: dump_parameters(PARAMS)[:-40],
    "npz-pickle": pickled,
    "npz-raw-pickle": lambda: pickle.dumps({"w": 1}),
    "npz-huge-shape": lambda: archive_of({"w.npy": array_header("(99999999999, 9)"), "file.npy": b""}),
    "npz-no-data": lambda: archive_of({"w.npy": array_header("(2, 3)"), "file.npy": b""}),
    "npz-header-code": lambda: archive_of({"w.npy": array_header("__import__('os')"), "file.npy": b""}),
    "npz-wrong-names": lambda: dump_parameters({"w": PARAMS["w"], "b": 0.0}),
    "npz-wrong-shape": lambda: dump_parameters({"w": PARAMS["w"].T, "file": 0.0}),
    "npz-whole-numbers": lambda: dump_parameters({"w": np.zeros((2, 3), dtype=int), "file": 0.0}),
    "npz-nan": lambda: dump_parameters({"w": PARAMS["w"] * math.nan, "file": 0.0}),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_parameters(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.npz").write_bytes(DAMAGED[case]())
    with pytest.raises(DeriveError) as caught:
        load_parameters(Path("p.npz"), SHAPES)
    check_error(case, caught.value)
    assert not Path("exploited").exists()


def test_preparation_reads_back_exactly(tmp_path: Path) -> None:
    scaler = standardise({"x": np.array([[0.1, 1e9], [0.7, 3.0]]), "u": np.array([1.0, 2.0])}, ["x", "u"])
    saved = Preparation(("a b", 'ü,"c"'), ("no", "yes"), {"d": 2}, scaler)
    (tmp_path / "p.json").write_text(dump_preparation(saved), encoding="utf-8")
    found = load_preparation(tmp_path / "p.json")
    assert (found.features, found.classes, found.sizes) == (saved.features, saved.classes, saved.sizes)
    assert found.scaler is not None
    for name in ("x", "u"):
        assert np.array_equal(found.scaler.mean[name], scaler.mean[name])
        assert np.array_equal(found.scaler.scale[name], scaler.scale[name])
    (tmp_path / "p.json").write_text(dump_preparation(Preparation(("a",))), encoding="utf-8")
    assert load_preparation(tmp_path / "p.json").scaler is None


GOOD = {"features": ["a"], "classes": [], "sizes": {}, "scaler": {"x": {"mean": 0.0, "scale": 1.0}}}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[" * 100_000,
        "[]",
        "{}",
        "\0",
        *(json.dumps({name: value for name, value in GOOD.items() if name != gone}) for gone in GOOD),
        json.dumps({**GOOD, "features": "abc"}),
        json.dumps({**GOOD, "features": [1]}),
        json.dumps({**GOOD, "scaler": {"x": {"mean": 0.0, "scale": 0.0}}}),
        json.dumps({**GOOD, "scaler": {"x": {"mean": "inf", "scale": 1.0}}}),
        json.dumps({**GOOD, "scaler": {"x": {"mean": [0.0, 1.0], "scale": 1.0}}}),
        json.dumps({**GOOD, "sizes": {"d": math.inf}}),
    ],
)
def test_damaged_preparation(content: str, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(DeriveError, match="is damaged, or not written by derive"):
        load_preparation(tmp_path / "p.json")


def test_missing_saved_files(tmp_path: Path) -> None:
    for load in (lambda path: load_parameters(path, {}), load_preparation):
        with pytest.raises(DeriveError, match="there is no file"):
            load(tmp_path / "nowhere")
