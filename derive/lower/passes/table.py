"""The passes, in the order in which fast code takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from derive.lower.passes.buffers import buffers_assigned
from derive.lower.passes.common import common_subexpressions
from derive.lower.passes.dead import dead_code, loss_set_apart
from derive.lower.passes.forgetting import steps_forgotten
from derive.lower.passes.forms import fast_forms
from derive.lower.passes.hoisting import products_hoisted
from derive.lower.passes.keeping import functions_kept
from derive.lower.passes.loops import steps_as_indices
from derive.lower.passes.means import means_put_off
from derive.lower.passes.operations import single_operations
from derive.lower.passes.products import cheapest_products, transposes_folded
from derive.lower.passes.scalars import scalars_gathered
from derive.lower.passes.stacks import stacks_as_matrices
from derive.lower.passes.sums import sums_as_products
from derive.lower.program import Program

Pass = Callable[[Program], Program]

PASSES: tuple[Pass, ...] = (
    steps_as_indices,
    loss_set_apart,
    means_put_off,
    products_hoisted,
    functions_kept,
    steps_forgotten,
    scalars_gathered,
    fast_forms,
    sums_as_products,
    stacks_as_matrices,
    transposes_folded,
    cheapest_products,
    single_operations,
    common_subexpressions,
    dead_code,
    buffers_assigned,
)


# Products of gathered scalars have fewer calls, and take longer where the calls do not count.
FOR_LARGE_BATCHES: tuple[Pass, ...] = tuple(one for one in PASSES if one is not scalars_gathered)


def optimised(program: Program, using: tuple[Pass, ...] = PASSES) -> Program:
    """The program after all passes."""
    for one in using:
        program = one(program)
    return program


def passes(program: Program) -> Iterator[tuple[Pass, Program, Program]]:
    """Each pass with the program before and after it."""
    for one in PASSES:
        after = one(program)
        yield one, program, after
        program = after
