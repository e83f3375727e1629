"""Second derivatives: against autograd on losses written by hand, in the forms of the textbooks, and never unproved."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from cli_runner import check_golden, derive

from derive.derivation import Hessian, Result
from derive.differentiate import hessian as engine
from derive.differentiate.batch import batch_second
from derive.errors import DeriveError
from derive.expression.build import TWO, mul
from derive.expression.nodes import D, Expression, Index, Ref
from derive.model import Model
from derive.parse.expression import parse_expression
from derive.prove.composed import prove_lines
from derive.prove.named import as_plain
from derive.prove.numeric import Evaluator
from derive.prove.setting import ProofError, Setting
from derive.render.hessian import hessian_document, hessian_text
from derive.render.json import shown
from derive.render.latex_document import print_latex
from derive.render.pdf import compile_with_log

Loss = Callable[..., Any]
D_, H_, K_ = 4, 3, 2  # entries of an input, of a hidden layer, of an output


def sigmoid(z: Any) -> Any:
    return 1 / (1 + anp.exp(-z))


def two_layers(W1: Any, w2: Any, x: Any, y: Any) -> Any:
    return (w2 @ anp.tanh(W1 @ x) - y) ** 2 / 2


def three_layers(W1: Any, W2: Any, w3: Any, x: Any, y: Any) -> Any:
    return (w3 @ anp.tanh(W2 @ anp.tanh(W1 @ x)) - y) ** 2


def mixed_uses(w: Any, x: Any) -> Any:
    a = anp.tanh(w * x)
    return anp.sum(a**2 * w) + anp.sum(a) ** 2


def log_softmax_loss(z: Any, y: Any) -> Any:
    return -anp.sum(y * (z - anp.log(anp.sum(anp.exp(z)))))


SIZES = f"d: size = {D_}; h: size = {H_}; k: size = {K_}; "
VECTORS = SIZES + "x: input[d]; y: target; w: parameter[d]; "

# The model, and its loss in numpy; parameters and data are the loss's arguments.
MODELS: dict[str, tuple[str, Loss]] = {
    "parabola": ("p: parameter; L: loss = (p - 3)**2", lambda p: (p - 3) ** 2),
    "logistic-scalar": (
        "u: input; y: target; p: parameter; b: parameter; a = sigmoid(p*u + b); L: loss = -y*log(a) - (1 - y)*log(1 - a)",
        lambda p, b, u, y: -y * anp.log(sigmoid(p * u + b)) - (1 - y) * anp.log(1 - sigmoid(p * u + b)),
    ),
    "logistic": (
        VECTORS + "b: parameter; z = w @ x + b; a: output = sigmoid(z); L: loss = -y*log(a) - (1 - y)*log(1 - a)",
        lambda w, b, x, y: -y * anp.log(sigmoid(w @ x + b)) - (1 - y) * anp.log(1 - sigmoid(w @ x + b)),
    ),
    "linear-regression": (VECTORS + "L: loss = (w @ x - y)**2/2", lambda w, x, y: (w @ x - y) ** 2 / 2),
    "ridge": (
        VECTORS + "lam: constant = 0.3; L: loss = (w @ x - y)**2 + lam*sum(w**2) + sum(abs(w))",
        lambda w, x, y: (w @ x - y) ** 2 + 0.3 * anp.sum(w**2) + anp.sum(anp.abs(w)),
    ),
    "poisson": (VECTORS + "z = w @ x; L: loss = exp(z) - y*z", lambda w, x, y: anp.exp(w @ x) - y * (w @ x)),
    "softmax": (
        SIZES
        + "x: input[d]; t: target[k]; W: parameter[k, d]; b: parameter[k]; z = W @ x + b; a: output = softmax(z); "
        "L: loss = -sum(t*log(a))",
        lambda W, b, x, t: log_softmax_loss(W @ x + b, t),
    ),
    "softmax-assumed": (
        SIZES
        + "x: input[d]; t: target[k]; W: parameter[k, d]; b: parameter[k]; z = W @ x + b; a: output = softmax(z); "
        "L: loss = -sum(t*log(a)); assume(sum(t) == 1)",
        lambda W, b, x, t: log_softmax_loss(W @ x + b, t),
    ),
    "two-layers": (
        SIZES + "x: input[d]; y: target; W1: parameter[h, d]; w2: parameter[h]; a = tanh(W1 @ x); z = w2 @ a; "
        "L: loss = (z - y)**2/2",
        two_layers,
    ),
    "three-layers": (
        SIZES + "x: input[d]; y: target; W1: parameter[h, d]; W2: parameter[k, h]; w3: parameter[k]; a = tanh(W1 @ x); "
        "c = tanh(W2 @ a); z = w3 @ c; L: loss = (z - y)**2",
        three_layers,
    ),
    "norm": (
        SIZES + "A: input[h, d]; c: input[h]; w: parameter[d]; r = A @ w - c; L: loss = norm(r)",
        lambda w, A, c: anp.sqrt(anp.sum((A @ w - c) ** 2)),
    ),
    "log-determinant": (
        SIZES + "A: parameter[h, h]; L: loss = logdet(A)",
        lambda A: anp.log(anp.abs(anp.linalg.det(A))),
    ),
    "quadratic-form": (
        SIZES + "A: input[d, d]; w: parameter[d]; L: loss = w @ A @ w",
        lambda w, A: w @ A @ w,
    ),
    "matrix-penalty": (
        SIZES + "A: input[h, d]; B: parameter[h, d]; L: loss = sum((A - B)**2) + sum(B**4)",
        lambda B, A: anp.sum((A - B) ** 2) + anp.sum(B**4),
    ),
    "used-twice": (
        SIZES + "x: input[d]; w: parameter[d]; a = tanh(w*x); L: loss = sum(a**2*w) + sum(a)**2",
        mixed_uses,
    ),
    "piecewise": (
        VECTORS + "a = relu(w*x); L: loss = (sum(a**3) - y)**2",
        lambda w, x, y: (anp.sum(anp.maximum(w * x, 0) ** 3) - y) ** 2,
    ),
}


def model_of(text: str) -> Model:
    return Model.parse(text.replace("; ", "\n"))


def drawn(model: Model, seed: int) -> dict[str, Any]:
    """Numbers for every parameter, input and target."""
    rng = np.random.default_rng(seed)
    sizes = {"d": D_, "h": H_, "k": K_}
    values = {}
    for v in model.variables.values():
        if v.role in ("parameter", "input", "target"):
            values[v.name] = rng.normal(size=tuple(sizes[str(s)] for s in v.shape))
    if "assume" in model.text:
        values["t"] = np.array([0.3, 0.7])
    if "log(a) - (1 - y)" in model.text:
        values["y"] = 0.2
    if "logdet" in model.text:
        values["A"] = values["A"] @ values["A"].T + np.eye(H_)
    return values


def exact(value: Any) -> Any:
    array = np.asarray(value)
    out = np.empty(array.shape, dtype=object)
    for place in np.ndindex(*array.shape):
        out[place] = Decimal(float(array[place]))
    return out if array.shape else out[()]


def at_values(model: Model, data: dict[str, Any]) -> dict[str, Any]:
    """The data, and the nodes that follow, by the prover's evaluator."""
    values = {name: exact(v) for name, v in data.items()} | {"d": D_, "h": H_, "k": K_, "lam": exact(0.3)}
    for equation in model.equations:
        shape = tuple({"d": D_, "h": H_, "k": K_}[str(s)] for s in equation.shape)
        at = dict(zip(equation.indices, map(range, shape), strict=True))
        values[equation.name] = as_plain(
            Evaluator(Setting(), values, {}).value(equation.body, at), tuple(at), shape
        ).data[()]
    return values


def number(e: Expression, block: Result, values: dict[str, Any]) -> Any:
    """The block's value, as numpy's numbers."""
    sizes = [{"d": D_, "h": H_, "k": K_}[str(s)] for s in block.shape]
    at = dict(zip(block.indices, map(range, sizes), strict=True))
    found = Evaluator(Setting(), values, {}).value(e, at)
    data = found.data if found.rank == len(sizes) and sizes else as_plain(found, block.indices, sizes).data
    return np.array(data[()], dtype=float)


def wanted(loss: Loss, block: Result, data: dict[str, Any]) -> Any:
    """The second derivative by autograd."""

    def of(p: Any, q: Any) -> Any:
        return loss(**{**data, block.wrt: q, block.of: p} if block.of != block.wrt else {**data, block.of: p + q})

    if block.of == block.wrt:  # p + q with q at 0: both directions are the same name's
        start = (data[block.of], np.zeros_like(data[block.of]))
    else:
        start = (data[block.of], data[block.wrt])
    return autograd.jacobian(lambda q: autograd.grad(of)(start[0], q))(start[1])


@pytest.mark.parametrize("name", MODELS)
def test_blocks_equal_those_of_autograd(name: str) -> None:
    text, loss = MODELS[name]
    model = model_of(text)
    found = model.hessian()
    count = len(model.parameters)
    assert len(found.blocks) == count * (count + 1) // 2
    for seed in range(2):
        data = drawn(model, seed)
        values = at_values(model, data)
        for block in found.blocks:
            for form in (block.expr, shown(block)):
                assert np.allclose(number(form, block, values), wanted(loss, block, data), rtol=1e-9, atol=1e-9), str(
                    form
                )


@pytest.mark.parametrize("name", ["logistic", "two-layers", "softmax", "matrix-penalty"])
def test_second_derivatives_are_symmetric(name: str) -> None:
    model = model_of(MODELS[name][0])
    values = at_values(model, drawn(model, 1))
    forwards = model.hessian()
    backwards = {(b.wrt, b.of): b for b in model.hessian(model.parameters[::-1]).blocks}
    for block in forwards.blocks:
        other = backwards[(block.of, block.wrt)]
        rank = len(model.shapes[block.of])
        left, right = (number(b.expr, b, values) for b in (block, other))
        order = (*range(right.ndim - rank, right.ndim), *range(right.ndim - rank))
        assert np.allclose(left, right.transpose(order), rtol=1e-12)


BATCHES = {
    "logistic": "x.T @ diag(a*(1 - a)) @ x/N",
    "poisson": "x.T @ diag(exp(z)) @ x/N",
    "linear-regression": "x.T @ x/N",
}


@pytest.mark.parametrize("name", BATCHES)
def test_the_batch_in_matrices(name: str) -> None:
    text, loss = MODELS[name]
    model = model_of(text)
    block = model.hessian(("w",)).blocks[0]
    expr, steps = batch_second(block, shown(block), model)
    assert str(expr) == BATCHES[name]
    assert all(step.proof for step in steps)
    assert steps[0].before == parse_expression("D(D(sum(L[n], n)/N, w), w)")
    examples = [drawn(model, seed) for seed in range(5)]
    for example in examples:
        example |= {p: examples[0][p] for p in model.parameters}
    each = [at_values(model, example) for example in examples]
    values = {
        n: np.array([v[n] for v in each], dtype=object) if n in model.per_example else each[0][n] for n in each[0]
    }
    mean = np.mean([wanted(loss, block, example) for example in examples], axis=0)
    found = Evaluator(Setting(), values | {"N": Decimal(5)}, {}).value(expr, {})
    assert np.allclose(np.array(found.data, dtype=float), mean, rtol=1e-12)


FORMS = {
    "parabola": ["2"],
    "logistic": ["a*(1 - a)*outer(x, x)", "x*a*(1 - a)", "a*(1 - a)"],
    "linear-regression": ["outer(x, x)"],
    "poisson": ["exp(z)*outer(x, x)"],
    "quadratic-form": ["A + A.T"],
    "log-determinant": ["-inv(A)[j, l]*inv(A)[m, i]"],
    "softmax-assumed": [
        "x[m]*a[i]*x[j]*(delta(i, l) - a[l])",
        "a[i]*x[j]*(delta(i, l) - a[l])",
        "diag(a) - outer(a, a)",
    ],
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(name: str) -> None:
    assert [str(shown(b)) for b in model_of(MODELS[name][0]).hessian().blocks] == FORMS[name]


@pytest.mark.parametrize("name", ["logistic", "three-layers", "softmax", "norm", "parabola"])
def test_steps_lead_from_the_second_derivative_to_the_block(name: str) -> None:
    for block in model_of(MODELS[name][0]).hessian().blocks:
        start = block.steps[0].before
        assert isinstance(start, D)
        assert isinstance(start.body, D)
        assert (start.body.body, start.body.wrt.name, start.wrt.name) == (Ref("L"), block.of, block.wrt)
        assert tuple(map(str, (*start.body.wrt.indices, *start.wrt.indices))) == block.indices
        for step, later in zip(block.steps, block.steps[1:], strict=False):
            assert step.after == later.before
        assert all(step.proof in ("symbolic", "numeric") for step in block.steps)
        assert not any("∂" in str(step.after) for step in block.steps)
        assert parse_expression(str(shown(block))) == shown(block)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "three-layers"])  # which takes 20 s, as two do 2
def test_every_step_replays(name: str) -> None:
    model = model_of(MODELS[name][0])
    derivation = model.derive()
    for block in derivation.hessian().blocks:
        for step in (*block.steps, *batch_second(block, shown(block), model)[1]):
            assert derivation.replay(step) == step.after


@pytest.mark.parametrize("name", ["logistic", "softmax"])
def test_a_wrong_step_does_not_replay(name: str) -> None:
    model = model_of(MODELS[name][0])
    derivation = model.derive()
    block = derivation.hessian().blocks[0]
    for step in (*block.steps, *batch_second(block, shown(block), model)[1]):
        with pytest.raises(DeriveError, match="does not lead from"):
            derivation.replay(replace(step, after=mul(TWO, step.after)))


def test_examples_that_the_model_writes_out() -> None:
    text = "n: examples; d: size; x: input[n, d]; y: target[n]; w: parameter[d]; z = x @ w; a: output = sigmoid(z); "
    found = model_of(text + "L: loss = -mean(y*log(a) + (1 - y)*log(1 - a))").hessian()
    assert [str(shown(b)) for b in found.blocks] == ["x.T @ diag(a*(1 - a)) @ x/n"]


def test_a_node_is_a_leaf_where_it_is_asked_for() -> None:
    (block,) = Model.builtin("logistic").hessian(("z",)).blocks
    assert str(block.expr) == "a*(1 - a)"


def test_what_does_not_reach_the_loss_is_a_proved_zero() -> None:
    blocks = model_of("x: input; w: parameter; v: parameter; L: loss = w*x").hessian().blocks
    assert [(str(b.expr), b.steps[-1].proof is not None) for b in blocks] == [("0", True)] * 3


# --- wrong derivatives are never given out


def test_a_dropped_path_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine._Sweep, "slope", lambda self, name, q: None)
    with pytest.raises(ProofError):
        model_of(MODELS["logistic"][0]).hessian()


@pytest.mark.parametrize("name", ["logistic", "softmax", "two-layers", "norm"])
def test_a_wrong_derivative_of_the_gradient_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = engine._Sweep.partial
    monkeypatch.setattr(engine._Sweep, "partial", lambda self, *args: mul(TWO, right(self, *args)))
    with pytest.raises(ProofError):
        model_of(MODELS[name][0]).hessian()


def test_a_wrong_derivative_of_a_node_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = engine._Sweep.local_slope
    monkeypatch.setattr(engine._Sweep, "local_slope", lambda self, *args: mul(TWO, right(self, *args)))
    with pytest.raises(ProofError):
        model_of(MODELS["two-layers"][0]).hessian()


@pytest.mark.parametrize("wrong", ["2*x", "2*w", "2 + 1/10**20", "0"])
def test_the_prover_refutes(wrong: str) -> None:
    loss = parse_expression("w**2*x")
    setting = Setting(equations=((Ref("L"), loss),), loss="L")
    lines = [D(D(Ref("L"), Ref("w")), Ref("w")), parse_expression(wrong)]
    if wrong == "2*x":
        assert prove_lines(lines, setting, Setting()) == ["numeric"]
        return
    with pytest.raises(ProofError):
        prove_lines(lines, setting, Setting())


def test_the_prover_compares_every_axis() -> None:
    equation = (Ref("L"), parse_expression("sum(w[i]**3*x[i], i)"))
    shapes = {"w": (Ref("d"),), "x": (Ref("d"),)}
    setting = Setting((equation,), "L", shapes=shapes, axes=("j", "k"), ranges={"j": Ref("d"), "k": Ref("d")})
    w = [Ref("w", (Index(i),)) for i in "jk"]
    start = D(D(Ref("L"), w[0]), w[1])
    assert prove_lines([start, parse_expression("6*w[j]*x[j]*delta(j, k)")], setting, setting) == ["numeric"]
    for wrong in ("6*w[j]*x[j]", "6*w[j]*x[k]", "6*w*x", "diag(6*w)"):
        with pytest.raises(ProofError):
            prove_lines([start, parse_expression(wrong)], setting, setting)


# --- refusals


def test_an_assumption_about_what_varies_is_refused() -> None:
    with pytest.raises(DeriveError, match="'t' cannot vary freely"):
        model_of(MODELS["softmax-assumed"][0]).hessian(("t",))


def test_what_grows_too_long_is_refused() -> None:
    layers = "; ".join(f"a{k} = silu(w*a{k - 1})" for k in range(1, 9))
    text = f"a0: input; w: parameter; {layers}; L: loss = a8**2"
    with pytest.raises(DeriveError, match="the second derivative by 'w' and 'w' takes more than"):
        model_of(text).hessian()


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("unknown", ["logistic", "--wrt", "w_3"]),
        ("dependent", ["logistic", "--wrt", "z", "--wrt", "w_1"]),
        ("loss", ["logistic", "--wrt", "L"]),
        ("no-parameters", ["-e", "x: input; L = x**2"]),
        ("format", ["logistic", "--format", "html"]),
    ],
)
def test_wrong_input(name: str, args: list[str]) -> None:
    outcome = derive("hessian", *args)
    assert (outcome.code, outcome.out) == (2, "")
    check_golden(f"hessian-wrong-{name}", outcome)


# --- what is printed

LOGISTIC = '''"""Logistic regression"""
d: size
x: input[d]
y: target
w: parameter[d]
z = w @ x
a: output = sigmoid(z)
L: loss = -y*log(a) - (1 - y)*log(1 - a)
'''


@pytest.mark.parametrize("form", ["text", "latex", "markdown", "json"])
def test_the_command_prints(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("logreg.model").write_text(LOGISTIC, encoding="utf-8")
    check_golden(f"hessian-{form}", derive("hessian", "logreg.model", "--format", form))


def test_the_command_prints_index_notation_and_scalars() -> None:
    check_golden("hessian-softmax", derive("hessian", "softmax-regression"))
    check_golden("hessian-two", derive("hessian", "logistic", "--wrt", "w_1", "--wrt", "b"))


def test_json_has_what_the_documentation_says() -> None:
    found = model_of(MODELS["softmax-assumed"][0]).hessian().to_dict()
    assert list(found) == ["model", "loss", "blocks", "batch"]
    first, last = found["blocks"][0], found["blocks"][-1]
    assert (first["of"], first["wrt"], first["shape"], first["indices"]) == ("W", "W", ["k", "d", "k", "d"], [*"ijlm"])
    assert (last["expr"], last["shape"], "indices" in last) == ("diag(a) - outer(a, a)", ["k", "k"], False)
    assert [b["expr"] for b in found["batch"]["blocks"]][-1] == "sum(diag(a[n]) - outer(a[n], a[n]), n)/N"


def test_both_languages() -> None:
    found: Hessian = Model.builtin("quadratic").hessian()
    assert "Segundas derivadas" in hessian_text(found, "es")
    assert "d²L/dx²" in hessian_text(found)


@pytest.mark.skipif(not shutil.which("pdflatex") or not shutil.which("latexmk"), reason="LaTeX is not installed")
def test_latex_compiles() -> None:
    found = model_of(MODELS["two-layers"][0]).hessian()
    pdf, log = compile_with_log(print_latex(hessian_document(found)))
    assert pdf.startswith(b"%PDF")
    assert "Undefined control sequence" not in log


# --- Jacobians of vector nodes

JACOBIANS = {
    "softmax(z)": "diag(a) - outer(a, a)",
    "tanh(z)": "diag(1 - a**2)",
    "sigmoid(z)": "diag(a*(1 - a))",
    "exp(z)": "diag(a)",
    "relu(z)": "diag(where(z > 0, 1, 0))",
}


@pytest.mark.parametrize("activation", JACOBIANS)
def test_jacobians_of_vector_nodes(activation: str) -> None:
    text = f"d: size; x: input[d]; W: parameter[d, d]; z = W @ x; a: output = {activation}; L: loss = sum(a**2*x)"
    local = model_of(text).derive().to_dict()["local"]
    assert [r["expr"] for r in local if (r["of"], r["wrt"]) == ("a", "z")] == [JACOBIANS[activation]]
