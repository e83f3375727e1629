"""Update rules on the vector of all parameters: what their formulas say, in single calls that write over what they update."""

from __future__ import annotations

import numpy as np
import pytest

from derive.emit.flat_update import flat_update
from derive.parse.expression import parse_expression

MOMENTUM = ["v = mu*v + g", "theta = theta - eta*v"]
ADAM = [
    "m = beta_1*m + (1 - beta_1)*g",
    "v = beta_2*v + (1 - beta_2)*g**2",
    "m_hat = m/(1 - beta_1**t)",
    "v_hat = v/(1 - beta_2**t)",
    "theta = theta - eta*m_hat/(sqrt(v_hat) + epsilon)",
]
RULES = {
    "gradient descent": ["theta = theta - eta*g"],
    "momentum": MOMENTUM,
    "nesterov": ["before = v", "v = mu*v - eta*g", "theta = theta - mu*before + (1 + mu)*v"],
    "adagrad": ["s = v + g**2", "v = s", "theta = theta - eta*g/(sqrt(v) + epsilon)"],
    "adam": ADAM,
    "decay": ["g = g + 0.1*theta", *MOMENTUM],
}
SCALARS = {"eta": 0.01, "mu": 0.9, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}


def by_formulas(lines: list[str], values: dict, steps: list[np.ndarray]) -> dict:
    """The formulas carried out as Python, arrays made anew."""
    values = {name: np.copy(value) for name, value in values.items()}
    for t, g in enumerate(steps, 1):
        values |= {"t": t, "g": g.copy()}
        for line in lines:
            exec(line, {"sqrt": np.sqrt}, values)
    return values


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_vectors_are_what_the_formulas_say(rule, dtype):
    rng = np.random.default_rng(0)
    start = {name: np.zeros(7, dtype=dtype) for name in ("m", "v")} | {"theta": rng.normal(size=7).astype(dtype)}
    steps = [rng.normal(size=7).astype(dtype) for _ in range(6)]
    pairs = [tuple(line.split(" = ")) for line in RULES[rule]]
    update = flat_update(
        [(target, parse_expression(value)) for target, value in pairs],
        {"theta": "theta", "g": "gradient", "m": "m", "v": "v_"},
        {name: name for name in (*SCALARS, "t")},
        dtype,
    )
    arrays = {
        "theta": start["theta"].copy(),
        "gradient": np.empty(7, dtype=dtype),
        "m": start["m"].copy(),
        "v_": start["v"].copy(),
    }
    space = {"np": np, **SCALARS, **arrays, "t": 0}
    exec("\n".join(update.bound), space)
    kept = {name: space[name] for name in ("theta", "m", "v_")}
    for t, g in enumerate(steps, 1):
        space["gradient"][...] = g
        space["t"] = t
        exec("\n".join(update.lines), space)
    wanted = by_formulas(RULES[rule], {**start, **SCALARS}, steps)
    for name, python in (("theta", "theta"), ("m", "m"), ("v", "v_")):
        assert space[python] is kept[python] and space[python].dtype == dtype
        assert np.allclose(space[python], wanted[name], rtol=1e-13 if dtype == "float64" else 1e-5)


def test_gradient_descent_is_two_calls():
    update = flat_update(
        [("theta", parse_expression("theta - eta*g"))], {"theta": "theta", "g": "gradient"}, {"eta": "rate"}
    )
    assert [line.split("(")[0] for line in update.lines] == ["multiply", "subtract"]
