"""A text and its syntax tree: `ast.parse` under the limits, its many errors as one of ours, its columns as ours."""

from __future__ import annotations

import ast
import unicodedata
import warnings
from dataclasses import dataclass
from functools import cached_property

from derive.errors import DeriveError, Place
from derive.parse import limits


@dataclass(frozen=True)
class Source:
    """A text with its lines, to turn the byte columns of `ast` into character columns."""

    text: str

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    @cached_property
    def places(self) -> dict[ast.AST, Place | None]:
        return {}

    def place(self, node: ast.AST) -> Place | None:
        if node not in self.places:  # loops read the same nodes many times
            self.places[node] = self._find(node)
        return self.places[node]

    def _find(self, node: ast.AST) -> Place | None:
        line = getattr(node, "lineno", None)
        if line is None:
            return None
        row = self.lines[line - 1] if line <= len(self.lines) else ""
        start = _characters(row, node.col_offset)  # type: ignore[attr-defined]
        one_line = getattr(node, "end_lineno", line) == line
        stop = _characters(row, node.end_col_offset) if one_line else len(row)  # type: ignore[attr-defined]
        return Place(line, start + 1, max(1, stop - start))


def _characters(row: str, width: int) -> int:
    """How many characters the first bytes of a line are."""
    return min(width, len(row)) if row.isascii() else len(row.encode()[:width].decode(errors="ignore"))


def parse_python(text: str, mode: str) -> ast.AST:
    """`ast.parse` under the limits; its many errors become one of ours, with the place."""
    if len(text) > limits.TEXT:
        raise DeriveError(f"the text is longer than {limits.TEXT:,} characters")
    for row, line in enumerate(text.split("\n"), 1):
        for column, character in enumerate(line, 1):
            if character in "\0\f\v" or (
                unicodedata.category(character) in ("Cc", "Cf", "Cs") and character not in "\t\r"
            ):
                raise DeriveError(f"there is an unprintable character (U+{ord(character):04X})", Place(row, column))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, mode=mode)
    except SyntaxError as error:
        place = Place(error.lineno, max(1, error.offset or 1)) if error.lineno else None
        message = "this is not an expression or declaration of the model language"
        hint = None
        if (
            "parenthes" in (error.msg or "")
            or "was never closed" in (error.msg or "")
            or "unmatched" in (error.msg or "")
        ):
            message = error.msg.replace("(<unknown>, ", "(")
        elif "integer string conversion" in error.msg or "digit" in error.msg:
            message = "this number has too many digits"
        elif "indent" in error.msg:
            message = error.msg
            hint = "only the body of `def` and `for` is indented"
        elif "comparison" in error.msg or "cannot assign" in error.msg or "Maybe you meant" in error.msg:
            hint = "an equation has one name on the left: `z = w*x + b`"
        raise DeriveError(message, place, hint) from None
    except (RecursionError, MemoryError):
        raise DeriveError("the expression is nested too deeply") from None
    except ValueError as error:
        raise DeriveError(f"the text cannot be read: {error}") from None
