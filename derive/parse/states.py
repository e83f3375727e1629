"""The next values of states: an equation whose name is declared as a state says what it is after a step.

On its right the name stands for the value before the step.  In the model the next value is a quantity of its own, so
that equations, code and reports need know no other kind; no derivative is taken through it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from derive.errors import DeriveError
from derive.model import Equation, Variable
from derive.parse.sizes import print_shape, same_size
from derive.parse.statements import Statements


def next_values(statements: Statements) -> dict[str, str]:
    """Gives the equations of states names of their own; for each such name the state, ``{"next_m": "m"}``."""
    taken = {*statements.declarations, *statements.definitions, *statements.functions, *statements.ranges}
    found: dict[str, str] = {}
    for d in list(statements.definitions.values()):
        declared = statements.declarations.get(d.name)
        if declared is None or declared.role != "state":
            continue
        if d.role is not None:
            hint = f"give it a name of its own: `out: {d.role} = …`"
            raise DeriveError(f"the next value of the state '{d.name}' is no {d.role}", d.place, hint)
        name = _free(f"next_{d.name}", taken)
        taken.add(name)
        found[name] = d.name
        del statements.definitions[d.name]
        statements.definitions[name] = replace(d, name=name)
    return found


def check_next_values(
    equations: Collection[Equation], states: Mapping[str, str], variables: Mapping[str, Variable]
) -> None:
    """A state keeps its shape."""
    for e in equations:
        if e.name not in states:
            continue
        before = variables[states[e.name]].shape
        if len(before) != len(e.shape) or not all(map(same_size, before, e.shape)):
            message = f"the state '{states[e.name]}' has the shape {print_shape(before)}, its next value"
            raise DeriveError(f"{message} {print_shape(e.shape)}", e.place)


def never_updated(states: Mapping[str, str], variables: Mapping[str, Variable]) -> list[str]:
    """A warning for each state without an equation."""
    found: list[str] = []
    for v in variables.values():
        if v.role == "state" and v.name not in states.values():
            line = f"line {v.place.line}: " if v.place else ""
            found.append(f"{line}no equation says the next value of the state '{v.name}': it stays as it is")
    return found


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name
