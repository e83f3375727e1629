"""Recurrences: how they are read, the form of backpropagation through time, their proofs, the code beside unrolled loops.

The oracle of the code is the model unrolled by hand in numpy, differentiated by the complex step.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from derive.check.proofs import single
from derive.check.sample import concrete
from derive.derivation import Derivation
from derive.errors import DeriveError
from derive.model import Model

Array = NDArray[Any]
Values = dict[str, Array]

SIZES = {"d": 2, "m": 3, "S": 2}
EXAMPLES = 2
STEP = 1e-30

RNN = """T: size
d: size
m: size
x: input[T, d]
y: target[T]
W: parameter[m, d]
U: parameter[m, m]
b: parameter[m]
v: parameter[m]
h[0] = zeros(m)
z[t] = W @ x[t - 1] + U @ h[t - 1] + b
h[t] = tanh(z[t])
L: loss = sum((v @ h[t + 1] - y[t])**2, t)/2
"""

SCALARS = """T: size
x: input[T]
y: target[T]
a: parameter
b: parameter
"""

VECTORS = """T: size
d: size
x: input[T, d]
y: target[d]
A: parameter[d, d]
b: parameter[d]
"""


def unrolled_rnn(p: Values, x: Array, y: Array) -> Any:
    h, loss = np.zeros(len(p["b"])), 0.0
    for now, wanted in zip(x, y, strict=True):
        h = np.tanh(p["W"] @ now + p["U"] @ h + p["b"])
        loss = loss + (p["v"] @ h - wanted) ** 2 / 2
    return loss


def unrolled_backwards(p: Values, x: Array, y: Array) -> Any:
    g, loss = p["a"], 0.0
    for now, wanted in zip(x[::-1], y[::-1], strict=True):
        g = np.sin(p["b"] * g + now)
        loss = loss + g * wanted
    return loss


def unrolled_two_entries(p: Values, x: Array, y: Array) -> Any:
    s = [p["a"], p["a"] * p["b"]]
    for t in range(2, len(x)):
        s.append(np.sin(p["a"] * s[t - 1]) + p["b"] * s[t - 2] * x[t])
    return sum((u - wanted) ** 2 for u, wanted in zip(s, y, strict=True))


def unrolled_two_at_the_end(p: Values, x: Array, y: Array) -> Any:
    s = [p["a"] * p["b"], p["a"]]  # s[T + 1], s[T]
    for now in x[::-1]:
        s.append(np.sin(p["a"] * s[-1]) + p["b"] * s[-2] * now)
    return sum(u**2 for u in s)


def unrolled_shift(p: Values, x: Array, y: Array) -> Any:
    s, loss = p["b"], 0.0
    for now, wanted in zip(x, y, strict=True):
        loss = loss + (s - wanted) ** 2
        s = np.sin(p["a"] * s) + p["b"] * now
    return loss + s**2


def unrolled_sum(p: Values, x: Array, y: Array) -> Any:
    return sum((np.sin(p["a"] * t) - now * p["b"]) ** 2 for t, now in enumerate(x, 1))


def unrolled_cases(p: Values, x: Array, y: Array) -> Any:
    s = p["b"]
    for now in x:
        s = p["a"] * s + now if now > 0 else p["b"] * s
    return s**2


def unrolled_mutual(p: Values, x: Array, y: Array) -> Any:
    f, u, loss = p["a"], p["b"], p["a"] ** 2
    for now in x[1:]:
        f, u = np.sin(u) + now * f, np.cos(p["a"] * f)
        loss = loss + f**2
    return loss + u


def unrolled_entry_apart(p: Values, x: Array, y: Array) -> Any:
    return p["b"] ** 2 + sum(np.sin(p["a"] * now) ** 2 for now in x[1:])


def unrolled_matrix(p: Values, x: Array, y: Array) -> Any:
    S = np.eye(len(y))
    for now in x:
        S = p["A"] @ S @ p["A"].T / 3 + np.outer(now, p["b"])
    return y @ S @ y


def unrolled_maximum(p: Values, x: Array, y: Array) -> Any:
    h, states = p["b"], [p["b"]]
    for now in x:
        h = np.tanh(p["A"] @ h + now)
        states.append(h)
    largest = [max((h[i] for h in states), key=np.real) for i in range(len(y))]
    return sum((u - wanted) ** 2 for u, wanted in zip(largest, y, strict=True))


def unrolled_attention(p: Values, x: Array, y: Array) -> Any:
    states = [p["b"]]
    for now in x:
        states.append(np.tanh(p["A"] @ states[-1] + now))
    weights = np.exp([p["b"] @ h for h in states])
    return sum((sum(w * h for w, h in zip(weights / sum(weights), states, strict=True)) - y) ** 2)


def unrolled_inverse(p: Values, x: Array, y: Array) -> Any:
    P = np.eye(len(y))
    for now in x:
        P = p["A"] @ np.linalg.inv(P + np.outer(now, now) + np.eye(len(y)))
    return np.sum(P**2)


def unrolled_gradient(p: Values, x: Array, y: Array) -> Any:
    """The derivatives by the inputs, by hand: h is a chain of tanh."""
    h, slopes, loss = p["b"], [], 0.0
    for now in x:
        h = np.tanh(p["a"] * h + now)
        slopes.append(1 - h**2)
    adjoint = 2 * h
    for slope, wanted in zip(slopes[::-1], y[::-1], strict=True):
        loss = loss + (adjoint * slope - wanted) ** 2
        adjoint = adjoint * slope * p["a"]
    return loss


CASES: dict[str, tuple[str, Callable[[Values, Array, Array], Any], int]] = {
    "rnn": (RNN, unrolled_rnn, 1),
    "backwards": (
        SCALARS + "g[T] = a\ng[t] = sin(b*g[t + 1] + x[t])\nL: loss = sum(g[t]*y[t], t)",
        unrolled_backwards,
        1,
    ),
    "two entries": (
        SCALARS + "s[0] = a\ns[1] = a*b\ns[t] = sin(a*s[t - 1]) + b*s[t - 2]*x[t]\nL: loss = sum((s - y)**2)",
        unrolled_two_entries,
        2,
    ),
    "two entries at the end": (
        SCALARS + "s[T] = a\ns[T + 1] = a*b\ns[t] = sin(a*s[t + 1]) + b*s[t + 2]*x[t]\nL: loss = sum(s**2)",
        unrolled_two_at_the_end,
        1,
    ),
    "shift": (
        SCALARS
        + "s[0] = b\nu[t] = a*s[t]\ns[t + 1] = sin(u[t]) + b*x[t]\nL: loss = sum((s[t] - y[t])**2, t) + s[T]**2",
        unrolled_shift,
        1,
    ),
    "a loss that is summed up": (
        SCALARS + "C[0] = 0\nC[t] = C[t - 1] + (sin(a*t) - x[t - 1]*b)**2\nL: loss = C[T]",
        unrolled_sum,
        1,
    ),
    "cases": (
        SCALARS + "s[0] = b\ns[t] = where(x[t - 1] > 0, a*s[t - 1] + x[t - 1], b*s[t - 1])\nL: loss = s[T]**2",
        unrolled_cases,
        1,
    ),
    "mutual": (
        SCALARS
        + "f[0] = a\nu[0] = b\nf[t] = sin(u[t - 1]) + x[t]*f[t - 1]\nu[t] = cos(a*f[t - 1])\n"
        + "L: loss = sum(f**2) + u[T - 1]",
        unrolled_mutual,
        1,
    ),
    "an entry of no recurrence": (
        SCALARS + "h[0] = b\nh[t] = sin(a*x[t])\nL: loss = sum(h**2)",
        unrolled_entry_apart,
        1,
    ),
    "a matrix": (
        VECTORS + "S[0] = eye(d)\nS[t] = A @ S[t - 1] @ A.T/3 + outer(x[t - 1], b)\nL: loss = y @ S[T] @ y",
        unrolled_matrix,
        1,
    ),
    "the maximum over time": (
        VECTORS + "h[0] = b\nh[t] = tanh(A @ h[t - 1] + x[t - 1])\nq[i] = max(h[t, i], t)\nL: loss = sum((q - y)**2)",
        unrolled_maximum,
        1,
    ),
    "attention": (
        VECTORS
        + "h[0] = b\nh[t] = tanh(A @ h[t - 1] + x[t - 1])\nw = softmax(h @ b)\n"
        + "c = sum(w[t]*h[t], t)\nL: loss = sum((c - y)**2)",
        unrolled_attention,
        1,
    ),
    "an inverse": (
        VECTORS
        + "P[0] = eye(d)\nS[t] = P[t - 1] + outer(x[t - 1], x[t - 1]) + eye(d)\nP[t] = A @ inv(S[t])\n"
        + "L: loss = sum(P[T]**2)",
        unrolled_inverse,
        1,
    ),
    "a derivative inside": (
        SCALARS
        + "h[0] = b\nh[t] = tanh(a*h[t - 1] + x[t - 1])\nu = h[T]**2\ng = grad(u, x)\nL: loss = sum((g - y)**2)",
        unrolled_gradient,
        1,
    ),
}


def complex_step(loss: Callable[[Values], Any], p: Values) -> Values:
    found: Values = {}
    for name, value in p.items():
        found[name] = np.zeros(value.shape)
        for place in np.ndindex(value.shape):
            moved = np.array(value, dtype=complex)
            moved[place] += 1j * STEP
            found[name][place] = loss({**p, name: moved}).imag / STEP
    return found


def check_code(derivation: Derivation, unrolled: Callable[[Values, Array, Array], Any], *lengths: int) -> None:
    """The code's loss and gradients over several examples beside the mean of the unrolled model's, in both styles."""
    for style in ("readable", "fast"):
        module = derivation.compile(style=style)
        for steps in lengths:
            check_module(module, derivation.model, unrolled, steps)


def check_module(module: ModuleType, model: Model, unrolled: Callable[[Values, Array, Array], Any], steps: int) -> None:
    rng = np.random.default_rng(steps)
    sizes = {**SIZES, "T": steps}
    shapes = {name: concrete(v.shape, sizes) for name, v in model.variables.items() if v.role != "size"}
    p = {name: rng.uniform(-0.9, 0.9, shapes[name]) for name in model.parameters}
    x, y = (rng.uniform(-1.5, 1.5, (EXAMPLES, *shapes[name])) for name in "xy")

    def mean(q: Values) -> Any:
        return sum(unrolled(q, *pair) for pair in zip(x, y, strict=True)) / EXAMPLES

    loss, grads = module.loss_and_gradients(dict(p), x=x, y=y)
    assert loss == pytest.approx(float(np.real(mean(p))), rel=1e-12)
    for name, wanted in complex_step(mean, p).items():
        assert np.shape(grads[name]) == wanted.shape
        np.testing.assert_allclose(grads[name], wanted, rtol=1e-11, atol=1e-12, err_msg=f"{name}, {steps} steps")


@pytest.mark.parametrize("name", CASES)
def test_the_code_beside_the_unrolled_model(name: str) -> None:
    text, unrolled, least = CASES[name]
    derivation = Model.parse(text).derive()
    check_code(derivation, unrolled, *(steps for steps in (1, 2, 3, 7) if steps >= least))


@pytest.mark.parametrize("seed", range(6))
def test_random_recurrences(seed: int) -> None:
    """Two or three states, each of which asks for entries of the others one, two or three steps before."""
    rng = random.Random(seed)
    states, most = "fgh"[: rng.randint(2, 3)], rng.randint(1, 3)
    functions = ("sin", "cos", "tanh")
    rules = {
        s: (
            (rng.choice("ab"), rng.choice(functions), rng.choice(states), rng.randint(1, most)),
            ("x", "sin", rng.choice(states), most),
        )
        for s in states
    }

    def unrolled(p: Values, x: Array, y: Array) -> Any:
        past = {s: [p["a"] * (k + 1) + p["b"] * n for k in range(most)] for n, s in enumerate(states)}
        for t in range(most, len(x)):
            for s in states:
                factor = {**p, "x": x[t]}
                past[s].append(sum(factor[c] * getattr(np, f)(past[u][t - lag]) for c, f, u, lag in rules[s]))
        return sum(np.dot(past[s][: len(x)], y) for s in states)

    lines = [f"{s}[{k}] = a*{k + 1} + b*{n}" for n, s in enumerate(states) for k in range(most)]
    for s in states:
        terms = (f"{'x[t]' if c == 'x' else c}*{f}({u}[t - {lag}])" for c, f, u, lag in rules[s])
        lines.append(f"{s}[t] = {' + '.join(terms)}")
    total = " + ".join(f"sum({s}[t]*y[t], t)" for s in states)
    derivation = Model.parse(SCALARS + "\n".join([*lines, f"L: loss = {total}"])).derive()
    check_code(derivation, unrolled, 3, 4, 7)


def test_fewer_steps_than_entries_are_an_error() -> None:
    text, _, _ = CASES["two entries"]
    module = Model.parse(text).derive().compile()
    with pytest.raises(IndexError):
        module.loss_and_gradients({"a": 1.0, "b": 1.0}, x=np.ones((2, 1)), y=np.ones((2, 1)))
    with pytest.raises(DeriveError, match="'s' has the length 1, and 2 entries are given"):
        Model.parse(text.replace("T: size\n", "").replace("[T]", "[1]"))


# How they are read.


def shape(model: Model, name: str) -> str:
    return ", ".join(map(str, model.by_name[name].shape))


def test_shapes_and_first_steps() -> None:
    model = Model.parse(RNN)
    assert (shape(model, "h"), shape(model, "z")) == ("T + 1, m", "T + 1, m")
    assert (model.by_name["h"].first, model.by_name["z"].first) == (1, 1)
    assert len(model.by_name["h"].entries) == 1 and not model.by_name["z"].entries
    assert model.recurrent == {"h", "z"} == model.cycle("h")


def test_a_scalar_entry_is_that_of_all() -> None:
    model = Model.parse(RNN.replace("zeros(m)", "0"))
    assert shape(model, "h") == "T + 1, m"
    check_code(model.derive(), unrolled_rnn, 3)


def test_a_declared_range() -> None:
    sizes = "T: size = 5\nt: index = range(1, T + 1)\n"
    model = Model.parse(sizes + "a: parameter\ns[0] = a\ns[t] = sin(s[t - 1])\nL: loss = s[T]")
    assert shape(model, "s") == "T + 1"
    _, grads = model.derive().compile().loss_and_gradients({"a": 0.7})
    wanted, s = 1.0, 0.7
    for _ in range(5):
        wanted, s = wanted * np.cos(s), np.sin(s)
    assert grads["a"] == pytest.approx(wanted)


def test_backwards_and_in_any_order() -> None:
    text, unrolled, _ = CASES["backwards"]
    *declared, entry, rule, loss = text.splitlines()
    model = Model.parse("\n".join([*declared, loss, rule, entry]))
    assert shape(model, "g") == "T + 1"
    check_code(model.derive(), unrolled, 3)


# Backpropagation through time.


def adjoints(derivation: Derivation) -> dict[str, str]:
    return {a.name: str(a.result.expr) for a in (*derivation.nodes, *derivation.gradients)}


def test_the_adjoints_are_a_recurrence() -> None:
    found = adjoints(Model.parse(RNN).derive())
    later = "where(t < T, sum(D(L, z[t + 1, l])*U[l, i], l), 0)"
    assert found["h"] == later + " + where(t > 0, (sum(v[m_0]*h[t, m_0], m_0) - y[t - 1])*v[i], 0)"
    assert found["z"] == "where(t > 0, D(L, h[t, i])*(1 - h[t, i]**2), 0)"
    assert found["U"] == "sum(D(L, z[t, i])*h[t - 1, j], t, t > 0)"
    assert found["b"] == "sum(D(L, z[t, i]), t, t > 0)"


def test_every_step_is_proved() -> None:
    for text in (RNN, *(CASES[name][0] for name in ("two entries", "backwards", "a loss that is summed up"))):
        steps = single(Model.parse(text).derive().prove())
        assert steps and {s.proof for s in steps} <= {"symbolic", "numeric"}


@pytest.mark.parametrize("literal", [False, True])
def test_a_thousand_steps_are_derived_and_proved_as_three_are(literal: bool) -> None:
    text = RNN.removeprefix("T: size\n") if literal else RNN
    found = []
    for steps in (3, 1000):
        own = text.replace("[T", f"[{steps}") if literal else text.replace("T: size", f"T: size = {steps}")
        derivation = Model.parse(own).derive().prove()
        found.append(json.dumps(derivation.to_dict()))
    short, long = found
    for more in (-1, 0, 1):
        long = long.replace(str(1000 + more), str(3 + more))
    assert long == short
