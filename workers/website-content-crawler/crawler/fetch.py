"""Sends one request through the proxy, with limits of time and size.

Inside Fyke the only network access is the SOCKS5 proxy in PROXY_DOMAIN and PROXY_AUTH, which
resolves names. Without the variables requests are sent directly. Redirects are not followed here,
because the crawl decides on each target.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

MAX_BYTES = 10 * 1024 * 1024
MAX_RETRY_AFTER = 60.0
MIN_TEXT = 200  # characters of content; a page with fewer may be made by scripts, or lead elsewhere

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_RETRIED = frozenset((408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524))
_HTML = ("text/html", "application/xhtml+xml")
_PLAIN = ("text/plain", "text/markdown", "text/csv", "application/json")
_XML = ("application/xml", "text/xml")
_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.8,*/*;q=0.5"
_FORBIDDEN = "not allowed by ruleset"  # SOCKS5 code 2: the platform's rules refuse the target


@dataclass
class Answer:
    """The result of a request: a status, or only ``error`` without a response."""

    url: str
    status: int | None = None
    content_type: str = ""
    charset: str = ""
    language: str = ""
    location: str = ""
    retry_after: float | None = None
    body: bytes = b""
    error: str = ""
    retry: bool = False  # it may succeed later
    refused: bool = False  # by the platform
    rendered: bool = False  # the body is what scripts have made of the page
    no_browser: bool = False  # which this attempt does not get

    @property
    def is_html(self) -> bool:
        return self.content_type in _HTML

    @property
    def is_page(self) -> bool:
        """Whether the body is HTML, even if the site declares no type or XML."""
        if self.is_html:
            return True
        may_be_html = self.is_xml or not self.content_type
        return may_be_html and b"<html" in self.body[:2000].lower()

    @property
    def is_text(self) -> bool:
        """Whether the body may be a page, a sitemap or text; so may one without a type."""
        return self.is_html or self.is_xml or self.is_plain or not self.content_type

    @property
    def is_plain(self) -> bool:
        """Whether the body is text as it is."""
        return self.content_type in _PLAIN or self.content_type.endswith("+json")

    @property
    def is_xml(self) -> bool:
        return self.content_type in _XML or self.content_type.endswith("+xml")


def proxy_from(environ: dict[str, str]) -> str | None:
    """The proxy's URL, or None without one."""
    domain, auth = environ.get("PROXY_DOMAIN", "").strip(), environ.get("PROXY_AUTH", "")
    if not domain:
        return None
    name, colon, secret = auth.partition(":")
    login = f"{quote(name, safe='')}:{quote(secret, safe='')}@" if colon else ""
    return f"socks5h://{login}{domain}"


class Fetcher:
    """Sends requests; safe to use from many threads."""

    def __init__(self, proxy: str | None, user_agent: str, timeout: float, connections: int):
        import httpx2

        self._errors = httpx2
        self._timeout = timeout
        self._client = httpx2.Client(
            proxy=proxy,
            verify=_trusted(httpx2),
            trust_env=False,  # an http_proxy of the machine must not replace the platform's
            timeout=timeout,
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=connections),
            headers={
                "User-Agent": user_agent,
                "Accept": _ACCEPT,
                "Accept-Language": "*",
                "Accept-Encoding": "gzip, deflate",
            },
        )

    def get(self, url: str, any_type: bool = False) -> Answer:
        """Fetch a URL. Errors of the site or the network are returned, not raised.

        The body is read if it is a page, XML or text, with ``any_type`` always.
        """
        deadline = time.monotonic() + self._timeout
        answer = Answer(url)
        try:
            with self._client.stream("GET", url) as response:
                status, reason = response.status_code, response.reason_phrase
                read_head(answer, status, reason, response.headers)
                if not answer.error and not answer.location and (any_type or answer.is_text):
                    answer.body = _read(response, deadline)
        except (_TooLarge, _TooSlow) as error:
            answer.error = str(error)
            answer.retry = isinstance(error, _TooSlow)
        except Exception as error:
            self._explain(answer, error)
        return answer

    def close(self) -> None:
        self._client.close()

    def _explain(self, answer: Answer, error: Exception) -> None:
        """Set the error, and whether a retry may succeed."""
        detail = str(error) or type(error).__name__
        if isinstance(error, self._errors.ProxyError) and _FORBIDDEN in detail:
            answer.refused = True
            answer.error = "refused by the platform, which does not allow this address"
        elif isinstance(error, self._errors.TimeoutException):
            answer.retry = True
            answer.error = f"no answer within {self._timeout:g} s"
        elif isinstance(error, self._errors.TransportError):
            answer.retry = not isinstance(error, self._errors.UnsupportedProtocol)
            answer.error = (
                f"no connection: {detail.removeprefix('Proxy Server could not connect: ')}"
            )
        elif isinstance(error, zlib.error):
            answer.error = f"its compressed body is damaged ({detail})"
        else:
            answer.error = f"{type(error).__name__}: {detail}"


def _trusted(httpx2: Any) -> Any:
    """A context with the authorities of the machine; without any, with those of browsers."""
    context = httpx2.create_ssl_context(trust_env=False)
    if not context.get_ca_certs():
        import certifi

        context.load_verify_locations(certifi.where())
    return context


class _TooLarge(Exception):
    pass


class _TooSlow(Exception):
    pass


def read_head(answer: Answer, status: int, reason: str, headers: Mapping[str, str]) -> None:
    """Set what status and headers say. The names of the headers have small letters."""
    answer.status = status
    kind, _, parameters = headers.get("content-type", "").partition(";")
    answer.content_type = kind.strip().lower()
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            answer.charset = value.strip(" \"'")
    answer.language = headers.get("content-language", "")
    if status in _REDIRECTS:
        answer.location = headers.get("location", "").strip()
        answer.error = "" if answer.location else f"HTTP {status} without a Location"
    elif status >= 400:
        answer.retry = status in _RETRIED
        answer.error = f"HTTP {status} {reason}".rstrip()
        answer.retry_after = _retry_after(headers.get("retry-after", ""))


def _retry_after(value: str) -> float | None:
    """Seconds, from a number or a date, never more than a minute."""
    value = value.strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _read(response, deadline: float) -> bytes:
    """Return the decompressed body. Raise ``_TooLarge``, ``_TooSlow`` before memory is used up."""
    body = bytearray()
    for piece in _unpacked(response.iter_raw(), response.headers.get("content-encoding", "")):
        body += piece
        if len(body) > MAX_BYTES:
            raise _TooLarge(f"larger than {MAX_BYTES:,} bytes")
        if time.monotonic() > deadline:
            raise _TooSlow("the response took longer than the request timeout")
    return bytes(body)


def _unpacked(pieces: Iterator[bytes], coding: str) -> Iterator[bytes]:
    """Decompress gzip and deflate in limited steps: a piece may grow a thousandfold."""
    if coding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        yield from pieces
        return
    unpacker = None
    for piece in pieces:
        if unpacker is None and piece:
            unpacker = zlib.decompressobj(wbits=_window(coding, piece))
        while piece:
            yield unpacker.decompress(piece, MAX_BYTES // 10)
            piece = unpacker.unconsumed_tail
    if unpacker is not None:
        yield unpacker.flush()


def _window(coding: str, piece: bytes) -> int:
    """The ``wbits`` for a gzip header, a zlib header, or none, which some sites send."""
    if "gzip" in coding.lower():
        return 31
    return 15 if piece[0] & 0x0F == 8 else -15
