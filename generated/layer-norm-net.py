"""Layer normalization: each example by the mean and variance of its own units

Equations:
    z1 = W1 @ x
    mu = mean(z1)
    v = mean((z1 - mu)**2)
    u = (z1 - mu)/sqrt(v + epsilon)
    s = gamma*u + beta
    a1 = relu(s)
    z2 = W2 @ a1 + b2
    p = softmax(z2)
    L = -sum(y*log(p))

Gradients:
    dL/dW1 = mean of outer(dL/dz1, x)
    dL/dgamma = mean of dL/ds*u
    dL/dbeta = mean of dL/ds
    dL/dW2 = mean of outer(dL/dz2, a1)
    dL/db2 = mean of dL/dz2

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def _softmax(u, axis):
    """exp(u)/sum(exp(u)) along an axis, the maximum taken off first."""
    e = np.exp(u - u.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _log_softmax(u, axis):
    """log(exp(u)/sum(exp(u))) along an axis."""
    v = u - u.max(axis=axis, keepdims=True)
    return v - np.log(np.exp(v).sum(axis=axis, keepdims=True))


def init(seed=0, *, d=64, h=64, k=10):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W1": rng.normal(0, np.sqrt(2 / (h + d)), (h, d)),
        "gamma": np.ones(h),
        "beta": np.zeros(h),
        "W2": rng.normal(0, np.sqrt(2 / (k + h)), (k, h)),
        "b2": np.zeros(k),
    }


def loss(params, *, x, y, epsilon=1e-05):
    """The mean of the loss over the examples."""
    W1 = params["W1"]
    gamma = params["gamma"]
    beta = params["beta"]
    W2 = params["W2"]
    b2 = params["b2"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    h = W1.shape[0]
    z1 = x @ W1.T
    mu = np.sum(z1, axis=1) / h
    v = np.sum((z1 - mu[:, None]) ** 2, axis=1) / h
    u = (z1 - mu[:, None]) / np.sqrt(v + epsilon)[:, None]
    s = gamma * u + beta
    a1 = np.maximum(s, 0)
    z2 = a1 @ W2.T + b2
    # L = -sum(y*log(p)), in a stable form
    L = -np.sum(y * _log_softmax(z2, axis=-1), axis=1)
    return float(np.mean(L))


def loss_and_gradients(params, *, x, y, epsilon=1e-05):
    """The loss, and its gradient with respect to each parameter."""
    W1 = params["W1"]
    gamma = params["gamma"]
    beta = params["beta"]
    W2 = params["W2"]
    b2 = params["b2"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)
    h = W1.shape[0]

    # Forward pass
    z1 = x @ W1.T
    mu = np.sum(z1, axis=1) / h
    v = np.sum((z1 - mu[:, None]) ** 2, axis=1) / h
    u = (z1 - mu[:, None]) / np.sqrt(v + epsilon)[:, None]
    s = gamma * u + beta
    a1 = np.maximum(s, 0)
    z2 = a1 @ W2.T + b2
    p = _softmax(z2, axis=-1)
    # L = -sum(y*log(p)), in a stable form
    L = -np.sum(y * _log_softmax(z2, axis=-1), axis=1)

    # Backward pass
    # dL/dz2 = p - y
    d_z2 = p - y
    # dL/da1 = W2.T @ dL/dz2
    d_a1 = d_z2 @ W2
    # dL/ds = dL/da1*where(s > 0, 1, 0)
    d_s = d_a1 * (s > 0)
    # dL/du = dL/ds*gamma
    d_u = d_s * gamma
    # dL/dv = -sum(dL/du*u)/(2*(v + epsilon))
    d_v = -np.sum(d_u * u, axis=1) / (2 * (v + epsilon))
    # dL/dmu = -sum(dL/du)/sqrt(v + epsilon)
    d_mu = -np.sum(d_u, axis=1) / np.sqrt(v + epsilon)
    # dL/dz1 = dL/dmu/h + 2*dL/dv*(z1 - mu)/h + dL/du/sqrt(v + epsilon)
    d_z1 = (d_mu / h)[:, None] + 2 * d_v[:, None] * (z1 - mu[:, None]) / h + d_u / np.sqrt(v + epsilon)[:, None]
    grads = {
        # dL/dW1 = mean of outer(dL/dz1, x)
        "W1": d_z1.T @ x / n,
        # dL/dgamma = mean of dL/ds*u
        "gamma": np.sum(d_s * u, axis=0) / n,
        # dL/dbeta = mean of dL/ds
        "beta": np.sum(d_s, axis=0) / n,
        # dL/dW2 = mean of outer(dL/dz2, a1)
        "W2": d_z2.T @ a1 / n,
        # dL/db2 = mean of dL/dz2
        "b2": np.sum(d_z2, axis=0) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x, epsilon=1e-05):
    """The output p of the model."""
    W1 = params["W1"]
    gamma = params["gamma"]
    beta = params["beta"]
    W2 = params["W2"]
    b2 = params["b2"]
    x = np.asarray(x, dtype=np.float64)
    h = W1.shape[0]
    z1 = x @ W1.T
    mu = np.sum(z1, axis=1) / h
    v = np.sum((z1 - mu[:, None]) ** 2, axis=1) / h
    u = (z1 - mu[:, None]) / np.sqrt(v + epsilon)[:, None]
    s = gamma * u + beta
    a1 = np.maximum(s, 0)
    z2 = a1 @ W2.T + b2
    p = _softmax(z2, axis=-1)
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
        if name not in ("epsilon",) + ("d", "h", "k"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in ("epsilon",) if name in options}
    sizes = {"d": np.shape(data["x"])[1], "k": np.shape(data["y"])[1]}
    sizes |= {name: options[name] for name in ("d", "h", "k") if name in options}
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
