"""Serves machines that join. They are strangers: few at a time, for a short time, and with small
messages.
"""

from __future__ import annotations

import asyncio

import structlog

from fyke.domain.nodes.joining import JoinRequest, NodeJoining
from fyke.errors import FykeError, InvalidRequest, Unavailable
from fyke.gateway.listener import Peer
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
SESSION_SECONDS = 20.0

log = structlog.get_logger()


class JoinSessions:
    """``authority`` is its certificate in PEM, ``gateways`` the addresses that nodes are given."""

    def __init__(
        self, joining: NodeJoining, authority: str, gateways: tuple[str, ...] = ()
    ) -> None:
        self._joining = joining
        self._authority = authority
        self._gateways = gateways
        self._open: set[StreamRequests] = set()

    def accept(self, peer: Peer) -> asyncio.Protocol | None:
        """The protocol of a new connection; None while there are too many."""
        if len(self._open) >= MAX_SESSIONS:
            return None

        async def serve(body: bytes) -> bytes:
            return await self._serve(body, peer)

        def lost(_reason: str) -> None:
            timer.cancel()
            self._open.discard(requests)

        requests = StreamRequests(serve, lambda _: None, lost, _fault, most=MAX_MESSAGE)
        loop = asyncio.get_running_loop()
        timer = loop.call_later(SESSION_SECONDS, requests.stream.close, "joining took too long")
        self._open.add(requests)
        return requests.stream

    def close(self) -> None:
        """End all connections."""
        for requests in list(self._open):
            requests.stream.close("the gateway stops")

    async def _serve(self, body: bytes, peer: Peer) -> bytes:
        try:
            request = decode_request(body)
            if isinstance(request, ShowAuthority):
                return encode(AuthorityShown(self._authority))
            asked = JoinRequest(
                request.token,
                request.name,
                request.pool,
                request.labels,
                request.certificate_request,
            )
            joined = await self._joining.join(asked, peer.address)
        except BadNodeMessage:
            error: FykeError = InvalidRequest("The message is not one of this protocol")
            raise RequestFailed(encode_error(error)) from None
        except FykeError as refusal:
            log.warning("join_refused", address=peer.address, error=refusal.message)
            raise RequestFailed(encode_error(refusal)) from refusal
        node = joined.node
        log.info("node_joined", node=node.name, pool=node.pool, address=peer.address)
        return encode(
            NodeJoined(node.name, node.pool, dict(node.labels), joined.certificate, self._gateways)
        )


def _fault(error: Exception) -> bytes:
    log.error("join_failed", exc_info=error)
    return encode_error(Unavailable("The gateway failed"))
