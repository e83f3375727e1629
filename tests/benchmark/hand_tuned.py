"""The steps as an expert tunes them in numpy alone: no loss, arrays made once, blocks that stay in the cache, the examples
last, the mean taken with the learning rate, one vector of parameters; for few examples scalars and their data as one product,
for many of them term by term, which is quicker there."""

from __future__ import annotations

from typing import Any

import numpy as np

BLOCK = 32_768


def _cut(data: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The data block by block."""
    n = len(data["y"])
    return [tuple(data[name][k : k + BLOCK] for name in ("x_1", "x_2", "y")) for k in range(0, n, BLOCK)]


def logistic(params: dict[str, Any], data: dict[str, Any], lr: float, optimizer: str = "") -> Any:
    theta = np.array([params["w_1"], params["w_2"], params["b"]])
    gradient, total = np.empty(3), np.empty(3)
    w_1, w_2, b = (theta[k, ...] for k in range(3))
    d_1, d_2, d_b = (gradient[k, ...] for k in range(3))
    rate, one = np.array(lr / len(data["y"])), np.array(1.0)
    dot, exp, add, negative, divide, subtract, multiply = (
        np.dot, np.exp, np.add, np.negative, np.divide, np.subtract, np.multiply
    )  # fmt: skip
    buffers = {n: (np.empty(n), np.empty(n), np.ones(n)) for n in {len(y) for _, _, y in _cut(data)}}
    blocks = [(*block, *buffers[len(block[2])]) for block in _cut(data)]

    def step() -> None:
        total.fill(0)
        for x_1, x_2, y, z, t, ones in blocks:
            multiply(x_1, w_1, z)
            multiply(x_2, w_2, t)
            add(z, t, z)
            add(z, b, z)
            negative(z, z)
            exp(z, z)
            add(z, one, z)
            divide(one, z, z)
            subtract(z, y, z)
            dot(z, x_1, d_1)
            dot(z, x_2, d_2)
            dot(z, ones, d_b)
            add(total, gradient, total)
        multiply(total, rate, total)
        subtract(theta, total, theta)

    return step, lambda: dict(zip(("w_1", "w_2", "b"), theta, strict=True))


def two_layer(params: dict[str, Any], data: dict[str, Any], lr: float, optimizer: str = "") -> Any:
    return (_two_layer_small if len(data["y"]) <= 1024 else _two_layer_large)(params, data, lr)


NAMES = ("w1_1", "w1_2", "b1", "w2", "b2")


def _two_layer_large(params: dict[str, Any], data: dict[str, Any], lr: float, optimizer: str = "") -> Any:
    theta = np.array([params[name] for name in NAMES])
    gradient, total = np.empty(5), np.empty(5)
    w1_1, w1_2, b1, w2, b2 = (theta[k, ...] for k in range(5))
    d1_1, d1_2, d_b1, d_w2, d_b2 = (gradient[k, ...] for k in range(5))
    rate, one = np.array(lr / len(data["y"])), np.array(1.0)
    dot, exp, add, negative, divide, subtract, multiply, tanh = (
        np.dot, np.exp, np.add, np.negative, np.divide, np.subtract, np.multiply, np.tanh
    )  # fmt: skip
    buffers = {n: (np.empty(n), np.empty(n), np.empty(n), np.ones(n)) for n in {len(y) for _, _, y in _cut(data)}}
    blocks = [(*block, *buffers[len(block[2])]) for block in _cut(data)]

    def step() -> None:
        total.fill(0)
        for x_1, x_2, y, a, z, t, ones in blocks:
            multiply(x_1, w1_1, a)
            multiply(x_2, w1_2, t)
            add(a, t, a)
            add(a, b1, a)
            tanh(a, a)
            multiply(a, w2, z)
            add(z, b2, z)
            negative(z, z)
            exp(z, z)
            add(z, one, z)
            divide(one, z, z)
            subtract(z, y, z)
            dot(z, a, d_w2)
            dot(z, ones, d_b2)
            multiply(a, a, t)
            subtract(one, t, t)
            multiply(t, z, t)
            multiply(t, w2, t)
            dot(t, x_1, d1_1)
            dot(t, x_2, d1_2)
            dot(t, ones, d_b1)
            add(total, gradient, total)
        multiply(total, rate, total)
        subtract(theta, total, theta)

    return step, lambda: dict(zip(NAMES, theta, strict=True))


def _two_layer_small(params: dict[str, Any], data: dict[str, Any], lr: float, optimizer: str = "") -> Any:
    theta = np.array([params[name] for name in NAMES])
    gradient = np.empty(5)
    first, second, w2 = theta[:3], theta[3:], theta[3, ...]
    d_first, d_second = gradient[:3], gradient[3:]
    n, y = len(data["y"]), data["y"]
    rate, one = np.array(lr / n), np.array(1.0)
    x, hidden = np.stack([data["x_1"], data["x_2"], np.ones(n)]), np.ones((2, n))
    a1, z, d = hidden[0], np.empty(n), np.empty(n)
    dot, exp, add, negative, divide, subtract, multiply, tanh = (
        np.dot, np.exp, np.add, np.negative, np.divide, np.subtract, np.multiply, np.tanh
    )  # fmt: skip

    def step() -> None:
        dot(first, x, a1)
        tanh(a1, a1)
        dot(second, hidden, z)
        negative(z, z)
        exp(z, z)
        add(z, one, z)
        divide(one, z, z)
        subtract(z, y, z)
        dot(hidden, z, d_second)
        multiply(a1, a1, d)
        subtract(one, d, d)
        multiply(d, z, d)
        multiply(d, w2, d)
        dot(x, d, d_first)
        multiply(gradient, rate, gradient)
        subtract(theta, gradient, theta)

    return step, lambda: dict(zip(NAMES, theta, strict=True))


def mlp(params: dict[str, Any], data: dict[str, Any], lr: float, optimizer: str = "") -> Any:
    theta = np.concatenate([values.ravel() for values in params.values()])
    gradient = np.empty_like(theta)
    edges = np.cumsum([0, *(values.size for values in params.values())])
    p, g = (
        {
            name: flat[a:b].reshape(values.shape)
            for (name, values), a, b in zip(params.items(), edges, edges[1:], strict=False)
        }
        for flat in (theta, gradient)
    )
    x, y_last = data["x"], np.ascontiguousarray(data["y"].T)
    n, dtype = len(x), theta.dtype
    rate, one, ones, ones_k = (np.array(v, dtype=dtype) for v in (lr / n, 1, np.ones(n), np.ones(len(p["b3"]))))
    a1, a2, a3, d2, d1, s2, s1 = (
        np.empty((len(p[name]), n), dtype=dtype) for name in ("b1", "b2", "b3", "b2", "b1", "b2", "b1")
    )
    top = np.empty(n, dtype=dtype)
    b1, b2, b3 = (p[name][:, None] for name in ("b1", "b2", "b3"))
    dot, add, tanh, exp, multiply, subtract, divide = (
        np.dot,
        np.add,
        np.tanh,
        np.exp,
        np.multiply,
        np.subtract,
        np.divide,
    )

    def step() -> None:
        dot(p["W1"], x.T, a1)
        add(a1, b1, a1)
        tanh(a1, a1)
        dot(p["W2"], a1, a2)
        add(a2, b2, a2)
        tanh(a2, a2)
        dot(p["W3"], a2, a3)
        add(a3, b3, a3)
        np.maximum.reduce(a3, 0, None, top)
        subtract(a3, top, a3)
        exp(a3, a3)
        dot(ones_k, a3, top)
        divide(a3, top, a3)
        subtract(a3, y_last, a3)
        dot(a3, a2.T, g["W3"])
        dot(a3, ones, g["b3"])
        dot(p["W3"].T, a3, d2)
        multiply(a2, a2, s2)
        subtract(one, s2, s2)
        multiply(d2, s2, d2)
        dot(d2, a1.T, g["W2"])
        dot(d2, ones, g["b2"])
        dot(p["W2"].T, d2, d1)
        multiply(a1, a1, s1)
        subtract(one, s1, s1)
        multiply(d1, s1, d1)
        dot(d1, x, g["W1"])
        dot(d1, ones, g["b1"])
        update()

    def descend() -> None:
        multiply(gradient, rate, gradient)
        subtract(theta, gradient, theta)

    def adam() -> None:
        """On the vector of all; the two corrections of the mean and the variance in one factor each."""
        state["t"] += 1
        t = state["t"]
        multiply(gradient, 0.1 / n, u)
        multiply(m, 0.9, m)
        add(m, u, m)
        multiply(gradient, gradient, gradient)
        multiply(gradient, 0.001 / n**2, gradient)
        multiply(v, 0.999, v)
        add(v, gradient, v)
        multiply(v, 1 / (1 - 0.999**t), u)
        np.sqrt(u, u)
        add(u, 1e-8, u)
        divide(m, u, u)
        multiply(u, lr / (1 - 0.9**t), u)
        subtract(theta, u, theta)

    state = {"t": 0}
    m, v, u = (np.zeros_like(theta) for _ in range(3))
    update = adam if optimizer == "adam" else descend
    return step, lambda: p


STEPS = {"logistic": logistic, "two-layer": two_layer, "mlp": mlp}
