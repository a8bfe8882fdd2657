"""Measures the server's time for each page of the console with a long history.

    python bench/console_pages.py [--runs 1000000] [--rounds 100] [--database sqlite]
        [--folder DIR] [--only TEXT] [--explain]

Fills one account with every kind of object and with past runs (``console_fill.py``), then requests
every page of the console, signed in, from the application in this process; then the pages of an
active run with many log lines and rows. The aim is a p95 of 50 ms for each page.

It prints the CPU time of a request, in this process and in the servers of the database, because
another program makes it longer only a little; and the time from the request to the last byte,
without network and browser. Both contain the client of the benchmark, about 1 ms. Then come the
size of the page, how many statements it needs, and at the end the bytes of first loads. With
``--explain`` the statements of pages over the aim are printed with their times and plans.

With ``--folder`` the store is kept there, and a later call continues with it: 1,000,000 runs need
3 GB with SQLite. New pages are found by themselves; add further addresses to ``PAGES``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from common import arguments, head, line, percentile
from console_fill import Filled, fill, from_json, to_json
from history import Database, database, explain

from support.app import App, make_templates, open_app
from support.large_run import addresses, begin_run, grow
from support.page_weight import total, weight
from support.pages import Visitor, stranger, visitor
from support.statements import executed

TARGET_MS = 50
FIRST_PAGES = "/login", "/", "/runs?all=1"
PUBLIC = "/login", "/invite", "/reset"
WARMING = 3  # requests before those that count: they fill caches and compile statements
ADDRESSES = "pages.json"

# Name and address of further pages; braces contain an attribute of ``Filled``.
PAGES: tuple[tuple[str, str], ...] = (
    ("runs", "/runs?all=1"),
    ("runs, one state", "/runs?state=failed"),
    ("runs, several states", "/runs?state=active,failed"),
    ("runs, waiting", "/runs?state=ready"),
    ("runs, one Worker", "/runs?worker={worker_path}"),
    ("runs, rare Worker and state", "/runs?worker={rare_path}&state=aborted"),
    ("runs, one task", "/runs?task={task}"),
    ("runs, Worker and state", "/runs?worker={worker_path}&state=failed"),
    ("runs, a filter without matches", "/runs?version=v9&outcome=timeout&origin=web"),
    ("runs, one version", "/runs?version=v1.0.2"),
    ("runs, one origin", "/runs?origin=schedule"),
    ("runs, one outcome", "/runs?outcome=timeout"),
    ("runs, one reason", "/runs?reason=exit_code"),
    ("runs, days", "/runs?from={from_day}&until={until_day}"),
    ("runs, a year", "/runs?from={year_from}&until={today}"),
    ("runs, a year, Worker and state",
     "/runs?from={year_from}&until={today}&worker={worker_path}&state=failed"),
    ("runs, last hour", "/runs?from=1h"),
    ("runs, last 24 hours", "/runs?from=24h"),
    ("runs, last 7 days", "/runs?from=7d"),
    ("runs, last 30 days", "/runs?from=30d"),
    ("runs, last 30 days, failed", "/runs?from=30d&state=failed"),
    ("runs, text in errors", "/runs?error=KeyError"),
    ("runs, text in no error", "/runs?error=nothing-like-it"),
    ("runs, deep in the list", "/runs?cursor={middle}"),
    ("runs, one id", "/runs?run={run}"),
    ("runs, end of an id", "/runs?run=01H0P00000000000000"),
    ("usage, a year", "/usage?from={year_from}&until={today}&by=month"),
    ("usage, a year by day and key", "/usage?from={year_from}&until={today}&by=day&part=key"),
    ("usage, a year by day and task", "/usage?from={year_from}&until={today}&by=day&part=task"),
    ("ledger, all", "/usage/ledger?holds=1"),
    ("ledger, page 100", "/usage/ledger?page=100"),
    ("a past run, its log", "/runs/{run}/log"),
    ("a past run, its events", "/runs/{run}/events"),
    ("a task with many runs", "/tasks/{task}"),
    ("history of a schedule", "/tasks/{task}/history"),
    ("schedules, a month", "/schedules/month"),
    ("tasks, found", "/tasks?search=Task+1"),
    ("store, found", "/store?search=worker"),
    ("audit, one action", "/settings/audit?action=run.abort"),
    ("Worker with many runs", "/w/{worker_path}"),
    ("Worker with many runs, versions", "/w/{worker_path}/versions"),
    ("Worker with many runs, trends", "/w/{worker_path}/trends"),
    ("palette, nothing typed", "/find/options"),
    ("palette, one letter", "/find/options?q=w"),
    ("palette, a Worker", "/find/options?q=worker-1"),
    ("palette, end of an id", "/find/options?q=0000999"),
    ("palette, no match", "/find/options?q=qqqqqq"),
    ("guide, found", "/guide?q=schedule"),
    ("overview, card of runs now", "/overview/now"),
    ("overview, card of Workers", "/overview/workers"),
    ("overview, card of the month", "/overview/usage"),
)  # fmt: skip


@dataclass(frozen=True)
class Times:
    """Milliseconds of each request of a page."""

    cpu: list[float]
    elapsed: list[float]


class Meter:
    """Requests pages and prints their figures; ``slowest`` is the highest p95 of CPU time."""

    def __init__(self, used: Database, options: argparse.Namespace) -> None:
        self._database, self._rounds = used, options.rounds
        self._only, self._explain = options.only, options.explain
        self.pages = self.over = 0
        self.slowest = self.slowest_elapsed = 0.0

    async def measure(self, app: App, pages: Mapping[str, str]) -> None:
        """Print a line for each page, by name and address."""
        gc.collect()
        gc.freeze()  # as the processes of the platform do with all that they have imported
        async with visitor(app) as owner, stranger(app) as guest:
            for name, address in pages.items():
                if self._only in name:
                    await self._page(guest if name in PUBLIC else owner, name, address)

    async def _page(self, someone: Visitor, name: str, address: str) -> None:
        with executed() as statements:
            answer = await _get(someone, address)
        if answer.status_code != 200:
            line(name, f"status {answer.status_code}, not measured")
            return
        times = await self._times(someone, address)
        p95 = percentile(times.cpu, 0.95)
        values = {
            "p50_cpu_ms": statistics.median(times.cpu),
            "p95_cpu_ms": p95,
            "most_cpu_ms": max(times.cpu),
            "p50_ms": statistics.median(times.elapsed),
            "p95_ms": percentile(times.elapsed, 0.95),
            "most_ms": max(times.elapsed),
            "statements_count": len(statements),
        }
        figures = "  ".join(
            f"{label} {values['p50' + unit]:5.1f} {values['p95' + unit]:5.1f}"
            f" {values['most' + unit]:5.1f}"
            for label, unit in (("CPU", "_cpu_ms"), ("elapsed", "_ms"))
        )
        size = f"{len(answer.content) / 1000:4.0f} kB  {len(statements):3} statements"
        line(name, f"{figures}  {size}{'  over the aim' if p95 > TARGET_MS else ''}", **values)
        self.pages += 1
        self.over += p95 > TARGET_MS
        self.slowest = max(self.slowest, p95)
        self.slowest_elapsed = max(self.slowest_elapsed, values["p95_ms"])
        if self._explain and p95 > TARGET_MS:
            await explain(name, lambda: _get(someone, address))

    async def _times(self, someone: Visitor, address: str) -> Times:
        times = Times([], [])
        for number in range(self._rounds + WARMING):
            cpu, started = self._database.cpu_ms(), time.perf_counter()
            await _get(someone, address)
            elapsed = (time.perf_counter() - started) * 1000
            if number >= WARMING:
                times.cpu.append(self._database.cpu_ms() - cpu)
                times.elapsed.append(elapsed)
        return times


async def _get(someone: Visitor, address: str):
    return await someone.http.get(address, headers={"accept": "text/html"})


def all_pages(app: App, filled: Filled) -> dict[str, str]:
    """The addresses of all pages: those of the console by their path, and those of ``PAGES``."""
    known = filled.addresses
    pages = {
        page.path: known.get(page.path, page.path)
        for page in app.asgi().state.console.pages
        if page.method == "GET" and not page.part and "{" not in known.get(page.path, page.path)
    }
    states = {path: address for path, address in known.items() if not path.startswith("/")}
    return pages | states | {name: address.format(**vars(filled)) for name, address in PAGES}


@asynccontextmanager
async def filled_app(
    folder: Path, used: Database, options: argparse.Namespace
) -> AsyncIterator[tuple[App, Filled]]:
    """The application on the store in ``folder``, which is filled if it is new."""
    url, marks = used.state_url(folder), folder / ADDRESSES
    with tempfile.TemporaryDirectory() as place:
        new = None if marks.exists() else make_templates(Path(place))
        async with open_app(folder, new, state_url=url) as app:
            if new is not None:
                filled = await fill(app, options.runs, options.waiting)
                marks.write_text(to_json(filled))
            yield app, from_json(marks.read_text())


async def first_loads(app: App) -> None:
    """Print what a browser without a cache transfers for each page with which a visit begins."""
    sizes = {}
    async with visitor(app) as owner, stranger(app) as guest:
        for address in FIRST_PAGES:
            await _get(owner, address)  # so that the cards of the overview are there in time
            seen = await weight(guest if address in PUBLIC else owner, address)
            sizes[address] = total(seen, font=False), total(seen, font=True)
            with_and_without = " and ".join(f"{size / 1000:.1f}" for size in sizes[address])
            line(f"first load of {address}", f"{with_and_without} kB without and with the font")
    least, most = (max(size[n] for size in sizes.values()) / 1000 for n in (0, 1))
    line("largest first load", f"{least:.1f} kB", transferred_kb=least)
    line("largest first load, with the font", f"{most:.1f} kB", transferred_kb=most)


async def run(folder: Path, used: Database, options: argparse.Namespace) -> None:
    meter = Meter(used, options)
    async with filled_app(folder, used, options) as (app, filled):
        await meter.measure(app, all_pages(app, filled))
        await first_loads(app)
    if options.rows:
        with tempfile.TemporaryDirectory() as place:
            templates = make_templates(Path(place))
            (Path(place) / "data").mkdir()
            async with open_app(Path(place) / "data", templates) as app:
                lease = await begin_run(app)
                await grow(app, lease, options.lines, options.rows)
                line("an active run", f"{options.lines:,} lines, {options.rows:,} rows")
                pages = addresses(lease.run.id, options.lines, options.rows)
                await meter.measure(app, {f"active run: {name}": at for name, at in pages.items()})
    line("pages over the aim", f"{meter.over} of {meter.pages}", over_count=meter.over)
    line(
        "slowest page",
        f"p95 {meter.slowest:.1f} ms of CPU, {meter.slowest_elapsed:.1f} ms elapsed",
        p95_cpu_ms=meter.slowest,
        p95_ms=meter.slowest_elapsed,
    )


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--waiting", type=int, default=10_000, help="runs that wait")
    parser.add_argument("--lines", type=int, default=100_000, help="of the active run")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the active run, 0: none")
    parser.add_argument("--rounds", type=int, default=100, help="requests of each page")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", default="", help="only pages with this in their name")
    parser.add_argument("--explain", action="store_true")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    head(f"Console pages, {options.database}")
    with contextlib.ExitStack() as stack:
        folder = options.folder
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            folder.chmod(0o711)  # for the user of the server of PostgreSQL
        used = stack.enter_context(database(options.database, folder))
        data = folder / "pages"
        data.mkdir(parents=True, exist_ok=True)
        asyncio.run(run(data, used, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
