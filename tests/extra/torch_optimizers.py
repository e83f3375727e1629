"""The trajectories of `tests/optimizer_cases.py` by PyTorch's own optimisers, clipping and schedulers.

`python tests/extra/torch_optimizers.py` writes `tests/torch_trajectories.json`: the parameters w and b after some of the
steps, as PyTorch 2.13 (CPU, float64) gave them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from optimizer_cases import CASES, DATA, RECORDED, START, STEPS

FILE = Path(__file__).parent.parent / "torch_trajectories.json"
T = torch.optim
Make = Callable[[list[torch.Tensor], float], torch.optim.Optimizer]

OPTIMIZERS: dict[str, Make] = {
    "momentum": lambda p, lr: T.SGD(p, lr, momentum=0.9),
    "momentum-slow": lambda p, lr: T.SGD(p, lr, momentum=0.5, weight_decay=0.05),
    "nesterov": lambda p, lr: T.SGD(p, lr, momentum=0.9, nesterov=True),
    "nesterov-decay": lambda p, lr: T.SGD(p, lr, momentum=0.9, nesterov=True, weight_decay=0.05),
    "adagrad": lambda p, lr: T.Adagrad(p, lr),
    "rmsprop": lambda p, lr: T.RMSprop(p, lr),
    "rmsprop-epsilon": lambda p, lr: T.RMSprop(p, lr, alpha=0.9, eps=0.1, weight_decay=0.1),
    "adam": lambda p, lr: T.Adam(p, lr),
    "adam-epsilon": lambda p, lr: T.Adam(p, lr, betas=(0.8, 0.95), eps=0.01),
    "adam-decay": lambda p, lr: T.Adam(p, lr, weight_decay=0.1),
    "adamw": lambda p, lr: T.AdamW(p, lr),
    "adamw-decay": lambda p, lr: T.AdamW(p, lr, weight_decay=0.2),
    "clip-value": lambda p, lr: T.SGD(p, lr, momentum=0.9),
    "clip-decay": lambda p, lr: T.Adam(p, lr, weight_decay=0.1),
    "cosine": lambda p, lr: T.Adam(p, lr),
    "warm-up-cosine": lambda p, lr: T.AdamW(p, lr),
}
CLIPS: dict[str, Callable[[list[torch.Tensor]], Any]] = {
    "clip-norm": lambda p: torch.nn.utils.clip_grad_norm_(p, 0.2),
    "clip-value": lambda p: torch.nn.utils.clip_grad_value_(p, 0.03),
    "clip-decay": lambda p: torch.nn.utils.clip_grad_norm_(p, 0.1),
}
S = T.lr_scheduler
SCHEDULES: dict[str, Callable[[Any], list[Any]]] = {
    "step": lambda o: [S.StepLR(o, STEPS // 4, gamma=0.5)],
    "cosine": lambda o: [S.CosineAnnealingLR(o, STEPS)],
    "warm-up": lambda o: [S.LinearLR(o, start_factor=1 / 20, total_iters=19)],
    "warm-up-cosine": lambda o: [S.LinearLR(o, start_factor=1 / 10, total_iters=9), S.CosineAnnealingLR(o, STEPS)],
}


def trajectory(name: str) -> list[list[float]]:
    """The parameters after each step."""
    x, y = (torch.tensor(DATA[n], dtype=torch.float64) for n in ("x", "y"))
    w, b = params = [torch.tensor(START[n], dtype=torch.float64, requires_grad=True) for n in ("w", "b")]
    optimizer = OPTIMIZERS.get(name, T.SGD)(params, CASES[name][0])
    schedulers = SCHEDULES.get(name, lambda _: [])(optimizer)
    found: list[list[float]] = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        z = x @ w + b
        torch.mean(torch.nn.functional.softplus(z, threshold=1e9) - y * z).backward()
        CLIPS.get(name, lambda _: None)(params)
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
        found.append([*w.tolist(), b.item()])
    return found


def main() -> None:
    lines = []
    for name in CASES:
        found = trajectory(name)
        rows = ",\n".join(f'    "{step}": {json.dumps(found[step - 1])}' for step in RECORDED)
        lines.append(f'  "{name}": {{\n{rows}\n  }}')
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
