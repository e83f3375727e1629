"""Odd and hostile input is answered or refused with a clear message, and in time."""

import pytest
from time_limit import time_limit

from derive.errors import DeriveError
from derive.model import Model

REFUSED = {
    "sines": "sin(" * 140 + "w" + ")" * 140,
    "products in sums": "(1 + w*" * 30 + "w" + ")" * 30,
    "cases": "".join(f"where(w > {k}, {k + 1}*w**2, " for k in range(100)) + "w" + ")" * 100,
}
ANSWERED = {
    "fractions": "1/(w + " * 10 + "w" + ")" * 10,
    "a high power": "(1 + w + w**2)**1000",
    "sigmoids": "sigmoid(" * 20 + "w" + ")" * 20,
    "cases": "relu(" * 30 + "w" + ")" * 30,
    "a product": "*".join(f"(3*w + {k})" for k in range(1, 61)),
    "a sum": " + ".join(f"exp({k}*w)" for k in range(1, 201)),
    "quotients": "/".join(f"exp({k}*w)" for k in range(1, 25)),
    "a continued fraction": "".join(f"{k} + w/(" for k in range(1, 20)) + "w" + ")" * 19,
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_nested_too_deeply_is_refused(name):
    with time_limit(5), pytest.raises(DeriveError, match="nested too deeply"):
        Model.parse(f"w: parameter\nL: loss = {REFUSED[name]}")


@pytest.mark.parametrize("name", ANSWERED)
def test_what_is_odd_is_answered_in_time(name):
    with time_limit(15):
        Model.parse(f"w: parameter\nL: loss = {ANSWERED[name]}").derive().prove()


def test_many_entries_of_one_input():
    names = [f"w{k}" for k in range(60)]
    text = "\n".join(f"{name}: parameter" for name in names)
    body = " + ".join(f"{name}*x[{k}]" for k, name in enumerate(names))
    with time_limit(15):
        Model.parse(f"x: input[60]\n{text}\nL: loss = {body}").derive().prove()


P = [f"p{k}" for k in range(1, 8)]
RING = list(zip(P, [*P[1:], P[0]], strict=True))
FRACTIONS = {
    "a long logarithm beside a quotient of sums": "log("
    + "*".join(f"({p} + {q})" for p, q in RING)
    + f") + ({' + '.join(P)})/({' + '.join(f'{p}**2' for p in P)})",
    "a sum of fractions over another": f"({' + '.join(f'1/{p}' for p in P)})/("
    + " + ".join(f"{k}/({p} + {q})" for k, (p, q) in enumerate(RING, 1))
    + ")",
}


@pytest.mark.parametrize("name", FRACTIONS)
def test_fractions_in_many_names_are_not_waited_for(name):
    """Their common divisors have thousands of monomials: once it took more than ten minutes."""
    text = "".join(f"{p}: parameter\n" for p in P) + f"L: loss = {FRACTIONS[name]}"
    with time_limit(15):
        Model.parse(text).derive().prove()


def test_a_divisor_in_another_order_is_no_new_pole():
    Model.parse("w: parameter\nx: input\nL: loss = 1/(1/(w + x*2) + 1/(w + x*3))").derive().prove()
