"""Chooses the encoding of an answer by ``Accept-Encoding`` (RFC 9110, 12.5.3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

E = TypeVar("E", bound=str)

_ITEM = re.compile(
    r"\s*(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:;\s*q\s*=\s*(?P<q>[01](?:\.[0-9]{0,3})?)\s*)?",
    re.IGNORECASE,
)


def accepted_encoding(accept_encoding: str | None, offered: Sequence[E]) -> E | None:
    """The encoding among ``offered`` that the client wants most, the first one of equals. None for
    a client that names none of them (``*`` names none) or prefers none (``identity``).
    """
    weights = _weights(accept_encoding or "")
    best = max(offered, key=lambda encoding: weights.get(encoding, 0.0))
    weight = weights.get(best, 0.0)
    return best if weight > 0 and weight >= weights.get("identity", 0.0) else None


def _weights(accept_encoding: str) -> dict[str, float]:
    """The weight of each encoding in the header; items with a syntax error are ignored."""
    matches = map(_ITEM.fullmatch, accept_encoding.split(","))
    return {match["name"].lower(): float(match["q"] or 1) for match in matches if match}
