"""Equations over steps → index form: ``h[0] = …`` and ``h[t] = … h[t - 1] …``, several that need each other at once.

In: the definitions of one recurrence, in the order of a step, their entries, and the shapes of all other names.  Out:
their equations, whose bodies are distinctions of cases over the first index: ``where(t > 0, rule, entry)``.  An array
that begins at a later step, ``z[t] = … h[t - 1] …`` without z[0], is 0 before, and nothing may ask for it there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from derive.errors import DeriveError
from derive.expression.build import ZERO, number
from derive.expression.nodes import Compare, Expression, Index, Ref, Where
from derive.expression.walk import names, rename_indices, walk
from derive.model import Entry, Equation
from derive.parse import limits
from derive.parse.elaborate import Elaborated
from derive.parse.numbers import constant_value
from derive.parse.order import lag
from derive.parse.ranges import OPEN, check_below_zero, needed_start, smaller
from derive.parse.scope import Body, Shape, Steps
from derive.parse.sizes import check_entries, collected, plus, print_shape, same_shape, same_size
from derive.parse.statements import Definition
from derive.parse.whole import Whole


@dataclass(frozen=True)
class EntryRead:
    """An entry, read: its position, the letters of the axes behind it, its right-hand side."""

    position: Expression
    indices: tuple[str, ...]
    written: Expression


@dataclass(frozen=True)
class Member:
    """One equation of a recurrence: its rule, read, and the entries given apart, by position."""

    definition: Definition
    written: Expression
    entries: tuple[EntryRead, ...]

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def index(self) -> str:
        return self.definition.indices[0]

    def own_steps(self, steps: Steps) -> Steps:
        """With the declared range of the index after a shift: in ``h[t + 1] = …`` from 1 on, where t is from 0."""
        if self.index not in steps.ranges or not self.definition.shift:
            return steps
        first, stop = steps.ranges[self.index]
        moved = max(0, first + self.definition.shift), plus(stop, self.definition.shift)
        return replace(steps, ranges={**steps.ranges, self.index: moved})

    @property
    def is_backward(self) -> bool:
        """Whether the entries given stand at the end."""
        return bool(self.entries) and constant_value(self.entries[0].position) is None


@dataclass(frozen=True)
class Surroundings:
    """What the equations before have told."""

    shapes: Mapping[str, Shape]
    bodies: Mapping[str, Body]
    whole: Whole
    steps: Steps


def equations(members: tuple[Member, ...], around: Surroundings) -> list[Equation]:
    """The equations of a recurrence, or of one array that begins late or has entries given apart."""
    for m in members:
        if not m.definition.indices:
            raise DeriveError(f"'{m.name}' is part of a recurrence and has no step", m.definition.place, _hint(m))
    _check_directions(members)
    return _Recurrence(members, around).equations()


def _hint(m: Member) -> str:
    return f"its left side says the step: {m.name}[t] = …"


def _check_directions(members: tuple[Member, ...]) -> None:
    """Every step needs earlier ones, or every step needs later ones."""
    own = {m.name for m in members}
    seen: dict[bool, Ref] = {}
    for m in members:
        for node in walk(m.written):
            if isinstance(node, Ref) and node.name in own:
                steps = lag(node, m.index)
                if steps:
                    seen[steps > 0] = node
    if len(seen) == 2:
        message = f"this recurrence asks for earlier entries, {seen[False]}, and for later ones, {seen[True]}"
        raise DeriveError(message, seen[True].place, "what runs backwards is a recurrence of its own")


class _Recurrence:
    def __init__(self, members: tuple[Member, ...], around: Surroundings) -> None:
        self.members = members
        self.around = around
        self.own = {m.name for m in members}

    def equations(self) -> list[Equation]:
        rests = self.rests()
        rules = self.elaborated(rests)
        stop = self.stop(rules)
        begins = self.begins(rules)
        return [self.equation(m, rules[m.name], stop, begins) for m in self.members]

    # The shapes of one step.

    def rests(self) -> dict[str, Shape]:
        """The shapes behind the steps: as the entries say, or, where these are scalars, as the rules give."""
        rests: dict[str, Shape | None] = {m.name: self.shape_of_entries(m) for m in self.members}
        try:
            return self.agreed(rests)
        except DeriveError as error:
            loose = [name for name, shape in rests.items() if shape == ()]
            for shape in self.candidates() if loose else ():
                try:
                    return self.agreed({**rests, **dict.fromkeys(loose, shape)})
                except DeriveError:
                    continue
            raise error

    def candidates(self) -> Iterator[Shape]:
        """Shapes that occur in the rules, from the last axes on."""
        known = {n: self.around.shapes[n] for m in self.members for n in names(m.written) if n in self.around.shapes}
        shapes = (shape[k:] for shape in known.values() for k in range(len(shape)))
        yield from sorted(dict.fromkeys(shapes), key=len)

    def shape_of_entries(self, m: Member) -> Shape | None:
        for entry in m.entries:
            found = self.of_entry(entry, m, {})
            return (*(found.range(i) for i in entry.indices), *found.shape)
        return None

    def of_entry(self, entry: EntryRead, m: Member, rests: Mapping[str, Shape]) -> Elaborated:
        a = self.around
        shapes = {**a.shapes, **{name: (OPEN, *rest) for name, rest in rests.items()}}
        place = entry.position.place or m.definition.place
        return Elaborated.of(entry.written, shapes, a.bodies, entry.indices, place, a.whole, a.steps)

    def agreed(self, start: Mapping[str, Shape | None]) -> dict[str, Shape]:
        """The shapes with which every rule gives what the others take it to give."""
        known = {name: shape for name, shape in start.items() if shape is not None}
        for _ in range(len(self.members) + 2):
            before = dict(known)
            for m in self.members:
                if {n for n in names(m.written) if n in self.own} <= set(known):
                    found = self.rule(m, known)
                    rest = (*(found.range(i) for i in m.definition.indices[1:]), *found.shape)
                    if known.get(m.name) not in (None, ()) and not same_shape(known[m.name], rest):
                        message = f"the first entry of '{m.name}' has the shape {print_shape(known[m.name])}"
                        raise DeriveError(f"{message}, its rule gives {print_shape(rest)}", m.definition.place)
                    known[m.name] = rest
            if known == before:
                break
        missing = next((m for m in self.members if m.name not in known), None)
        if missing is not None:
            message = f"nothing says the shape of '{missing.name}'"
            raise DeriveError(message, missing.definition.place, f"give its first entry: {missing.name}[0] = zeros(m)")
        return known

    def rule(self, m: Member, rests: Mapping[str, Shape]) -> Elaborated:
        a, d = self.around, m.definition
        shapes = {**a.shapes, **{name: (OPEN, *rest) for name, rest in rests.items()}}
        steps = replace(m.own_steps(a.steps), begins={**a.steps.begins, **dict.fromkeys(self.own, 1)})
        return Elaborated.of(m.written, shapes, a.bodies, d.indices, d.place, a.whole, steps)

    def elaborated(self, rests: Mapping[str, Shape]) -> dict[str, Elaborated]:
        return {m.name: self.rule(m, rests) for m in self.members}

    # The steps.

    def stop(self, rules: Mapping[str, Elaborated]) -> Expression:
        """Before which step the rules end: at the entries given at the end, else as far as subscripts are in bounds."""
        found: Expression | None = None
        for m in self.members:
            reach = rules[m.name].reach(m.index)
            if m.is_backward:
                first = m.entries[0].position
                reach = smaller(first, reach, m.definition.place, m.index) if reach is not None else first
            if reach is not None:
                found = reach if found is None else smaller(found, reach, m.definition.place, m.index)
        if found is None:
            m = self.members[0]
            message = f"nothing fixes the range of the index '{m.index}'"
            raise DeriveError(message, m.definition.place, f"declare it: `{m.index}: index = range(1, T + 1)`")
        return found

    def begins(self, rules: Mapping[str, Elaborated]) -> dict[str, int]:
        """The step at which each rule begins."""
        given = {m.name: 0 if m.entries else None for m in self.members}
        firsts = {m.name: 0 if m.is_backward else len(m.entries) for m in self.members}
        for _ in range(len(self.members) + 1):
            known = {name: firsts[name] if given[name] is None else 0 for name in firsts}
            for m in self.members:
                steps = m.own_steps(self.around.steps)
                told = steps.ranges[m.index][0] if m.index in steps.ranges else 0
                start = max(told, needed_start(rules[m.name].body, m.index, {**steps.begins, **known}))
                if given[m.name] is None:
                    firsts[m.name] = max(firsts[m.name], start)
                elif start > firsts[m.name]:
                    self.refuse_start(m, start, firsts[m.name])
        if max(firsts.values()) > limits.FIRST_ENTRIES:
            raise DeriveError(f"a rule begins at most at step {limits.FIRST_ENTRIES}", self.members[0].definition.place)
        return firsts

    def refuse_start(self, m: Member, start: int, first: int) -> None:
        entries = ", ".join(f"{m.name}[{k}]" for k in range(first, start))
        message = f"the rule of '{m.name}' holds from step {start} on, its entries are given up to {first - 1}"
        raise DeriveError(message, m.definition.place, f"give {entries}, or shift the subscripts")

    def equation(self, m: Member, rule: Elaborated, stop: Expression, begins: Mapping[str, int]) -> Equation:
        d = m.definition
        indices = (*d.indices, *rule.axes)
        rest = (*(rule.range(i) for i in d.indices[1:]), *rule.shape)
        first = begins[m.name]
        if m.is_backward:
            length = plus(stop, len(m.entries))
            body = _backward(rule.body, self.at_positions(m, indices, rest), m, stop)
        else:
            length = stop
            body = _forward(rule.body, self.at_positions(m, indices, rest), m.index, first)
        shape = (length, *rest)
        check_entries(shape, d.place)
        _check_length(m, length)
        if len(shape) > limits.RANK:
            raise DeriveError(f"an array has at most {limits.RANK} axes", d.place)
        check_below_zero(body, d.place)
        entries = tuple(Entry(e.position, e.written) for e in m.entries)
        return Equation(d.name, indices, m.written, body, shape, d.role, d.place, entries, first)

    def at_positions(self, m: Member, indices: tuple[str, ...], rest: Shape) -> list[Expression]:
        """What the entries say, over the letters of the rule."""
        found: list[Expression] = []
        for k, entry in enumerate(m.entries):
            place = m.definition.place
            if not m.is_backward and constant_value(entry.position) != k:
                message = f"the entries of '{m.name}' are not {m.name}[0], {m.name}[1], …"
                raise DeriveError(message, entry.position.place or place, "they are given from the first on")
            read = self.of_entry(entry, m, {})
            own = (*entry.indices, *read.axes)
            shape = (*(read.range(i) for i in entry.indices), *read.shape)
            if own and not same_shape(shape, rest):
                message = f"the entry {m.name}[{entry.position}] has the shape {print_shape(shape)}"
                raise DeriveError(f"{message}, the others {print_shape(rest)}", entry.position.place or place)
            letters = dict(zip(own, map(Index, indices[1:]), strict=False))
            found.append(rename_indices(read.body, letters))
        return found


def _check_length(m: Member, length: Expression) -> None:
    """All entries that are given have a place, as far as the length is known."""
    known = constant_value(length)
    if known is not None and known < len(m.entries):
        message = f"'{m.name}' has the length {known}, and {len(m.entries)} entries are given"
        raise DeriveError(message, m.entries[-1].position.place or m.definition.place)


def _forward(rule: Expression, entries: list[Expression], index: str, first: int) -> Expression:
    """``where(t > 1, rule, where(t > 0, second, first))``."""
    if not first:
        return rule
    otherwise: Expression = entries[0] if entries else ZERO
    for k, entry in enumerate(entries[1:]):
        otherwise = Where(Compare(">", Index(index), number(k)), entry, otherwise)
    return Where(Compare(">", Index(index), number(first - 1)), rule, otherwise)


def _backward(rule: Expression, entries: list[Expression], m: Member, stop: Expression) -> Expression:
    """``where(t < T, rule, where(t < T + 1, entry, last))``."""
    body = entries[-1]
    for k in range(len(entries) - 2, -1, -1):
        body = Where(Compare("<", Index(m.index), plus(stop, k + 1)), entries[k], body)
    for k, entry in enumerate(m.entries):
        if not same_size(collected(entry.position), plus(stop, k)):
            message = f"the rule of '{m.name}' ends before step {stop}, and its entry is given at {entry.position}"
            raise DeriveError(message, entry.position.place or m.definition.place, f"give {m.name}[{plus(stop, k)}]")
    return Where(Compare("<", Index(m.index), stop), rule, body)
