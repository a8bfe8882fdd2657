"""Revisions of runs on PostgreSQL, in the loop of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fyke.storage.sql.state.run_revisions import PostgresRunRevisions


@asynccontextmanager
async def revisions_of(url: str) -> AsyncIterator[PostgresRunRevisions]:
    revisions = PostgresRunRevisions(url)
    await revisions.open()
    try:
        yield revisions
    finally:
        await revisions.close()
