"""The steps as a textbook writes them in numpy: whole arrays, a line for each formula, the loss with them."""

from __future__ import annotations

from typing import Any

import numpy as np


def logistic(params: dict[str, Any], data: dict[str, Any], lr: float, optimizer: str) -> Any:
    p = {name: float(value) for name, value in params.items()}
    x_1, x_2, y = data["x_1"], data["x_2"], data["y"]

    def step() -> float:
        z = p["w_1"] * x_1 + p["w_2"] * x_2 + p["b"]
        a = 1 / (1 + np.exp(-z))
        loss = -np.mean(y * np.log(a) + (1 - y) * np.log(1 - a))
        dz = a - y
        p["w_1"] -= lr * np.mean(dz * x_1)
        p["w_2"] -= lr * np.mean(dz * x_2)
        p["b"] -= lr * np.mean(dz)
        return float(loss)

    return step, lambda: p


def two_layer(params: dict[str, Any], data: dict[str, Any], lr: float, optimizer: str) -> Any:
    p = {name: float(value) for name, value in params.items()}
    x_1, x_2, y = data["x_1"], data["x_2"], data["y"]

    def step() -> float:
        a1 = np.tanh(p["w1_1"] * x_1 + p["w1_2"] * x_2 + p["b1"])
        a2 = 1 / (1 + np.exp(-(p["w2"] * a1 + p["b2"])))
        loss = -np.mean(y * np.log(a2) + (1 - y) * np.log(1 - a2))
        dz2 = a2 - y
        dz1 = dz2 * p["w2"] * (1 - a1**2)
        p["w2"] -= lr * np.mean(dz2 * a1)
        p["b2"] -= lr * np.mean(dz2)
        p["w1_1"] -= lr * np.mean(dz1 * x_1)
        p["w1_2"] -= lr * np.mean(dz1 * x_2)
        p["b1"] -= lr * np.mean(dz1)
        return float(loss)

    return step, lambda: p


def mlp(params: dict[str, Any], data: dict[str, Any], lr: float, optimizer: str) -> Any:
    p = {name: values.copy() for name, values in params.items()}
    x, y = data["x"], data["y"]
    n = len(x)

    def step() -> float:
        a1 = np.tanh(x @ p["W1"].T + p["b1"])
        a2 = np.tanh(a1 @ p["W2"].T + p["b2"])
        z3 = a2 @ p["W3"].T + p["b3"]
        e = np.exp(z3 - z3.max(axis=1, keepdims=True))
        a3 = e / e.sum(axis=1, keepdims=True)
        loss = -np.mean(np.sum(y * np.log(a3), axis=1))
        dz3 = (a3 - y) / n
        dz2 = (dz3 @ p["W3"]) * (1 - a2**2)
        dz1 = (dz2 @ p["W2"]) * (1 - a1**2)
        update(
            {
                "W1": dz1.T @ x, "b1": dz1.sum(axis=0), "W2": dz2.T @ a1, "b2": dz2.sum(axis=0),
                "W3": dz3.T @ a2, "b3": dz3.sum(axis=0),
            }
        )  # fmt: skip
        return float(loss)

    def descend(grads: dict[str, Any]) -> None:
        for name, g in grads.items():
            p[name] -= lr * g

    def adam(grads: dict[str, Any]) -> None:
        state["t"] += 1
        for name, g in grads.items():
            m[name] = 0.9 * m[name] + 0.1 * g
            v[name] = 0.999 * v[name] + 0.001 * g**2
            m_hat, v_hat = m[name] / (1 - 0.9 ** state["t"]), v[name] / (1 - 0.999 ** state["t"])
            p[name] -= lr * m_hat / (np.sqrt(v_hat) + 1e-8)

    state = {"t": 0}
    m, v = ({name: np.zeros_like(values) for name, values in p.items()} for _ in range(2))
    update = adam if optimizer == "adam" else descend
    return step, lambda: p


STEPS = {"logistic": logistic, "two-layer": two_layer, "mlp": mlp}
