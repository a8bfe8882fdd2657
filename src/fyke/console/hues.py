"""The colour of a Worker: one of eight, found from its name, so that it is the same everywhere.

Red and green are not among them: beside a run they would read as its state.
"""

from __future__ import annotations

from zlib import crc32

HUES = 8  # as many as 1-tokens.css has


def hue_of(path: str) -> str:
    """The class that gives an element the colour of the Worker ``path``, such as ``hue-3``."""
    return f"hue-{crc32(path.encode()) % HUES}"
