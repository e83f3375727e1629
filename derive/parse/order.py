"""The order of the equations: topological, and the author's own where that is one."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from derive.errors import DeriveError
from derive.expression.nodes import Add, Call, Expression, Index, Ref
from derive.expression.walk import names, walk
from derive.parse.numbers import constant_value
from derive.parse.scope import Body
from derive.parse.statements import Definition, FunctionText


def called(own: Mapping[str, object], *expressions: Expression) -> list[str]:
    """The author's functions that expressions call."""
    return [n.function for e in expressions for n in walk(e) if isinstance(n, Call) and n.function in own]


def check_functions(bodies: Mapping[str, Body], texts: Mapping[str, FunctionText]) -> None:
    """No function calls itself, directly or through others."""
    try:
        TopologicalSorter({name: set(called(bodies, *body.expressions)) for name, body in bodies.items()}).prepare()
    except CycleError as error:
        cycle = error.args[1][::-1]
        message = f"the function '{cycle[0]}' calls itself: {' → '.join(cycle)}"
        raise DeriveError(message, texts[cycle[0]].place) from None


Uses = dict[str, list[str]]


def in_order(
    written: Mapping[str, Expression], bodies: Mapping[str, Body], definitions: Mapping[str, Definition]
) -> list[tuple[str, ...]]:
    """The equations in order; those of a recurrence, which need each other's earlier entries, are together.

    Within a recurrence the order is that of one step.
    """
    uses = {name: _uses(e, bodies, written) for name, e in written.items()}
    groups = _recurrences(uses)
    group_of = {name: group for group in groups for name in group}
    steps: Uses = {}
    for name, used in uses.items():
        group = group_of.get(name, frozenset())
        steps[name] = [n for n in used if n not in group or not _is_earlier(n, definitions[name], written[name])]
    try:
        TopologicalSorter(steps).prepare()
    except CycleError as error:
        raise _cycle(error.args[1][::-1], definitions) from None
    together = {name: _with_groups(name, steps, group_of) for name in written}
    done: dict[str, None] = {}
    for name in written:
        _visit(name, together, done)
    found: dict[tuple[str, ...], None] = {}
    for name in done:
        together_with = group_of.get(name, frozenset((name,)))
        found[tuple(n for n in done if n in together_with)] = None
    return list(found)


def _recurrences(uses: Uses) -> list[frozenset[str]]:
    """The sets of equations that depend on themselves through each other."""
    try:
        TopologicalSorter(uses).prepare()
        return []
    except CycleError:
        behind = {name: _reached(name, uses) for name in uses}
        groups = (frozenset(n for n in behind[name] if name in behind[n]) for name in uses if name in behind[name])
        return list(dict.fromkeys(groups))


def _reached(start: str, uses: Uses) -> set[str]:
    found: set[str] = set()
    left = [start]
    while left:
        for name in uses[left.pop()]:
            if name not in found:
                found.add(name)
                left.append(name)
    return found


def _is_earlier(name: str, d: Definition, e: Expression) -> bool:
    """Whether an equation asks for entries of a name at other steps than its own alone: ``h[t - 1]``."""
    return bool(d.indices) and all(
        lag(node, d.indices[0]) not in (0, None) for node in walk(e) if isinstance(node, Ref) and node.name == name
    )


def lag(node: Ref, index: str) -> int | None:
    """How many steps after the own one an entry is: -1 in ``h[t - 1]``; None where the subscript says no step."""
    match node.indices[:1]:
        case (Index(name=name),):
            return 0 if name == index else None
        case (Add(terms=(Index(name=name), by)),):
            value = constant_value(by)
            return int(value) if name == index and value is not None and value.denominator == 1 else None
    return None


def _with_groups(name: str, steps: Uses, group_of: Mapping[str, frozenset[str]]) -> list[str]:
    """What an equation waits for: with one equation of a recurrence all of them, and what these wait for."""
    own = group_of.get(name, frozenset())
    found: dict[str, None] = {}
    for member in (*own, name) if own else (name,):
        for used in steps[member]:
            if used in own:
                if member == name:
                    found[used] = None
            else:
                found.update(dict.fromkeys(n for n in steps if n in group_of.get(used, ()) or n == used))
    return list(found)


def _uses(e: Expression, bodies: Mapping[str, Body], written: Mapping[str, Expression]) -> list[str]:
    """The equations that an expression needs, also through functions of the author."""
    found = dict(names(e))
    pending, seen = called(bodies, e), set[str]()
    while pending:
        f = pending.pop()
        if f in seen:
            continue
        seen.add(f)
        body = bodies[f]
        local = {*body.parameters, *(n for n, _ in body.lines)}
        found.update(dict.fromkeys(sorted({n for part in body.expressions for n in names(part)} - local)))
        pending += called(bodies, *body.expressions)
    return [n for n in found if n in written]


def _cycle(path: list[str], definitions: Mapping[str, Definition]) -> DeriveError:
    """Each name of the path depends on the next."""
    first = definitions[path[0]]
    hint = None
    if first.indices:
        hint = f"in a recurrence each entry follows from earlier ones: {path[1]}[{first.indices[0]} - 1]"
    return DeriveError(f"'{path[0]}' depends on itself: {' → '.join(path)}", first.place, hint)


def _visit(name: str, uses: Mapping[str, list[str]], done: dict[str, None]) -> None:
    """Depth first without recursion: a chain of equations may be thousands long."""
    stack = [(name, iter(uses[name]))]
    if name in done:
        return
    while stack:
        current, rest = stack[-1]
        following = next((n for n in rest if n not in done), None)
        if following is None:
            done[current] = None
            stack.pop()
        else:
            stack.append((following, iter(uses[following])))
