"""Training: preparation, the loop and how it ends, metrics, pictures, and what is saved."""

import io
import json
import math
import pickle
import re
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sample_module
from golden_errors import check_error

from derive.errors import DeriveError
from derive.resources import data_dir
from derive.train.assignment import assign
from derive.train.curve import loss_curve_svg, trajectory_svg
from derive.train.fields import DataField
from derive.train.folder import MANIFEST, history_csv, open_folder
from derive.train.metrics import check_target, measure
from derive.train.preparation import split, standardise, take
from derive.train.saved import (
    Preparation,
    dump_parameters,
    dump_preparation,
    load_parameters,
    load_preparation,
)
from derive.train.tables import read_table
from derive.train.training import train_module

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


def test_training_gives_what_the_module_gives() -> None:
    training = train_module(sample_module, data(), epochs=50, lr=0.5, batch_size=16, seed=7)
    params, history = sample_module.train(data(), epochs=50, lr=0.5, batch_size=16, seed=7)
    assert training.params == params
    assert training.history == history
    assert training.stopped == "epochs"


def test_training_stops_when_the_loss_no_longer_falls() -> None:
    training = train_module(sample_module, data(), epochs=5000, lr=0.5, tolerance=1e-6)
    losses = [entry["loss"] for entry in training.history]
    assert training.stopped == "tolerance"
    assert len(losses) < 5000
    assert losses[-2] - losses[-1] < 1e-6 <= losses[-3] - losses[-2]


def test_training_continues_from_saved_parameters() -> None:
    whole = train_module(sample_module, data(), epochs=20, lr=0.5)
    half = train_module(sample_module, data(), epochs=10, lr=0.5)
    rest = train_module(sample_module, data(), epochs=10, lr=0.5, params=half.params)
    assert rest.params == whole.params


def test_interruption_keeps_the_best_parameters() -> None:
    seen: list[tuple[float, dict[str, Any]]] = []

    def observe(epoch: int, loss: float, params: dict[str, Any]) -> None:
        seen.append((loss, dict(params)))
        if epoch == 12:
            raise KeyboardInterrupt

    training = train_module(sample_module, data(), epochs=50, lr=30.0, batch_size=3, observe=observe)
    best = min(seen, key=lambda pair: pair[0])
    assert training.stopped == "interrupted"
    assert len(training.history) == 12
    assert best is not seen[-1]  # otherwise the test shows nothing
    assert training.params == best[1]


def test_interruption_within_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(100))

    def interrupted(*args: Any, **kwargs: Any) -> None:
        if next(calls) == 5:
            raise KeyboardInterrupt
        original(*args, **kwargs)

    original = sample_module.update
    monkeypatch.setattr(sample_module, "update", interrupted)
    assert len(train_module(sample_module, data(), epochs=50).history) == 5


def test_best_parameters_are_a_copy() -> None:
    class InPlace:
        @staticmethod
        def train(data: Any, **options: Any) -> Any:
            params = {"w": np.zeros(2)}
            for epoch, loss in enumerate([3.0, 1.0, 2.0, math.nan], start=1):
                params["w"] += 1
                if options["callback"](epoch, loss, params):
                    break
            return params, []

    training = train_module(InPlace, {}, epochs=9)  # type: ignore[arg-type]
    assert training.stopped == "diverged"
    assert training.params["w"].tolist() == [2, 2]
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
        "interrupted-at-once": (data(), {"observe": None}),
    }


@pytest.mark.parametrize("case", bad_runs())
def test_bad_run(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given, options = bad_runs()[case]
    if case == "interrupted-at-once":

        def interrupt(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(sample_module, "update", interrupt)
    with pytest.raises(DeriveError) as caught:
        train_module(sample_module, given, **{"epochs": 5, **options})
    check_error(case, caught.value)


def test_no_progress_bar_where_standard_error_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    train_module(sample_module, data(), epochs=3)
    assert capfd.readouterr() == ("", "")


def test_progress_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    train_module(sample_module, data(), epochs=30)
    shown = terminal.getvalue()
    assert "30/30" in shown
    assert "loss 0." in shown


def test_the_data_set_that_ships_trains_well() -> None:
    fields = [DataField("x_1"), DataField("x_2")], [DataField("y")]
    table = assign(read_table(data_dir() / "breast_cancer.csv"), *fields, target="malignant")
    train_rows, test_rows = split(569, 0.2, seed=0)
    train, test = take(table.arrays, train_rows), take(table.arrays, test_rows)
    scaler = standardise(train, ["x_1", "x_2"])
    training = train_module(sample_module, scaler.apply(train), epochs=500, lr=1.0)
    test = scaler.apply(test)
    output = sample_module.predict(training.params, test["x_1"], test["x_2"])
    assert training.history[-1]["loss"] < 0.15
    assert measure("binary", output, test["y"]).value > 0.93


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


def test_thinning_keeps_a_spike() -> None:
    losses = np.ones(30_000)
    losses[12_345] = 9.0
    svg = loss_curve_svg([{"epoch": k, "loss": loss} for k, loss in enumerate(losses)], "spike")
    heights = [float(pair.split(",")[1]) for pair in re.search(r'points="([^"]+)"', svg)[1].split()]  # type: ignore[index]
    assert min(heights) < min(sorted(heights)[1:]) - 100


def test_trajectory() -> None:
    x = np.linspace(2, 4, 50)
    path = 3 + 0.8 ** np.arange(20)
    svg = trajectory_svg(x, (x - 3) ** 2, path, (path - 3) ** 2, "quadratic", "x", "<L>")
    assert ElementTree.fromstring(svg) is not None
    assert svg.count("<circle") == 20
    assert svg.count("<polyline") == 2
    assert "&lt;L&gt;" in svg
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
