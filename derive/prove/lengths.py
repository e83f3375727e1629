"""Long axes of a given length: a step that holds for every length holds for 1,000 too.

In: a step, and a setting that speaks of an axis with that many entries.  Out: the same step about a length that is a
name, whose proof needs short arrays alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from derive.expression.build import add, number
from derive.expression.nodes import Binder, Expression, Number, Ref
from derive.expression.walk import binders, bottom_up, nodes_of, with_ranges
from derive.prove.setting import Setting

LONG = 12  # entries beyond which an axis is called long
NEAR = 3  # lengths that differ by no more are those of one axis, as T and T + 1 of a recurrence's states

Step = tuple[Expression, Expression, Setting]


def of_any_length(before: Expression, after: Expression, setting: Setting) -> Step | None:
    """The step with names for long lengths; None where there are none."""
    known = (*(body for _, body in setting.equations), *(expr for _, expr in setting.adjoints.values()))
    names = _names_of(_long_sizes((before, after, *known), setting))
    if not names:
        return None

    def change(node: Expression) -> Expression:
        if isinstance(node, Binder):
            return with_ranges(node, tuple(bottom_up(size, change) for size in node.ranges))
        if not isinstance(node, Number) or node.value not in names:
            return node
        name, more = names[int(node.value)]
        return add(Ref(name), number(more)) if more else Ref(name)

    def named(e: Expression) -> Expression:
        return bottom_up(e, change)

    return named(before), named(after), _changed(setting, named)


def _long_sizes(expressions: tuple[Expression, ...], setting: Setting) -> list[int]:
    shapes = (size for shape in (*setting.shapes.values(), tuple(setting.ranges.values())) for size in shape)
    bound = (size for e in expressions for node in binders(e) for size in node.ranges)
    found = {int(n.value) for size in (*shapes, *bound) for n in nodes_of(size, Number)}
    return sorted(n for n in found if n > LONG)


def _names_of(sizes: list[int]) -> Mapping[int, tuple[str, int]]:
    """For every number near a long size, the name of the length and by how much it is more."""
    found: dict[int, tuple[str, int]] = {}
    least = 0
    for size in sizes:
        if size - least > NEAR or not found:
            least = size
        for value in range(size - NEAR, size + NEAR + 1):
            found.setdefault(value, (f"length {least}", value - least))
    return found


def _changed(setting: Setting, named: Callable[[Expression], Expression]) -> Setting:
    return replace(
        setting,
        equations=tuple((element, named(body)) for element, body in setting.equations),
        adjoints={name: (indices, named(expr)) for name, (indices, expr) in setting.adjoints.items()},
        shapes={name: tuple(map(named, shape)) for name, shape in setting.shapes.items()},
        ranges={index: named(size) for index, size in setting.ranges.items()},
    )
