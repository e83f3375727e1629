"""What the oracles of the gallery use of numpy, autograd and its SciPy, by PyTorch: the same formulas, another autodiff."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import torch

Tensor = torch.Tensor


def tensor(value: Any) -> Tensor:
    """Numbers, and lists of tensors one below the other, in double precision; whole numbers stay whole."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (list, tuple)):
        return torch.stack([tensor(part) for part in value])
    return torch.as_tensor(value, dtype=torch.float64)


def elementwise(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *args: function(*map(tensor, args))


def over(function: Callable[..., Tensor], whole: Callable[[Tensor], Tensor] | None = None) -> Callable[..., Tensor]:
    """A reduction over one axis, several, or all."""

    def reduce(u: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        if axis is None:
            return (whole or function)(tensor(u))
        return function(tensor(u), dim=axis, keepdim=keepdims)

    return reduce


def logsumexp(u: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    u = tensor(u)
    return torch.logsumexp(u, dim=tuple(range(u.ndim)) if axis is None else axis, keepdim=keepdims)


def pad(u: Tensor, widths: Sequence[tuple[int, int]], mode: str = "constant") -> Tensor:
    return torch.nn.functional.pad(u, [n for pair in reversed(widths) for n in pair], mode=mode)


def solve(a: Tensor, b: Tensor) -> Tensor:
    return torch.linalg.solve(a, b)


def dot(u: Tensor, v: Tensor) -> Tensor:
    return u @ v if u.ndim and v.ndim else u * v


def grad(function: Callable[[Any], Tensor]) -> Callable[[Any], Tensor]:
    """The gradient of a scalar function, which can be differentiated again."""

    def slope(x: Any) -> Tensor:
        x = tensor(x)
        x = x if x.requires_grad else x.clone().requires_grad_()
        (found,) = torch.autograd.grad(function(x), x, create_graph=True)
        return found

    return slope


NUMPY = SimpleNamespace(
    **{
        name: elementwise(getattr(torch, name))
        for name in ("abs", "arctan", "cos", "exp", "log", "minimum", "sin", "sqrt")
    },
    **{name: elementwise(getattr(torch, name)) for name in ("tanh", "logaddexp", "where", "diag", "tril")},
    **{name: over(getattr(torch, name)) for name in ("sum", "mean")},
    max=over(torch.amax, torch.max),
    cumsum=lambda u: torch.cumsum(u, dim=0),
    diff=lambda u, axis=-1: torch.diff(u, dim=axis),
    concatenate=lambda parts, axis=0: torch.cat([tensor(part) for part in parts], dim=axis),
    stack=lambda parts, axis=0: torch.stack([tensor(part) for part in parts], dim=axis),
    array=tensor,
    einsum=torch.einsum,
    reshape=torch.reshape,
    dot=dot,
    pad=pad,
    arange=lambda *bounds: torch.arange(*bounds),
    zeros=lambda shape: torch.zeros(shape, dtype=torch.float64),
    ones=lambda shape: torch.ones(shape, dtype=torch.float64),
    eye=lambda size: torch.eye(size, dtype=torch.float64),
    linalg=SimpleNamespace(inv=torch.linalg.inv, slogdet=torch.linalg.slogdet, solve=solve),
)


def _logpdf(x: Any, mu: Any = 0.0, sigma: Any = 1.0) -> Tensor:
    u = (x - mu) / sigma
    return -(u**2) / 2 - torch.log(tensor(sigma)) - math.log(2 * math.pi) / 2


SCIPY = {
    "gammaln": elementwise(torch.lgamma),
    "i0": elementwise(torch.special.i0),
    "logsumexp": logsumexp,
    "grad": grad,
    "norm": SimpleNamespace(
        cdf=elementwise(torch.special.ndtr),
        logcdf=lambda x, mu=0.0, sigma=1.0: torch.special.log_ndtr((x - mu) / sigma),
        logpdf=_logpdf,
    ),
}
