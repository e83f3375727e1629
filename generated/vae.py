"""A variational autoencoder with a normal code and binary pixels

Equations:
    a = tanh(W1 @ x + b1)
    mu = W_mu @ a + b_mu
    s = W_s @ a + b_s
    z = mu + exp(s/2)*eps
    c = tanh(W2 @ z + b2)
    x_hat = sigmoid(W3 @ c + b3)
    KL = -sum(1 + s - mu**2 - exp(s))/2
    L = KL - sum(x*log(x_hat) + (1 - x)*log(1 - x_hat))

Gradients:
    dL/dW1 = mean of outer(dL/da*(1 - a**2), x)
    dL/db1 = mean of dL/da*(1 - a**2)
    dL/dW_mu = mean of outer(dL/dmu, a)
    dL/db_mu = mean of dL/dmu
    dL/dW_s = mean of outer(dL/ds, a)
    dL/db_s = mean of dL/ds
    dL/dW2 = mean of outer(dL/dc*(1 - c**2), z)
    dL/db2 = mean of dL/dc*(1 - c**2)
    dL/dW3 = mean of outer(x_hat - x, c)
    dL/db3 = mean of x_hat - x

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


@np.errstate(over="ignore")  # where the exponential is infinite, the quotient is 0
def _sigmoid(u):
    """1/(1 + exp(-u))"""
    return 1 / (1 + np.exp(-u))


def _softplus(u):
    """log(1 + exp(u)): the exponential never overflows."""
    return np.maximum(u, 0) + np.log1p(np.exp(-np.abs(u)))


def init(seed=0, *, d=64, h=32, k=8):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W1": rng.normal(0, np.sqrt(2 / (h + d)), (h, d)),
        "b1": np.zeros(h),
        "W_mu": rng.normal(0, np.sqrt(2 / (k + h)), (k, h)),
        "b_mu": np.zeros(k),
        "W_s": rng.normal(0, np.sqrt(2 / (k + h)), (k, h)),
        "b_s": np.zeros(k),
        "W2": rng.normal(0, np.sqrt(2 / (h + k)), (h, k)),
        "b2": np.zeros(h),
        "W3": rng.normal(0, np.sqrt(2 / (d + h)), (d, h)),
        "b3": np.zeros(d),
    }


def loss(params, *, x, eps=None):
    """The mean of the loss over the examples."""
    W1 = params["W1"]
    b1 = params["b1"]
    W_mu = params["W_mu"]
    b_mu = params["b_mu"]
    W_s = params["W_s"]
    b_s = params["b_s"]
    W2 = params["W2"]
    b2 = params["b2"]
    W3 = params["W3"]
    b3 = params["b3"]
    x = np.asarray(x, dtype=np.float64)
    h = W1.shape[0]
    d = W1.shape[1]
    k = W_mu.shape[0]
    n = len(x)
    eps = np.random.default_rng().normal(size=(n, k)) if eps is None else np.asarray(eps)
    a = np.tanh(x @ W1.T + b1)
    mu = a @ W_mu.T + b_mu
    s = a @ W_s.T + b_s
    z = mu + np.exp(s / 2) * eps
    c = np.tanh(z @ W2.T + b2)
    KL = -np.sum(1 + s - mu**2 - np.exp(s), axis=1) / 2
    # L = KL - sum(x*log(x_hat) + (1 - x)*log(1 - x_hat)), in a stable form
    L = KL - np.sum(-x * _softplus(-(c @ W3.T + b3)) - (1 - x) * _softplus(c @ W3.T + b3), axis=1)
    return float(np.mean(L))


def loss_and_gradients(params, *, x, eps=None):
    """The loss, and its gradient with respect to each parameter."""
    W1 = params["W1"]
    b1 = params["b1"]
    W_mu = params["W_mu"]
    b_mu = params["b_mu"]
    W_s = params["W_s"]
    b_s = params["b_s"]
    W2 = params["W2"]
    b2 = params["b2"]
    W3 = params["W3"]
    b3 = params["b3"]
    x = np.asarray(x, dtype=np.float64)
    n = len(x)
    h = W1.shape[0]
    d = W1.shape[1]
    k = W_mu.shape[0]
    eps = np.random.default_rng().normal(size=(n, k)) if eps is None else np.asarray(eps)

    # Forward pass
    a = np.tanh(x @ W1.T + b1)
    mu = a @ W_mu.T + b_mu
    s = a @ W_s.T + b_s
    z = mu + np.exp(s / 2) * eps
    c = np.tanh(z @ W2.T + b2)
    x_hat = _sigmoid(c @ W3.T + b3)
    KL = -np.sum(1 + s - mu**2 - np.exp(s), axis=1) / 2
    # L = KL - sum(x*log(x_hat) + (1 - x)*log(1 - x_hat)), in a stable form
    L = KL - np.sum(-x * _softplus(-(c @ W3.T + b3)) - (1 - x) * _softplus(c @ W3.T + b3), axis=1)

    # Backward pass
    # dL/dKL = 1
    d_KL = np.broadcast_to(1, (n,))
    # dL/dc = -W3.T @ (x - x_hat)
    d_c = -(x - x_hat) @ W3
    # dL/dz = W2.T @ (dL/dc*(1 - c**2))
    d_z = d_c * (1 - c**2) @ W2
    # dL/ds = dL/dz*exp(s/2)*eps/2 + dL/dKL*(exp(s) - 1)/2
    d_s = d_z * np.exp(s / 2) * eps / 2 + d_KL[:, None] * np.expm1(s) / 2
    # dL/dmu = dL/dz + dL/dKL*mu
    d_mu = d_z + d_KL[:, None] * mu
    # dL/da = W_mu.T @ dL/dmu + W_s.T @ dL/ds
    d_a = d_mu @ W_mu + d_s @ W_s
    grads = {
        # dL/dW1 = mean of outer(dL/da*(1 - a**2), x)
        "W1": (d_a * (1 - a**2)).T @ x / n,
        # dL/db1 = mean of dL/da*(1 - a**2)
        "b1": np.sum(d_a * (1 - a**2), axis=0) / n,
        # dL/dW_mu = mean of outer(dL/dmu, a)
        "W_mu": d_mu.T @ a / n,
        # dL/db_mu = mean of dL/dmu
        "b_mu": np.sum(d_mu, axis=0) / n,
        # dL/dW_s = mean of outer(dL/ds, a)
        "W_s": d_s.T @ a / n,
        # dL/db_s = mean of dL/ds
        "b_s": np.sum(d_s, axis=0) / n,
        # dL/dW2 = mean of outer(dL/dc*(1 - c**2), z)
        "W2": (d_c * (1 - c**2)).T @ z / n,
        # dL/db2 = mean of dL/dc*(1 - c**2)
        "b2": np.sum(d_c * (1 - c**2), axis=0) / n,
        # dL/dW3 = mean of outer(x_hat - x, c)
        "W3": (x_hat - x).T @ c / n,
        # dL/db3 = mean of x_hat - x
        "b3": np.sum(x_hat, axis=0) / n - np.sum(x, axis=0) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x, eps=None):
    """The output x_hat of the model."""
    W1 = params["W1"]
    b1 = params["b1"]
    W_mu = params["W_mu"]
    b_mu = params["b_mu"]
    W_s = params["W_s"]
    b_s = params["b_s"]
    W2 = params["W2"]
    b2 = params["b2"]
    W3 = params["W3"]
    b3 = params["b3"]
    x = np.asarray(x, dtype=np.float64)
    h = W1.shape[0]
    d = W1.shape[1]
    k = W_mu.shape[0]
    n = len(x)
    eps = np.random.default_rng().normal(size=(n, k)) if eps is None else np.asarray(eps)
    a = np.tanh(x @ W1.T + b1)
    mu = a @ W_mu.T + b_mu
    s = a @ W_s.T + b_s
    z = mu + np.exp(s / 2) * eps
    c = np.tanh(z @ W2.T + b2)
    x_hat = _sigmoid(c @ W3.T + b3)
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
        if name not in () + ("d", "h", "k"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"d": np.shape(data["x"])[1], "k": np.shape(data["eps"])[1] if "eps" in data else 8}
    sizes |= {name: options[name] for name in ("d", "h", "k") if name in options}
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
            if "eps" not in part:
                part = part | {"eps": rng.normal(size=(len(batch), sizes["k"]))}
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
