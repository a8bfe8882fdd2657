"""Messages with which a machine joins. It has no certificate yet, so these are all that it may
send, and they are small.

``ShowAuthority`` is asked on a first connection, on which the gateway is not verified and nothing
else is sent; ``JoinNode`` on a second one, which accepts only that authority.
"""

from __future__ import annotations

import msgspec

from fyke.wire.nodes import decode

ALPN = "fyke-join/1"
MAX_MESSAGE = 64 * 1024


class ShowAuthority(msgspec.Struct, frozen=True, tag="authority", tag_field="op"):
    """The certificate of the installation's authority."""


class JoinNode(msgspec.Struct, frozen=True, tag="join", tag_field="op"):
    """``pool``: "" for that of the token. ``certificate_request`` is in PEM. ``replace``: take the
    name of a node also while that is connected; gateways of earlier releases always let it.
    """

    token: str
    name: str
    pool: str
    labels: dict[str, str]
    certificate_request: str
    replace: bool = False

    def __repr__(self) -> str:
        return f"JoinNode({self.name})"


class AuthorityShown(msgspec.Struct, frozen=True):
    """In PEM."""

    certificate: str


class NodeJoined(msgspec.Struct, frozen=True):
    """The node as it is known now, with its ``certificate`` in PEM."""

    name: str
    pool: str
    labels: dict[str, str]
    certificate: str


_requests: msgspec.msgpack.Decoder[ShowAuthority | JoinNode] = msgspec.msgpack.Decoder(
    ShowAuthority | JoinNode
)
_authority = msgspec.msgpack.Decoder(AuthorityShown)
_joined = msgspec.msgpack.Decoder(NodeJoined)


def decode_request(data: bytes) -> ShowAuthority | JoinNode:
    """Raise ``BadNodeMessage``."""
    return decode(_requests, data)


def decode_authority(data: bytes) -> AuthorityShown:
    """Raise ``BadNodeMessage``."""
    return decode(_authority, data)


def decode_joined(data: bytes) -> NodeJoined:
    """Raise ``BadNodeMessage``."""
    return decode(_joined, data)
