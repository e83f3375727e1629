"""What a model has many times, told once: layers that are equal but for their numbers.

In: a derivation.  Out: for each thing that is told, those that are told by it: the equations, derivatives and gradients
whose expressions and steps are the same but for the numbers at the ends of names, all of which differ by as much.
Kept: fewer than `FEWEST` equal ones are all told.  What is not told is derived and proved like the rest.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, TypeVar

from derive.derivation import Adjoint, Derivation, Result, Step
from derive.differentiate.forms import placeholders
from derive.expression.nodes import Expression, Ref
from derive.expression.walk import rename
from derive.model import Equation, Model, Variable

FEWEST = 3

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Told(Generic[Key]):
    """`by` has, for each that is told, those that are as well told by it."""

    by: Mapping[Key, tuple[Key, ...]] = field(default_factory=dict)

    @cached_property
    def left_out(self) -> frozenset[Key]:
        return frozenset(key for others in self.by.values() for key in others)

    def others(self, key: Key) -> tuple[Key, ...]:
        return self.by.get(key, ())

    def once(self, items: Iterable[Key]) -> list[Key]:
        return [item for item in items if item not in self.left_out]


@dataclass(frozen=True)
class Shown:
    """What is shown of a thing: expressions, its own name first, and whatever else must be equal."""

    expressions: tuple[Expression, ...]
    rest: Hashable = ()


def told_once(items: Iterable[tuple[Key, Shown]]) -> Told[Key]:
    """Which are the same but for the numbers of their names.

    >>> from derive.parse.expression import parse_expression as parse
    >>> lines = {f"z{k}": parse(f"W{k}*a{k - 1} + c") for k in range(1, 5)} | {"L": parse("z4**2")}
    >>> told_once((name, Shown((Ref(name), line))) for name, line in lines.items()).by
    {'z1': ('z2', 'z3', 'z4')}
    """
    groups: dict[Hashable, list[tuple[Key, tuple[int, ...]]]] = defaultdict(list)
    for key, shown in items:
        mapping = placeholders(*shown.expressions)
        parts = [_numbered(name) for name in mapping]
        form = tuple(str(rename(e, mapping)) for e in shown.expressions)
        groups[form, tuple(family for family, _ in parts), shown.rest].append((key, tuple(n for _, n in parts)))
    found: dict[Key, tuple[Key, ...]] = {}
    for group in groups.values():
        while group:
            (first, numbers), *others = group
            same = [key for key, shifted in others if _is_shift(numbers, shifted)]
            if 1 + len(same) >= FEWEST:
                found[first] = tuple(same)
            group = [item for item in others if item[0] not in same]
    return Told(found)


def _numbered(name: str) -> tuple[str, int]:
    """The family and the number: W1_12 is number 12 of W1_; a name without a number has -1."""
    match = re.fullmatch(r"(.*?)(\d{1,9})", name)
    return (match[1], int(match[2])) if match else (name, -1)


def _is_shift(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether the numbers differ by as much as the first ones, or not at all."""
    by = other[0] - one[0]
    return by != 0 and all(b - a in (0, by) for a, b in zip(one, other, strict=True))


def equations_once(model: Model) -> Told[str]:
    """Of the equations that have no role."""
    return told_once((e.name, _equation(e)) for e in model.equations if e.role is None)


def parameters_once(model: Model) -> Told[str]:
    """Of the declarations of parameters: what is given has its place in the table of what is given."""
    return told_once((v.name, _variable(v)) for v in model.variables.values() if v.role == "parameter")


def local_once(derivation: Derivation) -> Told[tuple[str, str]]:
    """Of the local derivatives, from the loss backwards."""
    order = {e.name: k for k, e in enumerate(derivation.model.equations)}
    return told_once(((r.of, r.wrt), _local(r)) for r in sorted(derivation.local, key=lambda r: -order[r.of]))


def _equation(e: Equation) -> Shown:
    entries = [part for entry in e.entries for part in (entry.position, entry.written)]
    return Shown((Ref(e.name), e.written, e.body, *e.shape, *entries), (e.indices, e.first))


def _variable(v: Variable) -> Shown:
    argument = () if v.kind_argument is None else (v.kind_argument,)
    value = () if v.value is None else (v.value,)
    return Shown((Ref(v.name), *v.shape, *argument, *value), (v.kind, v.structure, len(v.shape), bool(value)))


def _local(r: Result) -> Shown:
    return Shown((Ref(r.of), Ref(r.wrt), r.expr, *r.shape, *_lines(r.steps)), (r.indices, _rules(r.steps)))


def shown_adjoint(a: Adjoint, steps: Sequence[Step], results: Iterable[Expression]) -> Shown:
    """A gradient told by these steps and results."""
    edges = [Ref(name) for term in a.terms for name in term[-1]]
    expressions = (Ref(a.name), *edges, *results, *a.result.shape, *_lines(steps))
    return Shown(expressions, (a.result.indices, tuple(map(len, a.terms)), _rules(steps)))


def _lines(steps: Iterable[Step]) -> Iterator[Expression]:
    for step in steps:
        yield step.before
        yield step.after


def _rules(steps: Iterable[Step]) -> Hashable:
    return tuple((step.rule, step.condition is None, step.assumption) for step in steps)
