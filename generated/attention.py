"""Scaled dot-product attention with one head

Equations:
    Q = X @ W_Q
    K = X @ W_K
    V = X @ W_V
    S = Q @ K.T/sqrt(d)
    A = softmax(S, axis=1)
    O = A @ V
    L = sum((O - Y)**2)/2

Gradients:
    dL/dW_Q = mean of X.T @ dL/dQ
    dL/dW_K = mean of X.T @ dL/dK
    dL/dW_V = mean of X.T @ dL/dV

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def _softmax(u, axis):
    """exp(u)/sum(exp(u)) along an axis, the maximum taken off first."""
    e = np.exp(u - u.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def init(seed=0, *, t=8, m=16, d=16):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W_Q": rng.normal(0, np.sqrt(2 / (m + d)), (m, d)),
        "W_K": rng.normal(0, np.sqrt(2 / (m + d)), (m, d)),
        "W_V": rng.normal(0, np.sqrt(2 / (m + d)), (m, d)),
    }


def loss(params, *, X, Y):
    """The mean of the loss over the examples."""
    W_Q = params["W_Q"]
    W_K = params["W_K"]
    W_V = params["W_V"]
    X = np.asarray(X, dtype=np.float64)
    Y = np.asarray(Y, dtype=np.float64)
    d = W_Q.shape[1]
    Q = X @ W_Q
    K = X @ W_K
    V = X @ W_V
    S = Q @ K.transpose(0, 2, 1) / np.sqrt(d)
    A = _softmax(S, axis=-1)
    O = A @ V
    L = np.sum((O - Y) ** 2, axis=(1, 2)) / 2
    return float(np.mean(L))


def loss_and_gradients(params, *, X, Y):
    """The loss, and its gradient with respect to each parameter."""
    W_Q = params["W_Q"]
    W_K = params["W_K"]
    W_V = params["W_V"]
    X = np.asarray(X, dtype=np.float64)
    Y = np.asarray(Y, dtype=np.float64)
    n = len(X)
    d = W_Q.shape[1]

    # Forward pass
    Q = X @ W_Q
    K = X @ W_K
    V = X @ W_V
    S = Q @ K.transpose(0, 2, 1) / np.sqrt(d)
    A = _softmax(S, axis=-1)
    O = A @ V
    L = np.sum((O - Y) ** 2, axis=(1, 2)) / 2

    # Backward pass
    # dL/dO = O - Y
    d_O = O - Y
    # dL/dA = dL/dO @ V.T
    d_A = d_O @ V.transpose(0, 2, 1)
    # dL/dS = A*(dL/dA - sum(dL/dA*A, axis=1, keepdims=True))
    d_S = A * (d_A - np.sum(d_A * A, axis=2)[:, :, None])
    # dL/dV = A.T @ dL/dO
    d_V = A.transpose(0, 2, 1) @ d_O
    # dL/dK = dL/dS.T @ Q/sqrt(d)
    d_K = d_S.transpose(0, 2, 1) @ Q / np.sqrt(d)
    # dL/dQ = dL/dS @ K/sqrt(d)
    d_Q = d_S @ K / np.sqrt(d)
    grads = {
        # dL/dW_Q = mean of X.T @ dL/dQ
        "W_Q": np.tensordot(X, d_Q, axes=((0, 1), (0, 1))) / n,
        # dL/dW_K = mean of X.T @ dL/dK
        "W_K": np.tensordot(X, d_K, axes=((0, 1), (0, 1))) / n,
        # dL/dW_V = mean of X.T @ dL/dV
        "W_V": np.tensordot(X, d_V, axes=((0, 1), (0, 1))) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, X):
    """The output O of the model."""
    W_Q = params["W_Q"]
    W_K = params["W_K"]
    W_V = params["W_V"]
    X = np.asarray(X, dtype=np.float64)
    d = W_Q.shape[1]
    Q = X @ W_Q
    K = X @ W_K
    V = X @ W_V
    S = Q @ K.transpose(0, 2, 1) / np.sqrt(d)
    A = _softmax(S, axis=-1)
    O = A @ V
    return O


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
        if name not in () + ("t", "m", "d"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"t": np.shape(data["X"])[1], "m": np.shape(data["X"])[2], "d": np.shape(data["Y"])[2]}
    sizes |= {name: options[name] for name in ("t", "m", "d") if name in options}
    count = len(data["X"])
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
    missing = [name for name in ("X", "Y") if name not in data]
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
