"""The functions of the model language: one row each, and nothing else about them anywhere.

A scalar function is known by exactly one of

* ``definition``: an expression in the model language; its derivative follows by the rules of calculus,
* ``inverse``: what undoes it (``exp`` for ``log``); its derivative follows by differentiating ``inverse(f(u)) = u``,
* ``partials``: its derivatives, one for each argument: an **axiom**, checked numerically by the tests; None where no
  derivative is known (by the order of a Bessel function): asking for it is an error.

``convention`` says what the derivative is taken to be at a kink (PyTorch's choice).  ``numpy`` is the stable form that
generated code uses; names that begin with an underscore are helpers, see `derive.emit.helpers`, and names that begin with
``scipy`` make the generated module import SciPy: Bessel functions and others for which no short accurate code is known.
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
    partials: tuple[str | None, ...] = ()
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
    partials: tuple[str | None, ...] = (),
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
    # Axioms: functions of steps; their slope is 0, at the steps too.
    _row("floor", partials=("0",), latex=r"\left\lfloor #0 \right\rfloor", convention="floor' = 0"),
    _row("ceil", partials=("0",), latex=r"\left\lceil #0 \right\rceil", convention="ceil' = 0"),
    _row("trunc", partials=("0",), convention="trunc' = 0"),
    _row("round", partials=("0",), convention="round' = 0"),
    # Axioms: special functions.
    _row("erf", partials=("2/sqrt(pi)*exp(-u**2)",), numpy="_erf(#0)"),
    _row("lgamma", partials=("digamma(u)",), latex=r"\ln\Gamma\left(#0\right)", numpy="_lgamma(#0)"),
    _row("gamma", partials=("gamma(u)*digamma(u)",), latex=r"\Gamma\left(#0\right)", numpy="_gamma(#0)"),
    _row("digamma", partials=("trigamma(u)",), latex=r"\psi\left(#0\right)", numpy="_digamma(#0)"),
    _row("trigamma", partials=("polygamma(2, u)",), latex=r"\psi'\left(#0\right)", numpy="_polygamma(1, #0)"),
    _row("polygamma", "k, u", partials=(None, "polygamma(k + 1, u)"), latex=r"\psi^{(#0)}\left(#1\right)",
         numpy="_polygamma(#0, #1)"),
    _row("gammainc", "a, x", partials=(None, "exp((a - 1)*log(x) - x - lgamma(a))"), latex=r"P\left(#0, #1\right)",
         numpy="scipy.special.gammainc(#0, #1)"),
    _row("gammaincc", "a, x", partials=(None, "-exp((a - 1)*log(x) - x - lgamma(a))"), latex=r"Q\left(#0, #1\right)",
         numpy="scipy.special.gammaincc(#0, #1)"),
    _row("betainc", "a, b, x", latex=r"I\left(#0, #1, #2\right)", numpy="scipy.special.betainc(#0, #1, #2)",
         partials=(None, None, "exp((a - 1)*log(x) + (b - 1)*log1p(-x) - betaln(a, b))")),
    _row("expi", partials=("exp(u)/u",), latex=r"\operatorname{Ei}\left(#0\right)", numpy="scipy.special.expi(#0)"),
    # Axioms: Bessel functions, in the forms that have no pole at 0 where the function has none.
    _row("j0", partials=("-j1(u)",), latex=r"J_{0}\left(#0\right)", numpy="scipy.special.j0(#0)"),
    _row("j1", partials=("(j0(u) - jv(2, u))/2",), latex=r"J_{1}\left(#0\right)", numpy="scipy.special.j1(#0)"),
    _row("jv", "k, u", partials=(None, "(jv(k - 1, u) - jv(k + 1, u))/2"), latex=r"J_{#0}\left(#1\right)",
         numpy="scipy.special.jv(#0, #1)"),
    _row("y0", partials=("-y1(u)",), latex=r"Y_{0}\left(#0\right)", numpy="scipy.special.y0(#0)"),
    _row("y1", partials=("(y0(u) - yv(2, u))/2",), latex=r"Y_{1}\left(#0\right)", numpy="scipy.special.y1(#0)"),
    _row("yv", "k, u", partials=(None, "(yv(k - 1, u) - yv(k + 1, u))/2"), latex=r"Y_{#0}\left(#1\right)",
         numpy="scipy.special.yv(#0, #1)"),
    _row("i0", partials=("i1(u)",), latex=r"I_{0}\left(#0\right)", numpy="scipy.special.i0(#0)"),
    _row("i1", partials=("(i0(u) + iv(2, u))/2",), latex=r"I_{1}\left(#0\right)", numpy="scipy.special.i1(#0)"),
    _row("iv", "k, u", partials=(None, "(iv(k - 1, u) + iv(k + 1, u))/2"), latex=r"I_{#0}\left(#1\right)",
         numpy="scipy.special.iv(#0, #1)"),
    _row("k0", partials=("-k1(u)",), latex=r"K_{0}\left(#0\right)", numpy="scipy.special.k0(#0)"),
    _row("k1", partials=("-(k0(u) + kv(2, u))/2",), latex=r"K_{1}\left(#0\right)", numpy="scipy.special.k1(#0)"),
    _row("kv", "k, u", partials=(None, "-(kv(k - 1, u) + kv(k + 1, u))/2"), latex=r"K_{#0}\left(#1\right)",
         numpy="scipy.special.kv(#0, #1)"),
    # Axioms too, although the above and an exponential define them: the slope of that form overflows where theirs does not.
    _row("i0e", partials=("i1e(u) - sign(u)*i0e(u)",), numpy="scipy.special.i0e(#0)", convention="i0e'(0) = 0"),
    _row("i1e", partials=("(i0e(u) + ive(2, u))/2 - abs(i1e(u))",), numpy="scipy.special.i1e(#0)"),
    _row("ive", "k, u", partials=(None, "(ive(k - 1, u) + ive(k + 1, u))/2 - sign(u)*ive(k, u)"),
         numpy="scipy.special.ive(#0, #1)"),
    _row("k0e", partials=("k0e(u) - k1e(u)",), numpy="scipy.special.k0e(#0)"),
    _row("k1e", partials=("k1e(u) - (k0e(u) + kve(2, u))/2",), numpy="scipy.special.k1e(#0)"),
    _row("kve", "k, u", partials=(None, "kve(k, u) - (kve(k - 1, u) + kve(k + 1, u))/2"),
         numpy="scipy.special.kve(#0, #1)"),
    _row("erfcx", partials=("2*u*erfcx(u) - 2/sqrt(pi)",), numpy="_erfcx(#0)"),
    _row("log_ndtr", partials=("sqrt(2/pi)/erfcx(-u/sqrt(2))",), latex=r"\ln\Phi\left(#0\right)", numpy="_log_ndtr(#0)"),
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
    _row("erfinv", inverse="erf(u)", latex=r"\operatorname{erf}^{-1}\left(#0\right)", numpy="_erfinv(#0)"),
    _row("erfcinv", inverse="erfc(u)", latex=r"\operatorname{erfc}^{-1}\left(#0\right)", numpy="_erfcinv(#0)"),
    _row("ndtri", inverse="normal_cdf(u)", latex=r"\Phi^{-1}\left(#0\right)", numpy="_ndtri(#0)"),
    _row("lambertw", inverse="u*exp(u)", latex=r"W\left(#0\right)", numpy="scipy.special.lambertw(#0).real"),
    # Defined by the functions above.
    _row("log1p", definition="log(1 + u)", latex=r"\ln\left(1 + #0\right)"),
    _row("expm1", definition="exp(u) - 1", latex=r"\left(e^{#0} - 1\right)"),
    _row("log2", definition="log(u)/log(2)", latex=r"\log_{2}\left(#0\right)"),
    _row("log10", definition="log(u)/log(10)", latex=r"\log_{10}\left(#0\right)"),
    _row("exp2", definition="exp(u*log(2))", latex=r"2^{#0}"),
    _row("exp10", definition="exp(u*log(10))", latex=r"10^{#0}", numpy="np.power(10.0, #0)"),
    _row("power", "u, v", definition="u**v", latex=r"{#0}^{#1}", numpy="(#0)**(#1)"),
    _row("rsqrt", definition="1/sqrt(u)", latex=r"\frac{1}{\sqrt{#0}}", numpy="(1/np.sqrt(#0))"),
    _row("cosm1", definition="cos(u) - 1", latex=r"\left(\cos\left(#0\right) - 1\right)",
         numpy="(-2*np.sin((#0)/2)**2)"),
    _row("deg2rad", definition="pi*u/180"),
    _row("rad2deg", definition="180*u/pi"),
    _row("lerp", "u, v, t", definition="u + t*(v - u)", numpy="((#0) + (#2)*((#1) - (#0)))"),
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
    _row("csch", definition="sech(u)/tanh(u)", latex=_op("csch"), numpy="_csch(#0)"),
    _row("coth", definition="(exp(u) + exp(-u))/(exp(u) - exp(-u))", latex=_op("coth"), numpy="(1/np.tanh(#0))"),
    _row("arcsec", definition="arccos(1/u)", numpy="_arcsec(#0)"),
    _row("arccsc", definition="arcsin(1/u)", numpy="_arccsc(#0)"),
    _row("arccot", definition="arctan(1/u)", numpy="np.arctan(1/(#0))"),
    _row("arcsech", definition="arccosh(1/u)", numpy="_arcsech(#0)"),
    _row("arccsch", definition="arcsinh(1/u)", numpy="np.arcsinh(1/(#0))"),
    _row("arccoth", definition="arctanh(1/u)", numpy="_arccoth(#0)"),
    _row("sigmoid", definition="1/(1 + exp(-u))", latex=r"\sigma\left(#0\right)", numpy="_sigmoid(#0)"),
    _row("logit", definition="log(u/(1 - u))", numpy="(np.log(#0) - np.log1p(-(#0)))"),
    _row("softplus", definition="log(1 + exp(u))", numpy="_softplus(#0)"),
    _row("log_sigmoid", definition="-log(1 + exp(-u))", latex=r"\ln\sigma\left(#0\right)",
         numpy="(-_softplus(-(#0)))"),
    _row("logaddexp", "u, v", definition="v + softplus(u - v)", latex=r"\operatorname{logaddexp}\left(#0, #1\right)"),
    _row("logaddexp2", "u, v", definition="v + softplus((u - v)*log(2))/log(2)"),
    _row("log1mexp", definition="log(-expm1(-u))", numpy="_log1mexp(#0)"),
    _row("hypot", "u, v", definition="sqrt(u**2 + v**2)"),
    _row("arctan2", "v, u", partials=("u/(u**2 + v**2)", "-v/(u**2 + v**2)")),
    _row("xlogy", "u, v", definition="u*log(v)", latex=r"#0\ln\left(#1\right)", numpy="_xlogy(#0, #1)"),
    _row("xlog1py", "u, v", definition="u*log(1 + v)", latex=r"#0\ln\left(1 + #1\right)", numpy="_xlog1py(#0, #1)"),
    _row("entr", definition="-u*log(u)", numpy="(-_xlogy(#0, #0))"),
    _row("rel_entr", "u, v", definition="u*(log(u) - log(v))", numpy="_rel_entr(#0, #1)"),
    _row("kl_div", "u, v", definition="u*(log(u) - log(v)) - u + v", numpy="_kl_div(#0, #1)"),
    _row("mod", "u, v", definition="u - v*floor(u/v)", convention="mod'(u) = 1"),
    _row("fmod", "u, v", definition="u - v*trunc(u/v)", convention="fmod'(u) = 1"),
    _row("frac", definition="u - trunc(u)", numpy="((#0) - np.trunc(#0))", convention="frac' = 1"),
    _row("heaviside", "u, v", definition="where(u > 0, 1, where(u < 0, 0, v))", convention="heaviside'(0) = 0"),
    _row("copysign", "u, v", definition="abs(u)*where(v < 0, -1, 1)", numpy="(np.abs(#0)*np.where((#1) < 0, -1.0, 1.0))",
         convention="copysign'(0) = 0"),
    _row("fmax", "u, v", definition="where(u >= v, u, v)", latex=r"\operatorname{fmax}\left(#0, #1\right)",
         convention="at a tie the first takes all"),
    _row("fmin", "u, v", definition="where(u <= v, u, v)", latex=r"\operatorname{fmin}\left(#0, #1\right)",
         convention="at a tie the first takes all"),
    _row("sinc", definition="where(u != 0, sin(pi*u)/(pi*u), 1)", convention="sinc'(0) = 0"),
    _row("erfc", definition="1 - erf(u)", numpy="_erfc(#0)"),
    _row("normal_cdf", definition="(1 + erf(u/sqrt(2)))/2", latex=r"\Phi\left(#0\right)", numpy="_normal_cdf(#0)"),
    _row("normal_pdf", definition="exp(-u**2/2)/sqrt(2*pi)", latex=r"\varphi\left(#0\right)",
         numpy="(np.exp(-(#0)**2/2)/np.sqrt(2*np.pi))"),
    _row("exp1", definition="-expi(-u)", latex=r"\operatorname{E}_{1}\left(#0\right)", numpy="scipy.special.exp1(#0)"),
    _row("factorial", definition="gamma(u + 1)", numpy="_gamma((#0) + 1)"),
    _row("rgamma", definition="1/gamma(u)", latex=r"\frac{1}{\Gamma\left(#0\right)}", numpy="(1/_gamma(#0))"),
    _row("betaln", "u, v", definition="lgamma(u) + lgamma(v) - lgamma(u + v)",
         latex=r"\ln\operatorname{B}\left(#0, #1\right)", numpy="_betaln(#0, #1)"),
    _row("beta", "u, v", definition="exp(lgamma(u) + lgamma(v) - lgamma(u + v))",
         latex=r"\operatorname{B}\left(#0, #1\right)", numpy="np.exp(_betaln(#0, #1))"),
    _row("lchoose", "n, k", definition="lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)",
         numpy="(-np.log((#0) + 1) - _betaln((#0) - (#1) + 1, (#1) + 1))"),
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
    _row("gelu", definition="u*normal_cdf(u)", numpy="(#0)*_normal_cdf(#0)"),
    _row("gelu_tanh", definition="u*(1 + tanh(sqrt(2/pi)*(u + 0.044715*u**3)))/2",
         numpy="(#0)*_sigmoid(1.5957691216057308*((#0) + 0.044715*(#0)**3))"),
    _row("quick_gelu", definition="swish(u, 1.702)", numpy="(#0)*_sigmoid(1.702*(#0))"),
    _row("squared_relu", definition="where(u > 0, u**2, 0)", numpy="np.maximum(#0, 0)**2"),
    _row("prelu", "u, weight", definition="where(u > 0, u, weight*u)", numpy="np.where(#0 > 0, #0, #1*(#0))",
         convention="prelu'(0) = weight"),
    _row("rrelu", "u, lower=1/8, upper=1/3", definition="where(u > 0, u, (lower + upper)/2*u)",
         numpy="np.where(#0 > 0, #0, ((#1) + (#2))/2*(#0))", convention="rrelu'(0) = (lower + upper)/2"),
    _row("threshold", "u, threshold, value", definition="where(u > threshold, u, value)",
         numpy="np.where(#0 > #1, #0, #2)", convention="threshold'(threshold) = 0"),
    _row("squareplus", "u, b=4", definition="(u + sqrt(u**2 + b))/2", numpy="_squareplus(#0, #1)"),
    _row("sparse_plus", definition="where(u > -1, where(u < 1, (u + 1)**2/4, u), 0)",
         numpy="np.where(#0 < 1, (np.maximum(#0, -1) + 1)**2/4, #0)"),
    _row("sparse_sigmoid", definition="where(u > -1, where(u < 1, (u + 1)/2, 1), 0)", numpy="np.clip(((#0) + 1)/2, 0, 1)",
         convention="sparse_sigmoid'(±1) = 0"),
    # Gates: the first two halves of what enters, as PyTorch has glu; the others as Shazeer (2020) writes them.
    _row("glu", "u, v", definition="u*sigmoid(v)", numpy="(#0)*_sigmoid(#1)"),
    _row("swiglu", "u, v", definition="silu(u)*v", numpy="(#0)*_sigmoid(#0)*(#1)"),
    _row("geglu", "u, v", definition="gelu(u)*v", numpy="(#0)*_normal_cdf(#0)*(#1)"),
    _row("reglu", "u, v", definition="relu(u)*v", numpy="np.maximum(#0, 0)*(#1)", convention="reglu'(0) = 0"),
    _row("silu", definition="u*sigmoid(u)", numpy="(#0)*_sigmoid(#0)"),
    _row("swish", "u, beta=1", definition="u*sigmoid(beta*u)", numpy="(#0)*_sigmoid((#1)*(#0))"),
    _row("mish", definition="u*tanh(softplus(u))", numpy="(#0)*np.tanh(_softplus(#0))"),
    _row("softsign", definition="u/(1 + abs(u))", numpy="(#0)/(1 + np.abs(#0))"),
    _row("tanhshrink", definition="u - tanh(u)", numpy="_tanhshrink(#0)"),
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
    # Losses of a residual or of a margin.
    _row("log_cosh", definition="log(cosh(u))", numpy="_log_cosh(#0)"),
    _row("huber", "u, delta=1", definition="where(abs(u) <= delta, u**2/2, delta*(abs(u) - delta/2))",
         numpy="_huber(#0, #1)"),
    _row("hinge", definition="where(u < 1, 1 - u, 0)", numpy="np.maximum(1 - (#0), 0)", convention="hinge'(1) = 0"),
    _row("squared_hinge", definition="where(u < 1, (1 - u)**2, 0)", numpy="np.maximum(1 - (#0), 0)**2"),
    _row("pseudo_huber", "u, delta=1", definition="delta**2*(sqrt(1 + (u/delta)**2) - 1)", numpy="_pseudo_huber(#0, #1)"),
    _row("pinball", "u, tau=1/2", definition="abs(u)/2 + (tau - 1/2)*u",
         numpy="np.maximum((#1)*(#0), ((#1) - 1)*(#0))", convention="pinball'(0) = tau - 1/2"),
    _row("epsilon_insensitive", "u, epsilon=0.1", definition="where(abs(u) > epsilon, abs(u) - epsilon, 0)",
         numpy="np.maximum(np.abs(#0) - (#1), 0)", convention="epsilon_insensitive'(±epsilon) = 0"),
    # Losses of a prediction and a target, under PyTorch's names, before the mean is taken.
    _row("mse_loss", "u, y", definition="(u - y)**2", numpy="np.square((#0) - (#1))"),
    _row("l1_loss", "u, y", definition="abs(u - y)", numpy="np.abs((#0) - (#1))", convention="l1_loss'(0) = 0"),
    _row("smooth_l1_loss", "u, y, beta=1",
         definition="where(abs(u - y) < beta, (u - y)**2/(2*beta), abs(u - y) - beta/2)",
         numpy="(_huber((#0) - (#1), #2)/(#2))"),
    _row("huber_loss", "u, y, delta=1",
         definition="where(abs(u - y) <= delta, (u - y)**2/2, delta*(abs(u - y) - delta/2))",
         numpy="_huber((#0) - (#1), #2)"),
    _row("binary_cross_entropy", "p, y", definition="-(y*log(p) + (1 - y)*log(1 - p))",
         numpy="_binary_cross_entropy(#0, #1)"),
    _row("binary_cross_entropy_with_logits", "z, y", definition="softplus(z) - y*z",
         numpy="_binary_cross_entropy_with_logits(#0, #1)"),
    _row("sigmoid_focal_loss", "z, y, alpha=0.25, gamma=2",
         definition="(alpha*y + (1 - alpha)*(1 - y))*(sigmoid(z)*(1 - y) + sigmoid(-z)*y)**gamma*(softplus(z) - y*z)",
         numpy="_sigmoid_focal_loss(#0, #1, #2, #3)"),
    _row("soft_margin_loss", "z, y", definition="softplus(-y*z)", numpy="_softplus(-(#1)*(#0))"),
    _row("poisson_nll_loss", "z, y", definition="exp(z) - y*z", numpy="(np.exp(#0) - (#1)*(#0))"),
    _row("gaussian_nll_loss", "u, y, var", definition="(log(var) + (u - y)**2/var)/2",
         numpy="((np.log(#2) + ((#0) - (#1))**2/(#2))/2)"),
    _row("kl_div_loss", "z, y", definition="y*log(y) - y*z", numpy="(_xlogy(#1, #1) - (#1)*(#0))"),
    _row("hinge_embedding_loss", "u, y, margin=1", definition="where(y > 0, u, where(u <= margin, margin - u, 0))",
         numpy="np.where((#1) > 0, #0, np.maximum((#2) - (#0), 0))",
         convention="hinge_embedding_loss'(margin) = -1"),
    _row("margin_ranking_loss", "u, v, y, margin=0",
         definition="where(y*(u - v) <= margin, margin - y*(u - v), 0)",
         numpy="np.maximum((#3) - (#2)*((#0) - (#1)), 0)",
         convention="at the margin the slope of the straight line"),
)

FUNCTIONS: dict[str, Function] = {row.name: row for row in _ROWS}

_AXIS_ROWS = (
    AxisFunction("mean", "sum(u[j], j)/size", keeps_axis=False, latex=_op("mean")),
    AxisFunction("logsumexp", "log(sum(exp(u[j]), j))", keeps_axis=False, latex=_op("logsumexp")),
    AxisFunction("norm", "sqrt(sum(u[j]**2, j))", keeps_axis=False, latex=r"\left\lVert #0 \right\rVert"),
    AxisFunction("softmax", "exp(u[i])/sum(exp(u[j]), j)", keeps_axis=True, latex=_op("softmax")),
    AxisFunction("log_softmax", "u[i] - log(sum(exp(u[j]), j))", keeps_axis=True, latex=_op(r"log\ softmax")),
    AxisFunction("cumsum", "sum(u[j], j, j <= i)", keeps_axis=True, latex=_op("cumsum")),
)

AXIS_FUNCTIONS: dict[str, AxisFunction] = {row.name: row for row in _AXIS_ROWS}

REDUCTIONS = ("sum", "prod", "max", "min", "argmax", "argmin")

# Whole-array operations that are understood while an equation is brought into index form.
ARRAY_FUNCTIONS: dict[str, tuple[int, int]] = {
    "dot": (2, 2), "outer": (2, 2), "trace": (1, 1), "diag": (1, 1), "eye": (1, 1), "zeros": (1, 3), "ones": (1, 3),
    "concatenate": (1, 1), "delta": (2, 2), "pad": (2, 3), "kron": (2, 2), "tril": (1, 1), "triu": (1, 1), "det": (1, 1), "logdet": (1, 1), "inv": (1, 1),
    "solve": (2, 2), "matrix_power": (2, 2),
}

# Other spellings that the field uses.
ALIASES = {
    "ln": "log", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh",
    "atanh": "arctanh", "logsigmoid": "log_sigmoid", "amax": "max", "amin": "min", "absolute": "abs", "gammaln": "lgamma",
    "loggamma": "lgamma", "relu_6": "relu6", "lrelu": "leaky_relu", "expit": "sigmoid", "logcosh": "log_cosh",
    # scipy.special and torch.special
    "ndtr": "normal_cdf", "log_normal_cdf": "log_ndtr", "normal_quantile": "ndtri", "psi": "digamma", "log_expit": "log_sigmoid",
    "lbeta": "betaln", "bessel_j0": "j0", "bessel_j1": "j1", "bessel_y0": "y0", "bessel_y1": "y1", "modified_bessel_i0": "i0",
    "modified_bessel_i1": "i1", "modified_bessel_k0": "k0", "modified_bessel_k1": "k1", "scaled_modified_bessel_k0": "k0e",
    "scaled_modified_bessel_k1": "k1e", "jn": "jv", "yn": "yv", "kn": "kv", "igamma": "gammainc", "igammac": "gammaincc",
    # numpy and torch
    "pow": "power", "float_power": "power", "fix": "trunc", "rint": "round", "remainder": "mod", "radians": "deg2rad",
    "degrees": "rad2deg", "acot": "arccot", "asec": "arcsec", "acsc": "arccsc", "acoth": "arccoth", "asech": "arcsech",
    "acsch": "arccsch", "atan2": "arctan2",
    # torch.nn and jax.nn
    "hard_tanh": "hardtanh", "hard_sigmoid": "hardsigmoid", "hard_swish": "hardswish", "hard_silu": "hardswish",
    "soft_sign": "softsign", "squared_error": "mse_loss", "absolute_error": "l1_loss", "bce_loss": "binary_cross_entropy",
    "bce_with_logits_loss": "binary_cross_entropy_with_logits", "quantile_loss": "pinball",
}


def known_functions() -> list[str]:
    return [*FUNCTIONS, *AXIS_FUNCTIONS, *REDUCTIONS, *ARRAY_FUNCTIONS, *ALIASES, "where", "grad"]
