"""Model → Derivation: reverse mode over the author's own equations.

1. For every edge of the graph, the local derivative of a right-hand side by one of its names (`local`).
2. From the loss backwards, for every node: the chain rule over its direct consumers, the local derivatives put in, the
   consumers' adjoints put in where that stays short, simplified.
3. The same for every parameter: its gradient.

The whole loss is never composed and nothing is simplified across nodes, so the work grows with the number of equations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import cast

from derive.arrays.form import in_arrays
from derive.cache import Cache
from derive.derivation import Adjoint, Derivation, Result, Step
from derive.differentiate.forms import (
    INDEX_LETTERS,
    Form,
    RenamedSteps,
    placeholders,
    placeholders_after,
    renamed,
    respell_indices,
)
from derive.differentiate.lemma import lemma
from derive.differentiate.local import differentiate
from derive.differentiate.node import AdjointForm, ByAdjoint, Later, Node, User, adjoint_form, by_adjoint
from derive.errors import DeriveError, did_you_mean
from derive.expression.collection import collection_paused
from derive.expression.nodes import Call, Compare, D, Expression, Index, Reduce, Ref
from derive.expression.walk import Renaming, fresh, holds, index_names, names, nodes_of
from derive.functions import FUNCTIONS
from derive.model import Equation, Model
from derive.prove.setting import Setting
from derive.prove.steps import forget
from derive.rules.known_sums import says_a_sum
from derive.rules.notation import ARRAY_NOTATION
from derive.rules.rule import Fact

Steps = Sequence[Step]


def derive(model: Model, wrt: tuple[str, ...] = ()) -> Derivation:
    """Differentiates the loss with respect to every node and parameter, and every name in `wrt` besides.

    Raises DeriveError where a name is unknown or no rule differentiates an expression.
    """
    with collection_paused():
        return _Sweep(model, wrt).derivation()


@dataclass(frozen=True, slots=True)
class _LocalForm:
    expr: Expression
    form: Form


_LOCAL: Cache[_LocalForm] = Cache()
_BY_ADJOINT: Cache[ByAdjoint] = Cache()
_ADJOINT: Cache[AdjointForm] = Cache()


def clear_caches() -> None:
    """Forgets all derived forms (for measuring)."""
    for cache in (_LOCAL, _BY_ADJOINT, _ADJOINT):
        cache.clear()
    forget()


class _Sweep:
    def __init__(self, model: Model, wrt: tuple[str, ...]) -> None:
        self.model = model
        self.known = {*model.variables, *model.by_name}
        for name in wrt:
            if name not in self.known:
                raise DeriveError(f"there is no name '{name}' to differentiate by", hint=did_you_mean(name, self.known))
            if name in model.variables and model.variables[name].role in ("size", "examples"):
                raise DeriveError(f"'{name}' is a size, a whole number: the loss has no derivative by it")
            if name in model.variables and model.variables[name].kind == "integer":
                raise DeriveError(f"'{name}' takes whole numbers: the loss has no derivative by it")
        self.wrt = wrt
        self.letters = self.other_letters()
        self.local: dict[tuple[str, str], Result] = {}
        self.adjoints: dict[str, Adjoint] = {}
        self.fields = [e.name for e in model.equations if e.name in model.reaches_loss]
        self.place = {e.name: k for k, e in enumerate(model.equations)}
        self.saying_a_sum = {e.name for e in model.equations if says_a_sum(e.body)}

    def derivation(self) -> Derivation:
        model = self.model
        wanted = [*model.parameters, *(name for name in self.wrt if name not in model.parameters)]
        targets = {*wanted, *model.by_name}
        for equation in model.equations:
            if equation.name not in model.reaches_loss:
                continue
            for name in names(equation.body):
                if name in targets:
                    self.local[(equation.name, name)] = self.local_derivative(equation, name)
        nodes = [self.adjoint(e.name) for e in reversed(model.equations) if e.name != model.loss]
        gradients = [self.adjoint(name) for name in wanted if name != model.loss]
        return Derivation(
            model,
            tuple(map(self.respelled, self.local.values())),
            tuple(map(self.respelled_adjoint, nodes)),
            tuple(map(self.respelled_adjoint, gradients)),
            self.lemmas(),
        )

    # Local derivatives.

    def local_derivative(self, equation: Equation, name: str) -> Result:
        shape = self.model.shapes[name]
        taken = dict.fromkeys((*equation.indices, *index_names(equation.body)))
        letters: list[str] = []
        for _ in shape:
            letters.append(fresh({**taken, **dict.fromkeys(self.letters)}, "i" if not equation.indices else "k"))
            taken[letters[-1]] = None
        wrt = Ref(name, tuple(Index(letter) for letter in letters))
        output = Ref(equation.name, tuple(Index(i) for i in equation.indices))
        named = equation.name != self.model.loss  # nothing needs the loss's own value
        form, back = self.local_form(equation.body, wrt, output, equation, named)
        indices = (*equation.indices, *letters)
        return Result(
            equation.name,
            name,
            indices,
            renamed(form.expr, back),
            (*equation.shape, *shape),
            RenamedSteps(form.form, back, {}),
        )

    def shapes_of(self, mapping: Mapping[str, str]) -> dict[str, tuple[Expression, ...]]:
        """The shapes of the names that placeholders stand for."""
        own = Renaming(mapping)
        return {
            p: tuple(map(own, self.model.shapes[name]))
            for name, p in mapping.items()
            if self.model.shapes.get(name)
        }

    def structures_of(self, mapping: Mapping[str, str]) -> dict[str, str]:
        """The structures of the parameters that placeholders stand for."""
        return {p: s for name, p in mapping.items() if (s := self.model.structures.get(name)) is not None}

    def local_form(
        self, body: Expression, wrt: Ref, output: Ref, equation: Equation, named: bool
    ) -> tuple[_LocalForm, dict[str, str]]:
        mapping = placeholders(body, wrt, output)
        mapping = self.with_sizes(mapping)
        own = Renaming(mapping, apart=True)
        canonical = (own(body), own(wrt), own(output))
        shapes = self.shapes_of(mapping)
        structures = self.structures_of(mapping)
        ranges = {
            i: own(size)
            for i, size in (
                *zip(equation.indices, equation.shape, strict=True),
                *zip((i.name for i in wrt.indices if isinstance(i, Index)), self.model.shapes[wrt.name], strict=True),
            )
        }

        def compute() -> _LocalForm:
            value, x, out = canonical
            if not isinstance(x, Ref) or not isinstance(out, Ref):
                raise TypeError("a name stays a name")
            expr, steps = differentiate(value, x, out if named else None, ranges, shapes, structures)
            axes, sizes = tuple(ranges), tuple(ranges.values())
            whole = in_arrays(expr, axes, sizes, shapes) if axes else None
            if whole is not None and whole != expr:
                steps = (*steps, Step(ARRAY_NOTATION.name, expr, whole))
            setting = Setting(
                equations=((out, value),),
                shapes=shapes,
                ranges=ranges,
                axes=axes,
                structures=structures,
            )
            return _LocalForm(expr, Form(steps, setting))

        try:
            tables = (tuple(table.items()) for table in (shapes, ranges, structures))
            key = (canonical, named, str(canonical[0]), *tables)
            return _LOCAL.get(key, compute), {v: k for k, v in mapping.items()}
        except DeriveError as error:
            back = {v: k for k, v in mapping.items()}
            for placeholder, name in back.items():
                error.message = error.message.replace(placeholder, name)
            error.args = (error.message,)
            error.place = error.place or equation.place
            error.message = f"in the equation of '{equation.name}': {error.message}"
            raise error.within(self.model.text, self.model.source) from None

    def with_sizes(self, mapping: dict[str, str]) -> dict[str, str]:
        """Placeholders for the sizes too, so that shapes can be told in them."""
        found = dict(mapping)
        for name in mapping:
            for size in self.model.shapes.get(name, ()):
                for n in names(size):
                    if n not in found:
                        found[n] = f"§{len(found)}"
        return found

    # Adjoints.

    def adjoint(self, name: str) -> Adjoint:
        if name not in self.adjoints:
            self.adjoints[name] = self.sweep_back(name)
        return self.adjoints[name]

    def users(self, name: str) -> list[Equation]:
        return [self.model.by_name[c] for c in self.model.consumers.get(name, ()) if c in self.model.reaches_loss]

    def sweep_back(self, name: str) -> Adjoint:
        """The chain rule at one node, in placeholders, and renamed back."""
        model = self.model
        shape = model.shapes[name]
        letters = list(model.by_name[name].indices) if name in model.recurrent else []
        for _ in shape[len(letters) :]:
            letters.append(fresh({**dict.fromkeys(letters), **dict.fromkeys(self.letters)}, "i"))
        element = Ref(name, tuple(Index(letter) for letter in letters))
        users = self.users(name)
        form, mapping = self.adjoint_form(D(Ref(model.loss), element), users)
        back = {v: k for k, v in mapping.items()}
        named = Renaming(back, apart=True)
        terms: tuple[tuple[tuple[str, str], ...], ...] = tuple(
            ((model.loss, name),) if user.name == model.loss else ((model.loss, user.name), (user.name, name))
            for user in users
        )
        result = Result(
            model.loss,
            name,
            tuple(letters),
            named(form.expr),
            shape,
            RenamedSteps(form.form, back, {}),
        )
        return Adjoint(
            result,
            terms,
            self.path(name, users),
            named(form.by_adjoint),
            named(form.compact),
            form.expanded,
        )

    def adjoint_form(self, start: D, users: list[Equation]) -> tuple[AdjointForm, dict[str, str]]:
        """The form of a node's adjoint, and the placeholders of the names in it.

        Names around the node come first, those of its consumers' adjoints later: so the chain rule at nodes alike is
        found once, however deep they lie.
        """
        wrt = start.wrt.name
        local = [self.local[(user.name, wrt)] for user in users]
        waiting = {self.model.loss, *self.model.recurrent}
        later = [self.adjoints[user.name] for user in users if user.name not in waiting]
        near: list[Expression] = [start]
        for user, found in zip(users, local, strict=True):
            near += [user.element, found.expr, user.body]
        far = [e for a in later for e in (a.result.expr, a.compact)]
        others = self.attained([*near, *far])
        near += [e for other in others for e in (other.element, other.body)]
        near += self.model.assumptions
        inside = self.with_sizes(placeholders(*near))
        mapping = self.with_sizes({**inside, **placeholders_after(inside, far)})
        own = Renaming(mapping, apart=True)
        shapes, structures, around = self.shapes_of(mapping), self.structures_of(mapping), {*inside.values()}
        node = Node(
            cast(D, own(start)),
            tuple(
                User(cast(Ref, own(u.element)), own(u.body), Fact(r.indices, own(r.expr)), u.name == self.model.loss)
                for u, r in zip(users, local, strict=True)
            ),
            tuple((cast(Ref, own(e.element)), own(e.body)) for e in others),
            self.topological([*users, *others]),
            tuple(cast(Compare, own(a)) for a in self.model.assumptions),
            tuple((p, shape) for p, shape in shapes.items() if p in around),
            tuple((p, structure) for p, structure in structures.items() if p in around),
            bool(self.model.recurrent),
        )
        known = tuple(
            Later(mapping[a.name], Fact(a.result.indices, own(a.result.expr)),
                  Fact(a.result.indices, own(a.compact)), a.expanded)
            for a in later
        )  # fmt: skip
        here = (node, tuple(str(own(e)) for e in near))
        chain = _BY_ADJOINT.get(here, lambda: by_adjoint(node))
        key = (*here, known, tuple(shapes.items()), tuple(structures.items()), tuple(str(own(e)) for e in far))
        return _ADJOINT.get(key, lambda: adjoint_form(node, chain, known, shapes, structures)), mapping

    def topological(self, equations: list[Equation]) -> tuple[int, ...]:
        """The order in which the equations stand in the model."""
        return tuple(sorted(range(len(equations)), key=lambda k: self.place[equations[k].name]))

    def attained(self, parts: list[Expression]) -> list[Equation]:
        """The nodes that expressions ask for equality with: ``where(u[j] == m, …)`` needs m's own value."""
        found: set[str] = set()
        for node in (n for part in parts for n in nodes_of(part, Compare)):
            if node.op == "==":
                found |= {name for name in names(node) if name in self.model.by_name}
        if any(holds(part, Reduce) for part in parts):
            found |= self.sums(parts)
        found -= {part.name for part in parts if isinstance(part, Ref)}
        return [self.model.by_name[name] for name in sorted(found, key=lambda name: self.place[name])]

    def sums(self, parts: list[Expression]) -> set[str]:
        """The nodes around whose equations tell what a sum is worth, and a loss such as the entropy."""
        around = {name for part in parts for name in names(part)} - {self.model.loss}
        loss = self.model.by_name[self.model.loss].body
        if holds(loss, Call):
            around.add(self.model.loss)
        return around & self.saying_a_sum

    def path(self, name: str, users: list[Equation]) -> tuple[tuple[str, str], ...]:
        """The whole chain from the loss to the name where it is unique, else nothing."""
        if len(users) != 1:
            return ()
        user = users[0]
        if user.name == self.model.loss:
            return ((self.model.loss, name),)
        if user.name in self.model.recurrent:
            return ()
        rest = self.adjoints[user.name].chain
        return (*rest, (user.name, name)) if rest else ()

    def lemmas(self) -> dict[str, Steps]:
        """The derivations of the functions whose derivative some step uses."""
        found: dict[str, Steps] = {}
        forms = {id(r.steps.form): r.steps.form for r in self.local.values() if isinstance(r.steps, RenamedSteps)}
        pending = [step.rule for form in forms.values() for step in form.steps]
        while pending:
            rule = pending.pop(0)
            function = rule.removeprefix("derivative of ").removeprefix("chain rule for ")
            if function == rule or function not in FUNCTIONS or function in found or FUNCTIONS[function].partials:
                continue
            for k in range(len(FUNCTIONS[function].parameters)):
                key = function if k == 0 else f"{function} by {FUNCTIONS[function].parameters[k]}"
                found[key] = RenamedSteps(lemma(function, k).form, {}, {})
                pending += [step.rule for step in found[key]]
        return found

    # Index letters that are names of the model.

    def other_letters(self) -> dict[str, str]:
        """For each index letter that the model uses as a name, another spelling."""
        taken = self.known | {i for e in self.model.equations for i in index_names(e.body)}
        found: dict[str, str] = {}
        for letter in sorted(INDEX_LETTERS & self.known):
            found[letter] = next(f"{letter}_{k}" for k in count() if f"{letter}_{k}" not in taken)
        return found

    def respelled(self, old: Result) -> Result:
        """The result with other letters for its indices; only at the end, so that derived forms can still be shared."""
        if not self.letters or not isinstance(old.steps, RenamedSteps):
            return old
        return replace(
            old,
            indices=tuple(self.letters.get(i, i) for i in old.indices),
            expr=respell_indices(old.expr, self.letters),
            steps=RenamedSteps(old.steps.form, old.steps.back, self.letters),
        )

    def respelled_adjoint(self, old: Adjoint) -> Adjoint:
        if not self.letters:
            return old
        return replace(
            old,
            result=self.respelled(old.result),
            by_adjoint=respell_indices(old.by_adjoint, self.letters),
            compact=respell_indices(old.compact, self.letters),
        )


def proved(derivation: Derivation) -> Derivation:
    """The derivation with every step proved, equal forms once."""

    def steps(old: Steps) -> Steps:
        return old.prove() if isinstance(old, RenamedSteps) else old

    def result(old: Result) -> Result:
        return replace(old, steps=steps(old.steps))

    def adjoint(old: Adjoint) -> Adjoint:
        return replace(old, result=result(old.result))

    for inner in derivation.inner:
        proved(inner)
    return replace(
        derivation,
        local=tuple(map(result, derivation.local)),
        nodes=tuple(map(adjoint, derivation.nodes)),
        gradients=tuple(map(adjoint, derivation.gradients)),
        lemmas={name: steps(old) for name, old in derivation.lemmas.items()},
    )
