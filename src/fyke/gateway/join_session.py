"""Serves machines that join. They are strangers: few at a time, for a short time, and with one
small request on a connection.
"""

from __future__ import annotations

import asyncio

import structlog

from fyke.domain.nodes.joining import JoinRequest, NodeJoining
from fyke.errors import FykeError, InvalidRequest, Unavailable
from fyke.gateway.listener import Peer, network_of
from fyke.kit.stream_requests import RequestFailed, StreamRequests
from fyke.wire.node_join import (
    MAX_MESSAGE,
    AuthorityShown,
    NodeJoined,
    ShowAuthority,
    decode_request,
)
from fyke.wire.nodes import BadNodeMessage, encode, encode_error

MAX_SESSIONS = 64
MAX_OF_ADDRESS = 16  # of them
SESSION_SECONDS = 20.0

log = structlog.get_logger()


class JoinSessions:
    """``authority`` is its certificate in PEM."""

    def __init__(self, joining: NodeJoining, authority: str) -> None:
        self.joining = joining
        self.authority = authority
        self._open: set[JoinSession] = set()

    def accept(self, peer: Peer) -> asyncio.Protocol | None:
        """The protocol of a new connection; None while there are too many, or of its address."""
        network = network_of(peer.address)
        same = sum(session.network == network for session in self._open)
        if len(self._open) >= MAX_SESSIONS or same >= MAX_OF_ADDRESS:
            log.warning("too_many_join", address=peer.address)
            return None
        session = JoinSession(self, peer, network)
        self._open.add(session)
        return session.requests.stream

    def ended(self, session: JoinSession) -> None:
        """Nothing more happens in this session."""
        self._open.discard(session)

    def close(self) -> None:
        """End all connections."""
        for session in list(self._open):
            session.requests.stream.close("the gateway stops")


class JoinSession:
    """One connection, with one request. It counts until that is answered: its transaction goes on
    when the machine has closed the connection.
    """

    def __init__(self, sessions: JoinSessions, peer: Peer, network: str) -> None:
        self.network = network
        self._sessions = sessions
        self._peer = peer
        self._was_asked = self._is_serving = self._is_lost = False
        self.requests = StreamRequests(
            self._serve, lambda _: None, self._lost, _fault, most=MAX_MESSAGE
        )
        loop = asyncio.get_running_loop()
        close = self.requests.stream.close
        self._timer = loop.call_later(SESSION_SECONDS, close, "joining took too long")

    async def _serve(self, body: bytes) -> bytes:
        if self._was_asked:
            self.requests.stream.close("a machine that joins sends one request")
            raise RequestFailed(b"")
        self._was_asked = self._is_serving = True
        try:
            return await self._answer(body)
        finally:
            self._is_serving = False
            # after the answer, which is sent in this step of the event loop
            finish = self.requests.stream.finish
            asyncio.get_running_loop().call_soon(finish, "it was answered")
            self._end_if_done()

    def _lost(self, _reason: str) -> None:
        self._timer.cancel()
        self._is_lost = True
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._is_lost and not self._is_serving:
            self._sessions.ended(self)

    async def _answer(self, body: bytes) -> bytes:
        address = self._peer.address
        try:
            request = decode_request(body)
            if isinstance(request, ShowAuthority):
                return encode(AuthorityShown(self._sessions.authority))
            asked = JoinRequest(
                request.token,
                request.name,
                request.pool,
                request.labels,
                request.certificate_request,
                request.replace,
            )
            joined = await self._sessions.joining.join(asked, address)
        except BadNodeMessage:
            error: FykeError = InvalidRequest("The message is not one of this protocol")
            raise RequestFailed(encode_error(error)) from None
        except FykeError as refusal:
            log.warning("join_refused", address=address, error=refusal.message)
            raise RequestFailed(encode_error(refusal)) from refusal
        node = joined.node
        log.info("node_joined", node=node.name, pool=node.pool, address=address)
        return encode(NodeJoined(node.name, node.pool, dict(node.labels), joined.certificate))


def _fault(error: Exception) -> bytes:
    log.error("join_failed", exc_info=error)
    return encode_error(Unavailable("The gateway failed"))
