"""Unary gRPC over cleartext HTTP/2 on a listening socket made by the caller.

The socket comes out of an attempt's network namespace and is the attempt's identity; ``serve``
answers on it. Why not a gRPC library: none of them adopts a listening socket, and this costs a
quarter of the time per call.
"""

from __future__ import annotations

import asyncio
import socket

from fyke.sdk.connection import SdkConnection
from fyke.sdk.server import Handler, SdkServer

__all__ = ["Handler", "SdkServer", "serve"]


async def serve(listener: socket.socket, handler: Handler) -> SdkServer:
    """Answer on the socket until ``close``. The handler gets the path and the message of every
    call and returns the reply, or raises one of ``fyke.sdk.status``.
    """
    listener.setblocking(False)
    server = SdkServer(asyncio.get_running_loop(), handler)
    await server.listen(listener, SdkConnection)
    return server
