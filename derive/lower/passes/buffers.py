"""Buffers by lifetime: a value is written over one that nobody reads any more, else into a free or a new buffer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from derive.expression.nodes import Both, Call, Compare, Expression, Number, Ref, Where
from derive.expression.walk import children, names
from derive.lower.passes.loops import by_loop
from derive.lower.passes.mapping import SECTIONS, section, with_sections
from derive.lower.passes.operations import is_operation
from derive.lower.passes.scalars import pinned
from derive.lower.program import Program, Statement, asks_which_step
from derive.lower.shapes import is_elementwise
from derive.model import Shape

Kind = tuple[Shape, bool]  # a shape, and whether it is of truth values


def buffers_assigned(program: Program) -> Program:
    """A buffer for each value that numpy can write into one; a buffer is named by the model's first value in it."""
    allocation = _Allocation(_last_uses(program), pinned(program))
    placed = {name: [allocation.placed(s, name == "gradients") for s in section(program, name)] for name in SECTIONS}
    return _named(with_sections(program, placed))


def _named(program: Program) -> Program:
    """Buffers under the name of the first value in them that the model names, if there is one."""
    names: dict[str, str] = {}
    for s in program.statements:
        if s.buffer is not None and s.named and s.buffer not in names:
            names[s.buffer] = s.name
    sections = {
        name: [replace(s, buffer=names.get(s.buffer or "", s.buffer)) for s in section(program, name)]
        for name in SECTIONS
    }
    return with_sections(program, sections)


def is_truth(e: Expression) -> bool:
    return isinstance(e, (Compare, Both))


def is_copy(e: Expression) -> bool:
    """Of data, which may be whole numbers."""
    return isinstance(e, Call) and e.function == "copied"


def _last_uses(program: Program) -> dict[str, int]:
    """For each name the last statement that reads it, or reads what may be a view of it."""
    last: dict[str, int] = {}
    behind: dict[str, frozenset[str]] = {}  # what a value that has no buffer may be a view of
    ends = _ends_of_loops(program)
    made: dict[str, int] = {}
    for k, s in enumerate(program.statements):
        read = frozenset(names(s.value))
        everything = read.union(*(behind.get(name, frozenset()) for name in read))
        if not has_buffer(s):
            behind[s.name] = everything
        made[s.name] = k
        for name in (s.name, *everything):  # what is older than the loop is read again in its next step
            last[name] = k if ends[k] == ends[made.get(name, k)] else ends[k]
    end_of_loss = len(program.forward) + len(program.reported) - 1
    loss = program.model.loss
    for name in (loss, *behind.get(loss, ())):
        last[name] = max(last.get(name, 0), end_of_loss)
    return last


def has_buffer(s: Statement) -> bool:
    """Whether numpy can write the value into a given array."""
    return s.shape is not None and is_operation(s.value) and not asks_which_step(s)


def _ends_of_loops(program: Program) -> list[int]:
    """For each statement the place of the first one behind its loop, or its own."""
    found: list[int] = []
    for name in SECTIONS:
        for loop, group in by_loop(section(program, name)):
            first = len(found)
            found += [first + len(group)] * len(group) if loop else range(first, first + len(group))
    return found


@dataclass(slots=True)
class _Allocation:
    last: dict[str, int]
    pinned: frozenset[str]  # what has a place of its own
    free: dict[Kind, list[str]] = field(default_factory=dict)
    held: dict[str, tuple[str, Kind]] = field(default_factory=dict)  # for each living value its buffer
    position: int = -1

    def placed(self, s: Statement, in_gradients: bool) -> Statement:
        self.position += 1
        buffer = None
        if s.name in self.pinned or s.at is not None or is_copy(s.value) or (in_gradients and s.name.startswith("∂")):
            buffer = s.name
        elif s.shape is not None and has_buffer(s):
            kind = (s.shape, is_truth(s.value))
            buffer = self.in_place(s, kind) or self.unused(kind) or s.name
            self.held[s.name] = (buffer, kind)
        self.release()
        return replace(s, buffer=buffer)

    def in_place(self, s: Statement, kind: Kind) -> str | None:
        """The buffer of an operand that is read here for the last time."""
        operands = (s.value.otherwise,) if isinstance(s.value, Where) else _plain(s.value)
        for operand in operands if is_elementwise(s.value) else ():
            if isinstance(operand, Ref) and not operand.indices and operand.name in self.held:
                buffer, its = self.held[operand.name]
                if its == kind and self.last[operand.name] == self.position:
                    del self.held[operand.name]
                    return buffer
        return None

    def unused(self, kind: Kind) -> str | None:
        left = self.free.get(kind)
        return left.pop() if left else None

    def release(self) -> None:
        """Buffers of what is read no more are free for the statements that follow."""
        for name in [name for name in self.held if self.last[name] <= self.position]:
            buffer, kind = self.held.pop(name)
            self.free.setdefault(kind, []).append(buffer)


def _plain(e: Expression) -> list[Expression]:
    return [part.arg if hasattr(part, "arg") else part for part in children(e) if not isinstance(part, Number)]
