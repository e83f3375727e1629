"""Equal forms are derived once: names give way to placeholders, and come back in the result.

A chain of a thousand tanh layers has a handful of forms.  Nothing in the engine looks at the letters of a name, only at
the order of first appearance, so a renamed derivation is the derivation of the renamed expressions.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

from derive.expression.nodes import Expression, Index, Reduce
from derive.expression.walk import bottom_up, names, rename

Value = TypeVar("Value")

INDEX_LETTERS = frozenset("ijklmnpqrst")


def placeholders(*expressions: Expression) -> dict[str, str]:
    """A placeholder for each name, in order of first appearance.  No user's name looks like one."""
    found: dict[str, str] = {}
    for e in expressions:
        for name in names(e):
            if name not in found:
                found[name] = f"§{len(found)}"
    return found


def renamed(e: Expression, mapping: Mapping[str, str]) -> Expression:
    return rename(e, mapping)


def respell_indices(e: Expression, mapping: Mapping[str, str]) -> Expression:
    """Renames index letters everywhere, bound and free: for models in which a tensor is called ``i``."""
    if not mapping:
        return e

    def change(node: Expression) -> Expression:
        if isinstance(node, Index):
            return Index(mapping.get(node.name, node.name))
        if isinstance(node, Reduce):
            return Reduce(node.op, node.body, tuple(mapping.get(i, i) for i in node.indices), node.condition)
        return node

    return bottom_up(e, change)


class Cache(Generic[Value]):
    """Remembers what was computed for the last few thousand keys."""

    def __init__(self, most: int = 4096) -> None:
        self.most = most
        self.entries: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        if key in self.entries:
            self.entries.move_to_end(key)
            return self.entries[key]
        value = compute()
        self.entries[key] = value
        if len(self.entries) > self.most:
            self.entries.popitem(last=False)
        return value

    def clear(self) -> None:
        self.entries.clear()
