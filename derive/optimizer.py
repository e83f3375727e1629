"""Optimisers and learning-rate schedules: how parameters change from step to step, read from the model language.

In: the name of a file of `optimizers/` or `schedules/`.  Out: an `Optimizer` or a `Schedule`.  A text says what papers
say: ``m[t]`` is a value after step t, ``m[t-1]`` the one before, and t counts the steps from 1.  It declares one
`parameter` and one `input`, its gradient; each `state` with its value before the first step; each `constant` with its
value (``eta`` is the learning rate).  Equations are elementwise and stand in the order in which they are computed.
Invariant: what is read here can be computed: every name has a value where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from derive.errors import DeriveError, did_you_mean, printable
from derive.expression.build import ONE, neg
from derive.expression.nodes import Add, Call, Expression, Index, MatMul, Reduce, Ref, Transpose
from derive.expression.walk import walk
from derive.functions import FUNCTIONS
from derive.parse.naming import Naming
from derive.parse.numbers import number_value
from derive.parse.source import Source
from derive.parse.statements import Declaration, Definition, Statements, read_statements
from derive.resources import optimizer_dir, schedule_dir

ALIASES = {"sgd": "gradient-descent", "gd": "gradient-descent", "heavy-ball": "momentum", "l-bfgs": "lbfgs"}
SCIPYS = {"lbfgs": ("L-BFGS", "Liu and Nocedal 1989, in SciPy's implementation")}
RATE, BASE_RATE, STEPS = "eta", "eta_0", "T"


@dataclass(frozen=True, slots=True)
class StepEquation:
    """``name[t] = value``; `value` speaks of names at t, names at t - 1, constants, and t itself."""

    name: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Stepwise:
    """What a text says; `step` is the letter that counts the steps, from 1."""

    name: str
    title: str
    source: str
    constants: Mapping[str, Expression]
    equations: tuple[StepEquation, ...]
    step: str = "t"


@dataclass(frozen=True, slots=True)
class Optimizer(Stepwise):
    """An update rule: the names of the parameter and its gradient, and the states with their values at the start.

    One without equations is SciPy's.
    """

    parameter: str = "theta"
    gradient: str = "g"
    states: Mapping[str, Expression] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Schedule(Stepwise):
    """A learning rate ``eta[t]`` by ``eta_0``, the one given, t and the number of steps ``T``."""

    @property
    def value(self) -> Expression:
        return self.equations[0].value


def optimizer_names() -> list[str]:
    """The optimisers there are, in alphabetical order; gradient descent first.

    >>> optimizer_names()[:3]
    ['gradient-descent', 'adagrad', 'adam']
    """
    found = sorted([*(path.stem for path in optimizer_dir().glob("*.optimizer")), *SCIPYS])
    return sorted(found, key=lambda name: name != "gradient-descent")


def schedule_names() -> list[str]:
    """The learning-rate schedules there are, in alphabetical order.

    >>> schedule_names()
    ['constant', 'cosine', 'step', 'warm-up']
    """
    return sorted(path.stem for path in schedule_dir().glob("*.schedule"))


def load_optimizer(name: str) -> Optimizer:
    """The optimiser of that name.

    >>> [f"{e.name}[t] = {e.value}" for e in load_optimizer("momentum").equations]
    ['v[t] = mu*v[t - 1] + g[t]', 'theta[t] = theta[t - 1] - eta*v[t]']
    """
    plain = _plain(name)
    plain = ALIASES.get(plain, plain)
    _check_known("optimizer", name, plain, optimizer_names(), ALIASES)
    if plain in SCIPYS:
        return Optimizer(plain, *SCIPYS[plain], {}, ())
    return read_optimizer(_text(optimizer_dir() / f"{plain}.optimizer"), plain)


def load_schedule(name: str) -> Schedule:
    """The schedule of that name.

    >>> str(load_schedule("cosine").value)
    'eta_0*(1 + cos(pi*(t - 1)/T))/2'
    """
    plain = _plain(name)
    _check_known("schedule", name, plain, schedule_names(), ())
    return read_schedule(_text(schedule_dir() / f"{plain}.schedule"), plain)


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "-").replace(" ", "-")


def _check_known(what: str, name: str, plain: str, known: list[str], aliases: Mapping[str, str] | tuple[()]) -> None:
    if plain not in known:
        hint = did_you_mean(plain, [*known, *aliases]) or f"one of {', '.join(known)}"
        raise DeriveError(f"there is no {what} '{printable(name)}'", hint=hint)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def read_optimizer(text: str, name: str) -> Optimizer:
    """An optimiser from its text; every mistake is a `DeriveError` with its place."""
    try:
        return _Reader(text, ("parameter", "input", "state", "constant")).optimizer(name)
    except DeriveError as error:
        raise error.within(text, f"{name}.optimizer") from None


def read_schedule(text: str, name: str) -> Schedule:
    """A schedule from its text; every mistake is a `DeriveError` with its place."""
    try:
        return _Reader(text, ("size", "constant")).schedule(name)
    except DeriveError as error:
        raise error.within(text, f"{name}.schedule") from None


class _Reader:
    """Reads the declarations of the given roles, and the equations."""

    def __init__(self, text: str, roles: tuple[str, ...]) -> None:
        self.said: Statements = read_statements(text, stepwise=True)
        self.naming = Naming(Source(text), self.said)
        for d in self.said.declarations.values():
            if d.role not in roles:
                hint = f"the roles are {', '.join(roles)}"
                raise DeriveError(f"the role '{d.role}' has no place here", d.place, hint)
            if d.shape:
                raise DeriveError(f"'{d.name}' has a shape", d.place, "an update is elementwise: leave it out")
        definitions = list(self.said.definitions.values())
        if not definitions or any(len(d.indices) != 1 for d in definitions):
            place = next((d.place for d in definitions if len(d.indices) != 1), None)
            hint = "for example v[t] = mu*v[t-1] + g[t]"
            raise DeriveError("an equation says what a name is after step t", place, hint)
        self.step = definitions[0].indices[0]
        title, _, source = self.said.title.partition(":")
        self.title, self.source = title.strip(), source.strip()

    def optimizer(self, name: str) -> Optimizer:
        parameter, gradient = self.only("parameter"), self.only("input")
        states = {d.name: self.number(d) for d in self.of("state")}
        changing = (parameter, *states)
        for missing in (n for n in changing if n not in self.said.definitions):
            place = self.said.declarations[missing].place
            hint = f"write {missing}[{self.step}] = …"
            raise DeriveError(f"nothing says what '{missing}' is after a step", place, hint)
        constants = {d.name: self.number(d) for d in self.of("constant")}
        if RATE not in constants:
            raise DeriveError(f"there is no learning rate '{RATE}'", hint=f"declare it: `{RATE}: constant = 0.01`")
        equations = self.equations(now={gradient}, before=set(changing))
        said = (name, self.title or name, self.source)
        return Optimizer(*said, constants, equations, self.step, parameter, gradient, states)

    def schedule(self, name: str) -> Schedule:
        if list(self.said.definitions) != [RATE]:
            raise DeriveError("a schedule has one equation", hint=f"it says what {RATE}[{self.step}] is")
        known = (STEPS, BASE_RATE)
        constants = {d.name: self.number(d) for d in self.said.declarations.values() if d.name not in known}
        return Schedule(name, self.title or name, self.source, constants, self.equations(set(), set()), self.step)

    def of(self, role: str) -> list[Declaration]:
        return [d for d in self.said.declarations.values() if d.role == role]

    def only(self, role: str) -> str:
        found = self.of(role)
        if len(found) != 1:
            what = {"parameter": "parameter", "input": "input, its gradient"}[role]
            raise DeriveError(f"an optimizer has one {what}", found[1].place if found else None)
        return found[0].name

    def number(self, d: Declaration) -> Expression:
        value = None if d.value is None else self.naming.read(d.value)
        if value is None or number_value(value) is None:
            raise DeriveError(f"'{d.name}' has no value", d.place, f"for example `{d.name}: {d.role} = 0.9`")
        return value

    def equations(self, now: set[str], before: set[str]) -> tuple[StepEquation, ...]:
        """In order; `now` and `before` are the names that have a value at t, and at t - 1."""
        found: list[StepEquation] = []
        for d in self.said.definitions.values():
            found.append(StepEquation(d.name, self.right_side(d, now, before)))
            now = now | {d.name}
        return tuple(found)

    def right_side(self, d: Definition, now: set[str], before: set[str]) -> Expression:
        if d.indices != (self.step,):
            raise DeriveError(f"the steps are counted by '{self.step}'", d.place)
        e = self.naming.read(d.value, indices=d.indices)
        for node in walk(e):
            if isinstance(node, Ref):
                self.check(node, now, before)
            elif not _is_elementwise(node):
                raise DeriveError("an update is elementwise", node.place or d.place)
        return e

    def check(self, e: Ref, now: set[str], before: set[str]) -> None:
        """Whether the name has a value there."""
        t = Index(self.step)
        declared = self.said.declarations.get(e.name)
        if declared is not None and declared.role in ("constant", "size"):
            allowed: list[tuple[Expression, ...]] = [()]
        else:
            allowed = [(t,)] * (e.name in now) + [(Add((t, neg(ONE))),)] * (e.name in before)
        if e.indices not in allowed:
            raise DeriveError(f"'{e}' has no value here", e.place, _spellings(e.name, allowed))


def _is_elementwise(e: Expression) -> bool:
    return e.function in FUNCTIONS if isinstance(e, Call) else not isinstance(e, (Reduce, MatMul, Transpose))


def _spellings(name: str, allowed: list[tuple[Expression, ...]]) -> str:
    if not allowed:
        return f"the equation of '{name}' stands further down"
    return "write " + " or ".join(str(Ref(name, indices)) for indices in allowed)
