"""Equal forms are derived once: names give way to placeholders, and come back in the result.

A chain of a thousand tanh layers has a handful of forms.  Nothing in the engine looks at the letters of a name, only at
the order of first appearance, so a renamed derivation is the derivation of the renamed expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from derive.derivation import Step
from derive.expression.nodes import Binder, Expression, Index
from derive.expression.walk import Renaming, bottom_up, names, rename, with_indices
from derive.prove.setting import Setting
from derive.prove.steps import prove

INDEX_LETTERS = frozenset("ijklmpqrst")


def placeholders(*expressions: Expression) -> dict[str, str]:
    """A placeholder for each name, in order of first appearance.  No user's name looks like one."""
    found: dict[str, str] = {}
    for e in expressions:
        for name in names(e):
            if name not in found:
                found[name] = f"§{len(found)}"
    return found


def placeholders_after(known: Mapping[str, str], expressions: Sequence[Expression]) -> dict[str, str]:
    """Placeholders for the names that have none yet, the next ones in order."""
    new = dict.fromkeys(name for e in expressions for name in names(e) if name not in known)
    return {name: f"§{k}" for k, name in enumerate(new, len(known))}


def renamed(e: Expression, mapping: Mapping[str, str]) -> Expression:
    return rename(e, mapping)


def respell_indices(e: Expression, mapping: Mapping[str, str]) -> Expression:
    """Renames index letters everywhere, bound and free: for models in which a tensor is called ``i``."""
    if not mapping:
        return e

    def change(node: Expression) -> Expression:
        if isinstance(node, Index):
            return Index(mapping[node.name]) if node.name in mapping else node
        if isinstance(node, Binder) and any(i in mapping for i in node.indices):
            return with_indices(node, tuple(mapping.get(i, i) for i in node.indices))
        return node

    return bottom_up(e, change)


class Form:
    """A derivation in placeholders: its steps, and the setting in which they are proved, once for all that share it.

    `unseen` are equalities that hold beside the steps: what code computes, against what the report prints.
    """

    def __init__(self, steps: Sequence[Step], setting: Setting, unseen: Sequence[tuple[Step, Setting]] = ()) -> None:
        self.steps = tuple(steps)
        self.setting = setting
        self.unseen = tuple(unseen)

    @cached_property
    def proofs(self) -> tuple[str, ...]:
        """How each step is proved; ProofError where one cannot be established."""
        for step, setting in self.unseen:
            prove(step.before, step.after, setting, step.rule)
        return tuple(prove(step.before, step.after, self.setting, step.rule) for step in self.steps)


class RenamedSteps(Sequence[Step]):
    """The steps of a form under the names of a model, made when somebody looks at them."""

    def __init__(self, form: Form, back: Mapping[str, str], letters: Mapping[str, str], proved: bool = False) -> None:
        self.form = form
        self.back = back
        self.letters = letters
        self.proved = proved

    def prove(self) -> RenamedSteps:
        _ = self.form.proofs
        return RenamedSteps(self.form, self.back, self.letters, proved=True)

    @cached_property
    def _steps(self) -> tuple[Step, ...]:
        proofs: Sequence[str | None] = self.form.proofs if self.proved else [None] * len(self.form.steps)
        memo: dict[Expression, Expression] = {}
        rename = Renaming(self.back)

        def named(e: Expression) -> Expression:
            if e not in memo:
                memo[e] = respell_indices(rename(e), self.letters)
            return memo[e]

        return tuple(
            Step(s.rule, named(s.before), named(s.after), self._text(s.condition), self._text(s.assumption), proof)
            for s, proof in zip(self.form.steps, proofs, strict=True)
        )

    def _text(self, text: str | None) -> str | None:
        if text is None:
            return None
        return re.sub(r"§\d+", lambda match: self.back.get(match[0], match[0]), text)

    def __getitem__(self, k: Any) -> Any:
        return self._steps[k]

    def __len__(self) -> int:
        return len(self.form.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self._steps)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(self._steps)
