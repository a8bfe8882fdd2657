"""A state in SQLite, with three accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.prepared import state_in
from support.published import PublishedState
from support.stores import sqlite_stores


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[PublishedState]:
    state_in(tmp_path)
    with sqlite_stores(tmp_path, lambda _: None) as (storage, results):
        yield await PublishedState(storage).begin()
        await results.close()
        await storage.close()
