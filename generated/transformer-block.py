"""A transformer block: attention and a feed-forward layer, each with a skip connection and layer normalization

Equations:
    Q = X @ W_Q
    K = X @ W_K
    V = X @ W_V
    S = Q @ K.T/sqrt(m)
    A = softmax(S, axis=1)
    U = X + A @ V @ W_O
    mu1 = mean(U[i])
    v1 = mean((U[i] - mu1[i])**2)
    u1 = (U[i] - mu1[i])/sqrt(v1[i] + epsilon)
    N1 = g1*u1 + c1
    z = N1 @ W1 + b1
    F = relu(z)
    R = N1 + F @ W2 + b2
    mu2 = mean(R[i])
    v2 = mean((R[i] - mu2[i])**2)
    u2 = (R[i] - mu2[i])/sqrt(v2[i] + epsilon)
    O = g2*u2 + c2
    L = sum((O - Y)**2)/2

Gradients:
    dL/dW_Q = mean of X.T @ dL/dQ
    dL/dW_K = mean of X.T @ dL/dK
    dL/dW_V = mean of X.T @ dL/dV
    dL/dW_O = mean of V.T @ A.T @ dL/dU
    dL/dg1 = mean of sum(dL/dN1*u1, axis=0)
    dL/dc1 = mean of sum(dL/dN1, axis=0)
    dL/dW1 = mean of N1.T @ dL/dz
    dL/db1 = mean of sum(dL/dz, axis=0)
    dL/dW2 = mean of F.T @ dL/dR
    dL/db2 = mean of sum(dL/dR, axis=0)
    dL/dg2 = mean of sum(dL/dO*u2, axis=0)
    dL/dc2 = mean of sum(dL/dO, axis=0)

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def _softmax(u, axis):
    """exp(u)/sum(exp(u)) along an axis, the maximum taken off first."""
    e = np.exp(u - np.max(u, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def init(seed=0, *, t=8, m=16, h=32):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W_Q": rng.normal(0, np.sqrt(2 / (m + m)), (m, m)),
        "W_K": rng.normal(0, np.sqrt(2 / (m + m)), (m, m)),
        "W_V": rng.normal(0, np.sqrt(2 / (m + m)), (m, m)),
        "W_O": rng.normal(0, np.sqrt(2 / (m + m)), (m, m)),
        "g1": np.ones(m),
        "c1": np.zeros(m),
        "W1": rng.normal(0, np.sqrt(2 / (m + h)), (m, h)),
        "b1": np.zeros(h),
        "W2": rng.normal(0, np.sqrt(2 / (h + m)), (h, m)),
        "b2": np.zeros(m),
        "g2": np.ones(m),
        "c2": np.zeros(m),
    }


def loss(params, *, X, Y, epsilon=1e-05):
    """The mean of the loss over the examples."""
    W_Q = params["W_Q"]
    W_K = params["W_K"]
    W_V = params["W_V"]
    W_O = params["W_O"]
    g1 = params["g1"]
    c1 = params["c1"]
    W1 = params["W1"]
    b1 = params["b1"]
    W2 = params["W2"]
    b2 = params["b2"]
    g2 = params["g2"]
    c2 = params["c2"]
    X = np.asarray(X, dtype=np.float64)
    Y = np.asarray(Y, dtype=np.float64)
    m = W_Q.shape[0]
    Q = np.einsum("abc,cd->abd", X, W_Q)
    K = np.einsum("abc,cd->abd", X, W_K)
    V = np.einsum("abc,cd->abd", X, W_V)
    S = np.einsum("abc,adc->abd", Q, K) / np.sqrt(m)
    A = _softmax(S, axis=-1)
    U = X + np.einsum("abc,cd->abd", np.einsum("abc,acd->abd", A, V), W_O)
    mu1 = np.sum(U, axis=2) / m
    v1 = np.sum((U - mu1[:, :, None]) ** 2, axis=2) / m
    u1 = (U - mu1[:, :, None]) / np.sqrt(v1 + epsilon)[:, :, None]
    N1 = g1 * u1 + c1
    z = np.einsum("abc,cd->abd", N1, W1) + b1
    F = np.maximum(z, 0)
    R = N1 + np.einsum("abc,cd->abd", F, W2) + b2
    mu2 = np.sum(R, axis=2) / m
    v2 = np.sum((R - mu2[:, :, None]) ** 2, axis=2) / m
    u2 = (R - mu2[:, :, None]) / np.sqrt(v2 + epsilon)[:, :, None]
    O = g2 * u2 + c2
    L = np.sum((O - Y) ** 2, axis=(1, 2)) / 2
    return float(np.mean(L))


def loss_and_gradients(params, *, X, Y, epsilon=1e-05):
    """The loss, and its gradient with respect to each parameter."""
    W_Q = params["W_Q"]
    W_K = params["W_K"]
    W_V = params["W_V"]
    W_O = params["W_O"]
    g1 = params["g1"]
    c1 = params["c1"]
    W1 = params["W1"]
    b1 = params["b1"]
    W2 = params["W2"]
    b2 = params["b2"]
    g2 = params["g2"]
    c2 = params["c2"]
    X = np.asarray(X, dtype=np.float64)
    Y = np.asarray(Y, dtype=np.float64)
    n = len(X)
    m = W_Q.shape[0]

    # Forward pass
    Q = np.einsum("abc,cd->abd", X, W_Q)
    K = np.einsum("abc,cd->abd", X, W_K)
    V = np.einsum("abc,cd->abd", X, W_V)
    S = np.einsum("abc,adc->abd", Q, K) / np.sqrt(m)
    A = _softmax(S, axis=-1)
    U = X + np.einsum("abc,cd->abd", np.einsum("abc,acd->abd", A, V), W_O)
    mu1 = np.sum(U, axis=2) / m
    v1 = np.sum((U - mu1[:, :, None]) ** 2, axis=2) / m
    u1 = (U - mu1[:, :, None]) / np.sqrt(v1 + epsilon)[:, :, None]
    N1 = g1 * u1 + c1
    z = np.einsum("abc,cd->abd", N1, W1) + b1
    F = np.maximum(z, 0)
    R = N1 + np.einsum("abc,cd->abd", F, W2) + b2
    mu2 = np.sum(R, axis=2) / m
    v2 = np.sum((R - mu2[:, :, None]) ** 2, axis=2) / m
    u2 = (R - mu2[:, :, None]) / np.sqrt(v2 + epsilon)[:, :, None]
    O = g2 * u2 + c2
    L = np.sum((O - Y) ** 2, axis=(1, 2)) / 2

    # Backward pass
    # dL/dO = O - Y
    d_O = O - Y
    # dL/du2 = dL/dO*g2
    d_u2 = d_O * g2
    # dL/dv2 = -sum(dL/du2*u2, axis=1)/(2*(v2 + epsilon))
    d_v2 = -np.einsum("abc,abc->ab", d_u2, u2) / (2 * (v2 + epsilon))
    # dL/dmu2 = -sum(dL/du2, axis=1)/sqrt(v2 + epsilon)
    d_mu2 = -np.sum(d_u2, axis=2) / np.sqrt(v2 + epsilon)
    # dL/dR = dL/dmu2[i]/m + 2*dL/dv2[i]*(R[i, j] - mu2[i])/m + dL/du2[i, j]/sqrt(v2[i] + epsilon)
    d_R = (
        (d_mu2 / m)[:, :, None]
        + 2 * d_v2[:, :, None] * (R - mu2[:, :, None]) / m
        + d_u2 / np.sqrt(v2 + epsilon)[:, :, None]
    )
    # dL/dF = dL/dR @ W2.T
    d_F = np.einsum("abc,dc->abd", d_R, W2)
    # dL/dz = dL/dF*where(z > 0, 1, 0)
    d_z = d_F * np.where(z > 0, 1, 0)
    # dL/dN1 = dL/dz @ W1.T + dL/dR
    d_N1 = np.einsum("abc,dc->abd", d_z, W1) + d_R
    # dL/du1 = dL/dN1*g1
    d_u1 = d_N1 * g1
    # dL/dv1 = -sum(dL/du1*u1, axis=1)/(2*(v1 + epsilon))
    d_v1 = -np.einsum("abc,abc->ab", d_u1, u1) / (2 * (v1 + epsilon))
    # dL/dmu1 = -sum(dL/du1, axis=1)/sqrt(v1 + epsilon)
    d_mu1 = -np.sum(d_u1, axis=2) / np.sqrt(v1 + epsilon)
    # dL/dU = dL/dmu1[i]/m + 2*dL/dv1[i]*(U[i, j] - mu1[i])/m + dL/du1[i, j]/sqrt(v1[i] + epsilon)
    d_U = (
        (d_mu1 / m)[:, :, None]
        + 2 * d_v1[:, :, None] * (U - mu1[:, :, None]) / m
        + d_u1 / np.sqrt(v1 + epsilon)[:, :, None]
    )
    # dL/dA = dL/dU @ W_O.T @ V.T
    d_A = np.einsum("abc,adc->abd", d_U, np.einsum("abc,cd->abd", V, W_O))
    # dL/dS = A*(dL/dA - sum(dL/dA*A, axis=1, keepdims=True))
    d_S = A * (d_A - np.einsum("abc,abc->ab", d_A, A)[:, :, None])
    # dL/dV = A.T @ dL/dU @ W_O.T
    d_V = np.einsum("abc,abd,ec->ade", d_U, A, W_O, optimize=True)
    # dL/dK = dL/dS.T @ Q/sqrt(m)
    d_K = np.einsum("abc,abd->acd", d_S, Q) / np.sqrt(m)
    # dL/dQ = dL/dS @ K/sqrt(m)
    d_Q = np.einsum("abc,acd->abd", d_S, K) / np.sqrt(m)
    grads = {
        # dL/dW_Q = mean of X.T @ dL/dQ
        "W_Q": np.einsum("abc,abd->dc", d_Q, X) / n,
        # dL/dW_K = mean of X.T @ dL/dK
        "W_K": np.einsum("abc,abd->dc", d_K, X) / n,
        # dL/dW_V = mean of X.T @ dL/dV
        "W_V": np.einsum("abc,abd->dc", d_V, X) / n,
        # dL/dW_O = mean of V.T @ A.T @ dL/dU
        "W_O": np.einsum("abc,abd->dc", d_U, np.einsum("abc,acd->abd", A, V)) / n,
        # dL/dg1 = mean of sum(dL/dN1*u1, axis=0)
        "g1": np.einsum("abc,abc->c", d_N1, u1) / n,
        # dL/dc1 = mean of sum(dL/dN1, axis=0)
        "c1": np.sum(d_N1, axis=(0, 1)) / n,
        # dL/dW1 = mean of N1.T @ dL/dz
        "W1": np.einsum("abc,abd->dc", d_z, N1) / n,
        # dL/db1 = mean of sum(dL/dz, axis=0)
        "b1": np.sum(d_z, axis=(0, 1)) / n,
        # dL/dW2 = mean of F.T @ dL/dR
        "W2": np.einsum("abc,abd->dc", d_R, F) / n,
        # dL/db2 = mean of sum(dL/dR, axis=0)
        "b2": np.sum(d_R, axis=(0, 1)) / n,
        # dL/dg2 = mean of sum(dL/dO*u2, axis=0)
        "g2": np.einsum("abc,abc->c", d_O, u2) / n,
        # dL/dc2 = mean of sum(dL/dO, axis=0)
        "c2": np.sum(d_O, axis=(0, 1)) / n,
    }
    return float(np.mean(L)), grads


def predict(params, *, X, epsilon=1e-05):
    """The output O of the model."""
    W_Q = params["W_Q"]
    W_K = params["W_K"]
    W_V = params["W_V"]
    W_O = params["W_O"]
    g1 = params["g1"]
    c1 = params["c1"]
    W1 = params["W1"]
    b1 = params["b1"]
    W2 = params["W2"]
    b2 = params["b2"]
    g2 = params["g2"]
    c2 = params["c2"]
    X = np.asarray(X, dtype=np.float64)
    m = W_Q.shape[0]
    Q = np.einsum("abc,cd->abd", X, W_Q)
    K = np.einsum("abc,cd->abd", X, W_K)
    V = np.einsum("abc,cd->abd", X, W_V)
    S = np.einsum("abc,adc->abd", Q, K) / np.sqrt(m)
    A = _softmax(S, axis=-1)
    U = X + np.einsum("abc,cd->abd", np.einsum("abc,acd->abd", A, V), W_O)
    mu1 = np.sum(U, axis=2) / m
    v1 = np.sum((U - mu1[:, :, None]) ** 2, axis=2) / m
    u1 = (U - mu1[:, :, None]) / np.sqrt(v1 + epsilon)[:, :, None]
    N1 = g1 * u1 + c1
    z = np.einsum("abc,cd->abd", N1, W1) + b1
    F = np.maximum(z, 0)
    R = N1 + np.einsum("abc,cd->abd", F, W2) + b2
    mu2 = np.sum(R, axis=2) / m
    v2 = np.sum((R - mu2[:, :, None]) ** 2, axis=2) / m
    u2 = (R - mu2[:, :, None]) / np.sqrt(v2 + epsilon)[:, :, None]
    O = g2 * u2 + c2
    return O


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
        if name not in ("epsilon",) + ("t", "m", "h"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in ("epsilon",) if name in options}
    sizes = {"t": np.shape(data["X"])[1], "m": np.shape(data["X"])[2]}
    sizes |= {name: options[name] for name in ("t", "m", "h") if name in options}
    count = len(data["X"])
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
    missing = [name for name in ("X", "Y") if name not in data]
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
