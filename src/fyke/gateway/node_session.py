"""Serves nodes, each on one connection, known by its certificate.

The first request is ``Hello``. A node that connects again replaces its own earlier connection,
which may be half dead.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Collection, Hashable

import structlog

from fyke.contracts.browser_view import BrowserViews, ViewRefusal, ViewRefused
from fyke.contracts.node import ServedNode
from fyke.domain.nodes.authority import NodeIdentity, identity_of
from fyke.domain.nodes.presence import NodeGreeting, NodePresence, SupersededBy
from fyke.errors import Forbidden, FykeError, InvalidRequest, Unavailable
from fyke.gateway.bounds import ImpossibleRequest
from fyke.gateway.contact import FindContact, SharedContact, in_doubt
from fyke.gateway.file_urls import NodeFileAccess
from fyke.gateway.listener import Peer
from fyke.gateway.node_output import NodeOutputs, TooMuchOutput
from fyke.gateway.node_signals import NodeSignals
from fyke.gateway.operations import CHECKED, NodeOperations
from fyke.kit.certificates import BadCertificate, expiry_of
from fyke.kit.clock import Clock
from fyke.kit.stream_frames import MAX_MESSAGE
from fyke.kit.stream_requests import RequestFailed, StreamRequests
from fyke.model.node import AttemptOrder
from fyke.model.node_registry import Node
from fyke.relay.asking import RemoteViews, ViewStream
from fyke.wire.node_views import MAX_ANSWER
from fyke.wire.nodes import (
    PROTOCOLS,
    AnyRequest,
    BadNodeMessage,
    CheckContact,
    CheckNode,
    CloseRows,
    CommitRows,
    CountRows,
    Hello,
    HelloAnswer,
    KnownNode,
    LeaseAttempts,
    LeaveNode,
    NodeNotice,
    OutdatedNode,
    RegisterNode,
    RenewCertificate,
    ShareSites,
    SupersededNode,
    UnknownNode,
    Welcome,
    decode_request,
    encode,
    encode_error,
)

HELLO_SECONDS = 10.0
HELLO_BYTES = 64 * 1024  # of a message before the welcome
REGISTER_BYTES = 256 * 1024  # of a request to register
REQUEST_BYTES = 8 * 2**20  # of any other request that is not rows; a node sends no more
MAX_IMPOSSIBLE = 5  # requests that no runner makes, on one connection
VIEW_SECONDS = 3.0  # for which an answer of a node about a live view may be late
EXPIRED = "the certificate of the node has expired"
# before each request it is checked that the node still has its name; before these only when the
# latest check is as old as this
ROWS_SECONDS = 1.0
_ROWS = (CommitRows, CountRows, CloseRows, ShareSites)

log = structlog.get_logger()


class NodeSessions:
    """The connections of all nodes to this gateway. ``release`` is that of the gateway;
    ``open_gateway`` gives the operations of a node, for its current runner, and ``open_files`` its
    files, which are not served without it. ``signals`` are passed on to them. ``find_contact``
    finds out whether this process reaches the state, as ``NodeGateway.contact`` does for a runner
    of its machine.
    """

    def __init__(
        self,
        presence: NodePresence,
        release: str,
        open_gateway: Callable[[Node], ServedNode],
        clock: Clock,
        signals: NodeSignals,
        *,
        open_files: Callable[[Node], NodeFileAccess] | None = None,
        find_contact: FindContact = in_doubt,
    ) -> None:
        self.presence = presence
        self.release = release
        self.open_gateway = open_gateway
        self.open_files = open_files
        self.contact = SharedContact(find_contact)
        self.clock = clock
        self.signals = signals
        self._open: set[NodeSession] = set()
        self._current: dict[str, NodeSession] = {}  # by name of the node
        self._unknown: dict[NodeIdentity, NodeSession] = {}  # those without a welcome
        self.outputs = NodeOutputs(clock)
        self._checks: dict[NodeIdentity, asyncio.Task[KnownNode | UnknownNode]] = {}

    def accept(self, peer: Peer) -> asyncio.Protocol | None:
        """The protocol of a new connection; None for one without the certificate of a node, and
        while a hello with the same certificate is being answered.
        """
        certificate = peer.certificate or b""
        try:
            identity = identity_of(certificate)
        except BadCertificate:
            identity = None
        if identity is None:
            log.warning("stranger_refused", address=peer.address)
            return None
        earlier = self._unknown.get(identity)
        if earlier is not None and earlier.is_greeting:
            log.warning("node_refused", node=identity.name, reason="its hello is being answered")
            return None
        session = NodeSession(self, identity, peer.address)
        self._unknown[identity] = session
        if earlier is not None:
            earlier.requests.stream.close("the node has connected again")
        session.end_at_expiry(ssl.DER_cert_to_PEM_cert(certificate))
        self._open.add(session)
        return session.requests.stream

    def views_of(self, node: str, attempt_id: str) -> BrowserViews:
        """The live views of a node for an attempt of which it has the lease. Raise ``ViewRefused``
        when it is not connected here, or has not.
        """
        session = self._current.get(node)
        if session is None:
            raise ViewRefused(ViewRefusal.AWAY)
        if not session.holds(attempt_id):
            raise ViewRefused(ViewRefusal.ELSEWHERE)
        return session.views

    async def check(self, identity: NodeIdentity) -> KnownNode | UnknownNode:
        """Whether the node is known. A certificate has one check at a time, however many
        connections ask.
        """
        task = self._checks.get(identity)
        if task is None:
            task = self._checks[identity] = asyncio.create_task(self._check(identity))
            task.add_done_callback(lambda _: self._checks.pop(identity))
        return await asyncio.shield(task)

    async def _check(self, identity: NodeIdentity) -> KnownNode | UnknownNode:
        try:
            node = await self.presence.find(identity)
        except Forbidden:
            return UnknownNode()
        return KnownNode(node.address, node.seen_at)

    def known(self, session: NodeSession) -> None:
        """The node of this session is welcome, or its connection has ended."""
        if self._unknown.get(session.identity) is session:
            del self._unknown[session.identity]

    def greeted(self, session: NodeSession, node: Node) -> NodeSession | None:
        """The node of this session is known; an earlier one of its name ends. Return the one with
        a later runner, if there is one: then nothing is changed.
        """
        other = self._current.get(node.name)
        if other is not None and other.epoch > node.epoch:
            return other
        self._current[node.name] = session
        self.outputs.keep(session.identity)
        if other is not None:
            other.requests.stream.close("the node has connected again")
        return None

    def lost(self, session: NodeSession) -> None:
        """The connection has ended."""
        self._open.discard(session)
        self.signals.remove(session)
        if not session.is_greeting:
            self.known(session)
        current = self._current.get(session.identity.name)
        if current is session:
            del self._current[session.identity.name]
        if current is session or current is None or current.identity != session.identity:
            self.outputs.left(session.identity)

    def close(self) -> None:
        """End all connections."""
        self.signals.close()
        for session in list(self._open):
            session.requests.stream.close("the gateway stops")


class NodeSession:
    """One connection of one node."""

    def __init__(self, sessions: NodeSessions, identity: NodeIdentity, address: str) -> None:
        self._sessions = sessions
        self.identity = identity
        self.address = address
        self._node: Node | None = None
        self._operations: NodeOperations | None = None
        self._has_greeted = self._has_ended = self._is_ending = False
        self._impossible = 0  # requests that no runner makes
        self.is_greeting = False  # also after the end of the connection
        self._log = log.bind(node=identity.name, address=address)
        self._expiry: asyncio.TimerHandle | None = None
        self._expires_at = 0.0  # in seconds since the epoch
        self._checked_at = 0.0  # by the clock of the event loop
        self.requests = StreamRequests(
            self._serve,
            self._on_notice,
            self._lost,
            self._fault,
            most=HELLO_BYTES,
            most_answer=MAX_ANSWER,
        )
        self._view_stream = ViewStream(self.requests, VIEW_SECONDS)
        self.views = RemoteViews(self._views_connection, identity.name)
        self._timer = asyncio.get_running_loop().call_later(
            HELLO_SECONDS, self.requests.stream.close, "no hello in time"
        )

    @property
    def epoch(self) -> int:
        """That of the runner; 0 before the hello."""
        return self._node.epoch if self._node is not None else 0

    def end_at_expiry(self, certificate: str) -> None:
        """End the connection when this certificate of the node expires."""
        if self._expiry is not None:
            self._expiry.cancel()
        self._expires_at = expiry_of(certificate)
        seconds = self._expires_at - self._sessions.clock.now_ms() / 1000
        self._expiry = asyncio.get_running_loop().call_later(
            seconds, self.requests.stream.close, EXPIRED
        )

    async def _serve(self, body: bytes) -> bytes:
        if self._is_ending:
            raise RequestFailed(encode_error(Forbidden("The connection is being closed")))
        try:
            return await self._answer(body)
        except BadNodeMessage as error:
            self._note_impossible(str(error))
            wrong = InvalidRequest("The message is not one of this protocol")
            raise RequestFailed(encode_error(wrong)) from error
        except FykeError as error:
            if isinstance(error, ImpossibleRequest):
                self._note_impossible(error.message, is_last=isinstance(error, TooMuchOutput))
            raise RequestFailed(encode_error(error)) from error

    def _note_impossible(self, problem: str, *, is_last: bool = False) -> None:
        """Note a request that no runner makes. After a few of them the connection ends: to read
        large ones keeps all other nodes waiting.
        """
        self._impossible += 1
        self._log.warning("bad_message_of_node", error=problem)
        if is_last or self._impossible >= MAX_IMPOSSIBLE:
            self._end_soon("it does not keep the limits of a node")

    async def _answer(self, body: bytes) -> bytes:
        request = decode_request(body)
        # the timer does not count what this machine has slept, or its clock was wrong
        if self._sessions.clock.now_ms() / 1000 >= self._expires_at:
            self._end_soon(EXPIRED)
            raise Forbidden(EXPIRED.capitalize())
        if isinstance(request, Hello):
            return encode(await self._hello(request))
        if isinstance(request, CheckContact):
            return encode(await self._sessions.contact.state())
        if isinstance(request, CheckNode):
            return encode(await self._sessions.check(self.identity))
        if self._operations is None or self._node is None:
            raise Forbidden("The first request is a hello")
        _check_size(request, len(body))
        if isinstance(request, CHECKED):
            return await self._serve_checked(self._operations, request)
        await self._check(self._node, request)
        if isinstance(request, RenewCertificate):
            return await self._renew(request)
        answer = await self._operations.serve(request)
        if isinstance(request, RegisterNode):
            self._sessions.signals.registered(self)
        if isinstance(request, LeaveNode) and request.forget:
            self._sessions.outputs.drop(self.identity)
        return encode(answer)

    async def _serve_checked(self, operations: NodeOperations, request: AnyRequest) -> bytes:
        """The answer to a request that checks the node itself."""
        now = asyncio.get_running_loop().time()
        try:
            if isinstance(request, LeaseAttempts):
                answer = await self._lease(operations, request)
            else:
                answer = await operations.serve(request)
        except Forbidden as refusal:
            self._end_soon(refusal.message)
            raise
        self._checked_at = now
        return encode(answer)

    async def _lease(
        self, operations: NodeOperations, request: LeaseAttempts
    ) -> list[AttemptOrder]:
        found = none_left = is_last = False
        self._sessions.signals.leasing(self)
        try:
            orders: list[AttemptOrder] = await operations.serve(request)
            found, none_left = bool(orders), operations.none_left
            is_last = found and orders[-1].is_last
            return orders
        finally:
            self._sessions.signals.leased(
                self,
                found=found,
                none_left=none_left,
                is_last=is_last,
                is_idle=request.idle,
            )

    async def _check(self, node: Node, request: AnyRequest) -> None:
        """Raise ``Forbidden``, and end the connection, when another one has the node's name."""
        now = asyncio.get_running_loop().time()
        if isinstance(request, _ROWS) and now - self._checked_at < ROWS_SECONDS:
            return
        try:
            if isinstance(request, RegisterNode):
                await self._sessions.presence.note_seen(node)
            else:
                await self._sessions.presence.check(node)
        except Forbidden as refusal:
            self._end_soon(refusal.message)
            raise
        self._checked_at = now

    async def _hello(self, hello: Hello) -> HelloAnswer:
        if self._has_greeted:
            raise Forbidden("A connection has one hello")
        self._has_greeted = self.is_greeting = True
        try:
            return await self._greet(hello)
        finally:
            self.is_greeting = False
            if self._has_ended or self._node is not None:
                self._sessions.known(self)

    async def _greet(self, hello: Hello) -> HelloAnswer:
        protocol = min(hello.protocols[1], PROTOCOLS[1])
        if protocol < max(hello.protocols[0], PROTOCOLS[0]):
            self._end_soon("the node is of another release")
            return OutdatedNode(self._sessions.release, PROTOCOLS)
        greeting = NodeGreeting(hello.runner_id, hello.epoch, hello.release, self.address)
        try:
            node = await self._sessions.presence.greet(self.identity, greeting)
        except Forbidden:
            self._sessions.outputs.drop(self.identity)
            self._end_soon("the node is not known")
            return UnknownNode()
        if isinstance(node, SupersededBy):
            self._end_soon("another machine has the name of the node")
            return SupersededNode(node.address, node.seen_at)
        if self._has_ended:
            raise Unavailable("The connection has ended")
        gateway = self._sessions.open_gateway(node)
        open_files = self._sessions.open_files
        files = open_files(node) if open_files is not None else None
        output = self._sessions.outputs.of(self.identity)
        check, clock = self._sessions.presence.check, self._sessions.clock
        operations = NodeOperations(gateway, clock, files, output, lambda: check(node))
        await operations.load()
        if self._has_ended:  # what is started now would not be stopped
            raise Unavailable("The connection has ended")
        self._timer.cancel()
        if later := self._sessions.greeted(self, node):
            self._end_soon("another machine has the name of the node")
            return SupersededNode(later.address, node.seen_at)
        self._node, self._operations = node, operations
        self.requests.stream.accept(MAX_MESSAGE)
        self._sessions.signals.add(self)
        self._log.info("node_connected", epoch=node.epoch, release=node.release)
        return Welcome(protocol, node.name, node.epoch)

    async def _renew(self, request: RenewCertificate) -> bytes:
        certificate = await self._sessions.presence.renew(self.identity, request.request)
        if not self._has_ended:
            self.end_at_expiry(certificate)
        return encode(certificate)

    def _end_soon(self, reason: str) -> None:
        """End the connection after the answer, which is sent in this step of the event loop."""
        self._log.warning("node_refused", reason=reason)
        self._is_ending = True
        asyncio.get_running_loop().call_soon(self.requests.stream.finish, reason)

    def _on_notice(self, _body: bytes) -> None:
        """Nodes send none; those of a later release are ignored."""

    # --- what is sent to it -------------------------------------------------------------------

    def holds(self, attempt_id: str) -> bool:
        """Whether the node has the lease of an attempt."""
        return self._operations is not None and self._operations.holds(attempt_id)

    async def _views_connection(self) -> ViewStream:
        return self._view_stream

    @property
    def runner_id(self) -> str:
        """That of the greeted runner."""
        return self._node.runner_id if self._node is not None else ""

    @property
    def kind(self) -> Hashable:
        """What decides which attempts the node may run, beside its free room."""
        node, operations = self._node, self._operations
        if node is None or operations is None or (info := operations.info) is None:
            return self.identity  # like no other as long as it has not registered
        placed = node.pool, tuple(sorted(node.labels.items()))
        size = info.cpus, info.memory_mb
        browser = info.has_browser, info.browser_programs, info.browser_display
        return (*placed, *size, *browser, info.isolation, info.unsafe)

    @property
    def environments(self) -> Collection[str]:
        """The names of those that it has."""
        info = self._operations.info if self._operations is not None else None
        return info.environments if info is not None else ()

    def notify(self, notice: NodeNotice) -> None:
        """Send a notice."""
        self.requests.notify(encode(notice))

    def _lost(self, reason: str) -> None:
        self._has_ended = True
        self._timer.cancel()
        if self._expiry is not None:
            self._expiry.cancel()
        self._sessions.lost(self)
        if self._node is not None:
            self._log.info("node_disconnected", reason=reason)

    def _fault(self, error: Exception) -> bytes:
        self._log.error("request_of_node_failed", exc_info=error)
        return encode_error(Unavailable("The gateway failed"))


def _check_size(request: AnyRequest, size: int) -> None:
    if isinstance(request, RegisterNode) and size > REGISTER_BYTES:
        raise ImpossibleRequest("The node says too much of itself")
    if size > REQUEST_BYTES and not isinstance(request, CommitRows):
        raise ImpossibleRequest("The request is too large")
