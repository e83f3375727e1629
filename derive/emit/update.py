"""An update rule → the pieces of `update`, `learning_rate` and `train` in the generated module.

In: an `UpdateRule` and what the module's own names are.  Out: finished strings for the template.
Invariant: every line is an assignment of `UpdateRule.assignments`, in that order, beneath its formula.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from derive.emit.brackets import LINE, bracketed
from derive.emit.numpy_code import NumpyPrinter
from derive.emit.python_names import PythonNames
from derive.expression.nodes import Call, Constant, Expression, Index, Ref
from derive.expression.walk import names, transform
from derive.optimizer import BASE_RATE, RATE, STEPS, Schedule
from derive.parse.numbers import number_value
from derive.update_rule import KEYWORDS, NORM, UpdateRule

# What `train` calls its own.
TRAINS = (
    "data", "epochs", "lr", "batch_size", "seed", "tolerance", "params", "callback", "options", "name", "constants",
    "sizes", "count", "state", "history", "rule", "step", "steps", "rng", "rows", "epoch", "order", "total", "batch",
    "part", "value", "values", "grads", "np", "report", "size", "whole", "laid", "work", "runs", "run", "share",
    "start", "theta", "gradient", "rate", "asked", "drawn", "trainer", "advance", "self",
)  # fmt: skip
NORM_CODE = "norm = float(np.sqrt(sum(np.sum(np.square(g)) for g in grads.values())))"


@dataclass(frozen=True, slots=True)
class UpdateCode:
    """What the template fills in; lists of lines, of arguments, of ``{comment, code}``."""

    title: str
    source: str
    head: str  # the line with `def update`
    doc: list[str]  # its docstring
    keeps: list[str]  # lines that fill `state` before the first step
    before: list[dict[str, str]]  # for all parameters at once
    lines: list[dict[str, str]]  # for one parameter
    constants: dict[str, str]  # what the rule's constants are called as arguments of `update`
    arguments: list[str]  # these arguments, with their defaults
    train_arguments: list[str]  # the arguments of `train` beyond those that every module has
    passed: str  # the dictionary in which `train` hands them on to `update`
    passed_deeper: str  # the same four columns further to the right
    schedule: dict[str, Any] | None  # `learning_rate`, where it is not constant
    is_scipys: bool  # then there are no lines, and `train` calls SciPy


def update_code(rule: UpdateRule, lr: str, taken: Iterable[str]) -> UpdateCode:
    """The pieces for a rule; `lr` is the default learning rate, `taken` the names that are options of `train` too."""
    return _Writer(rule, lr, set(taken)).code()


class _Writer:
    def __init__(self, rule: UpdateRule, lr: str, taken: set[str]) -> None:
        self.rule = rule
        self.lr = lr
        self.taken = taken
        o = rule.optimizer
        self.names = PythonNames([])
        self.names.taken |= {"state", "name", "t", "g", "norm", "lr"}
        self.names.table |= {o.gradient: "g", "t": "t", NORM: "norm", RATE: "lr", o.parameter: "params[name]"}
        self.arrays = {o.parameter, o.gradient, *o.states} | {a.target for a in rule.assignments if not a.scalar}
        self.arguments = {name: self.names.new(KEYWORDS.get(name, name)) for name in rule.constants}
        self.names.table |= self.arguments
        self.states = {name: self.names.new(name) for name in o.states}
        self.names.table |= {name: f"{python}[name]" for name, python in self.states.items()}
        self.printer = NumpyPrinter(self.names)

    def code(self) -> UpdateCode:
        o, rule = self.rule.optimizer, self.rule
        scalars = [self.line(a.target, a.value, a.formula) for a in rule.assignments if a.scalar]
        return UpdateCode(
            title=o.title,
            source=o.source,
            head=self.head(),
            doc=self.doc(),
            keeps=self.keeps(),
            before=[*self.opened(), *scalars],
            lines=[self.line(a.target, a.value, a.formula) for a in rule.assignments if not a.scalar],
            constants=self.arguments,
            arguments=self.defaults(self.arguments),
            train_arguments=self.defaults(self.of_train()),
            passed=self.passed(4),
            passed_deeper=self.passed(8),
            schedule=self.schedule(),
            is_scipys=not o.equations,
        )

    def line(self, target: str, value: Expression, formula: str) -> dict[str, str]:
        return {"comment": formula, "code": f"{self.names(target)} = {self.printed(value, target not in self.arrays)}"}

    def printed(self, value: Expression, scalar: bool) -> str:
        """The code; what numpy computes of numbers alone is a number again, or float32 arrays would become float64."""
        if scalar:
            code = self.printer.code(value)
            return f"float({code})" if "np." in code else code
        return self.printer.code(transform(value, self.number))

    def number(self, node: Expression) -> Expression | None:
        if isinstance(node, Call) and not self.arrays & set(names(node)):
            return Constant(f"float({self.printer.code(node)})")
        return None

    def head(self) -> str:
        state = "state" if self.keeps() else "state=None"
        return bracketed(
            "def update(", ["params", "grads", state, f"lr={self.lr}", *self.defaults(self.arguments)], "):"
        )

    def doc(self) -> list[str]:
        """What `update` does, where it is from, and what the letters of its formulas stand for."""
        o = self.rule.optimizer
        renamed = {o.parameter: "params[name]", RATE: "lr", **self.arguments}
        *most, last = [f"{letter} is {python}" for letter, python in renamed.items() if letter != python]
        kept = "  `state`, an empty dictionary at first, is kept from step to step." if self.keeps() else ""
        said = [
            f"{o.source}.{kept}" if o.source else kept.strip(),
            f"Every gradient was computed before any parameter changes.  In the formulas {', '.join(most)} and {last}.",
        ]
        first = f"One step of {o.title}, in place" + ("." if self.keeps() else "; it keeps no `state`.")
        return [first, *(line for text in said for line in textwrap.wrap(text, LINE - 8))]

    def passed(self, indent: int) -> str:
        items = [f"{python}={self.of_train()[name]}" for name, python in self.arguments.items()]
        return bracketed("rule = dict(", items, ")", indent) if items else ""

    def uses(self, name: str) -> bool:
        return any(name in names(a.value) for a in self.rule.assignments)

    def keeps(self) -> list[str]:
        """Lines that give the states their first values, of the type and shape of the parameters."""
        kept = ['state["t"] = 0'] * self.uses("t")
        for name, value in self.rule.optimizer.states.items():
            number = number_value(value)
            first = f" + {number!r}" if number else ""
            arrays = f"{{name: np.zeros_like(value){first} for name, value in params.items()}}"
            kept.append(f'state["{name}"] = {arrays}')
        return kept

    def opened(self) -> list[dict[str, str]]:
        """The states, the step's number and the norm of all gradients, where the rule has them."""
        found = ['t = state["t"] = state["t"] + 1'] * self.uses("t")
        if self.states:
            kept = ", ".join(f'state["{name}"]' for name in self.states)
            found.append(f"{', '.join(self.states.values())} = {kept}")
        found += [NORM_CODE] * self.uses(NORM)
        return [{"comment": "", "code": code} for code in found]

    def of_train(self) -> dict[str, str]:
        """What the constants are called in `train`, whose arguments are the model's own constants too."""
        found: dict[str, str] = {}
        for name in (*self.rule.constants, *self.rule.schedule_constants):
            wanted = self.arguments.get(name, KEYWORDS.get(name, name))
            while wanted in self.taken or wanted in TRAINS:
                wanted += "_"
            found[name] = wanted
        return found

    def defaults(self, named: dict[str, str]) -> list[str]:
        values = self.rule.constants | self.rule.schedule_constants
        return [f"{python}={self.printed(values[name], scalar=True)}" for name, python in named.items()]

    def schedule(self) -> dict[str, Any] | None:
        """``eta[t] = …`` as a function of the step, the number of steps, the learning rate given, and constants."""
        if not self.rule.schedules:
            return None
        constants = list(self.rule.schedule_constants)
        own = PythonNames([])
        own.taken |= {"lr", "t", "T"}
        own.table |= {BASE_RATE: "lr", "t": "t", STEPS: "T"}
        passed = ["step", "steps", "lr", *(self.of_train()[name] for name in constants)]
        return {
            "head": bracketed("def learning_rate(", ["t", "T", "lr", *map(own, constants)], "):"),
            "lines": [_applied(schedule, NumpyPrinter(own)) for schedule in self.rule.schedules],
            "call": f"learning_rate({', '.join(passed)})",
        }


def _applied(schedule: Schedule, printer: NumpyPrinter) -> dict[str, str]:
    """The learning rate after a schedule, by that before it."""
    t = Index(schedule.step)
    value = transform(schedule.value, lambda node: Ref("t") if node == t else None)
    comment = f"{schedule.title}: {RATE}[{t}] = {schedule.value}"
    return {"comment": comment, "code": f"lr = {printer.code(value)}"}
