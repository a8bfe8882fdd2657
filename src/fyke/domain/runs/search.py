"""Parses cursors and search terms for lists of runs.

A cursor is the time of creation and the id of a run, which together are unique and ordered, so no
run is missed or listed twice when new ones start in the meantime.
"""

from __future__ import annotations

import re

from fyke.errors import InvalidRequest
from fyke.model.run_list import ListCursor
from fyke.model.run_list_limits import MAX_ERROR_CHARS

_CURSOR = re.compile(r"([0-9]{1,15})-([0-9A-Z]{26})")
_RUN_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{0,25}")


def parse_cursor(text: str) -> ListCursor:
    """Parse the text of ``ListCursor.text``. Raise ``InvalidRequest``."""
    match = _CURSOR.fullmatch(text.strip())
    if not match:
        raise InvalidRequest(
            "use next_cursor or previous_cursor of an earlier answer", field="cursor"
        )
    return ListCursor(int(match[1]), match[2])


def run_id_part(text: str) -> str:
    """Parse the id of a run or the start of one. Raise ``InvalidRequest``."""
    part = text.strip().upper()
    if part and not _RUN_ID.fullmatch(part):
        raise InvalidRequest(
            "must be the id of a run or the start of one: up to 26 digits and capital letters "
            "without I, L, O and U",
            field="run",
        )
    return part


def error_part(text: str) -> str:
    """Parse a part of an error message. Raise ``InvalidRequest`` when it is too long."""
    part = text.strip()
    if len(part) > MAX_ERROR_CHARS:
        raise InvalidRequest(f"must be at most {MAX_ERROR_CHARS} characters", field="error")
    return part
