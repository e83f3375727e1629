"""How rules are put together: a chain of steps, and the order in which simplifying rules are tried.

No rule is called "simplify": a strategy only chooses among named rules, and every application is a step.
"""

from __future__ import annotations

from collections.abc import Sequence

from derive.derivation import Step
from derive.expression.build import TWO
from derive.expression.nodes import Add, Call, Div, Expression, Mul, Neg, Number, Pow, Reduce
from derive.expression.parts import factors_of
from derive.expression.walk import holds, nodes_of
from derive.rules.arithmetic import ARITHMETIC
from derive.rules.fractions import (
    CANCEL,
    COMMON_DENOMINATOR,
    EXPAND,
    FACTOR,
    LOWEST_TERMS,
    MERGE_FRACTIONS,
    ORDER_TERMS,
    SIGNS,
    length,
)
from derive.rules.guards import CONDITIONS, GUARDED_SUM, GUARDS_OUT, NO_WEIGHT, ONE_TERM
from derive.rules.identities import IDENTITIES
from derive.rules.known_sums import KNOWN_SUM, NAME_QUOTIENT
from derive.rules.rule import Context, Rule
from derive.rules.sharing import may_cancel, may_shorten
from derive.rules.structures import FREE_ENTRIES, SYMMETRY, assumed_structures
from derive.rules.sums import (
    ASSUME,
    CASES,
    CONTRACT,
    DISTRIBUTE,
    EQUAL_INDEX,
    MERGE_SUMS,
    ONE_VALUE,
    PULL_OUT,
    SPLIT,
    SPLIT_DELTA,
)

LONGEST = 400  # steps of one chain; more would mean that rules undo each other


class Chain:
    """An expression on its way: each rule that applies adds a step."""

    def __init__(self, start: Expression, context: Context) -> None:
        self.expr = start
        self.context = context
        self.steps: list[Step] = []
        self._calls: tuple[Expression, frozenset[str]] | None = None

    def calls(self) -> frozenset[str]:
        """The functions that occur in the expression."""
        if self._calls is None or self._calls[0] is not self.expr:
            found = frozenset(node.function for node in nodes_of(self.expr, Call))
            self._calls = (self.expr, found)
        return self._calls[1]

    def apply(self, rule: Rule) -> bool:
        if len(self.steps) >= LONGEST or not rule.needs <= self.calls():
            return False
        after = rule.apply(self.expr, self.context)
        if after is None or after == self.expr:
            return False
        assumption = None
        if rule is ASSUME:
            assumption = "; ".join(str(a) for a in self.context.assumptions if a.op == "==")
        elif rule is SYMMETRY:
            assumption = assumed_structures(self.expr, self.context)
        self.steps.append(Step(rule.name, self.expr, after, condition(self.expr, after), assumption))
        self.expr = after
        return True

    def exhaust(self, rules: Sequence[Rule]) -> None:
        """Applies the rules in turn until none fits."""
        changed = True
        while changed and len(self.steps) < LONGEST:
            changed = any(self.apply(rule) for rule in rules)

    def fork(self) -> Chain:
        other = Chain(self.expr, self.context)
        other.steps = list(self.steps)
        return other

    def take(self, other: Chain) -> None:
        self.expr, self.steps = other.expr, other.steps


def condition(before: Expression, after: Expression) -> str | None:
    """What `before` divides by and `after` does not: ``a != 0`` and so on."""
    old = _divisors(before)
    new = _divisors(after) if old else {}
    gone = [d for d in old if d not in new]
    return " and ".join(f"{d} != 0" for d in gone) or None


def _divisors(e: Expression) -> dict[Expression, None]:
    found: dict[Expression, None] = {}
    for node in nodes_of(e, Div):
        for factor in factors_of(node.denominator):
            base = getattr(factor, "base", factor)
            if not isinstance(base, Number) and not _positive(base):
                found[base] = None
    return found


def _positive(e: Expression) -> bool:
    """Whether a divisor cannot vanish, seen at once: exponentials, positive numbers, even powers beside them."""
    match e:
        case Number():
            return e.value > 0
        case Call(function="exp" | "cosh"):
            return True
        case Add():
            square = [isinstance(t, Pow) and t.exponent == TWO for t in e.terms]
            return all(s or _positive(t) for s, t in zip(square, e.terms, strict=True)) and not all(square)
        case Mul():
            return all(map(_positive, e.factors))
        case Reduce(op="sum", condition=None):
            return _positive(e.body)
        case Pow():
            return _positive(e.base)
    return False


def denominators(e: Expression) -> int:
    """How many factors stand below a line."""
    return sum(not isinstance(f, Number) for node in nodes_of(e, Div) for f in factors_of(node.denominator))


TENSOR_RULES = (
    CASES, EQUAL_INDEX, DISTRIBUTE, SPLIT, GUARDED_SUM, CONTRACT, CONDITIONS, ONE_TERM, SPLIT_DELTA, MERGE_SUMS,
    PULL_OUT,
)  # fmt: skip
TIDY_RULES = (
    *(ARITHMETIC, ONE_VALUE, GUARDS_OUT, NO_WEIGHT, FREE_ENTRIES, SYMMETRY),
    *(*IDENTITIES, CANCEL, MERGE_FRACTIONS),
)

# Ways to a shorter form; the first that gives the shortest is taken.
ROADS: tuple[tuple[Rule, ...], ...] = (
    (EXPAND, CANCEL, ARITHMETIC),
    (COMMON_DENOMINATOR, EXPAND, CANCEL, SIGNS, ARITHMETIC),
    (CANCEL, FACTOR, CANCEL, SIGNS),
    (LOWEST_TERMS, SIGNS, ARITHMETIC),
)


def simplify(chain: Chain) -> None:
    """Brings the chain's expression to its textbook form: the shortest that the roads find, terms in order."""
    tidy_up(chain)
    if chain.context.assumptions and chain.apply(ASSUME):
        tidy_up(chain)
    through_equations(chain)
    while True:
        best: Chain | None = None
        if may_shorten(chain.expr):
            for road in ROADS if may_cancel(chain.expr) else ROADS[:-1]:
                fork = chain.fork()
                for rule in road:
                    fork.apply(rule)
                if _better(fork.expr, chain.expr if best is None else best.expr, chain.expr):
                    best = fork
        if best is None:
            break
        chain.take(best)
        tidy_up(chain)
        through_equations(chain)
    chain.apply(ORDER_TERMS)
    chain.apply(SIGNS)


def through_equations(chain: Chain) -> None:
    """Sums and quotients that the equations around know by another name."""
    if chain.context.equations and any(chain.apply(rule) for rule in (KNOWN_SUM, NAME_QUOTIENT)):
        tidy_up(chain)
        through_equations(chain)


def tidy_up(chain: Chain) -> None:
    """Sums and deltas contracted, fractions merged and cancelled, until nothing changes."""
    done = -1
    while done != len(chain.steps):
        done = len(chain.steps)
        if holds(chain.expr, Reduce):
            chain.exhaust((ARITHMETIC, FREE_ENTRIES, *TENSOR_RULES))
        chain.exhaust(TIDY_RULES)


def _better(new: Expression, best: Expression, old: Expression) -> bool:
    if denominators(new) > denominators(old):
        return False
    if _makes_one_fraction(new, old) and denominators(new) >= denominators(old):
        return False
    return length(new) < length(best)


def _makes_one_fraction(new: Expression, old: Expression) -> bool:
    """A sum of fractions is not joined into one for its own sake: only where a denominator goes."""
    return isinstance(_plain(old), Add) and not isinstance(_plain(new), Add) and denominators(old) > 1


def _plain(e: Expression) -> Expression:
    return e.arg if isinstance(e, Neg) else e
