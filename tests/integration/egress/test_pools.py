"""Several proxies of a region: selection, failures, recovery, and exact bytes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from fyke.contracts.egress import EgressGrant, Traffic
from fyke.egress import pools
from fyke.egress.live_check import check_live
from fyke.egress.local import LocalEgress
from fyke.kit.addresses import AddressRules
from fyke.kit.resolver import Resolver
from integration.egress.test_upstream import Upstream, greet
from support.egress import (
    SECRET,
    Origin,
    basic,
    client_and_process,
    connect,
    http_connect,
    listener,
    port_of,
    socks,
    until,
)

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def proxies(count: int) -> AsyncIterator[list[Upstream]]:
    async with AsyncExitStack() as stack:
        origin = await stack.enter_async_context(Origin(greet))
        yield [await stack.enter_async_context(Upstream(origin.port)) for _ in range(count)]


async def open_attempt(egress: LocalEgress, run: str) -> int:
    sock = listener()
    await egress.open([sock], EgressGrant(run, SECRET, "us", session=f"the run of {run}"))
    return port_of(sock)


def region(text: str) -> LocalEgress:
    resolver = Resolver(lambda name: ("8.8.8.8",) if name == "public.example" else ())
    return LocalEgress(AddressRules(), {"us": text}, resolver=resolver)


async def fetch_from_site(proxy: int, user: str) -> int:
    """Open one connection; return the SOCKS code."""
    code, reader, writer = await socks(proxy, "public.example", 80, user)
    if code == 0:
        assert await reader.readexactly(5) == b"hello"
    writer.close()
    return code


def counts(upstreams: list[Upstream]) -> list[int]:
    return [len(upstream.requests) for upstream in upstreams]


async def test_a_run_keeps_one_proxy_and_runs_are_distributed() -> None:
    async with proxies(3) as upstreams:
        egress = region(" ".join(upstream.url("socks5") for upstream in upstreams))
        for number in range(12):
            proxy = await open_attempt(egress, f"run{number}")
            before = counts(upstreams)
            for _ in range(3):
                assert await fetch_from_site(proxy, f"run{number}") == 0
            grown = [after - start for after, start in zip(counts(upstreams), before, strict=True)]
            assert sorted(grown) == [0, 0, 3]
        assert len([count for count in counts(upstreams) if count]) > 1
        await egress.stop()


async def test_rotating_takes_turns_but_a_chosen_session_is_sticky() -> None:
    async with proxies(3) as upstreams:
        egress = region("rotating " + " ".join(upstream.url("http") for upstream in upstreams))
        proxy = await open_attempt(egress, "run")
        for _ in range(9):
            assert await fetch_from_site(proxy, "run") == 0
        assert counts(upstreams) == [3, 3, 3]
        for user in ("run-session-cart", "run;session=cart"):
            for _ in range(3):
                assert await fetch_from_site(proxy, user) == 0
        assert sorted(counts(upstreams)) == [3, 3, 9]
        await egress.stop()


@pytest.mark.parametrize("policy", ["sticky", "rotating"])
async def test_a_failing_proxy_is_skipped_until_it_works_again(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "_FIRST_CHECK", 0.02)
    monkeypatch.setattr(pools, "_LAST_CHECK", 0.05)
    async with proxies(2) as (well, other):
        egress = region(f"{policy} {well.url('socks5')} {other.url('socks5')}")
        ports = {f"run{n}": await open_attempt(egress, f"run{n}") for n in range(8)}
        await other.__aexit__()
        for run, proxy in ports.items():
            assert await fetch_from_site(proxy, run) == 0  # the other proxy is tried at once
        assert counts([well, other]) == [8, 0]
        [state] = [proxy_state for proxy_state in egress._proxy.proxies if proxy_state.why]
        assert state.proxy == f"socks5://127.0.0.1:{other.port}"
        assert "refused" in state.why and state.seconds >= 0
        other._server = await asyncio.start_server(other._serve, "127.0.0.1", other.port)
        await until(lambda: not any(proxy_state.why for proxy_state in egress._proxy.proxies))
        for run, proxy in ports.items():
            assert await fetch_from_site(proxy, run) == 0
        assert other.requests
        await egress.stop()


@pytest.mark.parametrize("login", ["user:p%40ss", "user:wrong"])
async def test_a_pool_without_a_working_proxy_is_reported(login: str) -> None:
    async with proxies(2) as upstreams:
        if login == "user:p%40ss":
            for upstream in upstreams:
                await upstream.__aexit__()
        why = b"Connection refused" if login == "user:p%40ss" else b"rejected the user"
        egress = region(" ".join(upstream.url("http", login) for upstream in upstreams))
        proxy = await open_attempt(egress, "run")
        for _ in range(2):
            status, words, _, writer = await http_connect(proxy, "public.example:80", basic("run"))
            assert status == 502
            assert b"2 of 2 are down" in words and why in words and words.count(b"\n") == 1
            writer.close()
        assert egress.traffic("run") == Traffic()
        [site] = egress.sites("run")
        assert (site.failures, site.refused) == (2, 0)
        await egress.stop()


async def test_a_failing_target_does_not_count_against_the_proxy() -> None:
    async with proxies(1) as [upstream]:
        upstream.answer = b"HTTP/1.1 502 Bad Gateway\r\n\r\n"
        egress = region(upstream.url("http"))
        proxy = await open_attempt(egress, "run")
        for _ in range(2):
            assert await fetch_from_site(proxy, "run") == 1
        assert not any(state.why for state in egress._proxy.proxies)
        await egress.stop()


@pytest.mark.parametrize("policy", ["sticky", "rotating"])
async def test_the_session_is_inserted_into_the_user_name(policy: str) -> None:
    users: list[bytes] = []

    async def gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly((await reader.readexactly(2))[1])
        writer.write(b"\x05\x02")
        users.append(await reader.readexactly((await reader.readexactly(2))[1]))
        writer.write(b"\x01\x01")

    async with Origin(gateway) as origin:
        proxy_url = f"socks5://customer-session-%7Bsession%7D:pw@127.0.0.1:{origin.port}"
        for run in ("one", "one", "two"):
            egress = region(f"{policy} {proxy_url}")
            await fetch_from_site(await open_attempt(egress, run), run)
            await egress.stop()
    words = [user.removeprefix(b"customer-session-").decode() for user in users]
    assert all(len(word) == 16 and word.isalnum() for word in words)
    assert len(set(words)) == (2 if policy == "sticky" else 3)


async def connected(form: str, proxy: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to public.example in one of the three forms of requests."""
    if form == "socks":
        code, reader, writer = await socks(proxy, "public.example", 80, "run")
        assert code == 0
    elif form == "connect":
        status, _, reader, writer = await http_connect(proxy, "public.example:80", basic("run"))
        assert status == 200
    else:
        reader, writer = await connect(proxy)
        head = "POST http://public.example/x HTTP/1.1\r\nContent-Length: 1000000\r\n"
        writer.write(f"{head}Proxy-Authorization: {basic('run')}\r\n\r\n".encode())
    return reader, writer


@pytest.mark.parametrize("form", ["socks", "connect", "absolute"])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "http"])
async def test_bytes_through_a_pool_equal_those_counted_by_its_proxies(
    scheme: str, form: str
) -> None:
    async with proxies(2) as upstreams:
        egress = region("rotating " + " ".join(upstream.url(scheme) for upstream in upstreams))
        proxy = await open_attempt(egress, "run")

        async def exchange(size: int) -> int:
            reader, writer = await connected(form, proxy)
            writer.write(bytes(size))
            writer.write_eof()
            received = len(await reader.read())
            writer.close()
            return received

        sizes = [1, 65_535, 65_536, 65_537, 333_333, 77_777]
        received = await asyncio.gather(*(exchange(size) for size in sizes))
        total = await egress.close("run")
        heads = 0 if form != "absolute" else total.up - sum(sizes)
        assert heads % 6 == 0 and (heads > 0) == (form == "absolute")
        assert sum(received) == total.down == sum(sizes) + 5 * 6 + heads
        assert total == Traffic(sum(sizes) + heads, total.down, 6, 0)
        assert sum(upstream.up for upstream in upstreams) == total.up
        assert sum(upstream.down for upstream in upstreams) == total.down
        assert counts(upstreams) == [3, 3]
        [site] = egress.sites("run")
        assert (site.bytes_up, site.bytes_down, site.requests) == (total.up, total.down, 6)
        await egress.stop()


async def test_the_health_report_lists_failing_proxies(tmp_path: Path) -> None:
    async with (
        Origin(greet) as well,
        client_and_process(
            tmp_path, US=f"socks5://127.0.0.1:1 http://u:p@127.0.0.1:{well.port}"
        ) as (client, process),
    ):
        sock = listener()
        await client.open([sock], EgressGrant("run", SECRET, "US", session="x"))
        statuses = await check_live(process.path)
        assert Counter(bool(status.why) for status in statuses) == {False: 2}
        assert {status.proxy for status in statuses} == {
            "socks5://127.0.0.1:1",
            f"http://127.0.0.1:{well.port}",
        }
        for number in range(8):
            _, _, writer = await socks(port_of(sock), "8.8.8.8", 80, f"run-session-{number}")
            writer.close()
        [out] = [status for status in await check_live(process.path) if status.proxy.endswith(":1")]
        assert out.region == "US" and "refused" in out.why
