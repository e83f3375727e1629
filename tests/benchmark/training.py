"""One training step (forward, backward, update) of the workloads W1 to W5, beside what else there is: ratios of CPU time.

``python tests/benchmark/training.py`` prints a table.  Every step starts from the same parameters, and what it makes of
them is first compared with the others.  Then all are timed in one process on one thread, in rounds, each round in another
order; a ratio is the median over the rounds of its quotients.  Peers that are not installed are left out (the extra
`benchmark` has them).
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import hand_tuned
import numpy as np
import peers
import textbook

from derive.model import Model

Arrays = dict[str, np.ndarray]
Step = Callable[[], object]
State = Callable[[], Arrays]

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
ROUND = 0.06  # seconds of CPU time that each takes in a round, about


@dataclass(frozen=True)
class Workload:
    """A model, the examples of a batch, and the kind of its numbers; `settings` are its sizes."""

    title: str
    model: str
    examples: int
    dtype: str = "float64"
    settings: tuple[tuple[str, int], ...] = ()
    optimizer: str = "gradient-descent"
    lr: float = 0.1


WORKLOADS = {
    "W1": Workload("logistic regression, 2 features, 10⁶ examples", "logistic", 10**6),
    "W2": Workload("tanh–sigmoid network, 10⁶ examples", "two-layer", 10**6),
    "W2b": Workload("the same, minibatch of 32", "two-layer", 32),
    "W3": Workload("MLP 64-128-128-10, batch 128", "mlp", 128),
    "W3a": Workload("the same by Adam", "mlp", 128, optimizer="adam"),
    "W4": Workload(
        "MLP 784-512-512-10, batch 256, float32", "mlp", 256, "float32", (("d", 784), ("h1", 512), ("h2", 512))
    ),
    "W5": Workload(
        "LSTM, batch 32, 64 steps, 64 wide, float32", "lstm-regression", 32, "float32", (("T", 64), ("d", 64), ("m", 64))
    ),
    "W5b": Workload(
        "transformer block, the same sizes",
        "transformer-block",
        32,
        "float32",
        (("t", 64), ("m", 64), ("h", 128)),
        lr=1e-4,
    ),
}


def start(w: Workload, model: Model) -> tuple[Arrays, Arrays]:
    """Parameters and data."""
    rng = np.random.default_rng(0)
    params = model.derive().compile().init(0)
    n, dtype, sizes = w.examples, w.dtype, dict(w.settings)
    if w.model == "lstm-regression":
        data = {"x": rng.normal(size=(n, sizes["T"], sizes["d"])).astype(dtype), "y": rng.normal(size=n).astype(dtype)}
    elif w.model == "transformer-block":
        data = {name: rng.normal(size=(n, sizes["t"], sizes["m"])).astype(dtype) for name in ("X", "Y")}
    elif w.model == "mlp":
        x = rng.normal(size=(n, sizes.get("d", 64)))
        data = {"x": x.astype(dtype), "y": np.eye(10, dtype=dtype)[rng.integers(0, 10, n)]}
    else:
        x_1, x_2 = rng.normal(size=(2, n))
        data = {"x_1": x_1, "x_2": x_2, "y": (x_1 + 2 * x_2 + rng.normal(size=n) > 0.3).astype(dtype)}
    return {name: np.array(values, dtype=dtype) for name, values in params.items()}, data


def readable(w: Workload, model: Model, params: Arrays, data: Arrays) -> tuple[Step, State]:
    module = model.derive().compile(dtype=w.dtype, optimizer=w.optimizer)
    params, state = {name: np.copy(values)[()] for name, values in params.items()}, {}

    def step() -> None:
        _, grads = module.loss_and_gradients(params, **data)
        module.update(params, grads, state, w.lr)

    return step, lambda: params


def fast(w: Workload, model: Model, params: Arrays, data: Arrays) -> tuple[Step, State]:
    """A step of the generated `train`, as its loop has it: the gradients without the loss, and the update."""
    module = model.derive().compile(style="fast", dtype=w.dtype, optimizer=w.optimizer)
    constants = [{}] if model.of_role("constant") else []
    work = module._Work(params, module._arrays(data), *constants)
    batch, advance = work.batch(0, w.examples), module._update_of_all(work.theta, work.gradient, {})
    plain = w.optimizer == "gradient-descent"  # then the rate takes the mean over the examples, as in `train`
    rate, share = np.array(w.lr / w.examples if plain else w.lr, dtype=w.dtype), np.array(1 / w.examples, dtype=w.dtype)

    def step() -> None:
        batch(False)
        if not plain:
            np.multiply(work.gradient, share, work.gradient)
        advance(rate)

    return step, lambda: work.params


def contenders(w: Workload) -> dict[str, tuple[Step, State]]:
    model = Model.builtin(w.model, **dict(w.settings))
    params, data = start(w, model)
    made = {
        "fast": fast(w, model, params, data),
        "readable": readable(w, model, params, data),
        "textbook": textbook.STEPS[w.model](params, data, w.lr, w.optimizer),
        "hand-tuned": hand_tuned.STEPS[w.model](params, data, w.lr, w.optimizer),
    }
    for name, make in peers.PEERS.items():
        if importlib.util.find_spec(name):
            made[name] = make(w.model, params, data, w.lr, w.optimizer)
    return made


def compare(made: dict[str, tuple[Step, State]], dtype: str) -> float:
    """One step of each, and the largest relative difference of what it makes of the parameters from the others' median."""
    for step, _ in made.values():
        step()
    states = {name: state() for name, (_, state) in made.items()}
    worst = 0.0
    for parameter in states["textbook"]:
        values = np.stack([np.asarray(state[parameter], dtype=float) for state in states.values()])
        middle = np.median(values, axis=0)
        worst = max(worst, float(np.max(np.abs(values - middle)) / np.max(np.abs(middle))))
    if worst > (1e-4 if dtype == "float32" else 1e-11):
        raise SystemExit(f"the steps do not agree: {worst:.1e}")
    return worst


def seconds(step: Step, times: int) -> float:
    before = time.process_time()
    for _ in range(times):
        step()
    return (time.process_time() - before) / times


def measured(made: dict[str, tuple[Step, State]], rounds: int) -> dict[str, list[float]]:
    """The CPU time of a step, for each contender in each round."""
    times = {name: max(1, round(ROUND / max(seconds(step, 3), 1e-7))) for name, (step, _) in made.items()}
    found: dict[str, list[float]] = {name: [] for name in made}
    order = list(made)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            found[name].append(seconds(made[name][0], times[name]))
    return found


def table(w: Workload, found: dict[str, list[float]]) -> str:
    lines = []
    for name, own in found.items():
        ratio = statistics.median(other / mine for other, mine in zip(own, found["fast"], strict=True))
        lines.append(f"  {name:<12}{1e6 * statistics.median(own):>12.1f} µs {ratio:>8.2f} × fast")
    return "\n".join([w.title, *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*", default=list(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        os.environ |= ONE_THREAD  # libraries read it when they are imported
        os.execv(sys.executable, [sys.executable, *sys.argv])
    for name in options.workloads:
        w = WORKLOADS[name]
        made = contenders(w)
        worst = compare(made, w.dtype)
        print(f"{name} {table(w, measured(made, options.rounds))}\n  (steps agree to {worst:.0e})\n", flush=True)


if __name__ == "__main__":
    main()
