"""ARMA(1, 1): the squares of the innovations, given that the first is 0

Equations:
    e[0] = 0
    e[t] = y[t] - c - phi*y[t - 1] - theta*e[t - 1]
    L = sum(e[t]**2, t)/2

Gradients:
    dL/dc = -sum(dL/de[t], t, t > 0)
    dL/dphi = -sum(dL/de[t]*y[t - 1], t, t > 0)
    dL/dtheta = -sum(dL/de[t]*e[t - 1], t, t > 0)

Written by derive from templates/module.py.j2.
"""

import numpy as np


def init(seed=0, *, T):
    """The parameters before training."""
    return {
        "c": 0.0,
        "phi": 0.0,
        "theta": 0.0,
    }


def loss(params, *, y):
    """The loss."""
    c = params["c"]
    phi = params["phi"]
    theta = params["theta"]
    y = np.asarray(y, dtype=np.float64)
    T = y.shape[0]
    e = np.zeros((T,))
    for t in range(1, T):
        e[t] = y[t] - c - phi * y[t - 1] - theta * e[t - 1]
    L = np.sum(e**2) / 2
    return float(L)


def loss_and_gradients(params, *, y):
    """The loss, and its gradient with respect to each parameter."""
    c = params["c"]
    phi = params["phi"]
    theta = params["theta"]
    y = np.asarray(y, dtype=np.float64)
    T = y.shape[0]

    # Forward pass
    e = np.zeros((T,))
    for t in range(1, T):
        e[t] = y[t] - c - phi * y[t - 1] - theta * e[t - 1]
    L = np.sum(e**2) / 2

    # Backward pass
    d_e = np.zeros((T,))
    for t in reversed(range(1, T)):
        # dL/de[t] = where(t < T - 1, -dL/de[t + 1]*theta, 0) + e[t]
        d_e[t] = (-d_e[t + 1] * theta if t < T - 1 else 0) + e[t]
    grads = {
        # dL/dc = -sum(dL/de[t], t, t > 0)
        "c": -np.sum(d_e[1:T]),
        # dL/dphi = -sum(dL/de[t]*y[t - 1], t, t > 0)
        "phi": -d_e[1:T] @ y[: T - 1],
        # dL/dtheta = -sum(dL/de[t]*e[t - 1], t, t > 0)
        "theta": -d_e[1:T] @ e[: T - 1],
    }
    return float(L), grads


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
        if name not in ("y",) + ("T",):
            raise TypeError(f"train() has no option {name!r}")
    constants = {name: options[name] for name in ("y",) if name in options}
    sizes = {}
    sizes |= {name: options[name] for name in ("T",) if name in options}
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
