"""Text → Expression: the syntax is Python's, read with `ast`, and nothing is ever executed.

In: the text of one expression, or an `ast` node of a model's text.  Out: an `Expression` that says what the author
wrote, with places.  Names are only told apart here (tensor, index, constant); whether they exist and what shapes they
have is the business of `elaborate`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from derive.errors import DeriveError, Place
from derive.expression.nodes import Binder, Both, Call, Compare, Expression, Index, Item, Reduce, Ref, Where
from derive.expression.walk import bottom_up, children, walk
from derive.parse import limits
from derive.parse.atoms import CONSTANTS, attribute, name, number, slice_of, stack, subscript
from derive.parse.calls import call
from derive.parse.operators import binary, both, compare, same_chain, unary
from derive.parse.reader import Names, Reader
from derive.parse.source import Source, parse_python

__all__ = ["CONSTANTS", "Names", "parse_expression", "read_expression"]

_READERS: dict[type[ast.expr], Callable[..., Expression]] = {
    ast.Constant: number,
    ast.Name: name,
    ast.UnaryOp: unary,
    ast.BinOp: binary,
    ast.Compare: compare,
    ast.BoolOp: both,
    ast.Attribute: attribute,
    ast.Subscript: subscript,
    ast.Slice: slice_of,
    ast.List: stack,
    ast.Call: call,
}


def parse_expression(text: str, names: Names | None = None) -> Expression:
    """Reads one expression.

    Without `names`, a bare name that stands as a subscript, in ``delta``, among the indices of a reduction or beside
    one in its condition (``k != j``) is an index; every other name is a tensor.

    >>> str(parse_expression("-y*log(a) - (1 - y)*log(1 - a)"))
    '-y*log(a) - (1 - y)*log(1 - a)'
    """
    try:
        tree = parse_python(text.strip(), "eval")
        if not isinstance(tree, ast.Expression):
            raise DeriveError("this is not an expression")
        return read_expression(tree.body, Source(text.strip()), names or Names())
    except DeriveError as error:
        raise error.within(text.strip()) from None


def read_expression(node: ast.expr, source: Source, names: Names) -> Expression:
    """One `ast` expression as an Expression."""
    reader = Reader(source, names, _READERS)
    _check_size(node, reader)
    expression = reader.read(node)
    _check_comparisons(expression, is_condition=isinstance(expression, Compare))
    return _tell_indices(expression, names)


def _check_size(node: ast.expr, reader: Reader) -> None:
    """Bounds depth and size without recursion, before anything recursive reads the tree."""
    stack: list[tuple[ast.AST, int]] = [(node, 1)]
    count = 0
    while stack:
        part, depth = stack.pop()
        count += 1
        if depth > limits.DEPTH:
            raise reader.fail(part, "the expression is nested too deeply", "give a part of it a name of its own")
        if count > 4 * limits.NODES:
            raise reader.fail(node, "the expression is too large", "give parts of it names of their own")
        stack.extend((child, depth + deeper) for child, deeper in _below(part))


def _below(part: ast.AST) -> Iterator[tuple[ast.AST, int]]:
    """The parts of a part, with how much deeper they stand: chains such as a + b + c + … are flat to a reader."""
    for child in ast.iter_child_nodes(part):
        chain = isinstance(part, ast.BinOp) and child is part.left and isinstance(child, ast.BinOp)
        yield child, 0 if chain and same_chain(part.op, child.op) else 1  # type: ignore[attr-defined]


def _check_comparisons(e: Expression, is_condition: bool = False) -> None:
    """A comparison has no value: it stands in where(…), behind a reduction or in assume(…) alone."""
    if isinstance(e, (Compare, Both)) and not is_condition:
        raise DeriveError("a comparison is no number", _place_of(e), "use where(condition, then, otherwise)")
    for child in children(e):
        allowed = isinstance(e, Both) or (isinstance(e, (Where, Reduce)) and child == e.condition)
        _check_comparisons(child, is_condition=allowed)


def _place_of(e: Expression) -> Place | None:
    return next((node.place for node in walk(e) if node.place is not None), None)


def _tell_indices(e: Expression, names: Names) -> Expression:
    """Turns the names that are indices from `Ref` into `Index`."""
    marked = set(names.indices)
    for node in walk(e):
        if isinstance(node, Binder):
            marked |= set(node.indices)
        if names.tensors is None:
            marked |= set(_subscript_names(node)) | set(_names_beside(node))
    marked = {name for name in marked if not names.declared(name)}

    def change(node: Expression) -> Expression:
        if isinstance(node, Ref) and not node.indices and node.name in marked:
            return Index(node.name, place=node.place)
        return node

    return bottom_up(e, change) if marked else e


def _names_beside(node: Expression) -> Iterator[str]:
    """The bare names that a reduction's condition says to equal an index of its own, or not to."""
    condition = node.condition if isinstance(node, Reduce) else None
    for test in condition.conditions if isinstance(condition, Both) else (condition,):
        if isinstance(test, Compare) and test.op in ("==", "!="):
            found = [side.name for side in (test.left, test.right) if isinstance(side, Ref) and not side.indices]
            if isinstance(node, Reduce) and set(found) & set(node.indices):
                yield from found


def _subscript_names(node: Expression) -> Iterator[str]:
    """The bare names in subscripts and in delta."""
    if not (isinstance(node, (Ref, Item)) or (isinstance(node, Call) and node.function == "delta")):
        return
    for part in children(node)[1:] if isinstance(node, Item) else children(node):
        for leaf in walk(part):
            if isinstance(leaf, Ref) and not leaf.indices:
                yield leaf.name
