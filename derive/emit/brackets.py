"""Long calls and signatures broken as formatted code breaks them."""

from __future__ import annotations

from collections.abc import Sequence

LINE = 120


def bracketed(head: str, items: Sequence[str], tail: str, indent: int = 0) -> str:
    """``head(items)tail`` on one line; where that is too long the items on a line of their own, or each on its own.

    >>> print(bracketed("def update(", ["params", "lr=" + "9" * 100], "):"))
    def update(
        params, lr=9999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999
    ):
    """
    inside = ", ".join(items)
    if indent + len(head) + len(inside) + len(tail) <= LINE:
        return f"{head}{inside}{tail}"
    margin = " " * indent
    if indent + 4 + len(inside) <= LINE:
        return f"{head}\n{margin}    {inside}\n{margin}{tail}"
    return "\n".join([head, *(f"{margin}    {item}," for item in items), f"{margin}{tail}"])
