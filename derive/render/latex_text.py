r"""Words of strangers as LaTeX: every character printed as itself, none obeyed.

In: any string (a title, a name, a caption).  Out: LaTeX that pdflatex sets with T1 fonts and amsmath.
Invariant: the output has no character with a meaning for TeX except those that this module wrote, and no
character that pdflatex does not know; what cannot be printed shows as its code point (`U+4E2D`).
"""

from __future__ import annotations

import re
import unicodedata

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "\N{NO-BREAK SPACE}": "~",
    "\N{SOFT HYPHEN}": r"\-",
    "–": "--",
    "—": "---",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "„": r"\quotedblbase{}",
    "«": r"\guillemotleft{}",
    "»": r"\guillemotright{}",
    "…": r"\ldots{}",
    "•": r"\textbullet{}",
    "€": r"\texteuro{}",
}

_GREEK = {
    "αβγδεζηθικλμνξπρστυφχψω": "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi "
    "pi rho sigma tau upsilon varphi chi psi omega",
    "ΓΔΘΛΞΠΣΥΦΨΩ": "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega",
    "ϵϑϕϱςϖ": "epsilon vartheta phi varrho varsigma varpi",
}
_SYMBOLS = {
    "∂∇∞∑∏∫√∈∉⊂⊆∪∩∅∀∃": "partial nabla infty sum prod int surd in notin subset subseteq cup cap emptyset "
    "forall exists",
    "±×÷·∘⊙⊗⊕∗≤≥≠≈≡∼∝≪≫": "pm times div cdot circ odot otimes oplus ast leq geq neq approx equiv sim propto "
    "ll gg",
    "←→↔⇐⇒⇔↦↑↓ℓ⊤⊥†": "leftarrow rightarrow leftrightarrow Leftarrow Rightarrow Leftrightarrow mapsto uparrow "
    "downarrow ell top bot dagger",
}
MATHS: dict[str, str] = {
    letter: rf"\ensuremath{{\{name}}}"
    for table in (_GREEK, _SYMBOLS)
    for letters, names in table.items()
    for letter, name in zip(letters, names.split(), strict=True)
} | {"−": r"\ensuremath{-}", "⟂": r"\ensuremath{\perp}", "′": r"\ensuremath{'}", "µ": r"\ensuremath{\mu}"}

_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉ₙₜᵢⱼₖ", "0123456789ntijk", strict=True))
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿᵀ", "0123456789+-nT", strict=True))

# Letters that the T1 encoding has; other accented ones lose their accent.
_T1 = set(
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿĂăĄąĆćČčĎďĐđĘęĚěĞğİıĹĺĽľŁłŃńŇňŐőŔŕŘřŚśŞşŠšŢţŤťŮů"
    "ŰűŸŹźŻżŽžŒœ¡¿§£"
)


def latex_text(text: str) -> str:
    r"""The text as LaTeX.

    >>> print(latex_text(r"\input{x} 50% of σ_1"))
    \textbackslash{}input\{x\} 50\% of \ensuremath{\sigma}\_1
    >>> print(latex_text("中"))
    U+4E2D
    >>> print(latex_text("u'' = -u"))
    u'{}' = -u
    """
    printed = "".join(_allow_breaks(word) for word in re.split(r"(\s+)", _clean(text)))
    return re.sub("'(?=')", "'{}", printed)  # two primes are no closing quotation mark


def latex_code(text: str) -> str:
    """The text for typewriter letters: no ligatures, every space kept, and a break allowed after any word."""
    plain = {" ": r"\ \allowbreak{}", "-": "-{}", "'": r"\textquotesingle{}", ",": ",{}"}
    return "".join(plain.get(character) or _letter(character) for character in _clean(text, spaces=False))


def pdf_text(text: str) -> str:
    r"""The text for bookmarks and the document information, where no font command works.

    >>> print(pdf_text("∂L & more"))
    \unichar{"2202}L \& more
    """
    named = {c: SPECIAL[c] for c in "\\{}$&#%_^~"}
    return "".join(
        named.get(c) or (c if c.isascii() else rf'\unichar{{"{ord(c):04X}}}')
        for c in _clean(text)
        if ord(c) < 0x10000
    )


def _clean(text: str, spaces: bool = True) -> str:
    """Composed letters, no control, format or private characters; white space folded to single blanks."""
    text = unicodedata.normalize("NFC", text).replace("\t", "    ")
    if spaces:
        text = " ".join(text.split())
    return "".join(c for c in text if unicodedata.category(c)[0] != "C" or c == "\N{SOFT HYPHEN}")


def _allow_breaks(word: str) -> str:
    """TeX hyphenates words, but not a hundred letters without a vowel: allow a break in what is no word."""
    chunk = 12
    pieces = [word[i : i + chunk] for i in range(0, len(word), chunk)] if len(word) > 2 * chunk else [word]
    return r"\allowbreak{}".join("".join(_letter(c) for c in piece) for piece in pieces)


def _letter(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    if character.isascii() or character in _T1:
        return character
    if character in MATHS:
        return MATHS[character]
    if character in _SUBSCRIPTS:
        return rf"\textsubscript{{{_SUBSCRIPTS[character]}}}"
    if character in _SUPERSCRIPTS:
        return rf"\textsuperscript{{{_SUPERSCRIPTS[character]}}}"
    bare = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return "".join(_letter(c) for c in bare) if bare.strip() else f"U+{ord(character):04X}"


def math_text(text: str) -> str:
    r"""The text for `\text{…}` inside a formula for KaTeX or MathJax, which know few text commands.

    >>> print(math_text("50% of {x}_1"))
    50\% of \{x\}\_1
    """
    named = {c: "\\" + c for c in "{}&#%_"}
    # Signs that have no command in both: their full-width twins say the same.
    named |= {"\\": "＼", "^": "＾", "~": "～", "$": "＄"}
    return "".join(named.get(c, c) for c in with_blanks(text, _clean(text)))


def with_blanks(text: str, printed: str) -> str:
    """Cleaning strips; a blank before or after a formula must stay."""
    before = " " if text[:1].isspace() else ""
    return before + printed + (" " if text[-1:].isspace() and printed else "")
