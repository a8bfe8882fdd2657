"""Attempts. Their writes are conditional on the token or on the lease."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import BigInteger, Select, bindparam, case, exists, func, or_, select, text, update

from fyke.model.attempt import AttemptEnd
from fyke.model.run import Attempt, AttemptKey, End, Outcome
from fyke.model.runner import AttemptUsage, Renewal, Renewed
from fyke.reasons import Reason
from fyke.storage.sql.dialects import (
    driver_sql,
    fetch_tuples,
    is_sqlite,
    run_sql,
    to_storable_text,
)
from fyke.storage.sql.prepared import Prepared
from fyke.storage.sql.state.records import (
    SqlStore,
    many,
    one,
    reason_values,
    record,
    was_applied,
)
from fyke.storage.sql.state.runs.tables import ENDED_COUNTERS, attempts, runs

_CHUNK = 500  # values in one IN clause
_OF_RUN = "SELECT id FROM attempts WHERE run_id = ?"
_ACTIVE = text("outcome IS NULL")
_COUNTERS = tuple(field.name for field in fields(AttemptUsage))
_RENEWED = "id", "token", *_COUNTERS
_RENEWAL = f"({', '.join('?' * len(_RENEWED))})"
# an array for each column: the statement is the same for any number of attempts, so PostgreSQL and
# the driver parse it once
_TEXTS = frozenset({"id", "browser_version"})
_ARRAYS = ", ".join(f"?::{'text' if name in _TEXTS else 'bigint'}[]" for name in _RENEWED)
_RENEWALS = f"SELECT * FROM unnest({_ARRAYS})"  # noqa: S608 - types of our own
# names and numbers of our own; the values are bound
_RENEW = (
    f"WITH renewed ({', '.join(_RENEWED)}) AS ({{}})"  # noqa: S608
    " UPDATE attempts SET lease_until = {} + ?,"
    f" {', '.join(f'{n} = renewed.{n}' for n in _COUNTERS)}"
    " FROM renewed WHERE attempts.id = renewed.id AND attempts.token = renewed.token"
    " AND attempts.outcome IS NULL"
    " RETURNING attempts.id, attempts.token, attempts.run_id, attempts.lease_until,"
    " (SELECT CASE WHEN state NOT IN ('ready', 'running') THEN 2"
    " WHEN hold_micros > 0 OR max_traffic_bytes > 0 THEN 1 ELSE 0 END"
    " FROM runs WHERE runs.id = attempts.run_id)"
)
_CAPPED, _ENDING = 1, 2  # in the last column
_COUNT_ENDED = (
    "UPDATE runs SET "  # noqa: S608 - names of our own
    + ", ".join(f"ended_{name} = ended_{name} + attempts.{name}" for name in ENDED_COUNTERS)
    + " FROM attempts WHERE attempts.id = ? AND runs.id = attempts.run_id"
)
# the second condition is that of the index of these runs
_TO_STOP = (
    "SELECT DISTINCT a.runner_id FROM runs r JOIN attempts a ON a.run_id = r.id"
    " WHERE r.state IN ('ending', 'aborting') AND r.state IN ('running', 'ending', 'aborting')"
    " AND a.outcome IS NULL"
)
_OUTCOME = "outcome", "err_msg", "reason_code", "reason_params", "finished_at"
_FINAL_COUNTERS = (
    "traffic_bytes", "cpu_ms", "memory_peak_bytes", "memory_mb_ms", "busy_ms",
    "browser_ms", "browser_cpu_ms", "browser_memory_peak_bytes", "browser_memory_mb_ms",
    "browser_version",
)  # fmt: skip
# with the run and the subtask, which the caller changes next
_CHANGE = update(attempts).where(
    attempts.c.id == bindparam("of_id"),
    attempts.c.token == bindparam("of_token"),
    attempts.c.run_id == bindparam("of_run"),
    attempts.c.ordinal == bindparam("of_ordinal"),
    _ACTIVE,
)
_FIRST_START = case(
    (attempts.c.started_at == 0, bindparam("at", type_=BigInteger)), else_=attempts.c.started_at
)
_START = Prepared(_CHANGE.values(started_at=_FIRST_START))
_END = Prepared(_CHANGE, *_OUTCOME, "rows", *_FINAL_COUNTERS)
_ALL = Prepared(
    select(attempts)
    .where(attempts.c.run_id == bindparam("of_run"))
    .order_by(attempts.c.ordinal, attempts.c.id)
)
_SUMS = (
    "traffic_bytes", "cpu_ms", "memory_mb_ms", "busy_ms",
    "browser_ms", "browser_cpu_ms", "browser_memory_mb_ms",
)  # fmt: skip
_PEAKS = "memory_peak_bytes", "browser_memory_peak_bytes"
_USAGE = Prepared(
    select(
        *(func.coalesce(func.sum(attempts.c[name]), 0).label(name) for name in _SUMS),
        *(func.coalesce(func.max(attempts.c[name]), 0).label(name) for name in _PEAKS),
    ).where(attempts.c.run_id == bindparam("of_run"))
)


def active_query(runner_id: str | None) -> Select[Any]:
    """The active attempts, in any order: sorted by id, SQLite would read all attempts."""
    query = select(attempts).where(_ACTIVE)
    return query if runner_id is None else query.where(attempts.c.runner_id == runner_id)


class AttemptTable(SqlStore):
    """The part of ``RunStore`` for attempts."""

    _hiding: frozenset[str]
    _time_sql: Callable[[], tuple[str, tuple[int, ...]]]

    def attempt(self, attempt_id: str) -> Attempt | None:
        return one(self._db.execute(select(attempts).where(attempts.c.id == attempt_id)), Attempt)

    def attempts(self, run_id: str) -> list[Attempt]:
        return [record(row, Attempt) for row in _ALL.rows(self._db, {"of_run": run_id})]

    def attempts_between(
        self, run_id: str, first: int, last: int, limit: int | None = None
    ) -> list[Attempt]:
        query = select(attempts).where(
            attempts.c.run_id == run_id, attempts.c.ordinal.between(first, last)
        )
        order = attempts.c.ordinal, attempts.c.id
        return many(self._db.execute(query.order_by(*order).limit(limit)), Attempt)

    def nodes_of(self, run_id: str) -> list[str]:
        named = attempts.c.run_id == run_id, attempts.c.node != ""
        query = select(attempts.c.node).where(*named).distinct().order_by(attempts.c.node)
        return list(self._db.execute(query).scalars())

    def active_by_runner(self) -> dict[str, int]:
        runner_id = attempts.c.runner_id
        query = select(runner_id, func.count()).where(_ACTIVE).group_by(runner_id)
        return {str(runner): int(count) for runner, count in self._db.execute(query)}

    def runners_to_stop(self) -> frozenset[str]:
        found = self._db.exec_driver_sql(_TO_STOP)
        return frozenset(found.scalars())

    def has_started(self, run_id: str) -> bool:
        started = exists().where(attempts.c.run_id == run_id, attempts.c.started_at > 0)
        return bool(self._db.execute(select(started)).scalar_one())

    def active_attempts(self, runner_id: str | None = None) -> list[Attempt]:
        active = many(self._db.execute(active_query(runner_id)), Attempt)
        return sorted(active, key=lambda attempt: attempt.id)

    def leases(self) -> dict[str, int]:
        query = select(attempts.c.id, attempts.c.lease_until).where(_ACTIVE)
        return {row.id: row.lease_until for row in self._db.execute(query)}

    def attempts_of(self, run_ids: Collection[str]) -> dict[str, list[Attempt]]:
        if not run_ids:
            return {}
        query = select(attempts).where(attempts.c.run_id.in_(run_ids))
        order = attempts.c.run_id, attempts.c.ordinal, attempts.c.id
        found: dict[str, list[Attempt]] = {}
        for attempt in many(self._db.execute(query.order_by(*order)), Attempt):
            found.setdefault(attempt.run_id, []).append(attempt)
        return found

    def renew(self, renewals: Sequence[Renewal], lease_ms: int) -> Renewed:
        tokens: dict[str, int] = {}
        runs: dict[int, set[str]] = {0: set(), _CAPPED: set(), _ENDING: set()}
        clock, now = self._time_sql()
        until = 0
        in_order = sorted(renewals, key=lambda renewal: renewal.attempt_id)
        for start in range(0, len(in_order), _CHUNK):
            part = in_order[start : start + _CHUNK]
            values: tuple[Any, ...]
            if is_sqlite(self._db):
                source = f"VALUES {', '.join([_RENEWAL] * len(part))}"
                values = tuple(value for renewal in part for value in _values(renewal))
            else:
                source = _RENEWALS
                values = tuple(map(list, zip(*map(_values, part), strict=True)))
            statement = _RENEW.format(source, clock)
            values = *values, *now, lease_ms
            found = fetch_tuples(self._db, driver_sql(self._db, statement), values)
            for attempt_id, token, run_id, lease_until, kind in found:
                tokens[attempt_id] = token
                runs[kind].add(run_id)
                until = max(until, lease_until)
        return Renewed(tokens, until - lease_ms, frozenset(runs[_CAPPED]), frozenset(runs[_ENDING]))

    def take_over(self, attempt_id: str, lease_until: int) -> bool:
        change = update(attempts).where(
            attempts.c.id == attempt_id, attempts.c.lease_until == lease_until, _ACTIVE
        )
        return was_applied(self._db.execute(change.values(token=attempts.c.token + 1)))

    def start_attempt(self, key: AttemptKey, at: int) -> bool:
        return _START.run(self._db, _of(key) | {"at": at}) > 0

    def end_attempt(self, key: AttemptKey, ended: AttemptEnd, rows: int, at: int) -> bool:
        counters = {name: getattr(ended.usage, name) for name in _FINAL_COUNTERS}
        values = _of(key) | _outcome(ended.end, at) | counters | {"rows": rows}
        was_ended = _END.run(self._db, values) > 0
        if was_ended:
            self._count_usage(key.id)
        return was_ended

    def return_attempt(
        self, key: AttemptKey, message: str, reason: Reason, at: int, *, unstarted_only: bool
    ) -> bool:
        change = _CHANGE
        if unstarted_only:
            change = change.where(attempts.c.started_at == 0)
        returned = _outcome(End(Outcome.RETURNED, message, reason), at)
        was_returned = was_applied(
            self._db.execute(change.values(**returned, started_at=0), _of(key))
        )
        if was_returned:
            self._count_usage(key.id)
        return was_returned

    def _count_usage(self, attempt_id: str) -> None:
        """Add the counters of an attempt that has just ended to those of its run."""
        run_sql(self._db, _COUNT_ENDED, (to_storable_text(attempt_id),))

    def hidden_attempts(self, run_id: str) -> frozenset[str]:
        if not self._hiding:
            return self.replaced_attempts(run_id)
        outcomes = [str(outcome) for outcome in sorted(self._hiding)]
        condition = f"(outcome IN ({', '.join('?' * len(outcomes))}) OR replaced)"
        return self._ids_of(run_id, condition, *outcomes)

    def hidden_by_run(self, run_ids: Collection[str]) -> dict[str, frozenset[str]]:
        if not run_ids:
            return {}
        has_any = exists().where(attempts.c.run_id == runs.c.id)
        started = select(runs.c.id).where(runs.c.id.in_(run_ids), has_any)
        outcomes = attempts.c.outcome.in_(sorted(map(str, self._hiding)))
        hidden = select(attempts.c.run_id, attempts.c.id).where(
            attempts.c.run_id.in_(run_ids), or_(outcomes, attempts.c.replaced)
        )
        found: dict[str, set[str]] = {ref: set() for ref in self._db.execute(started).scalars()}
        for run_id, attempt_id in self._db.execute(hidden):
            found.setdefault(run_id, set()).add(attempt_id)
        return {run_id: frozenset(ids) for run_id, ids in found.items()}

    def replaced_attempts(self, run_id: str) -> frozenset[str]:
        return self._ids_of(run_id, "replaced")

    def _ids_of(self, run_id: str, condition: str, *values: str) -> frozenset[str]:
        # runs with every page of rows, hence directly on the driver
        statement = driver_sql(self._db, f"{_OF_RUN} AND {condition}")
        found = self._db.exec_driver_sql(statement, (to_storable_text(run_id), *values))
        return frozenset(found.scalars())

    def set_replaced(self, attempt_id: str, replaced: bool) -> None:
        change = update(attempts).where(attempts.c.id == attempt_id)
        self._db.execute(change.values(replaced=replaced))

    def known_attempts(self, attempt_ids: Sequence[str]) -> frozenset[str]:
        known: set[str] = set()
        for start in range(0, len(attempt_ids), _CHUNK):
            query = select(attempts.c.id).where(
                attempts.c.id.in_(attempt_ids[start : start + _CHUNK])
            )
            known.update(self._db.execute(query).scalars())
        return frozenset(known)

    def usage(self, run_id: str) -> AttemptUsage:
        [row] = _USAGE.rows(self._db, {"of_run": run_id})
        sums: dict[str, Any] = {str(name): int(value) for name, value in row.items()}
        return AttemptUsage(**sums)


def _of(key: AttemptKey) -> dict[str, str | int]:
    """The parameters of ``_CHANGE``."""
    return {
        "of_id": key.id,
        "of_token": key.token,
        "of_run": key.run_id,
        "of_ordinal": key.ordinal,
    }


def _outcome(end: End, at: int) -> dict[str, str | int]:
    return {
        "outcome": str(end.outcome),
        "err_msg": end.message,
        **reason_values(end.reason),
        "finished_at": at,
    }


def _values(renewal: Renewal) -> Iterator[str | int]:
    yield to_storable_text(renewal.attempt_id)
    yield renewal.token
    for name in _COUNTERS:
        yield getattr(renewal.usage, name)
