"""Suggestions of similar names for a search without results."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

MAX_TEXT = 60  # characters compared; the time grows with their square
_MIN_RATIO = 0.6
_WORDS = re.compile(r"\w+")


def nearest(text: str, names: Iterable[tuple[str, str]], limit: int = 3) -> list[str]:
    """Return the keys of the ``(key, name)`` pairs closest to ``text``, best first.

    The whole name and each of its words are compared, and the best score counts, so that a single
    mistyped word still finds a long title.
    """
    query = text.casefold().strip()[:MAX_TEXT]
    matcher = SequenceMatcher(None, b=query, autojunk=False)
    scores: dict[str, float] = {}
    for key, name in names:
        folded = name.casefold()[: 2 * MAX_TEXT]
        parts = {folded, *_WORDS.findall(folded)}
        score = max((_score(matcher, part[:MAX_TEXT]) for part in parts), default=0.0)
        if score >= _MIN_RATIO:
            scores[key] = max(score, scores.get(key, 0.0))
    return sorted(scores, key=lambda key: -scores[key])[:limit]


def _score(matcher: SequenceMatcher[str], part: str) -> float:
    """The similarity, 0 below the minimum; the cheap upper bounds are checked first."""
    matcher.set_seq1(part)
    if matcher.real_quick_ratio() < _MIN_RATIO or matcher.quick_ratio() < _MIN_RATIO:
        return 0.0
    return matcher.ratio()
