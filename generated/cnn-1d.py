"""A convolution over a sequence, with the maximum over time

Equations:
    z = sum(W[o, i, j]*x[t + i, j], i, j) + b[o]
    a = relu(z)
    s = max(a[o, t], t)
    z2 = V @ s + b2
    p = softmax(z2)
    L = -sum(y*log(p))

Gradients:
    dL/dW = mean of sum(dL/dz[i, t]*x[t + j, l], t)
    dL/db = mean of sum(dL/dz, axis=1)
    dL/dV = mean of outer(dL/dz2, s)
    dL/db2 = mean of dL/dz2

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def _softmax(u, axis):
    """exp(u)/sum(exp(u)) along an axis, the maximum taken off first."""
    e = np.exp(u - u.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _log_softmax(u, axis):
    """log(exp(u)/sum(exp(u))) along an axis."""
    v = u - u.max(axis=axis, keepdims=True)
    return v - np.log(np.exp(v).sum(axis=axis, keepdims=True))


def _windows(x, *axes):
    """The view w[..., i, p, ...] = x[..., step*i + dilation*p + start, ...], nothing is copied.

    `axes` has (axis of x, how many i, how many p, step, dilation, start) of each that windows slide over.
    """
    for doubled, (axis, places, size, *rest) in enumerate(axes):
        step, dilation, start = (*rest, *(1, 1, 0)[len(rest) :])
        axis += doubled
        x = np.lib.stride_tricks.sliding_window_view(x, dilation * (size - 1) + 1, axis)[..., ::dilation]
        x = np.moveaxis(x, axis, 0)[start : start + step * (places - 1) + 1 : step]
        x = np.moveaxis(x, (0, -1), (axis, axis + 1))
    return x


def init(seed=0, *, T=20, c=4, f=16, q=3, k=2):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W": rng.normal(0, np.sqrt(2 / (q * c + f)), (f, q, c)),
        "b": np.zeros(f),
        "V": rng.normal(0, np.sqrt(2 / (k + f)), (k, f)),
        "b2": np.zeros(k),
    }


def loss(params, *, x, y):
    """The mean of the loss over the examples."""
    W = params["W"]
    b = params["b"]
    V = params["V"]
    b2 = params["b2"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    q = W.shape[1]
    T = x.shape[1]
    z = np.tensordot(_windows(x, (1, T - q + 1, q)), W, axes=((2, 3), (1, 2))).transpose(0, 2, 1) + b[:, None]
    a = np.maximum(z, 0)
    s = np.max(a, axis=2)
    z2 = s @ V.T + b2
    # L = -sum(y*log(p)), in a stable form
    L = -np.sum(y * _log_softmax(z2, axis=-1), axis=1)
    return float(np.mean(L))


def loss_and_gradients(params, *, x, y):
    """The loss, and its gradient with respect to each parameter."""
    W = params["W"]
    b = params["b"]
    V = params["V"]
    b2 = params["b2"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)
    q = W.shape[1]
    T = x.shape[1]

    # Forward pass
    z = np.tensordot(_windows(x, (1, T - q + 1, q)), W, axes=((2, 3), (1, 2))).transpose(0, 2, 1) + b[:, None]
    a = np.maximum(z, 0)
    s = np.max(a, axis=2)
    z2 = s @ V.T + b2
    p = _softmax(z2, axis=-1)
    # L = -sum(y*log(p)), in a stable form
    L = -np.sum(y * _log_softmax(z2, axis=-1), axis=1)

    # Backward pass
    # dL/dz2 = p - y
    d_z2 = p - y
    # dL/ds = V.T @ dL/dz2
    d_s = d_z2 @ V
    # dL/da = dL/ds[i]*where(a[i, j] == s[i], 1, 0)/sum(where(a[i, k_0] == s[i], 1, 0), k_0)
    d_a = d_s[:, :, None] * (a == s[:, :, None]) / np.sum(np.where(a == s[:, :, None], 1, 0), axis=2)[:, :, None]
    # dL/dz = dL/da*where(z > 0, 1, 0)
    d_z = d_a * (z > 0)
    grads = {
        # dL/dW = mean of sum(dL/dz[i, t]*x[t + j, l], t)
        "W": np.tensordot(d_z, _windows(x, (1, T - q + 1, q)), axes=((0, 2), (0, 1))) / n,
        # dL/db = mean of sum(dL/dz, axis=1)
        "b": np.sum(d_z, axis=(0, 2)) / n,
        # dL/dV = mean of outer(dL/dz2, s)
        "V": d_z2.T @ s / n,
        # dL/db2 = mean of dL/dz2
        "b2": np.sum(d_z2, axis=0) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x):
    """The output p of the model."""
    W = params["W"]
    b = params["b"]
    V = params["V"]
    b2 = params["b2"]
    x = np.asarray(x, dtype=np.float64)
    q = W.shape[1]
    T = x.shape[1]
    z = np.tensordot(_windows(x, (1, T - q + 1, q)), W, axes=((2, 3), (1, 2))).transpose(0, 2, 1) + b[:, None]
    a = np.maximum(z, 0)
    s = np.max(a, axis=2)
    z2 = s @ V.T + b2
    p = _softmax(z2, axis=-1)
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
        if name not in () + ("T", "c", "f", "q", "k"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"T": np.shape(data["x"])[1], "c": np.shape(data["x"])[2], "k": np.shape(data["y"])[1]}
    sizes |= {name: options[name] for name in ("T", "c", "f", "q", "k") if name in options}
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
