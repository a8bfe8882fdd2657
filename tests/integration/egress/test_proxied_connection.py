"""Bytes through the real proxy: exact counts and limits, and regression tests."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fyke.contracts.egress import EgressGrant, Traffic
from fyke.egress import protocols
from fyke.egress.limits import ProxyLimits
from fyke.egress.local import LocalEgress
from support.egress import (
    ATTEMPT,
    SECRET,
    Origin,
    basic,
    connect,
    downloads,
    echo,
    http_connect,
    listener,
    port_of,
    socks,
    socks_code,
    socks_hello,
    socks_request,
    until,
)

pytestmark = pytest.mark.anyio
LOOPBACK = ("127.0.0.0/8",)


class OpenProxy:
    """A local proxy with one attempt open."""

    def __init__(self, egress: LocalEgress, port: int) -> None:
        self.egress = egress
        self.port = port

    @property
    def traffic(self) -> Traffic:
        return self.egress.traffic(ATTEMPT)


async def open_proxy(limit: int | None = None, limits: ProxyLimits | None = None) -> OpenProxy:
    egress = LocalEgress(limits=limits)
    sock = listener()
    await egress.open([sock], EgressGrant(ATTEMPT, SECRET, "", LOOPBACK, limit))
    port = port_of(sock)
    sock.close()
    return OpenProxy(egress, port)


@pytest.fixture
async def proxy() -> AsyncIterator[OpenProxy]:
    opened = await open_proxy()
    yield opened
    await opened.egress.stop()


class Counting:
    """A site that counts received and sent bytes, for comparison with the meter."""

    def __init__(self, reply: int) -> None:
        self.received = self.sent = 0
        self._reply = reply

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self.received += len(data)
        left = self._reply
        while left:
            step = min(left, 50_000)
            writer.write(bytes(step))
            await writer.drain()
            self.sent += step
            left -= step


async def test_the_meter_equals_the_byte_count_of_the_site(proxy: OpenProxy) -> None:
    counting = Counting(1_234_567)
    async with Origin(counting) as origin:

        async def exchange(size: int) -> int:
            code, reader, writer = await socks(proxy.port, "127.0.0.1", origin.port)
            assert code == 0
            writer.write(os.urandom(size))
            writer.write_eof()
            received = len(await reader.read())
            writer.close()
            return received

        sizes = [1, 65_535, 65_536, 65_537, 777_777]
        received = await asyncio.gather(*(exchange(size) for size in sizes))
    assert received == [1_234_567] * 5
    assert proxy.traffic == Traffic(sum(sizes), 5 * 1_234_567, 5, 0)
    assert (counting.received, counting.sent) == (sum(sizes), 5 * 1_234_567)


@pytest.mark.parametrize("connections", [1, 50])
async def test_the_limit_cuts_a_download_at_the_exact_byte(connections: int) -> None:
    limit = 3_000_001
    proxy = await open_proxy(limit)
    tripped: list[str] = []
    proxy.egress.on_trip = tripped.append
    received = 0
    sent = 0

    async def download(port: int) -> None:
        nonlocal received, sent
        try:
            _, reader, writer = await socks(proxy.port, "127.0.0.1", port)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        writer.write(b"go\n")
        sent += 3
        try:
            while data := await reader.read(65536):
                received += len(data)
        except ConnectionError:
            pass
        writer.close()

    async with Origin(downloads(4_000_000)) as origin:
        await asyncio.gather(*(download(origin.port) for _ in range(connections)))
        await until(lambda: tripped == [ATTEMPT])
    final = await proxy.egress.close(ATTEMPT)
    assert final.total == limit
    assert sum(site.bytes_up + site.bytes_down for site in proxy.egress.sites(ATTEMPT)) == limit
    assert final.down == received  # exactly the counted bytes arrived
    assert final.up <= sent
    assert tripped == [ATTEMPT]
    await proxy.egress.stop()


async def test_the_limit_cuts_an_upload_at_the_exact_byte() -> None:
    proxy = await open_proxy(1_000_000)
    counting = Counting(0)
    async with Origin(counting) as origin:
        _, reader, writer = await socks(proxy.port, "127.0.0.1", origin.port)
        writer.write(bytes(3_000_000))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        await until(lambda: counting.received == 1_000_000)
        writer.transport.abort()
    assert (await proxy.egress.close(ATTEMPT)).up == 1_000_000
    await proxy.egress.stop()


async def test_early_bytes_count_against_the_limit() -> None:
    proxy = await open_proxy(3)
    async with Origin(echo) as origin:
        reader, writer = await connect(proxy.port)
        writer.write(socks_hello() + socks_request("127.0.0.1", origin.port) + b"12345")
        assert await socks_code(reader) == 0
        assert await reader.read() == b""
        writer.close()
    assert proxy.egress.tripped(ATTEMPT) and proxy.traffic.total == 3
    await proxy.egress.stop()


# --- bugs that must not come back ------------------------------------------------------------


@pytest.mark.parametrize("way", ["socks", "http"])
async def test_the_first_bytes_of_a_server_never_precede_the_reply(
    proxy: OpenProxy, way: str
) -> None:
    async def banner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        await reader.read()

    async with Origin(banner) as origin:
        for _ in range(50):
            if way == "socks":
                code, reader, writer = await socks(proxy.port, "127.0.0.1", origin.port)
                assert code == 0
            else:
                status, _, reader, writer = await http_connect(
                    proxy.port, f"127.0.0.1:{origin.port}"
                )
                assert status == 200
            assert await reader.readline() == b"220 hello\r\n"
            writer.close()


async def test_a_half_closed_connection_still_receives_the_response(proxy: OpenProxy) -> None:
    async def after_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = await reader.read()
        writer.write(body[::-1])

    async with Origin(after_the_end) as origin:
        _, reader, writer = await socks(proxy.port, "127.0.0.1", origin.port)
        writer.write(b"abc")
        writer.write_eof()
        assert await reader.read() == b"cba"
        writer.close()
        links = proxy.egress._proxy._attempts[ATTEMPT].connections
        await until(lambda: not links)
    assert links == set()


async def test_a_target_may_close_first_and_both_sides_end(proxy: OpenProxy) -> None:
    async def brief(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.write_eof()
        assert await reader.read() == b"thanks"

    async with Origin(brief) as origin:
        links = proxy.egress._proxy._attempts[ATTEMPT].connections
        for _ in range(20):
            _, reader, writer = await socks(proxy.port, "127.0.0.1", origin.port)
            assert await reader.read() == b"bye"
            writer.write(b"thanks")
            writer.write_eof()
            writer.close()
        await until(lambda: not links)
    assert links == set()


async def test_small_exchanges_are_not_delayed(proxy: OpenProxy) -> None:
    """Two writes followed by a read take 40 ms without TCP_NODELAY. ``bench/egress.py`` measures
    it.
    """

    async def two_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline() and await reader.readline():
            writer.write(b"first\n")
            await asyncio.sleep(0)
            writer.write(b"second\n")

    async with Origin(two_lines) as origin:
        _, reader, writer = await socks(proxy.port, "127.0.0.1", origin.port)
        for _ in range(50):
            writer.write(b"one\n")
            await asyncio.sleep(0.0005)
            writer.write(b"two\n")
            assert await reader.readline() == b"first\n"
            assert await reader.readline() == b"second\n"
        (link,) = proxy.egress._proxy._attempts[ATTEMPT].connections
        for transport in (link.client, link.target):
            assert transport is not None
            sock = transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()


# --- HTTP ------------------------------------------------------------------------------------


async def test_an_absolute_form_connection_has_one_request(proxy: OpenProxy) -> None:
    seen: list[bytes] = []

    async def site(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head + await reader.readexactly(4))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")  # the connection stays open
        seen.append(await reader.read())

    async with Origin(site) as origin:
        url = f"http://127.0.0.1:{origin.port}/path?q"
        head = f"POST {url} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
        head += f"Proxy-Authorization: {basic()}\r\n\r\nbody"
        reader, writer = await connect(proxy.port)
        writer.write(head.encode())
        assert (await reader.readexactly(40)).endswith(b"\r\n\r\nok"[-2:])
        writer.write(head.replace("/path", "/other").encode())  # a request for another site
        assert await reader.read() == b""
        await until(lambda: len(seen) == 2)
        writer.close()
    assert seen[0].startswith(b"POST /path?q HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Proxy-Authorization" not in seen[0]
    assert seen[1] == b""


async def test_refusals_arrive_while_the_client_is_still_sending(proxy: OpenProxy) -> None:
    head = "POST http://10.0.0.1/ HTTP/1.1\r\nContent-Length: 4000000\r\n"
    head += f"Proxy-Authorization: {basic()}\r\n\r\n"
    reader, writer = await connect(proxy.port)
    writer.write(head.encode() + bytes(4_000_000))
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 403 ")
    writer.close()


async def test_unreachable_targets_are_reported(proxy: OpenProxy) -> None:
    closed = socket.create_server(("127.0.0.1", 0))
    port = port_of(closed)
    closed.close()
    code, _, writer = await socks(proxy.port, "127.0.0.1", port)
    assert code == 5
    writer.close()
    status, words, _, writer = await http_connect(proxy.port, f"127.0.0.1:{port}")
    assert status == 502 and b"refused" in words
    writer.close()
    code, _, writer = await socks(proxy.port, "no-such-name.invalid", 80)
    assert code == 4
    writer.close()
    status, words, _, writer = await http_connect(proxy.port, "no-such-name.invalid:80")
    assert status == 502
    writer.close()
    assert proxy.traffic == Traffic()


async def test_bind_udp_and_mail_ports_are_refused(proxy: OpenProxy) -> None:
    for command in (2, 3):
        reader, writer = await connect(proxy.port)
        writer.write(socks_hello() + socks_request("127.0.0.1", 80, command))
        assert await socks_code(reader) == 7
        writer.close()
    code, _, writer = await socks(proxy.port, "8.8.8.8", 25)
    assert code == 2
    writer.close()
    assert proxy.traffic.refused == 3


# --- limits ----------------------------------------------------------------------------------


async def test_the_number_of_connections_is_limited() -> None:
    proxy = await open_proxy(limits=ProxyLimits(connections=3))
    async with Origin(echo) as origin:
        connections = [await socks(proxy.port, "127.0.0.1", origin.port) for _ in range(3)]
        reader, writer = await connect(proxy.port)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        for _, _, writer in connections:
            writer.close()
    assert proxy.traffic == Traffic(0, 0, 3, 1)
    await proxy.egress.stop()


async def test_silent_clients_and_connections_are_closed() -> None:
    proxy = await open_proxy(limits=ProxyLimits(handshake_seconds=0.1, idle_seconds=0.3))
    async with Origin(echo) as origin:
        reader, writer = await connect(proxy.port)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        _, reader, writer = await socks(proxy.port, "127.0.0.1", origin.port)
        start = time.monotonic()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        assert time.monotonic() - start > 0.2
        writer.close()
    await proxy.egress.stop()


@pytest.mark.parametrize(
    ("few", "bound"), [(0, protocols.BUFFER_SIZE), (32, protocols.LARGE_BUFFER_SIZE)]
)
async def test_a_client_that_does_not_read_pauses_the_target(
    monkeypatch: pytest.MonkeyPatch, few: int, bound: int
) -> None:
    """A stalled connection buffers one read, however much the target sends."""
    monkeypatch.setattr(protocols, "FEW_CONNECTIONS", few)
    proxy = await open_proxy()
    async with Origin(downloads(200_000_000)) as origin:
        _, _, writer = await socks(proxy.port, "127.0.0.1", origin.port)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"go\n")
        (link,) = proxy.egress._proxy._attempts[ATTEMPT].connections
        assert link.client is not None and link.target is not None
        before, looks = -1, 0
        while looks < 20:  # the kernel may still accept a few of the sent bytes
            stopped = not link.target.is_reading() and before == proxy.traffic.down
            before, looks = proxy.traffic.down, (looks + 1) * stopped
            await asyncio.sleep(0.01)
        assert 0 < before < 50_000_000  # the buffers of the kernel and one of the proxy
        assert 0 < link.client.get_write_buffer_size() <= bound
        writer.transport.abort()
    await proxy.egress.stop()


async def test_an_attempt_cannot_use_the_credentials_of_another() -> None:
    proxy = await open_proxy()
    other = listener()
    await proxy.egress.open([other], replace(EgressGrant("01B", "another secret", ""), allow=()))
    async with Origin(echo) as origin:
        code, _, writer = await socks(
            port_of(other), "127.0.0.1", origin.port, "01B", "another secret"
        )
        assert code == 2
        writer.close()
        assert origin.accepted == 0
    await proxy.egress.stop()


@pytest.mark.parametrize("replays", [100, pytest.param(1000, marks=pytest.mark.long)])
async def test_credentials_are_refused_after_the_end_of_the_attempt(replays: int) -> None:
    """The same secret at the listener of another attempt is always refused."""
    proxy = await open_proxy()
    other = listener()
    await proxy.egress.open([other], EgressGrant("01B", "another secret", "", LOOPBACK))
    await proxy.egress.close(ATTEMPT)
    async with Origin(echo) as origin:
        for _ in range(replays):
            with pytest.raises(ConnectionRefusedError):
                await connect(proxy.port)
            reader, writer = await connect(port_of(other))
            writer.write(socks_hello())
            assert await reader.read() == b"\x05\x02\x01\x01"
            writer.close()
        assert origin.accepted == 0
    await proxy.egress.stop()


# --- random bytes ----------------------------------------------------------------------------


async def _throw(proxy: OpenProxy, data: bytes) -> bytes:
    reader, writer = await connect(proxy.port)
    try:
        writer.write(data)
        writer.write_eof()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


AUTHORIZED = f"Proxy-Authorization: {basic()}"
NOISE = st.one_of(
    st.binary(min_size=1, max_size=400),
    st.binary(max_size=300).map(lambda rest: b"\x05" + rest),
    st.binary(max_size=300).map(lambda rest: socks_hello() + rest),
    st.binary(max_size=300).map(
        lambda rest: (
            b"GET " + rest + f" HTTP/1.1\r\nProxy-Authorization: {basic()}\r\n\r\n".encode()
        )
    ),
    st.binary(max_size=300).map(lambda rest: b"CONNECT " + rest + b"\r\n\r\n"),
)


@pytest.mark.parametrize("examples", [300, pytest.param(10_000, marks=pytest.mark.long)])
@pytest.mark.timeout(600)
def test_random_bytes_do_not_crash_the_proxy(examples: int) -> None:
    failures: list[object] = []
    with asyncio.Runner() as runner:

        async def start() -> tuple[Origin, OpenProxy]:
            asyncio.get_running_loop().set_exception_handler(
                lambda _, context: failures.append(context)
            )
            return await Origin(echo).__aenter__(), await open_proxy()

        origin, proxy = runner.run(start())

        @settings(max_examples=examples, deadline=None, database=None)
        @given(NOISE)
        def throw(data: bytes) -> None:
            runner.run(_throw(proxy, data))
            assert origin.accepted == 0

        throw()

        async def still_alive() -> int:
            code, _, writer = await socks(proxy.port, "127.0.0.1", origin.port)
            writer.close()
            await proxy.egress.stop()
            return code

        assert runner.run(still_alive()) == 0
        assert failures == []  # before the event loop cancels the remaining tasks


@pytest.mark.parametrize("rounds", [30, pytest.param(1000, marks=pytest.mark.long)])
async def test_the_response_of_a_site_is_passed_on_without_being_parsed(
    proxy: OpenProxy, rounds: int
) -> None:
    noise = [os.urandom(1 + os.urandom(1)[0] * 40) for _ in range(rounds)]
    left = iter(noise)

    async def site(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(left))

    async with Origin(site) as origin:
        for expected in noise:
            _, reader, writer = await socks(proxy.port, "127.0.0.1", origin.port)
            assert await reader.read() == expected
            writer.close()


async def test_a_connect_to_the_proxy_itself_restarts_the_handshake(proxy: OpenProxy) -> None:
    """Sent by a library that reaches the proxy of the environment through a configured proxy."""
    async with Origin(echo) as origin:
        reader, writer = await connect(proxy.port)
        writer.write(socks_hello() + socks_request("127.0.0.1", proxy.port))
        assert await socks_code(reader) == 0
        target = f"127.0.0.1:{origin.port}"
        writer.write(
            f"CONNECT {target} HTTP/1.1\r\nProxy-Authorization: {basic()}\r\n\r\n".encode()
        )
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
        writer.close()
    assert proxy.traffic == Traffic(4, 4, 1, 0)
    assert [site.requests for site in proxy.egress.sites(ATTEMPT)] == [1]


async def test_a_nested_connect_follows_the_same_rules(proxy: OpenProxy) -> None:
    reader, writer = await connect(proxy.port)
    writer.write(socks_hello() + socks_request("proxy-inner.coreclaw.com", proxy.port))
    assert await socks_code(reader) == 0
    writer.write(socks_hello(secret="guessed"))
    assert await reader.read() == b"\x05\x02\x01\x01"
    writer.close()
    reader, writer = await connect(proxy.port)
    for _ in range(2):
        writer.write(socks_hello() + socks_request("127.0.0.1", proxy.port))
        assert await socks_code(reader) == 0
    writer.write(socks_hello() + socks_request("10.0.0.1", 80))
    assert await socks_code(reader) == 2
    writer.close()
    assert proxy.traffic == Traffic(0, 0, 0, 2)
