"""How expressions print as mathematics: LaTeX that KaTeX and pdflatex accept, and Unicode for the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from katex_parser import complaint

from derive.derivation import Derivation
from derive.expression.nodes import D, Expression, Ref
from derive.functions import AXIS_FUNCTIONS, FUNCTIONS
from derive.model import Model
from derive.parse.expression import parse_expression
from derive.render.latex import latex
from derive.render.names import latex_name, unicode_name
from derive.render.notation import Notation
from derive.render.unicode import unicode_math

BUILTIN = ("chain", "quadratic", "logistic", "two-layer")

CLASSIFIER = """
d: size = 3
h: size = 4
k: size = 3
x: input[d]
y: target[k]
W1: parameter[h, d]
b1: parameter[h]
W2: parameter[k, h]
lam: constant = 0.01
assume(sum(y) == 1)
z1 = W1 @ x + b1
a1 = relu(z1)
z2 = W2 @ a1
p: output = softmax(z2)
L: loss = -sum(y*log(p)) + lam*sum(W1**2)
"""

# text of the model language, LaTeX, Unicode
PRINTED = [
    ("a - y", "a - y", "a − y"),
    ("-y*log(a) - (1 - y)*log(1 - a)", r"-y \ln(a) - (1 - y) \ln(1 - a)", "−y·ln(a) − (1 − y)·ln(1 − a)"),
    ("(1 - y)/(1 - a) - y/a", r"\frac{1 - y}{1 - a} - \frac{y}{a}", "(1 − y)/(1 − a) − y/a"),
    ("a - (b - c)", "a - (b - c)", "a − (b − c)"),
    ("-(-x)", "-(-x)", "−(−x)"),
    ("x*(-1)", r"x \cdot (-1)", "x·(−1)"),
    ("x*2", r"x \cdot 2", "x·2"),
    ("2*(3*x)", r"2 \cdot 3 x", "2·3·x"),
    ("(a/b)**2", r"\left(\frac{a}{b}\right)^{2}", "(a/b)²"),
    ("(-a)**2", "(-a)^{2}", "(−a)²"),
    ("-a**2", "-a^{2}", "−a²"),
    ("a1**2", "(a^{[1]})^{2}", "a^[1]²"),
    ("x**(1/2)", "x^{1/2}", "x^(1/2)"),
    ("sqrt(x)**2", r"\left(\sqrt{x}\right)^{2}", "√(x)²"),
    ("1e-3*x", "10^{-3} x", "10⁻³·x"),
    ("exp(-z)", "e^{-z}", "e^(−z)"),
    ("exp(x)**2", "(e^{x})^{2}", "(e^x)²"),
    ("sin(x)**2*cos(x)", r"\sin^{2}(x) \cos(x)", "sin(x)²·cos(x)"),
    ("sigmoid(z)*(1 - sigmoid(z))", r"\sigma(z) (1 - \sigma(z))", "σ(z)·(1 − σ(z))"),
    ("relu(u)", r"\operatorname{relu}(u)", "relu(u)"),
    ("D(L, a)*D(a, z)", r"\frac{\partial L}{\partial a} \cdot \frac{\partial a}{\partial z}", "∂L/∂a · ∂a/∂z"),
    ("D(x**2, x)", r"\frac{\partial}{\partial x}\left[x^{2}\right]", "∂/∂x [x²]"),
    ("sum(W1[i, j]*x_1[j], j)", r"\sum_{j} W^{[1]}_{ij} x_{1,j}", "∑ⱼ W^[1]ᵢⱼ·x₁[j]"),
    ("sum(u[j], j)*v", r"\left(\sum_{j} u_{j}\right) v", "(∑ⱼ uⱼ)·v"),
    ("sum(a[j], j)/N", r"\frac{1}{N} \sum_{j} a_{j}", "1/N · ∑ⱼ aⱼ"),
    ("delta(i, j)", r"\delta_{ij}", "δᵢⱼ"),
    ("where(u > 0, u, 0)", r"\begin{cases} u, & u > 0 \\ 0, & u \leq 0 \end{cases}", "{u, u > 0; 0, u ≤ 0}"),
    ("rate*loss", r"\mathrm{rate} \, \mathrm{loss}", "rate·loss"),
]

ARRAYS = [
    ("w @ x", r"w^{\top}\, x", "wᵀ x"),
    ("W1 @ x + b1", r"W^{[1]}\, x + b^{[1]}", "W^[1] x + b^[1]"),
    ("x @ W1", r"W^{[1]\top}\, x", "W^[1]ᵀ x"),
    ("outer(w - x, b1)", r"(w - x)\, b^{[1]\top}", "(w − x) b^[1]ᵀ"),
    ("W1.T @ (w - x)*(1 - b1**2)",
     r"(W^{[1]\top}\, (w - x)) \odot (1 - (b^{[1]})^{\odot 2})", "(W^[1]ᵀ (w − x)) ⊙ (1 − (b^[1])^⊙2)"),
    ("-w/x", r"-w \oslash x", "−w ⊘ x"),
    ("norm(w)", r"\left\lVert w \right\rVert", "‖w‖"),
    ("eye(n)", "I_{n}", "Iₙ"),
    ("sum(outer(u, v), axis=1, keepdims=True)", r"u\, v^{\top}\, \mathbf{1}", "u vᵀ 𝟏"),
    ("outer(u, v) - sum(outer(u, v), axis=1, keepdims=True)",
     r"u\, v^{\top} - u\, v^{\top}\, \mathbf{1}\, \mathbf{1}^{\top}", "u vᵀ − u vᵀ 𝟏 𝟏ᵀ"),
    ("outer(u, v)/sum(outer(u, v), axis=0, keepdims=True)",
     r"(u\, v^{\top}) \oslash (\mathbf{1}\, \mathbf{1}^{\top}\, u\, v^{\top})", "(u vᵀ) ⊘ (𝟏 𝟏ᵀ u vᵀ)"),
    ("2*ones(n) - x", r"2 \mathbf{1}_{n} - x", "2·𝟏ₙ − x"),
    ("softmax(W1, axis=1)", r"\operatorname{softmax}_{j}(W^{[1]}_{\cdot j})", "softmaxⱼ(W^[1][·, j])"),
    ("mean((W1 - w)**2, axis=-2)",
     r"\operatorname{mean}_{i}(((W^{[1]} - w)^{\odot 2})_{i \cdot})", "meanᵢ(((W^[1] − w)^⊙2)[i, ·])"),
    ("max(W1, axis=0)", r"\max_{i} W^{[1]}_{i \cdot}", "maxᵢ W^[1][i, ·]"),
    ("norm(W1, axis=1)", r"\left\lVert W^{[1]}_{\cdot j} \right\rVert_{j}", "‖W^[1][·, j]‖ⱼ"),
    ("pad(W1, 2, axis=(0, 1))", r"\operatorname{pad}_{ij}(W^{[1]}_{ij}, 2)", "padᵢⱼ(W^[1]ᵢⱼ, 2)"),
    ("concatenate([w, x])", r"\begin{bmatrix} w \\ x \end{bmatrix}", "[w; x]"),
    ("concatenate([W1, W1], axis=1)", r"\begin{bmatrix} W^{[1]} & W^{[1]} \end{bmatrix}", "[W^[1], W^[1]]"),
    ("zeros(m, n)", r"\mathbf{0}_{m \times n}", "𝟎ₘₙ"),
]  # fmt: skip
THREE = parse_expression("3")
SHAPES: dict[str, tuple[Expression, ...]] = {"w": (THREE,), "x": (THREE,), "b1": (THREE,), "W1": (THREE, THREE)}


@pytest.mark.parametrize(("text", "tex", "plain"), PRINTED)
def test_expressions_print_as_a_mathematician_sets_them(text: str, tex: str, plain: str) -> None:
    e = parse_expression(text)
    assert (latex(e), unicode_math(e)) == (tex, plain)
    assert not complaint(tex)


@pytest.mark.parametrize(("text", "tex", "plain"), ARRAYS)
def test_arrays_print_with_transposes_and_elementwise_signs(text: str, tex: str, plain: str) -> None:
    e = parse_expression(text)
    assert (latex(e, SHAPES), unicode_math(e, SHAPES)) == (tex, plain)
    assert not complaint(tex)


@pytest.mark.parametrize(
    ("name", "tex", "plain"),
    [
        ("z1", "z^{[1]}", "z^[1]"), ("w1_2", "w^{[1]}_{2}", "w^[1]₂"), ("w_1", "w_{1}", "w₁"), ("lam", r"\lambda", "λ"),
        ("sigma2", r"\sigma^{[2]}", "σ^[2]"), ("loss", r"\mathrm{loss}", "loss"), ("y_hat", r"\hat{y}", "ŷ"),
        ("w_in", r"w_{\mathrm{in}}", "wᵢₙ"), ("__x", r"\mathrm{\_\_x}", "__x"), ("σ", r"\sigma", "σ"),
    ],
)  # fmt: skip
def test_names_print_as_the_language_says(name: str, tex: str, plain: str) -> None:
    assert (latex_name(name), unicode_name(name)) == (tex, plain)


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1, max_size=12))
def test_no_name_is_obeyed(name: str) -> None:
    printed = latex_name(name)
    assert not complaint(printed)
    bare = printed.replace(r"\_", "").replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    assert not {"$", "%", "&", "#", "~"} & set(
        bare.replace(r"\$", "").replace(r"\%", "").replace(r"\&", "").replace(r"\#", "")
    )


@pytest.mark.parametrize("name", [*FUNCTIONS, *AXIS_FUNCTIONS])
def test_every_function_prints(name: str) -> None:
    row = FUNCTIONS.get(name)
    letters = "xyz"[: row.required if row else 1]
    plain, tall = ", ".join(letters), ", ".join(f"{c}/q" for c in letters)
    for text in (f"{name}({plain})", f"w*{name}({tall})**2*{name}({plain})", f"-{name}({plain})/2"):
        e = parse_expression(text)
        assert not complaint(latex(e)), latex(e)
        assert "\\" not in unicode_math(e) and "#" not in unicode_math(e)
    for definition in filter(None, (row.definition, *row.partials) if row else ()):
        assert not complaint(latex(parse_expression(definition)))


@pytest.mark.parametrize(
    ("model", "pairs"),
    [
        ("logistic", {"L/a": False, "a/z": True, "z/w_1": False, "L/z": False, "L/w_1": False}),
        ("two-layer", {"a1/z1": True, "a2/z2": True, "z2/a1": False, "L/b2": False}),
        ("chain", {"f/v": True, "v/z": True, "z/x": True, "f/z": True, "f/x": True}),
        ("quadratic", {"L/x": True}),
    ],
)
def test_d_and_partial_stand_where_the_conventions_say(model: str, pairs: dict[str, bool]) -> None:
    notation = Notation(Model.builtin(model))
    for pair, total in pairs.items():
        of, wrt = pair.split("/")
        assert notation.total(D(Ref(of), Ref(wrt))) is total, pair
        assert notation.text(D(Ref(of), Ref(wrt))).startswith("d" if total else "∂")


def test_an_element_of_a_vector_varies_with_others() -> None:
    notation = Notation(Model.parse(CLASSIFIER))
    assert notation.text(parse_expression("D(p[i], z2[j])")) == "∂pᵢ/∂z^[2]ⱼ"
    assert notation.text(parse_expression("D(a1[i], z1[i])")) == "da^[1]ᵢ/dz^[1]ᵢ"
    assert notation.text(parse_expression("D(L, z2[k_0])")) == "∂L/∂z^[2]ₖ′"  # the model has a size k


def test_decimals_follow_the_language() -> None:
    e = parse_expression("0.5*x")
    model = Model.builtin("quadratic")
    assert Notation(model, "en").latex(e) == "0.5 x"
    assert Notation(model, "es").latex(e) == "0{,}5 x" and Notation(model, "es").text(e) == "0,5·x"


@pytest.mark.parametrize("source", [*BUILTIN, CLASSIFIER])
def test_every_formula_of_a_derivation_parses_in_katex(source: str) -> None:
    model = Model.parse(source) if "\n" in source else Model.builtin(source)
    derivation = model.derive()
    notation = Notation(model)
    formulas = {notation.latex(e) for equation in model.equations for e in (equation.written, equation.body)}
    formulas |= {notation.latex(e, of) for e, of in _steps(derivation)}
    for formula in sorted(formulas):
        assert not complaint(formula), formula


def _steps(derivation: Derivation) -> list[tuple[Expression, str | None]]:
    local = [(e, r.of) for r in derivation.local for step in r.steps for e in (step.before, step.after)]
    adjoints = [a.result for a in (*derivation.nodes, *derivation.gradients)]
    return [*local, *((e, None) for r in adjoints for step in r.steps for e in (step.before, step.after))]
