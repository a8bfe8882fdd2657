"""Consistency checks of the state, for ``fyke db check``.

The stores maintain all these rules. A finding is caused by a bug, a fault of the disk or a manual
change of the database.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, Engine

from fyke.storage.sql.dialects import for_reading, is_sqlite, long_transaction
from fyke.storage.sql.state.billing import SqlLedger
from fyke.storage.sql.state.schema import SCHEMA

_ENDED = "('aborted', 'failed', 'succeeded')"

# (message for each row, query)
_RULES = (
    (
        "run {0} is {1} but its attempt {2} has not ended",
        "SELECT r.id, r.state, a.id FROM attempts a JOIN runs r ON r.id = a.run_id"
        " WHERE a.outcome IS NULL AND r.state IN ('aborted', 'failed', 'succeeded')",
    ),
    (
        "run {0} is {1} but its subtask {2} waits",
        "SELECT r.id, r.state, s.ordinal FROM subtasks s JOIN runs r ON r.id = s.run_id"
        " WHERE s.state = 'waiting' AND r.state IN ('aborted', 'failed', 'succeeded')",
    ),
    (
        "subtask {1} of run {0} is running but has no active attempt",
        "SELECT s.run_id, s.ordinal FROM runs r JOIN subtasks s ON s.run_id = r.id"
        " WHERE r.state NOT IN ('aborted', 'failed', 'succeeded') AND s.state = 'running'"
        " AND NOT EXISTS"
        " (SELECT 1 FROM attempts a WHERE a.run_id = s.run_id AND a.ordinal = s.ordinal"
        " AND a.outcome IS NULL)",
    ),
    (
        "subtask {1} of run {0} has {2} active attempts",
        "SELECT run_id, ordinal, count(*) FROM attempts WHERE outcome IS NULL"
        " GROUP BY run_id, ordinal HAVING count(*) > 1",
    ),
    (
        "subtask {1} of run {0} waits but has an active attempt",
        "SELECT s.run_id, s.ordinal FROM subtasks s JOIN attempts a"
        " ON a.run_id = s.run_id AND a.ordinal = s.ordinal AND a.outcome IS NULL"
        " WHERE s.state = 'waiting'",
    ),
    (
        "attempt {1} of run {0} was returned to the queue but has been started or has rows",
        "SELECT run_id, id FROM attempts"
        " WHERE outcome = 'returned' AND (started_at > 0 OR rows > 0)",
    ),
    (
        "run {0} should have {1} subtasks but has {2}",
        "SELECT r.id, r.subtasks, count(s.ordinal) FROM runs r"
        " LEFT JOIN subtasks s ON s.run_id = r.id"
        " GROUP BY r.id, r.subtasks HAVING r.subtasks <> count(s.ordinal)",
    ),
    (
        "the count of {2} runs of account {0}, worker {1} is {3} but there are {4}",
        "SELECT c.account_id, c.worker_id, c.state, c.n, count(r.id) FROM run_counts c"
        " LEFT JOIN runs r ON r.account_id = c.account_id AND r.worker_id = c.worker_id"
        " AND r.state = c.state GROUP BY c.account_id, c.worker_id, c.state, c.n"
        " HAVING c.n <> count(r.id)",
    ),
    (
        "the count of {2} runs of account {0}, worker {1} is missing; there are {3}",
        "SELECT r.account_id, r.worker_id, r.state, count(*) FROM runs r WHERE NOT EXISTS"
        " (SELECT 1 FROM run_counts c WHERE c.account_id = r.account_id"
        " AND c.worker_id = r.worker_id AND c.state = r.state)"
        " GROUP BY r.account_id, r.worker_id, r.state",
    ),
    (
        "run {0} has cost {1} millionths of a dollar but its ledger entries add up to {2}",
        "SELECT r.id, r.usage_micros, coalesce(l.usd, 0) FROM runs r LEFT JOIN"  # noqa: S608 - our own
        " (SELECT run_id, -sum(usd_micros) AS usd FROM ledger WHERE kind = 'usage'"
        f" GROUP BY run_id) l ON l.run_id = r.id WHERE r.state IN {_ENDED}"
        " AND r.usage_micros <> coalesce(l.usd, 0)",
    ),
    (
        "the usage of account {0} by day adds up to {1} millionths of a dollar but its ledger"
        " to {2}",
        "SELECT a.id, coalesce(d.usd, 0), coalesce(l.usd, 0) FROM accounts a LEFT JOIN"
        " (SELECT account_id, sum(usage_micros) AS usd FROM usage_days WHERE part = ''"
        " GROUP BY account_id) d ON d.account_id = a.id LEFT JOIN"
        " (SELECT account_id, -sum(usd_micros) AS usd FROM ledger WHERE kind = 'usage'"
        " GROUP BY account_id) l ON l.account_id = a.id"
        " WHERE coalesce(d.usd, 0) <> coalesce(l.usd, 0)",
    ),
    # runs are removed after a time, their usage is not
    (
        "the usage of account {0} by day counts {1} runs with {2} results but there are {3}"
        " with {4}",
        "SELECT r.account_id, coalesce(d.runs, 0), coalesce(d.results, 0), r.runs, r.results"  # noqa: S608 - our own
        " FROM (SELECT account_id, count(*) AS runs, sum(results) AS results FROM runs"
        f" WHERE state IN {_ENDED} GROUP BY account_id) r LEFT JOIN"
        " (SELECT account_id, sum(runs) AS runs, sum(results) AS results FROM usage_days"
        " WHERE part = '' GROUP BY account_id) d ON d.account_id = r.account_id"
        " WHERE coalesce(d.runs, 0) < r.runs OR coalesce(d.results, 0) < r.results",
    ),
    (
        "the usage of account {0} on {1} by {2} does not add up to the total of the day",
        "SELECT t.account_id, t.day, p.part FROM usage_days t CROSS JOIN (SELECT 'worker' AS part"
        " UNION ALL SELECT 'task' UNION ALL SELECT 'key') p LEFT JOIN (SELECT account_id, day,"
        " part, sum(runs) AS runs, sum(results) AS results, sum(usage_micros) AS usd"
        " FROM usage_days GROUP BY account_id, day, part) s ON s.account_id = t.account_id"
        " AND s.day = t.day AND s.part = p.part WHERE t.part = '' AND (coalesce(s.runs, 0)"
        " <> t.runs OR coalesce(s.results, 0) <> t.results"
        " OR coalesce(s.usd, 0) <> t.usage_micros)",
    ),
)
_TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'ledger'"
_POSTGRES_TRIGGERS = (
    "SELECT tgname FROM pg_trigger WHERE tgrelid = 'ledger'::regclass AND tgenabled <> 'D'"
)


def check(engine: Engine) -> list[str]:
    """Return one sentence per finding; an empty list when all is consistent. Changes nothing."""
    version = SCHEMA.version(engine)
    if not version.up_to_date:
        return [
            f"the tables are at version {version.current or 'none'}, this program needs "
            f"{version.head}: {version.remedy}"
        ]
    with long_transaction(for_reading(engine)) as connection:
        return [
            *_file(connection),
            *_rules(connection),
            *_ledger(connection),
            *_ledger_triggers(connection),
        ]


def _file(connection: Connection) -> Iterator[str]:
    if not is_sqlite(connection):
        return
    for (finding,) in connection.exec_driver_sql("PRAGMA integrity_check(20)"):
        if finding != "ok":
            yield f"the database file is damaged: {finding}"
    for table, row, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield f"row {row} of {table} refers to a missing row of {parent}"


def _rules(connection: Connection) -> Iterator[str]:
    for sentence, query in _RULES:
        for row in connection.exec_driver_sql(query):
            yield sentence.format(*row)


def _ledger(connection: Connection) -> Iterator[str]:
    ledger = SqlLedger(connection)
    query = "SELECT id, balance_micros, held_micros, traffic_bytes FROM accounts ORDER BY id"
    for account_id, *amounts in connection.exec_driver_sql(query).all():
        sums = ledger.sums(account_id)
        if tuple(amounts) != sums:
            yield (
                f"account {account_id} has (balance, held, traffic) {tuple(amounts)} "
                f"but its ledger adds up to {sums}"
            )


def _ledger_triggers(connection: Connection) -> Iterator[str]:
    query, needed = _POSTGRES_TRIGGERS, ["ledger_stays"]
    if is_sqlite(connection):
        query, needed = _TRIGGERS, ["ledger_no_delete", "ledger_no_update"]
    existing = {name for (name,) in connection.exec_driver_sql(query)}
    for name in needed:
        if name not in existing:
            yield (
                f"the trigger {name} is missing or disabled, so ledger entries can be changed "
                "and removed"
            )
