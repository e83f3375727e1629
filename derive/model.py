"""The Model: what the user wrote, resolved — declarations, equations in index form, assumptions.

Names, shapes and the places in the text are known here, once.  Models are made by `derive.parse.model.parse_model`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from derive.errors import DeriveError, Place
from derive.expression.nodes import Compare, Expression, Index, Ref
from derive.expression.walk import names

if TYPE_CHECKING:
    from pathlib import Path

    from derive.derivation import Derivation, Hessian
    from derive.parse.scope import Body
    from derive.render.graph_layout import Graph

Shape = tuple[Expression, ...]

SPD, SELF_TRANSPOSE = "spd", "self-transpose"  # structures that are assumed of what is given
COMPUTED = "self-transpose by its equation"
GIVEN = ("input", "target", "noise")  # roles that carry the data's example axis


@dataclass(frozen=True, slots=True)
class Variable:
    """A declared name.

    `value` is that of a constant or size, or the number a parameter starts at; `kind` is another way to start, or what
    data it takes.  `structure` says of a square parameter which entries are free: those with i >= j where it is
    symmetric or lower (triangular), with i == j where it is diagonal.  Its gradient is by them, in the parameter's
    shape: of a symmetric one with S[i, j] and S[j, i] moving together, G + G.T - diag(diag(G)); else diag(diag(G)) and
    tril(G).  Of what is given it says what `assume` does: spd, or self-transpose; its entries are free all the same.
    """

    name: str
    role: str
    shape: Shape = ()
    value: Expression | None = None
    kind: str | None = None
    kind_argument: Expression | None = None
    structure: str | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Spelling:
    """How the author wants a name printed in LaTeX: checked, see `derive.parse.spelling`."""

    base: str
    above: str = ""
    below: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """``h[0] = written``: an entry that a recurrence begins with, at its first axis."""

    position: Expression
    written: Expression


@dataclass(frozen=True, slots=True)
class Equation:
    """``name[indices] = body``: one named tensor, elementwise.

    `written` is the right-hand side as the author wrote it; `body` is the same in core form, over the free `indices`.
    `entries` are those that the author gives apart, ``h[0] = …``; then and where an array has no entries before
    `first`, the rule `written` is that of the others, and `body` a distinction of cases over the first index.
    """

    name: str
    indices: tuple[str, ...]
    written: Expression
    body: Expression
    shape: Shape
    role: str | None = None
    place: Place | None = None
    entries: tuple[Entry, ...] = ()
    first: int = 0

    @property
    def element(self) -> Ref:
        """The left side, ``name[i, j]``."""
        return Ref(self.name, tuple(map(Index, self.indices)))


@dataclass(frozen=True, slots=True)
class Inner:
    """A derivative inside a model, ``grad(u, x)``: the part of the model that leads to u as a model with the loss u.

    `called` are the names of its adjoints in the model: (z, u_z) for ∂u/∂z, x last.
    """

    model: Model
    wrt: str
    called: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class Model:
    """A network and its loss: variables, equations in topological order, what may be assumed."""

    name: str
    title: str
    text: str
    variables: Mapping[str, Variable]
    equations: tuple[Equation, ...]
    loss: str
    outputs: tuple[str, ...]
    assumptions: tuple[Compare, ...] = ()
    warnings: tuple[str, ...] = field(default=(), compare=False)
    functions: Mapping[str, Body] = field(default_factory=dict)  # the author's own, by name
    inner: tuple[Inner, ...] = ()  # derivatives inside the model, whose adjoints are equations
    spellings: Mapping[str, Spelling] = field(default_factory=dict)  # names that the author spells, by name
    states: Mapping[str, str] = field(default_factory=dict)  # the equations of next values, with the state of each

    @classmethod
    def parse(cls, text: str, name: str = "model", *, implicit: bool = False) -> Model:
        """Reads a model's text.  With `implicit`, undeclared names are parameters and the last equation is the loss.

        >>> Model.parse("x: input; y: target; w: parameter; L: loss = (w*x - y)**2".replace("; ", chr(10))).loss
        'L'
        """
        from derive.parse.model import parse_model

        return parse_model(text, name, implicit=implicit)

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """Reads a `.model` file."""
        from derive.parse.files import load_model

        return load_model(path)

    @classmethod
    def builtin(cls, name: str, /, **settings: str | float) -> Model:
        """One of the models that ship with derive, with other sizes, constants or functions where `settings` say so.

        >>> str(Model.builtin("mlp", h1=32, act="relu").variables["h1"].value)
        '32'
        """
        from derive.parse.files import builtin_model

        return builtin_model(name, **settings)

    @classmethod
    def from_sympy(cls, equations: Any, parameters: Any = (), loss: Any = None, **roles: Any) -> Model:
        """A model from SymPy equations ``Eq(z, w1*x1 + b)``; see `derive.sympy_models`."""
        from derive.sympy_models import model_from_sympy

        return model_from_sympy(equations, parameters, loss, **roles)

    def to_sympy(self) -> Any:
        """The equations as SymPy ``Eq`` objects (models of scalars)."""
        from derive.sympy_models import model_to_sympy

        return model_to_sympy(self)

    def expression(self, text: str, indices: tuple[str, ...] = ()) -> Expression:
        """Reads an expression in this model's names, over the given free indices.

        What was derived is read back as it was printed: `indices` are then those of the result.

        >>> model = Model.parse("n: size; m: size; x: parameter[n]; L: loss = sum(x)".replace("; ", chr(10)))
        >>> read = model.expression("where(i < m, x[m - i], 0)", ("i",))
        >>> type(read.condition.left).__name__, type(read.condition.right).__name__
        ('Index', 'Ref')
        """
        from derive.parse.expression import Names, parse_expression

        return parse_expression(text, Names(frozenset(self.shapes), indices=frozenset(indices)))

    def derive(self, wrt: tuple[str, ...] = ()) -> Derivation:
        """Differentiates the loss with respect to every parameter, and what `wrt` names besides."""
        from derive.differentiate.derive import derive

        return derive(self, wrt)

    def hessian(self, wrt: tuple[str, ...] = ()) -> Hessian:
        """The second derivatives by every pair of parameters, or of the names in `wrt`."""
        return self.derive(wrt).hessian(wrt)

    def graph(self) -> Graph:
        """The computational graph."""
        from derive.render.model_graph import model_graph

        return model_graph(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from derive.render.mime import bundle

        return bundle(self)

    @cached_property
    def structures(self) -> dict[str, str]:
        """The matrices that have one: parameters symmetric, diagonal or lower, others as it is assumed of them.

        Those that are computed are symmetric where their equations say so.
        """
        from derive.rules.structures import symmetric_nodes

        known = {v.name: v.structure for v in self.variables.values() if v.structure is not None}
        return known | symmetric_nodes(self.equations, known)

    @cached_property
    def structured_parameters(self) -> dict[str, str]:
        """The parameters of which only some entries are free, with their structure: symmetric, diagonal, lower."""
        return {name: structure for name, structure in self.structures.items() if name in self.parameters}

    @cached_property
    def by_name(self) -> dict[str, Equation]:
        return {equation.name: equation for equation in self.equations}

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        return {v.name: v.shape for v in self.variables.values()} | {e.name: e.shape for e in self.equations}

    @cached_property
    def consumers(self) -> dict[str, tuple[str, ...]]:
        """For each name, the equations whose right-hand side mentions it, in order."""
        found: dict[str, list[str]] = {}
        for equation in self.equations:
            for name in names(equation.body):
                found.setdefault(name, []).append(equation.name)
        return {name: tuple(users) for name, users in found.items()}

    @cached_property
    def examples(self) -> str | None:
        """The number of examples, where the equations speak of all of them at once (``n: examples``)."""
        return next((v.name for v in self.of_role("examples")), None)

    def entry_shape(self, v: Variable) -> Shape:
        """The shape that a variable has in one example."""
        return v.shape[1:] if self.examples is not None and v.role in GIVEN else v.shape

    @cached_property
    def per_example(self) -> frozenset[str]:
        """The names that get an example axis: inputs, targets, noise and what depends on them.

        None do where the model writes that axis out.
        """
        if self.examples is not None:
            return frozenset()
        found = {v.name for v in self.variables.values() if v.role in GIVEN}
        for _ in self._rounds:
            for equation in self.equations:
                if any(name in found for name in names(equation.body)):
                    found.add(equation.name)
        return frozenset(found)

    @cached_property
    def reaches_loss(self) -> frozenset[str]:
        """The names that the loss depends on, itself among them."""
        return self.leading_to(self.loss)

    def leading_to(self, *wanted: str) -> frozenset[str]:
        """The names that these depend on, they themselves among them."""
        found = set(wanted)
        for _ in self._rounds:
            for equation in reversed(self.equations):
                if equation.name in found:
                    found.update(names(equation.body))
        return frozenset(found)

    @property
    def _rounds(self) -> range:
        """How often what spreads along the equations is followed: once, but around the cycles of recurrences."""
        return range(1 + len(self.recurrent))

    @cached_property
    def recurrent(self) -> frozenset[str]:
        """The nodes of recurrences: their entries follow from other entries of themselves."""
        return frozenset(name for cycle in self._cycles for name in cycle)

    @property
    def stepwise(self) -> bool:
        """Whether entries of an array are computed one after the other: of a recurrence, or such as are given apart."""
        return bool(self.recurrent) or any(e.first or e.entries for e in self.equations)

    def cycle(self, name: str) -> frozenset[str]:
        """The nodes of the recurrence that a node is part of; none where it is part of none."""
        return next((cycle for cycle in self._cycles if name in cycle), frozenset())

    @cached_property
    def _cycles(self) -> tuple[frozenset[str], ...]:
        place = {e.name: k for k, e in enumerate(self.equations)}
        uses = {e.name: [n for n in names(e.body) if n in place] for e in self.equations}
        starts = [name for name, used in uses.items() if any(place[other] >= place[name] for other in used)]
        found = (frozenset(_reached(name, uses) & _reached(name, self.consumers)) for name in starts)
        return tuple(dict.fromkeys(found))

    def of_role(self, *roles: str) -> tuple[Variable, ...]:
        return tuple(v for v in self.variables.values() if v.role in roles)

    @property
    def source(self) -> str | None:
        """The file that the model was read from, for error messages."""
        return self.name if self.name.endswith(".model") else None

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(v.name for v in self.of_role("parameter"))

    @property
    def kept(self) -> tuple[str, ...]:
        """What is kept from step to step, in the dictionary `params` of generated code: parameters, then states."""
        return (*self.parameters, *(v.name for v in self.of_role("state")))

    def equation(self, name: str) -> Equation:
        if name not in self.by_name:
            raise DeriveError(f"there is no equation for '{name}'")
        return self.by_name[name]


def _reached(start: str, following: Mapping[str, Sequence[str]]) -> set[str]:
    """The names that can be come to from one, by one step at least."""
    found: set[str] = set()
    left = [start]
    while left:
        for name in following.get(left.pop(), ()):
            if name not in found:
                found.add(name)
                left.append(name)
    return found
