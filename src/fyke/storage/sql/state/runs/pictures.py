"""Queries for pictures of many runs: the last runs of several Workers or tasks, the last attempts
of machines, and the number of runs over time.

Each part of a statement reads a limited number of entries of an index in its order, so the cost
does not depend on the number of past runs. The statements are text, because on SQLite they name
the index.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace
from functools import lru_cache

from sqlalchemy import Connection, RowMapping, TextClause, select, text

from fyke.model.run import Outcome, RunState
from fyke.model.run_list import (
    AttemptPoint,
    RunPoint,
    RunSearch,
    RunsOf,
    RunsOverTime,
    TimeSteps,
)
from fyke.storage.sql.dialects import is_sqlite, to_storable_text
from fyke.storage.sql.state.runs.list_query import (
    BY_STATE,
    BY_TASK,
    BY_WORKER,
    NEWEST,
    ListQuery,
)
from fyke.storage.sql.state.runs.tables import attempts

_POINT = ", ".join(field.name for field in fields(RunPoint))
_ATTEMPT = ("run_id", "node", "outcome", "rows", "traffic_bytes", "started_at", "finished_at")
# the index, and the condition in addition to that on the account
_LAST_OF = {
    RunsOf.ACCOUNT: (NEWEST, ""),
    RunsOf.WORKER: (BY_WORKER, " AND worker_id = :value"),
    RunsOf.TASK: (BY_TASK, " AND task_id <> '' AND task_id = :value"),
}


def last_runs(
    connection: Connection, account_id: str, of: RunsOf, values: Collection[str], limit: int
) -> dict[str, list[RunPoint]]:
    """See ``RunListStore.last_runs``."""
    wanted = list(dict.fromkeys(to_storable_text(value) for value in values if value))
    found: dict[str, list[RunPoint]] = {}
    if not wanted:
        return found
    statement = last_runs_statement(of, len(wanted), sqlite=is_sqlite(connection))
    parameters: dict[str, str | int] = {"account": account_id, "limit": limit}
    if of is not RunsOf.ACCOUNT:
        parameters |= {f"value_{number}": value for number, value in enumerate(wanted)}
    for value, run_id, version, state, *figures in connection.execute(statement, parameters):
        point = RunPoint(run_id, version, RunState(state), *figures)
        found.setdefault(value, []).append(point)
    for points in found.values():
        points.sort(key=lambda point: (point.created_at, point.id))
    return found


@lru_cache(maxsize=256)
def last_runs_statement(of: RunsOf, number: int, *, sqlite: bool) -> TextClause:
    """The statement for this number of values."""
    index, condition = _LAST_OF[of]
    by = f" INDEXED BY {index}" if sqlite else ""
    last = (
        f"SELECT {of} AS of_value, {_POINT} FROM runs{by}"  # noqa: S608 - only our own names
        f" WHERE account_id = :account{condition}"
        " ORDER BY created_at DESC, id DESC LIMIT :limit"
    )
    parts = (
        f"SELECT * FROM ({last.replace(':value', f':value_{n}')}) AS last_{n}"  # noqa: S608 - only our own names
        for n in range(number)
    )
    return text(" UNION ALL ".join(parts))


def last_attempts(connection: Connection, runs: int, limit: int) -> dict[str, list[AttemptPoint]]:
    """See ``RunListStore.last_attempts``. Attempts have no index by machine, which each would have
    to be added to: so those of the last runs are read, as many as there are ``runs`` and a few.
    """
    parameters = {"runs": runs}
    ended = connection.execute(ended_runs_statement(sqlite=is_sqlite(connection)), parameters).all()
    taken: dict[str, tuple[str, str]] = {}
    left = runs
    for run_id, account_id, version, subtasks in ended:
        if subtasks <= left:
            taken[run_id] = account_id, version
            left -= subtasks
    query = (
        select(*(attempts.c[name] for name in _ATTEMPT))
        .where(attempts.c.run_id.in_(taken), attempts.c.node != "")
        .where(attempts.c.outcome.is_not(None))
    )
    found: dict[str, list[AttemptPoint]] = {}
    for row in connection.execute(query).mappings() if taken else ():
        account_id, version = taken[row["run_id"]]
        found.setdefault(row["node"], []).append(AttemptPoint(account_id, _point_of(row, version)))
    for name, points in found.items():
        points.sort(key=lambda one: (one.point.finished_at, one.point.id))
        found[name] = points[-limit:]
    return found


def ended_runs_statement(*, sqlite: bool) -> TextClause:
    """The last ended runs, in the order of their index."""
    by = " INDEXED BY ix_runs_finished" if sqlite else ""
    return text(
        f"SELECT id, account_id, version, subtasks FROM runs{by}"  # noqa: S608 - only our own names
        " WHERE finished_at > 0 ORDER BY finished_at DESC, id DESC LIMIT :runs"
    )


def _point_of(row: RowMapping, version: str) -> RunPoint:
    started, finished = row["started_at"], row["finished_at"]
    match row["outcome"]:
        case Outcome.SUCCEEDED:
            state = RunState.SUCCEEDED
        case Outcome.ABORTED:
            state = RunState.ABORTED
        case _:
            state = RunState.FAILED
    return RunPoint(
        id=row["run_id"],
        version=version,
        state=state,
        results=row["rows"],
        usage_micros=0,
        traffic_bytes=row["traffic_bytes"],
        created_at=started or finished,
        started_at=started,
        finished_at=finished,
    )


def over_time(
    connection: Connection, account_id: str, search: RunSearch, steps: TimeSteps, most: int | None
) -> RunsOverTime:
    """See ``RunListStore.over_time``; ``most`` is None without a limit."""
    search = replace(search, created_from=max(1, steps.first), created_until=steps.end)
    query = ListQuery(connection, account_id, search, None, newer=False)
    counted_from = 0
    if most is not None:
        last = f"SELECT created_at {query.newest()} ORDER BY created_at DESC, id DESC"
        last += " LIMIT 1 OFFSET :most"
        oldest = connection.execute(text(last), query.values | {"most": most}).scalar()
        if oldest is not None:  # the first whole step after it
            counted_from = (int(oldest) - steps.first) // steps.length + 1
            start = steps.first + counted_from * steps.length
            search = replace(search, created_from=start)
            query = ListQuery(connection, account_id, search, None, newer=False)
    parameters = {"first": steps.first, "length": steps.length}
    if search.filters <= {"states", "created_from", "created_until"}:
        statement = _counts_by_state(search.states or tuple(RunState), sqlite=is_sqlite(connection))
        parameters |= {"from": counted_from, "number": steps.number}
    else:
        statement = (
            "SELECT (created_at - :first) / :length AS step, state, count(*)"
            f" {query.newest()}{query.checked()} GROUP BY 1, 2"
        )
    counts: tuple[dict[RunState, int], ...] = tuple({} for _ in range(steps.number))
    for step, state, number in connection.execute(text(statement), query.values | parameters):
        if number:
            counts[step][RunState(state)] = int(number)
    return RunsOverTime(steps, counts, counted_from)


def _counts_by_state(states: Collection[RunState], *, sqlite: bool) -> str:
    """Count the entries of the index by state, without sorting them: four times as fast."""
    by = f" INDEXED BY {BY_STATE}" if sqlite else ""
    wanted = " UNION ALL ".join(f"SELECT '{state}' AS state" for state in dict.fromkeys(states))
    step = "CAST(:first AS bigint) + (n{}) * CAST(:length AS bigint)"
    since, until = step.format(""), step.format(" + 1")
    return (
        "WITH RECURSIVE steps(n) AS (SELECT CAST(:from AS bigint) UNION ALL"  # noqa: S608 - only our own names
        " SELECT n + 1 FROM steps WHERE n + 1 < :number)"
        f" SELECT n, wanted.state, (SELECT count(*) FROM runs{by} WHERE account_id = :account"
        f" AND runs.state = wanted.state AND created_at >= {since} AND created_at < {until})"
        f" FROM steps CROSS JOIN ({wanted}) AS wanted WHERE n < :number"
    )
