"""Statements that go to psycopg directly, when their connection is lost."""

from __future__ import annotations

from contextlib import ExitStack

import psycopg
import pytest
from sqlalchemy import Engine

from support import records
from support.stores import open_state

pytestmark = pytest.mark.anyio


def fill(engine: Engine) -> None:
    """Leave four idle connections in the pool."""
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(engine.connect())


async def test_a_restart_of_the_server_fails_no_later_transaction(postgres_state_url: str) -> None:
    account = records.account()
    async with open_state(postgres_state_url) as storage:
        for engine in (storage._reading, storage._writing):
            fill(engine)
        url = postgres_state_url.replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as admin:
            ended = admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'fyke'"
            ).fetchall()
        assert ended == [(True,)] * 8
        assert await storage.read(lambda tx: tx.now) > 0
        await storage.write(lambda tx: (tx.now, tx.accounts.add(account)))
        assert await storage.read(lambda tx: tx.accounts.get(account.id)) == account
