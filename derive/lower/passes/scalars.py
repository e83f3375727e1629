"""Scalar parameters side by side: ``w_1*x_1 + w_2*x_2 + b`` as one product of a vector and a matrix of rows.

The gradients of these parameters then are one product too, rows @ adjoint.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from derive.expression.build import ONE, number
from derive.expression.nodes import Add, Call, Expression, MatMul, Mul, Ref
from derive.expression.parts import terms_of
from derive.expression.walk import walk
from derive.lower.program import Program, Statement, adjoint_name
from derive.model import GIVEN

Rows = tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """``sum of parameter*row``; the row of a bias is 1."""

    node: str
    parameters: tuple[str, ...]
    rows: Rows


def scalars_gathered(program: Program) -> Program:
    """Sums of scalar parameters times vectors over the examples as one product, and so their gradients."""
    groups = _groups(program)
    if not groups:
        return program
    by_node = {g.node: g for g in groups}
    forward = tuple(replace(s, value=_product(by_node[s.name])) if s.name in by_node else s for s in program.forward)
    gathered = {adjoint_name(p) for g in groups for p in g.parameters}
    ours = tuple(_gradient(g, program) for g in groups)
    gradients = (*ours, *(s for s in program.gradients if s.name not in gathered))
    return replace(program, forward=forward, gradients=gradients, gathered=tuple(g.parameters for g in groups))


def pinned(program: Program) -> frozenset[str]:
    """The nodes that lie in a row of a matrix."""
    rows = [e for s in program.statements for e in walk(s.value) if isinstance(e, Call) and e.function == "rows"]
    given = {v.name for v in program.model.of_role(*GIVEN)}
    return frozenset(a.name for e in rows for a in e.args if isinstance(a, Ref) and a.name not in given)


def _product(g: Group) -> Expression:
    return MatMul(Call("gathered", tuple(Ref(p) for p in g.parameters)), Call("rows", g.rows))


def _gradient(g: Group, program: Program) -> Statement:
    formulas = {s.name: s.formula for s in program.gradients}
    formula = "; ".join(formulas[adjoint_name(p)] for p in g.parameters)
    value = MatMul(Call("rows", g.rows), Ref(adjoint_name(g.node)))
    shape = (number(len(g.parameters)),)
    return Statement(adjoint_name("_".join(g.parameters)), (), value, formula, shape=shape)


def _groups(program: Program) -> list[Group]:
    if not program.summed:
        return []
    found: list[Group] = []
    for s in program.forward:
        group = _group(s, program)
        if group is None or any(set(group.parameters) & set(g.parameters) for g in found):
            continue
        ours = {r.name for r in group.rows if isinstance(r, Ref)}
        others = [g.rows for g in found if g.rows != group.rows]
        if not any(isinstance(r, Ref) and r.name in ours for rows in others for r in rows):
            found.append(group)
    return found


def _group(s: Statement, program: Program) -> Group | None:
    """The parameters and rows of a sum, where each gradient is the row times the adjoint of the sum."""
    if not isinstance(s.value, Add) or s.shape != (Ref(program.count or ""),):
        return None
    pairs = [_parameter_and_row(term, program) for term in terms_of(s.value)]
    known = [pair for pair in pairs if pair is not None]
    if len(known) < len(pairs) or len({name for name, _ in known}) < len(pairs):
        return None
    gradients = {g.name: g.value for g in program.gradients}
    if not all(_is_product(gradients.get(adjoint_name(p)), row, adjoint_name(s.name)) for p, row in known):
        return None
    rows = tuple(row for _, row in known)
    if len(set(rows)) < len(rows) or not _of_one_kind(rows, program):
        return None
    return Group(s.name, tuple(p for p, _ in known), rows)


def _parameter_and_row(term: Expression, program: Program) -> tuple[str, Expression] | None:
    scalars = {v.name for v in program.model.of_role("parameter") if not v.shape}
    match term:
        case Ref(name=name, indices=()) if name in scalars:
            return name, ONE
        case Mul(factors=(Ref(name=name, indices=()), Ref(indices=()) as row)) if name in scalars:
            return (name, row) if program.shapes[row.name] == (Ref(program.count or ""),) else None
        case Mul(factors=(Ref(indices=()) as row, Ref(name=name, indices=()))) if name in scalars:
            return (name, row) if program.shapes[row.name] == (Ref(program.count or ""),) else None
    return None


def _is_product(value: Expression | None, row: Expression, adjoint: str) -> bool:
    if row == ONE:
        return value == Call("sum", (Ref(adjoint),))
    return value in (MatMul(Ref(adjoint), row), MatMul(row, Ref(adjoint)))


def _of_one_kind(rows: Rows, program: Program) -> bool:
    """Whether the rows are data, which are laid out beforehand, or nodes, which are computed into their rows."""
    names = {r.name for r in rows if isinstance(r, Ref)}
    given = {v.name for v in program.model.of_role(*GIVEN) if v.kind != "integer"}
    computed = {s.name for s in program.forward if not isinstance(s.value, Ref)}
    return bool(names) and (names <= given or names <= computed)
