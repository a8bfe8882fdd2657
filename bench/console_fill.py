"""Fills an account for ``console_pages.py``: every kind of object, and a long history in SQL.

The history is evenly spread over a year up to the moment of filling. Each run has one subtask and
one attempt, and its entry in the ledger; there are audit entries, alerts, deliveries and fired
schedules as well, and runs that wait.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common import line
from sqlalchemy import Connection, Engine, Table, text

from fyke.domain.runs.service import StartRequest
from fyke.domain.schedules.editing import ScheduleEdit
from fyke.model.billing import UsageSums
from fyke.model.run import Origin
from fyke.model.schedule import ScheduleKind
from fyke.storage.sql.dialects import for_writing
from fyke.storage.sql.state.runs import tables
from support.app import App
from support.console_seed import seed

DAY_MS = 86_400_000
HISTORY_DAYS = 365
WORKERS = 24  # the first has a tenth of the runs
TASKS = 60
LONGEST_MS = 600_900  # from the creation of a run to its end
STEP = 50_000  # runs that are filled in one transaction
PAST, LATER = "01H0P", "01H0W"  # prefixes of the ids of past and of waiting runs
INPUT = {"parameters": {"custom": {"urls": [{"url": "https://example.org/" + "x" * 500}]}}}
ALERTS, UNREAD = 20_000, 300
DELIVERIES = 100_000
FIRES = 10_000
AUDITED = 5  # every which run has an entry in the audit log


@dataclass(frozen=True)
class Filled:
    """``addresses``: of pages, by the path that they have in ``support.console_seed``; and names of
    objects, for further addresses.
    """

    addresses: Mapping[str, str]
    worker_path: str
    rare_path: str
    worker_id: str
    task: str
    run: str
    middle: str
    from_day: str
    until_day: str
    year_from: str
    today: str


async def fill(app: App, number: int, waiting: int) -> Filled:
    """``number``: of past runs; ``waiting``: of runs that wait."""
    seeded = await seed(app)
    main = await app.services.workers.find(app.owner, seeded.worker)
    workers = [main.id]
    workers += [(await app.publish(f"worker-{n:02d}")).id for n in range(1, WORKERS)]
    daily = ScheduleEdit(enabled=True, kind=ScheduleKind.DAILY, time="07:30")
    tasks = [
        await app.services.tasks.create(
            app.owner, workers[n % WORKERS], f"Task {n:02d}", INPUT, None, schedule=daily
        )
        for n in range(TASKS)
    ]
    request = StartRequest(main.id, None, INPUT, "", Origin.API)
    sample = (await app.services.runs.start(app.owner, request)).id
    now = int(time.time() * 1000)
    history = History(app, sample, now, number, workers, [task.id for task in tasks])
    started = time.perf_counter()
    history.fill(waiting)
    line("runs in history", f"{number:,} in {time.perf_counter() - started:.1f} s")
    return Filled(
        addresses=seeded.addresses(),
        worker_path=seeded.worker,
        rare_path=f"{seeded.worker.partition('/')[0]}/worker-{WORKERS - 1:02d}",
        worker_id=main.id,
        task=tasks[0].id,
        run=f"{PAST}{number - 7:021d}",
        middle=f"{history.at(number // 2)}-{PAST}{number // 2:021d}",
        from_day=_day(now - 40 * DAY_MS),
        until_day=_day(now - 20 * DAY_MS),
        year_from=_day(now - 364 * DAY_MS),
        today=_day(now),
    )


class History:
    """Inserts copies of the waiting run ``sample`` and of its subtask, with other values."""

    def __init__(
        self, app: App, sample: str, now: int, number: int, workers: list[str], tasks: list[str]
    ) -> None:
        self._engine: Engine = for_writing(app.storage.engine)
        self._postgres = self._engine.dialect.name == "postgresql"
        self._sample, self._number = sample, number
        self._workers, self._tasks = workers, tasks
        self._account, self._key = app.owner.account_id, app.owner.key_id
        self._apart = HISTORY_DAYS * DAY_MS // number
        self._start = now - number * self._apart - LONGEST_MS  # so that all have ended by now

    def at(self, number: int) -> int:
        """When this run was created, in milliseconds."""
        return self._start + number * self._apart

    def fill(self, waiting: int) -> None:
        for first in range(0, self._number, STEP):
            with self._engine.begin() as connection:
                self._add_past(connection, first, min(first + STEP, self._number))
        with self._engine.begin() as connection:
            self._add_waiting(connection, waiting)
            self._add_up(connection)
            self._add_beside(connection)
        with self._engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(text("VACUUM ANALYZE" if self._postgres else "ANALYZE"))

    # --- runs ------------------------------------------------------------------------------

    def _add_past(self, connection: Connection, first: int, end: int) -> None:
        run = self._id(PAST)
        mixed = "(i * 7919 % 100)"
        ended = f"{self._start} + i * {self._apart} + 900 + (i * 104729 % 600000)"
        state = f"CASE WHEN {mixed} < 90 THEN 'succeeded' WHEN {mixed} < 98 THEN 'failed'"
        outcome = f"CASE WHEN {mixed} < 90 THEN 'succeeded' WHEN {mixed} < 94 THEN 'exit_code'"
        outcome += f" WHEN {mixed} < 98 THEN 'timeout' ELSE 'aborted' END"
        message = f"CASE WHEN {mixed} < 90 THEN '' WHEN {mixed} < 94"
        message += " THEN 'The Worker exited with code 1: KeyError: ''price'''"
        message += f" WHEN {mixed} < 98 THEN 'Timeout: the run went over its limit of 600 s'"
        reason = f"CASE WHEN {mixed} < 90 THEN '' WHEN {mixed} < 94 THEN 'exit_code'"
        reason += f" WHEN {mixed} < 98 THEN 'timeout' ELSE 'aborted' END"
        others = f"i / 10 % {len(self._workers) - 1}"
        new = {
            "id": run,
            "worker_id": f"CASE WHEN i % 10 = 0 THEN '{self._workers[0]}'"
            f" ELSE {_chosen(others, self._workers[1:])} END",
            "task_id": f"CASE WHEN i % 3 = 0 THEN {_chosen(f'i / 3 % {TASKS}', self._tasks)}"
            " ELSE '' END",
            "key_id": f"CASE WHEN i % 3 = 1 THEN '' ELSE '{self._key}' END",
            "version": f"'v1.0.' || (1 + i * 8 / {self._number})",
            "origin": _chosen(f"i % {len(Origin)}", [str(origin) for origin in Origin]),
            "state": f"{state} ELSE 'aborted' END",
            "outcome": outcome,
            "err_msg": f"{message} ELSE 'Aborted on request' END",
            "reason_code": reason,
            "reason_params": f"CASE WHEN {mixed} < 90 THEN '' ELSE '{{}}' END",
            "subtasks_succeeded": f"CASE WHEN {mixed} < 90 THEN 1 ELSE 0 END",
            "subtasks_failed": f"CASE WHEN {mixed} < 90 THEN 0 ELSE 1 END",
            "results": "i * 31 % 900",
            "usage_micros": "i * 101 % 90000",
            "traffic_bytes": "i * 7919 % 10000000",
            "created_at": f"{self._start} + i * {self._apart}",
            "started_at": f"{self._start} + i * {self._apart} + 900",
            "finished_at": ended,
            "busy_ms": "i * 104729 % 600000",
            "summary": "'Pages: https://example.org/' || i || ' (+' || (i % 40) || ')'",
        }
        between = {"first": first, "end": end, "sample": self._sample}
        self._copy(connection, tables.runs, "id", new, between)
        ends = {"state": new["state"], "outcome": outcome, "err_msg": new["err_msg"]}
        self._copy(connection, tables.subtasks, "run_id", {"run_id": run, **ends}, between)
        connection.execute(text(self._attempts()), between)
        connection.execute(text(self._ledger()), between)

    def _add_waiting(self, connection: Connection, number: int) -> None:
        """Runs that wait, created just before the moment of filling."""
        later = self._start + self._number * self._apart + LONGEST_MS
        run = self._id(LATER)
        new = {"id": run, "created_at": f"{later} - {number} + i", "summary": "'Page ' || i"}
        between = {"first": 0, "end": number, "sample": self._sample}
        self._copy(connection, tables.runs, "id", new, between)
        self._copy(connection, tables.subtasks, "run_id", {"run_id": run}, between)

    def _attempts(self) -> str:
        columns = {
            "id": f"'01H0A' || {self._padded('i', 21)}",
            "run_id": "id",
            "node": "'node-' || (i % 5)",
            "outcome": "outcome",
            "rows": "results",
            "traffic_bytes": "traffic_bytes",
            "started_at": "started_at",
            "finished_at": "finished_at",
            "busy_ms": "busy_ms",
            "cpu_ms": "busy_ms / 4",
            "memory_peak_bytes": "150000000",
        }
        values = {
            column.name: columns.get(column.name, "''" if _is_text(column) else "0")
            for column in tables.attempts.columns
        }
        values["replaced"] = "false"
        return self._from_runs("attempts", values)

    def _ledger(self) -> str:
        values = {
            "id": f"'01H0E' || {self._padded('i', 21)}",
            "account_id": "account_id",
            "at": "finished_at",
            "kind": "'usage'",
            "usd_micros": "-usage_micros",
            "traffic_bytes": "-traffic_bytes",
            "run_id": "id",
            "note": "''",
        }
        return self._from_runs("ledger", values)

    # --- sums, and what stands beside the runs ---------------------------------------------

    def _add_up(self, connection: Connection) -> None:
        connection.execute(text("DELETE FROM run_counts"))
        columns = "account_id, worker_id, state"
        grouped = f"SELECT {columns}, count(*) FROM runs GROUP BY {columns}"
        connection.execute(text(f"INSERT INTO run_counts ({columns}, n) {grouped}"))
        connection.execute(text("DELETE FROM usage_days"))
        names = "runs, failed, aborted, results, usage_micros, traffic_bytes, run_ms"
        sums = (
            "count(*), sum(CASE WHEN state = 'failed' THEN 1 ELSE 0 END),"
            " sum(CASE WHEN state = 'aborted' THEN 1 ELSE 0 END), sum(results),"
            " sum(usage_micros), sum(traffic_bytes), sum(finished_at - started_at)"
        )
        more = "".join(
            f", {name}" for name in UsageSums.__dataclass_fields__ if name not in names.split(", ")
        )
        zeros = ", 0" * more.count(",")
        for part in ("", "worker", "task", "key"):
            of = f"{part}_id" if part else "''"
            connection.execute(
                text(
                    f"INSERT INTO usage_days (account_id, part, day, ref, {names}{more})"
                    f" SELECT account_id, '{part}', {self._day_of('finished_at')} AS day,"
                    f" {of} AS ref, {sums}{zeros} FROM runs WHERE finished_at > 0 GROUP BY 1, 3, 4"
                )
            )

    def _add_beside(self, connection: Connection) -> None:
        """Audit entries, alerts, deliveries and fired schedules of the last past runs."""
        every = f"FROM runs WHERE id LIKE '{PAST}%'"
        last = f"{every} AND created_at >= :since"
        account = {"account": self._account}
        audit = (
            "INSERT INTO audit (account_id, at, user_id, user_name, key_id, session_id, address,"
            " action, target, detail) SELECT account_id, created_at, '', '', key_id, '',"
            " '192.0.2.1', CASE WHEN state = 'aborted' THEN 'run.abort' ELSE 'run.start' END, id,"
            f" '' {every} AND created_at / {self._apart} % {AUDITED} = 0 ORDER BY created_at"
        )
        connection.execute(text(audit))
        alerts = (
            "INSERT INTO alerts (id, account_id, rule_id, rule_name, kind, run_id, worker_id,"
            " task_id, sentence, at, read_at, reason_code, reason_params) SELECT '01H0L' ||"
            " substr(id, 6), account_id, rule.id, rule.name, rule.kind, runs.id, worker_id,"
            " task_id, 'The run has failed.', finished_at,"
            " CASE WHEN created_at < :unread THEN finished_at ELSE 0 END, '', ''"
            " FROM runs CROSS JOIN (SELECT id AS id, name AS name, kind AS kind FROM alert_rules"
            " WHERE kind = 'failed' LIMIT 1) AS rule"
        )
        alerts = alerts.replace("|| substr(id", "|| substr(runs.id")
        alerts += f" WHERE runs.id LIKE '{PAST}%' AND state = 'failed' AND created_at >= :since"
        back = {"since": self._back(ALERTS * 12), "unread": self._back(UNREAD * 12)}
        connection.execute(text(alerts), back)
        deliveries = (
            "INSERT INTO deliveries (id, account_id, run_id, url, payload, state, tries, next_at,"
            " last_status, last_error, created_at, ended_at, kind, receiver, host, claimed_until,"
            " endpoint_id, event) SELECT '01H0D' || substr(runs.id, 6), account_id, runs.id,"
            " endpoint.url, '{\"type\": \"run.failed\"}', 'delivered', 1, 0, 200, '', finished_at,"
            " finished_at, 'terminal', endpoint.url, '127.0.0.1', 0, endpoint.id, 'run.failed'"
            " FROM runs CROSS JOIN (SELECT id AS id, url AS url FROM webhook_endpoints"
            " WHERE account_id = :account ORDER BY created_at LIMIT 1) AS endpoint"
            f" WHERE runs.id LIKE '{PAST}%' AND created_at >= :since"
        )
        connection.execute(text(deliveries), account | {"since": self._back(DELIVERIES)})
        fires = (
            "INSERT INTO schedule_fires (task_id, planned_at, state, run_id, reason, count, at)"
            f" SELECT task_id, created_at, 'started', id, '', 1, created_at {last}"
            " AND task_id <> ''"
        )
        connection.execute(text(fires), {"since": self._back(FIRES * 3)})

    def _back(self, runs: int) -> int:
        return self.at(max(0, self._number - runs))

    # --- SQL -------------------------------------------------------------------------------

    def _copy(
        self,
        connection: Connection,
        table: Table,
        of: str,
        new: Mapping[str, str],
        between: Mapping[str, Any],
    ) -> None:
        names = [column.name for column in table.columns]
        selected = ", ".join(new.get(name, f"t.{name}") for name in names)
        statement = (
            f"WITH RECURSIVE numbers(i) AS ({self._numbers()})"
            f" INSERT INTO {table.name} ({', '.join(names)})"
            f" SELECT {selected} FROM numbers CROSS JOIN {table.name} t WHERE t.{of} = :sample"
        )
        connection.execute(text(statement), dict(between))

    def _numbers(self) -> str:
        if self._postgres:
            return "SELECT generate_series(cast(:first AS bigint), cast(:end AS bigint) - 1)"
        return "SELECT :first UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < :end"

    def _from_runs(self, table: str, values: Mapping[str, str]) -> str:
        """Insert a row for each past run with a number from ``first`` to ``end``."""
        number = f"CAST(substr(id, {len(PAST) + 1}) AS bigint)"
        of = (
            f"(SELECT *, {number} AS i FROM runs WHERE id >= {self._id(PAST, ':first')}"
            f" AND id < {self._id(PAST, ':end')} AND :sample <> '') AS numbered"
        )
        return (
            f"INSERT INTO {table} ({', '.join(values)})"
            f" SELECT {', '.join(values.values())} FROM {of} ORDER BY i"
        )

    def _id(self, prefix: str, number: str = "i") -> str:
        return f"'{prefix}' || {self._padded(number, 21)}"

    def _padded(self, number: str, digits: int) -> str:
        if self._postgres:
            return f"lpad(cast({number} AS text), {digits}, '0')"
        return f"printf('%0{digits}d', {number})"

    def _day_of(self, ms: str) -> str:
        if self._postgres:
            return f"cast(to_char(to_timestamp({ms} / 1000) AT TIME ZONE 'UTC', 'YYYYMMDD') AS int)"
        return f"CAST(strftime('%Y%m%d', {ms} / 1000, 'unixepoch') AS INTEGER)"


def _chosen(number: str, values: list[str]) -> str:
    """The value with this number."""
    return (
        f"CASE {number} " + " ".join(f"WHEN {n} THEN '{v}'" for n, v in enumerate(values)) + " END"
    )


def _is_text(column: Any) -> bool:
    return str(column.type).upper().startswith(("TEXT", "VARCHAR"))


def _day(ms: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(ms / 1000))


def to_json(filled: Filled) -> str:
    return json.dumps(vars(filled), indent=1)


def from_json(data: str) -> Filled:
    return Filled(**json.loads(data))
