"""The spellings of a written derivation → the model language, with the place of every character kept.

In: a line, and the names that are known.  Out: tokens that `derive.parse` can read.  ``∂L/∂z`` becomes a name of its
own, ``σ`` the sigmoid, ``²`` a power, ``xᵀ`` a transpose; ``·`` and two factors side by side become ``@``, which the
reader takes as what their shapes make of it: a product of numbers, of matrices, or the outer product.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from derive.errors import DeriveError, Place, did_you_mean, printable
from derive.functions import known_functions
from derive.render.names import GREEK

TOTAL, PARTIAL = "__derivative_", "__partial_"  # begin the identifiers of derivatives, as they are written: d or ∂

_LETTER = r"A-Za-zÀ-ÖØ-öø-ɏͰ-ϿḀ-ỿ_"
_LAYER = r"(?:\^\{?[\[(]\d+[\])]\}?|⁽[⁰¹²³⁴⁵⁶⁷⁸⁹]+⁾)?"
_NAME = rf"[{_LETTER}][{_LETTER}0-9\u0300-\u036f]*{_LAYER}[₀₁₂₃₄₅₆₇₈₉ᵢⱼₖ]*"
_PATTERNS = {
    "derivative": rf"[d∂𝜕]({_NAME})\s*(\[[^\]=]*\])?\s*/\s*[d∂𝜕]({_NAME})(\[[^\]=]*\])?",
    "transpose": r"\.T\b|ᵀ|⊤|\^\{?[T⊤](?![A-Za-z0-9_])\}?",
    "number": r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?",
    "prime": rf"{_NAME}['′’](?=\s*\()",
    "name": _NAME,
    "power": r"[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+",
    "relation": r"==|<=|>=|!=|[≤≥≠<>]",
    "equals": r"=",
    "times": r"\*\*|[*⊙∘/÷@^]",
    "dot": r"[·⋅∙×]",
    "sign": r"[+\-−–]",
    "open": r"[(\[{]",
    "close": r"[)\]}]",
    "other": r"[,:√.]",
    "space": r"\s+",
}
_TOKEN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _PATTERNS.items()))
_PLAIN = {
    "⊙": "*", "∘": "*", "÷": "/", "^": "**", "−": "-", "–": "-", "{": "(", "}": ")", "≤": "<=", "≥": ">=", "≠": "!=",
    "√": "sqrt",
}  # fmt: skip
_ACCENTS = {"\u0302": "_hat", "\u0304": "_bar", "\u0303": "_tilde", "\u0307": "_dot"}
_LOW = str.maketrans("₀₁₂₃₄₅₆₇₈₉ᵢⱼₖ", "0123456789ijk")
_HIGH = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_LETTERS: dict[str, list[str]] = {}
for _name, _letter in GREEK.items():
    _LETTERS.setdefault(_letter, []).append(_name)
FUNCTIONS = {"σ": "sigmoid", "sigma": "sigmoid", "Γ": "gamma", "Φ": "normal_cdf", "tg": "tan", "sen": "sin"}
_ENDS = {"number", "name", "derivative", "transpose", "power", "close"}  # what a factor may end with
_BEGINS = {"number", "name", "prime", "derivative", "open"}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a line: what it becomes, where it stood (from 0) and how wide it was."""

    kind: str
    text: str
    start: int
    width: int


@dataclass
class Vocabulary:
    """The names that a derivation may use: those of the model with their ranks, and what its lines add.

    `derivatives`: for each derivative that was spelled, the identifier that stands for it in the text that is parsed.
    """

    ranks: dict[str, int]
    functions: frozenset[str] = frozenset()
    derivatives: dict[tuple[str, str], str] = field(default_factory=dict)
    aliases: dict[str, tuple[str, str]] = field(default_factory=dict)  # ``delta = dL/dz`` gives a derivative a name
    primes: dict[str, str] = field(default_factory=dict)
    objective: str = ""  # the name of the mean over the examples, where there is one

    def resolve(self, spelling: str) -> tuple[str, str]:
        """The model's name for a spelling, and the subscripts that were written into it: ``W_ij`` → W, ``[i,j]``."""
        plain = _plain_name(spelling)
        candidates = [c for s in _in_letters(plain) for c in (s, s.replace("_", ""), re.sub(r"(\d+)$", r"_\1", s))]
        for name in candidates:
            if name in self.ranks or name in self.aliases:
                return name, ""
        spelled = candidates[0]
        base, _, letters = spelled.rpartition("_")
        if base and self.ranks.get(base) == len(letters) > 0 and re.fullmatch("[ijklmpqrst]+", letters):
            return base, f"[{','.join(letters)}]"
        return spelled, ""

    def identifier(self, of: str, wrt: str) -> str:
        return self.derivatives.setdefault((of, wrt), f"{TOTAL}{len(self.derivatives)}")

    def is_function(self, name: str) -> bool:
        return name not in self.ranks and name not in self.aliases and (
            name in self.functions or name in FUNCTIONS or name in _KNOWN or name in ("delta", "array")
        )  # fmt: skip


_KNOWN = frozenset(known_functions())


def _plain_name(spelling: str) -> str:
    """``w⁽¹⁾₂`` and ``w^[1]₂`` → ``w1_2``; ``w₂`` → ``w_2``."""
    spelling = "".join(_ACCENTS.get(c, c) for c in unicodedata.normalize("NFD", spelling))
    match = re.fullmatch(r"([^\^⁽₀-₉ᵢⱼₖ]+)(?:\^\{?[\[(](\d+)[\])]\}?|⁽(\S+)⁾)?([₀-₉ᵢⱼₖ]*)", spelling)
    if match is None:
        return spelling
    base, layer, raised, low = match.groups()
    number = layer or (raised or "").translate(_HIGH)
    return base + number + ("_" + low.translate(_LOW) if low else "")


def _in_letters(name: str) -> list[str]:
    """The name with its Greek letters written out, in each way that there is."""
    found = [name]
    for letter in {c for c in name if c in _LETTERS}:
        found = [each.replace(letter, word) for each in found for word in _LETTERS[letter]]
    return found


def tokens(line: str, known: Vocabulary) -> list[Token]:
    """The pieces of a line in the model language; DeriveError at a character that has no meaning."""
    found: list[Token] = []
    at = 0
    while at < len(line):
        match = _TOKEN.match(line, at)
        if match is None:
            raise DeriveError(f"the character '{printable(line[at])}' has no meaning here", Place(1, at + 1))
        kind = str(match.lastgroup)
        if kind == "derivative" and not _is_derivative(match, known):
            match = re.compile(_NAME).match(line, at)
            if match is None:
                raise DeriveError("there is no such derivative", Place(1, at + 1))
            kind = "name"
        kind = "kept" if kind == "name" and keyword.iskeyword(match[0]) else kind
        if kind != "space":
            found.extend(_read(kind, match, known))
        at = match.end()
    return list(_with_products(list(_with_decimals(found)), known))


def _with_decimals(found: list[Token]) -> Iterator[Token]:
    """``0,5`` is a number, where the comma parts neither subscripts nor arguments."""
    lists: list[bool] = []  # of each open bracket, whether commas in it part something
    at = 0
    while at < len(found):
        token = found[at]
        if token.kind == "open":
            lists.append(token.text == "[" or (at > 0 and found[at - 1].kind in ("name", "prime", "derivative")))
        elif token.kind == "close" and lists:
            lists.pop()
        parts = found[at : at + 3]
        if not any(lists[-1:]) and _is_decimal(parts):
            yield Token("number", f"{token.text}.{parts[2].text}", token.start, sum(t.width for t in parts))
            at += 3
            continue
        yield token
        at += 1


def _is_decimal(parts: list[Token]) -> bool:
    """Digits, a comma, digits, and nothing between them."""
    if [t.kind for t in parts] != ["number", "other", "number"] or parts[1].text != ",":
        return False
    close = parts[2].start + parts[2].width - parts[0].start == sum(t.width for t in parts)
    return close and parts[0].text.isdigit() and parts[2].text.isdigit()


def _is_derivative(match: re.Match[str], known: Vocabulary) -> bool:
    """``dz/dx`` is a quotient where the model has names dz and dx."""
    if match[0][0] != "d":
        return True
    above, below = match[0].split("/")[0].strip(), match[0].split("/")[1].strip()
    return not (above in known.ranks and below in known.ranks)


def _read(kind: str, match: re.Match[str], known: Vocabulary) -> Iterator[Token]:
    start, width, text = match.start(), match.end() - match.start(), match[0]
    if kind == "derivative":
        yield Token(kind, _derivative(match, known), start, width)
    elif kind == "name":
        name, subscripts = known.resolve(text)
        parts = _letters(text, known)
        if parts:
            for part in parts:
                yield Token(kind, known.resolve(part[0])[0], start + part.start(), len(part[0]))
        elif name in known.aliases:
            yield Token("name", known.identifier(*known.aliases[name]), start, width)
        else:
            yield Token("name", name + subscripts, start, width)
    elif kind == "prime":
        name = _plain_name(text[:-1])
        name = FUNCTIONS.get(name, name)
        yield Token(kind, known.primes.setdefault(name, f"__slope_{len(known.primes)}"), start, width)
    elif kind == "power":
        yield Token(kind, f"**({text.translate(_HIGH).lstrip('+')})", start, width)
    elif kind == "transpose":
        yield Token(kind, ".T", start, width)
    else:
        yield Token(kind, "@" if kind == "dot" else _PLAIN.get(text, text), start, width)


def _letters(text: str, known: Vocabulary) -> list[re.Match[str]]:
    """The factors of what is no name, but Greek and other letters side by side: ``λw``; none where it is a name."""
    if text.isascii():
        return []
    name = known.resolve(text)[0]
    if name in known.ranks or name in known.aliases or known.is_function(name) or known.is_function(text):
        return []
    parts = list(re.finditer(rf"[{_LETTER}][0-9]*[₀₁₂₃₄₅₆₇₈₉]*", text))
    whole = "".join(part[0] for part in parts) == text
    return parts if len(parts) > 1 and whole and all(known.resolve(part[0])[0] in known.ranks for part in parts) else []


def _derivative(match: re.Match[str], known: Vocabulary) -> str:
    """The identifier of a derivative with its subscripts: those of both names, in this order."""
    above, above_indices, below, below_indices = _TOKEN.fullmatch(match[0]).group(2, 3, 4, 5)  # type: ignore[union-attr]
    (of, low), (wrt, low_too) = known.resolve(above), known.resolve(below)
    for name, spelled in ((of, above), (wrt, below)):
        if name not in known.ranks and not (spelled == above and name == known.objective):
            place = Place(1, match.start() + match[0].index(spelled) + 1, len(spelled))
            raise DeriveError(f"there is no name '{printable(spelled)}'", place, did_you_mean(name, known.ranks))
    inner = [part[1:-1] for part in (above_indices or low, below_indices or low_too) if part]
    name = known.identifier(of, wrt)
    if match[0][0] != "d":
        name = name.replace(TOTAL, PARTIAL)
    return name + (f"[{','.join(inner)}]" if inner else "")


def _with_products(found: list[Token], known: Vocabulary) -> Iterator[Token]:
    """Factors side by side get the product sign that was left out; functions that print otherwise their names."""
    previous: Token | None = None
    for k, token in enumerate(found):
        after = found[k + 1] if k + 1 < len(found) else None
        token = _named(token, after, known)
        if previous is not None and _side_by_side(previous, token, known):
            yield Token("times", "@", token.start, 0)
        yield token
        previous = token


def _named(token: Token, after: Token | None, known: Vocabulary) -> Token:
    """``σ(`` is the sigmoid, ``e^…`` the exponential, unless the model has such a name."""
    if token.kind != "name" or token.text in known.ranks:
        return token
    if after is not None and after.text == "(" and token.text in FUNCTIONS and token.text not in known.functions:
        return Token("name", FUNCTIONS[token.text], token.start, token.width)
    if token.text == "e" and after is not None and (after.text == "**" or after.kind == "power"):
        return Token("name", "exp(1)", token.start, token.width)
    return token


def _side_by_side(left: Token, right: Token, known: Vocabulary) -> bool:
    if left.kind not in _ENDS or right.kind not in _BEGINS or right.text == "[":
        return False
    if left.kind == right.kind == "number":
        return False
    return not (right.text == "(" and left.kind == "name" and known.is_function(left.text))


@dataclass(frozen=True)
class Spelled:
    """A text of the model language, and where each of its characters stood in the user's line."""

    text: str
    columns: tuple[tuple[int, int], ...]  # for each character: start and width of its token, from 0

    def place(self, place: Place | None, line: int) -> Place:
        """A place in the text as one in the user's file."""
        if not self.columns:
            return Place(line, 1)
        column = 1 if place is None else place.column
        width = len(self.text) if place is None else place.width
        first, last = (self.columns[min(max(c, 0), len(self.columns) - 1)] for c in (column - 1, column + width - 2))
        return Place(line, first[0] + 1, max(1, last[0] + last[1] - first[0]))


def spelled(parts: list[Token]) -> Spelled:
    """The text of some tokens."""
    text = ""
    columns: list[tuple[int, int]] = []
    for token in parts:
        piece = f" {token.text} " if token.kind in ("kept", "times", "sign", "relation") else token.text
        text += piece
        columns += [(token.start, token.width)] * len(piece)
    lead = len(text) - len(text.lstrip())
    stripped = text.strip()
    return Spelled(stripped, tuple(columns[lead : lead + len(stripped)]))


def sides(parts: list[Token]) -> list[list[Token]]:
    """The members of a chain of equations, taken apart at ``=`` outside of parentheses."""
    found: list[list[Token]] = [[]]
    depth = 0
    for token in parts:
        depth += (token.kind == "open") - (token.kind == "close")
        if token.kind == "equals" and depth <= 0:
            found.append([])
        else:
            found[-1].append(token)
    return found


def derivative_of(part: list[Token], known: Mapping[tuple[str, str], str]) -> tuple[str, str, str] | None:
    """What a member says that is one derivative alone: of, by, and its subscripts."""
    if len(part) != 1 or part[0].kind != "derivative":
        return None
    identifier, bracket, rest = part[0].text.replace(PARTIAL, TOTAL).partition("[")
    of, wrt = next(pair for pair, name in known.items() if name == identifier)
    return of, wrt, bracket + rest
