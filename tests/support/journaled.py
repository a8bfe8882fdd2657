"""The results of a runner with a journal, and batches for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fyke.model.results import AttemptBatch
from fyke.storage.sql.results.journal.folder import JournalFolder
from fyke.storage.sql.results.journaled import JournaledResults
from fyke.storage.sql.results.store_id import read_store_id
from support.rows import RUN, plain
from support.stores import kill_runner, open_rows


def opened(url: str, folder: Path, **options: bool) -> Any:
    return open_rows(url, journal=folder / "journal", **options)


@asynccontextmanager
async def killed_runner(url: str, folder: Path, **options: bool) -> AsyncIterator[JournaledResults]:
    """A runner that is killed at the end of the block: it moves and removes nothing."""
    async with opened(url, folder, runner=True, **options) as store:
        store._moved_at = asyncio.get_running_loop().time()
        await store.open_attempt(RUN, "a")
        yield store
        await kill_runner(store)


def batch(*values: object, attempt: str = "a") -> AttemptBatch:
    return AttemptBatch(RUN, attempt, plain(*values))


def findings(folder: Path) -> list[str]:
    """What ``fyke db check`` says about the journal."""
    return JournalFolder(folder / "journal").findings(read_store_id(folder / "rows.db"))
