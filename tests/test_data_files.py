"""Data in .npy and Parquet files, the sets of scikit-learn, and examples that are streamed from disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from cli_runner import ROOT, derive
from golden_errors import check_error
from sklearn import datasets

from derive.check.gradients import Comparison
from derive.errors import DeriveError
from derive.model import Model
from derive.train import pieces, tables
from derive.train import run as running
from derive.train.examples import Examples, read_examples
from derive.train.prepared import DataOptions, Prepared, prepare
from derive.train.run import Options
from derive.train.settings import Settings
from derive.train.store import Disk

LINEAR = Model.builtin("linear-regression")
SOFTMAX = Model.builtin("softmax-regression")
SIZES = Settings(sizes={"d": 3})


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without proofs and reports."""
    monkeypatch.setattr("derive.derivation.Derivation.prove", lambda self: self)
    monkeypatch.setattr(running, "_checked", lambda *args: Comparison(0.0, "w", 1, 1))
    monkeypatch.setattr(running, "count_proofs", lambda derivation: {})
    monkeypatch.setattr(running, "_write_derivation", lambda *args: {})


def table(rows: int = 50) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(0).normal(size=(rows, 4))
    values[:, 3] = values[:, :3] @ [1, -2, 0.5] + 3
    return values


def read(model: Model, name: str, target: str | None = None, features: list[str] | None = None) -> Examples:
    return read_examples(model, name, SIZES, target, features)


# --- .npy


def test_an_npy_file_is_a_table_with_numbered_columns() -> None:
    np.save("t.npy", table())
    found = read(LINEAR, "t.npy", "3")
    assert np.array_equal(found.arrays["x"], table()[:, :3])
    assert np.array_equal(found.arrays["y"], table()[:, 3])
    assert found.features == ("0", "1", "2")
    assert np.array_equal(read(LINEAR, "t.npy", "1", ["3", "0", "2"]).arrays["x"], table()[:, [3, 0, 2]])


def test_an_npy_file_may_name_its_columns() -> None:
    rows = np.array([(1, 2.5, True, 4), (5, 6.5, False, 8)], dtype=[("a", "i2"), ("b", "f4"), ("c", "?"), ("y", "f8")])
    np.save("t.npy", rows)
    found = read(LINEAR, "t.npy")
    assert found.arrays["x"].tolist() == [[1, 2.5, 1], [5, 6.5, 0]]
    assert found.arrays["y"].tolist() == [4, 8]


def with_nan(kind: Any) -> np.ndarray[Any, Any]:
    values = table().astype(kind)
    values[30, 1] = np.nan
    return values


NPY = {
    "npy-not-npy": b"hello",
    "npy-empty-file": b"",
    "npy-one-axis": np.zeros(3),
    "npy-no-rows": np.zeros((0, 4)),
    "npy-text": np.array([["a", "b"]]),
    "npy-complex": np.zeros((3, 4), dtype=complex),
    "npy-pickle": np.array([[{}, 1, 2, 3]], dtype=object),
    "npy-nan": with_nan(np.float32),
    "npy-features": np.zeros((3, 3)),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", NPY)
def test_a_bad_npy_file(case: str, stream: bool) -> None:
    content = NPY[case]
    if isinstance(content, bytes):
        Path("t.npy").write_bytes(content)
    else:
        np.save("t.npy", content, allow_pickle=True)
    target = str(content.shape[1] - 1) if isinstance(content, np.ndarray) and content.ndim == 2 else "3"
    with pytest.raises(DeriveError) as caught:
        read_examples(LINEAR, "t.npy", SIZES, target, store=Disk(Path.cwd()) if stream else tables.MEMORY)
    check_error(case, caught.value)


# --- Parquet


def test_a_parquet_file_gives_what_the_same_csv_gives() -> None:
    rng = np.random.default_rng(1)
    kinds = [["no", "yes", "maybe"][k] for k in rng.integers(0, 3, 40)]
    columns = {"a": rng.normal(size=40), "b": rng.integers(-5, 5, 40), "c": rng.integers(0, 2, 40), "kind": kinds}
    lines = ["a,b,c,kind", *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    Path("t.csv").write_text("\n".join(lines) + "\n")
    columns["c"] = columns["c"].astype(bool)
    parquet.write_table(arrow.table({**columns, "kind": arrow.array(kinds).dictionary_encode()}), "t.parquet", row_group_size=7)
    found, wanted = read(SOFTMAX, "t.parquet", "kind"), read(SOFTMAX, "t.csv", "kind")
    assert found.classes == wanted.classes == ("maybe", "no", "yes")
    for name in ("x", "y"):
        assert np.array_equal(found.arrays[name], wanted.arrays[name])


def parquet_file(**changed: Any) -> arrow.Table:
    columns = {name: arrow.array(values) for name, values in zip("abcy", table(9).T, strict=True)}
    return arrow.table({**columns, **{name: arrow.array(values) for name, values in changed.items()}})


PARQUET = {
    "parquet-missing-value": lambda: parquet_file(b=[1, 2, None, 4, 5, 6, 7, 8, 9]),
    "parquet-nan": lambda: parquet_file(b=[1, 2, 3, 4, float("nan"), 6, 7, 8, 9]),
    "parquet-text": lambda: parquet_file(b=list("12x456789")),
    "parquet-dates": lambda: parquet_file(b=[__import__("datetime").date(2020, 1, 1)] * 9),
    "parquet-no-rows": lambda: parquet_file().slice(0, 0),
    "parquet-no-column": lambda: parquet_file().drop_columns(["y"]),
    "parquet-features": lambda: parquet_file().drop_columns(["a"]),
}


@pytest.mark.parametrize("case", PARQUET)
def test_a_bad_parquet_file(case: str) -> None:
    parquet.write_table(PARQUET[case](), "t.parquet")
    with pytest.raises(DeriveError) as caught:
        read(LINEAR, "t.parquet")
    check_error(case, caught.value)


def test_what_is_no_parquet_file() -> None:
    Path("t.parquet").write_bytes(b"PAR1" * 9)
    with pytest.raises(DeriveError) as caught:
        read(LINEAR, "t.parquet")
    check_error("parquet-damaged", caught.value)
    with pytest.raises(DeriveError, match=r"there is no file none\.parquet"):
        read(LINEAR, "none.parquet")


@pytest.mark.parametrize(("module", "name"), [("pyarrow", "t.parquet"), ("sklearn", "iris")])
def test_a_missing_library_is_named_with_its_extra(module: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    if name == "t.parquet":
        parquet.write_table(parquet_file(), name)
    with pytest.raises(DeriveError) as caught:
        read(SOFTMAX, name)
    check_error(f"without-{module}", caught.value)


# --- scikit-learn's sets


@pytest.mark.parametrize("name", ["iris", "wine"])
def test_the_sets_of_scikit_learn(name: str) -> None:
    found = read_examples(SOFTMAX, name, Settings())
    original = getattr(datasets, f"load_{name}")()
    assert np.array_equal(found.arrays["x"], original.data)
    assert np.array_equal(np.array(found.classes)[found.arrays["y"].argmax(axis=1)], original.target_names[original.target])
    assert len(found.features) == original.data.shape[1]


def test_a_set_of_several_targets() -> None:
    found = read_examples(LINEAR, "linnerud", Settings(), features=["Chins", "Situps", "Jumps"])
    original = datasets.load_linnerud()
    assert np.array_equal(found.arrays["x"], original.data)
    assert np.array_equal(found.arrays["y"], original.target[:, 0])
    pulse = read_examples(LINEAR, "linnerud", Settings(), "Pulse", ["Chins", "Situps", "Jumps"])
    assert np.array_equal(pulse.arrays["y"], original.target[:, 2])


def test_iris_trains(here: Path) -> None:
    done = derive("run", "softmax-regression", "--data", "iris", "--dtype", "float32", "--validation", "0.2")
    assert done.code == 0
    assert "iris: 96 examples, 24 for validation, 30 held out, standardised" in done.out
    told = next(line for line in done.out.splitlines() if line.startswith("test"))
    assert float(told.split()[-1]) > 0.8
    with np.load(here / "runs" / "softmax-regression" / "parameters.npz") as params:
        assert {values.dtype for values in params.values()} == {np.dtype("float32")}
    rows = "\n".join(",".join(map(str, row)) for row in datasets.load_iris().data)
    (here / "new.csv").write_text(f"{','.join(datasets.load_iris().feature_names)}\n{rows}\n")
    predicted = derive("predict", "runs/softmax-regression", "--data", "new.csv").out.splitlines()
    names = datasets.load_iris().target_names[datasets.load_iris().target]
    assert np.mean([line.split(",")[-1] == name for line, name in zip(predicted[1:], names, strict=True)]) > 0.85


# --- streaming


def files() -> dict[str, str | None]:
    """The same table in every format, with the column that is the target."""
    values = table(500)
    np.save("t.npy", values)
    np.save("named.npy", np.rec.fromarrays(values.T, names="a,y,b,c"))
    text = "\n".join(["a,b,c,y", *(",".join(map(repr, row)) for row in values.tolist())])
    Path("t.csv").write_text(text + "\n")
    parquet.write_table(arrow.table(dict(zip(["a", "b", "c", "y"], values.T, strict=True))), "t.parquet", row_group_size=64)
    return {"t.npy": "3", "named.npy": None, "t.csv": None, "t.parquet": None}


@pytest.mark.parametrize("batch_size", [32, 500])
@pytest.mark.parametrize("name", ["t.npy", "named.npy", "t.csv", "t.parquet"])
def test_streamed_examples_train_to_the_same_parameters(
    name: str, batch_size: int, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE", 1000)  # many small pieces
    monkeypatch.setattr(tables, "BLOCK", 100)
    target = files()[name]
    options: dict[str, Any] = {"target": target, "batch_size": batch_size, "validation": 0.2, "standardise": True}
    runs = [
        running.run(LINEAR, Options(name, epochs=4, stream=stream, folder=f"{stream}", **options), lambda message: None)
        for stream in (False, True)
    ]
    memory, disk = (found.training for found in runs)
    for key in memory.params:  # the steps in memory fold 1/n into the learning rate: only rounding differs
        np.testing.assert_allclose(disk.params[key], memory.params[key], rtol=1e-11, atol=1e-13)
    told = ("loss", "validation_loss", "validation_r2")  # sums that are taken in another order
    rows = [tuple(row[name] for name in told) for row in disk.history]
    assert rows == [pytest.approx(tuple(row[name] for name in told), rel=1e-12) for row in memory.history]
    assert str(runs[0].train.metric) == str(runs[1].train.metric)


@pytest.mark.parametrize("labels", [["no", "yes", "maybe"], ["1", "2", "7"]])
def test_streamed_classes(labels: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE", 64)
    monkeypatch.setattr(tables, "BLOCK", 20)
    rng = np.random.default_rng(0)
    rows = [f"{rng.normal()},{labels[rng.integers(0, 3)]},{rng.normal()},{rng.normal()}" for _ in range(99)]
    Path("t.csv").write_text("\n".join(["a,kind,b,c", *rows]) + "\n")
    found, wanted = (
        read_examples(SOFTMAX, "t.csv", SIZES, "kind", store=store) for store in (Disk(Path.cwd()), tables.MEMORY)
    )
    assert found.classes == wanted.classes == tuple(sorted(labels))
    assert all(np.array_equal(found.arrays[name], wanted.arrays[name]) for name in ("x", "y"))
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["t.csv"]


def test_large_files_are_streamed_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    files()

    def prepared(name: str, stream: bool | None = None) -> Prepared:
        options = DataOptions(name, "3" if name == "t.npy" else None, stream=stream)
        return prepare(LINEAR, options, SIZES, Path("runs/x"))

    assert not any(prepared(name).examples.streamed for name in ("t.csv", "t.npy"))  # type: ignore[union-attr]
    monkeypatch.setattr("derive.train.prepared.STREAM_ABOVE", 1000)
    assert all(prepared(name).examples.streamed for name in ("t.csv", "t.npy"))  # type: ignore[union-attr]
    assert not prepared("t.csv", False).examples.streamed  # type: ignore[union-attr]
    np.savez("t.npz", x=np.zeros((3, 3)), y=np.zeros(3))
    assert not prepared("t.npz").examples.streamed if Path("t.npz").stat().st_size < 1000 else True  # type: ignore[union-attr]
    with pytest.raises(DeriveError) as caught:
        prepared("t.npz", True)
    check_error("stream-npz", caught.value)


def test_predictions_of_streamed_examples(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files()
    options = ["--target", "3", "--epochs", "3", "--standardise", "--dtype", "float32"]
    assert derive("run", "linear-regression", "--data", "t.npy", *options).code == 0
    whole = derive("predict", "runs/linear-regression", "--data", "t.npy").out
    monkeypatch.setattr("derive.train.prepared.STREAM_ABOVE", 1000)
    monkeypatch.setattr(pieces, "PIECE", 1000)
    assert derive("predict", "runs/linear-regression", "--data", "t.npy").out == whole
    assert len(whole.splitlines()) == 501


def test_a_model_of_all_examples_at_once_is_not_streamed() -> None:
    files()
    text = "n: examples; x: input[n, 3]; y: target[n]; w: parameter[3]; p: output = x @ w; L: loss = sum((p - y)**2)/n"
    with pytest.raises(DeriveError) as caught:
        prepare(Model.parse(text.replace("; ", "\n")), DataOptions("t.npy", "3", stream=True), Settings(), Path.cwd())
    check_error("stream-together", caught.value)


# A run whose private memory may grow by 96 MiB, on a file of 160 MB.
LIMITED = """
import resource, sys
from derive.derivation import Derivation
from derive.check.gradients import Comparison
from derive.model import Model
from derive.train import run as running
Derivation.prove = lambda self: self
running._checked = lambda *args: Comparison(0.0, "w", 1, 1)
running.count_proofs = lambda derivation: {}
running._write_derivation = lambda *args: {}
model = Model.builtin("linear-regression")
running.run(model, running.Options("small.npy", "19", epochs=1, folder="small"), lambda message: None)
data = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmData"))
resource.setrlimit(resource.RLIMIT_DATA, (data + 96 * 2**20,) * 2)
options = running.Options("large.npy", "19", epochs=1, stream=sys.argv[1] == "stream", standardise=True, folder="large")
print(running.run(model, options, lambda message: None).test.metric)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of private memory are Linux's")
def test_a_file_larger_than_memory_trains(here: Path) -> None:
    rng = np.random.default_rng(0)
    rows = np.lib.format.open_memmap("large.npy", "w+", np.float64, (1_000_000, 20))
    for start in range(0, len(rows), 100_000):
        part = rng.normal(size=(100_000, 20))
        part[:, 19] = part[:, :19].sum(axis=1)
        rows[start : start + 100_000] = part
    np.save("small.npy", rows[:1000])
    rows.flush()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}

    def limited(how: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", LIMITED, how]
        return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)

    streamed = limited("stream")
    assert streamed.returncode == 0, streamed.stderr
    assert streamed.stdout == "R² 1.0000\n"
    assert "MemoryError" in limited("memory").stderr  # otherwise the test shows nothing
