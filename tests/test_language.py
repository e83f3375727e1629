"""The language: text and tree are inverse to each other, places are right, and whole arrays mean what numpy says."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from derive.check.complex_step import evaluate
from derive.check.gradients import compare
from derive.errors import DeriveError
from derive.expression.build import add, div, matmul, mul, neg, number, power, sub
from derive.expression.nodes import (
    Both,
    Call,
    Compare,
    Constant,
    D,
    Expression,
    Index,
    Item,
    Number,
    Pow,
    Reduce,
    Ref,
    Slice,
    Stack,
    Transpose,
    Where,
)
from derive.expression.walk import walk
from derive.functions import ALIASES, FUNCTIONS, known_functions
from derive.model import Model
from derive.parse.expression import Names, parse_expression
from derive.parse.numbers import constant_value, power_of_numbers

# Printing and parsing.

TENSORS = ("x", "w", "A", "b1", "lam", "w1_2")
INDICES = ("i", "j", "k")
NAMES = Names(frozenset(TENSORS), (), frozenset(INDICES))

NUMBERS = st.one_of(
    st.integers(0, 10**20).map(lambda n: Number(Fraction(n))),
    st.integers(1, 10**6).map(lambda n: Number(Fraction(n, 1000))),
)
SUBSCRIPTS = st.one_of(
    st.sampled_from(INDICES).map(Index),
    st.integers(0, 5).map(number),
    st.tuples(st.sampled_from(INDICES), st.integers(1, 4)).map(lambda t: add(Index(t[0]), number(t[1]))),
    st.tuples(st.integers(2, 4), st.sampled_from(INDICES)).map(lambda t: mul(number(t[0]), Index(t[1]))),
)
SLICES = st.builds(
    Slice,
    st.none() | st.integers(0, 3).map(number),
    st.none() | st.integers(4, 9).map(number),
    st.none() | st.just(number(2)),
)
REFS = st.one_of(
    st.sampled_from(TENSORS).map(Ref),
    st.builds(
        lambda n, i: Ref(n, tuple(i)),
        st.sampled_from(TENSORS),
        st.lists(SUBSCRIPTS | SLICES, min_size=1, max_size=3),
    ),
)
LEAVES = st.one_of(NUMBERS, REFS, st.just(Constant("pi")), st.sampled_from(INDICES).map(Index))
OPERATORS = ("<", "<=", ">", ">=", "==", "!=")


def _array(e: Expression) -> bool:
    """Numbers and indices have neither transpose nor entries."""
    return not isinstance(e, (Number, Index, Constant))


def _more(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    some = st.lists(inner, min_size=2, max_size=4)
    compare = st.builds(Compare, st.sampled_from(OPERATORS), inner, inner)
    condition = compare | st.lists(compare, min_size=2, max_size=3).map(lambda c: Both(tuple(c)))
    return st.one_of(
        some.map(lambda t: add(*t)),
        some.map(lambda t: mul(*t)),
        inner.map(neg),
        st.builds(sub, inner, inner),
        st.builds(div, inner, inner),
        st.builds(power, inner, inner | st.integers(-3, 9)),
        st.builds(matmul, inner, inner),
        inner.filter(_array).map(Transpose),
        st.builds(Where, condition, inner, inner),
        some.map(lambda t: Stack(tuple(t))),
        st.sampled_from([n for n, row in FUNCTIONS.items() if len(row.parameters) == 1]).flatmap(
            lambda n: inner.map(lambda u: Call(n, (u,)))
        ),
        st.sampled_from([n for n, row in FUNCTIONS.items() if len(row.parameters) == 2]).flatmap(
            lambda n: st.tuples(inner, inner).map(lambda t: Call(n, t))
        ),
        st.builds(
            lambda f, u, axis: Call(f, (u,), () if axis is None else (("axis", number(axis)),)),
            st.sampled_from(["sum", "mean", "softmax", "max", "norm"]),
            inner,
            st.none() | st.integers(0, 2),
        ),
        st.builds(
            lambda op, u, i, c: Reduce(op, u, tuple(i), c),
            st.sampled_from(["sum", "prod", "max", "min"]),
            inner,
            st.lists(st.sampled_from(INDICES), min_size=1, max_size=2, unique=True),
            st.none() | condition,
        ),
        st.builds(D, inner, REFS),
        st.builds(
            lambda u, i: Item(u, (i,)),
            inner.filter(_array).filter(lambda u: not isinstance(u, Ref)),
            SUBSCRIPTS,
        ),
        st.tuples(SUBSCRIPTS, SUBSCRIPTS).map(lambda t: Call("delta", t)),
    )


TREES = st.recursive(LEAVES, _more, max_leaves=14)


def well_formed(e: Expression) -> bool:
    """What a constant exponent may be is limited, so a tree of numbers alone may not be readable."""
    return not any(isinstance(n, Pow) and not _readable_power(n) for n in walk(e))


def _readable_power(e: Pow) -> bool:
    if any(isinstance(m, (Ref, Index)) for m in walk(e.exponent)):
        return True
    base, exponent = constant_value(e.base), constant_value(e.exponent)
    if len(str(e.exponent)) > 3:
        return False
    return base is None or exponent is None or power_of_numbers(base, exponent) is not None


@settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(TREES.filter(well_formed))
def test_what_is_printed_reads_back_as_the_same_tree(e):
    text = str(e)
    again = parse_expression(text, NAMES)
    assert again == e, text
    assert str(again) == text


@pytest.mark.parametrize(
    "text",
    [
        "-y*log(a) - (1 - y)*log(1 - a)",
        "(a - y)*x",
        "a - (b - c)",
        "a - (-b)",
        "a/(b/c)",
        "a/b/c",
        "a*(b*c)",
        "a*b/c*d",
        "-a**2",
        "(-a)**2",
        "2**-x",
        "a**b**c",
        "(a**b)**c",
        "-(a + b)",
        "-a*b",
        "a*(-b)",
        "a + (b + c)",
        "1/2",
        "0.50*x",
        "1e-3*x",
        "W @ x",
        "(A @ B)[i, j]",
        "x @ A.T",
        "(A @ B).T",
        "A[i, j].T",
        "x[1:]",
        "x[:3]",
        "x[1:3:2]",
        "[q1, q2 - q1]",
        "sum(W[i, j]*x[j], j)",
        "sum(u[j]*u[l], j, l, j < l)",
        "where(x > 0, x, 0)",
        "where(0 < x and x < 1, x, 0)",
        "sum(x, axis=0)",
        "softmax(x)",
        "D(L, z)",
        "D(L, z[i])*D(z[i], w[j])",
        "outer(a - y, x)",
        "max(x[j], j)",
        "delta(i, j)",
        "elu(x, 2)",
        "pi*x",
        "-(-a)",
        "a - -b*c",
    ],
)
def test_texts_that_people_write_survive(text):
    first = parse_expression(text)
    assert parse_expression(str(first)) == first
    if text not in ("a - -b*c", "-(-a)", "2**-x"):  # the same in other words
        assert str(first) == text


@pytest.mark.parametrize(
    "spelling", ["0.50", "1e-3", "2.", ".5", "1_000", "007.5", "1E5", "3.0", "12345678901234567890123", "0.1"]
)
def test_numbers_are_exact_and_keep_their_spelling(spelling):
    e = parse_expression(f"{spelling}*x")
    (found,) = [n for n in walk(e) if isinstance(n, Number)]
    assert found.value == Fraction(spelling.replace("_", ""))
    assert str(e) == f"{spelling}*x"


def test_numbers_of_another_base_are_refused():
    for spelling in ("0xff", "0b1", "0o7", "1j"):
        with pytest.raises(DeriveError):
            parse_expression(spelling)


def test_equal_numbers_are_equal_whatever_their_spelling():
    assert parse_expression("0.50*x") == parse_expression("0.5*x") == parse_expression("5e-1*x")


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_aliases_are_the_functions_they_stand_for(alias, name):
    assert name in known_functions()
    args = ", ".join("xyzu"[: FUNCTIONS[name].required if name in FUNCTIONS else 1])
    assert parse_expression(f"{alias}({args})") == parse_expression(f"{name}({args})")


def test_names_are_normalised():
    assert parse_expression("ｅxp(ｘ)") == parse_expression("exp(x)")


def test_an_authors_function_hides_one_of_the_table():
    model = Model.parse("w: parameter\ndef relu(u): return u**3\nL: loss = relu(w)")
    assert evaluate(model, {"w": -2.0})["L"] == -8


def test_a_declared_name_hides_a_function():
    model = Model.parse("gamma: parameter\nL: loss = gamma**2")
    assert str(model.by_name["L"].body) == "gamma**2"


@pytest.mark.parametrize(
    ("text", "name", "place"),
    [
        ("x: input\nw: parameter\nL: loss = (w*x)**2", "x", (3, 14, 1)),
        ('"""σκ"""\nw: parameter\nL: loss = 2*exp(w)', "w", (3, 17, 1)),
    ],
)
def test_places_count_characters_from_1(text, name, place):
    (found,) = [n.place for n in walk(Model.parse(text).by_name["L"].written) if isinstance(n, Ref) and n.name == name]
    assert (found.line, found.column, found.width) == place


def test_places_take_no_part_in_comparison():
    assert parse_expression("a + b") == parse_expression("a  +   b")


def test_equations_may_stand_in_any_order():
    first = Model.parse("w: parameter\nL: loss = z**2\nz = 3*w")
    assert [e.name for e in first.equations] == ["z", "L"]


def test_indices_and_bound_ones_do_not_collide():
    model = Model.parse(
        "A: input[2, 3]\nw: parameter[3]\nz[i] = sum(A[i, j]*w[j], j) + sum(A[i, j]**2, j)\nL: loss = sum(z)"
    )
    values = {"A": np.arange(6.0).reshape(2, 3), "w": np.array([1.0, -2, 3])}
    wanted = values["A"] @ values["w"] + (values["A"] ** 2).sum(axis=1)
    np.testing.assert_allclose(evaluate(model, values)["z"], wanted)


def test_a_function_of_the_author_does_not_capture_indices():
    model = Model.parse(
        "A: input[2, 3]\nw: parameter[3]\ndef f(u): return sum(u[j]**2, j)\nz[j] = w[j]*f(w)\nL: loss = sum(z[j]*A[0, j], j)"
    )
    values = {"A": np.arange(6.0).reshape(2, 3), "w": np.array([1.0, -2, 3])}
    np.testing.assert_allclose(evaluate(model, values)["z"], values["w"] * 14)


# Whole arrays against numpy.

RNG = np.random.default_rng(11)
DATA = {
    "x": RNG.normal(size=3),
    "y": RNG.normal(size=3),
    "u": RNG.normal(size=2),
    "v": RNG.normal(size=5),
    "A": RNG.normal(size=(2, 3)),
    "B": RNG.normal(size=(3, 2)),
    "C": RNG.normal(size=(3, 3)),
    "T": RNG.normal(size=(2, 3, 4)),
    "R": RNG.normal(size=(1, 3)),
    "K": RNG.normal(size=(3, 1)),
    "s": np.array(0.7),
    "one": RNG.normal(size=1),
}


def softmax(a, axis=None):
    e = np.exp(a)
    return e / e.sum(axis=axis, keepdims=axis is not None)


CASES = [
    ("A @ x", lambda d: d["A"] @ d["x"]),
    ("x @ B", lambda d: d["x"] @ d["B"]),
    ("A @ B", lambda d: d["A"] @ d["B"]),
    ("x @ y", lambda d: d["x"] @ d["y"]),
    ("x @ C @ y", lambda d: d["x"] @ d["C"] @ d["y"]),
    ("A.T @ u", lambda d: d["A"].T @ d["u"]),
    ("(A @ B).T", lambda d: (d["A"] @ d["B"]).T),
    ("B.T + A", lambda d: d["B"].T + d["A"]),
    ("C @ C.T @ C", lambda d: d["C"] @ d["C"].T @ d["C"]),
    ("dot(x, y)", lambda d: np.dot(d["x"], d["y"])),
    ("outer(x, u)", lambda d: np.outer(d["x"], d["u"])),
    ("trace(C)", lambda d: np.trace(d["C"])),
    ("diag(x)", lambda d: np.diag(d["x"])),
    ("diag(C)", lambda d: np.diag(d["C"])),
    ("eye(3) + C", lambda d: np.eye(3) + d["C"]),
    ("zeros(3) + x", lambda d: d["x"]),
    ("ones(2, 3)*A", lambda d: d["A"]),
    ("sum(ones(3))", lambda d: 3.0),
    ("sum(ones(2, 3))", lambda d: 6.0),
    ("prod(2*ones(3))", lambda d: 8.0),
    ("max(zeros(3)) + s", lambda d: d["s"]),
    ("mean(ones(4))", lambda d: 1.0),
    ("A + x", lambda d: d["A"] + d["x"]),
    ("A*x - s", lambda d: d["A"] * d["x"] - d["s"]),
    ("A/C[0]", lambda d: d["A"] / d["C"][0]),
    ("A + R", lambda d: d["A"] + d["R"]),
    ("C*K", lambda d: d["C"] * d["K"]),
    ("x*one", lambda d: d["x"] * d["one"]),
    ("T + A[0, 0]", lambda d: d["T"] + d["A"][0, 0]),
    ("T[0] + T[1]", lambda d: d["T"][0] + d["T"][1]),
    ("T[1, 2]", lambda d: d["T"][1, 2]),
    ("T[:, 1]", lambda d: d["T"][:, 1]),
    ("T[:, 1:, 0]", lambda d: d["T"][:, 1:, 0]),
    ("T[1].T", lambda d: d["T"][1].T),
    ("v[1:]", lambda d: d["v"][1:]),
    ("v[:3]", lambda d: d["v"][:3]),
    ("v[1:4]", lambda d: d["v"][1:4]),
    ("v[::2]", lambda d: d["v"][::2]),
    ("v[1:5:3]", lambda d: d["v"][1:5:3]),
    ("v[1:4]*x", lambda d: d["v"][1:4] * d["x"]),
    ("v[1:] - v[:4]", lambda d: np.diff(d["v"])),
    ("sum(v[1:3])", lambda d: d["v"][1:3].sum()),
    ("sum(v[0:2])", lambda d: d["v"][:2].sum()),
    ("mean(v[1:4])", lambda d: d["v"][1:4].mean()),
    ("max(v[1:3])", lambda d: d["v"][1:3].max()),
    ("min(v[::2])", lambda d: d["v"][::2].min()),
    ("prod(v[2:4])", lambda d: d["v"][2:4].prod()),
    ("v[0:2] @ v[3:5]", lambda d: d["v"][0:2] @ d["v"][3:5]),
    ("norm(v[:2])", lambda d: np.linalg.norm(d["v"][:2])),
    ("softmax(v[:2])", lambda d: softmax(d["v"][:2])),
    ("logsumexp(v[3:])", lambda d: np.log(np.exp(d["v"][3:]).sum())),
    ("cumsum(v[1:4])", lambda d: np.cumsum(d["v"][1:4])),
    ("sum(v[1:3]**2 + s)", lambda d: (d["v"][1:3] ** 2 + d["s"]).sum()),
    ("A[:, 0:2] @ u", lambda d: d["A"][:, 0:2] @ d["u"]),
    ("sum(A[:, 1:], axis=1)", lambda d: d["A"][:, 1:].sum(axis=1)),
    ("sum(A[0:1], axis=0)", lambda d: d["A"][0:1].sum(axis=0)),
    ("outer(v[:2], v[3:])", lambda d: np.outer(d["v"][:2], d["v"][3:])),
    ("[x, u]", lambda d: np.r_[d["x"], d["u"]]),
    ("[s, x, s]", lambda d: np.r_[d["s"], d["x"], d["s"]]),
    ("[s, 2*s]", lambda d: np.r_[d["s"], 2 * d["s"]]),
    ("sum([x, u])", lambda d: d["x"].sum() + d["u"].sum()),
    ("[x, u] @ v", lambda d: np.r_[d["x"], d["u"]] @ d["v"]),
    ("concatenate([x, u])[1:4]", lambda d: np.r_[d["x"], d["u"]][1:4]),
    ("[v[1:3], s]", lambda d: np.r_[d["v"][1:3], d["s"]]),
    ("[x, u][2]", lambda d: d["x"][2]),
    ("max([x, u])", lambda d: np.r_[d["x"], d["u"]].max()),
    ("concatenate([C, A])", lambda d: np.concatenate([d["C"], d["A"]])),
    ("concatenate([C, A], axis=0)", lambda d: np.concatenate([d["C"], d["A"]])),
    ("concatenate([C, B], axis=1)", lambda d: np.concatenate([d["C"], d["B"]], axis=1)),
    ("concatenate([A, R])[1:]", lambda d: np.concatenate([d["A"], d["R"]])[1:]),
    ("concatenate([T, T], axis=1)", lambda d: np.concatenate([d["T"], d["T"]], axis=1)),
    ("concatenate([x, s, u])", lambda d: np.r_[d["x"], d["s"], d["u"]]),
    ("pad(x, 2)", lambda d: np.pad(d["x"], 2)),
    ("pad(x*y, 1, 3)", lambda d: np.pad(d["x"] * d["y"], (1, 3))),
    ("pad(one, 0, 2)", lambda d: np.pad(d["one"], (0, 2))),
    ("kron(x, u)", lambda d: np.kron(d["x"], d["u"])),
    ("sum(A)", lambda d: d["A"].sum()),
    ("sum(A, axis=0)", lambda d: d["A"].sum(axis=0)),
    ("sum(A, axis=-1)", lambda d: d["A"].sum(axis=-1)),
    ("mean(T, axis=1)", lambda d: d["T"].mean(axis=1)),
    ("max(T, axis=2)", lambda d: d["T"].max(axis=2)),
    ("prod(A, axis=0)", lambda d: d["A"].prod(axis=0)),
    ("min(A)", lambda d: d["A"].min()),
    ("softmax(A, axis=1)", lambda d: softmax(d["A"], 1)),
    ("softmax(A, axis=0)", lambda d: softmax(d["A"], 0)),
    ("softmax(A)", lambda d: softmax(d["A"])),
    ("log_softmax(x)", lambda d: np.log(softmax(d["x"]))),
    ("norm(A)", lambda d: np.linalg.norm(d["A"])),
    ("norm(A, axis=1)", lambda d: np.linalg.norm(d["A"], axis=1)),
    ("logsumexp(A, axis=0)", lambda d: np.log(np.exp(d["A"]).sum(axis=0))),
    ("cumsum(x)", lambda d: np.cumsum(d["x"])),
    ("cumsum(A, axis=1)", lambda d: np.cumsum(d["A"], axis=1)),
    ("mean(s)", lambda d: d["s"]),
    ("where(x > y, x, y)", lambda d: np.where(d["x"] > d["y"], d["x"], d["y"])),
    ("where(-1 < x < 1, x, 0)", lambda d: np.where(np.abs(d["x"]) < 1, d["x"], 0)),
    ("where(A > 0, A, s)", lambda d: np.where(d["A"] > 0, d["A"], d["s"])),
    ("maximum(A, x)", lambda d: np.maximum(d["A"], d["x"])),
    ("x**2 + exp(y)", lambda d: d["x"] ** 2 + np.exp(d["y"])),
    ("2**x", lambda d: 2 ** d["x"]),
    ("clip(x, -0.5, 0.5)", lambda d: np.clip(d["x"], -0.5, 0.5)),
    ("leaky_relu(x)", lambda d: np.where(d["x"] > 0, d["x"], 0.01 * d["x"])),
    ("elu(x, alpha=2)", lambda d: np.where(d["x"] > 0, d["x"], 2 * np.expm1(d["x"]))),
    ("sum(A[0, j]*x[j], j)", lambda d: d["A"][0] @ d["x"]),
    ("sum(A[i, j]*x[j], i, j)", lambda d: (d["A"] @ d["x"]).sum()),
    ("sum(v[i]*v[j], i, j, i < j)", lambda d: np.triu(np.outer(d["v"], d["v"]), 1).sum()),
    ("sum(x[j]*v[j + 1], j)", lambda d: d["x"] @ d["v"][1:4]),
    ("sum(x[j]*v[j], j)", lambda d: d["x"] @ d["v"][:3]),
    ("sum(v[2*j], j)", lambda d: d["v"][::2].sum()),
    ("sum(C[j, j], j)", lambda d: np.trace(d["C"])),
    ("max(A[i, j], i, j)", lambda d: d["A"].max()),
    ("mean(x[j], j)", lambda d: d["x"].mean()),
    ("sum(A[i]*x, i)", lambda d: (d["A"] * d["x"]).sum(axis=0)),
    ("sum(T[i, j] @ T[i, j], i, j)", lambda d: (d["T"] ** 2).sum()),
    ("sum(delta(i, j)*C[i, j], i, j)", lambda d: np.trace(d["C"])),
    ("logsumexp(x[j], j)", lambda d: np.log(np.exp(d["x"]).sum())),
    ("sum(exp(x[j])*y[j], j, j != 1)", lambda d: (np.exp(d["x"]) * d["y"])[[0, 2]].sum()),
    ("sum(x[j], j, y[j] > 0)", lambda d: d["x"][d["y"] > 0].sum()),
    ("(x + y)[1]", lambda d: (d["x"] + d["y"])[1]),
    ("(A @ B)[1:, 0]", lambda d: (d["A"] @ d["B"])[1:, 0]),
    ("(outer(x, u)).T @ x", lambda d: np.outer(d["x"], d["u"]).T @ d["x"]),
    ("prod(v[j], j, j > 2)", lambda d: d["v"][3:].prod()),
]
NAMED = [  # with free indices on the left
    ("z[i]", "sum(A[i, j]*x[j], j)", lambda d: d["A"] @ d["x"]),
    ("z[i, j]", "A[i, j]*x[j] + u[i]", lambda d: d["A"] * d["x"] + d["u"][:, None]),
    ("z[j, i]", "A[i, j]", lambda d: d["A"].T),
    ("z[i]", "v[i + 1] - v[i]", lambda d: np.diff(d["v"])),
    ("z[i]", "v[2*i]", lambda d: d["v"][::2]),
    ("z[i]", "A[i] @ x", lambda d: d["A"] @ d["x"]),
    ("z[i]", "T[i, 1:]", lambda d: d["T"][:, 1:]),
    ("z[i]", "A[i]*x", lambda d: d["A"] * d["x"]),
    ("z[i]", "A[i, i]", lambda d: np.diag(d["A"])),
    ("z[i]", "softmax(A[i])", lambda d: softmax(d["A"], 1)),
    ("z[i]", "x[i]*i", lambda d: d["x"] * np.arange(3)),
    ("z[i]", "cumsum(x[i]**2, i)", lambda d: np.cumsum(d["x"] ** 2)),
    ("z[i]", "cumsum(x[i], i, y[i] > 0)*y[i]", lambda d: np.cumsum(d["x"] * (d["y"] > 0)) * d["y"]),
    ("z[i, j]", "softmax(A[i, j], j)", lambda d: softmax(d["A"], 1)),
    ("z[i]", "sum(x[j]*C[i, j], j, j <= i)", lambda d: np.tril(d["C"]) @ d["x"]),
    ("z[t]", "cumsum(A[t])", lambda d: np.cumsum(d["A"], axis=1)),
    ("z[i]", "sum(u[p]*v[i + p], p)", lambda d: np.convolve(d["v"], d["u"][::-1], "valid")),
    ("z[i]", "where(i > 0, x[i], 0)", lambda d: np.r_[0, d["x"][1:]]),
    ("z[i, j]", "outer(A[i], u)[j]", lambda d: np.einsum("ij,k->ijk", d["A"], d["u"])),
    ("z[i]", "max(C[i, j], j)", lambda d: d["C"].max(axis=1)),
]


def _model(equation: str) -> Model:
    declared = "\n".join(f"{n}: input{list(a.shape) if a.shape else ''}" for n, a in DATA.items())
    return Model.parse(f"{declared}\nw: parameter\n{equation}\nL: loss = w")


@pytest.mark.parametrize(("text", "meaning"), CASES, ids=[c[0] for c in CASES])
def test_whole_arrays_mean_what_numpy_says(text, meaning):
    found = evaluate(_model(f"z = {text}"), DATA | {"w": 1.0})["z"]
    wanted = np.asarray(meaning(DATA))
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("text", "meaning"), CASES, ids=[c[0] for c in CASES])
def test_core_forms_survive_printing(text, meaning):
    """The core form printed, read as a model's equation again, has the same values: nothing is lost with a slice or a range."""
    body = _model(f"z = {text}").by_name["z"]
    axes = f"[{', '.join(body.indices)}]" if body.indices else ""
    clash = set(body.indices) & set(DATA)
    assert not clash
    try:
        again = _model(f"z{axes} = {body.body}")
    except DeriveError as error:
        if "nothing fixes the range of the index" in error.message and axes:
            return  # an element that is the same at every index says nothing of their range
        raise
    wanted = np.asarray(meaning(DATA))
    found = evaluate(again, DATA | {"w": 1.0})["z"]
    if found.shape == wanted.shape:
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-13)
    else:  # the range that text alone gives may be larger: an equation's own shape is no part of its right-hand side
        part = found[tuple(slice(n) for n in wanted.shape)]
        np.testing.assert_allclose(part, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("left", "right", "meaning"), NAMED, ids=[f"{c[0]} = {c[1]}" for c in NAMED])
def test_index_notation_means_what_numpy_says(left, right, meaning):
    found = evaluate(_model(f"{left} = {right}"), DATA | {"w": 1.0})["z"]
    wanted = np.asarray(meaning(DATA))
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "text",
    [
        "x + u",
        "A + u",
        "A @ A",
        "x @ u",
        "R*K",
        "dot(A, x)",
        "outer(A, x)",
        "trace(A)",
        "A[2]",
        "v[:6]",
        "v[3:3]",
        "sum(A, axis=2)",
        "cumsum(A)",
        "x.T @ A",
        "softmax(s)",
        "[A, x]",
        "concatenate([A, B])",
        "concatenate([A, x])",
        "concatenate([A, C], axis=1)",
        "concatenate([A, A], axis=2)",
        "concatenate(A)",
        "pad(x, -1)",
        "pad(x, 1/2)",
        "pad(x, s)",
        "zeros(s)",
        "eye(0)",
        "ones(2.5)",
        "x[A]",
        "sum(A[i, j]*B[i, j], i, j) + x[u]",
        "T @ x",
    ],
)
def test_shapes_that_do_not_fit_are_refused(text):
    with pytest.raises(DeriveError):
        _model(f"z = {text}")


def test_integers_of_the_data_index():
    model = Model.parse("t: input[4] = integer(3)\nE: parameter[3, 2]\ne[i] = E[t[i]]\nL: loss = sum(e)")
    table = np.arange(6.0).reshape(3, 2)
    found = evaluate(model, {"t": np.array([2, 0, 0, 1]), "E": table})
    assert found["e"].tolist() == table[[2, 0, 0, 1]].tolist()


@pytest.mark.parametrize("structure", ["symmetric", "diagonal", "lower"])
def test_a_square_parameter_may_have_a_structure(structure):
    model = Model.parse(f"n: size\nS: parameter[n, 2*n - n] = {structure}\nL: loss = sum(S**2)")
    assert model.variables["S"].structure == structure
    assert Model.parse(model.text).variables == model.variables


@pytest.mark.parametrize(
    ("text", "value"),
    [("1/100", 0.01), ("-3", -3.0), ("2*pi", 2 * np.pi), ("1/3", 1 / 3), ("-sqrt(2)", -np.sqrt(2)), ("2**-3", 0.125)],
)
def test_constants_and_starts_are_expressions_of_numbers(text, value):
    model = Model.parse(f"lam: constant = {text}\nw: parameter = {text}\nL: loss = lam*w**2")
    assert evaluate(model, {"w": 2.0})["L"] == pytest.approx(4 * value, rel=1e-15)
    module = model.derive().compile()
    assert module.init()["w"] == pytest.approx(value, rel=1e-15)
    loss, grads = module.loss_and_gradients({"w": 2.0})
    assert loss == pytest.approx(4 * value, rel=1e-15) and grads["w"] == pytest.approx(4 * value, rel=1e-15)


def test_whole_numbers_are_subscripts_through_equations_too():
    model = Model.parse(
        "K: size\nt: input[4] = integer(K)\nE: parameter[K + 1, 2]\ns[i] = t[i] + 1\ne[i] = E[s[i]]\nL: loss = sum(e)"
    )
    table = np.arange(8.0).reshape(4, 2)
    found = evaluate(model, {"t": np.array([2, 0, 0, 1]), "E": table, "K": 3})
    assert found["e"].tolist() == table[[3, 1, 1, 2]].tolist()


@pytest.mark.parametrize(
    "text",
    [
        "concatenate([A, B])",
        "concatenate([A, C], axis=1)",
        "concatenate([A, A[0:1]])[1:]",
        "concatenate([x, u])",
        "pad(x, 2)",
        "pad(x*x, 1, 3)",
        "kron(x, u)",
        "diag(x) @ x",
        "eye(3) @ x + ones(3)*trace(outer(x, x))",
    ],
)
def test_the_gradients_of_array_functions_are_those_of_complex_steps(text):
    declared = "A: parameter[2, 3]\nB: parameter[4, 3]\nC: parameter[2, 5]\nx: parameter[3]\nu: parameter[2]\n"
    derivation = Model.parse(f"{declared}z = {text}\nL: loss = sum(sin(z) + z**3)").derive()
    comparison = compare(derivation.model, derivation.compile(), draws=2)
    assert comparison.passed, comparison


def test_undeclared_names_are_parameters_where_that_is_asked_for():
    model = Model.parse("L = (w*x - 3)**2", implicit=True)
    assert model.parameters == ("w", "x") and model.loss == "L"
    with pytest.raises(DeriveError, match="no name"):
        Model.parse("L: loss = (w*x - 3)**2")


READ_BACK = [
    "n: size; m: size; A: parameter[n, m]; L: loss = prod(A)",
    "n: size; x: parameter[n]; c: input[n]; L: loss = sum(c[i]*sum(x[j], j, j <= i), i)",
    "n: size; m: size; x: parameter[n]; c: input[n]; L: loss = sum(c)*sum(x[j]**2, j, j < m)",
    "n: size; m: size; u: parameter[m]; v: parameter[n]; c: input[m + n]; L: loss = sum(c*[u, v]**2)",
    "n: size; s: parameter[n]; y: target = integer(n); L: loss = sum(exp(s[k] - s[y]), k, k != y)",
]


@pytest.mark.parametrize("text", READ_BACK)
def test_what_is_derived_is_read_back_over_its_indices(text):
    model = Model.parse(text.replace("; ", "\n"))
    derivation = model.derive()
    for result in (*derivation.local, *(g.result for g in derivation.gradients)):
        assert model.expression(str(result.expr), result.indices) == result.expr


def test_a_name_that_a_condition_sets_beside_a_bound_index_is_an_index():
    read = parse_expression("prod(A[i, k], k, k != j)*sum(b[k], k, k > 0 and c == k and k < m)")
    bare = [node for node in walk(read) if isinstance(node, Ref) and not node.indices]
    assert [node.name for node in bare] == ["m"]
