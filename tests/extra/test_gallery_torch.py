"""The gallery's gradients, and five steps of training, beside PyTorch's; run it where torch is installed:
``pytest tests/extra/test_gallery_torch.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
torch = pytest.importorskip("torch")

import gallery_oracles  # noqa: E402
from gallery_oracles import GALLERY  # noqa: E402
from torch_numpy import NUMPY, SCIPY  # noqa: E402

from derive.check.sample import sample  # noqa: E402
from derive.model import Model  # noqa: E402

TOLERANCE = 1e-10
STEPS, RATE = 5, 0.001


@pytest.fixture(autouse=True)
def by_torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {"np": NUMPY, **SCIPY}.items():
        monkeypatch.setattr(gallery_oracles, name, value)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # a quotient of whole numbers too
    yield
    torch.set_default_dtype(before)


def gradients(name: str, params: dict[str, Any], data: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    leaves = {n: torch.tensor(np.asarray(v), requires_grad=True) for n, v in params.items()}
    loss = GALLERY[name](leaves, **data)
    loss.backward()
    return loss.item(), {n: v.grad.numpy() for n, v in leaves.items()}


def close(found: Any, true: Any, largest: float) -> bool:
    return bool(np.max(np.abs(np.asarray(found) - true), initial=0.0) <= TOLERANCE * largest)


@pytest.mark.parametrize("name", GALLERY)
def test_gradients_and_training_equal_those_of_torch(name: str) -> None:
    model = Model.builtin(name)
    module = model.derive().compile(optimizer="gradient-descent")
    drawn = sample(model, 0, 3)
    whole = {n: v.astype(int) if model.variables[n].kind == "integer" else v for n, v in drawn.data.items()}
    given = {n: torch.tensor(v) for n, v in {**whole, **drawn.constants}.items()}
    start = {n: drawn.parameters[n] for n in model.parameters}
    wanted, true = gradients(name, start, given)
    loss, grads = module.loss_and_gradients(dict(drawn.parameters), **whole, **drawn.constants)
    assert loss == pytest.approx(wanted, rel=TOLERANCE)
    largest = max(float(np.max(np.abs(g), initial=0.0)) for g in true.values())
    assert all(close(grads[n], g, largest) for n, g in true.items())
    params = {n: 0.3 * np.array(v) for n, v in start.items()}
    small = {n: 0.3 * np.array(v) for n, v in drawn.parameters.items()}
    for _ in range(STEPS):
        params = {n: params[n] - RATE * g for n, g in gradients(name, params, given)[1].items()}
    trained, _ = module.train(whole, epochs=STEPS, lr=RATE, params=small, **drawn.constants)
    assert all(close(trained[n], v, max(1.0, float(np.max(np.abs(v), initial=0.0)))) for n, v in params.items())
