"""Reads expressions of a model, where every name must be known."""

from __future__ import annotations

import ast

from derive.errors import DeriveError, did_you_mean
from derive.expression.nodes import Binder, Div, Expression, Ref
from derive.expression.walk import walk
from derive.functions import known_functions
from derive.parse.expression import Names, read_expression
from derive.parse.layers import Layers
from derive.parse.numbers import constant_value
from derive.parse.source import Source
from derive.parse.statements import Statements


class Naming:
    """The names of a model: what is declared, defined, a function, a layer."""

    def __init__(self, source: Source, statements: Statements) -> None:
        self.source = source
        self.statements = statements
        self.everything = frozenset({*statements.declarations, *statements.definitions})
        self.examples = _examples(statements)
        self.arities = tuple((f.name, len(f.parameters)) for f in statements.functions.values())

    def read(
        self,
        node: ast.expr,
        local: tuple[str, ...] = (),
        indices: tuple[str, ...] = (),
        layers: Layers | None = None,
    ) -> Expression:
        """An expression; `local` are the names of a function of the author, `indices` those on the left."""
        known = self.everything | frozenset(local) if local else self.everything
        layers = layers or self.statements.layers
        e = read_expression(node, self.source, Names(known, self.arities, frozenset(indices), layers))
        for part in walk(e):
            if isinstance(part, Ref) and part.name not in known:
                raise self._unknown(part, known)
            if isinstance(part, Binder):
                _check_bound(part, known)
            if isinstance(part, Div) and constant_value(part.denominator) == 0:
                raise DeriveError("this divides by zero", part.denominator.place or self.source.place(node))
        return e

    def _unknown(self, e: Ref, known: frozenset[str]) -> DeriveError:
        if e.name in self.statements.functions or e.name in known_functions():
            return DeriveError(f"'{e.name}' is a function and needs arguments", e.place, f"write {e.name}(…)")
        layers = self.statements.layers
        if e.name in layers.loops:
            hint: str | None = f"it is known inside of the loop on line {layers.loops[e.name].line} alone"
        else:
            hint = layers.hint(e.name) or did_you_mean(e.name, known)
        return DeriveError(f"there is no name '{e.name}'", e.place, hint)


def _examples(statements: Statements) -> str | None:
    """The name of the number of examples, where the model writes that axis out."""
    found = [d for d in statements.declarations.values() if d.role == "examples"]
    if len(found) > 1:
        raise DeriveError("the model has two numbers of examples", found[1].place, f"the first is '{found[0].name}'")
    return found[0].name if found else None


def _check_bound(e: Binder, known: frozenset[str]) -> None:
    for index in e.indices:
        if index in known:
            hint = "after its first argument, a reduction takes indices and comparisons"
            raise DeriveError(f"'{index}' is declared as a name and cannot be an index", e.place, hint)
