"""A program as text, and what each pass made of it: ``derive generate --explain``."""

from __future__ import annotations

from collections.abc import Iterator

from derive.lower.passes.loops import by_loop
from derive.lower.passes.mapping import SECTIONS, section
from derive.lower.passes.table import passes
from derive.lower.program import Loop, Program, Statement
from derive.parse.sizes import print_shape

HEADINGS = {
    "forward": "forward",
    "reported": "if the loss is asked for",
    "backward": "backward",
    "gradients": "gradients",
}


def listing(program: Program) -> str:
    """Each statement in a line: its name and shape, its value, and the buffer that it writes into."""
    lines: list[str] = []
    for name in SECTIONS:
        statements = section(program, name)
        if statements:
            lines.append(f"  {HEADINGS[name]}:")
        for loop, group in by_loop(statements):
            lines += [*([] if loop is None else [_loop(loop)]), *(f"    {_line(s)}" for s in group)]
    if program.summed:
        lines.append(f"  each gradient is a sum, still to be divided by {program.count}")
    return "\n".join(lines)


def _line(s: Statement) -> str:
    shape = print_shape(s.shape) if s.shape else ""
    place = f"   → {s.buffer}" if s.buffer not in (None, s.name) else ""
    step = "" if s.at is None else f"[{s.at}]"
    return f"{'  ' * (s.loop is not None)}{s.name}{step}{shape} = {s.value}{place}"


def _loop(loop: Loop) -> str:
    way = "from the last to the first" if loop.backwards else "one after the other"
    return f"    {loop.index} from {loop.start} to before {loop.stop}, {way}:"


def explained(program: Program) -> str:
    """The program as it is lowered, and after each pass that changed it."""
    return "\n\n".join([f"program\n{listing(program)}", *_after_passes(program)]) + "\n"


def _after_passes(program: Program) -> Iterator[str]:
    for one, before, after in passes(program):
        if listing(after) == listing(before):
            continue
        why = (one.__doc__ or "").strip().splitlines()[0]
        yield f"{one.__name__.replace('_', ' ')}: {why}\n{listing(after)}"
