"""Student-t regression: linear, with errors of heavy tails

Equations:
    y_hat = w @ x + b
    u = (y - y_hat)/sigma
    L = (nu + 1)/2*log(1 + u**2/nu) + log(sigma)

Gradients:
    dL/dw = mean of dL/dy_hat*x
    dL/db = mean of dL/dy_hat
    dL/ds = mean of 1 - dL/du*u

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def init(seed=0, *, d=10):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "w": rng.normal(0, np.sqrt(2 / (d + 1)), d),
        "b": 0.0,
        "s": 0.0,
    }


def loss(params, *, x, y, nu=4):
    """The mean of the loss over the examples."""
    w = params["w"]
    b = params["b"]
    s = params["s"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    y_hat = x @ w + b
    # u = (y - y_hat)/sigma, in a stable form
    u = (y - y_hat) * np.exp(-s)
    # L = (nu + 1)/2*log(1 + u**2/nu) + log(sigma), in a stable form
    L = (nu + 1) / 2 * np.log1p(u**2 / nu) + s
    return float(np.mean(L))


def loss_and_gradients(params, *, x, y, nu=4):
    """The loss, and its gradient with respect to each parameter."""
    w = params["w"]
    b = params["b"]
    s = params["s"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)

    # Forward pass
    y_hat = x @ w + b
    # u = (y - y_hat)/sigma, in a stable form
    u = (y - y_hat) * np.exp(-s)
    # L = (nu + 1)/2*log(1 + u**2/nu) + log(sigma), in a stable form
    L = (nu + 1) / 2 * np.log1p(u**2 / nu) + s

    # Backward pass
    # dL/du = (nu + 1)*u/(nu + u**2)
    d_u = (nu + 1) * u / (nu + u**2)
    # dL/dy_hat = -dL/du*exp(-s)
    d_y_hat = -d_u * np.exp(-s)
    grads = {
        # dL/dw = mean of dL/dy_hat*x
        "w": d_y_hat @ x / n,
        # dL/db = mean of dL/dy_hat
        "b": np.sum(d_y_hat) / n,
        # dL/ds = mean of 1 - dL/du*u
        "s": 1 - d_u @ u / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x, nu=4):
    """The output y_hat of the model."""
    w = params["w"]
    b = params["b"]
    x = np.asarray(x, dtype=np.float64)
    y_hat = x @ w + b
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
        if name not in ("nu",) + ("d",):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in ("nu",) if name in options}
    sizes = {"d": np.shape(data["x"])[1]}
    sizes |= {name: options[name] for name in ("d",) if name in options}
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
