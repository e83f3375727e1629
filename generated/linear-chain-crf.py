"""A linear-chain conditional random field: the score of the labels beside those of all labellings, by the forward algorithm

Equations:
    s = W @ x[t]
    alpha[0] = s[0]
    alpha[t] = logsumexp(alpha[t - 1, i] + A[i, j], i) + s[t, j]
    log_Z = logsumexp(alpha[T - 1])
    score = sum(s[t, y[t]], t) + sum(A[y[t - 1], y[t]], t, t > 0)
    L = log_Z - score

Gradients:
    dL/dW = mean of dL/ds.T @ x
    dL/dA = mean of sum(dL/dalpha[t, j]*exp(alpha[t - 1, i] + A[i, j])/sum(exp(alpha[t - 1, p] + A[p, j]), p), t, t > 0) - sum(delta(y[m - 1], i)*delta(y[m], j), m, m > 0)

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def _softmax(u, axis):
    """exp(u)/sum(exp(u)) along an axis, the maximum taken off first."""
    e = np.exp(u - u.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _logsumexp(u, axis=None):
    """log(sum(exp(u))) along an axis, the maximum taken off first."""
    top = np.max(u, axis=axis, keepdims=True)
    total = np.log(np.sum(np.exp(u - top), axis=axis, keepdims=True)) + top
    return np.squeeze(total, axis=axis)


def init(seed=0, *, K=3, T=10, d=5):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W": rng.normal(0, np.sqrt(2 / (K + d)), (K, d)),
        "A": rng.normal(0, np.sqrt(2 / (K + K)), (K, K)),
    }


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def loss(params, *, x, y):
    """The mean of the loss over the examples."""
    W = params["W"]
    A = params["A"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=int)
    n = len(x)
    K = W.shape[0]
    T = x.shape[1]
    alpha = np.zeros((n, T, K))
    s = x @ W.T
    alpha[:, 0] = s[:, 0]
    for t in range(1, T):
        alpha[:, t] = _logsumexp(alpha[:, t - 1][:, :, None] + A, axis=1) + s[:, t]
    log_Z = _logsumexp(alpha[:, T - 1], axis=1)
    score = np.sum(s[np.arange(n)[:, None], np.arange(T), y], axis=1) + np.sum(A[y[:, : T - 1], y[:, 1:T]], axis=1)
    L = log_Z - score
    return float(np.mean(L))


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def loss_and_gradients(params, *, x, y):
    """The loss, and its gradient with respect to each parameter."""
    W = params["W"]
    A = params["A"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=int)
    n = len(x)
    K = W.shape[0]
    T = x.shape[1]

    # Forward pass
    alpha = np.zeros((n, T, K))
    s = x @ W.T
    alpha[:, 0] = s[:, 0]
    for t in range(1, T):
        alpha[:, t] = _logsumexp(alpha[:, t - 1][:, :, None] + A, axis=1) + s[:, t]
    log_Z = _logsumexp(alpha[:, T - 1], axis=1)
    score = np.sum(s[np.arange(n)[:, None], np.arange(T), y], axis=1) + np.sum(A[y[:, : T - 1], y[:, 1:T]], axis=1)
    L = log_Z - score

    # Backward pass
    # dL/dscore = -1
    d_score = np.broadcast_to(-1, (n,))
    d_alpha = np.zeros((n, T, K))
    for t in reversed(range(1, T)):
        # dL/dalpha = where(t < T - 1, exp(alpha[t] + A.T).T @ (dL/dalpha[t + 1]/sum(exp(alpha[t] + A.T), axis=1)), 0) + exp(alpha[T - 1])*delta(T - 1, t)/sum(exp(alpha[T - 1]))
        d_alpha[:, t] = (
            (np.einsum("ab,acb->ac", d_alpha[:, t + 1], _softmax(alpha[:, t][:, :, None] + A, axis=-2)) if t < T - 1 else 0)
            + (_softmax(alpha[:, T - 1], axis=-1) if t == T - 1 else 0)
        )
    # dL/dalpha = where(t < T - 1, exp(alpha[t] + A.T).T @ (dL/dalpha[t + 1]/sum(exp(alpha[t] + A.T), axis=1)), 0) + exp(alpha[T - 1])*delta(T - 1, t)/sum(exp(alpha[T - 1]))
    d_alpha[:, 0] = (
        (np.einsum("ab,acb->ac", d_alpha[:, 1], _softmax(alpha[:, 0][:, :, None] + A, axis=-2)) if 0 < T - 1 else 0)
        + (_softmax(alpha[:, T - 1], axis=-1) if 0 == T - 1 else 0)
    )
    # dL/ds = where(i > 0, dL/dalpha[i, j], 0) + dL/dalpha[0, j]*delta(0, i) + dL/dscore*delta(y[i], j)
    d_s = (
        np.concatenate([d_alpha[:, 0][:, None], d_alpha[:, 1:T]], axis=1)
        + d_score[:, None, None] * (y[:, :, None] == np.arange(K))
    )
    grads = {
        # dL/dW = mean of dL/ds.T @ x
        "W": np.tensordot(d_s, x, axes=((0, 1), (0, 1))) / n,
        # dL/dA = mean of sum(dL/dalpha[t, j]*exp(alpha[t - 1, i] + A[i, j])/sum(exp(alpha[t - 1, p] + A[p, j]), p), t, t > 0) - sum(delta(y[m - 1], i)*delta(y[m], j), m, m > 0)
        "A": (
            np.einsum("abc,abdc->dc", d_alpha[:, 1:T], _softmax(alpha[:, : T - 1][:, :, :, None] + A, axis=-2), optimize=True) / n
            - np.sum(np.where(y[:, : T - 1] == np.arange(K)[:, None, None], 1, 0)[:, None] * (y[:, 1:T] == np.arange(K)[:, None, None]), axis=(2, 3)) / n
        ),
    }
    return float(np.mean(L)), grads


def update(params, grads, state, lr=0.05, beta_1=0.9, beta_2=0.999, epsilon=1e-08):
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
    lr=0.05,
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
        if name not in () + ("K", "T", "d"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"T": np.shape(data["x"])[1], "d": np.shape(data["x"])[2]}
    sizes |= {name: options[name] for name in ("K", "T", "d") if name in options}
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
