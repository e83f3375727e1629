"""The words of a report in each language, one TOML file per language in `catalogue/`.

In: a language code.  Out: `Words`, a mapping from keys to phrases, and from the rules' names to theirs.
Invariant: all catalogues have the same keys (a test compares them); adding a language is adding a file.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from derive.errors import DeriveError, did_you_mean

FOLDER = Path(__file__).resolve().parent / "catalogue"
SPOKEN = {"log": "ln", "sigmoid": "σ"}  # functions whose sign in print is not their name


def languages() -> tuple[str, ...]:
    """The languages there is a catalogue for.

    >>> languages()
    ('en', 'es')
    """
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


@cache
def catalogue(language: str) -> dict[str, dict[str, str]]:
    """The tables of one language's file: `words`, `sentences`, `titles`, `conventions`, `rules`."""
    if language not in languages():
        hint = did_you_mean(language, languages()) or "there are catalogues for " + ", ".join(languages())
        raise DeriveError(f"there is no catalogue for the language '{language}'", hint=hint)
    return tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))


class Words:
    """The phrases of one language.

    >>> Words("es")["contents"], Words("es").rule("chain rule")
    ('Índice', 'regla de la cadena')
    >>> Words("en").sentence("proved", count="12")
    'All 12 steps are proved.'
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._tables = catalogue(language)

    def __getitem__(self, key: str) -> str:
        return self._tables["words"][key]

    def rule(self, name: str) -> str:
        """A rule's name in this language; a rule without an entry is an error, found by the tests.

        >>> Words("es").rule("derivative of log")
        'derivada de ln'
        """
        rules = self._tables["rules"]
        if name in rules:
            return rules[name]
        family, _, function = name.rpartition(" ")
        return rules[f"{family} *"].format(function=self.function(function))

    def title(self, title: str) -> str:
        """The title of a model that ships with derive; other titles are their author's."""
        return self._tables["titles"].get(title, title)

    def function(self, name: str) -> str:
        """What a function is called in print."""
        return SPOKEN.get(name, name)

    def convention(self, function: str, convention: str) -> str:
        """What a derivative is taken to be at a kink; formulas are the same in every language."""
        found = self._tables["conventions"].get(convention, convention.replace("'", "′"))
        return found.format(function=function)

    def template(self, key: str) -> str:
        """A sentence with its gaps: `{loss}` and the like."""
        return self._tables["sentences"][key]

    def sentence(self, key: str, **parts: str) -> str:
        """A sentence with its gaps filled."""
        return self._tables["sentences"][key].format(**parts)
