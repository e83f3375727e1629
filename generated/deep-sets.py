"""Deep sets: a function of a set, whose elements are added up between two networks

Equations:
    phi = tanh(W1 @ x[i] + b1)
    s = sum(phi[i], i)
    rho = tanh(W2 @ s + b2)
    y_hat = w @ rho + b
    L = (y_hat - y)**2/2

Gradients:
    dL/dW1 = mean of (dL/dphi*(1 - phi**2)).T @ x
    dL/db1 = mean of sum(dL/dphi*(1 - phi**2), axis=0)
    dL/dW2 = mean of outer(dL/drho*(1 - rho**2), s)
    dL/db2 = mean of dL/drho*(1 - rho**2)
    dL/dw = mean of dL/dy_hat*rho
    dL/db = mean of dL/dy_hat

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def init(seed=0, *, m=8, d=4, h=16):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W1": rng.normal(0, np.sqrt(2 / (h + d)), (h, d)),
        "b1": np.zeros(h),
        "W2": rng.normal(0, np.sqrt(2 / (h + h)), (h, h)),
        "b2": np.zeros(h),
        "w": rng.normal(0, np.sqrt(2 / (h + 1)), h),
        "b": 0.0,
    }


def loss(params, *, x, y):
    """The mean of the loss over the examples."""
    W1 = params["W1"]
    b1 = params["b1"]
    W2 = params["W2"]
    b2 = params["b2"]
    w = params["w"]
    b = params["b"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    phi = np.tanh(x @ W1.T + b1)
    s = np.sum(phi, axis=1)
    rho = np.tanh(s @ W2.T + b2)
    y_hat = rho @ w + b
    L = (y_hat - y) ** 2 / 2
    return float(np.mean(L))


def loss_and_gradients(params, *, x, y):
    """The loss, and its gradient with respect to each parameter."""
    W1 = params["W1"]
    b1 = params["b1"]
    W2 = params["W2"]
    b2 = params["b2"]
    w = params["w"]
    b = params["b"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)
    h = W1.shape[0]
    m = x.shape[1]

    # Forward pass
    phi = np.tanh(x @ W1.T + b1)
    s = np.sum(phi, axis=1)
    rho = np.tanh(s @ W2.T + b2)
    y_hat = rho @ w + b
    L = (y_hat - y) ** 2 / 2

    # Backward pass
    # dL/dy_hat = y_hat - y
    d_y_hat = y_hat - y
    # dL/drho = dL/dy_hat*w
    d_rho = d_y_hat[:, None] * w
    # dL/ds = W2.T @ (dL/drho*(1 - rho**2))
    d_s = d_rho * (1 - rho**2) @ W2
    # dL/dphi = outer(ones(m), dL/ds)
    d_phi = np.broadcast_to(d_s[:, None], (n, m, h))
    grads = {
        # dL/dW1 = mean of (dL/dphi*(1 - phi**2)).T @ x
        "W1": np.tensordot(d_phi * (1 - phi**2), x, axes=((0, 1), (0, 1))) / n,
        # dL/db1 = mean of sum(dL/dphi*(1 - phi**2), axis=0)
        "b1": np.sum(d_phi * (1 - phi**2), axis=(0, 1)) / n,
        # dL/dW2 = mean of outer(dL/drho*(1 - rho**2), s)
        "W2": (d_rho * (1 - rho**2)).T @ s / n,
        # dL/db2 = mean of dL/drho*(1 - rho**2)
        "b2": np.sum(d_rho * (1 - rho**2), axis=0) / n,
        # dL/dw = mean of dL/dy_hat*rho
        "w": d_y_hat @ rho / n,
        # dL/db = mean of dL/dy_hat
        "b": np.sum(d_y_hat) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x):
    """The output y_hat of the model."""
    W1 = params["W1"]
    b1 = params["b1"]
    W2 = params["W2"]
    b2 = params["b2"]
    w = params["w"]
    b = params["b"]
    x = np.asarray(x, dtype=np.float64)
    phi = np.tanh(x @ W1.T + b1)
    s = np.sum(phi, axis=1)
    rho = np.tanh(s @ W2.T + b2)
    y_hat = rho @ w + b
    return y_hat


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
        if name not in () + ("m", "d", "h"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"m": np.shape(data["x"])[1], "d": np.shape(data["x"])[2]}
    sizes |= {name: options[name] for name in ("m", "d", "h") if name in options}
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
    data = {name: table.pop(name) for name in ("y",) if name in table}
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
