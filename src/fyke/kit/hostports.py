"""Strict parsing of untrusted host names and ports.

The resolver, the upstream proxy and TLS libraries interpret unusual forms of a host differently:
``0177.0.0.1``, a NUL, a full-width digit, a zone id. So a host is parsed first, here, into an
address or a lower-case name of letters, digits, hyphens and dots; all other text is refused.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Host = str | IPv4Address | IPv6Address

MAX_NAME = 253
_NAME = re.compile(r"[a-z0-9.-]+")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class BadHost(ValueError):
    """The text is not a host; the message is the rule that it breaks."""


def parse_host(text: str | bytes) -> Host:
    """Return an address, or a valid name in lower case without a trailing dot. Raise ``BadHost``.

    Names that are not ASCII are converted to A-labels. An IPv4 address must be four decimal
    numbers; every other name whose last label is a number is refused.
    """
    host = _to_ascii(text)
    if host.startswith("["):
        if not host.endswith("]"):
            raise BadHost("the host has an unclosed bracket")
        return _ipv6(host[1:-1])
    if ":" in host:
        return _ipv6(host)
    return _name_or_ipv4(host.lower())


def parse_port(text: str) -> int:
    """Return 1 to 65535. Raise ``ValueError`` for all else, including signs and spaces."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise ValueError(f"the port must be a number from 1 to 65535, not {text[:20]!r}")
    return int(text)


def split_host_port(text: str, default_port: int | None = None) -> tuple[str, int]:
    """Split ``host:port`` or ``[v6]:port``. The host is not parsed. Raise ``ValueError``."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        if default_port is None:
            raise ValueError("the port is missing; write host:port")
        return text, default_port
    if ":" in host and not host.endswith("]"):
        raise BadHost("an IPv6 address with a port needs brackets: [2001:db8::1]:80")
    return host, parse_port(port)


def parse_address(text: str, default_port: int) -> tuple[str, int]:
    """Host and port of ``host``, ``host:port`` or ``[v6]:port``, as people and settings write where
    to connect to. Raise ``ValueError`` for anything else. What the host is, the resolver decides.
    """
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.netloc != text or parts.username is not None:
        raise ValueError("it must be HOST, HOST:PORT or [IPV6]:PORT")
    return parts.hostname, parts.port or default_port


def join_host_port(host: Host, port: int) -> str:
    """``host:port``, or ``[v6]:port``."""
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def is_localhost(name: str) -> bool:
    """Whether a parsed name is localhost or below it: this machine, without a look-up."""
    return name == "localhost" or name.endswith(".localhost")


def _to_ascii(text: str | bytes) -> str:
    """Check length and characters; convert international names."""
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadHost("the host is not valid text") from error
    if not 1 <= len(text) <= MAX_NAME + 1:
        raise BadHost(f"the host must have 1 to {MAX_NAME} characters")
    if not text.isascii():
        text = _a_label(text)
    if any(not "!" <= char <= "~" for char in text):
        raise BadHost("the host contains a space or a control character")
    if "%" in text:
        raise BadHost("the host contains a '%'; zone ids and escapes are not accepted")
    return text


def _a_label(text: str) -> str:
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise BadHost("the host is not a valid international name") from error


def _ipv6(text: str) -> Address:
    try:
        return IPv6Address(text)
    except ValueError as error:
        raise BadHost("the host is not a valid IPv6 address") from error


def _name_or_ipv4(name: str) -> Host:
    name = name.removesuffix(".")
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise BadHost("the host may contain letters, digits, hyphens and dots only, 253 at most")
    labels = name.split(".")
    if any(not 1 <= len(label) <= 63 or "-" in (label[0], label[-1]) for label in labels):
        raise BadHost("every part of the host needs 1 to 63 characters and no hyphen at its ends")
    if not _NUMBER.fullmatch(labels[-1]):
        return name
    try:
        return ip_address(name)
    except ValueError as error:
        raise BadHost("an IPv4 address must be written as four decimal numbers") from error
