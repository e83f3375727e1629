"""A gated feed-forward layer behind root mean square normalization, as large language models have it

Equations:
    r = sqrt(mean(x**2) + epsilon)
    u = g*x/r
    s = silu(W @ u)
    t = V @ u
    y_hat = x + W2 @ (s*t)
    L = sum((y_hat - y)**2)/2

Gradients:
    dL/dg = mean of dL/du*x/r
    dL/dW = mean of outer(dL/ds*(s + sigmoid(W @ u)*(1 - s)), u)
    dL/dV = mean of outer(dL/dt, u)
    dL/dW2 = mean of outer(dL/dy_hat, s*t)

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


@np.errstate(over="ignore")  # where the exponential is infinite, the quotient is 0
def _sigmoid(u):
    """1/(1 + exp(-u))"""
    return 1 / (1 + np.exp(-u))


def init(seed=0, *, d=16, h=32):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "g": np.ones(d),
        "W": rng.normal(0, np.sqrt(2 / (h + d)), (h, d)),
        "V": rng.normal(0, np.sqrt(2 / (h + d)), (h, d)),
        "W2": rng.normal(0, np.sqrt(2 / (d + h)), (d, h)),
    }


def loss(params, *, x, y, epsilon=1e-05):
    """The mean of the loss over the examples."""
    g = params["g"]
    W = params["W"]
    V = params["V"]
    W2 = params["W2"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    d = g.shape[0]
    r = np.sqrt(np.sum(x**2, axis=1) / d + epsilon)
    u = g * x / r[:, None]
    s = (u @ W.T)*_sigmoid(u @ W.T)
    t = u @ V.T
    y_hat = x + s * t @ W2.T
    L = np.sum((y_hat - y) ** 2, axis=1) / 2
    return float(np.mean(L))


def loss_and_gradients(params, *, x, y, epsilon=1e-05):
    """The loss, and its gradient with respect to each parameter."""
    g = params["g"]
    W = params["W"]
    V = params["V"]
    W2 = params["W2"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)
    d = g.shape[0]

    # Forward pass
    r = np.sqrt(np.sum(x**2, axis=1) / d + epsilon)
    u = g * x / r[:, None]
    s = (u @ W.T)*_sigmoid(u @ W.T)
    t = u @ V.T
    y_hat = x + s * t @ W2.T
    L = np.sum((y_hat - y) ** 2, axis=1) / 2

    # Backward pass
    # dL/dy_hat = y_hat - y
    d_y_hat = y_hat - y
    # dL/dt = s*(W2.T @ dL/dy_hat)
    d_t = s * (d_y_hat @ W2)
    # dL/ds = t*(W2.T @ dL/dy_hat)
    d_s = t * (d_y_hat @ W2)
    # dL/du = W.T @ (dL/ds*(s + sigmoid(W @ u)*(1 - s))) + V.T @ dL/dt
    d_u = d_s * (s + _sigmoid(u @ W.T) * (1 - s)) @ W + d_t @ V
    grads = {
        # dL/dg = mean of dL/du*x/r
        "g": 1 / r @ (d_u * x) / n,
        # dL/dW = mean of outer(dL/ds*(s + sigmoid(W @ u)*(1 - s)), u)
        "W": (d_s * (s + _sigmoid(u @ W.T) * (1 - s))).T @ u / n,
        # dL/dV = mean of outer(dL/dt, u)
        "V": d_t.T @ u / n,
        # dL/dW2 = mean of outer(dL/dy_hat, s*t)
        "W2": d_y_hat.T @ (s * t) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x, epsilon=1e-05):
    """The output y_hat of the model."""
    g = params["g"]
    W = params["W"]
    V = params["V"]
    W2 = params["W2"]
    x = np.asarray(x, dtype=np.float64)
    d = g.shape[0]
    r = np.sqrt(np.sum(x**2, axis=1) / d + epsilon)
    u = g * x / r[:, None]
    s = (u @ W.T)*_sigmoid(u @ W.T)
    t = u @ V.T
    y_hat = x + s * t @ W2.T
    return y_hat


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
        if name not in ("epsilon",) + ("d", "h"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in ("epsilon",) if name in options}
    sizes = {"d": np.shape(data["x"])[1]}
    sizes |= {name: options[name] for name in ("d", "h") if name in options}
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
