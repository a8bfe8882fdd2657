"""Every spelling of the inside, thrown at the real proxy with canaries listening behind it."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest

from fyke.domain.contracts import Pass
from fyke.egress.local import LocalEgress
from fyke.kit.addresses import AddressRules
from fyke.kit.interfaces import own_addresses
from fyke.kit.names import Resolver
from support.egress import (
    ATTEMPT,
    SECRET,
    Origin,
    basic,
    connect,
    echo,
    http_connect,
    listener,
    port_of,
    socks,
    socks_code,
    socks_hello,
)

pytestmark = pytest.mark.anyio


def octet_forms(value: int) -> tuple[str, ...]:
    return str(value), hex(value), f"0{value:o}", f"{value:03d}"


def v4_spellings(address: str) -> Iterator[str]:
    """All that some resolver somewhere reads as this address."""
    number = struct.unpack(">I", socket.inet_aton(address))[0]
    octets = [int(part) for part in address.split(".")]
    for forms in itertools.product(*(octet_forms(octet) for octet in octets)):
        yield ".".join(forms)
    yield from (str(number), hex(number), f"0{number:o}", f"{number:032b}", hex(number).upper())
    tail = octets[1] << 16 | octets[2] << 8 | octets[3]
    for form in (str, hex, lambda n: f"0{n:o}"):
        yield f"{octets[0]}.{form(tail)}"
        yield f"{octets[0]}.{octets[1]}.{form(octets[2] << 8 | octets[3])}"
    yield from (address + ".", address + "..", "." + address, address.replace(".", "\u3002"))
    yield from (address.replace(".", "%2e"), address.replace(".", "\uff0e"), f"[{address}]")
    yield "".join(chr(ord(char) + 0xFEE0) if char.isdigit() else char for char in address)
    yield "".join(chr(ord(char) + 0x1D7CE - 0x30) if char.isdigit() else char for char in address)


def v6_spellings(address: str) -> Iterator[str]:
    """IPv6 forms that carry an IPv4 address."""
    raw = socket.inet_aton(address).hex()
    high, low = raw[:4], raw[4:]
    for prefix in ("::ffff:", "::", "64:ff9b::", "64:ff9b:1::", "::ffff:0:"):
        yield from (f"{prefix}{address}", f"{prefix}{high}:{low}", f"[{prefix}{high}:{low}]")
    yield from (f"2002:{high}:{low}::", f"2002:{high}:{low}::1", f"[2002:{high}:{low}::]")
    flipped = f"{int(raw, 16) ^ 0xFFFFFFFF:08x}"
    yield f"2001:0:4136:e378:8000:63bf:{flipped[:4]}:{flipped[4:]}"
    yield from (f"2600::5efe:{high}:{low}", f"fe80::200:5efe:{high}:{low}")
    yield from (f"0:0:0:0:0:ffff:{high}:{low}", f"::FFFF:{high}:{low}")


def all_spellings() -> list[str]:
    named = [
        "localhost", "LOCALHOST", "localhost.", "a.localhost", "LocalHost.", "::1", "[::1]",
        "localhost\x00.example", "0:0:0:0:0:0:0:1", "::", "[::]", "0::0", "::1%lo", "[::1%25lo]",
        "fe80::1%lo", "0", "0.0", "0.0.0.0", "0x0", "00", "127.1", "127.0.1", "127.127.127.127",
        "ff02::1", "127.0.0.1\x00.example", "127.0.0.1\r\n", "127.0.0.1 ", " 127.0.0.1",
        "127.0.0.1/", "@127.0.0.1", "127.0.0.1#", "127.0.0.1?", "127.0.0.1@example.com",
        "user@127.0.0.1", "a" * 255, "", "inside.example", "mixed.example", "mapped.example",
        "metadata.example",
    ]  # fmt: skip
    own = [address for address in own_addresses() if not address.startswith("fe80")]
    found = [*named, *own]
    for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254"):
        found += [*v4_spellings(address), *v6_spellings(address)]
    return list(dict.fromkeys(found))


SPELLINGS = all_spellings()
NAMES = {
    "inside.example": ("127.0.0.1",),
    "mixed.example": ("8.8.8.8", "127.0.0.1"),
    "mapped.example": ("::ffff:127.0.0.1",),
    "metadata.example": ("169.254.169.254",),
}


class Canary:
    """Listens on all addresses of this machine, IPv4 and IPv6, and must never be called."""

    def __init__(self) -> None:
        self.called = 0

    async def __aenter__(self) -> Canary:
        if socket.has_dualstack_ipv6():
            sock = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        else:
            sock = socket.create_server(("0.0.0.0", 0))
        self.port = port_of(sock)

        def called(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.called += 1
            writer.close()

        self._server = await asyncio.start_server(called, sock=sock)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()


@pytest.fixture
async def proxy() -> AsyncIterator[int]:
    egress = LocalEgress(resolver=Resolver(lambda name: NAMES.get(name, ())))
    sock = listener()
    await egress.open([sock], Pass(ATTEMPT, SECRET, ""))
    yield port_of(sock)
    await egress.stop()


def test_there_are_enough_spellings() -> None:
    assert len(SPELLINGS) >= 400


@pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.long)])
async def test_no_spelling_reaches_the_inside(proxy: int, step: int) -> None:
    async with Canary() as canary:
        for host in SPELLINGS[::step]:
            raw = host.encode()[:255]
            code, _, writer = await socks(proxy, raw, canary.port)
            assert code in (2, 4, 8), host
            writer.close()
            target = f"{host}:{canary.port}".encode().decode("latin-1")
            with suppress(ConnectionError):
                status, _, _, writer = await http_connect(proxy, target)
                assert status in (400, 403, 502), host
                writer.close()
            reader, writer = await connect(proxy)
            line = f"GET http://{target}/ HTTP/1.1\r\nProxy-Authorization: {basic()}\r\n\r\n"
            writer.write(line.encode("latin-1"))
            assert int((await reader.read()).split()[1]) in (400, 403, 502), host
            writer.close()
        assert canary.called == 0


async def test_no_raw_address_reaches_the_inside(proxy: int) -> None:
    inside4 = ("127.0.0.1", "0.0.0.0", "10.0.0.1", "169.254.169.254", "255.255.255.255")
    inside6 = ("::1", "::", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "fd00::2", "fe80::1")
    raws = [b"\x01" + socket.inet_aton(text) for text in inside4]
    raws += [b"\x04" + socket.inet_pton(socket.AF_INET6, text) for text in inside6]
    async with Canary() as canary:
        for raw in raws:
            reader, writer = await connect(proxy)
            writer.write(socks_hello() + b"\x05\x01\x00" + raw + struct.pack(">H", canary.port))
            assert await socks_code(reader) == 2
            writer.close()
        assert canary.called == 0


@pytest.mark.parametrize("rounds", [100, pytest.param(1000, marks=pytest.mark.long)])
async def test_a_rebinding_name_is_dialled_as_it_was_judged(rounds: int) -> None:
    """The resolver alternates between an exempt address and the canary's."""
    asked = 0

    def flipping(name: str) -> tuple[str, ...]:
        nonlocal asked
        asked += 1
        return ("127.0.0.2",) if asked % 2 else ("127.0.0.1",)

    async def here(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(writer.get_extra_info("sockname")[0].encode())
        writer.close()

    server = await asyncio.start_server(here, "127.0.0.2", 0)
    port = server.sockets[0].getsockname()[1]
    trap = socket.create_server(("127.0.0.1", port))
    trap.setblocking(False)
    egress = LocalEgress(
        AddressRules([f"127.0.0.2:{port}"]),
        resolver=Resolver(flipping, keep=0, keep_failure=0),
    )
    sock = listener()
    await egress.open([sock], Pass(ATTEMPT, SECRET, ""))
    gate = egress._proxy._gates[ATTEMPT]
    gate.reach.rules._pace._rate = 1e9
    codes = []
    for _ in range(rounds):
        code, reader, writer = await socks(port_of(sock), "flip.example", port)
        codes.append(code)
        if code == 0:
            assert (await reader.read()).endswith(b"127.0.0.2")
        writer.close()
    assert codes == [0, 2] * (rounds // 2)
    with pytest.raises(BlockingIOError):
        trap.accept()
    server.close()
    await egress.stop()


async def test_redirect_chains_are_judged_at_every_hop(proxy: int) -> None:
    """A site that was allowed sends the client inside; the next connection is judged as any."""
    async with Canary() as canary, Origin(echo) as origin:
        egress = LocalEgress(AddressRules([f"127.0.0.1:{origin.port}"]))
        sock = listener()
        await egress.open([sock], Pass(ATTEMPT, SECRET, ""))
        for hop in range(50):
            good = hop % 2 == 0
            port = origin.port if good else canary.port
            code, _, writer = await socks(port_of(sock), "127.0.0.1", port)
            assert code == (0 if good else 2)
            writer.close()
        assert canary.called == 0
        await egress.stop()
