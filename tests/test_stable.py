"""Losses of logits in the spellings that people use: finite at ±1000, without a warning, and right at ordinary values."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from derive.check.gradients import LIMIT, compare
from derive.lower.stable import ROWS
from derive.model import Model
from derive.parse.expression import parse_expression
from derive.prove.numeric import Evaluator
from derive.prove.primitives import Undefined
from derive.prove.setting import Setting

HEAD = "x: input\ny: target\nw: parameter\nb: parameter\nz = w*x + b\n"
SCALAR = {
    "nodes": "a: output = sigmoid(z)\nL: loss = -y*log(a) - (1-y)*log(1-a)",
    "inline": "L: loss = -y*log(sigmoid(z)) - (1-y)*log(1-sigmoid(z))",
    "quotient": "a: output = 1/(1+exp(-z))\nL: loss = -y*log(a) - (1-y)*log(1-a)",
    "other quotient": "a: output = exp(z)/(1+exp(z))\nL: loss = -(y*log(a) + (1-y)*log(1-a))",
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
    "the author's swish": "def sw(u): return u/(1+exp(-u))\nL: loss = (sw(z)-y)**2",
    "elu": "L: loss = (elu(z) - y)**2",
    "gelu": "L: loss = gelu(z)*y",
    "mish": "L: loss = mish(z)*y",
    "log-cosh": "L: loss = log_cosh(z-y)",
}
VECTOR_HEAD = "x: input[3]\ny: target[3]\nW: parameter[3,3]\nz = W @ x\n"
VECTOR = {
    "softmax": "a: output = softmax(z)\nL: loss = -sum(y*log(a))",
    "by hand": "L: loss = -sum(y*(z - log(sum(exp(z)))))",
    "quotient": "a = exp(z)/sum(exp(z))\nL: loss = -sum(y*log(a))",
    "log-sum-exp": "L: loss = logsumexp(z) - y @ z",
    "log-softmax": "L: loss = -y @ log_softmax(z)",
}


@pytest.mark.parametrize("name", SCALAR)
def test_scalar_losses_in_saturation(name):
    model = Model.parse(HEAD + SCALAR[name])
    module = model.derive().compile()
    assert compare(model, module).worst < LIMIT
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        for logit in (1000.0, -1000.0, 40.0, 0.0):
            for target in (0.0, 1.0):
                params = {"w": 0.5, "b": logit}
                loss, grads = module.loss_and_gradients(params, x=np.array([0.3]), y=np.array([target]))
                assert np.isfinite(loss)
                assert all(np.isfinite(g) for g in grads.values())


@pytest.mark.parametrize("name", VECTOR)
def test_vector_losses_in_saturation(name):
    model = Model.parse(VECTOR_HEAD + VECTOR[name])
    module = model.derive().compile()
    assert compare(model, module).worst < LIMIT
    weights = np.array([[1000.0, 0, 0], [0, -1000, 0], [0, 0, 3]])
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        loss, grads = module.loss_and_gradients({"W": weights}, x=np.ones((1, 3)), y=np.array([[0, 1.0, 0]]))
    assert loss == pytest.approx(2000)
    assert np.all(np.isfinite(grads["W"]))


@pytest.mark.parametrize(("before", "after"), ROWS)
def test_every_row_is_an_equality(before, after):
    """With 60 digits, at arguments at which 1 - sigmoid(u) keeps thirty of them."""
    compared = 0
    with mpmath.workdps(60):
        for u in ("-19.3", "-2.7", "-0.4", "0.3", "0.8", "1.9", "17.1"):
            values = {"u": mpmath.mpf(u), "v": mpmath.mpf("0.7")}
            try:
                left, right = (Evaluator(Setting(), values, {}).number(parse_expression(e)) for e in (before, after))
            except Undefined:
                continue
            assert abs(left - right) <= mpmath.mpf(10) ** -30 * max(1, abs(right))
            compared += 1
    assert compared >= 2
