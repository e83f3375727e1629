"""The notation of one model: where d and where ∂ is written, which names are vectors, how indices are spelt.

In: a model (and, for a step, the node whose equation is being differentiated).  Out: LaTeX and Unicode.
Rule of the signs: d where the right-hand side has exactly one name that is not a constant; for a derivative of the
loss, where the loss depends on nothing else once that name is held as a leaf.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from derive.algebra.rational import alpha_normal
from derive.differentiate.batch import example_names
from derive.expression.build import ONE
from derive.expression.nodes import D, Expression, Index, Reduce, Ref
from derive.expression.walk import index_names, names, walk
from derive.model import Model
from derive.render.catalogue import Words
from derive.render.document import Math
from derive.render.latex import latex
from derive.render.math_style import Conventions, Shapes
from derive.render.names import split_name
from derive.render.unicode import unicode_math

FIXED = ("constant", "state", "size", "index", "examples")  # roles whose values are held: none is differentiated by


@dataclass(frozen=True)
class Notation:
    """Prints the expressions of a model.

    >>> from derive.expression.nodes import D, Ref
    >>> notation = Notation(Model.builtin("logistic"))
    >>> notation.text(D(Ref("L"), Ref("z"))), notation.text(D(Ref("a"), Ref("z")))
    ('∂L/∂z', 'da/dz')
    """

    model: Model
    language: str = "en"
    batched: bool = False
    named_adjoints: bool = False
    bold: bool = False
    layer_deltas: Mapping[str, str] = field(default_factory=dict)
    _cache: dict[tuple[str, str], bool] = field(default_factory=dict, compare=False, repr=False)

    def batch(self) -> Notation:
        """The notation of the whole batch: what depends on the data has an axis more, the examples."""
        return replace(self, batched=True)

    def deltas(self, of_layers: Mapping[str, str] | None = None) -> Notation:
        """The notation in which an adjoint ∂L/∂z is called δ_z, or as `of_layers` has it: ``{"z1": "delta1"}``.

        Where δ is a name of the model's own, ∂L/∂z stays as it is.
        """
        return self if self.has_delta else replace(self, named_adjoints=True, layer_deltas=of_layers or {})

    @cached_property
    def has_delta(self) -> bool:
        return any(split_name(name).head.lower() == "delta" for name in self.model.shapes)

    def element(self, name: str, indices: Sequence[str]) -> Ref:
        """One entry of an array."""
        return Ref(name, tuple(Index(i) for i in indices))

    def latex(self, e: Expression, of: str | None = None) -> str:
        """LaTeX; in a step, `of` names the node whose equation is being differentiated."""
        return latex(e, conventions=self.conventions(of))

    def text(self, e: Expression, of: str | None = None) -> str:
        """One line of Unicode."""
        return unicode_math(e, conventions=self.conventions(of))

    def math(self, e: Expression, of: str | None = None) -> Math:
        """Both spellings, for a document."""
        return Math(self.latex(e, of), self.text(e, of), str(e))

    def conventions(self, of: str | None = None) -> Conventions:
        return Conventions(
            shapes=self._shapes(),
            total=lambda derivative: self.total(derivative, of),
            index=self.index,
            decimal="{,}" if self.language == "es" else ".",
            adjoints_of=self.model.loss if self.named_adjoints else None,
            deltas=self.layer_deltas,
            direct=(lambda derivative: None) if of is not None else self.direct,
            whole=self.capital,
            iverson=self.named_adjoints or self.has_delta,
            otherwise=Words(self.language)["otherwise"],
            spellings=self.model.spellings,
            bold=self.bold,
        )

    def capital(self, name: str) -> str:
        """A batch of vectors is a matrix, whose rows are the examples: X, where that name is free."""
        if not self.batched or name not in self.model.per_example or len(self.model.shapes[name]) != 1:
            return name
        head = split_name(name).head
        found = head.upper() + name[len(head) :]
        free = found not in {*self.model.shapes, *example_names(self.model), "I", "J"}
        return found if len(head) == 1 and head.islower() and free else name

    def direct(self, derivative: D) -> tuple[str, tuple[str, ...]] | None:
        """For the derivative of the loss by its own equation alone: the loss, and the nodes that are held."""
        loss = self.model.by_name[self.model.loss]
        if alpha_normal(derivative.body) != alpha_normal(loss.body):
            return None
        name = derivative.wrt.name
        return loss.name, tuple(n for n in names(loss.body) if n in self.model.by_name and name in self._leads_to(n))

    def _leads_to(self, name: str) -> set[str]:
        """What a node is computed from, directly or through others."""
        seen: set[str] = set()
        pending = [name]
        while pending:
            for n in names(self.model.by_name[pending.pop()].body):
                if n not in seen:
                    seen.add(n)
                    if n in self.model.by_name:
                        pending.append(n)
        return seen

    def index(self, name: str) -> str:
        """An index that was renamed because the model has its letter prints with a prime: k_0 is k'."""
        if self.batched and name == example_names(self.model)[0]:
            return self._example_index
        match = re.fullmatch(r"([a-z])_(\d+)", name)
        if match is None or match[1] not in self.model.shapes or int(match[2]) > 2:
            return name
        return match[1] + "'" * (int(match[2]) + 1)

    def total(self, derivative: D, of: str | None = None) -> bool:
        """Whether this derivative is written with d."""
        body = derivative.body
        if of in self.model.by_name and (not isinstance(body, Ref) or body.name != of):
            return self._depends_on_one(self.model.by_name[of].body)
        if not isinstance(body, Ref):
            return self._depends_on_one(body)
        key = (body.name, derivative.wrt.name)
        if key not in self._cache:
            self._cache[key] = self._is_total(*key)
        return self._cache[key]

    @cached_property
    def _example_index(self) -> str:
        """The letter that counts the examples: n, or another one where the model has an n."""
        taken = {*self.model.shapes} | {i for e in self.model.equations for i in index_names(e.body)}
        return next((letter for letter in "nrstp" if letter not in taken), example_names(self.model)[0])

    def _shapes(self) -> Shapes:
        if not self.batched:
            return self.model.shapes
        return {n: (ONE, *s) if n in self.model.per_example else s for n, s in self.model.shapes.items()}

    def _is_total(self, of: str, wrt: str) -> bool:
        if of in self.model.variables:
            return True
        if wrt not in self.model.shapes:  # a letter for any of the parameters
            return False
        if of not in self.model.by_name:  # the objective over all examples
            return self._is_total(self.model.loss, wrt)
        if of != self.model.loss and wrt in names(self.model.by_name[of].body):
            return self._depends_on_one(self.model.by_name[of].body)
        return not self.model.shapes[wrt] and self._only_leaf(of, wrt)

    def _varying(self, e: Expression) -> set[str]:
        variables = self.model.variables
        return {n for n in names(e) if n not in variables or variables[n].role not in FIXED}

    def _depends_on_one(self, e: Expression) -> bool:
        """Whether one quantity alone varies: one scalar, or one element of an array."""
        varying = self._varying(e)
        elements = {node for node in walk(e) if isinstance(node, Ref) and node.name in varying}
        bound = {i for node in walk(e) if isinstance(node, Reduce) for i in node.indices}
        summed = any(isinstance(i, Index) and i.name in bound for element in elements for i in element.indices)
        return len(elements) == 1 and not summed

    def _only_leaf(self, of: str, held: str) -> bool:
        """Whether `of` depends on nothing but `held`, when that is taken as a leaf."""
        seen, pending = {of}, [of]
        while pending:
            for name in self._varying(self.model.by_name[pending.pop()].body):
                if name == held or name in seen:
                    continue
                if name not in self.model.by_name:
                    return False
                seen.add(name)
                pending.append(name)
        return True
