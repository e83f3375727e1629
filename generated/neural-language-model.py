"""A neural language model: the next word from the embeddings of those before it

Equations:
    a = tanh(d + sum(H[t] @ C[w[t]], t))
    z = b + U @ a
    p = softmax(z)
    L = logsumexp(z) - z[y]

Gradients:
    dL/dC = mean of sum(dL/da[k]*(1 - a[k]**2)*sum(H[l, k, j]*delta(w[l], i), l), k)
    dL/dH = mean of dL/da[j]*(1 - a[j]**2)*C[w[i], k]
    dL/dd = mean of dL/da*(1 - a**2)
    dL/dU = mean of outer(dL/dz, a)
    dL/db = mean of dL/dz

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


def init(seed=0, *, v, m=16, h=32, T=3):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "C": rng.normal(0, np.sqrt(2 / (v + m)), (v, m)),
        "H": rng.normal(0, np.sqrt(2 / (h + m)), (T, h, m)),
        "d": np.zeros(h),
        "U": rng.normal(0, np.sqrt(2 / (v + h)), (v, h)),
        "b": np.zeros(v),
    }


def loss(params, *, w, y):
    """The mean of the loss over the examples."""
    C = params["C"]
    H = params["H"]
    d = params["d"]
    U = params["U"]
    b = params["b"]
    w = np.asarray(w, dtype=int)
    y = np.asarray(y, dtype=int)
    n = len(w)
    a = np.tanh(d + np.tensordot(C[w], H, axes=((1, 2), (0, 2))))
    z = b + a @ U.T
    # L = logsumexp(z) - z[y], in a stable form
    L = _logsumexp(z, axis=1) - z[np.arange(n), y]
    return float(np.mean(L))


def loss_and_gradients(params, *, w, y):
    """The loss, and its gradient with respect to each parameter."""
    C = params["C"]
    H = params["H"]
    d = params["d"]
    U = params["U"]
    b = params["b"]
    w = np.asarray(w, dtype=int)
    y = np.asarray(y, dtype=int)
    n = len(w)
    v = C.shape[0]

    # Forward pass
    a = np.tanh(d + np.tensordot(C[w], H, axes=((1, 2), (0, 2))))
    z = b + a @ U.T
    # L = logsumexp(z) - z[y], in a stable form
    L = _logsumexp(z, axis=1) - z[np.arange(n), y]

    # Backward pass
    # dL/dz = exp(z[i])/sum(exp(z[k]), k) - delta(y, i)
    d_z = _softmax(z, axis=-1) - np.where(y[:, None] == np.arange(v), 1, 0)
    # dL/da = U.T @ dL/dz
    d_a = d_z @ U
    grads = {
        # dL/dC = mean of sum(dL/da[k]*(1 - a[k]**2)*sum(H[l, k, j]*delta(w[l], i), l), k)
        "C": np.tensordot(np.sum(H.transpose(1, 2, 0)[:, :, None, None] * (w[:, None] == np.arange(v)[:, None]), axis=4), d_a * (1 - a**2), axes=((0, 2), (1, 0))).T / n,
        # dL/dH = mean of dL/da[j]*(1 - a[j]**2)*C[w[i], k]
        "H": np.tensordot(C[w], d_a * (1 - a**2), axes=(0, 0)).transpose(0, 2, 1) / n,
        # dL/dd = mean of dL/da*(1 - a**2)
        "d": np.sum(d_a * (1 - a**2), axis=0) / n,
        # dL/dU = mean of outer(dL/dz, a)
        "U": d_z.T @ a / n,
        # dL/db = mean of dL/dz
        "b": np.sum(d_z, axis=0) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, w):
    """The output p of the model."""
    C = params["C"]
    H = params["H"]
    d = params["d"]
    U = params["U"]
    b = params["b"]
    w = np.asarray(w, dtype=int)
    a = np.tanh(d + np.tensordot(C[w], H, axes=((1, 2), (0, 2))))
    z = b + a @ U.T
    p = _softmax(z, axis=-1)
    return p


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
        if name not in () + ("v", "m", "h", "T"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"T": np.shape(data["w"])[1], "v": 1 + max(int(np.max(data["w"])), int(np.max(data["y"])))}
    sizes |= {name: options[name] for name in ("v", "m", "h", "T") if name in options}
    count = len(data["w"])
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
    data = {name: table.pop(name) for name in ("y",) if name in table}
    missing = [name for name in ("w", "y") if name not in data]
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
