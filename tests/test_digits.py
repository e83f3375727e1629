"""The prover's numbers: decimals and mpmath's numbers are turned into each other without losing digits."""

import random
from decimal import Decimal
from fractions import Fraction

import mpmath
import pytest

from derive.prove.digits import Uncomputed, digits_now, many_digits, of_mpmath, to_mpmath, working_digits
from derive.prove.primitives import PRIMITIVES, Undefined, divide, power


@pytest.mark.parametrize("digits", [15, 60, 140, 600])
@pytest.mark.parametrize("exponent", [0, 3, 50, 3000, 30_000, 10**8])
def test_there_and_back(digits, exponent):
    generator = random.Random(digits + exponent)
    with working_digits(digits):
        for _ in range(20):
            value = +(
                Decimal(generator.getrandbits(4 * digits)) * Decimal(10) ** generator.randint(-exponent, exponent)
            )
            assert abs(of_mpmath(to_mpmath(value)) - value) <= abs(value) * Decimal(10) ** (1 - digits)
            assert to_mpmath(-value) == -to_mpmath(value)


def test_whole_numbers_fractions_and_zero():
    with working_digits(60):
        assert digits_now() == 60
        assert many_digits(Fraction(1, 3)) * 3 == pytest.approx(Decimal(1), abs=Decimal(10) ** -59)
        assert to_mpmath(Decimal(0)) == 0 and of_mpmath(mpmath.mpf(0)) == 0
        assert to_mpmath(7) == 7 and many_digits(7) == 7 and many_digits(mpmath.mpf(0.25)) == Decimal("0.25")


def test_what_is_beyond_all_use_is_not_computed():
    with working_digits(60):
        with pytest.raises(Uncomputed):
            PRIMITIVES["exp"](Decimal(10) ** 20)
        with pytest.raises(Uncomputed):
            power(Decimal(10) ** (10**13), 9_000)
        with pytest.raises(Undefined):
            divide(Decimal(1), Decimal(0))


def test_functions_have_the_digits_that_are_worked_with():
    for digits in (30, 60, 140):
        with working_digits(digits):
            for name, value in (("exp", mpmath.exp), ("log", mpmath.log), ("sqrt", mpmath.sqrt), ("erf", mpmath.erf)):
                found = PRIMITIVES[name](Decimal(7) / 3)
                assert abs(to_mpmath(found) - value(mpmath.mpf(7) / 3)) < mpmath.mpf(10) ** (3 - digits), name


@pytest.mark.parametrize(("base", "exponent", "value"), [(2, -3, Fraction(1, 8)), (Fraction(2, 3), 2, Fraction(4, 9))])
def test_whole_powers_stay_exact(base, exponent, value):
    assert power(base, exponent) == value
