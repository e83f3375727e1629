"""Kernel ridge regression with the Gaussian kernel, in the dual coefficients

Equations:
    K = exp(-gamma*sum((X[i, k] - X[j, k])**2, k))
    y_hat = K @ alpha
    L = sum((y_hat - y)**2)/2 + lam/2*(alpha @ K @ alpha)

Gradients:
    dL/dalpha = K.T @ dL/dy_hat + lam*(y_hat + K.T @ alpha)/2

Written by derive from templates/module.py.j2.
"""

import numpy as np


def init(seed=0, *, m, d):
    """The parameters before training."""
    return {
        "alpha": np.zeros(m),
    }


def loss(params, *, X, y, gamma=0.5, lam=0.1):
    """The loss."""
    alpha = params["alpha"]
    X = np.asarray(X, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    K = np.exp(-gamma * np.sum((X[:, None] - X) ** 2, axis=2))
    y_hat = K @ alpha
    L = np.sum((y_hat - y) ** 2) / 2 + lam / 2 * (alpha @ K @ alpha)
    return float(L)


def loss_and_gradients(params, *, X, y, gamma=0.5, lam=0.1):
    """The loss, and its gradient with respect to each parameter."""
    alpha = params["alpha"]
    X = np.asarray(X, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)

    # Forward pass
    K = np.exp(-gamma * np.sum((X[:, None] - X) ** 2, axis=2))
    y_hat = K @ alpha
    L = np.sum((y_hat - y) ** 2) / 2 + lam / 2 * (alpha @ K @ alpha)

    # Backward pass
    # dL/dy_hat = y_hat - y
    d_y_hat = y_hat - y
    grads = {
        # dL/dalpha = K.T @ dL/dy_hat + lam*(y_hat + K.T @ alpha)/2
        "alpha": d_y_hat @ K + lam * (y_hat + alpha @ K) / 2,
    }
    return float(L), grads


def predict(params, *, X, y, gamma=0.5, lam=0.1):
    """The output y_hat of the model."""
    alpha = params["alpha"]
    X = np.asarray(X, dtype=np.float64)
    K = np.exp(-gamma * np.sum((X[:, None] - X) ** 2, axis=2))
    y_hat = K @ alpha
    return y_hat


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
        if name not in ("X", "y", "gamma", "lam") + ("m", "d"):
            raise TypeError(f"train() has no option {name!r}")
    constants = {name: options[name] for name in ("X", "y", "gamma", "lam") if name in options}
    sizes = {}
    sizes |= {name: options[name] for name in ("m", "d") if name in options}
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
