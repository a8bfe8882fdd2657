"""One suite for every egress: the local one, and the client with its process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fyke.contracts.egress import Egress, EgressGrant, Traffic
from fyke.egress.local import LocalEgress
from fyke.egress.throttle import ThrottleRules
from fyke.kit.inside_names import BROWSER_NAMES, PROXY_NAMES
from fyke.kit.unnamed_socket import listen_unnamed
from fyke.model.attempt import SiteTraffic
from support.egress import (
    ATTEMPT,
    SECRET,
    Origin,
    basic,
    client_and_process,
    client_and_task,
    connect,
    downloads,
    echo,
    http_connect,
    listener,
    port_of,
    socks,
    until,
)

pytestmark = pytest.mark.anyio
GUARD = ThrottleRules(first_pause=20)


async def throttled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A site that responds with 429."""
    writer.write(b"HTTP/1.1 429 Too Many Requests\r\n\r\n")
    await writer.drain()


async def missing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A site that has nothing."""
    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


@pytest.fixture(params=["local", "task", pytest.param("process", marks=pytest.mark.slow)])
async def egress(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Egress]:
    if request.param == "local":
        local = LocalEgress(throttle=GUARD)
        yield local
        await local.stop()
    elif request.param == "task":
        async with client_and_task(tmp_path, GUARD) as client:
            yield client
    else:
        async with client_and_process(tmp_path, throttle=GUARD) as (client, _):
            yield client


def grant(*ports: int, limit: int | None = None, attempt: str = ATTEMPT) -> EgressGrant:
    allow = tuple(f"127.0.0.1:{port}" for port in ports)
    return EgressGrant(attempt, SECRET, "", allow, limit)


async def test_bytes_flow_and_are_counted_both_ways(egress: Egress) -> None:
    async with Origin(echo) as origin:
        proxy = listener()
        await egress.open([proxy], grant(origin.port))
        code, reader, writer = await socks(port_of(proxy), "127.0.0.1", origin.port)
        assert code == 0
        writer.write(b"x" * 100_000)
        assert await reader.readexactly(100_000) == b"x" * 100_000
        writer.close()
        final = await egress.close(ATTEMPT)
    assert final == Traffic(up=100_000, down=100_000, connections=1, refused=0)
    assert egress.traffic(ATTEMPT) == Traffic()


async def test_bytes_are_counted_by_site(egress: Egress) -> None:
    async with Origin(downloads(1000)) as origin:
        proxy = listener()
        allow = tuple(f"{host}:{origin.port}" for host in ("127.0.0.1", "localhost"))
        await egress.open([proxy], EgressGrant(ATTEMPT, SECRET, "", allow))
        assert egress.sites(ATTEMPT) == ()
        for host, code in [("LOCALHOST", 0), ("127.0.0.1", 0), ("localhost.", 0), ("10.0.0.1", 2)]:
            received, reader, writer = await socks(port_of(proxy), host, origin.port)
            assert received == code
            if code == 0:
                writer.write(b"go\n")
                assert len(await reader.read()) == 1000
            writer.close()
        expected = (
            SiteTraffic("localhost", 2, 6, 2000, unseen=2),  # no HTTP
            SiteTraffic("127.0.0.1", 1, 3, 1000, unseen=1),
            SiteTraffic("10.0.0.1", refused=1),
        )
        assert egress.sites(ATTEMPT) == expected
        assert await egress.close(ATTEMPT) == Traffic(9, 3000, 3, 1)
        assert egress.sites(ATTEMPT) == expected
    assert egress.sites("unknown") == ()


async def test_the_first_answer_of_a_connection_is_counted_by_its_status(egress: Egress) -> None:
    async with Origin(missing) as origin:
        proxy, browser = listener(), listener()
        await egress.open([proxy], grant(origin.port))
        await egress.add_listener(ATTEMPT, browser, passwordless=True)
        target = f"127.0.0.1:{origin.port}"
        for port, user in ((port_of(proxy), basic()), (port_of(browser), "")):
            _, _, reader, writer = await http_connect(port, target, user)
            assert (await reader.read()).startswith(b"HTTP/1.1 404")
            writer.close()
        await egress.close(ATTEMPT)
        [site] = egress.sites(ATTEMPT)
    # a browser reports itself what it was answered
    assert (site.requests, site.statuses, site.unseen) == (2, {"404": 1}, 0)


async def test_only_declared_domains_can_be_reached(egress: Egress) -> None:
    async with Origin(echo) as origin:
        proxy = listener()
        allow = tuple(f"{host}:{origin.port}" for host in ("127.0.0.1", "localhost", "a.localhost"))
        declared = (f"*.localhost:{origin.port}",)
        await egress.open([proxy], EgressGrant(ATTEMPT, SECRET, "", allow, domains=declared))
        code, _, writer = await socks(port_of(proxy), "A.LocalHost.", origin.port)
        assert code == 0
        writer.close()
        for host in ("localhost", "127.0.0.1", "::ffff:127.0.0.1"):
            code, _, writer = await socks(port_of(proxy), host, origin.port)
            assert code == 2
            writer.close()
        status, words, _, writer = await http_connect(port_of(proxy), f"localhost:{origin.port}")
        assert status == 403
        assert b"not among the domains that this version declares" in words
        writer.close()
        assert (await egress.close(ATTEMPT)).refused == 4
        refused = {site.domain: site.refused for site in egress.sites(ATTEMPT)}
    assert refused == {"a.localhost": 0, "localhost": 2, "127.0.0.1": 2}


async def test_names_of_the_browser_lead_to_it_uncounted(egress: Egress) -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"browser: " + await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    proxy, (browser, address) = listener(), listen_unnamed()
    server = await asyncio.start_unix_server(answering, sock=browser)
    await egress.open([proxy], EgressGrant(ATTEMPT, SECRET, "", (), None, ()), address)
    os.close(address)
    for name in (*BROWSER_NAMES, "CHROME-WS-INNER.CORECLAW.COM."):
        status, _, reader, writer = await http_connect(port_of(proxy), f"{name}:80")
        assert status == 200
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.read() == b"browser: GET / HTTP/1.1\r\n\r\n"
        writer.close()
    for port, host in ((80, BROWSER_NAMES[0]), (9222, "127.0.0.1"), (9222, "localhost")):
        code, reader, writer = await socks(port_of(proxy), host, port)
        assert code == 0
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.read() == b"browser: GET / HTTP/1.1\r\n\r\n"
        writer.close()
    reader, writer = await connect(port_of(proxy))
    url = f"http://{ATTEMPT}:{SECRET}@{BROWSER_NAMES[1]}/session"
    lines = f"POST {url} HTTP/1.1", f"Proxy-Authorization: {basic()}", "Content-Length: 0"
    writer.write("\r\n".join((*lines, "", "")).encode())
    answer = await reader.read()
    assert answer.startswith(b"browser: POST /session HTTP/1.1\r\nHost: chrome-http-inner.")
    assert SECRET.encode() not in answer and basic().encode() not in answer
    writer.close()
    assert await egress.close(ATTEMPT) == Traffic()
    assert egress.sites(ATTEMPT) == ()
    server.close()


async def test_a_browser_port_that_is_refused_answers_at_its_names_too(egress: Egress) -> None:
    proxy, (browser, address) = listener(), listen_unnamed()
    reports: list[int] = []
    await egress.open([proxy], grant(), address)
    await egress.refuse_browser(ATTEMPT, browser, lambda: reports.append(1))
    _, _, reader, writer = await http_connect(port_of(proxy), f"{BROWSER_NAMES[0]}:80")
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert b"this Fyke has no browser" in await reader.read()
    writer.close()
    await until(lambda: bool(reports))
    browser.close()
    await egress.close(ATTEMPT)
    os.close(address)


async def test_no_name_of_the_hosted_platform_leads_out(egress: Egress) -> None:
    """A Worker sends its credentials there; an operator may even have allowed everything."""
    reports: list[str] = []
    egress.on_refused = lambda attempt, why: reports.append(why)
    proxy, page, (browser, address) = listener(), listener(), listen_unnamed()
    names = (*BROWSER_NAMES, *PROXY_NAMES, "other-inner.coreclaw.com")
    everywhere = tuple(f"{name}:{port}" for name in names for port in (80, 443))
    await egress.open([proxy], EgressGrant(ATTEMPT, SECRET, "", everywhere), address)
    await egress.add_listener(ATTEMPT, page, passwordless=True)
    told = {}
    for host in (*names, "OTHER-INNER.CoreClaw.com."):
        status, words, _, writer = await http_connect(port_of(proxy), f"{host}:443")
        told[host] = words.decode()
        assert status == 403
        writer.close()
    assert "the browser is at the ports 80 and 9222, without TLS" in told[BROWSER_NAMES[0]]
    assert "the proxy is at the ports 1080 and 6000" in told[PROXY_NAMES[0]]
    assert "a service that this Fyke does not have" in told["other-inner.coreclaw.com"]
    for name in names:  # a page must not reach the browser that shows it
        status, words, _, writer = await http_connect(port_of(page), f"{name}:80", "")
        assert status == 403 and b"cannot be reached from here" in words
        writer.close()
    await until(lambda: bool(reports))
    assert reports[0].startswith(f"{names[0]} port 80 is a service for Workers")
    assert (await egress.close(ATTEMPT)).refused == 2 * len(names) + 1
    proxy = listener()  # a sandbox of tools has no browser port
    await egress.open([proxy], EgressGrant(ATTEMPT, SECRET, "", everywhere, passwordless=True))
    for target in (f"{BROWSER_NAMES[0]}:80", "127.0.0.1:9222"):
        status, words, _, writer = await http_connect(port_of(proxy), target, "")
        assert status in (403, 502)
        told[target] = words.decode()
        writer.close()
    assert "the proxy of this sandbox does not have" in told[f"{BROWSER_NAMES[0]}:80"]
    await egress.close(ATTEMPT)
    browser.close()
    os.close(address)


async def test_loopback_is_the_machine_where_it_is_allowed(egress: Egress) -> None:
    proxy, (browser, address) = listener(), listen_unnamed()
    await egress.open([proxy], EgressGrant(ATTEMPT, SECRET, "", ("127.0.0.1:9222",)), address)
    browser.close()
    assert (await http_connect(port_of(proxy), "127.0.0.1:9222"))[0] in (200, 502)
    status, words, _, writer = await http_connect(port_of(proxy), "localhost:9222")
    assert (status, words) == (502, b"the browser port of this sandbox does not answer\n")
    writer.close()
    await egress.close(ATTEMPT)
    assert [site.domain for site in egress.sites(ATTEMPT)] == ["127.0.0.1"]
    os.close(address)


async def test_a_throttled_site_is_reported_once(egress: Egress) -> None:
    reports: list[tuple[str, str]] = []
    egress.on_refused = lambda attempt, why: reports.append((attempt, why))
    async with Origin(throttled) as origin:
        proxy = listener()
        await egress.open([proxy], grant(origin.port))
        for expected in (200, 503, 503):
            status, _, reader, writer = await http_connect(
                port_of(proxy), f"127.0.0.1:{origin.port}"
            )
            assert status == expected
            if status == 200:
                assert (await reader.read()).startswith(b"HTTP/1.1 429 ")
            writer.close()
        await until(lambda: len(reports) == 1)
        assert (await egress.close(ATTEMPT)).refused == 2
    [(attempt, why)] = reports
    assert attempt == ATTEMPT
    assert why.startswith("127.0.0.1 is being throttled: it answered 429 and is paused for ")


async def test_a_name_without_an_address_is_reported_once(egress: Egress) -> None:
    """Many clients show it as an error of the proxy."""
    reports: list[tuple[str, str]] = []
    egress.on_refused = lambda attempt, why: reports.append((attempt, why))
    proxy = listener()
    await egress.open([proxy], grant())
    for name in ("none.invalid", "none.invalid", "other.invalid"):
        status, _, _, writer = await http_connect(port_of(proxy), f"{name}:443")
        assert status == 502
        writer.close()
    await until(lambda: len(reports) == 2)
    assert (await egress.close(ATTEMPT)).refused == 0
    assert [(attempt, why.partition(":")[0]) for attempt, why in reports] == [
        (ATTEMPT, "none.invalid port 443"),
        (ATTEMPT, "other.invalid port 443"),
    ]


async def test_the_first_refusal_of_the_browser_is_reported(egress: Egress) -> None:
    """Its page shows the refusal, which a Worker can take for the page of the site."""
    reports: list[tuple[str, str]] = []
    egress.on_refused = lambda attempt, why: reports.append((attempt, why))
    proxy, browser = listener(), listener()
    await egress.open([proxy], grant())
    await egress.add_listener(ATTEMPT, browser, passwordless=True)
    for port, target, token in (
        (port_of(proxy), "127.0.0.1:1", None),  # the Worker reads the answer itself
        (port_of(browser), "127.0.0.1:2", ""),
        (port_of(browser), "127.0.0.1:3", ""),
    ):
        status, _, _, writer = await http_connect(port, target, token)
        assert status == 403
        writer.close()
    await until(lambda: reports)
    assert (await egress.close(ATTEMPT)).refused == 3
    [(attempt, why)] = reports
    assert attempt == ATTEMPT
    assert why.startswith("127.0.0.1 port 2 is not on the public internet; ")
    assert why.endswith(" (in the browser; further ones are only counted)")


async def test_two_listeners_share_one_grant(egress: Egress) -> None:
    async with Origin(echo) as origin:
        first, second = listener(), listener()
        await egress.open([first, second], grant(origin.port))
        for proxy in (first, second):
            status, _, reader, writer = await http_connect(
                port_of(proxy), f"127.0.0.1:{origin.port}"
            )
            assert status == 200
            writer.write(b"ping")
            assert await reader.readexactly(4) == b"ping"
            writer.close()
        assert await egress.close(ATTEMPT) == Traffic(8, 8, 2, 0)


async def test_internal_addresses_are_refused(egress: Egress) -> None:
    async with Origin(echo) as origin:
        proxy = listener()
        await egress.open([proxy], grant())
        code, _, writer = await socks(port_of(proxy), "127.0.0.1", origin.port)
        assert code == 2
        writer.close()
        status, words, _, writer = await http_connect(port_of(proxy), f"127.0.0.1:{origin.port}")
        assert status == 403
        assert words.count(b"\n") == 1 and b"FYKE_EGRESS_ALLOW" in words
        writer.close()
        assert origin.accepted == 0
        assert (await egress.close(ATTEMPT)).refused == 2


async def test_the_traffic_limit_is_exact_and_reported(egress: Egress) -> None:
    tripped: list[str] = []
    egress.on_trip = tripped.append
    async with Origin(downloads(500_000)) as origin:
        proxy = listener()
        await egress.open([proxy], grant(origin.port, limit=200_000))
        assert not egress.tripped(ATTEMPT)
        code, reader, writer = await socks(port_of(proxy), "127.0.0.1", origin.port)
        assert code == 0
        writer.write(b"go\n")
        body = await reader.read(-1)
        assert len(body) + 3 == 200_000
        await until(lambda: tripped == [ATTEMPT])
        assert egress.tripped(ATTEMPT)
        writer.close()
        second_reader, writer = await connect(port_of(proxy))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await second_reader.readexactly(1)
        writer.close()
        final = await egress.close(ATTEMPT)
    assert (final.up, final.down) == (3, 199_997)
    assert tripped == [ATTEMPT]


async def test_credentials_are_invalid_after_the_attempt(egress: Egress) -> None:
    async with Origin(echo) as origin:
        proxy = listener()
        await egress.open([proxy], grant(origin.port))
        code, reader, writer = await socks(port_of(proxy), "127.0.0.1", origin.port)
        assert code == 0
        await egress.close(ATTEMPT)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        with pytest.raises(ConnectionRefusedError):  # although this copy of the listener is open
            await connect(port_of(proxy))


async def test_credentials_of_another_attempt_are_refused(egress: Egress) -> None:
    async with Origin(echo) as origin:
        first, other = listener(), listener()
        await egress.open([first], grant(origin.port))
        await egress.open(
            [other], EgressGrant("01OTHER", "another", "", (f"127.0.0.1:{origin.port}",))
        )
        reader, writer = await connect(port_of(other))
        writer.write(b"\x05\x01\x02\x01\x09" + ATTEMPT.encode() + bytes([22]) + SECRET.encode())
        assert await reader.read() == b"\x05\x02\x01\x01"
        writer.close()
        status, _, _, writer = await http_connect(
            port_of(other), f"127.0.0.1:{origin.port}", basic()
        )
        assert status == 407
        writer.close()
        assert origin.accepted == 0
        assert (await egress.close("01OTHER")).refused == 2
        await egress.close(ATTEMPT)


async def test_a_browser_connection_is_refused_and_reported_once(egress: Egress) -> None:
    reports: list[int] = []
    proxy, browser, another = listener(), listener(), listener()
    await egress.open([proxy], grant())
    await egress.refuse_browser(ATTEMPT, browser, lambda: reports.append(1))
    await egress.refuse_browser(ATTEMPT, another, lambda: None)
    for proxy_port in (browser, browser, another):
        reader, writer = await connect(port_of(proxy_port))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n")
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 503 ") and b"this Fyke has no browser" in answer
        writer.close()
    await until(lambda: reports == [1])
    await egress.close(ATTEMPT)
    for proxy_port in (browser, another):
        with pytest.raises(ConnectionRefusedError):
            await connect(port_of(proxy_port))


async def test_an_added_listener_has_the_same_grant_and_needs_no_password(egress: Egress) -> None:
    async with Origin(echo) as origin:
        proxy, browser = listener(), listener()
        await egress.open([proxy], grant(origin.port, limit=30))
        await egress.add_listener(ATTEMPT, browser, passwordless=True)
        target = f"127.0.0.1:{origin.port}"
        status, _, _, writer = await http_connect(port_of(proxy), target, "")
        assert status == 407
        writer.close()
        for refused in ("127.0.0.1:1", f"127.0.0.1:{port_of(proxy)}"):  # no proxy behind a proxy
            status, _, _, writer = await http_connect(port_of(browser), refused, "")
            assert status == 403
            writer.close()
        status, _, reader, writer = await http_connect(port_of(browser), target, "")
        assert status == 200
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
        assert egress.traffic(ATTEMPT) == Traffic(4, 4, 1, 3)
        assert egress.sites(ATTEMPT) == (SiteTraffic("127.0.0.1", 1, 4, 4, refused=2),)
        writer.write(b"x" * 100)  # the limit is that of the attempt
        await reader.read()
        writer.close()
        assert egress.tripped(ATTEMPT)
        assert (await egress.close(ATTEMPT)).total == 30
        with pytest.raises(ConnectionRefusedError):
            await connect(port_of(browser))


async def test_an_added_listener_with_a_password_refuses_others(egress: Egress) -> None:
    browser = listener()
    await egress.open([listener()], grant())
    await egress.add_listener(ATTEMPT, browser, passwordless=False)
    for token, expected in (("", 407), (basic(secret="wrong"), 407), (basic(), 403)):
        status, _, _, writer = await http_connect(port_of(browser), "127.0.0.1:1", token)
        assert status == expected
        writer.close()
    await egress.close(ATTEMPT)


async def test_a_removed_listener_accepts_nothing_more(egress: Egress) -> None:
    async with Origin(echo) as origin:
        proxy, browser, next_browser = listener(), listener(), listener()
        await egress.open([proxy], grant(origin.port))
        target = f"127.0.0.1:{origin.port}"
        key = await egress.add_listener(ATTEMPT, browser, passwordless=True)
        _, _, reader, writer = await http_connect(port_of(browser), target, "")
        await egress.remove_listener(ATTEMPT, key)
        await egress.remove_listener(ATTEMPT, key)
        await egress.remove_listener("unknown", key)
        with pytest.raises(ConnectionRefusedError):  # although this copy of the listener is open
            await connect(port_of(browser))
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
        await egress.add_listener(ATTEMPT, next_browser, passwordless=True)
        for port, token in ((port_of(proxy), None), (port_of(next_browser), "")):
            status, _, _, other = await http_connect(port, target, token)
            assert status == 200
            other.close()
        writer.close()
        assert (await egress.close(ATTEMPT)).connections == 3


async def test_a_listener_that_is_added_during_the_end_of_its_attempt_is_not_served(
    egress: Egress,
) -> None:
    browser = listener()
    await egress.open([listener()], grant())
    adding = asyncio.create_task(egress.add_listener(ATTEMPT, browser, passwordless=True))
    await asyncio.sleep(0)
    await egress.close(ATTEMPT)
    with pytest.raises(ValueError):
        await adding
    with pytest.raises(ConnectionRefusedError):
        await connect(port_of(browser))


@pytest.mark.parametrize(
    "bad",
    [
        EgressGrant("", SECRET, ""),
        EgressGrant(ATTEMPT, "", ""),
        EgressGrant(ATTEMPT, SECRET, "", ("no port",)),
        EgressGrant(ATTEMPT, SECRET, "", domains=("a*.example",)),
    ],
)
async def test_a_malformed_grant_is_refused(egress: Egress, bad: EgressGrant) -> None:
    with pytest.raises(ValueError):
        await egress.open([listener()], bad)
    assert egress.traffic(bad.attempt_id) == Traffic()


async def test_an_id_cannot_be_opened_twice(egress: Egress) -> None:
    await egress.open([listener()], grant())
    with pytest.raises(ValueError, match="already"):
        await egress.open([listener()], grant())
    await egress.close(ATTEMPT)


async def test_a_check_of_a_proxy_that_answers_changes_nothing(egress: Egress) -> None:
    async with Origin(echo) as origin:
        proxy = listener()
        await egress.open([proxy], grant(origin.port))
        await egress.check()
        code, _, writer = await socks(port_of(proxy), "127.0.0.1", origin.port)
        assert code == 0
        writer.close()
        assert (await egress.close(ATTEMPT)).connections == 1


async def test_unknown_ids_are_ignored(egress: Egress) -> None:
    assert await egress.close("unknown") == Traffic()
    assert not egress.tripped("unknown")
    with pytest.raises(ValueError, match="no egress"):
        await egress.refuse_browser("unknown", listener(), lambda: None)
    with pytest.raises(ValueError, match="no egress"):
        await egress.add_listener("unknown", listener(), passwordless=True)
