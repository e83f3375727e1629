"""Numbers for symbolic sizes: unequal primes at which every array has entries.

In: the names of the sizes, and the sizes that arrays and ranges have, ``n - k + 1`` among them.  Out: a prime for each
name, so that no array is square that need not be, and none is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import islice, permutations
from math import prod

from derive.errors import DeriveError
from derive.expression.nodes import Expression
from derive.parse.sizes import polynomial

PRIMES = (3, 5, 2, 7, 11, 13)
SMALLEST_FIRST = (2, 3, 5, 7, 11, 13)  # where sizes are multiples of some
MORE = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43)  # where those leave an array without entries
TRIES = 100_000

Terms = tuple[tuple[tuple[str, ...], Fraction], ...]  # a size as a polynomial: names and coefficient of each term


def numbers_for(names: tuple[str, ...], sizes: Iterable[Expression], swapped: bool) -> dict[str, int]:
    """A prime for each name, all different; now the first is the smaller of the first two, now the larger.

    Raises DeriveError where no primes below 50 give every size at least one entry.

    >>> from derive.parse.expression import parse_expression
    >>> numbers_for(("k", "n"), [parse_expression("n - k + 1")], swapped=False)
    {'k': 3, 'n': 5}
    >>> numbers_for(("k", "n"), [parse_expression("n - k + 1")], swapped=True)
    {'k': 2, 'n': 5}
    """
    sizes = tuple(sizes)
    several = _taken_several_times(sizes)
    names = tuple(sorted(names, key=lambda name: name not in several))
    primes = SMALLEST_FIRST if several else PRIMES
    primes = (primes[1], primes[0], *primes[2:]) if swapped else primes
    usual = {name: primes[k] if k < len(primes) else primes[-1] + 2 * k for k, name in enumerate(names)}
    compound = frozenset(tuple(sorted(terms.items())) for size in sizes if len(terms := polynomial(size) or {}) > 1)
    if all(_value(size, usual) >= 2 for size in compound):
        return usual
    moved = _searched(tuple(name for name in names if any(name in m for size in compound for m, _ in size)), compound)
    left = iter(p for p in (*MORE, *range(MORE[-1] + 2, MORE[-1] + 2 * len(names) + 2, 2)) if p not in moved.values())
    return {name: moved[name] if name in moved else next(left) for name in names}


def _taken_several_times(sizes: tuple[Expression, ...]) -> set[str]:
    """The names that sizes are multiples of, as n of ``4*n``: they come first, so that arrays stay small."""
    terms = [term for size in sizes for term in (polynomial(size) or {}).items()]
    return {name for names, c in terms if c >= 2 for name in names}


@lru_cache(maxsize=1000)
def _searched(names: tuple[str, ...], sizes: frozenset[Terms]) -> dict[str, int]:
    """The smallest primes for which the sizes differ from them and each other, or at least all have an entry."""
    positive = None
    for found in islice(_assignments(names), TRIES):
        values = [_value(size, found) for size in sizes]
        if min(values) >= 1 and all(v.denominator == 1 for v in values):
            positive = positive or found
            if min(values) >= 2 and len({*values, *found.values()}) == len(values) + len(found):
                return found
    if positive is None:
        raise DeriveError("no small sizes were found at which every array has an entry, so nothing can be proved")
    return positive


def _assignments(names: tuple[str, ...]) -> Iterator[dict[str, int]]:
    for count in range(len(names), len(MORE) + 1):
        for primes in permutations(MORE[:count], len(names)):
            if MORE[count - 1] in primes:  # the others came before
                yield dict(zip(names, primes, strict=True))


def _value(size: Terms, numbers: dict[str, int]) -> Fraction:
    return sum((c * prod(numbers.get(name, 1) for name in m) for m, c in size), Fraction(0))
