"""The health check of the egress process: it must answer with the state of its proxies."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from fyke.egress.messages import CheckProxies, ProxiesChecked, ProxyChecked, decode_reply, encode
from fyke.kit.channel import MAX_MESSAGE, connect

SECONDS = 3.0


async def check_live(path: Path) -> tuple[ProxyChecked, ...]:
    """Return the state of the regions' proxies in the process at this socket.

    Raise ``OSError`` (``TimeoutError`` included) or ``PeerRefused`` when it does not answer.
    """
    sock = connect(path)
    try:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(SECONDS):
            await loop.sock_sendall(sock, encode(CheckProxies(1)))
            reply = decode_reply(await loop.sock_recv(sock, MAX_MESSAGE))
    except msgspec.MsgspecError as error:
        raise ConnectionError("the egress process sent a malformed answer") from error
    finally:
        sock.close()
    return reply.proxies if isinstance(reply, ProxiesChecked) else ()
