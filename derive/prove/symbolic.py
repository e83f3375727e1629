"""Symbolic proof of steps by SymPy: both sides become SymPy expressions, and their difference must vanish.

An element of a tensor is a symbol, a sum over an index is one too, named by what it sums (`derive.prove.sums`); so the
scalar parts of a step between tensors are proved here, and what happens to the indices is left to numbers.  Case
distinctions are proved branch by branch.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import comb, prod
from typing import Any

import sympy

from derive.expression.nodes import Call, Compare, D, Expression, Reduce, Ref, Where
from derive.expression.walk import holds, nodes_of, operations, replace, transform, walk
from derive.functions import FUNCTIONS
from derive.prove.setting import Setting
from derive.prove.to_sympy import Converter, Functions, Unconvertible, defined_as

MOST_OPERATIONS = 1500
MOST_TENSOR_OPERATIONS = 40
MOST_CONDITIONS = 4
MOST_JOINED = 600  # operations of what is brought over a common denominator
MOST_TERMS = 200_000  # that multiplying out may give: some seconds of it


def _terms(e: Any) -> int:
    """About how many terms an expression has, multiplied out: of itself or of an argument in it."""
    if isinstance(e, sympy.Add):
        return sum(map(_terms, e.args))
    if isinstance(e, sympy.Mul):
        return prod(map(_terms, e.args))
    if isinstance(e, sympy.Pow):
        times = int(abs(e.exp)) if e.exp.is_Integer else 1
        return comb(_terms(e.base) + times - 1, times) if times < MOST_TERMS else MOST_TERMS + 1
    return max(map(_terms, e.args), default=1)


def prove_symbolically(
    before: Expression, after: Expression, setting: Setting, functions: Functions | None = None
) -> bool:
    """Whether SymPy shows that the two sides are equal; False says nothing.

    `functions`: names that stand for any function of certain elements.
    """
    if operations(before) + operations(after) > MOST_OPERATIONS:
        return False
    if _puts_in_adjoints(before, setting) and _equal(before, after, Converter(setting, opaque=True, expand=False)):
        return True
    try:
        return all(_vanishes(left, right, setting, functions) for left, right in _branches(before, after))
    except (Unconvertible, RecursionError):
        return False


def _puts_in_adjoints(before: Expression, setting: Setting) -> bool:
    """Whether an adjoint stands in the line whose value is known: then the line mostly holds whatever the rest is."""
    adjoints = (n.wrt for n in nodes_of(before, D) if str(n.body) == setting.loss)
    return any(wrt.name in setting.adjoints for wrt in adjoints)


def _branches(before: Expression, after: Expression) -> Iterator[tuple[Expression, Expression]]:
    """Both sides on every branch of their case distinctions, functions with cases written out."""
    if sum(map(_has_cases, dict.fromkeys(n for e in (before, after) for n in walk(e, Call, Where)))) > MOST_CONDITIONS:
        raise Unconvertible
    left, right = _written_out(before), _written_out(after)
    if any(holds(r, Where) for e in (left, right) for r in nodes_of(e, Reduce)):
        raise Unconvertible  # which case holds differs from term to term
    conditions = list(dict.fromkeys(n.condition for e in (left, right) for n in nodes_of(e, Where)))
    if not conditions:
        yield before, after
        return
    if len(conditions) > MOST_CONDITIONS or not all(isinstance(c, Compare) for c in conditions):
        raise Unconvertible
    for truth in product((True, False), repeat=len(conditions)):
        table = dict(zip(conditions, truth, strict=True))
        yield _on_branch(left, table), _on_branch(right, table)


def _has_cases(e: Expression) -> bool:
    if isinstance(e, Call) and e.function in FUNCTIONS:
        definition = defined_as(e.function)
        return definition is not None and holds(definition, Where)
    return isinstance(e, Where)


def _written_out(e: Expression) -> Expression:
    """Functions whose definition distinguishes cases, replaced by it."""

    def change(node: Expression) -> Expression | None:
        if isinstance(node, Reduce):
            return node
        if not isinstance(node, Call) or not _has_cases(node):
            return None
        row, definition = FUNCTIONS[node.function], defined_as(node.function)
        assert definition is not None
        return _written_out(replace(definition, {Ref(p): a for p, a in zip(row.parameters, node.args, strict=True)}))

    return transform(e, change)


def _on_branch(e: Expression, table: dict[Expression, bool]) -> Expression:
    def change(node: Expression) -> Expression | None:
        if isinstance(node, Where):
            return _on_branch(node.then if table[node.condition] else node.otherwise, table)
        return None

    return transform(e, change)


def _sums_vanish(before: Expression, after: Expression, setting: Setting) -> bool:
    """The same where there are sums over indices: first whatever the values of nodes and functions, then with them."""
    ways = [Converter(setting, opaque=True, expand=False)]
    if operations(before) + operations(after) <= MOST_TENSOR_OPERATIONS:
        ways += [Converter(setting, opaque=True), Converter(setting, by_name=True)]
    return any(_equal(before, after, convert) for convert in ways)


def _equal(before: Expression, after: Expression, convert: Converter) -> bool:
    try:
        return bool(sympy.expand(convert(before) - convert(after)) == 0)
    except Unconvertible:
        return False


def _by_signs(e: Any) -> Any:
    """|u| as u times its sign, each sign a symbol; at a kink the convention decides, as everywhere."""

    def sign(u: Any) -> Any:
        return sympy.Symbol(f"sign of {u}", integer=True)

    return e.replace(sympy.Abs, lambda u: u * sign(u)).replace(sympy.sign, sign)


def _squared_signs(e: Any) -> Any:
    """The square of a sign is one."""
    return e.replace(
        lambda t: isinstance(t, sympy.Pow) and t.base.is_Symbol and t.base.is_integer and t.exp.is_Integer,
        lambda t: t.base ** (t.exp % 2),
    )


def _vanishes(before: Expression, after: Expression, setting: Setting, functions: Functions | None) -> bool:
    if any(holds(e, Reduce) for e in (before, after)):
        return _sums_vanish(before, after, setting)
    for by_name in (True, False):
        convert = Converter(setting, by_name, functions=functions)
        difference = convert(before) - convert(after)
        if difference == 0:
            return True
        if _terms(difference) <= MOST_TERMS and sympy.expand(difference) == 0:
            return True
    if sympy.count_ops(difference) > MOST_JOINED:
        return False
    numerator = sympy.fraction(sympy.together(_by_signs(difference)))[0]
    if _terms(numerator) > MOST_TERMS:
        return False
    expanded = _squared_signs(sympy.expand(numerator))
    if expanded == 0:
        return True
    if expanded.has(sympy.sin, sympy.cos):
        expanded = sympy.expand(
            sympy.expand(expanded).replace(
                lambda t: (
                    isinstance(t, sympy.Pow) and isinstance(t.base, sympy.cos) and t.exp.is_Integer and t.exp >= 2
                ),
                lambda t: (1 - sympy.sin(t.base.args[0]) ** 2) ** (t.exp // 2) * t.base ** (t.exp % 2),
            )
        )
    return bool(expanded == 0)
