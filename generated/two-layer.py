"""A network of two layers, tanh and sigmoid, with the logarithmic loss

Equations:
    z1 = w1_1*x_1 + w1_2*x_2 + b1
    a1 = tanh(z1)
    z2 = w2*a1 + b2
    a2 = sigmoid(z2)
    L = -y*log(a2) - (1 - y)*log(1 - a2)

Gradients:
    dL/dw1_1 = mean of dL/dz1*x_1
    dL/dw1_2 = mean of dL/dz1*x_2
    dL/db1 = mean of dL/dz1
    dL/dw2 = mean of dL/dz2*a1
    dL/db2 = mean of dL/dz2

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def _sigmoid(u):
    """1/(1 + exp(-u)) by halves: the exponential never overflows."""
    e = np.exp(-np.abs(u))
    return np.where(u >= 0, 1, e) / (1 + e)


def init(seed=0):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "w1_1": rng.normal(),
        "w1_2": rng.normal(),
        "b1": 0.0,
        "w2": rng.normal(),
        "b2": 0.0,
    }


def loss(params, *, x_1, x_2, y):
    """The mean of the loss over the examples."""
    w1_1 = params["w1_1"]
    w1_2 = params["w1_2"]
    b1 = params["b1"]
    w2 = params["w2"]
    b2 = params["b2"]
    x_1 = np.asarray(x_1, dtype=np.float64)
    x_2 = np.asarray(x_2, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    z1 = w1_1 * x_1 + w1_2 * x_2 + b1
    a1 = np.tanh(z1)
    z2 = w2 * a1 + b2
    # L = -y*log(a2) - (1 - y)*log(1 - a2), in a stable form
    L = y * np.logaddexp(0, -z2) + (1 - y) * np.logaddexp(0, z2)
    return float(np.mean(L))


def loss_and_gradients(params, *, x_1, x_2, y):
    """The loss, and its gradient with respect to each parameter."""
    w1_1 = params["w1_1"]
    w1_2 = params["w1_2"]
    b1 = params["b1"]
    w2 = params["w2"]
    b2 = params["b2"]
    x_1 = np.asarray(x_1, dtype=np.float64)
    x_2 = np.asarray(x_2, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x_1)

    # Forward pass
    z1 = w1_1 * x_1 + w1_2 * x_2 + b1
    a1 = np.tanh(z1)
    z2 = w2 * a1 + b2
    a2 = _sigmoid(z2)
    # L = -y*log(a2) - (1 - y)*log(1 - a2), in a stable form
    L = y * np.logaddexp(0, -z2) + (1 - y) * np.logaddexp(0, z2)

    # Backward pass
    # dL/dz2 = a2 - y
    d_z2 = a2 - y
    # dL/da1 = dL/dz2*w2
    d_a1 = d_z2 * w2
    # dL/dz1 = dL/da1*(1 - a1**2)
    d_z1 = d_a1 * (1 - a1**2)
    grads = {
        # dL/dw1_1 = mean of dL/dz1*x_1
        "w1_1": d_z1 @ x_1 / n,
        # dL/dw1_2 = mean of dL/dz1*x_2
        "w1_2": d_z1 @ x_2 / n,
        # dL/db1 = mean of dL/dz1
        "b1": np.sum(d_z1) / n,
        # dL/dw2 = mean of dL/dz2*a1
        "w2": d_z2 @ a1 / n,
        # dL/db2 = mean of dL/dz2
        "b2": np.sum(d_z2) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x_1, x_2):
    """The output a2 of the model."""
    w1_1 = params["w1_1"]
    w1_2 = params["w1_2"]
    b1 = params["b1"]
    w2 = params["w2"]
    b2 = params["b2"]
    x_1 = np.asarray(x_1, dtype=np.float64)
    x_2 = np.asarray(x_2, dtype=np.float64)
    z1 = w1_1 * x_1 + w1_2 * x_2 + b1
    a1 = np.tanh(z1)
    z2 = w2 * a1 + b2
    a2 = _sigmoid(z2)
    return a2


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
):
    """Gradient descent over the examples in `data`, a dictionary of arrays.

    `batch_size` None takes all examples in every step, shuffled by `seed` otherwise.
    Stops after `epochs`, when the loss changes by less than `tolerance` (if that is above 0), or when
    ``callback(epoch, loss, params)`` is true; `loss` is the one before the epoch's last update.
    Returns the parameters and the history, a list of dictionaries.
    """
    data = dict(data)
    count = len(data["x_1"])
    params = init(seed) if params is None else dict(params)
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
            value, grads = loss_and_gradients(params, **part)
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
    data = {name: table.pop(name) for name in ("x_1", "x_2", "y") if name in table}
    missing = [name for name in ("x_1", "x_2", "y") if name not in data]
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
