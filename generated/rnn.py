"""A recurrent network: its state is what it has read of the sequence, and every step predicts

Equations:
    h[0] = zeros(m)
    z[t] = W @ x[t - 1] + U @ h[t - 1] + b
    h[t] = tanh(z[t])
    yhat = v @ h[t + 1] + c
    L = sum((yhat[t] - y[t])**2, t)/2

Gradients:
    dL/dW = mean of sum(outer(dL/dz[t], x[t - 1]), t, t > 0)
    dL/dU = mean of sum(outer(dL/dz[t], h[t - 1]), t, t > 0)
    dL/db = mean of sum(dL/dz[t], t, t > 0)
    dL/dv = mean of h[1:].T @ dL/dyhat
    dL/dc = mean of sum(dL/dyhat)

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def init(seed=0, *, T=10, d=3, m=16):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W": rng.normal(0, np.sqrt(2 / (m + d)), (m, d)),
        "U": rng.normal(0, np.sqrt(2 / (m + m)), (m, m)),
        "b": np.zeros(m),
        "v": rng.normal(0, np.sqrt(2 / (m + 1)), m),
        "c": 0.0,
    }


def loss(params, *, x, y):
    """The mean of the loss over the examples."""
    W = params["W"]
    U = params["U"]
    b = params["b"]
    v = params["v"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)
    m = W.shape[0]
    T = x.shape[1]
    h = np.zeros((n, T + 1, m))
    for t in range(1, T + 1):
        z = x[:, t - 1] @ W.T + h[:, t - 1] @ U.T + b
        h[:, t] = np.tanh(z)
    yhat = h[:, 1 : T + 1] @ v + c
    L = np.sum((yhat - y) ** 2, axis=1) / 2
    return float(np.mean(L))


def loss_and_gradients(params, *, x, y):
    """The loss, and its gradient with respect to each parameter."""
    W = params["W"]
    U = params["U"]
    b = params["b"]
    v = params["v"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)
    m = W.shape[0]
    d = W.shape[1]
    T = x.shape[1]

    # Forward pass
    h = np.zeros((n, T + 1, m))
    for t in range(1, T + 1):
        z = x[:, t - 1] @ W.T + h[:, t - 1] @ U.T + b
        h[:, t] = np.tanh(z)
    yhat = h[:, 1 : T + 1] @ v + c
    L = np.sum((yhat - y) ** 2, axis=1) / 2

    # Backward pass
    # dL/dyhat = yhat - y
    d_yhat = yhat - y
    d_z = np.zeros((n, T + 1, m))
    for t in reversed(range(1, T + 1)):
        # dL/dh = where(t < T, U.T @ dL/dz[t + 1], 0) + where(t > 0, dL/dyhat[t - 1]*v, 0)
        d_h = (d_z[:, t + 1] @ U if t < T else 0) + d_yhat[:, t - 1][:, None] * v
        # dL/dz = where(t > 0, dL/dh[t]*(1 - h[t]**2), 0)
        d_z[:, t] = d_h * (1 - h[:, t] ** 2)
    grads = {
        # dL/dW = mean of sum(outer(dL/dz[t], x[t - 1]), t, t > 0)
        "W": d_z[:, 1 : T + 1].reshape(n * T, m).T @ x.reshape(n * T, d) / n,
        # dL/dU = mean of sum(outer(dL/dz[t], h[t - 1]), t, t > 0)
        "U": d_z[:, 1 : T + 1].reshape(n * T, m).T @ h[:, :T].reshape(n * T, m) / n,
        # dL/db = mean of sum(dL/dz[t], t, t > 0)
        "b": np.sum(d_z[:, 1 : T + 1], axis=(0, 1)) / n,
        # dL/dv = mean of h[1:].T @ dL/dyhat
        "v": h[:, 1 : T + 1].reshape(n * T, m).T @ d_yhat.reshape(n * T) / n,
        # dL/dc = mean of sum(dL/dyhat)
        "c": np.sum(d_yhat) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x):
    """The output yhat of the model."""
    W = params["W"]
    U = params["U"]
    b = params["b"]
    v = params["v"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    n = len(x)
    m = W.shape[0]
    T = x.shape[1]
    h = np.zeros((n, T + 1, m))
    for t in range(1, T + 1):
        z = x[:, t - 1] @ W.T + h[:, t - 1] @ U.T + b
        h[:, t] = np.tanh(z)
    yhat = h[:, 1 : T + 1] @ v + c
    return yhat


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
    epochs=60,
    lr=0.01,
    batch_size=32,
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
        if name not in () + ("T", "d", "m"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"T": np.shape(data["x"])[1], "d": np.shape(data["x"])[2]}
    sizes |= {name: options[name] for name in ("T", "d", "m") if name in options}
    count = len(data["x"])
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
