"""The sandbox of one attempt as the runner sees it, the same for both spawners."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

from fyke.contracts.execution import SandboxFault, SandboxLimits, SandboxUsage
from fyke.contracts.tools import WORK_AT
from fyke.domain.workers import entry
from fyke.sandbox.faults import convert_faults
from fyke.sandbox.isolation import relay_files
from fyke.sandbox.isolation.bubblewrap import NODE_PROXY_AT, PROBE_AT
from fyke.sandbox.isolation.python_command import INTERPRETER, base_environment, python_command
from fyke.sandbox.open_sandbox import OpenSandbox
from fyke.sandbox.process.order import Assignment, LaunchOrder
from fyke.sandbox.process.processes import counts_per_namespace
from fyke.sandbox.process.spawner import SpawnedSandbox

LISTENER_NAMES = ("sdk", "proxy", "cdp", "proxy6000", "cdp80")
CHUNK = 65536
TAKE_SECONDS = 15.0  # for a sandbox that was idle to take its job and copy its bundle

GO_PROGRAM = f"{WORK_AT}/main"


class IsolatedSandbox(OpenSandbox):
    """Implements ``Sandbox``.

    ``listeners`` has ``sdk`` (port 20086), ``proxy`` (1080), ``cdp`` (9222) and ``proxy6000``: the
    proxy at port 6000, which is in the code of published Workers. When root starts the sandboxes,
    it also has ``cdp80``, for the same reason.
    """

    def __init__(
        self,
        spawned: SpawnedSandbox,
        order: LaunchOrder,
        limits: SandboxLimits,
        browser_version: str = "",
    ) -> None:
        super().__init__(spawned)
        self._browser_version = browser_version
        self._order = order
        self._limits = limits
        self._listeners = dict(zip(LISTENER_NAMES, spawned.ends.listeners, strict=False))
        self._streams = {spawned.ends.stdout: "stdout", spawned.ends.stderr: "stderr"}
        self._draining = False
        self.on_launch: Callable[[], None] = lambda: None  # called when the program runs
        for listener in self._listeners.values():
            listener.setblocking(False)
        spawned.ends.control.setblocking(False)
        for descriptor in self._streams:
            os.set_blocking(descriptor, False)

    @property
    def listeners(self) -> dict[str, socket.socket]:
        return self._listeners

    async def assign(self, limits: SandboxLimits) -> None:
        """Give an idle sandbox to an attempt, with its limits. Raise ``SandboxFault``."""
        assignment = Assignment(limits.cpus, limits.memory, limits.work_size)
        await convert_faults(self._spawned.assign(assignment))
        self._limits = limits
        self._order = replace(
            self._order, cpus=limits.cpus, memory=limits.memory, work_size=limits.work_size
        )

    async def launch(self, env: dict[str, str]) -> None:
        """Return when the Worker's program is running. Raise ``SandboxFault`` when the work
        folder cannot be prepared; a program that cannot be executed ends with 126 or 127.
        """
        await self.send_job(self._job(env))

    async def send_job(self, job: list[tuple[str, str]]) -> None:
        """Send any job; otherwise as ``launch``."""
        control = self._spawned.ends.control
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(TAKE_SECONDS if self._order.idle else None):
                await loop.sock_sendall(control, _encode(job))
                message = await loop.sock_recv(control, 4096)
        except TimeoutError:
            raise SandboxFault(
                f"the idle sandbox did not take its job within {TAKE_SECONDS:g} s"
            ) from None
        except OSError as error:
            raise SandboxFault(
                f"the sandbox ended before its Worker was launched: {error}"
            ) from error
        finally:
            control.close()
        if message:
            raise SandboxFault(message.decode(errors="replace"))
        self.on_launch()

    def _job(self, env: dict[str, str]) -> list[tuple[str, str]]:
        order = self._order
        entries = _environment(order, self._browser_version) | env
        job = [("e", f"{name}={value}") for name, value in entries.items()]
        job += self.process_limits()
        if order.bundle is not None:
            job.append(("c", ""))
        if order.kind == "go" and order.environment is None:
            job.append(("x", GO_PROGRAM))  # archives made on other systems lose the mode
        if order.kind == "go":
            job += _rod_entries(order.bundle)
        return job + [("a", argument) for argument in _command(order)]

    def process_limits(self) -> list[tuple[str, str]]:
        """The entries of a job that limit the resources of the process that becomes the Worker."""
        limits: dict[int, int] = {
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_NOFILE: self._limits.open_files,
            resource.RLIMIT_FSIZE: self._limits.file_size,
        }
        if "pids" not in self._spawned.enforced and counts_per_namespace():
            limits[resource.RLIMIT_NPROC] = self._limits.processes
        return [("r", f"{number}={value}") for number, value in limits.items()]

    async def output(self) -> AsyncIterator[tuple[str, bytes]]:
        self._draining = True
        try:
            while self._streams:
                for descriptor in await _readable(list(self._streams)):
                    try:
                        data = os.read(descriptor, CHUNK)
                    except BlockingIOError:
                        continue
                    if data:
                        yield self._streams[descriptor], data
                    else:
                        self._close_stream(descriptor)
        finally:
            self._draining = False
            if self._closed:
                self._close_streams()

    async def usage(self) -> SandboxUsage:
        usage = await convert_faults(self._spawned.usage())
        return SandboxUsage(
            usage.cpu_ms, usage.memory_peak, usage.work_bytes, usage.memory, usage.limited_ms
        )

    async def result_files(self) -> list[str]:
        return await convert_faults(self._spawned.result_files())

    async def terminate(self) -> None:
        await convert_faults(self._spawned.terminate())

    async def release(self) -> str:
        """End a tool and make its work folder readable for this process. Return why that is not
        possible (the folder is too large or too deep), or ``""``.
        """
        return await convert_faults(self._spawned.release())

    def _close_ends(self) -> None:
        self._spawned.ends.control.close()
        for listener in self._listeners.values():
            listener.close()
        if not self._draining:  # else ``output`` closes them at its end
            self._close_streams()

    def _close_streams(self) -> None:
        for descriptor in list(self._streams):
            self._close_stream(descriptor)

    def _close_stream(self, descriptor: int) -> None:
        del self._streams[descriptor]
        os.close(descriptor)


def _environment(order: LaunchOrder, browser_version: str) -> dict[str, str]:
    has_scripts = order.kind == "python" and order.environment is not None
    node = {"NODE_OPTIONS": _node_options(order)} if order.kind == "node" else {}
    if relay_files.needs_of(order.kind, order.environment) is None:
        return base_environment(has_scripts=has_scripts) | node
    base = base_environment(has_scripts=has_scripts, programs=relay_files.PROGRAMS_AT)
    return base | node | relay_files.relay_environment(browser_version)


def _rod_entries(bundle: Path | None) -> Iterator[tuple[str, str]]:
    """The entries of a job that let rod find a browser, unless the project has one for it."""
    if bundle is not None and (bundle / relay_files.ROD_AT).exists():
        return
    for path, content in relay_files.rod_programs().items():
        yield "f", f"{WORK_AT}/{path}={content}"
        yield "x", f"{WORK_AT}/{path}"


def _node_options(order: LaunchOrder) -> str:
    """Node.js does not see the memory limit of a sandbox without a cgroup, and would let its heap
    grow to a share of the machine's memory; so the limit is passed as an option.
    """
    return f"--require={NODE_PROXY_AT} --max-old-space-size={order.memory >> 20}"


def _command(order: LaunchOrder) -> list[str]:
    if order.kind == "node":
        return ["/usr/bin/node", _node_entry(order.bundle)]
    if order.kind == "go":
        return [GO_PROGRAM if order.environment is None else "/env/main"]
    if order.kind == "probe":
        return [INTERPRETER, "-I", "-B", PROBE_AT]
    return python_command(has_environment=order.environment is not None)


def _node_entry(bundle: Path | None) -> str:
    if bundle is None:
        return entry.NODE_ENTRY
    package = bundle / entry.PACKAGE
    script = entry.node_entry(
        lambda name: (bundle / name).is_file(),
        lambda: package.read_bytes()[: entry.MAX_PACKAGE].decode("utf-8-sig", "replace"),
    )
    return script or entry.NODE_ENTRY


def _encode(job: list[tuple[str, str]]) -> bytes:
    """Four bytes of length, big-endian, then items ``kind:text`` with NUL between them.

    Raise ``ValueError`` for a NUL in a text.
    """
    for kind, text in job:
        if "\0" in text:
            raise ValueError(f"a NUL character in {kind}:{text!r:.80}")
    body = os.fsencode("\0".join(f"{kind}:{text}" for kind, text in job))
    return len(body).to_bytes(4, "big") + body


async def _readable(descriptors: list[int]) -> list[int]:
    """Wait until a descriptor is readable or at its end; return all that are."""
    loop = asyncio.get_running_loop()
    ready: list[int] = []
    first_ready: asyncio.Future[None] = loop.create_future()

    def mark_ready(descriptor: int) -> None:
        ready.append(descriptor)
        loop.remove_reader(descriptor)
        if not first_ready.done():
            first_ready.set_result(None)

    for descriptor in descriptors:
        loop.add_reader(descriptor, mark_ready, descriptor)
    try:
        await first_ready
    finally:
        for descriptor in descriptors:
            loop.remove_reader(descriptor)
    return ready
