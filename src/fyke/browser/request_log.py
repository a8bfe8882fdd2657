"""The latest requests of an attempt's pages, as Chromium has reported them to its clients.

They are written down by the recorder, which asks for nothing. A hostile Chromium can report
anything: the number of requests is limited, and so are the bytes of each.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

import msgspec

from fyke.model.last_page import HIDDEN, MAX_READ_TEXT, MAX_REQUESTS, SeenRequest

MAX_HEADERS = 8 * 1024  # bytes of the headers of one request or answer; more are left out
MAX_BYTES = 2**20  # of the whole log
_MAX_TEXT = 200  # characters of other texts
_MAX_MS = 10.0**9
_FIXED = 400  # bytes of a request without its texts
_HIDDEN = re.compile("token|api[-_]?key|secret|auth|session|cookie", re.IGNORECASE).search

_decode_headers = msgspec.json.Decoder(dict[str, str]).decode


@dataclass(slots=True)
class _Logged:
    """A request; the times are seconds of Chromium's clock. Headers are JSON."""

    method: str
    url: str
    kind: str
    started: float
    sent: float
    headers: bytes
    answered: float = 0
    ended: float = 0
    status: int = 0
    status_text: str = ""
    protocol: str = ""
    media_type: str = ""
    answer_headers: bytes = b""
    size: int = 0
    failure: str = ""
    weight: int = 0

    def shown(self) -> SeenRequest:
        answered = self.answered or self.ended
        return SeenRequest(
            started=self.started,
            method=self.method,
            url=self.url,
            kind=self.kind,
            status=self.status,
            status_text=self.status_text,
            protocol=self.protocol,
            media_type=self.media_type,
            request_headers=_headers(self.headers),
            headers=_headers(self.answer_headers),
            wait_ms=_milliseconds(self.sent, answered),
            receive_ms=_milliseconds(answered, self.ended),
            size=self.size,
            failure=self.failure,
        )


class RequestLog:
    """The last ``MAX_REQUESTS`` requests, of at most ``MAX_BYTES`` in all."""

    def __init__(self) -> None:
        self._requests: OrderedDict[Hashable, _Logged] = OrderedDict()
        self._redirects = 0
        self._bytes = 0
        self.is_partial = False  # whether there were more

    def sent(
        self,
        key: Hashable,
        *,
        method: str,
        url: str,
        kind: str,
        started: float,
        at: float,
        headers: bytes,
    ) -> None:
        """A request was sent. One of the same key that was redirected keeps its own place."""
        before = self._requests.pop(key, None)
        if before is not None:
            self._redirects += 1
            self._requests[(self._redirects, key)] = before
        request = _Logged(
            method[:_MAX_TEXT],
            url[:MAX_READ_TEXT],
            kind[:_MAX_TEXT],
            started if 0 <= started < 2**33 else 0.0,
            at,
            headers if len(headers) <= MAX_HEADERS else b"",
        )
        self._requests[key] = request
        self._weigh(request)
        self._drop_oldest()

    def answered(
        self,
        key: Hashable,
        *,
        status: int,
        text: str,
        protocol: str,
        media_type: str,
        at: float,
        headers: bytes,
    ) -> None:
        """The head of an answer has arrived; the first one of several counts."""
        request = self._requests.get(key)
        if request is None or request.status or request.failure:
            return
        request.status = status if 0 < status < 1000 else 0
        request.status_text = text[:_MAX_TEXT]
        request.protocol = protocol[:_MAX_TEXT]
        request.media_type = media_type[:_MAX_TEXT]
        request.answered = at
        request.answer_headers = headers if len(headers) <= MAX_HEADERS else b""
        self._weigh(request)
        self._drop_oldest()

    def ended(self, key: Hashable, *, size: int, at: float, failure: str = "") -> None:
        """A request is over."""
        request = self._requests.get(key)
        if request is not None and not request.ended:
            request.ended = at
            request.size = size
            request.failure = failure[:_MAX_TEXT]
            self._weigh(request)
            self._drop_oldest()

    def drop(self, key: Hashable) -> None:
        """Leave a request out."""
        request = self._requests.pop(key, None)
        if request is not None:
            self._bytes -= request.weight

    def requests(self) -> tuple[SeenRequest, ...]:
        """The requests in the order in which they were sent."""
        return tuple(request.shown() for request in self._requests.values())

    def _weigh(self, request: _Logged) -> None:
        texts = (
            request.url,
            request.method,
            request.kind,
            request.status_text,
            request.protocol,
            request.media_type,
            request.failure,
        )
        weight = _FIXED + len(request.headers) + len(request.answer_headers)
        weight += sum(4 * len(text) if not text.isascii() else len(text) for text in texts)
        self._bytes += weight - request.weight
        request.weight = weight

    def _drop_oldest(self) -> None:
        while len(self._requests) > MAX_REQUESTS or self._bytes > MAX_BYTES:
            _, request = self._requests.popitem(last=False)
            self._bytes -= request.weight
            self.is_partial = True


def _headers(data: bytes) -> tuple[tuple[str, str], ...]:
    """Names and values, those that may authenticate without their values."""
    try:
        headers = _decode_headers(data) if data else {}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ()
    return tuple(
        (name[:_MAX_TEXT], HIDDEN if _HIDDEN(name) else value[:MAX_READ_TEXT])
        for name, value in headers.items()
    )


def _milliseconds(start: float, end: float) -> float:
    span = (end - start) * 1000
    return round(span, 3) if 0 < span < _MAX_MS else 0.0
