"""Bayesian personalized ranking: users prefer the items that they chose to others

Equations:
    p = P[u]
    q = Q[i]
    r = Q[j]
    z = p @ (q - r)
    L = -log_sigmoid(z) + lam/2*(sum(p**2) + sum(q**2) + sum(r**2))

Gradients:
    dL/dP = mean of dL/dp[m]*delta(u, l)
    dL/dQ = mean of dL/dq[m]*delta(i, l) + dL/dr[m]*delta(j, l)

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


def _scatter_add(rows, values, size):
    """An array of so many rows: each of the values added to the row that is given for it."""
    total = np.zeros((size, *np.shape(values)[np.ndim(rows) :]), dtype=np.result_type(values, np.float32))
    np.add.at(total, rows, values)
    return total


def init(seed=0, *, n_users, n_items, k=8):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "P": rng.normal(0, np.sqrt(2 / (n_users + k)), (n_users, k)),
        "Q": rng.normal(0, np.sqrt(2 / (n_items + k)), (n_items, k)),
    }


def loss(params, *, u, i, j, lam=0.01):
    """The mean of the loss over the examples."""
    P = params["P"]
    Q = params["Q"]
    u = np.asarray(u, dtype=int)
    i = np.asarray(i, dtype=int)
    j = np.asarray(j, dtype=int)
    p = P[u]
    q = Q[i]
    r = Q[j]
    z = np.sum(p * (q - r), axis=1)
    L = -(-_softplus(-z)) + lam / 2 * (np.sum(p**2, axis=1) + np.sum(q**2, axis=1) + np.sum(r**2, axis=1))
    return float(np.mean(L))


def loss_and_gradients(params, *, u, i, j, lam=0.01):
    """The loss, and its gradient with respect to each parameter."""
    P = params["P"]
    Q = params["Q"]
    u = np.asarray(u, dtype=int)
    i = np.asarray(i, dtype=int)
    j = np.asarray(j, dtype=int)
    n = len(u)
    n_users = P.shape[0]
    n_items = Q.shape[0]

    # Forward pass
    p = P[u]
    q = Q[i]
    r = Q[j]
    z = np.sum(p * (q - r), axis=1)
    L = -(-_softplus(-z)) + lam / 2 * (np.sum(p**2, axis=1) + np.sum(q**2, axis=1) + np.sum(r**2, axis=1))

    # Backward pass
    # dL/dz = sigmoid(z) - 1
    d_z = -_sigmoid(-z)
    # dL/dr = lam*r - dL/dz*p
    d_r = lam * r - d_z[:, None] * p
    # dL/dq = dL/dz*p + lam*q
    d_q = d_z[:, None] * p + lam * q
    # dL/dp = dL/dz*(q - r) + lam*p
    d_p = d_z[:, None] * (q - r) + lam * p
    grads = {
        # dL/dP = mean of dL/dp[m]*delta(u, l)
        "P": _scatter_add(u, d_p, n_users) / n,
        # dL/dQ = mean of dL/dq[m]*delta(i, l) + dL/dr[m]*delta(j, l)
        "Q": _scatter_add(i, d_q, n_items) / n + _scatter_add(j, d_r, n_items) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, u, i, j, lam=0.01):
    """The output z of the model."""
    P = params["P"]
    Q = params["Q"]
    u = np.asarray(u, dtype=int)
    i = np.asarray(i, dtype=int)
    j = np.asarray(j, dtype=int)
    p = P[u]
    q = Q[i]
    r = Q[j]
    z = np.sum(p * (q - r), axis=1)
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
        if name not in ("lam",) + ("n_users", "n_items", "k"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in ("lam",) if name in options}
    sizes = {"n_users": 1 + int(np.max(data["u"])), "n_items": 1 + max(int(np.max(data["i"])), int(np.max(data["j"])))}
    sizes |= {name: options[name] for name in ("n_users", "n_items", "k") if name in options}
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
    data = {name: table.pop(name) for name in ("u", "i", "j") if name in table}
    missing = [name for name in ("u", "i", "j") if name not in data]
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
