"""Negative binomial regression: counts that scatter more than Poisson's, mu + mu**2/r

Equations:
    mu = exp(w @ x + b)
    r = exp(s)
    L = lgamma(r) + lgamma(y + 1) - lgamma(y + r) - r*log(r/(r + mu)) - y*log(mu/(r + mu))

Gradients:
    dL/dw = mean of x*(r*sigmoid(w @ x + b - s) - y*sigmoid(s - w @ x - b))
    dL/db = mean of r*sigmoid(w @ x + b - s) - y*sigmoid(s - w @ x - b)
    dL/ds = mean of dL/dr*r + y*sigmoid(s - w @ x - b) - r*sigmoid(w @ x + b - s)

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import math
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


def _lgamma_of_one(u):
    near = round(u) if u in (1, 2) or abs(u - 1.5) < 0.51 else 0
    t = u - near
    if near in (1, 2) and abs(t) < 0.01:  # the series at its zeros (DLMF 5.7.3), where the library loses digits
        zeta = (1.6449340668482264, 1.2020569031595942, 1.0823232337111382, 1.0369277551433699, 1.0173430619844491, 1.0083492773819228)
        series = sum(z * (-t) ** k / k for k, z in enumerate(zeta, 2)) - 0.5772156649015329 * t
        return series + math.log1p(t) if near == 2 else series
    try:
        return math.lgamma(u)
    except ValueError:  # a pole
        return math.inf


_lgamma = np.vectorize(_lgamma_of_one, otypes=[float])  # relative error below 1e-13 for u > 0


def _digamma(u):
    """The derivative of log Γ, by recurrence to u >= 15 and the asymptotic series (DLMF 5.11.2); error below 1e-14 for u > 0."""
    u = np.array(u, dtype=float)
    total = np.zeros_like(u)
    while np.any(u < 15):
        small = u < 15
        total = np.where(small, total - 1 / np.where(small, u, 1.0), total)
        u = np.where(small, u + 1, u)
    total = total + np.log(u) - 0.5 / u
    for m, bernoulli in enumerate((1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6), 1):
        total = total - bernoulli / (2 * m * u ** (2 * m))
    return total


def init(seed=0, *, d=4):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "w": rng.normal(0, np.sqrt(2 / (d + 1)), d),
        "b": 0.0,
        "s": 0.0,
    }


def loss(params, *, x, y):
    """The mean of the loss over the examples."""
    w = params["w"]
    b = params["b"]
    s = params["s"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    r = np.exp(s)
    # L = lgamma(r) + lgamma(y + 1) - lgamma(y + r) - r*log(r/(r + mu)) - y*log(mu/(r + mu)), in a stable form
    L = _lgamma(r) + _lgamma(y + 1) - _lgamma(y + r) + r * _softplus(-(s - x @ w - b)) + y * _softplus(-(x @ w + b - s))
    return float(np.mean(L))


def loss_and_gradients(params, *, x, y):
    """The loss, and its gradient with respect to each parameter."""
    w = params["w"]
    b = params["b"]
    s = params["s"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)

    # Forward pass
    r = np.exp(s)
    # L = lgamma(r) + lgamma(y + 1) - lgamma(y + r) - r*log(r/(r + mu)) - y*log(mu/(r + mu)), in a stable form
    L = _lgamma(r) + _lgamma(y + 1) - _lgamma(y + r) + r * _softplus(-(s - x @ w - b)) + y * _softplus(-(x @ w + b - s))

    # Backward pass
    # dL/dr = mean of digamma(r) - digamma(y + r) + softplus(w @ x + b - s)
    d_r = _digamma(r) - np.sum(_digamma(y + r)) / n + np.sum(_softplus(x @ w + b - s)) / n
    grads = {
        # dL/dw = mean of x*(r*sigmoid(w @ x + b - s) - y*sigmoid(s - w @ x - b))
        "w": (r * _sigmoid(x @ w + b - s) - y * _sigmoid(s - x @ w - b)) @ x / n,
        # dL/db = mean of r*sigmoid(w @ x + b - s) - y*sigmoid(s - w @ x - b)
        "b": r * np.sum(_sigmoid(x @ w + b - s)) / n - y @ _sigmoid(s - x @ w - b) / n,
        # dL/ds = mean of dL/dr*r + y*sigmoid(s - w @ x - b) - r*sigmoid(w @ x + b - s)
        "s": d_r * r + y @ _sigmoid(s - x @ w - b) / n - r * np.sum(_sigmoid(x @ w + b - s)) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x):
    """The output mu of the model."""
    w = params["w"]
    b = params["b"]
    x = np.asarray(x, dtype=np.float64)
    mu = np.exp(x @ w + b)
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
