"""Update rules that trajectories are compared for, and the training that they are compared in.

The model is logistic regression with three inputs on eight fixed examples; every step takes all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from derive.model import Model

STEPS = 100
RECORDED = (1, 2, 3, 10, 30, 60, 100)  # steps whose parameters lie in torch_trajectories.json

TEXT = """x: input[3]
y: target
w: parameter[3]
b: parameter
z = w @ x + b
L: loss = softplus(z) - y*z
"""
START = {"w": np.array([0.5, -1.0, 2.0]), "b": np.float64(-0.25)}
_row, _column = np.mgrid[0:8, 0:3]
DATA = {"x": np.sin(1.0 + 2 * _row + 3 * _column), "y": (np.arange(8) % 3 == 0).astype(float)}

# For each case the learning rate and what `update_rule` takes.
CASES: dict[str, tuple[float, dict[str, Any]]] = {
    "gradient-descent": (0.5, {"optimizer": "gradient-descent"}),
    "momentum": (0.1, {"optimizer": "momentum"}),
    "momentum-slow": (0.1, {"optimizer": "momentum(mu=0.5)", "weight_decay": 0.05}),
    "nesterov": (0.1, {"optimizer": "nesterov"}),
    "nesterov-decay": (0.1, {"optimizer": "nesterov", "weight_decay": 0.05}),
    "adagrad": (0.3, {"optimizer": "adagrad"}),
    "rmsprop": (0.01, {"optimizer": "rmsprop"}),
    "rmsprop-epsilon": (0.01, {"optimizer": "rmsprop(rho=0.9, epsilon=0.1)", "weight_decay": 0.1}),
    "adam": (0.05, {"optimizer": "adam"}),
    "adam-epsilon": (0.05, {"optimizer": "adam(beta_1=0.8, beta_2=0.95, epsilon=0.01)"}),
    "adam-decay": (0.05, {"optimizer": "adam", "weight_decay": 0.1}),
    "adamw": (0.05, {"optimizer": "adamw"}),
    "adamw-decay": (0.05, {"optimizer": "adamw", "weight_decay": 0.2}),
    "clip-norm": (0.5, {"clip_norm": 0.2}),
    "clip-value": (0.5, {"optimizer": "momentum", "clip_value": 0.03}),
    "clip-decay": (0.05, {"optimizer": "adam", "clip_norm": 0.1, "weight_decay": 0.1}),
    "step": (0.5, {"schedule": "step(parts=4, gamma=0.5)"}),
    "cosine": (0.05, {"optimizer": "adam", "schedule": "cosine"}),
    "warm-up": (0.5, {"schedule": "warm-up(warmup=0.2)"}),
    "warm-up-cosine": (0.05, {"optimizer": "adamw", "schedule": "warm-up,cosine"}),
}


def trajectory(name: str) -> list[list[float]]:
    """The parameters w and b after each of `STEPS` steps of the generated `train`."""
    lr, options = CASES[name]
    found: list[list[float]] = []

    def observe(_epoch: int, _loss: float, params: dict[str, Any]) -> None:
        found.append([*map(float, params["w"]), float(params["b"])])

    module = Model.parse(TEXT).derive().compile(**options)
    start = {parameter: value.copy() for parameter, value in START.items()}
    module.train(DATA, epochs=STEPS, lr=lr, params=start, callback=observe)
    return found
