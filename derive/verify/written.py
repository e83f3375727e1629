"""A file of `derive verify` → the model, and the claims that are to be judged.

The model stands first, as in a `.model` file, or as ``model: NAME`` of a built-in one.  The derivation begins at a line
``---`` or ``derivation:``, or at the first line whose left side is a derivative.  Each line is a chain of equations;
one that begins with ``=`` goes on with the line before.  What follows ``#`` is a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from derive.errors import DeriveError, Place, printable
from derive.model import Model
from derive.parse import limits
from derive.parse.files import builtin_model, builtin_names
from derive.parse.model import parse_model
from derive.verify.batch import OBJECTIVE, has_batch
from derive.verify.notation import Spelled, Token, Vocabulary, derivative_of, sides, spelled, tokens

LINES = 500  # of a derivation
WIDTH = 4_000  # characters of one of its lines

_RULE = re.compile(r"\s*(-{3,}|={3,}|(#\s*)?(derivation|derivación|derivacion|derivada)s?\s*:?)\s*\Z", re.IGNORECASE)
_STARTS = re.compile(r"\s*(\w+\s*=\s*)?[d∂𝜕][^\W\d][^=/]*/\s*[d∂𝜕][^\W\d][^=]*=(?!=)")
_BUILTIN = re.compile(r"\s*(model|modelo)\s*:\s*([\w-]+)\s*\Z")


@dataclass(frozen=True)
class Claim:
    """One member of a chain, as it was written: it equals the `head`, and the member before it.

    The head is a derivative (`of` and `wrt`), or a name (`of` alone).  `first` is the line that gives a new name its
    meaning, and so claims nothing.
    """

    line: int
    place: Place
    text: str
    of: str
    wrt: str
    subscripts: str
    side: Spelled
    opens: bool  # the first member of its chain
    first: bool = False
    partial: bool = False  # the head is written with ∂


@dataclass
class Written:
    """A file, read: its model, and the claims of the derivation; `known` are the names that they use."""

    text: str
    model: Model
    known: Vocabulary
    claims: list[Claim] = field(default_factory=list)


def read(text: str, name: str) -> Written:
    """Reads a file's text; DeriveError at what cannot be read."""
    if len(text) > limits.TEXT:
        raise DeriveError(f"the text is longer than {limits.TEXT:,} characters")
    lines = [line.rstrip("\r") for line in text.split("\n")]
    start = _start(lines)
    try:
        model = _model(lines[:start])
        ranks = {n: len(shape) for n, shape in model.shapes.items()}
        objective = OBJECTIVE if has_batch(model) else ""
        found = Written(text, model, Vocabulary(ranks, frozenset(model.functions), objective=objective))
        _Reader(found).read(lines, start)
    except DeriveError as error:
        raise named(error, text, name) from None
    if not found.claims:
        hint = "below the model, write lines such as `dL/dz = a - y`"
        raise named(DeriveError("the file has no derivation", Place(len(lines), 1), hint), text, name)
    return found


def named(error: DeriveError, text: str, name: str) -> DeriveError:
    """The error, knowing the file that it speaks of."""
    error = error.within(text)
    error.source = name
    return error


def _start(lines: list[str]) -> int:
    """The number of lines that are the model's."""
    for k, line in enumerate(lines):
        if _RULE.match(line) or (_STARTS.match(line) and not line.lstrip().startswith("#")):
            return k
    return len(lines)


def _model(lines: list[str]) -> Model:
    said = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not said:
        hint = "write its equations first, or `model: NAME` of a built-in one"
        raise DeriveError("there is no model above the derivation", Place(len(lines) + 1, 1), hint)
    match = _BUILTIN.match(said[0]) if len(said) == 1 else None
    if match is not None:
        if match[2] not in builtin_names():
            known = ", ".join(builtin_names())
            place = Place(lines.index(said[0]) + 1, match.start(2) + 1, len(match[2]))
            raise DeriveError(f"there is no model '{printable(match[2])}'", place, f"the built-in ones are {known}")
        return builtin_model(match[2])
    text = "\n".join(lines)
    declares = any(re.match(r"\s*[^#\"'=]*\w\s*(\[.*\])?\s*:\s*\w", line) for line in said)
    return parse_model(text, "model", implicit=not declares)


class _Reader:
    """Reads the lines of a derivation; `head` is what the last line spoke of."""

    def __init__(self, found: Written) -> None:
        self.found = found
        self.head: tuple[str, str, str] | None = None
        self.partial = False

    def read(self, lines: list[str], start: int) -> None:
        said = [k for k in range(start, len(lines)) if _said(lines[k]).strip() and not _RULE.match(lines[k])]
        if len(said) > LINES:
            raise DeriveError(f"a derivation has at most {LINES} lines", Place(said[LINES] + 1, 1))
        for k in said:
            self.line(k + 1, _said(lines[k]))

    def line(self, number: int, line: str) -> None:
        if len(line) > WIDTH:
            raise DeriveError(f"a line has at most {WIDTH:,} characters", Place(number, WIDTH))
        for column, character in enumerate(line, 1):
            if not character.isprintable() and character != "\t":
                raise DeriveError(f"there is an unprintable character (U+{ord(character):04X})", Place(number, column))
        try:
            chain = sides(tokens(line, self.found.known))
        except DeriveError as error:
            raise _on_line(error, number) from None
        if len(chain) == 1:
            hint = "a line is `dL/dz = …`, or `= …` below one; a comment begins with #"
            raise DeriveError("this line has no '='", Place(number, 1, len(line.rstrip())), hint)
        for claim in self.claims(number, line, chain):
            self.found.claims.append(claim)

    def claims(self, number: int, line: str, chain: list[list[Token]]) -> Iterator[Claim]:
        opens = bool(chain[0])
        new = self.begin(number, chain) if opens else False
        if opens:
            written = [token for part in chain for token in part if token.kind == "derivative"]
            self.partial = bool(written) and line[written[0].start] in "∂𝜕"
        if self.head is None:
            raise DeriveError("there is no line before to go on with", Place(number, 1), "begin with `dL/dz = …`")
        of, wrt, subscripts = self.head
        rest = chain[1:]
        if wrt and rest and derivative_of(rest[0], self.found.known.derivatives) == self.head:
            rest = rest[1:]  # `delta = dL/dz = …`
        for part in rest:
            if not part:
                place = Place(number, line.rindex("=") + 1)
                raise DeriveError("there is nothing behind this '='", place)
            start, stop = part[0].start, part[-1].start + part[-1].width
            place = Place(number, start + 1, stop - start)
            said = spelled(part)
            yield Claim(number, place, line[start:stop], of, wrt, subscripts, said, opens, new and opens, self.partial)
            opens = False

    def begin(self, number: int, chain: list[list[Token]]) -> bool:
        """Sets the head that a chain speaks of; whether that is a new name, which the line defines."""
        known = self.found.known
        first = chain[0]
        self.head = derivative_of(first, known.derivatives)
        if self.head is not None:
            return False
        name, bracket, rest = first[0].text.partition("[")
        stop = first[-1].start + first[-1].width
        place = Place(number, first[0].start + 1, stop - first[0].start)
        if first[0].kind != "name" or not (len(first) == 1 or first[1].text == "["):
            raise DeriveError("the left side is a derivative or a name", place, "for example `dL/dz = a - y`")
        subscripts = bracket + rest + spelled(first[1:]).text
        if name in known.ranks:
            self.head = (name, "", subscripts)
            return False
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or subscripts:
            raise DeriveError("a new name has letters and digits alone", place)
        named = derivative_of(chain[1], known.derivatives) if len(chain) > 1 else None
        if named is not None:
            known.aliases[name] = named[:2]
            self.head = named
            return False
        known.ranks[name] = -1  # known once its line is read
        self.head = (name, "", "")
        return True


def _said(line: str) -> str:
    return line.partition("#")[0].rstrip()


def _on_line(error: DeriveError, number: int) -> DeriveError:
    if error.place is not None:
        error.place = Place(number, error.place.column, error.place.width)
    return error
