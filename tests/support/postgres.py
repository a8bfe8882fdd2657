"""A real PostgreSQL for tests: own data folder, unix socket, fsync on, gone afterwards."""

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
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

_numbers = itertools.count(1)


class PostgresServer:
    """One server; ``new_database`` gives each test its own. May be stopped and started again."""

    def __init__(self, home: Path, uid: int | None) -> None:
        self.socket_dir = home
        self.user = "fyke"
        self._uid = uid
        self._env = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "HOME": str(home)}
        self._data = home / "data"
        self._log = home / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Make the data folder."""
        subprocess.run(
            [_binary("initdb"), "-D", self._data, "-U", self.user, "-A", "trust",
             "-E", "UTF8", "--locale=C.UTF-8"],
            check=True, capture_output=True, user=self._uid, env=self._env, cwd=self.socket_dir,
        )  # fmt: skip

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [_binary("postgres"), "-D", self._data, "-k", self.socket_dir,
                 "-c", "listen_addresses=", "-c", "max_connections=200",
                 "-c", "shared_buffers=64MB", "-c", "fsync=on"],
                stdout=output, stderr=output, user=self._uid, env=self._env, cwd=self.socket_dir,
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

    def stop(self) -> None:
        """End it at once, as a crash would; what was committed is there at the next start."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{self.user}@/{database}?host={self.socket_dir}"

    def admin(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
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
        name = url.partition("@/")[2].partition("?")[0]
        with self.admin() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[call-overload]


def _binary(name: str) -> str:
    found = shutil.which(name)
    if found:
        return found
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
    """The uid to run as: PostgreSQL refuses root. None keeps our own."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    return 65534


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a fresh server for the length of the block."""
    uid = _unprivileged()
    # not below pytest's own folder: that one is closed to other users, and too long for a socket
    home = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    try:
        if uid is not None:
            os.chown(home, uid, -1)
        server = PostgresServer(home, uid)
        server.create()
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for the whole session, started when the first test asks for it."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """An empty database of the test's own."""
    url = postgres.new_database()
    yield url
    postgres.drop_database(url)
