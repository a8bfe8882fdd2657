"""Measures operations with a short and a long history: 1,000 runs, then ``--runs``, 10 rows each.

    python bench/history.py [--runs 200000] [--times 40] [--database sqlite] [--folder DIR]

Fills a store in bulk by copies of a few real runs, in SQL, and measures each operation of the
services at both sizes, in this process and without a Worker. For an operation that became slower it
prints each statement with its time and its plan. ``--database postgresql`` starts a server of its
own for the state; the rows are in SQLite.

With ``--folder`` the store is kept, and a later call continues with it. Filling stops before the
disk is full, and the figures are then those of the runs that fit.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from common import arguments, head, line, percentile, spread_values
from sqlalchemy import Connection, Engine, Table, create_engine, event, text

from fyke.domain.results.query.model import PLAIN
from fyke.domain.runs.service import StartRequest
from fyke.model.run import Origin, Outcome, RunFilter, RunState
from fyke.model.run_list import ListCursor, RunSearch
from fyke.model.runner import Capacity
from fyke.reasons import Reason, ReasonCode
from fyke.storage.sql import dialects, prepared
from fyke.storage.sql.results import tables as rows_tables
from fyke.storage.sql.state.runs import tables
from fyke.storage.sql.state.schema import migrate
from support.app import RUNNER, App, make_templates, open_app
from support.postgres import running_postgres

SHORT = 1_000
SAMPLES = "samples"  # file with the ids of the copied runs
STEP = 50_000  # runs that are filled in one transaction
APART_MS = 60_000  # between two starts
FREE_BYTES = 4 * 2**30  # filling stops with less disk
SLOWER, LONGER_MS = 1.5, 0.3  # what is shown with its plan
ROWS = [{"number": n, "title": f"Row {n}", "url": f"https://example.org/{n}"} for n in range(10)]
INPUT = {"parameters": {"system": {}, "custom": {"urls": [{"url": "https://example.org"}]}}}
LOG = ["started", "fetched 10 pages", "done"]
Work = Callable[[], Awaitable[object]]


# --- filling ----------------------------------------------------------------------------------


class History:
    """Fills the stores with copies of ``samples``; ``count`` is how many copies there are."""

    def __init__(self, state_url: str, rows_url: str, samples: Sequence[str]) -> None:
        self._samples = samples
        self._state, self._rows = create_engine(state_url), create_engine(rows_url)
        with self._state.connect() as connection:
            self._postgres = connection.dialect.name == "postgresql"
            query = "SELECT count(*) FROM runs WHERE id LIKE '01HST%'"
            self.count = int(connection.execute(text(query)).scalar_one())

    def fill(self, count: int) -> None:
        """Add older runs until there are ``count``."""
        while self.count < count:
            if shutil.disk_usage(self._rows.url.database or "/").free < FREE_BYTES:
                line("filling stopped: the disk is almost full", f"{self.count:,} runs")
                break
            last = min(count, self.count + STEP)
            for part, sample in enumerate(self._samples):
                self._copy(sample, part, last)
            self.count = last
        with self._state.begin() as connection:
            connection.execute(text("DELETE FROM run_counts"))
            columns = "account_id, worker_id, state"
            grouped = f"SELECT {columns}, count(*) FROM runs GROUP BY {columns}"
            connection.execute(text(f"INSERT INTO run_counts ({columns}, n) {grouped}"))
        if self._postgres:  # as autovacuum does in time
            with self._state.connect().execution_options(
                isolation_level="AUTOCOMMIT"
            ) as connection:
                connection.execute(text("VACUUM ANALYZE"))

    def _copy(self, sample: str, part: int, last: int) -> None:
        values = {
            "sample": sample,
            "first": -(-(self.count - part) // len(self._samples)),
            "last": (last - 1 - part) // len(self._samples),
            "every": len(self._samples),
            "part": part,
        }
        run, attempt = self._id("01HST", 21), self._id("01HSV", 19)
        attempt = f"{attempt} || {self._padded('t.ordinal', 2)}"
        moved = f"t.{{}} - (:every * i + :part + 1) * {APART_MS}"
        times = {name: moved.format(name) for name in ("created_at", "started_at", "finished_at")}
        with self._state.begin() as connection:
            self._insert(connection, tables.runs, "id", values, {"id": run} | times)
            self._insert(connection, tables.subtasks, "run_id", values, {"run_id": run})
            ids = {"id": attempt, "run_id": run}
            del times["created_at"]
            self._insert(connection, tables.attempts, "run_id", values, ids | times)
            self._insert(connection, tables.run_events, "run_id", values, {"run_id": run})
        number = self._number  # below those of later runs
        with self._rows.begin() as connection:
            at = "(SELECT number FROM results_runs WHERE run_id = :sample)"
            key = f"(({number}) << 32) + (t.id & 4294967295)"
            new = f"'01HST' || printf('%021d', {self._number})"
            of_run = f"t.id BETWEEN ({at} << 32) AND (({at} + 1) << 32)"
            changes = {"number": number, "run_id": new}
            self._insert_rows(connection, rows_tables.runs, f"t.number = {at}", values, changes)
            changes = {"id": key, "attempt": number}
            self._insert_rows(connection, rows_tables.rows, of_run, values, changes)
            self._insert_rows(connection, rows_tables.log, of_run, values, {"id": key})

    _number = "(1000000000 - :every * i - :part)"

    def _id(self, prefix: str, digits: int) -> str:
        return f"'{prefix}' || {self._padded(self._number, digits)}"

    def _padded(self, number: str, digits: int) -> str:
        if self._postgres:
            return f"lpad(({number})::text, {digits}, '0')"
        return f"printf('%0{digits}d', {number})"

    def _insert(
        self, on: Connection, table: Table, of: str, values: dict[str, Any], new: dict[str, str]
    ) -> None:
        if self._postgres:
            numbers = "SELECT generate_series(cast(:first AS bigint), :last) AS i"
        else:
            numbers = "SELECT :first UNION ALL SELECT i + 1 FROM numbers WHERE i < :last"
        self._write(on, table, f"t.{of} = :sample", values, new, numbers)

    def _insert_rows(
        self, on: Connection, table: Table, where: str, values: dict[str, Any], new: dict[str, str]
    ) -> None:
        numbers = "SELECT :first UNION ALL SELECT i + 1 FROM numbers WHERE i < :last"
        self._write(on, table, where, values, new, numbers)

    def _write(
        self,
        on: Connection,
        table: Table,
        where: str,
        values: dict[str, Any],
        new: dict[str, str],
        numbers: str,
    ) -> None:
        names = [column.name for column in table.columns if column.name != "seq"]
        copied = ", ".join(new.get(name, f"t.{name}") for name in names)
        statement = (
            f"WITH RECURSIVE numbers(i) AS ({numbers}) "
            f"SELECT {copied} FROM numbers CROSS JOIN {table.name} t WHERE {where}"
        )
        used = {name: value for name, value in values.items() if f":{name}" in statement}
        on.execute(text(f"INSERT INTO {table.name} ({', '.join(names)}) {statement}"), used)


async def samples(app: App) -> list[str]:
    """Real runs that end in different ways, of four Workers, two with tasks."""
    ends = [
        (Outcome.SUCCEEDED, "", None),
        (Outcome.SUCCEEDED, "", None),
        (Outcome.EXIT_CODE, "exit code 1", Reason(ReasonCode.EXIT_CODE, {"code": 1})),
        (Outcome.TIMEOUT, "took too long", Reason(ReasonCode.TIMEOUT, {"seconds": 60})),
    ]
    found = []
    for number in range(4):
        worker = await app.publish(f"reader{number}")
        task = await app.services.tasks.create(app.owner, worker.id, "Daily", INPUT, None)
        for outcome, message, reason in ends:
            request = StartRequest(worker.id, None, INPUT, "", Origin.API, task.id)
            run = await app.services.runs.start(app.owner, request)
            await app.execute(ROWS, outcome, message, log=LOG, reason=reason)
            found.append(run.id)
    return found


# --- operations -------------------------------------------------------------------------------


class Operations:
    """What is measured; each call uses the next of some runs across the whole history."""

    def __init__(self, app: App, count: int) -> None:
        self._app, self._count = app, count
        self._calls = 0

    def _run(self) -> str:
        self._calls += 1
        return f"01HST{1_000_000_000 - self._calls * 7919 % self._count:021d}"

    async def prepare(self) -> None:
        app = self._app
        await app.register_runner()
        workers = await app.services.overview.workers(app.owner)
        self._worker = workers[0].id
        line_ = (await self._page(RunSearch())).rows[0].line
        self._task, self._version = line_.task_id, line_.version
        page = await self._page(RunSearch(), number=100 if self._count > 5000 else 10)
        self._middle = page.next or ListCursor(line_.created_at, line_.id)

    def _page(self, search: RunSearch, **more: Any) -> Any:
        return self._app.services.lists.page(self._app.owner, search, **more)

    async def _start(self) -> str:
        request = StartRequest(self._worker, None, INPUT, "", Origin.API)
        return (await self._app.services.runs.start(self._app.owner, request)).id

    def all(self) -> dict[str, Work]:
        """Operations by name, in the order in which they are called."""
        return self._life() | self._reads() | self._lists() | self._others()

    def _life(self) -> dict[str, Work]:
        """The life of one run; these belong together, in this order."""
        app = self._app
        room = Capacity(cpus=1000, memory_mb=10**7, slots=1000)
        leased: list[Any] = []

        async def lease() -> None:
            leased[:] = await app.storage.write(
                lambda tx: tx.runs.lease(RUNNER, room, tx.now + 60_000)
            )

        async def started() -> None:
            for item in leased:
                await app.results.open_attempt(item.run.id, item.attempt.id)
                await app.attempts.started(item.attempt)

        async def ended() -> None:
            for item in leased:
                await app.end(item)

        return {
            "start": self._start,
            "lease": lease,
            "start of an attempt": started,
            "end of a run": ended,
            "lease of an empty queue": lease,
        }

    def _reads(self) -> dict[str, Work]:
        owner, services = self._app.owner, self._app.services

        def listed(search: RunFilter, offset: int = 0) -> Work:
            return lambda: services.runs.list(owner, search, offset=offset, limit=20)

        return {
            "detail": lambda: services.runs.get(owner, self._run()),
            "events": lambda: services.runs.events(owner, self._run()),
            "page of rows": lambda: services.results.page(owner, self._run(), 1, 10, PLAIN),
            "v1 list": listed(RunFilter()),
            "v1 list: page 40": listed(RunFilter(), 780),
            "v1 list: state": listed(RunFilter((RunState.FAILED,))),
            "v1 list: worker": listed(RunFilter(worker_id=self._worker)),
        }

    def _lists(self) -> dict[str, Work]:
        """Every filter of the list of runs, and pages that begin in the middle of it."""
        searches = {
            "all": RunSearch(),
            "state": RunSearch(states=(RunState.FAILED,)),
            "states": RunSearch(states=(RunState.FAILED, RunState.ABORTED, RunState.RUNNING)),
            "active": RunSearch(states=(RunState.READY, RunState.RUNNING)),
            "outcome": RunSearch(outcomes=(Outcome.TIMEOUT,)),
            "reason": RunSearch(reasons=(ReasonCode.TIMEOUT,)),
            "reason without a match": RunSearch(reasons=(ReasonCode.DISK_CAP,)),
            "worker": RunSearch(worker_id=self._worker),
            "worker and state": RunSearch(worker_id=self._worker, states=(RunState.FAILED,)),
            "task": RunSearch(task_id=self._task),
            "origin": RunSearch(origins=(Origin.API,)),
            "origin without a match": RunSearch(origins=(Origin.WEB,)),
            "version": RunSearch(version=self._version),
            "error": RunSearch(error="too long"),
            "error without a match": RunSearch(error="nothing like it"),
            "id": RunSearch(run_id=self._run()),
            "prefix of an id": RunSearch(run_id=self._run()[:24]),
            "times": RunSearch(created_from=self._middle.created_at - 10**7),
        }

        def first(search: RunSearch) -> Work:
            return lambda: self._page(search)

        def older(search: RunSearch) -> Work:
            return lambda: self._app.services.lists.page_from(self._app.owner, search, self._middle)

        from_the_middle = ("all", "state", "reason")
        return {f"list: {name}": first(search) for name, search in searches.items()} | {
            f"list from the middle: {name}": older(searches[name]) for name in from_the_middle
        }

    def _others(self) -> dict[str, Work]:
        """The overview, estimates, and what is repeated in the background."""
        app, owner, services = self._app, self._app.owner, self._app.services
        return {
            "overview: now": lambda: services.overview.now(owner),
            "overview: last day": lambda: services.overview.last_day(owner),
            "overview: workers": lambda: services.overview.recent_workers(owner, 6),
            "overview: next runs": lambda: services.overview.next_runs(owner, 5),
            "estimate": lambda: services.estimates.of(owner, self._worker, None, {}),
            "waiting runs": lambda: services.waiting.reasons(owner),
            "leases": app.attempts.check_leases,
            "retention": lambda: app.storage.read(lambda tx: tx.runs.finished_before(1, 100)),
        }


async def measure(operations: Operations, times: int) -> dict[str, list[float]]:
    """Milliseconds of each operation, taken in turn."""
    await operations.prepare()
    works = operations.all()
    found: dict[str, list[float]] = {name: [] for name in works}
    for number in range(times + 3):
        for name, work in works.items():
            started = time.perf_counter()
            await work()
            if number >= 3:  # the first ones compile statements
                found[name].append((time.perf_counter() - started) * 1000)
    return found


# --- plans ------------------------------------------------------------------------------------


@contextlib.contextmanager
def statements() -> Iterator[list[tuple[float, str, Any, Engine]]]:
    """Collect the statements of all engines with their milliseconds, also those that go to SQLite's
    driver.
    """
    found: list[tuple[float, str, Any, Engine]] = []
    execute = dialects.sqlite_execute

    def direct(connection: Connection, statement: str, values: Any) -> Any:
        started = time.perf_counter()
        cursor = execute(connection, statement, values)
        found.append(((time.perf_counter() - started) * 1000, statement, values, connection.engine))
        return cursor

    def before(connection: Any, _cursor: Any, *_: Any) -> None:
        connection.info["bench"] = time.perf_counter()

    def after(connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        took = (time.perf_counter() - connection.info["bench"]) * 1000
        found.append((took, statement, values, connection.engine))

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    try:
        with (
            patch.object(dialects, "sqlite_execute", direct),
            patch.object(prepared, "sqlite_execute", direct),
        ):
            yield found
    finally:
        event.remove(Engine, "before_cursor_execute", before)
        event.remove(Engine, "after_cursor_execute", after)


async def explain(name: str, work: Work) -> None:
    """Print the statements of an operation with their times, and the plans of the slow ones."""
    with statements() as found:
        await work()
    print(f"--- {name}: {len(found)} statements")
    for took, statement, values, engine in found:
        print(f"{took:8.2f} ms  {' '.join(statement.split())[:300]}")
        if took < LONGER_MS or not statement.lstrip().upper().startswith(("SELECT", "WITH")):
            continue
        word = "EXPLAIN ANALYZE " if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
        with engine.connect() as connection:
            for row in connection.exec_driver_sql(word + statement, values):
                print(f"              {row[-1]}")


# --- the benchmark ----------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def opened(folder: Path, state_url: str) -> AsyncIterator[App]:
    """The services with the store in ``folder``, which may have been filled earlier."""
    earlier = earlier_files(folder)
    try:
        async with open_app(folder, earlier, state_url=state_url) as app:
            for name in ("keys.json", SAMPLES):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(earlier / name, folder)
            shutil.rmtree(earlier)
            yield app
    finally:
        shutil.rmtree(earlier, ignore_errors=True)


def earlier_files(folder: Path) -> Path:
    """Move the store of an earlier call aside, or make a new one, for ``open_app`` to copy."""
    earlier = folder.with_name(folder.name + "-earlier")
    shutil.rmtree(earlier, ignore_errors=True)
    if (folder / "state.db").exists():
        folder.rename(earlier)
    else:
        earlier.mkdir(parents=True)
        make_templates(earlier)
    folder.mkdir(parents=True, exist_ok=True)
    return earlier


async def compare(folder: Path, state_url: str, options: Any) -> None:
    rows_url = f"sqlite:///{folder / 'rows.db'}"
    async with opened(folder, state_url) as app:
        marks = folder / SAMPLES
        if not marks.exists():
            marks.write_text("\n".join(await samples(app)))
        url = state_url or f"sqlite:///{folder / 'state.db'}"
        history = History(url, rows_url, marks.read_text().split())
        figures: dict[int, dict[str, list[float]]] = {}
        for count in (SHORT, options.runs):
            started = time.perf_counter()
            history.fill(count)
            line(f"filled to {history.count:,} runs", f"{time.perf_counter() - started:.1f} s")
            operations = Operations(app, history.count)
            figures[history.count] = await measure(operations, options.times)
        show(figures)
        works = operations.all()
        for name in slower(figures):
            if name not in ("start of an attempt", "end of a run"):
                await explain(name, works[name])


def slower(figures: dict[int, dict[str, list[float]]]) -> list[str]:
    """The operations that became slower, by more than noise."""
    short, long = figures[min(figures)], figures[max(figures)]
    medians = {
        name: (statistics.median(short[name]), statistics.median(long[name])) for name in short
    }
    return [
        name
        for name, (before, after) in medians.items()
        if after > before * SLOWER and after > before + LONGER_MS
    ]


def show(figures: dict[int, dict[str, list[float]]]) -> None:
    marked = slower(figures)
    short, long = figures[min(figures)], figures[max(figures)]
    for name in short:
        texts = [
            f"{count:>9,}: p50 {statistics.median(times[name]):7.2f}  "
            f"p99 {percentile(times[name], 0.99):7.2f} ms"
            for count, times in sorted(figures.items())
        ]
        values = {f"long_{key}": value for key, value in spread_values(long[name]).items()}
        text = "   ".join(texts) + ("   slower" if name in marked else "")
        line(name, text, short_p50_ms=statistics.median(short[name]), **values)
    text = f"{len(marked)} of {len(short)} with {max(figures):,} runs"
    line("operations that became slower", text, slower_count=len(marked))


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=200_000)
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    head(f"Operations with a long history, {options.database}")
    with contextlib.ExitStack() as stack:
        folder = options.folder
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "store"
        url = ""
        if options.database == "postgresql":
            server = stack.enter_context(running_postgres(fsync=False))
            url = server.new_database()
            migrate(url)
        asyncio.run(compare(folder, url, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
