"""Measures operations with a short and a long history: 1,000 runs and ``--runs``, 10 rows each.

    python bench/history.py [--runs 200000] [--times 40] [--database sqlite] [--folder DIR]

Fills two stores in bulk by copies of a few real runs, in SQL, and calls each operation of the
services on both in turn, in this process and without a Worker. It prints the CPU time of a call, in
this process and in the servers of the database, because another program makes it longer only a
little; and the elapsed time. For an operation that is slower with the long history it prints the
statements that take long, with their plans. ``--database postgresql`` starts a server of its own
for the state; the rows are in SQLite.

With ``--folder`` both stores are kept there, and a later call continues with them: 1,000,000 runs
need 4 GB with SQLite. Filling stops before the disk is full, and the figures are then those of the
runs that fit.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from common import arguments, head, line, percentile, spread_values
from history_fill import APART_MS, INPUT, RARE, History, samples
from sqlalchemy import Connection, Engine, event

from fyke.domain.results.query.model import PLAIN
from fyke.domain.runs.service import StartRequest
from fyke.model.run import Origin, Outcome, RunFilter, RunState
from fyke.model.run_list import ListCursor, RunSearch
from fyke.model.runner import Capacity
from fyke.reasons import ReasonCode
from fyke.storage.sql import dialects, prepared
from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.state.schema import migrate
from support.app import RUNNER, App, make_templates, open_app
from support.postgres import PostgresServer

SHORT = 1_000
SAMPLES = "samples"  # file with the ids of the copied runs
SLOWER, LONGER_MS = 1.3, 0.2  # what counts as slower, of CPU time, and is shown with its plan
Work = Callable[[], Awaitable[object]]
Figures = Mapping[str, "Times"]


# --- operations -------------------------------------------------------------------------------


class Operations:
    """What is measured; each call uses the next of some runs across the whole history."""

    def __init__(self, app: App, count: int) -> None:
        self._app, self.count = app, count
        self._calls = 0

    def _run(self) -> str:
        self._calls += 1
        return f"01HST{1_000_000_000 - self._calls * 7919 % self.count:021d}"

    async def prepare(self) -> None:
        app = self._app
        await app.register_runner()
        workers = await app.services.overview.workers(app.owner)
        self._worker = next(worker.id for worker in workers if worker.name == "reader0")
        self._rare = next(worker.id for worker in workers if worker.name == "rare")
        line_ = (await self._page(RunSearch(worker_id=self._worker))).rows[0].line
        rare = (await self._page(RunSearch(worker_id=self._rare))).rows[0].line
        self._rare_task, self._rare_version = rare.task_id, rare.version
        self._task, self._version = line_.task_id, line_.version
        page = await self._page(RunSearch(), number=100 if self.count > 5000 else 10)
        self._middle = page.next or ListCursor(line_.created_at, line_.id)
        self._old = line_.created_at - self.count * APART_MS // 2

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
                await app.attempts.started(item.attempt.key, item.attempt.runner_id)

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
        recent = int(time.time() * 1000) - 3_600_000
        ended = (RunState.SUCCEEDED, RunState.FAILED)

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
            "v1 list: worker and state": listed(RunFilter((RunState.FAILED,), self._worker)),
            "v1 list: worker, no run in state": listed(
                RunFilter((RunState.ABORTED,), self._worker)
            ),
            "v1 list: rare worker and state": listed(RunFilter((RunState.FAILED,), self._rare)),
            "v2 list: an hour": listed(RunFilter(created_from=recent)),
            "v2 list: half": listed(RunFilter(created_from=self._old)),
            "v2 list: worker, states, half": listed(RunFilter(ended, self._worker, self._old)),
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
            "rare version": RunSearch(version=self._rare_version),
            "version without a match": RunSearch(version="9.9.9"),
            "worker and version": RunSearch(worker_id=self._worker, version=self._version),
            "worker and outcome": RunSearch(worker_id=self._worker, outcomes=(Outcome.TIMEOUT,)),
            "worker, state without a match": RunSearch(
                worker_id=self._worker, states=(RunState.ABORTED,)
            ),
            "rare worker and state": RunSearch(worker_id=self._rare, states=(RunState.FAILED,)),
            "rare worker and version": RunSearch(worker_id=self._rare, version=self._rare_version),
            "rare task": RunSearch(task_id=self._rare_task),
            "task and state": RunSearch(task_id=self._task, states=(RunState.FAILED,)),
            "rare task and state": RunSearch(task_id=self._rare_task, states=(RunState.FAILED,)),
            "rare origin and state": RunSearch(origins=(Origin.TEST,), states=(RunState.FAILED,)),
            "states and a rare version": RunSearch(
                states=(RunState.SUCCEEDED,), version=self._rare_version
            ),
            "error": RunSearch(error="too long"),
            "rare error": RunSearch(error=RARE),
            "error without a match": RunSearch(error="nothing like it"),
            "error and worker": RunSearch(error="too long", worker_id=self._worker),
            "error and rare worker": RunSearch(error=RARE, worker_id=self._rare),
            "id": RunSearch(run_id=self._run()),
            "prefix of an id": RunSearch(run_id=self._run()[:24]),
            "short prefix of an id": RunSearch(run_id=self._run()[:6]),
            "prefix without a match": RunSearch(run_id="01HSS"),
            "prefix and state": RunSearch(run_id=self._run()[:24], states=(RunState.FAILED,)),
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
        if took < LONGER_MS:
            continue
        print(f"{took:8.2f} ms  {' '.join(statement.split())[:400]}")
        if not statement.lstrip().upper().startswith(("SELECT", "WITH")):
            continue
        word = "EXPLAIN ANALYZE " if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
        with engine.connect() as connection:
            for row in connection.exec_driver_sql(word + statement, values):
                print(f"              {row[-1]}")


# --- the benchmark ----------------------------------------------------------------------------


class Database:
    """The databases of the stores in one folder; ``cpu_ms`` is the CPU time of this process and of
    a server of PostgreSQL.
    """

    def __init__(self, server: PostgresServer | None = None) -> None:
        self._server = server

    def state_url(self, folder: Path) -> str:
        """The URL of the state of the store in ``folder``, for ``open_app``."""
        if self._server is None:
            return ""
        with self._server.admin() as connection:
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            if connection.execute(query, (folder.name,)).fetchone() is None:
                connection.execute(f"CREATE DATABASE {folder.name}")  # type: ignore[call-overload]
        url = self._server.url(folder.name)
        migrate(url)
        return url

    def cpu_ms(self) -> float:
        spent = time.process_time_ns()
        if self._server is not None:
            for child in self._server.processes():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    spent += int(Path(f"/proc/{child}/schedstat").read_text().split()[0])
        return spent / 1e6


@contextlib.contextmanager
def database(kind: str, folder: Path) -> Iterator[Database]:
    """``postgresql``: a server with its data below ``folder``, started for the block."""
    if kind == "sqlite":
        yield Database()
        return
    home = folder / "postgresql"
    uid = pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else None
    server = PostgresServer(home, uid, fsync=False)
    if not (home / "data").exists():
        home.mkdir(parents=True)
        if uid is not None:
            os.chown(home, uid, -1)
        server.create()
    server.start()
    try:
        yield Database(server)
    finally:
        server.stop()


class Store:
    """The store in ``folder``: its URLs, and the ids of its samples, if it was filled earlier."""

    def __init__(self, folder: Path, database: Database) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.url = database.state_url(folder)
        self._state_url = self.url or f"sqlite:///{folder / 'state.db'}"
        self._rows_url = f"sqlite:///{folder / 'rows.db'}"
        self._marks = folder / SAMPLES
        self.exists = self._marks.exists()
        if self.exists:
            migrate(self._state_url)
            migrate_results(self._rows_url)

    async def fill(self, app: App, count: int) -> int:
        """Fill to ``count`` runs, or as many as fit; return how many there are."""
        if not self.exists:
            self._marks.write_text("\n".join(await samples(app)))
        history = History(self._state_url, self._rows_url, self._marks.read_text().split())
        started, before = time.perf_counter(), history.count
        history.fill(count)
        text = f"{time.perf_counter() - started:.1f} s"
        line(f"filled from {before:,} to {history.count:,} runs", text)
        return history.count


@contextlib.asynccontextmanager
async def filled(store: Store, count: int) -> AsyncIterator[Operations]:
    """The operations on a store, which is filled to ``count`` runs first."""
    with tempfile.TemporaryDirectory() as templates:
        new = None if store.exists else make_templates(Path(templates))
        async with open_app(store.folder, new, state_url=store.url) as app:
            operations = Operations(app, await store.fill(app, count))
            await operations.prepare()
            yield operations


@dataclass(frozen=True)
class Times:
    """Milliseconds of each call of an operation."""

    cpu: list[float]
    elapsed: list[float]


async def measure(stores: Sequence[Operations], times: int, database: Database) -> list[Figures]:
    """Call the operations of all stores in turn; return the times for each store."""
    works = [store.all() for store in stores]
    found: list[dict[str, Times]] = [{name: Times([], []) for name in works[0]} for _ in works]
    for number in range(times + 3):
        for name in works[0]:
            for work, figures in zip(works, found, strict=True):
                cpu, started = database.cpu_ms(), time.perf_counter()
                await work[name]()
                elapsed = (time.perf_counter() - started) * 1000
                if number >= 3:  # the first ones compile statements
                    figures[name].cpu.append(database.cpu_ms() - cpu)
                    figures[name].elapsed.append(elapsed)
    return list(found)


async def compare(folder: Path, database: Database, options: Any) -> None:
    async with (
        filled(Store(folder / "short", database), SHORT) as short,
        filled(Store(folder / "long", database), options.runs) as long,
    ):
        before, after = await measure((short, long), options.times, database)
        show(before, after, long.count)
        works = long.all()
        for name in slower(before, after):
            if name not in ("start of an attempt", "end of a run"):
                await explain(name, works[name])


def slower(short: Figures, long: Figures) -> list[str]:
    """The operations that need more CPU time with the long history, by more than noise."""
    found = []
    for name in short:
        before, after = statistics.median(short[name].cpu), statistics.median(long[name].cpu)
        if after > before * SLOWER and after > before + LONGER_MS:
            found.append(name)
    return found


def show(short: Figures, long: Figures, count: int) -> None:
    """Print a line of each operation with the CPU time and the elapsed time of both histories."""
    marked = slower(short, long)
    for name in short:
        parts, values = [], {}
        for label, runs, times in (("short", SHORT, short[name]), ("long", count, long[name])):
            cpu = statistics.median(times.cpu)
            values |= {f"{label}_cpu_ms": cpu}
            values |= {f"{label}_{k}": v for k, v in spread_values(times.elapsed).items()}
            elapsed = statistics.median(times.elapsed), percentile(times.elapsed, 0.99)
            parts.append(
                f"{runs:>9,}: CPU {cpu:7.2f}  p50 {elapsed[0]:7.2f}  p99 {elapsed[1]:7.2f} ms"
            )
        line(name, "   ".join(parts) + ("   slower" if name in marked else ""), **values)
    text = f"{len(marked)} of {len(short)} with {count:,} runs"
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
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            folder.chmod(0o711)  # for the user of the server
        used = stack.enter_context(database(options.database, folder))
        asyncio.run(compare(folder, used, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
