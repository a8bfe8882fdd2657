"""A real PostgreSQL for tests, with its own data folder and a unix socket, removed afterwards."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import psycopg

_numbers = itertools.count(1)


class PostgresServer:
    """One server; ``new_database`` makes one for a test. Can be stopped and started again."""

    def __init__(self, home: Path, uid: int | None, fsync: bool) -> None:
        self.socket_dir = home
        self._fsync = "on" if fsync else "off"
        self.user = "fyke"
        self._uid = uid
        self._env = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "HOME": str(home)}
        self._data = home / "data"
        self._log = home / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Make the data folder."""
        subprocess.run(
            [binary("initdb"), "-D", self._data, "-U", self.user, "-A", "trust",
             "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            check=True, capture_output=True, user=self._uid, env=self._env, cwd=self.socket_dir,
        )  # fmt: skip

    def create_standby_of(self, primary: PostgresServer) -> None:
        """Make the data folder anew, as a copy of the primary's, which the server will follow."""
        shutil.rmtree(self._data, ignore_errors=True)
        subprocess.run(
            [binary("pg_basebackup"), "-D", self._data, "-h", primary.socket_dir,
             "-U", self.user, "-R", "--checkpoint=fast", "--no-sync"],
            check=True, capture_output=True, user=self._uid, env=self._env, cwd=self.socket_dir,
        )  # fmt: skip

    def start(self) -> None:
        """Start the server and wait until it answers."""
        import psycopg  # here, because pytest imports this file in every process

        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [binary("postgres"), "-D", self._data, "-k", self.socket_dir,
                 "-c", "listen_addresses=", "-c", "max_connections=200",
                 "-c", "shared_buffers=64MB", "-c", f"fsync={self._fsync}"],
                stdout=output, stderr=output, user=self._uid, env=self._env, cwd=self.socket_dir,
                process_group=0,  # so that Ctrl-C in a terminal does not reach it
            )  # fmt: skip
        until = time.monotonic() + 60
        while True:
            if self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL ended at start: {self._log.read_text()[-2000:]}")
            try:
                self.admin().close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
            time.sleep(0.05)

    def wait_for(self, primary: PostgresServer) -> None:
        """Wait until this standby has replayed what its primary has written."""
        with primary.admin() as connection:
            written = _value(connection, "SELECT pg_current_wal_lsn()")
        until = time.monotonic() + 60
        with self.admin() as connection:
            replayed = f"SELECT pg_last_wal_replay_lsn() >= '{written}'"
            while not _value(connection, replayed):
                if time.monotonic() > until:
                    raise RuntimeError(f"the standby has not replayed {written} after 60 s")
                time.sleep(0.01)

    def processes(self) -> list[int]:
        """The ids of the server's processes."""
        if self._process is None:
            return []
        command = ["pgrep", "-P", str(self._process.pid)]
        ids = subprocess.run(command, check=False, capture_output=True, text=True).stdout
        return [self._process.pid, *map(int, ids.split())]

    def stop(self) -> None:
        """End the server as a crash would; committed data is there after the next start."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{self.user}@/{database}?host={self.socket_dir}"

    def admin(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        import psycopg

        return psycopg.connect(
            host=str(self.socket_dir), user=self.user, dbname=database, autocommit=True
        )

    def new_database(self, template: str = "template1") -> str:
        """Create a database and return its URL."""
        name = f"t{os.getpid()}_{next(_numbers)}"
        with self.admin() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")  # type: ignore[call-overload]
        return self.url(name)

    def drop_database(self, url: str) -> None:
        with self.admin() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {_name_of(url)} WITH (FORCE)")  # type: ignore[call-overload]


def binary(name: str) -> str:
    path = shutil.which(name)
    if path:
        return path
    # newest version first: /usr/lib/postgresql/17/bin before /usr/lib/postgresql/15/bin
    homes = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"),
        key=lambda path: float(path.parts[-3]) if path.parts[-3].isdigit() else 0,
        reverse=True,
    )
    if not homes:
        raise RuntimeError(
            f"PostgreSQL's {name} was not found on PATH or in /usr/lib/postgresql/*/bin: "
            "install the server package (Debian: apt install postgresql)"
        )
    return str(homes[0])


def _unprivileged() -> int | None:
    """The uid for the server, because PostgreSQL refuses root; None is that of this process."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    return 65534


@contextlib.contextmanager
def running_postgres(
    *, fsync: bool = True, primary: PostgresServer | None = None
) -> Iterator[PostgresServer]:
    """Run a new server, or a standby of ``primary``, for the length of the block. Without ``fsync``
    committed data survives the end of the server, but not a crash of the machine.
    """
    uid = _unprivileged()
    # not below pytest's folder: other users cannot read it, and its path is too long for a socket
    home = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    try:
        if uid is not None:
            os.chown(home, uid, -1)
        home.chmod(0o711)  # platforms of the service user connect to the socket
        server = PostgresServer(home, uid, fsync)
        if primary is None:
            server.create()
        else:
            server.create_standby_of(primary)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


_TABLES = """
    SELECT c.oid::regclass::text FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY 1
"""
_SCHEMA = """
    SELECT md5(string_agg(line, ';' ORDER BY line)) FROM (
        SELECT c.relname || a.attname || a.atttypid || a.attnotnull AS line
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'public'::regnamespace
        UNION ALL SELECT tgname || tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT conname || conrelid::regclass FROM pg_constraint
    ) AS found
"""
_SEQUENCES = """
    SELECT setval(c.oid, s.seqstart, false)
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
"""


class Databases:
    """Databases with the tables that ``prepare`` makes, reused by one test after another.

    Emptying the tables takes a few milliseconds; a new database takes a hundred times as long.
    """

    def __init__(self, server: PostgresServer, prepare: Callable[[str], object]) -> None:
        self._server = server
        first = server.new_database()
        prepare(first)
        self._template = _name_of(first)
        self._free: list[str] = []
        with server.admin(self._template) as connection:
            self._schema = _value(connection, _SCHEMA)
            tables = [str(name) for (name,) in connection.execute(_TABLES)]
            # tables with rows from the migrations, such as their version
            self._kept = [
                table
                for table in tables
                if _value(connection, f"SELECT EXISTS (SELECT FROM {table})")
            ]
            connection.execute("CREATE SCHEMA kept")
            for table in self._kept:
                connection.execute(f"CREATE TABLE kept.{table} AS TABLE {table}")  # type: ignore[call-overload]
        fill = [f"INSERT INTO {table} SELECT * FROM kept.{table}" for table in self._kept]
        self._empty = "; ".join([*(f"DELETE FROM {table}" for table in tables), *fill])

    @contextlib.contextmanager
    def one(self, *, new: bool = False) -> Iterator[str]:
        """The URL of a database with empty tables; ``new``: one that no test has used."""
        name = self._free.pop() if self._free and not new else ""
        url = name or self._server.new_database(self._template)
        yield url
        if not new and self._cleaned(url):
            self._free.append(url)
        else:
            self._server.drop_database(url)

    def _cleaned(self, url: str) -> bool:
        """Return whether the database was restored; not when its tables were changed."""
        with self._server.admin(_name_of(url)) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            if _value(connection, _SCHEMA) != self._schema:
                return False
            # without triggers: the trigger of the ledger refuses to delete a line
            connection.execute("SET session_replication_role = replica")
            connection.execute(self._empty.encode())
            connection.execute(_SEQUENCES)
        return True


def _name_of(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


def _value(connection: psycopg.Connection[tuple[object, ...]], query: str) -> object:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for the whole session, started for the first test that uses it."""
    with running_postgres(fsync=False) as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """An empty database of the test's own, without tables."""
    url = postgres.new_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="session")
def postgres_states(postgres: PostgresServer) -> Databases:
    from fyke.storage.sql.state.schema import migrate  # not for tests that need no database

    return Databases(postgres, migrate)


@pytest.fixture
def postgres_state_url(request: pytest.FixtureRequest, postgres_states: Databases) -> Iterator[str]:
    """A database with the empty tables of the state. Its statistics and sizes still depend on
    earlier tests; a test marked ``new_database`` gets one that no test has used.
    """
    new = request.node.get_closest_marker("new_database") is not None
    with postgres_states.one(new=new) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_stores(postgres: PostgresServer) -> Databases:
    from fyke.storage.sql.results.migrate import migrate_results

    return Databases(postgres, migrate_results)


@pytest.fixture
def postgres_results_url(postgres_stores: Databases) -> Iterator[str]:
    """A database with the empty tables of the results."""
    with postgres_stores.one() as url:
        yield url
