"""Trajectories beside PyTorch's, every step; run it where torch is installed: ``pytest tests/extra``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
pytest.importorskip("torch")

import optimizer_cases  # noqa: E402
import torch_optimizers  # noqa: E402


@pytest.mark.parametrize("name", optimizer_cases.CASES)
def test_trajectories_equal_those_of_torch(name: str) -> None:
    found, wanted = optimizer_cases.trajectory(name), torch_optimizers.trajectory(name)
    assert np.max(np.abs(np.array(found) - np.array(wanted))) < 1e-10


def test_the_record_is_what_torch_gives() -> None:
    recorded = json.loads(torch_optimizers.FILE.read_text(encoding="utf-8"))
    for name, rows in recorded.items():
        wanted = torch_optimizers.trajectory(name)
        for step, values in rows.items():
            assert np.allclose(values, wanted[int(step) - 1], rtol=0, atol=1e-12)
