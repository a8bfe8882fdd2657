"""The statements and transactions of all stores of this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from sqlalchemy import Engine, event

from fyke.storage.sql import dialects, postgres_direct
from fyke.storage.sql.results.store import Writer


@contextmanager
def executed() -> Iterator[list[tuple[str, Any]]]:
    """A list that grows by (statement, values) with each statement.

    The marks of commits (``commits.py``) are left out: a thread's first commit has one more.
    """
    found: list[tuple[str, Any]] = []

    def note(*call: Any) -> None:
        if "commit_marks" not in call[2]:
            found.append((call[2], call[3]))

    execute = postgres_direct._execute

    def note_direct(connection: Any, cursor: Any, *call: Any) -> Any:
        note(connection, cursor, *call)
        return execute(connection, cursor, *call)

    execute_on_sqlite = dialects._execute

    def note_on_sqlite(raw: Any, *call: Any) -> Any:
        note(raw, None, *call)
        return execute_on_sqlite(raw, *call)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        with (
            mock.patch.object(postgres_direct, "_execute", note_direct),
            mock.patch.object(dialects, "_execute", note_on_sqlite),
        ):
            yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@contextmanager
def transactions() -> Iterator[Counter[str]]:
    """How many transactions on the ``state`` and how many that write ``results`` there were."""
    found: Counter[str] = Counter()

    def note(_: object) -> None:
        found["state"] += 1

    once = Writer._once

    def note_results(writer: Writer, work: Any) -> Any:
        found["results"] += 1
        return once(writer, work)

    event.listen(Engine, "commit", note)
    try:
        with mock.patch.object(Writer, "_once", note_results):
            yield found
    finally:
        event.remove(Engine, "commit", note)
