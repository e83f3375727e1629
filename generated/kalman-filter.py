"""The Kalman filter of a level that wanders: the likelihood of what is seen of it, by one-step predictions

Equations:
    Q = exp(q)
    R = exp(r)
    P[0] = 10
    p[t] = P[t - 1] + Q
    S[t] = p[t] + R
    K[t] = p[t]/S[t]
    P[t] = (1 - K[t])*p[t]
    m[0] = 0
    e[t] = y[t - 1] - m[t - 1]
    m[t] = m[t - 1] + K[t]*e[t]
    L = sum(log(S[t]) + e[t]**2/S[t], t)/2

Gradients:
    dL/dq = dL/dQ*Q
    dL/dr = dL/dR*R

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def init(seed=0, *, T):
    """The parameters before training."""
    return {
        "q": 0.0,
        "r": 0.0,
    }


def loss(params, *, y):
    """The mean of the loss over the examples."""
    q = params["q"]
    r = params["r"]
    y = np.asarray(y, dtype=np.float64)
    n = len(y)
    T = y.shape[1]
    P = np.zeros((T + 1,))
    P[0] = 10
    p = np.zeros((T + 1,))
    S = np.zeros((T + 1,))
    K = np.zeros((T + 1,))
    for t in range(1, T + 1):
        p[t] = P[t - 1] + np.exp(q)
        S[t] = p[t] + np.exp(r)
        K[t] = p[t] / S[t]
        P[t] = (1 - K[t]) * p[t]
    m = np.zeros((n, T + 1))
    e = np.zeros((n, T + 1))
    for t in range(1, T + 1):
        e[:, t] = y[:, t - 1] - m[:, t - 1]
        m[:, t] = m[:, t - 1] + K[t] * e[:, t]
    L = np.sum(np.log(S[1 : T + 1]) + e[:, 1 : T + 1] ** 2 / S[1 : T + 1], axis=1) / 2
    return float(np.mean(L))


def loss_and_gradients(params, *, y):
    """The loss, and its gradient with respect to each parameter."""
    q = params["q"]
    r = params["r"]
    y = np.asarray(y, dtype=np.float64)
    n = len(y)
    T = y.shape[1]

    # Forward pass
    P = np.zeros((T + 1,))
    Q = np.exp(q)
    R = np.exp(r)
    P[0] = 10
    p = np.zeros((T + 1,))
    S = np.zeros((T + 1,))
    K = np.zeros((T + 1,))
    for t in range(1, T + 1):
        p[t] = P[t - 1] + np.exp(q)
        S[t] = p[t] + np.exp(r)
        K[t] = p[t] / S[t]
        P[t] = (1 - K[t]) * p[t]
    m = np.zeros((n, T + 1))
    e = np.zeros((n, T + 1))
    for t in range(1, T + 1):
        e[:, t] = y[:, t - 1] - m[:, t - 1]
        m[:, t] = m[:, t - 1] + K[t] * e[:, t]
    L = np.sum(np.log(S[1 : T + 1]) + e[:, 1 : T + 1] ** 2 / S[1 : T + 1], axis=1) / 2

    # Backward pass
    d_m = np.zeros((n, T + 1))
    d_e = np.zeros((n, T + 1))
    for t in reversed(range(1, T + 1)):
        # dL/dm[t] = where(t < T, dL/dm[t + 1] - dL/de[t + 1], 0)
        d_m[:, t] = (d_m[:, t + 1] - d_e[:, t + 1] if t < T else 0)
        # dL/de[t] = where(t > 0, dL/dm[t]*K[t] + e[t]/S[t], 0)
        d_e[:, t] = d_m[:, t] * K[t] + e[:, t] / S[t]
    d_S = np.zeros((T + 1,))
    d_p = np.zeros((T + 1,))
    for t in reversed(range(1, T + 1)):
        # dL/dP[t] = where(t < T, dL/dp[t + 1], 0)
        d_P = (d_p[t + 1] if t < T else 0)
        # dL/dK[t] = mean of where(t > 0, dL/dm[t]*e[t] - dL/dP[t]*p[t], 0)
        d_K = d_m[:, t] @ e[:, t] / n - d_P * p[t]
        # dL/dS[t] = mean of where(t > 0, (S[t] - 2*dL/dK[t]*p[t] - e[t]**2)/(2*S[t]**2), 0)
        d_S[t] = np.sum(S[t] - 2 * d_K * p[t] - e[:, t] ** 2) / (2 * S[t] ** 2) / n
        # dL/dp[t] = where(t > 0, dL/dS[t] + dL/dP[t]*(1 - K[t]) + dL/dK[t]/S[t], 0)
        d_p[t] = d_S[t] + d_P * (1 - K[t]) + d_K / S[t]
    # dL/dR = sum(dL/dS[t], t, t > 0)
    d_R = np.sum(d_S[1 : T + 1])
    # dL/dQ = sum(dL/dp[t], t, t > 0)
    d_Q = np.sum(d_p[1 : T + 1])
    grads = {
        # dL/dq = dL/dQ*Q
        "q": d_Q * Q,
        # dL/dr = dL/dR*R
        "r": d_R * R,
    }
    return float(np.mean(L)), grads


def update(params, grads, state, lr=0.02, beta_1=0.9, beta_2=0.999, epsilon=1e-08):
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
    lr=0.02,
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
