"""The chain rule on a composed function

Equations:
    z = x**2
    v = sin(z)
    f = exp(v)

Gradients:
    df/dx = 2*df/dz*x

Written by derive from templates/module.py.j2.
"""

import numpy as np


def init(seed=0):
    """The parameters before training."""
    return {
        "x": 1.0,
    }


def loss(params):
    """The loss."""
    x = params["x"]
    z = x**2
    v = np.sin(z)
    f = np.exp(v)
    return float(f)


def loss_and_gradients(params):
    """The loss, and its gradient with respect to each parameter."""
    x = params["x"]

    # Forward pass
    z = x**2
    v = np.sin(z)
    f = np.exp(v)

    # Backward pass
    # df/dv = exp(v)
    d_v = np.exp(v)
    # df/dz = df/dv*cos(z)
    d_z = d_v * np.cos(z)
    grads = {
        # df/dx = 2*df/dz*x
        "x": 2 * d_z * x,
    }
    return float(f), grads


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
):
    """Gradient descent.

    Stops after `epochs`, when the loss changes by less than `tolerance` (if that is above 0), or when
    ``callback(epoch, loss, params)`` is true; `loss` is the one before the epoch's last update.
    Returns the parameters and the history, a list of dictionaries.
    """
    params = init(seed) if params is None else dict(params)
    state = {}
    history = []
    for epoch in range(1, epochs + 1):
        total, grads = loss_and_gradients(params)
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
