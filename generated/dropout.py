"""Dropout: in training each hidden unit is there by chance, in prediction all of them are

Equations:
    a1 = relu(W1 @ x + b1)
    u = r*a1/q
    z = w2 @ u + b2
    p = sigmoid(z)
    L = -y*log(p) - (1 - y)*log(1 - p)
    p_all = sigmoid(w2 @ a1 + b2)

Gradients:
    dL/dW1 = mean of outer(dL/da1*where(W1 @ x + b1 > 0, 1, 0), x)
    dL/db1 = mean of dL/da1*where(W1 @ x + b1 > 0, 1, 0)
    dL/dw2 = mean of dL/dz*u
    dL/db2 = mean of dL/dz

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


@np.errstate(over="ignore")  # where the exponential is infinite, the quotient is 0
def _sigmoid(u):
    """1/(1 + exp(-u))"""
    return 1 / (1 + np.exp(-u))


def _binary_cross_entropy_with_logits(z, y):
    """log(1 + exp(z)) - y*z, where nothing overflows and a small loss keeps its digits."""
    return np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z)))


def init(seed=0, *, d=64, h=64):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W1": rng.normal(0, np.sqrt(2 / (h + d)), (h, d)),
        "b1": np.zeros(h),
        "w2": rng.normal(0, np.sqrt(2 / (h + 1)), h),
        "b2": 0.0,
    }


def loss(params, *, x, y, r=None, q=0.8):
    """The mean of the loss over the examples."""
    W1 = params["W1"]
    b1 = params["b1"]
    w2 = params["w2"]
    b2 = params["b2"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    h = W1.shape[0]
    d = W1.shape[1]
    n = len(x)
    r = (np.random.default_rng().random(size=(n, h)) < q).astype(float) if r is None else np.asarray(r)
    a1 = np.maximum(x @ W1.T + b1, 0)
    u = r * a1 / q
    z = u @ w2 + b2
    # L = -y*log(p) - (1 - y)*log(1 - p), in a stable form
    L = _binary_cross_entropy_with_logits(z, y)
    return float(np.mean(L))


def loss_and_gradients(params, *, x, y, r=None, q=0.8):
    """The loss, and its gradient with respect to each parameter."""
    W1 = params["W1"]
    b1 = params["b1"]
    w2 = params["w2"]
    b2 = params["b2"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)
    h = W1.shape[0]
    d = W1.shape[1]
    r = (np.random.default_rng().random(size=(n, h)) < q).astype(float) if r is None else np.asarray(r)

    # Forward pass
    a1 = np.maximum(x @ W1.T + b1, 0)
    u = r * a1 / q
    z = u @ w2 + b2
    p = _sigmoid(z)
    # L = -y*log(p) - (1 - y)*log(1 - p), in a stable form
    L = _binary_cross_entropy_with_logits(z, y)

    # Backward pass
    # dL/dz = p - y
    d_z = p - y
    # dL/du = dL/dz*w2
    d_u = d_z[:, None] * w2
    # dL/da1 = dL/du*r/q
    d_a1 = d_u * r / q
    grads = {
        # dL/dW1 = mean of outer(dL/da1*where(W1 @ x + b1 > 0, 1, 0), x)
        "W1": (d_a1 * (x @ W1.T + b1 > 0)).T @ x / n,
        # dL/db1 = mean of dL/da1*where(W1 @ x + b1 > 0, 1, 0)
        "b1": np.sum(d_a1 * (x @ W1.T + b1 > 0), axis=0) / n,
        # dL/dw2 = mean of dL/dz*u
        "w2": d_z @ u / n,
        # dL/db2 = mean of dL/dz
        "b2": np.sum(d_z) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x, q=0.8):
    """The output p_all of the model."""
    W1 = params["W1"]
    b1 = params["b1"]
    w2 = params["w2"]
    b2 = params["b2"]
    x = np.asarray(x, dtype=np.float64)
    a1 = np.maximum(x @ W1.T + b1, 0)
    p_all = _sigmoid(a1 @ w2 + b2)
    return p_all


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
        if name not in ("q",) + ("d", "h"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in ("q",) if name in options}
    sizes = {"d": np.shape(data["x"])[1], "h": np.shape(data["r"])[1] if "r" in data else 64}
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
            if "r" not in part:
                part = part | {"r": (rng.random(size=(len(batch), sizes["h"])) < constants.get("q", 0.8)).astype(float)}
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
    data = {name: table.pop(name) for name in ("y",) if name in table}
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
