"""Whether an expression can become shorter at all: a quick look before the algebra is set to work."""

from __future__ import annotations

from derive.algebra.rational import alpha_normal
from derive.expression.nodes import Add, Call, Constant, Div, Expression, Mul, Neg, Number, Pow
from derive.expression.walk import children, nodes_of


def may_shorten(e: Expression) -> bool:
    """Whether a sum or a fraction could shrink: two terms, or the two sides of a line, have something in common."""
    return any(map(terms_share, nodes_of(e, Add))) or may_cancel(e)


def may_cancel(e: Expression) -> bool:
    """Whether something stands below a line and elsewhere too."""
    below: set[Expression] = set()
    for node in nodes_of(e, Div):
        under = atoms(node.denominator)
        if under & below:
            return True
        below |= under
    return bool(below) and bool(below & atoms(e, outside_denominators=True))


def terms_share(e: Add) -> bool:
    """Whether two terms of a sum have an atom in common, or are both numbers."""
    seen: set[Expression] = set()
    numbers = 0
    for term in e.terms:
        own = atoms(term)
        numbers += not own
        if own & seen or numbers > 1:
            return True
        seen |= own
    return False


def atoms(e: Expression, outside_denominators: bool = False) -> set[Expression]:
    """What the four operations do not take apart: names, calls, sums over indices."""
    found: set[Expression] = set()
    stack = [e]
    while stack:
        node = stack.pop()
        if isinstance(node, (Add, Mul, Neg, Pow, Div)):
            if outside_denominators and isinstance(node, Div):
                stack.append(node.numerator)
            else:
                stack.extend(children(node))
        elif isinstance(node, Call) and node.function == "exp":
            arg = node.args[0]
            found.add(Call("exp", (arg.arg,)) if isinstance(arg, Neg) else node)
        elif isinstance(node, Call) and node.function == "sqrt":
            found.add(node)
            stack.append(node.args[0])
        elif not isinstance(node, (Number, Constant)):
            found.add(alpha_normal(node))
    return found
