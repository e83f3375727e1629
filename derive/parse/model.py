"""Text → Model: reads the statements, resolves every name, brings the equations into index form.

The road: statements (`statements`, `layers`) → names and shapes of declarations (`declarations`) → order of the
equations (`order`) → each equation's core form and shape (`elaborate`) → the Model, after checks of the loss and
of what nothing uses.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace

from derive.errors import DeriveError, Place, did_you_mean
from derive.expression.build import ZERO, add, number
from derive.expression.nodes import Call, Expression, Index, Item, Neg, Ref
from derive.expression.walk import bottom_up, names, rename_indices, walk
from derive.model import SPD, Equation, Model, Shape, Spelling, Variable
from derive.parse import limits, recurrences
from derive.parse.assumptions import check_structure, comparison, structure
from derive.parse.declarations import SIZES, variable
from derive.parse.elaborate import Elaborated, in_index_form
from derive.parse.expression import CONSTANTS, Names, read_expression
from derive.parse.inner import InnerGradients
from derive.parse.layers import Layers
from derive.parse.naming import Naming
from derive.parse.numbers import constant_value
from derive.parse.order import check_functions, in_order
from derive.parse.ranges import needed_start
from derive.parse.recurrences import EntryRead, Member, Surroundings
from derive.parse.scope import Body, Steps
from derive.parse.sizes import collected, polynomial, print_shape
from derive.parse.source import Source
from derive.parse.statements import Declaration, Definition, FunctionText, IndexRange, Statements, read_statements
from derive.parse.states import check_next_values, never_updated, next_values
from derive.parse.whole import Bounds, bounds, is_whole, up_to


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
        self.source = Source(text)
        self.statements: Statements = read_statements(text)
        if implicit:
            declare_the_rest(self.statements, self.source)
        self.naming = Naming(self.source, self.statements)
        self.states = next_values(self.statements)

    def model(self) -> Model:
        s = self.statements
        variables = self.with_structures({d.name: variable(d, self.naming) for d in s.declarations.values()})
        self.functions = {f.name: self.body(f) for f in s.functions.values()}
        check_functions(self.functions, s.functions)
        written = {d.name: self.right_side(d) for d in s.definitions.values()}
        shapes: dict[str, Shape] = {v.name: v.shape for v in variables.values()}
        self.whole = whole_names(variables)
        equations: list[Equation] = []
        gradients = InnerGradients(self.empty(variables), written)
        self.steps = Steps(ranges={name: self.index_range(r) for name, r in s.ranges.items()})
        for group in in_order(written, self.functions, s.definitions):
            d, e = s.definitions[group[0]], written[group[0]]
            if len(group) > 1 or s.entries.get(d.name) or d.name in names(e):
                new = self.recurrence(group, written, shapes)
            else:
                new = gradients.defined(d, e, equations) or self.with_adjoints(
                    d, *gradients.replaced(e, equations), shapes
                )
            equations += new
            shapes |= {e.name: e.shape for e in new}
            begins = {e.name: e.first for e in new if e.first and not e.entries}
            self.steps = replace(self.steps, begins={**self.steps.begins, **begins})
            for equation in new:
                if is_whole(equation.body, self.whole):
                    self.whole[equation.name] = bounds(equation.body, self.whole)
        model = replace(
            self.empty(variables),
            equations=tuple(equations),
            loss=loss(equations),
            outputs=tuple(e.name for e in equations if e.role == "output"),
            assumptions=tuple(
                comparison(a, self.naming, shapes, self.functions, self.whole)
                for a in s.assumptions
                if structure(a, self.naming) is None
            ),
            inner=tuple(gradients.inner),
            spellings=self.spellings({*shapes}),
            states=self.states,
        )
        check_next_values(equations, self.states, variables)
        warnings = (*unused_parameters(model), *never_updated(self.states, variables))
        object.__setattr__(model, "warnings", warnings)
        return model

    def empty(self, variables: Mapping[str, Variable]) -> Model:
        """The model without its equations."""
        title, text = self.statements.title, self.text
        return Model(self.name, title, text, variables, (), "", (), functions=self.functions)

    def with_structures(self, variables: dict[str, Variable]) -> dict[str, Variable]:
        """The variables, with the structures that are assumed of them."""
        found = dict(variables)
        for assumption in self.statements.assumptions:
            told = structure(assumption, self.naming)
            if told is not None:
                name, kind = told
                check_structure(found.get(name), name, self.source.place(assumption.call))
                if found[name].role != "parameter" and found[name].structure != SPD:
                    found[name] = replace(found[name], structure=kind)
        return found

    def spellings(self, known: set[str]) -> dict[str, Spelling]:
        for name, (_, place) in self.statements.spellings.items():
            if name not in known:
                raise DeriveError(f"there is no name '{name}' to spell", place, did_you_mean(name, known))
        return {name: spelling for name, (spelling, _) in self.statements.spellings.items()}

    def body(self, f: FunctionText) -> Body:
        scope = list(f.parameters)
        lines = []
        for name, value in f.lines:
            lines.append((name, self.naming.read(value, tuple(scope))))
            scope.append(name)
        return Body(f.parameters, tuple(lines), self.naming.read(f.result, tuple(scope)))

    def right_side(self, d: Definition) -> Expression:
        e = self.read_over(d.value, d.indices, d.place, d.layers)
        return shifted(e, d.indices[0], -d.shift) if d.shift else e

    def read_over(self, value: ast.expr, indices: tuple[str, ...], place: Place, layers: Layers) -> Expression:
        for index in indices:
            if index in self.naming.everything:
                raise DeriveError(f"'{index}' is declared as a name and cannot be an index", place)
        return self.naming.read(value, indices=indices, layers=layers)

    def index_range(self, r: IndexRange) -> tuple[int, Expression]:
        first = ZERO if r.first is None else self.naming.read(r.first)
        value, stop = constant_value(first), self.naming.read(r.stop)
        if value is None or value.denominator != 1 or not 0 <= value <= limits.FIRST_ENTRIES:
            message = f"the range of an index begins with a whole number from 0 to {limits.FIRST_ENTRIES}"
            raise DeriveError(message, r.place)
        real = [n for n in names(stop) if self.whole.get(n) != (Ref(n),) * 2]
        if polynomial(stop) is None or real:
            raise DeriveError("the range of an index ends at a size", r.place, "for example range(1, T + 1)")
        return int(value), stop

    def recurrence(
        self, group: tuple[str, ...], written: Mapping[str, Expression], shapes: Mapping[str, Shape]
    ) -> list[Equation]:
        """The equations of a recurrence."""
        members = tuple(self.member(self.statements.definitions[name], written[name]) for name in group)
        for m in members:
            for e in (m.written, *(entry.written for entry in m.entries)):
                if any(isinstance(node, Call) and node.function == "grad" for node in walk(e)):
                    raise DeriveError("grad inside of a recurrence is not supported", m.definition.place)
        return recurrences.equations(members, Surroundings(shapes, self.functions, self.whole, self.steps))

    def member(self, d: Definition, written: Expression) -> Member:
        entries = tuple(
            EntryRead(
                self.naming.read(e.position, layers=e.layers),
                e.indices,
                self.read_over(e.value, e.indices, e.place, e.layers),
            )
            for e in self.statements.entries.get(d.name, ())
        )
        return Member(d, written, entries)

    def with_adjoints(
        self, d: Definition, written: Expression, adjoints: list[Equation], shapes: Mapping[str, Shape]
    ) -> list[Equation]:
        """The equation behind the adjoints that its right-hand side speaks of."""
        return [*adjoints, self.elaborate(d, written, {**shapes, **{a.name: a.shape for a in adjoints}})]

    def begins_late(self, d: Definition, written: Expression, shapes: Mapping[str, Shape]) -> bool:
        """Whether the first index on the left runs from 1 on, or later: ``z[t] = x[t - 1]``."""
        index, steps = d.indices[0], Member(d, written, ()).own_steps(self.steps)
        if index in steps.ranges and (d.shift or steps.ranges[index][0] > 0):
            return True
        found = Elaborated.of(written, shapes, self.functions, d.indices, d.place, self.whole, steps)
        return needed_start(found.body, index, steps.begins) > 0

    def elaborate(self, d: Definition, written: Expression, shapes: Mapping[str, Shape]) -> Equation:
        try:
            if d.indices and self.begins_late(d, written, shapes):
                around = Surroundings(shapes, self.functions, self.whole, self.steps)
                return recurrences.equations((Member(d, written, ()),), around)[0]
            body, indices, shape = in_index_form(
                written, shapes, self.functions, d.indices, d.place, self.whole, self.steps
            )
        except DeriveError as error:
            if error.place is None:
                error.place = d.place
            raise
        return Equation(d.name, indices, written, body, shape, d.role, d.place)


def shifted(e: Expression, index: str, by: int) -> Expression:
    """An expression with another value of an index put in: with t - 1 for t, ``x[t + 1]`` is ``x[t]``."""
    moved = rename_indices(e, {index: collected(add(Index(index), number(by) if by > 0 else Neg(number(-by))))})
    return bottom_up(
        moved, lambda n: replace(n, indices=tuple(map(collected, n.indices))) if isinstance(n, (Ref, Item)) else n
    )


def declare_the_rest(s: Statements, source: Source) -> None:
    """On the command line, undeclared names are parameters, and the last equation is the loss."""
    known = {*s.declarations, *s.definitions, *s.functions, *CONSTANTS}
    arities = tuple((f.name, len(f.parameters)) for f in s.functions.values())
    for definition in list(s.definitions.values()):
        probe = read_expression(definition.value, source, Names(functions=arities, layers=definition.layers))
        for node in walk(probe):
            if isinstance(node, Ref) and node.name not in known:
                place = node.place or definition.place
                if node.indices:
                    message = f"'{node.name}' has subscripts but is not declared"
                    raise DeriveError(message, place, f"write `{node.name}: parameter[n]`")
                s.declarations[node.name] = Declaration(node.name, "parameter", (), None, place)
                known.add(node.name)
    if s.definitions and not any(d.role == "loss" for d in s.definitions.values()):
        last = list(s.definitions.values())[-1]
        s.definitions[last.name] = Definition(last.name, last.indices, "loss", last.value, last.place, last.layers)


def whole_names(variables: Mapping[str, Variable]) -> dict[str, Bounds]:
    """The variables that are whole numbers: sizes, and data of ``integer(K)``."""
    found: dict[str, Bounds] = {v.name: (Ref(v.name), Ref(v.name)) for v in variables.values() if v.role in SIZES}
    for v in variables.values():
        if v.kind == "integer" and v.kind_argument is not None:
            found[v.name] = up_to(v.kind_argument)
    return found


def loss(equations: list[Equation]) -> str:
    losses = [e for e in equations if e.role == "loss"]
    if not losses:
        raise DeriveError("the model has no loss", hint="mark one equation: `L: loss = …`")
    first = losses[0]
    if len(losses) > 1:
        message = f"the model has two losses, '{first.name}' and '{losses[1].name}'"
        raise DeriveError(message, losses[1].place, "the loss is one scalar: add them")
    if first.shape:
        message = f"the loss '{first.name}' is not a scalar, its shape is {print_shape(first.shape)}"
        raise DeriveError(message, first.place, "reduce it: sum(…) or mean(…)")
    return first.name


def unused_parameters(model: Model) -> list[str]:
    found: list[str] = []
    for v in model.of_role("parameter"):
        if v.name not in model.reaches_loss:
            line = f"line {v.place.line}: " if v.place else ""
            found.append(f"{line}the parameter '{v.name}' does not reach the loss: its gradient is 0")
    return found
