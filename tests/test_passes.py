"""The passes of fast code: each keeps every value, as an interpreter of programs finds, and does what its name says."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from program_interpreter import interpret
from random_models import random_model

from derive.check.sample import NoSample, sample
from derive.errors import DeriveError
from derive.expression.nodes import Call, Index, MatMul, Ref
from derive.expression.walk import walk
from derive.lower.lower import lower
from derive.lower.passes.forgetting import steps_behind_examples_forgotten
from derive.lower.passes.operations import is_atom, is_operation
from derive.lower.passes.table import FOR_LARGE_BATCHES, PASSES, optimised, passes
from derive.lower.program import Program
from derive.lower.turned import StepsNotFirst, with_turned
from derive.model import Model
from derive.parse.files import builtin_names

EXAMPLES = 5
CASES = int(os.environ.get("DERIVE_CASES", "40"))
TOLERANCE = 1e-12

# Models whose functions numpy computes in one call each: nothing in them is left as it stands.
IN_SINGLE_CALLS = (
    *("chain", "quadratic", "logistic", "two-layer", "linear-regression", "ridge", "lasso", "elastic-net", "svm"),
    *("poisson-regression", "softmax-regression", "mlp", "residual-mlp", "autoencoder", "denoising-autoencoder"),
    *("sparse-autoencoder", "matrix-factorization", "factorization-machine", "distillation", "focal-loss", "glove"),
    *("layer-norm-net", "batch-norm-net", "student-t-regression", "siamese", "rms-norm-swiglu", "attention"),
    *("transformer-block", "maxout", "contractive-autoencoder", "graph-convolution", "physics-informed", "triplet"),
    *("mixture-density-network", "rbf-network", "kernel-ridge", "meta-learning", "score-matching", "word2vec", "bpr"),
    *("bradley-terry", "cox", "item-response", "nca", "policy-gradient"),
)


def program_of(text: str) -> Program:
    return lower(Model.parse(text.replace("; ", "\n")).derive())


def check_every_pass(model: Model) -> None:
    try:
        program, drawn = lower(model.derive(), steps_first=model.stepwise), sample(model, seed=0, examples=EXAMPLES)
    except NoSample:
        return
    count = EXAMPLES if drawn.examples[0] else 1
    given = {**drawn.sizes, **drawn.constants, **drawn.parameters, **drawn.data}
    loss, grads = interpret(program, given, count)
    for one, _, after in passes(program):
        found, its = interpret(after, given, count)
        assert found == pytest.approx(loss, rel=TOLERANCE), one.__name__
        largest = max((np.max(np.abs(g), initial=0) for g in grads.values()), default=0)
        for name, gradient in grads.items():
            assert np.shape(its[name]) == np.shape(gradient), (one.__name__, name)
            scale = max(np.max(np.abs(gradient), initial=0), 1e-4 * largest)
            assert np.max(np.abs(its[name] - gradient), initial=0) <= TOLERANCE * scale, (one.__name__, name)


@pytest.mark.parametrize("name", builtin_names())
def test_every_pass_keeps_the_value(name):
    check_every_pass(Model.builtin(name))


def test_every_pass_keeps_the_value_of_random_models():
    for seed in range(CASES):
        try:
            check_every_pass(Model.parse(random_model(seed)))
        except DeriveError:
            continue


def test_the_loss_is_not_computed_for_the_gradients():
    program = optimised(lower(Model.builtin("logistic").derive()))
    assert "L" in [s.name for s in program.reported]
    assert not [
        s
        for s in (*program.forward, *program.backward)
        for e in walk(s.value)
        if isinstance(e, Call) and e.function == "log1p"
    ]


def test_products_are_taken_in_the_cheapest_order():
    program = program_of("A: parameter[50, 40]; B: parameter[40, 60]; v: parameter[60]; L: loss = sum(tanh(A @ B @ v))")
    products = {str(s.value) for s in optimised(program).statements if isinstance(s.value, MatMul)}
    assert "B @ v" in products and not any("A @ B" in product for product in products)


def test_no_product_is_transposed_as_a_whole():
    for name in IN_SINGLE_CALLS:
        for s in optimised(lower(Model.builtin(name).derive())).statements:
            assert all(is_atom(e.arg) for e in walk(s.value) if type(e).__name__ == "Transpose")


def test_column_sums_are_products_with_ones():
    program = optimised(lower(Model.builtin("mlp").derive()))
    assert str(next(s.value for s in program.gradients if s.name == "∂b1")) == "ones(N) @ ∂z1"


def test_products_of_stacks_are_products_of_all_their_rows():
    program = optimised(lower(Model.builtin("attention").derive()))
    values = {s.name: str(s.value) for s in program.statements}
    assert values["Q"] == "reshape(reshape(X, N*t, m) @ W_Q, N, t, d)"
    assert values["O"] == "matmul(A, V)"
    assert values["∂W_Q"] == "reshape(X, N*t, m).T @ reshape(∂Q, N*t, d)"


def test_only_what_lies_in_order_is_reshaped():
    """The view of a transposed stack would be a copy, which does not change with it."""
    for name in IN_SINGLE_CALLS:
        for s in optimised(lower(Model.builtin(name).derive())).statements:
            for e in walk(s.value):
                if isinstance(e, Call) and e.function == "reshape":
                    assert type(e.args[0]).__name__ in ("Ref", "MatMul"), f"{name}: {s.name} = {s.value}"


def test_what_is_computed_twice_is_computed_once():
    program = optimised(program_of("x: input; w: parameter; v: parameter; L: loss = exp(w*x)*tanh(w*x) + v*exp(w*x)"))
    reported = [str(s.value) for s in program.reported]
    assert reported.count("w*x") == 1 and len(reported) == len(set(reported))


def test_the_mean_is_put_off_where_every_gradient_is_one():
    assert optimised(lower(Model.builtin("mlp").derive())).summed
    assert not optimised(lower(Model.builtin("ridge").derive())).summed


def test_scalars_are_gathered_into_one_product():
    program = optimised(lower(Model.builtin("two-layer").derive()))
    assert program.gathered == (("w1_1", "w1_2", "b1"), ("w2", "b2"))
    assert str(program.gradients[0].value) == "rows(x_1, x_2, 1) @ ∂z1"


def test_scalars_that_meet_something_else_are_not_gathered():
    for text in (
        "x: input; w: parameter; b: parameter; z = w*x + b; L: loss = z**2 + w*x",  # another path to w
        "x: input; w: parameter; b: parameter; z = w*x - b; L: loss = z**2",
        "x: input; w: parameter; b: parameter; z = w*x + w; L: loss = z**2",
        "x: input; w: parameter; b: parameter; z = w*x + b; L: loss = z**2 + b**2",
        "x: input; w: parameter; b: parameter; v: parameter; h = tanh(w*x); z = v*h + b*x; L: loss = z**2",
    ):
        check_every_pass(Model.parse(text.replace("; ", "\n")))
        assert optimised(program_of(text)).gathered == (), text


def test_every_statement_is_one_operation():
    for name in IN_SINGLE_CALLS:
        for s in optimised(lower(Model.builtin(name).derive())).statements:
            assert is_operation(s.value) and s.buffer is not None, f"{name}: {s.name} = {s.value}"


def test_buffers_are_used_again():
    program = optimised(lower(Model.builtin("mlp").derive()))
    assert len({s.buffer for s in program.statements}) < 0.6 * len(program.statements)


def test_a_pass_that_writes_over_what_is_still_read_is_found():
    program = optimised(lower(Model.builtin("two-layer").derive()), FOR_LARGE_BATCHES)
    forward = tuple(replace(s, buffer="z1") if s.name == "z2" else s for s in program.forward)
    drawn = sample(program.model, seed=0)
    with pytest.raises(AssertionError, match="is read after"):
        interpret(replace(program, forward=forward), {**drawn.parameters, **drawn.data}, 4)


def test_the_passes_are_listed():
    assert [one.__name__ for one in PASSES][-1] == "buffers_assigned"
    assert all(one.__doc__ for one in PASSES)


RECURRENT = (
    "T: size; d: size; m: size; x: input[T, d]; W: parameter[m, d]; U: parameter[m, m]; v: parameter[m]; "
    "h[0] = zeros(m); z[t] = W @ x[t - 1] + U @ h[t - 1]; h[t] = tanh(z[t]); L: loss = (v @ h[T])**2"
)


def stepped(text: str) -> Program:
    return optimised(lower(Model.parse(text.replace("; ", "\n")).derive(), steps_first=True))


def test_products_in_which_nothing_recurs_are_taken_before_the_loop():
    program = stepped(RECURRENT)
    values = {str(s.value): s.loop for s in program.forward}
    assert values["reshape(reshape(x_steps, T*N, d) @ W.T, T, N, m)"] is None
    assert values["h[t - 1, :, :] @ U.T"] is not None


def test_gradients_of_recurrences_are_one_product_each():
    values = {s.name: str(s.value) for s in stepped(RECURRENT).gradients}
    assert values["∂U"] == "reshape(∂z[1:T + 1, :, :], T*N, m).T @ reshape(h[:T, :, :], T*N, m)"


def test_steps_that_nothing_asks_for_later_are_not_kept():
    program = stepped(RECURRENT)
    kept = {s.name for s in program.statements if s.whole}
    assert kept == {"h", "∂z"}  # but not z and ∂h


def test_functions_that_the_way_back_reads_again_are_kept():
    """And 1 - tanh**2 is taken of them, where the derivative of the tanh alone has a sech."""
    program = optimised(lower(Model.builtin("lstm-regression").derive(), steps_first=True))
    values = [str(s.value) for s in program.statements]
    assert values.count("tanh(c[t, :, :])") == 1 and not any("cosh" in value for value in values)
    assert "tanh_c" in {s.name for s in program.forward}


def test_steps_behind_the_examples_are_forgotten_in_readable_code_but_not_outputs():
    def kept(text):
        program = steps_behind_examples_forgotten(lower(Model.parse(text.replace("; ", "\n")).derive()))
        return {s.name for s in program.statements if s.whole}

    assert kept(RECURRENT) == {"h", "∂z"}
    assert kept(RECURRENT.replace("z[t] =", "z[t]: output =")) == {"h", "z", "∂z"}


def test_a_condition_on_the_step_is_decided_before_the_loop():
    for s in stepped(RECURRENT).statements:
        assert not any(type(e).__name__ == "Where" for e in walk(s.value))


def test_where_the_steps_cannot_come_first_both_styles_have_readable_code(monkeypatch):
    def refused(e, turned):
        raise StepsNotFirst("'h' is read as a whole")

    derivation = Model.builtin("garch").derive()
    monkeypatch.setattr("derive.lower.lower.with_turned", lambda e, turned: refused(e, turned) if turned else e)
    assert derivation.generate(style="fast") == derivation.generate()
    assert derivation.explain_program("fast") == derivation.explain_program("readable")


def test_an_array_that_is_read_as_a_whole_cannot_have_its_steps_first():
    with pytest.raises(StepsNotFirst):
        with_turned(Ref("h", (Index("n"),)), {"h": "h"})


def test_steps_of_parameters_alone():
    derivation = Model.parse("x: parameter[5]\nz[i] = x[i] - x[i - 1]\nL: loss = sum(z[i]**2, i)").derive()
    for style in ("readable", "fast"):
        loss, gradients = derivation.compile(style=style).loss_and_gradients({"x": np.array([1.0, 3.0, 2.0, 2.0, 5.0])})
        assert loss == 14 and np.allclose(gradients["x"], [-4, 6, -2, -6, 6])
