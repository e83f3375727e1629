"""Statements of an optimised program as numpy source: one call each, which writes into its buffer.

What a step needs besides (views, numbers as arrays, numpy's functions under short names) is bound once, outside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property

from derive.emit.numpy_code import NumpyPrinter
from derive.emit.python_names import PythonNames
from derive.emit.step_views import StepViews, loop_code
from derive.expression.nodes import (
    Add,
    Both,
    Call,
    Compare,
    Div,
    Expression,
    Index,
    Item,
    MatMul,
    Mul,
    Neg,
    Number,
    Pow,
    Ref,
    Transpose,
    Where,
)
from derive.expression.walk import names, walk
from derive.functions import FUNCTIONS
from derive.lower.passes.buffers import has_buffer, is_copy, is_truth
from derive.lower.passes.loops import WHOLE, is_zero, step_of
from derive.lower.passes.operations import CONSTANT_ARRAYS, is_atom
from derive.lower.passes.scalars import pinned
from derive.lower.program import Loop, Program, Statement
from derive.lower.shapes import shape_of

COMPARISONS = {"<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal", "==": "equal", "!=": "not_equal"}
REDUCTIONS = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}
BY_KEYWORD = ("maximum", "minimum", "clip")
NUMBERS = {"0": "zero", "1": "one", "2": "two", "0.5": "half"}


class OperationPrinter:
    """`data` are the names that come anew with every batch; `bound` gathers the lines that are carried out once."""

    def __init__(self, program: Program, names: PythonNames, data: set[str], dtype: str) -> None:
        self.program = program
        self.names = names
        self.shapes = program.shapes
        self.dtype = "" if dtype == "float64" else f", dtype=np.{dtype}"
        self.buffer: dict[str, str] = {s.name: s.buffer for s in program.statements if s.buffer is not None}
        without = {s.name for s in program.statements if s.buffer is None}
        self.data = data
        self.row_names: dict[Call, str] = {}
        self.changing = data | without  # what is not the same array in every step
        self.numbers = {v.name for v in program.model.of_role("size", "examples")} | {program.count or ""}
        self.integers = {v.name for v in program.model.variables.values() if v.kind == "integer"}
        self.integers |= {s.name for s in program.statements if is_copy(s.value) and set(s.read) & self.integers}
        self.bound: dict[str, str] = {}  # code, and the name that it is bound to
        self.functions: set[str] = set()
        self.views: StepViews | None = None  # of the loop that is being printed
        self.steps = {s.loop.index for s in program.statements if s.loop}
        scalars = frozenset(self.steps | self.numbers)
        self.printer = NumpyPrinter(lambda name: names(self.buffer.get(name, name)), scalars)

    # Buffers.

    @cached_property
    def examples_last(self) -> bool:
        """Whether matrices over the examples lie in memory with the examples along the rows.

        Sums, maxima and broadcasts over the other axis are fast then; rows that are looked up by number lie one after
        another, and so do axes that are taken for one.
        """
        if any(isinstance(e, Call) and e.function == "reshape" for s in self.program.statements for e in walk(s.value)):
            return False
        if any(s.at is not None for s in self.program.statements):
            return False  # what is one step of an array lies as the array does
        shapes = [s.shape for s in self.program.statements if s.shape and s.shape[0] == Ref(self.program.count or "")]
        return all(len(shape) <= 2 for shape in shapes) and not any(
            isinstance(s.value, Ref) and s.value.indices and s.shape and len(s.shape) > 1
            for s in self.program.statements
        )

    def buffers(self) -> list[str]:
        """The lines that make the buffers; gradients have theirs already."""
        results = {s.name for s in self.program.gradients if s.buffer == s.name and s.name.startswith("∂")}
        results |= pinned(self.program)  # these are rows of another array
        first: dict[str, Statement] = {}
        for s in self.program.statements:
            if s.buffer is not None and s.buffer not in results:
                first.setdefault(s.buffer, s)
        return [f"{self.names(buffer)} = {self.empty(s)}" for buffer, s in first.items()]

    def empty(self, s: Statement) -> str:
        if s.at is not None:  # the steps that no statement computes are 0
            whole = ", ".join(self.printer.code(size) for size in s.whole or ())
            return f"np.zeros(({whole}){self.dtype})" if "," in whole else f"np.zeros({whole}{self.dtype})"
        sizes = [self.printer.code(size) for size in s.shape or ()]
        dtype = ", dtype=bool" if is_truth(s.value) else ", dtype=int" if s.name in self.integers else self.dtype
        if self.is_turned(s):
            return f"np.empty(({', '.join(sizes[::-1])}){dtype}).T"
        if len(sizes) == 1:
            return f"np.empty({sizes[0]}{dtype})"
        return f"np.empty(({', '.join(sizes)}){dtype})"

    def is_turned(self, s: Statement) -> bool:
        """Whether a matrix lies in memory with the examples along its rows."""
        if s.shape is None or len(s.shape) != 2 or s.shape[0] != Ref(self.program.count or ""):
            return False
        return self.examples_last

    # Operands.

    def operand(self, e: Expression) -> str:
        match e:
            case Number() | Neg(arg=Number()):
                code = f"np.array({self.printer.code(e)}{self.dtype or ', dtype=float'})"
                return self.bind(code, NUMBERS.get(self.printer.code(e), "number"))
            case Ref(indices=()) if e.name in self.numbers:
                return self.bind(f"np.array({self.printer.code(e)}{self.dtype or ', dtype=float'})", "count")
            case Call(function="gathered"):
                return self.bind(self.slice_of("theta", e), "_".join(_names_of(e)))
            case Call(function="rows"):
                return self.rows(e)
            case Call() if e.function in CONSTANT_ARRAYS:
                return self.bind(self.constant(e), e.function)
        if any(isinstance(node, Index) and node.name in self.steps for node in walk(e)):
            return self.of_step(e)
        code = self.printer.code(e)
        kind = _kind_of_view(e)
        if kind is not None:
            if isinstance(e, (Item, Ref)) and shape_of(e, self.shapes) == ():
                code = f"{code[:-1]}, ...]"  # a view, where numpy would give a number
            if not names(e).keys() & self.changing:
                return self.bind(code, f"{self.base(e)}_{kind}")
        return code

    def of_step(self, e: Expression) -> str:
        """What is another view in every step of a loop: laid out beforehand, once for all."""
        code = self.printer.code(e)
        if not isinstance(e, Ref) or names(e).keys() & self.changing or step_of(e) is None:
            return code
        is_number = shape_of(e, self.shapes) == ()
        if self.views is None:
            return f"{code[:-1]}, ...]" if is_number else code
        return self.views.name(e, self.names(self.buffer.get(e.name, e.name)), is_number)

    def in_loop(self, loop: Loop, print_lines: Callable[[], list[str]]) -> list[str]:
        """A loop with its lines: over views that are made once, over numbers if a line asks for these."""
        for views in (StepViews(loop, self.names, self.printer), None):
            self.views = views
            lines = print_lines()
            self.views = None
            index = self.names(loop.index)
            if views is None or not views.found or any(_asks_for(index, line) for line in lines):
                header = loop_code(loop, self.printer)
                continue
            header = views.header(self.bind(views.list(), "back" if loop.backwards else "forth"))
            break
        return [*header.split("\n"), *(f"    {line}" for line in lines)] if lines else []

    def slice_of(self, vector: str, e: Call) -> str:
        """Parameters that lie side by side, at the beginning of the vector of all."""
        start = 0
        for group in self.program.gathered:
            if list(group) == _names_of(e):
                return f"{vector}[{start}:{start + len(group)}]"
            start += len(group)
        raise ValueError(f"{e} is no group of parameters")

    def rows(self, e: Call) -> str:
        """The matrix whose rows are data, laid out beforehand, or nodes."""
        if e not in self.row_names:
            self.row_names[e] = self.names.new("rows")
        return self.row_names[e]

    def row_buffers(self) -> list[str]:
        """The lines that make the matrices whose rows are nodes, and those that name the rows."""
        lines: list[str] = []
        for e, name in self.row_names.items():
            if not self.is_data(e):
                lines.append(
                    f"{name} = np.ones(({len(e.args)}, {self.printer.code(Ref(self.program.count or ''))}){self.dtype})"
                )
                lines += [f"{self.names(a.name)} = {name}[{k}]" for k, a in enumerate(e.args) if isinstance(a, Ref)]
        return lines

    def data_rows(self) -> dict[str, list[str]]:
        """For each matrix of data its rows, with 1 for a row of ones."""
        return {
            name: [a.name if isinstance(a, Ref) else "1" for a in e.args]
            for e, name in self.row_names.items()
            if self.is_data(e)
        }

    def is_data(self, e: Call) -> bool:
        return set(names(e)) <= self.data

    def constant(self, e: Call) -> str:
        code = self.printer.code(e)
        return code if e.function == "arange" or not self.dtype else f"{code[:-1]}{self.dtype})"

    def base(self, e: Expression) -> str:
        first = next((node.name for node in walk(e) if isinstance(node, Ref) and node.name not in self.numbers), None)
        return "positions" if first is None else self.names(self.buffer.get(first, first))

    def bind(self, code: str, wanted: str) -> str:
        """The name that a view or a constant is bound to, outside of the step."""
        if code not in self.bound:
            self.bound[code] = self.names.new(wanted)
        return self.bound[code]

    def function(self, name: str) -> str:
        """numpy's function under a short name."""
        return self.bind(f"np.{name}", name.replace(".", "_"))

    def call(self, function: str, *args: str) -> str:
        """A call that writes into the last argument; by its place, which is quicker, where numpy takes it so."""
        *given, out = args
        last = f"out={out}" if function in BY_KEYWORD else out
        return f"{self.function(function)}({', '.join([*given, last])})"

    # Statements.

    def lines(self, s: Statement) -> list[str]:
        """The statement's source."""
        if s.buffer is None:
            return [f"{self.names(s.name)} = {self.as_written(s)}"]
        if s.at is not None and is_zero(s.value):
            return []
        out = self.names(s.buffer) if s.at is None else self.operand(Ref(s.buffer, self.place(s)))
        return self.written(s, s.value, out) or [f"{out}[...] = {self.printer.code(s.value)}"]

    def place(self, s: Statement) -> tuple[Expression, ...]:
        """The subscripts of what a statement computes of an array."""
        return () if s.at is None else (s.at, *(WHOLE for _ in (s.whole or ())[1:]))

    def as_written(self, s: Statement) -> str:
        """The value as readable code has it, in the numbers that are computed with; helpers know float64 alone."""
        code = self.printer.code(s.value)
        plain = not self.dtype or s.shape is None or is_atom(s.value) or is_truth(s.value)
        return code if plain else f"np.asarray({code}{self.dtype})"

    def written(self, s: Statement, e: Expression, out: str) -> list[str]:
        """An operation that writes into `out`; nothing where there is none."""
        if not has_buffer(s):
            return []
        match e:
            case Add(terms=(u, Neg(arg=v))) if not isinstance(v, Number):
                return [self.call("subtract", self.operand(u), self.operand(v), out)]
            case Add(terms=(u, v)):
                return [self.call("add", self.operand(u), self.operand(v), out)]
            case Mul(factors=(u, v)):
                return [self.call("multiply", self.operand(u), self.operand(v), out)]
            case Div(numerator=u, denominator=v):
                return [self.call("divide", self.operand(u), self.operand(v), out)]
            case Pow(base=u, exponent=v):
                return [self.call("power", self.operand(u), self.operand(v), out)]
            case Neg(arg=u):
                return [self.call("negative", self.operand(u), out)]
            case Compare(left=u, right=v):
                return [self.call(COMPARISONS[e.op], self.operand(u), self.operand(v), out)]
            case Both(conditions=(u, v)):
                return [self.call("logical_and", self.operand(u), self.operand(v), out)]
            case Where():
                return self.cases(e, out)
            case MatMul():
                return [self.product(s, e, out)]
            case Call(function="reshape", args=(MatMul() as product, *_)):
                shape = ", ".join(self.printer.code(n) for n in shape_of(product, self.shapes) or ())
                if s.loop is not None and s.at is not None:
                    return [self.product(s, product, f"{out}.reshape({shape})")]
                return [self.product(s, product, self.bind(f"{out}.reshape({shape})", f"{out}_matrix"))]
            case Ref(indices=(rows,)):
                return [f'{self.function("take")}({self.names(e.name)}, {self.operand(rows)}, 0, {out}, "clip")']
            case Call():
                return self.function_call(e, out)
        return []

    def cases(self, e: Where, out: str) -> list[str]:
        otherwise = self.operand(e.otherwise)
        first = [] if otherwise == out else [self.call("copyto", out, otherwise)]
        return [*first, f"{self.function('copyto')}({out}, {self.operand(e.then)}, where={self.operand(e.condition)})"]

    def product(self, s: Statement, e: MatMul, out: str) -> str:
        """np.dot is the quicker call, but takes arrays of one kind of number alone."""
        if any(name in self.integers for name in names(e)):
            return f"{self.function('matmul')}({self.operand(e.left)}, {self.operand(e.right)}, {out})"
        if self.is_turned(s):
            left, right = (_turned(side) for side in (e.right, e.left))
            return self.call("dot", self.operand(left), self.operand(right), self.bind(f"{out}.T", f"{out}_T"))
        return self.call("dot", self.operand(e.left), self.operand(e.right), out)

    def function_call(self, e: Call, out: str) -> list[str]:
        if e.function == "scatter_add":
            return [f"{out}[...] = 0", self.call("add.at", out, *(self.operand(arg) for arg in e.args[:2]))]
        args = [self.operand(arg) for arg in e.args]
        if e.function in REDUCTIONS:
            axis = self.printer.code(e.options[0][1]) if e.options else "None"
            return [self.call(f"{REDUCTIONS[e.function]}.reduce", args[0], axis, "None", out)]
        if e.function == "copied":
            return [self.call("copyto", out, args[0])]
        if e.function in ("outer", "matmul"):
            return [self.call(e.function, *args, out)]
        if e.function == "einsum":
            many = ", optimize=True" if len(args) > 2 else ""
            return [f'np.einsum("{e.options[0][1]}", {", ".join(args)}, out={out}{many})']
        return [self.elementwise(e, args, out)]

    def elementwise(self, e: Call, args: list[str], out: str) -> str:
        """A function that numpy has: its row of the table says under which name, and with which numbers."""
        found = re.fullmatch(r"np\.(\w+)\((.*)\)", FUNCTIONS[e.function].numpy)
        if found is None:
            raise ValueError(f"{e.function} is no single call of numpy")
        given = [part.strip() for part in found[2].split(",")]
        filled = [args[int(part[1:])] if part.startswith("#") else self.literal(part) for part in given]
        return self.call(found[1], *filled, out)

    def literal(self, code: str) -> str:
        return self.bind(f"np.array({code}{self.dtype or ', dtype=float'})", NUMBERS.get(code, "number"))


def _asks_for(index: str, line: str) -> bool:
    return not line.startswith("#") and re.search(rf"\b{index}\b", line) is not None


def _kind_of_view(e: Expression) -> str | None:
    """What a view adds to the name of its array."""
    match e:
        case Transpose() | Call(function="transpose"):
            return "T"
        case Call(function="reshape"):
            return "matrix"
        case Item():
            return "view"
        case Ref():
            return "view" if e.indices else None
    return None


def _turned(e: Expression) -> Expression:
    return e.arg if isinstance(e, Transpose) else Transpose(e)


def _names_of(e: Call) -> list[str]:
    return [a.name for a in e.args if isinstance(a, Ref)]
