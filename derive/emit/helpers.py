"""Helper functions that a generated module carries along where it uses them, as source text.

Each says what it computes, and where it comes from where that is not evident.
"""

from __future__ import annotations

HELPERS: dict[str, str] = {
    "_sigmoid": '''def _sigmoid(u):
    """1/(1 + exp(-u)) by halves: the exponential never overflows."""
    e = np.exp(-np.abs(u))
    return np.where(u >= 0, 1, e) / (1 + e)
''',
    "_softmax": '''def _softmax(u, axis):
    """exp(u)/sum(exp(u)) along an axis, the maximum taken off first."""
    e = np.exp(u - np.max(u, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)
''',
    "_logsumexp": '''def _logsumexp(u, axis=None):
    """log(sum(exp(u))) along an axis, the maximum taken off first."""
    top = np.max(u, axis=axis, keepdims=True)
    total = np.log(np.sum(np.exp(u - top), axis=axis, keepdims=True)) + top
    return np.squeeze(total, axis=axis)
''',
    "_log_softmax": '''def _log_softmax(u, axis):
    """log(exp(u)/sum(exp(u))) along an axis."""
    return u - np.expand_dims(_logsumexp(u, axis), axis)
''',
    "_sech": '''def _sech(u):
    """1/cosh(u); the exponential never overflows."""
    e = np.exp(-np.abs(u))
    return 2 * e / (1 + e * e)
''',
    "_log_cosh": '''def _log_cosh(u):
    """log(cosh(u)): |u| + log(1 + exp(-2|u|)) - log(2), and log(1 + 2*sinh(u/2)**2) near 0."""
    size = np.abs(u)
    near = np.log1p(2 * np.sinh(np.minimum(size, 1) / 2) ** 2)
    return np.where(size < 1, near, size + np.log1p(np.exp(-2 * size)) - np.log(2))
''',
    "_xlogy": '''def _xlogy(u, v):
    """u*log(v), and 0 where u is 0."""
    return u * np.log(np.where(u == 0, 1, v))
''',
    "_huber": '''def _huber(u, delta):
    """u**2/2 up to delta, then a straight line."""
    near = np.minimum(np.abs(u), delta)
    return near * (np.abs(u) - near / 2)
''',
    "_erf": """_erf = np.vectorize(math.erf, otypes=[float])  # the C library's error function: within a few units in the last place
""",
    "_erfc": """_erfc = np.vectorize(math.erfc, otypes=[float])  # the C library's: within a few units in the last place
""",
    "_gamma": """_gamma = np.vectorize(math.gamma, otypes=[float])  # the standard library's: within a few units in the last place
""",
    "_lgamma": """_lgamma = np.vectorize(math.lgamma, otypes=[float])  # the standard library's: within a few units in the last place
""",
    "_normal_cdf": '''def _normal_cdf(u):
    """The standard normal distribution function, (1 + erf(u/sqrt(2)))/2, from erfc so that small values keep their digits."""
    return _erfc(-np.asarray(u) / math.sqrt(2)) / 2
''',
    "_normal_tail": '''def _normal_tail(u):
    """S in Φ(u) = exp(-u**2/2)/sqrt(2π)*S/(-u) for u <= -20, by the asymptotic series of erfc (DLMF 7.12.1)."""
    t = 1 / np.square(u)
    total = 1.0
    for k in range(17, 0, -2):
        total = 1 - k * t * total
    return total
''',
    "_log_normal_cdf": '''def _log_normal_cdf(u):
    """log(Φ(u)), from the tail that is small; far below 0 from its asymptotic series."""
    u = np.asarray(u, dtype=float)
    small = _erfc(np.abs(u) / math.sqrt(2)) / 2
    far = np.minimum(u, -20)
    below = -far * far / 2 - np.log(-far * math.sqrt(2 * math.pi)) + np.log(_normal_tail(far))
    near = np.where(u > 0, np.log1p(-small), np.log(np.where(np.abs(u + 10) > 10, 1, small)))
    return np.where(u < -20, below, near)
''',
    "_inverse_mills": '''def _inverse_mills(u):
    """exp(-u**2/2)/(sqrt(2π)*Φ(u)), the derivative of log(Φ(u)); far below 0 from the asymptotic series of Φ."""
    u = np.asarray(u, dtype=float)
    near, far = np.maximum(u, -20), np.minimum(u, -20)
    density = np.exp(-near * near / 2) / math.sqrt(2 * math.pi)
    return np.where(u < -20, -far / _normal_tail(far), density / (_erfc(-near / math.sqrt(2)) / 2))
''',
    "_polygamma": '''def _polygamma(k, u):
    """The k-th derivative of digamma, k >= 1, by recurrence to u >= 15 and the asymptotic series (DLMF 5.15.8).

    Relative error below 1e-13 for u > 0; negative u by the recurrence alone.
    """
    k, u = int(k), np.array(u, dtype=float)
    total = np.zeros_like(u)
    while np.any(u < 15):
        small = u < 15
        total = np.where(small, total + math.factorial(k) * np.where(small, u, 1.0) ** (-k - 1), total)
        u = np.where(small, u + 1, u)
    series = math.factorial(k - 1) * u**-k + math.factorial(k) / 2 * u ** (-k - 1)
    for m, bernoulli in enumerate((1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510), 1):
        series = series + bernoulli * math.factorial(2 * m + k - 1) / math.factorial(2 * m) * u ** (-2 * m - k)
    return (-1) ** (k + 1) * (total + series)
''',
    "_digamma": '''def _digamma(u):
    """The derivative of log Γ, by recurrence to u >= 15 and the asymptotic series (DLMF 5.11.2); error below 1e-14 for u > 0."""
    u = np.array(u, dtype=float)
    total = np.zeros_like(u)
    while np.any(u < 15):
        small = u < 15
        total = np.where(small, total - 1 / np.where(small, u, 1.0), total)
        u = np.where(small, u + 1, u)
    total = total + np.log(u) - 0.5 / u
    for m, bernoulli in enumerate((1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6), 1):
        total = total - bernoulli / (2 * m * u ** (2 * m))
    return total
''',
}

# What one helper needs of another, or of the standard library.
NEEDS: dict[str, tuple[str, ...]] = {
    "_log_softmax": ("_logsumexp",),
    "_normal_cdf": ("_erfc",),
    "_log_normal_cdf": ("_erfc", "_normal_tail"),
    "_inverse_mills": ("_erfc", "_normal_tail"),
}


def with_needs(used: set[str]) -> list[str]:
    """The helpers that are used, and those that they use, in the order of the table."""
    wanted = set(used)
    for name in used:
        wanted |= set(NEEDS.get(name, ()))
    return [name for name in HELPERS if name in wanted]
