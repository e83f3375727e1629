"""An update rule over all parameters at once: elementwise assignments as single calls on vectors.

In: assignments in the order in which they are carried out, over the vector of all parameters, that of their gradients,
the rule's states, and scalars.  Out: the lines of a step, and those that make what they need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from derive.emit.numpy_code import NumpyPrinter
from derive.emit.operations import OperationPrinter
from derive.emit.python_names import PythonNames
from derive.emit.update import TRAINS
from derive.expression.nodes import Expression, Ref
from derive.expression.walk import names as names_of
from derive.expression.walk import rename, transform
from derive.lower.passes.buffers import buffers_assigned
from derive.lower.passes.operations import single_operations
from derive.lower.program import Program, Statement
from derive.model import Model, Variable
from derive.optimizer import RATE
from derive.parse.numbers import number_value
from derive.update_rule import NORM, UpdateRule

SIZE = Ref("size of all")
Assignment = tuple[str, Expression]  # the name that gets the value


@dataclass(frozen=True, slots=True)
class FlatUpdate:
    """`bound` lines are carried out once, `lines` in every step."""

    bound: list[str]
    lines: list[str]


def flat_update(
    assignments: Sequence[Assignment], vectors: Mapping[str, str], scalars: Mapping[str, str], dtype: str = "float64"
) -> FlatUpdate:
    """The update of vectors (parameters, states) by assignments to them, and to names for what is in between.

    `vectors` and `scalars` are what there is, with its names in code; scalars are numbers or arrays without axes.  A
    name that is read after it was assigned to has its new value.

    >>> from derive.parse.expression import parse_expression
    >>> descent = [("theta", parse_expression("theta - eta*g"))]
    >>> flat_update(descent, {"theta": "theta", "g": "gradient"}, {"eta": "rate"}).lines
    ['multiply(rate, gradient, t1)', 'subtract(theta, t1, theta)']
    """
    statements, last, numbers = _numbered(assignments, set(scalars))
    program = buffers_assigned(single_operations(_program(statements, vectors, [*scalars, *numbers])))
    written = {value: name for name, value in last.items() if name in vectors}
    placed = tuple(replace(s, buffer=written.get(s.name, s.buffer or s.name)) for s in program.forward)
    names = PythonNames(())
    names.taken |= {*vectors.values(), *scalars.values()}
    names.table |= {**vectors, **scalars}
    for s, (target, _) in zip(statements, assignments, strict=True):
        names.table[s.name] = names.new(target)
    printer = OperationPrinter(replace(program, forward=placed), names, set(), dtype)
    lines = [f"{names(name)} = {number_code_of(printer.printer.code(value))}" for name, value in numbers.items()]
    lines += [line for s in placed for line in printer.lines(s)]
    between = dict.fromkeys(s.buffer for s in placed if s.buffer is not None and s.buffer not in vectors)
    like = next(iter(vectors.values()))
    made = [f"{names(name)} = np.empty_like({like})" for name in between]
    return FlatUpdate([*made, *(f"{name} = {code}" for code, name in printer.bound.items())], lines)


def _numbered(
    assignments: Sequence[Assignment], scalars: set[str]
) -> tuple[list[Statement], dict[str, str], dict[str, Expression]]:
    """Each assignment under a name of its own, by the present values of what it reads; the last name of each target;
    and what scalars give alone, which is computed first."""
    statements: list[Statement] = []
    now: dict[str, str] = {}
    numbers: dict[Expression, str] = {}

    def alone(e: Expression) -> Expression | None:
        if isinstance(e, Ref) or not names_of(e) or not set(names_of(e)) <= scalars:
            return None
        return Ref(numbers.setdefault(e, f"s{len(numbers) + 1}"))

    for k, (target, value) in enumerate(assignments):
        present = rename(transform(value, alone), now)
        now[target] = f"{target} {k}"
        statements.append(Statement(now[target], (), present, f"{target} = {value}", shape=(SIZE,), named=False))
    return statements, now, {name: e for e, name in numbers.items()}


def _program(statements: list[Statement], vectors: Mapping[str, str], scalars: list[str]) -> Program:
    variables = {name: Variable(name, "constant", (SIZE,) if name in vectors else ()) for name in (*vectors, *scalars)}
    model = Model("update", "", "", variables, (), "", ())
    return Program(model, tuple(statements), (), (), None)


def number_code_of(code: str) -> str:
    """What numpy computes of numbers alone is a number again, or float32 arrays would become float64."""
    return f"float({code})" if "np." in code else code


def rule_update(rule: UpdateRule, constants: Mapping[str, str], dtype: str) -> FlatUpdate:
    """The update of a rule: of the vector ``theta`` by ``gradient`` and the number ``rate``.

    `constants` are the rule's, with their names in code.  The states are vectors, which the dictionary ``state`` holds
    too; its ``t`` counts the steps where the rule speaks of it.
    """
    optimizer = rule.optimizer
    table = PythonNames(())
    table.taken |= {*TRAINS, *constants.values()}
    scalars = {RATE: "rate", "t": "t", NORM: "norm"} | dict(constants)
    scalars |= {a.target: table.new(a.target) for a in rule.assignments if a.scalar}
    vectors = {optimizer.parameter: "theta", optimizer.gradient: "gradient"}
    vectors |= {name: table.new(name) for name in optimizer.states}
    update = flat_update([(a.target, a.value) for a in rule.assignments if not a.scalar], vectors, scalars, dtype)
    read = {name for a in rule.assignments for name in names_of(a.value)}
    printer = NumpyPrinter(lambda name: scalars[name])
    states = [
        f'{vectors[name]} = state["{name}"] = np.zeros_like(theta){_first(value)}'
        for name, value in optimizer.states.items()
    ]
    before = ['t = state["t"] = state["t"] + 1'] * ("t" in read)
    before += ["norm = float(np.sqrt(np.dot(gradient, gradient)))"] * (NORM in read)
    before += [f"{scalars[a.target]} = {number_code_of(printer.code(a.value))}" for a in rule.assignments if a.scalar]
    return FlatUpdate([*['state["t"] = 0'] * ("t" in read), *states, *update.bound], [*before, *update.lines])


def _first(value: Expression) -> str:
    number = number_value(value)
    return f" + {number!r}" if number else ""
