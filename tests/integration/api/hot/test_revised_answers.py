"""Details over PostgreSQL: kept while the run is unchanged, never older than the question."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fyke.domain.workers.page import PageChange
from support.app import open_app
from support.both_paths import BothPaths
from support.hot_reads import Seeded, ended_run, of_v1, of_v2, paths_of
from support.postgres import PostgresServer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def seeded(tmp_path: Path, templates: Path, postgres_state_url: str) -> AsyncIterator[Seeded]:
    async with open_app(tmp_path, templates, state_url=postgres_state_url) as app:
        worker = (await app.publish("reader")).id
        yield Seeded(app, {"succeeded": await ended_run(app, worker)}, {})


@pytest.fixture
def fresh(seeded: Seeded) -> BothPaths:
    return paths_of(seeded)


@pytest.fixture
def other(postgres_state_url: str, postgres: PostgresServer) -> Any:
    """A connection of another process."""
    name = postgres_state_url.partition("@/")[2].partition("?")[0]
    with postgres.admin(name) as connection:
        yield connection


async def test_a_commit_is_seen_at_once(
    seeded: Seeded, fresh: BothPaths, other: psycopg.Connection
) -> None:
    run, app = seeded.runs["succeeded"], seeded.app
    details = of_v1(run, app.owner_key), of_v2(run, app.owner_key)
    for results in range(10):
        other.execute("UPDATE runs SET results = %s", (results,))
        for asked in details * 2:
            assert b'"results":%d,' % results in (await fresh.check(asked)).body
    worker = (await app.services.runs.get(app.owner, run)).worker.id
    for title in ("First", "Second"):
        await app.services.workers.change_page(app.owner, worker, PageChange(title=title))
        for asked in details * 2:
            assert title.encode() in (await fresh.check(asked)).body
    assert fresh.taken == 48
    await app.services.runs.delete(app.owner, run)
    for asked in details:
        assert (await fresh.check(asked)).status == 404


async def test_a_commit_elsewhere_does_not_end_a_kept_detail(
    seeded: Seeded,
    fresh: BothPaths,
    other: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, key = seeded.runs["succeeded"], seeded.app.owner_key
    details = of_v1(run, key), of_v2(run, key)
    answers = [await fresh.check(asked) for asked in details]
    monkeypatch.setattr(seeded.app.services.runs, "get", None)
    for balance in range(5):
        other.execute("UPDATE accounts SET balance_micros = %s", (balance,))
        assert [await fresh.ask_hot(asked) for asked in details] == answers
    assert fresh.taken == 12


async def test_a_commit_during_the_read_is_seen_by_the_next(
    seeded: Seeded,
    fresh: BothPaths,
    other: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The answer was read before the commit and is kept after it."""
    runs, asked = seeded.app.services.runs, of_v1(seeded.runs["succeeded"], seeded.app.owner_key)
    get = runs.get

    async def get_then_commit(*request: Any) -> Any:
        view = await get(*request)
        other.execute("UPDATE runs SET results = 9")
        return view

    with monkeypatch.context() as patch:
        patch.setattr(runs, "get", get_then_commit)
        assert b'"results":3,' in (await fresh.ask_hot(asked)).body
    assert b'"results":9,' in (await fresh.check(asked)).body
    assert fresh.taken == 2


async def test_without_its_connection_the_full_path_answers(
    seeded: Seeded, fresh: BothPaths, other: psycopg.Connection
) -> None:
    asked = of_v1(seeded.runs["succeeded"], seeded.app.owner_key)
    await fresh.check(asked)
    other.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert (await fresh.ask_hot(asked)).status == 200
    assert fresh.taken == 1
    async with asyncio.timeout(30):
        while fresh.taken == 1:
            await asyncio.sleep(0.01)
            assert (await fresh.ask_hot(asked)).status == 200


async def test_a_failure_of_the_hot_read_is_answered_by_the_full_path(
    seeded: Seeded, fresh: BothPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, asked = seeded.app.services.runs, of_v1(seeded.runs["succeeded"], seeded.app.owner_key)
    get, failures = runs.get, list[type[Exception]]()

    async def fail_first(*request: Any) -> Any:
        with suppress(IndexError):
            raise failures.pop()
        return await get(*request)

    monkeypatch.setattr(runs, "get", fail_first)
    for failure in (ZeroDivisionError, TimeoutError):
        failures.append(failure)
        assert (await fresh.ask_hot(asked)).status == 200
        assert not failures
    assert not fresh.taken
