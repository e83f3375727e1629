"""Functions of a step that the way back asks for again are kept, as the step itself is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from derive.expression.build import ONE, add, neg, number
from derive.expression.nodes import Call, Expression, Index, Pow, Ref
from derive.expression.walk import bottom_up, walk
from derive.lower.passes.loops import WHOLE, step_of
from derive.lower.passes.mapping import SECTIONS, section, with_sections
from derive.lower.passes.operations import is_one_call
from derive.lower.program import Loop, Program, Statement
from derive.lower.steps import surely_at_least
from derive.model import Shape

Function = tuple[str, str]  # of an array of steps: its name, and the array's


@dataclass(frozen=True)
class Kept:
    """The array of a function's values, and the loop that computes them."""

    name: str
    loop: Loop
    whole: Shape

    def at(self, step: Expression) -> Ref:
        return Ref(self.name, (step, *(WHOLE for _ in self.whole[1:])))


def functions_kept(program: Program) -> Program:
    """``tanh(c[t])`` of a loop forwards that another one reads again as an array; ``sech(c[t])**2`` then is its
    ``1 - tanh(c[t])**2``."""
    kept = _kept(program)
    made: set[str] = set()

    def of(s: Statement) -> Iterator[Statement]:
        for function, array in _functions(s, own_step=True):
            found = kept.get((function, array))
            if found is not None and found.loop == s.loop and found.name not in made and s.at is not None:
                made.add(found.name)
                value = Call(function, (Ref(array, found.at(s.at).indices),))
                yield Statement(
                    found.name, (), value, s.formula, False, found.whole[1:], at=s.at, whole=found.whole, loop=s.loop
                )
        yield replace(s, value=bottom_up(s.value, lambda e: _read(e, kept)))

    return with_sections(program, {name: [t for s in section(program, name) for t in of(s)] for name in SECTIONS})


def _read(e: Expression, kept: dict[Function, Kept]) -> Expression:
    """What is kept instead of what would be computed."""
    match e:
        case Pow(base=Call(function="sech", args=(Ref() as u,)), exponent=exponent) if exponent == number(2):
            tanh, at = kept.get(("tanh", u.name)), step_of(u)
            return e if tanh is None or at is None else add(ONE, neg(Pow(tanh.at(at), exponent)))
        case Call(args=(Ref() as u,), options=()) if (e.function, u.name) in kept and (at := step_of(u)) is not None:
            return kept[e.function, u.name].at(at)
    return e


def _kept(program: Program) -> dict[Function, Kept]:
    """The functions that are computed in a loop forwards, and read of the same steps alone."""
    found: dict[Function, Kept] = {}
    shapes = program.shapes
    for s in program.forward:
        for one in _functions(s, own_step=True):
            whole = shapes.get(one[1])
            if s.loop is not None and s.at is not None and whole and _read_again(one, s.loop, program):
                found.setdefault(one, Kept(_new_name("_".join(one), shapes), s.loop, whole))
    return found


def _functions(s: Statement, own_step: bool = False) -> Iterator[Function]:
    """The functions of single steps in a statement, of its own step alone or of any."""
    for e in walk(s.value):
        if isinstance(e, Call) and len(e.args) == 1 and not e.options and isinstance(e.args[0], Ref) and is_one_call(e):
            at = step_of(e.args[0])
            if at is not None and (not own_step or at == s.at):
                yield e.function, e.args[0].name


def _read_again(one: Function, loop: Loop, program: Program) -> bool:
    """Whether the way back reads the function, and only of steps that the loop computes."""
    back = [s for s in (*program.backward, *program.gradients) if one in _functions(s)]
    ours = [s for s in program.statements if one in _functions(s)]
    return bool(back) and all(_within(at, s, loop) for s in ours for at in _steps(one, s))


def _steps(one: Function, s: Statement) -> Iterator[Expression]:
    for e in walk(s.value):
        if isinstance(e, Call) and e.function in (one[0], "sech") and len(e.args) == 1:
            (u,) = e.args
            if isinstance(u, Ref) and u.name == one[1] and (at := step_of(u)) is not None:
                yield at


def _within(at: Expression, s: Statement, loop: Loop) -> bool:
    """Whether a step that a statement reads is one of the loop's, whatever the sizes are."""
    if s.loop is not None and at == Index(s.loop.index):
        return _at_least(s.loop.start, loop.start) and _at_least(loop.stop, s.loop.stop)
    return _at_least(at, loop.start) and _at_least(loop.stop, add(at, ONE))


def _at_least(a: Expression, b: Expression) -> bool:
    return surely_at_least(_numbers(add(a, neg(b))), 0)


def _numbers(e: Expression) -> Expression:
    """Sizes alike, whether they stand as names or as indices."""
    return bottom_up(e, lambda node: Ref(node.name) if isinstance(node, Index) else node)


def _new_name(name: str, taken: dict[str, Shape | None]) -> str:
    while name in taken:
        name += "_"
    return name
