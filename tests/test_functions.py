"""Every row of the function table in generated code: value and derivatives against mpmath, far out, tiny, and at kinks."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType

import mpmath
import numpy as np
import pytest
from function_reference import KINKS, NATIVE

from derive.derivation import Derivation
from derive.errors import DeriveError
from derive.functions import ALIASES, ARRAY_FUNCTIONS, AXIS_FUNCTIONS, FUNCTIONS, REDUCTIONS, Function
from derive.model import Model

DIGITS = 50
VALUE, SLOPE = 1e-12, 1e-9  # relative errors; a slope may be the difference of terms of the size of 1
LARGEST = mpmath.mpf(10) ** 290
SMALLEST = mpmath.mpf(10) ** -290  # below it, numbers lose digits before they vanish

ONE = (
    *(-1000.25, -300.4, -38.7, -25.3, -9.7, -5.9, -2.9, -1.1, -0.9, -0.3, -1e-3, -1e-10),
    *(1e-10, 1e-3, 0.3, 0.49, 0.51, 0.9, 0.999999, 1.000001, 1.1, 1.9, 2.9, 5.9, 9.7, 25.3, 38.7, 300.4, 1000.25),
)
TWO = (-1000.25, -25.3, -0.7, -1e-10, 1e-10, 0.3, 1.4, 9.7, 1000.25)
THREE = (-300.4, -0.7, 1e-10, 0.3, 1.4, 300.4)
FOUR = (-0.7, 0.3, 1.4, 300.4)
ORDERS = (0.0, 1.0, 2.0, 5.0)
# Parameters that are taken from elsewhere: orders, shapes, labels, probabilities, widths.
PARAMETERS: dict[tuple[str, str], tuple[float, ...]] = {
    **{(name, "k"): ORDERS for name in ("jv", "iv", "ive")},
    **{(name, "k"): (0.0, 2.0) for name in ("yv", "kv", "kve")},
    ("polygamma", "k"): (1.0, 2.0, 3.0),
    **{(name, "a"): (0.3, 1.0, 9.7, 80.5) for name in ("gammainc", "gammaincc", "betainc")},
    **{(name, "x"): (1e-3, 0.3, 1.4, 9.7, 60.5) for name in ("gammainc", "gammaincc")},
    ("betainc", "b"): (0.3, 1.0, 9.7, 80.5),
    ("betainc", "x"): (1e-10, 0.1, 0.5, 0.9),
    ("binary_cross_entropy", "p"): (1e-10, 0.1, 0.5, 0.9, 0.999999),
    ("sigmoid_focal_loss", "z"): (-300.4, -9.7, -0.3, 1e-10, 0.7, 9.7, 300.4),
    ("sigmoid_focal_loss", "alpha"): (0.25, 0.7),
    ("sigmoid_focal_loss", "gamma"): (1.0, 2.0),
    **{
        (name, "y"): (0.0, 0.3, 1.0)
        for name in ("binary_cross_entropy", "binary_cross_entropy_with_logits", "sigmoid_focal_loss")
    },
    ("kl_div_loss", "y"): (1e-10, 0.3, 1.0),
    **{(name, "y"): (-1.0, 1.0) for name in ("soft_margin_loss", "hinge_embedding_loss", "margin_ranking_loss")},
    ("celu", "alpha"): (0.3, 1.0, 9.7),
    **{(name, "u"): (1e-3, 0.3, 1.4, 9.7, 300.4) for name in ("k0", "k1", "kv", "k0e", "k1e", "kve")},
    **{(name, "lam"): (1e-10, 0.3, 9.7) for name in ("softshrink", "hardshrink")},
    **{(name, p): (1e-10, 0.3, 9.7, 1000.25) for name in ("rel_entr", "kl_div", "beta", "betaln") for p in "uv"},
    ("lchoose", "n"): (10.3, 60.5, 1000.25),
    ("lchoose", "k"): (1e-3, 0.3, 1.4, 9.7),
    ("clip", "low"): (-300.4, -0.7, 1e-10),
    ("clip", "high"): (1e-3, 1.4, 300.4),
}
# What the rounding of the arguments alone leaves where a value, or a slope, is a small difference of larger terms.
CANCELLING = {"sinc": 1e-15, "lerp": 1e-12}
CANCELLING_SLOPES = {
    ("pseudo_huber", "delta"): 1e-11,
    ("sinc", "u"): 1e-9,
    ("huber_loss", "delta"): 1e-12,
    **{("beta", p): 1e-4 for p in "uv"},
}


def points(row: Function) -> list[tuple[float, ...]]:
    usual = {1: ONE, 2: TWO, 3: THREE, 4: FOUR}[len(row.parameters)]
    return list(itertools.product(*(PARAMETERS.get((row.name, p), usual) for p in row.parameters)))


@cache
def derivation_of(name: str) -> Derivation:
    """A model whose loss is the function itself, with a parameter for each argument that it can be derived by."""
    row = FUNCTIONS[name]
    lines = [f"q{p}: {role(row, k)}" for k, p in enumerate(row.parameters)]
    call = f"{name}({', '.join(f'q{p}' for p in row.parameters)})"
    return Model.parse("\n".join([*lines, f"L: loss = {call}"])).derive()


@cache
def module_of(name: str) -> ModuleType:
    return derivation_of(name).compile()


def source_of(name: str) -> str:
    return derivation_of(name).generate()


def role(row: Function, argument: int) -> str:
    return "constant" if row.partials and row.partials[argument] is None else "parameter"


def _arguments(name: str, point: tuple[float, ...]) -> tuple[dict[str, np.float64], dict[str, float]]:
    """The parameters and the constants of the function's model."""
    row = FUNCTIONS[name]
    params: dict[str, np.float64] = {}
    constants: dict[str, float] = {}
    for k, x in enumerate(point):
        if role(row, k) == "constant":
            constants[f"q{row.parameters[k]}"] = x
        else:
            params[f"q{row.parameters[k]}"] = np.float64(x)
    return params, constants


@contextmanager
def strict() -> Iterator[None]:
    """A numpy warning is an error."""
    with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("error")
        yield


def value_of(name: str, point: tuple[float, ...]) -> float:
    params, constants = _arguments(name, point)
    with strict():
        return float(module_of(name).loss(params, **constants))


def slopes_of(name: str, point: tuple[float, ...]) -> dict[str, float]:
    params, constants = _arguments(name, point)
    with strict():
        _, grads = module_of(name).loss_and_gradients(params, **constants)
    return {p.removeprefix("q"): float(slope) for p, slope in grads.items()}


def exact(name: str, point: tuple[float, ...]) -> mpmath.mpf | None:
    """The value with 50 digits; None outside of the domain, and where floating-point numbers end."""
    try:
        value = NATIVE[name](*map(mpmath.mpf, point))
    except (ValueError, ZeroDivisionError, OverflowError, TypeError, mpmath.libmp.NoConvergence):
        return None
    if isinstance(value, mpmath.mpc):
        if value.imag != 0:
            return None
        value = value.real
    return value if mpmath.isfinite(value) and abs(value) < LARGEST else None


def exact_slope(name: str, point: tuple[float, ...], argument: int) -> mpmath.mpf | None:
    """The central difference, with digits to spare; None at a kink, a jump, and the edge of the domain."""
    with mpmath.workdps(3 * DIGITS):
        step = mpmath.mpf(10) ** -DIGITS
        args = list(map(mpmath.mpf, point))
        values = []
        for side in (-1, 0, 1):
            moved = [*args[:argument], args[argument] + side * step, *args[argument + 1 :]]
            values.append(exact(name, tuple(moved)))
        if any(value is None for value in values):
            return None
        left, right = (values[1] - values[0]) / step, (values[2] - values[1]) / step
        if abs(left - right) > mpmath.mpf(10) ** -12 * max(1, abs(left)):
            return None
        slope = (left + right) / 2
    return slope if abs(slope) < LARGEST else None


def agrees(found: float, wanted: mpmath.mpf, relative: float, absolute: float = 0.0) -> bool:
    return abs(found - wanted) <= relative * abs(wanted) + absolute + SMALLEST


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_value_far_out_and_near_zero(name: str) -> None:
    compared = 0
    with mpmath.workdps(DIGITS):
        for point in points(FUNCTIONS[name]):
            with mpmath.workdps(3 * DIGITS):
                wanted = exact(name, point)
            if wanted is None:
                continue
            found = value_of(name, point)
            assert agrees(found, wanted, VALUE, CANCELLING.get(name, 0.0)), (
                f"{name}{point} = {found}, not {mpmath.nstr(wanted, 17)}"
            )
            compared += 1
    assert compared >= 4


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_derivatives_far_out_and_near_zero(name: str) -> None:
    compared = check_slopes(name, points(FUNCTIONS[name]))
    assert compared >= 4


def check_slopes(name: str, at: list[tuple[float, ...]]) -> int:
    """Compares every derivative of the generated code at points at which there is one."""
    compared = 0
    with mpmath.workdps(DIGITS):
        for point in at:
            if exact(name, point) is None:
                continue
            slopes = [exact_slope(name, point, k) for k in range(len(point))]
            if all(slope is None for slope in slopes):
                continue
            found = slopes_of(name, point)
            for parameter, wanted in zip(FUNCTIONS[name].parameters, slopes, strict=True):
                if wanted is not None and parameter in found:
                    absolute = CANCELLING_SLOPES.get((name, parameter), 1e-14)
                    assert agrees(found[parameter], wanted, SLOPE, absolute), (
                        f"d{name}/d{parameter} at {point} = {found[parameter]}, not {mpmath.nstr(wanted, 17)}"
                    )
                    compared += 1
    return compared


@pytest.mark.parametrize(("name", "at", "argument", "wanted"), KINKS)
def test_the_code_follows_the_convention_at_a_kink(
    name: str, at: tuple[float, ...], argument: int, wanted: str
) -> None:
    found = slopes_of(name, tuple(map(float, at)))[FUNCTIONS[name].parameters[argument]]
    assert found == pytest.approx(float(wanted), abs=1e-12)


@pytest.mark.parametrize(("name", "at"), dict.fromkeys((name, at) for name, at, *_ in KINKS))
def test_the_code_is_right_on_both_sides_of_a_kink(name: str, at: tuple[float, ...]) -> None:
    sides = [(at[0] + side, *map(float, at[1:])) for side in (-1e-3, 1e-3)]
    assert check_slopes(name, sides) >= 2


@pytest.mark.parametrize(
    "call", ["xlogy(w, w)", "entr(w)", "kl_div_loss(1, w)+w", "rel_entr(w, 1)", "xlog1py(w, w - 1)"]
)
def test_a_logarithm_that_is_multiplied_by_0_does_not_count(call: str) -> None:
    module = Model.parse(f"w: parameter\nL: loss = {call}").derive().compile()
    with strict():
        assert module.loss({"w": np.float64(0)}) == 0


def test_other_spellings_lead_to_functions_and_hide_none() -> None:
    known = {*FUNCTIONS, *AXIS_FUNCTIONS, *ARRAY_FUNCTIONS, *REDUCTIONS}
    assert set(ALIASES.values()) <= known
    assert not set(ALIASES) & known


def test_the_table_has_what_the_field_uses() -> None:
    assert len(FUNCTIONS) >= 120


@pytest.mark.parametrize("name", FUNCTIONS)
def test_only_functions_without_short_code_need_scipy(name: str) -> None:
    """The module imports SciPy, and says so in its first lines, exactly where the row does."""
    source = source_of(name)
    needs = "scipy" in FUNCTIONS[name].numpy
    assert ("import scipy.special" in source) == needs
    assert ("Needs SciPy" in source.partition("import")[0]) == needs


def test_a_bessel_function_has_no_derivative_by_its_order() -> None:
    model = Model.parse("n: parameter\nx: input\nL: loss = jv(n, x)")
    with pytest.raises(DeriveError, match="'jv' has no known derivative with respect to its argument k"):
        model.derive()


@pytest.mark.parametrize("width", [1, 3])
def test_functions_take_arrays(width: int) -> None:
    """Helpers are vectorised: a batch gives what its examples give one by one."""
    for name in ("log_ndtr", "erfinv", "erfcinv", "betaln", "kl_div", "squareplus", "j1", "lambertw", "tanhshrink"):
        row = FUNCTIONS[name]
        call = f"{name}({', '.join(['w*x', '1/3'][: len(row.parameters)])})"
        module = Model.parse(f"x: input[{width}]\nw: parameter\nL: loss = sum({call})").derive().compile()
        x = np.linspace(0.2, 0.9, 4 * width).reshape(4, width)
        together, grads = module.loss_and_gradients({"w": np.float64(0.8)}, x=x)
        each = [module.loss_and_gradients({"w": np.float64(0.8)}, x=x[k : k + 1]) for k in range(4)]
        assert together == pytest.approx(np.mean([loss for loss, _ in each]), rel=1e-13)
        assert float(grads["w"]) == pytest.approx(np.mean([float(g["w"]) for _, g in each]), rel=1e-13)
