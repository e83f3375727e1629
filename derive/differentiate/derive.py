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

from derive.arrays.form import in_arrays
from derive.derivation import Adjoint, Derivation, Result, Step
from derive.differentiate.forms import INDEX_LETTERS, Cache, Form, RenamedSteps, placeholders, renamed, respell_indices
from derive.differentiate.lemma import lemma
from derive.differentiate.local import differentiate
from derive.differentiate.strategy import Chain, simplify
from derive.errors import DeriveError, did_you_mean
from derive.expression.build import ZERO
from derive.expression.collection import collection_paused
from derive.expression.nodes import Call, Compare, D, Div, Expression, Index, Reduce, Ref
from derive.expression.walk import contains, fresh, index_names, names, operations, walk
from derive.functions import FUNCTIONS
from derive.model import Equation, Model, Shape
from derive.prove.setting import Setting
from derive.prove.steps import forget
from derive.rules.chain import ADJOINTS, CHAIN_RULE, LOCAL_RESULTS, NOT_REACHED
from derive.rules.known_sums import says_a_sum
from derive.rules.naming import NAME_FUNCTION
from derive.rules.notation import ARRAY_NOTATION
from derive.rules.rule import Consumer, Context, Fact

LONGEST = 40  # operations up to which an adjoint is expanded through its consumers
LONGEST_COMPACT = 24  # operations up to which it is tried whether adjoints cancel against local derivatives
SLACK = 20  # operations beyond that which simplifying may be hoped to remove

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


@dataclass(frozen=True, slots=True)
class _AdjointForm:
    by_adjoint: Expression
    compact: Expression
    expr: Expression
    expanded: bool
    form: Form


_LOCAL: Cache[_LocalForm] = Cache()
_ADJOINT: Cache[_AdjointForm] = Cache()


def clear_caches() -> None:
    """Forgets all derived forms (for measuring)."""
    _LOCAL.clear()
    _ADJOINT.clear()
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
            self.back(form.expr, back),
            (*equation.shape, *shape),
            RenamedSteps(form.form, back, {}),
        )

    def shapes_of(self, mapping: Mapping[str, str]) -> dict[str, tuple[Expression, ...]]:
        """The shapes of the names that placeholders stand for."""
        return {
            p: tuple(renamed(size, mapping) for size in self.model.shapes[name])
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
        canonical = (renamed(body, mapping), renamed(wrt, mapping), renamed(output, mapping))
        shapes = self.shapes_of(mapping)
        structures = self.structures_of(mapping)
        ranges = {
            i: renamed(size, mapping)
            for i, size in (
                *zip(equation.indices, equation.shape, strict=True),
                *zip((i.name for i in wrt.indices if isinstance(i, Index)), self.model.shapes[wrt.name], strict=True),
            )
        }

        def compute() -> _LocalForm:
            own, x, out = canonical
            if not isinstance(x, Ref) or not isinstance(out, Ref):
                raise TypeError("a name stays a name")
            expr, steps = differentiate(
                own, x, out if named else None, ranges, shapes, structures
            )
            axes, sizes = tuple(ranges), tuple(ranges.values())
            whole = in_arrays(expr, axes, sizes) if axes else None
            if whole is not None and whole != expr:
                steps = (*steps, Step(ARRAY_NOTATION.name, expr, whole))
            setting = Setting(
                equations=((out, own),),
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
        letters: list[str] = []
        for _ in shape:
            letters.append(fresh({**dict.fromkeys(letters), **dict.fromkeys(self.letters)}, "i"))
        element = Ref(name, tuple(Index(letter) for letter in letters))
        users = self.users(name)
        loss = Ref(model.loss)
        start = D(loss, element)
        parts: list[Expression] = [start]
        for user in users:
            own = Ref(user.name, tuple(Index(i) for i in user.indices))
            parts += [own, self.local[(user.name, name)].expr, user.body]
            if user.name != model.loss:
                later = self.adjoints[user.name]
                parts += [later.result.expr, later.compact]
        attained = self.attained(parts)
        for equation in attained:
            parts += [Ref(equation.name, tuple(Index(i) for i in equation.indices)), equation.body]
        place = {e.name: k for k, e in enumerate(model.equations)}
        known = [e.name for e in (*users, *attained)]
        order = tuple(sorted(range(len(known)), key=lambda k: place[known[k]]))
        parts += list(model.assumptions)
        mapping = self.with_sizes(placeholders(*parts))
        canonical = tuple(renamed(part, mapping) for part in parts)
        layout: Layout = tuple(
            (
                user.name == model.loss,
                user.indices,
                self.local[(user.name, name)].indices,
                user.name in self.adjoints and self.adjoints[user.name].expanded,
                self.adjoints[user.name].result.indices if user.name in self.adjoints else (),
            )
            for user in users
        )
        shapes = self.shapes_of(mapping)
        structures = self.structures_of(mapping)
        key = (canonical, layout, order, tuple(shapes.items()), tuple(map(str, canonical)), tuple(structures.items()))
        form = _ADJOINT.get(key, lambda: _at_node(canonical, layout, shapes, order, structures))
        back = {v: k for k, v in mapping.items()}
        terms: tuple[tuple[tuple[str, str], ...], ...] = tuple(
            ((model.loss, name),) if user.name == model.loss else ((model.loss, user.name), (user.name, name))
            for user in users
        )
        result = Result(
            model.loss,
            name,
            tuple(letters),
            self.back(form.expr, back),
            shape,
            RenamedSteps(form.form, back, {}),
        )
        return Adjoint(
            result,
            terms,
            self.path(name, users),
            self.back(form.by_adjoint, back),
            self.back(form.compact, back),
            form.expanded,
        )

    def attained(self, parts: list[Expression]) -> list[Equation]:
        """The nodes that expressions ask for equality with: ``where(u[j] == m, …)`` needs m's own value."""
        found: set[str] = set()
        for node in (n for part in parts for n in walk(part)):
            if isinstance(node, Compare) and node.op == "==":
                found |= {name for name in names(node) if name in self.model.by_name}
        if any(isinstance(node, Reduce) for part in parts for node in walk(part)):
            found |= self.sums(parts)
        direct = {part.name for part in parts if isinstance(part, Ref)}
        return [e for e in self.model.equations if e.name in found - direct]

    def sums(self, parts: list[Expression]) -> set[str]:
        """The nodes around whose equations tell what a sum is worth, and a loss such as the entropy."""
        around = {name for part in parts for name in names(part)} - {self.model.loss}
        loss = self.model.by_name[self.model.loss].body
        if contains(loss, lambda node: isinstance(node, Call)):
            around.add(self.model.loss)
        return {n for n in around if n in self.model.by_name and says_a_sum(self.model.by_name[n].body)}

    def path(self, name: str, users: list[Equation]) -> tuple[tuple[str, str], ...]:
        """The whole chain from the loss to the name where it is unique, else nothing."""
        if len(users) != 1:
            return ()
        user = users[0]
        if user.name == self.model.loss:
            return ((self.model.loss, name),)
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

    # Renaming back.

    def back(self, e: Expression, mapping: dict[str, str]) -> Expression:
        return renamed(e, mapping)

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

    return replace(
        derivation,
        local=tuple(map(result, derivation.local)),
        nodes=tuple(map(adjoint, derivation.nodes)),
        gradients=tuple(map(adjoint, derivation.gradients)),
        lemmas={name: steps(old) for name, old in derivation.lemmas.items()},
    )


Layout = tuple[tuple[bool, tuple[str, ...], tuple[str, ...], bool, tuple[str, ...]], ...]


def _at_node(
    parts: tuple[Expression, ...],
    layout: Layout,
    shapes: Mapping[str, Shape],
    order: tuple[int, ...],
    structures: Mapping[str, str],
) -> _AdjointForm:
    """The adjoint of one node from its consumers' local derivatives and adjoints, all in placeholders."""
    queue = list(parts)
    start = queue.pop(0)
    if not isinstance(start, D) or not isinstance(start.body, Ref):
        raise TypeError("an adjoint is a derivative of the loss")
    loss, wrt = start.body.name, start.wrt
    facts: dict[tuple[str, str], Fact] = {}
    compact_facts: dict[tuple[str, str], Fact] = {}
    consumers: list[Consumer] = []
    equations: list[tuple[Ref, Expression]] = []
    lengths = 0
    expandable = bool(layout)
    for is_loss, own_indices, local_indices, expanded, adjoint_indices in layout:
        own = queue.pop(0)
        local, body = queue.pop(0), queue.pop(0)
        if not isinstance(own, Ref):
            raise TypeError("a consumer is a name")
        equations.append((own, body))
        if is_loss:
            consumers.append(Consumer(own.name, (), body))
            facts[(f"{own.name} itself", wrt.name)] = Fact(local_indices, local)
            continue
        consumers.append(Consumer(own.name, own_indices, None, tuple(shapes.get(own.name, ()))))
        facts[(own.name, wrt.name)] = Fact(local_indices, local)
        adjoint, compact = queue.pop(0), queue.pop(0)
        facts[(loss, own.name)] = Fact(adjoint_indices, adjoint)
        compact_facts[(loss, own.name)] = Fact(adjoint_indices, compact)
        lengths += operations(adjoint)
        expandable = expandable and expanded
    others: list[tuple[Ref, Expression]] = []
    for _ in range(len(order) - len(equations)):
        element, body = queue.pop(0), queue.pop(0)
        if isinstance(element, Ref):
            others.append((element, body))
    assumptions = tuple(a for a in queue if isinstance(a, Compare))
    axes = tuple(i.name for i in wrt.indices if isinstance(i, Index))
    ranges = dict(zip(axes, shapes.get(wrt.name, ()), strict=True))
    known = (*equations, *others)
    context = Context(
        loss=loss,
        facts=facts,
        consumers={wrt.name: tuple(consumers)} if consumers else {},
        assumptions=assumptions,
        axes=axes,
        sizes=tuple(shapes.get(wrt.name, ())),
        ranges=ranges,
        shapes=shapes,
        equations=known,
        structures=structures,
    )
    setting = Setting(
        tuple(known[k] for k in order),
        loss,
        wrt.name,
        tuple(c.name for c in consumers),
        {name: (fact.indices, fact.expr) for (of, name), fact in facts.items() if of == loss},
        assumptions,
        shapes,
        axes,
        ranges,
        structures,
    )
    chain = Chain(start, context)
    if not consumers:
        chain.apply(NOT_REACHED)
        return _AdjointForm(ZERO, ZERO, ZERO, True, Form(chain.steps, setting))
    chain.apply(CHAIN_RULE)
    chain.apply(LOCAL_RESULTS)
    simplify(chain)
    by_adjoint = chain.expr
    compact_expr = _compact(by_adjoint, context, compact_facts)
    expanded_chain = chain.fork()
    expanded = expandable
    if expandable and lengths + operations(by_adjoint) <= LONGEST + SLACK and expanded_chain.apply(ADJOINTS):
        simplify(expanded_chain)
        if operations(expanded_chain.expr) <= LONGEST:
            chain = expanded_chain
        else:
            expanded = False
    elif lengths + operations(by_adjoint) > LONGEST + SLACK:
        expanded = False
    if operations(chain.expr) > LONGEST:
        expanded = False
    core = chain.expr
    if axes and chain.apply(ARRAY_NOTATION):
        chain.apply(NAME_FUNCTION)
    inner = {name: (fact.indices, fact.expr) for (_, name), fact in compact_facts.items()}
    unseen = [
        (Step("compact form", by_adjoint, compact_expr), replace(setting, adjoints=inner)),
        (Step("by the adjoints", start, by_adjoint), replace(setting, adjoints={})),
    ]
    return _AdjointForm(by_adjoint, compact_expr, core, expanded, Form(chain.steps, setting, unseen))


def _has_fraction(e: Expression) -> bool:
    return contains(
        e, lambda node: isinstance(node, Div) or (isinstance(node, Call) and node.function in ("log", "exp"))
    )


def _compact(by_adjoint: Expression, context: Context, facts: dict[tuple[str, str], Fact]) -> Expression:
    """The adjoint with a consumer's adjoint put in where something cancels: what code computes."""
    inner = Context(
        loss=context.loss,
        facts=facts,
        consumers=context.consumers,
        assumptions=context.assumptions,
        ranges=context.ranges,
        equations=context.equations,
        structures=context.structures,
    )
    chain = Chain(by_adjoint, inner)
    if not any(_has_fraction(e) for e in (by_adjoint, *(fact.expr for fact in facts.values()))):
        return by_adjoint  # nothing can cancel
    if operations(by_adjoint) + sum(operations(fact.expr) for fact in facts.values()) > LONGEST_COMPACT:
        return by_adjoint
    if not chain.apply(ADJOINTS):
        return by_adjoint
    apart = operations(chain.expr)
    simplify(chain)
    shorter = operations(chain.expr) < apart
    return chain.expr if shorter and operations(chain.expr) <= operations(by_adjoint) + 2 else by_adjoint
