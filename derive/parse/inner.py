"""``grad(u, x)`` on a right-hand side: names for the adjoints that it stands for, and the equations that define them.

The adjoints of u, from u back to x, become equations before the one that uses them; ``u_x`` is the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from derive.errors import DeriveError, Place, did_you_mean
from derive.expression.nodes import Call, Expression, Ref
from derive.expression.walk import children, walk
from derive.expression.walk import replace as put
from derive.model import Equation, Inner, Model
from derive.parse import limits
from derive.parse.sizes import print_shape
from derive.parse.statements import Definition


class InnerGradients:
    """The derivatives inside one model; `inner` are those met so far."""

    def __init__(self, model: Model, written: Mapping[str, Expression]) -> None:
        self.model = model
        self.taken = {*model.variables, *written, *model.functions}
        self.known: dict[tuple[str, str], str] = {}  # by (u, node) the name of du/dnode
        self.made: dict[str, int] = {}  # the names that have their equation, and how often grad is nested in it
        self.inner: list[Inner] = []

    def defined(self, d: Definition, written: Expression, equations: Sequence[Equation]) -> list[Equation]:
        """The equations of ``g = grad(u, x)``, the last of them that of g; none for any other right-hand side."""
        if not _is_gradient(written) or d.indices or _names(written) in self.known:
            return []
        self.known[_names(written)] = d.name
        *others, last = self.equations(written, equations)
        return [*others, replace(last, role=d.role, place=d.place)]

    def replaced(self, written: Expression, equations: Sequence[Equation]) -> tuple[Expression, list[Equation]]:
        """The right-hand side with a name for each ``grad(u, x)``, and the equations of the names that are new."""
        found: list[Equation] = []
        table: dict[Expression, Expression] = {}
        for call in dict.fromkeys(filter(_is_gradient, walk(written))):
            if _names(call) not in self.known:
                found += self.equations(call, (*equations, *found))
            table[call] = Ref(self.known[_names(call)], place=call.place)
        return put(written, table), found

    def equations(self, call: Expression, before: Sequence[Equation]) -> list[Equation]:
        from derive.differentiate.inner import gradient_equations, part_of

        of, wrt = _names(call)
        model = replace(self.model, equations=tuple(before))
        check(of, wrt, call.place, model)
        part = part_of(model, of, wrt)
        called = {node: self.name(of, node) for node in (*(e.name for e in part.equations if e.name != of), wrt)}
        depth = self.depth(part, call)
        adjoints = gradient_equations(part, wrt, called)
        new = [e for e in adjoints if e.name not in self.made]
        self.made |= {e.name: depth for e in new}
        nodes = {name: node for node, name in called.items()}
        self.inner.append(Inner(part, wrt, tuple((nodes[e.name], e.name) for e in adjoints)))
        return new

    def depth(self, part: Model, call: Expression) -> int:
        """How often grad is nested; each time gives up to twice the equations, so there is a limit."""
        depth = 1 + max(self.made.get(e.name, 0) for e in part.equations)
        if depth > limits.GRADS and len(part.equations) > limits.EQUATIONS_IN_GRADS:
            message = f"grad is nested {depth} times here, through {len(part.equations)} equations"
            hint = f"at most {limits.GRADS} times, or through at most {limits.EQUATIONS_IN_GRADS} equations"
            raise DeriveError(message, call.place, hint)
        return depth

    def name(self, of: str, node: str) -> str:
        """``u_x`` for ∂u/∂x, as the field writes it; with another end where that is taken."""
        if (of, node) not in self.known:
            name = f"{of}_{node}"
            while name in self.taken:
                name += "_"
            self.taken.add(name)
            self.known[of, node] = name
        return self.known[of, node]


def _is_gradient(e: Expression) -> bool:
    return isinstance(e, Call) and e.function == "grad"


def _names(call: Expression) -> tuple[str, str]:
    """u and x of ``grad(u, x)``."""
    of, wrt = children(call)
    return str(of), str(wrt)


def check(of: str, wrt: str, place: Place | None, model: Model) -> None:
    """Whether the node is a scalar and the names are known."""
    known = {**model.variables, **model.by_name}
    for name in (of, wrt):
        if name not in known:
            raise DeriveError(f"there is no name '{name}'", place, did_you_mean(name, known))
    if of not in model.by_name:
        raise DeriveError(f"'{of}' is no node: nothing defines it by an equation", place)
    if shape := model.by_name[of].shape:
        hint = f"differentiate a sum: `s = sum({of})`, then `grad(s, {wrt})`"
        raise DeriveError(f"grad differentiates a scalar, '{of}' has the shape {print_shape(shape)}", place, hint)
