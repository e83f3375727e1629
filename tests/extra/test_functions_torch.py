"""The functions that PyTorch has, against PyTorch: value and derivative at random points, and its choices at kinks.

Not part of the default run: ``pip install torch`` and ``pytest tests/extra/test_functions_torch.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parent.parent))

from function_reference import KINKS, MORE_ARGUMENTS, POINTS
from test_functions import role, slopes_of, value_of

from derive.functions import FUNCTIONS

SPECIAL = torch.special
TORCH: dict[str, Callable[..., torch.Tensor]] = {
    **{
        name: getattr(torch, name)
        for name in (
            *(
                "exp",
                "sin",
                "cos",
                "tan",
                "abs",
                "sign",
                "maximum",
                "minimum",
                "floor",
                "ceil",
                "trunc",
                "round",
                "erf",
            ),
            *(
                "lgamma",
                "digamma",
                "log",
                "sqrt",
                "arcsin",
                "arccos",
                "arctan",
                "arcsinh",
                "arccosh",
                "arctanh",
                "log1p",
            ),
            *("expm1", "log2", "log10", "exp2", "square", "reciprocal", "rsqrt", "deg2rad", "rad2deg", "lerp", "sinh"),
            *("cosh", "tanh", "sigmoid", "logit", "logaddexp", "logaddexp2", "hypot", "xlogy", "fmod", "frac"),
            *(
                "copysign",
                "fmax",
                "fmin",
                "sinc",
                "erfc",
                "erfinv",
                "prelu",
                "celu",
                "selu",
                "threshold",
                "clip",
                "arctan2",
            ),
        )
    },
    **{
        name: getattr(SPECIAL, name)
        for name in ("xlog1py", "entr", "erfcx", "log_ndtr", "ndtri", "i0", "i0e", "i1", "i1e")
    },
    "power": torch.pow,
    "mod": torch.remainder,
    "normal_cdf": SPECIAL.ndtr,
    "softplus": lambda u: F.softplus(u, threshold=1000),
    "log_sigmoid": F.logsigmoid,
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": lambda u, slope: F.leaky_relu(u, float(slope)),
    "prelu": lambda u, weight: F.prelu(u.reshape(1), weight.reshape(1)).reshape(()),
    "rrelu": lambda u, low, high: F.rrelu(u, float(low), float(high), training=False),
    "threshold": lambda u, t, v: F.threshold(u, float(t), float(v)),
    "elu": lambda u, alpha: F.elu(u, float(alpha)),
    "celu": lambda u, alpha: F.celu(u, float(alpha)),
    "gelu": F.gelu,
    "gelu_tanh": lambda u: F.gelu(u, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    "softsign": F.softsign,
    "tanhshrink": F.tanhshrink,
    "softshrink": lambda u, lam: F.softshrink(u, float(lam)),
    "hardshrink": lambda u, lam: F.hardshrink(u, float(lam)),
    "hardtanh": F.hardtanh,
    "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish,
    "clip": lambda u, low, high: torch.clip(u, float(low), float(high)),
    "glu": lambda u, v: F.glu(torch.stack([u, v]), dim=0).reshape(()),
    "polygamma": lambda k, u: torch.polygamma(int(k), u),
    "trigamma": lambda u: torch.polygamma(1, u),
    "huber": lambda u, delta: F.huber_loss(u, torch.zeros_like(u), reduction="none", delta=float(delta)),
    "mse_loss": lambda u, y: F.mse_loss(u, y, reduction="none"),
    "l1_loss": lambda u, y: F.l1_loss(u, y, reduction="none"),
    "smooth_l1_loss": lambda u, y, beta: F.smooth_l1_loss(u, y, reduction="none", beta=float(beta)),
    "huber_loss": lambda u, y, delta: F.huber_loss(u, y, reduction="none", delta=float(delta)),
    "binary_cross_entropy": lambda p, y: F.binary_cross_entropy(p, y.detach(), reduction="none"),
    "binary_cross_entropy_with_logits": lambda z, y: F.binary_cross_entropy_with_logits(z, y, reduction="none"),
    "soft_margin_loss": lambda z, y: F.soft_margin_loss(z, y.detach(), reduction="none"),
    "poisson_nll_loss": lambda z, y: F.poisson_nll_loss(z, y, reduction="none"),
    "gaussian_nll_loss": lambda u, y, var: F.gaussian_nll_loss(
        u.reshape(1), y.reshape(1), var.reshape(1), reduction="none"
    )[0],
    "kl_div_loss": lambda z, y: F.kl_div(z, y, reduction="none"),
    "hinge_embedding_loss": lambda u, y, m: F.hinge_embedding_loss(u, y.detach(), margin=float(m), reduction="none"),
    "margin_ranking_loss": lambda u, v, y, m: F.margin_ranking_loss(
        u, v, y.detach(), margin=float(m), reduction="none"
    ),
    "squared_relu": lambda u: F.relu(u) ** 2,
    "pinball": lambda u, tau: torch.maximum(tau * u, (tau - 1) * u),
    "reglu": lambda u, v: F.relu(u) * v,
    "swiglu": lambda u, v: F.silu(u) * v,
    "geglu": lambda u, v: F.gelu(u) * v,
}
# Functions that PyTorch does not differentiate, or by these arguments only in other conventions: the value alone.
VALUE_ONLY: dict[str, Callable[..., torch.Tensor]] = {
    "heaviside": torch.heaviside,
    "gammainc": SPECIAL.gammainc,
    "gammaincc": SPECIAL.gammaincc,
    "j0": SPECIAL.bessel_j0,
    "j1": SPECIAL.bessel_j1,
    "y0": SPECIAL.bessel_y0,
    "y1": SPECIAL.bessel_y1,
    "k0": SPECIAL.modified_bessel_k0,
    "k1": SPECIAL.modified_bessel_k1,
    "k0e": SPECIAL.scaled_modified_bessel_k0,
    "k1e": SPECIAL.scaled_modified_bessel_k1,
}
SINGLE = 1e-6  # some of PyTorch's kernels hold constants of single precision, also for double numbers
RNG = np.random.default_rng(5)


def points(name: str) -> list[tuple[float, ...]]:
    """The reference's points, and random ones in their midst."""
    known = MORE_ARGUMENTS.get(name) or tuple((p,) for p in POINTS.get(name, (-2.3, -0.7, 0.4, 1.7, 7.1)))
    near = [tuple(x * float(RNG.uniform(0.95, 1.05)) for x in point) for point in known for _ in range(3)]
    whole = name in ("polygamma", "binary_cross_entropy", "hinge_embedding_loss")
    return [*known, *([] if whole else near)]


@pytest.mark.parametrize("name", {**TORCH, **VALUE_ONLY})
def test_the_value_is_that_of_torch(name: str) -> None:
    function = TORCH.get(name) or VALUE_ONLY[name]
    for point in points(name):
        wanted = float(function(*(torch.tensor(x, dtype=torch.float64) for x in point)))
        assert value_of(name, point) == pytest.approx(wanted, rel=SINGLE, abs=1e-12), (name, point)


@pytest.mark.parametrize("name", TORCH)
def test_the_derivatives_are_those_of_torch(name: str) -> None:
    compared = sum(compare_slopes(name, point) for point in points(name))
    assert compared


@pytest.mark.parametrize(("name", "at"), dict.fromkeys((name, at) for name, at, *_ in KINKS if name in TORCH))
def test_at_a_kink_the_derivative_is_the_one_of_torch(name: str, at: tuple[float, ...]) -> None:
    only = {argument for n, a, argument, _ in KINKS if (n, a) == (name, at)}
    assert compare_slopes(name, tuple(map(float, at)), only)


def compare_slopes(name: str, point: tuple[float, ...], only: set[int] | None = None) -> int:
    args = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in point]
    found = slopes_of(name, point)
    grads = torch.autograd.grad(TORCH[name](*args), args, allow_unused=True)
    compared = 0
    for k, (parameter, grad) in enumerate(zip(FUNCTIONS[name].parameters, grads, strict=True)):
        if grad is None or role(FUNCTIONS[name], k) == "constant" or (only is not None and k not in only):
            continue
        assert found[parameter] == pytest.approx(float(grad), rel=SINGLE, abs=1e-11), (name, parameter, point)
        compared += 1
    return compared
