"""A model's text with other values: of its sizes, its constants, and its functions of one argument.

In: the text and what to set, by name.  Out: the text, the lines that were set rewritten, everything else as it was.
What a function is set to is the name of another one: ``def act(u): return tanh(u)`` becomes ``… return relu(u)``.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from derive.errors import DeriveError, did_you_mean, printable
from derive.functions import ALIASES, FUNCTIONS
from derive.parse.statements import Statements, read_statements

NUMBERS = ("size", "constant")


def with_settings(text: str, settings: Mapping[str, str | float]) -> str:
    """The text with each name set to its value.

    >>> print(with_settings("h: size = 128\\ndef act(u): return tanh(u)", {"h": 64, "act": "relu"}))
    h: size = 64
    def act(u): return relu(u)
    """
    for name, value in settings.items():
        said = read_statements(text)
        if name in said.functions:
            text = _with_function(text, said, name, str(value))
        elif name in said.declarations and said.declarations[name].role in NUMBERS:
            text = _with_number(text, name, value)
        else:
            raise DeriveError(f"'{printable(name)}' cannot be set", hint=_settable(said, name))
    return text


def own_functions(text: str) -> tuple[str, ...]:
    """The names of the functions that the model defines itself."""
    return tuple(read_statements(text).functions)


def _settable(said: Statements, name: str) -> str:
    known = [*said.functions, *(d.name for d in said.declarations.values() if d.role in NUMBERS)]
    listed = f"this model's constants, sizes and functions are {', '.join(known)}"
    return did_you_mean(name, known) or (listed if known else "this model has no constants, sizes or functions")


def _with_function(text: str, said: Statements, name: str, value: str) -> str:
    own = said.functions[name]
    if len(own.parameters) != 1:
        raise DeriveError(f"'{name}' takes {len(own.parameters)} arguments; only a function of one can be set")
    known = _of_one_argument(said, name)
    if value not in known:
        hint = did_you_mean(value, known) or f"for example {name}=relu"
        raise DeriveError(f"there is no function of one argument called '{printable(value)}'", hint=hint)
    (u,) = own.parameters
    node = next(n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef) and n.name == name)
    return _spliced(text, _start(node), _end(node), f"def {name}({u}): return {value}({u})")


def _of_one_argument(said: Statements, besides: str) -> list[str]:
    """The functions that ``f(u)`` may call: those of the language that the model does not hide, and its own."""
    hidden = {*said.declarations, *said.definitions, *said.functions}
    language = [row.name for row in FUNCTIONS.values() if row.required == 1]
    spellings = [other for other, proper in ALIASES.items() if proper in language]
    own = [f.name for f in said.functions.values() if len(f.parameters) == 1 and f.name != besides]
    return [name for name in (*language, *spellings) if name not in hidden] + own


def _with_number(text: str, name: str, value: str | float) -> str:
    """The declaration with ``= value``; the reader of models judges the number."""
    declared = (n for n in ast.parse(text).body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name))
    node = next(n for n in declared if isinstance(n.target, ast.Name) and n.target.id == name)
    return _spliced(text, _end(node.annotation), _end(node), f" = {value}")


# Places in a text as `ast` counts them: lines from 1, columns in bytes of UTF-8 from 0.


def _start(node: ast.stmt) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _end(node: ast.stmt | ast.expr) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or 0


def _spliced(text: str, start: tuple[int, int], end: tuple[int, int], new: str) -> str:
    rows = [line.encode() for line in text.split("\n")]
    before = b"\n".join([*rows[: start[0] - 1], rows[start[0] - 1][: start[1]]])
    after = b"\n".join([rows[end[0] - 1][end[1] :], *rows[end[0] :]])
    return before.decode() + new + after.decode()
