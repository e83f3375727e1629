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


def with_torch(model: str, params: dict[str, Any], data: dict[str, Any], lr: float) -> Any:
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    p = {name: torch.tensor(np.array(values), requires_grad=True) for name, values in params.items()}
    given = {name: torch.tensor(values) for name, values in data.items()}
    optimizer = torch.optim.SGD(p.values(), lr=lr)

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


def with_jax(model: str, params: dict[str, Any], data: dict[str, Any], lr: float) -> Any:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    given = {name: jnp.asarray(values) for name, values in data.items()}
    loss = _loss(jnp, model)

    @jax.jit
    def descend(p: Any, given: Any) -> Any:
        gradients = jax.grad(lambda p: loss(p, **given))(p)
        return {name: p[name] - lr * gradients[name] for name in p}

    state = {"p": {name: jnp.asarray(values) for name, values in params.items()}}

    def step() -> None:
        state["p"] = jax.block_until_ready(descend(state["p"], given))

    return step, lambda: {name: np.asarray(values) for name, values in state["p"].items()}


def with_autograd(model: str, params: dict[str, Any], data: dict[str, Any], lr: float) -> Any:
    import autograd
    import autograd.numpy as anp

    p = {name: np.array(values) for name, values in params.items()}
    gradient = autograd.grad(_loss(anp, model))

    def step() -> None:
        for name, g in gradient(p, **data).items():
            p[name] = p[name] - lr * g

    return step, lambda: p


PEERS = {"torch": with_torch, "jax": with_jax, "autograd": with_autograd}
