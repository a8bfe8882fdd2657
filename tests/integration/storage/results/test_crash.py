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
from dataclasses import dataclass
from pathlib import Path

import pytest

from fyke.model.results import Row
from fyke.storage.sql.results.journal.folder import JournalFolder
from fyke.storage.sql.results.journaled import open_results
from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.results.store import SqlResults
from fyke.storage.sql.results.store_id import read_store_id

pytestmark = pytest.mark.anyio

NONE: frozenset[str] = frozenset()

# Imports take longer than the test, so a parent process that has imported everything forks the
# victims.
PARENT = """
import asyncio, os, random, sys
from pathlib import Path
import structlog
from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch, PushedRow
from fyke.storage.sql.results.journaled import open_results

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
url, folder, durable = sys.argv[1], sys.argv[2], sys.argv[3] == "durable"

async def commit_forever(run):
    journal = Path(folder) if folder else None
    results = open_results(url, durable=durable, known=None, journal=journal, runner=True)
    await results.start()
    await results.open_attempt(run, f"{run}-attempt")
    next_number = 0
    while True:
        count = random.randint(1, 5)
        numbers = range(next_number, next_number + count)
        key = "n" if random.random() < 0.2 else ""  # upserts are not in the journal
        rows = [PushedRow(b'{"n":%d}' % n, key, key and str(n)) for n in numbers]
        log = [NewLogEntry(1, "g", str(n), n) for n in numbers]
        batch = AttemptBatch(run, f"{run}-attempt", rows, log=log)
        if await results.append(batch) is None:
            assert await results.commit([batch]) == [True]
        next_number += count
        os.write(1, b"%d\\n" % next_number)
        await asyncio.sleep(0)

for line in sys.stdin:
    victim = os.fork()
    if not victim:
        random.seed()
        os.write(1, b"pid %d\\n" % os.getpid())
        asyncio.run(commit_forever(line.strip()))
    _, status = os.waitpid(victim, 0)
    os.write(1, b"dead %d\\n" % os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Address:
    url: str
    journal: Path | None = None
    durable: bool = True

    def open(self) -> SqlResults:
        """The store of another process than the one that is killed."""
        return open_results(self.url, durable=self.durable, known=None, journal=self.journal)


@contextlib.contextmanager
def killer(address: Address) -> Iterator[Callable[[str], int]]:
    """Yield a function that lets a victim commit rows to a run, kills it, and returns the number of
    acknowledged rows.
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, address.url, str(address.journal or ""),
         "durable" if address.durable else "quick"],
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
    owned = await results.close_attempt(f"{run}-attempt")
    rows = await all_rows(results, run)
    assert len(rows) == owned
    return rows


async def check_kills(address: Address, kills: int) -> None:
    migrate_results(address.url)
    results = address.open()
    acknowledged: dict[str, int] = {}
    with killer(address) as kill_one:
        for number in range(kills):
            run = f"run-{number}"
            acknowledged[run] = await asyncio.to_thread(kill_one, run)
            if random.random() < 0.5:  # otherwise the next process moves its journal
                await check_run(results, run, acknowledged[run])
    for run, count in acknowledged.items():
        await check_run(results, run, count)
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
    await check_kills(Address(f"sqlite:///{tmp_path / 'rows.db'}"), kills)


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("kills", FEW_OR_MANY)
async def test_killed_writers_with_a_journal_lose_no_acknowledged_row(
    tmp_path: Path, kills: int, durable: bool
) -> None:
    url, journal = f"sqlite:///{tmp_path / 'rows.db'}", tmp_path / "journal"
    await check_kills(Address(url, journal, durable), kills)
    assert JournalFolder(journal).findings(read_store_id(tmp_path / "rows.db")) == []


@pytest.mark.parametrize("kills", FEW_OR_MANY)
async def test_killed_writers_on_postgresql_lose_no_acknowledged_row(
    postgres_url: str, kills: int
) -> None:
    await check_kills(Address(postgres_url), kills)
