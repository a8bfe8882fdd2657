"""The connection of a node to a gateway, which is made again whenever it ends.

What was asked when it ended is not repeated here: the one who asked is notified by an error and
asks again, as after an outage of the database.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import structlog

from fyke.errors import Forbidden, FykeError, OutcomeUnknown, Unavailable
from fyke.kit.backoff import delay
from fyke.kit.certificate_request import request_elsewhere
from fyke.kit.certificates import CertifiedKey, expiry_of
from fyke.kit.hostports import join_host_port
from fyke.kit.stream_frames import SendLane
from fyke.kit.stream_requests import RequestFailed, StreamLost, StreamRequests
from fyke.kit.tls import client_context
from fyke.link.connect import CONNECT_SECONDS, connect
from fyke.model.node import ContactState
from fyke.relay.serving import FindViews, ServedViews, no_views
from fyke.wire.nodes import (
    ALPN,
    FILES_ALPN,
    PROTOCOLS,
    AnyNotice,
    BadNodeMessage,
    CheckContact,
    Hello,
    HelloAnswer,
    NodeRequest,
    OutdatedNode,
    RenewCertificate,
    SupersededNode,
    UnknownNode,
    decode_answer,
    decode_error,
    decode_notice,
    encode,
    encode_error,
)

HELLO_SECONDS = 10.0
QUICK_SECONDS = 3.0  # for a connection, while there are others that were not tried yet
PATIENCE_SECONDS = 2.0  # with a hello, before the gateway is asked whether it reaches the state
FRESH_SECONDS = 2.0  # how long what it said of that counts, when it answers no hello
# between two tries; the longest is short, because leases expire meanwhile
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 0.5
RENEW_SECONDS = 16 * 3600.0  # of the day that a certificate is valid
LEFT_SECONDS = 8 * 3600.0  # of that day, after them
RENEW_AGAIN_SECONDS = 60.0  # after a renewal that has failed

A = TypeVar("A")
log = structlog.get_logger()


class LinkEnd(StrEnum):
    """Why a node must not connect again by itself."""

    SUPERSEDED = "superseded"  # another machine has its name
    UNKNOWN = "unknown"  # the installation has forgotten it
    OUTDATED = "outdated"  # its release is too old, or too new


@dataclass(frozen=True, slots=True)
class LinkEnded:
    """The end of a link, with a sentence for the operator."""

    end: LinkEnd
    text: str


class NodeLink:
    """``own`` is the node's certificate and key; ``on_certificate`` gets each renewed one, to keep
    it, and ``on_gateways`` the addresses of gateways that the installation has announced.
    ``gateways`` are those that the node knows; ``first`` is the number of the one to begin with.
    ``on_notice`` gets what the gateway reports by itself, and ``on_connected`` is called after each
    welcome. They must not block. ``find_views`` gives the live views of this machine.
    """

    def __init__(
        self,
        gateways: Sequence[tuple[str, int]],
        authority: str,
        own: CertifiedKey,
        *,
        release: str,
        runner_id: str,
        on_notice: Callable[[AnyNotice], None],
        on_certificate: Callable[[CertifiedKey], None],
        on_connected: Callable[[], None] = lambda: None,
        find_views: FindViews = no_views,
        on_gateways: Callable[[Sequence[str]], Sequence[tuple[str, int]]] | None = None,
        first: int = 0,
    ) -> None:
        self._gateways = gateways
        self._on_gateways = on_gateways
        self._first = first
        self._answered: set[tuple[str, int]] = set()  # those that have, at their last try
        self._authority = authority
        self._own = own
        self._release = release
        self._runner_id = runner_id
        self._on_notice = on_notice
        self._on_certificate = on_certificate
        self._on_connected = on_connected
        self._find_views = find_views
        self._requests: StreamRequests | None = None
        self._gateway = gateways[0]  # that of the connection
        self._noted: tuple[ContactState, float] | None = None  # what one without a welcome has said
        self._news = asyncio.Event()  # there is a connection, or a note
        # by the monotonic clock, which stands still in a suspended machine: see ``_stay``
        self._renew_at = 0.0  # at first when it is connected
        self.connections = 0  # that a gateway has welcomed, so the number of this one
        self.epoch = 0
        self.problem = "The node has not connected yet"  # why there is no connection
        self.connected = asyncio.Event()
        self.ended: LinkEnded | None = None

    async def run(self) -> LinkEnded:
        """Keep the connection until the node must not connect any more."""
        tries, gateways = 0, self._in_order()
        while True:
            lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            count = len(gateways)
            gateway = gateways[tries % count]
            # where there are others, one whose machine is gone must not take the time of a lease
            seconds = CONNECT_SECONDS if tries >= count or count == 1 else QUICK_SECONDS
            try:
                ended = await self._connect(gateway, lost, seconds)
            except FykeError as error:
                self._answered.discard(gateway)
                self._note(f"{error}{self._hint()}")
                tries += 1
            else:
                if ended is not None:
                    log.error("link_ended", why=ended.end.value, text=ended.text)
                    self.ended, self.problem = ended, ended.text
                    self._news.set()
                    return ended
                self._answered.add(gateway)
                await self._stay(lost)
                tries, gateways = 0, self._in_order(gateway)
            await asyncio.sleep(delay(max(tries, 1), base=FIRST_PAUSE, cap=LONGEST_PAUSE))

    def _in_order(self, lost: tuple[str, int] | None = None) -> list[tuple[str, int]]:
        """The gateways as they are tried: those that have answered before all others, because an
        announced address may be none that this machine can reach; the ``lost`` one after the rest
        of them.
        """
        start = self._first % len(self._gateways)
        turned = [*self._gateways[start:], *self._gateways[:start]]
        return sorted(turned, key=lambda one: (one not in self._answered, one == lost))

    async def ask(self, request: NodeRequest[A], lane: SendLane = SendLane.CONTROL) -> A:
        """Send a request and return its answer. Raise ``Unavailable`` without a connection,
        ``OutcomeUnknown`` when it ends before the answer, and the error of the gateway.
        ``Forbidden`` of a gateway is about the connection: the link connects again.
        """
        requests = self._connected()
        try:
            return await ask(requests, request, lane)
        except Forbidden as refusal:
            requests.stream.close(refusal.message)
            raise Unavailable(refusal.message) from refusal

    async def contact(self) -> ContactState:
        """What a gateway says of its contact with the state, if need be one that answers no hello
        because of it. Waits for that; raises ``FykeError`` when the gateway does not know.
        """
        while self.ended is None:
            self._news.clear()
            if self._requests is not None:
                with suppress(Unavailable):
                    return await self.ask(CheckContact(), SendLane.URGENT)
            elif self._noted is not None:
                state, at = self._noted
                if time.monotonic() - at < FRESH_SECONDS:
                    return state
            await self._news.wait()
        return ContactState.CUT_OFF

    def leave(self, reason: str) -> None:
        """End the connection, if there is one; the next gateway is tried."""
        if self._requests is not None:
            self._answered.discard(self._gateway)
            self._requests.stream.close(reason)

    def announced(self, gateways: Sequence[str]) -> None:
        """The installation has these gateways, as it writes them. They are tried after this
        connection, beside those that the node was given.
        """
        if self._on_gateways is None:
            return
        try:
            self._gateways = self._on_gateways(gateways)
        except Exception as error:  # such as a full disk, or what is no address in this release
            log.warning("gateways_not_kept", error=repr(error))

    def files(self) -> tuple[tuple[str, int], ssl.SSLContext]:
        """The address of the gateway, and a context for HTTPS with it. Raise ``Unavailable``."""
        self._connected()
        return self._gateway, client_context(self._authority, self._own, [FILES_ALPN])

    def _connected(self) -> StreamRequests:
        if self._requests is None:
            raise Unavailable(self.problem or "The connection to the gateway has ended")
        return self._requests

    # --- the connection -----------------------------------------------------------------------

    async def _connect(
        self, gateway: tuple[str, int], lost: asyncio.Future[str], seconds: float
    ) -> LinkEnded | None:
        """Connect and say hello; ``lost`` gets the reason when the connection ends."""
        views = ServedViews(self._find_views)

        def on_lost(reason: str) -> None:
            views.close()
            if self._requests is requests:  # nothing more is asked on it
                self._requests = None
                self.connected.clear()
            if not lost.done():  # it is, when the link was cancelled
                lost.set_result(reason)

        requests = StreamRequests(
            views.serve, self._notice, on_lost, _fault, answers=SendLane.VIEWS
        )
        context = client_context(self._authority, self._own, [ALPN])
        await connect(gateway, context, requests, seconds)
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                answer = await self._greet(requests)
        except TimeoutError:
            requests.stream.close("no answer to the hello")
            raise Unavailable(f"{join_host_port(*gateway)} does not answer the hello") from None
        except BaseException:
            requests.stream.close("the hello has failed")
            raise
        match answer:
            case SupersededNode():
                text = f"Another machine has the name of this node: {answer.address}"
                return LinkEnded(LinkEnd.SUPERSEDED, text)
            case UnknownNode():
                text = "The installation has forgotten this node, or it has joined again"
                return LinkEnded(LinkEnd.UNKNOWN, text)
            case OutdatedNode():
                text = f"The release {self._release} of this node does not fit {answer.release}"
                return LinkEnded(LinkEnd.OUTDATED, f"{text} of the gateway")
        self._requests, self._gateway = requests, gateway
        self.epoch, self.problem, self._noted = answer.epoch, "", None
        self.connections += 1
        self.connected.set()
        self._news.set()
        log.info("link_connected", gateway=gateway[0], node=answer.node, epoch=answer.epoch)
        self._on_connected()
        return None

    async def _greet(self, requests: StreamRequests) -> HelloAnswer:
        """Say hello. While the state cannot be reached there is no welcome; whether that is so for
        all is asked meanwhile.
        """
        hello = Hello(PROTOCOLS, self._release, self._runner_id, self.epoch)
        asked = asyncio.create_task(ask(requests, hello, SendLane.CONTROL))
        try:
            done, _ = await asyncio.wait({asked}, timeout=PATIENCE_SECONDS)
            if not done or isinstance(asked.exception(), Unavailable):
                with suppress(FykeError):
                    state = await ask(requests, CheckContact(), SendLane.URGENT)
                    self._noted = state, time.monotonic()
                    self._news.set()
            return await asked
        finally:
            asked.cancel()

    async def _stay(self, lost: asyncio.Future[str]) -> None:
        """Renew the certificate when it is due, until the connection ends. A machine that was
        suspended has to connect again, so it is due at once if it is old by then.
        """
        if self._seconds_left() < LEFT_SECONDS:
            self._renew_at = 0.0
        renewing = asyncio.create_task(self._renew_regularly())
        try:
            reason = await lost
        finally:
            renewing.cancel()
            requests, self._requests = self._requests, None
            self.connected.clear()
            if requests is not None:
                requests.stream.close("the node stops")
            with suppress(asyncio.CancelledError):
                await renewing
        self._note(f"The connection to the gateway has ended: {reason}")

    def _hint(self) -> str:
        """A gateway closes the connection of a node with an expired certificate without a word."""
        if self._seconds_left() >= 0:
            return ""
        return ". The node's certificate has expired by the clock of this machine: join again"

    def _seconds_left(self) -> float:
        """How long the certificate is valid by the clock of this machine."""
        return expiry_of(self._own.certificate) - time.time()

    def _note(self, problem: str) -> None:
        if problem != self.problem:
            log.warning("link_without_connection", problem=problem)
        self.problem = problem

    async def _renew_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._renew_at - time.monotonic())
            try:
                await self._renew()
                self._renew_at = time.monotonic() + RENEW_SECONDS
            except Exception as error:  # such as a full disk, where the caller keeps it
                log.warning("certificate_not_renewed", error=repr(error))
                self._renew_at = time.monotonic() + RENEW_AGAIN_SECONDS

    async def _renew(self) -> None:
        request = await request_elsewhere()
        certificate = await self.ask(RenewCertificate(request.certificate))
        self._own = CertifiedKey(certificate, request.key)
        self._on_certificate(self._own)

    def _notice(self, body: bytes) -> None:
        try:
            notice = decode_notice(body)
        except BadNodeMessage:
            log.info("notice_ignored")  # of a later release
            return
        self._on_notice(notice)


async def ask(requests: StreamRequests, request: NodeRequest[A], lane: SendLane) -> A:
    """Send a request and return its answer. Raise ``OutcomeUnknown`` when the connection ends
    before, and the error of the gateway.
    """
    try:
        return decode_answer(request, await requests.ask(encode(request), lane))
    except RequestFailed as failed:
        raise decode_error(failed.body) from None
    except StreamLost as lost:
        raise OutcomeUnknown(f"The connection to the gateway has ended: {lost}") from lost
    except BadNodeMessage as error:
        raise FykeError(f"The gateway has sent an answer of another kind: {error}") from error


def _fault(_error: Exception) -> bytes:
    return encode_error(Unavailable("The node failed"))
