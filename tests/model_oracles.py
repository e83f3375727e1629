"""The built-in models' losses, written by hand over a whole batch, for any array library with numpy's functions.

Nothing here knows derive: these are the formulas of the textbooks, what the tests differentiate by other tools.  `xp` is
the library (autograd's numpy, torch behind a few names); parameters come as a dictionary, data as keyword arguments.
"""

from __future__ import annotations

from typing import Any


def linear_regression(xp: Any, p: dict[str, Any], x: Any, y: Any) -> Any:
    return 0.5 * xp.mean((x @ p["w"] + p["b"] - y) ** 2)


def ridge(xp: Any, p: dict[str, Any], x: Any, y: Any, lam: float = 0.05) -> Any:
    return linear_regression(xp, p, x, y) + 0.5 * lam * p["w"] @ p["w"]


def lasso(xp: Any, p: dict[str, Any], x: Any, y: Any, lam: float = 2) -> Any:
    return linear_regression(xp, p, x, y) + lam * xp.sum(xp.abs(p["w"]))


def poisson_regression(xp: Any, p: dict[str, Any], x: Any, y: Any) -> Any:
    eta = x @ p["w"] + p["b"]
    return xp.mean(xp.exp(eta) - y * eta)


def cross_entropy(xp: Any, z: Any, y: Any) -> Any:
    """Of the logits z, shape (n, classes); y is one-hot, or any distribution."""
    shifted = z - xp.log(xp.sum(xp.exp(z), axis=1))[:, None]
    return -xp.mean(xp.sum(y * shifted, axis=1))


def softmax_regression(xp: Any, p: dict[str, Any], x: Any, y: Any) -> Any:
    return cross_entropy(xp, x @ p["W"].T + p["b"], y)


def svm(xp: Any, p: dict[str, Any], x: Any, y: Any, lam: float = 0.01) -> Any:
    margin = (2 * y - 1) * (x @ p["w"] + p["b"])
    return xp.mean(xp.where(margin < 1, 1 - margin, 0 * margin)) + 0.5 * lam * p["w"] @ p["w"]


def mlp(xp: Any, p: dict[str, Any], x: Any, y: Any, act: str = "tanh") -> Any:
    f = xp.tanh if act == "tanh" else lambda u: xp.where(u > 0, u, 0 * u)
    a = f(f(x @ p["W1"].T + p["b1"]) @ p["W2"].T + p["b2"])
    return cross_entropy(xp, a @ p["W3"].T + p["b3"], y)


def autoencoder(xp: Any, p: dict[str, Any], x: Any) -> Any:
    restored = 1 / (1 + xp.exp(-(xp.tanh(x @ p["W1"].T + p["b1"]) @ p["W2"].T + p["b2"])))
    return 0.5 * xp.mean(xp.sum((restored - x) ** 2, axis=1))


def matrix_factorization(xp: Any, p: dict[str, Any], u: Any, i: Any, r: Any, lam: float = 0.1) -> Any:
    user, item, b, c = p["P"][u], p["Q"][i], p["b"][u], p["c"][i]
    error = r - (p["mu"] + b + c + xp.sum(user * item, axis=1))
    size = xp.sum(user**2, axis=1) + xp.sum(item**2, axis=1) + b**2 + c**2
    return 0.5 * xp.mean(error**2) + 0.5 * lam * xp.mean(size)


def logistic(xp: Any, p: dict[str, Any], x_1: Any, x_2: Any, y: Any) -> Any:
    a = 1 / (1 + xp.exp(-(p["w_1"] * x_1 + p["w_2"] * x_2 + p["b"])))
    return -xp.mean(y * xp.log(a) + (1 - y) * xp.log(1 - a))


def two_layer(xp: Any, p: dict[str, Any], x_1: Any, x_2: Any, y: Any) -> Any:
    a = p["w2"] * xp.tanh(p["w1_1"] * x_1 + p["w1_2"] * x_2 + p["b1"]) + p["b2"]
    return xp.mean(xp.log(1 + xp.exp(a)) - y * a)


def chain(xp: Any, p: dict[str, Any]) -> Any:
    return xp.exp(xp.sin(p["x"] * p["x"]))


def quadratic(xp: Any, p: dict[str, Any]) -> Any:
    return (p["x"] - 3) ** 2


LOSSES = {
    "autoencoder": autoencoder,
    "chain": chain,
    "lasso": lasso,
    "linear-regression": linear_regression,
    "logistic": logistic,
    "matrix-factorization": matrix_factorization,
    "mlp": mlp,
    "poisson-regression": poisson_regression,
    "quadratic": quadratic,
    "ridge": ridge,
    "softmax-regression": softmax_regression,
    "svm": svm,
    "two-layer": two_layer,
}
