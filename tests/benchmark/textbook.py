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


GATES = "ifog"


def lstm(params: dict[str, Any], data: dict[str, Any], lr: float, optimizer: str) -> Any:
    p = {name: values.copy() for name, values in params.items()}
    x, y = data["x"], data["y"]
    n, T = x.shape[:2]

    def sigmoid(z: Any) -> Any:
        return 1 / (1 + np.exp(-z))

    def step() -> float:
        h, c = [np.zeros((n, len(p["v"])), dtype=x.dtype)], [np.zeros((n, len(p["v"])), dtype=x.dtype)]
        i, f, o, g = [], [], [], []
        for t in range(T):
            i.append(sigmoid(x[:, t] @ p["W_i"].T + h[t] @ p["U_i"].T + p["b_i"]))
            f.append(sigmoid(x[:, t] @ p["W_f"].T + h[t] @ p["U_f"].T + p["b_f"]))
            o.append(sigmoid(x[:, t] @ p["W_o"].T + h[t] @ p["U_o"].T + p["b_o"]))
            g.append(np.tanh(x[:, t] @ p["W_g"].T + h[t] @ p["U_g"].T + p["b_g"]))
            c.append(f[t] * c[t] + i[t] * g[t])
            h.append(o[t] * np.tanh(c[t + 1]))
        error = h[T] @ p["v"] + p["b"] - y
        loss = np.mean(error**2) / 2
        grads = {name: np.zeros_like(values) for name, values in p.items()}
        grads["v"], grads["b"] = error @ h[T] / n, error.mean()
        dh, dc = np.outer(error / n, p["v"]), np.zeros_like(c[0])
        for t in reversed(range(T)):
            tanh_c = np.tanh(c[t + 1])
            dc = dc + dh * o[t] * (1 - tanh_c**2)
            dz = {
                "i": dc * g[t] * i[t] * (1 - i[t]), "f": dc * c[t] * f[t] * (1 - f[t]),
                "o": dh * tanh_c * o[t] * (1 - o[t]), "g": dc * i[t] * (1 - g[t] ** 2),
            }  # fmt: skip
            for gate in GATES:
                grads["W_" + gate] += dz[gate].T @ x[:, t]
                grads["U_" + gate] += dz[gate].T @ h[t]
                grads["b_" + gate] += dz[gate].sum(axis=0)
            dh = dz["i"] @ p["U_i"] + dz["f"] @ p["U_f"] + dz["o"] @ p["U_o"] + dz["g"] @ p["U_g"]
            dc = dc * f[t]
        for name, gradient in grads.items():
            p[name] -= lr * gradient
        return float(loss)

    return step, lambda: p


def transformer_block(params: dict[str, Any], data: dict[str, Any], lr: float, optimizer: str) -> Any:
    p = {name: values.copy() for name, values in params.items()}
    X, Y = data["X"], data["Y"]
    n, _, m = X.shape

    def normalised(z: Any) -> Any:
        centred = z - z.mean(axis=-1, keepdims=True)
        deviation = np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + 1e-5)
        return centred / deviation, deviation

    def back_through_norm(du: Any, u: Any, deviation: Any) -> Any:
        return (du - du.mean(axis=-1, keepdims=True) - u * np.mean(du * u, axis=-1, keepdims=True)) / deviation

    def step() -> float:
        Q, K, V = X @ p["W_Q"], X @ p["W_K"], X @ p["W_V"]
        S = Q @ K.transpose(0, 2, 1) / np.sqrt(m).astype(X.dtype)
        e = np.exp(S - S.max(axis=-1, keepdims=True))
        A = e / e.sum(axis=-1, keepdims=True)
        heads = A @ V
        u1, s1 = normalised(X + heads @ p["W_O"])
        N1 = p["g1"] * u1 + p["c1"]
        F = np.maximum(N1 @ p["W1"] + p["b1"], 0)
        u2, s2 = normalised(N1 + F @ p["W2"] + p["b2"])
        error = p["g2"] * u2 + p["c2"] - Y
        loss = np.sum(error**2) / 2 / n
        dO = error / n
        dR = back_through_norm(dO * p["g2"], u2, s2)
        dz = dR @ p["W2"].T * (F > 0)
        dN1 = dR + dz @ p["W1"].T
        dU = back_through_norm(dN1 * p["g1"], u1, s1)
        dheads = dU @ p["W_O"].T
        dA = dheads @ V.transpose(0, 2, 1)
        dV = A.transpose(0, 2, 1) @ dheads
        dS = A * (dA - np.sum(dA * A, axis=-1, keepdims=True)) / np.sqrt(m).astype(X.dtype)
        dQ, dK = dS @ K, dS.transpose(0, 2, 1) @ Q

        def product(a: Any, b: Any) -> Any:
            return a.reshape(-1, a.shape[-1]).T @ b.reshape(-1, b.shape[-1])

        grads = {
            "W_Q": product(X, dQ), "W_K": product(X, dK), "W_V": product(X, dV), "W_O": product(heads, dU),
            "g1": np.sum(dN1 * u1, axis=(0, 1)), "c1": dN1.sum(axis=(0, 1)),
            "W1": product(N1, dz), "b1": dz.sum(axis=(0, 1)), "W2": product(F, dR), "b2": dR.sum(axis=(0, 1)),
            "g2": np.sum(dO * u2, axis=(0, 1)), "c2": dO.sum(axis=(0, 1)),
        }  # fmt: skip
        for name, gradient in grads.items():
            p[name] -= lr * gradient
        return float(loss)

    return step, lambda: p


STEPS = {
    "logistic": logistic,
    "two-layer": two_layer,
    "mlp": mlp,
    "lstm-regression": lstm,
    "transformer-block": transformer_block,
}
