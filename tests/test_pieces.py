"""Arrays laid end to end and taken apart: concatenations and slices in results and in code."""

from __future__ import annotations

import pytest

from derive.arrays.form import in_arrays
from derive.check.gradients import compare
from derive.expression.build import number
from derive.expression.nodes import Ref
from derive.model import Model
from derive.parse.expression import parse_expression

GATES = """
x: input[4]
h: input[3]
y: target[3]
W: parameter[9, 7]
b: parameter[9]
u = concatenate([x, h])
z = W @ u + b
i = sigmoid(z[:3])
f = sigmoid(z[3:6])
g = tanh(z[6:])
c = f*h + i*g
L: loss = sum((c - y)**2)
"""
# A model, what its first gradient is, and what the code of its forward or backward pass has
MODELS = {
    "gates": (GATES, "outer([2*(c - y)*g*i*(1 - i), 2*(c - y)*h*f*(1 - f), 2*(c - y)*i*(1 - g**2)], u)", "np.concatenate([d_i * i * (1 - i), d_f * f * (1 - f), d_g * (1 - g**2)], axis=1)"),
    "a skip connection": (
        "x: input[3]\nW1: parameter[4, 3]\nW2: parameter[2, 7]\na1 = tanh(W1 @ x)\nz = W2 @ concatenate([a1, x])\n"
        "L: loss = sum(z**2)",
        "2*outer((W2[:, :4].T @ z)*(1 - a1**2), x)",
        "W2[:, :4]",
    ),
    "a skip connection over the batch": (
        "n: examples\nx: input[n, 3]\nW1: parameter[3, 4]\nW2: parameter[7, 2]\nc = concatenate([tanh(x @ W1), x], axis=1)\n"
        "L: loss = sum((c @ W2)**2)/n",
        "2*(x.T @ ((c @ W2 @ W2[:4].T)*(1 - tanh(x @ W1)**2)))/n",
        "np.concatenate([np.tanh(x @ W1), x], axis=1)",
    ),
    "queries, keys and values in one product": (
        "T: size\nm: size\nk: size\nX: input[T, m]\nW: parameter[m, 3*k]\nZ = X @ W\nQ = Z[:, :k]\nK = Z[:, k:2*k]\n"
        "V = Z[:, 2*k:]\nA = softmax(Q @ K.T, axis=1)\nL: loss = sum((A @ V)**2)",
        "X.T @ D(L, Z)",
        "np.concatenate([d_Q, d_K, d_V], axis=2)",
    ),
    "symbolic sizes": (
        "a: size\nb: size\nA: parameter[2, a]\nB: parameter[2, b]\nx: input[a + b]\nC = concatenate([A, B], axis=1)\n"
        "L: loss = sum((C @ x)**3)",
        "3*outer((C @ x)**2, x[:a])",
        "np.concatenate([A, B], axis=1)",
    ),
    "rows": ("X: parameter[5, 3]\nL: loss = sum(X[:2]**2) + sum(X[2:]**3)", "concatenate([2*X[:2], 3*X[2:]**2], axis=0)", "np.concatenate"),
    "swapped halves": (
        "r: size = 3\nx: input[2*r]\nw: parameter[2*r]\nu = w*x\nL: loss = sum(concatenate([u[r:], -u[:r]])**3*x)",
        None,
        "",
    ),
    "scalars and vectors": (
        "q: parameter\nW: parameter[2, 3]\nx: input[3]\nL: loss = sum([q, 2*q, W @ x, x]**3)".replace("[q, 2*q, W @ x, x]", "concatenate([[q, 2*q], W @ x, x])"),
        None,
        "np.concatenate",
    ),
    "a piece one long": ("A: parameter[3, 2]\nL: loss = sum(concatenate([A, A[0:1]])[1:]**3)", None, ""),
    "inside of a loop's letters": (
        "A: parameter[2, 3, 4]\nB: parameter[2, 1, 4]\nk: size = 4\nL: loss = sum(concatenate([A, B], axis=1)[:, :2]**3)",
        None,
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "gradient", "code"), MODELS.values(), ids=MODELS.keys())
def test_pieces_in_results_and_in_code(text: str, gradient: str | None, code: str) -> None:
    model = Model.parse(text)
    derivation = model.derive().prove()
    if gradient is not None:
        found = derivation.to_dict()["gradients"][0]
        assert found.get("matrix", found["expr"]) == gradient
    if code:
        source = derivation.generate()
        assert code in source and "np.where(np.arange" not in source
    for style in ("readable", "fast"):
        assert compare(model, derivation.compile(style=style)).worst < 1e-10


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("where(i < 2, u[i], v[i - 2])", "[u, v]"),
        ("where(i >= 2, v[i - 2], u[i])", "[u, v]"),
        ("where(2 <= i, v[i - 2], 0) + where(i < 2, u[i], 0)", "[u, v]"),
        ("where(i < 2, u[i], 0)", None),  # zeros alone beside it
        ("where(i < 3, w[i], 0) + where(i >= 2, v[i - 2], 0)", None),  # they overlap
        ("where(i < n, w[i], v[i])", None),  # n may be more than 5
    ],
)
def test_what_is_laid_end_to_end(written: str, expected: str | None) -> None:
    shapes = {"u": (number(2),), "v": (number(3),), "w": (number(5),), "n": ()}
    found = in_arrays(parse_expression(written), ("i",), (number(5),), shapes)
    assert (None if found is None else str(found)) == expected


def test_an_unknown_size_keeps_its_cases() -> None:
    shapes = {"u": (Ref("r"),), "v": (Ref("m"),)}
    assert in_arrays(parse_expression("where(i < r, u[i], v[i])"), ("i",), (Ref("m"),), shapes) is None
