"""A step of meta-learning: the weights from which one step of gradient descent on one example fits another

Equations:
    p = tanh(dot(w, x))
    K_p = p - y
    g = K_p*(1 - p**2)*x
    v = w - alpha*g
    q = tanh(dot(v, t))
    L = (q - r)**2/2

Gradients:
    dL/dw = mean of dL/dp*(1 - p**2)*x + dL/dv

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def init(seed=0, *, d=3):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "w": rng.normal(0, np.sqrt(2 / (d + 1)), d),
    }


def loss(params, *, x, y, t, r, alpha=0.1):
    """The mean of the loss over the examples."""
    w = params["w"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    t = np.asarray(t, dtype=np.float64)
    r = np.asarray(r, dtype=np.float64)
    p = np.tanh(x @ w)
    K_p = p - y
    g = K_p[:, None] * (1 - p**2)[:, None] * x
    v = w - alpha * g
    q = np.tanh(np.sum(v * t, axis=1))
    L = (q - r) ** 2 / 2
    return float(np.mean(L))


def loss_and_gradients(params, *, x, y, t, r, alpha=0.1):
    """The loss, and its gradient with respect to each parameter."""
    w = params["w"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    t = np.asarray(t, dtype=np.float64)
    r = np.asarray(r, dtype=np.float64)
    n = len(x)

    # Forward pass
    p = np.tanh(x @ w)
    K_p = p - y
    g = K_p[:, None] * (1 - p**2)[:, None] * x
    v = w - alpha * g
    q = np.tanh(np.sum(v * t, axis=1))
    L = (q - r) ** 2 / 2

    # Backward pass
    # dL/dq = q - r
    d_q = q - r
    # dL/dv = dL/dq*(1 - q**2)*t
    d_v = d_q[:, None] * (1 - q**2)[:, None] * t
    # dL/dg = -dL/dv*alpha
    d_g = -d_v * alpha
    # dL/dK_p = (1 - p**2)*sum(dL/dg*x)
    d_K_p = (1 - p**2) * np.sum(d_g * x, axis=1)
    # dL/dp = dL/dK_p - 2*K_p*p*sum(dL/dg*x)
    d_p = d_K_p - 2 * K_p * p * np.sum(d_g * x, axis=1)
    grads = {
        # dL/dw = mean of dL/dp*(1 - p**2)*x + dL/dv
        "w": d_p * (1 - p**2) @ x / n + np.sum(d_v, axis=0) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x, t, alpha=0.1):
    """The output q of the model."""
    w = params["w"]
    x = np.asarray(x, dtype=np.float64)
    t = np.asarray(t, dtype=np.float64)
    p = np.tanh(x @ w)
    K_p = p - y
    g = K_p[:, None] * (1 - p**2)[:, None] * x
    v = w - alpha * g
    q = np.tanh(np.sum(v * t, axis=1))
    return q


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
        if name not in ("alpha",) + ("d",):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in ("alpha",) if name in options}
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
    data = {name: table.pop(name) for name in ("y", "r") if name in table}
    missing = [name for name in ("x", "y", "t", "r") if name not in data]
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
