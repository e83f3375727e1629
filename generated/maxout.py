"""Maxout: the largest of several linear functions as activation

Equations:
    z = W[i, j] @ x + b[i, j]
    a = max(z[i, j], j)
    s = V @ a + c
    p = softmax(s)
    L = -sum(y*log(p))

Gradients:
    dL/dW = mean of dL/dz[i, j]*x[l]
    dL/db = mean of dL/dz
    dL/dV = mean of outer(dL/ds, a)
    dL/dc = mean of dL/ds

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def _softmax(u, axis):
    """exp(u)/sum(exp(u)) along an axis, the maximum taken off first."""
    e = np.exp(u - np.max(u, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def _log_softmax(u, axis):
    """log(exp(u)/sum(exp(u))) along an axis."""
    v = u - np.max(u, axis=axis, keepdims=True)
    return v - np.log(np.sum(np.exp(v), axis=axis, keepdims=True))


def init(seed=0, *, d=64, h=32, m=3, k=10):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W": rng.normal(0, np.sqrt(2 / (m + d)), (h, m, d)),
        "b": np.zeros((h, m)),
        "V": rng.normal(0, np.sqrt(2 / (k + h)), (k, h)),
        "c": np.zeros(k),
    }


def loss(params, *, x, y):
    """The mean of the loss over the examples."""
    W = params["W"]
    b = params["b"]
    V = params["V"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    z = np.einsum("abc,dc->dab", W, x) + b
    a = np.max(z, axis=2)
    s = a @ V.T + c
    # L = -sum(y*log(p)), in a stable form
    L = -np.sum(y * _log_softmax(s, axis=-1), axis=1)
    return float(np.mean(L))


def loss_and_gradients(params, *, x, y):
    """The loss, and its gradient with respect to each parameter."""
    W = params["W"]
    b = params["b"]
    V = params["V"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)

    # Forward pass
    z = np.einsum("abc,dc->dab", W, x) + b
    a = np.max(z, axis=2)
    s = a @ V.T + c
    p = _softmax(s, axis=-1)
    # L = -sum(y*log(p)), in a stable form
    L = -np.sum(y * _log_softmax(s, axis=-1), axis=1)

    # Backward pass
    # dL/ds = p - y
    d_s = p - y
    # dL/da = V.T @ dL/ds
    d_a = d_s @ V
    # dL/dz = dL/da[i]*where(z[i, j] == a[i], 1, 0)/sum(where(z[i, l] == a[i], 1, 0), l)
    d_z = d_a[:, :, None] * np.where(z == a[:, :, None], 1, 0) / np.sum(np.where(z == a[:, :, None], 1, 0), axis=2)[:, :, None]
    grads = {
        # dL/dW = mean of dL/dz[i, j]*x[l]
        "W": np.einsum("abc,ad->bcd", d_z, x) / n,
        # dL/db = mean of dL/dz
        "b": np.sum(d_z, axis=0) / n,
        # dL/dV = mean of outer(dL/ds, a)
        "V": d_s.T @ a / n,
        # dL/dc = mean of dL/ds
        "c": np.sum(d_s, axis=0) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x):
    """The output p of the model."""
    W = params["W"]
    b = params["b"]
    V = params["V"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    z = np.einsum("abc,dc->dab", W, x) + b
    a = np.max(z, axis=2)
    s = a @ V.T + c
    p = _softmax(s, axis=-1)
    return p


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
        if name not in () + ("d", "h", "m", "k"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"d": np.shape(data["x"])[1], "k": np.shape(data["y"])[1]}
    sizes |= {name: options[name] for name in ("d", "h", "m", "k") if name in options}
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
    missing = [name for name in ("x", "y") if name not in data]
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
