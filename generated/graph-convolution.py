"""A graph convolutional network with two layers; every node is classified

Equations:
    S = A @ X @ W0
    H = relu(S)
    Z = A @ H @ W1
    P = softmax(Z, axis=1)
    L = -sum(Y*log(P))

Gradients:
    dL/dW0 = X.T @ A.T @ dL/dS
    dL/dW1 = H.T @ A.T @ dL/dZ

Written by derive from templates/module.py.j2.
"""

import numpy as np


def _softmax(u, axis):
    """exp(u)/sum(exp(u)) along an axis, the maximum taken off first."""
    e = np.exp(u - u.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _log_softmax(u, axis):
    """log(exp(u)/sum(exp(u))) along an axis."""
    v = u - u.max(axis=axis, keepdims=True)
    return v - np.log(np.exp(v).sum(axis=axis, keepdims=True))


def init(seed=0, *, m, d, k, h=16):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "W0": rng.normal(0, np.sqrt(2 / (d + h)), (d, h)),
        "W1": rng.normal(0, np.sqrt(2 / (h + k)), (h, k)),
    }


def loss(params, *, A, X, Y):
    """The loss."""
    W0 = params["W0"]
    W1 = params["W1"]
    A = np.asarray(A, dtype=np.float64)
    X = np.asarray(X, dtype=np.float64)
    Y = np.asarray(Y, dtype=np.float64)
    S = A @ X @ W0
    H = np.maximum(S, 0)
    Z = A @ H @ W1
    # L = -sum(Y*log(P)), in a stable form
    L = -np.sum(Y * _log_softmax(Z, axis=-1))
    return float(L)


def loss_and_gradients(params, *, A, X, Y):
    """The loss, and its gradient with respect to each parameter."""
    W0 = params["W0"]
    W1 = params["W1"]
    A = np.asarray(A, dtype=np.float64)
    X = np.asarray(X, dtype=np.float64)
    Y = np.asarray(Y, dtype=np.float64)

    # Forward pass
    S = A @ X @ W0
    H = np.maximum(S, 0)
    Z = A @ H @ W1
    P = _softmax(Z, axis=-1)
    # L = -sum(Y*log(P)), in a stable form
    L = -np.sum(Y * _log_softmax(Z, axis=-1))

    # Backward pass
    # dL/dZ = P*sum(Y, axis=1, keepdims=True) - Y
    d_Z = P * np.sum(Y, axis=1)[:, None] - Y
    # dL/dH = A.T @ dL/dZ @ W1.T
    d_H = A.T @ d_Z @ W1.T
    # dL/dS = dL/dH*where(S > 0, 1, 0)
    d_S = d_H * (S > 0)
    grads = {
        # dL/dW0 = X.T @ A.T @ dL/dS
        "W0": X.T @ A.T @ d_S,
        # dL/dW1 = H.T @ A.T @ dL/dZ
        "W1": H.T @ A.T @ d_Z,
    }
    return float(L), grads


def predict(params, *, A, X, Y=None):
    """The output Z of the model."""
    W0 = params["W0"]
    W1 = params["W1"]
    A = np.asarray(A, dtype=np.float64)
    X = np.asarray(X, dtype=np.float64)
    S = A @ X @ W0
    H = np.maximum(S, 0)
    Z = A @ H @ W1
    return Z


def update(params, grads, state=None, lr=0.1):
    """One step of gradient descent, in place; it keeps no `state`.

    Every gradient was computed before any parameter changes.  In the formulas theta is params[name] and eta is lr.
    """
    for name, g in grads.items():
        # theta[t] = theta[t - 1] - eta*g[t]
        params[name] = params[name] - lr * g


def train(
    data=None,
    epochs=50,
    lr=0.1,
    batch_size=None,
    seed=0,
    tolerance=0.0,
    params=None,
    callback=None,
    **options,
):
    """Gradient descent.

    Stops after `epochs`, when the loss changes by less than `tolerance` (if that is above 0), or when
    ``callback(epoch, loss, params)`` is true; `loss` is the one before the epoch's last update.
    `options` are the constants and sizes of the model.
    Returns the parameters and the history, a list of dictionaries.
    """
    for name in options:
        if name not in ("A", "X", "Y") + ("m", "d", "h", "k"):
            raise TypeError(f"train() has no option {name!r}")
    constants = {name: options[name] for name in ("A", "X", "Y") if name in options}
    sizes = {}
    sizes |= {name: options[name] for name in ("m", "d", "h", "k") if name in options}
    params = init(seed, **sizes) if params is None else dict(params)
    state = {}
    history = []
    for epoch in range(1, epochs + 1):
        total, grads = loss_and_gradients(params, **constants)
        update(params, grads, state, lr)
        history.append({"epoch": epoch, "loss": total})
        if callback is not None and callback(epoch, total, params):
            break
        if tolerance > 0 and epoch > 1 and abs(history[-2]["loss"] - total) < tolerance:
            break
    return params, history


if __name__ == "__main__":
    trained, history = train()
    print(f"loss {history[0]['loss']:.6g} → {history[-1]['loss']:.6g} after {len(history)} steps")
    for name, value in trained.items():
        print(f"{name} = {value}")
