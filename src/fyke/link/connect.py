"""Connections of a node to a gateway."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl

from fyke.errors import Unavailable
from fyke.kit.hostports import join_host_port
from fyke.kit.stream_requests import StreamRequests
from fyke.model.node import GATEWAY_HOST

CONNECT_SECONDS = 10.0
_NO_GATEWAY = "answers, but is no gateway (the port of the console?)"
_ADDRESS = "use the address that fyke node token prints"


async def connect(
    address: tuple[str, int],
    context: ssl.SSLContext,
    requests: StreamRequests,
    seconds: float = CONNECT_SECONDS,
) -> None:
    """Connect the stream of ``requests`` within this time. Raise ``Unavailable`` when that fails,
    also because the other end is not the gateway that the context accepts, or refuses this one.
    """
    loop = asyncio.get_running_loop()
    where = join_host_port(*address)
    try:
        async with asyncio.timeout(seconds):
            transport, _ = await loop.create_connection(
                lambda: requests.stream, *address, ssl=context, server_hostname=GATEWAY_HOST
            )
    except TimeoutError:
        raise Unavailable(f"{where} does not answer within {seconds:g} s") from None
    except ssl.SSLCertVerificationError as error:
        reason = error.verify_message
        raise Unavailable(f"{where} is not a gateway of this installation: {reason}") from error
    except (OSError, ssl.SSLError) as error:
        if getattr(error, "reason", "") == "WRONG_VERSION_NUMBER":  # an answer without TLS
            raise Unavailable(f"{where} {_NO_GATEWAY}", remedy=_ADDRESS) from error
        raise Unavailable(f"No connection to {where}: {_reason(error)}") from error
    if transport.get_extra_info("ssl_object").selected_alpn_protocol() is None:
        requests.stream.close("the other end has another protocol")
        raise Unavailable(f"{where} {_NO_GATEWAY}", remedy=_ADDRESS)


def _reason(error: OSError) -> str:
    """Without the numbers and addresses that asyncio adds."""
    if isinstance(error, ssl.SSLError | socket.gaierror) or not error.errno:
        return error.strerror or str(error) or "the other end has closed it"
    return os.strerror(error.errno)
