"""The article, derived by the tool itself: every result, every line, every chain, from tests/article.jsonl.

The lines are the article's own, typed from its pages; what judges them here is the prover, and SymPy for the results.
"""

import json
import re
from functools import cache
from pathlib import Path

import pytest
import sympy

from derive.expression.nodes import Add, D, Expression, Mul, Neg, Ref
from derive.expression.walk import bottom_up, names, transform
from derive.model import Model
from derive.parse.expression import parse_expression
from derive.prove.setting import Setting
from derive.prove.steps import judge

ENTRIES = [
    json.loads(line)
    for line in (Path(__file__).parent / "article.jsonl").read_text(encoding="utf-8").splitlines()
    if line.strip()
]
DERIVATIONS = [e for e in ENTRIES if e["type"] == "derivation"]
IDS = [e["id"] for e in DERIVATIONS]
BUILT_IN = {"x1": "x_1", "x2": "x_2"}
LOGISTIC = {"w1": "w_1", "w2": "w_2"}


def ours(model: str, text: str) -> str:
    """The article's names under those of the built-in models (cli.md: the built-in ones win)."""
    table = BUILT_IN | (LOGISTIC if model == "logistic" else {})
    return re.sub(r"[A-Za-z]\w*", lambda m: table.get(m[0], m[0]), text)


def read(entry: dict, text: str) -> Expression:
    return parse_expression(ours(entry["model"], text))


@cache
def derivation(model: str):
    return Model.builtin(model).derive()


def bindings(entry: dict) -> dict[str, Expression]:
    return {ours(entry["model"], name): read(entry, text) for name, text in entry["bindings"]}


def derived(entry: dict) -> list[Expression]:
    """What the tool says of d(of)/d(wrt): its local derivatives, adjoints and gradients under that name."""
    d = derivation(entry["model"])
    of, wrt = ours(entry["model"], entry["of"]), ours(entry["model"], entry["wrt"])
    found = [r.expr for r in d.local if (r.of, r.wrt) == (of, wrt)]
    if of == d.model.loss:
        found += [a.result.expr for a in (*d.nodes, *d.gradients) if a.name == wrt]
    return found


def test_the_copy_is_whole():
    assert len(DERIVATIONS) >= 35 and {e["model"] for e in DERIVATIONS} == {
        "chain",
        "quadratic",
        "logistic",
        "two-layer",
    }


def normal(e: Expression) -> Expression:
    """Terms and factors in one order, products of products flat: what "up to order" means."""

    def order(node: Expression) -> Expression:
        match node:
            case Add():
                return Add(tuple(sorted(node.terms, key=str)))
            case Mul() | Neg():
                factors, minus = _flat(node)
                body = factors[0] if len(factors) == 1 else Mul(tuple(sorted(factors, key=str)))
                return Neg(body) if minus else body
        return node

    return bottom_up(e, order)


def _flat(e: Expression) -> tuple[list[Expression], bool]:
    if isinstance(e, Neg):
        factors, minus = _flat(e.arg)
        return factors, not minus
    if isinstance(e, Mul):
        parts = [_flat(f) for f in e.factors]
        return [f for factors, _ in parts for f in factors], sum(m for _, m in parts) % 2 == 1
    return [e], False


def in_leaves(e: Expression, table: dict[str, Expression]) -> Expression:
    """Nodes replaced by what they are, down to inputs and parameters."""
    while any(name in table for name in names(e)):
        e = transform(e, lambda node: table.get(node.name) if isinstance(node, Ref) else None)
    return e


def as_sympy(e: Expression, table: dict[str, Expression]) -> sympy.Expr:
    shown = in_leaves(e, table)
    symbols = {name: sympy.Symbol(name, real=True) for name in names(shown)}
    return sympy.sympify(str(shown), locals=symbols)


def equal(left: Expression, right: Expression, entry: dict) -> bool:
    """SymPy's verdict; exponentials are first written as one positive unknown each, so that this is quick."""
    table = bindings(entry)
    difference = as_sympy(left, table) - as_sympy(right, table)
    return sympy.simplify(sympy.together(difference.rewrite(sympy.exp))) == 0


@pytest.mark.parametrize("entry", DERIVATIONS, ids=IDS)
def test_the_result_is_the_articles(entry):
    wanted = read(entry, entry["result"])
    found = derived(entry)
    assert found, f"nothing was derived for {entry['lhs']}"
    assert any(equal(e, wanted, entry) for e in found[-1:]), (
        f"{entry['lhs']}: {found[-1]}, the article has {wanted}"
    )


EXPLICIT = {
    "sa-chain-dfdx-fact",
    "sa-chain-dfdx",
}  # written in x alone in the article, in the nodes by the tool


@pytest.mark.parametrize(
    "entry", [e for e in DERIVATIONS if e["id"] not in EXPLICIT], ids=[i for i in IDS if i not in EXPLICIT]
)
def test_the_form_is_the_articles_up_to_order(entry):
    """Or a line of the tool's steps, where it goes on to name the output: exp(v) = f."""
    wanted = normal(read(entry, entry["result"]))
    of, wrt = ours(entry["model"], entry["of"]), ours(entry["model"], entry["wrt"])
    lines = [s.after for r in derivation(entry["model"]).local if (r.of, r.wrt) == (of, wrt) for s in r.steps]
    found = [*derived(entry), *lines]
    assert wanted in [normal(e) for e in found], (
        f"{entry['lhs']}: {list(map(str, found))}, the article has {wanted}"
    )


def test_the_chain_in_its_nodes_is_the_articles():
    """df/dx: the article's first line in the nodes is exp(v)*cos(z)*2*x."""
    entry = next(e for e in DERIVATIONS if e["id"] == "sa-chain-dfdx")
    table = bindings(entry)
    (found,) = derived(entry)[-1:]
    first = transform(
        read(entry, entry["lines"][0]), lambda n: Ref("f") if n == read(entry, "exp(v)") else None
    )
    shown = transform(found, lambda n: Ref("f") if n == read(entry, "exp(v)") else None)
    assert normal(in_leaves(shown, table)) == normal(in_leaves(first, table))
    assert sympy.simplify(as_sympy(shown, table) - as_sympy(first, table)) == 0


@pytest.mark.parametrize("entry", DERIVATIONS, ids=IDS)
def test_every_line_follows_from_the_one_before_symbolically(entry):
    """Derivatives that a line carries along, ``D(a, z)``, are those of the bindings; earlier results stand for D(L, z)."""
    lines = [read(entry, text) for text in entry["lines"]]
    if lines[-1] != read(entry, entry["result"]) and entry["id"] != "sa-chain-dfdx":
        lines.append(read(entry, entry["result"]))
    known = {read(entry, d): read(entry, value) for d, value in entry.get("earlier_results", {}).items()}
    table = bindings(entry)
    equations = tuple((Ref(name), e) for name, e in table.items())
    for before, after in zip(lines, lines[1:], strict=False):
        left, right = (_carried(e, table, known) for e in (before, after))
        verdict = judge(left, right, Setting(equations=equations))
        assert verdict.proof == "symbolic", f"{before} → {after}: {verdict}"


def _carried(e: Expression, table: dict[str, Expression], known: dict[Expression, Expression]) -> Expression:
    """``D(a, z)`` of a node becomes ``D(its right-hand side, z)``: other nodes in it stay fixed."""

    def change(node: Expression) -> Expression | None:
        if node in known:
            return known[node]
        if (
            isinstance(node, D)
            and isinstance(node.body, Ref)
            and node.body.name in table
            and node.body != node.wrt
        ):
            return D(table[node.body.name], node.wrt)
        return None

    return transform(e, change)


@pytest.mark.parametrize(
    "entry", [e for e in DERIVATIONS if "chain" in e], ids=[e["id"] for e in DERIVATIONS if "chain" in e]
)
def test_the_chain_is_the_articles(entry):
    d = derivation(entry["model"])
    of, wrt = (ours(entry["model"], entry[k]) for k in ("of", "wrt"))
    wanted = [
        (ours(entry["model"], link["of"]), ours(entry["model"], link["wrt"])) for link in entry["chain"]
    ]
    (adjoint,) = [a for a in (*d.nodes, *d.gradients) if a.name == wrt and of == d.model.loss]
    whole = list(adjoint.chain)
    if wanted[0][1] != whole[0][1]:  # the article starts from an adjoint found before: D(L, z)*D(z, w)
        assert list(adjoint.terms[0]) == wanted
    else:
        assert whole == wanted


@pytest.mark.parametrize("model", ["chain", "quadratic", "logistic", "two-layer"])
def test_the_tools_own_steps_are_all_proved_symbolically(model):
    d = derivation(model).prove()
    steps = [s for r in d.local for s in r.steps] + [
        s for a in (*d.nodes, *d.gradients) for s in a.result.steps
    ]
    steps += [s for lemma in d.lemmas.values() for s in lemma]
    assert len(steps) >= 5
    assert {s.proof for s in steps} == {"symbolic"}


def test_values_of_the_article():
    for entry in ENTRIES:
        if entry["type"] == "values":
            (gradient,) = derivation(entry["model"]).gradients
            for point in entry["values"]:
                shown = sympy.sympify(str(gradient.result.expr)).subs("x", point["x"])
                assert shown == point["value"]
