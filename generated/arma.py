"""ARMA(1, 1): the squares of the innovations, given that the first is 0

Equations:
    e[0] = 0
    e[t] = y[t] - c - phi*y[t - 1] - theta*e[t - 1]
    L = sum(e[t]**2, t)/2

Gradients:
    dL/dc = mean of -sum(dL/de[t], t, t > 0)
    dL/dphi = mean of -sum(dL/de[t]*y[t - 1], t, t > 0)
    dL/dtheta = mean of -sum(dL/de[t]*e[t - 1], t, t > 0)

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def init(seed=0, *, T):
    """The parameters before training."""
    return {
        "c": 0.0,
        "phi": 0.0,
        "theta": 0.0,
    }


def loss(params, *, y):
    """The mean of the loss over the examples."""
    c = params["c"]
    phi = params["phi"]
    theta = params["theta"]
    y = np.asarray(y, dtype=np.float64)
    n = len(y)
    T = y.shape[1]
    e = np.zeros((n, T))
    for t in range(1, T):
        e[:, t] = y[:, t] - c - phi * y[:, t - 1] - theta * e[:, t - 1]
    L = np.sum(e**2, axis=1) / 2
    return float(np.mean(L))


def loss_and_gradients(params, *, y):
    """The loss, and its gradient with respect to each parameter."""
    c = params["c"]
    phi = params["phi"]
    theta = params["theta"]
    y = np.asarray(y, dtype=np.float64)
    n = len(y)
    T = y.shape[1]

    # Forward pass
    e = np.zeros((n, T))
    for t in range(1, T):
        e[:, t] = y[:, t] - c - phi * y[:, t - 1] - theta * e[:, t - 1]
    L = np.sum(e**2, axis=1) / 2

    # Backward pass
    d_e = np.zeros((n, T))
    for t in reversed(range(1, T)):
        # dL/de[t] = where(t < T - 1, -dL/de[t + 1]*theta, 0) + e[t]
        d_e[:, t] = (-d_e[:, t + 1] * theta if t < T - 1 else 0) + e[:, t]
    grads = {
        # dL/dc = mean of -sum(dL/de[t], t, t > 0)
        "c": -np.sum(d_e[:, 1:T]) / n,
        # dL/dphi = mean of -sum(dL/de[t]*y[t - 1], t, t > 0)
        "phi": -np.sum(d_e[:, 1:T] * y[:, : T - 1]) / n,
        # dL/dtheta = mean of -sum(dL/de[t]*e[t - 1], t, t > 0)
        "theta": -np.sum(d_e[:, 1:T] * e[:, : T - 1]) / n,
    }
    return float(np.mean(L)), grads


def update(params, grads, state, lr=0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-08):
    """One step of Adam, in place.

    Kingma and Ba 2015, algorithm 1.  `state`, an empty dictionary at first, is kept from step to step.
    Every gradient was computed before any parameter changes.  In the formulas theta is params[name] and eta is lr.
    """
    if not state:
        state["t"] = 0
        state["m"] = {name: np.zeros_like(value) for name, value in params.items()}
        state["v"] = {name: np.zeros_like(value) for name, value in params.items()}
    t = state["t"] = state["t"] + 1
    m, v = state["m"], state["v"]
    for name, g in grads.items():
        # m[t] = beta_1*m[t - 1] + (1 - beta_1)*g[t]
        m[name] = beta_1 * m[name] + (1 - beta_1) * g
        # v[t] = beta_2*v[t - 1] + (1 - beta_2)*g[t]**2
        v[name] = beta_2 * v[name] + (1 - beta_2) * g**2
        # m_hat[t] = m[t]/(1 - beta_1**t)
        m_hat = m[name] / (1 - beta_1**t)
        # v_hat[t] = v[t]/(1 - beta_2**t)
        v_hat = v[name] / (1 - beta_2**t)
        # theta[t] = theta[t - 1] - eta*m_hat[t]/(sqrt(v_hat[t]) + epsilon)
        params[name] = params[name] - lr * m_hat / (np.sqrt(v_hat) + epsilon)


def train(
    data,
    epochs=300,
    lr=0.01,
    batch_size=None,
    seed=0,
    tolerance=0.0,
    params=None,
    callback=None,
    beta_1=0.9,
    beta_2=0.999,
    epsilon=1e-08,
    **options,
):
    """Adam over the examples in `data`, a dictionary of arrays.

    `batch_size` None takes all examples in every step, shuffled by `seed` otherwise.
    Stops after `epochs`, when the loss changes by less than `tolerance` (if that is above 0), or when
    ``callback(epoch, loss, params)`` is true; `loss` is the one before the epoch's last update.
    What stands behind `callback` is handed on to `update`.
    `options` are the constants and sizes of the model.
    Returns the parameters and the history, a list of dictionaries.
    """
    for name in options:
        if name not in () + ("T",):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"T": np.shape(data["y"])[1]}
    sizes |= {name: options[name] for name in ("T",) if name in options}
    count = len(data["y"])
    params = init(seed, **sizes) if params is None else dict(params)
    state = {}
    history = []
    rule = dict(beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)
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
            update(params, grads, state, lr, **rule)
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
    missing = [name for name in ("y",) if name not in data]
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
