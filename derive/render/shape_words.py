"""Why the shapes of a matrix product fit, and where its transposes come from, as sentences.

In: a result in whole-array notation and the name whose shape it must have.  Out: a sentence, or nothing where there is
no product to explain.  Everything is read off the expression and the shapes of its names.
"""

from __future__ import annotations

from dataclasses import dataclass

from derive.expression.nodes import Add, Call, D, Div, Expression, MatMul, Mul, Neg, Number, Pow, Ref, Transpose
from derive.expression.walk import children
from derive.functions import FUNCTIONS
from derive.model import Shape
from derive.render.document import Inlines, Math
from derive.render.math_style import Shapes
from derive.render.notation import Notation
from derive.render.prose import joined
from derive.render.story import Story

MOST = 2  # products that one sentence explains


def shape_of_array(e: Expression, shapes: Shapes) -> Shape | None:
    """The shape of whole-array notation; None where it is not plain."""
    match e:
        case Number():
            return ()
        case Ref():
            return tuple(shapes.get(e.name, ())) if not e.indices else None
        case D(body=Ref()):
            return shape_of_array(e.wrt, shapes)
        case Transpose():
            inner = shape_of_array(e.arg, shapes)
            return None if inner is None else inner[::-1]
        case MatMul():
            left, right = shape_of_array(e.left, shapes), shape_of_array(e.right, shapes)
            if not left or not right:
                return None
            return (*left[:-1], *(right[:-2] + right[-1:] if len(right) > 1 else ()))
        case Call(function="outer"):
            left, right = (shape_of_array(arg, shapes) for arg in e.args)
            return None if left is None or right is None else (*left, *right)
        case Call(function="inv"):
            return shape_of_array(e.args[0], shapes)
    if isinstance(e, (Add, Mul, Neg, Div, Pow)) or (isinstance(e, Call) and e.function in FUNCTIONS):
        parts = [shape_of_array(part, shapes) for part in children(e)]
        if all(part is not None for part in parts):
            return max((part for part in parts if part is not None), key=len, default=())
    return None


@dataclass(frozen=True, slots=True)
class _Product:
    """The factors of a product as they are printed; `moved` are those that stand transposed, with the index summed."""

    shown: Expression
    factors: tuple[tuple[Expression, Shape], ...]
    shape: Shape
    outer: bool = False
    moved: tuple[tuple[Expression, int], ...] = ()


def why_shapes_fit(story: Story, e: Expression, name: str, notation: Notation) -> Inlines:
    """One sentence for the products in `e`, which has the shape of `name`; nothing where there is none."""
    shapes = story.model.shapes
    products = [p for p in _products(e, shapes) if p.shape][:MOST]
    if not products or shape_of_array(e, shapes) != tuple(shapes[name]):
        return ()
    told: list[Inlines] = [(_equation(p, notation),) for p in products]
    if products[0].shape == tuple(shapes[name]):
        told[0] = story.say("shape of", shapes=told[0], name=story.math(Ref(name)))
    parts = [story.say("shapes fit", shapes=joined(told, "; "))]
    for p in products:
        if p.outer:
            left, right = (notation.math(factor) for factor, _ in p.factors)
            parts.append(story.say("outer product", left=left, right=right))
        for matrix, position in p.moved:
            parts.append(story.say(f"transposed {position}", matrix=notation.math(matrix)))
    unique = dict.fromkeys(part for part in parts if part)
    return joined(unique, " ")


def _products(e: Expression, shapes: Shapes) -> list[_Product]:
    """The products in an expression, outermost first, none twice."""
    found: dict[_Product, None] = {}
    own = _product(e, shapes)
    inside: tuple[Expression, ...] = children(e)
    if own is not None:
        found[own] = None
        inside = tuple(factor for factor, _ in own.factors)
    if isinstance(e, D):
        return list(found)
    for part in inside:
        found |= dict.fromkeys(_products(part, shapes))
    return list(found)


def _product(e: Expression, shapes: Shapes) -> _Product | None:
    if isinstance(e, Call) and e.function == "outer":
        return _of(e, list(e.args), shapes, outer=True)
    if not isinstance(e, MatMul):
        return None
    return _of(e, _flat(e, shapes), shapes)


def _flat(e: Expression, shapes: Shapes) -> list[Expression]:
    """The factors in the order of print: vectors are columns, so ``u @ W`` is Wᵀu."""
    if not isinstance(e, MatMul):
        return [e]
    left, right = shape_of_array(e.left, shapes), shape_of_array(e.right, shapes)
    if left is not None and right is not None and len(left) == 1 and len(right) == 2:
        return [Transpose(e.right), e.left]
    return [*_flat(e.left, shapes), *_flat(e.right, shapes)]


def _of(e: Expression, factors: list[Expression], shapes: Shapes, outer: bool = False) -> _Product | None:
    each = [shape_of_array(factor, shapes) for factor in factors]
    whole = shape_of_array(e, shapes)
    if whole is None or any(shape is None for shape in each):
        return None
    pairs = tuple((factor, shape) for factor, shape in zip(factors, each, strict=True) if shape is not None)
    last = len(factors) - 1
    moved = tuple(
        (factor.arg, 2 if k == last else 1)
        for k, factor in enumerate(factors)
        if isinstance(factor, Transpose) and isinstance(factor.arg, (Ref, D, Call))
    )
    return _Product(e, pairs, whole, outer, () if outer else moved)


def _equation(p: _Product, notation: Notation) -> Math:
    """δ xᵀ: (k) ⊗ (d) = (k, d)."""
    shown = notation.math(p.shown)
    sizes = [_tuple(shape, notation) for _, shape in p.factors]
    sign = (r" \otimes ", " ⊗ ") if p.outer else (r" \cdot ", "·")
    whole = _tuple(p.shape, notation)
    return Math(
        shown.latex + r" \colon\; " + sign[0].join(s.latex for s in sizes) + " = " + whole.latex,
        shown.text + ": " + sign[1].join(s.text for s in sizes) + " = " + whole.text,
    )


def _tuple(shape: Shape, notation: Notation) -> Math:
    sizes = [notation.math(size) for size in shape]
    return Math(f"({', '.join(s.latex for s in sizes)})", f"({', '.join(s.text for s in sizes)})")
