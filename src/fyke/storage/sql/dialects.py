"""The differences between SQLite and PostgreSQL. Their errors are classified in ``failures.py``.

* ``make_engine``: connections, configured for durable commits.
* ``for_writing``: transactions that write. SQLite takes the write lock at once
  (``BEGIN IMMEDIATE``), because upgrading a read lock can fail at any time; PostgreSQL uses READ
  COMMITTED, and the stores lock the rows on which they decide. ``for_reading``: transactions that
  read one snapshot; a deferred ``BEGIN`` on SQLite, read-only REPEATABLE READ on PostgreSQL.
* ``long_transaction``: a transaction of maintenance.
* ``now_ms``: the clock: that of PostgreSQL, which several machines share, or of this machine.
* ``migration_lock``: one migration at a time, across processes and machines.
* ``insert_new``, ``upsert``, ``locking``, ``contains``: clauses with different syntax.
* ``insert_rows``: many rows in one statement.
* ``driver_sql``, ``run_sql``, ``fetch_all``, ``fetch_one``: for the few hot statements; see also
  ``prepared.py`` and ``postgres_direct.py``.
* ``to_storable_text``: replaces characters that PostgreSQL cannot store.

The implicit transactions of the sqlite3 module are disabled (``isolation_level=None``); BEGIN is
sent in SQLAlchemy's ``begin`` event.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Executable,
    Function,
    Table,
    create_engine,
    event,
    func,
    make_url,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError, OperationalError

from fyke.errors import InvalidRequest
from fyke.kit.file_lock import locked
from fyke.storage.deadlines import MAINTENANCE, REQUEST
from fyke.storage.sql.failures import SQLITE_BUSY
from fyke.storage.sql.postgres_direct import postgres_execute, postgres_rows

BUSY_SECONDS = 30
LOCK_POLL_SECONDS = 0.1
_ROWS = 500  # of one INSERT
_BEGIN = "fyke_begin"
_READS = "fyke_reads"  # whether all transactions of a PostgreSQL engine are those of for_reading
_SNAPSHOT = "REPEATABLE READ"
POSTGRES_NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"  # see ``now_ms``


def normalise_url(url: str | URL) -> URL:
    """Return the URL with our driver. Raise ``InvalidRequest`` for another database.

    ``postgres://`` and ``postgresql://`` use psycopg 3. SQLite needs an absolute path:
    ``sqlite:////var/lib/fyke/state.db``.
    """
    address = str(url) if isinstance(url, str) else url.render_as_string(hide_password=False)
    head, separator, rest = address.partition("://")
    if head in ("postgres", "postgresql"):
        head = "postgresql+psycopg"
    if not separator or head not in ("postgresql+psycopg", "sqlite"):
        raise InvalidRequest(
            f"must start with postgresql:// or sqlite:////, but it starts with {head[:20]!r}",
            field="database_url",
        )
    parsed = make_url(f"{head}://{rest}")
    if head == "sqlite" and not (parsed.database or "").startswith("/"):
        raise InvalidRequest(
            "must name an absolute file for SQLite: write four slashes, "
            "as in sqlite:////var/lib/fyke/state.db",
            field="database_url",
        )
    return parsed


def server_hosts(url: str | URL) -> set[str]:
    """The hosts of a URL of PostgreSQL, as the driver reads it: names, addresses, and folders of
    sockets; none for SQLite. Raise ``InvalidRequest`` for another database.
    """
    parsed = normalise_url(url)
    if parsed.drivername == "sqlite":
        return set()
    _, given = parsed.get_dialect()().create_connect_args(parsed)
    texts = [str(given.get(name) or "") for name in ("host", "hostaddr")]
    return {host for text in texts for host in text.split(",") if host}


def sqlite_url(file: Path) -> str:
    """Return the URL of a SQLite file."""
    return f"sqlite:///{file.absolute()}"


def sqlite_file(engine: Engine) -> Path | None:
    """Return the database file of the engine, None when it is not SQLite."""
    if not is_sqlite(engine):
        return None
    return Path(engine.url.database or "")


def is_sqlite(bind: Engine | Connection) -> bool:
    return bind.dialect.name == "sqlite"


def make_engine(
    url: str | URL,
    *,
    durable: bool,
    pool_size: int = 8,
    reading: bool = False,
    releases_pages: bool = False,
) -> Engine:
    """Return an engine that has not connected yet.

    ``durable``: a commit returns only after it is on disk. Without it a crash of the process loses
    nothing; a loss of power may lose the last commits, but never part of one. ``pool_size`` is the
    most connections; when none is free, a caller gets an error that ``failures.is_down``
    recognises, after ``BUSY_SECONDS`` on SQLite, 2 seconds on PostgreSQL. ``reading``:
    connections to SQLite are read-only, and on PostgreSQL all transactions are those of
    ``for_reading``, without a switch before and after each.
    ``releases_pages``: a new SQLite file can give pages back, see
    ``fyke.storage.sql.results.drivers``; later only VACUUM can change that.
    """
    normalised = normalise_url(url)
    if normalised.drivername == "sqlite":
        return _sqlite_engine(
            normalised,
            durable=durable,
            pool_size=pool_size,
            reading=reading,
            releases_pages=releases_pages,
        )
    return _postgres_engine(normalised, durable=durable, pool_size=pool_size, reading=reading)


def _sqlite_engine(
    url: URL, *, durable: bool, pool_size: int, reading: bool, releases_pages: bool
) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=BUSY_SECONDS,
        connect_args={
            "isolation_level": None,
            "check_same_thread": False,
            "timeout": BUSY_SECONDS,
            "cached_statements": 256,
        },
    )
    synchronous = "FULL" if durable else "NORMAL"

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        _enter_wal(connection, releases_pages=releases_pages)
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA temp_store=MEMORY")
        if reading:
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        statement = connection.get_execution_options().get(_BEGIN, "BEGIN")
        raw: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
        if statement == "BEGIN" or not begin_with_short_waits(raw, statement):
            connection.exec_driver_sql(statement)

    return engine


def begin_with_short_waits(raw: sqlite3.Connection, statement: str = "BEGIN IMMEDIATE") -> bool:
    """Begin a write transaction as soon as the lock is free; False leaves it to the caller.

    SQLite's own busy handler ends up retrying only every 100 ms, so that a busy process can starve
    this one. Retrying every 2 ms is cheap and avoids that.
    """
    raw.execute("PRAGMA busy_timeout=2")
    try:
        until = time.monotonic() + BUSY_SECONDS
        while time.monotonic() < until:
            try:
                raw.execute(statement)
                return True
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in SQLITE_BUSY:
                    return False
        return False
    finally:
        raw.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")


def _enter_wal(connection: sqlite3.Connection, *, releases_pages: bool) -> None:
    """Switch to WAL. If another process does so at the same time, SQLite reports "locked" at once,
    regardless of the busy timeout, so the retries are here.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            if releases_pages and not connection.execute("PRAGMA page_count").fetchone()[0]:
                connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA journal_mode=WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(0.01)


def _postgres_engine(url: URL, *, durable: bool, pool_size: int, reading: bool) -> Engine:
    # psycopg is needed on PostgreSQL only
    from fyke.storage.postgres import CONNECT_SECONDS, TimedConnection, connect_arguments

    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        isolation_level=_SNAPSHOT if reading else "READ COMMITTED",
        connect_args=connect_arguments(url.query),
    )

    @event.listens_for(engine, "do_connect")
    def connect(
        _dialect: object, _record: object, arguments: list[Any], named: dict[str, Any]
    ) -> TimedConnection:
        return TimedConnection.connect(*arguments, **named)

    @event.listens_for(engine, "connect")
    def set_up(connection: TimedConnection, _record: object) -> None:
        connection.prepare_session(REQUEST, durable=durable)
        if reading:
            connection.read_only = True

    return engine.execution_options(**{_READS: True}) if reading else engine


def for_writing(engine: Engine) -> Engine:
    """Return the engine with transactions that may write."""
    return engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})


def for_reading(engine: Engine) -> Engine:
    """Return the engine with transactions that read one snapshot and cannot write."""
    if is_sqlite(engine):
        return engine.execution_options(**{_BEGIN: "BEGIN"})
    if engine.get_execution_options().get(_READS):
        return engine
    return engine.execution_options(isolation_level=_SNAPSHOT, postgresql_readonly=True)


@contextlib.contextmanager
def long_transaction(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction of maintenance, whose statements may take an hour on PostgreSQL."""
    with engine.connect() as connection:
        if is_sqlite(connection):
            with connection.begin():
                yield connection
            return
        raw: Any = connection.connection.driver_connection
        try:
            with connection.begin():
                raw.set_deadline(MAINTENANCE, "LOCAL")
                yield connection
        finally:
            raw.silence = REQUEST.silence


def now_ms(connection: Connection) -> int:
    """Return milliseconds since the epoch, by the clock shared by all users of the database."""
    if is_sqlite(connection):
        return time.time_ns() // 1_000_000
    [now] = postgres_execute(connection, f"SELECT {POSTGRES_NOW}").fetchone()
    return int(now)


def insert_new(connection: Connection, table: Table) -> Executable:
    """Return an INSERT that does nothing when a unique value already exists; then its row count is
    0. An error would abort the whole transaction on PostgreSQL.
    """
    insert = sqlite.insert if is_sqlite(connection) else postgresql.insert
    statement: Executable = insert(table).on_conflict_do_nothing()
    return statement.execution_options(preserve_rowcount=True)


def upsert(
    connection: Connection, table: Table, values: dict[str, Any], *, key: tuple[str, ...]
) -> Executable:
    """Return an INSERT that overwrites the row with the same ``key``."""
    changes = {name: value for name, value in values.items() if name not in key}
    insert = sqlite.insert if is_sqlite(connection) else postgresql.insert
    statement: Executable = (
        insert(table).values(**values).on_conflict_do_update(index_elements=key, set_=changes)
    )
    return statement


def insert_rows(
    connection: Connection,
    table: Table,
    names: tuple[str, ...],
    rows: Sequence[tuple[object, ...]],
    conflict: str = "",
) -> None:
    """Insert rows of the columns ``names`` with one statement for up to 500; ``conflict`` is its
    ON CONFLICT clause.
    """
    head = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES "  # noqa: S608 - our own names
    marks = f"({', '.join('?' * len(names))})"
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        statement = f"{head}{', '.join([marks] * len(part))} {conflict}"
        values = tuple(
            to_storable_text(value) if isinstance(value, str) else value
            for row in part
            for value in row
        )
        connection.exec_driver_sql(driver_sql(connection, statement), values)


def locking(connection: Connection, clause: str) -> str:
    """Return the row lock ``clause`` (``FOR ...``) for PostgreSQL, ``""`` for SQLite, where a write
    transaction is exclusive.
    """
    return "" if is_sqlite(connection) else f" {clause}"


def driver_sql(connection: Connection, statement: str) -> str:
    """Return a statement written with ``?`` in the placeholder style of the driver."""
    return statement if is_sqlite(connection) else statement.replace("?", "%s")


def sqlite_execute(
    connection: Connection, statement: str, values: tuple[object, ...]
) -> sqlite3.Cursor:
    """Execute a statement in SQLite's driver, without SQLAlchemy; raise its errors as those of
    SQLAlchemy.
    """
    raw: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    try:
        return _execute(raw, statement, values)
    except sqlite3.IntegrityError as error:
        raise IntegrityError(statement, values, error) from error
    except sqlite3.Error as error:
        raise OperationalError(statement, values, error) from error


def _execute(raw: sqlite3.Connection, statement: str, values: tuple[object, ...]) -> sqlite3.Cursor:
    return raw.execute(statement, values)


def sqlite_rows(cursor: sqlite3.Cursor) -> list[dict[str, Any]]:
    """The rows of a query by column name."""
    rows = _fetched(cursor)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in rows]


def _fetched(cursor: sqlite3.Cursor) -> list[tuple[Any, ...]]:
    try:
        return cursor.fetchall()
    except sqlite3.Error as error:
        raise OperationalError(None, None, error) from error


def run_sql(connection: Connection, statement: str, values: tuple[object, ...]) -> int:
    """Execute a statement that writes, written with ``?``; return the number of rows changed."""
    if is_sqlite(connection):
        return sqlite_execute(connection, statement, values).rowcount
    return int(postgres_execute(connection, driver_sql(connection, statement), values).rowcount)


def fetch_all(
    connection: Connection, statement: str, values: tuple[object, ...]
) -> list[dict[str, Any]]:
    """Return the rows of a statement written with ``?``, by column name."""
    if is_sqlite(connection):
        return sqlite_rows(sqlite_execute(connection, statement, values))
    return postgres_rows(connection, driver_sql(connection, statement), values)


def fetch_tuples(
    connection: Connection, statement: str, values: tuple[object, ...]
) -> Sequence[tuple[Any, ...]]:
    """Return the rows of a statement in the style of the driver (``driver_sql``)."""
    if not is_sqlite(connection):
        found: list[tuple[Any, ...]] = postgres_execute(connection, statement, values).fetchall()
        return found
    return _fetched(sqlite_execute(connection, statement, values))


def fetch_one(
    connection: Connection, statement: str, values: tuple[object, ...]
) -> dict[str, Any] | None:
    """Return the first row as ``fetch_all`` does."""
    return next(iter(fetch_all(connection, statement, values)), None)


def contains(connection: Connection, column: ColumnElement[str], part: str) -> ColumnElement[bool]:
    """Return the condition that ``column`` contains ``part`` literally, without wildcards."""
    name = "instr" if is_sqlite(connection) else "strpos"
    index: Function[int] = getattr(func, name)(column, to_storable_text(part))
    return index > 0


def last_characters(connection: Connection, expression: str, count: int) -> str:
    """Return SQL for the last ``count`` characters of a text, or all of a shorter one."""
    if is_sqlite(connection):
        return f"substr({expression}, -{count})"
    return f"right({expression}, {count})"


@contextlib.contextmanager
def migration_lock(engine: Engine, name: str = "state") -> Iterator[None]:
    """Lock the migrations called ``name`` of a database against other processes.

    PostgreSQL: an advisory lock of the session. SQLite: ``flock`` on a file next to the database.
    Both are released when the process ends, even when it is killed.
    """
    file = sqlite_file(engine)
    if file is not None:
        with locked(file.with_name(f"{file.name}.{name}.lock")):
            yield
        return
    digest = hashlib.sha256(f"fyke migration {name}".encode()).digest()
    key = int.from_bytes(digest[:8], "big", signed=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # another process's migration may take any time, one statement may not
        while not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({key})").scalar():
            time.sleep(LOCK_POLL_SECONDS)
        try:
            yield
        finally:
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({key})")


def to_storable_text(text: str) -> str:
    """Return the text with U+0000 and lone surrogates replaced by U+FFFD.

    PostgreSQL rejects U+0000 in text, and neither driver can encode a surrogate. Both databases use
    the same rule, so that the same input gives the same state.
    """
    text = str(text)  # an enum member becomes a plain str
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    return text
