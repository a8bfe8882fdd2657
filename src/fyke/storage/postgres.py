"""Connections to PostgreSQL on which nothing waits forever. Imported only where it is used."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Container, Generator, Iterator
from typing import Any, Self, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.generators import send

from fyke.storage.deadlines import IDLE_SECONDS, REQUEST, Deadline

T = TypeVar("T")

CONNECT_SECONDS = 2
_KEEPALIVE = {"idle": 5, "interval": 2, "count": 2}
_MS = round(IDLE_SECONDS * 1000)

# Each side notices within 10 seconds that its peer is gone.
_CLIENT: dict[str, Any] = {
    "connect_timeout": CONNECT_SECONDS,
    "application_name": "fyke",
    "tcp_user_timeout": _MS,
    **{f"keepalives_{name}": value for name, value in _KEEPALIVE.items()},
}
_SERVER = "; ".join(
    [
        "SET TIME ZONE 'UTC'",
        f"SET tcp_user_timeout = {_MS}",
        *(f"SET tcp_keepalives_{name} = {value}" for name, value in _KEEPALIVE.items()),
    ]
)
_STEP = 1.0
_CHECKS_CLIENT = 140_000  # the version that can end the statement of a client that is gone


def connect_arguments(given: Container[str]) -> dict[str, Any]:
    """Return the arguments of a connection whose URL has the parameters ``given``.

    Unless the URL says otherwise, only a primary is accepted: a standby refuses writes, and a
    connection that was opened during a failover would stay on it.
    """
    role = {} if "target_session_attrs" in given else {"target_session_attrs": "primary"}
    return _CLIENT | role


class _Silence(Exception):
    """Nothing has arrived within the deadline."""


class _Pipeline(psycopg.Pipeline):
    """A pipeline that ends with Sync alone.

    psycopg sends Flush as well. PostgreSQL stops ``idle_in_transaction_session_timeout`` for it and
    starts it again only with the next Sync: the locks of a session that falls silent between the
    two would stay for good.
    """

    def _exit_gen(self) -> Generator[Any, Any, None]:
        try:
            self._enqueue_sync()
            yield from self._communicate_gen()
        finally:
            yield from send(self.pgconn)  # what did not fit into the buffer of the socket
            yield from self._fetch_gen(flush=False)


class _NotingCursor(psycopg.Cursor[Any]):
    """Notes on its connection whether a statement may have changed a row."""

    def execute(self, *arguments: Any, **named: Any) -> Self:
        super().execute(*arguments, **named)
        # "SELECT 3", "UPDATE 0", "INSERT 0 0"; nothing yet in a pipeline
        status = self.statusmessage or ""
        if not status.startswith("SELECT") and not status.endswith(" 0"):
            self._note()
        return self

    def executemany(self, *arguments: Any, **named: Any) -> None:
        self._note()
        super().executemany(*arguments, **named)

    def copy(self, *arguments: Any, **named: Any) -> Any:
        self._note()
        return super().copy(*arguments, **named)

    def _note(self) -> None:
        self.connection.has_changed_rows = True  # type: ignore[attr-defined]


class TimedConnection(psycopg.Connection[Any]):
    """A connection that closes when nothing has arrived for ``silence`` seconds while it waits.

    The caller gets ``psycopg.OperationalError``, as for every other lost connection.
    ``has_changed_rows``: since it was last set to False, a statement may have changed a row. A
    SELECT counts as one that has not: none of ours contains a statement that writes.
    """

    silence = REQUEST.silence
    has_changed_rows = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.cursor_factory = _NotingCursor

    def wait(
        self,
        gen: Generator[Any, Any, T],
        interval: float = 0.1,
        timeout: float | None = None,
    ) -> T:
        """Every operation of the connection waits here; psycopg alone waits without a limit."""
        try:
            return super().wait(_until_silent(gen, self.silence), interval, timeout)
        except _Silence:
            self.pgconn.finish()
            raise psycopg.OperationalError(
                f"the database has not answered for {self.silence:g} seconds"
            ) from None

    @contextlib.contextmanager
    def pipeline(self) -> Iterator[psycopg.Pipeline]:
        """Send statements without waiting for each result. A nested call uses the same pipeline."""
        if self._pipeline is not None:
            yield self._pipeline
            return
        if not self.closed:
            self._pipeline = _Pipeline(self)
        with super().pipeline() as pipeline:
            yield pipeline

    def prepare_session(self, deadline: Deadline, *, durable: bool) -> None:
        """Configure the session of a new connection."""
        commit = "on" if durable else "off"
        before, self.autocommit = self.autocommit, True
        self.execute(f"SET synchronous_commit = {commit}; {_SERVER}".encode())
        self.set_deadline(deadline)
        if self.info.server_version >= _CHECKS_CLIENT:
            with contextlib.suppress(psycopg.NotSupportedError, psycopg.DataError):
                self.execute("SET client_connection_check_interval = '2s'")
        self.autocommit = before

    def set_deadline(self, deadline: Deadline, scope: str = "SESSION") -> None:
        """Change the deadline of the ``SESSION`` or of the transaction (``LOCAL``). The client's
        ``silence`` applies until the next change in both cases.
        """
        self.execute(deadline.sql(scope).encode())
        self.silence = deadline.silence


def open_connection(conninfo: str, deadline: Deadline) -> TimedConnection:
    """Open a connection without transactions, and without SQLAlchemy. ``conninfo`` may name its
    driver, as a URL for SQLAlchemy does. Raises ``psycopg.Error``.
    """
    address = conninfo.replace("postgresql+psycopg://", "postgresql://", 1)
    arguments = connect_arguments(conninfo_to_dict(address))
    connection = TimedConnection.connect(address, autocommit=True, **arguments)
    connection.prepare_session(deadline, durable=False)
    return connection


def _until_silent(gen: Generator[Any, Any, T], seconds: float) -> Generator[Any, Any, T]:
    """Wait as ``gen`` does; raise ``_Silence`` when the socket is not ready for ``seconds``.

    psycopg sends 0 to the generator at each interval at which the socket was not ready. A longer
    interval counts as ``_STEP``: this process was suspended, and the answer may be on its way.
    """
    try:
        state = next(gen)
        silent = 0.0
        while True:
            started = time.monotonic()
            ready = yield state
            silent = 0.0 if ready else silent + min(time.monotonic() - started, _STEP)
            if silent > seconds:
                raise _Silence
            state = gen.send(ready)
    except StopIteration as end:
        value: T = end.value
        return value
