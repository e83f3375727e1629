"""Ratios of derive's speed to that of its peers, taken in one run: ``python tests/benchmark/derivation.py``.

Start-up against `import click` and `import sympy`; the derivation of chains of scalar equations against SymPy's `diff` of
the same right-hand sides, every edge once, with real symbols and a cleared cache.  Each time is the shortest of three.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

import sympy
from sympy.core.cache import clear_cache

from derive.differentiate.derive import clear_caches
from derive.differentiate.lemma import lemma, slope_of
from derive.model import Model
from derive.rules.calculus import partial_derivative

TEN = ("tanh", "sigmoid", "softplus", "silu", "sin", "exp", "arctan", "softsign", "gelu", "relu")
SYMPY: dict[str, Callable[[sympy.Expr], sympy.Expr]] = {
    "tanh": sympy.tanh,
    "sigmoid": lambda u: 1 / (1 + sympy.exp(-u)),
    "softplus": lambda u: sympy.log(1 + sympy.exp(u)),
    "silu": lambda u: u / (1 + sympy.exp(-u)),
    "sin": sympy.sin,
    "exp": sympy.exp,
    "arctan": sympy.atan,
    "softsign": lambda u: u / (1 + sympy.Abs(u)),
    "gelu": lambda u: u * (1 + sympy.erf(u / sympy.sqrt(2))) / 2,
    "relu": lambda u: sympy.Piecewise((u, u > 0), (0, True)),
}


def chain(length: int, activations: tuple[str, ...]) -> str:
    """``a1 = tanh(w1*x + b1)``, ``a2 = tanh(w2*a1 + b2)``, … with a squared error at the end."""
    names = [f"w{k}: parameter\nb{k}: parameter" for k in range(1, length + 1)]
    layers = [
        f"a{k} = {activations[k % len(activations)]}(w{k}*{f'a{k - 1}' if k > 1 else 'x'} + b{k})" for k in range(1, length + 1)
    ]
    return "\n".join(["x: input", "y: target", *names, *layers, f"L: loss = (a{length} - y)**2/2"])


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def best(work: Callable[[], object]) -> float:
    """The shortest of three runs, each a fresh start."""

    def run() -> float:
        forget()
        return seconds(work)

    return min(run() for _ in range(3))


def forget() -> None:
    """A fresh start: no form and no lemma is known, and SymPy's cache is empty."""
    clear_cache()
    clear_caches()
    lemma.cache_clear()
    slope_of.cache_clear()
    partial_derivative.cache_clear()


def bare_sympy(length: int, activations: tuple[str, ...]) -> float:
    def work() -> None:
        for k in range(1, length + 1):
            w, b, a = sympy.symbols(f"w{k} b{k} a{k - 1}", real=True)
            body = SYMPY[activations[k % len(activations)]](w * a + b)
            for name in (w, b, a):
                body.diff(name)

    return best(work)


def start_up(*command: str) -> float:
    return min(seconds(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(5))


def main() -> None:
    python = sys.executable
    rows: list[tuple[str, str, str]] = []
    click = start_up(python, "-c", "import click")
    imported = start_up(python, "-c", "import sympy")
    rows.append(("derive --help / import click", f"{start_up(python, '-m', 'derive', '--help') / click:.2f}", "at most 3"))
    gradient = start_up(python, "-m", "derive", "gradient", "logistic")
    rows.append(("derive gradient logistic / import sympy", f"{gradient / imported:.2f}", "at most 3"))
    Model.builtin("logistic").derive().to_dict()  # everything is imported
    for label, activations in (("tanh", ("tanh",)), ("ten activations", TEN)):
        derived, told = {}, {}
        for length in (10, 100, 1000):
            model = Model.parse(chain(length, activations))
            derived[length] = best(model.derive)
            proved = best(lambda m=model: m.derive().prove())
            peer = bare_sympy(length, activations)
            told[length] = best(lambda m=model: json.dumps(m.derive().to_dict()))
            rows.append((f"{label}, {length} equations: derived / SymPy diff", f"{derived[length] / peer:.2f}", "at most 1"))
            rows.append((f"{label}, {length} equations: proved / SymPy diff", f"{proved / peer:.2f}", "at most 3"))
        growth = (told[1000] - told[100]) / (told[100] - told[10])
        rows.append((f"{label}: (t(1000) - t(100)) / (t(100) - t(10)), JSON included", f"{growth:.1f}", "at most 12"))
    print("| what | ratio | goal |\n| --- | --- | --- |")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
