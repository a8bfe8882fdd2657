"""Helpers of the browser tests: sandboxes of browsers, connections into them, and what is left."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.browser import BrowserInfo, BrowserLimits, BrowserProgram, BrowserSpec
from fyke.kit.frames import Frame, FrameClient
from fyke.kit.ids import new_ulid
from fyke.sandbox.browser_sandbox import BrowserSandbox
from fyke.sandbox.browsers import BrowserSandboxes
from fyke.sandbox.installed_browser import find_display, find_programs
from fyke.sandbox.process import processes
from integration.sandbox.sandboxes import MIB, SandboxSetup, sandbox_setup
from support.cdp import Cdp

SECONDS = 20.0
CGROUPS = Path("/sys/fs/cgroup")

SHELL, FULL = BrowserProgram.HEADLESS_SHELL, BrowserProgram.CHROMIUM
HEADFUL = "headful"  # the full Chromium with windows
OTHERS = [pytest.param(kind, marks=pytest.mark.long) for kind in (FULL, HEADFUL)]
KINDS = [SHELL, *OTHERS]

_infos: dict[tuple[str, BrowserProgram], BrowserInfo] = {}


@dataclass
class OpenBrowser:
    """A sandbox and its control connection, as the gateway has it."""

    name: str
    sandbox: BrowserSandbox
    client: FrameClient = field(init=False)
    events: list[Frame] = field(default_factory=list)
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    connections: list[Cdp] = field(default_factory=list)

    async def ask(self, request: str, **fields: Any) -> Frame:
        return await self.client.ask(request, SECONDS, **fields)

    async def start(self, instance: int = 0, **fields: Any) -> Frame:
        fields = {"program": "headless-shell"} | fields
        started = await self.ask("start", instance=instance, **fields)
        assert started["type"] == "started", (started, self.sandbox.last_words)
        return started

    async def connect(self, started: Frame) -> Cdp:
        """A connection to the browser as a whole."""
        made = await self.client.connect(started["port"], SECONDS)
        connection = await Cdp.over(made, started["path"])
        self.connections.append(connection)
        return connection

    async def event(self, kind: str) -> Frame:
        async with asyncio.timeout(SECONDS):
            while not (found := [event for event in self.events if event["type"] == kind]):
                await asyncio.sleep(0.01)
        return found[0]

    async def close(self) -> None:
        for connection in self.connections:
            await connection.close()
        self.client.close()
        await self.sandbox.close()


@dataclass
class RecordingProxy:
    """Serves the proxy port of a browser. ``pages`` are the bodies by URL; all else gets 403.
    ``fields`` are further header lines of each answer.

    ``lines`` has the first line of every request, ``hosts`` the hosts that were asked for.
    """

    pages: dict[str, bytes]
    fields: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def hosts(self) -> set[str]:
        targets = [line.split()[1] for line in self.lines]
        return {target.split("://")[-1].split("/")[0] for target in targets}

    @asynccontextmanager
    async def serving(self, found: OpenBrowser) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, sock=found.sandbox.proxy.dup())
        async with server:
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            line = head.split(b"\r\n")[0].decode("latin-1")
            self.lines.append(line)
            body = self.pages.get(line.split()[1])
            status = "403 Forbidden" if body is None else "200 OK"
            text = body or b""
            kind = "text/javascript" if line.split()[1].endswith(".js") else "text/html"
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n"
                f"Connection: close\r\n{self.fields}\r\n".encode()
                + text
            )
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@dataclass
class BrowserSetup:
    """The browser sandboxes of one spawner, checked."""

    sandboxes: SandboxSetup
    browsers: BrowserSandboxes
    display: bool = False
    open_ones: list[OpenBrowser] = field(default_factory=list)

    async def open(
        self, program: BrowserProgram | None = None, *, cache: str = "", **limits: Any
    ) -> OpenBrowser:
        chosen = BrowserLimits(**({"cpus": 2.0, "memory": 1024 * MIB} | limits))
        name = f"{new_ulid()}-B1"
        spec = BrowserSpec(name, chosen, display=self.display, program=program, cache=cache)
        found = OpenBrowser(name, await self.browsers.open(spec))
        found.client = FrameClient(
            found.sandbox.control, found.events.append, lambda reason: found.lost.set()
        )
        self.open_ones.append(found)
        return found

    async def browser(self, **limits: Any) -> tuple[OpenBrowser, Cdp]:
        """A sandbox with a running browser, and a connection to it."""
        found = await self.open(**limits)
        program = self.browsers.info().program.value
        return found, await found.connect(await found.start(program=program))


async def open_page(cdp: Cdp, url: str) -> str:
    """Open a page and wait until it has loaded; return its session."""
    session = await cdp.page()
    await cdp.call("Page.enable", session)
    await cdp.call("Page.navigate", session, url=url)
    async with asyncio.timeout(SECONDS):
        while not any(
            event["method"] == "Page.loadEventFired" and event.get("sessionId") == session
            for event in cdp.events
        ):
            await asyncio.sleep(0.01)
    return session


def program_of(kind: str) -> BrowserProgram:
    """The program of one of ``KINDS``. Skip the test where the machine lacks it."""
    program = BrowserProgram.CHROMIUM if kind == HEADFUL else BrowserProgram(kind)
    if program.value not in find_programs():
        pytest.skip(f"this machine has no {program.value}")
    if kind == HEADFUL and not find_display():
        pytest.skip("this machine has no virtual display")
    return program


@asynccontextmanager
async def browser_setup(
    spawner: str, kind: str = BrowserProgram.HEADLESS_SHELL
) -> AsyncIterator[BrowserSetup]:
    """Browsers of one of ``KINDS``, which are checked by the first test only."""
    program = program_of(kind)
    async with sandbox_setup(spawner) as sandboxes:
        browsers = BrowserSandboxes(sandboxes.work, sandboxes.spawner, program)
        if (spawner, program) in _infos:
            browsers._info = _infos[spawner, program]
        else:
            await browsers.prepare()
            assert browsers.info().reason == ""
            _infos[spawner, program] = browsers.info()
        setup = BrowserSetup(sandboxes, browsers, kind == HEADFUL)
        try:
            yield setup
        finally:
            for found in setup.open_ones:
                await found.close()


def pids_of(name: str) -> set[int]:
    """The host's pids of all processes in a sandbox: those with its mounts, and all below them."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parents[int(entry)] = processes.parent(int(entry))
            except ProcessLookupError:
                continue
    found = set(processes.with_work_folders(frozenset({name})).get(name, []))
    grown = True
    while grown:
        below = {pid for pid, parent in parents.items() if parent in found} - found
        found |= below
        grown = bool(below)
    return found


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


HOST = "/usr/bin/python3 -I -B -S /run/fyke/browser_host"
OUTER = "/usr/bin/bwrap"
CHROMIUM = "/usr/lib"


def pid_of(name: str, start: str) -> int:
    """The first process of a sandbox whose command line starts so."""
    return next(pid for pid in sorted(pids_of(name)) if command_of(pid).startswith(start))


async def left_of(setup: SandboxSetup, name: str, pids: set[int]) -> list[Path]:
    """What is left of a sandbox after at most ten seconds: processes, folders, control groups."""
    deadline = time.monotonic() + 10
    while True:
        paths = [*(Path(f"/proc/{pid}") for pid in pids), setup.work / name]
        left = [path for path in paths if path.exists()]
        left += CGROUPS.glob(f"**/fyke-*/{name}")
        if not left or time.monotonic() > deadline:
            return left
        await asyncio.sleep(0.02)
