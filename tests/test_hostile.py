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
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_nested_too_deeply_is_refused(name):
    with time_limit(5), pytest.raises(DeriveError, match="nested too deeply"):
        Model.parse(f"w: parameter\nL: loss = {REFUSED[name]}")


@pytest.mark.parametrize("name", ANSWERED)
def test_what_is_odd_is_answered_in_time(name):
    with time_limit(15):
        Model.parse(f"w: parameter\nL: loss = {ANSWERED[name]}").derive().prove()
