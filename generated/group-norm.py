"""A convolution with group normalization: mean and variance over the channels of a group and all places

Equations:
    z = sum(K[g, o, p, q]*x[i + p, j + q], p, q)
    mu = mean(z[g])
    v = mean((z[g] - mu[g])**2)
    u = (z[g] - mu[g])/sqrt(v[g] + epsilon)
    a = relu(gamma[g, o]*u[g, o, i, j] + beta[g, o])
    f = mean(a[g, o])
    y_hat = sum(w*f) + b
    L = (y_hat - y)**2/2

Gradients:
    dL/dK = mean of sum(dL/dz[i, j, k_0, m_0]*x[k_0 + l, m_0 + p], k_0, m_0)
    dL/dgamma = mean of sum(dL/da[i, j, k_0, l]*where(gamma[i, j]*u[i, j, k_0, l] + beta[i, j] > 0, 1, 0)*u[i, j, k_0, l], k_0, l)
    dL/dbeta = mean of sum(dL/da[i, j, k_0, l]*where(gamma[i, j]*u[i, j, k_0, l] + beta[i, j] > 0, 1, 0), k_0, l)
    dL/dw = mean of dL/dy_hat*f
    dL/db = mean of dL/dy_hat

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def _windows(x, *axes):
    """The view w[..., i, p, ...] = x[..., step*i + dilation*p + start, ...], nothing is copied.

    `axes` has (axis of x, how many i, how many p, step, dilation, start) of each that windows slide over.
    """
    for doubled, (axis, places, size, *rest) in enumerate(axes):
        step, dilation, start = (*rest, *(1, 1, 0)[len(rest) :])
        axis += doubled
        x = np.lib.stride_tricks.sliding_window_view(x, dilation * (size - 1) + 1, axis)[..., ::dilation]
        x = np.moveaxis(x, axis, 0)[start : start + step * (places - 1) + 1 : step]
        x = np.moveaxis(x, (0, -1), (axis, axis + 1))
    return x


def init(seed=0, *, H=8, W=8, k=3, G=2, m=4):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "K": rng.normal(0, np.sqrt(2 / (k * k + G * m)), (G, m, k, k)),
        "gamma": np.ones((G, m)),
        "beta": np.zeros((G, m)),
        "w": rng.normal(0, np.sqrt(2 / (G * m + 1)), (G, m)),
        "b": 0.0,
    }


def loss(params, *, x, y, epsilon=1e-05):
    """The mean of the loss over the examples."""
    K = params["K"]
    gamma = params["gamma"]
    beta = params["beta"]
    w = params["w"]
    b = params["b"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    m = K.shape[1]
    k = K.shape[2]
    H = x.shape[1]
    W = x.shape[2]
    z = np.tensordot(_windows(x, (1, H - k + 1, k), (2, W - k + 1, k)), K, axes=((2, 4), (2, 3))).transpose(0, 3, 4, 1, 2)
    mu = np.sum(z, axis=(2, 3, 4)) / (m * (H - k + 1) * (W - k + 1))
    v = np.sum((z - mu[:, :, None, None, None]) ** 2, axis=(2, 3, 4)) / (m * (H - k + 1) * (W - k + 1))
    u = (z - mu[:, :, None, None, None]) / np.sqrt(v + epsilon)[:, :, None, None, None]
    a = np.maximum(gamma[:, :, None, None] * u + beta[:, :, None, None], 0)
    f = np.sum(a, axis=(3, 4)) / ((H - k + 1) * (W - k + 1))
    y_hat = np.sum(f * w, axis=(1, 2)) + b
    L = (y_hat - y) ** 2 / 2
    return float(np.mean(L))


def loss_and_gradients(params, *, x, y, epsilon=1e-05):
    """The loss, and its gradient with respect to each parameter."""
    K = params["K"]
    gamma = params["gamma"]
    beta = params["beta"]
    w = params["w"]
    b = params["b"]
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n = len(x)
    G = K.shape[0]
    m = K.shape[1]
    k = K.shape[2]
    H = x.shape[1]
    W = x.shape[2]

    # Forward pass
    z = np.tensordot(_windows(x, (1, H - k + 1, k), (2, W - k + 1, k)), K, axes=((2, 4), (2, 3))).transpose(0, 3, 4, 1, 2)
    mu = np.sum(z, axis=(2, 3, 4)) / (m * (H - k + 1) * (W - k + 1))
    v = np.sum((z - mu[:, :, None, None, None]) ** 2, axis=(2, 3, 4)) / (m * (H - k + 1) * (W - k + 1))
    u = (z - mu[:, :, None, None, None]) / np.sqrt(v + epsilon)[:, :, None, None, None]
    a = np.maximum(gamma[:, :, None, None] * u + beta[:, :, None, None], 0)
    f = np.sum(a, axis=(3, 4)) / ((H - k + 1) * (W - k + 1))
    y_hat = np.sum(f * w, axis=(1, 2)) + b
    L = (y_hat - y) ** 2 / 2

    # Backward pass
    # dL/dy_hat = y_hat - y
    d_y_hat = y_hat - y
    # dL/df = dL/dy_hat*w
    d_f = d_y_hat[:, None, None] * w
    # dL/da = dL/df[i, j]/((H - k + 1)*(W - k + 1))
    d_a = np.broadcast_to((d_f / ((H - k + 1) * (W - k + 1)))[:, :, :, None, None], (n, G, m, H - k + 1, W - k + 1))
    # dL/du = dL/da[i, j, l, p]*where(gamma[i, j]*u[i, j, l, p] + beta[i, j] > 0, 1, 0)*gamma[i, j]
    d_u = d_a * (gamma[:, :, None, None] * u + beta[:, :, None, None] > 0) * gamma[:, :, None, None]
    # dL/dv = -sum(sum(sum(dL/du*u, axis=3), axis=2), axis=1)/(2*(v + epsilon))
    d_v = -np.sum(d_u * u, axis=(2, 3, 4)) / (2 * (v + epsilon))
    # dL/dmu = -sum(sum(sum(dL/du, axis=3), axis=2), axis=1)/sqrt(v + epsilon)
    d_mu = -np.sum(d_u, axis=(2, 3, 4)) / np.sqrt(v + epsilon)
    # dL/dz = dL/dmu[i]/(m*(H - k + 1)*(W - k + 1)) + 2*dL/dv[i]*(z[i, j, l, p] - mu[i])/(m*(H - k + 1)*(W - k + 1)) + dL/du[i, j, l, p]/sqrt(v[i] + epsilon)
    d_z = (
        (d_mu / (m * (H - k + 1) * (W - k + 1)))[:, :, None, None, None]
        + 2 * d_v[:, :, None, None, None] * (z - mu[:, :, None, None, None]) / (m * (H - k + 1) * (W - k + 1))
        + d_u / np.sqrt(v + epsilon)[:, :, None, None, None]
    )
    grads = {
        # dL/dK = mean of sum(dL/dz[i, j, k_0, m_0]*x[k_0 + l, m_0 + p], k_0, m_0)
        "K": np.tensordot(d_z, _windows(x, (1, H - k + 1, k), (2, W - k + 1, k)), axes=((0, 3, 4), (0, 1, 3))) / n,
        # dL/dgamma = mean of sum(dL/da[i, j, k_0, l]*where(gamma[i, j]*u[i, j, k_0, l] + beta[i, j] > 0, 1, 0)*u[i, j, k_0, l], k_0, l)
        "gamma": np.sum(d_a * np.where(gamma[:, :, None, None, None] * u.transpose(1, 2, 0, 3, 4) + beta[:, :, None, None, None] > 0, 1, 0).transpose(2, 0, 1, 3, 4) * u, axis=(0, 3, 4)) / n,
        # dL/dbeta = mean of sum(dL/da[i, j, k_0, l]*where(gamma[i, j]*u[i, j, k_0, l] + beta[i, j] > 0, 1, 0), k_0, l)
        "beta": np.sum(d_a * np.where(gamma[:, :, None, None, None] * u.transpose(1, 2, 0, 3, 4) + beta[:, :, None, None, None] > 0, 1, 0).transpose(2, 0, 1, 3, 4), axis=(0, 3, 4)) / n,
        # dL/dw = mean of dL/dy_hat*f
        "w": np.tensordot(f, d_y_hat, axes=(0, 0)) / n,
        # dL/db = mean of dL/dy_hat
        "b": np.sum(d_y_hat) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, x, epsilon=1e-05):
    """The output y_hat of the model."""
    K = params["K"]
    gamma = params["gamma"]
    beta = params["beta"]
    w = params["w"]
    b = params["b"]
    x = np.asarray(x, dtype=np.float64)
    m = K.shape[1]
    k = K.shape[2]
    H = x.shape[1]
    W = x.shape[2]
    z = np.tensordot(_windows(x, (1, H - k + 1, k), (2, W - k + 1, k)), K, axes=((2, 4), (2, 3))).transpose(0, 3, 4, 1, 2)
    mu = np.sum(z, axis=(2, 3, 4)) / (m * (H - k + 1) * (W - k + 1))
    v = np.sum((z - mu[:, :, None, None, None]) ** 2, axis=(2, 3, 4)) / (m * (H - k + 1) * (W - k + 1))
    u = (z - mu[:, :, None, None, None]) / np.sqrt(v + epsilon)[:, :, None, None, None]
    a = np.maximum(gamma[:, :, None, None] * u + beta[:, :, None, None], 0)
    f = np.sum(a, axis=(3, 4)) / ((H - k + 1) * (W - k + 1))
    y_hat = np.sum(f * w, axis=(1, 2)) + b
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
        if name not in ("epsilon",) + ("H", "W", "k", "G", "m"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in ("epsilon",) if name in options}
    sizes = {"H": np.shape(data["x"])[1], "W": np.shape(data["x"])[2]}
    sizes |= {name: options[name] for name in ("H", "W", "k", "G", "m") if name in options}
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
