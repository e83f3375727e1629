"""The middle of a report: the chain rule, the local derivatives, the adjoints and the gradients, step by step."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace as data_replace
from itertools import takewhile

from derive.derivation import Adjoint, Result, Step
from derive.differentiate.forms import placeholders
from derive.expression.nodes import Call, D, Expression, Ref
from derive.expression.walk import contains, names, rename, replace, walk
from derive.functions import FUNCTIONS
from derive.render.deltas import needed
from derive.render.document import (
    Block,
    Derivation,
    Equation,
    Equations,
    Inlines,
    Line,
    Math,
    Paragraph,
    Reference,
    Section,
    Text,
    says,
)
from derive.render.document import Result as Boxed
from derive.render.latex import latex
from derive.render.math_style import Conventions
from derive.render.notation import Notation
from derive.render.repetition import Shown, Told, shown_adjoint, told_once
from derive.render.shape_words import why_shapes_fit
from derive.render.story import Sources, Story, adjoint_of, equal
from derive.render.told import delta_line, has_deltas, in_matrices, naming, sides, told
from derive.render.unicode import unicode_math
from derive.render.window_words import window_words
from derive.rules.naming import kept_indices
from derive.rules.sums import is_delta

LONG = 12  # factors of a chain that are all shown
SHORT = 2  # steps up to which a derivation is shown although an equal one stands before it


def chain_rule(story: Story) -> list[Block]:
    """For each parameter the product of factors along the graph; where the path divides, the sum over the consumers."""
    derivation, model = story.derivation, story.model
    blocks: list[Block] = [
        Section(says(story.words["chain rule"]), anchor="chain-rule"),
        Paragraph(story.say("chain intro", loss=story.loss)),
    ]
    once = adjoints_once(story)
    divided = [a for a in story.adjoints.values() if len(a.terms) > 1 and a.name not in once.left_out]
    if divided:
        blocks.append(Paragraph(story.say("several paths")))
    if any(_held(story, a) for a in divided):
        blocks.append(Paragraph(story.say("direct part", loss=story.loss)))
    single = [a for a in derivation.gradients if len(a.terms) == 1 and len(a.terms[0]) > 1]
    shown = [*divided, *(a for a in single if a.name not in once.left_out)]
    if not shown:
        return []
    items = []
    for a in shown:
        steps = a.result.steps
        left = adjoint_of(model.loss, a.name, a.result.indices if len(a.terms) > 1 else ())
        right = _product(story, a.chain) if a.chain else _first(story, a, steps)
        items.append(Equation(story.math(left), right, note=likewise(story, a)))
    return [*blocks, Equations(tuple(items))]


def _held(story: Story, a: Adjoint) -> bool:
    """Whether the loss depends on it directly and through other nodes too."""
    return any(len(term) == 1 for term in a.terms) and any(len(term) > 1 for term in a.terms)


def _first(story: Story, a: Adjoint, steps: Sequence[Step]) -> Math:
    """The chain rule over the direct consumers: the first step's line, or the factors by name."""
    if len(a.terms) > 1 and steps:
        return story.math(steps[0].after)
    return _product(story, a.terms[0])


def _product(story: Story, chain: Sequence[tuple[str, str]]) -> Math:
    """The factors; of a long chain the first and the last."""
    ends = chain if len(chain) <= LONG else (*chain[: LONG // 2], *chain[-LONG // 2 :])
    parts = [story.math(D(Ref(of), Ref(wrt))) for of, wrt in ends]
    if len(chain) > LONG:
        parts.insert(LONG // 2, Math(r"\cdots", "…"))
    return Math(r" \cdot ".join(p.latex for p in parts), " · ".join(p.text for p in parts))


def functions(story: Story) -> list[Block]:
    """The derivatives of functions that follow from what defines them."""
    lemmas = {name: s for name, s in story.derivation.lemmas.items() if _varies(story, name)}
    if not lemmas:
        return []
    blocks: list[Block] = [
        Section(says(story.words["functions"]), anchor="functions"),
        Paragraph(story.say("function intro")),
    ]
    return blocks + [lemma_steps(story, name, steps) for name, steps in lemmas.items()]


def _varies(story: Story, lemma: str) -> bool:
    """Whether the argument that a lemma differentiates by varies anywhere: a slope or a bound may be a number."""
    function, _, parameter = lemma.partition(" by ")
    if not parameter:
        return True
    k = FUNCTIONS[function].parameters.index(parameter)
    calls = [node for e in story.model.equations for node in walk(e.body) if isinstance(node, Call)]
    return any(call.function == function and k < len(call.args) and names(call.args[k]) for call in calls)


def lemma_steps(story: Story, name: str, steps: Sequence[Step]) -> Block:
    start = steps[0].before
    called = start.body if isinstance(start, D) else start
    alone = len(names(called)) == 1
    conventions = Conventions(
        total=lambda derivative: alone,
        decimal=story.notation.conventions().decimal,
        otherwise=story.words["otherwise"],
    )

    def math(e: Expression) -> Math:
        e = replace(e, {Ref("output"): called})  # the lemma's own name for what the function gives
        return Math(latex(e, conventions=conventions), unicode_math(e, conventions=conventions))

    lines = story.lines_in(steps, math)
    function = Text(story.words.function(name.partition(" ")[0]))
    title = story.say("function title", function=function)
    if not alone and isinstance(start, D):
        title = story.say("derivative title", of=function, wrt=math(start.wrt))
    return Derivation(math(start), lines, f"lemma-{name.replace(' ', '-')}", title)


def local_derivatives(story: Story) -> list[Block]:
    """Every edge of the graph: an equation differentiated by one of its names, from the loss backwards."""
    if not story.derivation.local:
        return []
    blocks: list[Block] = [
        Section(says(story.words["local derivatives"]), anchor="local-derivatives"),
        Paragraph(story.say("local intro")),
    ]
    if any(len(r.shape) > 1 for r in story.derivation.local):
        blocks.append(Paragraph(story.say("local shapes")))
    order = {e.name: k for k, e in enumerate(story.model.equations)}
    seen: dict[Hashable, str] = {}
    new = [r for r in story.derivation.local if (r.of, r.wrt) not in story.earlier]
    for r in sorted(new, key=lambda r: -order[r.of]):
        if (r.of, r.wrt) in story.local_once.left_out:
            continue
        form = _form(r.steps)
        blocks += local_steps(story, r, seen.get(form, ""))
        seen.setdefault(form, story.local_anchor(r.of, r.wrt))
    return blocks


def _form(steps: Sequence[Step]) -> Hashable:
    """What equal derivations have in common: the rules, and the lines up to the names of the quantities."""
    lines = [e for step in steps for e in (step.before, step.after)]
    mapping = placeholders(*lines)
    return tuple(step.rule for step in steps), tuple(str(rename(e, mapping)) for e in lines)


def local_steps(story: Story, r: Result, same: str) -> list[Block]:
    equation = story.model.by_name[r.of]
    own = r.indices[: len(equation.indices)]
    left = D(story.notation.element(r.of, own), story.notation.element(r.wrt, r.indices[len(own) :]))
    lines: tuple[Line, ...] = ()
    if r.steps:
        start = story.math(r.steps[0].before, r.of)
        note = story.say("by", references=Reference(story.equation_anchor(r.of)))
        lines = (equal(start, note),)
    if same and len(r.steps) > SHORT:
        result = story.math(r.expr, r.of)
        lines += (equal(result, story.say("same way", reference=Reference(same))),)
    else:
        lines += story.lines(r.steps, r.of)
    if not lines:
        lines = (equal(story.math(r.expr, r.of)),)
    others = story.local_once.others((r.of, r.wrt))
    anchor, also = story.local_anchor(r.of, r.wrt), tuple(story.local_anchor(*edge) for edge in others)
    told = Derivation(story.math(left), lines, anchor, _title(story, r.of, r.wrt), also=also)
    return [told, *_the_same(story, [D(Ref(of), Ref(wrt)) for of, wrt in others])]


def _the_same(story: Story, others: Sequence[Expression]) -> list[Block]:
    return [Paragraph(story.say("the same", names=story.listed(others)))] if others else []


def adjoints_once(story: Story) -> Told[str]:
    """Which derivatives of the loss are told by another, as this report tells them."""
    if not story.fold:
        return Told()
    if story.detail not in story.once:
        story.once[story.detail] = told_once((a.name, _shown(story, a)) for a in story.adjoints.values())
    return story.once[story.detail]


def _shown(story: Story, a: Adjoint) -> Shown:
    found = told(story, a)
    results = [a.compact, found.expr] if found.by_deltas else [a.compact, a.by_adjoint, found.expr, a.result.expr]
    return shown_adjoint(a, _steps(story, a), results)


def likewise(story: Story, a: Adjoint, notation: Notation | None = None) -> Inlines:
    """“likewise ∂L/∂W^{[2]}, …” """
    others = adjoints_once(story).others(a.name)
    return story.likewise([adjoint_of(story.model.loss, name) for name in others], notation)


def _title(story: Story, of: str, wrt: str) -> Inlines:
    return story.say("derivative title", of=story.math(Ref(of)), wrt=story.math(Ref(wrt)))


def adjoints(story: Story) -> list[Block]:
    """∂L/∂node of every node, from the loss backwards."""
    told = _derivations(story, told_apart(story, [a for a in story.derivation.nodes if a.terms]))
    if not told:
        return []
    blocks: list[Block] = [
        Section(says(story.words["adjoints"]), anchor="adjoints"),
        Paragraph(story.say("adjoint intro", loss=story.loss)),
    ]
    if any(map(has_deltas, story.derivation.gradients)) and not story.notation.has_delta:
        first = needed(story.derivation, story.derivation.gradients)[0]
        shown = adjoint_of(story.model.loss, first.name)
        blocks.append(
            Paragraph(story.say("named deltas", delta=story.deltas.math(shown), derivative=story.math(shown)))
        )
    return blocks + told


def gradients(story: Story) -> list[Block]:
    """∂L/∂parameter, and the results in a box."""
    found = story.derivation.gradients
    if not found:
        return []
    blocks: list[Block] = [
        Section(says(story.words["gradients"]), anchor="gradients"),
        Paragraph(story.say("gradient intro")),
        *_derivations(story, told_apart(story, found)),
    ]
    if story.detail == "brief":
        return blocks
    if brackets_in_results(story):
        blocks.append(Paragraph(story.say("iverson", bracket=Math("[i = j]", "[i = j]"))))
    results = (Equation(*sides(story, a), note=likewise(story, a)) for a in told_apart(story, found))
    return [*blocks, Boxed((*result_deltas(story), *results))]


def told_apart(story: Story, found: Sequence[Adjoint]) -> list[Adjoint]:
    """Those that are not told by another."""
    return [a for a in found if a.name not in adjoints_once(story).left_out]


def brackets_in_results(story: Story) -> bool:
    """Whether [u = j] stands in the results for what is δ_{uj} elsewhere."""
    shown = [told(story, a) for a in story.derivation.gradients]
    return any(contains(t.expr, is_delta) for t in shown) and story.detail != "brief"


def result_deltas(story: Story) -> list[Equation]:
    """The δ that the results are told by."""
    found = [a for a in story.derivation.gradients if told(story, a).by_deltas]
    return delta_lines(story, needed(story.derivation, found))


def delta_lines(story: Story, found: Sequence[Adjoint]) -> list[Equation]:
    """δ_z = … of each, told once."""
    return [
        data_replace(delta_line(story, a), note=likewise(story, a, story.deltas)) for a in told_apart(story, found)
    ]


def _derivations(story: Story, found: Sequence[Adjoint]) -> list[Block]:
    blocks: list[Block] = []
    seen: dict[Hashable, str] = {}
    for a in found:
        form = _form(_steps(story, a))
        blocks += adjoint_steps(story, a, seen.get(form, ""))
        seen.setdefault(form, story.adjoint_anchor(a.name))
    return blocks


def _steps(story: Story, a: Adjoint) -> list[Step]:
    """The steps in index form; where δ tell the result, those up to the line that has them."""
    steps = list(takewhile(lambda step: step.rule != "array notation", a.result.steps))
    direct = [t for t in a.terms if len(t) == 1]
    if direct and len(a.terms) == 1 and story.detail != "full" and len(steps) > 1:
        steps = steps[1:]  # the node stands in the loss alone: the chain rule has nothing to say
    if story.detail != "full" and told(story, a).by_deltas and a.compact == a.by_adjoint:
        steps = list(takewhile(lambda step: step.rule != "adjoints", steps)) or steps
    return steps


def adjoint_steps(story: Story, a: Adjoint, same: str) -> list[Block]:
    if story.is_direct(a.name):  # inside of the model its derivation has just been told, to its last line
        return [] if story.inside else _array_form(story, a, bool(same))
    r = a.result
    left = story.math(adjoint_of(story.model.loss, a.name, r.indices))
    steps = _steps(story, a)
    sources = _sources(story, a)
    lines = story.lines(steps, None, sources)
    if story.detail == "brief" or (same and len(steps) > SHORT):
        lines = _shortened(story, a, steps, lines, same)
    title = _title(story, story.model.loss, a.name)
    others = adjoints_once(story).others(a.name)
    also = tuple(map(story.adjoint_anchor, others))
    blocks: list[Block] = [Derivation(left, lines, story.adjoint_anchor(a.name), title, also=also)]
    blocks += _array_form(story, a, bool(same)) + _windows_in_words(story, a)
    return blocks + _the_same(story, [adjoint_of(story.model.loss, name) for name in others])


def _windows_in_words(story: Story, a: Adjoint) -> list[Block]:
    """What the gradient of a convolution or of pooling does, where deltas say which windows hold an entry."""
    told = window_words(a.by_adjoint) if story.detail != "brief" else None
    return [] if told is None else [Paragraph(story.say(told, name=story.math(Ref(a.name))))]


def _array_form(story: Story, a: Adjoint, same: bool) -> list[Block]:
    """The result in whole-array notation, by the δ and without them where that is short, and why the shapes fit."""
    compact, whole = in_matrices(story, a, a.compact), in_matrices(story, a, a.result.expr)
    found = [e for e in dict.fromkeys((compact, whole)) if e is not None]
    if not found:
        return []
    shown = found if told(story, a).by_deltas is False or len(found) == 1 else found[:1]
    kept = kept_indices(found[0], a.result.indices)
    plain = story.math(adjoint_of(story.model.loss, a.name, kept))
    left = naming(story, a, kept) if a.name in story.named else plain
    lines = [Equation(left, story.deltas.math(shown[0]), note=says(story.words["array form"]))]
    lines += [Equation(Math("", ""), story.deltas.math(e)) for e in shown[1:]]
    why = () if same or story.detail == "brief" else why_shapes_fit(story, shown[0], a.name, story.deltas)
    return [Equations(tuple(lines)), *([Paragraph(why)] if why else [])]


def _shortened(story: Story, a: Adjoint, steps: Sequence[Step], lines: tuple[Line, ...], same: str) -> tuple[Line, ...]:
    """The chain rule, what its factors are, and the result."""
    if not lines or not a.terms:
        return lines
    first = [line for line, step in zip(lines, steps, strict=False) if step.rule == "chain rule"][:1]
    named, last = story.math(a.by_adjoint), lines[-1]
    between = [equal(named)] if named.latex not in {last.latex, *(x.latex for x in first)} else []
    note = story.say("same way", reference=Reference(same)) if same and story.detail != "brief" else ()
    end = [Line("=", last.latex, last.text, note, last.source)] if not first or last.latex != first[0].latex else []
    return (*first, *between, *end)


def _sources(story: Story, a: Adjoint) -> Sources:
    """Where the factors of the chain rule were derived."""
    local: dict[str, None] = {}
    later: dict[str, None] = {}
    for term in a.terms:
        local[story.local_anchor(*term[-1])] = None
        if len(term) > 1:
            later[story.adjoint_anchor(term[0][1])] = None
    if story.detail == "brief":
        return Sources()
    return Sources(tuple(filter(None, local)), tuple(filter(None, later)))
