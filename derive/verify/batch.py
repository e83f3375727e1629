"""Lines about the mean over the examples, ``dJ/dW = (A - Y).T @ X/N``: the model with its example axis written out.

In: a model and the truths of one example.  Out: the same for a batch: what depends on the data has an example axis in
front, under its own name or with a capital letter, and dJ/dW is the mean of dL/dW.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from derive.differentiate.batch import example_names, over_examples
from derive.errors import DeriveError
from derive.expression.build import add, div
from derive.expression.nodes import Compare, Expression, Index, Reduce, Ref
from derive.expression.parts import terms_of
from derive.expression.walk import bottom_up
from derive.model import Equation, Model, Variable
from derive.verify.notation import Vocabulary
from derive.verify.statement import Statements
from derive.verify.truths import Truths, spell

OBJECTIVE = "J"


def has_batch(model: Model) -> bool:
    """Whether the objective is a mean over examples, and its name is free."""
    return model.loss in model.per_example and OBJECTIVE not in model.shapes


def batch_statements(known: Vocabulary, single: Truths) -> Statements:
    """What reads lines about the batch."""
    model = single.model
    found = Statements(_with_examples(model), known, _BatchTruths(single))
    found.spellings = {_capital(name): name for name in model.per_example if _capital(name) not in model.shapes}
    return found


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]


def _with_examples(model: Model) -> Model:
    """The model of all examples at once; what it assumes of one example holds for each."""
    n, count = example_names(model)
    variables = {
        name: replace(v, shape=(Ref(count), *v.shape)) if name in model.per_example else v
        for name, v in model.variables.items()
    }
    variables[count] = Variable(count, "size")
    equations = tuple(_equation(e, model, n, count) if e.name in model.per_example else e for e in model.equations)
    assumptions = tuple(cast(Compare, over_examples(a, model, n)) for a in model.assumptions)
    return replace(model, variables=variables, equations=equations, assumptions=assumptions)


def _equation(e: Equation, model: Model, n: str, count: str) -> Equation:
    return replace(e, indices=(n, *e.indices), body=over_examples(e.body, model, n), shape=(Ref(count), *e.shape))


class _BatchTruths(Truths):
    """The derivatives of one example along the example axis, and those of the mean."""

    def __init__(self, single: Truths) -> None:
        self.single = single
        self.model = _with_examples(single.model)
        self.equations, self.shapes, self.local = {}, {}, {}

    def name(self, of: str, wrt: str) -> str:
        if of != OBJECTIVE:
            name = self.single.name(of, wrt)
            self.extend()
            return name
        if wrt in self.single.model.per_example:
            raise DeriveError(f"'{wrt}' has an entry for each example: the derivative of the mean is by parameters")
        element, expr = self.single.equations[self.single.name(self.single.model.loss, wrt)]
        n, count = example_names(self.single.model)
        self.extend()
        data = [t for t in terms_of(expr) if self.over(t) != t]
        alone = [t for t in terms_of(expr) if self.over(t) == t]  # a penalty is its own mean
        summed = Reduce("sum", self.over(add(*data)), (n,), None, (Ref(count),))
        mean = add(*([div(summed, Ref(count))] if data else []), *alone)
        indices = tuple(i.name for i in element.indices if isinstance(i, Index))
        return self.add(spell(of, wrt), indices, mean, self.single.shapes[element.name])

    def extend(self) -> None:
        """What is known of one example, of all of them."""
        n, count = example_names(self.single.model)
        for name, (element, expr) in self.single.equations.items():
            if name not in self.equations and name not in self.single.model.shapes:
                self.equations[name] = (Ref(name, (Index(n), *element.indices)), self.over(expr))
                self.shapes[name] = (Ref(count), *self.single.shapes[name])

    def over(self, e: Expression) -> Expression:
        """An expression of one example at the n-th."""
        n, _ = example_names(self.single.model)

        def change(node: Expression) -> Expression:
            if isinstance(node, Ref) and node.name in self.single.equations:
                return Ref(node.name, (Index(n), *node.indices))
            return node

        return over_examples(bottom_up(e, change), self.single.model, n)

    def elementwise(self, of: str, wrt: str) -> str | None:
        return None

    def path(self, of: str, wrt: str) -> list[tuple[str, str]]:
        return []

    def depends(self, name: str, wrt: str) -> bool:
        return super().depends(self.model.loss if name == OBJECTIVE else name, wrt)
