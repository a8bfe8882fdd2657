"""Compares the rows per second of the results store with a minimal loop over sqlite3.

    python bench/rows_store.py [--url postgresql://...] [--seconds 2]

The raw loop inserts into one table with one key and commits, ``synchronous=FULL``: the limit of the
disk and SQLite. The store does the same work and also maintains positions, fence and sums. Both run
in alternation, because the flush time of a disk varies by the minute. Rows are 180 bytes.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from common import arguments, head, line

from fyke.model.results import AttemptBatch, PushedRow
from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.results.store import SqlResults, open_results

DATA = b'{"title":"' + b"x" * 168 + b'"}'
ROUNDS = 3
NAMES = ("disk syncs", "plain loop over sqlite3", "store", "store without syncs")


def repeat(work: Callable[[], None], seconds: float) -> float:
    """Calls per second."""
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        work()
        calls += 1
    return calls / (time.perf_counter() - start)


def flush_rate(folder: Path, seconds: float) -> float:
    """Appends of a page with fdatasync per second, the upper limit of durable commits."""
    with (folder / "flush").open("ab", buffering=0) as file:

        def append() -> None:
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())

        return repeat(append, seconds)


def raw_rate(folder: Path, batch: int, seconds: float) -> float:
    """Rows per second of the minimal loop."""
    connection = sqlite3.connect(folder / f"raw{batch}.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS r (id INTEGER PRIMARY KEY, data BLOB)")
    rows = [(DATA,)] * batch

    def insert() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO r (data) VALUES (?)", rows)
        connection.execute("COMMIT")

    try:
        return batch * repeat(insert, seconds)
    finally:
        connection.close()


async def store_rate(store: SqlResults, run: str, batch: int, seconds: float) -> float:
    """Rows per second through the contract, one commit at a time."""
    await store.open_attempt(run, f"{run}-attempt")
    batches = [AttemptBatch(run, f"{run}-attempt", [PushedRow(DATA)] * batch)]
    start, commits = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        await store.commit(batches)
        commits += 1
    return batch * commits / (time.perf_counter() - start)


async def compare(url: str, folder: Path, seconds: float) -> None:
    migrate_results(url)
    durable = open_results(url, durable=True)
    quick = open_results(url, durable=False)
    for batch in (1, 64, 1000):
        seen: dict[str, list[float]] = {name: [] for name in NAMES}
        for _ in range(ROUNDS):
            seen["disk syncs"].append(flush_rate(folder, seconds / 2))
            seen["plain loop over sqlite3"].append(raw_rate(folder, batch, seconds))
            rate = await store_rate(durable, f"durable-{batch}", batch, seconds)
            seen["store"].append(rate)
            rate = await store_rate(quick, f"quick-{batch}", batch, seconds)
            seen["store without syncs"].append(rate)
        for name, rates in seen.items():
            texts = ", ".join(f"{rate:,.0f}" for rate in rates)
            line(f"{batch} rows a commit: {name}", texts, rate_per_s=statistics.median(rates))
    await durable.close()
    await quick.close()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--url", default="", help="a PostgreSQL database; without it, SQLite")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each measurement")
    parser.add_argument("--folder", type=Path, help="folder of the files, else a temporary one")
    options = parser.parse_args()
    head("Results store against the plain loop over sqlite3, rows a second")
    with tempfile.TemporaryDirectory(dir=options.folder) as text:
        folder = Path(text)
        url = options.url or f"sqlite:///{folder}/rows.db"
        asyncio.run(compare(url, folder, options.seconds))


if __name__ == "__main__":
    main()
