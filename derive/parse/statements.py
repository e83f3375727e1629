"""A model's text → its statements: declarations, equations, functions, assumptions, with their places.

In: the text.  Out: `Statements`, in the order of the text; right-hand sides stay `ast` until every name is known.
"""

from __future__ import annotations

import ast
import keyword
import re
from dataclasses import dataclass, field

from derive.errors import DeriveError, Place, did_you_mean
from derive.model import Spelling
from derive.parse import limits
from derive.parse.layers import Layers, find_layers, loop, subscripts_of
from derive.parse.source import Source, parse_python
from derive.parse.spelling import HINT, is_spelling, read_spelling, text_of

ROLES = ("input", "target", "parameter", "constant", "noise", "state", "size", "examples", "index")
EQUATION_ROLES = ("loss", "output")
PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
NUMBERED = ("size", "constant")  # ``m[0]: size`` stands outside of loops; ``w[3]: parameter`` seems to mean a shape
RESERVED = ("D", "assume", "inf", "range")


@dataclass(frozen=True, slots=True)
class Declaration:
    name: str
    role: str
    shape: tuple[ast.expr, ...]
    value: ast.expr | None
    place: Place
    layers: Layers = field(default_factory=Layers)


@dataclass(frozen=True, slots=True)
class Definition:
    """An equation, not yet read: ``name[indices]: role = value``."""

    name: str
    indices: tuple[str, ...]
    role: str | None
    value: ast.expr
    place: Place
    layers: Layers = field(default_factory=Layers)
    shift: int = 0  # of the first index: ``h[t + 1] = …``


@dataclass(frozen=True, slots=True)
class EntryText:
    """An entry that a recurrence begins with, ``h[0] = …`` or ``g[T, i] = …``; `indices` stand behind its position."""

    name: str
    position: ast.expr
    indices: tuple[str, ...]
    value: ast.expr
    place: Place
    layers: Layers


@dataclass(frozen=True, slots=True)
class IndexRange:
    """``t: index = range(1, T + 1)``: from `first` to before `stop`."""

    first: ast.expr | None
    stop: ast.expr
    place: Place


@dataclass(frozen=True, slots=True)
class Left:
    """The left side of an equation: ``z``, ``z[i, j]``, ``h[t + 1]`` (a shift of 1), ``h[0]`` (a position)."""

    name: str
    indices: tuple[str, ...] = ()
    shift: int = 0
    position: ast.expr | None = None


@dataclass(frozen=True, slots=True)
class FunctionText:
    name: str
    parameters: tuple[str, ...]
    lines: tuple[tuple[str, ast.expr], ...]
    result: ast.expr
    place: Place


@dataclass(frozen=True, slots=True)
class Assumption:
    call: ast.Call
    layers: Layers


@dataclass(slots=True)
class Statements:
    title: str = ""
    declarations: dict[str, Declaration] = field(default_factory=dict)
    definitions: dict[str, Definition] = field(default_factory=dict)
    functions: dict[str, FunctionText] = field(default_factory=dict)
    assumptions: list[Assumption] = field(default_factory=list)
    spellings: dict[str, tuple[Spelling, Place]] = field(default_factory=dict)
    layers: Layers = field(default_factory=Layers)
    entries: dict[str, list[EntryText]] = field(default_factory=dict)
    ranges: dict[str, IndexRange] = field(default_factory=dict)


def read_statements(text: str, stepwise: bool = False) -> Statements:
    """Reads a model's text into statements; one equation or declaration a line.

    A `stepwise` text says how parameters and states change: ``m[t] = …`` is the next value of what is declared.
    """
    source = Source(text)
    reserved_words(text)
    tree = parse_python(text, "exec")
    if not isinstance(tree, ast.Module):
        raise DeriveError("this is not a model")
    body = tree.body
    reader = _StatementReader(source, find_layers(body, NUMBERED, source), stepwise, sizes_in(body))
    if (
        body
        and isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    ):
        reader.result.title = " ".join(body[0].value.value.split())[:200]
        body = body[1:]
    if not body:
        raise DeriveError(
            "the model is empty", hint="a model has declarations and equations, `derive show logistic` prints one"
        )
    for statement in body:
        reader.read(statement)
    reader.check_loops()
    reader.check_entries()
    return reader.result


def sizes_in(body: list[ast.stmt]) -> frozenset[str]:
    """The names that are declared as sizes: as the first subscript on the left they say which entry is meant."""
    return frozenset(
        s.target.id
        for s in body
        if isinstance(s, ast.AnnAssign)
        and isinstance(s.target, ast.Name)
        and isinstance(s.annotation, ast.Name)
        and s.annotation.id in ("size", "examples")
    )


def reserved_words(text: str) -> None:
    """Python's own words cannot be names; said here, since the parser would only say that the syntax is wrong."""
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r"\s*([A-Za-z_]\w*)\s*[:=]", line)
        if match and keyword.iskeyword(match[1]) and match[1] not in ("else", "try", "finally"):
            raise DeriveError(
                f"'{match[1]}' is a reserved word", Place(number, match.start(1) + 1, len(match[1])), _instead(match[1])
            )


def _instead(word: str) -> str:
    return "write 'lam'" if word == "lambda" else f"write '{word}_'"


class _StatementReader:
    def __init__(self, source: Source, layers: Layers, stepwise: bool, sizes: frozenset[str]) -> None:
        self.source = source
        self.sizes = sizes
        self.layers = layers
        self.changing = ("parameter", "state") if stepwise else ("state",)  # what equations give a next value
        self.result = Statements(layers=layers)
        self.count = 0

    def place(self, node: ast.AST) -> Place:
        return self.source.place(node) or Place(1, 1)

    def read(self, node: ast.stmt) -> None:
        self.count += 1
        if self.count > limits.STATEMENTS:
            raise DeriveError(f"a model has at most {limits.STATEMENTS:,} lines, loops written out", self.place(node))
        match node:
            case ast.AnnAssign():
                self.annotated(node)
            case ast.Assign():
                if len(node.targets) != 1:
                    raise DeriveError("an equation has one name on the left", self.place(node))
                self.equation(self.left_side(node.targets[0]), None, node.value, self.place(node.targets[0]))
            case ast.FunctionDef():
                self.function(node)
            case ast.Expr(value=ast.Call(func=ast.Name(id="assume"))):
                self.result.assumptions.append(Assumption(node.value, self.layers))  # type: ignore[arg-type]
            case ast.Expr(value=ast.Call(func=ast.Name(id="latex"), args=[target, spelled], keywords=[])):
                self.spell(self.left_side(target), spelled, target)
            case ast.Expr(value=ast.Compare()):
                raise DeriveError("this comparison stands alone", self.place(node), "an equation has one `=`")
            case ast.Expr():
                raise DeriveError("this expression stands alone", self.place(node), "give it a name: `z = …`")
            case ast.For():
                self.loop(node)
            case _:
                words = {
                    "AugAssign": "`+=` and its kin are",
                    "Import": "`import` is",
                    "ImportFrom": "`import` is",
                    "ClassDef": "`class` is",
                    "While": "`while` is",
                    "If": "`if` is",
                    "With": "`with` is",
                    "Return": "`return` outside a function is",
                    "Delete": "`del` is",
                    "Try": "`try` is",
                }
                raise DeriveError(
                    f"{words.get(type(node).__name__, 'this is')} not part of the model language",
                    self.place(node),
                    "use where(condition, then, otherwise)" if isinstance(node, ast.If) else None,
                )

    def spell(self, left: Left, spelled: ast.expr, target: ast.expr) -> None:
        """``latex(W1, r"W_{\\text{in}}")``."""
        text, name = text_of(spelled), left.name
        if text is None or left != Left(name):
            raise DeriveError("latex takes a name and its spelling in quotes", self.place(target), HINT)
        self.result.spellings[name] = (read_spelling(text, self.place(spelled)), self.place(target))

    def loop(self, node: ast.For) -> None:
        """Reads the body once for each number."""
        around = self.layers
        index, numbers = loop(node, around, self.source)
        self.name(index, node.target)
        for number in numbers:
            self.layers = around.inside(index, number)
            for statement in node.body:
                self.read(statement)
        self.layers = around

    def check_loops(self) -> None:
        for index, place in self.layers.loops.items():
            if index in self.result.declarations or index in self.result.definitions:
                raise DeriveError(f"'{index}' is declared as a name and cannot be the index of a loop", place)

    def name(self, name: str, node: ast.AST, place: Place | None = None) -> str:
        where = place or self.place(node)
        if not PLAIN_NAME.match(name):
            if name.startswith("_"):
                raise DeriveError(f"the name '{name}' begins with an underscore", where, "names begin with a letter")
            raise DeriveError(
                f"the name '{name}' is not made of the letters a to z, digits and _",
                where,
                "write Greek letters by name: sigma, theta",
            )
        if len(name) > 60:
            raise DeriveError("a name has at most 60 characters", where)
        if name in RESERVED:
            raise DeriveError(
                f"'{name}' is a reserved word",
                where,
                f"write '{name}_'" if name != "D" else "D(…) is the derivative; choose another name",
            )
        return name

    def left_side(self, target: ast.expr) -> Left:
        """``z[i, j]``, in a loop ``z[l]``, and in a recurrence ``h[0]``, ``h[t]`` and ``h[t + 1]``."""
        if isinstance(target, ast.Name):
            if target.id in self.layers.families:
                raise DeriveError(f"'{target.id}' is numbered elsewhere", self.place(target), f"write {target.id}[1]")
            return Left(self.name(target.id, target))
        if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            name, parts = self.name(target.value.id, target), subscripts_of(target)
            if name in self.layers.families:
                depth = self.layers.families[name]
                name, parts = self.name(self.layers.name(name, parts, self.source), target), parts[depth:]
            if not parts:
                return Left(name)
            index, shift = self.shifted_index(parts[0])
            if index is None:
                return Left(name, self.free_indices(target, parts[1:]), 0, parts[0])
            return Left(name, self.free_indices(target, [index, *parts[1:]]), shift)
        raise DeriveError("the left side of an equation is a name", self.place(target), "for example `z = w @ x + b`")

    def shifted_index(self, part: ast.expr) -> tuple[ast.Name | None, int]:
        """``t + 1`` as t and 1; no index where a subscript is made of numbers and sizes."""
        match part:
            case ast.Name() if part.id not in self.sizes:
                return part, 0
            case ast.BinOp(left=ast.Name() as index, op=ast.Add() | ast.Sub() as op, right=ast.Constant(value=int(by))):
                if index.id not in self.sizes:
                    return index, by if isinstance(op, ast.Add) else -by
        words = [node.id for node in ast.walk(part) if isinstance(node, ast.Name) and node.id not in self.sizes]
        if words:
            hint = "the first subscript is an index, one beside a number, or an entry: h[t], h[t + 1], h[0]"
            raise DeriveError("this subscript says neither an index nor an entry", self.place(part), hint)
        return None, 0

    def free_indices(self, target: ast.expr, parts: list[ast.expr]) -> tuple[str, ...]:
        if not all(isinstance(part, ast.Name) for part in parts):
            hint = "the steps of a recurrence are counted by the first: h[t + 1, i]"
            raise DeriveError("the other subscripts on the left are plain indices", self.place(target), hint)
        indices = tuple(self.name(part.id, part) for part in parts if isinstance(part, ast.Name))
        if len(set(indices)) < len(indices):
            raise DeriveError("an index stands twice on the left", self.place(target))
        for index in indices:
            if index in self.layers.values:
                hint = "the numbers of a layer stand first: z[l, i]"
                raise DeriveError(f"'{index}' is the index of the loop", self.place(target), hint)
        return indices

    def equation(self, left: Left, role: str | None, value: ast.expr, place: Place) -> None:
        if left.position is None:
            self.define(Definition(left.name, left.indices, role, value, place, self.layers, left.shift))
            return
        if role is not None:
            raise DeriveError(
                f"one entry of '{left.name}' is no {role}", place, f"mark the rule: {left.name}[t]: {role} = …"
            )
        entry = EntryText(left.name, left.position, left.indices, value, place, self.layers)
        self.result.entries.setdefault(left.name, []).append(entry)

    def check_entries(self) -> None:
        for name, entries in self.result.entries.items():
            first = entries[0]
            if name in self.result.declarations:
                raise DeriveError(f"'{name}' is declared, and has no equations", first.place)
            if name not in self.result.definitions:
                message = f"'{name}' has an entry, and no rule for the others"
                raise DeriveError(message, first.place, f"for example {name}[t] = … {name}[t - 1] …")
            if len(entries) > limits.FIRST_ENTRIES:
                message = f"a recurrence begins with at most {limits.FIRST_ENTRIES} entries"
                raise DeriveError(message, entries[limits.FIRST_ENTRIES].place)

    def annotated(self, node: ast.AnnAssign) -> None:
        role_node, shape = node.annotation, ()
        if isinstance(role_node, ast.Subscript):
            inner = role_node.slice
            shape = tuple(inner.elts) if isinstance(inner, ast.Tuple) else (inner,)  # type: ignore[assignment]
            role_node = role_node.value
        if not isinstance(role_node, ast.Name):
            raise DeriveError("a role is one word", self.place(node.annotation), f"one of {', '.join(ROLES)}")
        role = role_node.id
        place = self.place(node.target)
        if role == "index":
            self.index_range(node, place)
            return
        left = self.left_side(node.target)
        name = left.name
        if role not in EQUATION_ROLES and isinstance(node.value, ast.Call) and is_spelling(node.value):
            if len(node.value.args) != 1 or node.value.keywords:
                raise DeriveError("latex takes the spelling in quotes here", self.place(node.value), HINT)
            self.spell(left, node.value.args[0], node.target)
            node = ast.AnnAssign(node.target, node.annotation, None, node.simple)
        if role in EQUATION_ROLES:
            if node.value is None:
                raise DeriveError(f"the {role} '{name}' has no equation", place, f"write `{name}: {role} = …`")
            if shape:
                raise DeriveError(
                    f"the shape of '{name}' follows from its equation", self.place(node.annotation), "leave it out"
                )
            self.equation(left, role, node.value, place)
            return
        if role not in ROLES:
            raise DeriveError(
                f"there is no role '{role}'",
                self.place(role_node),
                did_you_mean(role, (*ROLES, *EQUATION_ROLES)) or f"one of {', '.join((*ROLES, *EQUATION_ROLES))}",
            )
        if left != Left(name):
            parts = [ast.unparse(p) for p in subscripts_of(node.target)]  # type: ignore[arg-type]
            raise DeriveError("a shape stands after the role", place, f"write `{name}: {role}[{', '.join(parts)}]`")
        if role not in self.changing or name in self.result.declarations or name not in self.result.definitions:
            self.twice(name, place)
        self.result.declarations[name] = Declaration(name, role, shape, node.value, place, self.layers)

    def index_range(self, node: ast.AnnAssign, place: Place) -> None:
        """``t: index = range(1, T + 1)``."""
        if not isinstance(node.target, ast.Name):
            raise DeriveError("an index is one name", place)
        name = self.name(node.target.id, node.target)
        self.twice(name, place)
        match node.value:
            case ast.Call(func=ast.Name(id="range"), args=[stop], keywords=[]):
                self.result.ranges[name] = IndexRange(None, stop, place)
            case ast.Call(func=ast.Name(id="range"), args=[first, stop], keywords=[]):
                self.result.ranges[name] = IndexRange(first, stop, place)
            case _:
                raise DeriveError("an index has a range", place, f"write `{name}: index = range(1, T + 1)`")

    def define(self, definition: Definition) -> None:
        declared = self.result.declarations.get(definition.name)
        if declared is None or declared.role not in self.changing or definition.name in self.result.definitions:
            self.twice(definition.name, definition.place)
        if len(self.result.definitions) >= limits.EQUATIONS:
            raise DeriveError(f"a model has at most {limits.EQUATIONS:,} equations", definition.place)
        self.result.definitions[definition.name] = definition

    def twice(self, name: str, place: Place) -> None:
        r = self.result
        earlier = r.declarations.get(name) or r.definitions.get(name) or r.functions.get(name) or r.ranges.get(name)
        if earlier is not None:
            hint = f"it is already defined on line {earlier.place.line}"
            if earlier.place == place:
                hint = "each time the loop repeats; number it with the loop's index"
            raise DeriveError(f"'{name}' is defined twice", place, hint)

    def function(self, node: ast.FunctionDef) -> None:
        if self.layers.values:
            raise DeriveError("a function is defined outside of loops", self.place(node))
        name = self.name(node.name, node)
        place = Place(node.lineno, node.col_offset + 5, len(name))
        self.twice(name, place)
        a = node.args
        if a.vararg or a.kwarg or a.kwonlyargs or a.posonlyargs or a.defaults or node.decorator_list or node.returns:
            raise DeriveError(
                "a function of a model has plain parameters alone",
                place,
                "for example `def swish(u): return u*sigmoid(u)`",
            )
        parameters = tuple(self.name(arg.arg, arg) for arg in a.args)
        if not parameters:
            raise DeriveError(f"'{name}' has no parameters", place)
        lines: list[tuple[str, ast.expr]] = []
        for statement in node.body[:-1]:
            if (
                isinstance(statement, ast.Expr)
                and isinstance(statement.value, ast.Constant)
                and isinstance(statement.value.value, str)
            ):
                continue
            if not (
                isinstance(statement, ast.Assign)
                and len(statement.targets) == 1
                and isinstance(statement.targets[0], ast.Name)
            ):
                raise DeriveError(
                    "before its `return`, a function has lines `name = expression`", self.place(statement)
                )
            lines.append((self.name(statement.targets[0].id, statement), statement.value))
        last = node.body[-1]
        if not isinstance(last, ast.Return) or last.value is None:
            raise DeriveError(f"'{name}' does not end with `return`", self.place(last))
        self.result.functions[name] = FunctionText(name, parameters, tuple(lines), last.value, place)
