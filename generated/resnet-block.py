"""A residual block: two convolutions, beside which their input passes by unchanged

Equations:
    x0 = pad(x, 1)
    z0 = sum(K0[o, p, q]*x0[i + p, j + q], p, q) + b0[o]
    a0 = relu(z0)
    x1 = pad(a0, 1, axis=(1, 2))
    z1 = sum(K1[o, l, p, q]*x1[l, i + p, j + q], l, p, q) + b1[o]
    a1 = relu(z1)
    x2 = pad(a1, 1, axis=(1, 2))
    z2 = sum(K2[o, l, p, q]*x2[l, i + p, j + q], l, p, q) + b2[o]
    r = z2 + a0
    a2 = relu(r)
    s = mean(a2[o])
    u = V @ s + c
    y_hat = softmax(u)
    L = -sum(y*log(y_hat))

Gradients:
    dL/dK0 = mean of sum(dL/dz0[i, k_0, m]*x0[k_0 + j, m + l], k_0, m)
    dL/db0 = mean of sum(sum(dL/dz0, axis=2), axis=1)
    dL/dK1 = mean of sum(dL/dz1[i, k_0, p]*x1[j, k_0 + l, p + m], k_0, p)
    dL/db1 = mean of sum(sum(dL/dz1, axis=2), axis=1)
    dL/dK2 = mean of sum(dL/dz2[i, k_0, p]*x2[j, k_0 + l, p + m], k_0, p)
    dL/db2 = mean of sum(sum(dL/dz2, axis=2), axis=1)
    dL/dV = mean of outer(dL/du, s)
    dL/dc = mean of dL/du

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


def _overlapped(w, *axes):
    """Windows added up: each w[..., i, p, ...] to x[..., step*i + dilation*p + start, ...]; other entries are 0.

    `axes` has (axis of x, its length, step, dilation, start) of each that windows slid over.
    """
    for axis, size, *rest in axes:
        step, dilation, start = (*rest, *(1, 1, 0)[len(rest) :])
        w = np.moveaxis(w, (axis, axis + 1), (0, 1))
        x = np.zeros((size, *w.shape[2:]), dtype=w.dtype)
        for p in range(w.shape[1]):
            first = start + dilation * p
            x[first : first + step * (w.shape[0] - 1) + 1 : step] += w[:, p]
        w = np.moveaxis(x, 0, axis)
    return w


def init(seed=0, *, H=8, W=8, f=8, k=10):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "K0": rng.normal(0, np.sqrt(2 / (3 * 3 + f)), (f, 3, 3)),
        "b0": np.zeros(f),
        "K1": rng.normal(0, np.sqrt(2 / (f * 3 * 3 + f)), (f, f, 3, 3)),
        "b1": np.zeros(f),
        "K2": rng.normal(0, np.sqrt(2 / (f * 3 * 3 + f)), (f, f, 3, 3)),
        "b2": np.zeros(f),
        "V": rng.normal(0, np.sqrt(2 / (k + f)), (k, f)),
        "c": np.zeros(k),
    }


def loss(params, *, x, y):
    """The mean of the loss over the examples."""
    K0 = params["K0"]
    b0 = params["b0"]
    K1 = params["K1"]
    b1 = params["b1"]
    K2 = params["K2"]
    b2 = params["b2"]
    V = params["V"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    H = x.shape[1]
    W = x.shape[2]
    x0 = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    z0 = (
        np.tensordot(_windows(x0, (1, H, 3), (2, W, 3)), K0, axes=((2, 4), (1, 2))).transpose(0, 3, 1, 2)
        + b0[:, None, None]
    )
    a0 = np.maximum(z0, 0)
    x1 = np.pad(a0, ((0, 0), (0, 0), (1, 1), (1, 1)))
    z1 = (
        np.tensordot(_windows(x1, (2, H, 3), (3, W, 3)), K1, axes=((1, 3, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
        + b1[:, None, None]
    )
    a1 = np.maximum(z1, 0)
    x2 = np.pad(a1, ((0, 0), (0, 0), (1, 1), (1, 1)))
    z2 = (
        np.tensordot(_windows(x2, (2, H, 3), (3, W, 3)), K2, axes=((1, 3, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
        + b2[:, None, None]
    )
    r = z2 + a0
    a2 = np.maximum(r, 0)
    s = np.sum(a2, axis=(2, 3)) / (H * W)
    u = s @ V.T + c
    # L = -sum(y*log(y_hat)), in a stable form
    L = -np.sum(y * _log_softmax(u, axis=-1), axis=1)
    return float(np.mean(L))


def loss_and_gradients(params, *, x, y):
    """The loss, and its gradient with respect to each parameter."""
    K0 = params["K0"]
    b0 = params["b0"]
    K1 = params["K1"]
    b1 = params["b1"]
    K2 = params["K2"]
    b2 = params["b2"]
    V = params["V"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)
    f = K0.shape[0]
    H = x.shape[1]
    W = x.shape[2]

    # Forward pass
    x0 = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    z0 = (
        np.tensordot(_windows(x0, (1, H, 3), (2, W, 3)), K0, axes=((2, 4), (1, 2))).transpose(0, 3, 1, 2)
        + b0[:, None, None]
    )
    a0 = np.maximum(z0, 0)
    x1 = np.pad(a0, ((0, 0), (0, 0), (1, 1), (1, 1)))
    z1 = (
        np.tensordot(_windows(x1, (2, H, 3), (3, W, 3)), K1, axes=((1, 3, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
        + b1[:, None, None]
    )
    a1 = np.maximum(z1, 0)
    x2 = np.pad(a1, ((0, 0), (0, 0), (1, 1), (1, 1)))
    z2 = (
        np.tensordot(_windows(x2, (2, H, 3), (3, W, 3)), K2, axes=((1, 3, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
        + b2[:, None, None]
    )
    r = z2 + a0
    a2 = np.maximum(r, 0)
    s = np.sum(a2, axis=(2, 3)) / (H * W)
    u = s @ V.T + c
    y_hat = _softmax(u, axis=-1)
    # L = -sum(y*log(y_hat)), in a stable form
    L = -np.sum(y * _log_softmax(u, axis=-1), axis=1)

    # Backward pass
    # dL/du = y_hat - y
    d_u = y_hat - y
    # dL/ds = V.T @ dL/du
    d_s = d_u @ V
    # dL/da2 = dL/ds[i]/(H*W)
    d_a2 = np.broadcast_to((d_s / (H * W))[:, :, None, None], (n, f, H, W))
    # dL/dr = dL/da2*where(r > 0, 1, 0)
    d_r = d_a2 * (r > 0)
    # dL/dz2 = dL/dr
    d_z2 = d_r
    # dL/dx2 = sum(dL/dz2[o, k_0, m]*K2[o, i, t, p]*delta(k_0 + t, j)*delta(m + p, l), o, k_0, m, t, p)
    d_x2 = _overlapped(np.tensordot(d_z2, K2, axes=(1, 0)).transpose(0, 3, 1, 4, 2, 5), (2, H + 2), (3, W + 2))
    # dL/da1 = dL/dx2[:, 1:H + 1, 1:W + 1]
    d_a1 = d_x2[:, :, 1 : H + 1, 1 : W + 1]
    # dL/dz1 = dL/da1*where(z1 > 0, 1, 0)
    d_z1 = d_a1 * (z1 > 0)
    # dL/dx1 = sum(dL/dz1[o, k_0, m]*K1[o, i, t, p]*delta(k_0 + t, j)*delta(m + p, l), o, k_0, m, t, p)
    d_x1 = _overlapped(np.tensordot(d_z1, K1, axes=(1, 0)).transpose(0, 3, 1, 4, 2, 5), (2, H + 2), (3, W + 2))
    # dL/da0 = dL/dx1[:, 1:H + 1, 1:W + 1] + dL/dr
    d_a0 = d_x1[:, :, 1 : H + 1, 1 : W + 1] + d_r
    # dL/dz0 = dL/da0*where(z0 > 0, 1, 0)
    d_z0 = d_a0 * (z0 > 0)
    grads = {
        # dL/dK0 = mean of sum(dL/dz0[i, k_0, m]*x0[k_0 + j, m + l], k_0, m)
        "K0": np.tensordot(d_z0, _windows(x0, (1, H, 3), (2, W, 3)), axes=((0, 2, 3), (0, 1, 3))) / n,
        # dL/db0 = mean of sum(sum(dL/dz0, axis=2), axis=1)
        "b0": np.sum(d_z0, axis=(0, 2, 3)) / n,
        # dL/dK1 = mean of sum(dL/dz1[i, k_0, p]*x1[j, k_0 + l, p + m], k_0, p)
        "K1": np.tensordot(d_z1, _windows(x1, (2, H, 3), (3, W, 3)), axes=((0, 2, 3), (0, 2, 4))) / n,
        # dL/db1 = mean of sum(sum(dL/dz1, axis=2), axis=1)
        "b1": np.sum(d_z1, axis=(0, 2, 3)) / n,
        # dL/dK2 = mean of sum(dL/dz2[i, k_0, p]*x2[j, k_0 + l, p + m], k_0, p)
        "K2": np.tensordot(d_z2, _windows(x2, (2, H, 3), (3, W, 3)), axes=((0, 2, 3), (0, 2, 4))) / n,
        # dL/db2 = mean of sum(sum(dL/dz2, axis=2), axis=1)
        "b2": np.sum(d_z2, axis=(0, 2, 3)) / n,
        # dL/dV = mean of outer(dL/du, s)
        "V": d_u.T @ s / n,
        # dL/dc = mean of dL/du
        "c": np.sum(d_u, axis=0) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x):
    """The output y_hat of the model."""
    K0 = params["K0"]
    b0 = params["b0"]
    K1 = params["K1"]
    b1 = params["b1"]
    K2 = params["K2"]
    b2 = params["b2"]
    V = params["V"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    H = x.shape[1]
    W = x.shape[2]
    x0 = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    z0 = (
        np.tensordot(_windows(x0, (1, H, 3), (2, W, 3)), K0, axes=((2, 4), (1, 2))).transpose(0, 3, 1, 2)
        + b0[:, None, None]
    )
    a0 = np.maximum(z0, 0)
    x1 = np.pad(a0, ((0, 0), (0, 0), (1, 1), (1, 1)))
    z1 = (
        np.tensordot(_windows(x1, (2, H, 3), (3, W, 3)), K1, axes=((1, 3, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
        + b1[:, None, None]
    )
    a1 = np.maximum(z1, 0)
    x2 = np.pad(a1, ((0, 0), (0, 0), (1, 1), (1, 1)))
    z2 = (
        np.tensordot(_windows(x2, (2, H, 3), (3, W, 3)), K2, axes=((1, 3, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
        + b2[:, None, None]
    )
    r = z2 + a0
    a2 = np.maximum(r, 0)
    s = np.sum(a2, axis=(2, 3)) / (H * W)
    u = s @ V.T + c
    y_hat = _softmax(u, axis=-1)
    return y_hat


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
        if name not in () + ("H", "W", "f", "k"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"H": np.shape(data["x"])[1], "W": np.shape(data["x"])[2], "k": np.shape(data["y"])[1]}
    sizes |= {name: options[name] for name in ("H", "W", "f", "k") if name in options}
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
