"""Two servers on one PostgreSQL behind one address, used like one booted platform."""

from __future__ import annotations

import atexit
import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from support.booted import STOP_SECONDS, TLS, Booted, booted, owner_of
from support.postgres import PostgresServer, running_postgres
from support.relay import Relay, relaying


class BootedPair(Booted):
    """``fyke up`` and beside it ``fyke serve --role server`` on the same data folder and database.

    ``url`` is that of a relay that sends connections to both servers in turn; ``urls`` are those
    of the servers.
    """

    def __init__(self, folder: Path, *, uid: int | None = None, **settings: str) -> None:
        super().__init__(folder, uid=uid, **settings)
        self.urls: tuple[str, str] = ("", "")
        self.relay: Relay | None = None
        self.second: subprocess.Popen[bytes] | None = None
        self._opened = contextlib.ExitStack()

    def start(self, *arguments: str) -> BootedPair:
        super().start(*arguments)
        first = self.url
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.urls = (first, f"http://127.0.0.1:{port}")
        self.second = self._start_second(port)
        self.wait_for(lambda: answers(self.urls[1]), "the second server")
        servers = [(str(at.hostname), int(at.port or 0)) for at in map(urlsplit, self.urls)]
        self.relay = self._opened.enter_context(relaying(servers))
        self.url = self.relay.url
        # clients that read the address from the data folder use both servers
        server_file = self.home / "server.json"
        server_file.write_text(json.dumps(json.loads(server_file.read_text()) | {"url": self.url}))
        return self

    def _start_second(self, port: int) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "fyke.cli.entry", "serve", "--role", "server",
                 "--port", str(port)],
                env=self.environment(), cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, **owner_of(self.home),
            )  # fmt: skip

    def stop(self) -> int:
        self._opened.close()
        second, self.second = self.second, None
        if second is not None:
            second.send_signal(signal.SIGTERM)
            second.wait(STOP_SECONDS)
        return super().stop()


def answers(url: str) -> bool:
    """Return whether a server is ready."""
    try:
        return httpx2.get(f"{url}/readyz", timeout=2, verify=TLS).status_code == 200
    except httpx2.HTTPError:
        return False


_server: list[PostgresServer] = []


def own_database() -> str:
    """A new database that Fyke's service user can use; all are on one server of this process."""
    if not _server:
        running = contextlib.ExitStack()
        _server.append(running.enter_context(running_postgres()))
        atexit.register(running.close)
    return _server[0].new_database()


@contextlib.contextmanager
def booted_pair(**settings: str) -> Iterator[BootedPair]:
    """Two servers on a database of their own."""
    with booted(BootedPair, database_url=own_database(), **settings) as platform:
        yield platform
