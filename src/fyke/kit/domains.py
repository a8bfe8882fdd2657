"""The domains that a version declares, the only ones that its runs may reach.

``example.com`` covers this name and its subdomains, ``*.example.com`` only the subdomains, an
address only itself; each at every port, or with ``:port`` (``[v6]:port``) at one. Hosts are
normalised as in ``hostports``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fyke.kit.addresses import unwrap
from fyke.kit.hostports import Host, parse_host, parse_port

MAX_DOMAINS = 100


class BadDomain(ValueError):
    """An invalid entry: the rule that it breaks, and the remedy."""

    def __init__(self, entry: str, rule: str, remedy: str) -> None:
        self.rule = f"domain {entry[:80]!r}: {rule}"
        self.remedy = remedy
        super().__init__(f"{self.rule}; {remedy}")


@dataclass(frozen=True, slots=True)
class Domain:
    """One entry. ``subdomains_only``: the name itself is not covered."""

    host: Host
    port: int | None = None
    subdomains_only: bool = False

    @classmethod
    def parse(cls, text: str) -> Domain:
        """Raise ``BadDomain``."""
        entry = text.strip()
        try:
            return cls._parse(entry)
        except ValueError as error:
            remedy = "write example.com, *.example.com or an address, with :port for one port only"
            raise BadDomain(entry, str(error), remedy) from error

    @classmethod
    def _parse(cls, entry: str) -> Domain:
        host_text, port = _split_port(entry)
        subdomains_only = host_text.startswith("*.")
        host = parse_host(host_text[2:] if subdomains_only else host_text)
        if subdomains_only and not isinstance(host, str):
            raise ValueError("an address has no subdomains")
        return cls(host if isinstance(host, str) else unwrap(host), port, subdomains_only)

    def covers(self, host: Host, port: int) -> bool:
        """Whether the entry covers this parsed host and port."""
        if self.port is not None and self.port != port:
            return False
        if not isinstance(host, str) or not isinstance(self.host, str):
            return self.host == (host if isinstance(host, str) else unwrap(host))
        return host.endswith("." + self.host) or (host == self.host and not self.subdomains_only)

    def __str__(self) -> str:
        """The normalised form, which is stored and shown."""
        host = f"[{self.host}]" if ":" in str(self.host) and self.port else str(self.host)
        star = "*." if self.subdomains_only else ""
        return f"{star}{host}" + (f":{self.port}" if self.port is not None else "")


class Domains:
    """The declared list. Raise ``ValueError`` for a malformed entry or more than 100."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._entries = tuple(Domain.parse(entry) for entry in entries)
        if len(self._entries) > MAX_DOMAINS:
            raise ValueError(f"at most {MAX_DOMAINS} domains can be declared")

    def covers(self, host: Host, port: int) -> bool:
        """Whether any entry covers this parsed host and port."""
        return any(entry.covers(host, port) for entry in self._entries)

    def __iter__(self) -> Iterator[Domain]:
        return iter(self._entries)


def _split_port(entry: str) -> tuple[str, int | None]:
    """Split off the port. An IPv6 address without brackets has none."""
    if entry.startswith("["):
        host, bracket, rest = entry.partition("]")
        if rest and not rest.startswith(":"):
            raise ValueError("only a port may follow the bracket")
        return host + bracket, parse_port(rest[1:]) if rest else None
    if entry.count(":") != 1:
        return entry, None
    host, _, port = entry.partition(":")
    return host, parse_port(port)
