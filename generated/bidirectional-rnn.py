"""A bidirectional recurrent network: one state has read what came before, the other what comes after

Equations:
    f[0] = zeros(m)
    z_f[t] = W_f @ x[t - 1] + U_f @ f[t - 1] + b_f
    f[t] = tanh(z_f[t])
    g[T] = zeros(m)
    z_b[t] = W_b @ x[t] + U_b @ g[t + 1] + b_b
    g[t] = tanh(z_b[t])
    yhat = v_f @ f[t + 1] + v_b @ g[t] + c
    L = sum((yhat[t] - y[t])**2, t)/2

Gradients:
    dL/dW_f = mean of sum(outer(dL/dz_f[t], x[t - 1]), t, t > 0)
    dL/dU_f = mean of sum(outer(dL/dz_f[t], f[t - 1]), t, t > 0)
    dL/db_f = mean of sum(dL/dz_f[t], t, t > 0)
    dL/dW_b = mean of dL/dz_b.T @ x
    dL/dU_b = mean of dL/dz_b.T @ g[1:]
    dL/db_b = mean of sum(dL/dz_b, axis=0)
    dL/dv_f = mean of f[1:].T @ dL/dyhat
    dL/dv_b = mean of g[:T].T @ dL/dyhat
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
        "W_f": rng.normal(0, np.sqrt(2 / (m + d)), (m, d)),
        "U_f": rng.normal(0, np.sqrt(2 / (m + m)), (m, m)),
        "b_f": np.zeros(m),
        "W_b": rng.normal(0, np.sqrt(2 / (m + d)), (m, d)),
        "U_b": rng.normal(0, np.sqrt(2 / (m + m)), (m, m)),
        "b_b": np.zeros(m),
        "v_f": rng.normal(0, np.sqrt(2 / (m + 1)), m),
        "v_b": rng.normal(0, np.sqrt(2 / (m + 1)), m),
        "c": 0.0,
    }


def loss(params, *, x, y):
    """The mean of the loss over the examples."""
    W_f = params["W_f"]
    U_f = params["U_f"]
    b_f = params["b_f"]
    W_b = params["W_b"]
    U_b = params["U_b"]
    b_b = params["b_b"]
    v_f = params["v_f"]
    v_b = params["v_b"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)
    m = W_f.shape[0]
    T = x.shape[1]
    f = np.zeros((n, T + 1, m))
    for t in range(1, T + 1):
        z_f = x[:, t - 1] @ W_f.T + f[:, t - 1] @ U_f.T + b_f
        f[:, t] = np.tanh(z_f)
    g = np.zeros((n, T + 1, m))
    for t in reversed(range(T)):
        z_b = x[:, t] @ W_b.T + g[:, t + 1] @ U_b.T + b_b
        g[:, t] = np.tanh(z_b)
    yhat = f[:, 1 : T + 1] @ v_f + g[:, :T] @ v_b + c
    L = np.sum((yhat - y) ** 2, axis=1) / 2
    return float(np.mean(L))


def loss_and_gradients(params, *, x, y):
    """The loss, and its gradient with respect to each parameter."""
    W_f = params["W_f"]
    U_f = params["U_f"]
    b_f = params["b_f"]
    W_b = params["W_b"]
    U_b = params["U_b"]
    b_b = params["b_b"]
    v_f = params["v_f"]
    v_b = params["v_b"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)
    m = W_f.shape[0]
    d = W_f.shape[1]
    T = x.shape[1]

    # Forward pass
    f = np.zeros((n, T + 1, m))
    for t in range(1, T + 1):
        z_f = x[:, t - 1] @ W_f.T + f[:, t - 1] @ U_f.T + b_f
        f[:, t] = np.tanh(z_f)
    g = np.zeros((n, T + 1, m))
    for t in reversed(range(T)):
        z_b = x[:, t] @ W_b.T + g[:, t + 1] @ U_b.T + b_b
        g[:, t] = np.tanh(z_b)
    yhat = f[:, 1 : T + 1] @ v_f + g[:, :T] @ v_b + c
    L = np.sum((yhat - y) ** 2, axis=1) / 2

    # Backward pass
    # dL/dyhat = yhat - y
    d_yhat = yhat - y
    d_z_b = np.zeros((n, T, m))
    for t in range(T):
        # dL/dg = where(t > 0, U_b.T @ dL/dz_b[t - 1], 0) + where(t < T, dL/dyhat[t]*v_b, 0)
        d_g = (d_z_b[:, t - 1] @ U_b if t > 0 else 0) + d_yhat[:, t][:, None] * v_b
        # dL/dz_b = dL/dg[:T]*(1 - g[:T]**2)
        d_z_b[:, t] = d_g * (1 - g[:, t] ** 2)
    d_z_f = np.zeros((n, T + 1, m))
    for t in reversed(range(1, T + 1)):
        # dL/df = where(t < T, U_f.T @ dL/dz_f[t + 1], 0) + where(t > 0, dL/dyhat[t - 1]*v_f, 0)
        d_f = (d_z_f[:, t + 1] @ U_f if t < T else 0) + d_yhat[:, t - 1][:, None] * v_f
        # dL/dz_f = where(t > 0, dL/df[t]*(1 - f[t]**2), 0)
        d_z_f[:, t] = d_f * (1 - f[:, t] ** 2)
    grads = {
        # dL/dW_f = mean of sum(outer(dL/dz_f[t], x[t - 1]), t, t > 0)
        "W_f": d_z_f[:, 1 : T + 1].reshape(n * T, m).T @ x.reshape(n * T, d) / n,
        # dL/dU_f = mean of sum(outer(dL/dz_f[t], f[t - 1]), t, t > 0)
        "U_f": d_z_f[:, 1 : T + 1].reshape(n * T, m).T @ f[:, :T].reshape(n * T, m) / n,
        # dL/db_f = mean of sum(dL/dz_f[t], t, t > 0)
        "b_f": np.sum(d_z_f[:, 1 : T + 1], axis=(0, 1)) / n,
        # dL/dW_b = mean of dL/dz_b.T @ x
        "W_b": np.tensordot(d_z_b, x, axes=((0, 1), (0, 1))) / n,
        # dL/dU_b = mean of dL/dz_b.T @ g[1:]
        "U_b": d_z_b.reshape(n * T, m).T @ g[:, 1 : T + 1].reshape(n * T, m) / n,
        # dL/db_b = mean of sum(dL/dz_b, axis=0)
        "b_b": np.sum(d_z_b, axis=(0, 1)) / n,
        # dL/dv_f = mean of f[1:].T @ dL/dyhat
        "v_f": f[:, 1 : T + 1].reshape(n * T, m).T @ d_yhat.reshape(n * T) / n,
        # dL/dv_b = mean of g[:T].T @ dL/dyhat
        "v_b": g[:, :T].reshape(n * T, m).T @ d_yhat.reshape(n * T) / n,
        # dL/dc = mean of sum(dL/dyhat)
        "c": np.sum(d_yhat) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x):
    """The output yhat of the model."""
    W_f = params["W_f"]
    U_f = params["U_f"]
    b_f = params["b_f"]
    W_b = params["W_b"]
    U_b = params["U_b"]
    b_b = params["b_b"]
    v_f = params["v_f"]
    v_b = params["v_b"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    n = len(x)
    m = W_f.shape[0]
    T = x.shape[1]
    f = np.zeros((n, T + 1, m))
    for t in range(1, T + 1):
        z_f = x[:, t - 1] @ W_f.T + f[:, t - 1] @ U_f.T + b_f
        f[:, t] = np.tanh(z_f)
    g = np.zeros((n, T + 1, m))
    for t in reversed(range(T)):
        z_b = x[:, t] @ W_b.T + g[:, t + 1] @ U_b.T + b_b
        g[:, t] = np.tanh(z_b)
    yhat = f[:, 1 : T + 1] @ v_f + g[:, :T] @ v_b + c
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
