"""Derivation → the JSON object that the command line documents."""

from __future__ import annotations

from typing import Any

from derive.arrays import in_arrays
from derive.derivation import Adjoint, Derivation, Result, Step
from derive.differentiate.batch import batch_gradients, objective
from derive.differentiate.updates import update_rules
from derive.expression.nodes import Expression
from derive.model import Shape
from derive.render.latex import latex


def to_dict(derivation: Derivation) -> dict[str, Any]:
    """Every expression as text of the model language, with its LaTeX; every step proved."""
    derivation = derivation.prove()
    model = derivation.model
    return {
        "model": model.name,
        "loss": model.loss,
        "assumptions": [str(a) for a in model.assumptions],
        "equations": [
            {"name": e.name, "expr": str(e.written), "latex": latex(e.written), "shape": _shape(e.shape)}
            for e in model.equations
        ],
        "local": [_local(result) for result in derivation.local],
        "nodes": [_node(a) for a in derivation.nodes],
        "gradients": [_gradient(a) for a in derivation.gradients],
        "batch": {
            "objective": str(objective(model)),
            "gradients": [
                {"wrt": b.wrt, "expr": str(b.expr), "latex": latex(b.expr), "steps": [_step(s) for s in b.steps]}
                for b in batch_gradients(derivation)
            ],
        },
        "updates": [{"parameter": name, "expr": str(e), "latex": latex(e)} for name, e in update_rules(derivation)],
    }


def _shape(shape: Shape) -> list[Any]:
    """Sizes as numbers where they are, else as text."""
    return [int(text) if (text := str(size)).isdigit() else text for size in shape]


def shown(e: Expression, indices: tuple[str, ...], shape: Shape) -> Expression:
    """Whole-array notation where it can say the expression, else index form."""
    if not indices:
        return e
    return in_arrays(e, indices, shape) or e


def _result(result: Result, expr: Expression) -> dict[str, Any]:
    found = {"expr": str(expr), "latex": latex(expr), "shape": _shape(result.shape)}
    if result.indices and expr == result.expr:
        found["indices"] = list(result.indices)  # the free indices of an expression that no array notation can say
    return found


def _local(result: Result) -> dict[str, Any]:
    expr = shown(result.expr, result.indices, result.shape)
    return {"of": result.of, "wrt": result.wrt, **_result(result, expr), "steps": [_step(s) for s in result.steps]}


def _node(a: Adjoint) -> dict[str, Any]:
    result = a.result
    return {
        "name": a.name,
        "terms": [[f"d{of}/d{wrt}" for of, wrt in factors] for factors in a.terms],
        "by_adjoint": str(shown(a.by_adjoint, result.indices, result.shape)),
        **_result(result, shown(result.expr, result.indices, result.shape)),
        "steps": [_step(s) for s in result.steps],
    }


def _gradient(a: Adjoint) -> dict[str, Any]:
    node = _node(a)
    chain = [f"d{of}/d{wrt}" for of, wrt in a.chain]
    return {"wrt": node.pop("name"), "terms": node.pop("terms"), "chain": chain, **node}


def _step(step: Step) -> dict[str, Any]:
    return {
        "rule": step.rule,
        "before": str(step.before),
        "after": str(step.after),
        "latex": latex(step.after),
        "condition": step.condition,
        "assumption": step.assumption,
        "proof": step.proof,
    }
