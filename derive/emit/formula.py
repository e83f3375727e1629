"""One formula as numpy, to be copied from a report: what needs more than numpy's own functions is not offered.

In: an expression of the model language, as text.  Out: a line of numpy, or None.
"""

from __future__ import annotations

from derive.emit.numpy_code import NumpyPrinter
from derive.errors import DeriveError
from derive.expression.nodes import D, Expression, Index, Reduce, Ref
from derive.expression.walk import replace, walk
from derive.parse.expression import parse_expression

LONGEST = 2000


def numpy_formula(source: str) -> str | None:
    """The formula, adjoints by the names that generated code gives them.

    >>> numpy_formula("D(L, z)*exp(-x)*w_1"), numpy_formula("sum(W[i, j]*x[j], j)")
    ('d_z * np.exp(-x) * w_1', None)
    """
    if len(source) > LONGEST:
        return None
    try:
        e = parse_expression(source)
        if any(_has_indices(node) for node in walk(e)):
            return None
        printer = NumpyPrinter(lambda name: name)
        code = printer.code(replace(e, _adjoints(e)))
    except DeriveError:
        return None
    return None if printer.helpers else code


def _adjoints(e: Expression) -> dict[Expression, Expression]:
    return {node: Ref(f"d_{node.wrt.name}") for node in walk(e) if isinstance(node, D) and isinstance(node.body, Ref)}


def _has_indices(node: Expression) -> bool:
    derivative = isinstance(node, D) and not isinstance(node.body, Ref)
    return derivative or isinstance(node, (Index, Reduce)) or (isinstance(node, Ref) and bool(node.indices))
