r"""A formula that no line can hold and that breaks nowhere: the same with its widest parts on two lines.

In: LaTeX from our own printer.  Out: alternatives in order, each narrower than the one before.  What is set on two
lines is the inside of `\left( … \right)`, a numerator or denominator, or the value of a case.
Invariant: an alternative has the same signs in the same order; only `aligned` with its line breaks is added, and a dot
where a product of two brackets is parted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from derive.render.latex_break import OPENING, PRODUCT, RELATION, SUM, tokens_of

LINES = 12  # that are added at most
MOST_TOKENS = 3000  # beyond which a formula is no line of anything
WORTH = 0.85  # an alternative is at most so wide as the one before
NARROW = 25.0  # letters, for which there is room on any page
_FONTS = {r"\displaystyle", r"\mathrm", r"\mathbf", r"\boldsymbol", r"\text", r"\operatorname"}
_BRACKETS = {"{": 1, "(": 1, "[": 1, r"\begin": 1, "}": -1, ")": -1, "]": -1, r"\end": -1}
_FREE = frozenset({*_FONTS, "{", "}", "&", "^", "_"})


@dataclass(frozen=True, slots=True)
class _Group:
    """The tokens from `start` to `stop`, without the brackets.

    A `row` stands on a line of its own already; the brackets of a `low` one do not grow.
    """

    start: int
    stop: int
    row: bool = False
    low: bool = False


def alternatives(latex: str) -> tuple[str, ...]:
    r"""The formula, and what to set where it is too wide.

    >>> for one in alternatives(r"\left(a b c d e f g h i j k l m + n o p q r s t u v w x y\right) z"):
    ...     print(one)
    \left(a b c d e f g h i j k l m + n o p q r s t u v w x y\right) z
    \left(\begin{aligned} & a b c d e f g h i j k l m \\ & \quad {}+ n o p q r s t u v w x y \end{aligned}\right) z
    """
    found = [tokens_of(latex)]
    parted = found[-1]
    for _ in range(LINES if len(parted) <= MOST_TOKENS else 0):
        ways = [(_width(tokens), tokens) for tokens in _parted(parted)]
        least = min((width for width, _ in ways), default=0.0)
        parted = min((tokens for width, tokens in ways if width == least), key=_raggedness, default=[])
        if not parted or _width(found[-1]) < NARROW:
            break
        if _width(parted) <= WORTH * _width(found[-1]):
            found.append(parted)
    return tuple("".join(tokens) for tokens in found)


def _raggedness(tokens: list[str]) -> float:
    """Of two that are as wide, the one with the shorter lines."""
    return sum(_width(tokens[g.start : g.stop]) ** 2 for g in _groups(tokens) if g.row)


def _parted(tokens: list[str]) -> Iterator[list[str]]:
    """The formula with one of its groups on two lines."""
    depths = _depths(tokens)
    for group in _groups(tokens):
        outside = depths[group.start]
        cuts = [k for k in range(group.start + 1, group.stop) if depths[k] == outside and _may_part(tokens, group, k)]
        if not cuts:
            continue
        cut = min(cuts, key=lambda k: _imbalance(tokens, group, k))
        sign = [] if tokens[cut] in SUM | PRODUCT else [r"\cdot "]
        between = [r"\\ ", "& ", r"\quad " if tokens[cut] in SUM else r"\qquad ", "{}", *sign]
        inside = [*tokens[group.start : cut], *between, *tokens[cut : group.stop]]
        if not group.row:
            inside = [r"\begin", "{aligned}", " ", "& ", *inside, " ", r"\end", "{aligned}"]
        if group.low:
            inside = [r"\left", "(", *inside, r"\right", ")"]
        yield [*tokens[: group.start - group.low], *inside, *tokens[group.stop + group.low :]]


def _imbalance(tokens: Sequence[str], group: _Group, cut: int) -> float:
    widest = max(_width(tokens[group.start : cut]), 2 + _width(tokens[cut : group.stop]))
    return widest if tokens[cut] in SUM else 1.25 * widest


def _may_part(tokens: Sequence[str], group: _Group, k: int) -> bool:
    """Before a sign, or between two brackets."""
    before = next((tokens[n] for n in range(k - 1, group.start - 1, -1) if tokens[n].strip()), "")
    if not before or before in SUM | PRODUCT | RELATION | {"&", r"\displaystyle", "^", "_"}:
        return False
    if tokens[k] in SUM | PRODUCT - {r"\,"}:
        return True
    closed = before == ")" and tokens[k - 1] == " "
    return closed and tokens[k] in OPENING


def _depths(tokens: Sequence[str]) -> list[int]:
    """How many brackets are open before each token, and behind the last one."""
    return list(accumulate((_BRACKETS.get(token, 0) for token in tokens), initial=0))


def _groups(tokens: Sequence[str]) -> Iterator[_Group]:
    """What may be parted, outermost first."""
    for k, token in enumerate(tokens):
        if token == r"\left":
            yield _Group(k + 2, _closing(tokens, k))
        elif token == "(" and tokens[k - 1] != r"\left":
            yield _Group(k + 1, _closing(tokens, k), low=True)
        elif token == r"\frac":
            middle = _closing(tokens, k + 1)
            yield _Group(k + 2, middle)
            yield _Group(middle + 2, _closing(tokens, middle + 1))
        elif token == r"\begin" and tokens[k + 1] in {"{cases}", "{aligned}"}:
            yield from _rows(tokens, k, tokens[k + 1] == "{aligned}")


def _rows(tokens: Sequence[str], start: int, aligned: bool) -> Iterator[_Group]:
    """The values of the cases; the lines of what has been parted."""
    end, at = _closing(tokens, start), start + 2
    depths = _depths(tokens[start + 2 : end])
    for k in range(start + 2, end + 1):
        outside = k == end or depths[k - start - 2] == 0
        if outside and (k == end or tokens[k].strip() == r"\\"):
            value = at
            while aligned and tokens[value].strip() in {"", "&", r"\quad", r"\qquad", "{}"}:
                value += 1
            stop = k if aligned else next((i for i in range(at, k) if tokens[i : i + 1] == ["&"]), k) - 2
            yield _Group(value, stop, aligned)
            at = k + 1


def _closing(tokens: Sequence[str], start: int) -> int:
    r"""Where the group that begins there ends: at its brace, its `\right`, its `\end`."""
    opening = {"(": ")"} if tokens[start] == "(" else {"{": "}", r"\left": r"\right", r"\begin": r"\end"}
    depth = 0
    for k in range(start, len(tokens)):
        depth += (tokens[k] in opening) - (tokens[k] in opening.values())
        if depth == 0:
            return k
    return len(tokens)


def _width(tokens: Sequence[str]) -> float:
    """About how many letters wide the tokens are."""
    width, k = 0.0, 0
    while k < len(tokens):
        token = tokens[k]
        if token == r"\frac":
            middle = _closing(tokens, k + 1)
            end = _closing(tokens, middle + 1)
            width += 0.5 + max(_width(tokens[k + 2 : middle]), _width(tokens[middle + 2 : end]))
            k = end
        elif token == r"\begin":
            end = _closing(tokens, k)
            width += 1 + max(map(_width, _lines(tokens[k + 2 : end])))
            k = end + 1
        elif token in {"^", "_"} and k + 1 < len(tokens):
            end = _closing(tokens, k + 1) if tokens[k + 1] == "{" else k + 1
            width += 0.65 * _width(tokens[k + 1 : end + 1])
            k = end
        else:
            width += _letter(token)
        k += 1
    return width


def _lines(tokens: Sequence[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for token, depth in zip(tokens, _depths(tokens), strict=False):
        if depth == 0 and token.strip() == r"\\":
            found.append([])
        else:
            found[-1].append(token)
    return found


def _letter(token: str) -> float:
    if token in _FREE or not token.strip():
        return 0.0
    if token in SUM | RELATION | PRODUCT:
        return 1.6 if token != r"\," else 0.3
    return 2.0 if token in {r"\sum", r"\prod", r"\quad"} else 1.4 if token == r"\ln" else 1.0
