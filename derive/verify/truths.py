"""What each derivative of a derivation truly is: equations beside the model's own, one for each.

In: the proved derivation of the model.  Out: for ``dL/dz``, ``da/dz`` and the like a name, a shape, and an equation
that gives its elements by names of the model and other derivatives.  ``dn/dx`` of a node is the total derivative, by
the chain rule; ``∂n/∂x`` is that of its own equation alone, which differs where x enters through other nodes too.
"""

from __future__ import annotations

from derive.derivation import Derivation
from derive.errors import DeriveError
from derive.expression.build import ONE, ZERO, add, mul
from derive.expression.nodes import Call, D, Expression, Index, Reduce, Ref
from derive.expression.walk import fresh, index_names, names, rename_indices, transform, walk
from derive.model import Model, Shape

ELEMENTWISE = "⊙"  # ends the name of a derivative that is read entry by entry: the diagonal of the Jacobian
PARTIAL = "∂"  # begins the name of a derivative of one equation alone

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
            self.add(spell(result.of, result.wrt), result.indices, self.without_adjoints(result.expr), result.shape)
        if self.model.loss not in self.reached:
            self.add(spell(self.model.loss, self.model.loss), (), ONE, ())

    def add(self, name: str, indices: tuple[str, ...], expr: Expression, shape: Shape) -> str:
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
        """The name of a derivative, the total one; DeriveError where there is none."""
        name = spell(of, wrt)
        if name in self.equations:
            return name
        if of not in self.model.by_name:
            raise DeriveError(f"'{of}' has no equation, so it has no derivative")
        through = self.through(of, wrt)
        if wrt in self.inner(of) and (of, wrt) not in self.local:
            raise DeriveError(f"derive has no derivative of '{of}': the loss does not depend on it")
        if (of, wrt) in self.local and not through:
            return self.of_local(of, wrt, name)
        return self.by_chain_rule(of, wrt, through)

    def partial(self, of: str, wrt: str) -> str:
        """The name of the derivative of a node's own equation; the total one where nothing lies between."""
        if (of, wrt) not in self.local or not self.through(of, wrt) or of == self.model.loss:
            return self.name(of, wrt)
        name = spell(of, wrt, PARTIAL)
        return name if name in self.equations else self.of_local(of, wrt, name)

    def of_local(self, of: str, wrt: str, name: str) -> str:
        found = self.local[(of, wrt)]
        return self.add(name, found.indices, found.expr, found.shape)

    def through(self, of: str, wrt: str) -> list[str]:
        """The nodes in a node's equation that depend on a name themselves."""
        return [c for c in self.inner(of) if c != wrt and self.depends(c, wrt)]

    def by_chain_rule(self, of: str, wrt: str, through: list[str]) -> str:
        """Σ over the names between of ∂of/∂c · dc/dwrt, and ∂of/∂wrt; 0 where there are none."""
        equation, shapes = self.model.by_name[of], self.model.shapes
        taken = dict.fromkeys((*equation.indices, *index_names(equation.body)))
        last = _letters(len(shapes[wrt]), taken)
        own = (*map(Index, equation.indices),)
        terms: list[Expression] = []
        for c in through:
            if (of, c) not in self.local:
                raise DeriveError(f"derive has no derivative of '{of}': the loss does not depend on it")
            between = _letters(len(shapes[c]), taken)
            left, right = self.partial(of, c), self.name(c, wrt)
            product = mul(Ref(left, (*own, *map(Index, between))), Ref(right, tuple(map(Index, (*between, *last)))))
            terms.append(Reduce("sum", product, between, None, shapes[c]) if between else product)
        if (of, wrt) in self.local:
            terms.append(Ref(self.partial(of, wrt), (*own, *map(Index, last))))
        shape = (*equation.shape, *shapes[wrt])
        return self.add(spell(of, wrt), (*equation.indices, *last), add(*terms) if terms else ZERO, shape)

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
        name = spell(of, wrt) + ELEMENTWISE
        if name in self.equations:
            return name
        through = self.through(of, wrt) if self.alike(of, wrt) else []
        direct = (of, wrt) in self.local
        if not through:
            return self.diagonal(of, wrt, name) if direct else None
        own = (*map(Index, self.model.by_name[of].indices),)
        factors: list[tuple[str | None, ...]] = [(self.by_entries(of, c), self.elementwise(c, wrt)) for c in through]
        factors += [(self.by_entries(of, wrt),)] if direct else []
        terms = [mul(*(Ref(each, own) for each in pair if each is not None)) for pair in factors if None not in pair]
        return self.entries(name, own, add(*terms)) if len(terms) == len(factors) else None

    def by_entries(self, of: str, wrt: str) -> str | None:
        """As `elementwise`, of the node's own equation alone."""
        sign = PARTIAL if self.through(of, wrt) else "d"
        return self.diagonal(of, wrt, spell(of, wrt, sign) + ELEMENTWISE) if (of, wrt) in self.local else None

    def alike(self, of: str, wrt: str) -> bool:
        """Whether a node and a name are arrays of one shape."""
        shapes = self.model.shapes
        return of in self.model.by_name and bool(shapes[of]) and shapes[of] == shapes[wrt]

    def diagonal(self, of: str, wrt: str, name: str) -> str | None:
        """The derivative of an equation at equal entries of both; None where others meet."""
        if not self.alike(of, wrt):
            return None
        equation = self.model.by_name[of]
        own = tuple(map(Index, equation.indices))
        if any(isinstance(n, Ref) and n.name == wrt and n.indices != own for n in walk(equation.body)):
            return None
        if _inside_a_sum(equation.body, wrt):
            return None
        element, expr = self.equations[self.partial(of, wrt)]
        rank = len(own)
        swap = dict(
            zip((i.name for i in element.indices[rank:] if isinstance(i, Index)), element.indices, strict=False)
        )
        diagonal = transform(rename_indices(expr, swap), _one_on_the_diagonal)
        return self.entries(name, element.indices[:rank], diagonal)

    def entries(self, name: str, indices: tuple[Expression, ...], expr: Expression) -> str:
        self.equations[name] = (Ref(name, indices), expr)
        self.shapes[name] = self.model.shapes[name.removesuffix(ELEMENTWISE).partition("/")[2][1:]]
        return name

    def path(self, of: str, wrt: str) -> list[tuple[str, str]]:
        """The edges (of, wrt) of the graph that lie between two names."""
        return [
            (upper, lower)
            for upper, lower in self.local
            if self.depends(of, upper) and (lower == wrt or self.depends(lower, wrt))
        ]


def spell(of: str, wrt: str, sign: str = "d") -> str:
    return f"{sign}{of}/{sign}{wrt}"


def pair_of(name: str) -> tuple[str, str]:
    """The (of, with respect to) of a derivative's name."""
    of, _, wrt = name.replace(ELEMENTWISE, "").partition("/")
    return of[1:], wrt[1:]


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
