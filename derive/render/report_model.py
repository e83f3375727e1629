"""The first sections of a report: the model's quantities, its equations, and its computational graph."""

from __future__ import annotations

from dataclasses import replace

from derive.expression.build import ONE, add, neg, number
from derive.expression.nodes import Call, Expression, Index, MatMul, Number, Reduce, Ref
from derive.expression.walk import contains, walk
from derive.model import Equation as ModelEquation
from derive.model import Shape, Variable
from derive.parse.sizes import collected
from derive.render.document import (
    Block,
    Code,
    Equation,
    Equations,
    Figure,
    Inlines,
    Math,
    Paragraph,
    Section,
    Symbol,
    Table,
    says,
)
from derive.render.graph_collapse import collapsed
from derive.render.graph_layout import Graph
from derive.render.model_graph import model_graph, written_lines
from derive.render.prose import joined
from derive.render.story import Story

LARGEST_PICTURE = 400  # nodes beyond which a picture says nothing
_HIDDEN = ("index", "examples")


def model_section(story: Story) -> list[Block]:
    """The declarations as a table, and the equations."""
    model, words = story.model, story.words
    blocks: list[Block] = [Section(says(words["model"]), anchor="model")]
    shown = [v for v in model.variables.values() if v.role not in _HIDDEN]
    if model.per_example & set(model.by_name):
        blocks.append(Paragraph(story.say("one example")))
    if shown:
        blocks.append(_declarations(story, shown))
    functions = _used_functions(story)
    if functions:
        blocks.append(Paragraph(story.say("functions")))
        blocks.append(Equations(tuple(item for name in functions for item in _function(story, name))))
    blocks.append(Paragraph(story.say("equations")))
    told = [e for e in model.equations if e.name not in story.equations_once.left_out]
    blocks.append(Equations(tuple(item for e in told for item in equation_lines(story, e))))
    return blocks


def graph_section(story: Story) -> list[Block]:
    """The picture."""
    graph = model_graph(story.model, story.bold)
    edges = tuple(replace(e, anchor=story.local_anchor(e.target, e.source)) for e in graph.edges)
    graph = pictured(story, Graph(graph.nodes, edges))
    if len(graph.nodes) > LARGEST_PICTURE:
        return []
    return [
        Section(says(story.words["graph"]), anchor="graph"),
        Figure(graph, story.say("graph caption"), anchor="figure-graph"),
    ]


def pictured(story: Story, graph: Graph) -> Graph:
    """The graph as it is drawn: repeated layers as one node where that was asked for."""
    return collapsed(graph, story.words["layers"]) if story.collapse or story.equations_once.by else graph


def shape_of(story: Story, shape: Shape) -> Inlines:
    """``h × d``, or the word for a scalar."""
    if not shape:
        return says(story.words["scalar"])
    sizes = [story.math(size) for size in shape]
    if len(sizes) == 1:
        return (sizes[0],)
    return (Math(r" \times ".join(s.latex for s in sizes), " × ".join(s.text for s in sizes)),)


def _declarations(story: Story, shown: list[Variable]) -> Table:
    words = story.words
    once = story.parameters_once
    shown = [v for v in shown if v.name not in once.left_out]
    told = [_value(story, v) for v in shown]
    header = [says(words["name"]), says(words["role"]), says(words["shape"])]
    names = [story.listed([Ref(v.name), *map(Ref, once.others(v.name))]) for v in shown]
    rows = [[name, says(words[v.role]), _shape(story, v)] for name, v in zip(names, shown, strict=True)]
    if any(told):
        header.append(says(words["value"]))
        rows = [[*row, value] for row, value in zip(rows, told, strict=True)]
    return Table(
        tuple(header),
        tuple(tuple(row) for row in rows),
        story.say("declarations"),
        anchor="declarations",
        row_anchors=tuple("" if v.name in story.adjoints else f"step-{v.name}" for v in shown),
    )


def symbols(story: Story) -> tuple[Symbol, ...]:
    """What each name of the model is: its role, its shape, its equation, and where its derivative is told."""
    model, found = story.model, []
    for v in model.variables.values():
        if v.role not in _HIDDEN:
            about = joined([says(story.words[v.role]), _shape(story, v), _value(story, v)])
            found.append(Symbol(v.name, story.notation.latex(Ref(v.name)), about, None, f"step-{v.name}"))
    for e in model.equations:
        if e.name in model.states:
            continue
        about = joined([says(story.words[e.role or "quantity"]), shape_of(story, e.shape)])
        lines = [(story.math(left), story.math(right)) for left, right in written_lines(e)]
        defined = Math(
            r",\; ".join(f"{left.latex} = {right.latex}" for left, right in lines),
            ", ".join(f"{left.text} = {right.text}" for left, right in lines),
        )
        found.append(Symbol(e.name, story.notation.latex(Ref(e.name)), about, defined, f"step-{e.name}"))
    return tuple(found)


def _shape(story: Story, v: Variable) -> Inlines:
    return () if v.role == "size" else shape_of(story, v.shape)


def _value(story: Story, v: Variable) -> Inlines:
    """A constant's value; how a parameter starts, or its structure."""
    words = story.words
    if v.structure is not None:
        return (Code(v.structure),)
    if v.kind is not None:
        argument = "" if v.kind_argument is None else f"({v.kind_argument})"
        return (Code(v.kind + argument),)
    if v.value is not None:
        value = (story.math(v.value),)
        return joined([says(words["initial value"]), value], " ") if v.role in ("parameter", "state") else value
    return says(words["given with the data"]) if v.role == "constant" else ()


def _used_functions(story: Story) -> list[str]:
    """The author's functions that an equation calls, directly or through others."""
    own, pending = story.model.functions, [e.written for e in story.model.equations]
    found: set[str] = set()
    while pending:
        for node in walk(pending.pop()):
            if isinstance(node, Call) and node.function in own and node.function not in found:
                found.add(node.function)
                pending += [value for _, value in own[node.function].lines] + [own[node.function].result]
    return [name for name in own if name in found]


def _function(story: Story, name: str) -> list[Equation]:
    """A function of the author's, its local lines first."""
    own = story.model.functions[name]
    call = story.math(Call(name, tuple(map(Ref, own.parameters))))
    inside = [Equation(story.math(Ref(line)), story.math(value)) for line, value in own.lines]
    return [*inside, Equation(call, story.math(own.result))]


def equation_lines(story: Story, e: ModelEquation) -> list[Equation]:
    """The author's line, and where that speaks of whole arrays the same in index form."""
    role = says(story.words[e.role]) if e.role else ()
    *entries, rule = written_lines(e)
    found = [Equation(story.math(left), story.math(right)) for left, right in entries]
    left, right = map(story.math, rule)
    if e.name in story.model.states:
        return [next_value(story, e, note=says(story.words["state"]), anchor=story.equation_anchor(e.name))]
    others = story.equations_once.others(e.name)
    note = joined([part for part in (role, steps_of(story, e), story.likewise([*map(Ref, others)])) if part])
    also = tuple(story.equation_anchor(name) for name in others)
    found.append(Equation(left, right, note=note, anchor=story.equation_anchor(e.name), also=also))
    if story.detail != "brief" and _differs(e.written, e.body):
        element = story.notation.element(e.name, e.indices)
        found.append(Equation(story.math(element), story.math(e.body), note=says(story.words["index form"])))
    return found


def next_value(story: Story, e: ModelEquation, note: Inlines = (), anchor: str = "") -> Equation:
    """``m ← (1 − r)·m + r·mean(x)``: what a state is after a step."""
    ((left, right),) = written_lines(e)
    state = Ref(story.model.states[e.name], left.indices)
    return Equation(story.math(state), story.math(right), "←", note=note, anchor=anchor)


def steps_of(story: Story, e: ModelEquation) -> Inlines:
    """``t = 1, …, T``: the steps at which the rule of a recurrence holds."""
    if not e.entries and not e.first:
        return ()
    at_end = [entry.position for entry in e.entries if not isinstance(entry.position, Number)]
    stop = at_end[0] if at_end else e.shape[0]
    index, first, last = (story.math(x) for x in (Index(e.indices[0]), number(e.first), collected(add(stop, neg(ONE)))))
    return (
        Math(rf"{index.latex} = {first.latex}, \dots, {last.latex}", f"{index.text} = {first.text}, …, {last.text}"),
    )


def _differs(written: Expression, body: Expression) -> bool:
    """Whether the index form says something that the author's line does not."""
    return _sums(body) and (not _sums(written) or contains(written, lambda node: isinstance(node, MatMul)))


def _sums(e: Expression) -> bool:
    return contains(e, lambda node: isinstance(node, Reduce))
