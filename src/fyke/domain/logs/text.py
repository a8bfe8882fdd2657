"""Renders the log as a text file that is safe to open in a terminal.

One entry is one line that begins in the first column; further lines of its content are indented
by a tab, so that a Worker cannot forge a log entry. Escape sequences, control characters and
bidirectional overrides are removed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fyke.model.log import LogEntry

_LEVELS = {1: "DEBUG", 2: "INFO", 3: "WARN", 4: "ERROR"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MS = 253_402_300_799_999  # the end of the year 9999, the last that ``datetime`` can represent

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*+[ -/]*+[@-~]"  # colours and cursor movements
    r"|\x1b\][^\x07\x1b]*+(?:\x07|\x1b\\)"  # titles, links, clipboard
)
_LINE_ENDS = re.compile("\r\n?|\u2028|\u2029|\x85")
_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # C0 and C1 without tab and newline
    "\u202a-\u202e\u2066-\u2069]"  # bidirectional overrides
)


def clean(text: str) -> str:
    """Return the text without control characters; every kind of line end becomes ``\\n``."""
    text = _LINE_ENDS.sub("\n", _ESCAPES.sub("", text))
    return _UNSAFE.sub("", text)


def render(entry: LogEntry) -> str:
    """Return ``<time> <level> [<group>] <content>`` with a newline at its end."""
    time = _EPOCH + timedelta(milliseconds=min(max(0, entry.timestamp), _MAX_MS))
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"
    level = _LEVELS.get(entry.type, "INFO")
    group = clean(entry.group).replace("\n", " ")
    content = clean(entry.content).rstrip("\n").replace("\n", "\n\t")
    return f"{stamp} {level:<5} [{group}] {content}\n"


async def log_file(pages: AsyncIterator[list[LogEntry]]) -> AsyncGenerator[bytes, None]:
    """Stream the file, one chunk per page of entries."""
    async for page in pages:
        yield "".join(map(render, page)).encode("utf-8", "replace")
