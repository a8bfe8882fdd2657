"""The data path: the one file that moves the users' bytes.

Each accepted connection is a ``ProxiedConnection`` of two sides. Three details are deliberate:

* The "connected" reply leaves in the target's ``connection_made``. Later would let a server that
  speaks first (SMTP, SSH, HTTP/2) overtake it.
* A half-closed connection is passed on, but the second end closes both sides; keeping both open
  on each end would leak the pair.
* TCP_NODELAY is set by hand: the loop sets it only on sockets made with the TCP protocol number,
  and without it each small exchange waits 40 ms.
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum, auto
from typing import TYPE_CHECKING, ClassVar

from fyke.egress.actions import Dial, Handshake, HangUp, ProxyRefusal, Send
from fyke.egress.handshake import start_handshake
from fyke.egress.meter import DOWN, UP
from fyke.egress.pools import PoolSession
from fyke.egress.protocols import ClientProtocol, UpstreamProtocol, prepare
from fyke.egress.rules import TargetRefused
from fyke.egress.throttle import SiteVisit, StatusReader, Throttled

if TYPE_CHECKING:  # it makes links itself
    from fyke.egress.attempt_proxy import AttemptProxy

_log = logging.getLogger(__name__)

_MAX_LOOPS = 2


class ConnectionPhase(Enum):
    HANDSHAKE = auto()
    DIALING = auto()
    RELAY = auto()
    GOODBYE = auto()  # the last words are on their way; what the client still sends is dropped


class ProxiedConnection:
    """Two sides of one connection, and what stands between them."""

    open_links: ClassVar[int] = 0  # of this process

    def __init__(self, gate: AttemptProxy) -> None:
        self.gate = gate
        self.quiet = 0
        self.phase = ConnectionPhase.HANDSHAKE
        self.site = gate.book.others
        self.client: asyncio.Transport | None = None
        self.target: asyncio.Transport | None = None
        self._handshake: Handshake | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._ends = 0
        self._loops = 0
        self._visit: SiteVisit | None = None
        self._ear: StatusReader | None = None  # while the site has not answered

    # from the client's side

    def accepted(self, transport: asyncio.Transport) -> None:
        self.client = transport
        gate = self.gate
        if gate.shut or len(gate.links) >= gate.limits.links:
            gate.meter.refused()
            transport.abort()
            return
        gate.links.add(self)
        ProxiedConnection.open_links += 1
        prepare(transport)
        self._after(gate.limits.handshake_seconds)

    def from_client(self, data: memoryview) -> None:
        self.quiet = 0
        if self.phase is ConnectionPhase.RELAY:
            self._upload(bytes(data))
        elif self.phase is ConnectionPhase.HANDSHAKE:
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
        self.phase = ConnectionPhase.DIALING
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
                self._ear = StatusReader()
            await reach.connect(
                target, self._session(), lambda early: UpstreamProtocol(self, early)
            )
        except TargetRefused as error:
            self._refuse(error)
        except Throttled as error:
            self.gate.spared(error.site, str(error))
            self._refuse(TargetRefused(ProxyRefusal.SPARED, str(error)))
        except Exception:
            _log.exception("a connection could not be dialled")
            self._refuse(TargetRefused(ProxyRefusal.HOST_UNREACHABLE, "the proxy failed"))

    def _begin_again(self) -> None:
        """The client asks the proxy for the proxy. Libraries do when the environment names a
        proxy and the program brings its own besides, so the conversation begins anew.
        """
        words = self._talk().connected()
        self._tell_client(words.to_client)
        self._handshake = None
        self._loops += 1
        self.phase = ConnectionPhase.HANDSHAKE
        self._after(self.gate.limits.handshake_seconds)
        if words.to_target:
            self._converse(words.to_target)
        if self.client is not None and self.phase is ConnectionPhase.HANDSHAKE:
            self.client.resume_reading()

    def _refuse(self, error: TargetRefused) -> None:
        self._leave_site()
        if error.refusal in (ProxyRefusal.FORBIDDEN, ProxyRefusal.SPARED):
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
        prepare(transport)
        self.phase = ConnectionPhase.RELAY
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
        if self._ear is not None:
            self._heed(self._ear, data)
        count = len(data)
        allowed = self._take(count, DOWN)
        client.write(bytes(data[:allowed]))
        if allowed < count:
            self.gate.trip()

    def _heed(self, ear: StatusReader, data: memoryview) -> None:
        status = ear.hear(data)
        if ear.done:
            self._ear = None
        if status and self._visit is not None:
            self._visit.answered(status)

    def _leave_site(self) -> None:
        if self._visit is not None:
            self._visit.leave()

    # ends

    def half_closed(self, other: asyncio.Transport | None) -> bool:
        """One side has said all; return whether its transport stays open for the other way."""
        self._ends += 1
        if (
            self.phase is not ConnectionPhase.RELAY
            or self._ends > 1
            or other is None
            or other.is_closing()
        ):
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
        if of_client and self.phase is ConnectionPhase.DIALING and self._task is not None:
            self._task.cancel()
        if self.client is None and self.target is None:
            self._cancel_timer()
            self._leave_site()
            self._forget()

    def _forget(self) -> None:
        if self in self.gate.links:
            self.gate.links.remove(self)
            ProxiedConnection.open_links -= 1

    def end(self, grace: float) -> None:
        """Close both sides after what they hold has left, at the latest after ``grace`` s."""
        if self.phase is ConnectionPhase.DIALING:
            self.abort()
            return
        self.phase = ConnectionPhase.GOODBYE
        for transport in (self.client, self.target):
            if transport is not None:
                transport.close()
        self._after(grace)

    def abort(self) -> None:
        """Close both sides now."""
        self.phase = ConnectionPhase.GOODBYE
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
        self.phase = ConnectionPhase.GOODBYE
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

    def _session(self) -> PoolSession:
        """What a sticky choice of the region's proxy is keyed by."""
        run, option = self.gate.session, self._talk().session
        return PoolSession(f"{run}/{option}", chosen=True) if option else PoolSession(run)

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


def client_protocol(proxy: AttemptProxy) -> ClientProtocol:
    """The protocol of a connection that has been accepted."""
    return ClientProtocol(ProxiedConnection(proxy))
