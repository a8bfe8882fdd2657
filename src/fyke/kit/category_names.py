"""The categories of the catalog as a setting names them: ``number:name``."""

from __future__ import annotations

MAX_NAME = 40


def parse_category(entry: str) -> tuple[int, str]:
    """Return number and name. Raise ``ValueError`` with the expected format."""
    number, _, name = (part.strip() for part in entry.partition(":"))
    valid = number.isascii() and number.isdecimal() and len(number) < 10 and int(number) > 0
    if not valid or not name or len(name) > MAX_NAME:
        raise ValueError(
            f"categories: {entry[:60]!r} must be a number and a name of at most {MAX_NAME} "
            "characters with a colon between them, such as 3:Shops"
        )
    return int(number), name
