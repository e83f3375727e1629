"""What ``--set NAME=VALUE`` says of a model: the values of constants and sizes, and what its functions are.

In: the model and the texts.  Out: `Settings`, every name checked against the model.  A function is set in the model's
text, before anything is derived; constants and sizes are given to the code.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from derive.errors import DeriveError, did_you_mean
from derive.model import Model, Variable
from derive.parse.model import parse_model
from derive.parse.settings import own_functions, with_settings
from derive.train.rows import quoted

LARGEST_SIZE = 10**9


@dataclass(frozen=True, slots=True)
class Settings:
    constants: dict[str, float] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)


def with_functions(model: Model, texts: Iterable[str]) -> tuple[Model, tuple[str, ...]]:
    """The model with its functions set, and the texts that speak of constants and sizes.

    >>> model = Model.parse("w: parameter" + chr(10) + "def act(u): return tanh(u)" + chr(10) + "L: loss = act(w)**2")
    >>> str(with_functions(model, ["act=sin"])[0].equations[0].body)
    'sin(w)**2'
    """
    own = own_functions(model.text)
    chosen: dict[str, str] = {}
    others: list[str] = []
    for text in texts:
        name, _, value = (part.strip() for part in text.partition("="))
        if name not in own:
            others.append(text)
        elif name in chosen:
            raise DeriveError(f"--set gives {quoted(name)} twice")
        else:
            chosen[name] = value
    return (parse_model(with_settings(model.text, chosen), model.name) if chosen else model), tuple(others)


def read_settings(model: Model, texts: Iterable[str]) -> Settings:
    """The settings in texts ``NAME=VALUE``.

    >>> model = Model.parse("w: parameter" + chr(10) + "lam: constant = 1" + chr(10) + "L: loss = lam*w**2")
    >>> read_settings(model, ["lam=0.5"]).constants
    {'lam': 0.5}
    """
    settings = Settings()
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name:
            raise DeriveError(f"--set takes NAME=VALUE, not {quoted(text)}")
        if name in settings.constants or name in settings.sizes:
            raise DeriveError(f"--set gives {quoted(name)} twice")
        v = _variable(model, name)
        if v.role == "size":
            settings.sizes[name] = _whole(name, value)
        else:
            settings.constants[name] = _number(name, value)
    return settings


def _variable(model: Model, name: str) -> Variable:
    settable = [v.name for v in model.of_role("constant", "size")]
    if name not in model.variables and name not in model.by_name:
        hint = did_you_mean(name, [*settable, *own_functions(model.text)]) or _listed(model)
        raise DeriveError(f"--set: the model has no name {quoted(name)}", hint=hint)
    if name not in settable:
        role = model.variables[name].role if name in model.variables else "equation"
        what = f"{'an' if role[0] in 'aeiou' else 'a'} {role}"
        message = f"--set: {quoted(name)} is {what}; only constants, sizes and functions can be set"
        raise DeriveError(message, hint=_listed(model))
    if model.variables[name].role == "constant" and model.variables[name].shape:
        raise DeriveError(
            f"--set gives one number, but {quoted(name)} is an array", hint="give it in an .npz file with --data"
        )
    return model.variables[name]


def _listed(model: Model) -> str:
    settable = [*(v.name for v in model.of_role("constant", "size")), *own_functions(model.text)]
    return f"this model's are {', '.join(settable)}" if settable else "this model has no constants, sizes or functions"


def _whole(name: str, value: str) -> int:
    try:
        size = int(value)
    except ValueError:
        size = 0
    if not 1 <= size <= LARGEST_SIZE:
        raise DeriveError(
            f"the size {quoted(name)} must be a whole number from 1 to {LARGEST_SIZE}, not {quoted(value)}"
        )
    return size


def _number(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DeriveError(f"the constant {quoted(name)} must be a finite number, not {quoted(value)}")
    return number
