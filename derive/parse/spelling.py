r"""How an author wants a name printed: ``latex(W1, r"W_{\text{in}}")``, or after the ``=`` of a declaration.

In: the text of such a spelling.  Out: a `Spelling`, its base, superscript and subscript apart, so that a transposition
or an index can join them.
Invariant: only what is listed here gets through (letters, digits, a few signs, and commands that set one sign in
mathematics), with balanced braces: nothing that reads or writes a file, defines anything, or leaves mathematics.
"""

from __future__ import annotations

import ast
import re

from derive.errors import DeriveError, Place
from derive.model import Spelling

LONGEST = 80
HINT = r'for example latex(W1, r"W_{\text{in}}") or latex(y, r"\hat{y}\'")'

GREEK = """alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho
varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"""
FONTS = "mathbf mathrm mathit mathcal mathbb mathsf mathfrak mathtt boldsymbol text"
ACCENTS = "hat bar tilde dot ddot vec check breve widehat widetilde overline underline"
SIGNS = """ell hbar star ast dagger ddagger prime top bot perp parallel infty circ bullet cdot times pm partial nabla
max min"""
COMMANDS = frozenset(" ".join((GREEK, FONTS, ACCENTS, SIGNS)).split())
_TAKING = frozenset(f"{FONTS} {ACCENTS}".split())
_TOKEN = re.compile(r"\\([A-Za-z]+)|([A-Za-z0-9 ,.'*+|/()\[\]-])|([{}^_])")
_WORDS = re.compile(r"[A-Za-z0-9 .-]*")
_SCRIPT = re.compile(r"[\^_]")
# What may follow one sign inside braces: TeX takes primes for a superscript, and one superscript and one subscript.
_SCRIPTS = re.compile(r"'*\^?_?|_'*\^?")


def read_spelling(text: str, place: Place | None = None) -> Spelling:
    r"""Checks and takes apart a spelling.

    >>> read_spelling(r"W_{\text{in}}")
    Spelling(base='W', above='', below='\\text{in}')
    """
    tokens = _tokens(text, place)
    parts = {"": "", "^": "", "_": ""}
    at, slot = 0, ""
    while at < len(tokens):
        if tokens[at] in "^_" and len(tokens[at]) == 1:
            slot = tokens[at]
            if parts[slot] or not parts[""]:
                raise DeriveError("a name has one base, one superscript and one subscript", place, HINT)
            parts[slot], at = _argument(tokens, at + 1, place)
        elif slot:
            raise DeriveError("nothing follows the superscript and subscript of a name", place, HINT)
        else:
            piece, at = _argument(tokens, at, place)
            parts[""] += _whole(piece)
    base = parts[""].strip()
    if not base:
        raise DeriveError("this spelling is empty", place, HINT)
    return Spelling(base, parts["^"], parts["_"])


def _tokens(text: str, place: Place | None) -> list[str]:
    """Every sign and command, each of them allowed."""
    if len(text) > LONGEST:
        raise DeriveError(f"a name is spelled with at most {LONGEST} characters", place)
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or (match[1] and match[1] not in COMMANDS):
            sign = match[0] if match else text[at : at + 1]
            raise DeriveError(f"'{sign}' cannot stand in the spelling of a name", place, HINT)
        at = match.end()
        if match[0] == " ":  # mathematics has no blanks, and two primes with a blank between are two superscripts
            continue
        found.append(match[0])
        if match[1] == "text":
            words = re.compile(r"\{([^{}\\^_]*)\}").match(text, at)
            if words is None or not _WORDS.fullmatch(words[1]):
                raise DeriveError(r"\text takes letters, digits and blanks", place, HINT)
            found[-1] += words[0]
            at = words.end()
    return found


def _argument(tokens: list[str], at: int, place: Place | None) -> tuple[str, int]:
    """One sign, one command with its argument, or what stands in braces, without them; and where it ends."""
    if at >= len(tokens) or tokens[at] in ("}", "^", "_"):
        raise DeriveError("the braces of this spelling do not match", place, HINT)
    token = tokens[at]
    if token == "{":
        inner, at, scripts = "", at + 1, ""
        while at < len(tokens) and tokens[at] != "}":
            scripts = scripts + tokens[at] if tokens[at] in ("^", "_", "'") else ""
            if not _SCRIPTS.fullmatch(scripts):
                raise DeriveError("a sign has one superscript and one subscript", place, HINT)
            if tokens[at] in ("^", "_"):
                inner, at = inner + tokens[at], at + 1
                piece, at = _argument(tokens, at, place)
                inner += f"{{{piece}}}"
            else:
                piece, at = _argument(tokens, at, place)
                inner += _whole(piece)
        if at >= len(tokens):
            raise DeriveError("the braces of this spelling do not match", place, HINT)
        return inner, at + 1
    if token[1:] in _TAKING:
        piece, end = _argument(tokens, at + 1, place)
        return f"{token}{{{piece}}}", end
    return (f"{token} " if token.startswith("\\") and "{" not in token else token), at + 1


def _whole(piece: str) -> str:
    """In braces where it has scripts of its own, so that it can take more."""
    return f"{{{piece}}}" if _SCRIPT.search(piece) else piece


def text_of(node: ast.expr) -> str | None:
    """The text between quotes."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def is_spelling(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "latex"
