"""Helper functions that a generated module carries along where it uses them, as source text.

Each says what it computes, and where it comes from where that is not evident.
"""

from __future__ import annotations

HELPERS: dict[str, str] = {
    "_sigmoid": '''@np.errstate(over="ignore")  # where the exponential is infinite, the quotient is 0
def _sigmoid(u):
    """1/(1 + exp(-u))"""
    return 1 / (1 + np.exp(-u))
''',
    "_softplus": '''def _softplus(u):
    """log(1 + exp(u)): the exponential never overflows."""
    return np.maximum(u, 0) + np.log1p(np.exp(-np.abs(u)))
''',
    "_softmax": '''def _softmax(u, axis):
    """exp(u)/sum(exp(u)) along an axis, the maximum taken off first."""
    e = np.exp(u - u.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)
''',
    "_logsumexp": '''def _logsumexp(u, axis=None):
    """log(sum(exp(u))) along an axis, the maximum taken off first."""
    top = np.max(u, axis=axis, keepdims=True)
    total = np.log(np.sum(np.exp(u - top), axis=axis, keepdims=True)) + top
    return np.squeeze(total, axis=axis)
''',
    "_log_softmax": '''def _log_softmax(u, axis):
    """log(exp(u)/sum(exp(u))) along an axis."""
    v = u - u.max(axis=axis, keepdims=True)
    return v - np.log(np.exp(v).sum(axis=axis, keepdims=True))
''',
    "_sech": '''def _sech(u):
    """1/cosh(u); the exponential never overflows."""
    e = np.exp(-np.abs(u))
    return 2 * e / (1 + e * e)
''',
    "_log_cosh": '''def _log_cosh(u):
    """log(cosh(u)) = |u| + log(1 + exp(-2|u|)) - log(2) = log(1 + 2 sinh(u/2)**2), the second where |u| < 1."""
    size = np.abs(u)
    near = np.log1p(2 * np.sinh(np.minimum(size, 1) / 2) ** 2)
    return np.where(size < 1, near, size + np.log1p(np.exp(-2 * size)) - np.log(2))
''',
    "_tanhshrink": '''def _tanhshrink(u):
    """u - tanh(u), where |u| < 1 by the continued fraction tanh(u) = u/(1 + u**2/(3 + u**2/(5 + …)))."""
    near = np.clip(u, -1, 1)
    rest = 0.0
    for odd in (17, 15, 13, 11, 9, 7, 5):
        rest = near * near / (odd + rest)
    rest = near * near / (3 + rest)
    return np.where(np.abs(u) < 1, near * rest / (1 + rest), u - np.tanh(u))
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
    "_logdet": '''def _logdet(a):
    """The logarithm of the determinant, without overflow; NaN where the determinant is not positive."""
    sign, value = np.linalg.slogdet(a)
    return np.where(sign > 0, value, np.nan)
''',
    "_scatter_add": '''def _scatter_add(rows, values, size):
    """An array of so many rows: each of the values added to the row that is given for it."""
    total = np.zeros((size, *np.shape(values)[np.ndim(rows) :]), dtype=np.result_type(values, np.float32))
    np.add.at(total, rows, values)
    return total
''',
    "_windows": '''def _windows(x, *axes):
    """The view w[..., i, p, ...] = x[..., step*i + dilation*p + start, ...], nothing is copied.

    `axes` has (axis of x, how many i, how many p, step, dilation, start) of each that windows slide over.
    """
    for doubled, (axis, places, size, *rest) in enumerate(axes):
        step, dilation, start = (*rest, *(1, 1, 0)[len(rest) :])
        axis += doubled
        x = np.lib.stride_tricks.sliding_window_view(x, dilation * (size - 1) + 1, axis)[..., ::dilation]
        x = np.moveaxis(x, axis, 0)[start : start + step * (places - 1) + 1 : step]
        x = np.moveaxis(x, (0, -1), (axis, axis + 1))
    return x
''',
    "_overlapped": '''def _overlapped(w, *axes):
    """Windows added up: each w[..., i, p, ...] to x[..., step*i + dilation*p + start, ...]; other entries are 0.

    `axes` has (axis of x, its length, step, dilation, start) of each that windows slid over.
    """
    for axis, size, *rest in axes:
        step, dilation, start = (*rest, *(1, 1, 0)[len(rest) :])
        w = np.moveaxis(w, (axis, axis + 1), (0, 1))
        x = np.zeros((size, *w.shape[2:]), dtype=w.dtype)
        for p in range(w.shape[1]):
            first = start + dilation * p
            x[first : first + step * (w.shape[0] - 1) + 1 : step] += w[:, p]
        w = np.moveaxis(x, 0, axis)
    return w
''',
    "_first_max": '''def _first_max(u, axis):
    """The number of the first greatest entry over some axes, counted in the order in which one reads."""
    u = np.moveaxis(u, axis, range(-len(axis), 0))
    return np.argmax(np.reshape(u, (*u.shape[: -len(axis)], -1)), axis=-1)
''',
    "_first_min": '''def _first_min(u, axis):
    """The number of the first least entry over some axes, counted in the order in which one reads."""
    u = np.moveaxis(u, axis, range(-len(axis), 0))
    return np.argmin(np.reshape(u, (*u.shape[: -len(axis)], -1)), axis=-1)
''',
    "_erf": """_erf = np.vectorize(math.erf, otypes=[float])  # the C library's error function: within a few units in the last place
""",
    "_erfc": """_erfc = np.vectorize(math.erfc, otypes=[float])  # the C library's: within a few units in the last place
""",
    "_erfcx": '''@np.errstate(over="ignore")  # below -26.6 the value is beyond the floating-point numbers
def _erfcx(u):
    """exp(u**2)*erfc(u), from its asymptotic series (DLMF 7.12.1) from 12 on; relative error below 1e-13."""
    u = np.asarray(u, dtype=float)
    near, far = np.minimum(u, 12), np.maximum(u, 12)
    series = np.ones_like(far)
    for k in range(12, 0, -1):
        series = 1 - (2 * k - 1) / (2 * far * far) * series
    head = np.rint(16 * near) / 16  # its square is exact
    square = np.exp(head * head) * np.exp((near - head) * (near + head))
    return np.where(u < 12, square * _erfc(near), series / far / math.sqrt(math.pi))
''',
    "_log_ndtr": '''def _log_ndtr(u):
    """The logarithm of the standard normal distribution function, without cancellation in either tail."""
    t = np.asarray(u) / math.sqrt(2)
    below = np.log(_erfcx(np.maximum(-t, 0)) / 2) - np.minimum(t, 0) ** 2
    return np.where(t < 0, below, np.log1p(-_erfc(np.maximum(t, 0)) / 2))
''',
    "_erfcinv": '''def _erfcinv(v):
    """The inverse of erfc, by Newton's method for log(erfc) in the tails, else for erf; relative error below 1e-13."""
    v = np.asarray(v, dtype=float)
    tail = np.clip(np.minimum(v, 2 - v), 5e-324, 0.5)
    x = np.sqrt(np.maximum(-np.log(tail * np.sqrt(-3 * np.log(tail))), 0.1))
    for _ in range(6):
        x = x + (np.log(_erfcx(x) / tail) - x * x) * _erfcx(x) * math.sqrt(math.pi) / 2
    middle = np.clip(1 - v, -0.5, 0.5)
    y = middle * math.sqrt(math.pi) / 2
    for _ in range(6):
        y = y - (_erf(y) - middle) * np.exp(y * y) * math.sqrt(math.pi) / 2
    found = np.where(v < 0.5, x, np.where(v > 1.5, -x, y))
    ends = np.where(v == 0, np.inf, np.where(v == 2, -np.inf, np.nan))
    return np.where((v > 0) & (v < 2), found, ends)
''',
    "_erfinv": '''def _erfinv(u):
    """The inverse of erf, from that of erfc so that u near 1 keeps its digits; relative error below 1e-13."""
    u = np.asarray(u, dtype=float)
    small = np.clip(u, -0.25, 0.25)
    y = small * math.sqrt(math.pi) / 2
    for _ in range(5):
        y = y - (_erf(y) - small) * np.exp(y * y) * math.sqrt(math.pi) / 2
    return np.where(np.abs(u) < 0.25, y, np.sign(u) * _erfcinv(1 - np.abs(u)))
''',
    "_ndtri": '''def _ndtri(u):
    """The inverse of the standard normal distribution function."""
    return -math.sqrt(2) * _erfcinv(2 * np.asarray(u))
''',
    "_gamma": '''def _gamma_of_one(u):
    try:
        return math.gamma(u)
    except OverflowError:
        return math.inf
    except ValueError:  # a pole
        return math.nan


_gamma = np.vectorize(_gamma_of_one, otypes=[float])  # the standard library's: within a few units in the last place
''',
    "_lgamma": '''def _lgamma_of_one(u):
    near = round(u) if u in (1, 2) or abs(u - 1.5) < 0.51 else 0
    t = u - near
    if near in (1, 2) and abs(t) < 0.01:  # the series at its zeros (DLMF 5.7.3), where the library loses digits
        zeta = (1.6449340668482264, 1.2020569031595942, 1.0823232337111382, 1.0369277551433699, 1.0173430619844491, 1.0083492773819228)
        series = sum(z * (-t) ** k / k for k, z in enumerate(zeta, 2)) - 0.5772156649015329 * t
        return series + math.log1p(t) if near == 2 else series
    try:
        return math.lgamma(u)
    except ValueError:  # a pole
        return math.inf


_lgamma = np.vectorize(_lgamma_of_one, otypes=[float])  # relative error below 1e-13 for u > 0
''',
    "_betaln": '''def _betaln(u, v):
    """log(Γ(u)Γ(v)/Γ(u + v)) for u, v > 0; the larger argument's logarithms by Stirling's series (DLMF 5.11.1)."""
    small, large = np.minimum(u, v), np.maximum(u, v)
    x = np.maximum(large, 10.0)

    def rest(x):
        terms = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
        return sum(c / x ** (2 * k + 1) for k, c in enumerate(terms))

    both = x + small
    ratio = rest(x) - rest(both) - (x - 0.5) * np.log1p(small / x) + small - small * np.log(both)
    return _lgamma(small) + np.where(large < 10, _lgamma(large) - _lgamma(small + large), ratio)
''',
    "_csch": '''def _csch(u):
    """1/sinh(u); the exponential never overflows."""
    size = np.abs(u)
    return -2 * np.sign(u) * np.exp(-size) / np.expm1(-2 * size)
''',
    "_arcsec": '''def _arcsec(u):
    """arccos(1/u), through a root that keeps its digits near 1."""
    return np.arctan2(np.sqrt((np.abs(u) - 1) * (np.abs(u) + 1)), np.sign(u))
''',
    "_arccsc": '''def _arccsc(u):
    """arcsin(1/u), through a root that keeps its digits near 1."""
    return np.arctan2(np.sign(u), np.sqrt((np.abs(u) - 1) * (np.abs(u) + 1)))
''',
    "_arcsech": '''def _arcsech(u):
    """arccosh(1/u), from log1p, which keeps its digits near 1."""
    return np.log1p(((1 - u) + np.sqrt((1 - u) * (1 + u))) / u)
''',
    "_arccoth": '''def _arccoth(u):
    """arctanh(1/u) = log((u + 1)/(u - 1))/2, from log1p, which keeps its digits at both ends."""
    return np.sign(u) * np.log1p(2 / (np.abs(u) - 1)) / 2
''',
    "_log1mexp": '''def _log1mexp(u):
    """log(1 - exp(-u)) for u > 0, by the form that keeps its digits on either side of log(2) (Maechler 2012)."""
    small = np.minimum(u, math.log(2))
    return np.where(u < math.log(2), np.log(-np.expm1(-small)), np.log1p(-np.exp(-np.maximum(u, small))))
''',
    "_xlog1py": '''def _xlog1py(u, v):
    """u*log(1 + v), and 0 where u is 0."""
    return u * np.log1p(np.where(u == 0, 0, v))
''',
    "_rel_entr": '''def _rel_entr(u, v):
    """u*log(u/v), and 0 where u is 0; log1p of the difference where u and v are near."""
    safe = np.where(u == 0, v, u)
    return u * np.where(np.abs(safe - v) < v / 2, np.log1p((safe - v) / v), np.log(safe) - np.log(v))
''',
    "_kl_div": '''def _kl_div(u, v):
    """u*log(u/v) - u + v, and v where u is 0; where they are near, u*(t - log(1 + t)) with t = (v - u)/u by its series."""
    safe = np.where(u == 0, v, u)
    t = (v - safe) / safe
    near = np.clip(t, -0.1, 0.1)
    series = sum((-near) ** k / k for k in range(16, 1, -1))
    return np.where(np.abs(t) < 0.1, u * series, u * (np.log(safe) - np.log(v)) - u + v)
''',
    "_squareplus": '''def _squareplus(u, b):
    """(u + sqrt(u**2 + b))/2, without the difference of two near numbers where u < 0."""
    root = np.sqrt(np.square(u) + b)
    return np.where(u > 0, (u + root) / 2, b / 2 / (root + np.abs(u)))
''',
    "_pseudo_huber": '''def _pseudo_huber(u, delta):
    """delta**2*(sqrt(1 + (u/delta)**2) - 1), without the difference of two near numbers."""
    return np.square(u) / (1 + np.sqrt(1 + np.square(u / delta)))
''',
    "_binary_cross_entropy": '''def _binary_cross_entropy(p, y):
    """-(y*log(p) + (1 - y)*log(1 - p)); a logarithm that is multiplied by 0 does not count."""
    return -_xlogy(y, p) - _xlog1py(1 - y, -p)
''',
    "_binary_cross_entropy_with_logits": '''def _binary_cross_entropy_with_logits(z, y):
    """log(1 + exp(z)) - y*z, where nothing overflows and a small loss keeps its digits."""
    return np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z)))
''',
    "_sigmoid_focal_loss": '''def _sigmoid_focal_loss(z, y, alpha, gamma):
    """The focal loss of a logit (Lin et al. 2017)."""
    weight = alpha * y + (1 - alpha) * (1 - y)
    wrong = _sigmoid(z) * (1 - y) + _sigmoid(-z) * y
    return weight * wrong**gamma * _binary_cross_entropy_with_logits(z, y)
''',
    "_normal_cdf": '''def _normal_cdf(u):
    """The standard normal distribution function, (1 + erf(u/sqrt(2)))/2, from erfc so that small values keep their digits."""
    return _erfc(-np.asarray(u) / math.sqrt(2)) / 2
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
    "_normal_cdf": ("_erfc",),
    "_erfcx": ("_erfc",),
    "_log_ndtr": ("_erfc", "_erfcx"),
    "_erfcinv": ("_erf", "_erfcx"),
    "_erfinv": ("_erf", "_erfcinv"),
    "_ndtri": ("_erfcinv",),
    "_betaln": ("_lgamma",),
    "_binary_cross_entropy": ("_xlogy", "_xlog1py"),
    "_sigmoid_focal_loss": ("_sigmoid", "_binary_cross_entropy_with_logits"),
}


def with_needs(used: set[str]) -> list[str]:
    """The helpers that are used, and those that they use, in the order of the table."""
    wanted: set[str] = set()
    pending = list(used)
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            pending += NEEDS.get(name, ())
    return [name for name in HELPERS if name in wanted]
