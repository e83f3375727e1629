"""Gaussian process regression: the marginal likelihood of length scale, amplitude and noise

Equations:
    r = sum((x[i] - x[j])**2)
    k = exp(2*log_s - r/(2*exp(2*log_l)))
    K = k + exp(2*log_sigma)*eye(n)
    L = y @ solve(K, y)/2 + logdet(K)/2 + n/2*log(2*pi)

Gradients:
    dL/dlog_l = exp(-2*log_l)*sum(sum(dL/dk*k*r, axis=0))
    dL/dlog_s = 2*sum(sum(dL/dk*k, axis=0))
    dL/dlog_sigma = 2*exp(2*log_sigma)*trace(dL/dK)

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def _logdet(a):
    """The logarithm of the determinant, without overflow; NaN where the determinant is not positive."""
    sign, value = np.linalg.slogdet(a)
    return np.where(sign > 0, value, np.nan)


def init(seed=0, *, d):
    """The parameters before training."""
    return {
        "log_l": 0.0,
        "log_s": 0.0,
        "log_sigma": -1.0,
    }


def loss(params, *, x, y):
    """The loss."""
    log_l = params["log_l"]
    log_s = params["log_s"]
    log_sigma = params["log_sigma"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)
    r = np.sum((x[:, None] - x) ** 2, axis=2)
    # k = exp(2*log_s - r/(2*exp(2*log_l))), in a stable form
    k = np.exp(2 * log_s - r * np.exp(-2 * log_l) / 2)
    K = k + np.exp(2 * log_sigma) * np.eye(n)
    L = y @ (np.linalg.inv(K) @ y) / 2 + _logdet(K) / 2 + n / 2 * np.log(2 * np.pi)
    return float(L)


def loss_and_gradients(params, *, x, y):
    """The loss, and its gradient with respect to each parameter."""
    log_l = params["log_l"]
    log_s = params["log_s"]
    log_sigma = params["log_sigma"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)

    # Forward pass
    r = np.sum((x[:, None] - x) ** 2, axis=2)
    # k = exp(2*log_s - r/(2*exp(2*log_l))), in a stable form
    k = np.exp(2 * log_s - r * np.exp(-2 * log_l) / 2)
    K = k + np.exp(2 * log_sigma) * np.eye(n)
    L = y @ (np.linalg.inv(K) @ y) / 2 + _logdet(K) / 2 + n / 2 * np.log(2 * np.pi)

    # Backward pass
    # dL/dK = inv(K).T/2 - outer(inv(K).T @ y, inv(K) @ y)/2
    d_K = np.linalg.inv(K).T / 2 - np.linalg.inv(K) @ y * (y @ np.linalg.inv(K))[:, None] / 2
    # dL/dk = dL/dK
    d_k = d_K
    grads = {
        # dL/dlog_l = exp(-2*log_l)*sum(sum(dL/dk*k*r, axis=0))
        "log_l": np.exp(-2 * log_l) * np.sum(np.sum(d_k * k * r, axis=0)),
        # dL/dlog_s = 2*sum(sum(dL/dk*k, axis=0))
        "log_s": 2 * np.sum(np.sum(d_k * k, axis=0)),
        # dL/dlog_sigma = 2*exp(2*log_sigma)*trace(dL/dK)
        "log_sigma": 2 * np.exp(2 * log_sigma) * np.sum(d_K[np.arange(n), np.arange(n)]),
    }
    return float(L), grads


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
        if name not in () + ("d",):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"d": np.shape(data["x"])[1]}
    sizes |= {name: options[name] for name in ("d",) if name in options}
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
