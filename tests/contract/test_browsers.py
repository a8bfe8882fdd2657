"""The contract of ``Browsers``, over every spawner that this user can use.

Root uses the launcher. Other users use the direct spawner:
``tests/integration/sandbox/test_plain_user.py`` runs this file as such a user.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.browser import BrowserLimits, BrowserProgram, BrowserSpec
from fyke.contracts.execution import SandboxFault
from fyke.sandbox.browsers import NOT_CHECKED, BrowserSandboxes
from fyke.sandbox.installed_browser import find_driver
from fyke.sandbox.isolation.namespace_limits import KINDS, NAMESPACES
from fyke.sandbox.process import processes
from integration.browser.browsers import (
    CGROUPS,
    CHROMIUM,
    HEADFUL,
    HOST,
    OUTER,
    SECONDS,
    BrowserSetup,
    RecordingProxy,
    browser_setup,
    command_of,
    left_of,
    open_page,
    pid_of,
    pids_of,
)
from integration.sandbox.sandboxes import MIB, ROOT, SPAWNERS, data_folder, launched
from support.cdp import CdpError
from zoo.bundles import packed

pytestmark = [pytest.mark.anyio, pytest.mark.needs("bwrap", "chromium", "driver")]

MEMORY_BOMB = """(async () => {
    globalThis.kept = [];
    for (let i = 0; i < 4000; i++) {
        kept.push(new Uint8Array(1 << 20).fill(i + 1));
        if (i % 20 == 0) await new Promise(done => setTimeout(done));
    }
})()"""
PAGE = b"<title>page</title><script>document.title += ' ' + (40 + 2)</script>"


@pytest.fixture(params=SPAWNERS)
async def setup(request: pytest.FixtureRequest) -> AsyncIterator[BrowserSetup]:
    async with browser_setup(request.param) as setup:
        yield setup


async def test_a_browser_starts_and_is_connected_to(setup: BrowserSetup) -> None:
    found, cdp = await setup.browser()
    version = await cdp.call("Browser.getVersion")
    assert setup.browsers.info().version in version["product"]
    assert await cdp.evaluate(await cdp.page(), "6 * 7") == 42
    assert "DevTools listening" in found.sandbox.last_words


async def test_a_browser_that_is_ordered_runs_before_it_is_asked_for(setup: BrowserSetup) -> None:
    program = setup.browsers.info().program
    found = await setup.open(program)
    async with asyncio.timeout(SECONDS):
        while "DevTools listening" not in found.sandbox.last_words:
            await asyncio.sleep(0.01)
    first = pid_of(found.name, CHROMIUM)
    cdp = await found.connect(await found.start(program=program.value))
    assert await cdp.evaluate(await cdp.page(), "6 * 7") == 42
    assert pid_of(found.name, CHROMIUM) == first


async def test_all_traffic_goes_to_the_listener_of_the_proxy(setup: BrowserSetup) -> None:
    found, cdp = await setup.browser()
    proxy = RecordingProxy({"http://site.test/page": PAGE})
    async with proxy.serving(found):
        session = await open_page(cdp, "http://site.test/page")
        assert await cdp.evaluate(session, "document.title") == "page 42"
    assert proxy.lines[0] == "GET http://site.test/page HTTP/1.1"
    assert proxy.hosts == {"site.test"}


def server_of_this_machine() -> socket.socket:
    """On a port that Chromium does not choose in its own network."""
    for port in range(20_000, 30_000):
        with contextlib.suppress(OSError):
            return socket.create_server(("127.0.0.1", port))
    raise AssertionError("no port is free")


async def test_connections_lead_into_the_network_of_the_sandbox(setup: BrowserSetup) -> None:
    with server_of_this_machine() as of_this_machine:
        found, cdp = await setup.browser()
        for port in (of_this_machine.getsockname()[1], 22):
            with pytest.raises(ConnectionRefusedError):
                await found.client.connect(port, 10)
        await cdp.call("Browser.getVersion")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"instance": -1}, "instance"),
        ({"instance": 1_000_000}, "instance"),
        ({"instance": "0"}, "instance"),
        ({"program": "firefox"}, "program 'firefox': this machine has headless-shell"),
        ({"arguments": "--x"}, "arguments"),
        ({"arguments": ["x" * 5000]}, "arguments"),
        ({"arguments": ["--x"] * 65}, "arguments"),
        ({"arguments": [1]}, "arguments"),
    ],
    ids=str,
)
async def test_a_start_that_is_not_possible_names_the_field(
    setup: BrowserSetup, fields: dict[str, Any], error: str
) -> None:
    found = await setup.open()
    answer = await found.ask("start", **{"instance": 0, "program": "headless-shell"} | fields)
    assert answer["type"] == "failed"
    assert error in answer["error"]
    assert (await found.ask("nonsense"))["error"] == "there is no request 'nonsense'"


async def test_the_browser_has_a_sandbox_of_its_own_whatever_it_is_given(
    setup: BrowserSetup,
) -> None:
    found = await setup.open()
    arguments = ["--no-sandbox", "--proxy-server=direct://", "--lang=de"]
    cdp = await found.connect(await found.start(arguments=arguments))
    await cdp.page()
    dropped = await found.event("dropped")
    assert dropped == {
        "type": "dropped",
        "instance": 0,
        "arguments": ["proxy-server"],
    }
    assert setup.browsers.info().own_sandbox
    statuses = [processes.status(pid) for pid in pids_of(found.name)]
    depths = {len(status.get("NSpid", "").split()) for status in statuses}
    assert len(depths) > 1  # processes in a namespace below the others'


async def test_a_page_without_memory_crashes_and_the_browser_goes_on(setup: BrowserSetup) -> None:
    found, cdp = await setup.browser(memory=400 * MIB)
    await cdp.call("Target.setDiscoverTargets", discover=True)
    session = await cdp.page()
    filling = asyncio.create_task(cdp.evaluate(session, MEMORY_BOMB, 60))
    if "memory" in found.sandbox.enforced:
        await cdp.event("Target.targetCrashed", 60)
        await cdp.call("Browser.getVersion")
        assert await cdp.evaluate(await cdp.page(), "1 + 1") == 2
        usage = await found.sandbox.usage()
        assert usage.ooms >= 1
        assert usage.memory_peak <= 400 * MIB
    else:  # nothing but the watch limits it, which cannot choose
        assert (await found.sandbox.wait()).out_of_memory
    filling.cancel()
    await asyncio.gather(filling, return_exceptions=True)


async def test_the_first_process_is_closed_to_others_of_its_user(setup: BrowserSetup) -> None:
    """Its files in /proc belong to root, unlike those of Chromium."""
    found, _ = await setup.browser()
    host, chromium = pid_of(found.name, HOST), pid_of(found.name, CHROMIUM)
    assert Path(f"/proc/{host}/mem").stat().st_uid == 0
    assert Path(f"/proc/{chromium}/mem").stat().st_uid != 0


READ_LIMITS = """
import ctypes, os, sys
assert not ctypes.CDLL(None).setns(os.open(sys.argv[1], os.O_RDONLY), 0x10000000)
for kind in sys.argv[2:]:
    print(open(f"/proc/sys/user/max_{kind}_namespaces").read().strip())
"""


async def test_the_namespaces_of_a_browser_are_limited(setup: BrowserSetup) -> None:
    found, cdp = await setup.browser()
    await cdp.page()
    path = f"/proc/{pid_of(found.name, HOST)}/ns/user"
    command = [sys.executable, "-I", "-S", "-c", READ_LIMITS, path, *KINDS]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert output.split() == [str(NAMESPACES).encode()] * 2
    before = Path("/proc/sys/user/max_net_namespaces").read_text()
    assert before != f"{NAMESPACES}\n"  # those of this machine are as they were


async def test_usage_is_measured(setup: BrowserSetup) -> None:
    found, _ = await setup.browser()
    usage = await found.sandbox.usage()
    assert 30 * MIB < usage.memory <= 1024 * MIB
    assert usage.memory <= usage.memory_peak or not found.sandbox.enforced
    assert usage.cpu_ms > 0
    assert 0 < usage.tmp_bytes < 64 * MIB
    assert usage.ooms == 0
    await found.sandbox.close()
    assert (await found.sandbox.usage()).cpu_ms >= usage.cpu_ms


@pytest.mark.skipif(not ROOT, reason="a plain user gets its control groups from a manager")
async def test_the_cpu_limit_is_applied_when_asked(setup: BrowserSetup) -> None:
    found = await setup.open(cpus=0.5)
    files = [*CGROUPS.glob(f"**/{found.name}/cpu.cfs_quota_us")]
    files += CGROUPS.glob(f"**/{found.name}/cpu.max")
    assert [file.read_text().split()[0] for file in files] in (["-1"], ["max"])
    await found.sandbox.apply_cpu_limit()
    assert [file.read_text().split()[0] for file in files] == ["50000"]


async def test_a_full_memory_file_system_is_no_fault(setup: BrowserSetup) -> None:
    found = await setup.open(tmp_size=2 * MIB)
    answer = await found.ask("start", instance=0, program="headless-shell")
    assert answer["type"] in ("started", "failed")
    assert (await found.sandbox.usage()).tmp_bytes <= 2 * 2 * MIB


async def test_nothing_of_a_profile_reaches_the_next_browser(setup: BrowserSetup) -> None:
    found, cdp = await setup.browser()
    cookie = {"name": "a", "value": "b", "url": "https://site.test", "expires": 4e9}
    await cdp.call("Storage.setCookies", cookies=[cookie])
    assert len((await cdp.call("Storage.getCookies"))["cookies"]) == 1
    await cdp.call("Browser.close")
    assert (await found.event("ended"))["instance"] == 0
    again = await found.connect(await found.start())
    assert (await again.call("Storage.getCookies"))["cookies"] == []
    async with asyncio.timeout(10):  # the first profile is removed meanwhile
        while os.listdir(f"/proc/{pid_of(found.name, HOST)}/root/work") != ["p2"]:
            if not ROOT:
                break  # this process is closed to its own user
            await asyncio.sleep(0.02)


async def test_several_browsers_run_in_one_sandbox(setup: BrowserSetup) -> None:
    found, first = await setup.browser()
    second = await found.connect(await found.start(1))
    refused = await found.ask("start", instance=1, program="headless-shell")
    assert refused["error"] == "instance 1 is running"
    assert await found.ask("stop", instance=1) | {"id": 0} == {"type": "stopped", "id": 0}
    assert (await found.event("ended"))["instance"] == 1
    with pytest.raises(CdpError):
        await second.call("Browser.getVersion")
    await first.call("Browser.getVersion")
    assert (await found.ask("stop", instance=7))["type"] == "stopped"


async def test_a_browser_that_is_killed_is_reported_and_another_can_be_started(
    setup: BrowserSetup,
) -> None:
    found, cdp = await setup.browser()
    os.kill(pid_of(found.name, CHROMIUM), signal.SIGKILL)
    assert await found.event("ended") == {"type": "ended", "instance": 0, "status": -9}
    with pytest.raises(CdpError):
        await cdp.call("Browser.getVersion")
    again = await found.connect(await found.start())
    await again.call("Browser.getVersion")


@pytest.mark.skipif(not find_driver(), reason="this machine has no chromedriver")
async def test_chromedriver_starts_its_browsers_in_the_sandbox(setup: BrowserSetup) -> None:
    found = await setup.open()
    port = (await found.ask("driver"))["port"]
    connection = await found.client.connect(port, 10)
    options = {"binary": "/run/fyke/chromium", "args": ["--no-sandbox", "--headless"]}
    capabilities = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
    reader, writer = await asyncio.open_connection(sock=connection)

    async def ask(path: str, document: dict[str, Any]) -> Any:
        body = json.dumps(document).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).decode()
        assert answer.startswith("HTTP/1.1 200"), answer
        [length] = re.findall(r"(?i)content-length: *(\d+)", answer)
        return json.loads(await reader.readexactly(int(length)))["value"]

    session = (await ask("/session", capabilities))["sessionId"]
    # as the gateway renames the path of the clients of a grid
    zipped = base64.b64encode(packed({"up.txt": "content"})).decode()
    assert (await ask(f"/session/{session}/file", {"file": zipped})).endswith("/up.txt")
    driven = await found.event("driven")
    assert driven["instance"] == 1_000_000
    await (await found.connect(driven)).call("Browser.getVersion")
    writer.close()
    assert (await found.ask("stop", instance=1_000_000))["type"] == "stopped"


@pytest.fixture(params=SPAWNERS)
async def headful(request: pytest.FixtureRequest) -> AsyncIterator[BrowserSetup]:
    async with browser_setup(request.param, HEADFUL) as setup:
        yield setup


WINDOW = """({
    agent: navigator.userAgent,
    framed: outerHeight > innerHeight,
    screen: `${screen.width}x${screen.height}`,
})"""
XVFB = "/usr/bin/Xvfb"


@pytest.mark.needs("display")
async def test_a_browser_with_a_display_has_windows(headful: BrowserSetup) -> None:
    found, cdp = await headful.browser()
    window = await cdp.evaluate(await cdp.page(), WINDOW)
    assert (window["framed"], window["screen"]) == (True, "1920x1080")
    assert "Headless" not in window["agent"]
    display = pid_of(found.name, XVFB)
    root = Path(f"/proc/{display}/root")
    assert [path.name for path in (root / "tmp/.X11-unix").iterdir()] == ["X0"]
    assert ":1770 " not in Path(f"/proc/{display}/net/tcp").read_text()  # port 6000
    pids = pids_of(found.name)
    assert display in pids
    os.kill(display, signal.SIGKILL)
    ended = await found.event("ended")  # with the display of its windows
    assert ended["instance"] == 0
    again = await found.connect(await found.start(program="chromium"))
    assert await again.evaluate(await again.page(), "outerHeight > innerHeight")
    await found.sandbox.close()
    assert await left_of(headful.sandboxes, found.name, pids) == []


@pytest.mark.long
@pytest.mark.needs("display")
async def test_every_chromium_of_a_sandbox_with_a_display_has_windows(
    headful: BrowserSetup,
) -> None:
    found = await headful.open()
    for instance in (0, 1):
        started = await found.start(instance, program="chromium", arguments=["--headless=new"])
        cdp = await found.connect(started)
        assert (await cdp.evaluate(await cdp.page(), WINDOW))["framed"]
    assert sum(command_of(pid).startswith(XVFB) for pid in pids_of(found.name)) == 1


async def test_the_sandbox_ends_with_its_control_socket(setup: BrowserSetup) -> None:
    found, _ = await setup.browser()
    pids = pids_of(found.name)
    assert len(pids) > 4
    found.client.close()
    await asyncio.wait_for(found.sandbox.wait(), 10)
    await found.sandbox.close()
    assert await left_of(setup.sandboxes, found.name, pids) == []


async def test_close_leaves_nothing(setup: BrowserSetup) -> None:
    found, _ = await setup.browser()
    pids = pids_of(found.name)
    await asyncio.gather(found.sandbox.close(), found.sandbox.close())
    assert await left_of(setup.sandboxes, found.name, pids) == []
    await asyncio.wait_for(found.lost.wait(), 5)
    assert found.sandbox.proxy.fileno() == -1


@pytest.mark.parametrize("start", [HOST, OUTER], ids=["host", "outer"])
async def test_a_killed_process_of_ours_ends_everything(setup: BrowserSetup, start: str) -> None:
    found, _ = await setup.browser()
    pids = pids_of(found.name)
    os.kill(pid_of(found.name, start), signal.SIGKILL)
    await asyncio.wait_for(found.lost.wait(), 10)
    await asyncio.wait_for(found.sandbox.wait(), 10)
    await found.sandbox.close()
    assert await left_of(setup.sandboxes, found.name, pids) == []


@pytest.mark.skipif(not ROOT, reason="needs the launcher")
async def test_a_killed_launcher_takes_its_browsers_along() -> None:
    with data_folder() as home:
        async with launched(home) as sandboxes:
            assert sandboxes.launcher is not None
            browsers = BrowserSandboxes(
                sandboxes.work, sandboxes.spawner, BrowserProgram.HEADLESS_SHELL
            )
            await browsers.prepare()
            found, _ = await BrowserSetup(sandboxes, browsers).browser()
            pids = pids_of(found.name)
            sandboxes.launcher.kill()
            await asyncio.wait_for(found.lost.wait(), 10)
            with pytest.raises(SandboxFault):
                await found.sandbox.wait()
            await found.close()
            async with asyncio.timeout(10):
                while any(Path(f"/proc/{pid}").exists() for pid in pids):
                    await asyncio.sleep(0.02)
        async with launched(home) as sandboxes:  # which removes the folder and the group
            assert await left_of(sandboxes, found.name, pids) == []


async def test_no_browser_is_opened_before_the_check(setup: BrowserSetup) -> None:
    sandboxes = setup.sandboxes
    browsers = BrowserSandboxes(sandboxes.work, sandboxes.spawner, BrowserProgram.HEADLESS_SHELL)
    assert browsers.info().reason == NOT_CHECKED
    assert browsers.checks() == ()
    spec = BrowserSpec("A-B1", BrowserLimits(1.0, 512 * MIB))
    with pytest.raises(SandboxFault, match="not been checked yet"):
        await browsers.open(spec)
    with pytest.raises(SandboxFault, match="1 to 64 characters"):
        await setup.browsers.open(BrowserSpec("a/b", spec.limits))


async def test_every_layer_is_checked(setup: BrowserSetup) -> None:
    sandboxes = setup.sandboxes
    browsers = BrowserSandboxes(sandboxes.work, sandboxes.spawner, BrowserProgram.HEADLESS_SHELL)
    await browsers.prepare()
    info, checks = browsers.info(), browsers.checks()
    assert info.reason == ""
    assert info.own_sandbox
    assert info.version.split(".")[0].isdigit()
    assert [check for check in checks if not check[1]] == []
    assert len(checks) >= 30
    assert all(name.startswith("browser: ") for name, _, _ in checks)
