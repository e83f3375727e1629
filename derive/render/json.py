"""Derivation → the JSON object that the command line documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from derive.derivation import Adjoint, Derivation, Hessian, Result, Step
from derive.differentiate.batch import batch_gradients, batch_second, objective
from derive.differentiate.updates import assignments, equations, letters, scheduled_rate, update_rules
from derive.expression.collection import collection_paused
from derive.expression.nodes import Expression
from derive.model import Shape
from derive.render.latex import latex_printer
from derive.render.math_printer import Printer
from derive.render.notation import Notation
from derive.rules.naming import displayed, kept_indices
from derive.update_rule import UpdateRule, update_rule


def to_dict(derivation: Derivation, rule: UpdateRule | None = None) -> dict[str, Any]:
    """Every expression as text of the model language, with its LaTeX; every step proved.

    The updates are those of gradient descent; another `rule` adds its equations and assignments.
    """
    with collection_paused():
        return _Printer(derivation.prove()).whole(rule or update_rule())


def hessian_to_dict(hessian: Hessian) -> dict[str, Any]:
    """The blocks of second derivatives, of one example and of the mean over the examples."""
    with collection_paused():
        return _Printer(hessian.derivation).second(hessian.blocks)


def _shape(shape: Shape) -> list[Any]:
    """Sizes as numbers where they are, else as text."""
    return [int(text) if (text := str(size)).isdigit() else text for size in shape]


def shown(block: Result) -> Expression:
    """A block as its last step leaves it: in whole-array notation where that can say it."""
    return block.steps[-1].after


class _Printer:
    def __init__(self, derivation: Derivation) -> None:
        self.derivation = derivation
        self.model = derivation.model
        self.notation = Notation(self.model)
        self.usual = latex_printer(self.notation.conventions())
        self.batched = latex_printer(self.notation.batch().conventions())

    def whole(self, rule: UpdateRule) -> dict[str, Any]:
        model, derivation = self.model, self.derivation
        return {
            "model": model.name,
            "loss": model.loss,
            "assumptions": [str(a) for a in model.assumptions],
            "equations": [
                {"name": e.name, **self.printed(e.written), "shape": _shape(e.shape)} for e in model.equations
            ],
            "local": [self.local(result) for result in derivation.local],
            "nodes": [self.node(a) for a in derivation.nodes],
            "gradients": [self.gradient(a) for a in derivation.gradients],
            **self.inner(),
            "batch": self.batch(),
            **self.updates(rule),
        }

    def inner(self) -> dict[str, Any]:
        """The derivatives inside the model, ``grad(u, x)``: how the equations of their adjoints come about."""
        inner = [d.prove() for d in self.derivation.inner]
        found = [
            {
                "of": d.model.loss,
                "wrt": asked.wrt,
                "local": [printer.local(result) for result in d.local],
                "nodes": [printer.node(a) for a in d.nodes],
                "gradients": [printer.gradient(a) for a in d.gradients],
            }
            for asked, d in zip(self.model.inner, inner, strict=True)
            for printer in [_Printer(d)]
        ]
        return {"inner": found} if found else {}

    def updates(self, rule: UpdateRule) -> dict[str, Any]:
        """The new value of each parameter; of other rules than gradient descent also all lines that lead to it."""
        found = update_rules(self.derivation, rule)
        updates = [{"parameter": name, **self.printed(e)} for name, e in found]
        if rule.is_plain:
            return {"updates": updates}
        o = rule.optimizer
        named = {"name": o.name, "title": o.title, "source": o.source}
        called = letters(rule, self.model)
        constants = {called[name]: str(e) for name, e in (rule.constants | rule.schedule_constants).items()}
        states = {called[name]: str(e) for name, e in o.states.items()}
        rate = [scheduled_rate(rule, self.model)] if rule.schedules else []
        told = {"equations": [*equations(rule, self.model), *rate], "assignments": assignments(rule, self.model)}
        lines = {
            key: [{"name": str(left), **self.printed(right)} for left, right in pairs] for key, pairs in told.items()
        }
        return {"updates": updates, "optimizer": {**named, "constants": constants, "states": states, **lines}}

    def printed(self, e: Expression, printer: Printer | None = None) -> dict[str, str]:
        return {"expr": str(e), "latex": (printer or self.usual).text(e)}

    def result(self, result: Result) -> dict[str, Any]:
        expr = displayed(result.expr, result.indices, result.shape, self.model)
        found: dict[str, Any] = {**self.printed(expr), "shape": _shape(result.shape)}
        kept = result.indices if expr == result.expr else kept_indices(expr, result.indices)
        if kept:
            found["indices"] = list(kept)  # the free indices of what no array notation can say
        return found

    def local(self, result: Result) -> dict[str, Any]:
        steps = self.steps(result.steps, latex_printer(self.notation.conventions(result.of)))
        return {"of": result.of, "wrt": result.wrt, **self.result(result), "steps": steps}

    def node(self, a: Adjoint) -> dict[str, Any]:
        return {
            "name": a.name,
            "terms": [[f"d{of}/d{wrt}" for of, wrt in factors] for factors in a.terms],
            "by_adjoint": str(self.in_the_form_of(a)),
            **self.result(a.result),
            "steps": self.steps(a.result.steps, self.usual),
        }

    def in_the_form_of(self, a: Adjoint) -> Expression:
        """By the adjoints: in whole-array notation where the result is, else in index form with the same indices."""
        r = a.result
        in_index_form = displayed(r.expr, r.indices, r.shape, self.model) == r.expr
        return a.by_adjoint if in_index_form else displayed(a.by_adjoint, r.indices, r.shape, self.model)

    def gradient(self, a: Adjoint) -> dict[str, Any]:
        node = self.node(a)
        chain = [f"d{of}/d{wrt}" for of, wrt in a.chain]
        structure = self.model.structured_parameters.get(a.name)
        own = {} if structure is None else {"structure": structure}
        return {"wrt": node.pop("name"), **own, "terms": node.pop("terms"), "chain": chain, **node}

    def batch(self) -> dict[str, Any]:
        gradients = [
            {"wrt": b.wrt, **self.printed(b.expr, self.batched), "steps": self.steps(b.steps, self.batched)}
            for b in batch_gradients(self.derivation)
        ]
        return {"objective": str(objective(self.model)), "gradients": gradients}

    def second(self, blocks: Sequence[Result]) -> dict[str, Any]:
        batch = []
        for b in blocks:
            if self.model.per_example.isdisjoint((b.of, b.wrt)):
                expr, steps = batch_second(b, shown(b), self.model)
                printed = self.printed(expr, self.batched)
                batch.append({"of": b.of, "wrt": b.wrt, **printed, "steps": self.steps(steps, self.batched)})
        return {
            "model": self.model.name,
            "loss": self.model.loss,
            "blocks": [self.block(b) for b in blocks],
            "batch": {"objective": str(objective(self.model)), "blocks": batch},
        }

    def block(self, b: Result) -> dict[str, Any]:
        found: dict[str, Any] = {"of": b.of, "wrt": b.wrt, **self.printed(shown(b)), "shape": _shape(b.shape)}
        if b.indices and shown(b) == b.expr:
            found["indices"] = list(b.indices)
        return {**found, "steps": self.steps(b.steps, self.usual)}

    def steps(self, steps: Sequence[Step], printer: Printer) -> list[dict[str, Any]]:
        texts: dict[Expression, str] = {}

        def text(e: Expression) -> str:
            if e not in texts:
                texts[e] = str(e)
            return texts[e]

        return [
            {
                "rule": step.rule,
                "before": text(step.before),
                "after": text(step.after),
                "latex": printer.text(step.after),
                "condition": step.condition,
                "assumption": step.assumption,
                "proof": step.proof,
            }
            for step in steps
        ]
