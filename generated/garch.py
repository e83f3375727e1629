"""GARCH(1, 1): the variance of a return from the return and the variance before

Equations:
    v[0] = mean(r**2)
    v[t] = omega + alpha*r[t - 1]**2 + beta*v[t - 1]
    L = sum(log(v[t]) + r[t]**2/v[t], t)/2

Gradients:
    dL/domega = mean of sum(dL/dv[t], t, t > 0)
    dL/dalpha = mean of sum(dL/dv[t]*r[t - 1]**2, t, t > 0)
    dL/dbeta = mean of sum(dL/dv[t]*v[t - 1], t, t > 0)

Written by derive from templates/module.py.j2.  Examples lie along axis 0 of the data.
"""

import csv
import sys

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
    """The mean of the loss over the examples."""
    omega = params["omega"]
    alpha = params["alpha"]
    beta = params["beta"]
    r = np.asarray(r, dtype=np.float64)
    n = len(r)
    T = r.shape[1]
    v = np.zeros((n, T + 1))
    v[:, 0] = np.sum(r**2, axis=1) / T
    for t in range(1, T + 1):
        v[:, t] = omega + alpha * r[:, t - 1] ** 2 + beta * v[:, t - 1]
    L = np.sum(np.log(v[:, :T]) + r**2 / v[:, :T], axis=1) / 2
    return float(np.mean(L))


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def loss_and_gradients(params, *, r):
    """The loss, and its gradient with respect to each parameter."""
    omega = params["omega"]
    alpha = params["alpha"]
    beta = params["beta"]
    r = np.asarray(r, dtype=np.float64)
    n = len(r)
    T = r.shape[1]

    # Forward pass
    v = np.zeros((n, T + 1))
    v[:, 0] = np.sum(r**2, axis=1) / T
    for t in range(1, T + 1):
        v[:, t] = omega + alpha * r[:, t - 1] ** 2 + beta * v[:, t - 1]
    L = np.sum(np.log(v[:, :T]) + r**2 / v[:, :T], axis=1) / 2

    # Backward pass
    d_v = np.zeros((n, T + 1))
    for t in reversed(range(1, T + 1)):
        # dL/dv[t] = where(t < T, dL/dv[t + 1]*beta + (v[t] - r[t]**2)/(2*v[t]**2), 0)
        d_v[:, t] = (d_v[:, t + 1] * beta + (v[:, t] - r[:, t] ** 2) / (2 * v[:, t] ** 2) if t < T else 0)
    # dL/dv[t] = where(t < T, dL/dv[t + 1]*beta + (v[t] - r[t]**2)/(2*v[t]**2), 0)
    d_v[:, 0] = d_v[:, 1] * beta + (v[:, 0] - r[:, 0] ** 2) / (2 * v[:, 0] ** 2)
    grads = {
        # dL/domega = mean of sum(dL/dv[t], t, t > 0)
        "omega": np.sum(d_v[:, 1 : T + 1]) / n,
        # dL/dalpha = mean of sum(dL/dv[t]*r[t - 1]**2, t, t > 0)
        "alpha": np.sum(d_v[:, 1 : T + 1] * r**2) / n,
        # dL/dbeta = mean of sum(dL/dv[t]*v[t - 1], t, t > 0)
        "beta": np.sum(d_v[:, 1 : T + 1] * v[:, :T]) / n,
    }
    return float(np.mean(L)), grads


def update(params, grads, state, lr=0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-08):
    """One step of Adam, in place.

    Kingma and Ba 2015, algorithm 1.  `state`, an empty dictionary at first, is kept from step to step.
    Every gradient was computed before any parameter changes.  In the formulas theta is params[name] and eta is lr.
    """
    if not state:
        state["t"] = 0
        state["m"] = {name: np.zeros_like(value) for name, value in params.items()}
        state["v"] = {name: np.zeros_like(value) for name, value in params.items()}
    t = state["t"] = state["t"] + 1
    m, v = state["m"], state["v"]
    for name, g in grads.items():
        # m[t] = beta_1*m[t - 1] + (1 - beta_1)*g[t]
        m[name] = beta_1 * m[name] + (1 - beta_1) * g
        # v[t] = beta_2*v[t - 1] + (1 - beta_2)*g[t]**2
        v[name] = beta_2 * v[name] + (1 - beta_2) * g**2
        # m_hat[t] = m[t]/(1 - beta_1**t)
        m_hat = m[name] / (1 - beta_1**t)
        # v_hat[t] = v[t]/(1 - beta_2**t)
        v_hat = v[name] / (1 - beta_2**t)
        # theta[t] = theta[t - 1] - eta*m_hat[t]/(sqrt(v_hat[t]) + epsilon)
        params[name] = params[name] - lr * m_hat / (np.sqrt(v_hat) + epsilon)


def train(
    data,
    epochs=300,
    lr=0.01,
    batch_size=None,
    seed=0,
    tolerance=0.0,
    params=None,
    callback=None,
    beta_1=0.9,
    beta_2=0.999,
    epsilon=1e-08,
    **options,
):
    """Adam over the examples in `data`, a dictionary of arrays.

    `batch_size` None takes all examples in every step, shuffled by `seed` otherwise.
    Stops after `epochs`, when the loss changes by less than `tolerance` (if that is above 0), or when
    ``callback(epoch, loss, params)`` is true; `loss` is the one before the epoch's last update.
    What stands behind `callback` is handed on to `update`.
    `options` are the constants and sizes of the model.
    Returns the parameters and the history, a list of dictionaries.
    """
    for name in options:
        if name not in () + ("T",):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"T": np.shape(data["r"])[1]}
    sizes |= {name: options[name] for name in ("T",) if name in options}
    count = len(data["r"])
    params = init(seed, **sizes) if params is None else dict(params)
    state = {}
    history = []
    rule = dict(beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)
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
            update(params, grads, state, lr, **rule)
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
    missing = [name for name in ("r",) if name not in data]
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
