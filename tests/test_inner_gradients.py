"""``grad(u, x)`` in a model, differentiated again: against autograd's nested derivatives, written from the formulas."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from derive.check.proofs import count_proofs
from derive.errors import DeriveError
from derive.model import Model
from derive.render.catalogue import Words
from derive.render.document import Derivation, Reference, Section
from derive.render.html_document import print_html
from derive.render.latex_document import print_latex
from derive.render.markdown_document import print_markdown
from derive.render.report import report
from derive.render.text_document import print_text

PHYSICS = """h: size = 4
x: input
W1: parameter[h]
b1: parameter[h]
W2: parameter[h]
def net(t): return dot(W2, tanh(W1*t + b1))
z = W1*x + b1
a = tanh(z)
u: output = dot(W2, a)
v = grad(u, x)
w = grad(v, x)
u0 = net(0)
L: loss = (w + u)**2 + (u0 - 1)**2
"""

SCORE = """d: size = 3
h: size = 5
x: input[d]
W: parameter[h, d]
b: parameter[h]
p: parameter[h]
e = dot(p, softplus(W @ x + b))
L: loss = sum((grad(e, x) + x)**2)/2
"""

META = """d: size = 3
x: input[d]
y: target
t: input[d]
s: target
w: parameter[d]
alpha: constant = 0.1
K = (dot(w, x) - y)**4/2
q = w - alpha*grad(K, w)
L: loss = (sigmoid(dot(q, t)) - s)**2/2 + sum(grad(K, w)**2)
"""


def physics(p, x):
    def u(t):
        return anp.dot(p["W2"], anp.tanh(p["W1"] * t + p["b1"]))

    w = autograd.grad(autograd.grad(u))
    return anp.mean(anp.array([(w(t) + u(t)) ** 2 for t in x])) + (u(0.0) - 1) ** 2


def score(p, x):
    def e(t):
        return anp.dot(p["p"], anp.logaddexp(0, anp.dot(p["W"], t) + p["b"]))

    return anp.mean(anp.array([anp.sum((autograd.grad(e)(t) + t) ** 2) / 2 for t in x]))


def meta(p, x, y, t, s):
    def one(x, y, t, s):
        slope = autograd.grad(lambda w: (anp.dot(w, x) - y) ** 4 / 2)(p["w"])
        q = p["w"] - 0.1 * slope
        return (1 / (1 + anp.exp(-anp.dot(q, t))) - s) ** 2 / 2 + anp.sum(slope**2)

    return anp.mean(anp.array([one(*row) for row in zip(x, y, t, s, strict=True)]))


CASES = {
    "physics": (PHYSICS, physics, {"x": ()}),
    "score": (SCORE, score, {"x": (3,)}),
    "meta": (META, meta, {"x": (3,), "y": (), "t": (3,), "s": ()}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_loss_is_differentiated_through_the_derivative(name):
    text, loss, shapes = CASES[name]
    module = Model.parse(text).derive().compile()
    rng = np.random.default_rng(5)
    params = {key: value + 0.1 * rng.normal(size=np.shape(value)) for key, value in module.init(1).items()}
    data = {key: rng.normal(size=(4, *shape)) for key, shape in shapes.items()}
    found, grads = module.loss_and_gradients(params, **data)
    assert found == pytest.approx(loss(params, *data.values()), rel=1e-12)
    wanted = autograd.grad(loss)(params, *data.values())
    for key in params:
        np.testing.assert_allclose(grads[key], wanted[key], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_every_step_is_proved_those_inside_too(name):
    derivation = Model.parse(CASES[name][0]).derive().prove()
    assert derivation.inner
    alone = sum(len(a.result.steps) for inner in derivation.inner for a in (*inner.nodes, *inner.gradients))
    counted = count_proofs(derivation)
    assert counted["none"] == 0 and counted.total() > alone > 0


def test_the_equation_of_a_derivative_is_the_textbook_s():
    model = Model.parse("x: input\nw: parameter\nu = sin(w*x)\nv = grad(u, x)\nL: loss = v**2")
    assert str(model.by_name["v"].written) == "cos(w*x)*w"


def test_what_does_not_depend_on_it_has_the_derivative_zero():
    model = Model.parse("x: input\nw: parameter\nu = sin(w)\nL: loss = (grad(u, x) + w)**2")
    (gradient,) = model.derive().prove().gradients
    assert str(model.by_name["u_x"].body) == "0"
    assert str(gradient.result.expr) in ("2*(u_x + w)", "2*w")


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("printer", [print_latex, print_html, print_markdown, print_text])
def test_the_report_tells_how_the_equations_come_about(printer, language):
    document = report(Model.parse(PHYSICS).derive(), language)
    start = next(k for k, b in enumerate(document.blocks) if isinstance(b, Section) and b.anchor == "inner")
    inside = {b.anchor for b in document.blocks[start:] if isinstance(b, Derivation) and b.anchor.startswith("inner-")}
    assert {"inner-1-local-a-z", "inner-1-step-z", "inner-1-step-x", "inner-2-step-x"} <= inside
    assert Words(language)["inner"] in printer(document)


@pytest.mark.parametrize("name", ["physics-informed", "score-matching"])
def test_a_derivative_inside_is_told_once_and_referred_to(name):
    document = report(Model.builtin(name).derive())
    told = [b for b in document.blocks if isinstance(b, Derivation) and "local" in b.anchor]
    derived = [(b.left.latex, b.lines) for b in told]
    assert len({str(d) for d in derived}) == len(derived)
    anchors = {b.anchor for b in document.blocks if isinstance(b, (Derivation, Section))}
    meant = {
        i.anchor
        for b in document.blocks
        if isinstance(b, Derivation)
        for line in b.lines
        for i in line.note
        if isinstance(i, Reference)
    }
    assert {a for a in meant if "local" in a} <= anchors
    sections = [b.title for b in document.blocks if isinstance(b, Section) and b.level == 2]
    assert sections and all(len(heading) > 1 for heading in sections)  # words, no fraction, for the table of contents


def test_the_json_has_the_derivations_inside():
    found = Model.parse(SCORE).derive().to_dict()["inner"]
    assert [(d["of"], d["wrt"], d["gradients"][-1]["wrt"]) for d in found] == [("e", "x", "x")]
    assert all(step["proof"] for d in found for a in (*d["local"], *d["nodes"], *d["gradients"]) for step in a["steps"])
    assert "inner" not in Model.builtin("quadratic").derive().to_dict()


def test_nesting_that_would_take_too_long_is_refused():
    nested = "\n".join(f"u{k} = grad(u{k - 1}, x)" for k in range(1, 9))
    text = f"x: input\nW: parameter[4]\nz = W*x\na = tanh(z)\nu0 = dot(W, a)\n{nested}\nL: loss = u8**2"
    with pytest.raises(DeriveError, match="grad is nested 6 times here"):
        Model.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "w: parameter[3]\nu = w**2\nL: loss = sum(grad(u, w))",
            "grad differentiates a scalar, 'u' has the shape (3,)",
        ),
        ("w: parameter\nL: loss = grad(w**2, w)", "grad takes the name of a node and the name"),
        ("w: parameter\nu = w**2\nL: loss = grad(u, v)", "there is no name 'v'"),
        ("w: parameter\nL: loss = grad(w, w)", "'w' is no node"),
        ("w: parameter\nu = w**2\nL: loss = grad(u)", "'grad' takes 2 arguments, here it has 1"),
        ("w: parameter\nL: loss = grad(L, w)", "'L' depends on itself"),
    ],
)
def test_what_grad_does_not_take(text, message):
    with pytest.raises(DeriveError) as caught:
        Model.parse(text)
    assert message in str(caught.value)
