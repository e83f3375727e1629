"""The tobit model: least squares where targets below 0 were recorded as 0

Equations:
    mu = w @ x + b
    L = where(y > 0, u**2/2 + log(sigma) + log(2*pi)/2, -log_ndtr(-mu/sigma))

Gradients:
    dL/dw = mean of dL/dmu*x
    dL/db = mean of dL/dmu
    dL/ds = mean of where(y > 0, 1 - (y - mu)**2*exp(-2*s), -sqrt(2/pi)*mu*exp(-s)/erfcx(mu*exp(-s)/sqrt(2)))

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import math
import csv
import sys

import numpy as np


_erfc = np.vectorize(math.erfc, otypes=[float])  # the C library's: within a few units in the last place


@np.errstate(over="ignore")  # below -26.6 the value is beyond the floating-point numbers
def _erfcx(u):
    """exp(u**2)*erfc(u), from its asymptotic series (DLMF 7.12.1) from 12 on; relative error below 1e-13."""
    u = np.asarray(u, dtype=float)
    near, far = np.minimum(u, 12), np.maximum(u, 12)
    series = np.ones_like(far)
    for k in range(12, 0, -1):
        series = 1 - (2 * k - 1) / (2 * far * far) * series
    head = np.rint(16 * near) / 16  # its square is exact
    square = np.exp(head * head) * np.exp((near - head) * (near + head))
    return np.where(u < 12, square * _erfc(near), series / far / math.sqrt(math.pi))


def _log_ndtr(u):
    """The logarithm of the standard normal distribution function, without cancellation in either tail."""
    t = np.asarray(u) / math.sqrt(2)
    below = np.log(_erfcx(np.maximum(-t, 0)) / 2) - np.minimum(t, 0) ** 2
    return np.where(t < 0, below, np.log1p(-_erfc(np.maximum(t, 0)) / 2))


def init(seed=0, *, d=4):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "w": rng.normal(0, np.sqrt(2 / (d + 1)), d),
        "b": 0.0,
        "s": 0.0,
    }


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def loss(params, *, x, y):
    """The mean of the loss over the examples."""
    w = params["w"]
    b = params["b"]
    s = params["s"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    mu = x @ w + b
    # L = where(y > 0, u**2/2 + log(sigma) + log(2*pi)/2, -log_ndtr(-mu/sigma)), in a stable form
    L = np.where(y > 0, ((y - mu) * np.exp(-s)) ** 2 / 2 + s + np.log(2 * np.pi) / 2, -_log_ndtr(-mu * np.exp(-s)))
    return float(np.mean(L))


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def loss_and_gradients(params, *, x, y):
    """The loss, and its gradient with respect to each parameter."""
    w = params["w"]
    b = params["b"]
    s = params["s"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)

    # Forward pass
    mu = x @ w + b
    # L = where(y > 0, u**2/2 + log(sigma) + log(2*pi)/2, -log_ndtr(-mu/sigma)), in a stable form
    L = np.where(y > 0, ((y - mu) * np.exp(-s)) ** 2 / 2 + s + np.log(2 * np.pi) / 2, -_log_ndtr(-mu * np.exp(-s)))

    # Backward pass
    # dL/dmu = where(y > 0, (mu - y)*exp(-2*s), sqrt(2/pi)*exp(-s)/erfcx(mu*exp(-s)/sqrt(2)))
    d_mu = np.where(y > 0, (mu - y) * np.exp(-2 * s), np.sqrt(2 / np.pi) * np.exp(-s) / _erfcx(mu * np.exp(-s) / np.sqrt(2)))
    grads = {
        # dL/dw = mean of dL/dmu*x
        "w": d_mu @ x / n,
        # dL/db = mean of dL/dmu
        "b": np.sum(d_mu) / n,
        # dL/ds = mean of where(y > 0, 1 - (y - mu)**2*exp(-2*s), -sqrt(2/pi)*mu*exp(-s)/erfcx(mu*exp(-s)/sqrt(2)))
        "s": np.sum(np.where(y > 0, 1 - (y - mu) ** 2 * np.exp(-2 * s), -np.sqrt(2 / np.pi) * mu * np.exp(-s) / _erfcx(mu * np.exp(-s) / np.sqrt(2)))) / n,
    }
    return float(np.mean(L)), grads


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def predict(params, *, x):
    """The output mu of the model."""
    w = params["w"]
    b = params["b"]
    x = np.asarray(x, dtype=np.float64)
    mu = x @ w + b
    return mu


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
