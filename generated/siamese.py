"""The contrastive loss of a siamese network: like pairs near, others apart by a margin

Equations:
    g_1 = tanh(W @ x_1 + b)
    g_2 = tanh(W @ x_2 + b)
    D_W = norm(g_1 - g_2)
    u = m - D_W
    L = (1 - y)*D_W**2/2 + y*relu(u)**2/2

Gradients:
    dL/dW = mean of dL/dD_W*(g_2[i] - g_1[i])*(g_1[i]**2*x_1[j] - g_2[i]**2*x_2[j] - x_1[j] + x_2[j])/D_W
    dL/db = mean of -dL/dD_W*(g_1 + g_2)*(g_1 - g_2)**2/D_W

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def init(seed=0, *, d=64, h=16):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W": rng.normal(0, np.sqrt(2 / (h + d)), (h, d)),
        "b": np.zeros(h),
    }


def loss(params, *, x_1, x_2, y, m=1):
    """The mean of the loss over the examples."""
    W = params["W"]
    b = params["b"]
    x_1 = np.asarray(x_1, dtype=np.float64)
    x_2 = np.asarray(x_2, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    g_1 = np.tanh(x_1 @ W.T + b)
    g_2 = np.tanh(x_2 @ W.T + b)
    D_W = np.sqrt(np.sum((g_1 - g_2) ** 2, axis=1))
    u = m - D_W
    L = (1 - y) * D_W**2 / 2 + y * np.maximum(u, 0) ** 2 / 2
    return float(np.mean(L))


def loss_and_gradients(params, *, x_1, x_2, y, m=1):
    """The loss, and its gradient with respect to each parameter."""
    W = params["W"]
    b = params["b"]
    x_1 = np.asarray(x_1, dtype=np.float64)
    x_2 = np.asarray(x_2, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x_1)

    # Forward pass
    g_1 = np.tanh(x_1 @ W.T + b)
    g_2 = np.tanh(x_2 @ W.T + b)
    D_W = np.sqrt(np.sum((g_1 - g_2) ** 2, axis=1))
    u = m - D_W
    L = (1 - y) * D_W**2 / 2 + y * np.maximum(u, 0) ** 2 / 2

    # Backward pass
    # dL/du = y*relu(u)*where(u > 0, 1, 0)
    d_u = y * np.maximum(u, 0) * np.where(u > 0, 1, 0)
    # dL/dD_W = (1 - y)*D_W - dL/du
    d_D_W = (1 - y) * D_W - d_u
    grads = {
        # dL/dW = mean of dL/dD_W*(g_2[i] - g_1[i])*(g_1[i]**2*x_1[j] - g_2[i]**2*x_2[j] - x_1[j] + x_2[j])/D_W
        "W": np.einsum("a,ab,abc,a->bc", d_D_W, g_2 - g_1, (g_1**2)[:, :, None] * x_1[:, None] - (g_2**2)[:, :, None] * x_2[:, None] - x_1[:, None] + x_2[:, None], 1 / D_W, optimize=True) / n,
        # dL/db = mean of -dL/dD_W*(g_1 + g_2)*(g_1 - g_2)**2/D_W
        "b": -d_D_W / D_W @ ((g_1 + g_2) * (g_1 - g_2) ** 2) / n,
    }
    return float(np.mean(L)), grads


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
        if name not in ("m",) + ("d", "h"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in ("m",) if name in options}
    sizes = {"d": np.shape(data["x_1"])[1]}
    sizes |= {name: options[name] for name in ("d", "h") if name in options}
    count = len(data["x_1"])
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
    missing = [name for name in ("x_1", "x_2", "y") if name not in data]
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
