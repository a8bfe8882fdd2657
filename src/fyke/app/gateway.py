"""The gateway role: the only way from nodes to the installation."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import structlog

from fyke import __version__
from fyke.app.folder import master_secret
from fyke.app.heartbeat import Heartbeat
from fyke.app.serving import until_stopped
from fyke.app.state import open_state
from fyke.contracts.node import NodeGateway
from fyke.contracts.state import Storage
from fyke.domain.nodes.authority import NodeAuthority, certify_gateway
from fyke.domain.nodes.joining import NodeJoining
from fyke.domain.nodes.presence import NodePresence
from fyke.domain.nodes.tokens import NO_POSTGRES
from fyke.errors import Refused, Unavailable
from fyke.gateway.join_session import JoinSessions
from fyke.gateway.listener import TlsListener
from fyke.gateway.node_session import NodeSessions
from fyke.kit.clock import SystemClock
from fyke.kit.ids import new_ulid
from fyke.kit.sealing import Sealer
from fyke.kit.tls import server_context
from fyke.model.node_registry import Node
from fyke.settings import Settings
from fyke.wire import node_join, nodes

BACKLOG = 1024

log = structlog.get_logger()


async def serve_gateway(settings: Settings, heartbeat: Heartbeat) -> None:
    """Serve nodes until SIGTERM. Raise ``Refused`` with SQLite, and ``Unavailable``."""
    if not settings.database_url:
        raise Refused(NO_POSTGRES)
    async with open_state(settings) as storage:
        heartbeat.watch_stores([storage.path()])
        await until_stopped(_serve(settings, storage))


async def _serve(settings: Settings, storage: Storage) -> None:
    async with listening(settings, storage) as (host, port):
        log.info("gateway_listens", host=host, port=port)
        await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def listening(settings: Settings, storage: Storage) -> AsyncIterator[tuple[str, int]]:
    """Accept nodes, and machines that join, while the context is open; yield the address."""
    clock = SystemClock()
    authority = NodeAuthority(storage, Sealer(master_secret(settings)), clock)
    known = await authority.ensure()
    joins = JoinSessions(NodeJoining(storage, authority, clock), known.certificate)
    presence = NodePresence(storage, authority, clock, new_ulid())
    sessions = NodeSessions(presence, __version__, open_gateway, clock)
    accept = {node_join.ALPN: joins.accept, nodes.ALPN: sessions.accept}
    own = certify_gateway(known, clock.now_ms() / 1000)
    sock = _listen(settings)
    address: tuple[str, int] = sock.getsockname()[:2]
    listener = TlsListener(sock, server_context(known.certificate, own, [*accept]), accept)
    listener.start()
    try:
        yield address
    finally:
        listener.close()
        joins.close()
        sessions.close()
        await asyncio.sleep(0)  # the listener closes its socket


def open_gateway(node: Node) -> NodeGateway:
    """The operations of a node, for its current runner."""
    raise Unavailable(f"This release runs nothing on nodes yet, so {node.name} has to wait")


def _listen(settings: Settings) -> socket.socket:
    """Raise ``Unavailable``, with the setting to change."""
    host, port = settings.gateway_host, settings.gateway_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server(
            (host, port), family=family, backlog=BACKLOG, dualstack_ipv6=host == "::"
        )
    except OSError as error:
        reason = error.strerror or error
        raise Unavailable(
            f"The gateway cannot listen on {host}, port {port}: {reason}; set gateway_host or "
            "gateway_port to another value, or end the program that uses the port"
        ) from error
    sock.setblocking(False)
    return sock
