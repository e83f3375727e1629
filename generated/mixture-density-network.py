"""A mixture density network: a network tells the mixture of normals that the target is drawn from

Equations:
    a = tanh(W @ x + c)
    z = W_alpha @ a + b_alpha
    mu = W_mu @ a + b_mu
    alpha = softmax(z)
    s = W_sigma @ a + b_sigma
    u = (y - mu)/exp(s)
    e = log(alpha) - s - u**2/2
    L = log(2*pi)/2 - logsumexp(e)

Gradients:
    dL/dW = mean of outer(dL/da*(1 - a**2), x)
    dL/dc = mean of dL/da*(1 - a**2)
    dL/dW_alpha = mean of outer(dL/dz, a)
    dL/db_alpha = mean of dL/dz
    dL/dW_mu = mean of outer(dL/dmu, a)
    dL/db_mu = mean of dL/dmu
    dL/dW_sigma = mean of outer(dL/ds, a)
    dL/db_sigma = mean of dL/ds

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def _softmax(u, axis):
    """exp(u)/sum(exp(u)) along an axis, the maximum taken off first."""
    e = np.exp(u - u.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _logsumexp(u, axis=None):
    """log(sum(exp(u))) along an axis, the maximum taken off first."""
    top = np.max(u, axis=axis, keepdims=True)
    total = np.log(np.sum(np.exp(u - top), axis=axis, keepdims=True)) + top
    return np.squeeze(total, axis=axis)


def init(seed=0, *, d=4, h=16, m=3):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W": rng.normal(0, np.sqrt(2 / (h + d)), (h, d)),
        "c": np.zeros(h),
        "W_alpha": rng.normal(0, np.sqrt(2 / (m + h)), (m, h)),
        "b_alpha": np.zeros(m),
        "W_mu": rng.normal(0, np.sqrt(2 / (m + h)), (m, h)),
        "b_mu": np.zeros(m),
        "W_sigma": rng.normal(0, np.sqrt(2 / (m + h)), (m, h)),
        "b_sigma": np.zeros(m),
    }


def loss(params, *, x, y):
    """The mean of the loss over the examples."""
    W = params["W"]
    c = params["c"]
    W_alpha = params["W_alpha"]
    b_alpha = params["b_alpha"]
    W_mu = params["W_mu"]
    b_mu = params["b_mu"]
    W_sigma = params["W_sigma"]
    b_sigma = params["b_sigma"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    a = np.tanh(x @ W.T + c)
    z = a @ W_alpha.T + b_alpha
    mu = a @ W_mu.T + b_mu
    s = a @ W_sigma.T + b_sigma
    # u = (y - mu)/exp(s), in a stable form
    u = (y[:, None] - mu) * np.exp(-s)
    # e = log(alpha) - s - u**2/2, in a stable form
    e = z - _logsumexp(z, axis=1)[:, None] - s - u**2 / 2
    # L = log(2*pi)/2 - logsumexp(e), in a stable form
    L = np.log(2 * np.pi) / 2 - _logsumexp(e, axis=1)
    return float(np.mean(L))


def loss_and_gradients(params, *, x, y):
    """The loss, and its gradient with respect to each parameter."""
    W = params["W"]
    c = params["c"]
    W_alpha = params["W_alpha"]
    b_alpha = params["b_alpha"]
    W_mu = params["W_mu"]
    b_mu = params["b_mu"]
    W_sigma = params["W_sigma"]
    b_sigma = params["b_sigma"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)

    # Forward pass
    a = np.tanh(x @ W.T + c)
    z = a @ W_alpha.T + b_alpha
    mu = a @ W_mu.T + b_mu
    alpha = _softmax(z, axis=-1)
    s = a @ W_sigma.T + b_sigma
    # u = (y - mu)/exp(s), in a stable form
    u = (y[:, None] - mu) * np.exp(-s)
    # e = log(alpha) - s - u**2/2, in a stable form
    e = z - _logsumexp(z, axis=1)[:, None] - s - u**2 / 2
    # L = log(2*pi)/2 - logsumexp(e), in a stable form
    L = np.log(2 * np.pi) / 2 - _logsumexp(e, axis=1)

    # Backward pass
    # dL/de = -softmax(e)
    d_e = -_softmax(e, axis=-1)
    # dL/du = -dL/de*u
    d_u = -d_e * u
    # dL/ds = -(dL/du*u + dL/de)
    d_s = -(d_u * u + d_e)
    # dL/dmu = dL/de*u*exp(-s)
    d_mu = d_e * u * np.exp(-s)
    # dL/dz = dL/de - sum(dL/de)*alpha
    d_z = d_e - np.sum(d_e, axis=1)[:, None] * alpha
    # dL/da = W_alpha.T @ dL/dz + W_mu.T @ dL/dmu + W_sigma.T @ dL/ds
    d_a = d_z @ W_alpha + d_mu @ W_mu + d_s @ W_sigma
    grads = {
        # dL/dW = mean of outer(dL/da*(1 - a**2), x)
        "W": (d_a * (1 - a**2)).T @ x / n,
        # dL/dc = mean of dL/da*(1 - a**2)
        "c": np.sum(d_a * (1 - a**2), axis=0) / n,
        # dL/dW_alpha = mean of outer(dL/dz, a)
        "W_alpha": d_z.T @ a / n,
        # dL/db_alpha = mean of dL/dz
        "b_alpha": np.sum(d_z, axis=0) / n,
        # dL/dW_mu = mean of outer(dL/dmu, a)
        "W_mu": d_mu.T @ a / n,
        # dL/db_mu = mean of dL/dmu
        "b_mu": np.sum(d_mu, axis=0) / n,
        # dL/dW_sigma = mean of outer(dL/ds, a)
        "W_sigma": d_s.T @ a / n,
        # dL/db_sigma = mean of dL/ds
        "b_sigma": np.sum(d_s, axis=0) / n,
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
        if name not in () + ("d", "h", "m"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"d": np.shape(data["x"])[1]}
    sizes |= {name: options[name] for name in ("d", "h", "m") if name in options}
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
