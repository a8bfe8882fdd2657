"""Asks a gateway whether the installation still knows a node, beside the link of its runner."""

from __future__ import annotations

import asyncio

from fyke.errors import Unavailable
from fyke.kit.certificates import CertifiedKey
from fyke.kit.hostports import join_host_port
from fyke.kit.stream_frames import SendLane
from fyke.kit.stream_requests import StreamRequests
from fyke.kit.tls import client_context
from fyke.link.connect import connect
from fyke.link.node_link import ask
from fyke.wire.nodes import ALPN, CheckNode, KnownNode, UnknownNode

ANSWER_SECONDS = 10.0


async def check_node(
    address: tuple[str, int], authority: str, own: CertifiedKey
) -> KnownNode | UnknownNode:
    """What the gateway at ``address`` says of the node of the certificate ``own``.

    Raise ``Unavailable`` without an answer, and ``InvalidRequest`` for a gateway of an earlier
    release, which does not know the question.
    """
    requests = StreamRequests(_refuse, _ignore, _ignore, lambda _: b"")
    await connect(address, client_context(authority, own, [ALPN]), requests)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await ask(requests, CheckNode(), SendLane.CONTROL)
    except TimeoutError:
        raise Unavailable(f"{join_host_port(*address)} does not answer") from None
    finally:
        requests.stream.close("nothing more is asked")


async def _refuse(_body: bytes) -> bytes:
    raise RuntimeError


def _ignore(_news: object) -> None:
    return
