"""The Bradley–Terry model: of two players, the stronger one wins more often

Equations:
    z = s[i] - s[j]
    p = sigmoid(z)
    L = -y*log(p) - (1 - y)*log(1 - p) + lam/2*sum(s**2)

Gradients:
    dL/ds = mean of dL/dz*(delta(i, k) - delta(j, k)) + lam*s[k]

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


def init(seed=0, *, m):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "s": rng.normal(0, np.sqrt(2 / (m + 1)), m),
    }


def loss(params, *, i, j, y, lam=0.01):
    """The mean of the loss over the examples."""
    s = params["s"]
    i = np.asarray(i, dtype=int)
    j = np.asarray(j, dtype=int)
    y = np.asarray(y, dtype=np.float64)
    z = s[i] - s[j]
    # L = -y*log(p) - (1 - y)*log(1 - p) + lam/2*sum(s**2), in a stable form
    L = y * _softplus(-z) + (1 - y) * _softplus(z) + lam / 2 * np.sum(s**2)
    return float(np.mean(L))


def loss_and_gradients(params, *, i, j, y, lam=0.01):
    """The loss, and its gradient with respect to each parameter."""
    s = params["s"]
    i = np.asarray(i, dtype=int)
    j = np.asarray(j, dtype=int)
    y = np.asarray(y, dtype=np.float64)
    n = len(i)
    m = s.shape[0]

    # Forward pass
    z = s[i] - s[j]
    p = _sigmoid(z)
    # L = -y*log(p) - (1 - y)*log(1 - p) + lam/2*sum(s**2), in a stable form
    L = y * _softplus(-z) + (1 - y) * _softplus(z) + lam / 2 * np.sum(s**2)

    # Backward pass
    # dL/dz = p - y
    d_z = p - y
    grads = {
        # dL/ds = mean of dL/dz*(delta(i, k) - delta(j, k)) + lam*s[k]
        "s": (np.where(i == np.arange(m)[:, None], 1, 0) - np.where(j == np.arange(m)[:, None], 1, 0)) @ d_z / n + lam * s,
    }
    return float(np.mean(L)), grads


def predict(params, *, i, j, lam=0.01):
    """The output p of the model."""
    s = params["s"]
    i = np.asarray(i, dtype=int)
    j = np.asarray(j, dtype=int)
    z = s[i] - s[j]
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
        if name not in ("lam",) + ("m",):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in ("lam",) if name in options}
    sizes = {"m": 1 + max(int(np.max(data["i"])), int(np.max(data["j"])))}
    sizes |= {name: options[name] for name in ("m",) if name in options}
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
    data = {name: table.pop(name) for name in ("i", "j", "y") if name in table}
    missing = [name for name in ("i", "j", "y") if name not in data]
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
