"""Names of blobs, the same in every storage."""

from __future__ import annotations

import re

_SEGMENT = re.compile(r"[a-z0-9_-][a-z0-9._-]*")


def check_name(name: str) -> list[str]:
    """Return the segments of a blob's name. Raise ``ValueError`` with the rule that it breaks."""
    segments = name.split("/")
    if len(name) > 255 or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise ValueError(
            f"blob name {name!r} must be at most 255 characters of segments from [a-z0-9._-], "
            "joined by single slashes, none starting with a dot"
        )
    return segments
