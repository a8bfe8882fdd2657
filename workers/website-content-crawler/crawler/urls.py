"""Normalizes and matches URLs.

Two URLs of the same page must be equal, or the page is fetched twice. URLs that may be of different
pages must not, so the order of the query and a slash at the end are preserved.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

MAX_CHARACTERS = 2000

_DEFAULT_PORTS = {"http": 80, "https": 443}
_IGNORED = re.compile(r"[\t\r\n]")  # at any position, as in browsers
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")
_SAFE = "/%:=&?~#+!$,;'@()*[]|^"
_DOTS = re.compile(r"/\.\.?(/|$)")


def canonical(url: str, base: str = "") -> str | None:
    """Return the normalized web address, without fragment; None when it is not one.

    ``base`` is the page that contains a relative address.
    """
    text = _IGNORED.sub("", url).strip()
    try:
        if base:
            text = urljoin(base, text)
        parts = urlsplit(text)
        authority = _authority(parts.scheme, parts.hostname or "", parts.port)
    except ValueError:
        return None
    if authority is None:
        return None
    path = quote(parts.path, safe=_SAFE) or "/"
    if _DOTS.search(path):
        path = urlsplit(urljoin("http://x/", path)).path or "/"
    normalized = urlunsplit((parts.scheme, authority, path, quote(parts.query, safe=_SAFE), ""))
    return normalized if len(normalized) <= MAX_CHARACTERS else None


def start_url(text: str) -> str | None:
    """Normalize an address that a user has typed; the default scheme is https."""
    text = text.strip()
    if "://" not in text and (not _SCHEME.match(text) or re.match(r"[^/:]+:\d+(/|$)", text)):
        text = f"https://{text.lstrip('/')}"
    return canonical(text)


def origin(url: str) -> str:
    """Scheme, host and port, for which one robots.txt is valid."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def host(url: str) -> str:
    """The host, with its port unless it is the default."""
    return urlsplit(url).netloc


def folder(url: str) -> str:
    """The path up to and including its last slash."""
    path = urlsplit(url).path
    return path[: path.rfind("/") + 1] or "/"


def _authority(scheme: str, name: str, port: int | None) -> str | None:
    if scheme not in _DEFAULT_PORTS or not name:
        return None
    name = name.rstrip(".")
    if ":" in name:
        name = f"[{name}]"
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    if not _HOST.fullmatch(name):
        return None
    return name if port is None or port == _DEFAULT_PORTS[scheme] else f"{name}:{port}"


class Glob:
    """A pattern in which ``*`` matches any characters, including slashes.

    Every other character matches itself, even ``?``. The whole URL must match; a pattern that
    begins with ``/`` is matched against path and query only.
    """

    def __init__(self, pattern: str) -> None:
        self._on_path = pattern.startswith("/")
        self._parts = re.sub(r"\*+", "*", pattern).split("*")

    def matches(self, url: str) -> bool:
        text = url[len(origin(url)) :] if self._on_path else url
        first, *rest = self._parts
        if not rest:
            return text == first
        *middle, last = rest
        if not text.startswith(first):
            return False
        at = len(first)
        for part in middle:  # the first match of each part is sufficient, so time is linear
            found = text.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        return len(text) - len(last) >= at and text.endswith(last)
