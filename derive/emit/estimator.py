"""Derivation → the source of a scikit-learn estimator whose gradients are the generated ones.

In: a proved derivation of a model with one vector input (or scalar ones) and one target, whose first output is a
prediction of it.  Out: a file that imports numpy and scikit-learn alone.  The functions in it are those of the readable
module, taken over as they are; a model that is no classifier or regressor is refused with the reason.
"""

from __future__ import annotations

import ast
import keyword
import re
from dataclasses import dataclass
from typing import Any

from derive.derivation import Derivation
from derive.emit.defaults import training_defaults
from derive.errors import DeriveError
from derive.expression.build import ONE, ZERO
from derive.expression.nodes import Call, Number, Ref, Where
from derive.model import Model, Variable
from derive.parse.numbers import number_value
from derive.render.templates import template
from derive.update_rule import UpdateRule

LEFT_OUT = ("train", "read_csv")  # functions of the module that the estimator does itself
OWN_ARGUMENTS = ("max_iter", "learning_rate", "batch_size", "tol", "random_state", "self")
POSITIVE = ("exp", "softplus")  # an output of these predicts what is not negative
MAX_ITER = 200
LEARNING_RATE = 0.1  # at least: a step that is too long is halved


@dataclass(frozen=True, slots=True)
class Role:
    """What a model is as an estimator."""

    kind: str  # "binary", "classes" or "regression"
    probabilities: bool  # whether the output is one
    positive: bool
    target: Variable
    inputs: tuple[Variable, ...]


def estimator_source(derivation: Derivation, rule: UpdateRule, dtype: str) -> str:
    """The file's source."""
    from derive.emit.module import generate

    model = derivation.model
    role = estimator_role(model)
    if not rule.is_plain or dtype != "float64":
        raise DeriveError("an estimator trains by plain gradient descent in float64, with steps that it halves itself")
    module = generate(derivation, optimizer=rule)
    _check_used(module, role)
    settings = _settings(model, role)
    defaults = training_defaults(model, role.probabilities, rule)
    fields: dict[str, Any] = {
        "title": _first_line(module),
        **_documented(module),
        "imports": _imports(module),
        "functions": _taken_over(module),
        "name": class_name(model.name),
        "classifier": role.kind != "regression",
        "binary": role.kind == "binary",
        "probabilities": role.probabilities,
        "positive": role.positive,
        "one_hot": role.kind == "classes" and bool(role.target.shape),
        "class_count": _fixed(role.target) if role.target.shape else None,
        "target": role.target.name,
        "several": len(model.outputs) > 1,
        "settings": settings,
        "size_arguments": "".join(f', "{p["argument"]}"' for p in settings if p["kind"] == "int"),
        "constants": "".join(f", {p['name']}=self.{p['argument']}" for p in settings if p["kind"] == "float"),
        "sizes": _sizes(model, role, settings),
        "columns": _columns(role),
        "column_names": "" if role.inputs[0].shape else f": {', '.join(v.name for v in role.inputs)}",
        "inputs": _inputs(role),
        "max_iter": MAX_ITER,
        "learning_rate": max(defaults.lr, LEARNING_RATE),
        "batch_size": defaults.batch_size,
    }
    source = template("python", "estimator.py.j2").render(fields)
    compile(source, "generated", "exec")  # a broken file is an error here, not at the user's
    return source


# What the model is.


def estimator_role(model: Model) -> Role:
    """What a model is as an estimator; DeriveError with the reason where it is none."""
    inputs, targets = model.of_role("input"), model.of_role("target")
    if not inputs or not targets:
        raise _refused("it has no input" if not inputs else "it has no target to predict")
    if len(targets) > 1:
        raise _refused(f"it has {len(targets)} targets")
    if not model.outputs:
        raise _refused("it has no output", "mark the equation that predicts, for example `a: output = …`")
    if model.examples is not None:
        raise _refused("its examples meet in the equations, so that it cannot predict one alone")
    if model.of_role("noise", "state"):
        raise _refused("it has noise or a state")
    _check_inputs(inputs)
    return _role(model, tuple(inputs), targets[0])


def _check_inputs(inputs: tuple[Variable, ...] | list[Variable]) -> None:
    for v in inputs:
        if v.kind == "integer":
            raise _refused(f"its input '{v.name}' takes whole numbers, and features are real")
        if len(v.shape) > 1 or (v.shape and len(inputs) > 1):
            raise _refused("its inputs are neither scalars nor a single vector")
        if v.shape and not isinstance(v.shape[0], Number | Ref):
            raise _refused(f"the size {v.shape[0]} of '{v.name}' cannot be told from the number of features")


def _role(model: Model, inputs: tuple[Variable, ...], target: Variable) -> Role:
    name = model.outputs[0]
    written, shape = model.by_name[name].written, model.shapes[name]
    head = written.function if isinstance(written, Call) else ""
    decides = isinstance(written, Where) and {written.then, written.otherwise} == {ZERO, ONE}
    kind = "classes" if head == "softmax" else "binary" if head == "sigmoid" or decides else "regression"
    if name not in model.per_example:
        raise _refused(f"its output '{name}' does not depend on the example")
    if kind == "classes":
        labels = target.shape == shape or (not target.shape and target.kind == "integer")
        if len(shape) != 1 or not labels:
            raise _refused(f"the target '{target.name}' is not a class of the softmax '{name}'")
    elif shape or target.shape or target.kind == "integer":
        raise _refused(f"its output '{name}' and its target '{target.name}' are not one number each")
    return Role(kind, kind != "regression" and not decides, kind == "regression" and head in POSITIVE, target, inputs)


def _refused(why: str, hint: str | None = None) -> DeriveError:
    return DeriveError(f"the model cannot be a scikit-learn estimator: {why}", hint=hint)


# Constants and sizes.


def _settings(model: Model, role: Role) -> list[dict[str, str]]:
    """The constants, and the sizes that the data do not tell, as arguments of the constructor."""
    bound = _bound_sizes(role)
    found = []
    for v in model.of_role("size", "constant"):
        if v.name in bound:
            continue
        if v.shape or v.value is None:
            raise _refused(f"the {v.role} '{v.name}' has no value" if not v.shape else f"'{v.name}' is an array")
        kind = "int" if v.role == "size" else "float"
        value = number_value(v.value)
        if value is None:
            raise _refused(f"the value of '{v.name}' is not a number")
        default = repr(int(value) if kind == "int" else float(value))
        found.append({"name": v.name, "argument": _argument(v.name), "kind": kind, "default": default})
    return found


def _argument(name: str) -> str:
    """A name for the constructor: the model's, unless the class has it already.

    >>> _argument("lam"), _argument("tol")
    ('lam', 'model_tol')
    """
    clash = name in OWN_ARGUMENTS or name.endswith("_") or name.startswith("_") or keyword.iskeyword(name)
    reserved = ("fit", "partial_fit", "predict", "predict_proba", "score", "get_params", "set_params")
    return f"model_{name.strip('_')}" if clash or name in reserved else name


def _bound_sizes(role: Role) -> dict[str, str]:
    """The sizes that the data tell, and the code for each."""
    found = {}
    if role.kind == "classes":
        size = role.target.shape[0] if role.target.shape else role.target.kind_argument
        if isinstance(size, Ref):
            found[size.name] = "len(self.classes_)"
    for v in role.inputs:
        if v.shape and isinstance(v.shape[0], Ref):
            found[v.shape[0].name] = "X.shape[1]"
    return found


def _sizes(model: Model, role: Role, settings: list[dict[str, str]]) -> list[dict[str, str]]:
    """The code for every size."""
    known = {**{p["name"]: f"self.{p['argument']}" for p in settings if p["kind"] == "int"}, **_bound_sizes(role)}
    return [{"name": v.name, "code": known[v.name]} for v in model.of_role("size")]


def _fixed(v: Variable) -> int | None:
    size = v.shape[0]
    return int(size.value) if isinstance(size, Number) else None


def _columns(role: Role) -> int | None:
    """The number of features, where the model fixes it."""
    first = role.inputs[0]
    return _fixed(first) if first.shape else len(role.inputs)


def _inputs(role: Role) -> str:
    if role.inputs[0].shape:
        return f'"{role.inputs[0].name}": X'
    return ", ".join(f'"{v.name}": X[:, {place}]' for place, v in enumerate(role.inputs))


# What is taken over from the readable module.


def _taken_over(module: str) -> list[str]:
    """The functions of the module and the tables that they use, each as it is written there."""
    lines = module.splitlines()
    found = []
    for node in ast.parse(module).body:
        if isinstance(node, ast.Assign) or (isinstance(node, ast.FunctionDef) and node.name not in LEFT_OUT):
            first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
            found.append("\n".join(lines[first - 1 : node.end_lineno]))
    return found


def _check_used(module: str, role: Role) -> None:
    """Raise unless every input enters the prediction: else a feature would be asked for that has no use."""
    tree = ast.parse(module)
    predict = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "predict")
    taken = {each.arg for each in predict.args.kwonlyargs}
    for v in role.inputs:
        if v.name not in taken and predict.args.kwarg is None:
            raise _refused(f"its output does not use the input '{v.name}'")


def _imports(module: str) -> list[str]:
    nodes = [node for node in ast.parse(module).body if isinstance(node, ast.Import | ast.ImportFrom)]
    code = [ast.unparse(node) for node in nodes]
    plain = [line for line in code if line not in ("import csv", "import sys")]
    first = [line for line in plain if line.split()[1].partition(".")[0] not in ("numpy", "scipy")]
    return [*first, *([""] if first else []), *(line for line in plain if line not in first)]


def _first_line(module: str) -> str:
    return (ast.get_docstring(ast.parse(module)) or "").partition("\n")[0]


def _documented(module: str) -> dict[str, list[str]]:
    """The equations and the gradients that the module's docstring lists."""
    text = ast.get_docstring(ast.parse(module)) or ""
    parts = {"equations": "Equations:", "formulas": "Gradients:"}
    return {name: _indented(text.partition(head)[2]) for name, head in parts.items()}


def _indented(text: str) -> list[str]:
    return [line.strip() for line in text.partition("\n\n")[0].splitlines() if line.strip()]


def class_name(name: str) -> str:
    """A model's name as that of a class.

    >>> class_name("two-layer"), class_name("../my ridge.model"), class_name("3d")
    ('TwoLayer', 'MyRidge', 'Model3d')
    """
    words = re.findall(r"[A-Za-z0-9]+", name.removesuffix(".model"))
    found = "".join(word[:1].upper() + word[1:] for word in words)[:80]
    if found in ("BaseEstimator", "ClassifierMixin", "RegressorMixin", "True", "False", "None"):
        return f"{found}Model"
    return found if found.isidentifier() else f"Model{found}"
