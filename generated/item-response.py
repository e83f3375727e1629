"""Item response theory: a person of some ability answers an item of some difficulty (2PL)

Equations:
    z = a[i]*(theta[u] - b[i])
    p = sigmoid(z)
    L = -y*log(p) - (1 - y)*log(1 - p)

Gradients:
    dL/dtheta = mean of dL/dz*a[i]*delta(u, j)
    dL/da = mean of dL/dz*delta(i, j)*(theta[u] - b[i])
    dL/db = mean of -dL/dz*a[i]*delta(i, j)

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


@np.errstate(over="ignore")  # where the exponential is infinite, the quotient is 0
def _sigmoid(u):
    """1/(1 + exp(-u))"""
    return 1 / (1 + np.exp(-u))


def _scatter_add(rows, values, size):
    """An array of so many rows: each of the values added to the row that is given for it."""
    total = np.zeros((size, *np.shape(values)[np.ndim(rows) :]), dtype=np.result_type(values, np.float32))
    np.add.at(total, rows, values)
    return total


def _binary_cross_entropy_with_logits(z, y):
    """log(1 + exp(z)) - y*z, where nothing overflows and a small loss keeps its digits."""
    return np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z)))


def init(seed=0, *, n_persons, n_items):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "theta": rng.normal(0, np.sqrt(2 / (n_persons + 1)), n_persons),
        "a": np.ones(n_items),
        "b": rng.normal(0, np.sqrt(2 / (n_items + 1)), n_items),
    }


def loss(params, *, u, i, y):
    """The mean of the loss over the examples."""
    theta = params["theta"]
    a = params["a"]
    b = params["b"]
    u = np.asarray(u, dtype=int)
    i = np.asarray(i, dtype=int)
    y = np.asarray(y, dtype=np.float64)
    z = a[i] * (theta[u] - b[i])
    # L = -y*log(p) - (1 - y)*log(1 - p), in a stable form
    L = _binary_cross_entropy_with_logits(z, y)
    return float(np.mean(L))


def loss_and_gradients(params, *, u, i, y):
    """The loss, and its gradient with respect to each parameter."""
    theta = params["theta"]
    a = params["a"]
    b = params["b"]
    u = np.asarray(u, dtype=int)
    i = np.asarray(i, dtype=int)
    y = np.asarray(y, dtype=np.float64)
    n = len(u)
    n_persons = theta.shape[0]
    n_items = a.shape[0]

    # Forward pass
    z = a[i] * (theta[u] - b[i])
    p = _sigmoid(z)
    # L = -y*log(p) - (1 - y)*log(1 - p), in a stable form
    L = _binary_cross_entropy_with_logits(z, y)

    # Backward pass
    # dL/dz = p - y
    d_z = p - y
    grads = {
        # dL/dtheta = mean of dL/dz*a[i]*delta(u, j)
        "theta": _scatter_add(u, d_z * a[i], n_persons) / n,
        # dL/da = mean of dL/dz*delta(i, j)*(theta[u] - b[i])
        "a": _scatter_add(i, d_z * (theta[u] - b[i]), n_items) / n,
        # dL/db = mean of -dL/dz*a[i]*delta(i, j)
        "b": -_scatter_add(i, d_z * a[i], n_items) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, u, i):
    """The output p of the model."""
    theta = params["theta"]
    a = params["a"]
    b = params["b"]
    u = np.asarray(u, dtype=int)
    i = np.asarray(i, dtype=int)
    z = a[i] * (theta[u] - b[i])
    p = _sigmoid(z)
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
        if name not in () + ("n_persons", "n_items"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"n_persons": 1 + int(np.max(data["u"])), "n_items": 1 + int(np.max(data["i"]))}
    sizes |= {name: options[name] for name in ("n_persons", "n_items") if name in options}
    count = len(data["u"])
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
    data = {name: table.pop(name) for name in ("u", "i", "y") if name in table}
    missing = [name for name in ("u", "i", "y") if name not in data]
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
