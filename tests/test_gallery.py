"""The gallery: reports and code as golden files; gradients beside two oracles; five steps of training beside autograd's.

One test a model, so that each is derived once.  The other files speak of the models that ship with data of their own.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import autograd
import numpy as np
import pytest
from gallery_oracles import GALLERY
from test_generated import FOLDER, compare_with_golden
from test_models import TOLERANCE, largest_error

from derive.check.gradients import compare_at
from derive.check.sample import Sample, sample
from derive.emit.defaults import rule_for
from derive.model import Model
from derive.parse.files import GROUPS, builtin_groups, builtin_names, builtin_text
from derive.render.markdown_document import print_markdown
from derive.render.report import report

STEPS, RATE = 5, 0.001
EXAMPLES = 3


def given(model: Model, drawn: Sample) -> dict[str, Any]:
    """The batch; whole numbers as integers."""
    return {n: v.astype(int) if model.variables[n].kind == "integer" else v for n, v in drawn.data.items()}


def check_gradients(model: Model, module: ModuleType, drawn: Sample) -> None:
    data = given(model, drawn)
    objective = functools.partial(GALLERY[model.name], **data, **drawn.constants)
    trained = {name: drawn.parameters[name] for name in model.parameters}  # without the states
    loss, grads = module.loss_and_gradients(dict(drawn.parameters), **data, **drawn.constants)
    assert loss == pytest.approx(float(objective(trained)), rel=TOLERANCE)
    assert largest_error(grads, autograd.grad(objective)(trained)) <= TOLERANCE
    found = compare_at(model, module, drawn)
    assert found.worst <= TOLERANCE, found.name


def check_training(model: Model, module: ModuleType, drawn: Sample) -> None:
    """Plain gradient descent on all the examples, from the same small start."""
    data = given(model, drawn)
    objective = functools.partial(GALLERY[model.name], **data, **drawn.constants)
    start = {name: 0.3 * np.array(value) for name, value in drawn.parameters.items()}
    params = {name: start[name] for name in model.parameters}
    losses = []
    for _ in range(STEPS):
        losses.append(float(objective(params)))
        params = {name: params[name] - RATE * g for name, g in autograd.grad(objective)(params).items()}
    found, history = module.train(data, epochs=STEPS, lr=RATE, params=start, **drawn.constants)
    assert [h["loss"] for h in history] == pytest.approx(losses, rel=TOLERANCE)
    assert largest_error({name: found[name] for name in params}, params) <= TOLERANCE


@pytest.mark.parametrize("name", GALLERY)
def test_a_model_of_the_gallery(name: str) -> None:
    model = Model.builtin(name)
    derivation = model.derive()
    compare_with_golden(FOLDER / f"{name}.md", print_markdown(report(derivation)))
    compare_with_golden(FOLDER / f"{name}.py", derivation.generate())
    module = derivation.compile()
    drawn = sample(model, 0, EXAMPLES)
    check_gradients(model, module, drawn)
    if rule_for(model).optimizer.name != "gradient-descent":
        module = derivation.compile(optimizer="gradient-descent")
    check_training(model, module, drawn)


def test_the_oracle_would_notice_another_constant() -> None:
    model = Model.builtin("quantile-regression", tau=0.8)
    with pytest.raises(AssertionError):
        check_gradients(Model.builtin("quantile-regression"), model.derive().compile(), sample(model, 0, EXAMPLES))


def test_every_model_has_a_group_and_a_source() -> None:
    assert sorted(name for names in builtin_groups().values() for name in names) == builtin_names()
    assert tuple(builtin_groups()) == GROUPS
    for name in builtin_names():
        assert builtin_text(name).splitlines()[1].rsplit(", ", 1)[1].isdigit(), f"{name} does not say the year"
