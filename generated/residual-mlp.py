"""A deep residual network of full layers

Equations:
    a0 = W0 @ x + b0
    s1 = U1 @ a0 + c1
    a1 = a0 + V1 @ relu(s1)
    s2 = U2 @ a1 + c2
    a2 = a1 + V2 @ relu(s2)
    s3 = U3 @ a2 + c3
    a3 = a2 + V3 @ relu(s3)
    s4 = U4 @ a3 + c4
    a4 = a3 + V4 @ relu(s4)
    z = W @ a4 + b
    p = softmax(z)
    L = -sum(y*log(p))

Gradients:
    dL/dW0 = mean of outer(dL/da0, x)
    dL/db0 = mean of dL/da0
    dL/dW = mean of outer(dL/dz, a4)
    dL/db = mean of dL/dz
    dL/dU1 = mean of outer(dL/ds1, a0)
    dL/dc1 = mean of dL/ds1
    dL/dV1 = mean of outer(dL/da1, relu(s1))
    dL/dU2 = mean of outer(dL/ds2, a1)
    dL/dc2 = mean of dL/ds2
    dL/dV2 = mean of outer(dL/da2, relu(s2))
    dL/dU3 = mean of outer(dL/ds3, a2)
    dL/dc3 = mean of dL/ds3
    dL/dV3 = mean of outer(dL/da3, relu(s3))
    dL/dU4 = mean of outer(dL/ds4, a3)
    dL/dc4 = mean of dL/ds4
    dL/dV4 = mean of outer(dL/da4, relu(s4))

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


def init(seed=0, *, d=64, m=32, h=64, k=10):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W0": rng.normal(0, np.sqrt(2 / (m + d)), (m, d)),
        "b0": np.zeros(m),
        "W": rng.normal(0, np.sqrt(2 / (k + m)), (k, m)),
        "b": np.zeros(k),
        "U1": rng.normal(0, np.sqrt(2 / (h + m)), (h, m)),
        "c1": np.zeros(h),
        "V1": rng.normal(0, np.sqrt(2 / (m + h)), (m, h)),
        "U2": rng.normal(0, np.sqrt(2 / (h + m)), (h, m)),
        "c2": np.zeros(h),
        "V2": rng.normal(0, np.sqrt(2 / (m + h)), (m, h)),
        "U3": rng.normal(0, np.sqrt(2 / (h + m)), (h, m)),
        "c3": np.zeros(h),
        "V3": rng.normal(0, np.sqrt(2 / (m + h)), (m, h)),
        "U4": rng.normal(0, np.sqrt(2 / (h + m)), (h, m)),
        "c4": np.zeros(h),
        "V4": rng.normal(0, np.sqrt(2 / (m + h)), (m, h)),
    }


def loss(params, *, x, y):
    """The mean of the loss over the examples."""
    W0 = params["W0"]
    b0 = params["b0"]
    W = params["W"]
    b = params["b"]
    U1 = params["U1"]
    c1 = params["c1"]
    V1 = params["V1"]
    U2 = params["U2"]
    c2 = params["c2"]
    V2 = params["V2"]
    U3 = params["U3"]
    c3 = params["c3"]
    V3 = params["V3"]
    U4 = params["U4"]
    c4 = params["c4"]
    V4 = params["V4"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    a0 = x @ W0.T + b0
    s1 = a0 @ U1.T + c1
    a1 = a0 + np.maximum(s1, 0) @ V1.T
    s2 = a1 @ U2.T + c2
    a2 = a1 + np.maximum(s2, 0) @ V2.T
    s3 = a2 @ U3.T + c3
    a3 = a2 + np.maximum(s3, 0) @ V3.T
    s4 = a3 @ U4.T + c4
    a4 = a3 + np.maximum(s4, 0) @ V4.T
    z = a4 @ W.T + b
    # L = -sum(y*log(p)), in a stable form
    L = -np.sum(y * _log_softmax(z, axis=-1), axis=1)
    return float(np.mean(L))


def loss_and_gradients(params, *, x, y):
    """The loss, and its gradient with respect to each parameter."""
    W0 = params["W0"]
    b0 = params["b0"]
    W = params["W"]
    b = params["b"]
    U1 = params["U1"]
    c1 = params["c1"]
    V1 = params["V1"]
    U2 = params["U2"]
    c2 = params["c2"]
    V2 = params["V2"]
    U3 = params["U3"]
    c3 = params["c3"]
    V3 = params["V3"]
    U4 = params["U4"]
    c4 = params["c4"]
    V4 = params["V4"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)

    # Forward pass
    a0 = x @ W0.T + b0
    s1 = a0 @ U1.T + c1
    a1 = a0 + np.maximum(s1, 0) @ V1.T
    s2 = a1 @ U2.T + c2
    a2 = a1 + np.maximum(s2, 0) @ V2.T
    s3 = a2 @ U3.T + c3
    a3 = a2 + np.maximum(s3, 0) @ V3.T
    s4 = a3 @ U4.T + c4
    a4 = a3 + np.maximum(s4, 0) @ V4.T
    z = a4 @ W.T + b
    p = _softmax(z, axis=-1)
    # L = -sum(y*log(p)), in a stable form
    L = -np.sum(y * _log_softmax(z, axis=-1), axis=1)

    # Backward pass
    # dL/dz = p - y
    d_z = p - y
    # dL/da4 = W.T @ dL/dz
    d_a4 = d_z @ W
    # dL/ds4 = where(s4 > 0, 1, 0)*(V4.T @ dL/da4)
    d_s4 = d_a4 @ V4 * (s4 > 0)
    # dL/da3 = U4.T @ dL/ds4 + dL/da4
    d_a3 = d_s4 @ U4 + d_a4
    # dL/ds3 = where(s3 > 0, 1, 0)*(V3.T @ dL/da3)
    d_s3 = d_a3 @ V3 * (s3 > 0)
    # dL/da2 = U3.T @ dL/ds3 + dL/da3
    d_a2 = d_s3 @ U3 + d_a3
    # dL/ds2 = where(s2 > 0, 1, 0)*(V2.T @ dL/da2)
    d_s2 = d_a2 @ V2 * (s2 > 0)
    # dL/da1 = U2.T @ dL/ds2 + dL/da2
    d_a1 = d_s2 @ U2 + d_a2
    # dL/ds1 = where(s1 > 0, 1, 0)*(V1.T @ dL/da1)
    d_s1 = d_a1 @ V1 * (s1 > 0)
    # dL/da0 = U1.T @ dL/ds1 + dL/da1
    d_a0 = d_s1 @ U1 + d_a1
    grads = {
        # dL/dW0 = mean of outer(dL/da0, x)
        "W0": d_a0.T @ x / n,
        # dL/db0 = mean of dL/da0
        "b0": np.sum(d_a0, axis=0) / n,
        # dL/dW = mean of outer(dL/dz, a4)
        "W": d_z.T @ a4 / n,
        # dL/db = mean of dL/dz
        "b": np.sum(d_z, axis=0) / n,
        # dL/dU1 = mean of outer(dL/ds1, a0)
        "U1": d_s1.T @ a0 / n,
        # dL/dc1 = mean of dL/ds1
        "c1": np.sum(d_s1, axis=0) / n,
        # dL/dV1 = mean of outer(dL/da1, relu(s1))
        "V1": d_a1.T @ np.maximum(s1, 0) / n,
        # dL/dU2 = mean of outer(dL/ds2, a1)
        "U2": d_s2.T @ a1 / n,
        # dL/dc2 = mean of dL/ds2
        "c2": np.sum(d_s2, axis=0) / n,
        # dL/dV2 = mean of outer(dL/da2, relu(s2))
        "V2": d_a2.T @ np.maximum(s2, 0) / n,
        # dL/dU3 = mean of outer(dL/ds3, a2)
        "U3": d_s3.T @ a2 / n,
        # dL/dc3 = mean of dL/ds3
        "c3": np.sum(d_s3, axis=0) / n,
        # dL/dV3 = mean of outer(dL/da3, relu(s3))
        "V3": d_a3.T @ np.maximum(s3, 0) / n,
        # dL/dU4 = mean of outer(dL/ds4, a3)
        "U4": d_s4.T @ a3 / n,
        # dL/dc4 = mean of dL/ds4
        "c4": np.sum(d_s4, axis=0) / n,
        # dL/dV4 = mean of outer(dL/da4, relu(s4))
        "V4": d_a4.T @ np.maximum(s4, 0) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x):
    """The output p of the model."""
    W0 = params["W0"]
    b0 = params["b0"]
    W = params["W"]
    b = params["b"]
    U1 = params["U1"]
    c1 = params["c1"]
    V1 = params["V1"]
    U2 = params["U2"]
    c2 = params["c2"]
    V2 = params["V2"]
    U3 = params["U3"]
    c3 = params["c3"]
    V3 = params["V3"]
    U4 = params["U4"]
    c4 = params["c4"]
    V4 = params["V4"]
    x = np.asarray(x, dtype=np.float64)
    a0 = x @ W0.T + b0
    s1 = a0 @ U1.T + c1
    a1 = a0 + np.maximum(s1, 0) @ V1.T
    s2 = a1 @ U2.T + c2
    a2 = a1 + np.maximum(s2, 0) @ V2.T
    s3 = a2 @ U3.T + c3
    a3 = a2 + np.maximum(s3, 0) @ V3.T
    s4 = a3 @ U4.T + c4
    a4 = a3 + np.maximum(s4, 0) @ V4.T
    z = a4 @ W.T + b
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
        if name not in () + ("d", "m", "h", "k"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"d": np.shape(data["x"])[1], "k": np.shape(data["y"])[1]}
    sizes |= {name: options[name] for name in ("d", "m", "h", "k") if name in options}
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
