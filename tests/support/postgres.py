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
    """One running server; ``new_database`` gives each test its own."""

    def __init__(self, socket_dir: Path, user: str, process: subprocess.Popen[bytes]) -> None:
        self.socket_dir = socket_dir
        self.user = user
        self.process = process

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


def _wait_until_ready(server: PostgresServer, log: Path) -> None:
    until = time.monotonic() + 60
    while True:
        if server.process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended at start: {log.read_text()[-2000:]}")
        try:
            server.admin().close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
        time.sleep(0.05)


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a fresh server for the length of the block."""
    initdb, postgres = _binary("initdb"), _binary("postgres")
    uid = _unprivileged()
    # not below pytest's own folder: that one is closed to other users, and too long for a socket
    home = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    if uid is not None:
        os.chown(home, uid, -1)
    data, log = home / "data", home / "log"
    user = "fyke"
    env = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "HOME": str(home)}
    try:
        subprocess.run(
            [initdb, "-D", data, "-U", user, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"],
            check=True, capture_output=True, user=uid, env=env, cwd=home,
        )  # fmt: skip
        with log.open("wb") as output:
            process = subprocess.Popen(
                [postgres, "-D", data, "-k", home, "-c", "listen_addresses=",
                 "-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "fsync=on"],
                stdout=output, stderr=output, user=uid, env=env, cwd=home,
            )  # fmt: skip
        server = PostgresServer(home, user, process)
        try:
            _wait_until_ready(server, log)
            yield server
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: nothing of it is needed any more
            process.wait(30)
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
