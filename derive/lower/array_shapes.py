"""The shapes that functions of whole arrays give, a row for each function."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Callable

from derive.expression.build import add, number
from derive.expression.nodes import Call, Constant, Expression, Neg, Number
from derive.model import Shape
from derive.parse.sizes import plus

Given = list[Shape]  # the shapes of a call's arguments


def shape_of_call(e: Call, given: list[Shape | None]) -> Shape | None:
    """The shape of a call whose arguments have the `given` shapes; None where it is not known."""
    known: Given = [shape for shape in given if shape is not None]
    if e.function not in SHAPES or len(known) < len(given):
        return None
    return SHAPES[e.function](e, known)


def _sizes(e: Call, given: Given) -> Shape:
    return e.args


def _sizes_behind(e: Call, given: Given) -> Shape:
    return e.args[1:]


def _rows(e: Call, given: Given) -> Shape:
    """Arrays one below the other; numbers among them fill a row."""
    return (number(len(given)), *max(given, key=len))


def _square(e: Call, given: Given) -> Shape:
    return (e.args[0], e.args[0])


def _same(e: Call, given: Given) -> Shape:
    return given[0]


def _of_each_matrix(e: Call, given: Given) -> Shape:
    """A number for each matrix of a stack."""
    return given[0][:-2]


def _diagonal(e: Call, given: Given) -> Shape:
    return given[0][:-1]


def _diag(e: Call, given: Given) -> Shape:
    """The matrix with a vector on its diagonal, or the diagonal of a matrix."""
    return (*given[0], *given[0]) if len(given[0]) == 1 else given[0][:1]


def _side_by_side(e: Call, given: Given) -> Shape:
    return (*given[0], *given[1])


def _scattered(e: Call, given: Given) -> Shape:
    return (e.args[2], *given[1][len(given[0]) :])


def _permuted(e: Call, given: Given) -> Shape:
    return tuple(given[0][int(str(k))] for k in e.args[1:])


def _stacked(e: Call, given: Given) -> Shape | None:
    """Matrices of two stacks, of which one may be a single matrix or vector."""
    left, right = given
    if len(right) == 1:
        return left[:-1]
    longer = left if len(left) >= len(right) else right
    return (*longer[:-2], *left[-2:-1], right[-1])


def _contracted(e: Call, given: Given) -> Shape:
    """The axes of either array that do not meet."""
    places = [axis_numbers(value, len(shape)) for (_, value), shape in zip(e.options, given, strict=True)]
    return tuple(n for shape, taken in zip(given, places, strict=True) for k, n in enumerate(shape) if k not in taken)


def _by_signature(e: Call, given: Given) -> Shape:
    inputs, output = str(e.options[0][1]).split("->")
    sizes: dict[str, Expression] = {}
    for letters, shape in zip(inputs.split(","), given, strict=True):
        sizes |= dict(zip(letters, shape, strict=True))
    return tuple(sizes[letter] for letter in output)


def _windows(e: Call, given: Given) -> Shape:
    """An axis as two, of places and of what a window has there."""
    axis = int(str(e.args[1]))
    return (*given[0][:axis], *e.args[2:4], *given[0][axis + 1 :])


def _overlapped(e: Call, given: Given) -> Shape:
    axis = int(str(e.args[1]))
    return (*given[0][:axis], e.args[2], *given[0][axis + 2 :])


def _padded(e: Call, given: Given) -> Shape:
    added = map(add, e.args[1::2], e.args[2::2])
    return tuple(plus(add(n, m), 0) for n, m in zip(given[0], added, strict=True))


def _reduced(e: Call, given: Given) -> Shape:
    if not e.options:
        return ()
    taken = axis_numbers(e.options[0][1], len(given[0]))
    return tuple(n for k, n in enumerate(given[0]) if k not in taken)


def axis_numbers(axis: Expression, rank: int) -> tuple[int, ...]:
    """Which axes an option names, counted from the first."""
    match axis:
        case Number():
            return (int(axis.value),)
        case Neg(arg=Number() as back):
            return (rank - int(back.value),)
        case Constant(name=name):
            found: tuple[int, ...] = literal_eval(name)
            return found
    raise ValueError(f"{axis} is no axis")


SHAPES: dict[str, Callable[[Call, Given], Shape | None]] = {
    **dict.fromkeys(("ones", "zeros", "arange"), _sizes),
    **dict.fromkeys(("broadcast_to", "reshape"), _sizes_behind),
    **dict.fromkeys(("gathered", "rows"), _rows),
    **dict.fromkeys(("softmax", "log_softmax", "inv", "tril", "triu"), _same),
    **dict.fromkeys(("det", "logdet", "trace"), _of_each_matrix),
    **dict.fromkeys(("sum", "prod", "max", "min", "mean", "logsumexp", "argmax", "argmin"), _reduced),
    "eye": _square,
    "windows": _windows,
    "overlapped": _overlapped,
    "padded": _padded,
    "diag": _diag,
    "diagonal": _diagonal,
    "outer": _side_by_side,
    "scatter_add": _scattered,
    "transpose": _permuted,
    "matmul": _stacked,
    "tensordot": _contracted,
    "einsum": _by_signature,
}
