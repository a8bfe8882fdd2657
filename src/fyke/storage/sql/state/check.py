"""What ``fyke db check`` looks at: whether the state is whole and agrees with itself.

Every rule here is one that the stores keep by their writes. A finding means a fault of ours, of
the disk, or a hand in the database.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, Engine

from fyke.storage.sql.dialects import for_reading, is_sqlite
from fyke.storage.sql.state.billing import SqlLedger
from fyke.storage.sql.state.schema import SCHEMA

# (what to say about each row found, the query that finds them)
_RULES = (
    (
        "run {0} is {1} but attempt {2} of it still lives",
        "SELECT r.id, r.state, a.id FROM attempts a JOIN runs r ON r.id = a.run_id"
        " WHERE a.outcome IS NULL AND r.state IN ('aborted', 'failed', 'succeeded')",
    ),
    (
        "run {0} is {1} but its subtask {2} waits",
        "SELECT r.id, r.state, s.ordinal FROM subtasks s JOIN runs r ON r.id = s.run_id"
        " WHERE s.state = 'waiting' AND r.state IN ('aborted', 'failed', 'succeeded')",
    ),
    (
        "subtask {1} of run {0} is running but no attempt of it lives",
        "SELECT s.run_id, s.ordinal FROM runs r JOIN subtasks s ON s.run_id = r.id"
        " WHERE r.state NOT IN ('aborted', 'failed', 'succeeded') AND s.state = 'running'"
        " AND NOT EXISTS"
        " (SELECT 1 FROM attempts a WHERE a.run_id = s.run_id AND a.ordinal = s.ordinal"
        " AND a.outcome IS NULL)",
    ),
    (
        "subtask {1} of run {0} has {2} living attempts",
        "SELECT run_id, ordinal, count(*) FROM attempts WHERE outcome IS NULL"
        " GROUP BY run_id, ordinal HAVING count(*) > 1",
    ),
    (
        "run {0} says it has {1} subtasks but has {2}",
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
)


def check(engine: Engine) -> list[str]:
    """Return one sentence per finding; an empty list when all is consistent. Changes nothing."""
    version = SCHEMA.version(engine)
    if not version.up_to_date:
        return [
            f"the tables are at version {version.current or 'none'}, this program wants "
            f"{version.head}: {version.remedy}"
        ]
    with for_reading(engine).connect() as connection, connection.begin():
        return [*_file(connection), *_rules(connection), *_ledger(connection)]


def _file(connection: Connection) -> Iterator[str]:
    if not is_sqlite(connection):
        return
    for (finding,) in connection.exec_driver_sql("PRAGMA integrity_check(20)"):
        if finding != "ok":
            yield f"the database file is damaged: {finding}"
    for table, row, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield f"row {row} of {table} refers to a row of {parent} that is not there"


def _rules(connection: Connection) -> Iterator[str]:
    for sentence, query in _RULES:
        for row in connection.exec_driver_sql(query):
            yield sentence.format(*row)


def _ledger(connection: Connection) -> Iterator[str]:
    ledger = SqlLedger(connection)
    query = "SELECT id, balance_micros, held_micros, traffic_bytes FROM accounts ORDER BY id"
    for account_id, *has in connection.exec_driver_sql(query).all():
        sums = ledger.sums(account_id)
        if tuple(has) != sums:
            yield (
                f"account {account_id} has (balance, held, traffic) {tuple(has)} "
                f"but its ledger adds up to {sums}"
            )
