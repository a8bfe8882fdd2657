"""Fills the stores of ``history.py`` in bulk, by copies of a few real runs, in SQL."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

from common import line
from sqlalchemy import Connection, Table, create_engine, text

from fyke.domain.runs.service import StartRequest
from fyke.model.run import Origin, Outcome
from fyke.reasons import Reason, ReasonCode
from fyke.storage.sql.results import tables as rows_tables
from fyke.storage.sql.state.runs import tables
from fyke.storage.sql.state.sessions import audit
from support.app import App

STEP = 50_000  # runs that are filled in one transaction
APART_MS = 60_000  # between two starts
FREE_BYTES = 4 * 2**30  # filling stops with less disk
ROWS = [{"number": n, "title": f"Row {n}", "url": f"https://example.org/{n}"} for n in range(10)]
INPUT = {"parameters": {"system": {}, "custom": {"urls": [{"url": "https://example.org"}]}}}
LOG = ["started", "fetched 10 pages", "done"]
RARE = "unusual"  # in the message of the only run of its Worker


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
            at = {"at": moved.format("at"), "target": run}
            self._insert(connection, audit, "target", values, at)
        number = self._number  # below those of later runs
        with self._rows.begin() as connection:
            at = "(SELECT number FROM results_runs WHERE run_id = :sample)"
            key = f"(({number}) << 32) + (t.id & 4294967295)"
            new = f"'01HST' || printf('%021d', {self._number})"
            of_run = f"t.id BETWEEN ({at} << 32) AND (({at} + 1) << 32)"
            changes = {"number": number, "run_id": new}
            self._insert_rows(connection, rows_tables.runs, f"t.number = {at}", values, changes)
            # those with rows; their totals are the counters of the run
            attempts = f"t.run = {at} AND t.attempt_id <> :sample"
            attempt_id = f"'01HSV' || printf('%019d', {self._number}) || '01'"
            changes = {"number": number, "attempt_id": attempt_id, "run": number}
            self._insert_rows(connection, rows_tables.attempts, attempts, values, changes)
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
    await rare_run(app)
    for number in range(4):
        worker = await app.publish(f"reader{number}")
        task = await app.services.tasks.create(app.owner, worker.id, "Daily", INPUT, None)
        for outcome, message, reason in ends:
            request = StartRequest(worker.id, None, INPUT, "", Origin.API, task.id)
            run = await app.services.runs.start(app.owner, request)
            await app.execute(ROWS, outcome, message, log=LOG, reason=reason)
            found.append(run.id)
    return found


async def rare_run(app: App) -> None:
    """The oldest real run, which no filter but the time has in common with the others."""
    await app.publish("rare")
    worker = await app.publish("rare", main="print('second')\n")
    task = await app.services.tasks.create(app.owner, worker.id, "Once", INPUT, None)
    request = StartRequest(worker.id, None, INPUT, "", Origin.TEST, task.id)
    await app.services.runs.start(app.owner, request)
    reason = Reason(ReasonCode.OUT_OF_MEMORY, {"mb": 512})
    await app.execute(ROWS, Outcome.OUT_OF_MEMORY, f"An {RARE} end", log=LOG, reason=reason)
