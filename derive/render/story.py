"""What all parts of a report share: the derivation, its notation, the words, and how steps become lines.

In: a proved derivation, a language and a level of detail.  Out: a `Story`, and from it lines and notes.
Invariant: a line is what a step says; steps are only left out or joined, never invented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from derive.derivation import Adjoint, Derivation, Result, Step
from derive.expression.nodes import D, Expression, Index, Ref
from derive.expression.walk import contains
from derive.model import Model
from derive.parse.expression import parse_expression
from derive.render.catalogue import Words
from derive.render.deltas import layer_deltas, needed, trained
from derive.render.document import Inline, Inlines, Line, Math, Reference, says
from derive.render.notation import Notation
from derive.render.prose import joined, sentence
from derive.render.repetition import Told, equations_once, local_once, parameters_once
from derive.rules.sums import is_delta
from derive.update_rule import UpdateRule, update_rule

DETAILS = ("brief", "normal", "full")

# What is left of a linear function of arrays once its derivative is a number of deltas.
CONTRACTION = frozenset({"constant", "variable", "arithmetic", "contract the Kronecker delta"})
# Small steps that `normal` shows together, as one line: linearity, derivatives that are numbers, tidying up, sums.
SMALL = (
    frozenset({"sum rule", "constant multiple", "negation", "elementwise", "derivative of a sum over an index"}),
    frozenset({"negation", "constant", "variable"}),
    frozenset({"distribute", "linearity of the sum", "contract the Kronecker delta", "factor out of the sum"}),
    CONTRACTION,
    frozenset({"arithmetic", "number and sign", "signs", "product of fractions", "order of terms", "exp of 0",
               "log of 1", "lowest terms"}),
)  # fmt: skip


MOST_RULES = 4  # that one line applies


def _subject(rule: str) -> str:
    """What a rule is about: `derivative of exp` and `chain rule for exp` are about exp."""
    return rule.removeprefix("derivative of ").removeprefix("chain rule for ")


@dataclass(frozen=True)
class Story:
    """A derivation about to be told."""

    derivation: Derivation
    language: str
    detail: str
    rule: UpdateRule = field(default_factory=update_rule)
    bold: bool = False
    collapse: bool = False  # repeated layers as one node of the pictures
    inside: str = ""  # what the anchors begin with, of a derivative inside the model
    earlier: Mapping[tuple[str, str], str] = field(default_factory=dict)  # local derivatives told before: their anchors
    fold: bool = False  # what is repeated but for numbers is told once
    once: dict[str, Told[str]] = field(default_factory=dict, compare=False, repr=False)  # kept by `adjoints_once`
    long: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)  # looked up by `told`, once a report

    @cached_property
    def named(self) -> frozenset[str]:
        """The nodes whose adjoints have the name δ: those that the gradients use."""
        if self.inside:
            return frozenset()  # δ are derivatives of the loss
        return frozenset(a.name for a in needed(self.derivation, trained(self.derivation)))

    @cached_property
    def equations_once(self) -> Told[str]:
        return equations_once(self.model) if self.fold else Told()

    @cached_property
    def parameters_once(self) -> Told[str]:
        return parameters_once(self.model) if self.fold else Told()

    @cached_property
    def local_once(self) -> Told[tuple[str, str]]:
        return local_once(self.derivation) if self.fold else Told()

    def likewise(self, names: Sequence[Expression], notation: Notation | None = None) -> Inlines:
        """“likewise z^{[2]}, …, z^{[12]}” """
        return self.say("likewise", names=self.listed(names, notation)) if names else ()

    def listed(self, names: Sequence[Expression], notation: Notation | None = None) -> Inlines:
        """A few names; of more the first and the last."""
        shown: list[Inlines] = [((notation or self.notation).math(name),) for name in names]
        return joined(shown if len(shown) < 3 else [shown[0], says("…"), shown[-1]])

    @property
    def model(self) -> Model:
        return self.derivation.model

    @cached_property
    def words(self) -> Words:
        return Words(self.language)

    @cached_property
    def notation(self) -> Notation:
        return Notation(self.model, self.language, bold=self.bold)

    @cached_property
    def deltas(self) -> Notation:
        """Adjoints by name: δ^{[l]}, δ_z."""
        return self.notation if self.inside else self.notation.deltas(layer_deltas(self.derivation))

    @cached_property
    def batch(self) -> Notation:
        return self.deltas.batch()

    @cached_property
    def loss(self) -> Math:
        return self.math(Ref(self.model.loss))

    @cached_property
    def local(self) -> dict[tuple[str, str], Result]:
        return {(r.of, r.wrt): r for r in self.derivation.local}

    @cached_property
    def adjoints(self) -> dict[str, Adjoint]:
        return {a.name: a for a in (*self.derivation.nodes, *self.derivation.gradients)}

    def math(self, e: Expression, of: str | None = None) -> Math:
        return self.notation.math(e, of)

    def say(self, key: str, **gaps: Inline | Inlines) -> Inlines:
        return sentence(self.words, key, **gaps)

    def is_direct(self, name: str) -> bool:
        """Whether it stands in the loss alone: then the local derivative, where that is told, says all."""
        a = self.adjoints.get(name)
        if self.detail == "brief" or a is None or a.terms != (((self.model.loss, name),),):
            return False
        told = self.local.get((self.model.loss, name))
        rules = {step.rule for step in a.result.steps}
        return told is not None and rules <= {"chain rule", "local derivatives", "array notation"}

    # Names of places in the document.

    def local_anchor(self, of: str, wrt: str) -> str:
        if (of, wrt) in self.earlier:
            return self.earlier[of, wrt]
        if of == self.model.loss and self.is_direct(wrt):
            return self.adjoint_anchor(wrt)
        known = self.detail != "brief" and (of, wrt) in self.local
        return f"{self.inside}local-{of}-{wrt}" if known else ""

    def adjoint_anchor(self, name: str) -> str:
        return f"{self.inside}step-{name}" if name in self.adjoints else ""

    def equation_anchor(self, name: str) -> str:
        """Where the equation of a node stands; that of the loss is also the place of its derivative, 1."""
        return f"step-{name}" if name == self.model.loss and not self.inside else f"eq-{name}"

    # Steps.

    def lines(self, steps: Iterable[Step], of: str | None = None, sources: Sources | None = None) -> tuple[Line, ...]:
        """The lines of a derivation: one for each step that shows, small ones together."""
        return self.lines_in(steps, lambda e: self.math(e, of), sources)

    def lines_in(
        self, steps: Iterable[Step], show: Callable[[Expression], Math], sources: Sources | None = None
    ) -> tuple[Line, ...]:
        """The same, in a notation of its own."""
        found: list[tuple[list[Step], Math]] = []
        for step in steps:
            shown = show(step.after)
            if found and shown == found[-1][1] and step.assumption is None:
                continue
            if found and self._belongs(found[-1][0], step):
                found[-1] = ([*found[-1][0], step], shown)
            else:
                found.append(([step], shown))
        return tuple(equal(m, self.note(group, sources or Sources())) for group, m in found)

    def _belongs(self, group: Sequence[Step], step: Step) -> bool:
        """Whether the step joins the line before it."""
        if self.detail == "full":
            return False
        rules = dict.fromkeys((*(s.rule for s in group), step.rule))
        if len(rules) > MOST_RULES:
            return False
        small = SMALL if contains(step.before, is_delta) else [s for s in SMALL if s is not CONTRACTION]
        return len({_subject(rule) for rule in rules}) == 1 or any(s.issuperset(rules) for s in small)

    def note(self, steps: Sequence[Step], sources: Sources) -> Inlines:
        """The rules, what they refer to, and the conditions."""
        rules = dict.fromkeys(step.rule for step in steps)
        conditions = dict.fromkeys(c for s in steps if s.condition for c in s.condition.split(" and "))
        parts = [self._rule(rule, sources) for rule in rules if rule != "assumption"]
        if conditions:
            shown = joined((self._formula(c),) for c in conditions)
            parts.append(self.say("condition", condition=shown))
        for step in steps:
            if step.assumption:
                parts.append(self.say("assuming", assumption=self._formula(step.assumption)))
        return joined(parts)

    def _rule(self, rule: str, sources: Sources) -> Inlines:
        anchors = {"local derivatives": sources.local, "adjoints": sources.adjoints}.get(rule, ())
        if not anchors:
            return says(self.words.rule(rule))
        return self.say("by", references=joined((Reference(a),) for a in anchors))

    def _formula(self, text: str) -> Math:
        return self.math(parse_expression(text))


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the results that a derivation puts in were found: anchors in the document."""

    local: tuple[str, ...] = ()
    adjoints: tuple[str, ...] = ()


def equal(shown: Math, note: Inlines = ()) -> Line:
    """The line ``= shown``."""
    return Line("=", shown.latex, shown.text, note, shown.source)


def adjoint_of(loss: str, name: str, indices: tuple[str, ...] = ()) -> D:
    """∂L/∂name, at its indices."""
    return D(Ref(loss), Ref(name, tuple(Index(i) for i in indices)))
