"""The tables of the results.

Rows and log lines have one 64-bit key: the run's number in the upper half, the position in the
lower. So a run's rows lie together in one tree, in order; a page anywhere is one range of keys;
and a row costs no second tree for an index. That is also why runs and attempts get numbers:
twenty-six characters of id twice in every row would be a quarter of a typical table.

* ``results_runs``: number, id and the last positions given out. ``run_id`` becomes NULL when the
  run is deleted: it is out of sight at once, its rows go later and in small steps.
* ``results_attempts``: the fence, and the sums a total is made of. ``run`` is NULL for an
  attempt that was closed before it was opened.
* ``results_headers``: what an attempt declared last, as JSON.
* ``results_rows``, ``results_log``: keyed as above.
* ``results_upserts``: where the row with an upsert key and value is. A value may be megabytes,
  more than an index takes, so a digest of both stands for them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)

POSITION_BITS = 32
LAST_POSITION = (1 << POSITION_BITS) - 1

VERSION_TABLE = "results_version"

metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s"})

# SQLite gives numbers of its own only to a column that is exactly INTEGER.
_Number = BigInteger().with_variant(Integer(), "sqlite")

runs = Table(
    "results_runs",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("run_id", Text, unique=True),
    Column("rows", BigInteger, nullable=False),
    Column("log_entries", BigInteger, nullable=False),
    sqlite_autoincrement=True,  # a number is never given twice, even after its run is gone
)

attempts = Table(
    "results_attempts",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("attempt_id", Text, nullable=False, unique=True),
    Column("run", BigInteger, index=True),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("closed", Boolean, nullable=False),
    sqlite_autoincrement=True,
)

headers = Table(
    "results_headers",
    metadata,
    Column("attempt", _Number, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

rows = Table(
    "results_rows",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=False),
    Column("attempt", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

upserts = Table(
    "results_upserts",
    metadata,
    Column("run", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, primary_key=True),
    Column("row_id", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

log = Table(
    "results_log",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=False),
    Column("type", SmallInteger, nullable=False),
    Column("group_name", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
)


def first_key(run: int) -> int:
    """The key just before the run's first position."""
    return run << POSITION_BITS


def key(run: int, position: int) -> int:
    """The key of a position; one out of range is brought to the nearest end."""
    return first_key(run) + min(max(position, 0), LAST_POSITION)


def position_of(row_key: int) -> int:
    return row_key & LAST_POSITION
