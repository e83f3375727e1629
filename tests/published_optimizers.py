"""The published algorithms, written out plainly for one vector: the oracle of the generated updates.

Each takes the parameters, a function for their gradient, a learning rate for each step, and the algorithm's constants,
and gives the parameters after every step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Gradient = Callable[[Vector], Vector]


def gradient_descent(x: Vector, f: Gradient, rates: Sequence[float]) -> list[Vector]:
    path = []
    for rate in rates:
        x = x - rate * f(x)
        path.append(x)
    return path


def momentum(x: Vector, f: Gradient, rates: Sequence[float], mu: float = 0.9, nesterov: bool = False) -> list[Vector]:
    """PyTorch's form, in which the velocity is a sum of gradients."""
    path, velocity = [], None
    for rate in rates:
        g = f(x)
        velocity = g.copy() if velocity is None else mu * velocity + g
        x = x - rate * (g + mu * velocity if nesterov else velocity)
        path.append(x)
    return path


def adagrad(x: Vector, f: Gradient, rates: Sequence[float], eps: float = 1e-10) -> list[Vector]:
    """Duchi, Hazan and Singer 2011: divide by the root of the sum of all squared gradients."""
    path, seen = [], []
    for rate in rates:
        seen.append(f(x))
        x = x - rate * seen[-1] / (np.sqrt(np.sum(np.square(seen), axis=0)) + eps)
        path.append(x)
    return path


def rmsprop(x: Vector, f: Gradient, rates: Sequence[float], rho: float = 0.99, eps: float = 1e-8) -> list[Vector]:
    """Hinton's lecture 6e: the mean square as an exponentially weighted sum over all steps so far."""
    path, seen = [], []
    for rate in rates:
        seen.append(f(x))
        age = np.arange(len(seen))[::-1]
        mean_square = np.sum(((1 - rho) * rho**age)[:, None] * np.square(seen), axis=0)
        x = x - rate * seen[-1] / (np.sqrt(mean_square) + eps)
        path.append(x)
    return path


def adam(
    x: Vector,
    f: Gradient,
    rates: Sequence[float],
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    decay: float = 0.0,
) -> list[Vector]:
    """Kingma and Ba 2015 in the efficient order of their section 2; `decay` as in AdamW, by the rate."""
    path, first, second = [], np.zeros_like(x), np.zeros_like(x)
    for step, rate in enumerate(rates, 1):
        g = f(x)
        first += (1 - b1) * (g - first)
        second += (1 - b2) * (g * g - second)
        size = rate * math.sqrt(1 - b2**step) / (1 - b1**step)
        x = x * (1 - rate * decay)
        x = x - size * first / (np.sqrt(second) + eps * math.sqrt(1 - b2**step))
        path.append(x)
    return path
