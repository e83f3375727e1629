"""One formula as numpy, to be copied from a report, with the helper functions that it calls.

In: an expression of the model language, as text.  Out: lines of numpy, or None where a derivative is still to be
carried out in it or arrays cannot say it.
"""

from __future__ import annotations

from derive.arrays.form import in_arrays
from derive.emit.helpers import HELPERS, with_needs
from derive.emit.numpy_code import NumpyPrinter
from derive.errors import DeriveError
from derive.expression.build import ONE, neg
from derive.expression.nodes import Call, D, Expression, Index, Ref
from derive.expression.walk import bottom_up, free_indices, index_names, transform, walk
from derive.functions import AXIS_FUNCTIONS
from derive.parse.expression import parse_expression

LONGEST = 2000


def numpy_formula(source: str) -> str | None:
    """The formula, adjoints by the names that generated code gives them.

    >>> numpy_formula("D(L, z)*exp(-x)*w_1"), numpy_formula("sum(W[i, j]*x[j], j)")
    ('d_z * np.exp(-x) * w_1', 'W @ x')
    """
    if len(source) > LONGEST:
        return None
    try:
        e = bottom_up(transform(parse_expression(source), _adjoint), _along_the_last_axis)
        if any(map(_is_more, walk(e))):
            return None
        whole = in_arrays(e, tuple(free_indices(e))) if index_names(e) else e
        printer = NumpyPrinter(lambda name: name)
        code = None if whole is None else printer.code(whole)
    except DeriveError:
        return None
    return None if code is None else "\n\n".join([*(HELPERS[name] for name in with_needs(printer.helpers)), code])


def _is_more(node: Expression) -> bool:
    """What a formula alone does not say: a derivative, a shifted or fixed place."""
    if isinstance(node, Ref):
        return not all(isinstance(i, Index) for i in node.indices)
    return isinstance(node, D)


def _along_the_last_axis(node: Expression) -> Expression:
    """A vector's one axis, which functions along an axis need not be told in the language."""
    if isinstance(node, Call) and node.function in AXIS_FUNCTIONS and not node.options:
        return Call(node.function, node.args, (("axis", neg(ONE)),))
    return node


def _adjoint(node: Expression) -> Expression | None:
    named = isinstance(node, D) and isinstance(node.body, Ref)
    return Ref(f"d_{node.wrt.name}", node.wrt.indices) if named and isinstance(node, D) else None
