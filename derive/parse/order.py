"""The order of the equations: topological, and the author's own where that is one."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from derive.errors import DeriveError
from derive.expression.nodes import Call, Expression
from derive.expression.walk import names, walk
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


def in_order(
    written: Mapping[str, Expression], bodies: Mapping[str, Body], definitions: Mapping[str, Definition]
) -> list[str]:
    uses = {name: _uses(e, bodies, written) for name, e in written.items()}
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as error:
        raise _cycle(error.args[1][::-1], definitions) from None
    done: dict[str, None] = {}
    for name in written:
        _visit(name, uses, done)
    return list(done)


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
    if len(path) == 2 and first.indices:
        hint = "recurrences are not supported yet; over numbered layers write `for l in range(1, 5):`"
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
