"""Markdown that texts of others cannot change."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fyke.domain.logs.text import clean

_MAX_INLINE = 300  # characters
_MAX_BLOCK = 4_000

_TICKS = re.compile("`+")
_SPECIAL = re.compile(r"([\\`*_<>\[\]|#])")


@dataclass(frozen=True, slots=True)
class Markdown:
    """Writes texts of others. ``mask`` hides the secrets in a text: before it is cut, or its
    characters are escaped, after which they cannot be found.
    """

    mask: Callable[[str], str]

    def _masked(self, text: str) -> str:
        return self.mask(clean(self.mask(text)))  # control characters may divide a secret

    def _line(self, text: object) -> str:
        line = " ".join(self._masked(str(text)).split())
        return line if len(line) <= _MAX_INLINE else line[: _MAX_INLINE - 1] + "\u2026"

    def code(self, text: object) -> str:
        """Text of others in one line, as code; "-" for an empty one."""
        line = self._line(text).replace("`", "'").replace("|", "\u00a6")
        return f"`{line}`" if line else "-"

    def escaped(self, text: str) -> str:
        """A sentence of ours, which may quote others."""
        return _SPECIAL.sub(r"\\\1", " ".join(self._masked(text).split()))

    def cell(self, text: str) -> str:
        return self.escaped(text) if text else "-"

    def block(self, text: str) -> str:
        text = self._masked(text)[:_MAX_BLOCK].rstrip("\n")
        fence = "`" * max(3, 1 + max((len(run) for run in _TICKS.findall(text)), default=0))
        return f"{fence}text\n{text}\n{fence}"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
