"""Measures the first page in a new order of a large run, in one process, without HTTP.

    python bench/orders.py [--rows 1000000] [--only price,title] [--folder FOLDER]

Writes one run into a SQLite store (in FOLDER, if given, which is then reused) and computes orders
of it: by a number, by text, by floats and by integers with all their digits, by a mixed field, and
filters. Prints for each the wall time and the CPU time until the first page is known and until all
is sorted, the longest delay of the event loop meanwhile, and the growth of the process's peak
memory since before the first one.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path

from common import arguments, head, line

from fyke.domain.results.query.model import parse_query
from fyke.domain.results.query.orders import OrderRequest
from fyke.domain.results.service import RunResults
from fyke.model.results import AttemptBatch, PushedRow
from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.results.store import SqlResults, open_results
from support.memory import MemoryStorage

RUN, BATCH = "01KSFDS8XWTJME33C08XMCR6B9", 10_000
ORDERS = ("price", "-price", "title", "rating", "id", "mixed")
FILTERS = ("price:lt:10", "title:contains:777", "id:eq:77")


def make_row(n: int) -> PushedRow:
    """A scraped product of about 200 bytes, in no order."""
    mixed = ("null", f"{n}", f'"{n}"', "true", f"[{n}]", f"{n}.5", f'"é{n}"')[n % 7]
    return PushedRow(
        f'{{"title":"Product {n * 7919 % 1000003} in blue","price":{n * 7919 % 99991 / 100},'
        f'"id":{10**18 + n * 104729 % 1000003},"rating":{(n * 7919 % 1000003) / 7},"mixed":{mixed},'
        f'"url":"https://shop.example/p/{n}?a=1&b=2","stock":{n % 50}}}'.encode()
    )


async def fill(store: SqlResults, rows: int) -> None:
    await store.open_attempt(RUN, "attempt")
    for begin in range(0, rows, BATCH):
        pushed = [make_row(n) for n in range(begin, min(begin + BATCH, rows))]
        await store.commit([AttemptBatch(RUN, "attempt", pushed)])


class Delays:
    """The longest delay of a timer of 1 ms, in seconds."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            started = time.perf_counter()
            await asyncio.sleep(0.001)
            self.longest = max(self.longest, time.perf_counter() - started - 0.001)

    def stop(self) -> float:
        self._task.cancel()
        return self.longest


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def measure(store: SqlResults, folder: Path, name: str, before: float) -> None:
    sort, filters = ("", [name]) if ":" in name else (name, [])
    selection = parse_query(sort=sort, filters=filters).selection
    orders = RunResults(MemoryStorage(), store, folder)._orders
    delays, wall, cpu = Delays(), time.perf_counter(), time.process_time()
    request = OrderRequest("account", RUN, frozenset(), selection, ended=True)
    order = await orders.get(request, first=20)
    first_wall, first_cpu = time.perf_counter() - wall, time.process_time() - cpu
    await orders.get(request)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    delay, grown = delays.stop() * 1000, peak_mb() - before
    line(
        name,
        f"first page {first_wall:.2f} s, {first_cpu:.2f} s of CPU; all {order.count:,} rows "
        f"{wall:.2f} s, {cpu:.2f} s; loop delayed by at most {delay:.0f} ms, peak memory "
        f"+{grown:.0f} MB",
        **{"elapsed_s": first_wall, "cpu_s": first_cpu, "all_cpu_s": cpu},
        **{"delay_ms": delay, "grown_mb": grown},
    )


async def run(folder: Path, rows: int, names: list[str]) -> None:
    url = f"sqlite:///{folder}/rows.db"
    migrate_results(url)
    store = open_results(url, durable=False)
    try:
        if not await store.rows_after(RUN, frozenset(), position=0, limit=1):
            await fill(store, rows)
        before = peak_mb()
        for name in names:
            await measure(store, folder, name, before)
    finally:
        await store.close()


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", default=",".join((*ORDERS, *FILTERS)))
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    head("Orders of a large run")
    with tempfile.TemporaryDirectory() as made:
        asyncio.run(run(options.folder or Path(made), options.rows, options.only.split(",")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
