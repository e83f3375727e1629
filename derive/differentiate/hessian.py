"""Second derivatives: the gradient by one parameter, differentiated by another along the graph.

In: a derivation, with its local derivatives, adjoints and gradients.  Out: for each pair of names a block,
∂²L/∂p[i]∂q[k], with steps that start at ``D(D(L, p[i]), q[k])``.  The gradient by p is an expression in nodes, and in
adjoints ``D(L, z[j])`` where it is not expanded; a node u has the derivative D(u, q), the sum over what its equation
names of the local derivative times the derivative of that; so has an adjoint, whose equation is its expression.  In
every line ``D(e, q)`` is the derivative of e as a function of the leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NoReturn

from derive.derivation import Derivation, Hessian, Result, Step
from derive.differentiate.derive import derive
from derive.differentiate.local import differentiate
from derive.differentiate.strategy import Chain, simplify, tidy_up
from derive.errors import DeriveError
from derive.expression.build import ONE, ZERO, add, mul
from derive.expression.collection import collection_paused
from derive.expression.nodes import Compare, D, Expression, Index, Mul, Neg, Reduce, Ref
from derive.expression.walk import (
    bottom_up,
    bound_apart,
    free_indices,
    fresh,
    index_names,
    names,
    operations,
    rename_indices,
    transform,
    walk,
)
from derive.model import Equation, Model, Shape
from derive.prove.setting import Setting
from derive.rules.chain import ADJOINTS
from derive.rules.fractions import ORDER_TERMS, SIGNS
from derive.rules.known_sums import says_a_sum
from derive.rules.naming import NAME_FUNCTION
from derive.rules.notation import ARRAY_NOTATION
from derive.rules.rule import Context, Fact, Rule

LONGEST = 120  # operations up to which a block is expanded through the adjoints
MOST = 1000  # operations of a block; what takes more is refused

LARGE = 2 / 3  # what is left of the terms as they come where simplifying is worth their order

ADJOINT = "∂"  # no user's name begins so: ∂z stands for D(L, z) while that is an equation's name like others


def hessian(derivation: Derivation, wrt: tuple[str, ...] = ()) -> Hessian:
    """The blocks of every pair of parameters, or of the names in `wrt`, each proved.

    Raises DeriveError where a name is unknown, or a block has no form that anybody would read.
    """
    model = derivation.model
    chosen = tuple(dict.fromkeys(wrt)) or model.parameters
    derivation = derive(model, chosen)
    _refuse(model, chosen)
    with collection_paused():
        sweep = _Sweep(derivation)
        pairs = [(p, q) for k, p in enumerate(chosen) for q in chosen[k:]]
        return Hessian(derivation, tuple(sweep.block(p, q) for p, q in pairs))


def _refuse(model: Model, chosen: tuple[str, ...]) -> None:
    if not chosen:
        raise DeriveError("the model has no parameters", hint="--wrt names what to differentiate by")
    for v in model.of_role("parameter"):
        if v.structure is not None and v.name in chosen:
            message = (
                f"the parameter '{v.name}' is {v.structure}: second derivatives of that structure are not supported"
            )
            raise DeriveError(message, v.place).within(model.text, model.source)
    if model.recurrent:
        first = next(e for e in model.equations if e.name in model.recurrent)
        message = f"'{first.name}' is a recurrence: second derivatives through it are not supported"
        raise DeriveError(message, first.place).within(model.text, model.source)
    if model.loss in chosen:
        raise DeriveError(f"'{model.loss}' is the loss itself: it has no second derivative by itself")
    for assumption in model.assumptions:
        moved = [name for name in chosen if name in names(assumption)]
        if moved and assumption.op == "==":
            message = f"it is assumed that {assumption}: '{moved[0]}' cannot vary freely"
            raise DeriveError(message, hint="leave the assumption out, or differentiate by another name")
    for name in chosen:
        for other in chosen:
            if name != other and other in _behind(model, name):
                message = f"'{name}' depends on '{other}': there is no second derivative by both"
                raise DeriveError(message, hint="name them one at a time")


def _behind(model: Model, name: str) -> set[str]:
    """The names that a node depends on."""
    found: set[str] = set()
    pending = [name]
    while pending:
        equation = model.by_name.get(pending.pop())
        for other in () if equation is None else names(equation.body):
            if other not in found:
                found.add(other)
                pending.append(other)
    return found


@dataclass(frozen=True, slots=True)
class _Node:
    """What a name stands for: an equation's right-hand side over its indices, or an adjoint's expression."""

    indices: tuple[str, ...]
    shape: Shape
    body: Expression


class _Sweep:
    def __init__(self, derivation: Derivation) -> None:
        self.derivation = derivation
        self.model = derivation.model
        self.local = {(r.of, r.wrt): Fact(r.indices, r.expr) for r in derivation.local}
        self.adjoints = {a.name: a for a in (*derivation.nodes, *derivation.gradients)}
        self.slopes: dict[tuple[str, str], Fact | None] = {}
        self.taken = dict.fromkeys((*self.model.variables, *self.model.by_name))
        equations = [e for e in self.model.equations if e.name in self.model.reaches_loss]
        self.facts = {(self.model.loss, a.name): Fact(a.result.indices, a.result.expr) for a in self.adjoints.values()}
        self.all = tuple(map(_as_pair, equations))
        self.known = tuple(map(_as_pair, filter(self.tells, equations)))

    def tells(self, equation: Equation) -> bool:
        """Whether rules may use what a node is worth: a sum, or what a largest entry is compared with."""
        asked = (n for e in self.model.equations for n in walk(e.body) if isinstance(n, Compare) and n.op == "==")
        return says_a_sum(equation.body) or any(equation.name in names(n) for n in asked)

    # One block.

    def block(self, p: str, q: str) -> Result:
        """∂²L/∂p∂q, proved."""
        self.pair = (p, q)
        rows = self.letters(p, {})
        columns = self.letters(q, dict.fromkeys(rows))
        gradient, wrt = D(Ref(self.model.loss), _element(p, rows)), _element(q, columns)
        axes, sizes = (*rows, *columns), (*self.model.shapes[p], *self.model.shapes[q])
        chain = Chain(D(gradient, wrt), self.context(axes, sizes))
        chain.apply(ADJOINTS)
        self.carried_out(chain, wrt)
        self.expanded(chain)
        if operations(chain.expr) > MOST:
            self.refuse(*self.pair)
        expr = chain.expr
        if axes and chain.apply(IN_ARRAYS):
            chain.apply(NAME_FUNCTION)
        return Result(p, q, axes, expr, sizes, self.proved(chain, axes, sizes))

    def refuse(self, p: str, q: str) -> NoReturn:
        message = f"the second derivative by '{p}' and '{q}' takes more than {MOST} operations"
        raise DeriveError(message, hint="--wrt names what to differentiate by")

    def carried_out(self, chain: Chain, wrt: Ref) -> None:
        """D(gradient, q) by the rules; by the chain rule where the gradient speaks of nodes that depend on q."""
        if not isinstance(chain.expr, D):
            raise TypeError("a second derivative begins with a derivative")
        body = self.named_adjoints(chain.expr.body)
        if not any(self.slope(name, wrt.name) for name in names(body) if name != wrt.name):
            ranges = dict(zip(chain.context.axes, chain.context.sizes, strict=True))
            _, steps = differentiate(body, wrt, None, ranges, self.shapes(body))
            for step in steps:
                before, after = self.by_adjoints(step.before), self.by_adjoints(step.after)
                chain.steps.append(replace(step, before=before, after=after))
                chain.expr = after
            _simplified(chain)
            return
        chain.apply(Rule(TOTAL, "", lambda e, _: self.by_adjoints(self.total(body, wrt))))
        chain.apply(Rule(SLOPES, "", lambda e, _: self.with_slopes(e, wrt.name)))
        if operations(chain.expr) > MOST:
            self.refuse(*self.pair)
        _simplified(chain)

    def expanded(self, chain: Chain) -> None:
        """Adjoints that are left put in while that stays short."""
        while any(isinstance(node, D) for node in walk(chain.expr)):
            fork = chain.fork()
            if not fork.apply(ADJOINTS) or operations(fork.expr) > LONGEST:
                return
            _simplified(fork)
            chain.take(fork)

    def total(self, body: Expression, wrt: Ref) -> Expression:
        """Σ over the names in the body: its derivative by each times that name's derivative by q."""
        terms: list[Expression] = []
        for name in names(body):
            if name != wrt.name and self.slope(name, wrt.name) is None:
                continue
            if name == wrt.name:
                terms.append(self.partial(body, wrt, index_names(body)))
                continue
            taken = {**index_names(body), **index_names(wrt)}
            letters = self.letters(name, taken)
            element = _element(name, letters)
            partial = self.partial(body, element, {**taken, **index_names(element)})
            term = D(element, wrt) if partial == ONE else mul(partial, D(element, wrt))
            terms.append(Reduce("sum", term, letters, None, self.shape(name)) if letters else term)
        return add(*terms)

    def with_slopes(self, e: Expression, q: str) -> Expression | None:
        """The derivatives of nodes by q put in."""
        taken = index_names(e)

        def change(node: Expression) -> Expression | None:
            if not isinstance(node, D) or node.wrt.name != q:
                return None
            element = self.named_adjoints(node.body)
            fact = self.slope(element.name, q) if isinstance(element, Ref) else None
            if fact is None or not isinstance(element, Ref):
                return None
            swap = dict(zip(fact.indices, (*element.indices, *node.wrt.indices), strict=True))
            return self.by_adjoints(bound_apart(rename_indices(fact.expr, swap), taken))

        return bottom_up(transform(e, change), _flat)

    # Derivatives of nodes and of adjoints.

    def node(self, name: str) -> _Node | None:
        if name.startswith(ADJOINT):
            r = self.adjoints[name.removeprefix(ADJOINT)].result
            return _Node(r.indices, r.shape, self.named_adjoints(r.expr))
        equation = self.model.by_name.get(name)
        return None if equation is None else _Node(equation.indices, equation.shape, equation.body)

    def slope(self, name: str, q: str) -> Fact | None:
        """The derivative of a node by q, over the node's indices and q's; None where the node does not depend on q."""
        if (name, q) not in self.slopes:
            self.slopes[(name, q)] = self.swept(name, q)
        return self.slopes[(name, q)]

    def swept(self, name: str, q: str) -> Fact | None:
        node = self.node(name)
        if node is None or name == q:
            return None
        deps = [d for d in names(node.body) if d == q or self.slope(d, q) is not None]
        if not deps:
            return None
        own = self.letters(name, {})
        columns = self.letters(q, dict.fromkeys(own))
        wrt = _element(q, columns)
        terms: list[Expression] = []
        for d in deps:
            between = columns if d == q else self.letters(d, dict.fromkeys((*own, *columns)))
            local = self.local_slope(name, node, own, d, between)
            if d == q:
                terms.append(local)
                continue
            inner = self.with_slopes(D(self.by_adjoints(_element(d, between)), wrt), q) or ZERO
            term = mul(bound_apart(local, dict.fromkeys(columns)), self.named_adjoints(inner))
            terms.append(Reduce("sum", term, between, None, self.shape(d)) if between else term)
        axes, sizes = (*own, *columns), (*node.shape, *self.model.shapes[q])
        chain = Chain(add(*terms), self.context(axes, sizes))
        if operations(chain.expr) > MOST:
            self.refuse(*self.pair)
        _simplified(chain)
        return None if chain.expr == ZERO else Fact(axes, chain.expr)

    def local_slope(self, name: str, node: _Node, own: tuple[str, ...], d: str, by: tuple[str, ...]) -> Expression:
        """∂name/∂d as the node's right-hand side says it, over the given letters."""
        fact = self.local.get((name, d))
        if fact is None:
            swap: dict[str, Expression] = dict(zip(node.indices, map(Index, own), strict=True))
            body = rename_indices(bound_apart(node.body, dict.fromkeys((*own, *by))), swap)
            return self.partial(
                body, _element(d, by), dict.fromkeys((*own, *by)), dict(zip(own, node.shape, strict=True))
            )
        swap = dict(zip(fact.indices, map(Index, (*own, *by)), strict=True))
        return bound_apart(rename_indices(fact.expr, swap), dict.fromkeys((*own, *by)))

    def partial(
        self,
        body: Expression,
        wrt: Ref,
        taken: Mapping[str, None],
        ranges: Mapping[str, Expression] | None = None,
    ) -> Expression:
        """The derivative by one name, others fixed; what it binds is apart from the letters that are taken."""
        own = dict(zip(index_names(wrt), self.shape(wrt.name), strict=True))
        expr, _ = differentiate(body, wrt, None, {**(ranges or self.ranges), **own}, self.shapes(body))
        return bound_apart(expr, taken)

    # Surroundings.

    def context(self, axes: tuple[str, ...], sizes: Shape) -> Context:
        self.ranges = dict(zip(axes, sizes, strict=True))
        return Context(
            loss=self.model.loss,
            facts=self.facts,
            assumptions=self.model.assumptions,
            axes=axes,
            sizes=sizes,
            ranges=self.ranges,
            shapes=self.model.shapes,
            equations=self.known,
        )

    def proved(self, chain: Chain, axes: tuple[str, ...], sizes: Shape) -> tuple[Step, ...]:
        from derive.prove.composed import prove_lines  # numpy and mpmath wait until they are needed

        common = Setting(
            loss=self.model.loss,
            assumptions=self.model.assumptions,
            shapes=self.model.shapes,
            axes=axes,
            ranges=dict(zip(axes, sizes, strict=True)),
        )
        lines = [chain.steps[0].before, *(step.after for step in chain.steps)]
        proofs = prove_lines(lines, replace(common, equations=self.all), replace(common, equations=self.known))
        return tuple(replace(step, proof=proof) for step, proof in zip(chain.steps, proofs, strict=True))

    def shape(self, name: str) -> Shape:
        return self.model.shapes[name.removeprefix(ADJOINT)]

    def shapes(self, e: Expression) -> dict[str, Shape]:
        return {**self.model.shapes, **{name: self.shape(name) for name in names(e)}}

    def letters(self, name: str, taken: Mapping[str, None]) -> tuple[str, ...]:
        """Index letters for the axes of a name, none of them taken."""
        found: list[str] = []
        for _ in self.shape(name):
            found.append(fresh({**self.taken, **taken, **dict.fromkeys(found)}, "i"))
        return tuple(found)

    def named_adjoints(self, e: Expression) -> Expression:
        """``D(L, z[j])`` as an element of ∂z."""

        def change(node: Expression) -> Expression | None:
            if isinstance(node, D) and node.body == Ref(self.model.loss):
                return Ref(ADJOINT + node.wrt.name, node.wrt.indices)
            return None

        return transform(e, change)

    def by_adjoints(self, e: Expression) -> Expression:
        """An element of ∂z as ``D(L, z[j])``."""

        def change(node: Expression) -> Expression | None:
            if isinstance(node, Ref) and node.name.startswith(ADJOINT):
                return D(Ref(self.model.loss), Ref(node.name.removeprefix(ADJOINT), node.indices))
            return None

        return transform(e, change)


def _in_arrays(e: Expression, context: Context) -> Expression | None:
    """Whole-array notation with what has no index in front: a*(1 - a)*outer(x, x)."""
    bare = e.arg if isinstance(e, Neg) else e
    factors = bare.factors if isinstance(bare, Mul) else (bare,)
    scalars = [f for f in factors if not set(free_indices(f)) & set(context.axes)]
    rest = [f for f in factors if f not in scalars]
    if not scalars or len(rest) < 2:
        return ARRAY_NOTATION.apply(e, context)
    array = ARRAY_NOTATION.apply(mul(*rest), context)
    if array is None or isinstance(array, Neg):
        return ARRAY_NOTATION.apply(e, context)
    whole = mul(*scalars, *(array.factors if isinstance(array, Mul) else (array,)))
    return Neg(whole) if isinstance(e, Neg) else whole


IN_ARRAYS = replace(ARRAY_NOTATION, apply=_in_arrays)


def _flat(e: Expression) -> Expression:
    """A product in a product as one."""
    return (
        mul(*(g for f in e.factors for g in (f.factors if isinstance(f, Mul) else (f,)))) if isinstance(e, Mul) else e
    )


def _simplified(chain: Chain) -> None:
    """The textbook's form: the terms as they come, one for each path, unless much cancels between them."""
    terms = chain.fork()
    tidy_up(terms)
    terms.apply(ORDER_TERMS)
    terms.apply(SIGNS)
    simplify(chain)
    if operations(chain.expr) > LARGE * operations(terms.expr):
        chain.take(terms)


TOTAL = "total derivative"
SLOPES = "derivatives of the nodes"


def _element(name: str, letters: Iterable[str]) -> Ref:
    return Ref(name, tuple(map(Index, letters)))


def _as_pair(e: Equation) -> tuple[Ref, Expression]:
    return _element(e.name, e.indices), e.body
