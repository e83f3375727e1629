"""A denoising autoencoder: the input is restored from a part of it

Equations:
    u = m*x
    a = sigmoid(W @ u + b)
    z = W.T @ a + c
    x_hat = sigmoid(z)
    L = -sum(x*log(x_hat) + (1 - x)*log(1 - x_hat))

Gradients:
    dL/dW = mean of outer(dL/da*a*(1 - a), u) + outer(a, dL/dz)
    dL/db = mean of dL/da*a*(1 - a)
    dL/dc = mean of dL/dz

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


@np.errstate(over="ignore")  # where the exponential is infinite, the quotient is 0
def _sigmoid(u):
    """1/(1 + exp(-u))"""
    return 1 / (1 + np.exp(-u))


def _softplus(u):
    """log(1 + exp(u)): the exponential never overflows."""
    return np.maximum(u, 0) + np.log1p(np.exp(-np.abs(u)))


def init(seed=0, *, d=64, h=32):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W": rng.normal(0, np.sqrt(2 / (h + d)), (h, d)),
        "b": np.zeros(h),
        "c": np.zeros(d),
    }


def loss(params, *, x, m=None):
    """The mean of the loss over the examples."""
    W = params["W"]
    b = params["b"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    h = W.shape[0]
    d = W.shape[1]
    n = len(x)
    m = (np.random.default_rng().random(size=(n, d)) < 0.7).astype(float) if m is None else np.asarray(m)
    u = m * x
    a = _sigmoid(u @ W.T + b)
    z = a @ W + c
    # L = -sum(x*log(x_hat) + (1 - x)*log(1 - x_hat)), in a stable form
    L = -np.sum(-x * _softplus(-z) - (1 - x) * _softplus(z), axis=1)
    return float(np.mean(L))


def loss_and_gradients(params, *, x, m=None):
    """The loss, and its gradient with respect to each parameter."""
    W = params["W"]
    b = params["b"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    n = len(x)
    h = W.shape[0]
    d = W.shape[1]
    m = (np.random.default_rng().random(size=(n, d)) < 0.7).astype(float) if m is None else np.asarray(m)

    # Forward pass
    u = m * x
    a = _sigmoid(u @ W.T + b)
    z = a @ W + c
    x_hat = _sigmoid(z)
    # L = -sum(x*log(x_hat) + (1 - x)*log(1 - x_hat)), in a stable form
    L = -np.sum(-x * _softplus(-z) - (1 - x) * _softplus(z), axis=1)

    # Backward pass
    # dL/dz = x_hat - x
    d_z = x_hat - x
    # dL/da = W @ dL/dz
    d_a = d_z @ W.T
    grads = {
        # dL/dW = mean of outer(dL/da*a*(1 - a), u) + outer(a, dL/dz)
        "W": (d_a * a * (1 - a)).T @ u / n + a.T @ d_z / n,
        # dL/db = mean of dL/da*a*(1 - a)
        "b": np.sum(d_a * a * (1 - a), axis=0) / n,
        # dL/dc = mean of dL/dz
        "c": np.sum(d_z, axis=0) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x, m=None):
    """The output x_hat of the model."""
    W = params["W"]
    b = params["b"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    h = W.shape[0]
    d = W.shape[1]
    n = len(x)
    m = (np.random.default_rng().random(size=(n, d)) < 0.7).astype(float) if m is None else np.asarray(m)
    u = m * x
    a = _sigmoid(u @ W.T + b)
    z = a @ W + c
    x_hat = _sigmoid(z)
    return x_hat


def update(params, grads, state=None, lr=0.5):
    """One step of gradient descent, in place; it keeps no `state`.

    Every gradient was computed before any parameter changes.  In the formulas theta is params[name] and eta is lr.
    """
    for name, g in grads.items():
        # theta[t] = theta[t - 1] - eta*g[t]
        params[name] = params[name] - lr * g


def train(
    data,
    epochs=200,
    lr=0.5,
    batch_size=None,
    seed=0,
    tolerance=0.0,
    params=None,
    callback=None,
    **options,
):
    """Gradient descent over the examples in `data`, a dictionary of arrays.

    `batch_size` None takes all examples in every step, shuffled by `seed` otherwise.
    Stops after `epochs`, when the loss changes by less than `tolerance` (if that is above 0), or when
    ``callback(epoch, loss, params)`` is true; `loss` is the one before the epoch's last update.
    `options` are the constants and sizes of the model.
    Returns the parameters and the history, a list of dictionaries.
    """
    for name in options:
        if name not in () + ("d", "h"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"d": np.shape(data["x"])[1]}
    sizes |= {name: options[name] for name in ("d", "h") if name in options}
    count = len(data["x"])
    params = init(seed, **sizes) if params is None else dict(params)
    state = {}
    history = []
    rng = np.random.default_rng(seed)
    rows = [np.arange(count)]
    for epoch in range(1, epochs + 1):
        if batch_size is not None and batch_size < count:
            order = rng.permutation(count)
            rows = [order[start : start + batch_size] for start in range(0, count, batch_size)]
        total = 0.0
        for batch in rows:
            part = data if len(rows) == 1 else {name: np.asarray(values)[batch] for name, values in data.items()}
            if "m" not in part:
                part = part | {"m": (rng.random(size=(len(batch), sizes["d"])) < 0.7).astype(float)}
            value, grads = loss_and_gradients(params, **part, **constants)
            update(params, grads, state, lr)
            total += value * len(batch) / count
        history.append({"epoch": epoch, "loss": total})
        if callback is not None and callback(epoch, total, params):
            break
        if tolerance > 0 and epoch > 1 and abs(history[-2]["loss"] - total) < tolerance:
            break
    return params, history


def read_csv(path):
    """The columns of a CSV file as the data of `train`; a vector takes its numbered columns, or the rest."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        header, *lines = [line for line in csv.reader(file) if line]
    table = dict(zip(header, np.array(lines, dtype=float).T))
    data = {name: table.pop(name) for name in () if name in table}
    missing = [name for name in ("x",) if name not in data]
    for name in missing:
        columns = [column for column in table if column.rsplit("_", 1)[0] == name]
        if not columns and len(missing) == 1:
            columns = list(table)
        if not columns:
            raise SystemExit(f"{path}: no column for {name}; there are {', '.join(header)}")
        data[name] = np.stack([table[column] for column in columns], axis=1)
    return data


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: python {sys.argv[0]} DATA.csv")
    trained, history = train(read_csv(sys.argv[1]))
    print(f"loss {history[0]['loss']:.6g} → {history[-1]['loss']:.6g} after {len(history)} epochs")
    for name, value in trained.items():
        print(f"{name} = {value}")
