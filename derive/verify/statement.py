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
from itertools import pairwise

from derive.arrays.form import in_arrays
from derive.differentiate.local import differentiate
from derive.errors import DeriveError, did_you_mean
from derive.expression.build import ONE, ZERO, mul
from derive.expression.nodes import (
    Call,
    Compare,
    ComponentTensor,
    Expression,
    Index,
    MatMul,
    Number,
    Pow,
    Reduce,
    Ref,
    Transpose,
)
from derive.expression.walk import bottom_up, children, free_indices, rename, rename_indices, transform, walk
from derive.functions import FUNCTIONS
from derive.model import Model, Shape
from derive.parse.elaborate import in_index_form
from derive.parse.expression import Names, read_expression
from derive.parse.model import whole_names
from derive.parse.scope import Body
from derive.parse.sizes import print_shape, same_size
from derive.parse.source import Source, parse_python
from derive.verify.notation import PARTIAL, TOTAL, Spelled, Vocabulary
from derive.verify.truths import ELEMENTWISE, Truths, pair_of, spell


@dataclass(frozen=True)
class Head:
    """What a chain speaks of: a value over `axes`, of these sizes; `fixed` are axes that the author named.

    `entries`: a derivative entry by entry, for which one number may stand.
    """

    expr: Expression
    axes: tuple[str, ...]
    shape: Shape
    fixed: tuple[str, ...]
    entries: bool = False


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

    def read(self, side: Spelled, indices: tuple[str, ...], strict: bool = False) -> Expression:
        """The tree of a side, derivatives under their own names; places are those of the side's text.

        `strict`: those that are written with ``∂`` are derivatives of a node's own equation.
        """
        self.slopes()
        pairs = {name: pair for pair, name in self.known.derivatives.items()}
        stands_for = {}
        for spoken in set(re.findall(rf"(?:{TOTAL}|{PARTIAL})\d+", side.text)):
            pair = pairs[spoken.replace(PARTIAL, TOTAL)]
            alone = strict and spoken.startswith(PARTIAL)
            stands_for[spoken] = self.truths.partial(*pair) if alone else self.truths.name(*pair)
        tree = _Indicators().visit(parse_python(side.text, "eval"))
        if not isinstance(tree, ast.Expression):
            raise DeriveError("this is not an expression")
        tensors = frozenset({*self.shapes, *stands_for, *self.spellings, *_NUMBERS})
        functions = tuple((name, len(body.parameters)) for name, body in self.bodies.items())
        stray = _letters_in_subscripts(tree) - tensors if indices else set()
        e = read_expression(tree.body, Source(side.text), Names(tensors, functions, frozenset({*indices, *stray})))
        for node in walk(e):
            if isinstance(node, Ref) and node.name not in tensors:
                raise self.unknown(node)
        if isinstance(e, Compare):
            raise DeriveError("a comparison is no number", e.place)
        return bottom_up(rename(e, {**self.spellings, **stands_for}), _settled)

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

        return bottom_up(transform(e, self.chained), change)

    def chained(self, e: Expression) -> Expression | None:
        """``dL/dz · dz/dW``: a chain of derivatives with more than two axes, summed over the axes between."""
        factors = _factors(e)
        pairs = [pair_of(f.name) for f in factors if isinstance(f, Ref) and f.name in self.truths.equations]
        linked = all(first[1] == second[0] for first, second in pairwise(pairs))
        ranks = [len(self.shapes[f.name]) for f in factors if isinstance(f, Ref) and f.name in self.shapes]
        if len(pairs) < max(2, len(factors)) or not linked or max(ranks) <= 2 or any(map(children, factors)):
            return None
        names = [pairs[0][0], *(wrt for _, wrt in pairs)]
        letters = [tuple(f"c{k}_{axis}" for axis in range(len(self.shapes[n]))) for k, n in enumerate(names)]
        product = mul(
            *(
                Ref(f.name, tuple(map(Index, letters[k] + letters[k + 1])))
                for k, f in enumerate(factors)
                if isinstance(f, Ref)
            )
        )
        between = [
            (i, size)
            for n, ls in zip(names[1:-1], letters[1:-1], strict=True)
            for i, size in zip(ls, self.shapes[n], strict=True)
        ]
        total = (
            Reduce("sum", product, tuple(i for i, _ in between), None, tuple(s for _, s in between))
            if between
            else product
        )
        own = [(i, size) for k in (0, -1) for i, size in zip(letters[k], self.shapes[names[k]], strict=True)]
        return ComponentTensor(total, tuple(i for i, _ in own), tuple(s for _, s in own)) if own else total

    def rank(self, e: Expression) -> int:
        return len(in_index_form(e, self.shapes, self.bodies, (), None, self.whole)[2])

    def elementwise(self, e: Expression) -> Expression:
        """The tree with derivatives between names of one shape read entry by entry, where they have no indices."""
        pairs = {spell(of, wrt): self.truths.elementwise(of, wrt) for of, wrt in self.known.derivatives}
        for of, wrt in self.known.derivatives:
            if (of, wrt) in self.truths.local:
                pairs.setdefault(self.truths.partial(of, wrt), self.truths.by_entries(of, wrt))

        def change(node: Expression) -> Expression:
            found = pairs.get(node.name) if isinstance(node, Ref) and not node.indices else None
            return node if found is None else Ref(found, place=node.place)

        return bottom_up(e, change)

    def partials(self, e: Expression) -> Expression:
        """The tree with derivatives of nodes read as those of their own equations, where these are others."""
        found: dict[str, str] = {}
        for of, wrt in self.known.derivatives:
            if (of, wrt) in self.truths.local and (name := spell(of, wrt)) != (own := self.truths.partial(of, wrt)):
                found |= {name: own, name + ELEMENTWISE: self.truths.by_entries(of, wrt) or name + ELEMENTWISE}
        return rename(e, found)

    def meaning(self, e: Expression, head: Head) -> Expression:
        """A side over the head's axes, in index form.

        Unfit where its shape is another, DeriveError where its parts do not fit together.
        """
        body, own, shape = in_index_form(e, self.shapes, self.bodies, (), None, self.whole)
        stray = next((i for i in free_indices(body) if i not in (*own, *head.axes)), None)
        if stray is not None:
            raise DeriveError(f"the index '{stray}' does not stand on the left")
        wanted = [k for k, axis in enumerate(head.axes) if axis not in head.fixed]
        if not own and (head.entries or (isinstance(e, Number) and e.value == 0)):
            return body
        sizes = [head.shape[k] for k in wanted]
        if len(own) != len(wanted) or not all(map(same_size, shape, sizes)):
            raise Unfit(print_shape(shape), print_shape(tuple(sizes)))
        return rename_indices(body, {i: Index(head.axes[k]) for i, k in zip(own, wanted, strict=True)})

    # Heads.

    def heads(self, of: str, wrt: str, subscripts: str, partial: bool) -> list[Head]:
        """What the left side may mean, the likelier first; with ``∂`` the derivative of the node's equation too."""
        names = [self.truths.name(of, wrt) if wrt else of]
        if wrt and not subscripts:
            names.insert(0, self.truths.elementwise(of, wrt) or names[0])
        if wrt and partial and self.truths.partial(of, wrt) != names[-1]:
            names.insert(0, self.truths.partial(of, wrt))
            names.insert(0, (None if subscripts else self.truths.by_entries(of, wrt)) or names[0])
        return [self.head(name, subscripts) for name in dict.fromkeys(names)]

    def head(self, name: str, subscripts: str) -> Head:
        """The true value of a name of the model or of a derivative."""
        shape = self.shapes[name]
        places = _subscripts(subscripts, self.shapes)
        if places and len(places) != len(shape):
            raise DeriveError(f"{len(places)} subscripts on what has {len(shape)} axes")
        element, expr = self.truths.equations.get(name, (None, None))
        if not places:
            places = tuple(Index(f"i_{k + 1}") for k in range(len(shape)))
            fixed: tuple[str, ...] = ()
        else:
            fixed = tuple(dict.fromkeys(i.name for i in places if isinstance(i, Index)))
            _check_sizes(places, shape)
        at: Expression = Ref(name, places)
        if element is not None and expr is not None:
            own = (i.name for i in element.indices if isinstance(i, Index))
            at = rename_indices(expr, dict(zip(own, places, strict=True)))
        over = {p.name: shape[k] for k, p in enumerate(places) if isinstance(p, Index)}
        return Head(at, tuple(over), tuple(over.values()), fixed, name.endswith(ELEMENTWISE))

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
    if any(not isinstance(i, (Index, Number)) for i in indices):
        raise DeriveError("the subscripts of the left side are indices or numbers")
    if any(isinstance(i, Index) and i.name in shapes for i in indices):
        raise DeriveError("a subscript of the left side is a name of the model", hint="take another letter")
    return indices


def _check_sizes(places: tuple[Expression, ...], shape: Shape) -> None:
    """``dz_i/ds_i`` has one index for two axes: they must be of one size."""
    sizes: dict[Expression, Expression] = {}
    for place, size in zip(places, shape, strict=True):
        if isinstance(place, Index) and not same_size(sizes.setdefault(place, size), size):
            raise DeriveError(f"the index '{place.name}' runs over axes of different sizes")


def _letters_in_subscripts(tree: ast.AST) -> set[str]:
    """The letters that stand alone in subscripts: indices, also where they should be others."""
    subscripts = [node.slice for node in ast.walk(tree) if isinstance(node, ast.Subscript)]
    parts = [part for s in subscripts for part in (s.elts if isinstance(s, ast.Tuple) else [s])]
    return {part.id for part in parts if isinstance(part, ast.Name) and len(part.id) == 1}


def _factors(e: Expression) -> tuple[Expression, ...]:
    return (*_factors(e.left), *_factors(e.right)) if isinstance(e, MatMul) else (e,)


_NUMBERS = {"__one": ONE, "__zero": ZERO}  # numbers that the author did not write have no place to be read from


class _Indicators(ast.NodeTransformer):
    """``(z > 0)`` as a factor, a term or a side, and ``1[z > 0]``: one where it holds, else zero."""

    def visit_Expression(self, node: ast.Expression) -> ast.AST:
        self.generic_visit(node)
        node.body = _indicator(node.body)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        node.left, node.right = _indicator(node.left), _indicator(node.right)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        one = isinstance(node.value, ast.Constant) and node.value.value == 1
        return _indicator(node.slice) if one and isinstance(node.slice, ast.Compare) else node


def _indicator(node: ast.expr) -> ast.expr:
    if not isinstance(node, ast.Compare) or isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
        return node
    where, *values = (ast.copy_location(ast.Name(name, ast.Load()), node) for name in ("where", *_NUMBERS))
    return ast.copy_location(ast.Call(where, [node, *values], []), node)


def _settled(e: Expression) -> Expression:
    """``e^u``, which was read as a power of exp(1), and the numbers of an indicator."""
    if isinstance(e, Ref):
        return _NUMBERS.get(e.name, e)
    if isinstance(e, Pow) and e.base == Call("exp", (ONE,)):
        return Call("exp", (e.exponent,), place=e.place)
    return e


def shown(e: Expression) -> str:
    """An expression as an author would type it."""
    return str(e).replace(ELEMENTWISE, "")
