"""`derive verify`: right derivations are right, broken ones are not, and the slip is named.

The oracle knows nothing of derive: a model of scalars is Python text, so it is run with mpmath's functions, and
differentiated by differences.
"""

from __future__ import annotations

import ast
import json
import random
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

from derive.derivation import Derivation
from derive.expression.nodes import D
from derive.expression.walk import contains
from derive.model import Model
from derive.render.catalogue import catalogue
from derive.verify import edits as verify_edits
from derive.verify import slips as verify_slips
from derive.verify.statement import shown
from derive.verify.verify import Checked, verify
from tests.cli_runner import check_golden, derive

DERIVATIONS = Path(__file__).parent / "derivations"
FUNCTIONS: dict[str, Any] = {
    "exp": mpmath.exp, "log": mpmath.log, "tanh": mpmath.tanh, "sin": mpmath.sin, "cos": mpmath.cos,
    "sqrt": mpmath.sqrt, "sigmoid": lambda u: 1 / (1 + mpmath.exp(-u)),
}  # fmt: skip

MODELS = {
    "logistic": Model.builtin("logistic").text,
    "two-layer": Model.builtin("two-layer").text,
    "quotient": "x: parameter\nt: input\nu = x**2 + t\nv = sin(u)/x\nL: loss = v**2 + exp(-u)*t\n",
    "two paths": "w: parameter\nx: input\nz = w*x\np = tanh(z)\nq = z**3\nL: loss = p*q + q/2\n",
}


def verdicts(model: str, *lines: str) -> list[str]:
    return [line.verdict.verdict for line in judged(model, *lines).lines]


def judged(model: str, *lines: str) -> Checked:
    return verify("\n".join([MODELS.get(model, model), "---", *lines]))


# What is right.

RIGHT = {
    "logistic": [
        "dL/da = -y/a + (1-y)/(1-a)", "dL/da = (a - y)/(a*(1 - a))", "dL/dz = a - y", "dL/dz = dL/da*da/dz",
        "dL/dz = (−y/a + (1−y)/(1−a))·a·(1−a)", "∂L/∂w₁ = (a − y)·x₁", "dL/dw1 = (a-y) x1", "∂z/∂w_1 = x_1",
        "da/dz = exp(-z)/(1 + exp(-z))^2", "da/dz = e^(-z)/(1 + e^-z)²", "da/dz = σ'(z)", "da/dz = a - a²", "da/db = a(1-a)",
        "dL/db = sigmoid(w_1*x_1 + w_2*x_2 + b) - y", "δ = dL/dz = a - y", "dL/dx_1 = w_1 (a - y)", "a = σ(z)",
        "dL/dz = 1/(1 + exp(-z)) - y", "dL/dL = 1", "da/dy = 0", "dL/dy = ln((1-a)/a)",
    ],
    "two-layer": [
        "dL/dz1 = (a2 - y) w2 (1 - a1^2)", "dL/dw1_1 = (a2 - y) w2 (1 - a1²) x_1", "dz2/dw1_1 = w2 (1 − a1²) x₁",
        "dL/dz^[1] = (a^[2] - y) w^[2] (1 - tanh(z^[1])²)", "da1/dz1 = 1/cosh(z1)^2", "∂L/∂b1 = ∂L/∂z2 ∂z2/∂a1 ∂a1/∂z1",
    ],
    "two paths": [
        "dL/dz = dL/dp dp/dz + dL/dq dq/dz", "dL/dq = p + 1/2", "dL/dw = (q (1 - p²) + 3(p + 0.5) z²) x", "dq/dw = 3z² x",
    ],
    "x: input[d]\nd: size\nA: parameter[m, d]\nm: size\ny: target[m]\nr = A @ x - y\nL: loss = sum(r**2)/2": [
        "dL/dr = r", "dL/dA = r xᵀ", "dL/dA = outer(r, x)", "dL/dx = A.T @ r", "dL/dx = Aᵀ r", "dL/dx = rᵀ A",
        "dL/dA_ij = r_i x_j", "dL/dA[i,j] = (sum(A[i,k]*x[k], k) - y[i])*x[j]", "dr_i/dx_j = A_ij", "dr/dx = A",
        "dL/dA[0,1] = r[0]*x[1]", "dL/dx = (dr/dx).T @ dL/dr",
    ],
    "h: size\nz: parameter[h]\nt: target[h]\na = tanh(z)\nL: loss = sum((a - t)**2)": [
        "da/dz = 1 - a²", "dL/dz = dL/da ⊙ da/dz", "dL/dz = 2(a - t)*(1 - a^2)", "da/dz = diag(1 - a**2)",
        "da_i/dz_j = (1 - a_i^2)*delta(i,j)", "dL/dz = (da/dz)^T dL/da",
    ],
    "k: size\ny: target[k]\nz: parameter[k]\nassume(sum(y) == 1)\na = softmax(z)\nL: loss = -sum(y*log(a))": [
        "dL/dz = a - y", "dL/dz_i = sum(y) a_i - y_i", "dL/da = -y/a", "da_i/dz_j = a_i (delta(i,j) - a_j)",
    ],
    "lam: constant = 0.1\nw: parameter\nL: loss = lam*w**2": ["dL/dw = 2λw", "dL/dw = 2λ w"],
    "x: parameter\nL: loss = relu(x)**2 + abs(x)": ["dL/dx = 2*relu(x) + sign(x)", "dL/dx = where(x > 0, 2x + 1, -1)"],
}  # fmt: skip


RIGHT |= {
    # A node that another one reaches directly and through a third: d is the total derivative, ∂ may be that of its equation.
    "x: parameter\nz = x**2\nh = x + z\nm = sin(h)*x*z\nL: loss = m**2 + h*z": [
        "dh/dx = 1 + 2x", "∂h/∂x = 1", "∂h/∂x = 1 + 2x", "dm/dx = cos(h)(1 + 2x) x z + sin(h)(z + 2x²)", "∂m/∂x = sin(h) z",
        "dL/dx = 2m dm/dx + z dh/dx + 2 h x", "dL/dx = dL/dm ∂m/∂x + dL/dh ∂h/∂x + dL/dz dz/dx", "dm/dx = ∂m/∂h dh/dx + ∂m/∂z dz/dx + ∂m/∂x",
    ],
    "m: size\nx: input[m]\nt: target[m]\nV: parameter[m, m]\nz = V @ x\na = tanh(z)\nr = a + z\nq = r*z\nL: loss = sum((q - t)**2)/2": [
        "dr/dz = 1 + (1 - a²)", "∂r/∂z = 1", "dq/dz = r + z ⊙ (2 - a²)", "∂q/∂z = r", "dr/dz = diag(2 - a²)",
        "dL/dz = dL/dq ⊙ dq/dz", "dL/dz = dL/dq ⊙ ∂q/∂z + dL/dr ⊙ ∂r/∂z + dL/da ⊙ da/dz", "dL/dV = dL/dz xᵀ",
        "dL/dV = dL/dz dz/dV", "dL/dV = dL/dq · dq/dr · dr/da · da/dz · dz/dV + dL/dq dq/dr ∂r/∂z dz/dV + dL/dq ∂q/∂z dz/dV",
        "dq_i/dz_i = r_i + z_i(2 - a_i²)",
    ],
    "k: size\nz: parameter[k]\np = softmax(z)\na = relu(z)\nL: loss = sum(p**3) + sum(a**2)": [
        "dp_i/dz_i = p_i(1 - p_i)", "dp/dz = diag(p) - p pᵀ", "da/dz = (z > 0)", "dL/dz = 2a ⊙ 1[z > 0] + (dp/dz)ᵀ dL/dp",
    ],
}  # fmt: skip


@pytest.mark.parametrize("model", RIGHT)
def test_right_lines_are_right(model: str) -> None:
    checked = judged(model, *RIGHT[model])
    assert [line.claim.text for line in checked.lines if line.verdict.verdict != "right"] == []
    assert len(checked.lines) == len(RIGHT[model])


def test_without_the_assumption_the_line_is_wrong() -> None:
    model = "k: size\ny: target[k]\nz: parameter[k]\na = softmax(z)\nL: loss = -sum(y*log(a))"
    assert verdicts(model, "dL/dz = a - y") == ["wrong"]


def test_what_has_no_value_is_not_right() -> None:
    """A root that is real on one side only, a logarithm of what is negative, a root that is real nowhere."""
    model = "x: parameter\nL: loss = x**2/2"
    assert verdicts(model, "dL/dx = sqrt(x)**2", "dL/dx = exp(log(x))", "dL/dx = sqrt(-1 - x**2)", "dL/dx = x*x/x") == [
        "wrong", "wrong", "wrong", "right",
    ]  # fmt: skip


def test_what_can_be_neither_proved_nor_refuted() -> None:
    model = "x: parameter\nL: loss = x**2"
    checked = judged(model, "dL/dx = 2*x + 0*exp(exp(exp(exp(exp(exp(x**2 + 9))))))")
    assert [line.verdict.verdict for line in checked.lines] == ["undecided"]
    assert not checked.right


# What is wrong, and which slip it is.

SLIPS = [
    ("logistic", "dL/dz = y - a", "sign"),
    ("logistic", "dL/dz = a + y", "sign"),
    ("logistic", "dL/da = y/a + (1-y)/(1-a)", "sign"),
    ("logistic", "dL/dz = -y/a + (1-y)/(1-a)", "missing inner derivative"),
    ("logistic", "dL/dz = dL/da", "missing inner derivative"),
    ("logistic", "da/dz = a", "missing factor"),
    ("logistic", "dL/dw_1 = a - y", "missing inner derivative"),
    ("logistic", "dL/dw_1 = (a - y) x_2", "wrong index"),
    ("logistic", "dL/dw_1 = (a - y) x_1 x_2", "extra factor"),
    ("logistic", "dL/db = (a - y) b", "extra factor"),
    ("logistic", "da/dz = a(1 - a²)", "exponent"),
    ("logistic", "da/dz = 2a(1-a)", "constant"),
    ("logistic", "da/dz = exp(-z)/(1 + exp(-z))", "quotient rule"),
    ("logistic", "dL/dz = z - y", "wrong name"),
    ("logistic", "da/dz = a(2 - a)", "constant"),
    ("two-layer", "dL/dz1 = (a2 - y) w2 (1 - a1)", "exponent"),
    ("two-layer", "dL/dz1 = (a2 - y) (1 - a1^2)", "missing inner derivative"),
    ("two-layer", "dL/dz1 = (a2 - y) w2", "missing inner derivative"),
    ("two-layer", "dL/dw2 = (a2 - y) a2", "wrong index"),
    ("two-layer", "dL/dw1_1 = (a2 - y) w2 (1 - a1^2) x_2", "wrong index"),
    ("two paths", "dL/dz = dL/dp dp/dz", "missing term"),
    ("two paths", "dq/dz = 3z", "exponent"),
    ("two paths", "dq/dz = z²", "missing constant"),
    ("x: parameter\nL: loss = sin(x**2)", "dL/dx = cos(x²)", "missing inner derivative"),
    ("x: parameter\nL: loss = sin(x**2)", "dL/dx = -cos(x²)*2x", "sign"),
    ("x: parameter\nL: loss = sin(x**2)", "dL/dx = 2x sin(x²)", "wrong function"),
    ("two-layer", "dL/dz1 = (a2 - y) w2 a1 (1 - a1)", "wrong derivative"),
    ("logistic", "da/dz = 1 - a^2", "wrong derivative"),
    ("k: size\nz: parameter[k]\np = softmax(z)\nL: loss = sum(p**2)", "dp_i/dz_j = p_i (1 - p_j)", "missing delta"),
    ("h: size\nz: parameter[h]\na = tanh(z)\nL: loss = sum(a)", "da_i/dz_j = 1 - a_i^2", "missing delta"),
    ("logistic", "dL/dw_1 = 0,5 (a - y) x_1", "constant"),
    ("x: parameter\nL: loss = x*exp(x)", "dL/dx = x e^x", "missing term"),
    ("x: parameter\nL: loss = x**3/(1 + x)", "dL/dx = (3x²(1+x) - x³)/(1 + x)", "quotient rule"),
    ("x: parameter\nL: loss = x**3/(1 + x)", "dL/dx = (3x²(1+x) + x³)/(1 + x)²", "sign"),
    ("A: parameter[m,d]\nm: size\nd: size\nx: input[d]\nr = A @ x\nL: loss = sum(r**2)", "dL/dA = outer(x, 2r)", "transposed product"),
    ("A: parameter[m,d]\nm: size\nd: size\nx: input[d]\nr = A @ x\nL: loss = sum(r**2)", "dL/dx = A @ (2*r)", "transposed product"),
    ("A: parameter[m,d]\nm: size\nd: size\nx: input[d]\nr = A @ x\nL: loss = sum(r**2)", "dL/dA = 2*r", "missing factor"),
    ("A: parameter[m,m]\nm: size\nx: input[m]\nr = A @ x\nL: loss = sum(r**2)", "dL/dx = 2(A r)", "transposed product"),
    ("A: parameter[m,m]\nm: size\nx: input[m]\nr = A @ x\nL: loss = sum(r**2)", "dL/dA_ij = 2 r_j x_i", "wrong index"),
    ("A: parameter[m,m]\nm: size\nx: input[m]\nr = A @ x\nL: loss = sum(r**2)", "dL/dA_ij = 2 r_i x_i", "wrong index"),
    ("h: size\nz: parameter[h]\na = tanh(z)\nL: loss = sum(a**2)", "dL/dz = 2a*(1 - a)", "exponent"),
]  # fmt: skip


TWO_LAYERS = (
    "x: input[d]\nd: size\nh: size\nk: size\ny: target[k]\nW1: parameter[h, d]\nW2: parameter[k, h]\nb2: parameter[k]\nassume(sum(y) == 1)\n"
    "z1 = W1 @ x\na1 = relu(z1)\nz2 = W2 @ a1 + b2\np: output = softmax(z2)\nL: loss = -sum(y*log(p))"
)
SLIPS += [
    (TWO_LAYERS, "dL/dW2 = a1 (p - y)ᵀ", "transposed product"),
    (TWO_LAYERS, "dL/dW2 = (p - y) a1", "transposed product"),
    (TWO_LAYERS, "dL/dW1 = dL/dz1 a1ᵀ", "wrong name"),
    (TWO_LAYERS, "dL/dW2_ij = (p_j - y_j) a1_i", "wrong index"),
    (TWO_LAYERS, "dL/dW2_ij = (p_i - y_i) a1_l", "wrong index"),
    (TWO_LAYERS, "dL/dz1 = W2ᵀ (p - y)", "missing inner derivative"),
    (TWO_LAYERS, "dJ/db2 = sum(P - Y)/N", "wrong axis"),
    (TWO_LAYERS, "dJ/dW2 = (Y - P)ᵀ A1/N", "sign"),
    ("two paths", "dL/dq = 1/2", "missing term"),
]


@pytest.mark.parametrize(("model", "line", "kind"), SLIPS)
def test_the_slip_is_named(model: str, line: str, kind: str | None) -> None:
    (found,) = judged(model, line).lines
    assert found.verdict.verdict == "wrong"
    assert (found.slip.kind if found.slip else None) == kind
    if found.slip is not None:  # what it says would be right, is
        again = f"{line.split('=')[0]} = {shown(found.slip.corrected)}"
        assert verdicts(model, again) == ["right"]


TWO_SLIPS = {
    "dL/dz1 = (y - a2) w2 (1 - a1)": ("exponent", "(a2 - y)*w2*(1 - a1**2)"),
    "dL/dw1_1 = (y - a2) w2 (1 - a1^2) x_2": ("wrong index", "(a2 - y)*w2*(1 - a1**2)*x_1"),
    "dL/dw1_1 = -(a2 - y) w2 x_1": ("missing inner derivative", "(a2 - y)*w2*x_1*(1 - a1**2)"),
}


@pytest.mark.parametrize("line", TWO_SLIPS)
def test_a_wrong_sign_besides_another_slip_is_named(line: str) -> None:
    (found,) = judged("two-layer", line).lines
    assert found.slip is not None and found.slip.turned
    assert (found.slip.kind, shown(found.slip.corrected)) == TWO_SLIPS[line]
    outcome = derive("verify", "-", "--lang", "es", stdin=f"model: two-layer\n---\n{line}\n")
    assert "el signo está equivocado, y además" in outcome.out


def test_the_first_wrong_line_is_named_and_what_repeats_it_follows() -> None:
    checked = judged("logistic", "dL/dz = (-y/a - (1-y)/(1-a))·a·(1-a)", "= -y(1-a) - (1-y)a", "= a - y")
    assert [(line.verdict.verdict, line.follows) for line in checked.lines] == [
        ("wrong", None), ("wrong", True), ("right", False),
    ]  # fmt: skip
    first = checked.first_wrong
    assert first is not None and first.slip is not None and first.slip.kind == "sign"
    assert checked.lines[1].slip is None


# An oracle that knows nothing of derive.


@cache
def equations(model: str) -> tuple[tuple[str, ast.expr], ...]:
    """The equations of a model of scalars, in order, as Python."""
    found = []
    for node in ast.parse(MODELS[model]).body:
        value = getattr(node, "value", None)
        if isinstance(node, ast.Assign):
            found.append((ast.unparse(node.targets[0]), node.value))
        elif isinstance(node, ast.AnnAssign) and value is not None:
            found.append((ast.unparse(node.target), value))
    return tuple(found)


def evaluate(e: ast.expr, values: dict[str, Any]) -> Any:
    return eval(compile(ast.Expression(e), "test", "eval"), {"__builtins__": {}, **FUNCTIONS}, values)


def forward(model: str, values: dict[str, Any]) -> dict[str, Any]:
    """The values of all names; those that are given stay."""
    found = dict(values)
    for name, body in equations(model):
        if name not in found:
            found[name] = evaluate(body, found)
    return found


def points(model: str) -> Iterator[dict[str, Any]]:
    generator = random.Random(3)
    leaves = Model.parse(MODELS[model]).variables
    for _ in range(3):
        yield forward(model, {name: mpmath.mpf(generator.randint(200, 900)) / 1000 for name in leaves})


def is_true(model: str, wrt: str, line: ast.expr) -> bool:
    """Whether a line is dL/dwrt, by differences of the model run with 60 digits."""
    order = [name for name, _ in equations(model)]
    with mpmath.workdps(60):
        for values in points(model):
            kept = {n: v for n, v in values.items() if n not in order or order.index(n) < _place(order, wrt)}

            def loss(u: Any, kept: dict[str, Any] = kept) -> Any:
                return forward(model, {**kept, wrt: u})["L"]

            try:
                here = evaluate(line, values)
            except (ZeroDivisionError, ValueError):
                return False
            if not mpmath.almosteq(mpmath.diff(loss, values[wrt]), here, 1e-20, 1e-20):
                return False
    return True


def _place(order: list[str], name: str) -> int:
    return order.index(name) if name in order else 0


class _Break(ast.NodeTransformer):
    """Breaks one place of a line, the `which`-th that it can."""

    def __init__(self, change: Callable[[ast.expr], ast.expr | None], which: int) -> None:
        self.change, self.left, self.done = change, which, False

    def visit(self, node: ast.AST) -> Any:
        new = self.change(node) if isinstance(node, ast.expr) and not self.done else None
        if new is not None:
            if self.left == 0:
                self.done = True
                return new
            self.left -= 1
        return node if isinstance(node, ast.Call) and self.done else self.generic_visit(node)


def _sign(e: ast.expr) -> ast.expr | None:
    if isinstance(e, ast.BinOp) and isinstance(e.op, (ast.Add, ast.Sub)):
        return ast.BinOp(e.left, ast.Sub() if isinstance(e.op, ast.Add) else ast.Add(), e.right)
    return e.operand if isinstance(e, ast.UnaryOp) else None


def _missing_factor(e: ast.expr) -> ast.expr | None:
    return e.left if isinstance(e, ast.BinOp) and isinstance(e.op, ast.Mult) else None


def _extra_factor(e: ast.expr) -> ast.expr | None:
    return ast.BinOp(e, ast.Mult(), ast.Name("L")) if isinstance(e, ast.Name) and e.id not in FUNCTIONS else None


def _missing_term(e: ast.expr) -> ast.expr | None:
    return e.left if isinstance(e, ast.BinOp) and isinstance(e.op, (ast.Add, ast.Sub)) else None


def _power(e: ast.expr) -> ast.expr | None:
    return e.left if isinstance(e, ast.BinOp) and isinstance(e.op, ast.Pow) else None


def _constant(e: ast.expr) -> ast.expr | None:
    return ast.Constant(e.value + 1) if isinstance(e, ast.Constant) and isinstance(e.value, int) else None


def _name(e: ast.expr) -> ast.expr | None:
    other = {"x_1": "x_2", "x_2": "x_1", "a1": "a2", "a2": "a1", "w2": "w1_1", "z": "p", "p": "q"}
    return ast.Name(other[e.id]) if isinstance(e, ast.Name) and e.id in other else None


def _upside_down(e: ast.expr) -> ast.expr | None:
    return ast.BinOp(e.right, ast.Div(), e.left) if isinstance(e, ast.BinOp) and isinstance(e.op, ast.Div) else None


# For each way to break a line the slips that undo it.  One line can be right again in several ways.
BREAKS: dict[Callable[[ast.expr], ast.expr | None], set[str]] = {
    _sign: {"sign"},
    _missing_factor: {"missing factor", "missing inner derivative", "missing constant", "exponent"},
    _extra_factor: {"extra factor"},
    _missing_term: {"missing term"},
    _power: {"exponent"},
    _constant: {"constant", "exponent"},
    _name: {"wrong index", "wrong name"},
    _upside_down: {"upside down"},
}


@cache
def derivation(model: str) -> Derivation:
    return Model.parse(MODELS[model]).derive()


@cache
def worked_lines(model: str) -> tuple[tuple[str, str], ...]:
    """derive's own steps, D forms apart: (wrt, text)."""
    found: dict[tuple[str, str], None] = {}
    for adjoint in (*derivation(model).nodes, *derivation(model).gradients):
        for step in adjoint.result.steps:
            if not contains(step.after, lambda node: isinstance(node, D)):
                found[(adjoint.name, str(step.after))] = None
    return tuple(found)


def broken(model: str) -> Iterator[tuple[Callable[[ast.expr], ast.expr | None], str, str]]:
    for wrt, text in worked_lines(model):
        for change in BREAKS:
            for which in range(3):
                visitor = _Break(change, which)
                tree = visitor.visit(_tree(text))
                if visitor.done:
                    yield change, wrt, ast.unparse(ast.fix_missing_locations(tree))


@pytest.mark.parametrize("model", MODELS)
def test_derives_own_steps_are_right(model: str) -> None:
    lines = [f"dL/d{wrt} = {text}" for wrt, text in worked_lines(model)]
    assert set(verdicts(model, *lines)) == {"right"}
    assert all(is_true(model, wrt, _tree(text)) for wrt, text in worked_lines(model))


@pytest.mark.parametrize("model", MODELS)
def test_a_broken_line_is_never_judged_right(model: str) -> None:
    """Every break of every step, judged as the oracle judges it."""
    lines = list(dict.fromkeys((wrt, text) for _, wrt, text in broken(model)))
    random.Random(1).shuffle(lines)
    lines = lines[:60]
    found = verdicts(model, *(f"dL/d{wrt} = {text}" for wrt, text in lines))
    for (wrt, text), verdict in zip(lines, found, strict=True):
        assert verdict == ("right" if is_true(model, wrt, _tree(text)) else "wrong"), (wrt, text)


@pytest.mark.parametrize("change", BREAKS)
def test_the_slip_of_a_broken_step_is_named(change: Callable[[ast.expr], ast.expr | None]) -> None:
    """A repair is found and is one; mostly it undoes the very break (a line can be right again in several ways)."""
    lines = [(m, wrt, text) for m in MODELS for how, wrt, text in broken(m) if how is change]
    lines = [case for case in dict.fromkeys(lines) if not is_true(case[0], case[1], _tree(case[2]))]
    random.Random(2).shuffle(lines)
    kinds = []
    for model, wrt, text in lines[:8]:
        (line,) = judged(model, f"dL/d{wrt} = {text}").lines
        assert line.slip is not None, (model, wrt, text)
        assert is_true(model, wrt, _tree(_plain(line.slip.corrected, model)))
        kinds.append(line.slip.kind)
    assert len(kinds) >= 2
    assert sum(kind in BREAKS[change] for kind in kinds) >= len(kinds) / 2, kinds


def _tree(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _plain(e: Any, model: str) -> str:
    """The corrected line without derivatives: each that was put in is what derive says."""
    from derive.expression.nodes import Ref
    from derive.expression.walk import bottom_up

    known = {f"d{r.of}/d{r.wrt}": r.expr for r in derivation(model).local}

    def change(node: Any) -> Any:
        if isinstance(node, Ref) and "/" in node.name:
            return known.get(node.name) or total(node.name)
        return node

    def total(name: str) -> Any:
        of, wrt = name[1:].split("/d")
        found = verify(f"{MODELS[model]}\n---\nd{of}/d{wrt} = 0").lines[0].truth
        return bottom_up(found, change)

    return str(bottom_up(e, change))


# The same for arrays: numpy runs the model, and differentiates it by complex steps.

ARRAYS = """x: input[3]
y: target[4]
W: parameter[4, 3]
V: parameter[4, 4]
h = tanh(W @ x)
r = V @ h - y
L: loss = sum(r**2)/2
"""
ARRAY_LINES = {
    "r": ["r", "V @ h - y"],
    "h": ["V.T @ r", "r @ V"],
    "V": ["outer(r, h)"],
    "W": ["outer((V.T @ r)*(1 - h**2), x)"],
    "x": ["W.T @ ((V.T @ r)*(1 - h**2))", "((r @ V)*(1 - h**2)) @ W"],
}
NUMPY = {"tanh": np.tanh, "sum": np.sum, "outer": np.outer}


def _transposed(e: ast.expr) -> ast.expr | None:
    return e.value if isinstance(e, ast.Attribute) else None


def _swapped(e: ast.expr) -> ast.expr | None:
    if isinstance(e, ast.Call) and len(e.args) == 2:
        return ast.Call(e.func, e.args[::-1], [])
    return (
        ast.BinOp(e.right, e.op, e.left)
        if isinstance(e, ast.BinOp) and isinstance(e.op, (ast.MatMult, ast.Sub))
        else None
    )


def _other_product(e: ast.expr) -> ast.expr | None:
    return (
        ast.BinOp(e.left, ast.Mult(), e.right) if isinstance(e, ast.BinOp) and isinstance(e.op, ast.MatMult) else None
    )


def _array_name(e: ast.expr) -> ast.expr | None:
    return ast.Name({"r": "h", "h": "r"}[e.id]) if isinstance(e, ast.Name) and e.id in ("r", "h") else None


def run_arrays(values: dict[str, Any]) -> dict[str, Any]:
    found = dict(values)
    for name, text in {"h": "tanh(W @ x)", "r": "V @ h - y", "L": "sum(r**2)/2"}.items():
        if name not in found:
            found[name] = eval(text, {"__builtins__": {}, **NUMPY}, found)
    return found


def array_truth(values: dict[str, Any], wrt: str) -> Any:
    below = {"h": ("r", "L"), "r": ("L",)}.get(wrt, ("h", "r", "L"))
    kept = {name: value for name, value in values.items() if name not in below}
    found = np.empty(np.shape(values[wrt]))
    for place in np.ndindex(found.shape):
        moved = values[wrt].astype(complex)
        moved[place] += 1e-30j
        found[place] = run_arrays({**kept, wrt: moved})["L"].imag / 1e-30
    return found


def test_a_broken_line_of_arrays_is_never_judged_right() -> None:
    generator = np.random.default_rng(4)
    shapes = {"x": 3, "y": 4, "W": (4, 3), "V": (4, 4)}
    values = run_arrays({name: generator.normal(size=shape) for name, shape in shapes.items()})
    lines = [(wrt, text) for wrt, texts in ARRAY_LINES.items() for text in texts]
    for wrt, text in list(lines):
        for change in (_sign, _missing_factor, _power, _constant, _transposed, _swapped, _other_product, _array_name):
            for which in range(3):
                visitor = _Break(change, which)
                tree = visitor.visit(_tree(text))
                if visitor.done:
                    lines.append((wrt, ast.unparse(ast.fix_missing_locations(tree))))
    lines = list(dict.fromkeys(lines))
    assert len(lines) > 40
    for (wrt, text), found in zip(
        lines, verdicts(ARRAYS, *(f"dL/d{wrt} = {text}" for wrt, text in lines)), strict=True
    ):
        try:
            value = eval(text, {"__builtins__": {}, **NUMPY}, values)
        except ValueError:
            value = None
        true = array_truth(values, wrt)
        right = value is not None and np.shape(value) == true.shape and bool(np.allclose(value, true, rtol=1e-9))
        assert found == ("right" if right else "wrong"), (wrt, text)


def test_every_kind_of_slip_has_its_sentence() -> None:
    """In both languages, and no sentence is left over."""
    trees = [ast.parse(Path(module.__file__).read_text(encoding="utf-8")) for module in (verify_edits, verify_slips)]
    texts = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    first = "missing|wrong|extra|transposed|upside|quotient|sign|exponent|constant"
    kinds = {text for text in texts if isinstance(text, str) and re.fullmatch(f"({first})[a-z ]*", text)}
    for language in ("en", "es"):
        known = {key.removeprefix("slip ") for key in catalogue(language)["sentences"] if key.startswith("slip ")}
        assert kinds == known


# Files, the command line, errors.


@pytest.mark.parametrize("file", sorted(DERIVATIONS.glob("*.txt")), ids=lambda f: f.stem)
def test_what_is_printed(file: Path) -> None:
    check_golden(f"verify-{file.stem}", derive("verify", str(file)))


def test_the_readme_tells_the_truth() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    written, told = readme.split("## Your own derivation, checked")[1].split("```text\n")[1:3]
    outcome = derive("verify", "-", stdin=written.split("```")[0])
    assert told.split("```")[0].strip() in outcome.out


def test_lines_about_the_batch() -> None:
    """dJ/dW is the mean over the examples; a penalty is counted once."""
    model = "model: ridge"
    lines = {
        "dJ/dw = X.T @ (Y_hat - Y)/N + lam*w": "right", "dJ/dw = Xᵀ (Ŷ − Y)/N + λ w": "right",
        "dJ/dw = sum((y_hat[n] - y[n])*x[n], n)/N + lam*w": "right", "dJ/dw = Xᵀ dL/dy_hat/N + λ w": "right",
        "dJ/db = mean(Ŷ - Y)": "right", "dJ/dw = X.T @ (Ŷ - Y) + lam*w": "missing divisor",
        "dJ/dw = X.T @ (Ŷ - Y)/N": "missing term", "dJ/dw = X.T @ (Y - Ŷ)/N + lam*w": "sign",
    }  # fmt: skip
    found = verify("\n".join([model, "---", *lines])).lines
    assert [line.slip.kind if line.slip else line.verdict.verdict for line in found] == list(lines.values())


def test_lines_about_the_batch_use_what_is_assumed_of_each_example() -> None:
    """The targets of softmax regression add up to one in each row, and k is no number that is known."""
    lines = ["dJ/dW = (k*mean(Y)*A - Y).T @ X/N", "dJ/dW = (A - Y*sum(Y)/N).T @ X/N", "dJ/dW = (10*mean(Y)*A - Y).T @ X/N"]
    found = verify("\n".join(["model: softmax-regression", "---", *lines])).lines
    assert [line.verdict.verdict for line in found] == ["right", "right", "wrong"]
    assert verify("\n".join(["model: softmax-regression", "---", "dJ/dW = (Y - A).T @ X/N"])).lines[0].slip is not None


def test_it_speaks_spanish() -> None:
    check_golden("verify-es", derive("verify", str(DERIVATIONS / "two-layer.txt"), "--lang", "es"))


def test_json() -> None:
    outcome = derive("verify", str(DERIVATIONS / "logistic.txt"), "--format", "json")
    found = json.loads(outcome.out)
    assert outcome.code == 1 and found["right"] is False
    wrong = [line for line in found["lines"] if line["verdict"] == "wrong"]
    assert [(line["line"], line["slip"]["kind"]) for line in wrong] == [(17, "wrong index"), (18, "sign")]
    assert wrong[1]["slip"]["corrected"] == "a - y"
    assert wrong[1]["expr"] == "a - y"
    at = wrong[1]["counterexample"]["at"]
    assert wrong[1]["counterexample"]["line"] == pytest.approx(at["y"] - at["a"])
    assert wrong[1]["counterexample"]["derivative"] == pytest.approx(at["a"] - at["y"])


def test_exit_codes(tmp_path: Path) -> None:
    assert derive("verify", str(DERIVATIONS / "article.txt")).code == 0
    assert derive("verify", str(DERIVATIONS / "logistic.txt")).code == 1
    assert derive("verify", "-", stdin="L: loss = x**2\nx: parameter\ndL/dx = 2x").code == 0
    assert derive("verify", str(tmp_path / "none.txt")).code == 2


UNREADABLE = {
    "no-derivation": "model: logistic\n",
    "no-model": "dL/dz = a - y\n",
    "unknown-model": "model: logistik\n---\ndL/dz = a - y\n",
    "unknown-name": "model: logistic\n---\ndL/dz = a - yy\n",
    "unknown-derivative": "model: logistic\n---\ndL/dq = a - y\n",
    "no-equals": "model: logistic\n---\nthe chain rule gives\n",
    "nothing-behind": "model: logistic\n---\ndL/dz =\n",
    "goes-on-with-nothing": "model: logistic\n---\n= a - y\n",
    "bad-character": "model: logistic\n---\ndL/dz = a ¿ y\n",
    "bad-syntax": "model: logistic\n---\ndL/dz = a - (y\n",
    "mistake-in-the-model": "x: parameter\nL: loss = sinn(x)\ndL/dx = cos(x)\n",
    "index-on-the-right-alone": "model: softmax-regression\n---\ndL/dz = a[i] - y[i]\n",
    "node-beside-the-loss": "x: parameter\nh = sin(x)\nL: loss = x**2\ndh/dx = cos(x)\n",
    "huge-power": "model: quadratic\n---\ndL/dx = 9**9**9**9\n",
    "calls-python": 'model: quadratic\n---\ndL/dx = __import__("os").system("ls")\n',
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read(name: str) -> None:
    check_golden(f"wrong-verify-{name}", derive("verify", "-", stdin=UNREADABLE[name]))


@pytest.mark.parametrize(
    "line",
    ["dL/dx = " + "(" * 3000, "dL/dx = " + "x*" * 1900 + "x", "=" * 3000, "dL/dx = " + "-" * 3000 + "x", "dL/dx = x" + "²" * 3000,
     "dL/dx = exp(exp(exp(exp(exp(x)))))", "dL/dx = x[0]", "dL/dx[i] = x", "dL/dx = \u202e", "d/dx = x", "dL/dx = sum(x, x)",
     "dL/dx = x ** 1e300", "\x00", "dL/dx = σ''(x)", "x' = 3", "dL/dx = " + "9" * 3000, "dL/dx = D(L, x)", "dL/dx = 1/0"],
)  # fmt: skip
def test_hostile_lines_end_quickly_in_an_error_or_a_verdict(line: str) -> None:
    outcome = derive("verify", "-", stdin=f"model: quadratic\n---\n{line}\n")
    assert outcome.code in (1, 2)
    assert "mistake (its own" not in outcome.err


FILTER = "T: size = 6\nx: input[T]\nphi: parameter\ns[0] = 0\ns[t] = phi*s[t-1] + x[t-1]\nL: loss = s[T]**2\n"


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("dL/dphi = sum(dL/ds[t]*s[t-1], t, t >= 1)", "right"),
        ("dL/ds[t] = where(t < T, phi*dL/ds[t+1], 2*s[T])", "right"),
        ("dL/ds[t] = where(t < T, dL/ds[t+1], 2*s[T])", "wrong"),
        ("dL/dphi = 2*s[T]", "wrong"),
    ],
)
def test_recurrences_are_judged(line: str, verdict: str) -> None:
    assert verdicts(FILTER, line) == [verdict]


@pytest.mark.parametrize("line", ["dL/dw_1 = 1,0 (a - y) x_1", "dL/dw_1 = (0,25 + 0,75)*(a - y)*x_1"])
def test_decimal_commas_are_read(line: str) -> None:
    assert verdicts("logistic", line) == ["right"]


def test_a_comma_between_subscripts_is_none() -> None:
    assert verdicts("m: size\nA: parameter[m, m]\nL: loss = sum(A**2)", "dL/dA[0,1] = 2 A[0,1]") == ["right"]
