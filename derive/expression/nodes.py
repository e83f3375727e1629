"""Expressions: the one small tree that text is parsed into, rules rewrite and printers print.

A node is frozen and compares by structure.  It keeps the author's order and never evaluates itself.  An expression in
*core form* speaks of scalars alone: every `Ref` has all its indices, and no node of the last group (whole-array
notation) occurs.  Calculus happens in core form; whole-array notation is what authors write and readers read.

Structural invariants, kept by the constructors in `build`, so that printing and parsing are inverse to each other:
a sum does not begin with a sum, a product begins neither with a product nor with a negation, the numerator of a
fraction is not a negation, and numbers are not negative.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeVar, cast, dataclass_transform

from derive.errors import Place

Node = TypeVar("Node", bound="type[Expression]")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def _node(cls: Node) -> Node:
    """A frozen dataclass whose hash is computed once."""
    made = dataclass(frozen=True, slots=True)(cls)
    compute: Callable[[Any], int] = made.__hash__

    def cached(self: Any) -> int:
        try:
            return self._hash  # type: ignore[no-any-return]
        except AttributeError:
            object.__setattr__(self, "_hash", compute(self))
            return self._hash  # type: ignore[no-any-return]

    made.__hash__ = cached  # type: ignore[method-assign]
    return cast("Node", made)


class _Remembering:
    """What `derive.expression.walk` found out of a node, which never changes."""

    __slots__ = ("_free", "_hash", "_kinds", "_names", "_operations", "_settled")


@_node
class Expression(_Remembering):
    """Base of all nodes.  `place` is where the user wrote it; it takes no part in comparison."""

    place: Place | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __str__(self) -> str:
        from derive.expression.text import print_expression

        return print_expression(self)


@_node
class Number(Expression):
    """An exact number, not negative; `spelling` is how the author wrote it (``0.50``)."""

    value: Fraction
    spelling: str | None = field(default=None, compare=False)


@_node
class Constant(Expression):
    """``pi`` or ``inf``."""

    name: str


@_node
class Ref(Expression):
    """An element of a named tensor (all indices given), or what is left of it (fewer indices: whole-array notation)."""

    name: str
    indices: tuple[Expression, ...] = ()


@_node
class Index(Expression):
    """A free or bound index, as a subscript or as a number."""

    name: str


@_node
class Add(Expression):
    terms: tuple[Expression, ...]


@_node
class Mul(Expression):
    factors: tuple[Expression, ...]


@_node
class Neg(Expression):
    arg: Expression


@_node
class Div(Expression):
    numerator: Expression
    denominator: Expression


@_node
class Pow(Expression):
    base: Expression
    exponent: Expression


@_node
class Call(Expression):
    """A function of the table or of the author; `options` are keyword arguments such as ``axis``."""

    function: str
    args: tuple[Expression, ...]
    options: tuple[tuple[str, Expression], ...] = ()


@_node
class Reduce(Expression):
    """``sum(body, i, j, condition)``: a reduction (sum, prod, max, min) over bound indices.

    `ranges` are the sizes that the indices run over, once the model is resolved.  They take no part in comparison: the
    text says them too, by what the indices subscript and by the condition.
    """

    op: str
    body: Expression
    indices: tuple[str, ...]
    condition: Expression | None = None
    ranges: tuple[Expression, ...] = field(default=(), compare=False)


@_node
class ComponentTensor(Expression):
    """``array(body, i, j)``: the array whose entries are `body`, over its indices, as argument of a matrix function.

    `ranges` as those of a `Reduce`.
    """

    body: Expression
    indices: tuple[str, ...]
    ranges: tuple[Expression, ...] = field(default=(), compare=False)


Binder = Reduce | ComponentTensor  # nodes that bind indices


@_node
class Compare(Expression):
    """``left op right`` with op one of ``< <= > >= == !=``."""

    op: str
    left: Expression
    right: Expression


# What the comparisons say of two values.
RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@_node
class Both(Expression):
    """All of several comparisons."""

    conditions: tuple[Expression, ...]


@_node
class Where(Expression):
    """``where(condition, then, otherwise)``, a case distinction."""

    condition: Expression
    then: Expression
    otherwise: Expression


@_node
class D(Expression):
    """The derivative of `body` with respect to `wrt`, not yet carried out.

    Where `body` is the loss alone, ``D(L, z)``, it is the adjoint of ``z``.
    """

    body: Expression
    wrt: Ref


# Whole-array notation.


@_node
class MatMul(Expression):
    left: Expression
    right: Expression


@_node
class Transpose(Expression):
    arg: Expression


@_node
class Item(Expression):
    """Subscripts of something that is not a plain name: ``(A @ B)[i]``."""

    arg: Expression
    indices: tuple[Expression, ...]


@_node
class Slice(Expression):
    """``start:stop:step`` between subscript brackets."""

    start: Expression | None
    stop: Expression | None
    step: Expression | None


@_node
class Stack(Expression):
    """``[p, q]``: scalars and vectors laid end to end into a vector."""

    items: tuple[Expression, ...]
