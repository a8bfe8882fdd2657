"""Fixtures for the tests of results with a journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fyke.storage.sql.results import journaled
from fyke.storage.sql.results.fencing import FencingResults
from fyke.storage.sql.results.journal import pace
from fyke.storage.sql.results.journaled import JournaledResults
from support.journaled import batch, opened
from support.prepared import rows_in
from support.rows import RUN


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journaled, "_RETRY_BASE", 0.001)
    monkeypatch.setattr(journaled, "_RETRY_CAP", 0.002)


@pytest.fixture
def unmoved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are moved only on request."""
    monkeypatch.setattr(journaled, "MOVE_SECONDS", 1e9)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return rows_in(tmp_path)


@pytest.fixture
def quick_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No write counts as slow, as it may be on a busy machine."""
    monkeypatch.setattr(pace, "SLOW_SECONDS", 10)


@pytest.fixture
async def runner(
    url: str, tmp_path: Path, anyio_backend: str, quick_writes: None
) -> AsyncIterator[JournaledResults]:
    async with opened(url, tmp_path, runner=True) as store:
        store._moved_at = asyncio.get_running_loop().time()  # as if records had just been moved
        for attempt in "ab":
            await store.open_attempt(RUN, attempt)
        yield store


@pytest.fixture
async def server(url: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[FencingResults]:
    async with opened(url, tmp_path) as store:
        yield store


@pytest.fixture
async def flushing(
    url: str,
    tmp_path: Path,
    anyio_backend: str,
    quick_writes: None,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[JournaledResults]:
    """A runner that flushes; attempt ``a`` has pushed 1, and pushes alone."""
    monkeypatch.setattr(pace, "ALONE_SECONDS", 0)
    monkeypatch.setattr(pace, "SLOW_FLUSHES_SECONDS", 10)
    async with opened(url, tmp_path, runner=True, durable=True) as store:
        for attempt in "ab":
            await store.open_attempt(RUN, attempt)
        assert await store.commit([batch(1)]) == [True]
        yield store
