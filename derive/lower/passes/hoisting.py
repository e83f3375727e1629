"""Products in a loop that do not depend on what the loop computes, for all steps at once before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from derive.expression.build import ZERO, add, neg
from derive.expression.nodes import Call, Expression, Index, MatMul, Ref, Slice
from derive.expression.parts import terms_of
from derive.expression.walk import children, names, walk, with_children
from derive.lower.passes.loops import WHOLE, by_loop, moved, step_of
from derive.lower.passes.mapping import SECTIONS, section, with_sections
from derive.lower.program import Loop, Program, Statement
from derive.lower.shapes import is_elementwise, shape_of
from derive.model import Shape
from derive.parse.sizes import same_shape


def products_hoisted(program: Program) -> Program:
    """``x[t] @ W + b`` in a loop as one product of all steps: terms with a product in which nothing recurs."""
    shapes = program.shapes
    return with_sections(program, {name: _Hoisting(shapes).statements(section(program, name)) for name in SECTIONS})


class _Hoisting:
    def __init__(self, shapes: dict[str, Shape | None]) -> None:
        self.shapes = shapes

    def statements(self, statements: Sequence[Statement]) -> list[Statement]:
        found: list[Statement] = []
        for loop, group in by_loop(statements):
            if loop is None:
                found += group
                continue
            recurring = {s.name for s in group}
            parts = [self.parts(s, loop, recurring) for s in group]
            found += [before for before, _ in parts if before is not None]
            found += [inside for _, inside in parts]
        return found

    def parts(self, s: Statement, loop: Loop, recurring: set[str]) -> tuple[Statement | None, Statement]:
        """What is computed before the loop of a statement, and what is left of it."""
        fixed = [e for e in terms_of(s.value) if not recurring & set(names(e))]
        if s.shape is None or not any(_has_product(e) and _has_steps(e, loop) for e in fixed):
            return None, s
        length = moved(loop.stop, neg(loop.start))
        value = all_steps(add(*fixed), loop, self.shapes)
        if value is None or not same_shape(shape_of(value, self.shapes) or (), (length, *s.shape)):
            return None, s
        before = Statement(self.new_name(s.name), (), value, s.formula, shape=(length, *s.shape), named=False)
        self.shapes[before.name] = before.shape
        left = [e for e in terms_of(s.value) if recurring & set(names(e))]
        own = Ref(before.name, (moved(Index(loop.index), neg(loop.start)), *(WHOLE for _ in s.shape)))
        return before, replace(s, value=add(own, *left))

    def new_name(self, name: str) -> str:
        name = f"{name}_apart"
        while name in self.shapes:
            name += "_"
        return name


def _has_product(e: Expression) -> bool:
    return any(isinstance(node, MatMul) or (isinstance(node, Call) and node.function == "matmul") for node in walk(e))


def _has_steps(e: Expression, loop: Loop) -> bool:
    return Index(loop.index) in walk(e)


def all_steps(e: Expression, loop: Loop, shapes: dict[str, Shape | None]) -> Expression | None:
    """An expression of one step as that of all of them, along a new first axis; None where that is not known."""
    if not _has_steps(e, loop):
        return e
    match e:
        case Ref(indices=(at, *rest)) if step_of(e) is not None:
            by = moved(at, neg(Index(loop.index)))
            first, stop = moved(loop.start, by), moved(loop.stop, by)
            whole = shapes.get(e.name)
            if first == ZERO and whole and whole[0] == stop:
                return Ref(e.name)
            return Ref(e.name, (Slice(None if first == ZERO else first, stop, None), *rest))
        case MatMul() if not _has_steps(e.right, loop):
            left = all_steps(e.left, loop, shapes)
            return None if left is None else Call("matmul", (left, e.right))
    if is_elementwise(e) and _of_one_rank(e, loop, shapes):
        parts = [all_steps(part, loop, shapes) for part in children(e)]
        known = tuple(part for part in parts if part is not None)
        return with_children(e, known) if len(known) == len(parts) else None
    return None


def _of_one_rank(e: Expression, loop: Loop, shapes: dict[str, Shape | None]) -> bool:
    """Whether all that changes with the steps has as many axes as the whole, so that the new axis meets itself."""
    rank = len(shape_of(e, shapes) or ())
    return all(len(shape_of(part, shapes) or ()) == rank for part in children(e) if _has_steps(part, loop))
