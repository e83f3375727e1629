"""Denoising score matching: the gradient of an energy points from a disturbed example back to it

Equations:
    y = x + sigma*eps
    z = W @ y + b
    E_z = c*sigmoid(z)
    s = W.T @ E_z
    L = sum((s + eps/sigma)**2)/2

Gradients:
    dL/dW = mean of outer(dL/dz, y) + outer(E_z, dL/ds)
    dL/db = mean of dL/dz
    dL/dc = mean of dL/dE_z*sigmoid(z)

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


@np.errstate(over="ignore")  # where the exponential is infinite, the quotient is 0
def _sigmoid(u):
    """1/(1 + exp(-u))"""
    return 1 / (1 + np.exp(-u))


def init(seed=0, *, d=4, h=8):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W": rng.normal(0, np.sqrt(2 / (h + d)), (h, d)),
        "b": np.zeros(h),
        "c": rng.normal(0, np.sqrt(2 / (h + 1)), h),
    }


def loss(params, *, x, eps=None, sigma=0.5):
    """The mean of the loss over the examples."""
    W = params["W"]
    b = params["b"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    h = W.shape[0]
    d = W.shape[1]
    n = len(x)
    eps = np.random.default_rng().normal(size=(n, d)) if eps is None else np.asarray(eps)
    y = x + sigma * eps
    z = y @ W.T + b
    E_z = c * _sigmoid(z)
    s = E_z @ W
    L = np.sum((s + eps / sigma) ** 2, axis=1) / 2
    return float(np.mean(L))


def loss_and_gradients(params, *, x, eps=None, sigma=0.5):
    """The loss, and its gradient with respect to each parameter."""
    W = params["W"]
    b = params["b"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    n = len(x)
    h = W.shape[0]
    d = W.shape[1]
    eps = np.random.default_rng().normal(size=(n, d)) if eps is None else np.asarray(eps)

    # Forward pass
    y = x + sigma * eps
    z = y @ W.T + b
    E_z = c * _sigmoid(z)
    s = E_z @ W
    L = np.sum((s + eps / sigma) ** 2, axis=1) / 2

    # Backward pass
    # dL/ds = s + eps/sigma
    d_s = s + eps / sigma
    # dL/dE_z = W @ dL/ds
    d_E_z = d_s @ W.T
    # dL/dz = dL/dE_z*c*sigmoid(z)*(1 - sigmoid(z))
    d_z = d_E_z * c * _sigmoid(z) * _sigmoid(-z)
    grads = {
        # dL/dW = mean of outer(dL/dz, y) + outer(E_z, dL/ds)
        "W": d_z.T @ y / n + E_z.T @ d_s / n,
        # dL/db = mean of dL/dz
        "b": np.sum(d_z, axis=0) / n,
        # dL/dc = mean of dL/dE_z*sigmoid(z)
        "c": np.sum(d_E_z * _sigmoid(z), axis=0) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x, eps=None, sigma=0.5):
    """The output s of the model."""
    W = params["W"]
    b = params["b"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    h = W.shape[0]
    d = W.shape[1]
    n = len(x)
    eps = np.random.default_rng().normal(size=(n, d)) if eps is None else np.asarray(eps)
    y = x + sigma * eps
    z = y @ W.T + b
    E_z = c * _sigmoid(z)
    s = E_z @ W
    return s


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
        if name not in ("sigma",) + ("d", "h"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in ("sigma",) if name in options}
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
            if "eps" not in part:
                part = part | {"eps": rng.normal(size=(len(batch), sizes["d"]))}
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
