"""The same steps by PyTorch (eager), JAX (compiled, step by step) and HIPS autograd: the losses of `tests/model_oracles.py`,
differentiated by them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
import model_oracles as oracles


def _loss(xp: Any, model: str) -> Any:
    """The loss as one would write it for that library: with its own stable functions."""
    if model == "mlp":
        return lambda p, x, y: oracles.mlp(xp, p, x, y)
    if model == "transformer-block":
        return lambda p, X, Y: _transformer_block(xp, p, X, Y)
    if model == "lstm-regression":
        return lambda p, x, y: _lstm(xp, p, x, y)

    def log_loss(z: Any, y: Any) -> Any:
        return xp.mean(xp.maximum(z, 0 * z) + xp.log1p(xp.exp(-xp.abs(z))) - y * z)

    if model == "logistic":
        return lambda p, x_1, x_2, y: log_loss(p["w_1"] * x_1 + p["w_2"] * x_2 + p["b"], y)
    return lambda p, x_1, x_2, y: log_loss(p["w2"] * xp.tanh(p["w1_1"] * x_1 + p["w1_2"] * x_2 + p["b1"]) + p["b2"], y)


def _normalised(xp: Any, z: Any) -> Any:
    centred = z - xp.mean(z, axis=-1, keepdims=True)
    return centred / xp.sqrt(xp.mean(centred**2, axis=-1, keepdims=True) + 1e-5)


def _transformer_block(xp: Any, p: dict[str, Any], X: Any, Y: Any) -> Any:
    Q, K, V = X @ p["W_Q"], X @ p["W_K"], X @ p["W_V"]
    S = Q @ xp.swapaxes(K, 1, 2) * X.shape[-1] ** -0.5
    e = xp.exp(S - xp.max(S, axis=-1, keepdims=True))
    N = p["g1"] * _normalised(xp, X + e / xp.sum(e, axis=-1, keepdims=True) @ V @ p["W_O"]) + p["c1"]
    F = xp.maximum(N @ p["W1"] + p["b1"], 0)
    return xp.sum((p["g2"] * _normalised(xp, N + F @ p["W2"] + p["b2"]) + p["c2"] - Y) ** 2) / 2 / len(X)


def _stacked(xp: Any, p: dict[str, Any], name: str) -> Any:
    """The weights of all gates as one."""
    return xp.concatenate([p[name + gate] for gate in ("_i", "_f", "_g", "_o")])


def _lstm(xp: Any, p: dict[str, Any], x: Any, y: Any) -> Any:
    m = p["v"].shape[0]
    U = _stacked(xp, p, "U").T
    from_x = xp.swapaxes(x, 0, 1) @ _stacked(xp, p, "W").T + _stacked(xp, p, "b")

    def cell(state: Any, now: Any) -> Any:
        h, c = state
        z = now + h @ U
        i, f, o = (0.5 * (1 + xp.tanh(0.5 * z[:, a : a + m])) for a in (0, m, 3 * m))
        c = f * c + i * xp.tanh(z[:, 2 * m : 3 * m])
        return (o * xp.tanh(c), c), None

    state = (xp.zeros((len(x), m), dtype=x.dtype),) * 2
    if xp.__name__ == "jax.numpy":
        import jax

        state, _ = jax.lax.scan(cell, state, from_x)
    else:
        for now in from_x:
            state, _ = cell(state, now)
    return xp.mean((state[0] @ p["v"] + p["b"] - y) ** 2) / 2


def _torch_lstm(p: dict[str, Any], x: Any, y: Any, lr: float) -> Any:
    """PyTorch's own layer, whose second bias is left at 0."""
    import torch

    d, m = x.shape[-1], len(p["v"])
    layer = torch.nn.LSTM(d, m, batch_first=True, dtype=x.dtype)
    with torch.no_grad():
        for own, name in ((layer.weight_ih_l0, "W"), (layer.weight_hh_l0, "U"), (layer.bias_ih_l0, "b")):
            own.copy_(torch.cat([p[f"{name}_{gate}"] for gate in "ifgo"]))
        layer.bias_hh_l0.zero_()
    layer.bias_hh_l0.requires_grad_(False)
    optimizer = torch.optim.SGD([w for w in (*layer.parameters(), p["v"], p["b"]) if w.requires_grad], lr=lr)

    def step() -> None:
        optimizer.zero_grad()
        h = layer(x)[0][:, -1]
        (torch.nn.functional.mse_loss(h @ p["v"] + p["b"], y) / 2).backward()
        optimizer.step()

    def state() -> Any:
        parts = {"W": layer.weight_ih_l0, "U": layer.weight_hh_l0, "b": layer.bias_ih_l0}
        found = {f"{name}_{g}": part[k * m : (k + 1) * m] for name, part in parts.items() for k, g in enumerate("ifgo")}
        return {name: w.detach().numpy().copy() for name, w in (found | {"v": p["v"], "b": p["b"]}).items()}

    return step, state


def _torch_transformer_block(p: dict[str, Any], X: Any, Y: Any) -> Any:
    from torch.nn import functional

    m = X.shape[-1]
    heads = functional.scaled_dot_product_attention(X @ p["W_Q"], X @ p["W_K"], X @ p["W_V"])
    N = functional.layer_norm(X + heads @ p["W_O"], (m,), p["g1"], p["c1"], 1e-5)
    F = functional.relu(N @ p["W1"] + p["b1"])
    O = functional.layer_norm(N + F @ p["W2"] + p["b2"], (m,), p["g2"], p["c2"], 1e-5)
    return functional.mse_loss(O, Y, reduction="sum") / 2 / len(X)


def with_torch(model: str, params: dict[str, Any], data: dict[str, Any], lr: float, optimizer_name: str) -> Any:
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    p = {name: torch.tensor(np.array(values), requires_grad=True) for name, values in params.items()}
    given = {name: torch.tensor(values) for name, values in data.items()}
    made = torch.optim.Adam if optimizer_name == "adam" else torch.optim.SGD
    optimizer = made(p.values(), lr=lr)
    if model == "lstm-regression":
        return _torch_lstm(p, given["x"], given["y"], lr)

    def loss() -> Any:
        if model == "transformer-block":
            return _torch_transformer_block(p, given["X"], given["Y"])
        if model == "mlp":
            a1 = torch.tanh(functional.linear(given["x"], p["W1"], p["b1"]))
            a2 = torch.tanh(functional.linear(a1, p["W2"], p["b2"]))
            return functional.cross_entropy(functional.linear(a2, p["W3"], p["b3"]), given["y"])
        if model == "logistic":
            z = p["w_1"] * given["x_1"] + p["w_2"] * given["x_2"] + p["b"]
        else:
            z = p["w2"] * torch.tanh(p["w1_1"] * given["x_1"] + p["w1_2"] * given["x_2"] + p["b1"]) + p["b2"]
        return functional.binary_cross_entropy_with_logits(z, given["y"])

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step, lambda: {name: values.detach().numpy().copy() for name, values in p.items()}


def with_jax(model: str, params: dict[str, Any], data: dict[str, Any], lr: float, optimizer_name: str) -> Any:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    given = {name: jnp.asarray(values) for name, values in data.items()}
    loss = _loss(jnp, model)

    @jax.jit
    def descend(p: Any, given: Any) -> Any:
        gradients = jax.grad(lambda p: loss(p, **given))(p)
        return {name: p[name] - lr * gradients[name] for name in p}

    @jax.jit
    def adam(p: Any, m: Any, v: Any, t: Any, given: Any) -> Any:
        g = jax.grad(lambda p: loss(p, **given))(p)
        m = {name: 0.9 * m[name] + 0.1 * g[name] for name in p}
        v = {name: 0.999 * v[name] + 0.001 * g[name] ** 2 for name in p}
        scale, correction = lr / (1 - 0.9**t), 1 / (1 - 0.999**t)
        return {name: p[name] - scale * m[name] / (jnp.sqrt(v[name] * correction) + 1e-8) for name in p}, m, v

    state = {"p": {name: jnp.asarray(values) for name, values in params.items()}, "t": 0}
    state["m"], state["v"] = ({name: jnp.zeros_like(values) for name, values in state["p"].items()} for _ in range(2))

    def step() -> None:
        if optimizer_name == "adam":
            state["t"] += 1
            found = adam(state["p"], state["m"], state["v"], float(state["t"]), given)
            state["p"], state["m"], state["v"] = jax.block_until_ready(found)
        else:
            state["p"] = jax.block_until_ready(descend(state["p"], given))

    return step, lambda: {name: np.asarray(values) for name, values in state["p"].items()}


def with_autograd(model: str, params: dict[str, Any], data: dict[str, Any], lr: float, optimizer_name: str) -> Any:
    import autograd
    import autograd.numpy as anp

    p = {name: np.array(values) for name, values in params.items()}
    gradient = autograd.grad(_loss(anp, model))

    state, (m, v) = {"t": 0}, ({name: np.zeros_like(values) for name, values in p.items()} for _ in range(2))

    def step() -> None:
        state["t"] += 1
        for name, g in gradient(p, **data).items():
            if optimizer_name == "adam":
                m[name], v[name] = 0.9 * m[name] + 0.1 * g, 0.999 * v[name] + 0.001 * g**2
                g = m[name] / (1 - 0.9 ** state["t"]) / (np.sqrt(v[name] / (1 - 0.999 ** state["t"])) + 1e-8)
            p[name] = p[name] - lr * g

    return step, lambda: p


PEERS = {"torch": with_torch, "jax": with_jax, "autograd": with_autograd}
