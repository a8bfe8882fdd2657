"""A gateway in the process of a test, on a port of loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from fyke.contracts.state import Storage
from fyke.domain.nodes.authority import NodeAuthority, certify_gateway
from fyke.domain.nodes.joining import NodeJoining
from fyke.domain.nodes.tokens import NodeTokens, TokenRequest
from fyke.gateway.join_session import JoinSessions
from fyke.gateway.listener import Accept, TlsListener
from fyke.kit.certificates import CertifiedKey
from fyke.kit.clock import SystemClock
from fyke.kit.sealing import Sealer
from fyke.kit.tls import server_context
from fyke.wire import node_join
from support.app import App


@dataclass
class Gateway:
    """``more`` are functions for other protocols."""

    storage: Storage
    tokens: NodeTokens
    authority: CertifiedKey
    sessions: JoinSessions
    address: tuple[str, int] = ("", 0)
    peers: list[Any] = field(default_factory=list)


@asynccontextmanager
async def listening(
    authority: str, own: CertifiedKey, accept: Mapping[str, Accept]
) -> AsyncIterator[tuple[str, int]]:
    """Serve the protocols on a free port; yield the address."""
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    listener = TlsListener(sock, server_context(authority, own, [*accept]), accept)
    listener.start()
    try:
        yield sock.getsockname()
    finally:
        listener.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def open_gateway(
    storage: Storage, more: Mapping[str, Accept] | None = None
) -> AsyncIterator[Gateway]:
    """A gateway over this state."""
    clock = SystemClock()
    authority = NodeAuthority(storage, Sealer(b"master"), clock)
    known = await authority.ensure()
    joining = NodeJoining(storage, authority, clock)
    sessions = JoinSessions(joining, known.certificate)
    gateway = Gateway(storage, NodeTokens(storage, authority), known, sessions)
    accept = {node_join.ALPN: sessions.accept, **(more or {})}
    own = certify_gateway(known, clock.now_ms() / 1000)
    async with listening(known.certificate, own, accept) as gateway.address:
        try:
            yield gateway
        finally:
            sessions.close()


async def a_token(app: App, gateway: Gateway, **options: Any) -> str:
    """The text of a new token, made by the owner."""
    caller = replace(app.owner, local=True)
    return (await gateway.tokens.create(caller, TokenRequest(**options))).text
