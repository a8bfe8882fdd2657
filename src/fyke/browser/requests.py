"""HTTP requests to the gateway, which Workers write: reading their heads, and the answers.

Everything is parsed from bytes of at most 16 KiB; what is not plainly HTTP/1.1 is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOST = re.compile(r"[A-Za-z0-9._\[\]:-]{1,255}")
_TARGET = re.compile(r"[\x21-\x7e]+")
_MAX_FIELDS = 100
_ABSOLUTE = ("http://", "https://", "ws://", "wss://")
_WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
NEW_PAGE = "/json/new"
NO_REQUEST = "this is not a request of HTTP/1.1, without TLS"
DEFAULT_HOST = "127.0.0.1:9222"
TEXT, JSON = "text/plain; charset=utf-8", "application/json; charset=utf-8"


class UnusableRequest(Exception):
    """The request cannot be served; ``status`` and the message are the answer."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class BrowserRequest:
    """The head of a request. ``path`` and ``query`` are as they were sent, without the ``?``;
    ``user_info`` is that of an absolute target. The names in ``fields`` are in lower case.
    """

    method: str
    path: str
    query: str
    user_info: str
    fields: dict[str, list[str]] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """The values of a header field, joined; empty when there is none."""
        return ", ".join(self.fields.get(name, ()))

    @property
    def host(self) -> str:
        """The host and port that the client sees, for URLs in answers."""
        hosts = self.fields.get("host", [])
        if len(hosts) == 1 and _HOST.fullmatch(hosts[0]):
            return hosts[0]
        return DEFAULT_HOST

    @property
    def upgrades(self) -> bool:
        """Whether the client asks for a WebSocket."""
        return "websocket" in _tokens(self.value("upgrade")) and "upgrade" in _tokens(
            self.value("connection")
        )

    @property
    def keeps_alive(self) -> bool:
        """Whether the client may send another request on this connection."""
        return "close" not in _tokens(self.value("connection"))

    @property
    def body_size(self) -> int:
        """The length of the body. Raise ``UnusableRequest`` when it is no number."""
        if "transfer-encoding" in self.fields:
            raise UnusableRequest("send the body with a Content-Length, not in chunks")
        lengths = set(self.fields.get("content-length", ["0"]))
        length = lengths.pop()
        if lengths or not (length.isascii() and length.isdigit() and len(length) < 16):
            raise UnusableRequest("Content-Length must be one number")
        return int(length)


def may_begin_request(first: bytes) -> bool:
    """Whether a request may begin with this byte; b"" is the end of the connection. TLS does not,
    and would send nothing more before it is answered.
    """
    return not first or first.isalpha()


def parse_request(head: bytes) -> BrowserRequest:
    """Parse a head, up to and including the empty line. Raise ``UnusableRequest``."""
    try:
        first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        method, target, version = first.split(" ")
    except ValueError:
        raise UnusableRequest(NO_REQUEST) from None
    if not _TOKEN.fullmatch(method) or not _TARGET.fullmatch(target) or version != "HTTP/1.1":
        raise UnusableRequest(NO_REQUEST)
    if len(lines) > _MAX_FIELDS:
        raise UnusableRequest(f"more than {_MAX_FIELDS} header fields")
    fields: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name) or "\r" in value or "\n" in value:
            raise UnusableRequest("a header field is malformed")
        fields.setdefault(name.lower(), []).append(value.strip(" \t"))
    path, query, user_info = _split_target(target)
    return BrowserRequest(method.upper(), path, query, user_info, fields)


def _split_target(target: str) -> tuple[str, str, str]:
    """Path, query and user information of a target in any form."""
    user_info = ""
    if target.lower().startswith(_ABSOLUTE):
        try:
            parts = urlsplit(target)
        except ValueError:
            raise UnusableRequest("the target of the request is malformed") from None
        user_info = parts.netloc.rpartition("@")[0]
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.startswith("/"):
        raise UnusableRequest("the target of the request must be a path")
    path, _, query = target.partition("?")
    return path, query, user_info


def _tokens(value: str) -> set[str]:
    return {token.strip().lower() for token in value.split(",")}


# credentials


def wrong_credentials(request: BrowserRequest, attempt_id: str, secret: str) -> bool:
    """Whether the request has credentials that are not these. Takes the same time for all wrong
    ones. Raise ``UnusableRequest``.
    """
    expected = f"{attempt_id}:{secret}".encode()
    given = list(_credentials(request))
    results = [hmac.compare_digest(one, expected) for one in given]
    return not all(results)


def _credentials(request: BrowserRequest) -> Iterator[bytes]:
    """All credentials in a request; what cannot be decoded is a wrong one."""
    for value in request.fields.get("authorization", ()):
        scheme, _, encoded = value.partition(" ")
        try:
            yield (
                base64.b64decode(encoded.strip(), validate=True)
                if scheme.lower() == "basic"
                else b""
            )
        except (binascii.Error, ValueError):
            yield b""
    if request.user_info:
        yield unquote(request.user_info).encode()
    if request.path.rstrip("/") == NEW_PAGE:  # the query is the URL of a page
        return
    try:
        fields = parse_qsl(request.query, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise UnusableRequest(f"more than {_MAX_FIELDS} fields in the query") from None
    for name, value in fields:
        if name in ("apiKey", "token"):
            yield value.encode()


# answers


def answer(
    status: int,
    body: bytes | str,
    media_type: str = TEXT,
    *,
    keep_alive: bool = False,
    retry_after: int = 0,
) -> bytes:
    """A whole answer. A text that is no JSON ends with a line feed."""
    if isinstance(body, str):
        body = (body + "\n" if media_type == TEXT else body).encode()
    head = answer_head(
        status, len(body), media_type, keep_alive=keep_alive, retry_after=retry_after
    )
    return head + body


def answer_head(
    status: int, size: int, media_type: str, *, keep_alive: bool = False, retry_after: int = 0
) -> bytes:
    """The head of an answer with a body of ``size`` bytes."""
    lines = [
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}",
        f"Content-Type: {media_type}",
        f"Content-Length: {size}",
    ]
    if status == 401:
        lines.append('WWW-Authenticate: Basic realm="browser"')
    if retry_after:
        lines.append(f"Retry-After: {retry_after}")
    if not keep_alive:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def accepted_upgrade(request: BrowserRequest) -> bytes:
    """The head that makes the connection a WebSocket."""
    key = request.value("sec-websocket-key").encode("latin-1")
    accept = base64.b64encode(
        hashlib.sha1(key + _WEBSOCKET_GUID, usedforsecurity=False).digest()
    ).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ).encode()


# towards Chromium


def upgrade_to_chromium(request: BrowserRequest, port: int, path: str) -> bytes:
    """The request for a WebSocket at ``path``. Of the client's fields only those that the protocol
    needs are sent: an ``Origin`` or another ``Host`` would be refused, and without extensions the
    frames stay readable. Raise ``UnusableRequest``.
    """
    key, version = request.value("sec-websocket-key"), request.value("sec-websocket-version")
    # Chromium takes any key, and rod sends a word
    if not re.fullmatch(r"[!-~]{1,64}", key) or not re.fullmatch(r"[0-9]{1,3}", version):
        raise UnusableRequest("the WebSocket needs Sec-WebSocket-Key and Sec-WebSocket-Version")
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        f"Sec-WebSocket-Version: {version}\r\n\r\n"
    ).encode()


def request_to_chromium(method: str, port: int, target: str) -> bytes:
    """A request without a body, after which Chromium closes the connection."""
    return (
        f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n"
    ).encode()
