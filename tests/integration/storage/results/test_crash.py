"""SIGKILL of the committing process: acknowledged rows are stored once and in order.

A child commits batches of one to five rows and prints the last number after each answer. It is
killed at a random moment. Every printed row must be in the store; beyond that, only the batch in
progress may be stored, and then as a whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fyke.model.results import Row
from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.results.store import SqlResults, open_results

pytestmark = pytest.mark.anyio

NONE: frozenset[str] = frozenset()

# Imports take longer than the test, so a parent process that has imported everything forks the
# victims.
PARENT = """
import asyncio, os, random, sys
from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch, PushedRow
from fyke.storage.sql.results.store import open_results

async def commit_forever(url, run):
    results = open_results(url, durable=True)
    await results.open_attempt(run, run)
    next_number = 0
    while True:
        count = random.randint(1, 5)
        numbers = range(next_number, next_number + count)
        rows = [PushedRow(b'{"n":%d}' % n, "n", str(n)) for n in numbers]
        log = [NewLogEntry(1, "g", str(n), n) for n in numbers]
        assert await results.commit([AttemptBatch(run, run, rows, log=log)]) == [True]
        next_number += count
        os.write(1, b"%d\\n" % next_number)

for line in sys.stdin:
    victim = os.fork()
    if not victim:
        random.seed()
        os.write(1, b"pid %d\\n" % os.getpid())
        asyncio.run(commit_forever(sys.argv[1], line.strip()))
    _, status = os.waitpid(victim, 0)
    os.write(1, b"dead %d\\n" % os.waitstatus_to_exitcode(status))
"""


@contextlib.contextmanager
def killer(url: str) -> Iterator[Callable[[str], int]]:
    """Yield a function that lets a victim commit rows to a run, kills it, and returns the number of
    acknowledged rows.
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    assert parent.stdin is not None
    assert parent.stdout is not None
    lines = parent.stdout

    def kill_one(run: str) -> int:
        parent.stdin.write(f"{run}\n")
        word, pid = lines.readline().split()
        assert word == "pid"
        acknowledged = int(lines.readline())
        killing = threading.Timer(random.random() * 0.15, os.kill, (int(pid), signal.SIGKILL))
        killing.start()
        while not (line := lines.readline()).startswith("dead"):
            acknowledged = int(line)
        assert line == f"dead {-signal.SIGKILL}\n"
        killing.join()
        return acknowledged

    try:
        yield kill_one
    finally:
        parent.stdin.close()
        assert parent.wait(30) == 0
        lines.close()


async def all_rows(results: SqlResults, run: str) -> list[Row]:
    rows: list[Row] = []
    while page := await results.rows_after(run, NONE, position=len(rows), limit=1000):
        rows += page
    return rows


async def settled_rows(results: SqlResults, run: str) -> list[Row]:
    """Return the rows after fencing: PostgreSQL may finish a commit of the dead process."""
    owned = await results.close_attempt(run)
    rows = await all_rows(results, run)
    assert len(rows) == owned
    return rows


async def check_kills(url: str, kills: int) -> None:
    migrate_results(url)
    results = open_results(url, durable=True)
    with killer(url) as kill_one:
        for number in range(kills):
            run = f"run-{number}"
            acknowledged = await asyncio.to_thread(kill_one, run)
            await check_run(results, run, acknowledged)
    await results.close()


async def check_run(results: SqlResults, run: str, acknowledged: int) -> None:
    rows = await settled_rows(results, run)
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    assert [json.loads(row.data)["n"] for row in rows] == list(range(len(rows)))
    assert acknowledged <= len(rows) <= acknowledged + 5
    log = await results.log_after(run, 0, len(rows) + 10)
    assert [entry.timestamp for entry in log] == list(range(len(rows)))
    assert (await results.totals(run, NONE)).rows == len(rows)


FEW_OR_MANY = [5, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]


@pytest.mark.parametrize("kills", FEW_OR_MANY)
async def test_killed_writers_on_sqlite_lose_no_acknowledged_row(
    tmp_path: Path, kills: int
) -> None:
    await check_kills(f"sqlite:///{tmp_path / 'rows.db'}", kills)


@pytest.mark.parametrize("kills", FEW_OR_MANY)
async def test_killed_writers_on_postgresql_lose_no_acknowledged_row(
    postgres_url: str, kills: int
) -> None:
    await check_kills(postgres_url, kills)
