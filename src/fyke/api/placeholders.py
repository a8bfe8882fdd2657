"""Placeholder values that clients have not replaced in generated requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fyke.api.media import SAMPLE_ULID

_MAX_CHARS = 64
# <string>, {{key}}, ${KEY}, string
_FORM = re.compile(r"<[^<>]*>|\{\{[^{}]*\}\}|\$\{?[A-Za-z_]+\}?|string", re.IGNORECASE)


def is_placeholder(text: str) -> bool:
    """Whether ``text`` is a placeholder; surrounding spaces are ignored."""
    text = text.strip()
    return len(text) <= _MAX_CHARS and (text == SAMPLE_ULID or _FORM.fullmatch(text) is not None)


def placeholder_hints(members: Mapping[str, Any]) -> list[str]:
    """A sentence for each placeholder among ``members``."""
    return [
        f"{name}: {value.strip()} is a placeholder; replace it with the real value"
        for name, value in members.items()
        if isinstance(value, str) and is_placeholder(value)
    ]
