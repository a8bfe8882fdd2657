"""Measures the server's time for each page of the console with a long history.

Fills one account with past runs (directly in the tables of SQLite), then requests each page of
``PAGES`` repeatedly, signed in, from the application in this process: the time is from the request
to the last byte, without network and browser. Prints p50, p95 and the size of each page; the target
is a p95 of 50 ms. Then the same for the pages of an active run with many log lines and rows. Add
new pages to ``PAGES``.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path

import structlog
from common import arguments, head, line, percentile
from sqlalchemy import insert, text

from fyke.model.billing import EntryKind, UsageSums
from fyke.model.run import Origin, Outcome, Run, RunState
from fyke.storage.sql.dialects import for_writing
from fyke.storage.sql.state.billing import ledger, usage_days
from fyke.storage.sql.state.runs.tables import run_columns, run_counts, runs
from support.app import App, make_templates, open_app
from support.large_run import addresses, begin_run, grow
from support.memory import a_run
from support.pages import visitor

TARGET_MS = 50
DAY_MS = 86_400_000
HISTORY_DAYS = 365
BATCH = 5000
WORKERS = 20
TASK_IDS = [f"01TASK{n:020d}" for n in range(30)]

# Name and address of each page; braces contain an attribute of ``History``.
PAGES: tuple[tuple[str, str], ...] = (
    ("overview", "/"),
    ("runs", "/runs?all=1"),
    ("runs, one state", "/runs?state=failed"),
    ("runs, several states", "/runs?state=active,failed"),
    ("runs, one Worker", "/runs?worker={worker_path}"),
    ("runs, one task", "/runs?task={task}"),
    ("runs, Worker and state", "/runs?worker={worker_path}&state=failed"),
    ("runs, a filter without matches", "/runs?version=v9&outcome=timeout&origin=web"),
    ("runs, days", "/runs?from={from_day}&until={until_day}"),
    ("runs, text in errors", "/runs?error=KeyError"),
    ("runs, text in no error", "/runs?error=nothing-like-it"),
    ("runs, deep in the list", "/runs?cursor={middle}"),
    ("runs, one id", "/runs?run={run}"),
    ("queue", "/queue"),
    ("usage, this month", "/usage"),
    ("usage, a year", "/usage?from={year_from}&until={today}&by=month"),
    ("usage, a year by day and key", "/usage?from={year_from}&until={today}&by=day&part=key"),
    ("ledger", "/usage/ledger"),
    ("store", "/store"),
    ("Worker, its runs", "/w/{worker_path}/runs"),
    ("tasks", "/tasks"),
    ("schedules", "/schedules"),
    ("run", "/runs/{run}"),
    ("alerts", "/alerts"),
    ("webhooks", "/settings/webhooks"),
    ("keys", "/settings/keys"),
    ("account", "/settings/account"),
    ("admin", "/admin"),
    ("API docs", "/docs"),
)


@dataclass(frozen=True)
class History:
    """Names of the created objects, for addresses."""

    worker_path: str
    task: str
    run: str
    middle: str
    from_day: str
    until_day: str
    year_from: str
    today: str


ENDS = (
    [(RunState.SUCCEEDED, Outcome.SUCCEEDED, "")] * 90
    + [
        (RunState.FAILED, Outcome.EXIT_CODE, "The Worker exited with code 1: KeyError: 'price'"),
        (RunState.FAILED, Outcome.TIMEOUT, "Timeout: the run went over its limit of 600 s"),
    ]
    * 4
    + [(RunState.ABORTED, Outcome.ABORTED, "Aborted on request")] * 2
)


async def fill(app: App, number: int) -> History:
    """Past runs over a year, with their counts, sums and ledger."""
    now = int(time.time() * 1000)
    made = [await app.publish(f"worker-{n}") for n in range(WORKERS)]
    past = Past(app, [worker.id for worker in made], now, number)
    with for_writing(app.storage.engine).begin() as connection:
        for first in range(0, number, BATCH):
            batch = [past.run(n) for n in range(first, min(number, first + BATCH))]
            connection.execute(insert(runs), [run_columns(run) for run in batch])
            connection.execute(
                insert(ledger), [_entry(app, run, n) for n, run in enumerate(batch, first)]
            )
        connection.execute(insert(run_counts), past.count_rows())
        connection.execute(insert(usage_days), past.usage_rows())
    with app.storage.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
    return History(
        worker_path=made[0].path,
        task=TASK_IDS[0],
        run=past.last,
        middle=past.middle,
        from_day=_day(now - 40 * DAY_MS),
        until_day=_day(now - 20 * DAY_MS),
        year_from=_day(now - 364 * DAY_MS),
        today=_day(now),
    )


class Past:
    """Creates the runs one after another, oldest first, and updates the platform's counters."""

    def __init__(self, app: App, workers: list[str], now: int, number: int) -> None:
        self._owner, self._workers = app.owner, workers
        self._now, self._number = now, number
        self._dice = random.Random(1)
        self._base = a_run(app.owner.account_id, input_json='{"urls":["' + "x" * 600 + '"]}')
        self._sums: dict[tuple[object, ...], UsageSums] = {}
        self._counts: dict[tuple[object, ...], int] = {}
        self.last = self.middle = ""

    def run(self, n: int) -> Run:
        dice = self._dice
        at = int(self._now - (self._number - n) * HISTORY_DAYS * DAY_MS / self._number)
        state, outcome, message = dice.choice(ENDS)
        run = replace(
            self._base,
            id=_ulid_like(at, n),
            worker_id=dice.choice(self._workers),
            task_id=dice.choice([*TASK_IDS, "", "", ""]),
            key_id=self._owner.key_id if n % 3 else "",
            version="v1.0.1",
            origin=dice.choice(list(Origin)),
            state=state,
            outcome=outcome,
            err_msg=message,
            results=dice.randint(0, 900),
            usage_micros=dice.randint(0, 90_000),
            traffic_bytes=dice.randint(0, 10**7),
            created_at=at,
            started_at=at + 900,
            finished_at=at + dice.randint(2_000, 600_000),
            summary=f"Pages: https://example.org/{n} (+{n % 40}); Depth: {n % 5}",
        )
        self._add_up(run)
        self.last = run.id
        if n == self._number // 2:
            self.middle = f"{run.created_at}-{run.id}"
        return run

    def _add_up(self, run: Run) -> None:
        day = int(time.strftime("%Y%m%d", time.gmtime(run.finished_at / 1000)))
        used = UsageSums(
            1,
            int(run.state is RunState.FAILED),
            int(run.state is RunState.ABORTED),
            run.results,
            run.usage_micros,
            run.traffic_bytes,
            run.finished_at - run.started_at,
        )
        refs = {"": "", "worker": run.worker_id, "task": run.task_id, "key": run.key_id}
        for part, ref in refs.items():
            key = (run.account_id, part, day, ref)
            self._sums[key] = self._sums.get(key, UsageSums()) + used
        counted = (run.account_id, run.worker_id, run.state.value)
        self._counts[counted] = self._counts.get(counted, 0) + 1

    def count_rows(self) -> list[dict[str, object]]:
        names = ("account_id", "worker_id", "state")
        return [dict(zip(names, key, strict=True)) | {"n": n} for key, n in self._counts.items()]

    def usage_rows(self) -> list[dict[str, object]]:
        names = ("account_id", "part", "day", "ref")
        return [
            dict(zip(names, key, strict=True))
            | {field.name: getattr(sums, field.name) for field in fields(UsageSums)}
            for key, sums in self._sums.items()
        ]


def _ulid_like(at: int, number: int) -> str:
    digits, alphabet = "", "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    for _ in range(10):
        at, rest = divmod(at, 32)
        digits = alphabet[rest] + digits
    return digits + f"{number:016d}"


def _entry(app: App, run, number: int) -> Mapping[str, object]:
    return {
        "id": f"01ENTRY{number:019d}",
        "account_id": app.owner.account_id,
        "at": run.finished_at,
        "kind": EntryKind.USAGE.value,
        "usd_micros": -run.usage_micros,
        "traffic_bytes": -run.traffic_bytes,
        "run_id": run.id,
        "note": "",
    }


def _day(ms: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(ms / 1000))


async def measure(app: App, pages: Mapping[str, str], rounds: int) -> float:
    """Print a line for each page, by name and address; return the p95 of the slowest in ms."""
    slowest = 0.0
    async with visitor(app) as someone:
        for name, address in pages.items():
            times, size, status = [], 0, 0
            for turn in range(rounds + 3):
                started = time.perf_counter()
                answer = await someone.http.get(address, headers={"accept": "text/html"})
                took = (time.perf_counter() - started) * 1000
                size, status = len(answer.content), answer.status_code
                if turn >= 3:  # the first ones fill caches
                    times.append(took)
            if status == 404:
                line(name, "not there")
                continue
            p95 = percentile(times, 0.95)
            note = "" if p95 <= TARGET_MS else "  over the target"
            note += f"  status {status}" if status != 200 else ""
            figures = f"p50 {statistics.median(times):6.1f}  p95 {p95:6.1f} ms"
            line(name, f"{figures}  {size / 1000:6.0f} kB{note}", p95_ms=p95)
            slowest = max(slowest, p95)
    return slowest


@asynccontextmanager
async def new_app(templates: Path) -> AsyncIterator[App]:
    with tempfile.TemporaryDirectory() as folder:
        async with open_app(Path(folder), templates) as app:
            yield app


async def run(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        templates = make_templates(Path(folder))
        async with new_app(templates) as app:
            started = time.perf_counter()
            history = await fill(app, options.runs)
            line("runs in history", f"{options.runs:,} in {time.perf_counter() - started:.1f} s")
            pages = {name: template.format(**vars(history)) for name, template in PAGES}
            slowest = await measure(app, pages, options.rounds)
        async with new_app(templates) as app:
            lease = await begin_run(app)
            await grow(app, lease, options.lines, options.rows)
            line("an active run", f"{options.lines:,} lines, {options.rows:,} rows")
            pages = addresses(lease.run.id, options.lines, options.rows)
            slowest = max(slowest, await measure(app, pages, options.rounds))
    line("slowest page", f"p95 {slowest:.1f} ms", p95_ms=slowest)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--lines", type=int, default=100_000, help="of the active run")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the active run")
    parser.add_argument("--rounds", type=int, default=40, help="requests of each page")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    head("Console pages")
    asyncio.run(run(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
