"""Random models of the whole language: derived, proved, compiled, and compared with the complex step on the model itself.

`DERIVE_CASES` says how many are drawn (`DERIVE_CASES=5000 pytest tests/test_random_models.py -n auto`); every 12th has its
steps proved, replayed, printed and parsed again as well.  A clear refusal is allowed to few; a wrong number or any other
exception to none.
"""

import os

import numpy as np
import pytest
from random_models import random_model

from derive.check.complex_step import complex_step_gradient, evaluate
from derive.check.sample import sample
from derive.derivation import Derivation
from derive.errors import DeriveError
from derive.model import Model

CASES = int(os.environ.get("DERIVE_CASES", "200"))
BATCHES = 8
PROVED = 12  # one of so many is proved
TOLERANCE = 1e-8
SMALL = 1e-4  # a gradient smaller than this is measured against this
REFUSED = 0.03  # the share of models that may be refused


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # where() computes the branch that it does not take
@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_models(batch):
    seeds = range(batch, CASES, BATCHES)
    refused = [message for seed in seeds if (message := refusal(seed))]
    assert len(refused) <= max(1, REFUSED * len(seeds)), "\n".join(refused)


def refusal(seed: int) -> str:
    """Checks one model; the message where it was refused."""
    text = random_model(seed)
    try:
        model = Model.parse(text)
        derivation = model.derive()
        module = derivation.compile()
    except DeriveError as error:
        return f"seed {seed}: {error}\n{text}"
    error, name = worst(model, module)
    assert error <= TOLERANCE, f"seed {seed}: d/d{name} is wrong by {error}\n{text}"
    if seed // BATCHES % PROVED == 0:
        check_steps(derivation)
    return ""


def worst(model: Model, module) -> tuple[float, str]:
    """The largest error of the loss and the gradients beside the largest entry."""
    drawn = sample(model, seed=0, examples=2)
    data = drawn.data if drawn.examples[0] else {}
    loss, grads = module.loss_and_gradients(dict(drawn.parameters), **data, **drawn.constants)
    points = [drawn.values(example) for example in drawn.examples]
    pairs = {model.loss: (np.asarray(loss), np.mean([evaluate(model, v)[model.loss] for v in points]))}
    for name in drawn.parameters:
        true = np.mean([complex_step_gradient(model, values, name) for values in points], axis=0)
        pairs[name] = (np.asarray(grads[name]), true)
    return max((error(*pair), name) for name, pair in pairs.items())


def error(value: np.ndarray, true: np.ndarray) -> float:
    if value.shape != true.shape or not np.isfinite(value).all():
        return float("inf")
    return float(np.max(np.abs(value - true), initial=0) / max(np.max(np.abs(true), initial=0), SMALL))


def check_steps(derivation: Derivation) -> None:
    """Every step is proved and replays; what was derived prints as the language and is read back the same."""
    proved = derivation.prove()
    for result in (*proved.local, *(a.result for a in (*proved.nodes, *proved.gradients))):
        assert derivation.model.expression(str(result.expr), result.indices) == result.expr
        for step in result.steps:
            assert step.proof
            assert derivation.replay(step) == step.after
