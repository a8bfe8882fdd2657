"""Lists of names in a body: of webhooks, events, addresses."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from fyke.api.decode import to_text, wrong

MOST_NAMES = 1000


def _names(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list | tuple) else [value]
    if len(items) > MOST_NAMES:
        raise wrong(f"must name at most {MOST_NAMES}")
    if not all(isinstance(item, str) for item in items):
        raise wrong("must be a list of strings")
    return tuple(text for item in items if (text := to_text(item).strip()))


WireNames = Annotated[
    tuple[str, ...],
    BeforeValidator(_names),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "array",
                    "items": {"type": "string", "pattern": r"^[^\u0000]*$"},
                    "maxItems": MOST_NAMES,
                },
                {"type": "string", "pattern": r"^[^\u0000]*$"},
            ]
        }
    ),
]
"""A list of strings; a bare string is a list of one, blank ones do not count."""
