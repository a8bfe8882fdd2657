"""The addresses of this machine's network interfaces, read through netlink.

Services of this machine listen on them, so Workers may not reach even a public one.
"""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address

_RTM_GETADDR = 22
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_REQUEST_DUMP = 0x1 | 0x300
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_HEADER = struct.Struct("=IHHII")
_IFADDR = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")


def own_addresses() -> frozenset[str]:
    """Return every address of every interface, IPv4 and IPv6, as text.

    Without netlink, return the addresses that the host name resolves to.
    """
    if hasattr(socket, "AF_NETLINK"):
        try:
            return frozenset(_read_netlink())
        except OSError:
            pass  # netlink is not available here
    return frozenset(_resolve_host_name())


def _resolve_host_name() -> set[str]:
    try:
        answers = socket.getaddrinfo(socket.gethostname(), None)
    except (OSError, UnicodeError):
        return set()
    return {str(answer[4][0]).partition("%")[0] for answer in answers}


def _read_netlink() -> set[str]:
    addresses: set[str] = set()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as channel:
        channel.settimeout(5)
        channel.bind((0, 0))
        length = _HEADER.size + _IFADDR.size
        request = _HEADER.pack(length, _RTM_GETADDR, _REQUEST_DUMP, 1, 0)
        channel.send(request + _IFADDR.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
        while _read_messages(channel.recv(1 << 16), addresses):
            pass
    return addresses


def _read_messages(data: bytes, addresses: set[str]) -> bool:
    """Add the addresses of one datagram; return whether more datagrams follow."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        if kind == _NLMSG_DONE or length < _HEADER.size:
            return False
        if kind == _NLMSG_ERROR:
            raise OSError("the kernel refused to list addresses")
        addresses |= _parse_attributes(data[at + _HEADER.size + _IFADDR.size : at + length])
        at += (length + 3) & ~3
    return True


def _parse_attributes(attributes: bytes) -> set[str]:
    addresses = set()
    at = 0
    while at + _ATTRIBUTE.size <= len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, at)
        if length < _ATTRIBUTE.size:
            break
        value = attributes[at + _ATTRIBUTE.size : at + length]
        if kind in (_IFA_ADDRESS, _IFA_LOCAL) and len(value) in (4, 16):
            addresses.add(str(ip_address(value)))
        at += (length + 3) & ~3
    return addresses
