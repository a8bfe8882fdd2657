"""Implements ``contracts.RunRevisions`` on PostgreSQL: one connection of the event loop.

The questions of a moment are one statement; those that arrive before its answer are the next one.
So each is answered by a statement that began after it, and no request needs a thread.

A revision is the connection and, of the rows of the run and its worker, the transaction that wrote
them (``xmin``) and their place (``ctid``). Every change writes a new row; a lock does not. A
connection that was lost may have led to another server, or to a state that was restored, whose
transactions have the same numbers again: what was read over it has no current revision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from itertools import islice

import psycopg
import structlog
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from fyke.kit import backoff
from fyke.storage.deadlines import REVISION
from fyke.storage.postgres import TimedConnection, open_connection

MAX_AT_ONCE = 500  # their ids fit into the buffer of a socket
_NAME = b"fyke_run_revisions"
_PREPARE = b"""
    SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;
    PREPARE fyke_run_revisions (text[]) AS
    SELECT runs.id, runs.xmin, runs.ctid, workers.xmin, workers.ctid
    FROM runs JOIN workers ON workers.id = runs.worker_id
    WHERE runs.id = ANY($1) AND NOT pg_is_in_recovery()
"""  # planned once; on a table of a few rows, with the index that it will need later

Asked = dict[str, asyncio.Future[Hashable | None]]  # by the id of the run

log = structlog.get_logger(__name__)


class PostgresRunRevisions:
    """Connects when it is opened, and again after the connection was lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: TimedConnection | None = None
        self._socket = -1  # its descriptor, which a broken one no longer has
        self._connections = 0
        self._waiting: Asked = {}
        self._asked: Asked = {}  # by the statement that is being executed
        self._results: list[PGresult] = []
        self._deadline: asyncio.TimerHandle | None = None
        self._opening: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def open(self) -> None:
        """Try to connect once; without success, try again later."""
        self._loop = asyncio.get_running_loop()
        if not await self._connect(1):
            self._reopen()

    def ask(self, run_id: str) -> asyncio.Future[Hashable | None] | None:
        """See ``RunRevisions``."""
        if self._connection is None:
            return None
        future = self._waiting.get(run_id)
        if future is None:
            if not (self._waiting or self._asked):
                self._loop.call_soon(self._send)  # with the requests that are read until then
            future = self._waiting[run_id] = self._loop.create_future()
        return future

    async def close(self) -> None:
        self._closing.set()
        if self._opening is not None:
            await self._opening
        self._drop()

    def _send(self) -> None:
        """Ask what is waiting."""
        if self._connection is None or not self._waiting:
            return
        ids = list(islice(self._waiting, MAX_AT_ONCE))
        self._asked = {run_id: self._waiting.pop(run_id) for run_id in ids}
        self._deadline = self._loop.call_later(REVISION.silence, self._lose, "no answer")
        try:
            self._connection.pgconn.send_query_prepared(_NAME, [b"{%s}" % ",".join(ids).encode()])
            self._flush()
        except psycopg.Error as error:
            self._lose(str(error))

    def _flush(self) -> None:
        """Send what the socket takes, and the rest when it takes more."""
        assert self._connection is not None  # noqa: S101 - for the type checker
        if self._connection.pgconn.flush():
            self._loop.add_writer(self._socket, self._flush_rest)
        else:
            self._loop.remove_writer(self._socket)

    def _flush_rest(self) -> None:
        try:
            self._flush()
        except psycopg.Error as error:
            self._lose(str(error))

    def _receive(self) -> None:
        """Read what has arrived; also the end of an idle connection."""
        assert self._connection is not None  # noqa: S101 - for the type checker
        raw = self._connection.pgconn
        try:
            raw.consume_input()
            while self._asked and not raw.is_busy():
                result = raw.get_result()
                if result is None:
                    self._finish()
                elif result.status == ExecStatus.TUPLES_OK:
                    self._results.append(result)
                else:
                    self._lose(result.error_message.decode(errors="replace"))
                    return
        except psycopg.Error as error:
            self._lose(str(error))

    def _finish(self) -> None:
        """Answer the questions of the statement, and ask the next ones."""
        found: dict[str, Hashable] = {}
        for result in self._results:
            for row in range(result.ntuples):
                run_id, *values = (result.get_value(row, column) or b"" for column in range(5))
                found[run_id.decode()] = (self._connections, *values)
        asked, self._asked = self._asked, {}
        self._results.clear()
        self._end_deadline()
        _answer(asked, found)
        self._send()

    def _lose(self, reason: str) -> None:
        """Close the connection and open another one."""
        log.warning("revisions of runs cannot be read", error=reason)
        self._drop()
        self._reopen()

    def _drop(self) -> None:
        """Close the connection; all questions have no answer."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # also of a broken connection: its descriptor will be that of another socket
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            connection.close()
        self._end_deadline()
        asked, self._asked, self._waiting = self._asked | self._waiting, {}, {}
        self._results.clear()
        _answer(asked, {})

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _reopen(self) -> None:
        if not self._closing.is_set():
            self._opening = self._loop.create_task(self._connect_later())

    async def _connect_later(self) -> None:
        attempt = 0
        while not self._closing.is_set():
            attempt += 1
            pause = backoff.delay(attempt, base=0.1, cap=2.0)
            try:
                await asyncio.wait_for(self._closing.wait(), pause)
            except TimeoutError:
                if await self._connect(attempt):
                    return

    async def _connect(self, attempt: int) -> bool:
        try:
            connection = await asyncio.to_thread(self._opened)
        except psycopg.Error as error:
            if attempt == 1:
                log.warning("revisions of runs cannot be read", error=str(error))
            return False
        self._connections += 1
        self._connection, self._socket = connection, connection.pgconn.socket
        self._loop.add_reader(self._socket, self._receive)
        return True

    def _opened(self) -> TimedConnection:
        connection = open_connection(self._url, REVISION)
        try:
            connection.execute(_PREPARE)
        except psycopg.Error:
            connection.close()
            raise
        connection.pgconn.nonblocking = 1
        return connection


def _answer(asked: Asked, found: dict[str, Hashable]) -> None:
    for run_id, future in asked.items():
        future.set_result(found.get(run_id))
