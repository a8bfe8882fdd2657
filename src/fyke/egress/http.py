"""HTTP proxying, CONNECT and absolute-form requests, as a state machine without sockets.

One connection has one target. An absolute-form request is turned into origin form with
``Connection: close``, and only its body is passed on: the next request of a client that reuses the
connection may be for another site.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import urlsplit

from fyke.egress.actions import MAX_HEAD, Connected, Credentials, Dial, HangUp, ProxyRefusal, Step
from fyke.kit.hostports import split_host_port
from fyke.kit.inside_names import is_browser_authority

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VERSION = re.compile(r"HTTP/1\.[01]")
_FORBIDDEN_BYTES = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_HOP_BY_HOP = frozenset(
    ("connection", "host", "keep-alive", "proxy-authorization", "proxy-connection", "upgrade")
)
_STATUS = {
    400: "Bad Request",
    403: "Forbidden",
    407: "Proxy Authentication Required",
    431: "Request Header Fields Too Large",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
_MAX_REASON = 500  # characters in a header
RETRY_SECONDS = 5  # the Retry-After header for a site that is throttled

Headers = list[tuple[str, str]]


class BadRequest(Exception):
    """The head breaks a rule of HTTP, which the message names."""


def _response(status: int, reason: str, *headers: str, phrase: str = "") -> bytes:
    body = f"{reason}\n".encode()
    lines = [
        f"HTTP/1.1 {status} {_STATUS[status]}{f': {phrase}' if phrase else ''}",
        *headers,
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class HttpHandshake:
    """A request head, then either a tunnel or one request."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self.session = ""
        self._buffer = b""
        self._to_client = b""
        self._to_target = b""
        self._body: Body | None = None
        self._dial: Dial | None = None

    def feed(self, data: bytes) -> list[Step]:
        start = max(0, len(self._buffer) - 3)
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n", start)
        if end < 0 and len(self._buffer) <= MAX_HEAD:
            return []
        if end < 0 or end > MAX_HEAD:
            return [HangUp(_response(431, f"the request head is larger than {MAX_HEAD} bytes"))]
        head, self._buffer = self._buffer[:end].decode("latin-1"), self._buffer[end + 4 :]
        try:
            step = self._request(head)
            self._dial = step if isinstance(step, Dial) else None
            return [step]
        except (BadRequest, ValueError) as error:
            return [HangUp(_response(400, str(error)))]

    def connected(self) -> Connected:
        early, _ = self.outgoing(self._buffer)
        return Connected(self._to_client, self._to_target + early)

    def refused(self, refusal: ProxyRefusal, reason: str) -> bytes:
        """The reason is in the status line, too: many clients show only that of a proxy. The answer
        has the header ``Fyke-Refusal``, with a proof that it is not of the site: a
        browser shows its text like a page. A site can read such an answer, so the proof is for
        nothing but the status and the reason that are sent with it.
        """
        statuses = {
            ProxyRefusal.FORBIDDEN: 403,
            ProxyRefusal.THROTTLED: 503,
            ProxyRefusal.TIMED_OUT: 504,
        }
        status, headers = statuses.get(refusal, 502), []
        text = reason[:_MAX_REASON].encode("ascii", "replace").decode("ascii").strip()
        if refusal is ProxyRefusal.THROTTLED:
            headers.append(f"Retry-After: {RETRY_SECONDS}")
        if self._dial is not None:
            host, port = self._dial.host.decode("latin-1"), self._dial.port
            proof = self._credentials.proof(host, port, status, text)
            headers.append(f"Fyke-Refusal: {proof} {text}")
        return _response(status, reason, *headers, phrase=text)

    def outgoing(self, data: bytes) -> tuple[bytes, bool]:
        if self._body is None:
            return data, False
        return self._body.take(data)

    def _request(self, head: str) -> Step:
        first, *rest = head.split("\r\n")
        method, target, version = _request_line(first)
        headers = [_header(line) for line in rest]
        if not self._is_authorized(headers):
            message = "this proxy needs the name and password of PROXY_AUTH"
            return HangUp(
                _response(407, message, 'Proxy-Authenticate: Basic realm="fyke"'), denied=True
            )
        if method == "CONNECT":
            host, port = split_host_port(target)
            self._to_client = b"HTTP/1.1 200 Connection established\r\n\r\n"
            return Dial(host.encode("latin-1"), port)
        return self._absolute(method, target, version, headers)

    def _absolute(self, method: str, target: str, version: str, headers: Headers) -> Step:
        parts = urlsplit(target)
        if parts.scheme != "http" or not parts.netloc:
            raise BadRequest("the target must be an absolute http:// URL, or use CONNECT")
        *login, authority = parts.netloc.rsplit("@", 1)
        if login and not is_browser_authority(authority):  # which knows its Worker without them
            raise BadRequest("the target must not contain credentials")
        host, port = split_host_port(authority, 80)
        self._body = Body(headers)
        path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        if not path.startswith("/"):
            path = "/" + path
        self._to_target = _origin_head(method, path, version, authority, headers)
        return Dial(host.encode("latin-1"), port)

    def _is_authorized(self, headers: Headers) -> bool:
        if self._credentials.passwordless:
            return True
        values = _values(headers, "proxy-authorization")
        scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
        if scheme.lower() != "basic":
            return False
        try:
            plain = base64.b64decode(token.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        name, _, secret = plain.partition(b":")
        if not self._credentials.admit(name, secret):
            return False
        self.session = self._credentials.session(name)
        return True


def _request_line(line: str) -> tuple[str, str, str]:
    parts = line.split(" ")
    if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]) or not _VERSION.fullmatch(parts[2]):
        raise BadRequest("the request line must be METHOD TARGET HTTP/1.1")
    if any(not "!" <= char <= "~" for char in parts[1]):
        raise BadRequest("the target contains a space, a control character or a byte beyond ASCII")
    return parts[0], parts[1], parts[2]


def _header(line: str) -> tuple[str, str]:
    """Return name and value; refuse folded lines and stray line ends.

    The case of the name is preserved, because some sites identify clients by it.
    """
    name, colon, value = line.partition(":")
    if not colon or not _TOKEN.fullmatch(name) or _FORBIDDEN_BYTES.search(value):
        raise BadRequest("a header line is malformed")
    return name, value.strip(" \t")


def _values(headers: Headers, key: str) -> list[str]:
    return [value for name, value in headers if name.lower() == key]


def _origin_head(method: str, path: str, version: str, authority: str, headers: Headers) -> bytes:
    dropped = set(_HOP_BY_HOP)
    for value in _values(headers, "connection"):
        dropped.update(part.strip().lower() for part in value.split(","))
    dropped -= {"content-length", "transfer-encoding"}  # they frame the body
    lines = [f"{method} {path} {version}", f"Host: {authority}"]
    lines += [f"{name}: {value}" for name, value in headers if name.lower() not in dropped]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")


class Body:
    """Finds the end of the body of one request. Raise ``BadRequest`` for ambiguous framing."""

    def __init__(self, headers: Headers) -> None:
        lengths = set(_values(headers, "content-length"))
        codings = [value.lower() for value in _values(headers, "transfer-encoding")]
        if codings not in ([], ["chunked"]) or (codings and lengths) or len(lengths) > 1:
            raise BadRequest("the length of the body is ambiguous")
        length = lengths.pop() if lengths else "0"
        if not (length.isascii() and length.isdigit() and len(length) <= 18):
            raise BadRequest("the Content-Length must be a number")
        self._left = int(length)
        self._chunks = _Chunks() if codings else None

    def take(self, data: bytes) -> tuple[bytes, bool]:
        """Return the part that belongs to the body, and whether there were more bytes."""
        if self._chunks is not None:
            end = self._chunks.advance(data)
        else:
            end = min(self._left, len(data))
            self._left -= end
        return data[:end], end < len(data)


class _Chunks:
    """Parses chunked coding without changing it: size line, data, trailer lines."""

    _MAX_LINE = 4096

    def __init__(self) -> None:
        self._line = b""
        self._skip = 0  # bytes of chunk data and its line end that are still expected
        self._trailer = False
        self._done = False

    def advance(self, data: bytes) -> int:
        """Return how many bytes of ``data`` belong to the body, which ends before the others."""
        at = 0
        while at < len(data) and not self._done:
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            end = data.find(b"\n", at) + 1 or len(data)
            self._line += data[at:end]
            if len(self._line) > self._MAX_LINE or not self._take_line():
                return at
            at = end
        return at

    def _take_line(self) -> bool:
        """Parse the line once it is complete; False when it is not chunked coding."""
        if not self._line.endswith(b"\n"):
            return True
        line, self._line = self._line.strip(), b""
        if self._trailer:
            self._done = not line
            return True
        size = line.partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,15}", size):
            return False
        count = int(size, 16)
        self._skip = count + 2 if count else 0
        self._trailer = count == 0
        return True
