"""A contractive autoencoder: the code's derivatives by the input are penalized

Equations:
    a = sigmoid(W @ x + b)
    x_hat = sigmoid(W.T @ a + c)
    J = a[i]*(1 - a[i])*W[i, j]
    L = sum((x_hat - x)**2)/2 + lam*sum(J**2)

Gradients:
    dL/dW = mean of dL/da[i]*a[i]*(1 - a[i])*x[j] + dL/dx_hat[j]*x_hat[j]*(1 - x_hat[j])*a[i] + dL/dJ[i, j]*a[i]*(1 - a[i])
    dL/db = mean of dL/da*a*(1 - a)
    dL/dc = mean of dL/dx_hat*x_hat*(1 - x_hat)

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


@np.errstate(over="ignore")  # where the exponential is infinite, the quotient is 0
def _sigmoid(u):
    """1/(1 + exp(-u))"""
    return 1 / (1 + np.exp(-u))


def init(seed=0, *, d=64, h=32):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W": rng.normal(0, np.sqrt(2 / (h + d)), (h, d)),
        "b": np.zeros(h),
        "c": np.zeros(d),
    }


def loss(params, *, x, lam=0.1):
    """The mean of the loss over the examples."""
    W = params["W"]
    b = params["b"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    a = _sigmoid(x @ W.T + b)
    x_hat = _sigmoid(a @ W + c)
    J = a[:, :, None] * (1 - a)[:, :, None] * W
    L = np.sum((x_hat - x) ** 2, axis=1) / 2 + lam * np.sum(J**2, axis=(1, 2))
    return float(np.mean(L))


def loss_and_gradients(params, *, x, lam=0.1):
    """The loss, and its gradient with respect to each parameter."""
    W = params["W"]
    b = params["b"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    n = len(x)

    # Forward pass
    a = _sigmoid(x @ W.T + b)
    x_hat = _sigmoid(a @ W + c)
    J = a[:, :, None] * (1 - a)[:, :, None] * W
    L = np.sum((x_hat - x) ** 2, axis=1) / 2 + lam * np.sum(J**2, axis=(1, 2))

    # Backward pass
    # dL/dJ = 2*lam*J
    d_J = 2 * lam * J
    # dL/dx_hat = x_hat - x
    d_x_hat = x_hat - x
    # dL/da = W @ (dL/dx_hat*x_hat*(1 - x_hat)) + (1 - 2*a)*sum(dL/dJ*W, axis=1)
    d_a = d_x_hat * x_hat * (1 - x_hat) @ W.T + (1 - 2 * a) * np.sum(d_J * W, axis=2)
    grads = {
        # dL/dW = mean of dL/da[i]*a[i]*(1 - a[i])*x[j] + dL/dx_hat[j]*x_hat[j]*(1 - x_hat[j])*a[i] + dL/dJ[i, j]*a[i]*(1 - a[i])
        "W": (
            (d_a * a * (1 - a)).T @ x / n
            + a.T @ (d_x_hat * x_hat * (1 - x_hat)) / n
            + np.einsum("abc,ab,ab->bc", d_J, a, 1 - a, optimize=True) / n
        ),
        # dL/db = mean of dL/da*a*(1 - a)
        "b": np.sum(d_a * a * (1 - a), axis=0) / n,
        # dL/dc = mean of dL/dx_hat*x_hat*(1 - x_hat)
        "c": np.sum(d_x_hat * x_hat * (1 - x_hat), axis=0) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x, lam=0.1):
    """The output x_hat of the model."""
    W = params["W"]
    b = params["b"]
    c = params["c"]
    x = np.asarray(x, dtype=np.float64)
    a = _sigmoid(x @ W.T + b)
    x_hat = _sigmoid(a @ W + c)
    return x_hat


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
        if name not in ("lam",) + ("d", "h"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in ("lam",) if name in options}
    sizes = {"d": np.shape(data["x"])[1]}
    sizes |= {name: options[name] for name in ("d", "h") if name in options}
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
