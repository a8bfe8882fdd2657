"""Connections of the installation's servers to this gateway, for live views of its nodes."""

from __future__ import annotations

import structlog

from fyke.domain.nodes.authority import is_server
from fyke.errors import Unavailable
from fyke.gateway.listener import Peer
from fyke.kit.certificates import BadCertificate
from fyke.kit.stream import MessageStream
from fyke.kit.stream_frames import SendLane
from fyke.kit.stream_requests import StreamRequests
from fyke.relay.serving import FindViews, ServedViews
from fyke.wire.node_views import MAX_REQUEST
from fyke.wire.nodes import encode_error

log = structlog.get_logger()


class ViewerSessions:
    """``find`` is that of ``NodeSessions``."""

    def __init__(self, find: FindViews) -> None:
        self._find = find
        self._open: set[MessageStream] = set()

    def accept(self, peer: Peer) -> MessageStream | None:
        """The protocol of a new connection; None for one without the certificate of a server."""
        try:
            is_ours = is_server(peer.certificate or b"")
        except BadCertificate:
            is_ours = False
        if not is_ours:
            log.warning("viewer_refused", address=peer.address)
            return None
        views = ServedViews(self._find)

        def lost(_reason: str) -> None:
            self._open.discard(requests.stream)
            views.close()

        requests = StreamRequests(
            views.serve, _ignore, lost, _fault, most=MAX_REQUEST, answers=SendLane.VIEWS
        )
        self._open.add(requests.stream)
        return requests.stream

    def close(self) -> None:
        """End all connections, and their views."""
        for stream in list(self._open):
            stream.close("the gateway stops")


def _ignore(_notice: bytes) -> None:
    """Servers send no notices."""


def _fault(error: Exception) -> bytes:
    log.error("request_for_a_view_failed", exc_info=error)
    return encode_error(Unavailable("The gateway failed"))
