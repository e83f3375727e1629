"""GloVe: word vectors whose products are the logarithms of how often words meet

Equations:
    f = minimum((X/x_max)**alpha, 1)
    s = w[i] @ u[j] + b[i] + c[j]
    L = f*(s - log(X))**2

Gradients:
    dL/dw = mean of dL/ds*delta(i, k)*u[j, l]
    dL/du = mean of dL/ds*w[i, l]*delta(j, k)
    dL/db = mean of dL/ds*delta(i, k)
    dL/dc = mean of dL/ds*delta(j, k)

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def _scatter_add(rows, values, size):
    """An array of so many rows: each of the values added to the row that is given for it."""
    total = np.zeros((size, *np.shape(values)[np.ndim(rows) :]), dtype=np.result_type(values, np.float32))
    np.add.at(total, rows, values)
    return total


def init(seed=0, *, v, d=16):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "w": rng.normal(0, np.sqrt(2 / (v + d)), (v, d)),
        "u": rng.normal(0, np.sqrt(2 / (v + d)), (v, d)),
        "b": np.zeros(v),
        "c": np.zeros(v),
    }


def loss(params, *, i, j, X, x_max=100, alpha=3 / 4):
    """The mean of the loss over the examples."""
    w = params["w"]
    u = params["u"]
    b = params["b"]
    c = params["c"]
    i = np.asarray(i, dtype=int)
    j = np.asarray(j, dtype=int)
    X = np.asarray(X, dtype=np.float64)
    f = np.minimum((X / x_max) ** alpha, 1)
    s = np.sum(w[i] * u[j], axis=1) + b[i] + c[j]
    L = f * (s - np.log(X)) ** 2
    return float(np.mean(L))


def loss_and_gradients(params, *, i, j, X, x_max=100, alpha=3 / 4):
    """The loss, and its gradient with respect to each parameter."""
    w = params["w"]
    u = params["u"]
    b = params["b"]
    c = params["c"]
    i = np.asarray(i, dtype=int)
    j = np.asarray(j, dtype=int)
    X = np.asarray(X, dtype=np.float64)
    n = len(i)
    v = w.shape[0]

    # Forward pass
    f = np.minimum((X / x_max) ** alpha, 1)
    s = np.sum(w[i] * u[j], axis=1) + b[i] + c[j]
    L = f * (s - np.log(X)) ** 2

    # Backward pass
    # dL/ds = 2*f*(s - log(X))
    d_s = 2 * f * (s - np.log(X))
    grads = {
        # dL/dw = mean of dL/ds*delta(i, k)*u[j, l]
        "w": _scatter_add(i, d_s[:, None] * u[j], v) / n,
        # dL/du = mean of dL/ds*w[i, l]*delta(j, k)
        "u": _scatter_add(j, d_s[:, None] * w[i], v) / n,
        # dL/db = mean of dL/ds*delta(i, k)
        "b": _scatter_add(i, d_s, v) / n,
        # dL/dc = mean of dL/ds*delta(j, k)
        "c": _scatter_add(j, d_s, v) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, i, j, x_max=100, alpha=3 / 4):
    """The output s of the model."""
    w = params["w"]
    u = params["u"]
    b = params["b"]
    c = params["c"]
    i = np.asarray(i, dtype=int)
    j = np.asarray(j, dtype=int)
    s = np.sum(w[i] * u[j], axis=1) + b[i] + c[j]
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
        if name not in ("x_max", "alpha") + ("v", "d"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in ("x_max", "alpha") if name in options}
    sizes = {"v": 1 + max(int(np.max(data["i"])), int(np.max(data["j"])))}
    sizes |= {name: options[name] for name in ("v", "d") if name in options}
    count = len(data["i"])
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
    data = {name: table.pop(name) for name in ("i", "j", "X") if name in table}
    missing = [name for name in ("i", "j", "X") if name not in data]
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
