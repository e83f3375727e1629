"""Cox regression: the partial likelihood of proportional hazards

Equations:
    eta = x @ w
    R = log(sum(exp(eta[j]), j, t[j] >= t[i]))
    L = -sum(event*(eta - R))/n

Gradients:
    dL/dw = x.T @ dL/deta

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


def init(seed=0, *, d=4):
    """The parameters before training."""
    rng = np.random.default_rng(seed)
    return {
        "w": rng.normal(0, np.sqrt(2 / (d + 1)), d),
    }


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def loss(params, *, x, t, event):
    """The loss."""
    w = params["w"]
    x = np.asarray(x, dtype=np.float64)
    t = np.asarray(t, dtype=np.float64)
    event = np.asarray(event, dtype=np.float64)
    n = len(x)
    eta = x @ w
    # R = log(sum(exp(eta[j]), j, t[j] >= t[i])), in a stable form
    R = _logsumexp(np.where(t >= t[:, None], eta, -np.inf), axis=1)
    L = -event @ (eta - R) / n
    return float(L)


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def loss_and_gradients(params, *, x, t, event):
    """The loss, and its gradient with respect to each parameter."""
    w = params["w"]
    x = np.asarray(x, dtype=np.float64)
    t = np.asarray(t, dtype=np.float64)
    event = np.asarray(event, dtype=np.float64)
    n = len(x)

    # Forward pass
    eta = x @ w
    # R = log(sum(exp(eta[j]), j, t[j] >= t[i])), in a stable form
    R = _logsumexp(np.where(t >= t[:, None], eta, -np.inf), axis=1)
    L = -event @ (eta - R) / n

    # Backward pass
    # dL/deta = (sum(event[k]*where(t[i] >= t[k], exp(eta[i]), 0)/sum(exp(eta[m]), m, t[m] >= t[k]), k) - event[i])/n
    d_eta = (np.where(t[:, None] >= t, np.exp(eta)[:, None], 0) @ (event * np.exp(-_logsumexp(np.where(t >= t[:, None], eta, -np.inf), axis=1))) - event) / n
    grads = {
        # dL/dw = x.T @ dL/deta
        "w": d_eta @ x,
    }
    return float(L), grads


@np.errstate(all="ignore")  # np.where computes the branch that is not taken too
def predict(params, *, x):
    """The output eta of the model."""
    w = params["w"]
    x = np.asarray(x, dtype=np.float64)
    eta = x @ w
    return eta


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
        if name not in () + ("d",):
            raise TypeError(f"train() has no option {name!r}")
    data = dict(data)
    constants = {name: options[name] for name in () if name in options}
    sizes = {"d": np.shape(data["x"])[1]}
    sizes |= {name: options[name] for name in ("d",) if name in options}
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
    data = {name: table.pop(name) for name in () if name in table}
    missing = [name for name in ("x", "t", "event") if name not in data]
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
