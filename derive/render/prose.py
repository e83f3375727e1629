"""Sentences with formulas in them: the catalogue's templates filled with inlines.

In: a catalogue's sentence such as ``The loss {loss} depends on …`` and an inline for each gap.  Out: `Inlines`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from derive.render.catalogue import Words
from derive.render.document import Inline, Inlines, Text


def sentence(words: Words, key: str, **gaps: Inline | Inlines) -> Inlines:
    """The sentence with its gaps filled.

    >>> from derive.render.document import Math
    >>> sentence(Words("en"), "condition", condition=Math(r"a \\neq 0", "a ≠ 0"))
    (Text(text='where '), Math(latex='a \\\\neq 0', text='a ≠ 0', source=''))
    """
    found: list[Inline] = []
    for k, part in enumerate(re.split(r"\{(\w+)\}", words.template(key))):
        if k % 2:
            gap = gaps[part]
            found += gap if isinstance(gap, tuple) else (gap,)
        elif part:
            found.append(Text(part))
    return tuple(found)


def joined(parts: Iterable[Inlines], separator: str = ", ") -> Inlines:
    """The parts with a separator between them."""
    found: list[Inline] = []
    for part in parts:
        if part:
            found += [Text(separator)] * bool(found) + list(part)
    return tuple(found)
