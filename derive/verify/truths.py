"""What each derivative of a derivation truly is: equations beside the model's own, one for each.

In: the proved derivation of the model.  Out: for ``dL/dz``, ``da/dz`` and the like a name, a shape, and an equation
that gives its elements by names of the model and other derivatives.  A derivative of a node is the local one where its
equation has the name itself, else the chain rule through the nodes between.
"""

from __future__ import annotations

from derive.derivation import Derivation
from derive.errors import DeriveError
from derive.expression.build import ONE, ZERO, add, mul
from derive.expression.nodes import Call, D, Expression, Index, Reduce, Ref
from derive.expression.walk import fresh, index_names, names, rename_indices, transform, walk
from derive.model import Model, Shape

ELEMENTWISE = "⊙"  # ends the name of a derivative that is read entry by entry: the diagonal of the Jacobian

Known = tuple[Ref, Expression]


class Truths:
    """The derivatives of one model, by their names ``dL/dz``; `equations` in an order in which each can be computed."""

    def __init__(self, derivation: Derivation) -> None:
        self.model: Model = derivation.model
        self.equations: dict[str, Known] = {}
        self.shapes: dict[str, Shape] = {}
        self.local = {(r.of, r.wrt): r for r in derivation.local}
        self.reached = {a.name for a in (*derivation.nodes, *derivation.gradients)}
        for adjoint in (*derivation.nodes, *derivation.gradients):
            result = adjoint.result
            self.add(result.of, result.wrt, result.indices, self.without_adjoints(result.expr), result.shape)
        if self.model.loss not in self.reached:
            self.add(self.model.loss, self.model.loss, (), ONE, ())

    def add(self, of: str, wrt: str, indices: tuple[str, ...], expr: Expression, shape: Shape) -> str:
        name = spell(of, wrt)
        self.equations[name] = (Ref(name, tuple(map(Index, indices))), expr)
        self.shapes[name] = shape
        return name

    def without_adjoints(self, e: Expression) -> Expression:
        """Adjoints as names: ``D(L, z[i])`` is ``dL/dz`` at i."""

        def change(node: Expression) -> Expression | None:
            if isinstance(node, D) and isinstance(node.body, Ref):
                return Ref(spell(node.body.name, node.wrt.name), node.wrt.indices)
            return None

        return transform(e, change)

    def name(self, of: str, wrt: str) -> str:
        """The name of a derivative; DeriveError where it is not clear which is meant."""
        name = spell(of, wrt)
        if name in self.equations:
            return name
        if of not in self.model.by_name:
            raise DeriveError(f"'{of}' has no equation, so it has no derivative")
        through = [c for c in self.inner(of) if c != wrt and self.depends(c, wrt)]
        direct = (of, wrt) in self.local
        if direct and through:
            said = f"'{of}' depends on '{wrt}' directly and through '{through[0]}'"
            raise DeriveError(
                f"{said}: which derivative is meant is not clear", hint="write the derivative of the loss"
            )
        if direct:
            found = self.local[(of, wrt)]
            return self.add(of, wrt, found.indices, found.expr, found.shape)
        return self.by_chain_rule(of, wrt, through)

    def by_chain_rule(self, of: str, wrt: str, through: list[str]) -> str:
        """Σ over the names between of ∂of/∂c · dc/dwrt; 0 where there are none."""
        equation, shapes = self.model.by_name[of], self.model.shapes
        taken = dict.fromkeys((*equation.indices, *index_names(equation.body)))
        last = _letters(len(shapes[wrt]), taken)
        terms: list[Expression] = []
        for c in through:
            if (of, c) not in self.local:
                raise DeriveError(f"derive has no derivative of '{of}': the loss does not depend on it")
            between = _letters(len(shapes[c]), taken)
            left, right = self.name(of, c), self.name(c, wrt)
            product = mul(
                Ref(left, tuple(map(Index, (*equation.indices, *between)))),
                Ref(right, tuple(map(Index, (*between, *last)))),
            )
            terms.append(Reduce("sum", product, between, None, shapes[c]) if between else product)
        shape = (*equation.shape, *shapes[wrt])
        return self.add(of, wrt, (*equation.indices, *last), add(*terms) if terms else ZERO, shape)

    def inner(self, of: str) -> list[str]:
        return list(names(self.model.by_name[of].body)) if of in self.model.by_name else []

    def depends(self, name: str, wrt: str) -> bool:
        """Whether a node depends on a name, through whatever is between."""
        pending, seen = [name], {name}
        while pending:
            current = pending.pop()
            if current == wrt:
                return True
            new = [c for c in self.inner(current) if c not in seen]
            seen.update(new)
            pending += new
        return False

    def elementwise(self, of: str, wrt: str) -> str | None:
        """The name of the derivative entry by entry, where node and name have one shape and meet at equal entries."""
        model = self.model
        if of not in model.by_name or not model.shapes[of] or model.shapes[of] != model.shapes[wrt]:
            return None
        equation = model.by_name[of]
        own = tuple(map(Index, equation.indices))
        for node in [n for n in walk(equation.body) if isinstance(n, Ref) and n.name == wrt]:
            if node.indices != own:
                return None
        if (of, wrt) not in self.local or _inside_a_sum(equation.body, wrt):
            return None
        element, expr = self.equations[self.name(of, wrt)]
        rank = len(own)
        swap = dict(
            zip((i.name for i in element.indices[rank:] if isinstance(i, Index)), element.indices, strict=False)
        )
        diagonal = transform(rename_indices(expr, swap), _one_on_the_diagonal)
        name = spell(of, wrt) + ELEMENTWISE
        self.equations[name] = (Ref(name, element.indices[:rank]), diagonal)
        self.shapes[name] = model.shapes[wrt]
        return name

    def path(self, of: str, wrt: str) -> list[tuple[str, str]]:
        """The edges (of, wrt) of the graph that lie between two names."""
        return [
            (upper, lower)
            for upper, lower in self.local
            if self.depends(of, upper) and (lower == wrt or self.depends(lower, wrt))
        ]


def spell(of: str, wrt: str) -> str:
    return f"d{of}/d{wrt}"


def _letters(count: int, taken: dict[str, None]) -> tuple[str, ...]:
    found: list[str] = []
    for _ in range(count):
        found.append(fresh(taken, "k"))
        taken[found[-1]] = None
    return tuple(found)


def _inside_a_sum(e: Expression, name: str) -> bool:
    return any(name in names(node) for node in walk(e) if isinstance(node, Reduce))


def _one_on_the_diagonal(node: Expression) -> Expression | None:
    if isinstance(node, Call) and node.function == "delta" and node.args[0] == node.args[1]:
        return ONE
    return None
