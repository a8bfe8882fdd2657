"""Decides which addresses count as the public internet.

``ipaddress.is_global`` is not enough: its results change between Python versions, and it passes
the metadata services of two clouds (192.0.0.192 and 168.63.129.16). So the networks are listed
here, IPv4 addresses embedded in IPv6 are checked as IPv4, and the addresses of this machine's own
interfaces count as private even when they are public.

The operator may exempt targets: ``host:port``, ``network`` or ``network:port``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from fyke.kit.hostports import Address, Host, is_localhost, parse_host, parse_port, split_host_port

Network = IPv4Network | IPv6Network

_DENIED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers; a cloud's metadata service lives in it
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's metadata service
        "169.254.0.0/16",  # link-local, metadata services
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments, a cloud's metadata service
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")  # all else is loopback, private, link-local, multicast, unused
_DENIED_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an embedded IPv4 address
        "3ffe::/16",  # returned test network
        "3fff::/20",  # documentation
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})


def unwrap(address: Address) -> Address:
    """Return the IPv4 address of an IPv4-mapped one, everything else unchanged."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_public(address: Address) -> bool:
    """Whether the address, or the IPv4 address embedded in it, is on the public internet."""
    address = unwrap(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _DENIED_V4)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if address not in _GLOBAL_V6 or (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return False
    return not any(address in network for network in _DENIED_V6)


@dataclass(frozen=True, slots=True)
class AllowEntry:
    """One exemption: a network or a name, at one port or (networks only) at every port."""

    network: Network | None
    name: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> AllowEntry:
        """Parse ``10.0.0.0/8``, ``10.0.0.0/8:443``, ``127.0.0.1:8000``, ``[::1]:80``, ``app:80``.

        Raise ``ValueError`` with the entry and the rule that it breaks.
        """
        entry = text.strip()
        try:
            return cls._network(entry) if _is_network(entry) else cls._host(entry)
        except ValueError as error:
            raise ValueError(
                f"allow entry {entry[:80]!r}: {error}; write host:port, network or network:port"
            ) from error

    @classmethod
    def _network(cls, entry: str) -> AllowEntry:
        host, slash, rest = entry.partition("/")
        bits, colon, port = rest.partition(":")
        network = ip_network(f"{host.strip('[]')}{slash}{bits}" if slash else host.strip("[]"))
        return cls(network, "", parse_port(port) if colon else None)

    @classmethod
    def _host(cls, entry: str) -> AllowEntry:
        host_text, port = split_host_port(entry)
        host = parse_host(host_text)
        if isinstance(host, str):
            return cls(None, host, port)
        return cls(ip_network(unwrap(host)), "", port)

    def covers(self, address: Address, port: int) -> bool:
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            return address.version == self.network.version and address in self.network
        return is_localhost(self.name) and str(address) in ("127.0.0.1", "::1")

    def names(self, name: str, port: int) -> bool:
        return self.network is None and self.name == name and self.port == port


def _is_network(entry: str) -> bool:
    """Whether the entry has a slash or is an address without a port, which means every port."""
    if "/" in entry:
        return True
    if ":" in entry and not entry.startswith("["):
        return False  # ambiguous: an IPv6 address, or a host with a port
    try:
        ip_address(entry.strip("[]"))
    except ValueError:
        return False
    return True


def not_public(host: Host, port: int | None = None) -> str:
    """The beginning of a sentence for a host that is not dialled. It is the same for a name with an
    internal address and for a name that does not exist; otherwise callers could probe the names of
    an internal network.
    """
    at = f"{host} port {port}" if port is not None else f"{host}"
    if _may_be_missing(host):
        return f"{at}: the name does not exist or has no address on the public internet"
    return f"{at} is not on the public internet"


def refused_address(host: Host, setting: str, port: int | None = None) -> str:
    """The sentence for a host that is not dialled, with the setting that changes it."""
    exempt = "an internal one" if _may_be_missing(host) else "it"
    return f"{not_public(host, port)}; {setting} can exempt {exempt}"


def _may_be_missing(host: Host) -> bool:
    return isinstance(host, str) and not is_localhost(host)


class AddressRules:
    """Checks addresses. Immutable; cheap enough to make one per attempt.

    An entry that names a host allows exactly that name at that port, whatever it resolves to. An
    entry for ``localhost`` also allows 127.0.0.1 and ::1 at that port.
    """

    def __init__(
        self, allow: Iterable[str] = (), own_addresses: Iterable[str | Address] = ()
    ) -> None:
        self._allow = tuple(AllowEntry.parse(text) for text in allow)
        self._own = frozenset(_without_zone(address) for address in own_addresses)

    def extended(
        self, allow: Iterable[str] = (), own_addresses: Iterable[str | Address] = ()
    ) -> AddressRules:
        """Return a copy with more exemptions and more own addresses."""
        more = AddressRules(allow, own_addresses)
        more._allow = (*self._allow, *more._allow)
        more._own |= self._own
        return more

    def with_exemptions(self, allow: Iterable[str]) -> AddressRules:
        """Return a copy with other exemptions. Raise ``ValueError``."""
        other = AddressRules(allow)
        other._own = self._own
        return other

    def exempt(self, ip: str | Address, port: int) -> bool:
        """Whether an allow entry names this address and port."""
        address = unwrap(ip_address(ip) if isinstance(ip, str) else ip)
        return any(entry.covers(address, port) for entry in self._allow)

    def check(self, ip: str | Address, port: int) -> bool:
        """Whether this address and port may be reached."""
        address = unwrap(ip_address(ip) if isinstance(ip, str) else ip)
        if not 1 <= port <= 65535:
            return False
        if self.exempt(address, port):
            return True
        return address not in self._own and is_public(address)

    def check_name(self, name: str, port: int) -> bool:
        """Whether an allow entry names exactly this host and port."""
        return any(entry.names(name, port) for entry in self._allow)

    def select(self, host: Host, answers: Iterable[str | Address], port: int) -> list[str]:
        """Return the resolved addresses that may be dialled; empty means refused.

        One private address refuses all of them, because a public name has none. If the
        operator has exempted one of them, the others are only left out.
        """
        addresses = [_without_zone(answer) for answer in answers]
        if isinstance(host, str) and self.check_name(host, port):
            return [str(address) for address in addresses]
        allowed = [str(address) for address in addresses if self.check(address, port)]
        if len(allowed) == len(addresses) or any(self.exempt(item, port) for item in addresses):
            return allowed
        return []


def _without_zone(address: str | Address) -> Address:
    """Parse an address that may end with an IPv6 zone id, such as ``fe80::1%eth0``."""
    return unwrap(ip_address(str(address).partition("%")[0]))
