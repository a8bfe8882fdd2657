"""The data path: the only module that moves the users' bytes.

Each accepted connection is a ``ProxiedConnection`` of two sides. Three details are deliberate:

* The "connected" reply is sent in the target's ``connection_made``. Later, the bytes of a server
  that speaks first (SMTP, SSH, HTTP/2) could overtake it.
* The end of one direction is passed on; the end of the second one closes both sides, which would
  otherwise stay open.
* TCP_NODELAY is set here: the loop sets it only on sockets created with the TCP protocol number,
  and without it each small exchange waits 40 ms.
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum, auto
from typing import TYPE_CHECKING, ClassVar

from fyke.egress.actions import Credentials, Dial, Handshake, HangUp, ProxyRefusal, Send
from fyke.egress.handshake import start_handshake
from fyke.egress.inside import leads_to_browser, why_refused
from fyke.egress.meter import DOWN, UP
from fyke.egress.pools import PoolSession
from fyke.egress.protocols import ClientProtocol, UpstreamProtocol, prepare, send_eof
from fyke.egress.rules import TargetRefused
from fyke.egress.throttle import SiteVisit, StatusReader, Throttled
from fyke.kit.unnamed_socket import path_of

if TYPE_CHECKING:  # ``AttemptProxy`` creates the connections
    from fyke.egress.attempt_proxy import AttemptProxy

_log = logging.getLogger(__name__)

_MAX_LOOPS = 2
# refusals by a rule for addresses and names; a throttled site is reported by itself
_RULES = (ProxyRefusal.FORBIDDEN, ProxyRefusal.UNRESOLVABLE)


class ConnectionPhase(Enum):
    HANDSHAKE = auto()
    DIALING = auto()
    RELAY = auto()
    GOODBYE = auto()  # the last bytes are being sent; further bytes of the client are dropped


class ProxiedConnection:
    """Two sides of one connection, and the bytes between them."""

    open_connections: ClassVar[int] = 0  # of this process

    def __init__(
        self, proxy: AttemptProxy, credentials: Credentials, *, of_browser: bool = False
    ) -> None:
        """``of_browser``: the client is the attempt's browser, and not the Worker."""
        self.proxy = proxy
        self._credentials = credentials
        self._of_browser = of_browser
        # how often the client may connect to the proxy through the proxy; a browser has none of
        # its own
        self._loops_left = 0 if of_browser else _MAX_LOOPS
        self.idle_sweeps = 0
        self.phase = ConnectionPhase.HANDSHAKE
        self.site = proxy.sites.others
        self.client: asyncio.Transport | None = None
        self.target: asyncio.Transport | None = None
        self._handshake: Handshake | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._ends = 0
        self.counts = True  # bytes and connection; not to the browser
        self._visit: SiteVisit | None = None
        self._status_reader: StatusReader | None = None  # until the site has answered

    # from the client's side

    def accepted(self, transport: asyncio.Transport) -> None:
        self.client = transport
        proxy = self.proxy
        if proxy.is_closed or len(proxy.connections) >= proxy.limits.connections:
            proxy.meter.refused()
            transport.abort()
            return
        proxy.connections.add(self)
        ProxiedConnection.open_connections += 1
        prepare(transport)
        self._abort_after(proxy.limits.handshake_seconds)

    def from_client(self, data: memoryview) -> None:
        self.idle_sweeps = 0
        if self.phase is ConnectionPhase.RELAY:
            self._upload(bytes(data))
        elif self.phase is ConnectionPhase.HANDSHAKE:
            self._continue_handshake(bytes(data))

    def _continue_handshake(self, data: bytes) -> None:
        if self._handshake is None:
            self._handshake = start_handshake(data, self._credentials)
        for step in self._handshake.feed(data):
            if isinstance(step, Send):
                self._send_to_client(step.data)
            elif isinstance(step, HangUp):
                if step.denied:
                    self.proxy.meter.refused()
                self._goodbye(step.data)
            else:
                self._start_dialing(step)

    def _upload(self, data: bytes) -> None:
        data, surplus = self._started_handshake().outgoing(data)
        if data and self.target is not None and not self.target.is_closing():
            allowed = self._count(len(data), UP)
            self.target.write(data if allowed == len(data) else data[:allowed])
            if allowed < len(data):
                self.proxy.trip()
                return
        if surplus:
            # a second request on this connection may be for another site: the client has to retry
            self.end(self.proxy.limits.goodbye_seconds)

    # dialing

    def _start_dialing(self, dial: Dial) -> None:
        self.phase = ConnectionPhase.DIALING
        self._cancel_timer()
        if self.client is not None:
            self.client.pause_reading()
        self._task = asyncio.get_running_loop().create_task(self._dial(dial))

    async def _dial(self, dial: Dial) -> None:
        dialer = self.proxy.dialer
        try:
            target = dialer.rules.parse(dial.host, dial.port)
            if (str(target.host), target.port) in self.proxy.endpoints and self._loops_left:
                self._restart_handshake()
                return
            of_browser, browser = self._of_browser, self.proxy.browser
            if browser is not None and not of_browser and leads_to_browser(target, dialer.rules):
                await self._dial_browser(browser)
                return
            self.site = self.proxy.sites.for_host(str(target.host))
            has_browser = browser is not None
            if reason := why_refused(target, of_browser=of_browser, has_browser=has_browser):
                raise TargetRefused(ProxyRefusal.FORBIDDEN, reason)
            dialer.rules.admit(target)
            if self.proxy.throttle is not None:
                self._visit = await self.proxy.throttle.enter(str(target.host), self.proxy.session)
            self._status_reader = StatusReader()
            await dialer.connect(
                target, self._session(), lambda early: UpstreamProtocol(self, early)
            )
        except TargetRefused as error:
            self._refuse(error)
        except Throttled as error:
            self.proxy.report_throttled(error.site, str(error))
            self._refuse(TargetRefused(ProxyRefusal.THROTTLED, str(error)))
        except Exception:
            _log.exception("a connection could not be dialled")
            self._refuse(TargetRefused(ProxyRefusal.HOST_UNREACHABLE, "the proxy failed"))

    async def _dial_browser(self, address: int) -> None:
        """Connect to the attempt's browser port, which needs neither the network nor the meter."""
        self.counts = False
        try:
            async with asyncio.timeout(self.proxy.dialer.seconds):
                await asyncio.get_running_loop().create_unix_connection(
                    lambda: UpstreamProtocol(self, b""), path_of(address)
                )
        except (OSError, TimeoutError) as error:
            text = "the browser port of this sandbox does not answer"
            raise TargetRefused(ProxyRefusal.CONNECTION_REFUSED, text) from error

    def _restart_handshake(self) -> None:
        """Start again for a client that connects to the proxy through the proxy. Libraries do that
        when both the environment and the program configure it.
        """
        replies = self._started_handshake().connected()
        self._send_to_client(replies.to_client)
        self._handshake = None
        self._loops_left -= 1
        self.phase = ConnectionPhase.HANDSHAKE
        self._abort_after(self.proxy.limits.handshake_seconds)
        if replies.to_target:
            self._continue_handshake(replies.to_target)
        if self.client is not None and self.phase is ConnectionPhase.HANDSHAKE:
            self.client.resume_reading()

    def _refuse(self, error: TargetRefused) -> None:
        self._leave_site()
        if error.refusal in (ProxyRefusal.FORBIDDEN, ProxyRefusal.THROTTLED):
            self.proxy.meter.refused()
            self.site.refused()
        elif self.counts:
            self.site.failed()
        if self._of_browser and error.refusal in _RULES:
            self.proxy.report_browser(error.reason)
        elif error.refusal is ProxyRefusal.UNRESOLVABLE:
            self.proxy.report_unresolved(error.reason)
        self._goodbye(self._started_handshake().refused(error.refusal, error.reason))

    def established(self, transport: asyncio.Transport) -> None:
        """Report the connection to the client before any byte of the target is read."""
        self.target = transport
        if self.proxy.is_closed or self.client is None or self.client.is_closing():
            transport.abort()
            return
        prepare(transport)
        self.phase = ConnectionPhase.RELAY
        if self.counts:
            self.proxy.meter.connected()
            self.site.connected()
        replies = self._started_handshake().connected()
        self._send_to_client(replies.to_client)
        if replies.to_target:
            allowed = self._count(len(replies.to_target), UP)
            transport.write(replies.to_target[:allowed])
            if allowed < len(replies.to_target):
                self.proxy.trip()
                return
        self.client.resume_reading()

    # from the target's side

    def from_target(self, data: memoryview) -> None:
        self.idle_sweeps = 0
        client = self.client
        if client is None or client.is_closing() or self.proxy.is_closed:
            return
        if self._status_reader is not None:
            self._read_status(self._status_reader, data)
        count = len(data)
        allowed = self._count(count, DOWN)
        client.write(bytes(data[:allowed]))
        if allowed < count:
            self.proxy.trip()

    def _read_status(self, reader: StatusReader, data: memoryview) -> None:
        status = reader.feed(data)
        if not reader.done:
            return
        self._status_reader = None
        if status and self._visit is not None:
            self._visit.record_status(status)
        if not self._of_browser:  # which reports what it was answered, also over TLS
            self.site.answered(status)

    def _leave_site(self) -> None:
        if self._visit is not None:
            self._visit.leave()

    # ends

    def half_closed(self, other: asyncio.Transport | None) -> bool:
        """One side has sent everything; return whether its transport stays open for the answer."""
        self._ends += 1
        if (
            self.phase is not ConnectionPhase.RELAY
            or self._ends > 1
            or other is None
            or other.is_closing()
        ):
            return False
        return send_eof(other)

    def lost(self, *, of_client: bool) -> None:
        """One side is closed: close the other side once its buffered bytes are sent."""
        if of_client:
            self.client = None
        else:
            self.target = None
        other_side = self.target if of_client else self.client
        if other_side is not None:
            other_side.close()
        if of_client and self.phase is ConnectionPhase.DIALING and self._task is not None:
            self._task.cancel()
        if self.client is None and self.target is None:
            self._cancel_timer()
            self._leave_site()
            self._forget()

    def _forget(self) -> None:
        if self in self.proxy.connections:
            self.proxy.connections.remove(self)
            ProxiedConnection.open_connections -= 1

    def end(self, grace: float) -> None:
        """Close both sides once their buffers are sent, at the latest after ``grace`` seconds."""
        if self.phase is ConnectionPhase.DIALING:
            self.abort()
            return
        self.phase = ConnectionPhase.GOODBYE
        for transport in (self.client, self.target):
            if transport is not None:
                transport.close()
        self._abort_after(grace)

    def abort(self) -> None:
        """Close both sides now."""
        self.phase = ConnectionPhase.GOODBYE
        self._cancel_timer()
        if self._task is not None:
            self._task.cancel()
        for transport in (self.client, self.target):
            if transport is not None:
                transport.abort()

    def _goodbye(self, reply: bytes) -> None:
        """Send a last reply and wait until the client closes: closing with unread bytes would reset
        the connection, and the reply would be lost.
        """
        self.phase = ConnectionPhase.GOODBYE
        client = self.client
        if client is None or client.is_closing():
            return
        if reply:
            client.write(reply)
        if send_eof(client):
            client.resume_reading()
            self._abort_after(self.proxy.limits.goodbye_seconds)

    def _count(self, count: int, direction: int) -> int:
        """Count bytes for the attempt and for the site; return how many may pass."""
        if not self.counts:
            return count
        allowed = self.proxy.meter.take(count, direction)
        self.site.cells[direction] += allowed
        return allowed

    def _session(self) -> PoolSession:
        """Return the key of a sticky choice of the region's proxy."""
        run, option = self.proxy.session, self._started_handshake().session
        return PoolSession(f"{run}/{option}", chosen=True) if option else PoolSession(run)

    def _started_handshake(self) -> Handshake:
        """Return the handshake, which exists after the client's first byte."""
        if self._handshake is None:
            raise RuntimeError("the client has sent nothing yet")
        return self._handshake

    def _send_to_client(self, data: bytes) -> None:
        if data and self.client is not None:
            self.client.write(data)

    def _abort_after(self, seconds: float) -> None:
        self._cancel_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def client_protocol(proxy: AttemptProxy) -> ClientProtocol:
    """Return the protocol of a new connection of the Worker."""
    return ClientProtocol(ProxiedConnection(proxy, proxy.credentials))


def browser_protocol(proxy: AttemptProxy, credentials: Credentials) -> ClientProtocol:
    """Return the protocol of a new connection of the attempt's browser."""
    return ClientProtocol(ProxiedConnection(proxy, credentials, of_browser=True))
