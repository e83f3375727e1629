"""The Derivation: for every edge its local derivative, for every node its adjoint, for every parameter its gradient.

Everything here is data.  Renderers print it; they compute no mathematics of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from derive.expression.nodes import Expression
from derive.model import Model, Shape

if TYPE_CHECKING:
    from types import ModuleType

    from derive.update_rule import UpdateRule


@dataclass(frozen=True, slots=True)
class Step:
    """One rule applied: `before` and `after` are equal wherever `before` is defined.

    `condition` is what `before` divides by and `after` no longer does; `assumption` is what the model states and the
    step needs; `proof` says how equality was established.
    """

    rule: str
    before: Expression
    after: Expression
    condition: str | None = None
    assumption: str | None = None
    proof: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A derivative, and the steps that lead to it from its ``D`` form.

    `of` and `wrt` name it; `indices` are the free indices of `expr` (those of `of`, then those of `wrt`).
    """

    of: str
    wrt: str
    indices: tuple[str, ...]
    expr: Expression
    shape: Shape
    steps: Sequence[Step]

    def to_sympy(self) -> Any:
        """The derivative as a SymPy expression (scalars)."""
        from derive.sympy_models import expression_to_sympy

        return expression_to_sympy(self.expr)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from derive.render.mime import bundle

        return bundle(self)


@dataclass(frozen=True, slots=True)
class Adjoint:
    """∂L/∂node: the chain rule over the node's direct consumers.

    `terms`: for each consumer the factors, as pairs (of, wrt).  `by_adjoint`: in terms of the consumers' adjoints.
    `compact`: the form that code computes, an adjoint put in only where something cancels.  `result.expr`: expanded
    through the adjoints while that is short, else equal to `by_adjoint`.
    """

    result: Result
    terms: tuple[tuple[tuple[str, str], ...], ...]
    chain: tuple[tuple[str, str], ...]
    by_adjoint: Expression
    compact: Expression
    expanded: bool

    @property
    def name(self) -> str:
        return self.result.wrt

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from derive.render.mime import bundle

        return bundle(self)


@dataclass(frozen=True)
class Hessian:
    """The second derivatives of the loss: a block for each pair of names, over the indices of both.

    The steps of a block start at ``D(D(L, p[i]), q[k])``; `derivation` has the gradients that they start from.
    """

    derivation: Derivation
    blocks: tuple[Result, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of ``derive hessian --format json``."""
        from derive.render.json import hessian_to_dict

        return hessian_to_dict(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from derive.render.mime import bundle

        return bundle(self)


@dataclass(frozen=True)
class Derivation:
    """Everything that was derived of a model.

    `local` has one result for each edge; `nodes` the adjoints of all equations but the loss, in reverse order;
    `gradients` those of the parameters, and of what was asked for besides; `lemmas` the derivatives of functions that
    steps refer to.
    """

    model: Model
    local: tuple[Result, ...]
    nodes: tuple[Adjoint, ...]
    gradients: tuple[Adjoint, ...]
    lemmas: Mapping[str, Sequence[Step]] = field(default_factory=dict)

    @cached_property
    def inner(self) -> tuple[Derivation, ...]:
        """The derivations of the derivatives inside the model, ``grad(u, x)``."""
        return tuple(inner.model.derive((inner.wrt,)) for inner in self.model.inner)

    @cached_property
    def second_steps(self) -> tuple[Step, ...]:
        """The steps to the second derivatives by every name that the gradients are by; their batch's among them."""
        from derive.differentiate.replay import second_steps

        return second_steps(self)

    def prove(self) -> Derivation:
        """The same derivation, every step proved; a step that cannot be established is an internal error."""
        from derive.differentiate.derive import proved

        return proved(self)

    def hessian(self, wrt: tuple[str, ...] = ()) -> Hessian:
        """The second derivatives by every pair of parameters, or of the names in `wrt`; proved.

        >>> from derive.model import Model
        >>> [str(block.expr) for block in Model.builtin("quadratic").derive().hessian().blocks]
        ['2']
        """
        from derive.differentiate.hessian import hessian

        return hessian(self, wrt)

    def replay(self, step: Step) -> Expression:
        """Applies the step's named rule to its `before` again."""
        from derive.differentiate.replay import replay

        return replay(self, step)

    def to_dict(self, rule: UpdateRule | None = None) -> dict[str, Any]:
        """The JSON object of ``derive gradient --format json``."""
        from derive.render.json import to_dict

        return to_dict(self, rule)

    def generate(self, **options: Any) -> str:
        """The source of a numpy module that trains the model: `derive.emit.module.generate` has the options.

        >>> from derive.model import Model
        >>> "beta_1 * m[name]" in Model.builtin("quadratic").derive().generate(optimizer="adam", clip_norm=1.0)
        True
        """
        from derive.emit.module import generate
        from derive.render.mime import Source

        return Source(generate(self, **options))

    def explain_program(self, style: str = "fast") -> str:
        """The program that code is made from, as text; of the fast style also after each pass that changed it."""
        from derive.lower.listing import explained, listing
        from derive.lower.lower import lower
        from derive.lower.turned import StepsNotFirst

        if style == "fast":
            try:
                return explained(lower(self, steps_first=True))
            except StepsNotFirst:
                pass  # both styles have the same code
        return f"program\n{listing(lower(self))}\n"

    def compile(self, **options: Any) -> ModuleType:
        """The generated module, ready to call."""
        from derive.emit.module import load

        return load(self.generate(**options), self.model.name)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from derive.render.mime import bundle

        return bundle(self)
