"""The reader of one expression: the text it reads, what its names stand for, and how it complains."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from derive.errors import DeriveError
from derive.expression.nodes import Expression
from derive.parse.layers import Layers
from derive.parse.source import Source


@dataclass(frozen=True, slots=True)
class Names:
    """What names stand for while an expression is read.

    `tensors`: the declared names, or None where every bare name is taken as one.  `functions`: number of arguments
    (least, most) of each of the author's functions.  `indices`: index names in scope.  `layers`: numbered names.
    """

    tensors: frozenset[str] | None = None
    functions: tuple[tuple[str, int], ...] = ()
    indices: frozenset[str] = frozenset()
    layers: Layers = field(default_factory=Layers)

    def declared(self, name: str) -> bool:
        return self.tensors is not None and name in self.tensors


class Reader:
    """Reads `ast` nodes: `readers` says how each kind is read."""

    def __init__(self, source: Source, names: Names, readers: dict[type[ast.expr], Callable[..., Expression]]) -> None:
        self.source = source
        self.names = names
        self.functions = dict(names.functions)
        self.readers = readers

    def read(self, node: ast.expr) -> Expression:
        reader: Callable[[Reader, Any], Expression] | None = self.readers.get(type(node))
        if reader is None:
            raise self.fail(node, f"{describe(node)} is not part of the model language")
        return reader(self, node)

    def of(self, text: str) -> Expression:
        """Reads a text of derive's own, such as a default."""
        return Reader(Source(text), Names(), self.readers).read(ast.parse(text, mode="eval").body)

    def fail(self, node: ast.AST, message: str, hint: str | None = None) -> DeriveError:
        return DeriveError(message, self.source.place(node), hint)


_WORDS = {
    "Lambda": "`lambda`",
    "IfExp": "`if … else`",
    "ListComp": "a comprehension",
    "GeneratorExp": "a comprehension",
    "Dict": "a dictionary",
    "Set": "a set",
    "Tuple": "a tuple",
    "NamedExpr": "`:=`",
    "JoinedStr": "text in quotes",
    "Await": "`await`",
    "Starred": "`*` before a name",
    "SetComp": "a comprehension",
    "DictComp": "a comprehension",
}


def describe(node: ast.expr) -> str:
    """What Python calls it, in words."""
    if isinstance(node, ast.Constant):
        return "text in quotes" if isinstance(node.value, (str, bytes)) else f"'{node.value}'"
    return _WORDS.get(type(node).__name__, "this")
