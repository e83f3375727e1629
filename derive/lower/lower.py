"""Derivation → Program.

Forward: each equation over the batch, in stable form.  Backward: for each node that a gradient needs its adjoint,
in the compact form in which factors have been cancelled (a − y, not a product of a quotient and a(1 − a)).  Where the
loss of one example meets what all examples share, the mean over the examples is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from derive.arrays.form import in_arrays
from derive.derivation import Adjoint, Derivation
from derive.differentiate.batch import depends_on_data, example_names, over_examples
from derive.differentiate.derive import derive
from derive.errors import DeriveError
from derive.expression.build import add, div, neg, number
from derive.expression.nodes import Call, D, Expression, Neg, Reduce, Ref, Slice, Where
from derive.expression.parts import terms_of
from derive.expression.walk import names, transform, walk
from derive.functions import AXIS_FUNCTIONS
from derive.lower.known import Known
from derive.lower.program import Program, Statement, adjoint_name, asks_which_step, needed_for
from derive.lower.restate import activations, hazards, known_of, restated_model
from derive.lower.stable import in_code, restated, with_norms
from derive.lower.steps import Step, Steps, backward_steps, first_apart, forward_steps, sliced
from derive.lower.turned import steps_before_examples, turned_arrays, with_turned
from derive.model import Equation, Model
from derive.rules.guards import is_guard
from derive.rules.naming import whole_arrays
from derive.rules.sums import pulled_out


def lower(derivation: Derivation, steps_first: bool = False) -> Program:
    """The program that computes outputs, loss and gradients over a batch.

    The gradients are those derived of the author's equations, unless they divide by what may vanish or take what may
    overflow, and those derived of the equations in stable form do so less.  With `steps_first` the steps of recurrences
    are the first axis of arrays over the examples, and these the second, so that a step is one piece of memory.
    """
    model = derivation.model
    stable_model = restated_model(model)
    program = _Lowering(derivation, stable_model, steps_first=steps_first).program()
    if stable_model.equations == model.equations or hazards(program) == (0, 0):
        return program
    try:
        other = _Lowering(derive(stable_model), stable_model, model, steps_first).program()
    except DeriveError:  # no rule differentiates a stable form: the author's does
        return program
    return other if hazards(other) < hazards(program) else program


class _Lowering:
    """Lowers a derivation; `stable_model` has the equations that code computes, `written` those of the author."""

    def __init__(
        self, derivation: Derivation, stable_model: Model, written: Model | None = None, steps_first: bool = False
    ) -> None:
        self.derivation = derivation
        self.model: Model = derivation.model
        self.written = written or derivation.model
        self.known = known_of(stable_model)
        self.n, self.count = example_names(self.model)
        examples: tuple[Expression, ...] = (Ref(self.count),)
        self.shapes = {
            name: (examples if name in self.model.per_example else ()) + shape
            for name, shape in self.model.shapes.items()
        }
        self.turned = turned_arrays(self.model) if steps_first else {}
        self.shapes |= {adjoint_name(name): shape for name, shape in self.shapes.items()}
        self.shapes |= {of: steps_before_examples(self.shapes[name]) for name, of in self.turned.items()}

    def program(self) -> Program:
        model = self.model
        asked = model.leading_to(model.loss, *model.outputs, *model.states)
        equations = tuple(e for e in model.equations if e.name in asked)
        forward = (*self.turned_data(), *(s for group in self.groups(equations) for s in self.forward_of(group)))
        gradients = tuple(self.adjoint(a) for a in self.derivation.gradients if a.name in model.parameters)
        nodes = {a.name: a for a in self.derivation.nodes if a.name != model.loss}
        groups = [[e for e in group if e.name in nodes] for group in self.groups(model.equations)]
        adjoints = tuple(s for group in reversed(groups) for s in self.backward_of(group, nodes))
        wanted = frozenset(name for g in gradients for name in names(g.value))
        backward = needed_for(adjoints, wanted)
        has_data = model.loss in model.per_example or any(g.axes[:1] == (self.n,) for g in forward)
        return Program(model, forward, backward, gradients, self.count if has_data else None)

    def turned_data(self) -> Iterator[Statement]:
        """The copies of data in which the steps come first."""
        for name, of in self.turned.items():
            if name != of:
                rank = len(self.shapes[of])
                order = steps_before_examples(tuple(map(number, range(rank))))
                value = Call("copied", (Call("transpose", (Ref(name), *order)),))
                yield Statement(of, (), value, f"{name}, its steps first", shape=self.shapes[of])

    def groups(self, equations: tuple[Equation, ...]) -> list[list[Equation]]:
        """The equations of a recurrence together, every other one by itself."""
        found: list[list[Equation]] = []
        for e in equations:
            if found and e.name in self.model.recurrent and found[-1][0].name in self.model.cycle(e.name):
                found[-1].append(e)
            else:
                found.append([e])
        return found

    def forward_of(self, group: list[Equation]) -> list[Statement]:
        first = group[0]
        if first.name not in self.model.recurrent and not first.first and not first.entries:
            return [self.forward(first)]

        def one(e: Equation, step: Step) -> Statement:
            formula = self.step_formula(e, step)
            return self.step_of(e.name, step, self.forms(e), self.over_batch(e.name), e.indices, formula)

        return self.in_steps(list(forward_steps(group, self.model)), one)

    def in_steps(self, steps: Steps, one: Callable[[Equation, Step], Statement]) -> list[Statement]:
        """The statements of a recurrence; where steps come first and a condition asks which, the first one apart."""
        found = [one(e, step) for e, step in steps]
        if self.turned and any(s.loop and asks_which_step(s) for s in found):
            return [one(e, step) for e, step in first_apart(steps)]
        return found

    def backward_of(self, group: list[Equation], nodes: Mapping[str, Adjoint]) -> list[Statement]:
        if not group or group[0].name not in self.model.recurrent:
            return [self.adjoint(nodes[e.name]) for e in reversed(group)]

        def one(e: Equation, step: Step) -> Statement:
            a = nodes[e.name]
            forms, over_batch = self.adjoint_forms(a), self.adjoint_over_batch(a.name)
            return self.step_of(
                adjoint_name(a.name), step, forms, over_batch, a.result.indices, self.adjoint_formula(a)
            )

        return self.in_steps(list(backward_steps(group, self.model)), one)

    def forms(self, e: Equation) -> tuple[Expression, ...]:
        """What code may compute: the equation in stable form, else as it is written."""
        return in_code(self.known.bodies[e.name][1]), e.body

    def step_formula(self, e: Equation, step: Step) -> str:
        entry = None if step.loop else next((x for x in e.entries if x.position == step.at), None)
        if entry is not None:
            return f"{e.name}[{entry.position}] = {entry.written}"
        return f"{e.name}[{e.indices[0]}] = {e.written}"

    def step_of(
        self,
        name: str,
        step: Step,
        forms: tuple[Expression, ...],
        over_batch: Callable[[Expression], Expression],
        indices: tuple[str, ...],
        formula: str,
    ) -> Statement:
        """One step of an array, or those of a slice."""
        whole = self.shapes[name]
        batch = len(whole) - len(indices)
        axes = (*([self.n] * batch), *indices[1:])
        at = 0 if name in self.turned else batch  # where the steps are
        sizes = (*whole[:at], *whole[at + 1 :])
        if isinstance(step.at, Slice):
            axes, sizes = (*axes[:at], indices[0], *axes[at:]), (*sizes[:at], step.length, *sizes[at:])
        shapes = self.shapes

        def own(e: Expression) -> Expression:
            return step.of(over_batch(e), indices[0], shapes)

        value, _ = self.first_in_arrays(forms, own, axes, sizes, name)
        return Statement(name, axes, value, formula, shape=sizes, at=step.at, whole=whole, loop=step.loop)

    def forward(self, e: Equation) -> Statement:
        written = self.written.by_name[e.name].body
        axes = (self.n, *e.indices) if e.name in self.model.per_example else e.indices
        forms = self.forms(e)
        sizes = self.shapes[e.name]
        if e.name in self.turned:
            axes = steps_before_examples(axes)
        value, form = self.first_in_arrays(forms, self.over_batch(e.name), axes, sizes, e.name)
        rewritten = form != written and not (isinstance(e.written, Call) and e.written.function in AXIS_FUNCTIONS)
        return Statement(e.name, axes, value, f"{e.name} = {e.written}", rewritten, sizes)

    def adjoint(self, a: Adjoint) -> Statement:
        """The adjoint of a node or parameter; of what all examples share, that of the mean loss."""
        model, axes, sizes = self.model, a.result.indices, a.result.shape
        if a.name in model.per_example:
            axes, sizes = (self.n, *axes), (Ref(self.count), *sizes)
        if a.name in self.turned:
            axes, sizes = steps_before_examples(axes), steps_before_examples(sizes)
        forms = self.adjoint_forms(a)
        value, _ = self.first_in_arrays(forms, self.adjoint_over_batch(a.name), axes, sizes, a.name)
        return Statement(adjoint_name(a.name), axes, value, self.adjoint_formula(a), shape=sizes)

    def adjoint_forms(self, a: Adjoint) -> tuple[Expression, ...]:
        stable = with_norms(restated(a.compact, Known(), self.inside(a)), self.known)
        return in_code(stable), a.compact

    def adjoint_formula(self, a: Adjoint) -> str:
        model = self.model
        shown = whole_arrays(a.compact, a.result.indices, a.result.shape, model)
        mean = (
            "mean of "
            if a.name not in model.per_example and depends_on_data(a.compact, model, adjoints_of_the_mean=True)
            else ""
        )
        element = "" if shown or a.name not in model.recurrent else f"[{', '.join(a.result.indices)}]"
        return f"d{model.loss}/d{a.name}{element} = {mean}{self.prose(shown or a.compact)}"

    def over_batch(self, name: str) -> Callable[[Expression], Expression]:
        """What puts the example index on the right-hand side of a node, if it has one."""
        if name not in self.model.per_example:
            return lambda e: e
        return lambda e: over_examples(e, self.model, self.n)

    def adjoint_over_batch(self, name: str) -> Callable[[Expression], Expression]:
        to_batch = self.over_batch(name) if name in self.model.per_example else self.mean
        return lambda e: self.named_adjoints(to_batch(e))

    def first_in_arrays(
        self,
        forms: tuple[Expression, ...],
        over_batch: Callable[[Expression], Expression],
        axes: tuple[str, ...],
        sizes: tuple[Expression, ...],
        name: str,
    ) -> tuple[Expression, Expression]:
        """The first of the forms that arrays can say, in array notation, and that form."""
        for form in forms:
            whole = over_batch(form)
            for each in dict.fromkeys((sliced(whole), whole)):
                found = in_arrays(with_turned(each, self.turned), axes, sizes, self.shapes, in_code=True)
                if found is not None:
                    return found, form
        raise DeriveError(f"no array code is known for the equation of '{name}': {over_batch(forms[-1])}")

    def inside(self, a: Adjoint) -> Known:
        """The nodes in whose ``1 - a`` an adjoint may look.

        Beside the loss, a*(1 - a) keeps its digits in saturation; deeper inside of a network it stays cheap.
        """
        later = (node.wrt.name for node in walk(a.compact) if isinstance(node, D))
        near = all(self.model.consumers[name] == (self.model.loss,) for name in later)
        return activations(self.known) if near else Known()

    def prose(self, e: Expression) -> str:
        """A formula for a comment: adjoints as dL/dz."""

        def change(node: Expression) -> Expression | None:
            if isinstance(node, D) and isinstance(node.body, Ref):
                return Ref(f"d{node.body.name}/d{node.wrt.name}", node.wrt.indices)
            return None

        return str(transform(e, change))

    def mean(self, e: Expression) -> Expression:
        """The mean over the examples, term by term; what no example enters is its own mean."""
        model = self.model
        found: list[Expression] = []
        for term in terms_of(e):
            sign, bare = (True, term.arg) if isinstance(term, Neg) else (False, term)
            if isinstance(bare, Where) and is_guard(bare.condition):
                bare = Where(bare.condition, self.mean(bare.then), self.mean(bare.otherwise))
            elif depends_on_data(bare, model, adjoints_of_the_mean=True):
                bare = self.summed(over_examples(bare, model, self.n))
            found.append(neg(bare) if sign else bare)
        return add(*found)

    def summed(self, e: Expression) -> Expression:
        """Σ over the examples divided by their number, a factor that they share in front."""
        size = Ref(self.count)
        if isinstance(e, Reduce) and e.op == "sum" and e.condition is not None:  # over some of the steps
            return div(Reduce("sum", e.body, (self.n, *e.indices), e.condition, (size, *e.ranges)), size)
        return div(pulled_out(Reduce("sum", e, (self.n,), None, (size,))), size)

    def named_adjoints(self, e: Expression) -> Expression:
        def change(node: Expression) -> Expression | None:
            if isinstance(node, D) and isinstance(node.body, Ref):
                return Ref(adjoint_name(node.wrt.name), node.wrt.indices)
            return None

        return transform(e, change)
