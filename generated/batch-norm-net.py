"""Batch normalization: the batch's own mean and variance in training, running ones in prediction

Equations:
    z1 = x @ W1.T
    mu = mean(z1, axis=0)
    v = mean((z1 - mu)**2, axis=0)
    u = (z1 - mu)/sqrt(v + epsilon)
    s = gamma*u + beta
    a1 = relu(s)
    z2 = a1 @ w2 + b2
    p = sigmoid(z2)
    L = -sum(y*log(p) + (1 - y)*log(1 - p))/n
    u_run = (z1 - mu_run)/sqrt(v_run + epsilon)
    p_run = sigmoid(relu(gamma*u_run + beta) @ w2 + b2)
    next_mu_run = (1 - m)*mu_run + m*mu
    next_v_run = (1 - m)*v_run + m*v*n/(n - 1)

Gradients:
    dL/dW1 = dL/dz1.T @ x
    dL/dgamma = sum(dL/ds*u, axis=0)
    dL/dbeta = sum(dL/ds, axis=0)
    dL/dw2 = a1.T @ dL/dz2
    dL/db2 = sum(dL/dz2)

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


def init(seed=0, *, d=64, h=64):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W1": rng.normal(0, np.sqrt(2 / (h + d)), (h, d)),
        "gamma": np.ones(h),
        "beta": np.zeros(h),
        "w2": rng.normal(0, np.sqrt(2 / (h + 1)), h),
        "b2": 0.0,
        "mu_run": np.zeros(h),
        "v_run": np.ones(h),
    }


def loss(params, *, x, y, epsilon=1e-05, m=0.1):
    """The loss."""
    W1 = params["W1"]
    gamma = params["gamma"]
    beta = params["beta"]
    w2 = params["w2"]
    b2 = params["b2"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)
    z1 = x @ W1.T
    mu = np.sum(z1, axis=0) / n
    v = np.sum((z1 - mu) ** 2, axis=0) / n
    u = (z1 - mu) / np.sqrt(v + epsilon)
    s = gamma * u + beta
    a1 = np.maximum(s, 0)
    z2 = a1 @ w2 + b2
    # L = -sum(y*log(p) + (1 - y)*log(1 - p))/n, in a stable form
    L = -np.sum(-y * _softplus(-z2) - (1 - y) * _softplus(z2)) / n
    return float(L)


def loss_and_gradients(params, *, x, y, epsilon=1e-05, m=0.1):
    """The loss, and its gradient with respect to each parameter."""
    W1 = params["W1"]
    gamma = params["gamma"]
    beta = params["beta"]
    w2 = params["w2"]
    b2 = params["b2"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)

    # Forward pass
    z1 = x @ W1.T
    mu = np.sum(z1, axis=0) / n
    v = np.sum((z1 - mu) ** 2, axis=0) / n
    u = (z1 - mu) / np.sqrt(v + epsilon)
    s = gamma * u + beta
    a1 = np.maximum(s, 0)
    z2 = a1 @ w2 + b2
    p = _sigmoid(z2)
    # L = -sum(y*log(p) + (1 - y)*log(1 - p))/n, in a stable form
    L = -np.sum(-y * _softplus(-z2) - (1 - y) * _softplus(z2)) / n

    # Backward pass
    # dL/dz2 = (p - y)/n
    d_z2 = (p - y) / n
    # dL/da1 = outer(dL/dz2, w2)
    d_a1 = d_z2[:, None] * w2
    # dL/ds = dL/da1*where(s > 0, 1, 0)
    d_s = d_a1 * (s > 0)
    # dL/du = dL/ds*gamma
    d_u = d_s * gamma
    # dL/dv = -sum(dL/du*u, axis=0)/(2*(v + epsilon))
    d_v = -np.sum(d_u * u, axis=0) / (2 * (v + epsilon))
    # dL/dmu = -sum(dL/du, axis=0)/sqrt(v + epsilon)
    d_mu = -np.sum(d_u, axis=0) / np.sqrt(v + epsilon)
    # dL/dz1 = dL/dmu/n + 2*dL/dv*(z1 - mu)/n + dL/du/sqrt(v + epsilon)
    d_z1 = d_mu / n + 2 * d_v * (z1 - mu) / n + d_u / np.sqrt(v + epsilon)
    grads = {
        # dL/dW1 = dL/dz1.T @ x
        "W1": d_z1.T @ x,
        # dL/dgamma = sum(dL/ds*u, axis=0)
        "gamma": np.sum(d_s * u, axis=0),
        # dL/dbeta = sum(dL/ds, axis=0)
        "beta": np.sum(d_s, axis=0),
        # dL/dw2 = a1.T @ dL/dz2
        "w2": d_z2 @ a1,
        # dL/db2 = sum(dL/dz2)
        "b2": np.sum(d_z2),
    }
    return float(L), grads


def predict(params, *, x, epsilon=1e-05, m=0.1):
    """The output p_run of the model."""
    W1 = params["W1"]
    gamma = params["gamma"]
    beta = params["beta"]
    w2 = params["w2"]
    b2 = params["b2"]
    mu_run = params["mu_run"]
    v_run = params["v_run"]
    x = np.asarray(x, dtype=np.float64)
    z1 = x @ W1.T
    u_run = (z1 - mu_run) / np.sqrt(v_run + epsilon)
    p_run = _sigmoid(np.maximum(gamma * u_run + beta, 0) @ w2 + b2)
    return p_run


def next_states(params, *, x, y, epsilon=1e-05, m=0.1):
    """What the states are after a step with these examples: taken up beside the update of the parameters."""
    W1 = params["W1"]
    mu_run = params["mu_run"]
    v_run = params["v_run"]
    x = np.asarray(x, dtype=np.float64)
    n = len(x)
    z1 = x @ W1.T
    mu = np.sum(z1, axis=0) / n
    v = np.sum((z1 - mu) ** 2, axis=0) / n
    next_mu_run = (1 - m) * mu_run + m * mu
    next_v_run = (1 - m) * v_run + m * v * n / (n - 1)
    return {
        "mu_run": next_mu_run,
        "v_run": next_v_run,
    }


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
        if name not in ("epsilon", "m") + ("d", "h"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in ("epsilon", "m") if name in options}
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
            states = next_states(params, **part, **constants)
            update(params, grads, state, lr)
            params |= states
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
