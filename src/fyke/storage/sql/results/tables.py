"""The tables of the results.

Rows and log lines have one 64-bit key: the number of the run in the upper half, the position in
the lower. So the rows of a run are adjacent in the table, in order; any page is one range of keys;
and no second index is needed. For the same reason runs and attempts have numbers: two ids of 26
characters in every row would be a quarter of a typical table.

* ``results_runs``: number, id and the last positions. ``run_id`` is NULL when the run is deleted;
  its rows are removed later, in small steps.
* ``results_attempts``: the totals of each attempt, and whether it is closed. ``run`` is NULL for an
  attempt that was closed before it was opened. ``moved`` is the number of its last record that was
  moved here from the journal; of an attempt that is not in the journal, that of its last batch.
  ``shared_rows`` and ``shared_bytes``: of its rows that others have upserted. ``upserted``: how
  many rows of others it has upserted, counted again in each commit.
* ``results_headers``: the last declared headers of an attempt, as JSON.
* ``results_rows``, ``results_log``: keyed as above.
* ``results_store``: one row, whose ``id`` names these tables in the journal.
* ``results_upserts``: the row of an upsert key and value. A value may have megabytes, more than an
  index allows, so both are stored as one digest.
* ``results_shares``: the attempts of each row that several have upserted, and only of those.
  ``bytes``: of the row, in the record of the attempt that stored it, else NULL. They stay when the
  row is moved to a file. See ``excluded``.
* ``results_seals``: the file with the rows of an ended run. The run's column ``sealed`` is the
  number of its first rows that are read from there, 0 until the file is complete.
  ``claimed_until``: until when (Unix time, ms) the process that works on it is taken to be alive.
  ``done``: nothing is left to do. Without a ``blob`` the run cannot be sealed. ``keys``: those of
  the rows in the file, see ``noted_keys``.
* ``results_frames``: the frames of these files; the key of each is that of its last row.
  ``attempts`` has the attempts of its rows, see ``sealed``.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)

POSITION_BITS = 32
LAST_POSITION = (1 << POSITION_BITS) - 1

VERSION_TABLE = "results_version"

metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s"})

# SQLite numbers rows only in a column of the type INTEGER.
_Number = BigInteger().with_variant(Integer(), "sqlite")

runs = Table(
    "results_runs",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("run_id", Text, unique=True),
    Column("rows", BigInteger, nullable=False),
    Column("log_entries", BigInteger, nullable=False),
    Column("sealed", BigInteger, nullable=False),
    sqlite_autoincrement=True,  # numbers of deleted runs are not reused
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
    Column("moved", BigInteger, nullable=False),
    Column("shared_rows", BigInteger, nullable=False),
    Column("shared_bytes", BigInteger, nullable=False),
    Column("upserted", BigInteger, nullable=False),
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

store = Table("results_store", metadata, Column("id", LargeBinary, nullable=False))

upserts = Table(
    "results_upserts",
    metadata,
    Column("run", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, primary_key=True),
    Column("row_id", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

shares = Table(
    "results_shares",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", BigInteger, primary_key=True, autoincrement=False),
    Column("bytes", BigInteger),
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

seals = Table(
    "results_seals",
    metadata,
    Column("run", _Number, primary_key=True, autoincrement=False),
    Column("blob", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("claimed_until", BigInteger, nullable=False),
    Column("done", Boolean, nullable=False),
    Column("keys", LargeBinary),
)
Index(
    "ix_results_seals_unfinished",
    seals.c.run,
    sqlite_where=text("NOT done"),
    postgresql_where=text("NOT done"),
)

frames = Table(
    "results_frames",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=False),
    Column("rows", BigInteger, nullable=False),
    Column("start_byte", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("attempts", LargeBinary, nullable=False),
)


def first_key(run: int) -> int:
    """Return the key before the run's first position."""
    return run << POSITION_BITS


def key(run: int, position: int) -> int:
    """Return the key of a position, which is clamped to the valid range."""
    return first_key(run) + min(max(position, 0), LAST_POSITION)


def position_of(row_key: int) -> int:
    return row_key & LAST_POSITION
