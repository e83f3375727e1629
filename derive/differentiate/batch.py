"""From one example to the batch: the objective is the mean of the loss, its gradient the mean of the gradients.

What depends on the data gets an example index in front.  Terms that no example enters (a penalty on the parameters) are
their own mean.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import count as count_from
from typing import Any

import numpy as np

from derive.arrays.form import in_arrays
from derive.cache import Cache
from derive.derivation import Adjoint, Derivation, Result, Step
from derive.differentiate.forms import placeholders, renamed
from derive.expression.build import add, div, neg
from derive.expression.nodes import Call, D, Expression, Index, MatMul, Neg, Reduce, Ref, Where
from derive.expression.parts import terms_of
from derive.expression.walk import bottom_up, children, contains, index_names, names, walk
from derive.model import Model, Shape
from derive.parse.sizes import is_one
from derive.prove.digits import Undefined, working_digits
from derive.prove.lengths import of_any_length
from derive.prove.named import Hole, elementwise, name_axes, scalar
from derive.prove.numeric import DIGITS, Evaluator
from derive.prove.sampling import LONGEST_UNCUT, draw_number, has_shifted_subscripts
from derive.prove.setting import ProofError, Setting
from derive.prove.sizes import numbers_for
from derive.prove.steps import prove
from derive.rules.naming import displayed
from derive.rules.notation import ARRAY_NOTATION
from derive.rules.structures import of_entries


@dataclass(frozen=True, slots=True)
class BatchGradient:
    """The gradient of the mean over the examples, written with the example index.

    `by_adjoints`: the same by the adjoints of the examples, then in matrices where that can be said.
    """

    wrt: str
    expr: Expression
    steps: tuple[Step, ...]
    by_adjoints: tuple[Expression, ...] = ()


@lru_cache(maxsize=8)
def example_names(model: Model) -> tuple[str, str]:
    """The example index and the number of examples: n and N, or others where the model uses those."""
    taken = {*model.variables, *model.by_name} | {i for e in model.equations for i in index_names(e.body)}
    count = next(name for name in ("N", "N_examples", "number_of_examples") if name not in taken)
    example = next(name for k in count_from(0) if (name := f"n_{k}" if k else "n") not in taken)
    return example, count


def over_examples(e: Expression, model: Model, n: str) -> Expression:
    """The expression with the example index on everything that depends on the data, adjoints among them."""
    index = Index(n)

    def change(node: Expression) -> Expression:
        if isinstance(node, Ref) and node.name in model.per_example:
            return Ref(node.name, (index, *node.indices), place=node.place)
        return node

    return bottom_up(e, change)


def depends_on_data(e: Expression, model: Model, adjoints_of_the_mean: bool = False) -> bool:
    """Whether an example enters: by a value, or by an adjoint.

    The adjoint ``D(L, s)`` of the loss of one example always depends on it; that of the mean loss only where ``s``
    does.
    """
    nodes = _without_losses(e) if adjoints_of_the_mean else list(walk(e))
    return any(isinstance(node, Ref) and node.name in model.per_example for node in nodes)


def _without_losses(e: Expression) -> list[Expression]:
    """All nodes, but not the loss inside ``D(L, s)``: whether that depends on an example is a matter of ``s``."""
    found: list[Expression] = []
    stack = [e]
    while stack:
        node = stack.pop()
        found.append(node)
        stack.extend((node.wrt,) if isinstance(node, D) and isinstance(node.body, Ref) else children(node))
    return found


def objective(model: Model) -> Expression:
    """``sum(L[n], n)/N``, or the loss itself where no data enters."""
    if model.loss not in model.per_example:
        return Ref(model.loss)
    n, count = example_names(model)
    return div(Reduce("sum", Ref(model.loss, (Index(n),)), (n,)), Ref(count))


def mean_over_examples(e: Expression, model: Model, n: str, count: Expression) -> Expression:
    """The mean over the examples: of the terms that depend on the data together, of the others each is its own."""
    if isinstance(e, Where) and of_entries(e):
        return Where(e.condition, *(mean_over_examples(u, model, n, count) for u in (e.then, e.otherwise)))
    inside: list[Expression] = []
    found: list[Expression] = []
    for term in terms_of(e):
        if depends_on_data(term, model):
            inside.append(over_examples(term, model, n))
        else:
            found.append(term)
    if not inside:
        return e
    return add(_mean(add(*inside), n, count), *found)


def _mean(e: Expression, n: str, count: Expression) -> Expression:
    if isinstance(e, Neg):
        return neg(_mean(e.arg, n, count))
    return div(Reduce("sum", e, (n,), None, (count,)), count)


GRADIENT_RULES = ("mean of the gradients", "gradient of one example")
SECOND_RULES = ("mean of the second derivatives", "second derivative of one example")

EXAMPLES = 3  # in the proof of the passage to the batch

_PROVED: Cache[str] = Cache()


def batch_gradients(derivation: Derivation) -> list[BatchGradient]:
    """For each gradient that of the batch; proved by evaluating both, on a batch of random examples."""
    model = derivation.model
    if model.loss not in model.per_example:
        return [BatchGradient(a.name, _arrays(a, model), ()) for a in derivation.gradients]
    # the gradient by an input belongs to one example
    return [_of_batch(a, model) for a in derivation.gradients if a.name not in model.per_example]


def _of_batch(a: Adjoint, model: Model) -> BatchGradient:
    n, _ = example_names(model)
    start = D(objective(model), Ref(a.name))
    single = D(Ref(model.loss, (Index(n),)), Ref(a.name))
    expr, steps = _mean_of(a.result, _arrays(a, model), start, single, model, GRADIENT_RULES, _says_less)
    return BatchGradient(a.name, expr, steps, _by_adjoints(a, model, *example_names(model)))


def batch_second(r: Result, shown: Expression, model: Model) -> tuple[Expression, tuple[Step, ...]]:
    """The block of second derivatives of the mean over the examples, from that of one example; with its steps."""
    if model.loss not in model.per_example:
        return shown, ()
    n, _ = example_names(model)
    start = D(D(objective(model), Ref(r.of)), Ref(r.wrt))
    single = D(D(Ref(model.loss, (Index(n),)), Ref(r.of)), Ref(r.wrt))
    return _mean_of(r, shown, start, single, model, SECOND_RULES, _has_options)


def _mean_of(
    r: Result,
    shown: Expression,
    start: Expression,
    single: Expression,
    model: Model,
    rules: tuple[str, str],
    says_less: Callable[[Expression], bool],
) -> tuple[Expression, tuple[Step, ...]]:
    """The mean of a result over the examples: of the derivatives, with the result put in, over the whole batch."""
    n, count = example_names(model)
    size = Ref(count)
    summed = mean_over_examples(r.expr, model, n, size)
    proof = _prove(r.expr, summed, model, n, count, _places(r))
    split = div(Reduce("sum", single, (n,), None, (size,)), size)
    result = mean_over_examples(shown, model, n, size)
    steps = [Step(rules[0], start, split, proof=proof), Step(rules[1], split, result, proof=proof)]
    whole = in_arrays(summed, r.indices, r.shape, _over_batch(model, size)) if r.indices else None
    if whole is not None and whole != result and not says_less(whole):
        steps.append(Step(ARRAY_NOTATION.name, result, whole, proof=_prove(r.expr, whole, model, n, count, _places(r))))
        result = whole
    return result, tuple(steps)


def _by_adjoints(a: Adjoint, model: Model, n: str, count: str) -> tuple[Expression, ...]:
    """The mean of the gradients by the adjoints, and in matrices; nothing where it has no adjoint."""
    r, size = a.result, Ref(count)
    if not contains(a.compact, lambda node: isinstance(node, D)):
        return ()
    found = [mean_over_examples(displayed(a.compact, r.indices, r.shape, model), model, n, size)]
    summed = mean_over_examples(a.compact, model, n, size)
    whole = in_arrays(summed, r.indices, r.shape, _over_batch(model, size)) if r.indices else None
    if whole is not None and whole not in found and not _says_less(whole):
        found.append(whole)
    for form in found:
        _prove(a.compact, form, model, n, count, _places(r))
    return tuple(found)


def batch_adjoint(a: Adjoint, model: Model) -> Expression | None:
    """The adjoints of all examples, one in each row, in matrices; None where that cannot be said.

    The adjoint is that of the loss of one example, not of the mean.
    """
    if a.name not in model.per_example:
        return None
    n, count = example_names(model)
    r, size = a.result, Ref(count)
    axes, shape = (n, *r.indices), (size, *r.shape)
    rows = over_examples(a.compact, model, n)
    shapes = _over_batch(model, size)
    whole = in_arrays(rows, axes, shape, shapes)
    if whole is None or _says_less(whole):
        return None
    prove(
        rows,
        whole,
        Setting(loss=model.loss, shapes=shapes, axes=axes, ranges=dict(zip(axes, shape, strict=True))),
        ARRAY_NOTATION.name,
    )
    return whole


def _over_batch(model: Model, count: Expression) -> dict[str, Shape]:
    """The shapes with the examples in front."""
    return {name: (count, *s) if name in model.per_example else s for name, s in model.shapes.items()}


def _arrays(a: Adjoint, model: Model) -> Expression:
    return displayed(a.result.expr, a.result.indices, a.result.shape, model)


def _says_less(e: Expression) -> bool:
    """A diagonal matrix between two others, or a sum over an axis, says less than the example index.

    What lies on the diagonal is another matter: ``G + G.T - diag(sum(U*X, axis=0))``.
    """
    if isinstance(e, MatMul):
        return contains(e, lambda node: isinstance(node, Call) and (node.function == "diag" or bool(node.options)))
    if isinstance(e, Call) and (e.options or e.function == "diag"):
        return bool(e.options) or contains(e.args[0], lambda node: isinstance(node, MatMul) and _says_less(node))
    return any(map(_says_less, children(e)))


def _has_options(e: Expression) -> bool:
    """A sum over an axis; in second derivatives a diagonal matrix between two others is the textbook's form."""
    return contains(e, lambda node: isinstance(node, Call) and bool(node.options))


Places = tuple[tuple[str, range], ...]  # of each axis those that are compared


def _places(r: Result) -> Places:
    """The first two places of every axis, or the only one."""
    return tuple((i, range(1 if is_one(size) else 2)) for i, size in zip(r.indices, r.shape, strict=True))


def _prove(single: Expression, batch: Expression, model: Model, n: str, count: str, axes: Places) -> str:
    """Evaluates the mean of `single` over three random examples, and `batch` on them together."""
    mapping = placeholders(single, batch)
    key = (
        renamed(single, mapping),
        renamed(batch, mapping),
        axes,
        tuple(mapping[x] for x in mapping if x in model.per_example),
        tuple((mapping[x], tuple(map(str, model.shapes.get(x, ())))) for x in mapping),
    )

    def compute() -> str:
        as_given = single, batch, Setting(shapes=model.shapes)
        general = of_any_length(*as_given)
        for one, whole, setting in (as_given,) if general is None else (general, as_given):
            if _equal_on_random_examples(one, whole, model, setting.shapes, count, axes):
                return "numeric"
        raise ProofError(f"the passage to the batch could not be established: {single}  →  {batch}")

    return _PROVED.get(key, compute)


def _equal_on_random_examples(
    single: Expression,
    batch: Expression,
    model: Model,
    lengths: Mapping[str, Shape],
    count: str,
    axes: Places,
) -> bool:
    generator = random.Random(3)
    used = [name for name in dict.fromkeys((*names(single), *names(batch))) if name != count]
    whole_names = {v.name for v in model.variables.values() if v.kind == "integer"}
    compared = 0
    with working_digits(DIGITS):
        for attempt in range(60):
            sizes, shapes = _concrete_shapes(lengths, used, cut=not any(map(has_shifted_subscripts, (single, batch))))
            values: dict[str, Any] = {
                name: _draw(((EXAMPLES,) if name in model.per_example else ()) + shapes[name], generator, attempt + 1)
                for name in used
            }
            if attempt % 4 == 3:  # equal entries, so that what is attained is attained (max, ties)
                values = {name: _all_first(value) for name, value in values.items()}
            values |= {name: _whole(values[name], generator) for name in used if name in whole_names}
            values |= {name: Decimal(size) for name, size in sizes.items()}
            values[count] = Decimal(EXAMPLES)
            adjoints = {name: _draw((EXAMPLES, *shapes[name]), generator, 0) for name in used}
            evaluator = Evaluator(Setting(loss=model.loss), values, adjoints)
            found = _both(single, batch, model, evaluator, axes)
            if found is None:
                continue
            if not all(_close(u, v) for u, v in found):
                return False
            compared += 1
            if compared == 3:
                return True
    return compared > 0


def _both(
    single: Expression, batch: Expression, model: Model, whole: Evaluator, axes: Places
) -> list[tuple[Any, Any]] | None:
    """The mean over the examples and the batch's expression, entry by entry; None where a value is missing."""
    at = dict(axes)
    try:
        mean = scalar(Decimal(0))
        for k in range(EXAMPLES):
            one = {name: v[k] if name in model.per_example else v for name, v in whole.values.items()}
            adjoints = {name: v[k] for name, v in whole.adjoints.items()}
            value = Evaluator(whole.setting, one, adjoints).value(single, at)
            mean = elementwise(np.add, mean, elementwise(np.divide, value, scalar(Decimal(EXAMPLES))))
        total = whole.value(batch, at)
    except (Undefined, KeyError):
        return None
    total = name_axes(total, tuple(at), at) if total.rank else total
    pairs = elementwise(np.frompyfunc(lambda u, v: (u, v), 2, 1), mean, total)
    found = list(pairs.data.flat)
    return None if any(isinstance(entry, Hole) for pair in found for entry in pair) else found


def _close(left: Any, right: Any) -> bool:
    return bool(abs(left - right) <= Decimal(10) ** -30 * max(1, abs(right)))


def _concrete_shapes(
    lengths: Mapping[str, Shape], used: list[str], cut: bool
) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    """A prime for each size, and the shapes that follow; what is long in the model is shorter here, where it may be."""
    wanted = [size for name in used for size in lengths.get(name, ())]
    sizes = numbers_for(tuple(dict.fromkeys(s for size in wanted for s in names(size))), wanted, swapped=False)
    probe = Evaluator(Setting(), {s: Decimal(v) for s, v in sizes.items()}, {})
    most = max((11 if cut else LONGEST_UNCUT, *sizes.values()))
    return sizes, {name: tuple(min(int(probe.number(size)), most) for size in lengths.get(name, ())) for name in used}


def _whole(value: Any, generator: random.Random) -> Any:
    """Whole numbers that are subscripts of every axis, none of which is shorter than two."""
    out = np.empty(np.shape(value), dtype=object)
    for position in np.ndindex(*out.shape):
        out[position] = Decimal(generator.randrange(2))
    return out


def _all_first(value: Any) -> Any:
    """The array with one number in all its entries."""
    if not isinstance(value, np.ndarray):
        return Decimal(1) / 2
    out = value.copy()
    out[...] = Decimal(1) / 2
    return out


def _draw(shape: tuple[int, ...], generator: random.Random, attempt: int) -> Any:
    if not shape:
        return draw_number(generator, attempt, exact=False)
    out = np.empty(shape, dtype=object)
    for position in np.ndindex(*shape):
        out[position] = draw_number(generator, attempt, exact=False)
    return out
