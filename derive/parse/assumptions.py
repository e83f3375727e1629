"""``assume(…)``: a comparison, or that a matrix is symmetric (``K == K.T``) or positive definite (``spd(K)``).

In: the statements.  Out: the comparisons in index form, and the structures of the matrices.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from derive.errors import DeriveError, Place
from derive.expression.nodes import Compare, Expression, Ref, Transpose
from derive.model import SELF_TRANSPOSE, SPD, Shape, Variable
from derive.parse.elaborate import in_index_form
from derive.parse.naming import Naming
from derive.parse.scope import Body
from derive.parse.sizes import print_shape, same_size
from derive.parse.statements import Assumption
from derive.parse.whole import Whole

GIVEN = ("constant", "input", "target")


def comparison(
    assumption: Assumption, naming: Naming, shapes: Mapping[str, Shape], bodies: Mapping[str, Body], whole: Whole
) -> Compare:
    """What one ``assume`` says, in index form."""
    call, place = assumption.call, naming.source.place(assumption.call)
    e = _argument(assumption, naming)
    if not isinstance(e, Compare):
        raise DeriveError("assume takes one comparison, or spd(…)", place, "for example assume(sum(y) == 1)")
    body, _, _ = in_index_form(e, shapes, bodies, _free(assumption, naming), naming.source.place(call), whole)
    if not isinstance(body, Compare):
        raise DeriveError("assume takes one comparison", place)
    return body


def _argument(assumption: Assumption, naming: Naming) -> Expression | None:
    call = assumption.call
    if len(call.args) != 1 or call.keywords:
        return None
    return naming.read(call.args[0], indices=_free(assumption, naming), layers=assumption.layers)


def _free(assumption: Assumption, naming: Naming) -> tuple[str, ...]:
    """The letters that stand as subscripts and are not bound by a reduction: it holds for each of their values."""
    inside = list(ast.walk(assumption.call))
    subscripts = (letter for node in inside if isinstance(node, ast.Subscript) for letter in _names(node.slice))
    calls = (node for node in inside if isinstance(node, ast.Call))
    bound = {arg.id for call in calls for arg in call.args[1:] if isinstance(arg, ast.Name)}
    known = {*naming.everything, *assumption.layers.values}
    return tuple(dict.fromkeys(i for i in subscripts if i not in bound and i not in known))


def _names(node: ast.expr) -> list[str]:
    return [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]


def structure(assumption: Assumption, naming: Naming) -> tuple[str, str] | None:
    """The name of a matrix and the structure that it is assumed to have; None where something else is assumed."""
    call = assumption.call
    if call.args and isinstance(call.args[0], ast.Call) and getattr(call.args[0].func, "id", "") == "spd":
        inner = call.args[0]
        e = naming.read(inner.args[0], layers=assumption.layers) if len(inner.args) == 1 else None
        if not isinstance(e, Ref) or e.indices:
            message = "spd takes the name of a matrix"
            raise DeriveError(message, naming.source.place(inner), "for example assume(spd(K))")
        return e.name, SPD
    match _argument(assumption, naming):
        case Compare(op="==", left=Ref(indices=()) as a, right=Transpose(arg=Ref(indices=()) as b)) if a.name == b.name:
            return a.name, SELF_TRANSPOSE
        case Compare(op="==", left=Transpose(arg=Ref(indices=()) as a), right=Ref(indices=()) as b) if a.name == b.name:
            return a.name, SELF_TRANSPOSE
    return None


def check_structure(v: Variable | None, name: str, place: Place | None) -> None:
    """Only a square matrix that is given has an assumed structure; a symmetric parameter is declared so."""
    if v is None:
        raise DeriveError(f"'{name}' is computed: what it is follows from its equation", place)
    if len(v.shape) != 2 or not same_size(*v.shape):
        raise DeriveError(f"'{name}' is no square matrix, its shape is {print_shape(v.shape)}", place)
    if v.role == "parameter" and v.structure not in ("symmetric", "diagonal"):
        hint = f"`{name}: parameter[{v.shape[0]}, {v.shape[0]}] = symmetric`"
        raise DeriveError(f"the parameter '{name}' has free entries on both sides of its diagonal", place, hint)
    if v.role not in (*GIVEN, "parameter"):
        raise DeriveError(f"nothing can be assumed of the {v.role} '{name}'", place)
