"""The stores of a test on SQLite files of its own, over engines that are used again.

SQLAlchemy keeps what it has compiled with the engine. A new engine for each test would compile
each statement anew, which takes longer than most tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from fyke.domain.runs.outcome import HIDING
from fyke.storage.sql.dialects import make_engine
from fyke.storage.sql.results import store as results_store
from fyke.storage.sql.results.store import SqlResults
from fyke.storage.sql.state import storage as state_storage
from fyke.storage.sql.state.storage import SqlStorage


class _Engine:
    """An engine whose connections are to ``file``, as of now."""

    def __init__(self, pool_size: int, reading: bool) -> None:
        self.file = ""
        self.engine: Engine = make_engine(
            "sqlite:////file", durable=False, pool_size=pool_size, reading=reading
        )

        @event.listens_for(self.engine, "do_connect")
        def connect(_dialect: Any, _record: Any, arguments: list[Any], _named: Any) -> None:
            arguments[0] = self.file


_free: dict[tuple[int, bool], list[_Engine]] = {}


@contextmanager
def _engine(file: Path, pool_size: int, *, reading: bool = False) -> Iterator[Engine]:
    """For the length of the block. The store that has it closes the connections."""
    free = _free.setdefault((pool_size, reading), [])
    made = free.pop() if free else _Engine(pool_size, reading)
    made.file = str(file)
    yield made.engine
    made.engine.dispose()
    free.append(made)


@contextmanager
def sqlite_stores(
    folder: Path, notify: Callable[[str], None]
) -> Iterator[tuple[SqlStorage, SqlResults]]:
    """The state and the rows in ``folder``, which has both databases; close both before the end."""
    readers = state_storage.READERS
    with ExitStack() as stack:
        writing = stack.enter_context(_engine(folder / "state.db", 1))
        reading = stack.enter_context(_engine(folder / "state.db", readers, reading=True))
        rows = stack.enter_context(_engine(folder / "rows.db", results_store.READERS + 1))
        storage = SqlStorage(
            writing, reading, writers=1, readers=readers, notify=notify, hiding=HIDING
        )
        yield storage, SqlResults(rows)
