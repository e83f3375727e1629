"""The built-in models' gradients beside PyTorch's; run it where torch is installed: ``pytest tests/extra``.

Not collected by default (`norecursedirs`), since torch is large.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
torch = pytest.importorskip("torch")

from model_oracles import LOSSES  # noqa: E402

from derive.check.sample import sample  # noqa: E402
from derive.model import Model  # noqa: E402

TOLERANCE = 1e-10


def _over(reduce: Any) -> Any:
    return lambda u, axis=None: reduce(u) if axis is None else reduce(u, dim=axis)


# numpy's names for what the oracles use
XP = SimpleNamespace(
    abs=torch.abs,
    exp=torch.exp,
    log=torch.log,
    sin=torch.sin,
    tanh=torch.tanh,
    where=torch.where,
    sum=_over(torch.sum),
    mean=_over(torch.mean),
)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_equal_those_of_torch(name: str, seed: int) -> None:
    model = Model.builtin(name)
    drawn = sample(model, seed, examples=5)
    data = drawn.data if drawn.examples[0] else {}
    given = {n: torch.tensor(v.astype(int) if model.variables[n].kind == "integer" else v) for n, v in data.items()}
    params = {n: torch.tensor(np.asarray(v), requires_grad=True) for n, v in drawn.parameters.items()}
    wanted = LOSSES[name](XP, params, **given)
    wanted.backward()
    loss, grads = model.derive().compile().loss_and_gradients(dict(drawn.parameters), **data)
    assert loss == pytest.approx(wanted.item(), rel=TOLERANCE)
    for n, value in params.items():
        true = value.grad.numpy()
        assert np.max(np.abs(grads[n] - true)) <= TOLERANCE * max(np.max(np.abs(true)), 1e-3)
