"""Tables in Markdown, and pages of which a command writes one part."""

from __future__ import annotations

import re
from pathlib import Path

END = "<!-- end -->"


def header(*names: str) -> list[str]:
    return [row(*names), row(*["---"] * len(names))]


def row(*cells: str | int) -> str:
    texts = (
        f"{cell:,}" if isinstance(cell, int) else re.sub(r"[|\n]", " ", cell) for cell in cells
    )
    return f"| {' | '.join(texts)} |"


def begin(command: str) -> str:
    """The mark before the part that ``command`` writes."""
    return f"<!-- written by {command} -->"


def with_part(page: str, command: str, text: str) -> str:
    """The page with another part between the marks of ``command``. Raises ``ValueError`` without
    them.
    """
    before, mark, rest = page.partition(begin(command))
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(
            f"the page has no part that begins with {begin(command)} and ends with {END}"
        )
    return f"{before}{mark}\n\n{text}\n{END}{after}"


def write_page(path: Path, command: str, text: str) -> None:
    """Replace the part of a page between the marks of ``command``."""
    path.write_text(with_part(path.read_text(), command, text))
