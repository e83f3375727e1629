"""The views that a loop of fast code reads and writes: made once, and handed to each step by name.

``h[t - 1]`` of a loop over t is ``h_before`` of ``for h_before, … in forth:``, where `forth` is a list of tuples.
"""

from __future__ import annotations

import re
from fractions import Fraction

from derive.emit.brackets import bracketed
from derive.emit.numpy_code import NumpyPrinter
from derive.emit.python_names import PythonNames
from derive.expression.build import add, neg
from derive.expression.nodes import Expression, Index, Ref
from derive.lower.program import Loop
from derive.parse.numbers import constant_value
from derive.parse.sizes import collected

PLACES = {Fraction(0): "now", Fraction(-1): "before", Fraction(1): "behind"}


class StepViews:
    """Of one loop; `names` gives new ones."""

    def __init__(self, loop: Loop, names: PythonNames, printer: NumpyPrinter) -> None:
        self.loop = loop
        self.names = names
        self.printer = printer
        self.found: dict[tuple[str, Expression], tuple[str, str]] = {}  # for each view its name, and the code of all

    def name(self, e: Ref, array: str, is_number: bool) -> str:
        """The name of one step of an array, which has the Python name `array`."""
        by = collected(add(e.indices[0], neg(Index(self.loop.index))))
        if (array, by) not in self.found:
            at = constant_value(by)
            place = "other" if at is None else PLACES.get(at, "other")
            self.found[array, by] = (self.names.new(f"{array}_{place}"), self.views(array, by, is_number))
        return self.found[array, by][0]

    def views(self, array: str, by: Expression, is_number: bool) -> str:
        """The steps of an array that the loop reads, in its order; such as are single numbers as arrays too."""
        first, stop = (self.printer.code(collected(add(e, by))) for e in (self.loop.start, self.loop.stop))
        if is_number:
            steps = f"range({first}, {stop})"
            return f"[{array}[k, ...] for k in {f'reversed({steps})' if self.loop.backwards else steps}]"
        first = "" if first == "0" else first
        colon = ":" if re.fullmatch(r"\w*", first) and re.fullmatch(r"\w*", stop) else " : "
        return f"{array}[{f'{first}{colon}{stop}'.strip()}]{'[::-1]' if self.loop.backwards else ''}"

    def list(self) -> str:
        """The code of the list over which the loop runs."""
        views = [code for _, code in self.found.values()]
        return "list(\n    " + bracketed("zip(", [*views, "strict=True"], ")", 4) + "\n)"

    def header(self, name: str) -> str:
        """The line with which the loop begins."""
        names = [view for view, _ in self.found.values()]
        if len(names) == 1:
            return f"for ({names[0]},) in {name}:"
        inside = ", ".join(names)
        if 8 + len(f"for {inside} in {name}:") <= 120:
            return f"for {inside} in {name}:"
        return "\n".join(["for (", *(f"    {view}," for view in names), f") in {name}:"])


def loop_code(loop: Loop, printer: NumpyPrinter) -> str:
    """The line with which a loop begins."""
    start, stop = (printer.code(e) for e in (loop.start, loop.stop))
    steps = f"range({stop})" if start == "0" else f"range({start}, {stop})"
    return f"for {printer.name(loop.index)} in {f'reversed({steps})' if loop.backwards else steps}:"
