"""Every encoding of an internal address is sent to the real proxy; canaries listen behind it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from fyke.contracts.egress import EgressGrant
from fyke.egress.local import LocalEgress
from fyke.kit.addresses import AddressRules
from fyke.kit.resolver import Resolver
from support.closed_network import closed
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
from support.internal_addresses import ENCODINGS, NAMES, OUTSIDE, PUBLIC

pytestmark = pytest.mark.anyio
INSIDE = {name: found for name, found in NAMES.items() if name != OUTSIDE}


class Canary:
    """Listens on all addresses of this machine, IPv4 and IPv6; no connection may arrive."""

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
    egress = LocalEgress(resolver=Resolver(lambda name: INSIDE.get(name, ())))
    sock = listener()
    await egress.open([sock], EgressGrant(ATTEMPT, SECRET, ""))
    yield port_of(sock)
    await egress.stop()


def test_there_are_enough_encodings() -> None:
    assert len(ENCODINGS) >= 1000


@pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.long)])
async def test_no_encoding_reaches_an_internal_address(proxy: int, step: int) -> None:
    async with Canary() as canary:
        for host in ENCODINGS[::step]:
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


@pytest.mark.parametrize(
    ("step", "git_step"),
    [(8, 10), pytest.param(1, 1, marks=[pytest.mark.long, pytest.mark.timeout(600)])],
)
def test_no_encoding_reaches_an_internal_address_by_any_client(step: int, git_step: int) -> None:
    """Tested in a network where every address leads to a canary, with a real name server."""
    result = closed("support.internal_address_trials:encodings", 590, step=step, git_step=git_step)
    assert result["called"] == []
    ways = result["ways"]
    tried = result["encodings"]
    assert ways["socks refused"] == ways["absolute refused"] == tried
    assert ways["delivery refused"] == 2 * tried
    # the other hosts are names, which are refused at delivery
    assert ways["callback saved refused"] > 1.5 * tried
    assert ways["callback saved refused"] == ways["webhook saved refused"]
    assert ways["literal refused"] > tried / 5
    assert ways["connect refused"] > tried / 2
    assert ways["git refused"] >= tried // git_step
    passed = {way for way in ways if way.endswith(" passed")}
    assert passed <= {"callback saved passed", "webhook saved passed"}
    assert set(result["outside"]) == {PUBLIC}  # public addresses are reachable by every client
    assert len(result["outside"]) == 6
    assert result["queries"] > 0


@pytest.mark.parametrize(
    ("rounds", "git_rounds"),
    [(6, 1), pytest.param(100, 25, marks=[pytest.mark.long, pytest.mark.timeout(300)])],
)
def test_rebinding_names_lead_to_no_internal_address(rounds: int, git_rounds: int) -> None:
    result = closed(
        "support.internal_address_trials:rebinding", 290, rounds=rounds, git_rounds=git_rounds
    )
    assert result["inside"] == []
    assert sum(result["ways"].values()) - 4 * rounds >= 10 * rounds  # without stored URLs
    assert result["outside"] > 5 * rounds
    assert result["ways"]["socks refused"] > rounds / 2  # names that resolve inside


@pytest.mark.parametrize("chains", [8, pytest.param(50, marks=pytest.mark.long)])
def test_redirects_through_the_proxy_lead_to_no_internal_address(chains: int) -> None:
    result = closed("support.internal_address_trials:redirects", chains=chains)
    assert result["inside"] == []
    assert result["outside"] == 3 * chains
    assert len(result["ends"]) == chains
    assert not [end for end in result["ends"] if end.startswith("2")]


async def test_raw_sockets_reach_no_internal_address(proxy: int) -> None:
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
async def test_a_rebinding_name_is_dialled_at_the_address_that_was_checked(rounds: int) -> None:
    """The resolver alternates between an allowed address and the canary's address."""
    lookups = 0

    def flipping(name: str) -> tuple[str, ...]:
        nonlocal lookups
        lookups += 1
        return ("127.0.0.2",) if lookups % 2 else ("127.0.0.1",)

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
    await egress.open([sock], EgressGrant(ATTEMPT, SECRET, ""))
    attempt_proxy = egress._proxy._attempts[ATTEMPT]
    attempt_proxy.dialer.rules._rate_limit._rate = 1e9
    codes = []
    for _ in range(rounds):
        code, reader, writer = await socks(port_of(sock), "flip.example", port)
        codes.append(code)
        if code == 0:
            assert (await reader.read()).endswith(b"127.0.0.2")
        writer.close()
    assert codes == [0, 4] * (rounds // 2)
    with pytest.raises(BlockingIOError):
        trap.accept()
    server.close()
    await egress.stop()


async def test_redirect_chains_are_checked_at_every_hop(proxy: int) -> None:
    """An allowed site redirects to an internal address; the next connection is checked as usual."""
    async with Canary() as canary, Origin(echo) as origin:
        egress = LocalEgress(AddressRules([f"127.0.0.1:{origin.port}"]))
        sock = listener()
        await egress.open([sock], EgressGrant(ATTEMPT, SECRET, ""))
        for hop in range(50):
            good = hop % 2 == 0
            port = origin.port if good else canary.port
            code, _, writer = await socks(port_of(sock), "127.0.0.1", port)
            assert code == (0 if good else 2)
            writer.close()
        assert canary.called == 0
        await egress.stop()
