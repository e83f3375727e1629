"""The points at which steps were compared last, by what was asked of them: the steps of a derivation share theirs."""

from __future__ import annotations

from typing import Any

from derive.cache import Cache

MOST_POINTS = 16

RECENT: Cache[Any] = Cache(MOST_POINTS)  # an `Evaluator`, or None where there is no such point
