"""A report made by hand, with every block and inline there is: the logistic regression of the article."""

from __future__ import annotations

from derive.render.document import (
    Algorithm,
    Code,
    CodeBlock,
    Derivation,
    Document,
    Emphasis,
    Equation,
    Equations,
    Figure,
    Group,
    Inlines,
    Line,
    List,
    Math,
    Paragraph,
    Reference,
    Result,
    Section,
    Table,
    Text,
    says,
)
from derive.render.graph_layout import Graph, GraphEdge, GraphNode

HOSTILE = (
    "</script><script>alert(1)</script> \\input{/etc/passwd} $x$ {{7*7}} <% 7*7 %> <<x>> "
    "**b** `c` & 中 σ #_^~"
)

Z, A, L, Y = Math("z", "z"), Math("a", "a"), Math("L", "L"), Math("y", "y")
DLDA = Math(r"\frac{\partial L}{\partial a}", "∂L/∂a")
DADZ = Math(r"\frac{\mathrm{d} a}{\mathrm{d} z}", "da/dz")
DLDZ = Math(r"\frac{\partial L}{\partial z}", "∂L/∂z")
DLDW = Math(r"\frac{\partial L}{\partial w_{1}}", "∂L/∂w₁")

MODEL = Equations(
    (
        Equation(Z, Math("w_{1} x_{1} + w_{2} x_{2} + b", "w₁ x₁ + w₂ x₂ + b"), anchor="eq-z"),
        Equation(A, Math(r"\sigma(z) = \frac{1}{1 + e^{-z}}", "σ(z) = 1/(1 + e⁻ᶻ)"), anchor="eq-a"),
        Equation(
            L,
            Math(r"-y \log a - (1 - y) \log (1 - a)", "−y log a − (1 − y) log(1 − a)"),
            note=says("the loss"),
            anchor="eq-L",
        ),
    )
)

GRAPH = Graph(
    tuple(
        GraphNode(i, i, latex, role)
        for i, latex, role in [
            ("x_1", "x_{1}", "input"),
            ("x_2", "x_{2}", "input"),
            ("w_1", "w_{1}", "parameter"),
            ("w_2", "w_{2}", "parameter"),
            ("b", "b", "parameter"),
            ("z", "z", "node"),
            ("a", "a", "output"),
            ("y", "y", "target"),
            ("L", "L", "loss"),
        ]
    ),
    tuple(
        GraphEdge(s, t)
        for s, t in [
            ("x_1", "z"),
            ("x_2", "z"),
            ("w_1", "z"),
            ("w_2", "z"),
            ("b", "z"),
            ("z", "a"),
            ("a", "L"),
            ("y", "L"),
        ]
    ),
)


def line(latex: str, text: str, note: str = "", relation: str = "=") -> Line:
    return Line(relation, latex, text, says(note))


SIGMOID = Derivation(
    DADZ,
    (
        line(r"\frac{\mathrm{d}}{\mathrm{d} z} \frac{1}{1 + e^{-z}}", "d/dz 1/(1 + e⁻ᶻ)", "definition"),
        line(
            r"-\frac{1}{\left(1 + e^{-z}\right)^{2}} \cdot "
            r"\frac{\mathrm{d}}{\mathrm{d} z} \left(1 + e^{-z}\right)",
            "−1/(1 + e⁻ᶻ)² · d/dz (1 + e⁻ᶻ)",
            "reciprocal rule",
        ),
        line(
            r"-\frac{1}{\left(1 + e^{-z}\right)^{2}} \cdot \left(\frac{\mathrm{d}}{\mathrm{d} z} 1 + "
            r"\frac{\mathrm{d}}{\mathrm{d} z} e^{-z}\right)",
            "−1/(1 + e⁻ᶻ)² · (d/dz 1 + d/dz e⁻ᶻ)",
            "sum rule",
        ),
        line(
            r"-\frac{1}{\left(1 + e^{-z}\right)^{2}} \cdot e^{-z} \cdot \left(-1\right)",
            "−1/(1 + e⁻ᶻ)² · e⁻ᶻ · (−1)",
            "chain rule, derivative of exp, constant multiple",
        ),
        line(r"\frac{e^{-z}}{\left(1 + e^{-z}\right)^{2}}", "e⁻ᶻ/(1 + e⁻ᶻ)²", "arithmetic"),
        line(r"a (1 - a)", "a(1 − a)", "express through the output"),
    ),
    anchor="step-a",
    title=(Text("The derivative of "), Math(r"\sigma", "σ")),
)

CANCEL = Derivation(
    DLDZ,
    (
        Line(
            "=",
            r"\frac{\partial L}{\partial a} \cdot \frac{\mathrm{d} a}{\mathrm{d} z}",
            "∂L/∂a · da/dz",
            says("chain rule"),
        ),
        Line(
            "=",
            r"\left(\frac{1 - y}{1 - a} - \frac{y}{a}\right) \cdot a (1 - a)",
            "((1 − y)/(1 − a) − y/a) · a(1 − a)",
            (Text("by "), Reference("step-a"), Text(" and "), Reference("eq-L")),
        ),
        Line(
            "=",
            r"\frac{(1 - y) a - y (1 - a)}{a (1 - a)} \cdot a (1 - a)",
            "((1 − y)a − y(1 − a))/(a(1 − a)) · a(1 − a)",
            says("common denominator"),
        ),
        Line(
            "=",
            "(1 - y) a - y (1 - a)",
            "(1 − y)a − y(1 − a)",
            (Text("cancel, where "), Math(r"a (1 - a) \neq 0", "a(1 − a) ≠ 0")),
        ),
        line("a - y", "a − y", "expand, collect"),
    ),
    anchor="step-z",
    title=(Text("Back through "), A),
)

_TERM = r"w_{%d}^{[2]} \tanh\left(w_{%d}^{[1]} x_{%d} + b_{%d}^{[1]}\right)"
LONG = Derivation(
    Math(r"z^{[2]}", "z²"),
    (
        line(
            " + ".join(_TERM % (i, i, i, i) for i in range(1, 13)),
            " + ".join(f"w{i}·tanh(w{i} x{i} + b{i})" for i in range(1, 13)),
            "expand",
        ),
        line(
            r"(" + " + ".join(f"w_{{{i}}} x_{{{i}}}" for i in range(1, 25)) + ") (1 - a)",
            "(Σ wᵢxᵢ)(1 − a)",
            "collect",
        ),
        line(
            r"\frac{" + " + ".join(f"w_{{{i}}} x_{{{i}}}" for i in range(1, 30)) + r"}{1 + e^{-z}}",
            "Σ wᵢ xᵢ / (1 + e⁻ᶻ)",
            "a fraction that no line can hold is scaled down, and its rule, being long, wraps in its column",
        ),
        line("x", "x", "cancel"),
    ),
)

UPDATES = tuple(
    Equation(
        Math(name, text),
        Math(rf"{name} - \eta\, {gradient}", f"{text} − η {shown}"),
        relation="←",
    )
    for name, text, gradient, shown in [
        ("w_{1}", "w₁", "(a - y) x_{1}", "(a − y) x₁"),
        ("w_{2}", "w₂", "(a - y) x_{2}", "(a − y) x₂"),
        ("b", "b", "(a - y)", "(a − y)"),
    ]
)

GRADIENTS = (
    Equation(DLDW, Math("(a - y) x_{1}", "(a − y) x₁"), anchor="grad-w_1"),
    Equation(
        Math(r"\frac{\partial L}{\partial b}", "∂L/∂b"),
        Math("a - y", "a − y"),
        note=(Text("by "), Reference("step-z")),
        anchor="grad-b",
    ),
)


def cell(latex: str, text: str) -> Inlines:
    return (Math(latex, text),)


def sample(
    title: str = "Logistic regression with two features", language: str = "en", hostile: str = ""
) -> Document:
    """The report; `hostile` is put wherever a stranger's words may stand."""
    words = says(hostile) if hostile else says("words")
    table = Table(
        (says("quantity"), says("role"), says("gradient"), says("shape")),
        (
            (cell("w_{1}", "w₁"), says("parameter"), cell(r"(a - y) x_{1}", "(a − y) x₁"), says("scalar")),
            (cell("w_{2}", "w₂"), says("parameter"), cell(r"(a - y) x_{2}", "(a − y) x₂"), says("scalar")),
            (cell("b", "b"), says("parameter"), cell("a - y", "a − y"), words),
        ),
        says("All gradients, for one example."),
        "table-gradients",
    )
    return Document(
        title,
        (
            Section(says("The model"), 1, "model"),
            Paragraph(
                (
                    Text("Two features "),
                    Math("x_{1}, x_{2}", "x₁, x₂"),
                    Text(" and a target "),
                    Math(r"y \in \{0, 1\}", "y ∈ {0, 1}"),
                    Text("; the output "),
                    A,
                    Text(" of "),
                    Reference("eq-a"),
                    Text(" is the probability of the "),
                    Emphasis("positive"),
                    Text(" class. In the model’s text this is "),
                    Code("a: output = sigmoid(z)"),
                    Text(". See "),
                    Reference("figure-graph"),
                    Text(" and "),
                    Reference("cancellation"),
                    Text("."),
                )
            ),
            MODEL,
            Figure(GRAPH, says("The computational graph: what is computed from what."), "figure-graph"),
            Section(says("Local derivatives"), 1, "local"),
            Section((Text("The output "), A), 2, "local-a"),
            SIGMOID,
            Section((Text("The adjoint of "), Z), 2, "cancellation"),
            Paragraph(says("The product of the factors, and its cancellation.")),
            CANCEL,
            LONG,
            Section(says(hostile or "Results"), 1, "results"),
            Result(GRADIENTS, says("The gradients")),
            table,
            Algorithm(
                says("One step of gradient descent"),
                (
                    Group("Forward pass", tuple(Equation(e.left, e.right) for e in MODEL.items)),
                    Group(
                        "Backward pass",
                        (
                            Equation(DLDZ, Math("a - y", "a − y")),
                            Equation(DLDW, Math(r"\frac{\partial L}{\partial z} x_{1}", "∂L/∂z x₁")),
                        ),
                    ),
                    Group("Parameter update", UPDATES),
                ),
                "algorithm",
            ),
            List(
                (
                    says("All 21 steps are proved symbolically."),
                    (Text("Assumed: "), Math("0 < a < 1", "0 < a < 1"), Text(".")),
                ),
                ordered=False,
            ),
            List((says("First the forward pass."), words), ordered=True),
            CodeBlock("python", 'def sigmoid(z):\n    return 1 / (1 + np.exp(-z))  # "a" -- <b>\n' + hostile),
        ),
        language=language,
        subtitle="The gradients, derived from the equations and proved step by step",
    )
