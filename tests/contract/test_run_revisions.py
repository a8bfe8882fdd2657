"""Revisions of runs, asked on one connection to PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable, Iterator
from typing import Any

import psycopg
import pytest

from fyke.kit.ids import new_ulid
from fyke.storage.sql.state import run_revisions
from fyke.storage.sql.state.run_revisions import PostgresRunRevisions
from support import records
from support.postgres import PostgresServer
from support.stores import open_state

pytestmark = pytest.mark.anyio


@pytest.fixture
async def runs(postgres_state_url: str) -> list[str]:
    """Two runs of one worker."""
    async with open_state(postgres_state_url) as storage:

        def work(tx: Any) -> list[str]:
            owner, worker = records.seed(tx)
            return [records.seed_run(tx, owner, worker).id for _ in range(2)]

        return await storage.write(work)


@pytest.fixture
async def revisions(postgres_state_url: str) -> AsyncIterator[PostgresRunRevisions]:
    opened = PostgresRunRevisions(postgres_state_url)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def other(postgres_state_url: str, postgres: PostgresServer) -> Iterator[psycopg.Connection[Any]]:
    name = postgres_state_url.partition("@/")[2].partition("?")[0]
    with postgres.admin(name) as connection:
        yield connection


async def asked(revisions: PostgresRunRevisions, run_id: str) -> Hashable:
    future = revisions.ask(run_id)
    assert future is not None
    return await future


async def test_every_change_of_run_or_worker_is_a_new_revision(
    runs: list[str], revisions: PostgresRunRevisions, other: psycopg.Connection[Any]
) -> None:
    seen = [await asked(revisions, runs[0])]
    assert seen[0] is not None
    for statement in ("UPDATE runs SET results = 1", "UPDATE workers SET title = title") * 2:
        other.execute(statement.encode())
        seen.append(await asked(revisions, runs[0]))
        assert await asked(revisions, runs[0]) == seen[-1]
    assert len(set(seen)) == 5
    other.execute("DELETE FROM runs WHERE id = %s", (runs[0],))
    assert await asked(revisions, runs[0]) is None


async def test_nothing_else_is_one(
    runs: list[str], revisions: PostgresRunRevisions, other: psycopg.Connection[Any]
) -> None:
    """Neither another run, nor a lock, nor what is not committed."""
    before = await asked(revisions, runs[0])
    other.execute("UPDATE runs SET results = 1 WHERE id = %s", (runs[1],))
    other.execute("UPDATE accounts SET balance_micros = 1")
    with other.transaction():
        other.execute("SELECT FROM runs, workers FOR UPDATE")
        assert await asked(revisions, runs[0]) == before
        other.execute("UPDATE runs SET results = 1")
        assert await asked(revisions, runs[0]) == before
        raise psycopg.Rollback
    assert await asked(revisions, runs[0]) == before
    assert await asked(revisions, runs[1]) not in (None, before)


async def test_the_questions_of_a_moment_are_one_statement(
    runs: list[str], revisions: PostgresRunRevisions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also many, and those that arrive before its answer are another one."""
    finished = []
    finish = revisions._finish

    def watched() -> None:
        finished.append(len(revisions._asked))
        finish()

    monkeypatch.setattr(revisions, "_finish", watched)
    monkeypatch.setattr(run_revisions, "MAX_AT_ONCE", 3)
    first = [revisions.ask(run_id) for run_id in (*runs, *runs, new_ulid(), new_ulid())]
    await asyncio.sleep(0)
    second = revisions.ask(runs[0])
    assert second not in first
    found = [await future for future in (*first, second) if future is not None]
    assert found[:2] == found[2:4]
    assert found[4:6] == [None, None]
    assert found[6] == found[0]
    assert finished == [3, 2]


async def test_a_new_connection_has_new_revisions(
    runs: list[str], revisions: PostgresRunRevisions, other: psycopg.Connection[Any]
) -> None:
    before = await asked(revisions, runs[0])
    waiting = revisions.ask(runs[0])
    assert waiting is not None
    other.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert await waiting is None
    assert revisions.ask(runs[0]) is None
    async with asyncio.timeout(30):
        while (again := revisions.ask(runs[0])) is None:
            await asyncio.sleep(0.01)
    assert await again not in (None, before)


async def test_a_slow_statement_has_no_answer(
    runs: list[str], revisions: PostgresRunRevisions, other: psycopg.Connection[Any]
) -> None:
    """The deadline of the server, which is shorter than that of the client."""
    with other.transaction():
        other.execute("LOCK TABLE runs")
        assert await asked(revisions, runs[0]) is None
        assert revisions.ask(runs[0]) is None


async def test_a_silent_server_has_no_answer(
    runs: list[str], revisions: PostgresRunRevisions
) -> None:
    waiting = revisions.ask(runs[0])
    assert waiting is not None
    revisions._loop.call_soon(revisions._loop.remove_reader, _socket(revisions))
    assert await waiting is None


async def test_without_a_server_nothing_is_asked(postgres_state_url: str) -> None:
    unreachable = PostgresRunRevisions(postgres_state_url.replace("host=", "host=/nowhere"))
    await unreachable.open()
    assert unreachable.ask(new_ulid()) is None
    await unreachable.close()


def _socket(revisions: PostgresRunRevisions) -> int:
    assert revisions._connection is not None
    return revisions._connection.pgconn.socket
