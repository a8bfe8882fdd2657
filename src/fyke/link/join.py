"""Joins an installation: checks its authority against the token, then asks for a certificate.

Nothing but the question for the authority is sent before the other end has proved that it is a
gateway of that authority. The private key never leaves this machine.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from fyke.errors import Forbidden, FykeError, Unavailable
from fyke.kit.certificates import BadCertificate, CertifiedKey, fingerprint, new_request
from fyke.kit.hostports import join_host_port
from fyke.kit.stream_requests import RequestFailed, StreamLost, StreamRequests
from fyke.kit.tls import client_context, unverified_context
from fyke.link.connect import connect
from fyke.wire.node_join import (
    ALPN,
    MAX_MESSAGE,
    JoinNode,
    NodeJoined,
    ShowAuthority,
    decode_authority,
    decode_joined,
)
from fyke.wire.nodes import BadNodeMessage, decode_error, encode, encode_error


@dataclass(frozen=True, slots=True)
class JoinedInstallation:
    """What a node keeps: the answer, its key with the certificate, and that of the authority."""

    answer: NodeJoined
    own: CertifiedKey
    authority: str


async def join(
    address: tuple[str, int],
    token: str,
    name: str,
    pool: str,
    labels: Mapping[str, str],
    *,
    replace: bool = False,
) -> JoinedInstallation:
    """Join by the gateway at ``address``; with ``replace`` also under the name of a node that is
    connected. Raise ``Forbidden`` when its authority is not that of the
    token, or the token does not allow it; ``InvalidRequest``, ``Conflict``, ``Unavailable``.
    """
    authority = await _find_authority(address, token.rpartition(".")[2])
    key = new_request()
    request = JoinNode(token, name, pool, dict(labels), key.certificate, replace)
    data = await _ask(address, client_context(authority, None, [ALPN]), request)
    try:
        answer = decode_joined(data)
    except BadNodeMessage as error:
        raise Unavailable("The gateway has sent an answer of another kind") from error
    return JoinedInstallation(answer, CertifiedKey(answer.certificate, key.key), authority)


async def _find_authority(address: tuple[str, int], expected: str) -> str:
    """The certificate of the authority with this fingerprint, from a gateway that is not known yet.
    That it is really one of this authority shows when it proves to have a certificate of it.
    """
    data = await _ask(address, unverified_context([ALPN]), ShowAuthority())
    try:
        authority = decode_authority(data).certificate
        found = fingerprint(authority)
    except (BadNodeMessage, BadCertificate) as error:
        raise Unavailable("The gateway has sent an answer of another kind") from error
    if found != expected:
        raise Forbidden(
            f"{join_host_port(*address)} is a gateway of another installation than the token: "
            "nothing was sent to it. Check the address, or use a token of that installation"
        )
    return authority


async def _ask(
    address: tuple[str, int], context: ssl.SSLContext, request: ShowAuthority | JoinNode
) -> bytes:
    requests = StreamRequests(_refuse, _ignore, _ignore, lambda _: b"", most=MAX_MESSAGE)
    await connect(address, context, requests)
    try:
        return await requests.ask(encode(request))
    except RequestFailed as failed:
        raise decode_error(failed.body) from None
    except StreamLost as lost:
        raise Unavailable(f"The gateway has ended the connection: {lost}") from lost
    finally:
        requests.stream.close("nothing more is asked")


async def _refuse(body: bytes) -> bytes:
    raise RequestFailed(encode_error(FykeError("Not before it has joined")))


def _ignore(_news: object) -> None:
    return
