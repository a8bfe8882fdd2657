"""The address of the client, and the name by which it reached this server.

Headers that any client can send are not trusted: ``X-Forwarded-*`` counts only when the peer is a
configured proxy, and a Host outside the allow-list is refused before routing, which stops a web
page from reaching a loopback server by DNS rebinding.

Three paths are answered under any name, because a kubelet and Prometheus ask a pod by its address.
They change nothing, the metrics need a key, and ``/readyz`` gives such a request no reason.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import Scope

from fyke.api.errors import Refusal

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_ALWAYS_ALLOWED = ("localhost", "127.0.0.1", "[::1]")
_ANY_HOST = frozenset({"/healthz", "/readyz", "/metrics"})
_HOSTS = 256  # checked ones that are remembered
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Visit:
    """Where a request came from and where it was sent, according to trusted proxies."""

    address: str
    origin: str  # scheme://host[:port] of this server as the client sees it
    is_known_host: bool = True  # False for a path that is answered under any name


def header(scope: Scope, name: bytes) -> str | None:
    """The value of the last header ``name`` (lower case), None when absent."""
    for key, value in reversed(scope["headers"]):
        if key == name:
            return str(value.decode("latin-1"))
    return None


class Network:
    """Checks hosts and resolves trusted proxies and absolute URLs."""

    def __init__(
        self,
        *,
        bound_host: str,
        public_url: str,
        allowed_hosts: Iterable[str],
        trusted_proxies: Iterable[str],
    ) -> None:
        self._public_url = public_url.rstrip("/")
        names = [*_ALWAYS_ALLOWED, _bracketed(bound_host), *map(_bracketed, allowed_hosts)]
        if public_url:
            names.append(_bracketed(urlsplit(public_url).hostname or ""))
        self._allowed = frozenset(name.lower().rstrip(".") for name in names if name)
        self._proxies = [_network(entry) for entry in trusted_proxies]
        # an allowed name with one of its ports; a Host that is refused is not kept
        self._check = lru_cache(_HOSTS)(self._check_host)

    def visit(self, scope: Scope) -> Visit:
        """The visit of a request. Raises ``Refusal`` for a Host that is not allowed."""
        peer = scope["client"][0] if scope.get("client") else ""
        hosts = [value for key, value in scope["headers"] if key == b"host"]
        host = hosts[0].decode("latin-1") if len(hosts) == 1 else ""
        scheme, address = scope.get("scheme", "http"), peer
        if self.trusts(peer):
            host = _last(header(scope, b"x-forwarded-host")) or host
            forwarded = _last(header(scope, b"x-forwarded-proto"))
            scheme = forwarded if forwarded in ("http", "https") else scheme
            address = self._client_behind(peer, header(scope, b"x-forwarded-for"))
        is_known = True
        try:
            self._check(host)
        except Refusal:
            is_probe = scope["path"] in _ANY_HOST and scope["method"] in ("GET", "HEAD")
            if not is_probe or _HOST.fullmatch(host) is None:
                raise
            host, is_known = "localhost", False  # nothing repeats a name that was not checked
        return Visit(address, self._public_url or f"{scheme}://{host}", is_known)

    def _check_host(self, host: str) -> None:
        match = _HOST.fullmatch(host)
        if match is None or match["name"].lower().rstrip(".") not in self._allowed:
            raise Refusal(
                400,
                "the Host header names another server; "
                "add the name to FYKE_ALLOWED_HOSTS or set FYKE_PUBLIC_URL",
            )

    def trusts(self, address: str) -> bool:
        """Whether a peer with this address is a trusted proxy."""
        if not self._proxies:
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._proxies)

    def _client_behind(self, peer: str, forwarded: str | None) -> str:
        """The last address that is not a trusted proxy; those before it cannot be trusted."""
        address = peer
        for hop in reversed((forwarded or "").split(",")):
            hop = hop.strip()
            try:
                ipaddress.ip_address(hop)
            except ValueError:
                break
            address = hop
            if not self.trusts(hop):
                break
        return address


def limiter_key(address: str) -> str:
    """The address, or the /64 of an IPv6 address, because a subscriber has a whole /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address


def _last(value: str | None) -> str:
    return value.split(",")[-1].strip() if value else ""


def _bracketed(host: str) -> str:
    host = host.strip()
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _network(entry: str) -> IPNetwork:
    try:
        return ipaddress.ip_network(entry.strip(), strict=False)
    except ValueError:
        raise ValueError(
            f'trusted_proxies: "{entry}" must be an IP address or a network such as 10.0.0.0/8'
        ) from None
