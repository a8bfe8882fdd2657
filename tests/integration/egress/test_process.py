"""The egress process and its client: crashes on either side, and access to the socket."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fyke.contracts.egress import EgressGrant, Traffic
from fyke.egress import client as egress_client
from fyke.egress.client import EgressClient
from fyke.egress.process import serve_egress
from fyke.egress.throttle import ThrottleRules
from fyke.errors import Unavailable
from fyke.kit import channel
from fyke.kit.addresses import AddressRules
from fyke.model.attempt import SiteTraffic
from fyke.model.node import EgressPolicy
from fyke.model.sites import MAX_PAUSES, SitePause, SiteShares
from support.egress import (
    ATTEMPT,
    SECRET,
    EgressProcess,
    Origin,
    client_and_process,
    client_and_task,
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


async def move(proxy: int, port: int, count: int) -> None:
    code, reader, writer = await socks(proxy, "127.0.0.1", port)
    assert code == 0
    writer.write(bytes(count))
    await reader.readexactly(count)
    writer.close()


async def test_counters_and_limit_survive_a_kill_and_restart(tmp_path: Path) -> None:
    tripped: list[str] = []
    reports: list[int] = []
    async with client_and_process(tmp_path, LOOPBACK) as (client, process), Origin(echo) as origin:
        client.on_trip = tripped.append
        sock, browser = listener(), listener()
        await client.open([sock], EgressGrant(ATTEMPT, SECRET, "", (), 1_000_000))
        await client.refuse_browser(ATTEMPT, browser, lambda: reports.append(1))
        await move(port_of(sock), origin.port, 200_000)
        for count in range(3):
            process.kill()
            reader, writer = await connect(port_of(sock))  # the connection waits in the listener
            writer.write(socks_hello() + socks_request("127.0.0.1", origin.port) + b"x" * 1000)
            process.start()
            assert await socks_code(reader) == 0
            assert await reader.readexactly(1000) == b"x" * 1000
            writer.close()
            expected = 200_000 + 1000 * (count + 1)
            assert client.traffic(ATTEMPT) == Traffic(expected, expected, 2 + count, 0)
            expected_site = SiteTraffic(
                "127.0.0.1", 2 + count, expected, expected, unseen=2 + count
            )
            assert client.sites(ATTEMPT) == (expected_site,)
        reader, writer = await connect(port_of(browser))
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert b"503" in await reader.readline()
        writer.close()
        await until(lambda: reports == [1])
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await move(port_of(sock), origin.port, 600_000)
        await until(lambda: tripped == [ATTEMPT])
        assert client.traffic(ATTEMPT).total == 1_000_000
        process.kill()
        process.start()
        reader, writer = await connect(port_of(sock))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        assert (await client.close(ATTEMPT)).total == 1_000_000
    assert sum(site.bytes_up + site.bytes_down for site in client.sites(ATTEMPT)) == 1_000_000
    assert tripped == [ATTEMPT]


async def test_an_added_listener_survives_a_kill_and_a_removed_one_does_not(
    tmp_path: Path,
) -> None:
    async with client_and_process(tmp_path, LOOPBACK) as (client, process), Origin(echo) as origin:
        target = f"127.0.0.1:{origin.port}"
        removed, browser = listener(), listener()
        await client.open([listener()], EgressGrant(ATTEMPT, SECRET, ""))
        key = await client.add_listener(ATTEMPT, removed, passwordless=True)
        await client.add_listener(ATTEMPT, browser, passwordless=True)
        process.kill()
        await client.remove_listener(ATTEMPT, key)
        process.start()
        status, _, reader, writer = await http_connect(port_of(browser), target, "")
        assert status == 200
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await connect(port_of(removed))
        assert await client.close(ATTEMPT) == Traffic(4, 4, 1, 0)


async def test_a_process_that_does_not_answer_is_detected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client_and_process(tmp_path, LOOPBACK) as (client, process):
        await client.check()
        process.kill()
        monkeypatch.setattr(egress_client, "CHECK_SECONDS", 0.1)
        with pytest.raises(Unavailable):
            await client.check()
        process.start()
        monkeypatch.undo()
        await client.check()


async def test_a_kill_in_the_middle_of_a_download_loses_no_count(tmp_path: Path) -> None:
    async with (
        client_and_process(tmp_path, LOOPBACK) as (client, process),
        Origin(downloads(500_000_000)) as origin,
    ):
        sock = listener()
        await client.open([sock], EgressGrant(ATTEMPT, SECRET, ""))
        _, reader, writer = await socks(port_of(sock), "127.0.0.1", origin.port)
        writer.write(b"go\n")
        received = len(await reader.readexactly(5_000_000))
        process.kill()
        try:
            while data := await reader.read(65536):
                received += len(data)
        except ConnectionError:
            pass
        writer.close()
        final = await client.close(ATTEMPT)
    assert (
        received <= final.down <= received + 10_000_000
    )  # includes counted bytes that were never read


async def test_an_attempt_can_be_closed_while_the_process_is_down(tmp_path: Path) -> None:
    async with client_and_process(tmp_path, LOOPBACK) as (client, process), Origin(echo) as origin:
        sock = listener()
        await client.open([sock], EgressGrant(ATTEMPT, SECRET, ""))
        await move(port_of(sock), origin.port, 10)
        process.kill()
        assert await client.close(ATTEMPT) == Traffic(10, 10, 1, 0)
        with pytest.raises(ConnectionRefusedError):
            await connect(port_of(sock))
        process.start()
        new_listener = listener()
        await client.open([new_listener], EgressGrant(ATTEMPT, SECRET, ""))
        assert client.traffic(ATTEMPT) == Traffic()


async def test_shares_of_sites_that_are_too_long_for_a_packet_cut_no_connection(
    tmp_path: Path,
) -> None:
    throttled = client_and_process(tmp_path, LOOPBACK, ThrottleRules())
    async with throttled as (client, _), Origin(echo) as origin:
        sock = listener()
        await client.open([sock], EgressGrant(ATTEMPT, SECRET, ""))
        code, reader, writer = await socks(port_of(sock), "127.0.0.1", origin.port)
        assert code == 0
        names = [f"{n:03}".ljust(250, "\x01") for n in range(MAX_PAUSES)]  # six bytes each
        shares = SiteShares(2, {}, tuple(SitePause(name, 20.0) for name in names))
        assert (await client.share_sites(shares)).sites == ("127.0.0.1",)
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        writer.close()


async def test_open_waits_for_a_process_that_starts_later(tmp_path: Path) -> None:
    process = EgressProcess(tmp_path / "run" / "egress.sock", LOOPBACK)
    client = EgressClient(process.path, timeout=30)
    await client.start()
    opening = asyncio.create_task(client.open([listener()], EgressGrant(ATTEMPT, SECRET, "")))
    await asyncio.sleep(0.05)
    assert not opening.done()
    process.start()
    await opening
    await client.stop()
    process.kill()


async def test_an_attempt_whose_opening_is_cancelled_can_be_opened_again(tmp_path: Path) -> None:
    async with client_and_process(tmp_path, LOOPBACK) as (client, _):
        await client.check()
        sock, grant = listener(), EgressGrant(ATTEMPT, SECRET, "")
        opening = asyncio.create_task(client.open([sock], grant))
        await asyncio.sleep(0)  # the request is sent
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert client.traffic(ATTEMPT) == Traffic()
        await client.open([sock], grant)


async def test_a_listener_whose_addition_is_cancelled_is_not_served(tmp_path: Path) -> None:
    async with client_and_process(tmp_path, LOOPBACK) as (client, _):
        browser = listener()
        await client.open([listener()], EgressGrant(ATTEMPT, SECRET, ""))
        adding = asyncio.create_task(client.add_listener(ATTEMPT, browser, passwordless=True))
        await asyncio.sleep(0)  # the request is sent
        adding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await adding
        await client.check()  # which is answered after all earlier requests
        with pytest.raises(ConnectionRefusedError):
            await connect(port_of(browser))


async def test_open_fails_with_a_reason_after_its_timeout(tmp_path: Path) -> None:
    client = EgressClient(tmp_path / "nobody.sock", timeout=0.1)
    await client.start()
    sock = listener()
    with pytest.raises(Unavailable, match="does not answer"):
        await client.open([sock], EgressGrant(ATTEMPT, SECRET, ""))
    reader_side = socket.create_connection(sock.getsockname())  # this process's copy still listens
    reader_side.close()
    assert client.traffic(ATTEMPT) == Traffic()
    await client.stop()


_RUNNER = """
import asyncio, json, socket, sys
from pathlib import Path
from fyke.contracts.egress import EgressGrant
from fyke.egress.client import EgressClient
async def main():
    client = EgressClient(Path(sys.argv[1]))
    await client.start()
    ports = []
    for number in range(3):
        sock = socket.create_server(("127.0.0.1", 0))
        await client.open([sock], EgressGrant(f"01RUNNER{number}", "secret", ""))
        ports.append(sock.getsockname()[1])
    print(json.dumps(ports), flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_the_end_of_the_runner_closes_all_its_attempts(tmp_path: Path) -> None:
    async with client_and_process(tmp_path, LOOPBACK) as (client, process), Origin(echo) as origin:
        first = listener()
        await client.open([first], EgressGrant(ATTEMPT, SECRET, ""))
        runner = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _RUNNER, str(process.path),
            stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
        assert runner.stdout is not None
        ports = json.loads(await runner.stdout.readline())
        sockets = []
        for number, port in enumerate(ports):
            code, reader, writer = await socks(
                port, "127.0.0.1", origin.port, f"01RUNNER{number}", "secret"
            )
            assert code == 0
            sockets.append((reader, writer))
        runner.kill()
        await runner.wait()
        for reader, writer in sockets:
            async with asyncio.timeout(5):
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await reader.readexactly(1)
            writer.close()
        for port in ports:
            with pytest.raises(ConnectionRefusedError):
                await connect(port)
        await move(port_of(first), origin.port, 5)  # connections of another runner continue


async def test_another_policy_is_for_attempts_that_open_later_and_survives_a_kill(
    tmp_path: Path,
) -> None:
    many = {f"{a}{b}": "http://127.0.0.1:9" for a in "ABCDEFGHIJ" for b in "ABCDEFGHIJKLMN"}
    long = {region: " ".join([url] * 40) for region, url in many.items()}  # more than a packet
    async with client_and_process(tmp_path) as (client, process), Origin(echo) as origin:
        earlier, later = listener(), listener()
        await client.open([earlier], EgressGrant(ATTEMPT, SECRET, ""))
        await client.change(EgressPolicy(allow=LOOPBACK, upstreams=long))
        await client.open([later], EgressGrant("later", SECRET, ""))
        for _ in range(2):
            code, _, writer = await socks(port_of(later), "127.0.0.1", origin.port, "later")
            assert code == 0
            writer.close()
            with pytest.raises(ValueError, match="region US"):
                await client.change(EgressPolicy(upstreams={"US": "ftp://u:hunter2@a.example"}))
            process.kill()
            process.start()
        code, _, writer = await socks(port_of(later), "127.0.0.1", origin.port, "later")
        assert code == 0
        writer.close()


async def test_an_open_attempt_keeps_its_rules(tmp_path: Path) -> None:
    async with client_and_task(tmp_path) as client, Origin(echo) as origin:
        earlier = listener()
        await client.change(EgressPolicy(allow=LOOPBACK))
        await client.open([earlier], EgressGrant(ATTEMPT, SECRET, ""))
        await client.change(EgressPolicy())
        code, _, writer = await socks(port_of(earlier), "127.0.0.1", origin.port)
        assert code == 0
        writer.close()
        await client.open([later := listener()], EgressGrant("later", SECRET, ""))
        code, _, writer = await socks(port_of(later), "127.0.0.1", origin.port, "later")
        assert code != 0
        writer.close()


async def test_only_the_same_user_can_connect_to_the_socket(tmp_path: Path) -> None:
    async with client_and_process(tmp_path) as (client, process):
        await client.open([listener()], EgressGrant(ATTEMPT, SECRET, ""))
        assert stat.S_IMODE(process.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(process.path.parent.stat().st_mode) == 0o700
        rival = EgressProcess(process.path)
        rival.start()
        assert rival.process is not None
        assert await asyncio.to_thread(rival.process.wait, 30) != 0  # a path has only one server
        assert client.traffic(ATTEMPT) == Traffic()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_another_uid_is_refused(tmp_path: Path) -> None:
    folder = Path("/tmp") / f"fyke-egress-{os.getpid()}"
    folder.mkdir(mode=0o755)
    path = folder / "egress.sock"
    ready = asyncio.Event()
    serving = asyncio.create_task(serve_egress(path, AddressRules(), {}, ready=ready))
    await ready.wait()
    path.chmod(0o777)
    program = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET);"
        "s.connect(sys.argv[1]); s.settimeout(10); sys.exit(0 if s.recv(10) == b'' else 1)"
    )
    stranger = await asyncio.create_subprocess_exec(
        "/usr/bin/python3", "-I", "-c", program, str(path), user=65534, group=65534, cwd="/"
    )
    assert await stranger.wait() == 0
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    assert not path.exists()
    folder.rmdir()


@pytest.mark.parametrize(
    "message",
    [b"{}", b"no json", b'{"type":"open"}', b'{"type":"close","seq":"x","attempt_id":1}'],
)
async def test_malformed_messages_end_only_their_connection(tmp_path: Path, message: bytes) -> None:
    async with client_and_process(tmp_path) as (client, process):
        await client.open([listener()], EgressGrant(ATTEMPT, SECRET, ""))
        loop = asyncio.get_running_loop()
        rude = channel.connect(process.path)
        await loop.sock_sendall(rude, message)
        async with asyncio.timeout(10):
            assert await loop.sock_recv(rude, 100) == b""
        rude.close()
        await client.open([listener()], EgressGrant("01OTHER", SECRET, ""))  # it is still serving
        assert await client.close("01OTHER") == Traffic()


async def test_requests_without_their_descriptors_are_refused(tmp_path: Path) -> None:
    async with client_and_process(tmp_path) as (client, process):
        await client.open([listener()], EgressGrant(ATTEMPT, SECRET, ""))
        loop = asyncio.get_running_loop()
        other = channel.connect(process.path)
        for seq, request in enumerate(
            [
                {"type": "open", "attempt_id": "x", "secret": "y", "region": "", "allow": [],
                 "limit_bytes": None, "domains": None, "session": "", "guarded": True,
                 "passwordless": False},
                {"type": "refuse_browser", "attempt_id": "x"},
                {"type": "add", "attempt_id": ATTEMPT, "passwordless": True},
                {"type": "close", "attempt_id": ATTEMPT},
            ]
        ):  # fmt: skip
            await loop.sock_sendall(other, json.dumps({**request, "seq": seq}).encode())
            answer = json.loads(await loop.sock_recv(other, 1000))
            assert answer["seq"] == seq
            assert bool(answer["error"]) == (request["type"] != "close")
        other.close()
        await client.close(ATTEMPT)  # the other connection could not close it


async def test_malformed_settings_fail_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="FYKE_EGRESS_UPSTREAMS"):
        await serve_egress(tmp_path / "e.sock", AddressRules(), {"usa": "http://a:1"})
    assert not (tmp_path / "e.sock").exists()
