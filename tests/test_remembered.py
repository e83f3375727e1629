"""What nodes remember of themselves is what a walk over a fresh copy finds, after renaming too."""

import pytest
from model_corpus import MODELS, parsed

from derive.expression.nodes import Add, Call, Expression, Neg, Reduce, Ref
from derive.expression.walk import (
    Renaming,
    bottom_up,
    children,
    free_indices,
    holds,
    names,
    nodes_of,
    operations,
    walk,
    with_children,
)
from derive.rules.arithmetic import tidy
from derive.rules.fractions import CANCEL
from derive.rules.rule import Context

KINDS = (Add, Call, Neg, Reduce, Ref)
BODIES = {name: [e.body for e in parsed(name).equations] for name in MODELS}


def copy(e: Expression) -> Expression:
    """The same tree of new nodes, wherever a node has children."""
    return bottom_up(e, lambda node: type(node)(**{s: getattr(node, s) for s in node.__dataclass_fields__}))


@pytest.mark.parametrize("name", MODELS)
def test_what_is_remembered_is_true(name: str) -> None:
    for body in BODIES[name]:
        tidy(body)
        CANCEL.apply(body, Context())
        renamed = Renaming({n: f"§{k}" for k, n in enumerate(names(body))}, apart=True)(body)
        for e in (body, renamed):
            fresh = copy(e)
            assert names(e) == names(fresh) == {n.name: None for n in walk(fresh) if isinstance(n, Ref)}
            assert free_indices(e) == free_indices(fresh)
            assert operations(e) == operations(fresh)
            for kind in KINDS:
                found = [node for node in walk(fresh) if isinstance(node, kind)]
                assert list(nodes_of(e, kind)) == found and holds(e, kind) == bool(found)
            assert tidy(e) == tidy(fresh)
            assert CANCEL.apply(e, Context()) == CANCEL.apply(fresh, Context())


def test_a_node_with_other_children_remembers_nothing_of_the_old_one() -> None:
    old = Add((Ref("x"), Ref("y")))
    assert names(old) == {"x": None, "y": None}
    new = with_children(old, (Ref("x"), Call("exp", (Ref("z"),))))
    assert names(new) == {"x": None, "z": None} and holds(new, Call) and children(new)[0] == Ref("x")
