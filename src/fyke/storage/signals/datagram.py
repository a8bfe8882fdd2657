"""Signals between processes of one machine: datagram sockets in one folder.

Every listening process binds one socket with a unique name, which contains the role that the
process has; a signal is sent, as its topic, to every socket in the folder of the role that reads
it. The mode of the folder (0700) is the access control. The kernel queues
only a few datagrams per socket. When a queue is full, the topic is stored, once, and a helper
thread sends it when there is room: a burst is coalesced instead of lost.

A socket file is bound under a hidden name and then renamed, so that no process sees it before it
can receive. Its owner removes it, or the first sender that finds no process behind it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import structlog

from fyke.contracts.signals import SignalReader, reader_of
from fyke.storage.signals.listeners import MAX_TOPICS, Listeners, TopicListener

_MAX_PATH_BYTES = 107  # bytes, without the closing zero (sockaddr_un)
_SUFFIX = ".socket"
_ALL = ".all"  # instead of a role
_DEAD = (ConnectionRefusedError, FileNotFoundError)
MAX_TOPIC_BYTES = 1024

log = structlog.get_logger(__name__)


class DatagramSignals:
    """``Signals`` over the folder ``folder``. ``close`` removes this process's own socket. Without
    a ``reader`` the process receives the topics of all roles.
    """

    def __init__(self, folder: Path, reader: SignalReader | None = None) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._folder = _Folder(folder)
        self._reader = reader
        self._listeners = Listeners()
        self._outbox = _DatagramOutbox(self._folder)
        self._inbox: _DatagramInbox | None = None
        self._lock = threading.Lock()

    def notify(self, topic: str) -> None:
        data = topic.encode("utf-8", "replace")
        if not 0 < len(data) <= MAX_TOPIC_BYTES:
            log.warning("signal topic refused", topic=topic[:80], bytes=len(data))
            return
        try:
            self._outbox.send(data, reader_of(topic))
        except Exception as exc:  # listeners also poll, so the caller must not fail
            log.warning("signal lost", topic=topic, error=str(exc))

    def listen(self) -> AbstractAsyncContextManager[TopicListener]:
        return self._listen()

    @asynccontextmanager
    async def _listen(self) -> AsyncIterator[TopicListener]:
        self._receive()
        async with self._listeners.listen() as listener:
            yield listener

    def watch(self, prefix: str, call: Callable[[str], None]) -> None:
        self._listeners.watch(prefix, call)
        self._receive()

    def _receive(self) -> None:
        with self._lock:
            if self._inbox is None:
                self._inbox = _DatagramInbox(self._folder, self._listeners, self._reader)

    def close(self) -> None:
        """Stop listening and sending; safe to repeat."""
        with self._lock:
            inbox, self._inbox = self._inbox, None
        if inbox is not None:
            inbox.close()
        self._outbox.close()
        self._folder.close()


class _Folder:
    """Addresses of sockets in a folder with a path of any length.

    An address has at most 107 bytes. A folder with a longer path is opened and addressed as
    ``/proc/self/fd/N``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._prefix = str(path)
        self._descriptor = -1
        if len(os.fsencode(self._prefix)) + 1 + 40 > _MAX_PATH_BYTES:
            self._descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            self._prefix = f"/proc/self/fd/{self._descriptor}"
            if not Path(self._prefix).is_dir():
                raise OSError(
                    f"the path of the folder {path} is longer than a socket address allows "
                    f"({_MAX_PATH_BYTES} bytes) and /proc is not mounted; use a shorter data folder"
                )

    def address(self, name: str) -> str:
        return f"{self._prefix}/{name}"

    def names(self, reader: SignalReader) -> list[str]:
        """The sockets of the processes that receive the topics of ``reader``."""
        endings = f".{reader}{_SUFFIX}", f"{_ALL}{_SUFFIX}"
        with os.scandir(self.path) as entries:
            return [entry.name for entry in entries if entry.name.endswith(endings)]

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class _DatagramInbox:
    """The socket of this process, and a thread that reads it independently of the event loop."""

    def __init__(self, folder: _Folder, listeners: Listeners, reader: SignalReader | None) -> None:
        self._folder = folder
        self._listeners = listeners
        role = f".{reader}" if reader else _ALL
        self._name = f"{os.getpid()}-{secrets.token_hex(6)}{role}{_SUFFIX}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        hidden = f".{self._name}.new"
        self._socket.bind(folder.address(hidden))
        (folder.path / hidden).rename(folder.path / self._name)
        self._stop_in, self._stop_out = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._read, name="signals-in", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._stop_in, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._stop_in in ready:
                return
            self._listeners.deliver(self._drain())

    def _drain(self) -> list[str]:
        topics: dict[str, None] = {}
        with contextlib.suppress(BlockingIOError):
            while len(topics) < 64:
                topics[self._socket.recv(MAX_TOPIC_BYTES).decode("utf-8", "replace")] = None
        return list(topics)

    def close(self) -> None:
        self._folder.remove(self._name)
        os.write(self._stop_out, b"x")
        self._thread.join()
        self._socket.close()
        os.close(self._stop_in)
        os.close(self._stop_out)


class _DatagramOutbox:
    """Sends topics. Those that find a full queue are sent by a helper thread."""

    def __init__(self, folder: _Folder) -> None:
        self._folder = folder
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._changed = threading.Condition()
        self._unsent: dict[str, dict[bytes, None]] = {}  # socket name to its topics, in order
        self._thread: threading.Thread | None = None
        self._closed = False

    def send(self, data: bytes, reader: SignalReader) -> None:
        for name in self._folder.names(reader):
            if self._socket.fileno() < 0:
                return
            if not self._try_send(name, data):
                self._queue(name, data)

    def _try_send(self, name: str, data: bytes) -> bool:
        """Send; False when the receiver's queue is full. A socket without a process is removed."""
        try:
            self._socket.sendto(data, self._folder.address(name))
        except BlockingIOError:
            return False
        except _DEAD:
            self._folder.remove(name)
        return True

    def _queue(self, name: str, data: bytes) -> None:
        with self._changed:
            topics = self._unsent.setdefault(name, {})
            if len(topics) < MAX_TOPICS:
                topics[data] = None
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._flush, name="signals", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _flush(self) -> None:
        """Thread: send the queued topics; a slow receiver does not delay the others."""
        pause = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._unsent or self._closed)
                if pause:
                    self._changed.wait_for(lambda: self._closed, timeout=pause)
                if self._closed:
                    return
                unsent, self._unsent = self._unsent, {}
            progress = False
            for name, topics in unsent.items():
                progress |= self._flush_one(name, list(topics))
            pause = 0.001 if progress else min(0.1, 2 * pause or 0.001)

    def _flush_one(self, name: str, topics: list[bytes]) -> bool:
        """Return whether at least one topic was sent."""
        for number, data in enumerate(topics):
            if not self._try_send(name, data):
                with self._changed:
                    self._unsent[name] = dict.fromkeys(topics[number:]) | self._unsent.get(name, {})
                return number > 0
        return True

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self._socket.close()
