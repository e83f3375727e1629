"""A language model of characters: an LSTM reads their embeddings and says after each what comes next

Equations:
    e = E[x[t]]
    c[0] = zeros(m)
    h[0] = zeros(m)
    z_i[t] = W_i @ e[t - 1] + U_i @ h[t - 1] + b_i
    z_f[t] = W_f @ e[t - 1] + U_f @ h[t - 1] + b_f
    z_o[t] = W_o @ e[t - 1] + U_o @ h[t - 1] + b_o
    z_g[t] = W_g @ e[t - 1] + U_g @ h[t - 1] + b_g
    i[t] = sigmoid(z_i[t])
    f[t] = sigmoid(z_f[t])
    o[t] = sigmoid(z_o[t])
    g[t] = tanh(z_g[t])
    c[t] = f[t]*c[t - 1] + i[t]*g[t]
    h[t] = o[t]*tanh(c[t])
    s = V @ h[t + 1] + b
    p = softmax(s[t])
    L = mean(logsumexp(s[t]) - s[t, y[t]], t)

Gradients:
    dL/dE = mean of sum(dL/de[t, k]*delta(x[t], j), t)
    dL/dW_i = mean of sum(outer(dL/dz_i[t], e[t - 1]), t, t > 0)
    dL/dU_i = mean of sum(outer(dL/dz_i[t], h[t - 1]), t, t > 0)
    dL/db_i = mean of sum(dL/dz_i[t], t, t > 0)
    dL/dW_f = mean of sum(outer(dL/dz_f[t], e[t - 1]), t, t > 0)
    dL/dU_f = mean of sum(outer(dL/dz_f[t], h[t - 1]), t, t > 0)
    dL/db_f = mean of sum(dL/dz_f[t], t, t > 0)
    dL/dW_o = mean of sum(outer(dL/dz_o[t], e[t - 1]), t, t > 0)
    dL/dU_o = mean of sum(outer(dL/dz_o[t], h[t - 1]), t, t > 0)
    dL/db_o = mean of sum(dL/dz_o[t], t, t > 0)
    dL/dW_g = mean of sum(outer(dL/dz_g[t], e[t - 1]), t, t > 0)
    dL/dU_g = mean of sum(outer(dL/dz_g[t], h[t - 1]), t, t > 0)
    dL/db_g = mean of sum(dL/dz_g[t], t, t > 0)
    dL/dV = mean of dL/ds.T @ h[1:]
    dL/db = mean of sum(dL/ds, axis=0)

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


@np.errstate(over="ignore")  # where the exponential is infinite, the quotient is 0
def _sigmoid(u):
    """1/(1 + exp(-u))"""
    return 1 / (1 + np.exp(-u))


def _softmax(u, axis):
    """exp(u)/sum(exp(u)) along an axis, the maximum taken off first."""
    e = np.exp(u - u.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _logsumexp(u, axis=None):
    """log(sum(exp(u))) along an axis, the maximum taken off first."""
    top = np.max(u, axis=axis, keepdims=True)
    total = np.log(np.sum(np.exp(u - top), axis=axis, keepdims=True)) + top
    return np.squeeze(total, axis=axis)


def _sech(u):
    """1/cosh(u); the exponential never overflows."""
    e = np.exp(-np.abs(u))
    return 2 * e / (1 + e * e)


def _scatter_add(rows, values, size):
    """An array of so many rows: each of the values added to the row that is given for it."""
    total = np.zeros((size, *np.shape(values)[np.ndim(rows) :]), dtype=np.result_type(values, np.float32))
    np.add.at(total, rows, values)
    return total


def init(seed=0, *, v, T=32, d=16, m=64):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "E": rng.normal(0, np.sqrt(2 / (v + d)), (v, d)),
        "W_i": rng.normal(0, np.sqrt(2 / (m + d)), (m, d)),
        "U_i": rng.normal(0, np.sqrt(2 / (m + m)), (m, m)),
        "b_i": np.zeros(m),
        "W_f": rng.normal(0, np.sqrt(2 / (m + d)), (m, d)),
        "U_f": rng.normal(0, np.sqrt(2 / (m + m)), (m, m)),
        "b_f": np.ones(m),
        "W_o": rng.normal(0, np.sqrt(2 / (m + d)), (m, d)),
        "U_o": rng.normal(0, np.sqrt(2 / (m + m)), (m, m)),
        "b_o": np.zeros(m),
        "W_g": rng.normal(0, np.sqrt(2 / (m + d)), (m, d)),
        "U_g": rng.normal(0, np.sqrt(2 / (m + m)), (m, m)),
        "b_g": np.zeros(m),
        "V": rng.normal(0, np.sqrt(2 / (v + m)), (v, m)),
        "b": np.zeros(v),
    }


def loss(params, *, x, y):
    """The mean of the loss over the examples."""
    E = params["E"]
    W_i = params["W_i"]
    U_i = params["U_i"]
    b_i = params["b_i"]
    W_f = params["W_f"]
    U_f = params["U_f"]
    b_f = params["b_f"]
    W_o = params["W_o"]
    U_o = params["U_o"]
    b_o = params["b_o"]
    W_g = params["W_g"]
    U_g = params["U_g"]
    b_g = params["b_g"]
    V = params["V"]
    b = params["b"]
    x = np.asarray(x, dtype=int)
    y = np.asarray(y, dtype=int)
    n = len(x)
    m = W_i.shape[0]
    T = x.shape[1]
    c = np.zeros((n, T + 1, m))
    h = np.zeros((n, T + 1, m))
    e = E[x]
    i = np.zeros((n, T + 1, m))
    f = np.zeros((n, T + 1, m))
    o = np.zeros((n, T + 1, m))
    g = np.zeros((n, T + 1, m))
    for t in range(1, T + 1):
        z_i = e[:, t - 1] @ W_i.T + h[:, t - 1] @ U_i.T + b_i
        z_f = e[:, t - 1] @ W_f.T + h[:, t - 1] @ U_f.T + b_f
        z_o = e[:, t - 1] @ W_o.T + h[:, t - 1] @ U_o.T + b_o
        z_g = e[:, t - 1] @ W_g.T + h[:, t - 1] @ U_g.T + b_g
        i[:, t] = _sigmoid(z_i)
        f[:, t] = _sigmoid(z_f)
        o[:, t] = _sigmoid(z_o)
        g[:, t] = np.tanh(z_g)
        c[:, t] = f[:, t] * c[:, t - 1] + i[:, t] * g[:, t]
        h[:, t] = o[:, t] * np.tanh(c[:, t])
    s = h[:, 1 : T + 1] @ V.T + b
    # L = mean(logsumexp(s[t]) - s[t, y[t]], t), in a stable form
    L = np.sum(_logsumexp(s, axis=2) - s[np.arange(n)[:, None], np.arange(T), y], axis=1) / T
    return float(np.mean(L))


def loss_and_gradients(params, *, x, y):
    """The loss, and its gradient with respect to each parameter."""
    E = params["E"]
    W_i = params["W_i"]
    U_i = params["U_i"]
    b_i = params["b_i"]
    W_f = params["W_f"]
    U_f = params["U_f"]
    b_f = params["b_f"]
    W_o = params["W_o"]
    U_o = params["U_o"]
    b_o = params["b_o"]
    W_g = params["W_g"]
    U_g = params["U_g"]
    b_g = params["b_g"]
    V = params["V"]
    b = params["b"]
    x = np.asarray(x, dtype=int)
    y = np.asarray(y, dtype=int)
    n = len(x)
    v = E.shape[0]
    d = E.shape[1]
    m = W_i.shape[0]
    T = x.shape[1]

    # Forward pass
    c = np.zeros((n, T + 1, m))
    h = np.zeros((n, T + 1, m))
    e = E[x]
    i = np.zeros((n, T + 1, m))
    f = np.zeros((n, T + 1, m))
    o = np.zeros((n, T + 1, m))
    g = np.zeros((n, T + 1, m))
    for t in range(1, T + 1):
        z_i = e[:, t - 1] @ W_i.T + h[:, t - 1] @ U_i.T + b_i
        z_f = e[:, t - 1] @ W_f.T + h[:, t - 1] @ U_f.T + b_f
        z_o = e[:, t - 1] @ W_o.T + h[:, t - 1] @ U_o.T + b_o
        z_g = e[:, t - 1] @ W_g.T + h[:, t - 1] @ U_g.T + b_g
        i[:, t] = _sigmoid(z_i)
        f[:, t] = _sigmoid(z_f)
        o[:, t] = _sigmoid(z_o)
        g[:, t] = np.tanh(z_g)
        c[:, t] = f[:, t] * c[:, t - 1] + i[:, t] * g[:, t]
        h[:, t] = o[:, t] * np.tanh(c[:, t])
    s = h[:, 1 : T + 1] @ V.T + b
    # L = mean(logsumexp(s[t]) - s[t, y[t]], t), in a stable form
    L = np.sum(_logsumexp(s, axis=2) - s[np.arange(n)[:, None], np.arange(T), y], axis=1) / T

    # Backward pass
    # dL/ds = (exp(s[j, k])/sum(exp(s[j, m_0]), m_0) - delta(y[j], k))/T
    d_s = (_softmax(s, axis=-1) - np.where(y[:, :, None] == np.arange(v), 1, 0)) / T
    d_c = np.zeros((n, T + 1, m))
    d_z_g = np.zeros((n, T + 1, m))
    d_z_o = np.zeros((n, T + 1, m))
    d_z_f = np.zeros((n, T + 1, m))
    d_z_i = np.zeros((n, T + 1, m))
    for t in reversed(range(1, T + 1)):
        # dL/dh = where(t < T, U_i.T @ dL/dz_i[t + 1] + U_f.T @ dL/dz_f[t + 1] + U_o.T @ dL/dz_o[t + 1] + U_g.T @ dL/dz_g[t + 1], 0) + where(t > 0, V.T @ dL/ds[t - 1], 0)
        d_h = (
            (d_z_i[:, t + 1] @ U_i + d_z_f[:, t + 1] @ U_f + d_z_o[:, t + 1] @ U_o + d_z_g[:, t + 1] @ U_g if t < T else 0)
            + d_s[:, t - 1] @ V
        )
        # dL/dc = where(t < T, dL/dc[t + 1]*f[t + 1], 0) + where(t > 0, dL/dh[t]*o[t]*(1 - tanh(c[t])**2), 0)
        d_c[:, t] = (d_c[:, t + 1] * f[:, t + 1] if t < T else 0) + d_h * o[:, t] * _sech(c[:, t]) ** 2
        # dL/dg = where(t > 0, dL/dc[t]*i[t], 0)
        d_g = d_c[:, t] * i[:, t]
        # dL/do = where(t > 0, dL/dh[t]*tanh(c[t]), 0)
        d_o = d_h * np.tanh(c[:, t])
        # dL/df = where(t > 0, dL/dc[t]*c[t - 1], 0)
        d_f = d_c[:, t] * c[:, t - 1]
        # dL/di = where(t > 0, dL/dc[t]*g[t], 0)
        d_i = d_c[:, t] * g[:, t]
        # dL/dz_g = where(t > 0, dL/dg[t]*(1 - g[t]**2), 0)
        d_z_g[:, t] = d_g * (1 - g[:, t] ** 2)
        # dL/dz_o = dL/do*o*(1 - o)
        d_z_o[:, t] = d_o * o[:, t] * (1 - o[:, t])
        # dL/dz_f = dL/df*f*(1 - f)
        d_z_f[:, t] = d_f * f[:, t] * (1 - f[:, t])
        # dL/dz_i = dL/di*i*(1 - i)
        d_z_i[:, t] = d_i * i[:, t] * (1 - i[:, t])
    # dL/de = dL/dz_i[1:] @ W_i + dL/dz_f[1:] @ W_f + dL/dz_o[1:] @ W_o + dL/dz_g[1:] @ W_g
    d_e = d_z_i[:, 1 : T + 1] @ W_i + d_z_f[:, 1 : T + 1] @ W_f + d_z_o[:, 1 : T + 1] @ W_o + d_z_g[:, 1 : T + 1] @ W_g
    grads = {
        # dL/dE = mean of sum(dL/de[t, k]*delta(x[t], j), t)
        "E": _scatter_add(x, d_e, v) / n,
        # dL/dW_i = mean of sum(outer(dL/dz_i[t], e[t - 1]), t, t > 0)
        "W_i": d_z_i[:, 1 : T + 1].reshape(n * T, m).T @ e.reshape(n * T, d) / n,
        # dL/dU_i = mean of sum(outer(dL/dz_i[t], h[t - 1]), t, t > 0)
        "U_i": d_z_i[:, 1 : T + 1].reshape(n * T, m).T @ h[:, :T].reshape(n * T, m) / n,
        # dL/db_i = mean of sum(dL/dz_i[t], t, t > 0)
        "b_i": np.sum(d_z_i[:, 1 : T + 1], axis=(0, 1)) / n,
        # dL/dW_f = mean of sum(outer(dL/dz_f[t], e[t - 1]), t, t > 0)
        "W_f": d_z_f[:, 1 : T + 1].reshape(n * T, m).T @ e.reshape(n * T, d) / n,
        # dL/dU_f = mean of sum(outer(dL/dz_f[t], h[t - 1]), t, t > 0)
        "U_f": d_z_f[:, 1 : T + 1].reshape(n * T, m).T @ h[:, :T].reshape(n * T, m) / n,
        # dL/db_f = mean of sum(dL/dz_f[t], t, t > 0)
        "b_f": np.sum(d_z_f[:, 1 : T + 1], axis=(0, 1)) / n,
        # dL/dW_o = mean of sum(outer(dL/dz_o[t], e[t - 1]), t, t > 0)
        "W_o": d_z_o[:, 1 : T + 1].reshape(n * T, m).T @ e.reshape(n * T, d) / n,
        # dL/dU_o = mean of sum(outer(dL/dz_o[t], h[t - 1]), t, t > 0)
        "U_o": d_z_o[:, 1 : T + 1].reshape(n * T, m).T @ h[:, :T].reshape(n * T, m) / n,
        # dL/db_o = mean of sum(dL/dz_o[t], t, t > 0)
        "b_o": np.sum(d_z_o[:, 1 : T + 1], axis=(0, 1)) / n,
        # dL/dW_g = mean of sum(outer(dL/dz_g[t], e[t - 1]), t, t > 0)
        "W_g": d_z_g[:, 1 : T + 1].reshape(n * T, m).T @ e.reshape(n * T, d) / n,
        # dL/dU_g = mean of sum(outer(dL/dz_g[t], h[t - 1]), t, t > 0)
        "U_g": d_z_g[:, 1 : T + 1].reshape(n * T, m).T @ h[:, :T].reshape(n * T, m) / n,
        # dL/db_g = mean of sum(dL/dz_g[t], t, t > 0)
        "b_g": np.sum(d_z_g[:, 1 : T + 1], axis=(0, 1)) / n,
        # dL/dV = mean of dL/ds.T @ h[1:]
        "V": d_s.reshape(n * T, v).T @ h[:, 1 : T + 1].reshape(n * T, m) / n,
        # dL/db = mean of sum(dL/ds, axis=0)
        "b": np.sum(d_s, axis=(0, 1)) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x):
    """The output p of the model."""
    E = params["E"]
    W_i = params["W_i"]
    U_i = params["U_i"]
    b_i = params["b_i"]
    W_f = params["W_f"]
    U_f = params["U_f"]
    b_f = params["b_f"]
    W_o = params["W_o"]
    U_o = params["U_o"]
    b_o = params["b_o"]
    W_g = params["W_g"]
    U_g = params["U_g"]
    b_g = params["b_g"]
    V = params["V"]
    b = params["b"]
    x = np.asarray(x, dtype=int)
    n = len(x)
    m = W_i.shape[0]
    T = x.shape[1]
    c = np.zeros((n, T + 1, m))
    h = np.zeros((n, T + 1, m))
    e = E[x]
    i = np.zeros((n, T + 1, m))
    f = np.zeros((n, T + 1, m))
    o = np.zeros((n, T + 1, m))
    g = np.zeros((n, T + 1, m))
    for t in range(1, T + 1):
        z_i = e[:, t - 1] @ W_i.T + h[:, t - 1] @ U_i.T + b_i
        z_f = e[:, t - 1] @ W_f.T + h[:, t - 1] @ U_f.T + b_f
        z_o = e[:, t - 1] @ W_o.T + h[:, t - 1] @ U_o.T + b_o
        z_g = e[:, t - 1] @ W_g.T + h[:, t - 1] @ U_g.T + b_g
        i[:, t] = _sigmoid(z_i)
        f[:, t] = _sigmoid(z_f)
        o[:, t] = _sigmoid(z_o)
        g[:, t] = np.tanh(z_g)
        c[:, t] = f[:, t] * c[:, t - 1] + i[:, t] * g[:, t]
        h[:, t] = o[:, t] * np.tanh(c[:, t])
    s = h[:, 1 : T + 1] @ V.T + b
    p = _softmax(s, axis=-1)
    return p


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
    epochs=40,
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
        if name not in () + ("v", "T", "d", "m"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"T": np.shape(data["x"])[1], "v": 1 + max(int(np.max(data["x"])), int(np.max(data["y"])))}
    sizes |= {name: options[name] for name in ("v", "T", "d", "m") if name in options}
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
