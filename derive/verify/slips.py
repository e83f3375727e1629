"""Which slip a wrong side most likely is: the first edit that makes it true, proved.

In: a wrong side, what it should equal, the names around.  Out: a `Slip`, or None where no edit repairs it, nor one and
the sign.
Edits are sieved at two points and the survivors proved by the prover, so that a slip that is named is one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from derive.differentiate.local import differentiate
from derive.errors import DeriveError
from derive.expression.build import ONE, TWO, mul, neg, sub
from derive.expression.nodes import Add, Call, Div, Expression, Mul, Neg, Number, Pow, Ref
from derive.expression.walk import index_names, names, operations, walk
from derive.prove.counterexample import Points
from derive.prove.setting import Setting
from derive.verify.edits import MOST, Edit, Pool, edits
from derive.verify.judgement import RIGHT, judge, setting
from derive.verify.statement import Head, Statements, Unfit
from derive.verify.truths import pair_of

MOST_PROOFS = 8  # survivors of the sieve that are proved
SECONDS = 20.0
MOST_PARTS = 16  # of the truth, that may be a missing term
MOST_ON_THE_WAY = 12  # names between two, of which every pair is considered


@dataclass(frozen=True)
class Slip:
    """`kind` names it, `corrected` is the whole side without it; `factor` is what was missing, with its derivative."""

    kind: str
    corrected: Expression
    before: Expression | None
    after: Expression | None
    derivative: tuple[str, str] | None = None  # where what is missing is a derivative of the graph
    turned: bool = False  # the whole has the wrong sign besides

    def spelled(self, spell: Callable[[Expression], Expression]) -> Slip:
        """The same, its names spelled otherwise."""
        before, after = (None if e is None else spell(e) for e in (self.before, self.after))
        return Slip(self.kind, spell(self.corrected), before, after, self.derivative, self.turned)


def find_slip(statements: Statements, head: Head, of: str, wrt: str, side: Expression) -> Slip | None:
    """The most likely slip in a side that does not equal the head: one, or else one in a side of the wrong sign."""
    if operations(side) > 60:
        return None
    pool, derivatives = _pool(statements, head, of, wrt, side)
    speaking = Add((side, *map(Ref, _names_of(pool))))
    where = setting(statements, head, speaking)
    end = time.monotonic() + SECONDS
    for sign in (ONE, neg(ONE)):
        truth = head.expr if sign == ONE else neg(head.expr)
        edit = _repair(statements, head, truth, side, pool, where, end)
        if edit is not None:
            derivative = None if edit.before or edit.after is None else derivatives.get(edit.after)
            corrected = edit.tree if sign == ONE else _turned(edit.tree)
            return Slip(edit.kind, corrected, edit.before, edit.after, derivative, sign != ONE)
    return None


def _repair(
    statements: Statements, head: Head, truth: Expression, side: Expression, pool: Pool, where: Setting, end: float
) -> Edit | None:
    """The first edit of a side that makes it the truth."""
    points = Points(truth, Add((side, *map(Ref, _names_of(pool)))), where, 2)
    proofs = 0
    for edit in _distinct(edits(side, pool)):
        if proofs == MOST_PROOFS or time.monotonic() > end:
            return None
        try:
            meant = statements.meaning(statements.by_rank(edit.tree), head)
        except (Unfit, DeriveError, TypeError, ValueError):
            continue
        if points.agrees(meant):
            proofs += 1
            if judge(truth, meant, where).verdict == RIGHT:
                return edit
    return None


def _turned(e: Expression) -> Expression:
    """The side of the other sign, a difference in it turned round: (y − a)·x → (a − y)·x."""
    match e:
        case Neg(arg):
            return arg
        case Add(terms=(first, Neg(second))):
            return Add((second, Neg(first)))
        case Mul(factors):
            for k, factor in enumerate(factors):
                if isinstance(_turned(factor), Add) and isinstance(factor, Add):
                    return Mul((*factors[:k], _turned(factor), *factors[k + 1 :]))
    return Neg(e)


def _names_of(pool: Pool) -> list[str]:
    """The names that edits may bring in."""
    parts = [*(factor for _, factor in pool.factors), *pool.terms, *pool.matrices, *pool.vectors]
    return [*(n for e in parts for n in names(e)), *(n for other in pool.alike.values() for n in other)]


def _distinct(found: Iterator[Edit]) -> Iterator[Edit]:
    seen: set[Expression] = set()
    for count, edit in enumerate(found):
        if count == MOST:
            return
        if edit.tree not in seen:
            seen.add(edit.tree)
            yield edit


def _pool(
    statements: Statements, head: Head, of: str, wrt: str, side: Expression
) -> tuple[Pool, dict[Expression, tuple[str, str]]]:
    """What the graph offers between two names: the local derivatives on the way, and what stands in them."""
    truths, shapes = statements.truths, statements.shapes
    factors: dict[Expression, str] = {}
    derivatives: dict[Expression, tuple[str, str]] = {}
    for upper, lower in _between(statements, of, wrt) if wrt else []:
        for name, kind in _derivatives_of(statements, of, upper, lower):
            element, expr = truths.equations[name]
            for factor in (expr, Ref(name)) if not element.indices else (Ref(name),):
                if operations(factor) <= 12 and not _trivial(factor):
                    factors.setdefault(factor, kind)
                    derivatives.setdefault(factor, pair_of(name))
    for factor in _inner_derivatives(statements, of, side):
        factors.setdefault(factor, "missing inner derivative")
    scalars = [n for n in _near(statements, of, wrt, side) if not shapes.get(n)]
    for name in scalars:
        factors.setdefault(Ref(name), "missing factor")
        factors.setdefault(sub(ONE, Ref(name)), "missing factor")
    if head.axes or head.fixed:
        for name in _near(statements, of, wrt, side):
            factors.setdefault(Ref(name), "missing factor")
            factors.setdefault(sub(ONE, Ref(name)), "missing factor")
    for part in walk(head.expr) if not head.axes else ():
        if isinstance(part, (Call, Add)) and part != head.expr and operations(part) <= 6:
            factors.setdefault(part, "missing factor")
    spoken = (head.expr, side, *(e.body for e in statements.model.equations if e.name == of))
    for number in dict.fromkeys((TWO, *(n for e in spoken for n in walk(e) if isinstance(n, Number) and n.value > 1))):
        factors.setdefault(number, "missing constant")
    counts = [v.name for v in statements.model.variables.values() if v.role == "size" and v.name in names(head.expr)]
    for name in counts:
        factors.setdefault(Ref(name), "missing factor")
    whole = statements.printed(head)
    terms = _terms(whole) if not index_names(whole) else []
    terms += _paths(statements, of, wrt)
    near = _near(statements, of, wrt, side)
    pool = Pool(
        tuple((kind, factor) for factor, kind in factors.items()),
        tuple(dict.fromkeys(terms)),
        _alike(statements, side),
        tuple(dict.fromkeys((*head.fixed, *index_names(side)))),
        tuple(Ref(n) for n in near if len(shapes.get(n, ())) == 2),
        tuple(Ref(n) for n in near if len(shapes.get(n, ())) == 1),
    )
    return pool, derivatives


def _derivatives_of(statements: Statements, of: str, upper: str, lower: str) -> Iterator[tuple[str, str]]:
    """The local derivative of an edge, and the derivative of the whole by the edge's upper end."""
    truths, loss = statements.truths, statements.model.loss
    try:
        found = truths.elementwise(upper, lower) or (None if upper == loss else truths.partial(upper, lower))
    except DeriveError:
        return
    if found is not None:
        yield found, "missing inner derivative"
    if upper not in (of, loss):
        try:
            yield truths.name(of, upper), "missing factor"
        except DeriveError:
            return


def _inner_derivatives(statements: Statements, of: str, side: Expression) -> Iterator[Expression]:
    """The derivatives of what stands inside of functions and powers: what the chain rule asks for."""
    equation = statements.model.by_name.get(of)
    if statements.shapes.get(of) or equation is None:
        return
    inside = [node.args[0] for e in (side, equation.body) for node in walk(e) if isinstance(node, Call) and node.args]
    inside += [node.base for e in (side, equation.body) for node in walk(e) if isinstance(node, Pow)]
    for inner in dict.fromkeys(inside):
        for name in names(inner):
            if operations(inner) > 8 or any(statements.shapes.get(n) for n in names(inner)):
                continue
            try:
                found = differentiate(inner, Ref(name), None)[0]
            except DeriveError:
                continue
            if not _trivial(found):
                yield found


def _between(statements: Statements, of: str, wrt: str) -> list[tuple[str, str]]:
    """The edges between two names, then other pairs of names on the way, where the way is short."""
    truths, edges = statements.truths, statements.truths.path(of, wrt)
    on_the_way = list(dict.fromkeys(name for edge in edges for name in edge))
    if len(on_the_way) > MOST_ON_THE_WAY:
        return edges
    pairs = [(u, v) for u in on_the_way for v in on_the_way if u not in (v, of) and truths.depends(u, v)]
    return [*edges, *(pair for pair in pairs if pair not in edges)]


def _trivial(e: Expression) -> bool:
    return isinstance(e, Number) and e.value in (0, 1)


def _near(statements: Statements, of: str, wrt: str, side: Expression) -> list[str]:
    """The names in the side, and in the equations between the two."""
    model, truths = statements.model, statements.truths
    found = dict.fromkeys(n for n in names(side) if n in model.shapes)
    for equation in reversed(model.equations):
        if wrt and (truths.depends(of, equation.name) and truths.depends(equation.name, wrt)):
            found |= dict.fromkeys((*names(equation.body), equation.name))
    return list(found)


def _alike(statements: Statements, side: Expression) -> dict[str, tuple[str, ...]]:
    """For each name of the side the others of its shape, then those of as many axes."""
    shapes = statements.shapes
    others = [n for n, v in statements.model.shapes.items() if n != statements.model.loss]
    others = [n for n in others if getattr(statements.model.variables.get(n), "role", "") != "size"]
    others += [n for n in names(side) if n not in others]
    found: dict[str, tuple[str, ...]] = {}
    for name in names(side):
        shape = shapes.get(name, ())
        ranked = [o for o in others if o != name and len(shapes.get(o, ())) == len(shape)]
        fitting = [o for o in ranked if shapes.get(o, ()) == shape]
        found[name] = (*fitting, *(o for o in ranked if o not in fitting))
    return found


def _terms(e: Expression) -> list[Expression]:
    """The terms of the truth, signs taken off, then the small parts of which it is made; the whole of it is none."""
    terms = [t.arg if isinstance(t, Neg) else t for t in e.terms] if isinstance(e, Add) else []
    parts = [p for p in walk(e) if isinstance(p, (Ref, Call, Mul)) or _is_constant(p)]
    parts = sorted((p for p in parts if p != e), key=lambda p: not _is_constant(p))
    return [t for t in (*terms, *parts) if operations(t) <= 12][:MOST_PARTS]


def _is_constant(e: Expression) -> bool:
    return isinstance(e, (Number, Div)) and not names(e) and not _trivial(e)


def _paths(statements: Statements, of: str, wrt: str) -> list[Expression]:
    """For each way on from a name, what it adds: the derivative of the whole by its consumer, times the local one."""
    truths, found = statements.truths, []
    if not wrt or statements.shapes.get(wrt):
        return []
    for upper, lower in truths.path(of, wrt):
        if lower != wrt or upper == of or statements.shapes.get(upper):
            continue
        try:
            found.append(mul(Ref(truths.name(of, upper)), Ref(truths.partial(upper, lower))))
        except DeriveError:
            continue
    return found
