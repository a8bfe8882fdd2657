"""Checks of state and rows against each other, for ``fyke db check`` and ``fyke backup verify``.

Both are read at one moment: with PostgreSQL in one snapshot of their database, with SQLite on one
connection to both files. A run that is being removed is left out: its rows go first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from fyke.domain.runs.outcome import HIDING
from fyke.model.results import ROWS_LOST_AT
from fyke.storage.sql.backup import both_at_one_moment
from fyke.storage.sql.dialects import for_reading
from fyke.storage.sql.results.tables import LAST_POSITION, POSITION_BITS
from fyke.storage.sql.state.runs.tables import ENDED_COUNTERS

MAX_FINDINGS = 20  # of each rule
Execute = Callable[[str], Iterable[Sequence[Any]]]

_HIDING = ", ".join(f"'{outcome}'" for outcome in sorted(HIDING))
_STORED = (
    " FROM results_attempts a JOIN results_runs n ON n.number = a.run AND n.run_id IS NOT NULL"
)
_LOST_AT = f"(SELECT max(CAST(value AS bigint)) FROM installation WHERE name = '{ROWS_LOST_AT}')"  # noqa: S608 - our own
_SUM = {f"r.ended_{name}": f"coalesce(sum(s.{name}), 0)" for name in ENDED_COUNTERS}
_COUNTED, _SUMS = ", ".join(_SUM), ", ".join(_SUM.values())
_DIFFER = " OR ".join(f"{counted} <> {added}" for counted, added in _SUM.items())
# By run, the rows of hidden attempts that are shown because another one has upserted them too
# (``results_shares``): ``kept`` with ``failed_rows = "keep"``, ``kept_too`` with ``"hide"``
_REPLACED = "CASE WHEN s.replaced THEN 1 ELSE 0 END"
_HIDDEN = f"CASE WHEN s.replaced OR coalesce(s.outcome, '') IN ({_HIDING}) THEN 1 ELSE 0 END"
_IS_KEPT = (
    "CASE WHEN min({0}) = 0 AND max(CASE WHEN h.bytes IS NULL THEN 0 ELSE {0} END) = 1"
    " THEN 1 ELSE 0 END"
)
_KEPT = (
    "SELECT run_id, sum(kept) AS kept, sum(kept_too) AS kept_too FROM (SELECT s.run_id,"  # noqa: S608
    f" {_IS_KEPT.format(_REPLACED)} AS kept, {_IS_KEPT.format(_HIDDEN)} AS kept_too"
    " FROM results_shares h JOIN results_attempts a ON a.number = h.attempt"
    " JOIN attempts s ON s.id = a.attempt_id GROUP BY h.id, s.run_id) k GROUP BY run_id"
)

# (message for each row, query); the queries are the same for both databases
_RULES = (
    (
        "there are {1} rows of run {0}, which does not exist; they are not shown",
        "SELECT n.run_id, n.rows FROM results_runs n LEFT JOIN runs r ON r.id = n.run_id"
        " WHERE n.run_id IS NOT NULL AND n.rows > 0 AND r.id IS NULL",
    ),
    (
        "there are {2} rows of attempt {1} of run {0}, which does not exist; they are not shown",
        f"SELECT n.run_id, a.attempt_id, a.rows{_STORED} JOIN runs r ON r.id = n.run_id"
        " LEFT JOIN attempts s ON s.id = a.attempt_id"
        " WHERE a.rows > 0 AND n.sealed = 0 AND s.id IS NULL",  # those in files stay, hidden
    ),
    (
        "attempt {1} of run {0} ended with {2} rows but {3} are stored",
        "SELECT s.run_id, s.id, s.rows, coalesce(a.rows, 0) FROM attempts s"  # noqa: S608 - our own
        " LEFT JOIN results_attempts a ON a.attempt_id = s.id"
        " LEFT JOIN results_runs n ON n.number = a.run"
        " WHERE s.outcome IS NOT NULL AND s.rows <> coalesce(a.rows, 0)"
        " AND (a.run IS NULL OR n.run_id IS NOT NULL)"
        f" AND (a.run IS NOT NULL OR s.finished_at > coalesce({_LOST_AT}, -1))",
    ),
    (
        "run {0} has {1} results but its attempts add up to {2}",
        "SELECT r.id, r.results, coalesce(sum(s.rows), 0) FROM runs r"  # noqa: S608 - our own
        " LEFT JOIN attempts s ON s.run_id = r.id AND NOT s.replaced"
        f" LEFT JOIN ({_KEPT}) k ON k.run_id = r.id"
        " WHERE r.state IN ('aborted', 'failed', 'succeeded')"
        " GROUP BY r.id, r.results, k.kept, k.kept_too"
        " HAVING r.results <> coalesce(sum(s.rows), 0) + coalesce(k.kept, 0)"
        " AND r.results <> coalesce(sum("
        f"CASE WHEN s.outcome IN ({_HIDING}) THEN 0 ELSE s.rows END), 0) + coalesce(k.kept_too, 0)",
    ),
    (
        "run {0} counts {1} ms of CPU, {2} bytes and {3} rows of its ended attempts but they add up"
        " to {4} ms, {5} bytes and {6} rows",
        f"SELECT r.id, {_COUNTED}, {_SUMS} FROM runs r"  # noqa: S608 - our own
        " LEFT JOIN attempts s ON s.run_id = r.id AND s.outcome IS NOT NULL"
        " WHERE r.state IN ('aborting', 'ending', 'ready', 'running')"
        f" GROUP BY r.id, {_COUNTED} HAVING {_DIFFER}",
    ),
    (
        "attempt {1} of run {0} counts {2} rows of {3} bytes but {4} of {5} bytes are stored",
        "SELECT n.run_id, a.attempt_id, a.rows, a.bytes,"  # noqa: S608 - our own
        f" coalesce(w.rows, 0), coalesce(w.bytes, 0){_STORED} LEFT JOIN"
        " (SELECT attempt, count(*) AS rows, sum(length(data)) AS bytes FROM results_rows"
        " GROUP BY attempt) w ON w.attempt = a.number"
        " WHERE n.sealed = 0"
        " AND (a.rows <> coalesce(w.rows, 0) OR a.bytes <> coalesce(w.bytes, 0))",
    ),
    (
        "run {0} has {1} rows in its file but the frames have {2}",
        "SELECT n.run_id, n.sealed, coalesce(sum(f.rows), 0) FROM results_runs n"  # noqa: S608 - our own
        f" LEFT JOIN results_frames f ON f.id > n.number * {1 << POSITION_BITS}"
        f" AND f.id <= n.number * {1 << POSITION_BITS} + {LAST_POSITION}"
        " WHERE n.sealed > 0 AND n.run_id IS NOT NULL GROUP BY n.number, n.run_id, n.sealed"
        " HAVING n.sealed <> coalesce(sum(f.rows), 0)",
    ),
    (
        "run {0} has positions for {1} rows after those in its file but {2} are stored",
        "SELECT n.run_id, n.rows - n.sealed, count(w.id) FROM results_runs n"  # noqa: S608 - our own
        f" LEFT JOIN results_rows w ON w.id > n.number * {1 << POSITION_BITS} + n.sealed"
        f" AND w.id <= n.number * {1 << POSITION_BITS} + {LAST_POSITION}"
        " WHERE n.sealed > 0 AND n.run_id IS NOT NULL GROUP BY n.number, n.run_id, n.rows, n.sealed"
        " HAVING n.rows - n.sealed <> count(w.id)",
    ),
    (
        "run {0} has positions for {1} rows but its attempts count {2}",
        "SELECT n.run_id, n.rows, coalesce(sum(a.rows), 0) FROM results_runs n"
        " LEFT JOIN results_attempts a ON a.run = n.number WHERE n.run_id IS NOT NULL"
        " GROUP BY n.number, n.run_id, n.rows HAVING n.rows <> coalesce(sum(a.rows), 0)",
    ),
    (
        "the log of run {0} counts {1} lines but {2} are stored",
        "SELECT n.run_id, n.log_entries, coalesce(l.lines, 0) FROM results_runs n LEFT JOIN"  # noqa: S608 - our own
        f" (SELECT id / {1 << POSITION_BITS} AS run, count(*) AS lines FROM results_log"
        f" GROUP BY id / {1 << POSITION_BITS}) l ON l.run = n.number"
        " WHERE n.run_id IS NOT NULL AND n.log_entries <> coalesce(l.lines, 0)",
    ),
)


def check_files(state: Path, rows: Path) -> list[str]:
    """One sentence for each finding in a pair of SQLite files. Changes nothing."""
    with both_at_one_moment(state, rows) as connection:
        return list(_findings(connection.execute))


def check_database(engine: Engine) -> list[str]:
    """One sentence for each finding in a PostgreSQL database. Changes nothing."""
    with for_reading(engine).connect() as connection, connection.begin():
        return list(_findings(connection.exec_driver_sql))


def _findings(execute: Execute) -> Iterator[str]:
    for sentence, query in _RULES:
        for number, row in enumerate(execute(query)):
            if number == MAX_FINDINGS:
                yield "there are more findings of this kind"
                break
            yield sentence.format(*row)
