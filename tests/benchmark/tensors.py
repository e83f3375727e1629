"""Ratios for derivations in matrix form, taken in one run: ``python tests/benchmark/tensors.py``.

Tanh networks of 4 to 256 layers against SymPy's `diff` of the scalar right-hand sides (every edge once, with real symbols
and a cleared cache); a net of six layers of three against SymPy's `diff` of the composed loss, and against tensorgrad's
`full_simplify` where that is installed.
"""

from __future__ import annotations

import importlib.util

import sympy
from derivation import best

from derive.model import Model
from derive.render.json import to_dict

DEPTHS = (4, 16, 64, 256)


def network(depth: int, width: str = "d") -> str:
    """``z1 = W1 @ x + b1``, ``a1 = tanh(z1)``, … with a squared error at the end."""
    lines = [f"{width}: size"] if width == "d" else []
    lines += [f"x: input[{width}]", f"y: target[{width}]"]
    for k in range(1, depth + 1):
        lines += [f"W{k}: parameter[{width}, {width}]", f"b{k}: parameter[{width}]"]
    for k in range(1, depth + 1):
        lines += [f"z{k} = W{k} @ {f'a{k - 1}' if k > 1 else 'x'} + b{k}", f"a{k} = tanh(z{k})"]
    return "\n".join([*lines, f"L: loss = sum((a{depth} - y)**2)/2"])


def scalar_edges(depth: int) -> float:
    """SymPy on z = w*a + b and a = tanh(z), each layer's edges once."""

    def work() -> None:
        for k in range(1, depth + 1):
            w, b, a, z = sympy.symbols(f"w{k} b{k} a{k - 1} z{k}", real=True)
            for name in (w, a, b):
                (w * a + b).diff(name)
            sympy.tanh(z).diff(z)

    return best(work)


def composed(depth: int, width: int) -> float:
    """SymPy on the whole loss written out in the weights, one derivative for each."""

    def work() -> None:
        values = [sympy.Symbol(f"x{i}", real=True) for i in range(width)]
        weights = []
        for k in range(depth):
            matrix = [[sympy.Symbol(f"w{k}_{i}_{j}", real=True) for j in range(width)] for i in range(width)]
            weights += [w for row in matrix for w in row]
            values = [sympy.tanh(sum(w * v for w, v in zip(row, values, strict=True))) for row in matrix]
        loss = sum((v - sympy.Symbol(f"y{i}", real=True)) ** 2 for i, v in enumerate(values)) / 2
        loss.diff(weights[0])

    return best(work)


def main() -> None:
    Model.builtin("mlp").derive().to_dict()  # everything is imported
    derived, length = {}, {}
    rows: list[tuple[str, str, str]] = []
    for depth in DEPTHS:
        model = Model.parse(network(depth))
        derived[depth] = best(model.derive)
        peer = scalar_edges(depth)
        proved = best(lambda m=model: m.derive().prove())
        length[depth] = sum(len(g["latex"]) for g in to_dict(model.derive())["gradients"])
        rows.append(
            (f"{depth} layers: derived / SymPy diff of the scalar sides", f"{derived[depth] / peer:.2f}", "at most 3")
        )
        rows.append((f"{depth} layers: proved / SymPy diff of the scalar sides", f"{proved / peer:.2f}", ""))
    rows.append(("256 layers / 16 layers, derived", f"{derived[256] / derived[16]:.1f}", "at most 20"))
    rows.append(("256 layers / 16 layers, LaTeX of the gradients", f"{length[256] / length[16]:.1f}", "16: linear"))
    six = best(Model.parse(network(6, "3")).derive)
    rows.append(
        (
            "six layers of three: derived / SymPy diff of the composed loss by one weight",
            f"{six / composed(6, 3):.3f}",
            "below 1",
        )
    )
    if importlib.util.find_spec("tensorgrad") is None:
        rows.append(("five layers: derived / tensorgrad's full_simplify", "not installed", "below 1"))
    print("| what | ratio | goal |\n| --- | --- | --- |")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
