"""GARCH(1, 1): the variance of a return from the return and the variance before

Equations:
    v[0] = mean(r**2)
    v[t] = omega + alpha*r[t - 1]**2 + beta*v[t - 1]
    L = sum(log(v[t]) + r[t]**2/v[t], t)/2

Gradients:
    dL/domega = sum(dL/dv[t], t, t > 0)
    dL/dalpha = sum(dL/dv[t]*r[t - 1]**2, t, t > 0)
    dL/dbeta = sum(dL/dv[t]*v[t - 1], t, t > 0)

Written by derive from templates/module.py.j2.
"""

import numpy as np


def init(seed=0, *, T):
    """The parameters before training."""
    return {
        "omega": 0.1,
        "alpha": 0.1,
        "beta": 0.8,
    }


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def loss(params, *, r):
    """The loss."""
    omega = params["omega"]
    alpha = params["alpha"]
    beta = params["beta"]
    r = np.asarray(r, dtype=np.float64)
    T = r.shape[0]
    v = np.zeros((T + 1,))
    v[0] = np.sum(r**2) / T
    for t in range(1, T + 1):
        v[t] = omega + alpha * r[t - 1] ** 2 + beta * v[t - 1]
    L = np.sum(np.log(v[:T]) + r**2 / v[:T]) / 2
    return float(L)


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def loss_and_gradients(params, *, r):
    """The loss, and its gradient with respect to each parameter."""
    omega = params["omega"]
    alpha = params["alpha"]
    beta = params["beta"]
    r = np.asarray(r, dtype=np.float64)
    T = r.shape[0]

    # Forward pass
    v = np.zeros((T + 1,))
    v[0] = np.sum(r**2) / T
    for t in range(1, T + 1):
        v[t] = omega + alpha * r[t - 1] ** 2 + beta * v[t - 1]
    L = np.sum(np.log(v[:T]) + r**2 / v[:T]) / 2

    # Backward pass
    d_v = np.zeros((T + 1,))
    for t in reversed(range(1, T + 1)):
        # dL/dv[t] = where(t < T, dL/dv[t + 1]*beta + (v[t] - r[t]**2)/(2*v[t]**2), 0)
        d_v[t] = (d_v[t + 1] * beta + (v[t] - r[t] ** 2) / (2 * v[t] ** 2) if t < T else 0)
    grads = {
        # dL/domega = sum(dL/dv[t], t, t > 0)
        "omega": np.sum(d_v[1 : T + 1]),
        # dL/dalpha = sum(dL/dv[t]*r[t - 1]**2, t, t > 0)
        "alpha": d_v[1 : T + 1] @ r**2,
        # dL/dbeta = sum(dL/dv[t]*v[t - 1], t, t > 0)
        "beta": d_v[1 : T + 1] @ v[:T],
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
        if name not in ("r",) + ("T",):
            raise TypeError(f"train() has no option {name!r}")
    constants = {name: options[name] for name in ("r",) if name in options}
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
