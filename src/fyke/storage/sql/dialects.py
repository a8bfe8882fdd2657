"""All that differs between SQLite and PostgreSQL, so that no other module has to ask. What their
errors mean is in ``failures.py``.

* ``make_engine``: the connections, set up so that what we acknowledge is on disk.
* ``for_writing``: how a transaction that writes begins. SQLite takes the write lock at once
  (``BEGIN IMMEDIATE``), because a reader that turns into a writer can fail at any moment;
  PostgreSQL runs it as READ COMMITTED and locks the rows that decide. ``for_reading``: a deferred
  ``BEGIN`` there, a read-only REPEATABLE READ here; both see one state from start to end.
* ``now_ms``: the clock. PostgreSQL is shared by several machines, so its clock is the one that
  counts; SQLite lives on this machine.
* ``migration_lock``: one migration at a time, over processes and machines.
* ``insert_new``, ``upsert``, ``locking``, ``contains``: clauses that are spelled differently.
* ``driver_sql``, ``fetch_one``: for the few statements that are hot.
* ``to_storable_text``: the one rule for text that PostgreSQL cannot store.

The standard library's sqlite3 starts and ends transactions by itself, so that is switched off
(``isolation_level=None``), and BEGIN comes from SQLAlchemy's ``begin`` event.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import sqlite3
import time
from collections.abc import Iterator
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
from sqlalchemy.exc import OperationalError

from fyke.errors import InvalidRequest

BUSY_SECONDS = 30
CONNECT_SECONDS = 2
_BEGIN = "fyke_begin"

# SQLITE_BUSY and SQLITE_LOCKED; the low byte of the extended code
_SQLITE_BUSY = frozenset({5, 6})


def normalise_url(url: str | URL) -> URL:
    """Return the address with the driver we use; raise ``InvalidRequest`` for another database.

    ``postgres://`` and ``postgresql://`` mean psycopg 3. SQLite wants an absolute path:
    ``sqlite:////var/lib/fyke/state.db``.
    """
    given = str(url) if isinstance(url, str) else url.render_as_string(hide_password=False)
    head, separator, rest = given.partition("://")
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


def sqlite_url(file: Path) -> str:
    """Return the address of a SQLite file."""
    return f"sqlite:///{file.absolute()}"


def sqlite_file(engine: Engine) -> Path | None:
    """Return the database file of the engine, None when it is not SQLite."""
    if not is_sqlite(engine):
        return None
    return Path(engine.url.database or "")


def is_sqlite(bind: Engine | Connection) -> bool:
    return bind.dialect.name == "sqlite"


def make_engine(
    url: str | URL, *, durable: bool, pool_size: int = 8, reading: bool = False
) -> Engine:
    """Make the engine; nothing is connected yet.

    ``durable``: a commit returns only after it is on disk. Without it a crash of the process
    loses nothing, a loss of power may lose the last moments, and nothing is ever torn.
    ``pool_size`` is the most connections at once; a caller that finds none free for
    ``CONNECT_SECONDS`` gets an error that ``failures.is_down`` knows. ``reading``: connections
    to SQLite refuse to write (PostgreSQL has this per transaction, see ``for_reading``).
    """
    address = normalise_url(url)
    if address.drivername == "sqlite":
        return _sqlite_engine(address, durable=durable, pool_size=pool_size, reading=reading)
    return _postgres_engine(address, durable=durable, pool_size=pool_size)


def _sqlite_engine(url: URL, *, durable: bool, pool_size: int, reading: bool) -> Engine:
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
        _enter_wal(connection)
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA temp_store=MEMORY")
        if reading:
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        statement = connection.get_execution_options().get(_BEGIN, "BEGIN")
        if statement == "BEGIN" or not _begin_soon(connection, statement):
            connection.exec_driver_sql(statement)

    return engine


def _begin_soon(connection: Connection, statement: str) -> bool:
    """Begin to write as soon as another process lets us; False leaves it to the caller.

    SQLite itself looks again after 100 ms when it has waited for a while, and a busy neighbour
    can slip in between for ever. Looking every millisecond or two is cheap and fair enough.
    """
    raw: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    raw.execute("PRAGMA busy_timeout=2")
    try:
        until = time.monotonic() + BUSY_SECONDS
        while time.monotonic() < until:
            try:
                raw.execute(statement)
                return True
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in _SQLITE_BUSY:
                    return False
        return False
    finally:
        raw.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")


def _enter_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL. Two processes that do so at once get "locked" without any waiting,
    whatever the busy timeout says, so the waiting is done here.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(0.01)


def _postgres_engine(url: URL, *, durable: bool, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        isolation_level="READ COMMITTED",
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "fyke",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        },
    )
    commit = "on" if durable else "off"

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: object) -> None:
        before, connection.autocommit = connection.autocommit, True
        with connection.cursor() as cursor:
            cursor.execute(f"SET synchronous_commit = {commit}")
            cursor.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
            cursor.execute("SET idle_in_transaction_session_timeout = '60s'")
            cursor.execute("SET TIME ZONE 'UTC'")
        connection.autocommit = before

    return engine


def for_writing(engine: Engine) -> Engine:
    """Return the same engine whose transactions may write."""
    return engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})


def for_reading(engine: Engine) -> Engine:
    """Return the same engine whose transactions see one state throughout, and never write."""
    if is_sqlite(engine):
        return engine.execution_options(**{_BEGIN: "BEGIN"})
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def now_ms(connection: Connection) -> int:
    """Return milliseconds since the epoch by the clock that all users of the database share."""
    if is_sqlite(connection):
        return time.time_ns() // 1_000_000
    statement = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    return int(connection.exec_driver_sql(statement).scalar_one())


def insert_new(connection: Connection, table: Table) -> Executable:
    """Return an INSERT that does nothing when a unique value exists already; its row count says
    so. An error instead would spoil the whole transaction on PostgreSQL.
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


def locking(connection: Connection, clause: str) -> str:
    """Return the row lock ``clause`` (``FOR ...``) where it is needed: a transaction that writes
    has all of a SQLite database to itself.
    """
    return "" if is_sqlite(connection) else f" {clause}"


def driver_sql(connection: Connection, statement: str) -> str:
    """Return a hot statement written with ``?`` in the form that the driver wants."""
    return statement if is_sqlite(connection) else statement.replace("?", "%s")


def fetch_one(
    connection: Connection, statement: str, values: tuple[object, ...]
) -> dict[str, Any] | None:
    """Return the first row of a hot statement written with ``?``, by column name.

    On SQLite it goes past SQLAlchemy to the driver, which takes a fifth of the time; errors come
    out as SQLAlchemy's all the same.
    """
    if not is_sqlite(connection):
        found = connection.exec_driver_sql(statement.replace("?", "%s"), values)
        row = found.first()
        return None if row is None else dict(zip(map(str, found.keys()), row, strict=True))
    raw: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    try:
        cursor = raw.execute(statement, values)
        first = cursor.fetchone()
    except sqlite3.Error as error:
        raise OperationalError(statement, values, error) from error
    if first is None:
        return None
    return {column[0]: value for column, value in zip(cursor.description, first, strict=True)}


def contains(connection: Connection, column: ColumnElement[str], part: str) -> ColumnElement[bool]:
    """Return "``column`` contains ``part``", letter for letter, without wildcards."""
    name = "instr" if is_sqlite(connection) else "strpos"
    found: Function[int] = getattr(func, name)(column, to_storable_text(part))
    return found > 0


def last_characters(connection: Connection, expression: str, count: int) -> str:
    """Return SQL for the last ``count`` characters of a text, all of it when it is shorter."""
    if is_sqlite(connection):
        return f"substr({expression}, -{count})"
    return f"right({expression}, {count})"


@contextlib.contextmanager
def migration_lock(engine: Engine, name: str = "state") -> Iterator[None]:
    """Keep every other process from migrating the same database under this ``name`` meanwhile.

    PostgreSQL: a session's advisory lock. SQLite: ``flock`` on a file beside the database. Both
    end with their holder, even when it is killed.
    """
    file = sqlite_file(engine)
    if file is not None:
        with file.with_name(f"{file.name}.{name}.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        return
    digest = hashlib.sha256(f"fyke migration {name}".encode()).digest()
    key = int.from_bytes(digest[:8], "big", signed=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # waiting for another process's migration is no fault, however long that takes
        connection.exec_driver_sql("SET lock_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({key})")
        try:
            yield
        finally:
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({key})")
            connection.exec_driver_sql(f"SET lock_timeout = '{BUSY_SECONDS}s'")


def to_storable_text(text: str) -> str:
    """Return the text with U+0000 and lone surrogates replaced by U+FFFD.

    PostgreSQL refuses U+0000 in text, and neither database's driver can encode a surrogate.
    The rule is the same for both databases, so that the same input gives the same state.
    """
    text = str(text)  # an enum's member would reach the driver as an enum, not as its text
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    return text
