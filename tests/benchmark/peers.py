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

    def log_loss(z: Any, y: Any) -> Any:
        return xp.mean(xp.maximum(z, 0 * z) + xp.log1p(xp.exp(-xp.abs(z))) - y * z)

    if model == "logistic":
        return lambda p, x_1, x_2, y: log_loss(p["w_1"] * x_1 + p["w_2"] * x_2 + p["b"], y)
    return lambda p, x_1, x_2, y: log_loss(p["w2"] * xp.tanh(p["w1_1"] * x_1 + p["w1_2"] * x_2 + p["b1"]) + p["b2"], y)


def with_torch(model: str, params: dict[str, Any], data: dict[str, Any], lr: float, optimizer_name: str) -> Any:
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    p = {name: torch.tensor(np.array(values), requires_grad=True) for name, values in params.items()}
    given = {name: torch.tensor(values) for name, values in data.items()}
    made = torch.optim.Adam if optimizer_name == "adam" else torch.optim.SGD
    optimizer = made(p.values(), lr=lr)

    def loss() -> Any:
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
