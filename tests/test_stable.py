"""Losses of logits in the spellings that people use: finite at ±1000, without a warning, and right to the last digits.

The oracle evaluates the author's own text with 1500 digits (tests/exact.py).
"""

from __future__ import annotations

import math
import random
import time
import warnings

import mpmath
import numpy as np
import pytest
from exact import DIGITS, FUNCTIONS, _code, loss_and_gradient

from derive.check.gradients import LIMIT, compare
from derive.lower.restate import restated_model
from derive.lower.stable_rows import LAST_ROWS, ROWS
from derive.model import Model

LARGE = 1e300  # exact values beyond this are no float's to give
RELATIVE = 1e-12
OF_THE_TERMS = 1e-15  # the terms of the printed formulas are about 1: what a difference like a - y may lose

LOGITS = (1000.0, -1000.0, 40.0, -40.0, 1.0, -1.0, 0.0)
NORMAL_LOGITS = (300.0, -300.0, 40.0, -40.0, -20.5, -19.5, 6.0, 1.0, -1.0, 0.0)  # 1500 digits hold no Φ(-1000)
VECTORS = ([1000.0, -1000.0, 3.0], [-1000.0, 1000.0, 1000.0], [40.0, -40.0, 0.0], [1.0, -1.0, 0.5])
ONE_HOT = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0])

SCALAR = {
    "nodes": "a: output = sigmoid(z)\nL: loss = -y*log(a) - (1-y)*log(1-a)",
    "inline": "L: loss = -y*log(sigmoid(z)) - (1-y)*log(1-sigmoid(z))",
    "quotient": "a: output = 1/(1+exp(-z))\nL: loss = -y*log(a) - (1-y)*log(1-a)",
    "other quotient": "a: output = exp(z)/(1+exp(z))\nL: loss = -(y*log(a) + (1-y)*log(1-a))",
    "inline quotient": "L: loss = -log(1/(1+exp(-z)))*y - log(1 - 1/(1+exp(-z)))*(1-y)",
    "softplus": "L: loss = softplus(z) - y*z",
    "cross-entropy": "a: output = sigmoid(z)\nL: loss = binary_cross_entropy(a, y)",
    "cross-entropy inline": "L: loss = binary_cross_entropy(sigmoid(z), y)",
    "cross-entropy of logits": "L: loss = binary_cross_entropy_with_logits(z, y)",
    "focal loss": "L: loss = sigmoid_focal_loss(z, y)",
    "margin": "L: loss = soft_margin_loss(z, 2*y - 1)",
    "normal": "L: loss = -log_ndtr((2*y - 1)*z/10)",
    "squareplus": "L: loss = (squareplus(z) - y)**2",
    "log(1 + exp)": "L: loss = log(1+exp(z)) - y*z",
    "log1p(exp)": "L: loss = log1p(exp(-z))*y + log1p(exp(z))*(1-y)",
    "log1p(-a)": "a: output = sigmoid(z)\nL: loss = -y*log(a) - (1-y)*log1p(-a)",
    "log2": "p: output = sigmoid(z)\nL: loss = -y*log2(p) - (1-y)*log2(1-p)",
    "xlogy": "p: output = sigmoid(z)\nL: loss = -xlogy(y, p) - xlogy(1-y, 1-p)",
    "halved tanh": "a: output = tanh(z)\nL: loss = -(1+y)/2*log((1+a)/2) - (1-y)/2*log((1-a)/2)",
    "tanh": "a: output = tanh(z)\nL: loss = -(1+y)*log(1+a) - (1-y)*log(1-a)",
    "log-sigmoid": "L: loss = -y*log_sigmoid(z) - (1-y)*log_sigmoid(-z)",
    "squared error": "a: output = sigmoid(z)\nL: loss = (a-y)**2",
    "silu": "L: loss = (silu(z)-y)**2",
    "log-cosh": "L: loss = log_cosh(z-y)",
    "complement a node": "p: output = sigmoid(z)\nq = 1 - p\nL: loss = -y*log(p) - (1-y)*log(q)",
    "log of a case": "a: output = sigmoid(z)\nL: loss = -log(where(y > 0.5, a, 1 - a))",
    "case of logs": "a: output = sigmoid(z)\nL: loss = where(y > 0.5, -log(a), -log(1 - a))",
    "case a node": "a: output = sigmoid(z)\nt = where(y > 0.5, a, 1 - a)\nL: loss = -log(t)",
    "logit": "p: output = sigmoid(z)\nL: loss = (logit(p) - y)**2",
    "logit written": "p: output = sigmoid(z)\nu = log(p/(1-p))\nL: loss = (u - y)**2",
    "mixture": "p: output = sigmoid(z)\nL: loss = -log(y*p + (1-y)*(1-p))",
    "mixture of nodes": "p: output = sigmoid(z)\nq = 1 - p\nm = y*p + (1-y)*q\nL: loss = -log(m)",
    "powers": "p: output = sigmoid(z)\nL: loss = -log(p**y*(1-p)**(1-y))",
    "product": "p: output = sigmoid(z)\nq = 1-p\nL: loss = -log(p*q)",
    "root": "p = sigmoid(z)\nL: loss = -log(sqrt(p))",
    "geometric": "p: output = sigmoid(z)\nL: loss = -log(p) - 3*log(1-p)",
    "focal": "p: output = sigmoid(z)\nL: loss = -(1-p)**2*log(p)*y - (1-y)*p**2*log(1-p)",
    "focal with a case": "p: output = sigmoid(z)\nt = where(y > 0.5, p, 1 - p)\nL: loss = -(1-t)**2*log(t)",
    "entropy": "p: output = sigmoid(z)\nL: loss = -p*log(p) - (1-p)*log(1-p)",
    "divergence": "p: output = sigmoid(z)\nL: loss = p*log(p/0.3) + (1-p)*log((1-p)/0.7)",
    "signed": "L: loss = log(1 + exp(-(2*y-1)*z))",
    "signed margin": "m = (2*y-1)*z\nL: loss = log(1 + exp(-m))",
    "sech": "L: loss = -log(sech(z))",
    "sech a node": "s: output = sech(z)\nL: loss = -log(s)",
    "cosh": "L: loss = log(cosh(z - y))",
    "cosh a node": "c = cosh(z)\nL: loss = log(c)",
    "log-softplus": "L: loss = (log(softplus(z)) - y)**2",
    "log-softplus a node": "r: output = softplus(z)\nL: loss = r - y*log(r)",
    "cumulative hazard": "p = sigmoid(z)\nh = -log(1-p)\nL: loss = h - y*log(h)",
    "tanh as a probability": "p: output = (1 + tanh(z/2))/2\nL: loss = -y*log(p) - (1-y)*log(1-p)",
    "tanh in nodes": "t: output = tanh(z)\np = (1+t)/2\nq = (1-t)/2\nL: loss = -y*log(p) - (1-y)*log(q)",
    "tanh squared": "L: loss = -log(1 - tanh(z)**2)",
    "tanh squared a node": "t: output = tanh(z)\nL: loss = -log(1 - t**2)",
    "exponentials in nodes": "e = exp(z)\np: output = e/(1+e)\nL: loss = -y*log(p) - (1-y)*log(1-p)",
    "exponential a node": "e = exp(-z)\np: output = 1/(1+e)\nL: loss = -y*log(p) - (1-y)*log(1-p)",
    "denominator a node": "e = exp(-z)\nd = 1 + e\np: output = 1/d\nL: loss = (p-y)**2",
    "pseudo-Huber": "L: loss = sqrt(1+(z-y)**2)-1",
    "expm1": "L: loss = (exp(z) - 1)**2 - y",
    "expm1 a node": "e = exp(-softplus(z))\nL: loss = 1 - e",
    "log1p": "s = sigmoid(z)\nL: loss = log(1+s)*y + log(1-s/2)",
    "Gaussian": "v = exp(z)\nL: loss = (log(v) + (y - 2)**2/v)/2",
    "Gaussian inline": "L: loss = z/2 + (y - 2)**2/(2*exp(z))",
    "Gaussian by deviation": "s = exp(z/2)\nL: loss = log(s) + ((y - 2)/s)**2/2",
    "Poisson": "r: output = exp(z)\nL: loss = r - y*log(r)",
    "smoothed": "p = sigmoid(z)\nl = log(p)\nk = log(1-p)\nt = 0.9*y + 0.05\nL: loss = -t*l - (1-t)*k",
    "root of a square": "d = z - 3\nL: loss = sqrt(d**2)",
    "log-sum-exp of two": "L: loss = log(exp(z)+exp(-z)) - y*z",
    "overlap": "p = sigmoid(z)\nL: loss = 1 - 2*p*y/(p + y + 1)",
}
NORMAL = {
    "probit": "p: output = normal_cdf(z)\nL: loss = -y*log(p) - (1-y)*log(1-p)",
    "probit inline": "L: loss = -y*log(normal_cdf(z)) - (1-y)*log(normal_cdf(-z))",
    "probit in nodes": "p: output = normal_cdf(z)\nq = 1 - p\nl = log(p)\nL: loss = -y*l - (1-y)*log(q)",
}
VECTOR = {
    "softmax": "a: output = softmax(z)\nL: loss = -sum(y*log(a))",
    "by hand": "L: loss = -sum(y*(z - log(sum(exp(z)))))",
    "quotient": "a = exp(z)/sum(exp(z))\nL: loss = -sum(y*log(a))",
    "log-sum-exp": "L: loss = logsumexp(z) - sum(y*z)",
    "log-softmax": "L: loss = -sum(y*log_softmax(z))",
    "in nodes": "e = exp(z)\ns = sum(e)\np: output = e/s\nL: loss = -sum(y*log(p))",
    "maximum taken off": "m = max(z)\ne = exp(z - m)\ns = sum(e)\np: output = e/s\nL: loss = -sum(y*log(p))",
    "smoothed labels": "p: output = softmax(z)\nl = log(p)\nt = 0.9*y + 0.1/3\nL: loss = -sum(t*l)",
    "entropy": "p: output = softmax(z)\nL: loss = -sum(p*log(p)) - sum(y*z)/7",
    "divergence from": "p: output = softmax(z)\nL: loss = sum(p*log(p/(0.1+y)))",
    "divergence to": "p: output = softmax(z)\nt = 0.9*y + 0.1/3\nL: loss = sum(t*log(t/p))",
    "focal": "p: output = softmax(z)\nL: loss = -sum(y*(1-p)**2*log(p))",
    "temperature": "p: output = softmax(z/0.5)\nL: loss = -sum(y*log(p)) + 0.1*sum(p**2)",
    "three exponentials": "L: loss = log(exp(z[0])+exp(z[1])+1) - y[0]*z[0]",
    "ratio": "p: output = exp(z[0])/(exp(z[0])+exp(z[1]))\nL: loss = -y[0]*log(p) - (1-y[0])*log(1-p)",
    "ratio of nodes": "e = exp(z[0])\nf = exp(z[1])\np: output = e/(e+f)\nL: loss = -y[0]*log(p) - (1-y[0])*log(1-p)",
    "squared ratio": "e = exp(z[0])\nf = exp(z[1])\np: output = e/(e+f)\nL: loss = (p-y[0])**2",
    "partition a node": "s = sum(exp(z))\nl = log(s)\nL: loss = l - sum(y*z)",
    "Brier": "p: output = softmax(z)\nL: loss = sum((p-y)**2)",
    "independent labels": "p: output = sigmoid(z)\nq = 1 - p\nL: loss = -sum(y*log(p) + (1-y)*log(q))",
    "mixed": "p: output = softmax(z)\nL: loss = -sum(y*log(p)) + sum((1-y)*p)",
    "perplexity": "p: output = softmax(z)\nh = -sum(p*log(p))\nL: loss = exp(h)",
}


def run(text: str, parameter: str, value, target):
    """The generated module's loss and gradient; a numpy warning is an error."""
    module = MODULES.get(text) or MODULES.setdefault(text, Model.parse(text).derive().compile())
    params = {parameter: np.array(value) if isinstance(value, list) else value}
    with np.errstate(over="raise", divide="raise", invalid="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        data = {"y": np.array([target])}
        loss, grads = module.loss_and_gradients(params, **data)
        assert module.loss(params, **data) == loss
    return loss, np.ravel(grads[parameter])


MODULES: dict = {}


def agree(found: float, wanted, floor: float = OF_THE_TERMS) -> bool:
    if abs(wanted) > LARGE:
        return True
    exact = float(wanted) if abs(wanted) > 1e-305 else 0.0
    return math.isfinite(found) and abs(found - exact) <= RELATIVE * abs(exact) + floor


def check(text: str, parameter: str, value, target, floor: float = OF_THE_TERMS) -> None:
    wanted, slopes = loss_and_gradient(text, {parameter: value, "y": target}, parameter)
    if abs(wanted) > LARGE:
        return
    loss, gradient = run(text, parameter, value, target)
    where = f"at {value}, y = {target}"
    assert agree(loss, wanted, floor), f"loss {loss}, exactly {mpmath.nstr(wanted, 17)} {where}"
    for found, slope in zip(gradient, slopes, strict=True):
        assert agree(found, slope, floor), f"gradient {found}, exactly {mpmath.nstr(slope, 17)} {where}"


@pytest.mark.parametrize("name", SCALAR)
def test_losses_of_one_logit(name):
    text = f"b: parameter\ny: target\nz = b\n{SCALAR[name]}"
    for logit in LOGITS:
        for target in (0.0, 1.0):
            check(text, "b", logit, target)


@pytest.mark.parametrize("name", NORMAL)
def test_losses_of_the_normal_distribution(name):
    text = f"b: parameter\ny: target\nz = b\n{NORMAL[name]}"
    for logit in NORMAL_LOGITS:
        if name != "probit inline" and logit > 80:
            continue  # there the oracle's own 1 - p is 0
        for target in (0.0, 1.0):
            check(text, "b", logit, target, floor=1e-300 if (logit < 0) == (target == 1) else OF_THE_TERMS)


@pytest.mark.parametrize("name", VECTOR)
def test_losses_of_several_logits(name):
    text = f"W: parameter[3]\ny: target[3]\nz = W\n{VECTOR[name]}"
    for logits in VECTORS:
        for target in ONE_HOT:
            check(text, "W", logits, target)


# Random targets are outside of the domain of these.
OF_TARGETS_0_AND_1 = ("mixture", "mixture of nodes", "powers", "Poisson")


@pytest.mark.parametrize("name", [name for name in (*SCALAR, *NORMAL) if name not in OF_TARGETS_0_AND_1])
def test_gradients_over_a_batch(name):
    """The same with data in it, and many examples, beside the complex step."""
    model = Model.parse(f"x: input\ny: target\nw: parameter\nb: parameter\nz = w*x + b\n{(SCALAR | NORMAL)[name]}")
    assert compare(model, model.derive().compile()).worst < LIMIT


# Derivatives of named functions, to the last digits of the result.

OWN = {
    "sigmoid": "L: loss = sigmoid(z)",
    "sigmoid a node": "a: output = sigmoid(z)\nL: loss = a",
    "sigmoid in two steps": "a: output = sigmoid(z)\nL: loss = a/3",
    "tanh": "L: loss = tanh(z)",
    "tanh a node": "a: output = tanh(z)\nL: loss = a",
    "softplus": "L: loss = softplus(z)",
    "softplus a node": "a: output = softplus(z)\nL: loss = 2*a",
    "log-sigmoid": "L: loss = log_sigmoid(z)",
    "log of the sigmoid": "a: output = sigmoid(z)\nL: loss = log(a)",
    "log of the normal distribution": "L: loss = log_ndtr(z)",
    "log of cosh": "L: loss = log(cosh(z))",
}


@pytest.mark.parametrize("name", OWN)
def test_derivatives_keep_their_digits(name):
    for logit in (40.0, -40.0, 21.3, -21.3, 3.0, -3.0, 1e-9):
        check(f"b: parameter\ny: target\nz = b\n{OWN[name]}", "b", logit, 0.0, floor=1e-300)


def test_a_gate_keeps_its_cheap_form():
    """``1 - a`` becomes an activation of its own only where its digits count."""
    model = Model.parse(
        "x: input\ny: target\nu: parameter\nv: parameter\nz = u*x\na = sigmoid(z)\nh = (1 - a)*x + a*v\n"
        "g = tanh(h)\nL: loss = (v*g - y)**2"
    )
    source = model.derive().generate()
    assert "h = (1 - a) * x + a * v" in source
    assert "a * (1 - a)" in source


# Where a derivative or a logarithm is taken at 0.

AT_0 = {
    "norm": ("L: loss = norm(z - y)", 0.0),
    "norm written": ("L: loss = sqrt(sum((z - y)**2))", 0.0),
    "norm of a node": ("d = z - y\nL: loss = norm(d)", 0.0),
    "norm a node": ("d = z - y\nr = norm(d)\nL: loss = r", 0.0),
    "square a node": ("d = z - y\nq = sum(d**2)\nL: loss = sqrt(q)", 0.0),
    "two squares": ("L: loss = sqrt((z[0] - y[0])**2 + (z[1] - y[1])**2)", 0.0),
    "weighted": ("d = z - y\nr = norm(d)\nL: loss = 3*r + sum(z)", 6.0),
    "root of a square": ("d = z - y\nL: loss = sum(sqrt(d**2))", 0.0),
}


@pytest.mark.parametrize("name", AT_0)
def test_the_derivative_of_a_norm_is_0_at_0(name):
    body, wanted = AT_0[name]
    text = f"W: parameter[3]\ny: target[3]\nz = W\n{body}"
    loss, gradient = run(text, "W", [1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert loss == wanted
    assert gradient.tolist() == [1.0 if name == "weighted" else 0.0] * 3
    check(text, "W", [1.0, 2.0, 3.5], [1.0, 2.0, 3.0])
    check(text, "W", [3.0, 4.0, 3.0], [0.0, 0.0, 3.0])


GUARDED = {
    "x log x": "L: loss = where(z > 0, z*log(z), 0)",
    "x log x through a node": "u = log(z)\nL: loss = where(z > 0, z*u, 0)",
    "root": "L: loss = where(z > 0, sqrt(z), 0)",
    "root through a node": "r = sqrt(z)\nL: loss = where(z > 0, r, 0)",
    "root through two nodes": "r = sqrt(z)\nv = 3*r\nL: loss = where(z > 0, v, 0)",
    "logarithm through three nodes": "u = log(z)\nv = z*u\nw = v + 1\nL: loss = where(z > 0, w, 1)",
    "root of a guarded argument": "r = where(z > 0, z, 1)\nL: loss = where(z > 0, sqrt(r), 0)",
    "quotient": "L: loss = where(z == 0, 1, tanh(z)/z)",
    "exponential": "L: loss = where(z < 1, exp(z), z)",
    "exponential through a node": "e = exp(z)\nL: loss = where(z < 1, e, z)",
}


@pytest.mark.parametrize("name", GUARDED)
def test_the_case_that_does_not_hold_does_no_harm(name):
    text = f"b: parameter\ny: target\nz = b\n{GUARDED[name]}"
    for z in (-1000.0, -40.0, -1.0, 0.5, 2.0, 40.0, 1000.0):
        check(text, "b", z, 1.0)
    loss, gradient = run(
        text, "b", 0.0, 1.0
    )  # at the edge the case that holds is smooth, or the kink's convention holds
    assert np.isfinite(loss)
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("name", GUARDED)
def test_in_fast_style_it_does_no_harm_either(name):
    text = f"b: parameter\ny: target\nz = b\n{GUARDED[name]}"
    fast = Model.parse(text).derive().compile(style="fast")
    for z in (-1000.0, -40.0, -1.0, 0.5, 2.0, 40.0, 1000.0):
        loss, grads = fast.loss_and_gradients({"b": z}, y=np.array([1.0]))
        wanted, slopes = loss_and_gradient(text, {"b": z, "y": 1.0}, "b")
        assert agree(loss, wanted) and agree(float(grads["b"]), slopes[0]), z


def test_x_log_x_is_0_at_0():
    module = Model.parse("b: parameter\nr = relu(b)\nL: loss = r*log(r)").derive().compile()
    with np.errstate(all="raise"):
        assert [module.loss({"b": b}) for b in (-3.0, 0.0, 1.0)] == [0, 0, 0]


# The table.

POINTS = [1000.0, 700.0, 40.0, 19.3, 1.9, 0.3, 1e-9, -1e-9, -0.4, -2.7, -19.3, -40.0, -1000.0]
POINTS += [round(random.Random(5).uniform(-30, 30), 3) for _ in range(6)]


def real(text: str, u: float):
    """The value with 1500 digits; None where it is not real, not finite, or beyond what those digits show."""
    with mpmath.workdps(DIGITS):
        try:
            value = mpmath.mpmathify(eval(_code(text), FUNCTIONS, {"u": mpmath.mpf(u), "v": mpmath.mpf("0.7")}))
        except (ZeroDivisionError, ValueError):
            return None
        return value if mpmath.isfinite(value) and not isinstance(value, mpmath.mpc) else None


@pytest.mark.parametrize("row", [*ROWS, *LAST_ROWS], ids=lambda row: row.before)
def test_every_row_keeps_the_value(row):
    """With 1500 digits: all of them, but where the row says that an argument is far enough out."""
    compared = 0
    for u in POINTS:
        if "normal_cdf" in row.before and u > 80:
            continue  # the digits do not show 1 - Φ(700)
        left, right = real(row.before, u), real(row.after, u)
        if left is None or right is None:
            continue
        assert abs(left - right) <= mpmath.mpf(10) ** -15 * abs(right), f"at u = {u}"
        compared += 1
    assert compared >= 5


@pytest.mark.parametrize("row", [*ROWS, *LAST_ROWS], ids=lambda row: row.before)
def test_code_for_every_row_is_right_wherever_the_value_is_finite(row):
    text = f"u: parameter\nv: constant = 0.7\ny: target\nL: loss = {row.before} + 0*y"
    spelled = f"v = 0.7\nL = {row.before}"
    for u in POINTS:
        if real(row.before, u) is None or ("normal_cdf" in row.before and u > 80) or abs(real(row.before, u)) > LARGE:
            continue
        wanted, slopes = loss_and_gradient(spelled, {"u": u}, "u")
        loss, gradient = run(text, "u", u, 0.0)
        assert agree(loss, wanted), f"loss {loss}, exactly {mpmath.nstr(wanted, 17)} at {u}"
        assert agree(gradient[0], slopes[0]), f"gradient {gradient[0]}, exactly {mpmath.nstr(slopes[0], 17)} at {u}"


# By structure: what the equations before say of the last one.
STRUCTURE = (
    ("L: loss = log(u*exp(z))", "z + log(u)", "the logarithm of a product"),
    ("L: loss = log(u/exp(z))", "-z + log(u)", "the logarithm of a quotient"),
    ("p = sigmoid(z)\nL: loss = log(p**3)", "-3*softplus(-z)", "the logarithm of a power, through a node"),
    ("p = sigmoid(z)\nq = 1 - p\nL: loss = log(q)", "-softplus(z)", "through two nodes"),
    ("p = sigmoid(z)\nL: loss = log(where(y > 0, p, u))", "where(y > 0, -softplus(-z), log(u))", "of a case"),
    ("L: loss = log(exp(z) + exp(u))", "logaddexp(z, u)", "of a sum of exponentials"),
    ("L: loss = log(2 + exp(z))", "logaddexp(log(2), z)", "of a number and an exponential"),
    ("p = sigmoid(z)\nL: loss = log(p + u)", "log(p + u)", "nothing is known of this sum"),
    ("L: loss = u/exp(z)", "u*exp(-z)", "a quotient by an exponential"),
    ("L: loss = exp(z)/(exp(z) + exp(u))", "sigmoid(z - u)", "a ratio of two exponentials"),
    ("e = exp(z)\nf = exp(u)\nL: loss = y*e/(e + f)", "y*sigmoid(z - u)", "the same in nodes"),
    ("L: loss = exp(z)/(exp(z) + exp(u) + 1)", "exp(z - softplus(logaddexp(z, u)))", "of three"),
    ("L: loss = exp(z)/(1 + exp(z))**2", "exp(z - 2*softplus(z))", "by a power of a sum"),
    ("u_ = log(z)\nL: loss = where(z > 0, z*u_, 0)", "where(z > 0, z*log(z), 0)", "a guarded node"),
)


@pytest.mark.parametrize(("equations", "wanted", "why"), STRUCTURE, ids=[row[2] for row in STRUCTURE])
def test_forms_by_structure(equations, wanted, why):
    model = restated_model(Model.parse(f"z: parameter\nu: parameter\ny: target\n{equations}"))
    assert str(model.equation("L").body) == wanted


def test_the_authors_gradient_is_kept_where_nothing_can_vanish():
    text = f"x: input\ny: target\nb: parameter\nz = b*x\n{SCALAR['nodes']}"
    assert "d_z = a - y" in Model.parse(text).derive().generate()


def test_long_chains_stay_linear():
    def seconds(count: int) -> float:
        lines = ["y: target", "b: parameter", "a0 = sigmoid(b)"]
        lines += [f"a{k} = 1/(1 + exp(-log(a{k - 1})))" for k in range(1, count)]
        model = Model.parse("\n".join([*lines, f"L: loss = -y*log(a{count - 1})"]))
        derivation = model.derive()
        start = time.process_time()
        derivation.generate()
        return time.process_time() - start

    seconds(10)
    assert seconds(80) < 16 * seconds(20)
