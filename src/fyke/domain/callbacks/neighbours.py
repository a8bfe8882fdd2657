"""Private addresses of other machines, to which callbacks are allowed while servers run.

An entry is ``host:port`` or ``network:port``. It is narrower than one of the setting
``callback_allow``: it has one port, covers private networks only, and never this installation. So
a user of the console cannot open what the machine protects by listening on its own address.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from fyke.kit.addresses import AllowEntry, Network, is_public, unwrap
from fyke.kit.hostports import Address, BadHost, Host, is_localhost, join_host_port, parse_host

SETTING = "FYKE_CALLBACK_ALLOW"
PLACE = "Admin > Proxies and regions"  # of the console
MAX_ENTRY = 300
PRIVATE: tuple[Network, ...] = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv6Network("fc00::/7"),
)
_METADATA = frozenset(
    ip_address(text) for text in ("100.100.100.200", "fd00:ec2::254", "fd20:ce::254")
)  # services of clouds within the private networks; they answer with credentials
_FORM = "write host:port or network:port, such as 10.0.0.5:5678"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One entry. ``target`` is a name, or a network, of one address or more."""

    target: str | Network
    port: int

    @property
    def text(self) -> str:
        """The entry in its only form, such as ``10.0.0.5:5678`` or ``10.0.0.0/24:443``."""
        if isinstance(self.target, str) or self.target.num_addresses > 1:
            return f"{self.target}:{self.port}"
        return join_host_port(self.target.network_address, self.port)

    def covers(self, address: Address, port: int) -> bool:
        if isinstance(self.target, str) or port != self.port:
            return False
        return address.version == self.target.version and address in self.target


class Neighbours:
    """The entries of an installation. ``own``: its addresses and names, which none covers."""

    def __init__(self, own: Iterable[str] = (), entries: Iterable[str] = ()) -> None:
        hosts = [host for text in own if (host := _host(text)) is not None]
        self.own = frozenset(host for host in hosts if not isinstance(host, str))
        self._own_names = frozenset(host for host in hosts if isinstance(host, str))
        self._entries = tuple(entry for text in entries if (entry := _stored(text)) is not None)

    def with_entries(self, entries: Iterable[str]) -> Neighbours:
        """Return a copy with these entries, without those that this release does not accept."""
        other = Neighbours((), entries)
        other.own, other._own_names = self.own, self._own_names
        return other

    def may_cover(self, address: Address) -> bool:
        """Whether an entry could allow this address: a private one that is not our own."""
        address = unwrap(address)
        return is_private(address) and address not in self.own and address not in _METADATA

    def covers(self, address: Address, port: int) -> bool:
        """Whether an entry allows this address at this port."""
        address = unwrap(address)
        return self.may_cover(address) and any(
            entry.covers(address, port) for entry in self._entries
        )

    def select(self, host: Host, answers: Iterable[str], port: int) -> list[str]:
        """The resolved addresses of the host that entries allow."""
        addresses = [unwrap(ip_address(answer.partition("%")[0])) for answer in answers]
        named = isinstance(host, str) and any(
            entry.target == host and entry.port == port for entry in self._entries
        )
        return [
            str(address)
            for address in addresses
            if self.covers(address, port) or (named and self._is_elsewhere(address))
        ]

    def _is_elsewhere(self, address: Address) -> bool:
        return self.may_cover(address) or (is_public(address) and address not in self.own)

    def left_out(self, entry: Neighbour) -> Sequence[str]:
        """The addresses in the network of an entry that it does not cover, sorted."""
        if isinstance(entry.target, str):
            return []
        return sorted(
            str(item) for item in {*self.own, *_METADATA} if entry.covers(item, entry.port)
        )

    def parse(self, text: str) -> Neighbour:
        """Parse what the operator has typed. Raise ``ValueError`` with the rule that it breaks, and
        what to do instead.
        """
        typed = text.strip()
        if not 1 <= len(typed) <= MAX_ENTRY:
            raise ValueError(f"it must have 1 to {MAX_ENTRY} characters; {_FORM}")
        try:
            parsed = AllowEntry.parse(typed)
        except ValueError as error:
            raise ValueError(f"{error.__cause__ or error}; {_FORM}") from error
        target = parsed.network if parsed.network is not None else parsed.name
        if parsed.port is None:
            raise ValueError(
                f"the port is missing; {_FORM}. Only the setting {SETTING} can allow every port"
            )
        entry = Neighbour(target, parsed.port)
        if fault := self._fault(entry):
            raise ValueError(fault)
        return entry

    def _fault(self, entry: Neighbour) -> str:
        target, port = entry.target, entry.port
        if port not in (80, 443) and port < 1024:
            return f"callbacks do not use port {port}; choose 80, 443 or one from 1024 to 65535"
        only = f"only the setting {SETTING} can allow it"
        if isinstance(target, str):
            is_own = is_localhost(target) or target in self._own_names
            return f"{target} is this installation itself; {only}" if is_own else ""
        shown = target.network_address if target.num_addresses == 1 else target
        if not any(_within(target, private) for private in PRIVATE):
            if is_public(target.network_address) and is_public(target.broadcast_address):
                return f"{shown} is on the public internet, where callbacks are allowed anyway"
            names = ", ".join(map(str, PRIVATE))
            return f"{shown} is not in a private network ({names}); {only}"
        if target.num_addresses == 1 and not self.may_cover(target.network_address):
            return f"{shown} is an address of this installation or its cloud; {only}"
        return ""


def is_private(address: Address) -> bool:
    """Whether an address is in a private network, of this installation or of others."""
    address = unwrap(address)
    return any(address.version == net.version and address in net for net in PRIVATE)


def _within(network: Network, private: Network) -> bool:
    if isinstance(network, IPv4Network):
        return isinstance(private, IPv4Network) and network.subnet_of(private)
    return isinstance(private, IPv6Network) and network.subnet_of(private)


def _host(text: str) -> Host | None:
    try:
        host = parse_host(text.partition("%")[0])
    except BadHost:
        return None
    return host if isinstance(host, str) else unwrap(host)


def _stored(text: str) -> Neighbour | None:
    try:
        return Neighbours().parse(text)
    except ValueError:
        return None
