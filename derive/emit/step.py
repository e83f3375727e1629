"""The function of a fast module that makes a step: an optimised program's statements as lines, and what they bind."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from derive.emit.module import one_line_text, wrapped
from derive.emit.operations import OperationPrinter
from derive.emit.python_names import PythonNames
from derive.expression.build import mul
from derive.expression.nodes import Call, Expression, Ref
from derive.expression.walk import children, names, walk
from derive.lower.passes.loops import by_loop
from derive.lower.passes.operations import SIDE_BY_SIDE
from derive.lower.program import Program, Statement, adjoint_name
from derive.model import Variable


class Step:
    """`given` are the data that the program reads; `size_lines` gives the lines that tell these sizes."""

    def __init__(self, program: Program, table: PythonNames, dtype: str, given: list[Variable]) -> None:
        self.program = program
        self.names = table.copy()
        self.dtype = dtype
        self.given = given
        self.operations = OperationPrinter(program, self.names, {v.name for v in given}, dtype)
        self.lines = self._lines()  # at once: they gather what is to be bound

    # Lines.

    def _lines(self) -> list[str]:
        program = self.program
        reported = [*self._of_statements(program.reported), self._total()]
        return [
            *self._of_statements(program.forward),
            "if report:",
            *(f"    {line}" for line in reported),
            *self._of_statements((*program.backward, *program.gradients)),
        ]

    def _of_statements(self, statements: tuple[Statement, ...]) -> list[str]:
        """Each formula as a comment, then the operations that compute it."""
        found: list[str] = []
        for loop, group in by_loop(statements):
            if loop is None:
                found += self._in_order(group, 8)
            else:
                found += self.operations.in_loop(loop, partial(self._in_order, group, 12))
        return found

    def _in_order(self, statements: list[Statement], indent: int) -> list[str]:
        found: list[str] = []
        formula = ""
        for s in statements:
            lines = self.operations.lines(s)
            if s.formula != formula and lines:
                formula = s.formula
                found += [f"# {one_line_text(line)}" for line in formula.split("; ")]
            for line in lines:
                left, equals, right = line.partition(" = ")
                first, *others = (wrapped(left + equals, right, indent) if equals else line).split("\n")
                found += [first, *(other[indent:] for other in others)]
        return found

    def _total(self) -> str:
        """The line that adds up the loss."""
        loss = self.operations.operand(Ref(self.program.model.loss))
        if self.program.model.loss not in self.program.model.per_example:
            return f"total = float({loss})"
        return f"total = float({self.operations.function('sum')}({loss}))"

    def bound(self, size_lines: list[str], constant: Callable[[Variable], str]) -> list[str]:
        """Parameters, sizes, constants, buffers, and what the step binds besides."""
        model = self.program.model
        alone = self._read_alone()
        parameters = [f'{self.names(p)} = params["{p}"]' for p in model.kept if p in alone]
        gradients = [self._gradient(g) for g in self.program.gradients if g.name.startswith("∂")]
        constants = [
            f"{self.names(v.name)} = np.asarray({constant(v)}, dtype=np.{self.dtype})"
            for v in model.of_role("constant")
            if v.name in alone
        ]
        buffers = [*self.operations.row_buffers(), *self.operations.buffers()]
        bound = [f"{name} = {code}" for code, name in self.operations.bound.items()]
        bound = [line for lines in bound for line in lines.split("\n")]
        sizes = used_lines(size_lines, "\n".join([*buffers, *bound, *self.lines]))
        return [*parameters, *gradients, *sizes, *constants, *buffers, *bound]

    def _gradient(self, g: Statement) -> str:
        for group in self.program.gathered:
            if g.name == adjoint_name("_".join(group)):
                together = Call("gathered", tuple(Ref(p) for p in group))
                return f"{self.names(g.name)} = {self.operations.slice_of('gradient', together)}"
        return f'{self.names(g.name)} = grads["{g.name.removeprefix("∂")}"]'

    # What the function is given.

    @property
    def passed(self) -> list[str]:
        """The data that a step takes as they are, not only as rows of a matrix."""
        alone = self._read_alone()
        return [v.name for v in self.given if v.name in alone]

    @property
    def rows(self) -> dict[str, list[str]]:
        """The data that it takes as rows of a matrix: for its name the rows, with 1 for a row of ones."""
        return self.operations.data_rows()

    def _read_alone(self) -> set[str]:
        return {n for s in self.program.statements for e in parts_without_rows(s.value) for n in names(e)}

    @property
    def arguments(self) -> str:
        return ", ".join([*(self.names(name) for name in self.passed), *self.rows, "report"])

    def sizes_per_example(self) -> list[Expression]:
        """The entries that each buffer has for one example."""
        examples = Ref(self.program.count or "")
        first = {s.buffer: s.whole or s.shape for s in self.program.statements if s.buffer is not None}
        return [
            mul(*(n for n in shape if n != examples)) for shape in first.values() if shape and examples in shape[:2]
        ]


def parts_without_rows(e: Expression) -> list[Expression]:
    """The outermost parts of an expression that are not arrays which lie side by side."""
    if isinstance(e, Call) and e.function in SIDE_BY_SIDE:
        return []
    if not any(isinstance(node, Call) and node.function in SIDE_BY_SIDE for node in walk(e)):
        return [e]
    return [part for child in children(e) for part in parts_without_rows(child)]


def used_lines(lines: list[str], code: str) -> list[str]:
    """The assignments whose names the code has."""
    return [line for line in lines if re.search(rf"\b{re.escape(line.partition(' = ')[0])}\b", code)]
