"""One running sandbox, in the process that spawned it.

The same code runs in the runner (as an ordinary user) and in the launcher (as root). It imports
only the standard library and modules of this package that do the same.

How a sandbox ends: process 1 of its namespace is killed, and the kernel then kills every process
inside, fork bombs and daemons included; process 1 counts as ended only when all others have.
A sandbox with a small CPU limit would end slowly, so the limit is lifted first.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from fyke.model.browser import NO_DISPLAY
from fyke.sandbox import installed_browser
from fyke.sandbox.isolation import bubblewrap
from fyke.sandbox.isolation.cgroup_files import ControlGroup, ControlGroups
from fyke.sandbox.isolation.host_inspection import HostView, inspect_host
from fyke.sandbox.isolation.namespace_limits import limit_namespaces
from fyke.sandbox.process import low_port, process_io, processes
from fyke.sandbox.process.folders import OwnershipFailed, WorkFolders
from fyke.sandbox.process.order import Assignment, LaunchOrder, listeners_of
from fyke.sandbox.process.own_files import OwnFiles
from fyke.sandbox.process.process_io import SandboxStartFailed
from fyke.sandbox.process.saved_caches import SavedCaches
from fyke.sandbox.tools.caches import LockedCache, ToolCaches
from fyke.sandbox.tools.tool_paths import ToolPaths

START_SECONDS = 20.0
GRACE_SECONDS = 2.0  # for bubblewrap to report after process 1 was killed
END_SECONDS = 10.0
MEMORY_WATCH_SECONDS = 0.5
SOFT_WATCH_SECONDS = 0.2  # where nothing but this watch enforces the limit
BROWSER_PORT = 80
# The file of a descriptor that is queued in a socket cannot be examined. Programs receive
# descriptors at once; if some are queued at every check, one a second, files are being hidden.
HIDDEN_CHECKS = 5
MEMORY_FOLDERS = ("/work", "/tmp")  # noqa: S108 - of a browser
TEMPORARY_CACHE = ".cache"  # of a tool without a persistent cache; in its work folder


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """``memory`` is the current usage, ``limited_ms`` how long the CPU limit was reached. Sizes are
    in bytes. ``work_bytes`` of
    a browser are those of its memory file systems; ``ooms`` counts the processes that the kernel
    killed because memory ran out.
    """

    cpu_ms: int = 0
    memory_peak: int = 0
    work_bytes: int = 0
    memory: int = 0
    ooms: int = 0
    limited_ms: int = 0


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """``status`` as bubblewrap reports it: 128 + n is signal n."""

    status: int
    out_of_memory: bool


@dataclass(slots=True)
class ProcessPipes:
    """Our ends of the sockets and pipes of a new sandbox. The receiver closes them."""

    control: socket.socket
    listeners: list[socket.socket]
    stdout: int
    stderr: int


class SandboxProcess:
    """A sandbox that was started; ``ends`` are its pipes and sockets."""

    def __init__(
        self,
        order: LaunchOrder,
        folders: WorkFolders,
        group: ControlGroup,
        saved_caches: SavedCaches | None = None,
    ) -> None:
        self.order = order
        self.ends: ProcessPipes
        self.user = -1  # the user of the processes inside, as the host sees it
        self.cached = 0  # bytes of the saved HTTP cache that a browser starts with
        self.group = group
        self._folders = folders
        self._saved_caches = saved_caches
        self._process: subprocess.Popen[bytes]
        self._main: int  # descriptor of the process that became the Worker
        self._first: int  # descriptor of process 1 of the namespace
        self._pids: tuple[int, int]  # of first and main; not for signals, as pids may be reused
        self._exited: asyncio.Future[int]
        self._watcher: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._soft_peak = 0
        self._soft_cpu = 0
        self._cpu_before = 0  # milliseconds of the group before the attempt
        self._soft_cpu_before = 0  # and of the processes, without a group
        self._memory_exceeded = False
        self._final: ProcessUsage | None = None
        self._cache: LockedCache | None = None
        self._hidden_checks = 0
        self._missing = ""  # see ``OwnFiles.missing``
        self._memory_folders: list[int] = []  # descriptors of the file systems of a browser

    # --- start

    @classmethod
    async def start(
        cls,
        order: LaunchOrder,
        folders: WorkFolders,
        groups: ControlGroups,
        uid: int | None,
        tool_paths: ToolPaths,
        own_files: OwnFiles,
        saved_caches: SavedCaches | None = None,
    ) -> SandboxProcess:
        """Start the sandbox and wait for its first process. ``uid`` is the user to switch to; only
        root can. ``saved_caches`` are those of browsers.

        Raise ``SandboxStartFailed`` after removing everything that was created.
        """
        if (os.geteuid() if uid is None else uid) == 0:
            raise SandboxStartFailed(
                "a sandbox never runs as user 0, which could write to /proc/sys"
            )
        try:
            work = folders.create(order.name, uid)
        except OSError as error:
            raise SandboxStartFailed(f"cannot create the work folder: {error}") from error
        try:
            group = groups.create(
                order.name, order.memory, order.processes, kills_all=not order.is_browser
            )
        except OSError as error:
            folders.remove(order.name)
            raise SandboxStartFailed(f"cannot create the control group: {error}") from error
        sandbox = cls(order, folders, group, saved_caches)
        async with contextlib.AsyncExitStack() as undo:
            undo.push_async_callback(sandbox._remove_all)
            layout = await asyncio.to_thread(sandbox._layout, work, uid, tool_paths, own_files)
            await sandbox._spawn(layout, uid, undo)
            undo.pop_all()
        return sandbox

    def _layout(
        self, work: Path, uid: int | None, tool_paths: ToolPaths, own_files: OwnFiles
    ) -> bubblewrap.Layout:
        order = self.order
        cache: Path | None = None
        extras: tuple[tuple[Path, str], ...] = ()
        if order.is_tool:
            try:
                self._cache = tool_paths.cache_of(order, uid)
                if self._cache is not None:
                    cache = self._cache.path
                else:
                    cache = self._folders.create_subfolder(order.name, TEMPORARY_CACHE, uid)
                extras = tool_paths.extras_of(order)
            except OSError as error:
                raise SandboxStartFailed(f"cannot create the folders of a tool: {error}") from error
        try:
            devices = own_files.devices(uid)
        except OSError as error:
            raise SandboxStartFailed(f"cannot make the device files: {error}") from error
        self._missing = own_files.missing
        layout = bubblewrap.Layout(
            order.kind,
            work,
            order.bundle,
            order.environment,
            order.tmp_size,
            cache,
            extras,
            empty=own_files.empty,
            programs=own_files.programs,
            devices=devices,
            watches=not (own_files.missing or order.is_tool or order.is_browser),
            interpreter=order.interpreter,
            idle=order.idle,
            browser=self._browser_layout() if order.is_browser else None,
        )
        try:  # compiled in this thread: the event loop waits for that of ``process_io.start``
            bubblewrap.own_programs(layout)
        except OSError as error:
            raise SandboxStartFailed(f"cannot start {bubblewrap.PROGRAM}: {error}") from error
        return layout

    def _browser_layout(self) -> bubblewrap.BrowserLayout:
        programs = installed_browser.find_programs()
        if not programs:
            raise SandboxStartFailed("this machine has no browser")
        limits = {int(resource.RLIMIT_NOFILE): self.order.open_files}
        if "pids" not in self.group.enforced and processes.counts_per_namespace():
            limits[int(resource.RLIMIT_NPROC)] = self.order.processes
        display = installed_browser.find_display() if self.order.display else ""
        if self.order.display and not display:
            raise SandboxStartFailed(NO_DISPLAY)
        driver = installed_browser.find_driver()
        return bubblewrap.BrowserLayout(
            programs,
            driver,
            self.order.own_sandbox,
            limits,
            self.order.program,
            bool(self.order.cache),
            display,
        )

    async def _spawn(
        self, layout: bubblewrap.Layout, uid: int | None, undo: contextlib.AsyncExitStack
    ) -> None:
        """Start the processes. ``undo`` gets a callback for everything that was created."""
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        ours.setblocking(False)
        out, err = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
        self.ends = ProcessPipes(ours, [], out[0], err[0])
        undo.callback(close_pipes, self.ends)
        saved_cache = self._open_saved_cache()
        try:
            self._process, inside = process_io.start(
                self.group,
                lambda: process_io.popen(layout, theirs, out[1], err[1], uid, saved_cache),
            )
        except (OSError, ValueError) as error:
            raise SandboxStartFailed(f"cannot start {bubblewrap.PROGRAM}: {error}") from error
        finally:
            theirs.close()
            os.close(out[1])
            os.close(err[1])
            if saved_cache is not None:
                os.close(saved_cache)
        self._exited = process_io.watch_exit(self._process)
        undo.push_async_callback(self._kill)
        pid = await self._receive_ready()
        first = processes.parent(pid)
        self._main = os.pidfd_open(pid)
        undo.callback(os.close, self._main)
        self._first = os.pidfd_open(first)
        undo.callback(os.close, self._first)
        self._pids = (first, pid)
        if uid is not None and not self.order.is_browser:
            self._listen_on_browser_port(pid)
        if self.order.own_sandbox:
            await asyncio.to_thread(limit_namespaces, pid)
        if not inside:  # the kernel takes 10 ms for each, in which other sandboxes are served
            await asyncio.to_thread(self._add_to_group, first, pid)
        if not self.order.idle:
            self._begin()

    def _open_saved_cache(self) -> int | None:
        """The descriptor of what the browser starts with; None for an empty cache."""
        if not self.order.is_browser or self._saved_caches is None:
            return None
        try:
            saved = self._saved_caches.open(self.order.cache)
        except OSError:  # such as no descriptors left
            return None
        self.cached = self._saved_caches.size_of(self.order.cache)
        return saved

    def _add_to_group(self, *pids: int) -> None:
        for pid in pids:
            self.group.add(pid)

    def _begin(self) -> None:
        """Count and watch from here on for the attempt."""
        self._cpu_before = self.group.cpu_ms()
        self._soft_cpu_before = 0 if self.group.enforced else self._tree().cpu_ms
        if self.group.watched:
            self._watcher = asyncio.create_task(self._watch_memory())

    def assign(self, assignment: Assignment) -> None:
        """Give an idle sandbox to an attempt, with its limits. Raise ``SandboxStartFailed``."""
        if not self.order.idle:
            raise SandboxStartFailed("the sandbox has an attempt already")
        if self._closing is not None or self._exited.done() or self.group.oom_kills():
            raise SandboxStartFailed("the sandbox ended while it was idle")
        memory = assignment.memory
        if "memory" in self.group.enforced and not self.group.limit_memory(memory):
            raise SandboxStartFailed(f"the memory limit cannot be set to {memory} bytes")
        self.order = replace(
            self.order,
            cpus=assignment.cpus,
            memory=memory,
            work_size=assignment.work_size,
            idle=False,
        )
        self._begin()

    def _listen_on_browser_port(self, pid: int) -> None:
        """Add a listener on the browser port, which needs root; skip it where that fails."""
        with contextlib.suppress(OSError):
            self.ends.listeners.append(low_port.listen_in(pid, BROWSER_PORT))

    async def _receive_ready(self) -> int:
        """Receive the listeners; return the pid of the first process in our namespace."""
        loop = asyncio.get_running_loop()
        readable: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self.ends.control, process_io.resolve, readable)
        try:
            await asyncio.wait_for(readable, START_SECONDS)
        except TimeoutError as error:
            raise SandboxStartFailed(
                f"the sandbox was not ready within {START_SECONDS:.0f} s"
            ) from error
        finally:
            loop.remove_reader(self.ends.control)
        numbers, credentials = process_io.receive(self.ends.control)
        count = listeners_of(self.order.kind)
        self.ends.listeners = [socket.socket(fileno=number) for number in numbers[:count]]
        self._memory_folders = numbers[count:]
        expected = len(MEMORY_FOLDERS) if self.order.is_browser else 0
        if len(numbers) != count + expected or credentials is None:
            raise SandboxStartFailed(f"the sandbox did not start: {await self._error_output()}")
        pid, self.user, _ = credentials
        return pid

    async def _error_output(self) -> str:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._exited), GRACE_SECONDS)
        os.set_blocking(self.ends.stderr, False)
        with contextlib.suppress(BlockingIOError):
            message = os.read(self.ends.stderr, 4096).decode(errors="replace").strip()
            return message or f"{bubblewrap.PROGRAM} ended without an error message"
        return "no error message"

    async def _kill(self) -> None:
        self._process.kill()
        await self._exited

    # --- running

    async def wait(self) -> ProcessExit:
        """Wait until the Worker's main process has ended."""
        status = await asyncio.shield(self._exited)
        exceeded = self._memory_exceeded or self.group.oom_kills() > 0
        return ProcessExit(128 - status if status < 0 else status, exceeded)

    @property
    def enforced(self) -> frozenset[str]:
        """Which of cpu, memory and pids are limited by the kernel."""
        return self.group.enforced

    async def limit_cpu(self) -> None:
        self.group.limit_cpu(self.order.cpus)

    async def observe(self) -> HostView:
        """Inspect the sandbox of the inspector from the host. Raise ``SandboxStartFailed`` for any
        other sandbox: no process of ours enters the namespaces of a Worker.
        """
        if self.order.kind not in ("probe", bubblewrap.BROWSER_PROBE) or self._exited.done():
            raise SandboxStartFailed("only a running sandbox of the inspector can be inspected")
        try:
            group = self.group.processes()
            members = group or list(self._tree().pids)
            user = self.user if os.geteuid() == 0 else None
            return await asyncio.to_thread(
                inspect_host, *self._pids, group, self._missing, members, user=user
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise SandboxStartFailed(f"the sandbox cannot be inspected: {error}") from error

    async def terminate(self) -> None:
        """Send SIGTERM to the Worker's main process."""
        if self._closing is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._main, signal.SIGTERM)

    async def usage(self) -> ProcessUsage:
        """The usage so far; after ``close``, the final one."""
        if self._final is not None:
            return self._final
        work = await asyncio.to_thread(self._work_bytes)
        group = self.group
        if group.enforced:
            cpu = group.cpu_ms() - self._cpu_before
            now = group.memory_now()
            peak = max(now, group.memory_peak())  # the kernel may update it later
            return ProcessUsage(cpu, peak, work, now, group.oom_kills(), group.limited_ms())
        memory = self._measure_tree()
        return ProcessUsage(self._soft_cpu, self._soft_peak, work, memory)

    async def result_files(self) -> list[str]:
        """Places in the work folder that seem to have rows, after the Worker has ended."""
        if self._closing is not None or not self._exited.done():
            return []
        order = self.order
        return await asyncio.to_thread(self._folders.result_files, order.name, order.bundle)

    def _work_bytes(self) -> int:
        """Bytes of the work folder, the cache, and open files without a name. Files that are hidden
        count as more than the limit.
        """
        if self.order.is_browser:
            return self._memory_folder_bytes()
        limit = self.order.work_size
        size = self._folders.measure(self.order.name, limit)
        if self._cache is not None:
            size += self._cache.measure(limit)
        pids = self.group.processes() or self._tree().pids
        hidden = processes.unnamed_memory(pids, self._folders.device, limit)
        self._hidden_checks = self._hidden_checks + 1 if hidden.in_flight else 0
        if self._hidden_checks >= HIDDEN_CHECKS:
            return limit + 1
        return size + hidden.size

    def _memory_folder_bytes(self) -> int:
        """Bytes in the memory file systems of a browser; 0 once they are closed."""
        try:
            states = [os.fstatvfs(folder) for folder in self._memory_folders]
        except OSError:
            return 0
        return sum((state.f_blocks - state.f_bfree) * state.f_frsize for state in states)

    def _tree(self) -> processes.TreeUsage:
        """The usage of the processes; zeros once they have ended, because a pid may be reused."""
        if self._exited.done():
            return processes.TreeUsage(0, 0, ())
        return processes.tree_usage(self._process.pid)

    async def _watch_memory(self) -> None:
        """End the whole sandbox when it exceeds its memory, where the kernel does not do so."""
        while not self._exited.done():
            if self.group.enforced:
                await asyncio.sleep(MEMORY_WATCH_SECONDS)
                self._memory_exceeded = self.group.oom_kills() > 0
            else:
                await asyncio.sleep(SOFT_WATCH_SECONDS)
                self._memory_exceeded = self._measure_tree() > self.order.memory
            if self._memory_exceeded:
                self._kill_all()
                return

    def _measure_tree(self) -> int:
        tree = self._tree()
        memory = tree.memory
        if self.order.is_browser:
            memory = processes.unshared_memory(tree.pids) + self._memory_folder_bytes()
        self._soft_peak = max(self._soft_peak, memory)
        self._soft_cpu = max(self._soft_cpu, tree.cpu_ms - self._soft_cpu_before)
        return memory

    # --- end

    async def kill(self) -> None:
        """Kill everything inside and wait until all of it has ended. Safe to repeat."""
        if self._closing is not None and self._closing.done():
            return
        self._kill_all()
        await process_io.wait_until_ended(self._first, END_SECONDS)
        try:
            await asyncio.wait_for(asyncio.shield(self._exited), GRACE_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._exited

    def _kill_all(self) -> None:
        self.group.limit_cpu(None)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._first, signal.SIGKILL)
        self.group.kill()

    async def release(self, owner: tuple[int, int] | None) -> str:
        """End a tool and give its work folder to ``owner`` (user and group; None is this process).
        Return "", or why the folder cannot be given. Raise ``SandboxStartFailed``.
        """
        await self.kill()
        try:
            if owner is not None:
                await asyncio.to_thread(self._folders.change_owner, self.order.name, *owner)
        except OwnershipFailed as error:
            return str(error)
        except OSError as error:
            raise SandboxStartFailed(f"the work folder cannot be handed over: {error}") from error
        return ""

    async def save_cache(self, limit: int) -> int:
        """End a browser and save its HTTP cache, at most ``limit`` bytes, under the name in its
        order; return the bytes that are saved under it. Raise ``SandboxStartFailed``.
        """
        if not (self.order.is_browser and self.order.cache and self._saved_caches is not None):
            raise SandboxStartFailed("only a browser with a cache in its order can save it")
        await self.kill()
        if self._closing is not None or not self._memory_folders:
            raise SandboxStartFailed("the sandbox is closed")
        work = self._memory_folders[0]
        try:
            return await self._saved_caches.save(self.order.cache, work, limit)
        except OSError as error:
            raise SandboxStartFailed(f"the cache of a browser cannot be saved: {error}") from error

    async def close(self) -> None:
        """Kill all processes; remove cgroup and folder. Safe to repeat, even concurrently; after a
        failure another call does the rest. A cancelled call ends when all of it is done: this may
        be the last chance of the process. Raise ``SandboxStartFailed`` and ``OSError``.
        """
        closing = self._closing
        if closing is None:
            closing = self._closing = asyncio.create_task(self._close())
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await asyncio.wait([closing])
            raise

    async def _close(self) -> None:
        try:
            self._final = await self._last_usage()
            await self.kill()
            if self._watcher is not None:
                self._watcher.cancel()
            self._memory_exceeded = self._memory_exceeded or self.group.oom_kills() > 0
            await self._remove_all()
        except BaseException:
            self._closing = None
            raise
        os.close(self._main)
        os.close(self._first)

    async def _last_usage(self) -> ProcessUsage:
        """The usage at the end, as far as it can be measured: the rest of the end counts more."""
        try:
            return await self.usage()
        except OSError:  # such as no descriptors left
            return ProcessUsage(self._soft_cpu, self._soft_peak)

    async def _remove_all(self) -> None:
        folders, self._memory_folders = self._memory_folders, []
        for folder in folders:  # first: open, they keep memory that is charged to the group
            os.close(folder)
        await remove_group(self.group)
        if self._cache is not None:
            ToolCaches.release(self._cache)
            self._cache = None
        await asyncio.to_thread(self._folders.remove, self.order.name)


async def remove_group(group: ControlGroup) -> None:
    """Remove the group after its last process has ended. Raise ``SandboxStartFailed`` after
    ``END_SECONDS``.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + END_SECONDS
    while not group.remove():
        if loop.time() > deadline:
            raise SandboxStartFailed(
                f"processes {group.processes()} do not leave their control group"
            )
        group.kill()
        await asyncio.sleep(0.005)


def close_pipes(ends: ProcessPipes) -> None:
    """Close the ends of a sandbox that will not be used."""
    ends.control.close()
    for listener in ends.listeners:
        listener.close()
    os.close(ends.stdout)
    os.close(ends.stderr)
