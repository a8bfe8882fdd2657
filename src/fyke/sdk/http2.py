"""Unary gRPC over cleartext HTTP/2 on a listening socket created by the caller.

The socket is in an attempt's network namespace, which identifies the attempt. No gRPC library is
used, because none accepts an existing listening socket, and this takes a quarter of the time per
call.
"""

from __future__ import annotations

import asyncio
import socket

from fyke.sdk.connection import SdkConnection
from fyke.sdk.server import Handler, SdkServer

__all__ = ["Handler", "SdkServer", "serve"]


async def serve(listener: socket.socket, handler: Handler) -> SdkServer:
    """Serve the socket until ``close``. The handler gets the path and the message of every call and
    returns the reply, or raises an error of ``fyke.sdk.status``.
    """
    listener.setblocking(False)
    server = SdkServer(asyncio.get_running_loop(), handler)
    await server.listen(listener, SdkConnection)
    return server
