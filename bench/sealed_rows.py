"""Compares rows in the database with the same rows in a file: space, and CPU of reads.

    python bench/sealed_rows.py [--rows 100000] [--url postgresql://...]

Rows are those of ``orders.py``. All times are those of the processor in this process, so the work
of a PostgreSQL server is not included. Up to 16 MiB of frames are cached.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from common import arguments, head, line
from orders import RUN, fill
from sqlalchemy import text

from fyke.storage.blobs.filesystem import FilesystemBlobs
from fyke.storage.sql.dialects import make_engine
from fyke.storage.sql.results import sealing
from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.results.store import SqlResults, open_results

NONE: frozenset[str] = frozenset()
PAGES = 300


async def cpu_us(work: Callable[[], Awaitable[Any]], times: int) -> float:
    started = time.process_time()
    for _ in range(times):
        await work()
    return (time.process_time() - started) / times * 1e6


async def measure(store: SqlResults, count: int, state: str) -> None:
    chance = random.Random(2)

    def page(size: int) -> Callable[[], Awaitable[Any]]:
        return lambda: store.page(RUN, NONE, offset=chance.randrange(count - size), limit=size)

    def scattered(size: int) -> Callable[[], Awaitable[Any]]:
        return lambda: store.rows_at(RUN, [chance.randrange(count) + 1 for _ in range(size)])

    async def walk() -> None:
        position = 0
        while block := await store.block_after(RUN, NONE, position=position, limit=4096):
            position = block.positions[-1]

    reads = {
        "page of 10 anywhere": (page(10), PAGES),
        "page of 100 anywhere": (page(100), PAGES),
        "same page of 10": (lambda: store.page(RUN, NONE, offset=count // 2, limit=10), PAGES),
        "10 scattered rows": (scattered(10), 100),
        "100 scattered rows": (scattered(100), 30),
        "all rows in blocks": (walk, 3),
    }
    for name, (work, times) in reads.items():
        await work()
        us = await cpu_us(work, times)
        line(f"{name}, {state}", f"{us:,.0f} us of CPU", cpu_us=us)


def table_bytes(url: str) -> int:
    """The size of the table of rows, in pages that are in use."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
            [(pages,)] = database.execute("PRAGMA page_count")
            [(free,)] = database.execute("PRAGMA freelist_count")
            [(size,)] = database.execute("PRAGMA page_size")
            return int((pages - free) * size)
    engine = make_engine(url, durable=False)
    with engine.connect() as connection:
        query = "SELECT pg_total_relation_size('results_rows')"
        return int(connection.execute(text(query)).scalar_one())


async def run(folder: Path, url: str, count: int) -> None:
    migrate_results(url)
    store = open_results(url, durable=False, blobs=FilesystemBlobs(folder / "blobs"))
    sealing.MAX_PAUSE = 0.0
    try:
        empty = table_bytes(url)
        await fill(store, count)
        await store.close_attempt("attempt")
        hot = table_bytes(url) - empty
        text_bytes = (await store.totals(RUN, NONE)).row_bytes
        line("JSON", f"{text_bytes:,} bytes", json_mb=text_bytes / 1e6)
        line("in the database", f"{hot:,} bytes", database_mb=hot / 1e6)
        await measure(store, count, "database")
        started = time.process_time()
        await store.seal_runs([RUN], 1)
        cpu = time.process_time() - started
        line("sealing", f"{cpu:.2f} s of CPU", cpu_s=cpu)
        [file] = (folder / "blobs" / "rows").iterdir()
        size = file.stat().st_size
        line(
            "in the file",
            f"{size:,} bytes, {hot / size:.1f} times smaller",
            file_mb=size / 1e6,
            smaller_times=hot / size,
        )
        left = table_bytes(url) - empty
        line("left in the database", f"{left:,} bytes", left_mb=left / 1e6)
        await measure(store, count, "file")
        await store.delete_run(RUN)
    finally:
        await store.close()


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--url", default="")
    options = parser.parse_args()
    head("Rows in files")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        url = options.url or f"sqlite:///{folder}/rows.db"
        asyncio.run(run(folder, url, options.rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
