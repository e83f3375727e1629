"""The triplet loss: an anchor is nearer to its like than to another, by a margin

Equations:
    u_a = W @ x_a
    u_p = W @ x_p
    u_n = W @ x_n
    f_a = u_a/norm(u_a)
    f_p = u_p/norm(u_p)
    f_n = u_n/norm(u_n)
    m = sum((f_a - f_p)**2) - sum((f_a - f_n)**2) + alpha
    L = relu(m)

Gradients:
    dL/dW = mean of outer(dL/du_a, x_a) + outer(dL/du_p, x_p) + outer(dL/du_n, x_n)

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def init(seed=0, *, d=64, k=16):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W": rng.normal(0, np.sqrt(2 / (k + d)), (k, d)),
    }


def loss(params, *, x_a, x_p, x_n, alpha=0.2):
    """The mean of the loss over the examples."""
    W = params["W"]
    x_a = np.asarray(x_a, dtype=np.float64)
    x_p = np.asarray(x_p, dtype=np.float64)
    x_n = np.asarray(x_n, dtype=np.float64)
    u_a = x_a @ W.T
    u_p = x_p @ W.T
    u_n = x_n @ W.T
    f_a = u_a / np.sqrt(np.sum(u_a**2, axis=1))[:, None]
    f_p = u_p / np.sqrt(np.sum(u_p**2, axis=1))[:, None]
    f_n = u_n / np.sqrt(np.sum(u_n**2, axis=1))[:, None]
    m = np.sum((f_a - f_p) ** 2, axis=1) - np.sum((f_a - f_n) ** 2, axis=1) + alpha
    L = np.maximum(m, 0)
    return float(np.mean(L))


def loss_and_gradients(params, *, x_a, x_p, x_n, alpha=0.2):
    """The loss, and its gradient with respect to each parameter."""
    W = params["W"]
    x_a = np.asarray(x_a, dtype=np.float64)
    x_p = np.asarray(x_p, dtype=np.float64)
    x_n = np.asarray(x_n, dtype=np.float64)
    n = len(x_a)

    # Forward pass
    u_a = x_a @ W.T
    u_p = x_p @ W.T
    u_n = x_n @ W.T
    f_a = u_a / np.sqrt(np.sum(u_a**2, axis=1))[:, None]
    f_p = u_p / np.sqrt(np.sum(u_p**2, axis=1))[:, None]
    f_n = u_n / np.sqrt(np.sum(u_n**2, axis=1))[:, None]
    m = np.sum((f_a - f_p) ** 2, axis=1) - np.sum((f_a - f_n) ** 2, axis=1) + alpha
    L = np.maximum(m, 0)

    # Backward pass
    # dL/dm = where(m > 0, 1, 0)
    d_m = np.where(m > 0, 1, 0)
    # dL/df_n = 2*dL/dm*(f_a - f_n)
    d_f_n = 2 * d_m[:, None] * (f_a - f_n)
    # dL/df_p = 2*dL/dm*(f_p - f_a)
    d_f_p = 2 * d_m[:, None] * (f_p - f_a)
    # dL/df_a = 2*dL/dm*(f_n - f_p)
    d_f_a = 2 * d_m[:, None] * (f_n - f_p)
    # dL/du_n = (dL/df_n*sum(u_n**2) - u_n*sum(dL/df_n*u_n))/sum(u_n**2)**(3/2)
    d_u_n = (d_f_n * np.sum(u_n**2, axis=1)[:, None] - u_n * np.sum(d_f_n * u_n, axis=1)[:, None]) / (np.sum(u_n**2, axis=1) ** (3 / 2))[:, None]
    # dL/du_p = (dL/df_p*sum(u_p**2) - u_p*sum(dL/df_p*u_p))/sum(u_p**2)**(3/2)
    d_u_p = (d_f_p * np.sum(u_p**2, axis=1)[:, None] - u_p * np.sum(d_f_p * u_p, axis=1)[:, None]) / (np.sum(u_p**2, axis=1) ** (3 / 2))[:, None]
    # dL/du_a = (dL/df_a*sum(u_a**2) - u_a*sum(dL/df_a*u_a))/sum(u_a**2)**(3/2)
    d_u_a = (d_f_a * np.sum(u_a**2, axis=1)[:, None] - u_a * np.sum(d_f_a * u_a, axis=1)[:, None]) / (np.sum(u_a**2, axis=1) ** (3 / 2))[:, None]
    grads = {
        # dL/dW = mean of outer(dL/du_a, x_a) + outer(dL/du_p, x_p) + outer(dL/du_n, x_n)
        "W": d_u_a.T @ x_a / n + d_u_p.T @ x_p / n + d_u_n.T @ x_n / n,
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
        if name not in ("alpha",) + ("d", "k"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in ("alpha",) if name in options}
    sizes = {"d": np.shape(data["x_a"])[1]}
    sizes |= {name: options[name] for name in ("d", "k") if name in options}
    count = len(data["x_a"])
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
    missing = [name for name in ("x_a", "x_p", "x_n") if name not in data]
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
