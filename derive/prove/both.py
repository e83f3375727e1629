"""Numerical comparison of two expressions of which neither was made from the other.

A step may lose poles and never gains one; between what derive found and what a reader wrote either side may have poles,
or be rounded into one where a function saturates.  So values are compared where both sides have them; and where the
first has one at points of moderate size, the second must have it too.
"""

from __future__ import annotations

import random

from derive.expression.nodes import Expression
from derive.prove.digits import working_digits
from derive.prove.named import Hole
from derive.prove.numeric import DIGITS, Evaluator
from derive.prove.sampling import POINTS, RANGES, agree, equal_after_all, positions_of_indices, sample, sides_of
from derive.prove.setting import Setting

MILD = 4  # the first magnitudes that are drawn: there nothing saturates
TRIES = 180


def agree_where_both(first: Expression, second: Expression, setting: Setting) -> bool | None:
    """True where both sides agreed at every point, False where they differed, None where too few points were found."""
    generator = random.Random(20190203)
    compared = 0
    with working_digits(DIGITS):
        for attempt in range(TRIES):
            evaluator = sample(first, second, setting, generator, attempt)
            if evaluator is None:
                continue
            outcome = _compare(first, second, setting, evaluator, attempt % len(RANGES) < MILD)
            if outcome is False:
                return False
            compared += outcome is True
            if compared >= POINTS or (compared >= 3 and setting.shapes):
                return True
    return True if compared >= 2 else None


def _compare(first: Expression, second: Expression, setting: Setting, evaluator: Evaluator, mild: bool) -> bool | None:
    positions = positions_of_indices(first, second, setting, evaluator)
    seen = sides_of(first, second, setting, evaluator, positions)
    if seen is None:
        return None
    comparable = {
        k: pair
        for k, pair in enumerate(seen)
        if not isinstance(pair[0], Hole) and (mild or not isinstance(pair[1], Hole))
    }
    differing = {k: pair for k, pair in comparable.items() if agree(*pair) is False}
    if differing and not equal_after_all(first, second, setting, evaluator, positions, differing):
        return False
    return True if differing or any(agree(*pair) for pair in comparable.values()) else None
