"""A neural ordinary differential equation, dz/ds = f(z), followed from 0 to 1 in Euler's steps

Equations:
    z[0] = x
    u[k] = W @ z[k - 1] + b
    a[k] = tanh(u[k])
    z[k] = z[k - 1] + (V @ a[k] + c)/K
    yhat = z[K]
    L = sum((yhat - y)**2)/2

Gradients:
    dL/dW = mean of sum(outer(dL/du[k], z[k - 1]), k, k > 0)
    dL/db = mean of sum(dL/du[k], k, k > 0)
    dL/dV = mean of sum(dL/dz[k, i]*a[k, j], k, k > 0)/K
    dL/dc = mean of sum(dL/dz[k, i], k, k > 0)/K

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def init(seed=0, *, K=10, d=3, m=16):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W": rng.normal(0, np.sqrt(2 / (m + d)), (m, d)),
        "b": np.zeros(m),
        "V": rng.normal(0, np.sqrt(2 / (d + m)), (d, m)),
        "c": np.zeros(d),
    }


def loss(params, *, x, y):
    """The mean of the loss over the examples."""
    W = params["W"]
    b = params["b"]
    V = params["V"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)
    m = W.shape[0]
    d = W.shape[1]
    K = 10
    z = np.zeros((n, K + 1, d))
    z[:, 0] = x
    u = np.zeros((n, K + 1, m))
    a = np.zeros((n, K + 1, m))
    for k in range(1, K + 1):
        u[:, k] = z[:, k - 1] @ W.T + b
        a[:, k] = np.tanh(u[:, k])
        z[:, k] = z[:, k - 1] + (a[:, k] @ V.T + c) / K
    yhat = z[:, K]
    L = np.sum((yhat - y) ** 2, axis=1) / 2
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
    m = W.shape[0]
    d = W.shape[1]
    K = 10

    # Forward pass
    z = np.zeros((n, K + 1, d))
    z[:, 0] = x
    u = np.zeros((n, K + 1, m))
    a = np.zeros((n, K + 1, m))
    for k in range(1, K + 1):
        u[:, k] = z[:, k - 1] @ W.T + b
        a[:, k] = np.tanh(u[:, k])
        z[:, k] = z[:, k - 1] + (a[:, k] @ V.T + c) / K
    yhat = z[:, K]
    L = np.sum((yhat - y) ** 2, axis=1) / 2

    # Backward pass
    # dL/dyhat = yhat - y
    d_yhat = yhat - y
    d_z = np.zeros((n, K + 1, d))
    d_a = np.zeros((n, K + 1, m))
    d_u = np.zeros((n, K + 1, m))
    for k in reversed(range(1, K + 1)):
        # dL/dz = where(k < K, W.T @ dL/du[k + 1] + dL/dz[k + 1], 0) + dL/dyhat*delta(K, k)
        d_z[:, k] = (d_u[:, k + 1] @ W + d_z[:, k + 1] if k < K else 0) + (d_yhat if k == K else 0)
        # dL/da = where(k > 0, V.T @ dL/dz[k]/K, 0)
        d_a[:, k] = d_z[:, k] @ V / K
        # dL/du = where(k > 0, dL/da[k]*(1 - a[k]**2), 0)
        d_u[:, k] = d_a[:, k] * (1 - a[:, k] ** 2)
    # dL/dz = where(k < K, W.T @ dL/du[k + 1] + dL/dz[k + 1], 0) + dL/dyhat*delta(K, k)
    d_z[:, 0] = d_u[:, 1] @ W + d_z[:, 1]
    grads = {
        # dL/dW = mean of sum(outer(dL/du[k], z[k - 1]), k, k > 0)
        "W": np.tensordot(d_u[:, 1 : K + 1], z[:, :K], axes=((0, 1), (0, 1))) / n,
        # dL/db = mean of sum(dL/du[k], k, k > 0)
        "b": np.sum(d_u[:, 1 : K + 1], axis=(0, 1)) / n,
        # dL/dV = mean of sum(dL/dz[k, i]*a[k, j], k, k > 0)/K
        "V": np.tensordot(d_z[:, 1 : K + 1], a[:, 1 : K + 1], axes=((0, 1), (0, 1))) / K / n,
        # dL/dc = mean of sum(dL/dz[k, i], k, k > 0)/K
        "c": np.sum(d_z[:, 1 : K + 1], axis=(0, 1)) / K / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x):
    """The output yhat of the model."""
    W = params["W"]
    b = params["b"]
    V = params["V"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    n = len(x)
    m = W.shape[0]
    d = W.shape[1]
    K = 10
    z = np.zeros((n, K + 1, d))
    z[:, 0] = x
    u = np.zeros((n, K + 1, m))
    a = np.zeros((n, K + 1, m))
    for k in range(1, K + 1):
        u[:, k] = z[:, k - 1] @ W.T + b
        a[:, k] = np.tanh(u[:, k])
        z[:, k] = z[:, k - 1] + (a[:, k] @ V.T + c) / K
    yhat = z[:, K]
    return yhat


def update(params, grads, state=None, lr=0.1):
    """One step of gradient descent, in place; it keeps no `state`.

    Every gradient was computed before any parameter changes.  In the formulas theta is params[name] and eta is lr.
    """
    for name, g in grads.items():
        # theta[t] = theta[t - 1] - eta*g[t]
        params[name] = params[name] - lr * g


def train(
    data,
    epochs=200,
    lr=0.1,
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
        if name not in () + ("K", "d", "m"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"d": np.shape(data["x"])[1]}
    sizes |= {name: options[name] for name in ("K", "d", "m") if name in options}
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
