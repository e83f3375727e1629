"""The exact loss and gradients of a model, from the author's text: an oracle that shares nothing with derive.

The equations are Python; here they are evaluated with 1500 digits, so that ``1 - sigmoid(1000)`` still has a thousand, and
differentiated by a central difference of step 1e-300.
"""

from __future__ import annotations

import ast
import re

import mpmath
import numpy as np

DIGITS = 1500
STEP = mpmath.mpf(10) ** -300


def each(function):
    """A function of numbers, entry by entry where an argument is an array."""

    def apply(*args):
        if not any(isinstance(a, np.ndarray) for a in args):
            return function(*args)
        arrays = np.broadcast_arrays(*(np.asarray(a, dtype=object) for a in args))
        out = np.empty(arrays[0].shape, dtype=object)
        for position in np.ndindex(*out.shape):
            out[position] = function(*(a[position] for a in arrays))
        return out

    return apply


def _xlogy(u, v):
    return mpmath.mpf(0) if u == 0 else u * mpmath.log(v)


def _focal(p, y):
    """-alpha_t*(1 - p_t)**2*log(p_t) with alpha = 1/4, p_t = p for y = 1 and 1 - p for y = 0 (Lin et al. 2017)."""
    positive, negative = (1 - p) ** 2 / 4, 3 * p**2 / 4
    return -positive * _xlogy(y, p) - negative * _xlogy(1 - y, 1 - p)


def exponentials(u):
    return np.array([mpmath.exp(v) for v in u], dtype=object)


FUNCTIONS = {
    "mpf": mpmath.mpf,
    "exp": each(mpmath.exp),
    "log": each(mpmath.log),
    "sqrt": each(mpmath.sqrt),
    "tanh": each(mpmath.tanh),
    "cosh": each(mpmath.cosh),
    "sech": each(mpmath.sech),
    "sigmoid": each(lambda u: 1 / (1 + mpmath.exp(-u))),
    "softplus": each(lambda u: mpmath.log1p(mpmath.exp(u))),
    "log_sigmoid": each(lambda u: -mpmath.log1p(mpmath.exp(-u))),
    "silu": each(lambda u: u / (1 + mpmath.exp(-u))),
    "logit": each(lambda u: mpmath.log(u / (1 - u))),
    "expm1": each(lambda u: mpmath.exp(u) - 1),
    "log1p": each(mpmath.log1p),
    "log2": each(lambda u: mpmath.log(u) / mpmath.log(2)),
    "log_cosh": each(lambda u: mpmath.log(mpmath.cosh(u))),
    "logaddexp": each(lambda u, v: mpmath.log(mpmath.exp(u) + mpmath.exp(v))),
    "xlogy": each(lambda u, v: 0 if u == 0 else u * mpmath.log(v)),
    "normal_cdf": each(mpmath.ncdf),
    "log_ndtr": each(lambda u: mpmath.log(mpmath.ncdf(u))),
    "binary_cross_entropy": each(lambda a, y: -_xlogy(y, a) - _xlogy(1 - y, 1 - a)),
    "binary_cross_entropy_with_logits": each(lambda z, y: mpmath.log1p(mpmath.exp(z)) - y * z),
    "sigmoid_focal_loss": each(lambda z, y: _focal(1 / (1 + mpmath.exp(-z)), y)),
    "soft_margin_loss": each(lambda z, y: mpmath.log1p(mpmath.exp(-y * z))),
    "squareplus": each(lambda u: (u + mpmath.sqrt(u * u + 4)) / 2),
    "relu": each(lambda u: max(u, mpmath.mpf(0))),
    "sum": lambda u: sum(np.ravel(u).tolist(), mpmath.mpf(0)),
    "max": lambda u: max(np.ravel(u)),
    "norm": lambda u: mpmath.sqrt(sum(v * v for v in u)),
    "logsumexp": lambda u: mpmath.log(sum(exponentials(u))),
    "softmax": lambda u: exponentials(u) / sum(exponentials(u)),
    "log_softmax": lambda u: u - mpmath.log(sum(exponentials(u))),
}


class _Exact(ast.NodeTransformer):
    """Numbers become exact, and ``where`` evaluates the case that holds, alone."""

    def visit_Call(self, node):
        self.generic_visit(node)
        return ast.IfExp(*node.args) if node.func.id == "where" else node

    def visit_Constant(self, node):
        return ast.Call(ast.Name("mpf", ast.Load()), [ast.Constant(repr(node.value))], [])

    def visit_Subscript(self, node):
        return node


def _code(expression: str):
    tree = _Exact().visit(ast.parse(expression.strip(), mode="eval"))
    return compile(ast.fix_missing_locations(tree), "<equation>", "eval")


def equations(text: str):
    """The equations of a model's text, as names and compiled right-hand sides."""
    found = (re.match(r"(\w+)(?:: *(?:loss|output))? *= *(.*)", line) for line in text.splitlines())
    return [(m[1], _code(m[2])) for m in found if m]


def number(value):
    if isinstance(value, (list, np.ndarray)):
        return np.array([mpmath.mpf(float(v)) for v in value], dtype=object)
    return mpmath.mpf(float(value))


def loss_and_gradient(text: str, values: dict, wrt: str):
    """The loss L at values of the declared names, and its gradient by one of them."""
    parsed = equations(text)
    with mpmath.workdps(DIGITS):
        at = {name: number(value) for name, value in values.items()}

        def loss(moved):
            scope = {**at, wrt: moved}
            for name, code in parsed:
                scope[name] = eval(code, FUNCTIONS, scope)
            return scope["L"]

        def slope(change):
            return (loss(at[wrt] + STEP * change) - loss(at[wrt] - STEP * change)) / (2 * STEP)

        if not isinstance(at[wrt], np.ndarray):
            return loss(at[wrt]), [slope(mpmath.mpf(1))]
        units = np.identity(len(at[wrt]), dtype=int)
        return loss(at[wrt]), [slope(np.array([mpmath.mpf(int(v)) for v in unit], dtype=object)) for unit in units]
