"""Derivation → Program.

Forward: each equation over the batch, in stable form.  Backward: for each node that a gradient needs its adjoint,
in the compact form in which factors have been cancelled (a − y, not a product of a quotient and a(1 − a)).  Where the
loss of one example meets what all examples share, the mean over the examples is taken.
"""

from __future__ import annotations

from derive.arrays.form import in_arrays
from derive.derivation import Adjoint, Derivation
from derive.differentiate.batch import depends_on_data, example_names, over_examples, terms
from derive.errors import DeriveError
from derive.expression.build import add, div, neg
from derive.expression.nodes import Call, D, Expression, Neg, Reduce, Ref
from derive.expression.walk import names, transform
from derive.functions import AXIS_FUNCTIONS
from derive.lower.program import Program, Statement, adjoint_name, needed_for
from derive.lower.stable import stable
from derive.model import Equation, Model
from derive.rules.naming import whole_arrays
from derive.rules.sums import pulled_out


def lower(derivation: Derivation) -> Program:
    """The program that computes outputs, loss and gradients over a batch."""
    return _Lowering(derivation).program()


class _Lowering:
    def __init__(self, derivation: Derivation) -> None:
        self.derivation = derivation
        self.model: Model = derivation.model
        self.n, self.count = example_names(self.model)
        examples: tuple[Expression, ...] = (Ref(self.count),)
        self.shapes = {
            name: (examples if name in self.model.per_example else ()) + shape
            for name, shape in self.model.shapes.items()
        }
        self.shapes |= {adjoint_name(name): shape for name, shape in self.shapes.items()}
        self.bodies = {e.name: (e.indices, e.body) for e in self.model.equations}

    def program(self) -> Program:
        model = self.model
        forward = tuple(self.forward(e) for e in model.equations)
        gradients = tuple(self.adjoint(a) for a in self.derivation.gradients if a.name in model.parameters)
        adjoints = tuple(self.adjoint(a) for a in self.derivation.nodes if a.name != model.loss)
        wanted = frozenset(name for g in gradients for name in names(g.value))
        backward = needed_for(adjoints, wanted)
        has_data = model.loss in model.per_example or any(g.axes[:1] == (self.n,) for g in forward)
        return Program(model, forward, backward, gradients, self.count if has_data else None)

    def forward(self, e: Equation) -> Statement:
        body = stable(e.body, self.bodies)
        rewritten = body != e.body and not (isinstance(e.written, Call) and e.written.function in AXIS_FUNCTIONS)
        axes = e.indices
        if e.name in self.model.per_example:
            body = over_examples(body, self.model, self.n)
            axes = (self.n, *axes)
        return Statement(e.name, axes, self.arrays(body, axes, (), e.name), f"{e.name} = {e.written}", rewritten)

    def adjoint(self, a: Adjoint) -> Statement:
        """The adjoint of a node or parameter; of what all examples share, that of the mean loss."""
        model, axes = self.model, a.result.indices
        compact = stable(a.compact, {})
        shape = a.result.shape
        if a.name in model.per_example:
            core = over_examples(compact, model, self.n)
            axes = (self.n, *axes)
            sizes: tuple[Expression, ...] = (Ref(self.count), *shape)
        else:
            core, sizes = self.mean(compact), shape
        value = self.arrays(self.named_adjoints(core), axes, sizes, a.name)
        shown = whole_arrays(a.compact, a.result.indices, shape)
        mean = (
            "mean of "
            if a.name not in model.per_example and depends_on_data(a.compact, model, adjoints_of_the_mean=True)
            else ""
        )
        return Statement(
            adjoint_name(a.name), axes, value, f"d{model.loss}/d{a.name} = {mean}{self.prose(shown or a.compact)}"
        )

    def prose(self, e: Expression) -> str:
        """A formula for a comment: adjoints as dL/dz."""

        def change(node: Expression) -> Expression | None:
            if isinstance(node, D) and isinstance(node.body, Ref):
                return Ref(f"d{node.body.name}/d{node.wrt.name}", node.wrt.indices)
            return None

        return str(transform(e, change))

    def mean(self, e: Expression) -> Expression:
        """The mean over the examples, term by term; what no example enters is its own mean."""
        model = self.model
        found: list[Expression] = []
        for term in terms(e):
            sign, bare = (True, term.arg) if isinstance(term, Neg) else (False, term)
            if depends_on_data(bare, model, adjoints_of_the_mean=True):
                bare = self.summed(over_examples(bare, model, self.n))
            found.append(neg(bare) if sign else bare)
        return add(*found)

    def summed(self, e: Expression) -> Expression:
        """Σ over the examples divided by their number, a factor that they share in front."""
        return div(pulled_out(Reduce("sum", e, (self.n,), None, (Ref(self.count),))), Ref(self.count))

    def named_adjoints(self, e: Expression) -> Expression:
        def change(node: Expression) -> Expression | None:
            if isinstance(node, D) and isinstance(node.body, Ref):
                return Ref(adjoint_name(node.wrt.name), node.wrt.indices)
            return None

        return transform(e, change)

    def arrays(self, e: Expression, axes: tuple[str, ...], sizes: tuple[Expression, ...], name: str) -> Expression:
        known = sizes or self.sizes(name, axes)
        found = in_arrays(e, axes, known, self.shapes)
        if found is None:
            raise DeriveError(f"no array code is known for the equation of '{name}': {e}")
        return found

    def sizes(self, name: str, axes: tuple[str, ...]) -> tuple[Expression, ...]:
        shape = self.model.shapes[name]
        return (Ref(self.count), *shape) if len(axes) > len(shape) else shape
