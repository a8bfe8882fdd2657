"""The layers around a browser: each one that is removed is detected, and a page passes none.

The inspection runs beside the browser, as a process of the same sandbox.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import select
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from fyke.contracts.browser import BrowserInfo, BrowserProgram
from fyke.sandbox.browsers import BrowserSandboxes
from fyke.sandbox.isolation import bubblewrap, checks, seccomp, syscalls
from fyke.sandbox.isolation.cgroups import NoGroups
from fyke.sandbox.isolation.seccomp import FilterRules
from fyke.sandbox.process.spawner import DirectSpawner
from integration.browser.browsers import (
    KINDS,
    BrowserSetup,
    RecordingProxy,
    browser_setup,
    open_page,
)
from integration.sandbox.sandboxes import ROOT, SPAWNERS, data_folder
from integration.sandbox.test_layers import LAYERS, added
from support.cdp import Cdp, CdpError

pytestmark = [pytest.mark.anyio, pytest.mark.needs("bwrap", "chromium", "driver")]

PREFIX = "browser: "


@pytest.fixture(params=KINDS)
async def setup(request: pytest.FixtureRequest) -> AsyncIterator[BrowserSetup]:
    async with browser_setup(SPAWNERS[0], request.param) as setup:
        yield setup


# --- each layer, which needs a spawner in this process --------------------------------------------

weakened = pytest.mark.skipif(ROOT, reason="the isolation of a plain user is weakened in its own")


async def examined() -> tuple[BrowserInfo, list[str]]:
    """What is found out about the browser, and the checks that failed."""
    with data_folder() as home:
        spawner = DirectSpawner(home / "work", NoGroups("left out by the test"))
        browsers = BrowserSandboxes(home / "work", spawner, BrowserProgram.HEADLESS_SHELL)
        await browsers.prepare()
        spawner.close()
    return browsers.info(), [name for name, passed, _ in browsers.checks() if not passed]


@weakened
async def test_every_layer_is_effective() -> None:
    info, failed = await examined()
    assert (info.reason, info.own_sandbox, failed) == ("", True, [])


def without_shm_size(options: list[str]) -> list[str]:
    at = options.index("/dev/shm") - 3
    assert options[at] == "--size"
    return options[:at] + options[at + 2 :]


SAMPLE = {
    name: LAYERS[name]
    for name in (
        "network namespace",
        "ipc namespace",
        "host name",
        "user map",
        "seccomp",
        "cover of process 1",
        "new session",
        "read-only root",
        "read-only /dev",
        "one more writable place",
        "the whole machine",
    )
}
SAMPLE["size of /dev/shm"] = (without_shm_size, "memory file systems")
SAMPLE["a folder of the machine"] = (added("--ro-bind", "/opt", "/opt"), "files of the machine")


@weakened
@pytest.mark.parametrize("layer", SAMPLE)
async def test_a_missing_layer_switches_the_browsers_off(
    layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, check = SAMPLE[layer]
    original = bubblewrap.arguments
    monkeypatch.setattr(bubblewrap, "arguments", lambda *arguments: change(original(*arguments)))
    info, failed = await examined()
    assert PREFIX + check in failed, (info, failed)
    assert info.reason


def without_rule(number: int) -> bytes:
    """The filter of a browser, with one call allowed with any arguments."""
    program = seccomp.program(watches=False, rules=FilterRules.BROWSER)
    at = 4 * 8  # after the steps of the architecture and the load of the number
    hole = struct.pack("=HBBI", seccomp.JUMP_EQUAL, 0, 1, number)
    return program[:at] + hole + struct.pack("=HBBI", *seccomp.ALLOW) + program[at:]


@weakened
@pytest.mark.parametrize("call", ["ptrace", "keyctl", "socket", "setsockopt", "clone", "unshare"])
async def test_a_hole_in_the_filter_switches_the_browsers_off(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = platform.machine()
    numbers = syscalls.allowed(machine) | syscalls.denied(machine) | syscalls.checked(machine)
    program = without_rule(numbers[call])
    monkeypatch.setattr(seccomp, "program", lambda **_: program)
    info, failed = await examined()
    assert PREFIX + "seccomp" in failed, (info, failed)
    assert info.reason


@weakened
async def test_without_user_namespaces_the_outer_layers_remain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a machine that allows none below bubblewrap."""
    original = bubblewrap._namespaces
    monkeypatch.setattr(bubblewrap, "_namespaces", lambda nested=False: original())
    info, failed = await examined()
    assert info.reason == ""
    assert not info.own_sandbox
    assert failed == [PREFIX + checks.OWN_SANDBOX]


# --- a page ---------------------------------------------------------------------------------------

ATTEMPTS = """
const targets = TARGETS, [ip, port, udp] = PLACE;
const soon = promise => Promise.race([promise, new Promise(done => setTimeout(done, 1500))]);
const load = (name, attributes) => new Promise(done => {
    const element = Object.assign(document.createElement(name), attributes);
    element.onload = element.onerror = done;
    document.body.append(element);
});
const connect = options => new Promise(done => {
    const peer = new RTCPeerConnection({iceServers: [options]});
    peer.createDataChannel('x');
    peer.onicegatheringstatechange = () => peer.iceGatheringState == 'complete' && done();
    peer.createOffer().then(offer => peer.setLocalDescription(offer));
});
(async () => {
    for (const target of targets) {
        await soon(fetch('http://' + target, {mode: 'no-cors'}).catch(() => 0));
        await soon(load('img', {src: 'http://' + target + '/image'}));
        await soon(new Promise(done => {
            try { const s = new WebSocket('ws://' + target); s.onclose = s.onopen = done; }
            catch { done(); }
        }));
        new EventSource('http://' + target + '/events');
        navigator.sendBeacon('http://' + target + '/beacon', 'x');
        for (const rel of ['prefetch', 'preconnect', 'dns-prefetch', 'modulepreload'])
            document.head.append(Object.assign(document.createElement('link'),
                {rel, href: 'http://' + target + '/' + rel}));
    }
    await soon(connect({urls: `stun:${ip}:${udp}`}));
    await soon(connect({urls: `turn:${ip}:${udp}?transport=udp`, username: 'a', credential: 'b'}));
    await soon(connect({urls: `turn:${ip}:${port}?transport=tcp`, username: 'a', credential: 'b'}));
    return 'done';
})()
"""


@contextmanager
def canaries() -> Iterator[tuple[list[socket.socket], int, int]]:
    """Ports of this machine on every address, for TCP and UDP, and their numbers."""
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.socket(socket.AF_INET6))
        tcp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        tcp.bind(("::", 0))
        tcp.listen()
        udp = stack.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        udp.bind(("::", 0))
        yield [tcp, udp], tcp.getsockname()[1], udp.getsockname()[1]


def own_address() -> str:
    """An address of this machine, by which its other processes can be reached."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


async def test_a_page_reaches_nothing_but_the_proxy(setup: BrowserSetup) -> None:
    found, cdp = await setup.browser()
    address = own_address()
    with canaries() as (servers, port, udp):
        hosts = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "[::ffff:7f00:1]"]
        targets = [f"{host}:{port}" for host in (*hosts, "name.localhost", address)]
        script = ATTEMPTS.replace("TARGETS", json.dumps(targets))
        script = script.replace("PLACE", json.dumps([address, port, udp]))
        proxy = RecordingProxy({"http://site.test/": b"<body></body>"})
        async with proxy.serving(found):
            session = await open_page(cdp, "http://site.test/")
            assert await cdp.evaluate(session, script, 60) == "done"
        assert select.select(servers, [], [], 0)[0] == []
    # that the page tried is shown by the proxy, which got the addresses of this machine as well
    assert {f"127.0.0.1:{port}", f"[::1]:{port}"} <= proxy.hosts, proxy.hosts


async def test_a_client_does_not_get_around_the_proxy(setup: BrowserSetup) -> None:
    """It may ask for contexts without the proxy, or with another one."""
    found, cdp = await setup.browser()
    address = own_address()
    with canaries() as (servers, port, _):
        proxy = RecordingProxy({})
        async with proxy.serving(found):
            for server in ("direct://", f"http://{address}:{port}", f"socks5://127.0.0.1:{port}"):
                context = await cdp.call("Target.createBrowserContext", proxyServer=server)
                target = await cdp.call("Target.createTarget", url="about:blank", **context)
                attached = await cdp.call(
                    "Target.attachToTarget", targetId=target["targetId"], flatten=True
                )
                for host in (address, "127.0.0.1", "[::1]"):
                    result = await cdp.call(
                        "Page.navigate", attached["sessionId"], url=f"http://{host}:{port}/"
                    )
                    assert result.get("errorText", "").startswith("net::ERR_"), result
        assert select.select(servers, [], [], 0)[0] == []


async def test_downloads_stay_in_memory(setup: BrowserSetup) -> None:
    found, cdp = await setup.browser()
    proxy = RecordingProxy({"http://site.test/": b"<a id=a download=x href=data:,text>x</a>"})
    async with proxy.serving(found):
        for folder in ("/etc", "/usr", "/work/downloads"):
            await cdp.call(
                "Browser.setDownloadBehavior",
                behavior="allow",
                downloadPath=folder,
                eventsEnabled=True,
            )
            cdp.events.clear()
            session = await open_page(cdp, "http://site.test/")
            await cdp.evaluate(session, "a.click()")
            await cdp.event("Browser.downloadWillBegin")
    assert setup.sandboxes.work.joinpath(found.name).is_dir()
    assert list(setup.sandboxes.work.joinpath(found.name).iterdir()) == []


async def test_a_page_does_not_reach_the_debugging_port(setup: BrowserSetup) -> None:
    found = await setup.open()
    started = await found.start(program=setup.browsers.info().program.value)
    cdp = await found.connect(started)
    proxy = RecordingProxy({"http://site.test/": b""})
    async with proxy.serving(found):
        session = await open_page(cdp, "http://site.test/")
        for url in (f"http://127.0.0.1:{started['port']}/json/version", "http://localhost:1080/"):
            code = f"fetch({url!r}, {{mode: 'no-cors'}}).then(() => 'answered', () => 'refused')"
            await cdp.evaluate(session, code)
    assert f"127.0.0.1:{started['port']}" in proxy.hosts  # it asked the proxy, like for any host


async def text_of(cdp: Cdp, url: str) -> str:
    """The text of a page, once it has loaded or was refused."""
    session = await cdp.page(url)
    async with asyncio.timeout(20):
        while True:
            code = "[location.href, document.readyState, document.body?.innerText].join(' ')"
            try:
                text = str(await cdp.evaluate(session, code))
            except CdpError:  # between two documents
                text = ""
            if " complete " in text and not text.startswith("about:blank"):
                return text
            await asyncio.sleep(0.02)


async def test_files_that_a_page_could_be_given_are_those_of_the_sandbox(
    setup: BrowserSetup,
) -> None:
    _, cdp = await setup.browser()
    assert "root" not in await text_of(cdp, "file:///etc/passwd")
    for path in ("/root", "/home", "/var/lib", "/proc/1/environ", os.getcwd()):
        assert "Index of" not in await text_of(cdp, f"file://{path}")
