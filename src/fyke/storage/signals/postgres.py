"""Signals between machines: LISTEN and NOTIFY on a channel per role, the topic as the payload.

It uses its own connections and threads, so that a caller never waits for the database and signals
are independent of its transaction. Signals that arrive while others are being sent are sent in one
batch. While the database is unavailable, the newest ones are queued up to a limit. What others send
while this process has no connection is lost, so after that it acts as if all was signalled.
"""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from itertools import islice

import psycopg
import structlog

from fyke.contracts.signals import SignalReader, reader_of
from fyke.kit import backoff
from fyke.storage.deadlines import SIGNAL
from fyke.storage.postgres import TimedConnection, open_connection
from fyke.storage.signals.listeners import Listeners, TopicListener

CHANNELS = {SignalReader.SERVER: "fyke_signals", SignalReader.RUNNER: "fyke_signals_runner"}
MAX_TOPIC_BYTES = 1024  # the server takes fewer than 8000 bytes
MAX_QUEUED = 4096
_BATCH = 256
_NOTIFY = (
    "SELECT pg_notify(channel, topic)"
    " FROM unnest(%s::text[], %s::text[]) AS signals (channel, topic)"
)
LISTEN_SECONDS = 5.0  # for which a listener waits for the connection
CHECK_SECONDS = 5.0  # how often a connection that receives nothing is checked

log = structlog.get_logger(__name__)


class PostgresSignals:
    """``Signals`` over the database at ``url`` (``postgresql://``, with or without a driver).
    Without a ``reader`` the process receives the topics of all roles.
    """

    def __init__(self, url: str, reader: SignalReader | None = None) -> None:
        self._channels = [CHANNELS[role] for role in SignalReader if reader in (None, role)]
        self._conninfo = url
        self._listeners = Listeners()
        self._outbox = _ChannelOutbox(self._conninfo)
        self._inbox: _ChannelInbox | None = None
        self._lock = threading.Lock()

    def notify(self, topic: str) -> None:
        clean = topic.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
        if not 0 < len(clean.encode()) <= MAX_TOPIC_BYTES:
            log.warning("signal topic refused", topic=topic[:80], length=len(topic))
            return
        self._outbox.put(clean)

    def listen(self) -> AbstractAsyncContextManager[TopicListener]:
        """The first call waits until the database confirms LISTEN, at most five seconds."""
        return self._listen()

    @asynccontextmanager
    async def _listen(self) -> AsyncIterator[TopicListener]:
        inbox = self._receive()
        async with self._listeners.listen() as listener:
            if not inbox.listening.is_set():
                await asyncio.to_thread(inbox.wait, LISTEN_SECONDS)
            yield listener

    def watch(self, prefix: str, call: Callable[[str], None]) -> None:
        self._listeners.watch(prefix, call)
        self._receive()

    def _receive(self) -> _ChannelInbox:
        with self._lock:
            if self._inbox is None:
                self._inbox = _ChannelInbox(self._conninfo, self._listeners, self._channels)
            return self._inbox

    def close(self) -> None:
        """Stop listening and sending; safe to repeat."""
        with self._lock:
            inbox, self._inbox = self._inbox, None
        if inbox is not None:
            inbox.close()
        self._outbox.close()


class _ChannelOutbox:
    """A bounded queue and the thread that sends NOTIFY."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._changed = threading.Condition()
        self._queued: dict[str, None] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    def put(self, topic: str) -> None:
        with self._changed:
            if self._closed:
                return
            self._enqueue({topic: None})
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="signals", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _enqueue(self, topics: dict[str, None]) -> None:
        """Append ``topics`` and drop the oldest beyond the limit. The caller has the lock."""
        self._queued.update(topics)
        for oldest in list(islice(self._queued, max(0, len(self._queued) - MAX_QUEUED))):
            del self._queued[oldest]

    def _run(self) -> None:
        connection: TimedConnection | None = None
        failures = 0
        while topics := self._next():
            try:
                connection = connection or open_connection(self._conninfo, SIGNAL)
                channels = [CHANNELS[reader_of(topic)] for topic in topics]
                connection.execute(_NOTIFY, (channels, topics))
                failures = 0
            except psycopg.Error as exc:
                if connection is not None:
                    connection.close()
                connection = None
                failures += 1
                self._put_back(topics)
                if failures > 1:  # the first failure is usually a stale connection
                    log.warning("signals cannot be sent", error=str(exc), failures=failures)
                    self._pause(backoff.delay(failures - 1, base=0.1, cap=2.0))
        if connection is not None:
            connection.close()

    def _next(self) -> list[str]:
        """Wait for topics and return a batch; an empty list once the outbox is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._queued or self._closed)
            topics = list(self._queued)[:_BATCH]
            for topic in topics:
                del self._queued[topic]
            return topics

    def _put_back(self, topics: list[str]) -> None:
        with self._changed:
            if not self._closed:
                newer, self._queued = self._queued, dict.fromkeys(topics)
                self._enqueue(newer)

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed, timeout=seconds)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=5.0)


class _ChannelInbox:
    """The thread that listens, and reconnects after a failure."""

    def __init__(self, conninfo: str, listeners: Listeners, channels: list[str]) -> None:
        self._channels = channels
        self._conninfo = conninfo
        self._listeners = listeners
        self.listening = threading.Event()
        self._may_have_missed = False
        self._stop_in, self._stop_out = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="signals-in", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Until signals are received; one that goes on without may miss some."""
        if not self.listening.wait(seconds):
            self._may_have_missed = True

    def _run(self) -> None:
        failures = 0
        while True:
            try:
                with open_connection(self._conninfo, SIGNAL) as connection:
                    for channel in self._channels:
                        connection.execute(f"LISTEN {channel}")
                    failures = 0
                    self.listening.set()
                    if self._may_have_missed:
                        self._may_have_missed = False
                        self._listeners.deliver_missed()
                    if self._receive(connection):
                        return
            except psycopg.Error as exc:
                self.listening.clear()
                self._may_have_missed = True
                failures += 1
                log.warning("signals cannot be received", error=str(exc), failures=failures)
                if self._stopped_within(backoff.delay(failures, base=0.1, cap=2.0)):
                    return

    def _receive(self, connection: TimedConnection) -> bool:
        """Deliver signals until stopped; then return True. Raise when the connection is lost."""
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        poll.register(self._stop_in, select.POLLIN)
        while True:
            self._listeners.deliver([notice.payload for notice in connection.notifies(timeout=0)])
            ready = {descriptor for descriptor, _ in poll.poll(CHECK_SECONDS * 1000)}
            if self._stop_in in ready:
                return True
            if not ready:
                connection.execute("SELECT 1")  # raises when the connection is silent

    def _stopped_within(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._stop_in, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def close(self) -> None:
        with suppress(OSError):
            os.write(self._stop_out, b"x")
        self._thread.join(timeout=6.0)
        if not self._thread.is_alive():
            os.close(self._stop_in)
            os.close(self._stop_out)
