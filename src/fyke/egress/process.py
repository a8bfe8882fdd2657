"""The egress role: a process that only moves and counts the attempts' bytes.

It is separate from the runner so that a fast download does not delay the acknowledgement of a row.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from fyke.egress.control import ControlSession
from fyke.egress.limits import ProxyLimits
from fyke.egress.proxy import Proxy
from fyke.egress.throttle import ThrottleRules
from fyke.kit.addresses import AddressRules
from fyke.kit.descriptors import raise_limit
from fyke.kit.requests import ClosableSession, serve_clients
from fyke.kit.resolver import Resolver


async def serve_egress(
    socket_path: Path,
    rules: AddressRules,
    upstreams: Mapping[str, str],
    *,
    resolver: Resolver | None = None,
    limits: ProxyLimits | None = None,
    throttle: ThrottleRules | None = None,
    ready: asyncio.Event | None = None,
) -> None:
    """Serve runners at ``socket_path`` until cancelled; ``ready`` is set once it listens.

    ``upstreams`` maps regions to proxy URLs. Without ``throttle`` sites are not throttled.
    Raise ``ValueError`` when a URL is malformed, ``OSError`` when another process serves the path.
    """
    os.environ.setdefault("RES_OPTIONS", "timeout:2 attempts:2")  # a dead name server blocks less
    raise_limit()  # every connection needs two descriptors
    proxy = Proxy(rules, upstreams, resolver=resolver, limits=limits, throttle=throttle)
    sessions: set[ClosableSession] = set()
    try:
        await serve_clients(
            socket_path, lambda sock: ControlSession(sock, proxy, sessions.discard), sessions, ready
        )
    finally:
        await proxy.stop()
