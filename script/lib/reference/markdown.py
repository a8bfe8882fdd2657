"""Common parts of the generated pages."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_WIDTH = 100
_PAGE = re.compile(r"docs/[\w/-]+\.md(?:#[\w-]+)?")
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


def paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a docstring as Markdown, wrapped."""
    for item in re.split(r"\n\s*\n", inspect.cleandoc(text).strip()):
        if not item:
            continue
        plain = _PAGE.sub(_link, " ".join(item.split()).replace("``", "`"))
        yield textwrap.fill(plain, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _link(found: re.Match[str]) -> str:
    """Return a link to a page of the documentation, as seen from ``docs/reference``."""
    path, _, anchor = found[0].partition("#")
    title = _TITLE.search((ROOT / path).read_text(encoding="utf-8"))
    target = path.replace("docs/reference/", "").replace("docs/", "../")
    return f"[{title[1] if title else path}]({target}{'#' if anchor else ''}{anchor})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table; nothing when there are no rows."""
    lines = [" | ".join(_cell(cell) for cell in row) for row in rows]
    if lines:
        yield f"| {' | '.join(head)} |"
        yield f"| {' | '.join('---' for _ in head)} |"
        yield from (f"| {line} |" for line in lines)
        yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
