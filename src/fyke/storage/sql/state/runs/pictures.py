"""Queries for pictures of many runs: the last runs of several Workers or tasks, and the number of
runs over time.

Each part of a statement reads a limited number of entries of an index in its order, so the cost
does not depend on the number of past runs. The statements are text, because on SQLite they name
the index.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace
from functools import lru_cache

from sqlalchemy import Connection, TextClause, text

from fyke.model.run import RunState
from fyke.model.run_list import RunPoint, RunSearch, RunsOf, RunsOverTime, TimeSteps
from fyke.storage.sql.dialects import is_sqlite, to_storable_text
from fyke.storage.sql.state.runs.list_query import BY_TASK, BY_WORKER, NEWEST, ListQuery

_POINT = ", ".join(field.name for field in fields(RunPoint))
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
    statement = (
        "SELECT (created_at - :first) / :length AS step, state, count(*)"
        f" {query.newest()}{query.checked()} GROUP BY 1, 2"
    )
    parameters = query.values | {"first": steps.first, "length": steps.length}
    counts: tuple[dict[RunState, int], ...] = tuple({} for _ in range(steps.number))
    for step, state, number in connection.execute(text(statement), parameters):
        counts[step][RunState(state)] = int(number)
    return RunsOverTime(steps, counts, counted_from)
