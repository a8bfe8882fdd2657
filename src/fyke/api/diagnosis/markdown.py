"""Markdown that texts of others cannot change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fyke.domain.logs.text import clean

_MAX_INLINE = 300  # characters
_MAX_BLOCK = 4_000

_TICKS = re.compile("`+")
_SPECIAL = re.compile(r"([\\`*_<>\[\]|#])")


def _line(text: object) -> str:
    line = " ".join(clean(str(text)).split())
    return line if len(line) <= _MAX_INLINE else line[: _MAX_INLINE - 1] + "\u2026"


def code(text: object) -> str:
    """Text of others in one line, as code; "-" for an empty one."""
    line = _line(text).replace("`", "'").replace("|", "\u00a6")
    return f"`{line}`" if line else "-"


def escaped(text: str) -> str:
    """A sentence of ours, which may quote others."""
    return _SPECIAL.sub(r"\\\1", " ".join(clean(text).split()))


def cell(text: str) -> str:
    return escaped(text) if text else "-"


def block(text: str) -> str:
    text = clean(text)[:_MAX_BLOCK].rstrip("\n")
    fence = "`" * max(3, 1 + max((len(run) for run in _TICKS.findall(text)), default=0))
    return f"{fence}text\n{text}\n{fence}"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
