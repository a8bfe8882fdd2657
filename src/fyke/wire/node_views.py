"""Requests for live views of browsers on nodes, in MessagePack.

A server asks the gateway that has the node, and the gateway asks the node. Both ask the same, by
``fyke.relay``; ``node`` counts at the gateway only. A view has a number on its connection. The one
that asks gets one picture for each request, so none is sent that it did not ask for.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from fyke.contracts.browser_view import MAX_PICTURE, TakeoverEnd, ViewUpdate
from fyke.wire.browser_views import GiveBack, SendInput, TakeOver, ViewDone, Watch
from fyke.wire.nodes import NodeRequest, decode

ALPN = "fyke-views/1"
MAX_REQUEST = 128 * 1024  # bytes; input has at most 64 KiB
MAX_STATE = 64 * 1024  # of an answer beside its picture
MAX_ANSWER = MAX_PICTURE + MAX_STATE


class OpenView(NodeRequest[ViewDone], frozen=True, tag="open"):
    """Begin to watch, or take over, under a new ``number``."""

    number: int
    request: Watch | TakeOver
    node: str = ""


class NextUpdate(NodeRequest[ViewUpdate | None], frozen=True, tag="next"):
    """What has changed for a watcher, as ``BrowserWatch.next``; None when the view is over."""

    number: int
    seconds: float


class AwaitGivenBack(NodeRequest[TakeoverEnd | None], frozen=True, tag="given_back"):
    """How what was taken over has ended; None if it has not within so many ``seconds``."""

    number: int
    seconds: float


class CloseView(NodeRequest[None], frozen=True, tag="close"):
    """End a view, which may have ended already."""

    number: int


class ActOnBrowser(NodeRequest[ViewDone], frozen=True, tag="act"):
    """Send input, or give the browser back."""

    request: SendInput | GiveBack
    node: str = ""


AnyViewRequest: TypeAlias = OpenView | NextUpdate | AwaitGivenBack | CloseView | ActOnBrowser


def decode_view_request(data: bytes) -> AnyViewRequest:
    """Raise ``BadNodeMessage``."""
    return decode(_requests, data)


_requests: msgspec.msgpack.Decoder[AnyViewRequest] = msgspec.msgpack.Decoder(AnyViewRequest)
