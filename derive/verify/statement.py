"""One side of a line as mathematics: its tree as it was written, and what it says element by element.

Products are what their factors make of them: ``@`` between numbers multiplies, and a vector times a transposed vector
is the outer product, as columns are written on paper.
"""

from __future__ import annotations

import ast
import re
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass

from derive.arrays.form import in_arrays
from derive.differentiate.local import differentiate
from derive.errors import DeriveError, did_you_mean
from derive.expression.build import ONE, mul
from derive.expression.nodes import Call, Compare, Expression, Index, MatMul, Number, Pow, Ref, Transpose
from derive.expression.walk import bottom_up, rename, rename_indices, walk
from derive.functions import FUNCTIONS
from derive.model import Model, Shape
from derive.parse.elaborate import in_index_form
from derive.parse.expression import Names, read_expression
from derive.parse.model import whole_names
from derive.parse.scope import Body
from derive.parse.sizes import print_shape, same_size
from derive.parse.source import Source, parse_python
from derive.verify.notation import Spelled, Vocabulary
from derive.verify.truths import ELEMENTWISE, Truths, spell


@dataclass(frozen=True)
class Head:
    """What a chain speaks of: a value over `axes`, of these sizes; `fixed` are axes that the author named."""

    expr: Expression
    axes: tuple[str, ...]
    shape: Shape
    fixed: tuple[str, ...]


class Unfit(Exception):
    """A side whose shape is another than that of what it claims to equal; both as they print."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(found, wanted)
        self.found, self.wanted = found, wanted


class Statements:
    """Reads the sides of one derivation."""

    def __init__(self, model: Model, known: Vocabulary, truths: Truths) -> None:
        self.model = model
        self.known = known
        self.truths = truths
        self.shapes: Mapping[str, Shape] = ChainMap(truths.shapes, dict(model.shapes))
        self.whole = whole_names(model.variables)
        self.bodies: dict[str, Body] = dict(model.functions)
        self.spellings: dict[str, str] = {}  # other names under which names may be written

    # Reading.

    def read(self, side: Spelled, indices: tuple[str, ...]) -> Expression:
        """The tree of a side, derivatives under their own names; places are those of the side's text."""
        self.slopes()
        spoken = set(re.findall(r"__derivative_\d+", side.text))
        pairs = {name: pair for pair, name in self.known.derivatives.items() if name in spoken}
        stands_for = {name: self.truths.name(*pair) for name, pair in pairs.items()}
        tree = parse_python(side.text, "eval")
        if not isinstance(tree, ast.Expression):
            raise DeriveError("this is not an expression")
        tensors = frozenset({*self.shapes, *stands_for, *self.spellings})
        functions = tuple((name, len(body.parameters)) for name, body in self.bodies.items())
        e = read_expression(tree.body, Source(side.text), Names(tensors, functions, frozenset(indices)))
        for node in walk(e):
            if isinstance(node, Ref) and node.name not in tensors:
                raise self.unknown(node)
        if isinstance(e, Compare):
            raise DeriveError("a comparison is no number", e.place)
        return bottom_up(rename(e, {**self.spellings, **stands_for}), _exponential)

    def unknown(self, e: Ref) -> DeriveError:
        hint = did_you_mean(e.name, self.shapes)
        if hint is None and len(e.name) == 1 and e.name in "ijklmn":
            hint = f"an index stands on the left too: dL/dz[{e.name}]"
        return DeriveError(f"there is no name '{e.name}'", e.place, hint)

    def slopes(self) -> None:
        """``σ'(z)``: the derivatives of functions that were written with a prime."""
        for function, name in self.known.primes.items():
            if name in self.bodies:
                continue
            if function in self.model.functions or function not in FUNCTIONS or len(FUNCTIONS[function].parameters) > 1:
                raise DeriveError(f"'{function}' has no derivative that can be written with a prime")
            u = Ref("u")
            self.bodies[name] = Body(("u",), (), differentiate(Call(function, (u,)), u, None)[0])

    # Meaning.

    def by_rank(self, e: Expression) -> Expression:
        """The tree with products as the ranks of their factors say."""

        def change(node: Expression) -> Expression:
            if not isinstance(node, MatMul):
                return node
            left, right = self.rank(node.left), self.rank(node.right)
            if left == 0 or right == 0:
                return mul(node.left, node.right)
            if left == 1 and right == 1 and isinstance(node.right, Transpose):
                return Call("outer", (node.left, node.right.arg), place=node.place)
            return node

        return bottom_up(e, change)

    def rank(self, e: Expression) -> int:
        return len(in_index_form(e, self.shapes, self.bodies, (), None, self.whole)[2])

    def elementwise(self, e: Expression) -> Expression:
        """The tree with derivatives between names of one shape read entry by entry, where they have no indices."""
        pairs = {spell(of, wrt): self.truths.elementwise(of, wrt) for of, wrt in self.known.derivatives}

        def change(node: Expression) -> Expression:
            found = pairs.get(node.name) if isinstance(node, Ref) and not node.indices else None
            return node if found is None else Ref(found, place=node.place)

        return bottom_up(e, change)

    def meaning(self, e: Expression, head: Head) -> Expression:
        """A side over the head's axes, in index form.

        Unfit where its shape is another, DeriveError where its parts do not fit together.
        """
        body, own, shape = in_index_form(e, self.shapes, self.bodies, (), None, self.whole)
        wanted = [k for k, axis in enumerate(head.axes) if axis not in head.fixed]
        if not own and isinstance(e, Number) and e.value == 0:
            return e
        sizes = [head.shape[k] for k in wanted]
        if len(own) != len(wanted) or not all(map(same_size, shape, sizes)):
            raise Unfit(print_shape(shape), print_shape(tuple(sizes)))
        return rename_indices(body, {i: Index(head.axes[k]) for i, k in zip(own, wanted, strict=True)})

    # Heads.

    def head(self, of: str, wrt: str, subscripts: str, elementwise: bool = False) -> Head:
        """The true value of what stands on the left."""
        name = of if not wrt else self.truths.name(of, wrt)
        if elementwise:
            name = self.truths.elementwise(of, wrt) or name
        shape = self.shapes[name]
        places = _subscripts(subscripts, self.shapes)
        if places and len(places) != len(shape):
            raise DeriveError(f"{len(places)} subscripts on what has {len(shape)} axes")
        element, expr = self.truths.equations.get(name, (None, None))
        if not places:
            places = tuple(Index(f"i_{k + 1}") for k in range(len(shape)))
            fixed: tuple[str, ...] = ()
        else:
            fixed = tuple(i.name for i in places if isinstance(i, Index))
        at: Expression = Ref(name, places)
        if element is not None and expr is not None:
            own = (i.name for i in element.indices if isinstance(i, Index))
            at = rename_indices(expr, dict(zip(own, places, strict=True)))
        kept = [k for k, place in enumerate(places) if isinstance(place, Index)]
        axes = tuple(p.name for p in places if isinstance(p, Index))
        return Head(at, axes, tuple(shape[k] for k in kept), fixed)

    def printed(self, head: Head) -> Expression:
        """The value of a head in whole-array notation, where the author named no indices and it can be said."""
        if head.fixed or not head.axes:
            return head.expr
        return in_arrays(head.expr, head.axes, head.shape, self.shapes) or head.expr

    def respelled(self, e: Expression) -> Expression:
        """An expression under the names that the author uses."""
        return rename(e, {name: other for other, name in self.spellings.items()})

    def define(self, name: str, e: Expression) -> None:
        """A name that the derivation itself gives to an expression."""
        body, indices, shape = in_index_form(e, self.shapes, self.bodies, (), None, self.whole)
        self.truths.equations[name] = (Ref(name, tuple(map(Index, indices))), body)
        self.truths.shapes[name] = shape


def _subscripts(text: str, shapes: Mapping[str, Shape]) -> tuple[Expression, ...]:
    """``[i, 0]``: indices and whole numbers."""
    if not text:
        return ()
    tree = parse_python(f"q{text}", "eval")
    if not isinstance(tree, ast.Expression):
        raise DeriveError("these are no subscripts")
    found = read_expression(tree.body, Source(f"q{text}"), Names())
    indices = found.indices if isinstance(found, Ref) else ()
    letters = [i.name for i in indices if isinstance(i, Index)]
    if any(not isinstance(i, (Index, Number)) for i in indices) or len(set(letters)) < len(letters):
        raise DeriveError("the subscripts of the left side are different indices, or numbers")
    if any(letter in shapes for letter in letters):
        raise DeriveError("a subscript of the left side is a name of the model", hint="take another letter")
    return indices


def _exponential(e: Expression) -> Expression:
    """``e^u``, which was read as a power of exp(1)."""
    if isinstance(e, Pow) and e.base == Call("exp", (ONE,)):
        return Call("exp", (e.exponent,), place=e.place)
    return e


def shown(e: Expression) -> str:
    """An expression as an author would type it."""
    return str(e).replace(ELEMENTWISE, "")
