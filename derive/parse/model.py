"""Text → Model: reads the statements, resolves every name, brings the equations into index form.

The road: statements (`statements`) → names and shapes of declarations → order of the equations → each equation's core
form and shape (`elaborate`) → the Model, after checks of the loss and of what nothing uses.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from derive.errors import DeriveError, did_you_mean
from derive.expression.nodes import Call, Compare, Expression, Number, Reduce, Ref
from derive.expression.walk import names as names_in
from derive.expression.walk import walk
from derive.functions import known_functions
from derive.model import Equation, Model, Shape, Variable
from derive.parse import limits
from derive.parse.elaborate import in_index_form
from derive.parse.expression import CONSTANTS, Names, read_expression
from derive.parse.numbers import constant_value
from derive.parse.scope import Body
from derive.parse.sizes import polynomial, print_shape
from derive.parse.source import Source
from derive.parse.statements import Declaration, Definition, Statements, read_statements

INITIAL = {"zeros": 0, "ones": 0, "normal": 1, "uniform": 1, "glorot": 0, "he": 0}
STRUCTURES = ("symmetric", "diagonal", "lower")
DISTRIBUTIONS = {"normal": 0, "uniform": 0, "bernoulli": 1}


def parse_model(text: str, name: str = "model", *, implicit: bool = False) -> Model:
    """Reads a model's text; every mistake is a `DeriveError` with its place."""
    try:
        return _Resolver(text, name, implicit).model()
    except DeriveError as error:
        raise error.within(text, name if name.endswith(".model") else None) from None
    except RecursionError:
        raise DeriveError("the model is nested too deeply").within(text) from None


class _Resolver:
    def __init__(self, text: str, name: str, implicit: bool) -> None:
        if not text.strip():
            raise DeriveError(
                "the model is empty", hint="a model has declarations and equations, `derive show logistic` prints one"
            )
        self.text = text
        self.name = name
        self.implicit = implicit
        self.source = Source(text)
        self.statements: Statements = read_statements(text)
        self.warnings: list[str] = []
        self.everything: frozenset[str] | None = None

    def model(self) -> Model:
        s = self.statements
        if self.implicit:
            self.declare_the_rest()
        self.everything = None  # names may have been added
        self.variables = {d.name: self.variable(d) for d in s.declarations.values()}
        self.functions = self.read_functions()
        written = {d.name: self.read_definition(d) for d in s.definitions.values()}
        order = self.order(written)
        shapes: dict[str, Shape] = {v.name: v.shape for v in self.variables.values()}
        equations: list[Equation] = []
        for name in order:
            equation = self.elaborate(s.definitions[name], written[name], shapes)
            equations.append(equation)
            shapes[name] = equation.shape
        loss = self.loss(equations)
        self.shapes = shapes
        model = Model(
            name=self.name,
            title=s.title,
            text=self.text,
            variables=self.variables,
            equations=tuple(equations),
            loss=loss,
            outputs=tuple(e.name for e in equations if e.role == "output"),
            assumptions=self.assumptions(),
            functions=self.functions,
        )
        self.warn_of_unused(model)
        object.__setattr__(model, "warnings", tuple(self.warnings))
        return model

    def declare_the_rest(self) -> None:
        """On the command line, undeclared names are parameters, and the last equation is the loss."""
        s = self.statements
        known = {*s.declarations, *s.definitions, *s.functions, *CONSTANTS}
        for definition in list(s.definitions.values()):
            probe = read_expression(definition.value, self.source, Names(functions=self.arities()))
            for node in walk(probe):
                if isinstance(node, Ref) and node.name not in known:
                    place = node.place or definition.place
                    if node.indices:
                        raise DeriveError(
                            f"'{node.name}' has subscripts but is not declared",
                            place,
                            f"write `{node.name}: parameter[n]`",
                        )
                    s.declarations[node.name] = Declaration(node.name, "parameter", (), None, place)
                    known.add(node.name)
        if s.definitions and not any(d.role == "loss" for d in s.definitions.values()):
            last = list(s.definitions.values())[-1]
            s.definitions[last.name] = Definition(last.name, last.indices, "loss", last.value, last.place)

    def arities(self) -> tuple[tuple[str, int], ...]:
        return tuple((f.name, len(f.parameters)) for f in self.statements.functions.values())

    def names(self, *more: str, indices: tuple[str, ...] = ()) -> Names:
        s = self.statements
        if self.everything is None:
            self.everything = frozenset({*s.declarations, *s.definitions})
        return Names(self.everything | frozenset(more) if more else self.everything, self.arities(), frozenset(indices))

    def check_names(self, e: Expression, local: tuple[str, ...] = ()) -> None:
        s = self.statements
        known = self.names(*local).tensors or frozenset()
        for node in walk(e):
            if isinstance(node, Ref) and node.name not in known:
                if node.name in s.functions or node.name in known_functions():
                    raise DeriveError(
                        f"'{node.name}' is a function and needs arguments", node.place, f"write {node.name}(…)"
                    )
                raise DeriveError(f"there is no name '{node.name}'", node.place, did_you_mean(node.name, known))
            if isinstance(node, Reduce):
                for index in node.indices:
                    if index in known:
                        raise DeriveError(
                            f"'{index}' is declared as a name and cannot be an index",
                            node.place,
                            "after its first argument, a reduction takes indices and comparisons",
                        )

    def read(self, node: ast.expr, local: tuple[str, ...] = (), indices: tuple[str, ...] = ()) -> Expression:
        e = read_expression(node, self.source, self.names(*local, indices=indices))
        self.check_names(e, local)
        return e

    def read_functions(self) -> Mapping[str, Body]:
        bodies: dict[str, Body] = {}
        uses: dict[str, set[str]] = {}
        own = self.statements.functions
        for f in own.values():
            scope = list(f.parameters)
            lines = []
            for name, value in f.lines:
                lines.append((name, self.read(value, tuple(scope))))
                scope.append(name)
            result = self.read(f.result, tuple(scope))
            bodies[f.name] = Body(f.parameters, tuple(lines), result)
            uses[f.name] = set(_called(own, *bodies[f.name].expressions))
        try:
            list(TopologicalSorter(uses).static_order())
        except CycleError as error:
            cycle = error.args[1][::-1]
            raise DeriveError(
                f"the function '{cycle[0]}' calls itself: {' → '.join(cycle)}", own[cycle[0]].place
            ) from None
        return bodies

    def variable(self, d: Declaration) -> Variable:
        shape = tuple(self.size(part) for part in d.shape)
        if len(shape) > limits.RANK:
            raise DeriveError(f"an array has at most {limits.RANK} axes", d.place)
        if d.role in ("size", "constant") and d.value is not None:
            value = self.number(d)
            if d.role == "size" and (value.value.denominator != 1 or value.value < 1):
                raise DeriveError(f"the size '{d.name}' is not a whole number from 1 on", d.place)
            return Variable(d.name, d.role, shape, value=value, place=d.place)
        if d.role == "size" and shape:
            raise DeriveError(f"the size '{d.name}' has a shape", d.place, "a size is one number")
        kind, argument, start = self.kind(d)
        return Variable(d.name, d.role, shape, value=start, kind=kind, kind_argument=argument, place=d.place)

    def number(self, d: Declaration) -> Number:
        if d.value is None:
            raise DeriveError(f"'{d.name}' has no value", d.place)
        e = self.read(d.value)
        value = constant_value(e)
        if value is None or (value < 0 and d.role == "size"):
            raise DeriveError(f"the value of '{d.name}' is not a number", self.source.place(d.value))
        if value < 0:
            raise DeriveError(
                f"the value of '{d.name}' is negative", self.source.place(d.value), "write the sign in the equation"
            )
        if isinstance(e, Number):
            return e
        if value.denominator != 1:
            raise DeriveError(
                f"the value of '{d.name}' is not a decimal", d.place, "write it as a decimal, 0.25 for 1/4"
            )
        return Number(value)

    def size(self, node: ast.expr) -> Expression:
        e = read_expression(node, self.source, Names(frozenset(self.statements.declarations), ()))
        for part in walk(e):
            if isinstance(part, Ref) and part.name not in self.statements.declarations:
                raise DeriveError(f"there is no size '{part.name}'", part.place, f"declare it: `{part.name}: size`")
            if isinstance(part, Ref) and self.statements.declarations[part.name].role != "size":
                raise DeriveError(f"'{part.name}' is no size", part.place, f"declare it: `{part.name}: size`")
        value = constant_value(e)
        if polynomial(e) is None or (value is not None and (value.denominator != 1 or value < 1)):
            raise DeriveError("a size is a whole number from 1 on, or made of sizes", self.source.place(node))
        if value is not None and value > 10**9:
            raise DeriveError("this size is too large", self.source.place(node))
        return e

    def kind(self, d: Declaration) -> tuple[str | None, Expression | None, Expression | None]:
        """What stands after ``=``: how a parameter starts, or what data an input takes."""
        if d.value is None:
            return ("normal", None, None) if d.role == "noise" else (None, None, None)
        place = self.source.place(d.value)
        if d.role == "parameter":
            known: Mapping[str, int] = INITIAL
        elif d.role == "noise":
            known = DISTRIBUTIONS
        else:
            known = {"integer": 1}
        word, argument = None, None
        if isinstance(d.value, ast.Name):
            word = d.value.id
        elif isinstance(d.value, ast.Call) and isinstance(d.value.func, ast.Name) and not d.value.keywords:
            word = d.value.func.id
            args = d.value.args
            if word in known and len(args) > max(1, known[word]):
                raise DeriveError(f"'{word}' takes one argument here", place)
            argument = self.read(args[0]) if args else None
        if word in STRUCTURES:
            raise DeriveError(f"the structure '{word}' is not supported yet", place)
        if word in known and word not in self.statements.declarations:
            if word in ("integer", "bernoulli") and argument is None:
                raise DeriveError(f"'{word}' needs an argument", place, "for example integer(10), bernoulli(0.5)")
            return word, argument, None
        if d.role == "parameter":
            e = self.read(d.value)
            if constant_value(e) is not None:
                return None, None, e
        raise DeriveError(
            f"this is no {'start' if d.role == 'parameter' else 'kind'} of the {d.role} '{d.name}'",
            place,
            f"one of {', '.join(known)}" + (", or a number" if d.role == "parameter" else ""),
        )

    def read_definition(self, d: Definition) -> Expression:
        for index in d.indices:
            if index in self.statements.declarations or index in self.statements.definitions:
                raise DeriveError(f"'{index}' is declared as a name and cannot be an index", d.place)
        return self.read(d.value, indices=d.indices)

    def order(self, written: Mapping[str, Expression]) -> list[str]:
        """Topological, and the author's order where that is one."""
        own = self.statements.functions
        inside: dict[str, set[str]] = {}
        for name in own:
            body = self.functions[name]
            local = {*body.parameters, *(n for n, _ in body.lines)}
            inside[name] = {n for e in body.expressions for n in names_in(e)} - local
        uses: dict[str, list[str]] = {}
        for name, e in written.items():
            found = dict(names_in(e))
            pending = _called(own, e)
            seen: set[str] = set()
            while pending:
                f = pending.pop()
                if f in seen:
                    continue
                seen.add(f)
                found.update(dict.fromkeys(sorted(inside[f])))
                pending += _called(own, *self.functions[f].expressions)
            uses[name] = [n for n in found if n in written]
        try:
            TopologicalSorter(uses).prepare()
        except CycleError as error:
            path = error.args[1][::-1]  # each depends on the next
            raise DeriveError(
                f"'{path[0]}' depends on itself: {' → '.join(path)}", self.statements.definitions[path[0]].place
            ) from None
        done: dict[str, None] = {}
        for name in written:
            _visit(name, uses, done)
        return list(done)

    def elaborate(self, d: Definition, written: Expression, shapes: Mapping[str, Shape]) -> Equation:
        try:
            body, indices, shape = in_index_form(written, shapes, self.functions, d.indices, d.place)
        except DeriveError as error:
            if error.place is None:
                error.place = d.place
            raise
        return Equation(d.name, indices, written, body, shape, d.role, d.place)

    def loss(self, equations: list[Equation]) -> str:
        losses = [e for e in equations if e.role == "loss"]
        if not losses:
            raise DeriveError("the model has no loss", hint="mark one equation: `L: loss = …`")
        if len(losses) > 1:
            raise DeriveError(
                f"the model has two losses, '{losses[0].name}' and '{losses[1].name}'",
                losses[1].place,
                "the loss is one scalar: add them",
            )
        if losses[0].shape:
            raise DeriveError(
                f"the loss '{losses[0].name}' is not a scalar, its shape is {print_shape(losses[0].shape)}",
                losses[0].place,
                "reduce it: sum(…) or mean(…)",
            )
        return losses[0].name

    def assumptions(self) -> tuple[Compare, ...]:
        found: list[Compare] = []
        for call in self.statements.assumptions:
            place = self.source.place(call)
            if len(call.args) != 1 or call.keywords:
                raise DeriveError("assume takes one comparison", place, "for example assume(sum(y) == 1)")
            e = self.read(call.args[0])
            if not isinstance(e, Compare):
                raise DeriveError("assume takes one comparison", place, "for example assume(sum(y) == 1)")
            body, _, _ = in_index_form(e, self.shapes, self.functions, (), place)
            if isinstance(body, Compare):
                found.append(body)
        return tuple(found)

    def warn_of_unused(self, model: Model) -> None:
        for v in model.of_role("parameter"):
            if v.name not in model.reaches_loss:
                line = f"line {v.place.line}: " if v.place else ""
                self.warnings.append(f"{line}the parameter '{v.name}' does not reach the loss: its gradient is 0")


def _called(own: Mapping[str, object], *expressions: Expression) -> list[str]:
    """The author's functions that expressions call."""
    return [n.function for e in expressions for n in walk(e) if isinstance(n, Call) and n.function in own]


def _visit(name: str, uses: Mapping[str, list[str]], done: dict[str, None]) -> None:
    """Depth first without recursion: a chain of equations may be thousands long."""
    stack = [(name, iter(uses[name]))]
    if name in done:
        return
    while stack:
        current, rest = stack[-1]
        following = next((n for n in rest if n not in done), None)
        if following is None:
            done[current] = None
            stack.pop()
        else:
            stack.append((following, iter(uses[following])))
