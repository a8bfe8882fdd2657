"""Messages of machines that join: each is read, or refused as not of the protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from fyke.wire.node_join import (
    AuthorityShown,
    JoinNode,
    NodeJoined,
    ShowAuthority,
    decode_authority,
    decode_joined,
    decode_request,
)
from fyke.wire.nodes import BadNodeMessage, encode

JOINED = NodeJoined("n1", "eu", {"a": "b"}, "PEM")


@pytest.mark.parametrize(
    ("decode", "message"),
    [
        (decode_request, ShowAuthority()),
        (decode_request, JoinNode("t", "n1", "", {"a": "b"}, "PEM")),
        (decode_request, JoinNode("t", "n1", "", {"a": "b"}, "PEM", replace=True)),
        (decode_authority, AuthorityShown("PEM")),
        (decode_joined, JOINED),
    ],
)
def test_messages_are_read_as_they_were_sent(decode: Callable[[bytes], Any], message: Any) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize("decode", [decode_request, decode_authority, decode_joined])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"?",
        msgspec.msgpack.encode({"op": "other"}),
        b"\x81\xa1\xff\x00",  # a text that is not UTF-8
        b"\x81\xa1x" + b"\x91" * 60_000,  # an unknown field, deeply nested
        b"\x81\xa1x\xdd\xff\xff\xff\xff",  # more members than there are bytes
    ],
)
def test_others_are_refused(decode: Callable[[bytes], Any], data: bytes) -> None:
    with pytest.raises(BadNodeMessage):
        decode(data)
