"""Logistic regression with two features, written by hand with the interface of a generated module."""

import numpy as np


def init(seed=0):
    scale = np.sqrt(2 / 3)
    rng = np.random.default_rng(seed)
    return {"w_1": scale * rng.standard_normal(), "w_2": scale * rng.standard_normal(), "b": 0.0}


def predict(params, x_1, x_2):
    z = params["w_1"] * x_1 + params["w_2"] * x_2 + params["b"]
    return 0.5 * (1 + np.tanh(z / 2))


def loss(params, x_1, x_2, y):
    z = params["w_1"] * x_1 + params["w_2"] * x_2 + params["b"]
    return float(np.mean(np.logaddexp(0, z) - y * z))


def loss_and_gradients(params, x_1, x_2, y):
    error = predict(params, x_1, x_2) - y
    grads = {"w_1": np.mean(error * x_1), "w_2": np.mean(error * x_2), "b": np.mean(error)}
    return loss(params, x_1, x_2, y), grads


def update(params, grads, state, lr=0.1):
    for name, gradient in grads.items():
        params[name] = params[name] - lr * gradient


def train(data, epochs=100, lr=0.1, batch_size=None, seed=0, tolerance=0.0, params=None, callback=None):
    params = init(seed) if params is None else dict(params)
    rng = np.random.default_rng(seed)
    n = len(data["y"])
    size = batch_size or n
    state, history = {}, []
    for epoch in range(1, epochs + 1):
        order = np.arange(n) if size >= n else rng.permutation(n)
        total = 0.0
        for start in range(0, n, size):
            rows = order[start : start + size]
            value, grads = loss_and_gradients(params, **{name: values[rows] for name, values in data.items()})
            update(params, grads, state, lr=lr)
            total += value * (len(rows) / n)
        history.append({"epoch": epoch, "loss": total})
        if callback is not None and callback(epoch, total, params):
            break
        if tolerance > 0 and epoch > 1 and history[-2]["loss"] - total < tolerance:
            break
    return params, history
