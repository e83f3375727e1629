"""The reports of tensor models: the δ by name, why shapes fit, the passage to the batch, matrix notation in print."""

from __future__ import annotations

import re
import shutil
from functools import cache
from itertools import combinations

import pytest
from katex_parser import complaint

from derive.differentiate import batch
from derive.differentiate.batch import batch_adjoint, batch_gradients
from derive.expression.nodes import ComponentTensor, D, Index, Ref
from derive.model import Model
from derive.parse.expression import parse_expression
from derive.prove.setting import ProofError
from derive.render.catalogue import languages
from derive.render.deltas import layer_deltas
from derive.render.document import Derivation, Document, Equations, Paragraph, Section, Table, plain, says
from derive.render.graph_layout import LABEL_HEIGHT, edge_label_width, layout
from derive.render.latex import latex
from derive.render.latex_document import print_latex
from derive.render.model_graph import model_graph
from derive.render.notation import Notation
from derive.render.pdf import compile_with_log
from derive.render.report import report
from derive.render.shape_words import shape_of_array
from derive.render.text_document import print_text
from derive.render.unicode import unicode_math

NEEDS_TEX = pytest.mark.skipif(
    not (shutil.which("latexmk") and shutil.which("pdflatex")), reason="latexmk and pdflatex are not installed"
)
SHAPES = {
    name: (Ref("n"), Ref("m")) for name in "XY"
} | {name: (Ref("n"), Ref("n")) for name in "ABS"} | {name: (Ref("n"),) for name in "uv"}  # fmt: skip

HEAD = "d: size\nk: size\nx: input[d]\ny: target[k]\nW: parameter[k, d]\n"
LINEAR = HEAD + "z = W @ x\nL: loss = sum((z - y)**2)/2\n"
PENALTY = HEAD + "lam: constant = 0.1\nz = W @ x\nL: loss = sum((z - y)**2)/2 + lam*sum(W**2)\n"
LOOKED_UP = "n: size\nt: input = integer(n)\ny: target\nE: parameter[n]\ne = E[t]\nL: loss = (e - y)**2\n"
OWN_DELTA = LINEAR.replace("z = ", "delta = ").replace("(z - y)", "(delta - y)")


@cache
def model(source: str) -> Model:
    return Model.parse(source) if "\n" in source else Model.builtin(source)


@cache
def told(source: str, language: str = "en", detail: str = "normal") -> Document:
    return report(model(source).derive(), language, detail)


@cache
def text(source: str, language: str = "en", detail: str = "normal") -> str:
    return re.sub(r"\s+", " ", print_text(told(source, language, detail), 130))


def part(source: str, anchor: str, language: str = "en") -> str:
    """The section with that anchor, as text."""
    found: list[str] = []
    inside = False
    blocks = told(source, language).blocks
    for block in blocks:
        if isinstance(block, Section):
            inside = block.anchor == anchor
        elif inside:
            found.append(print_text(Document("", (block,), language), 130) if _has_no_references(block) else "")
    return re.sub(r"\s+", " ", " ".join(found))


def _has_no_references(block: object) -> bool:
    return isinstance(block, (Equations, Paragraph))


# -- the δ ---------------------------------------------------------------------------------------------------


def test_the_delta_of_a_layer_has_the_number_of_the_layer() -> None:
    assert layer_deltas(model("mlp").derive()) == {"z1": "delta1", "z2": "delta2", "z3": "delta3"}
    two = HEAD + "V1: parameter[k, d]\np1 = W @ x\nq1 = V1 @ x\nL: loss = sum((p1*q1 - y)**2)\n"
    assert layer_deltas(model(two).derive()) == {}  # two nodes of layer 1 have gradients hanging on them


def test_a_deep_result_is_told_by_the_deltas() -> None:
    for said in (
        "δ^[3] = a^[3] − y",
        "δ_a^[2] = W^[3]ᵀ δ^[3]",
        "δ^[2] = δ_a^[2] ⊙ (1 − (a^[2])^⊙2)",
        "∂L/∂W^[1] = δ^[1] xᵀ",
        "W^[1] ← W^[1] − η·δ^[1] xᵀ",
        "δ^[3] = ∂L/∂z^[3]",
    ):
        assert said in text("mlp"), said


def test_a_short_result_is_told_without_deltas() -> None:
    assert "∂L/∂W = δ_z xᵀ in array notation = (z − y) xᵀ" in text(LINEAR)
    assert "W ← W − η·(z − y) xᵀ" in text(LINEAR)


def test_the_authors_own_delta_keeps_its_letter() -> None:
    shown = text(OWN_DELTA)
    assert "∂L/∂W = ∂L/∂δ xᵀ" in shown and "δ_δ" not in shown and "[" in shown
    kronecker = [line for block in told(OWN_DELTA).blocks if isinstance(block, Derivation) for line in block.lines]
    assert any(re.search(r"\[\w′? = \w′?\]", line.text) for line in kronecker)
    assert not any(re.search(r"\\delta_\{\w'? ?\w'?\}", line.latex) for line in kronecker)


def test_where_deltas_are_named_the_kronecker_delta_is_a_bracket() -> None:
    source = "matrix-factorization"
    assert "∂L/∂Pⱼₗ = δ_p[l]·[u = j]" in text(source)
    assert "[i = j] is 1 where both are equal, else 0." in text(source)
    algorithm = text(source).split("Backward pass")[1].split("Parameter update")[0]
    assert "δᵤⱼ" not in algorithm


def test_equal_derivations_of_layers_are_shown_once() -> None:
    shown = text("mlp")
    kinds = 3 + 5  # of local derivatives and of adjoints: each kind of edge once, not once for each layer
    assert shown.count("contract the Kronecker delta") == kinds
    assert shown.count("in the same way as") >= 9


def test_the_vector_of_ones_is_explained_where_it_stands() -> None:
    source = "c: size\nx: input[c, 4]\nb: parameter[c]\nz[f, i] = x[f, i]*b[f]\nL: loss = sum(z**3)\n"
    assert "𝟏 is the vector whose entries are all 1." in text(source)
    assert "entries are all 1" not in text(LINEAR)


# -- why the shapes fit --------------------------------------------------------------------------------------


def test_each_product_says_why_its_shapes_fit() -> None:
    shown = text("mlp")
    outer = "δ^[1] xᵀ: (h^[1]) ⊗ (d) = (h^[1], d), the shape of W^[1]. No index is summed: each entry of δ^[1] meets each entry of x."
    assert outer in shown
    inner = "W^[3]ᵀ δ^[3]: (h^[2], k)·(k) = (h^[2]), the shape of a^[2]. The sum runs over the first index of W^[3], so it stands"
    assert inner in shown
    assert "The shapes fit" not in text("mlp", detail="brief") and "The shapes fit" in text(LINEAR, detail="full")


def test_the_same_in_spanish() -> None:
    shown = text(LINEAR, "es")
    assert "Las formas concuerdan: δ_z xᵀ: (k) ⊗ (d) = (k, d), la forma de W." in shown
    assert "The" not in shown


def test_the_second_index_is_told_apart_from_the_first() -> None:
    attention = (
        "n: size\nd: size\nG: constant[n, n]\nQ: parameter[n, d]\nK: parameter[n, d]\nV: constant[d, n]\n"
        "S = Q @ K.T\nL: loss = sum(G*S)\nR: output = V @ S\n"
    )
    shown = text(attention)
    assert "δ_Sᵀ Q: (n, n)·(n, d) = (n, d), the shape of K. The sum runs over the first index of δ_S" in shown
    other = "n: size\nd: size\nA: constant[n, d]\nB: constant[n, d]\nX: parameter[n, n]\nL: loss = sum(B*(X @ A))\n"
    assert "B Aᵀ: (n, d)·(d, n) = (n, n), the shape of X. The sum runs over the second index of A" in text(other)


@pytest.mark.parametrize(
    ("source", "shape"),
    [
        ("X.T @ A", "m n"), ("u @ X", "m"), ("A @ u", "n"), ("u @ v", ""), ("outer(u, X.T @ v)", "n m"), ("A*2 + B", "n n"),
        ("inv(S) @ X", "n m"), ("exp(X) - 1", "n m"), ("A[0] @ X", None),
    ],
)  # fmt: skip
def test_shapes_of_whole_arrays(source: str, shape: str | None) -> None:
    found = shape_of_array(parse_expression(source), SHAPES)
    assert found == (None if shape is None else tuple(map(Ref, shape.split())))


# -- the batch -----------------------------------------------------------------------------------------------


def test_the_passage_to_the_batch_is_told_as_relations() -> None:
    shown = part("mlp", "batch")
    assert "∂J/∂W^[1] = 1/N · ∑ₙ δ^[1]ₙ xₙᵀ = 1/N · Δ^[1]ᵀ X" in shown
    assert "Δ^[3] = A^[3] − Y" in shown and "Δ_a^[2] = Δ^[3] W^[3]" in shown
    assert "Rows are examples: row n of X is xₙ." in shown
    assert "1/N · Δ_zᵀ X = 1/N · (Z − Y)ᵀ X" in part(LINEAR, "batch")
    assert "fila n de X es xₙ" in part(LINEAR, "batch", "es")


def test_a_gradient_in_index_form_has_its_indices_on_the_left() -> None:
    assert "∂J/∂Eᵢ = 1/N · ∑ᵣ δ_e[r]·[tᵣ = i]" in part(LOOKED_UP, "batch")
    assert re.search(r"(E.) ← \1 − η", part(LOOKED_UP, "updates"))


def test_capitals_are_used_where_they_are_free() -> None:
    notation = Notation(model(LINEAR)).batch()
    assert notation.text(Ref("x")) == "X" and notation.text(Ref("x", (Index("n"),))) == "xₙ"
    taken = Notation(model(LINEAR.replace("W", "X"))).batch()
    assert taken.text(Ref("x")) == "x" and taken.text(Ref("y")) == "Y"
    assert notation.text(Ref("W")) == "W"  # the same for every example
    adjoint = D(Ref("L"), Ref("z"))
    assert notation.deltas({"z": "delta2"}).latex(parse_expression("D(L, z).T @ x")) == r"\Delta^{[2]\top}\, X"
    assert notation.deltas().text(adjoint) == "Δ_z"


def test_axes_of_one_entry_are_compared_at_that_entry() -> None:
    derivation = model("x: input[4, 4]\nP: parameter[1, 1]\nL: loss = sum(kron(P, x))").derive()
    (gradient,) = batch_gradients(derivation)
    assert all(step.proof == "numeric" for step in gradient.steps)


def test_every_form_of_the_batch_is_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    derivation = model(LINEAR.replace("(z - y)**2", "(z - y)**4")).derive()
    (gradient,) = batch_gradients(derivation)
    assert [str(e) for e in gradient.by_adjoints] == ["sum(outer(D(L[n], z[n]), x[n]), n)/N", "D(L, z).T @ x/N"]
    wrong = parse_expression("D(L, z).T @ x/(N + 1)")
    monkeypatch.setattr(batch, "in_arrays", lambda *args: wrong)
    with pytest.raises(ProofError):
        batch_gradients(derivation)
    monkeypatch.setattr(batch, "in_arrays", lambda *args: parse_expression("2*z"))
    with pytest.raises(ProofError):
        batch_adjoint(derivation.nodes[0], derivation.model)


# -- matrix notation -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "printed", "in_latex"),
    [
        ("S.T @ S.T", "(Sᵀ)²", r"(S^{\top})^{2}"),
        ("A @ S @ S @ B", "A S² B", r"A\, S^{2}\, B"),
        ("A @ (B @ X)", "A B X", r"A\, B\, X"),
        ("A @ (B @ u)", "A B u", r"A\, B\, u"),
        ("(A @ B) @ u", "A B u", r"A\, B\, u"),
        ("(A*B) @ u", "(A ⊙ B) u", r"(A \odot B)\, u"),
        ("(u @ A) @ v", "uᵀ A v", r"u^{\top}\, A\, v"),
        ("outer(A @ u, v)", "A u vᵀ", r"A\, u\, v^{\top}"),
        ("inv(S).T @ u", "S⁻ᵀ u", r"S^{-\top}\, u"),
        ("trace(inv(S))", "tr(S⁻¹)", r"\operatorname{tr}(S^{-1})"),
        ("trace(matrix_power(S, 3))", "tr(S³)", r"\operatorname{tr}(S^{3})"),
        ("solve(S, u - v)", "S⁻¹ (u − v)", r"S^{-1}\, (u - v)"),
        ("sum(X, axis=0)", "Xᵀ 𝟏", r"X^{\top}\, \mathbf{1}"),
        ("sum(X, axis=1)", "X 𝟏", r"X\, \mathbf{1}"),
        ("sum(X.T, axis=0)", "X 𝟏", r"X\, \mathbf{1}"),
        ("X.T @ u/n", "1/n · Xᵀ u", r"\frac{1}{n} X^{\top}\, u"),
        ("u @ v/n", "uᵀ v/n", r"\frac{u^{\top}\, v}{n}"),
        ("logdet(A @ S)", "ln det(A S)", r"\ln \det(A\, S)"),
        ("delta(i, j)*delta(k, l)", "δ[i, j]·δ[k, l]", r"\delta_{i j} \delta_{k l}"),
    ],
)
def test_matrix_notation(source: str, printed: str, in_latex: str) -> None:
    e = parse_expression(source)
    shown = latex(e, SHAPES)
    if "delta" not in source:
        assert unicode_math(e, SHAPES) == printed
        assert shown == in_latex
    assert not complaint(shown)


def test_a_tensor_by_its_components_is_printed_as_the_array_it_is() -> None:
    inside = parse_expression("sum(A[i, k]*S[k, j], k)")
    array = ComponentTensor(inside, ("i", "j"))
    assert unicode_math(array, SHAPES) == "A S"
    other = ComponentTensor(parse_expression("q[j, i, r]"), ("i", "j"))  # of a third index
    assert latex(other).endswith("]_{ij}")


def test_the_own_part_of_the_loss_is_named_not_repeated() -> None:
    shown = part(PENALTY, "chain-rule")
    assert "∂L/∂Wᵢⱼ = ∑ₖ′ ∂L/∂zₖ′ · ∂zₖ′/∂Wᵢⱼ + (∂L/∂Wᵢⱼ)|[z]" in shown
    assert "the bar names the nodes that are held" in shown and "λ" not in shown
    assert r"\left.\frac{\partial L}{\partial W_{ij}}\right|_{z}" in print_latex(told(PENALTY))


def test_only_functions_that_the_model_calls_are_shown() -> None:
    source = "x: parameter\ndef f(u): return g(u) + 1\ndef g(u): return u**2\ndef h(u): return u\nL: loss = f(x)\n"
    shown = text(source)
    assert "f(u) = g(u) + 1" in shown and "g(u) = u²" in shown and "h(u)" not in shown


# -- the page ------------------------------------------------------------------------------------------------


def test_the_proofs_are_counted_and_their_kinds_add_up() -> None:
    shown = text(LINEAR)
    counts = re.search(r"All (\d+) steps are proved\. (\d+) of them are proved symbolically\. (\d+) are proved", shown)
    assert counts is not None and int(counts[1]) == int(counts[2]) + int(counts[3])
    assert "computed with 60 digits at random points, both sides agree to 30" in shown
    assert "todos" not in shown and "60 dígitos" in text(LINEAR, "es")


def test_labels_of_the_graph_keep_clear_of_each_other() -> None:
    for source in ("matrix-factorization", "mlp", "two-layer", "svm", PENALTY):
        placed = layout(model_graph(model(source)))
        boxes = [(*e.label_at, edge_label_width(e.edge.label)) for e in placed.edges if e.edge.label]
        for (x, y, width), (x2, y2, width2) in combinations(boxes, 2):
            assert abs(x - x2) >= (width + width2) / 2 or abs(y - y2) >= LABEL_HEIGHT


@NEEDS_TEX
def test_a_long_table_goes_on_over_the_page() -> None:
    header = (says("name"), says("role"))
    table = Table(header, tuple((says(f"row {k}"), says("r")) for k in range(120)), says("Many rows."), "many")
    pdf, log = compile_with_log(print_latex(Document("A long table", (table,))))
    pages = re.search(r"\((\d+) pages", log)
    assert pdf and pages is not None and int(pages[1]) >= 3
    assert not [line for line in log.splitlines() if re.match(r"Overfull|Underfull|.*Warning", line)]


@NEEDS_TEX
@pytest.mark.parametrize("source", ["mlp", "matrix-factorization", PENALTY])
@pytest.mark.parametrize("detail", ["normal", "full"])
def test_the_pdf_of_a_tensor_model_compiles_without_overfull_lines(source: str, detail: str) -> None:
    _, log = compile_with_log(print_latex(told(source, "en", detail)))
    assert not [line for line in log.splitlines() if re.match(r"Overfull|Underfull|.*Warning|Missing", line)]


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("source", ["mlp", "matrix-factorization", PENALTY, OWN_DELTA])
def test_every_sentence_is_filled(source: str, language: str) -> None:
    for block in told(source, language).blocks:
        if isinstance(block, Paragraph):
            assert "{" not in plain(block.inlines)
