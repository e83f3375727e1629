r"""How names print: `z1` is z^{[1]}, `w1_2` is w^{[1]}_{2}, `lam` is λ.

In: a name of a model, with printed subscripts where it is an element.  Out: LaTeX for mathematics, or Unicode.
Letters followed by digits carry a layer, an underscore a component (or an accent: `y_hat`); Greek names become Greek
letters, other names of several letters are upright.
Invariant: whatever the name, the LaTeX holds nothing that TeX or KaTeX would obey but what this module wrote.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from derive.model import Spelling

_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Upsilon": "Υ",
    "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip
GREEK = {**_GREEK, "lam": "λ", "lamda": "λ", "eps": "ε"}
_COMMANDS = {letter: "\\" + name for name, letter in _GREEK.items()} | {"ε": r"\varepsilon", "φ": r"\varphi"}
_ACCENTS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "dot": "\u0307"}
_T1 = "áàâäãåāéèêëíìîïóòôöõúùûüñçýÁÀÂÄÃÅÉÈÊËÍÌÎÏÓÒÔÖÕÚÙÛÜÑÇÝ"

SUBSCRIPTS = dict(zip("0123456789aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True)) | {"′": "′"}
SUPERSCRIPTS = dict(zip("0123456789-nT", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻ⁿᵀ", strict=True))


@dataclass(frozen=True, slots=True)
class Name:
    """The parts of a name: `y_hat2`-like names have none and are all `head`."""

    head: str
    layer: str = ""
    components: tuple[str, ...] = ()
    accent: str = ""


@lru_cache(4096)
def split_name(name: str) -> Name:
    """Takes a name apart.

    >>> split_name("w1_2")
    Name(head='w', layer='1', components=('2',), accent='')
    >>> split_name("__x")
    Name(head='__x', layer='', components=(), accent='')
    """
    match = re.fullmatch(r"([^\W\d_]+)(\d*)((?:_[^\W_]+)*)", name)
    if match is None:
        return Name(name)
    components = tuple(match[3].split("_")[1:])
    accent = components[0] if components and components[0] in _ACCENTS and len(_letter(match[1])) == 1 else ""
    return Name(match[1], match[2], components[1:] if accent else components, accent)


def latex_name(
    name: str,
    indices: Sequence[str] = (),
    superscript: str = "",
    spelling: Spelling | None = None,
    bold: bool = False,
) -> str:
    r"""The name in LaTeX; `indices` are subscripts and `superscript` a superscript, already LaTeX.

    `spelling` is the author's own; `bold` is for vectors and matrices as a whole.

    >>> latex_name("w1_2"), latex_name("lam"), latex_name("rate"), latex_name("x_1", ["i"])
    ('w^{[1]}_{2}', '\\lambda', '\\mathrm{rate}', 'x_{1,i}')
    >>> latex_name("a1", superscript=r"\top"), latex_name("_{}")
    ('a^{[1]\\top}', '\\mathrm{\\_\\{\\}}')
    """
    if spelling is not None:
        return _joined(spelling.base, spelling.above + superscript, [spelling.below] if spelling.below else [], indices)
    parts = split_name(name)
    printed = _latex_word(parts.head)
    if bold:
        printed = rf"\boldsymbol{{{printed}}}" if printed.startswith("\\") else rf"\mathbf{{{printed}}}"
    if parts.accent:
        printed = rf"\{parts.accent}{{{printed}}}"
    above = (f"[{parts.layer}]" if parts.layer else "") + superscript
    return _joined(printed, above, [*map(_latex_word, parts.components)], indices)


def _joined(base: str, above: str, components: Sequence[str], indices: Sequence[str]) -> str:
    below = joined_indices([*components, *indices], bool(components))
    return base + (f"^{{{above}}}" if above else "") + (f"_{{{below}}}" if below else "")


def unicode_name(name: str, indices: Sequence[str] = ()) -> str:
    """The name on one line of Unicode; `indices` are printed already.

    >>> unicode_name("w1_2"), unicode_name("sigma2"), unicode_name("x_1"), unicode_name("W1", ["i", "j"])
    ('w^[1]₂', 'σ^[2]', 'x₁', 'W^[1]ᵢⱼ')
    """
    parts = split_name(name)
    printed = _letter(parts.head)
    if parts.accent:
        printed = unicodedata.normalize("NFC", printed + _ACCENTS[parts.accent])
    printed += f"^[{parts.layer}]" if parts.layer else ""
    for component in parts.components:
        low = lowered(_letter(component))
        printed += low or f"_{_letter(component)}"
    if not indices:
        return printed
    low = "" if parts.components else lowered("".join(indices))
    return printed + (low or f"[{', '.join(indices)}]")


def label(name: str) -> str:
    """The name in the markup of a graph's labels (`derive.render.graph_label`).

    >>> label("w1_2")
    'w^{[1]}_{2}'
    """
    parts = split_name(name)
    printed = unicode_name(parts.head + (f"_{parts.accent}" if parts.accent else ""))
    printed += f"^{{[{parts.layer}]}}" if parts.layer else ""
    return printed + (f"_{{{','.join(map(_letter, parts.components))}}}" if parts.components else "")


def _letter(word: str) -> str:
    return GREEK.get(word, word)


def lowered(text: str) -> str:
    """The text as subscripts, or "" where there are none for it."""
    return "".join(SUBSCRIPTS[c] for c in text) if all(c in SUBSCRIPTS for c in text) else ""


def joined_indices(subscripts: Sequence[str], apart: bool = False) -> str:
    """W_{ij}, but W_{i,2} and x_{1,i}."""
    short = not apart and all(re.fullmatch(r"[A-Za-z]'*|\\[a-z]+", s) for s in subscripts)
    return (" " if short and any("\\" in s for s in subscripts) else "" if short else ",").join(subscripts)


@lru_cache(4096)
def _latex_word(word: str) -> str:
    letter = _letter(word)
    if letter in _COMMANDS:
        return _COMMANDS[letter]
    if letter.isascii() and letter.isalnum():
        return letter if len(letter) == 1 or letter.isdigit() else rf"\mathrm{{{letter}}}"
    return rf"\mathrm{{{''.join(map(_safe, letter))}}}"


def _safe(character: str) -> str:
    """One character of an odd name, inside `\\mathrm`."""
    if character.isascii() and character.isalnum():
        return character
    if character in _COMMANDS:
        return _COMMANDS[character] + " "
    if character in "_{}$&#%":
        return "\\" + character
    if character in _T1:
        return rf"\text{{{character}}}"
    return f"U{ord(character):04X}"
