"""The functions of the model language: one row each, and nothing else about them anywhere.

A scalar function is known by exactly one of

* ``definition``: an expression in the model language; its derivative follows by the rules of calculus,
* ``inverse``: what undoes it (``exp`` for ``log``); its derivative follows by differentiating ``inverse(f(u)) = u``,
* ``partials``: its derivatives, one for each argument: an **axiom**, checked numerically by the tests.

``convention`` says what the derivative is taken to be at a kink (PyTorch's choice).  ``numpy`` is the stable form that
generated code uses; names that begin with an underscore are helpers, see `derive.emit.helpers`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


def fill(template: str, args: Sequence[str]) -> str:
    """Puts arguments in the places ``#0``, ``#1`` … of a template.

    >>> fill("np.hypot(#0, #1)", ["x", "y"])
    'np.hypot(x, y)'
    """
    return re.sub(r"#(\d)", lambda match: args[int(match[1])], template)


@dataclass(frozen=True, slots=True)
class Function:
    """A scalar function: applied elementwise to arrays."""

    name: str
    parameters: tuple[str, ...]
    latex: str
    numpy: str
    definition: str | None = None
    inverse: str | None = None
    partials: tuple[str, ...] = ()
    defaults: tuple[str, ...] = ()
    convention: str | None = None

    @property
    def required(self) -> int:
        return len(self.parameters) - len(self.defaults)


@dataclass(frozen=True, slots=True)
class AxisFunction:
    """A function of a whole axis: `definition` speaks of ``u[j]`` (bound) and, where the axis stays, of ``u[i]``.

    ``size`` in a definition is the number of entries.
    """

    name: str
    definition: str
    keeps_axis: bool
    latex: str


def _op(name: str) -> str:
    return rf"\operatorname{{{name}}}\left(#0\right)"


def _named(command: str) -> str:
    return rf"\{command}\left(#0\right)"


def _row(
    name: str,
    parameters: str = "u",
    *,
    definition: str | None = None,
    inverse: str | None = None,
    partials: tuple[str, ...] = (),
    latex: str | None = None,
    numpy: str | None = None,
    convention: str | None = None,
) -> Function:
    fields = [field.strip().partition("=") for field in parameters.split(",")]
    everything = ", ".join(f"#{k}" for k in range(len(fields)))
    return Function(
        name=name,
        parameters=tuple(field[0] for field in fields),
        defaults=tuple(field[2] for field in fields if field[2]),
        latex=latex or rf"\operatorname{{{name.replace('_', chr(92) + ' ')}}}\left({everything}\right)",
        numpy=numpy or f"np.{name}({everything})",
        definition=definition,
        inverse=inverse,
        partials=partials,
        convention=convention,
    )


_ROWS = (
    # Axioms: elementary.
    _row("exp", partials=("exp(u)",), latex=r"e^{#0}"),
    _row("sin", partials=("cos(u)",), latex=_named("sin")),
    _row("cos", partials=("-sin(u)",), latex=_named("cos")),
    _row("abs", partials=("sign(u)",), latex=r"\left|#0\right|", convention="abs'(0) = 0"),
    _row("sign", partials=("0",), latex=_op("sign"), convention="sign'(0) = 0"),
    _row(
        "maximum", "u, v", partials=("where(u > v, 1, where(u < v, 0, 1/2))", "where(u > v, 0, where(u < v, 1, 1/2))"),
        latex=r"\max\left(#0, #1\right)", convention="at a tie each side takes one half",
    ),
    _row(
        "minimum", "u, v", partials=("where(u < v, 1, where(u > v, 0, 1/2))", "where(u < v, 0, where(u > v, 1, 1/2))"),
        latex=r"\min\left(#0, #1\right)", convention="at a tie each side takes one half",
    ),
    # Axioms: special functions.
    _row("erf", partials=("2/sqrt(pi)*exp(-u**2)",), numpy="_erf(#0)"),
    _row("lgamma", partials=("digamma(u)",), latex=r"\ln\Gamma\left(#0\right)", numpy="_lgamma(#0)"),
    _row("gamma", partials=("gamma(u)*digamma(u)",), latex=r"\Gamma\left(#0\right)", numpy="_gamma(#0)"),
    _row("digamma", partials=("trigamma(u)",), latex=r"\psi\left(#0\right)", numpy="_digamma(#0)"),
    _row("trigamma", partials=("polygamma(2, u)",), latex=r"\psi'\left(#0\right)", numpy="_polygamma(1, #0)"),
    _row("polygamma", "k, u", partials=("0", "polygamma(k + 1, u)"), latex=r"\psi^{(#0)}\left(#1\right)",
         numpy="_polygamma(#0, #1)"),
    # Inverse functions: differentiated through what defines them.
    _row("log", inverse="exp(u)", latex=r"\ln\left(#0\right)"),
    _row("sqrt", inverse="u**2", latex=r"\sqrt{#0}"),
    _row("cbrt", inverse="u**3", latex=r"\sqrt[3]{#0}"),
    _row("arcsin", inverse="sin(u)", latex=_named("arcsin")),
    _row("arccos", inverse="cos(u)", latex=_named("arccos")),
    _row("arctan", inverse="tan(u)", latex=_named("arctan")),
    _row("arcsinh", inverse="sinh(u)", latex=_op("arcsinh")),
    _row("arccosh", inverse="cosh(u)", latex=_op("arccosh")),
    _row("arctanh", inverse="tanh(u)", latex=_op("arctanh")),
    # Defined by the functions above.
    _row("log1p", definition="log(1 + u)", latex=r"\ln\left(1 + #0\right)"),
    _row("expm1", definition="exp(u) - 1", latex=r"\left(e^{#0} - 1\right)"),
    _row("log2", definition="log(u)/log(2)", latex=r"\log_{2}\left(#0\right)"),
    _row("log10", definition="log(u)/log(10)", latex=r"\log_{10}\left(#0\right)"),
    _row("exp2", definition="exp(u*log(2))", latex=r"2^{#0}"),
    _row("square", definition="u**2", latex=r"\left(#0\right)^{2}"),
    _row("reciprocal", definition="1/u", latex=r"\frac{1}{#0}"),
    _row("tan", definition="sin(u)/cos(u)", latex=_named("tan")),
    _row("sec", definition="1/cos(u)", latex=_named("sec"), numpy="(1/np.cos(#0))"),
    _row("csc", definition="1/sin(u)", latex=_named("csc"), numpy="(1/np.sin(#0))"),
    _row("cot", definition="cos(u)/sin(u)", latex=_named("cot"), numpy="(1/np.tan(#0))"),
    _row("sinh", definition="(exp(u) - exp(-u))/2", latex=_named("sinh")),
    _row("cosh", definition="(exp(u) + exp(-u))/2", latex=_named("cosh")),
    _row("tanh", definition="(exp(u) - exp(-u))/(exp(u) + exp(-u))", latex=_named("tanh")),
    _row("sech", definition="2/(exp(u) + exp(-u))", latex=_op("sech"), numpy="_sech(#0)"),
    _row("sigmoid", definition="1/(1 + exp(-u))", latex=r"\sigma\left(#0\right)", numpy="_sigmoid(#0)"),
    _row("logit", definition="log(u/(1 - u))", numpy="(np.log(#0) - np.log1p(-(#0)))"),
    _row("softplus", definition="log(1 + exp(u))", numpy="np.logaddexp(0, #0)"),
    _row("log_sigmoid", definition="-log(1 + exp(-u))", latex=r"\ln\sigma\left(#0\right)",
         numpy="(-np.logaddexp(0, -(#0)))"),
    _row("logaddexp", "u, v", definition="log(exp(u) + exp(v))", latex=r"\operatorname{logaddexp}\left(#0, #1\right)"),
    _row("hypot", "u, v", definition="sqrt(u**2 + v**2)"),
    _row("arctan2", "v, u", partials=("u/(u**2 + v**2)", "-v/(u**2 + v**2)")),
    _row("xlogy", "u, v", definition="u*log(v)", latex=r"#0\ln\left(#1\right)", numpy="_xlogy(#0, #1)"),
    _row("sinc", definition="where(u != 0, sin(pi*u)/(pi*u), 1)", convention="sinc'(0) = 0"),
    _row("erfc", definition="1 - erf(u)", numpy="_erfc(#0)"),
    _row("normal_cdf", definition="(1 + erf(u/sqrt(2)))/2", latex=r"\Phi\left(#0\right)", numpy="_normal_cdf(#0)"),
    # Activations.
    _row("relu", definition="where(u > 0, u, 0)", numpy="np.maximum(#0, 0)", convention="relu'(0) = 0"),
    _row("relu6", definition="where(u > 0, where(u < 6, u, 6), 0)", numpy="np.clip(#0, 0, 6)",
         convention="relu6'(0) = relu6'(6) = 0"),
    _row("leaky_relu", "u, slope=0.01", definition="where(u > 0, u, slope*u)",
         numpy="np.where(#0 > 0, #0, #1*(#0))", convention="leaky_relu'(0) = slope"),
    _row("elu", "u, alpha=1", definition="where(u > 0, u, alpha*(exp(u) - 1))",
         numpy="np.where(#0 > 0, #0, #1*np.expm1(np.minimum(#0, 0)))", convention="elu'(0) = alpha"),
    _row("celu", "u, alpha=1", definition="where(u > 0, u, alpha*(exp(u/alpha) - 1))",
         numpy="np.where(#0 > 0, #0, #1*np.expm1(np.minimum(#0, 0)/(#1)))", convention="celu'(0) = 1"),
    _row("selu", definition="1.0507009873554804934193349852946*where(u > 0, u, 1.6732632423543772848170429916717*(exp(u) - 1))",
         numpy="1.0507009873554805*np.where(#0 > 0, #0, 1.6732632423543772*np.expm1(np.minimum(#0, 0)))",
         convention="selu'(0) is the slope from the left"),
    _row("gelu", definition="u*(1 + erf(u/sqrt(2)))/2", numpy="(#0)*_normal_cdf(#0)"),
    _row("gelu_tanh", definition="u*(1 + tanh(sqrt(2/pi)*(u + 0.044715*u**3)))/2",
         numpy="0.5*(#0)*(1 + np.tanh(0.7978845608028654*((#0) + 0.044715*(#0)**3)))"),
    _row("silu", definition="u*sigmoid(u)", numpy="(#0)*_sigmoid(#0)"),
    _row("swish", "u, beta=1", definition="u*sigmoid(beta*u)", numpy="(#0)*_sigmoid((#1)*(#0))"),
    _row("mish", definition="u*tanh(softplus(u))", numpy="(#0)*np.tanh(np.logaddexp(0, #0))"),
    _row("softsign", definition="u/(1 + abs(u))", numpy="(#0)/(1 + np.abs(#0))"),
    _row("tanhshrink", definition="u - tanh(u)", numpy="((#0) - np.tanh(#0))"),
    _row("softshrink", "u, lam=0.5", definition="where(u > lam, u - lam, where(u < -lam, u + lam, 0))",
         numpy="np.sign(#0)*np.maximum(np.abs(#0) - (#1), 0)", convention="softshrink'(±lam) = 0"),
    _row("hardshrink", "u, lam=0.5", definition="where(abs(u) > lam, u, 0)",
         numpy="np.where(np.abs(#0) > #1, #0, 0)", convention="hardshrink'(±lam) = 0"),
    _row("hardtanh", definition="where(u > -1, where(u < 1, u, 1), -1)", numpy="np.clip(#0, -1, 1)",
         convention="hardtanh'(±1) = 0"),
    _row("hardsigmoid", definition="where(u > -3, where(u < 3, u/6 + 1/2, 1), 0)",
         numpy="np.clip((#0)/6 + 0.5, 0, 1)", convention="hardsigmoid'(±3) = 0"),
    _row("hardswish", definition="where(u > -3, where(u < 3, u*(u + 3)/6, u), 0)",
         numpy="(#0)*np.clip(((#0) + 3)/6, 0, 1)", convention="hardswish'(-3) = 0, hardswish'(3) = 1"),
    _row("clip", "u, low, high", definition="where(u < low, low, where(u > high, high, u))",
         convention="slope 1 at the bounds"),
    _row("log_cosh", definition="log(cosh(u))", numpy="_log_cosh(#0)"),
    _row("huber", "u, delta=1", definition="where(abs(u) <= delta, u**2/2, delta*(abs(u) - delta/2))",
         numpy="_huber(#0, #1)"),
    _row("hinge", definition="where(u < 1, 1 - u, 0)", numpy="np.maximum(1 - (#0), 0)", convention="hinge'(1) = 0"),
)

FUNCTIONS: dict[str, Function] = {row.name: row for row in _ROWS}

_AXIS_ROWS = (
    AxisFunction("mean", "sum(u[j], j)/size", keeps_axis=False, latex=_op("mean")),
    AxisFunction("logsumexp", "log(sum(exp(u[j]), j))", keeps_axis=False, latex=_op("logsumexp")),
    AxisFunction("norm", "sqrt(sum(u[j]**2, j))", keeps_axis=False, latex=r"\left\lVert #0 \right\rVert"),
    AxisFunction("softmax", "exp(u[i])/sum(exp(u[j]), j)", keeps_axis=True, latex=_op("softmax")),
    AxisFunction("log_softmax", "u[i] - log(sum(exp(u[j]), j))", keeps_axis=True, latex=_op("log softmax")),
    AxisFunction("cumsum", "sum(u[j], j, j <= i)", keeps_axis=True, latex=_op("cumsum")),
)

AXIS_FUNCTIONS: dict[str, AxisFunction] = {row.name: row for row in _AXIS_ROWS}

REDUCTIONS = ("sum", "prod", "max", "min")

# Whole-array operations that are understood while an equation is brought into index form.
ARRAY_FUNCTIONS: dict[str, tuple[int, int]] = {
    "dot": (2, 2), "outer": (2, 2), "trace": (1, 1), "diag": (1, 1), "eye": (1, 1), "zeros": (1, 3), "ones": (1, 3),
    "concatenate": (1, 1), "delta": (2, 2), "pad": (2, 3), "kron": (2, 2),
}

# Other spellings that the field uses.
ALIASES = {
    "ln": "log", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh",
    "atanh": "arctanh", "logsigmoid": "log_sigmoid", "amax": "max", "amin": "min", "absolute": "abs", "gammaln": "lgamma",
    "loggamma": "lgamma", "relu_6": "relu6", "lrelu": "leaky_relu", "expit": "sigmoid", "logcosh": "log_cosh",
}

# What a later version may bring; named here so that the refusal is honest.
PLANNED = ("det", "logdet", "inv", "solve", "grad")


def known_functions() -> list[str]:
    return [*FUNCTIONS, *AXIS_FUNCTIONS, *REDUCTIONS, *ARRAY_FUNCTIONS, *ALIASES, "where"]
