"""The statements that all engines of this process execute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event


@contextmanager
def executed() -> Iterator[list[tuple[str, Any]]]:
    """A list that grows by (statement, values) with each statement.

    The marks of commits (``commits.py``) are left out: a thread's first commit has one more.
    """
    found: list[tuple[str, Any]] = []

    def note(*call: Any) -> None:
        if "commit_marks" not in call[2]:
            found.append((call[2], call[3]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)
