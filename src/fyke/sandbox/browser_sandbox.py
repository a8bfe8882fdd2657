"""The sandbox of a browser as the runner sees it, the same for both spawners."""

from __future__ import annotations

import asyncio
import os
import re
import select
import socket

from fyke.contracts.browser import BrowserLimits, BrowserProgram, BrowserUsage
from fyke.contracts.execution import SandboxFault
from fyke.sandbox.faults import convert_faults
from fyke.sandbox.isolation.bubblewrap import BROWSER
from fyke.sandbox.open_sandbox import OpenSandbox
from fyke.sandbox.process.order import BadLaunchOrder, LaunchOrder, check_name, parse_cache
from fyke.sandbox.process.spawner import SpawnedSandbox

CHUNK = 65536
LAST_WORDS = 16 * 1024  # bytes
# lines about services of a desktop, which no sandbox has, and a folder of the display's own
NOISE = re.compile(
    rb":(ERROR|WARNING):(dbus/|device/|media/gpu/|net/base/address_tracker|sandbox/policy/"
    rb"|base/files/file_path_watcher)[^\n]*\n|^Fontconfig error: Cannot load default[^\n]*\n"
    rb"|^_XSERVTransmkdir: Owner of [^\n]*\n"
)
WORK_SIZE = 2**20  # the work folder of a browser stays empty


def order_of(
    name: str,
    limits: BrowserLimits,
    *,
    own_sandbox: bool,
    kind: str = BROWSER,
    program: BrowserProgram | None = None,
    cache: str = "",
    display: bool = False,
) -> LaunchOrder:
    """The order of a browser; ``program`` is started at once, with the saved ``cache``; ``display``
    gives it windows. Raise ``SandboxFault`` for an invalid name.
    """
    try:
        return LaunchOrder(
            name=check_name(name),
            kind=kind,
            bundle=None,
            environment=None,
            cpus=limits.cpus,
            memory=limits.memory,
            processes=limits.processes,
            tmp_size=limits.tmp_size,
            work_size=WORK_SIZE,
            open_files=limits.open_files,
            own_sandbox=own_sandbox,
            program=program.value if program else "",
            cache=parse_cache(cache, kind),
            display=display,
        )
    except BadLaunchOrder as error:
        raise SandboxFault(str(error)) from error


class BrowserSandbox(OpenSandbox):
    """Implements ``Browser``. What Chromium prints is read all the time, because it would wait
    otherwise.
    """

    def __init__(self, spawned: SpawnedSandbox) -> None:
        super().__init__(spawned)
        self._control = spawned.ends.control
        [self._proxy] = spawned.ends.listeners
        self._streams = {spawned.ends.stdout, spawned.ends.stderr}
        self._last_words = bytearray()
        self._proxy.setblocking(False)
        self._control.setblocking(False)
        self._control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
        loop = asyncio.get_running_loop()
        for descriptor in self._streams:
            os.set_blocking(descriptor, False)
            loop.add_reader(descriptor, self._read, descriptor)

    @property
    def control(self) -> socket.socket:
        return self._control

    @property
    def cached(self) -> int:
        return self._spawned.cached

    @property
    def enforced(self) -> frozenset[str]:
        """Which of cpu, memory and pids are limited by the kernel."""
        return self._spawned.enforced

    @property
    def proxy(self) -> socket.socket:
        return self._proxy

    @property
    def is_alive(self) -> bool:
        """Whether its first process still has the other end of the control socket."""
        poll = select.poll()
        poll.register(self._control, select.POLLRDHUP)
        return not poll.poll(0)

    @property
    def last_words(self) -> str:
        lines = self._last_words.splitlines(keepends=True)
        kept = b"".join(line for line in lines if not NOISE.search(line))
        return kept.decode(errors="replace")

    def _read(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._close_stream(descriptor)
        self._last_words += data
        del self._last_words[:-LAST_WORDS]

    async def usage(self) -> BrowserUsage:
        usage = await convert_faults(self._spawned.usage())
        return BrowserUsage(
            cpu_ms=usage.cpu_ms,
            memory=usage.memory,
            memory_peak=usage.memory_peak,
            ooms=usage.ooms,
            tmp_bytes=usage.work_bytes,
        )

    async def save_cache(self, limit: int) -> int:
        return await convert_faults(self._spawned.save_cache(limit))

    def _close_ends(self) -> None:
        for descriptor in list(self._streams):
            self._read(descriptor)  # what it wrote last
        for descriptor in list(self._streams):
            self._close_stream(descriptor)
        self._control.close()
        self._proxy.close()

    def _close_stream(self, descriptor: int) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        self._streams.discard(descriptor)
        os.close(descriptor)
