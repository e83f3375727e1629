"""Neighbourhood components analysis: the metric in which neighbours have one's class

Equations:
    z = x @ A.T
    e = where(i != j, exp(-r[i, j]), 0)
    L = -sum(where(c[i] == c[j], p[i, j], 0), i, j)/n

Gradients:
    dL/dA = dL/dz.T @ x

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def init(seed=0, *, d=10, k=2):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "A": rng.normal(0, np.sqrt(2 / (k + d)), (k, d)),
    }


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def loss(params, *, x, c):
    """The loss."""
    A = params["A"]
    x = np.asarray(x, dtype=np.float64)
    c = np.asarray(c, dtype=np.float64)
    n = len(x)
    z = x @ A.T
    # e = where(i != j, exp(-r[i, j]), 0), in a stable form
    e = np.where(np.arange(n)[:, None] != np.arange(n), np.exp(-np.sum((z[:, None] - z) ** 2, axis=2)), 0)
    # L = -sum(where(c[i] == c[j], p[i, j], 0), i, j)/n, in a stable form
    L = -np.sum(np.where(c[:, None] == c, e / np.sum(e, axis=1)[:, None], 0)) / n
    return float(L)


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def loss_and_gradients(params, *, x, c):
    """The loss, and its gradient with respect to each parameter."""
    A = params["A"]
    x = np.asarray(x, dtype=np.float64)
    c = np.asarray(c, dtype=np.float64)
    n = len(x)

    # Forward pass
    z = x @ A.T
    # e = where(i != j, exp(-r[i, j]), 0), in a stable form
    e = np.where(np.arange(n)[:, None] != np.arange(n), np.exp(-np.sum((z[:, None] - z) ** 2, axis=2)), 0)
    # L = -sum(where(c[i] == c[j], p[i, j], 0), i, j)/n, in a stable form
    L = -np.sum(np.where(c[:, None] == c, e / np.sum(e, axis=1)[:, None], 0)) / n

    # Backward pass
    # dL/de = (sum(e[i, q], q, c[i] == c[q])/sum(e[i, r_0], r_0)**2 - where(c[i] == c[j], 1/sum(e[i, s], s), 0))/n
    d_e = ((np.sum(np.where(c[:, None] == c, e, 0), axis=1) / np.sum(e, axis=1) ** 2)[:, None] - np.where(c[:, None] == c, (1 / np.sum(e, axis=1))[:, None], 0)) / n
    # dL/dz = 2*((dL/de.T*e - diag(sum(dL/de.T*e, axis=1)) - (diag(sum(dL/de*e, axis=1)) - dL/de*e)) @ z)
    d_z = (
        2 * np.einsum("ab,ba,acb->bc", d_e, e, z[:, :, None] - z.T, optimize=True)
        - 2 * np.einsum("ab,ab,acb->ac", d_e, e, z[:, :, None] - z.T, optimize=True)
    )
    grads = {
        # dL/dA = dL/dz.T @ x
        "A": d_z.T @ x,
    }
    return float(L), grads


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def predict(params, *, x):
    """The output z of the model."""
    A = params["A"]
    x = np.asarray(x, dtype=np.float64)
    z = x @ A.T
    return z


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
        if name not in () + ("d", "k"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"d": np.shape(data["x"])[1]}
    sizes |= {name: options[name] for name in ("d", "k") if name in options}
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
    missing = [name for name in ("x", "c") if name not in data]
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
