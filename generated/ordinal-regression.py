"""Ordinal regression: ordered classes by proportional odds

Equations:
    theta = b + concatenate([zeros(1), cumsum(exp(u))])
    F = sigmoid(theta - w @ x)
    p = concatenate([F, ones(1)]) - concatenate([zeros(1), F])
    L = -sum(y*log(p))

Gradients:
    dL/dw = mean of x*sum(dL/dF*F*(F - 1))
    dL/db = sum(dL/dtheta)
    dL/du = exp(u[i])*sum(dL/dtheta[k_0], k_0, k_0 > 0, i < k_0)

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


@np.errstate(over="ignore")  # where the exponential is infinite, the quotient is 0
def _sigmoid(u):
    """1/(1 + exp(-u))"""
    return 1 / (1 + np.exp(-u))


def init(seed=0, *, d=4, k=5):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "w": rng.normal(0, np.sqrt(2 / (d + 1)), d),
        "b": rng.normal(),
        "u": rng.normal(0, np.sqrt(2 / (k - 2 + 1)), k - 2),
    }


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def loss(params, *, x, y):
    """The mean of the loss over the examples."""
    w = params["w"]
    b = params["b"]
    u = params["u"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)
    k = y.shape[1]
    theta = (
        b
        + (np.where(np.arange(k - 1) == 0, 1, 0) * 0 + np.pad(np.sum(np.where(np.arange(k - 2) <= np.arange(k - 2)[:, None], np.exp(u), 0), axis=1), ((1, 0),)))
    )
    F = _sigmoid(theta - (x @ w)[:, None])
    p = (
        np.concatenate([F, np.ones((n, 1))], axis=1)
        - (np.where(np.arange(k) == 0, 1, 0) * 0 + np.pad(F, ((0, 0), (1, 0))))
    )
    L = -np.sum(y * np.log(p), axis=1)
    return float(np.mean(L))


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def loss_and_gradients(params, *, x, y):
    """The loss, and its gradient with respect to each parameter."""
    w = params["w"]
    b = params["b"]
    u = params["u"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)
    k = y.shape[1]

    # Forward pass
    theta = (
        b
        + (np.where(np.arange(k - 1) == 0, 1, 0) * 0 + np.pad(np.sum(np.where(np.arange(k - 2) <= np.arange(k - 2)[:, None], np.exp(u), 0), axis=1), ((1, 0),)))
    )
    F = _sigmoid(theta - (x @ w)[:, None])
    p = (
        np.concatenate([F, np.ones((n, 1))], axis=1)
        - (np.where(np.arange(k) == 0, 1, 0) * 0 + np.pad(F, ((0, 0), (1, 0))))
    )
    L = -np.sum(y * np.log(p), axis=1)

    # Backward pass
    # dL/dp = -y/p
    d_p = -y / p
    # dL/dF = dL/dp[:k - 1] - dL/dp[1:]
    d_F = d_p[:, : k - 1] - d_p[:, 1:k]
    # dL/dtheta = mean of dL/dF*F*(1 - F)
    d_theta = np.sum(d_F * F * (1 - F), axis=0) / n
    grads = {
        # dL/dw = mean of x*sum(dL/dF*F*(F - 1))
        "w": np.sum(d_F * F * (F - 1), axis=1) @ x / n,
        # dL/db = sum(dL/dtheta)
        "b": np.sum(d_theta),
        # dL/du = exp(u[i])*sum(dL/dtheta[k_0], k_0, k_0 > 0, i < k_0)
        "u": np.exp(u) * np.sum(np.where((np.arange(k - 1) > 0) & (np.arange(k - 2)[:, None] < np.arange(k - 1)), d_theta, 0), axis=1),
    }
    return float(np.mean(L)), grads


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def predict(params, *, x):
    """The output p of the model."""
    w = params["w"]
    b = params["b"]
    u = params["u"]
    x = np.asarray(x, dtype=np.float64)
    n = len(x)
    k = (u.shape[0] + 2)
    theta = (
        b
        + (np.where(np.arange(k - 1) == 0, 1, 0) * 0 + np.pad(np.sum(np.where(np.arange(k - 2) <= np.arange(k - 2)[:, None], np.exp(u), 0), axis=1), ((1, 0),)))
    )
    F = _sigmoid(theta - (x @ w)[:, None])
    p = (
        np.concatenate([F, np.ones((n, 1))], axis=1)
        - (np.where(np.arange(k) == 0, 1, 0) * 0 + np.pad(F, ((0, 0), (1, 0))))
    )
    return p


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
    sizes = {"d": np.shape(data["x"])[1], "k": np.shape(data["y"])[1]}
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
