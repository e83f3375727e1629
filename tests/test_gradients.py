"""Derived gradients against the complex step on the model itself, over a corpus and over random expressions."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_corpus import MODELS, POSITIVE, SCALAR, lines, numbers, parsed, text_of
from time_limit import time_limit

from derive.algebra.rational import alpha_normal
from derive.check.complex_evaluator import ComplexEvaluator
from derive.check.complex_step import complex_step_gradient, evaluate, evaluate_expression
from derive.derivation import Result
from derive.errors import DeriveError
from derive.expression.nodes import Index
from derive.expression.walk import rename, rename_indices
from derive.model import Model

TOLERANCE = 1e-10


def check_gradients(
    model: Model, positive: tuple[str, ...] = (), seeds: int = 3, wrt: tuple[str, ...] = ()
) -> int:
    """Every adjoint and every gradient, in all its forms, equals the complex step; gives how many entries were compared."""
    derivation = model.derive(wrt)
    compared = 0
    for seed in range(seeds):
        values = numbers(model, seed, positive)
        known = evaluate(model, values)
        assert np.isfinite(known[model.loss]), f"the values of seed {seed} are outside of the model's domain"
        adjoints = {
            a.name: complex_step_gradient(model, values, a.name)
            for a in (*derivation.nodes, *derivation.gradients)
        }
        for a in (*derivation.nodes, *derivation.gradients):
            wanted = adjoints[a.name]
            r = a.result
            for form in (r.expr, a.by_adjoint, a.compact):
                found = evaluate_expression(form, known, r.indices, wanted.shape, adjoints)
                error = np.max(np.abs(found - wanted) / np.maximum(1, np.abs(wanted)), initial=0)
                assert error <= TOLERANCE, (
                    f"dL/d{a.name} = {form} is {found}, the complex step gives {wanted}"
                )
            compared += wanted.size
    return compared


@pytest.mark.parametrize("name", MODELS)
def test_the_gradients_of_the_corpus_equal_the_complex_step(name):
    model = parsed(name)
    data = tuple(v.name for v in model.of_role("input", "target") if v.kind != "integer")
    assert check_gradients(model, POSITIVE.get(name, ()), wrt=data) > 0


@pytest.mark.parametrize("name", MODELS)
def test_local_derivatives_equal_the_complex_step_on_their_equation(name):
    """∂(equation)/∂(one of its names), entry by entry: the entry becomes the loss of a model of its own."""
    model = parsed(name)
    derivation = model.derive()
    values = numbers(model, 5, POSITIVE.get(name, ()))
    known = evaluate(model, values)
    for r in derivation.local:
        shape = (*known[r.of].shape, *known[r.wrt].shape)
        found = evaluate_expression(r.expr, known, r.indices, shape)
        wanted = _jacobian(model, r.of, r.wrt, known)
        error = np.max(np.abs(found - wanted) / np.maximum(1, np.abs(wanted)), initial=0)
        assert error <= TOLERANCE, f"d{r.of}/d{r.wrt} = {r.expr} is {found}, the complex step gives {wanted}"


def _moving_together(model: Model, name: str, position: tuple[int, ...]) -> set[tuple[int, ...]]:
    """The entries of a structured parameter that are one: S[i, j] and S[j, i]; none where the entry is fixed at 0."""
    structure = model.structured_parameters.get(name)
    if structure == "symmetric":
        return {position, position[::-1]}
    free = structure is None or (position[0] == position[1] if structure == "diagonal" else position[0] >= position[1])
    return {position} if free else set()


def _jacobian(model: Model, of: str, wrt: str, known) -> np.ndarray:
    equation = model.by_name[of]
    shape = known[of].shape
    out = np.zeros((*shape, *known[wrt].shape))
    for position in np.ndindex(*known[wrt].shape):
        moved = {k: np.array(v, dtype=complex) for k, v in known.items()}
        for place in _moving_together(model, wrt, position):
            moved[wrt][place] += 1e-30j
        with np.errstate(all="ignore"):
            column = (
                ComplexEvaluator(moved, {}).over(equation.body, equation.indices, shape).imag / 1e-30
            )
        out[(..., *position)] = column
    return out


# Names do not matter.

_NAME = re.compile(r"[A-Za-z_]\w*")


def renamed(text: str, table: dict[str, str]) -> str:
    return _NAME.sub(lambda match: table.get(match[0], match[0]), text)


@pytest.mark.parametrize("name", MODELS)
def test_renaming_every_symbol_renames_the_results(name):
    model = parsed(name)
    functions = re.findall(r"def (\w+)\(", text_of(name))
    own = [*model.variables, *model.by_name, *functions]
    table = {old: f"q{k}_{old[::-1]}x" for k, old in enumerate(own)}
    other = Model.parse(renamed(text_of(name), table), name)
    first, second = model.derive(), other.derive()
    for a, b in zip((*first.nodes, *first.gradients), (*second.nodes, *second.gradients), strict=True):
        assert table[a.name] == b.name
        assert _same(a.result, b.result, table)
        assert [s.rule for s in a.result.steps] == [s.rule for s in b.result.steps]
    for a, b in zip(first.local, second.local, strict=True):
        assert _same(a, b, table)


def _same(first: Result, second: Result, table: dict[str, str]) -> bool:
    """Whether two results differ in names and index letters alone."""
    letters = dict(zip(first.indices, map(Index, second.indices), strict=True))
    return alpha_normal(rename_indices(rename(first.expr, table), letters)) == alpha_normal(second.expr)


def test_renaming_onto_the_letters_of_indices_is_harmless():
    """Tensors called i, j, k, l: the derived form avoids their letters."""
    model = Model.parse(
        lines("i: input[3]; j: parameter[2, 3]; k: parameter[2]; l = tanh(j @ i + k); L: loss = sum(l**2)")
    )
    assert check_gradients(model) == 3 * (2 + 6 + 2)
    for a in model.derive().gradients:
        assert not set(a.result.indices) & {"i", "j", "k", "l"}


# Order does not matter to the value; changing a definition does.

PERMUTED = [
    ("z = w*x + b", "z = b + x*w"),
    ("L: loss = -y*log(a) - (1 - y)*log(1 - a)", "L: loss = -(1 - y)*log(1 - a) - log(a)*y"),
    ("L: loss = -y*log(a) - (1 - y)*log(1 - a)", "L: loss = log(1 - a)*(y - 1) - y*log(a)"),
]


@pytest.mark.parametrize(("old", "new"), PERMUTED)
def test_permuted_terms_give_the_same_gradient(old, new):
    text = text_of("sigmoid-log-loss")
    assert old in text
    model = Model.parse(text.replace(old, new))
    check_gradients(model)
    adjoint = {a.name: str(a.result.expr) for a in model.derive().nodes}
    assert adjoint["z"] == "a - y"


def test_a_node_reads_as_the_article_has_it():
    nodes = {a.name: str(a.result.expr) for a in parsed("sigmoid-log-loss").derive().nodes}
    assert nodes["z"] == "a - y"


def test_a_changed_definition_changes_the_result():
    model = parsed("double-sigmoid")
    check_gradients(model)
    adjoint = {a.name: str(a.result.expr) for a in model.derive().nodes}
    assert adjoint["z"] == "2*(a - y)"
    local = {(r.of, r.wrt): str(r.expr) for r in model.derive().local}
    assert local["a", "z"] == "2*a*(1 - a)"


@pytest.mark.parametrize(
    ("activation", "slope"),
    [
        ("sigmoid(z)", "a*(1 - a)"),
        ("tanh(z)", "1 - a**2"),
        ("1/(1 + exp(-z))", "a*(1 - a)"),
        ("exp(z)", "a"),
        ("1/(1 + exp(-3*z))", "3*a*(1 - a)"),
        ("(exp(z) - exp(-z))/(exp(z) + exp(-z))", "1 - a**2"),
        ("tan(z)", "1 + a**2"),
        ("1/z", "-a**2"),
        ("sqrt(z)", "1/(2*a)"),
        ("1 - exp(-z)", "1 - a"),
        ("sigmoid(-z)", "-a*(1 - a)"),
        ("2*sigmoid(z) - 1", "(1 - a**2)/2"),
    ],
)
def test_the_form_in_the_output_is_found_for_whatever_is_written(activation, slope):
    """The slope as text-books have it, up to how it is arranged: compared as polynomials in a."""
    import sympy

    model = Model.parse(lines(f"x: input; w: parameter; z = w*x; a = {activation}; L: loss = a**2"))
    (found,) = [r.expr for r in model.derive().local if (r.of, r.wrt) == ("a", "z")]
    a = sympy.Symbol("a")
    ours = sympy.sympify(str(found), locals={"a": a})
    assert ours.free_symbols == {a}, f"{found} is not in terms of the output"
    assert sympy.simplify(ours - sympy.sympify(slope, locals={"a": a})) == 0


def test_swapped_losses_follow():
    """σ with squared error is not a − y, and tanh with the log-loss is neither."""
    squared = {a.name: a.result.expr for a in parsed("sigmoid-squared-error").derive().nodes}
    assert str(squared["z"]) == "(a - y)*a*(1 - a)"
    log_loss = {a.name: a.result.expr for a in parsed("tanh-log-loss").derive().nodes}
    assert str(log_loss["z"]) != "a - y"


def test_an_unused_parameter_has_a_proved_zero():
    model = parsed("unused")
    assert model.warnings
    (gradient,) = [a for a in model.derive().prove().gradients if a.name == "v"]
    assert str(gradient.result.expr) == "0"
    assert [s.rule for s in gradient.result.steps] == ["not reached"]


# Random expressions.

UNARY = (
    "exp",
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "softplus",
    "arctan",
    "silu",
    "gelu",
    "erf",
    "sinh",
    "cosh",
    "log1p_of_square",
    "sqrt_of_square",
    "relu",
    "abs",
    "softsign",
    "elu",
    "arcsinh",
    "log_sigmoid",
    "mish",
    "sech",
    "log_cosh",
)


def _unary(name: str, u: str) -> str:
    if name.endswith("_of_square"):
        return f"{name.removesuffix('_of_square')}(1 + ({u})**2)"
    return f"{name}({u})"


EXPRESSIONS = st.recursive(
    st.sampled_from(["x", "w", "v", "2", "0.5", "w", "v"]),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from([" + ", " - ", "*"]), inner, inner).map(
            lambda t: f"({t[1]}){t[0]}({t[2]})"
        ),
        st.tuples(inner, inner).map(lambda t: f"({t[0]})/(2 + ({t[1]})**2)"),
        st.tuples(st.sampled_from(UNARY), inner).map(lambda t: _unary(*t)),
        inner.map(lambda u: f"({u})**2"),
        inner.map(lambda u: f"-({u})"),
        st.tuples(inner, inner, inner).map(lambda t: f"where({t[0]} > {t[1]}, {t[2]}, {t[0]})"),
        st.tuples(st.sampled_from(["maximum", "minimum", "hypot"]), inner, inner).map(
            lambda t: f"{t[0]}({t[1]}, 1 + ({t[2]})**2)"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(first=EXPRESSIONS, second=EXPRESSIONS)
def test_random_expressions(first, second):
    """Two equations, the second over the first: gradient by both parameters against the complex step."""
    text = f"x: input\nw: parameter\nv: parameter\nu = {first}\nL: loss = ({second})*u + u**2"
    model = Model.parse(text)
    values = {"x": 0.7, "w": -0.43, "v": 1.21}
    known = evaluate(model, values)
    if not np.isfinite(known["L"]) or abs(known["L"]) > 1e8:
        return
    adjoints = {}
    derivation = model.derive()
    for a in (*derivation.nodes, *derivation.gradients):
        adjoints[a.name] = complex_step_gradient(model, values, a.name)
    for a in (*derivation.nodes, *derivation.gradients):
        found = evaluate_expression(a.result.expr, known, (), (), adjoints)
        wanted = adjoints[a.name]
        assert abs(found - wanted) <= 1e-9 * max(1, abs(wanted)), (
            f"{text}\ndL/d{a.name} = {a.result.expr}: {found}, not {wanted}"
        )


@pytest.mark.parametrize(
    "body",
    [
        "logaddexp(w, x)**2",
        "log(exp(w) + exp(1 + v**2))**2",
        "exp(w)/(exp(v) + exp(x))**3",
        "tanh(w)*sigmoid(v)*tanh(x)/(1 + exp(w*v))**2",
    ],
)
def test_several_exponentials_end_in_time(body):
    """Elimination over several kernels has no bound of its own: it must be given up, not waited for."""
    with time_limit(20):
        check_gradients(
            Model.parse(f"x: input\nw: parameter\nv: parameter\nu = {body}\nL: loss = u + u**2"), seeds=1
        )


# What a model may hold but the engine cannot differentiate is refused by name, never guessed.


def test_a_refusal_names_the_node():
    with pytest.raises(DeriveError, match="with respect to its argument k"):
        Model.parse(lines("k: parameter; w: parameter; L: loss = polygamma(k, w)")).derive()


def test_corpus_is_large_enough():
    assert len(SCALAR) >= 40 and len(MODELS) >= 100
