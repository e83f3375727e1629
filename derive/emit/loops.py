"""An expression over its indices as numpy source with loops: what no whole-array notation says can be said so.

In: index form.  Out: one expression, sums as lists of numbers, arrays as lists of lists; the length of a loop is that
of an axis which its index subscripts.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from derive.emit.numpy_code import ATOM, NumpyPrinter
from derive.errors import DeriveError
from derive.expression.nodes import Both, Call, ComponentTensor, Expression, Index, Reduce, Ref, Where
from derive.expression.walk import walk


class LoopPrinter(NumpyPrinter):
    """Prints entries; conditions are Python's, so that nothing is looked up where they do not hold."""

    def __init__(self, lengths: Mapping[str, str], own: Container[str] = ()) -> None:
        super().__init__(lambda name: name, own=own)
        self.lengths = lengths

    def array(self, e: Expression, axes: tuple[str, ...]) -> str:
        """The array of the entries over `axes`."""
        code = self.code(e)
        for index in reversed(axes):
            code = f"[{code} {self.loop(index)}]"
        return f"np.array({code})" if axes else code

    def loop(self, index: str) -> str:
        if index not in self.lengths:
            raise DeriveError(f"nothing tells how far '{index}' runs")
        return f"for {index} in range({self.lengths[index]})"

    def _print(self, e: Expression) -> tuple[str, int]:
        match e:
            case Index():
                return e.name, ATOM
            case Reduce():
                loops = " ".join(map(self.loop, e.indices))
                condition = "" if e.condition is None else f" if {self.code(e.condition)}"
                return f"np.{e.op}([{self.code(e.body)} {loops}{condition}])", ATOM
            case Where():
                return f"({self.code(e.then)} if {self.code(e.condition)} else {self.code(e.otherwise)})", ATOM
            case Both():
                return " and ".join(map(self.code, e.conditions)), 0
            case ComponentTensor():
                return self.array(e.body, e.indices), ATOM
            case Call(function="delta", args=(first, second)):
                return f"({self.code(first)} == {self.code(second)})", ATOM
        return super()._print(e)


def lengths(e: Expression) -> dict[str, str]:
    """For each index an axis that it subscripts: ``i`` of ``W[i, j]`` has the length ``W.shape[0]``; and what
    ``delta`` holds against it has the same."""
    found: dict[str, str] = {}
    pairs: list[tuple[str, str]] = []
    for node in walk(e):
        match node:
            case Ref():
                for axis, index in enumerate(node.indices):
                    if isinstance(index, Index):
                        found.setdefault(index.name, f"{node.name}.shape[{axis}]")
            case Call(function="delta", args=(Index(first), Index(second))):
                pairs += [(first, second), (second, first)]
    for _ in pairs:
        found = {second: found[first] for first, second in pairs if first in found} | found
    return found
