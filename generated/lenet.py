"""LeNet: two convolutions, each with a rectifier and max pooling, and three full layers, for small images

Equations:
    x0 = pad(x, 2)
    z1 = sum(K1[o, p, q]*x0[i + p, j + q], p, q) + c1[o]
    a1 = relu(z1)
    p1 = max(a1[o, 2*i + p, 2*j + q], p, q, p < 2, q < 2)
    x1 = pad(p1, 2, axis=(1, 2))
    z2 = sum(K2[o, c, p, q]*x1[c, i + p, j + q], c, p, q) + c2[o]
    a2 = relu(z2)
    p2 = max(a2[o, 2*i + p, 2*j + q], p, q, p < 2, q < 2)
    z3 = sum(W1[l, o, i, j]*p2[o, i, j], o, i, j) + b1[l]
    a3 = relu(z3)
    z4 = W2 @ a3 + b2
    a4 = relu(z4)
    z5 = W3 @ a4 + b3
    a5 = softmax(z5)
    L = -sum(y*log(a5))

Gradients:
    dL/dK1 = mean of sum(dL/dz1[i, k_0, m_0]*x0[k_0 + j, m_0 + l], k_0, m_0)
    dL/dc1 = mean of sum(sum(dL/dz1, axis=2), axis=1)
    dL/dK2 = mean of sum(dL/dz2[i, k_0, m_0]*x1[j, k_0 + l, m_0 + p], k_0, m_0)
    dL/dc2 = mean of sum(sum(dL/dz2, axis=2), axis=1)
    dL/dW1 = mean of dL/dz3[i]*p2[j, l, p]
    dL/db1 = mean of dL/dz3
    dL/dW2 = mean of outer(dL/dz4, a3)
    dL/db2 = mean of dL/dz4
    dL/dW3 = mean of outer(dL/dz5, a4)
    dL/db3 = mean of dL/dz5

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


def _first_max(u, axis):
    """The number of the first greatest entry over some axes, counted in the order in which one reads."""
    u = np.moveaxis(u, axis, range(-len(axis), 0))
    return np.argmax(np.reshape(u, (*u.shape[: -len(axis)], -1)), axis=-1)


def init(seed=0, *, m=2, f1=6, f2=16, h1=120, h2=84, k=10):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "K1": rng.normal(0, np.sqrt(2 / (5 * 5 + f1)), (f1, 5, 5)),
        "c1": np.zeros(f1),
        "K2": rng.normal(0, np.sqrt(2 / (f1 * 5 * 5 + f2)), (f2, f1, 5, 5)),
        "c2": np.zeros(f2),
        "W1": rng.normal(0, np.sqrt(2 / (f2 * m * m + h1)), (h1, f2, m, m)),
        "b1": np.zeros(h1),
        "W2": rng.normal(0, np.sqrt(2 / (h2 + h1)), (h2, h1)),
        "b2": np.zeros(h2),
        "W3": rng.normal(0, np.sqrt(2 / (k + h2)), (k, h2)),
        "b3": np.zeros(k),
    }


def loss(params, *, x, y):
    """The mean of the loss over the examples."""
    K1 = params["K1"]
    c1 = params["c1"]
    K2 = params["K2"]
    c2 = params["c2"]
    W1 = params["W1"]
    b1 = params["b1"]
    W2 = params["W2"]
    b2 = params["b2"]
    W3 = params["W3"]
    b3 = params["b3"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    m = W1.shape[2]
    x0 = np.pad(x, ((0, 0), (2, 2), (2, 2)))
    z1 = (
        np.tensordot(_windows(x0, (1, 4 * m, 5), (2, 4 * m, 5)), K1, axes=((2, 4), (1, 2))).transpose(0, 3, 1, 2)
        + c1[:, None, None]
    )
    a1 = np.maximum(z1, 0)
    p1 = np.max(_windows(a1, (2, 2 * m, 2, 2), (3, 2 * m, 2, 2)), axis=(3, 5))
    x1 = np.pad(p1, ((0, 0), (0, 0), (2, 2), (2, 2)))
    z2 = (
        np.tensordot(_windows(x1, (2, 2 * m, 5), (3, 2 * m, 5)), K2, axes=((1, 3, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
        + c2[:, None, None]
    )
    a2 = np.maximum(z2, 0)
    p2 = np.max(_windows(a2, (2, m, 2, 2), (3, m, 2, 2)), axis=(3, 5))
    z3 = np.tensordot(p2, W1, axes=((1, 2, 3), (1, 2, 3))) + b1
    a3 = np.maximum(z3, 0)
    z4 = a3 @ W2.T + b2
    a4 = np.maximum(z4, 0)
    z5 = a4 @ W3.T + b3
    # L = -sum(y*log(a5)), in a stable form
    L = -np.sum(y * _log_softmax(z5, axis=-1), axis=1)
    return float(np.mean(L))


def loss_and_gradients(params, *, x, y):
    """The loss, and its gradient with respect to each parameter."""
    K1 = params["K1"]
    c1 = params["c1"]
    K2 = params["K2"]
    c2 = params["c2"]
    W1 = params["W1"]
    b1 = params["b1"]
    W2 = params["W2"]
    b2 = params["b2"]
    W3 = params["W3"]
    b3 = params["b3"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)
    m = W1.shape[2]

    # Forward pass
    x0 = np.pad(x, ((0, 0), (2, 2), (2, 2)))
    z1 = (
        np.tensordot(_windows(x0, (1, 4 * m, 5), (2, 4 * m, 5)), K1, axes=((2, 4), (1, 2))).transpose(0, 3, 1, 2)
        + c1[:, None, None]
    )
    a1 = np.maximum(z1, 0)
    p1 = np.max(_windows(a1, (2, 2 * m, 2, 2), (3, 2 * m, 2, 2)), axis=(3, 5))
    x1 = np.pad(p1, ((0, 0), (0, 0), (2, 2), (2, 2)))
    z2 = (
        np.tensordot(_windows(x1, (2, 2 * m, 5), (3, 2 * m, 5)), K2, axes=((1, 3, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
        + c2[:, None, None]
    )
    a2 = np.maximum(z2, 0)
    p2 = np.max(_windows(a2, (2, m, 2, 2), (3, m, 2, 2)), axis=(3, 5))
    z3 = np.tensordot(p2, W1, axes=((1, 2, 3), (1, 2, 3))) + b1
    a3 = np.maximum(z3, 0)
    z4 = a3 @ W2.T + b2
    a4 = np.maximum(z4, 0)
    z5 = a4 @ W3.T + b3
    a5 = _softmax(z5, axis=-1)
    # L = -sum(y*log(a5)), in a stable form
    L = -np.sum(y * _log_softmax(z5, axis=-1), axis=1)

    # Backward pass
    # dL/dz5 = a5 - y
    d_z5 = a5 - y
    # dL/da4 = W3.T @ dL/dz5
    d_a4 = d_z5 @ W3
    # dL/dz4 = dL/da4*where(z4 > 0, 1, 0)
    d_z4 = d_a4 * (z4 > 0)
    # dL/da3 = W2.T @ dL/dz4
    d_a3 = d_z4 @ W2
    # dL/dz3 = dL/da3*where(z3 > 0, 1, 0)
    d_z3 = d_a3 * (z3 > 0)
    # dL/dp2 = sum(dL/dz3[k_0]*W1[k_0, i, j, l], k_0)
    d_p2 = np.tensordot(d_z3, W1, axes=(1, 0))
    # dL/da2 = sum(dL/dp2[i, k_0, m_0]*where(argmax(a2[i, 2*k_0 + t, 2*m_0 + i_1], t, i_1, t < 2, i_1 < 2) == 2*p + q, 1, 0)*delta(2*k_0 + p, j)*delta(2*m_0 + q, l), k_0, m_0, p, q, p < 2, q < 2)
    d_a2 = _overlapped(d_p2[:, :, :, None, :, None] * (_first_max(_windows(a2, (2, m, 2, 2), (3, m, 2, 2)), axis=(3, 5))[:, :, :, None, :, None] == ((2 * np.arange(2))[:, None] + np.arange(2))[:, None]), (2, 2 * m, 2), (3, 2 * m, 2))
    # dL/dz2 = dL/da2*where(z2 > 0, 1, 0)
    d_z2 = d_a2 * (z2 > 0)
    # dL/dx1 = sum(dL/dz2[o, k_0, m_0]*K2[o, i, t, p]*delta(k_0 + t, j)*delta(m_0 + p, l), o, k_0, m_0, t, p)
    d_x1 = _overlapped(np.tensordot(d_z2, K2, axes=(1, 0)).transpose(0, 3, 1, 4, 2, 5), (2, 2 * m + 4), (3, 2 * m + 4))
    # dL/dp1 = dL/dx1[:, 2:2*m + 2, 2:2*m + 2]
    d_p1 = d_x1[:, :, 2 : 2 * m + 2, 2 : 2 * m + 2]
    # dL/da1 = sum(dL/dp1[i, k_0, m_0]*where(argmax(a1[i, 2*k_0 + t, 2*m_0 + i_1], t, i_1, t < 2, i_1 < 2) == 2*p + q, 1, 0)*delta(2*k_0 + p, j)*delta(2*m_0 + q, l), k_0, m_0, p, q, p < 2, q < 2)
    d_a1 = _overlapped(d_p1[:, :, :, None, :, None] * (_first_max(_windows(a1, (2, 2 * m, 2, 2), (3, 2 * m, 2, 2)), axis=(3, 5))[:, :, :, None, :, None] == ((2 * np.arange(2))[:, None] + np.arange(2))[:, None]), (2, 4 * m, 2), (3, 4 * m, 2))
    # dL/dz1 = dL/da1*where(z1 > 0, 1, 0)
    d_z1 = d_a1 * (z1 > 0)
    grads = {
        # dL/dK1 = mean of sum(dL/dz1[i, k_0, m_0]*x0[k_0 + j, m_0 + l], k_0, m_0)
        "K1": np.tensordot(d_z1, _windows(x0, (1, 4 * m, 5), (2, 4 * m, 5)), axes=((0, 2, 3), (0, 1, 3))) / n,
        # dL/dc1 = mean of sum(sum(dL/dz1, axis=2), axis=1)
        "c1": np.sum(d_z1, axis=(0, 2, 3)) / n,
        # dL/dK2 = mean of sum(dL/dz2[i, k_0, m_0]*x1[j, k_0 + l, m_0 + p], k_0, m_0)
        "K2": np.tensordot(d_z2, _windows(x1, (2, 2 * m, 5), (3, 2 * m, 5)), axes=((0, 2, 3), (0, 2, 4))) / n,
        # dL/dc2 = mean of sum(sum(dL/dz2, axis=2), axis=1)
        "c2": np.sum(d_z2, axis=(0, 2, 3)) / n,
        # dL/dW1 = mean of dL/dz3[i]*p2[j, l, p]
        "W1": np.tensordot(d_z3, p2, axes=(0, 0)) / n,
        # dL/db1 = mean of dL/dz3
        "b1": np.sum(d_z3, axis=0) / n,
        # dL/dW2 = mean of outer(dL/dz4, a3)
        "W2": d_z4.T @ a3 / n,
        # dL/db2 = mean of dL/dz4
        "b2": np.sum(d_z4, axis=0) / n,
        # dL/dW3 = mean of outer(dL/dz5, a4)
        "W3": d_z5.T @ a4 / n,
        # dL/db3 = mean of dL/dz5
        "b3": np.sum(d_z5, axis=0) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x):
    """The output a5 of the model."""
    K1 = params["K1"]
    c1 = params["c1"]
    K2 = params["K2"]
    c2 = params["c2"]
    W1 = params["W1"]
    b1 = params["b1"]
    W2 = params["W2"]
    b2 = params["b2"]
    W3 = params["W3"]
    b3 = params["b3"]
    x = np.asarray(x, dtype=np.float64)
    m = W1.shape[2]
    x0 = np.pad(x, ((0, 0), (2, 2), (2, 2)))
    z1 = (
        np.tensordot(_windows(x0, (1, 4 * m, 5), (2, 4 * m, 5)), K1, axes=((2, 4), (1, 2))).transpose(0, 3, 1, 2)
        + c1[:, None, None]
    )
    a1 = np.maximum(z1, 0)
    p1 = np.max(_windows(a1, (2, 2 * m, 2, 2), (3, 2 * m, 2, 2)), axis=(3, 5))
    x1 = np.pad(p1, ((0, 0), (0, 0), (2, 2), (2, 2)))
    z2 = (
        np.tensordot(_windows(x1, (2, 2 * m, 5), (3, 2 * m, 5)), K2, axes=((1, 3, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
        + c2[:, None, None]
    )
    a2 = np.maximum(z2, 0)
    p2 = np.max(_windows(a2, (2, m, 2, 2), (3, m, 2, 2)), axis=(3, 5))
    z3 = np.tensordot(p2, W1, axes=((1, 2, 3), (1, 2, 3))) + b1
    a3 = np.maximum(z3, 0)
    z4 = a3 @ W2.T + b2
    a4 = np.maximum(z4, 0)
    z5 = a4 @ W3.T + b3
    a5 = _softmax(z5, axis=-1)
    return a5


def update(params, grads, state, lr=0.002, beta_1=0.9, beta_2=0.999, epsilon=1e-08):
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
    epochs=20,
    lr=0.002,
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
        if name not in () + ("m", "f1", "f2", "h1", "h2", "k"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"k": np.shape(data["y"])[1]}
    sizes |= {name: options[name] for name in ("m", "f1", "f2", "h1", "h2", "k") if name in options}
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
