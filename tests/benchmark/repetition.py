"""What repetition costs, as ratios taken in one run: ``python tests/benchmark/repetition.py``.

A GPT of 12 layers against one of 2, and a recurrent network over 1,000 steps against one over 3: layers of the same form
are derived once, and a recurrence is never unrolled.
"""

from __future__ import annotations

import json
import statistics
import time

from derive.differentiate.derive import clear_caches
from derive.model import Model
from derive.parse.files import builtin_text

ROUNDS = 5
RNN = """T: size = {T}
d: size = 4
m: size = 5
x: input[T, d]
y: target
W: parameter[m, d]
U: parameter[m, m]
c: parameter[m]
v: parameter[m]
h[0] = zeros(m)
z[t] = W @ x[t - 1] + U @ h[t - 1] + c
h[t] = tanh(z[t])
L: loss = (v @ h[T] - y)**2/2
"""


def gpt(layers: int) -> Model:
    text = builtin_text("gpt")
    return Model.parse(text.replace("range(1, 3)", f"range(1, {layers + 1})").replace("X[2]", f"X[{layers}]"), "gpt")


def seconds(model: Model) -> float:
    clear_caches()
    start = time.perf_counter()
    model.derive()
    return time.perf_counter() - start


def ratio(large: Model, small: Model) -> float:
    """Of the times to derive the models, the median of several pairs."""
    seconds(small)  # everything is imported
    return statistics.median(seconds(large) / seconds(small) for _ in range(ROUNDS))


def told(steps: int) -> str:
    """The whole derivation of the recurrent network, its length left out."""
    found = json.dumps(Model.parse(RNN.format(T=steps), "rnn").derive().to_dict())
    return found.replace(f"T: size = {steps}", "T: size")


def main() -> None:
    rnn = ratio(Model.parse(RNN.format(T=1000)), Model.parse(RNN.format(T=3)))
    same = "the same" if told(1000) == told(3) else "NOT the same"
    print("| what | ratio | goal |\n| --- | --- | --- |")
    print(f"| GPT of 12 layers / of 2, derived | {ratio(gpt(12), gpt(2)):.2f} | at most 1.5 |")
    print(f"| RNN over 1,000 steps / over 3, derived (steps and results are {same}) | {rnn:.2f} | at most 1.1 |")


if __name__ == "__main__":
    main()
