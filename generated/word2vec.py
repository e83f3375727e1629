"""word2vec: skip-gram with negative sampling

Equations:
    s = U[o] @ V[c]
    r = U[neg[k]] @ V[c]
    L = -log_sigmoid(s) - sum(log_sigmoid(-r))

Gradients:
    dL/dV = mean of delta(c, i)*(dL/ds*U[o, j] + sum(dL/dr[k]*U[neg[k], j], k))
    dL/dU = mean of V[c, j]*(dL/ds*delta(o, i) + sum(dL/dr[k]*delta(neg[k], i), k))

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


def init(seed=0, *, v, d=16, K=5):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "V": rng.normal(0, np.sqrt(2 / (v + d)), (v, d)),
        "U": rng.normal(0, np.sqrt(2 / (v + d)), (v, d)),
    }


def loss(params, *, c, o, neg):
    """The mean of the loss over the examples."""
    V = params["V"]
    U = params["U"]
    c = np.asarray(c, dtype=int)
    o = np.asarray(o, dtype=int)
    neg = np.asarray(neg, dtype=int)
    s = np.sum(U[o] * V[c], axis=1)
    r = np.einsum("abc,ac->ab", U[neg], V[c])
    L = -(-_softplus(-s)) - np.sum((-_softplus(-(-r))), axis=1)
    return float(np.mean(L))


def loss_and_gradients(params, *, c, o, neg):
    """The loss, and its gradient with respect to each parameter."""
    V = params["V"]
    U = params["U"]
    c = np.asarray(c, dtype=int)
    o = np.asarray(o, dtype=int)
    neg = np.asarray(neg, dtype=int)
    n = len(c)
    v = V.shape[0]

    # Forward pass
    s = np.sum(U[o] * V[c], axis=1)
    r = np.einsum("abc,ac->ab", U[neg], V[c])
    L = -(-_softplus(-s)) - np.sum((-_softplus(-(-r))), axis=1)

    # Backward pass
    # dL/dr = 1 - sigmoid(-r)
    d_r = _sigmoid(r)
    # dL/ds = sigmoid(s) - 1
    d_s = -_sigmoid(-s)
    grads = {
        # dL/dV = mean of delta(c, i)*(dL/ds*U[o, j] + sum(dL/dr[k]*U[neg[k], j], k))
        "V": _scatter_add(c, d_s[:, None] * U[o] + np.einsum("ab,abc->ac", d_r, U[neg]), v) / n,
        # dL/dU = mean of V[c, j]*(dL/ds*delta(o, i) + sum(dL/dr[k]*delta(neg[k], i), k))
        "U": (d_s * (o == np.arange(v)[:, None]) + np.sum(d_r * (neg == np.arange(v)[:, None, None]), axis=2)) @ V[c] / n,
    }
    return float(np.mean(L)), grads


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
        if name not in () + ("v", "d", "K"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"K": np.shape(data["neg"])[1], "v": 1 + max(int(np.max(data["c"])), int(np.max(data["o"])), int(np.max(data["neg"])))}
    sizes |= {name: options[name] for name in ("v", "d", "K") if name in options}
    count = len(data["c"])
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
    data = {name: table.pop(name) for name in ("c", "o") if name in table}
    missing = [name for name in ("c", "o", "neg") if name not in data]
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
