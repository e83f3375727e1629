"""InfoNCE: of all examples in the batch, the other view of the same one is to be recognized

Equations:
    U = x @ W.T
    V = y @ W.T
    u = U[i]/norm(U[i])
    v = V[i]/norm(V[i])
    S = u @ v.T/tau
    L = -sum(log(P[i, i]), i)/n

Gradients:
    dL/dW = dL/dU.T @ x + dL/dV.T @ y

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


def init(seed=0, *, d=64, k=16):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W": rng.normal(0, np.sqrt(2 / (k + d)), (k, d)),
    }


def loss(params, *, x, y, tau=0.1):
    """The loss."""
    W = params["W"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)
    U = x @ W.T
    V = y @ W.T
    u = U / np.sqrt(np.sum(U**2, axis=1))[:, None]
    v = V / np.sqrt(np.sum(V**2, axis=1))[:, None]
    S = u @ v.T / tau
    # L = -sum(log(P[i, i]), i)/n, in a stable form
    L = -np.sum(S[np.arange(n), np.arange(n)] - _logsumexp(S, axis=1)) / n
    return float(L)


def loss_and_gradients(params, *, x, y, tau=0.1):
    """The loss, and its gradient with respect to each parameter."""
    W = params["W"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)

    # Forward pass
    U = x @ W.T
    V = y @ W.T
    u = U / np.sqrt(np.sum(U**2, axis=1))[:, None]
    v = V / np.sqrt(np.sum(V**2, axis=1))[:, None]
    S = u @ v.T / tau
    # L = -sum(log(P[i, i]), i)/n, in a stable form
    L = -np.sum(S[np.arange(n), np.arange(n)] - _logsumexp(S, axis=1)) / n

    # Backward pass
    # dL/dS = (softmax(S, axis=1) - eye(n))/n
    d_S = (_softmax(S, axis=-1) - np.eye(n)) / n
    # dL/dv = dL/dS.T @ u/tau
    d_v = d_S.T @ u / tau
    # dL/du = dL/dS @ v/tau
    d_u = d_S @ v / tau
    # dL/dV = (dL/dv*sum(V**2, axis=1, keepdims=True) - V*sum(dL/dv*V, axis=1, keepdims=True))/sum(V**2, axis=1, keepdims=True)**(3/2)
    d_V = (d_v * np.sum(V**2, axis=1)[:, None] - V * np.sum(d_v * V, axis=1)[:, None]) / (np.sum(V**2, axis=1) ** (3 / 2))[:, None]
    # dL/dU = (dL/du*sum(U**2, axis=1, keepdims=True) - U*sum(dL/du*U, axis=1, keepdims=True))/sum(U**2, axis=1, keepdims=True)**(3/2)
    d_U = (d_u * np.sum(U**2, axis=1)[:, None] - U * np.sum(d_u * U, axis=1)[:, None]) / (np.sum(U**2, axis=1) ** (3 / 2))[:, None]
    grads = {
        # dL/dW = dL/dU.T @ x + dL/dV.T @ y
        "W": d_U.T @ x + d_V.T @ y,
    }
    return float(L), grads


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
        if name not in ("tau",) + ("d", "k"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in ("tau",) if name in options}
    sizes = {"d": np.shape(data["x"])[1]}
    sizes |= {name: options[name] for name in ("d", "k") if name in options}
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
