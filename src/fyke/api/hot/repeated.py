"""What requests say that were answered before, by their bytes.

Clients that poll send the same bytes repeatedly. The parser and the path have read them once;
the same bytes between two requests of a connection say the same. Only what a request says is kept,
no decision about it.
"""

from __future__ import annotations

from typing import NamedTuple

from fyke.api.hot.route import HotRoute, Question

MAX_REQUESTS = 1024
MAX_REQUEST_BYTES = 2048  # head and body


class HotRequest(NamedTuple):
    """What a request for a hot read says. ``request_id``: the client's own, or empty. ``secure``:
    sent over https.
    """

    route: HotRoute
    question: Question
    key_digest: str
    if_none_match: str | None
    request_id: str
    secure: bool


class RepeatedRequests:
    """At most four megabytes for each kind of connection, of which there are four (see
    ``HotPath.repeated``). When there are more requests, the oldest is dropped. Nothing is kept for
    strangers: only answered requests are.
    """

    def __init__(self) -> None:
        self._requests: dict[bytes, HotRequest] = {}

    def get(self, data: bytes) -> HotRequest | None:
        """The request with exactly these bytes."""
        return self._requests.get(data) if len(data) <= MAX_REQUEST_BYTES else None

    def put(self, data: bytes, request: HotRequest) -> None:
        """Keep a request, unless it is long, or has an id of its own and so is hardly repeated."""
        if len(data) > MAX_REQUEST_BYTES or request.request_id:
            return
        if len(self._requests) >= MAX_REQUESTS and data not in self._requests:
            del self._requests[next(iter(self._requests))]  # the oldest
        self._requests[bytes(data)] = request
