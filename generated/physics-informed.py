"""A physics-informed network for the oscillator u'' = -u with u(0) = 1

Equations:
    z = W1*x + b1
    a = tanh(z)
    u = dot(w2, a)
    u_a = w2
    v_u_z = W1
    v_a = -2*v_u_z*u_a*a
    v_z = v_a*(1 - a**2)
    w = v_z @ W1
    u_0 = net(0)
    L = (w + u)**2 + (u_0 - 1)**2

Gradients:
    dL/dW1 = mean of dL/dz*x + dL/dv_u_z + dL/dw*v_z
    dL/db1 = mean of dL/dz + dL/du_0*w2*(1 - tanh(b1)**2)
    dL/dw2 = mean of dL/du*a + dL/du_a + dL/du_0*tanh(b1)

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def _sech(u):
    """1/cosh(u); the exponential never overflows."""
    e = np.exp(-np.abs(u))
    return 2 * e / (1 + e * e)


def init(seed=0, *, h=16):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W1": rng.normal(0, np.sqrt(2 / (h + 1)), h),
        "b1": np.zeros(h),
        "w2": rng.normal(0, np.sqrt(2 / (h + 1)), h),
    }


def loss(params, *, x):
    """The mean of the loss over the examples."""
    W1 = params["W1"]
    b1 = params["b1"]
    w2 = params["w2"]
    x = np.asarray(x, dtype=np.float64)
    z = W1 * x[:, None] + b1
    a = np.tanh(z)
    u = a @ w2
    u_a = w2
    v_u_z = W1
    v_a = -2 * v_u_z * u_a * a
    v_z = v_a * (1 - a**2)
    w = v_z @ W1
    u_0 = w2 @ np.tanh(W1 * 0 + b1)
    L = (w + u) ** 2 + (u_0 - 1) ** 2
    return float(np.mean(L))


def loss_and_gradients(params, *, x):
    """The loss, and its gradient with respect to each parameter."""
    W1 = params["W1"]
    b1 = params["b1"]
    w2 = params["w2"]
    x = np.asarray(x, dtype=np.float64)
    n = len(x)

    # Forward pass
    z = W1 * x[:, None] + b1
    a = np.tanh(z)
    u = a @ w2
    u_a = w2
    v_u_z = W1
    v_a = -2 * v_u_z * u_a * a
    v_z = v_a * (1 - a**2)
    w = v_z @ W1
    u_0 = w2 @ np.tanh(W1 * 0 + b1)
    L = (w + u) ** 2 + (u_0 - 1) ** 2

    # Backward pass
    # dL/du_0 = 2*(u_0 - 1)
    d_u_0 = 2 * (u_0 - 1)
    # dL/dw = 2*(w + u)
    d_w = 2 * (w + u)
    # dL/dv_z = dL/dw*W1
    d_v_z = d_w[:, None] * W1
    # dL/dv_a = dL/dv_z*(1 - a**2)
    d_v_a = d_v_z * (1 - a**2)
    # dL/dv_u_z = mean of -2*dL/dv_a*u_a*a
    d_v_u_z = -2 * u_a * np.sum(d_v_a * a, axis=0) / n
    # dL/du_a = mean of -2*dL/dv_a*v_u_z*a
    d_u_a = -2 * v_u_z * np.sum(d_v_a * a, axis=0) / n
    # dL/du = 2*(w + u)
    d_u = 2 * (w + u)
    # dL/da = dL/du*w2 - 2*dL/dv_a*v_u_z*u_a - 2*dL/dv_z*v_a*a
    d_a = d_u[:, None] * w2 - 2 * d_v_a * v_u_z * u_a - 2 * d_v_z * v_a * a
    # dL/dz = dL/da*(1 - a**2)
    d_z = d_a * (1 - a**2)
    grads = {
        # dL/dW1 = mean of dL/dz*x + dL/dv_u_z + dL/dw*v_z
        "W1": x @ d_z / n + d_v_u_z + d_w @ v_z / n,
        # dL/db1 = mean of dL/dz + dL/du_0*w2*(1 - tanh(b1)**2)
        "b1": np.sum(d_z, axis=0) / n + d_u_0 * w2 * _sech(b1) ** 2,
        # dL/dw2 = mean of dL/du*a + dL/du_a + dL/du_0*tanh(b1)
        "w2": d_u @ a / n + d_u_a + d_u_0 * np.tanh(b1),
    }
    return float(np.mean(L)), grads


def predict(params, *, x):
    """The output u of the model."""
    W1 = params["W1"]
    b1 = params["b1"]
    w2 = params["w2"]
    x = np.asarray(x, dtype=np.float64)
    z = W1 * x[:, None] + b1
    a = np.tanh(z)
    u = a @ w2
    return u


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
        if name not in () + ("h",):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {}
    sizes |= {name: options[name] for name in ("h",) if name in options}
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
    data = {name: table.pop(name) for name in ("x",) if name in table}
    missing = [name for name in ("x",) if name not in data]
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
