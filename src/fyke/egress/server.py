"""The data path: the one file that moves the users' bytes.

Each accepted connection is a ``Link`` of two sides. Three things were learned the hard way and
must stay as they are:

* The "connected" reply leaves in the target's ``connection_made``. Later would let a server that
  speaks first (SMTP, SSH, HTTP/2) overtake it.
* A half-closed connection is passed on, but the second end closes both sides; keeping both open
  on each end would leak the pair.
* TCP_NODELAY is set by hand: the loop sets it only on sockets made with the TCP protocol number,
  and without it each small exchange waits 40 ms.

Memory: all reads go through one shared buffer of 64 KiB (a read and its hand-over happen in one
step of the loop), and a side that has anything unsent stops the reading of the other, so that a
link never holds more than 64 KiB each way.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from typing import cast

from fyke.egress.guard import Guard, Spared, Visit
from fyke.egress.handshake import start_handshake
from fyke.egress.limits import ProxyLimits
from fyke.egress.meter import DOWN, UP, Meter
from fyke.egress.pools import Session
from fyke.egress.reach import Reach
from fyke.egress.rules import TargetRefused
from fyke.egress.sites import SiteBook
from fyke.egress.steps import Credentials, Dial, Handshake, HangUp, Refusal, Send

_log = logging.getLogger(__name__)

BUFFER_SIZE = 64 * 1024
_shared_buffer = memoryview(bytearray(BUFFER_SIZE))

OWN_NAMES = ("localhost", "proxy-inner.coreclaw.com", "proxy-inner.cafescraper.com")
_MAX_LOOPS = 2
STATUS_END = len(b"HTTP/1.1 200")


class Phase(Enum):
    HANDSHAKE = auto()
    DIALING = auto()
    RELAY = auto()
    GOODBYE = auto()  # the last words are on their way; what the client still sends is dropped


class Gate:
    """One attempt on its way out: what it may do, what it used, which links it has."""

    def __init__(
        self,
        credentials: Credentials,
        meter: Meter,
        book: SiteBook,
        reach: Reach,
        limits: ProxyLimits,
        on_trip: Callable[[], None],
        guard: Guard | None = None,
        session: str = "",
    ) -> None:
        self.credentials = credentials
        self.meter = meter
        self.book = book
        self.reach = reach
        self.limits = limits
        self.guard = guard
        self.session = session
        self.links: set[Link] = set()
        self.doors: set[tuple[str, int]] = set()  # what our listeners are called from inside
        self._servers: list[asyncio.Server] = []
        self._listeners: list[socket.socket] = []
        self._on_trip: Callable[[], None] | None = on_trip
        self._closed = False

    @property
    def shut(self) -> bool:
        """Whether no byte may pass any more."""
        return self._closed or self.meter.tripped

    async def listen(self, listener: socket.socket) -> None:
        """Serve a listener; it is ours from now on."""
        listener.setblocking(False)
        self._listeners.append(listener)
        if listener.family == socket.AF_INET:
            address, port = listener.getsockname()
            self.doors.update((name, port) for name in (address, *OWN_NAMES))
        server = await asyncio.get_running_loop().create_server(
            lambda: ClientSide(Link(self)), sock=listener, backlog=128
        )
        self._servers.append(server)

    def trip(self) -> None:
        """The limit is reached: end every link, letting out only what was counted already."""
        for link in list(self.links):
            link.end(self.limits.trip_grace)
        if self._on_trip is not None:
            told, self._on_trip = self._on_trip, None
            told()

    def stop(self, *, final: bool) -> None:
        """Cut every link. ``final`` also ends the listening sockets for whoever else holds them,
        so that the next connection is refused at once instead of waiting for nobody.
        """
        self._closed = True
        for listener in self._listeners:
            if final:
                with suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
        for server in self._servers:
            server.close()
        for link in list(self.links):
            link.abort()

    def sweep(self, rounds: int) -> None:
        """Cut the links that have moved nothing for ``rounds`` sweeps."""
        for link in list(self.links):
            link.quiet += 1
            if link.quiet > rounds:
                link.abort()


class Link:
    """Two sides of one connection, and what stands between them."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.quiet = 0
        self.phase = Phase.HANDSHAKE
        self.site = gate.book.others
        self.client: asyncio.Transport | None = None
        self.target: asyncio.Transport | None = None
        self._handshake: Handshake | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._ends = 0
        self._loops = 0
        self._visit: Visit | None = None
        self._answer: bytes | None = None  # how the site's answer begins, while that is unread

    # from the client's side

    def accepted(self, transport: asyncio.Transport) -> None:
        self.client = transport
        gate = self.gate
        if gate.shut or len(gate.links) >= gate.limits.links:
            gate.meter.refused()
            transport.abort()
            return
        gate.links.add(self)
        _prepare(transport)
        self._after(gate.limits.handshake_seconds)

    def from_client(self, data: memoryview) -> None:
        self.quiet = 0
        if self.phase is Phase.RELAY:
            self._upload(bytes(data))
        elif self.phase is Phase.HANDSHAKE:
            self._converse(bytes(data))

    def _converse(self, data: bytes) -> None:
        if self._handshake is None:
            self._handshake = start_handshake(data, self.gate.credentials)
        for step in self._handshake.feed(data):
            if isinstance(step, Send):
                self._tell_client(step.data)
            elif isinstance(step, HangUp):
                if step.denied:
                    self.gate.meter.refused()
                self._goodbye(step.data)
            else:
                self._start_dialing(step)

    def _upload(self, data: bytes) -> None:
        data, surplus = self._talk().outgoing(data)
        if data and self.target is not None and not self.target.is_closing():
            allowed = self._take(len(data), UP)
            self.target.write(data if allowed == len(data) else data[:allowed])
            if allowed < len(data):
                self.gate.trip()
                return
        if surplus:
            # another request on this connection would reach the wrong site: let the client retry
            self.end(self.gate.limits.goodbye_seconds)

    # dialing

    def _start_dialing(self, dial: Dial) -> None:
        self.phase = Phase.DIALING
        self._cancel_timer()
        if self.client is not None:
            self.client.pause_reading()
        self._task = asyncio.get_running_loop().create_task(self._dial(dial))

    async def _dial(self, dial: Dial) -> None:
        reach = self.gate.reach
        try:
            target = reach.rules.parse(dial.host, dial.port)
            if (str(target.host), target.port) in self.gate.doors and self._loops < _MAX_LOOPS:
                self._begin_again()
                return
            self.site = self.gate.book.of(str(target.host))
            reach.rules.admit(target)
            if self.gate.guard is not None:
                self._visit = await self.gate.guard.enter(str(target.host), self.gate.session)
                self._answer = b""
            await reach.connect(target, self._session(), lambda early: TargetSide(self, early))
        except TargetRefused as error:
            self._refuse(error)
        except Spared as error:
            self._refuse(TargetRefused(Refusal.SPARED, str(error)))
        except Exception:
            _log.exception("a connection could not be dialled")
            self._refuse(TargetRefused(Refusal.HOST_UNREACHABLE, "the proxy failed"))

    def _begin_again(self) -> None:
        """The client asks the proxy for the proxy. Libraries do when the environment names a
        proxy and the program brings its own besides, so the conversation begins anew.
        """
        words = self._talk().connected()
        self._tell_client(words.to_client)
        self._handshake = None
        self._loops += 1
        self.phase = Phase.HANDSHAKE
        self._after(self.gate.limits.handshake_seconds)
        if words.to_target:
            self._converse(words.to_target)
        if self.client is not None and self.phase is Phase.HANDSHAKE:
            self.client.resume_reading()

    def _refuse(self, error: TargetRefused) -> None:
        self._leave_site()
        if error.refusal in (Refusal.FORBIDDEN, Refusal.SPARED):
            self.gate.meter.refused()
            self.site.refused()
        else:
            self.site.failed()
        self._goodbye(self._talk().refused(error.refusal, error.reason))

    def established(self, transport: asyncio.Transport) -> None:
        """The target answers: say so before a byte of it can be read."""
        self.target = transport
        if self.gate.shut or self.client is None or self.client.is_closing():
            transport.abort()
            return
        _prepare(transport)
        self.phase = Phase.RELAY
        self.gate.meter.connected()
        self.site.connected()
        words = self._talk().connected()
        self._tell_client(words.to_client)
        if words.to_target:
            allowed = self._take(len(words.to_target), UP)
            transport.write(words.to_target[:allowed])
            if allowed < len(words.to_target):
                self.gate.trip()
                return
        self.client.resume_reading()

    # from the target's side

    def from_target(self, data: memoryview) -> None:
        self.quiet = 0
        client = self.client
        if client is None or client.is_closing() or self.gate.shut:
            return
        if self._answer is not None:
            self._heed(data)
        count = len(data)
        allowed = self._take(count, DOWN)
        client.write(bytes(data[:allowed]))
        if allowed < count:
            self.gate.trip()

    def _heed(self, data: memoryview) -> None:
        """Read the status of a plain HTTP answer, all that is ever read of what a site says."""
        answer = (self._answer or b"") + bytes(data[: STATUS_END - len(self._answer or b"")])
        self._answer = answer
        if len(answer) < STATUS_END and answer[:7] == b"HTTP/1."[: len(answer)]:
            return
        self._answer = None
        if self._visit is not None and answer.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")):
            status = answer[9:STATUS_END]
            if status.isdigit():
                self._visit.answered(int(status))

    def _leave_site(self) -> None:
        if self._visit is not None:
            self._visit.leave()

    # ends

    def half_closed(self, other: asyncio.Transport | None) -> bool:
        """One side has said all; return whether its transport stays open for the other way."""
        self._ends += 1
        if self.phase is not Phase.RELAY or self._ends > 1 or other is None or other.is_closing():
            return False
        other.write_eof()
        return True

    def lost(self, *, of_client: bool) -> None:
        """One side is gone: let the other send what it holds, then close it too."""
        if of_client:
            self.client = None
        else:
            self.target = None
        rest = self.target if of_client else self.client
        if rest is not None:
            rest.close()
        if of_client and self.phase is Phase.DIALING and self._task is not None:
            self._task.cancel()
        if self.client is None and self.target is None:
            self._cancel_timer()
            self._leave_site()
            self.gate.links.discard(self)

    def end(self, grace: float) -> None:
        """Close both sides after what they hold has left, at the latest after ``grace`` s."""
        if self.phase is Phase.DIALING:
            self.abort()
            return
        self.phase = Phase.GOODBYE
        for transport in (self.client, self.target):
            if transport is not None:
                transport.close()
        self._after(grace)

    def abort(self) -> None:
        """Close both sides now."""
        self.phase = Phase.GOODBYE
        self._cancel_timer()
        if self._task is not None:
            self._task.cancel()
        for transport in (self.client, self.target):
            if transport is not None:
                transport.abort()

    def _goodbye(self, words: bytes) -> None:
        """Send last words and wait for the client to hang up: closing over unread bytes would
        reset the connection, and the words would be lost.
        """
        self.phase = Phase.GOODBYE
        client = self.client
        if client is None or client.is_closing():
            return
        if words:
            client.write(words)
        client.write_eof()
        client.resume_reading()
        self._after(self.gate.limits.goodbye_seconds)

    def _take(self, count: int, direction: int) -> int:
        """Count bytes for the attempt and for the site; return how many may pass."""
        allowed = self.gate.meter.take(count, direction)
        self.site.cells[direction] += allowed
        return allowed

    def _session(self) -> Session:
        """What a sticky choice of the region's proxy is keyed by."""
        run, option = self.gate.session, self._talk().session
        return Session(f"{run}/{option}", chosen=True) if option else Session(run)

    def _talk(self) -> Handshake:
        """The conversation, which exists from the client's first byte on."""
        if self._handshake is None:
            raise RuntimeError("the client has said nothing yet")
        return self._handshake

    def _tell_client(self, data: bytes) -> None:
        if data and self.client is not None:
            self.client.write(data)

    def _after(self, seconds: float) -> None:
        self._cancel_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Side(asyncio.BufferedProtocol):
    """One end of a link: passes what the loop reports on to the link."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def get_buffer(self, sizehint: int) -> memoryview:
        return _shared_buffer

    def other(self) -> asyncio.Transport | None:
        raise NotImplementedError

    def eof_received(self) -> bool:
        return self._link.half_closed(self.other())

    def pause_writing(self) -> None:
        other = self.other()
        if other is not None and not other.is_closing():
            other.pause_reading()

    def resume_writing(self) -> None:
        other = self.other()
        if other is not None and not other.is_closing():
            other.resume_reading()


class ClientSide(Side):
    """The attempt's end of a link."""

    def other(self) -> asyncio.Transport | None:
        return self._link.target

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._link.accepted(cast(asyncio.Transport, transport))

    def buffer_updated(self, nbytes: int) -> None:
        self._link.from_client(_shared_buffer[:nbytes])

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.lost(of_client=True)


class TargetSide(Side):
    """The site's end of a link. Nothing of what it says is parsed; ``early`` is what it said
    before the link was there.
    """

    def __init__(self, link: Link, early: bytes) -> None:
        super().__init__(link)
        self._early = early

    def other(self) -> asyncio.Transport | None:
        return self._link.client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._link.established(cast(asyncio.Transport, transport))
        if self._early:
            self._link.from_target(memoryview(self._early))

    def buffer_updated(self, nbytes: int) -> None:
        self._link.from_target(_shared_buffer[:nbytes])

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.lost(of_client=False)


def _prepare(transport: asyncio.Transport) -> None:
    transport.set_write_buffer_limits(high=0)
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
