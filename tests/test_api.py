"""What programs rely on: the JSON object, replay, models from and to SymPy, errors."""

from __future__ import annotations

import json

import pytest
import sympy
from model_corpus import MODELS
from model_oracles import LOSSES

from derive import DeriveError, Model
from derive.parse.expression import parse_expression

VECTOR = "x: input[3]; y: target[2]; W: parameter[2, 3]; b: parameter[2]; z = W @ x + b; a: output = softmax(z); L: loss = -sum(y*log(a))"
TEXTS = {name: Model.builtin(name).text for name in LOSSES} | {
    "softmax": VECTOR.replace("; ", "\n"),
    "skip": MODELS["skip-over-two"].replace("; ", "\n"),
}


@pytest.fixture(scope="module", params=list(TEXTS))
def derived(request):
    derivation = Model.parse(TEXTS[request.param], request.param).derive()
    return derivation, derivation.to_dict()


def results(found):
    return [*found["local"], *found["nodes"], *found["gradients"]]


def test_the_keys_are_the_documented_ones(derived):
    _, found = derived
    assert list(found) == ["model", "loss", "assumptions", "equations", "local", "nodes", "gradients", "batch", "updates"]
    assert json.loads(json.dumps(found)) == found
    for e in found["equations"]:
        assert set(e) == {"name", "expr", "latex", "shape"}
    for node in found["nodes"]:
        assert {"name", "terms", "by_adjoint", "expr", "latex", "shape", "steps"} <= set(node)
    for gradient in found["gradients"]:
        assert {"wrt", "terms", "chain", "by_adjoint", "expr", "latex", "shape", "steps"} <= set(gradient)
    for update in found["updates"]:
        assert set(update) == {"parameter", "expr", "latex"}


def test_steps_lead_from_the_d_form_to_the_result(derived):
    _, found = derived
    for result in results(found):
        steps = result["steps"]
        assert steps[0]["before"].count("D(") >= 1
        assert steps[-1]["after"] == result["expr"]
        for step, following in zip(steps, steps[1:], strict=False):
            assert step["after"] == following["before"]
        for step in steps:
            assert set(step) == {"rule", "before", "after", "latex", "condition", "assumption", "proof"}
            assert step["proof"] in ("symbolic", "numeric")


def test_every_edge_and_every_node_is_there_in_order(derived):
    derivation, found = derived
    model = derivation.model
    order = [e.name for e in model.equations]
    assert [n["name"] for n in found["nodes"]] == [name for name in reversed(order) if name != model.loss]
    assert [g["wrt"] for g in found["gradients"]] == list(model.parameters)
    edges = {(r["of"], r["wrt"]) for r in found["local"]}
    assert edges == {  # an output beside the loss (the class that an SVM decides for) needs no derivative
        (user, name)
        for name, users in model.consumers.items()
        for user in users
        if name in (*order, *model.parameters) and user in model.reaches_loss
    }


def test_every_expression_reads_back(derived):
    _, found = derived
    texts = [r["expr"] for r in results(found)] + [r["by_adjoint"] for r in (*found["nodes"], *found["gradients"])]
    texts += [s[side] for r in results(found) for s in r["steps"] for side in ("before", "after")]
    texts += [b["expr"] for b in found["batch"]["gradients"]] + [u["expr"] for u in found["updates"]]
    for text in texts:
        assert str(parse_expression(text)) == text


def test_every_step_replays(derived):
    derivation, _ = derived
    for adjoint in (*derivation.nodes, *derivation.gradients):
        for step in adjoint.result.steps:
            assert derivation.replay(step) == step.after
    for result in derivation.local:
        for step in result.steps:
            assert derivation.replay(step) == step.after


def test_other_names_can_be_asked_for():
    derivation = Model.builtin("logistic").derive(wrt=("x_1", "z"))
    found = {g["wrt"]: g["expr"] for g in derivation.to_dict()["gradients"]}
    assert found["x_1"] == "(a - y)*w_1"
    assert found["z"] == "a - y"
    with pytest.raises(DeriveError, match="did you mean 'w_1'"):
        try:
            Model.builtin("logistic").derive(wrt=("w_11",))
        except DeriveError as error:
            raise DeriveError(str(error)) from None


def test_a_model_from_sympy_is_the_model_from_text():
    w, x, b, y, z, a, L = sympy.symbols("w x b y z a L")
    equations = [
        sympy.Eq(z, w * x + b),
        sympy.Eq(a, 1 / (1 + sympy.exp(-z))),
        sympy.Eq(L, -y * sympy.log(a) - (1 - y) * sympy.log(1 - a)),
    ]
    model = Model.from_sympy(equations, parameters=[w, b], loss=L)
    gradients = {g.name: g.result.to_sympy() for g in model.derive().gradients}
    real = {s: sympy.Symbol(s.name, real=True) for s in (w, x, b, y, a)}
    assert sympy.simplify(gradients["w"] - ((a - y) * x).xreplace(real)) == 0
    back = model.to_sympy()
    assert [str(e.lhs) for e in back] == ["z", "a", "L"]
    assert sympy.simplify(back[2].rhs - equations[2].rhs.xreplace(real)) == 0


def test_what_sympy_can_say_and_the_language_cannot_is_refused():
    x = sympy.Symbol("x")
    with pytest.raises(DeriveError, match="airyai"):
        Model.from_sympy([sympy.Eq(sympy.Symbol("L"), sympy.airyai(x))], parameters=[x])


def test_a_parameter_that_does_not_reach_the_loss_has_a_proved_zero():
    model = Model.parse("w: parameter\nu: parameter\nL: loss = w**2")
    assert any("'u' does not reach the loss" in warning for warning in model.warnings)
    gradient = {g["wrt"]: g for g in model.derive().to_dict()["gradients"]}["u"]
    assert gradient["expr"] == "0"
    assert [s["rule"] for s in gradient["steps"]] == ["not reached"]


def test_an_error_knows_its_place_and_its_hint():
    with pytest.raises(DeriveError) as caught:
        Model.parse("x: input\nL: loss = sigmod(x)")
    error = caught.value
    assert (error.line, error.column, error.hint) == (2, 11, "did you mean 'sigmoid'?")
    assert error.message == "there is no function 'sigmod'"
