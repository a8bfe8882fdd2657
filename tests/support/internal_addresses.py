"""Encodings of internal addresses: of this machine, its networks, and metadata services of clouds.

One list for everything that takes an untrusted address: the proxy, callbacks, webhooks, imports.
``ENCODINGS`` are hosts as written in a URL; ``NAMES`` are the addresses of the names among them,
and ``OUTSIDE`` is the one name with only a public address.
"""

from __future__ import annotations

import itertools
import socket
import struct
from collections.abc import Iterator
from ipaddress import ip_address

from fyke.kit.interfaces import own_addresses

PUBLIC, PUBLIC_V6 = "93.184.216.34", "2606:2800:220:1::1"
OUTSIDE = "outside.example"
METADATA = (
    "169.254.169.254", "169.254.170.2", "169.254.0.23", "100.100.100.200", "168.63.129.16",
    "192.0.0.192", "169.254.169.253", "169.254.42.42",
)  # fmt: skip
METADATA_V6 = ("fd00:ec2::254", "fd20:ce::254", "fe80::a9fe:a9fe", "fd00:42::42")
NAMES: dict[str, tuple[str, ...]] = {
    OUTSIDE: (PUBLIC,),
    "inside.example": ("127.0.0.1",),
    "mixed.example": (PUBLIC, "127.0.0.1"),
    "mixed-back.example": ("10.0.0.1", PUBLIC),
    "metadata.example": ("169.254.169.254",),
    "private.example": ("10.0.0.1",),
    "carrier.example": ("100.64.0.1",),
    "zero.example": ("0.0.0.0",),
    "mapped.example": ("::ffff:127.0.0.1",),
    "six.example": ("::1",),
    "mixed-six.example": (PUBLIC, "::1"),
    "unique.example": ("fd00::1",),
    "link.example": ("fe80::1",),
    "translated.example": ("64:ff9b::7f00:1",),
    "translated-here.example": ("64:ff9b:1::7f00:1",),
    "tunnel.example": ("2002:7f00:1::1",),
    "teredo.example": ("2001:0:4136:e378:8000:63bf:80ff:fffe",),
    "localhost.example": ("127.0.0.1",),
    "xn--bcher-kva.example": ("127.0.0.1",),
    "www.inside.example": ("127.0.0.1",),
    "1.0.0.127.example": ("127.0.0.1",),
    "127-0-0-1.example": ("127.0.0.1",),
    "metadata.google.internal": ("169.254.169.254",),
    "metadata.azure.internal": ("168.63.129.16",),
    "instance-data.ec2.internal": ("169.254.169.254",),
    "metadata.tencentyun.com": ("169.254.0.23",),
    "kubernetes.default.svc": ("10.96.0.1",),
    "host.docker.internal": ("172.17.0.1",),
}
_BY_HAND = (
    "localhost", "LOCALHOST", "localhost.", "a.localhost", "LocalHost.", "localhost.localdomain",
    "loc\u00adalhost", "\uff4c\uff4f\uff43alhost", "loc%61lhost", "localhost%00", "localhost%2e",
    "localhost\x00.example", "localhost\t", "\tlocalhost", "local\nhost", "local\rhost",
    "::1", "[::1]", "[::1", "::1]", "[[::1]]", "[::1].", "0:0:0:0:0:0:0:1", "::0001", "0::1",
    "[0000:0000:0000:0000:0000:0000:0000:0001]", "::", "[::]", "0::0", "[::0]", "::1%lo",
    "[::1%25lo]", "[::1%lo]", "fe80::1", "[fe80::1]", "fe80::1%lo", "[fe80::1%25lo]",
    "fe80::1%1", "[fe80::1%251]", "fec0::1", "ff02::1", "[ff02::1]", "fc00::1", "[fdff::1]",
    "0", "00", "0.0", "0.0.0.0", "0x0", "0x0.0x0", "0.0.0.0.", "000.000.000.000", "0.1",
    "0.0.0.1", "127", "127.1", "127.0.1", "127.127.127.127", "127.255.255.254", "127.0.0.2",
    "127.000.000.001", "127.0.0.1.", "127.0.0.1..", "127..0.0.1", ".127.0.0.1", "127.0.0.1.1",
    "127.0.0.256", "127.0.0.0x1", "127.0.0.01", "0127.0.0.1", "0x7f.1", "0x7f.0x1", "0177.1",
    "0X7F000001", "0x7F.0.0.1", "0o177.0.0.1", "0b1111111.0.0.1", "017700000001",
    "000017700000001", "0x000000007f000001", "0x1007f000001", "4294967297", "6425673729",
    "-1", "+2130706433", "2130706433.", "2130706433e0", "2.130706433e9",
    "127.0.0.1\x00.example", "127.0.0.1\x00", "127.0.0.1\r\n", "127.0.0.1 ", " 127.0.0.1",
    "127.0.0.1\t", "127.0.0.1\x0b", "127.0.0.1\x7f", "127.0.0.1\u200b", "127.0.0.1\ufeff",
    "127.0.0.1\u2028", "127.0.0.1\xa0", "127.0.0.1/", "127.0.0.1//", "127.0.0.1\\", "\\127.0.0.1",
    "@127.0.0.1", "127.0.0.1#", "127.0.0.1?", "127.0.0.1;", "127.0.0.1,", "127.0.0.1&",
    "127.0.0.1@example.com", "user@127.0.0.1", "user:word@127.0.0.1", ":@127.0.0.1",
    "example.com@127.0.0.1", "example.com:80@127.0.0.1", "example.com#@127.0.0.1",
    "example.com\\@127.0.0.1", "example.com%40127.0.0.1", "127.0.0.1%23@outside.example",
    "127.0.0.1:80", "127.0.0.1:80:80", "127.0.0.1:http", "127.0.0.1:0x50", "127.0.0.1:00080",
    "127.0.0.1:+80", "127.0.0.1: 80", "127.0.0.1:\uff18\uff10", "[::1]:80", "::1:80",
    "127%2e0%2e0%2e1", "127.0.0.1%00", "127.0.0.1%0a", "127.0.0.1%20", "%31%32%37.0.0.1",
    "127.0.0.%31", "%5b::1%5d", "[::ffff:127.0.0.1%25lo]", "127\u30020\u30020\u30021",
    "\u2460\u2461\u2466.0.0.1", "\u0661\u0662\u0667.0.0.1", "127\uff610\uff610\uff611",
    "a" * 255, "a" * 64 + ".example", ("a" * 60 + ".") * 5 + "inside.example", "", ".", "..",
    "-", "*", "a..b", "_.inside.example", "inside.example.", "INSIDE.EXAMPLE", "Inside.Example",
    "inside.example..", "b\u00fccher.example", "B\u00dcCHER.example", "inside\u3002example",
    "xn--inside-.example", "xn--localhost-", "ip6-localhost", "ip6-loopback", "broadcasthost",
    "255.255.255.255", "224.0.0.1", "239.255.255.250", "192.168.0.1", "172.16.0.1", "172.31.255.1",
    "192.168.1.1.", "100.64.0.1", "100.127.255.254", "198.18.0.1", "192.0.2.1", "203.0.113.1",
)  # fmt: skip


def octet_forms(value: int) -> tuple[str, ...]:
    return str(value), hex(value), f"0{value:o}", f"{value:03d}"


def v4_encodings(address: str) -> Iterator[str]:
    """All forms that at least one resolver reads as this address."""
    number = struct.unpack(">I", socket.inet_aton(address))[0]
    octets = [int(part) for part in address.split(".")]
    for forms in itertools.product(*(octet_forms(octet) for octet in octets)):
        yield ".".join(forms)
    yield from short_encodings(address)
    yield from (f"{number:032b}", hex(number).upper(), f"{number + 2**32}", f"[{address}]")
    yield from (address + ".", address + "..", "." + address, address.replace(".", "\u3002"))
    yield from (address.replace(".", "%2e"), address.replace(".", "\uff0e"))
    yield "".join(chr(ord(char) + 0xFEE0) if char.isdigit() else char for char in address)
    yield "".join(chr(ord(char) + 0x1D7CE - 0x30) if char.isdigit() else char for char in address)


def short_encodings(address: str) -> Iterator[str]:
    """The address in one, two and three numbers."""
    number = struct.unpack(">I", socket.inet_aton(address))[0]
    first, second, *_ = (int(part) for part in address.split("."))
    yield address
    for form in (str, hex, lambda n: f"0{n:o}"):
        yield form(number)
        yield f"{first}.{form(number & 0xFFFFFF)}"
        yield f"{first}.{second}.{form(number & 0xFFFF)}"


def v6_encodings(address: str) -> Iterator[str]:
    """IPv6 forms that carry an IPv4 address."""
    raw = socket.inet_aton(address).hex()
    high, low = raw[:4], raw[4:]
    for prefix in ("::ffff:", "::", "64:ff9b::", "64:ff9b:1::", "64:ff9b:1:ffff::", "::ffff:0:"):
        yield from (f"{prefix}{address}", f"{prefix}{high}:{low}", f"[{prefix}{high}:{low}]")
    yield from (f"2002:{high}:{low}::", f"2002:{high}:{low}::1", f"[2002:{high}:{low}::]")
    flipped = f"{int(raw, 16) ^ 0xFFFFFFFF:08x}"
    yield f"2001:0:4136:e378:8000:63bf:{flipped[:4]}:{flipped[4:]}"
    yield f"[2001:0:4136:e378:8000:63bf:{flipped[:4]}:{flipped[4:]}]"
    yield from (f"2600::5efe:{high}:{low}", f"fe80::200:5efe:{high}:{low}")
    yield from (f"0:0:0:0:0:ffff:{high}:{low}", f"::FFFF:{high}:{low}")


def all_encodings(own: tuple[str, ...] = ()) -> list[str]:
    """Every encoding once; ``own`` are further addresses of this machine."""
    encodings = [*_BY_HAND, *(name for name in NAMES if name != OUTSIDE)]
    for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254"):
        encodings += [*v4_encodings(address), *v6_encodings(address)]
    for address in METADATA:
        encodings += [*short_encodings(address), *v6_encodings(address)]
    for address in (*METADATA_V6, *own, *sorted(own_addresses())):
        encodings += [f"[{address}]", address] if ":" in address else [*short_encodings(address)]
    return list(dict.fromkeys(encodings))


def literal(host: str) -> bytes | None:
    """The host as type and bytes of a SOCKS address; None when it is a name."""
    try:
        address = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return bytes([1 if address.version == 4 else 4]) + address.packed


ENCODINGS = all_encodings()
