"""Cross-attention with several heads: a sequence asks another one, whose length a mask tells

Equations:
    Q = X @ W_Q[h]
    K = Z @ W_K[h]
    V = Z @ W_V[h]
    B = dot(Q[h, t], K[h, s])/sqrt(k)
    A = softmax(B[h, t, s], s, M[s] > 0)
    O = sum(A[h] @ V[h] @ W_O[h], h)
    L = sum((O - Y)**2)/2

Gradients:
    dL/dW_Q = mean of sum(dL/dQ[i, k_0, l]*X[k_0, j], k_0)
    dL/dW_K = mean of sum(dL/dK[i, k_0, l]*Z[k_0, j], k_0)
    dL/dW_V = mean of sum(dL/dV[i, k_0, l]*Z[k_0, j], k_0)
    dL/dW_O = mean of sum(dL/dO[p, l]*sum(A[i, p, s]*V[i, s, j], s), p)

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

import numpy as np


def _logsumexp(u, axis=None):
    """log(sum(exp(u))) along an axis, the maximum taken off first."""
    top = np.max(u, axis=axis, keepdims=True)
    total = np.log(np.sum(np.exp(u - top), axis=axis, keepdims=True)) + top
    return np.squeeze(total, axis=axis)


def init(seed=0, *, T=6, S=8, m=16, H=2, k=8):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W_Q": rng.normal(0, np.sqrt(2 / (m + k)), (H, m, k)),
        "W_K": rng.normal(0, np.sqrt(2 / (m + k)), (H, m, k)),
        "W_V": rng.normal(0, np.sqrt(2 / (m + k)), (H, m, k)),
        "W_O": rng.normal(0, np.sqrt(2 / (k + m)), (H, k, m)),
    }


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def loss(params, *, X, Z, M, Y):
    """The mean of the loss over the examples."""
    W_Q = params["W_Q"]
    W_K = params["W_K"]
    W_V = params["W_V"]
    W_O = params["W_O"]
    X = np.asarray(X, dtype=np.float64)
    Z = np.asarray(Z, dtype=np.float64)
    M = np.asarray(M, dtype=np.float64)
    Y = np.asarray(Y, dtype=np.float64)
    k = W_Q.shape[2]
    Q = np.tensordot(X, W_Q, axes=(2, 1)).transpose(0, 2, 1, 3)
    K = np.tensordot(Z, W_K, axes=(2, 1)).transpose(0, 2, 1, 3)
    V = np.tensordot(Z, W_V, axes=(2, 1)).transpose(0, 2, 1, 3)
    # A = softmax(B[h, t, s], s, M[s] > 0), in a stable form
    A = np.where((M > 0)[:, None, None], np.exp(Q @ K.transpose(0, 1, 3, 2) / np.sqrt(k) - _logsumexp(np.where((M > 0)[:, None, None], Q @ K.transpose(0, 1, 3, 2) / np.sqrt(k), -np.inf), axis=3)[:, :, :, None]), 0)
    O = np.tensordot(A @ V, W_O, axes=((1, 3), (0, 1)))
    L = np.sum((O - Y) ** 2, axis=(1, 2)) / 2
    return float(np.mean(L))


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def loss_and_gradients(params, *, X, Z, M, Y):
    """The loss, and its gradient with respect to each parameter."""
    W_Q = params["W_Q"]
    W_K = params["W_K"]
    W_V = params["W_V"]
    W_O = params["W_O"]
    X = np.asarray(X, dtype=np.float64)
    Z = np.asarray(Z, dtype=np.float64)
    M = np.asarray(M, dtype=np.float64)
    Y = np.asarray(Y, dtype=np.float64)
    n = len(X)
    H = W_Q.shape[0]
    k = W_Q.shape[2]
    T = X.shape[1]

    # Forward pass
    Q = np.tensordot(X, W_Q, axes=(2, 1)).transpose(0, 2, 1, 3)
    K = np.tensordot(Z, W_K, axes=(2, 1)).transpose(0, 2, 1, 3)
    V = np.tensordot(Z, W_V, axes=(2, 1)).transpose(0, 2, 1, 3)
    B = Q @ K.transpose(0, 1, 3, 2) / np.sqrt(k)
    # A = softmax(B[h, t, s], s, M[s] > 0), in a stable form
    A = np.where((M > 0)[:, None, None], np.exp(Q @ K.transpose(0, 1, 3, 2) / np.sqrt(k) - _logsumexp(np.where((M > 0)[:, None, None], Q @ K.transpose(0, 1, 3, 2) / np.sqrt(k), -np.inf), axis=3)[:, :, :, None]), 0)
    O = np.tensordot(A @ V, W_O, axes=((1, 3), (0, 1)))
    L = np.sum((O - Y) ** 2, axis=(1, 2)) / 2

    # Backward pass
    # dL/dO = O - Y
    d_O = O - Y
    # dL/dA = sum(dL/dO[j, q]*sum(V[i, l, s]*W_O[i, s, q], s), q)
    d_A = np.einsum("abc,adec->adbe", d_O, np.einsum("abcd,bde->abce", V, W_O, optimize=True), optimize=True)
    # dL/dB = where(M[l] > 0, dL/dA[i, j, l]*exp(B[i, j, l])/sum(exp(B[i, j, k_0]), k_0, M[k_0] > 0), 0) - sum(dL/dA[h, t, s]*exp(B[h, t, s])*where(M[l] > 0, exp(B[h, t, l])*delta(h, i)*delta(t, j)/sum(exp(B[h, t, k_0]), k_0, M[k_0] > 0), 0)/sum(exp(B[h, t, k_0]), k_0, M[k_0] > 0), h, t, s, M[s] > 0)
    d_B = (
        np.where((M > 0)[:, None, None], d_A * np.exp(B - _logsumexp(np.where((M > 0)[:, None, None], B, -np.inf), axis=3)[:, :, :, None]), 0)
        - np.sum(np.where((M > 0)[:, None, None, :, None, None, None], d_A[:, :, :, :, None, None, None] * np.exp(B - _logsumexp(np.where((M > 0)[:, None, None], B, -np.inf), axis=3)[:, :, :, None])[:, :, :, :, None, None, None] * np.where((M > 0)[:, None, None, None, None], np.exp(B - _logsumexp(np.where((M > 0)[:, None, None], B, -np.inf), axis=3)[:, :, :, None])[:, :, :, None, None] * (1 * np.eye(H))[:, None, :, None, None] * (1 * np.eye(T))[:, None, :, None], 0)[:, :, :, None], 0), axis=(1, 2, 3))
    )
    # dL/dV = sum(dL/dO[p, q]*A[i, p, j]*W_O[i, l, q], p, q)
    d_V = np.einsum("abc,adbe,dfc->adef", d_O, A, W_O, optimize=True)
    # dL/dK = sum(dL/dB[i, t, j]*Q[i, t, l], t)/sqrt(k)
    d_K = d_B.transpose(0, 1, 3, 2) @ Q / np.sqrt(k)
    # dL/dQ = sum(dL/dB[i, j, s]*K[i, s, l], s)/sqrt(k)
    d_Q = d_B @ K / np.sqrt(k)
    grads = {
        # dL/dW_Q = mean of sum(dL/dQ[i, k_0, l]*X[k_0, j], k_0)
        "W_Q": np.tensordot(d_Q, X, axes=((0, 2), (0, 1))).transpose(0, 2, 1) / n,
        # dL/dW_K = mean of sum(dL/dK[i, k_0, l]*Z[k_0, j], k_0)
        "W_K": np.tensordot(d_K, Z, axes=((0, 2), (0, 1))).transpose(0, 2, 1) / n,
        # dL/dW_V = mean of sum(dL/dV[i, k_0, l]*Z[k_0, j], k_0)
        "W_V": np.tensordot(d_V, Z, axes=((0, 2), (0, 1))).transpose(0, 2, 1) / n,
        # dL/dW_O = mean of sum(dL/dO[p, l]*sum(A[i, p, s]*V[i, s, j], s), p)
        "W_O": np.tensordot(A @ V, d_O, axes=((0, 2), (0, 1))) / n,
    }
    return float(np.mean(L)), grads


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def predict(params, *, X, Z, M):
    """The output O of the model."""
    W_Q = params["W_Q"]
    W_K = params["W_K"]
    W_V = params["W_V"]
    W_O = params["W_O"]
    X = np.asarray(X, dtype=np.float64)
    Z = np.asarray(Z, dtype=np.float64)
    M = np.asarray(M, dtype=np.float64)
    k = W_Q.shape[2]
    Q = np.tensordot(X, W_Q, axes=(2, 1)).transpose(0, 2, 1, 3)
    K = np.tensordot(Z, W_K, axes=(2, 1)).transpose(0, 2, 1, 3)
    V = np.tensordot(Z, W_V, axes=(2, 1)).transpose(0, 2, 1, 3)
    A = np.where((M > 0)[:, None, None], np.exp(Q @ K.transpose(0, 1, 3, 2) / np.sqrt(k) - _logsumexp(np.where((M > 0)[:, None, None], Q @ K.transpose(0, 1, 3, 2) / np.sqrt(k), -np.inf), axis=3)[:, :, :, None]), 0)
    O = np.tensordot(A @ V, W_O, axes=((1, 3), (0, 1)))
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
        if name not in () + ("T", "S", "m", "H", "k"):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"T": np.shape(data["X"])[1], "m": np.shape(data["X"])[2], "S": np.shape(data["Z"])[1]}
    sizes |= {name: options[name] for name in ("T", "S", "m", "H", "k") if name in options}
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
    missing = [name for name in ("X", "Z", "M", "Y") if name not in data]
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
