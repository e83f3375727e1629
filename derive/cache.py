"""A cache that remembers what was computed for the last few thousand keys."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


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
