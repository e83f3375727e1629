"""Options of `derive run` with values that nobody means: each is a clear error, or works."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runner import derive

HUGE = "9" * 30


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--epochs", value) for value in ("-1", "0", HUGE, "1e3", "nan", "", "9" * 5000)),
        *(("--batch-size", value) for value in ("-1", "0", "1.5", "inf")),
        *(("--lr", value) for value in ("-1", "0", "-0.0", "nan", "inf", "-inf", "1e400", "fast")),
        *(("--tolerance", value) for value in ("-1", "nan", "inf")),
        *(("--seed", value) for value in ("-1", "1.5", "x")),
        *(("--patience", value) for value in ("0", "-1", "1.5")),
        *(("--checkpoint", value) for value in ("-1", "nan", "inf")),
        *(("--validation", value) for value in ("-0.1", "1", "nan", "inf", "0.999")),
        *(("--test-fraction", value) for value in ("-0.1", "1", "nan", "inf", "0.9999")),
        *(("--dtype", value) for value in ("float16", "int", "")),
    ],
)
def test_absurd_values_are_refused(here: Path, option: str, value: str) -> None:
    done = derive("run", "logistic", option, value)
    assert done.code == 2
    assert done.err.strip() and "mistake" not in done.err
    assert not (here / "runs").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--seed", HUGE],
        ["--batch-size", HUGE, "--patience", HUGE],
        ["--lr", "1e-320", "--tolerance", "1e308", "--checkpoint", "1e300"],
        ["--lr", "1e-60", "--dtype", "float32", "--validation", "1e-300"],
        ["--test-fraction", "0", "--stream"],
    ],
)
def test_extreme_values_that_work(here: Path, options: list[str]) -> None:
    done = derive("run", "logistic", "--epochs", "2", *options)
    assert done.code == 0
    assert "training   2 epochs" in done.out


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_rate_that_diverges_at_once(here: Path, dtype: str) -> None:
    done = derive("run", "linear-regression", "--lr", "1e308", "--dtype", dtype, "--epochs", "9")
    assert "the loss is not finite" in done.err or "the loss became infinite" in done.out
    assert done.code in (0, 2)
