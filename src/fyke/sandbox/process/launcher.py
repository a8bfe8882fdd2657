"""The launcher: the only program that keeps root, in order to switch users for sandboxes.

It creates work folders and control groups, spawns each sandbox as a separate user, and passes the
sandbox's sockets and pipes to its client. It parses no network traffic and opens no database. Its
client, the runner, has dropped root; every request is checked here (``order.parse``), and the
launcher itself builds the arguments of bubblewrap.

One message is one packet of JSON on a Unix socket: ``{"id", "op", ...}`` is answered by
``{"id", "result"}`` or ``{"id", "error"}``. Only the service's user may connect. A sandbox
belongs to the connection that opened it: when that ends, its sandboxes are killed and removed. When
the launcher ends for any reason, the kernel ends its sandboxes.

A client reports every second that it is running. One with sandboxes that is silent for
``CLIENT_SILENCE`` seconds is frozen or stopped: nothing limits what its Workers do, so the launcher
ends the connection and its sandboxes, at least three seconds before the lease of an attempt, which
has at least twelve, expires and another process may declare it lost.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

if __name__ == "__main__":  # asyncio and hashlib do without OpenSSL, which costs 2 MiB
    sys.modules["ssl"] = None  # type: ignore[assignment]
    # Python may be built without hashes of its own; their module is _sha256 before Python 3.12
    if find_spec("_sha2") or find_spec("_sha256"):
        sys.modules["_hashlib"] = None  # type: ignore[assignment]

import argparse
import asyncio
import contextlib
import json
import os
import pwd
import resource
import signal
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from fyke.kit.prctl import end_with_parent
from fyke.kit.watchdog import Watchdog
from fyke.sandbox.isolation.cgroups import detect
from fyke.sandbox.process import cleanup
from fyke.sandbox.process.folders import WorkFolders
from fyke.sandbox.process.order import BadLaunchOrder, check_name, parse, parse_assignment
from fyke.sandbox.process.own_files import OwnFiles
from fyke.sandbox.process.process_io import SandboxStartFailed
from fyke.sandbox.process.sandbox_process import ProcessUsage, SandboxProcess, close_pipes
from fyke.sandbox.process.saved_caches import SavedCaches
from fyke.sandbox.process.user_claims import UserClaim, claim_users
from fyke.sandbox.tools.tool_paths import ToolPaths

PACKET = 65536
BACKLOG = 16
CLIENT_SILENCE = 9.0
GAP_SECONDS = 3.0  # a longer pause of the launcher itself gives its clients a whole new term
CHECK_INTERVAL = 0.5
REPORT_SECONDS = 2.0
Message = dict[str, Any]
Answer = tuple[Any, list[int]]  # the result, and the descriptors that are sent with it


def serve(
    socket_path: Path,
    data_folder: Path,
    service_uid: int,
    service_gid: int,
    uid_base: int,
    uid_count: int,
    ready: Callable[[], object],
    find_links: Sequence[Path] = (),
    *,
    client_silence: float = CLIENT_SILENCE,
    reports: int | None = None,
    quiet: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT. ``ready`` is called once clients can connect.

    ``find_links`` are the folders of wheels that tools may read; ``client_silence`` is how many
    seconds a client with sandboxes may be silent; ``reports`` is a pipe to the root supervisor,
    for a report every two seconds that the event loop runs.
    Sandboxes use the users ``uid_base`` to ``uid_base + uid_count - 1`` that have no account, or
    those of the next range if another launcher of this machine uses one of them, which is printed
    unless ``quiet``. Raise ``ValueError`` for a range with user 0 or the service's own, and when no
    range is free.
    """
    users = range(uid_base, uid_base + uid_count)
    if uid_base < 1 or service_uid in users:
        raise ValueError(
            f"users {uid_base} to {users.stop - 1} for sandboxes: must include neither 0 nor the "
            f"service's own user {service_uid}; choose another range"
        )
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    home, service = data_folder.absolute(), (service_uid, service_gid)
    claim = claim_users(uid_base, uid_count, home, taken=[service_uid])
    try:
        if claim.users != users and not quiet:
            _report_other_users(home, users, claim)
        launcher = Launcher(home, service, claim.users, find_links, client_silence=client_silence)
        asyncio.run(launcher.run(socket_path, ready, reports))
    finally:
        claim.close()


def _report_other_users(home: Path, configured: range, claim: UserClaim) -> None:
    owners = " and ".join(other.home for other in claim.others)
    print(
        f"fyke: some of the users {configured.start} to {configured.stop - 1} run sandboxes of "
        f"{owners} on this machine; "
        f"those of {home} run as {claim.users.start} to {claim.users.stop - 1}",
        file=sys.stderr,
        flush=True,
    )


class Launcher:
    """All sandboxes of one data folder, and the connections that own them."""

    def __init__(
        self,
        data_folder: Path,
        service: tuple[int, int],
        users: range,
        find_links: Sequence[Path] = (),
        *,
        client_silence: float = CLIENT_SILENCE,
    ) -> None:
        self.data_folder = data_folder
        self.folders = WorkFolders(data_folder / "work")
        self.groups = detect(data_folder / "work")
        self.sandboxes: dict[str, SandboxProcess] = {}
        self.tool_paths = ToolPaths.at(data_folder, find_links)
        self.own_files = OwnFiles(data_folder, users[0])
        self.service = service
        self._users = users
        self._taken: dict[str, int] = {}
        self._clients: set[LauncherPeer] = set()
        self._client_silence = client_silence
        self._watchdog: Watchdog[LauncherPeer] = Watchdog(gap=GAP_SECONDS)

    async def run(
        self, socket_path: Path, ready: Callable[[], object], reports: int | None = None
    ) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await cleanup.remove_stale(self.folders, self.groups, self.busy)
        await asyncio.to_thread(self.tool_paths.caches.clear)
        with _listen(socket_path) as server:
            loop.add_reader(server, self._accept, server)
            tasks = [asyncio.create_task(self._watch_clients())]
            if reports is not None:
                tasks.append(asyncio.create_task(_report_regularly(reports)))
            ready()
            await stop.wait()
            for task in tasks:
                task.cancel()
            loop.remove_reader(server)
        await asyncio.gather(*[client.leave() for client in list(self._clients)])
        self.groups.close()

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            _, uid, gid = struct.unpack("3i", credentials)
            if (uid, gid) != self.service:
                connection.close()
                return
            connection.setblocking(False)
            client = LauncherPeer(self, connection)
            self._clients.add(client)
            self._watchdog.watch(client, self._client_silence)

    async def _watch_clients(self) -> None:
        """End the connections of clients with sandboxes that do not report."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            for client in self._watchdog.silent():
                if client.has_sandboxes:
                    client.give_up(f"no report for {self._client_silence:g} s")

    def renew(self, client: LauncherPeer) -> None:
        """Note that ``client`` is running."""
        self._watchdog.renew(client)

    def forget(self, client: LauncherPeer) -> None:
        self._clients.discard(client)
        self._watchdog.forget(client)

    def take_user(self, name: str) -> int:
        """Reserve a user that has no account and no sandbox. Raise ``BadLaunchOrder``."""
        if name in self._taken:
            raise BadLaunchOrder(f"name {name}: a sandbox of this name already exists")
        used = set(self._taken.values())
        for uid in self._users:
            if uid not in used and not _has_account(uid):
                self._taken[name] = uid
                return uid
        raise BadLaunchOrder(
            f"all {len(self._users)} users for sandboxes are taken; widen the range"
        )

    def free_user(self, name: str) -> None:
        self._taken.pop(name, None)

    def busy(self) -> frozenset[str]:
        """Names of sandboxes that run or start."""
        return frozenset(self._taken)


class LauncherPeer:
    """One connection and the sandboxes that belong to it."""

    def __init__(self, launcher: Launcher, connection: socket.socket) -> None:
        self._launcher = launcher
        self._connection = connection
        self._owned: set[str] = set()
        self._saved_caches = SavedCaches(launcher.folders.root)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._leaving: asyncio.Task[None] | None = None
        self._operations: dict[str, Callable[[Message], Awaitable[Answer]]] = {
            "open": self._open,
            "assign": self._assign,
            "wait": self._wait,
            "usage": self._usage,
            "result_files": self._result_files,
            "cpu": self._cpu,
            "observe": self._observe,
            "terminate": self._terminate,
            "kill": self._kill,
            "release": self._release,
            "save_cache": self._save_cache,
            "drop_cache": self._drop_cache,
            "close": self._close,
            "sweep": self._sweep,
            "limits": self._limits,
            "report": self._report,
        }
        asyncio.get_running_loop().add_reader(connection, self._receive)

    def _receive(self) -> None:
        try:
            packet = self._connection.recv(PACKET)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if packet:
            self._launcher.renew(self)
            self._start(self._answer(packet))
        else:
            self._start(self.leave())

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def has_sandboxes(self) -> bool:
        return bool(self._owned)

    def give_up(self, reason: str) -> None:
        """Send the ``reason``, then end the connection and its sandboxes."""
        if self._leaving is None:
            refusal = {"id": None, "error": f"the launcher has ended the connection: {reason}"}
            self._send(json.dumps(refusal).encode(), [])
            self._start(self.leave())

    async def leave(self) -> None:
        """Close the connection and its sandboxes; return once they have ended. Safe to repeat."""
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave())
        await asyncio.shield(self._leaving)

    async def _leave(self) -> None:
        self._closed = True
        asyncio.get_running_loop().remove_reader(self._connection)
        self._connection.close()
        owned = [self._launcher.sandboxes[name] for name in self._owned]
        await asyncio.gather(*(sandbox.kill() for sandbox in owned), return_exceptions=True)
        await asyncio.gather(*map(self._end, list(self._owned)), return_exceptions=True)
        self._saved_caches.close()
        self._launcher.forget(self)

    async def _answer(self, packet: bytes) -> None:
        number: Any = None
        descriptors: list[int] = []
        try:
            message = json.loads(packet)
            number, operation = message["id"], self._operations[message["op"]]
            result, descriptors = await operation(message)
            answer = {"id": number, "result": result}
        except (BadLaunchOrder, SandboxStartFailed, OSError) as error:
            answer = {"id": number, "error": str(error)}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            answer = {"id": number, "error": f"invalid message: {error!r:.200}"}
        self._send(json.dumps(answer).encode(), descriptors)

    def _send(self, packet: bytes, descriptors: list[int]) -> None:
        try:
            if not self._closed:
                socket.send_fds(self._connection, [packet], descriptors)
        except OSError:  # the client does not read, or has disconnected: end its sandboxes
            self._start(self.leave())
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _sandbox(self, message: Message) -> SandboxProcess:
        name = check_name(message.get("name"))
        if name not in self._owned or name not in self._launcher.sandboxes:
            raise BadLaunchOrder(f"name {name}: this client has no such sandbox")
        return self._launcher.sandboxes[name]

    async def _open(self, message: Message) -> Answer:
        launcher = self._launcher
        order = parse(message, launcher.data_folder)
        uid = launcher.take_user(order.name)
        try:
            sandbox = await SandboxProcess.start(
                order,
                launcher.folders,
                launcher.groups,
                uid,
                launcher.tool_paths,
                launcher.own_files,
                self._saved_caches,
            )
        except BaseException:
            launcher.free_user(order.name)
            raise
        launcher.sandboxes[order.name] = sandbox
        self._owned.add(order.name)
        if self._closed:
            close_pipes(sandbox.ends)
            await self._end(order.name)
            raise SandboxStartFailed("the client has disconnected")
        ends = sandbox.ends
        descriptors = [ends.control.detach(), *(s.detach() for s in ends.listeners)]
        descriptors += [ends.stdout, ends.stderr]
        enforced = sorted(sandbox.enforced)
        opened = {"user": sandbox.user, "enforced": enforced, "cached": sandbox.cached}
        return opened, descriptors

    async def _assign(self, message: Message) -> Answer:
        self._sandbox(message).assign(parse_assignment(message))
        return None, []

    async def _wait(self, message: Message) -> Answer:
        process_exit = await self._sandbox(message).wait()
        return [process_exit.status, process_exit.out_of_memory], []

    async def _usage(self, message: Message) -> Answer:
        usage = await self._sandbox(message).usage()
        return _to_list(usage), []

    async def _result_files(self, message: Message) -> Answer:
        return await self._sandbox(message).result_files(), []

    async def _cpu(self, message: Message) -> Answer:
        await self._sandbox(message).limit_cpu()
        return None, []

    async def _observe(self, message: Message) -> Answer:
        return (await self._sandbox(message).observe()).to_message(), []

    async def _terminate(self, message: Message) -> Answer:
        await self._sandbox(message).terminate()
        return None, []

    async def _kill(self, message: Message) -> Answer:
        await self._sandbox(message).kill()
        return None, []

    async def _release(self, message: Message) -> Answer:
        sandbox = self._sandbox(message)
        if not sandbox.order.is_tool:
            raise BadLaunchOrder(
                f"name {sandbox.order.name}: only the work folder of a tool can be released"
            )
        return await sandbox.release(self._launcher.service), []

    async def _save_cache(self, message: Message) -> Answer:
        limit = message["limit"]
        if type(limit) is not int or limit < 0:
            raise BadLaunchOrder(f"limit {limit!r:.80}: must be a number of bytes")
        return await self._sandbox(message).save_cache(limit), []

    async def _drop_cache(self, message: Message) -> Answer:
        self._saved_caches.drop(check_name(message.get("cache")))
        return None, []

    async def _close(self, message: Message) -> Answer:
        sandbox = self._sandbox(message)
        await self._end(sandbox.order.name)
        usage, process_exit = await sandbox.usage(), await sandbox.wait()
        exit_fields = [process_exit.status, process_exit.out_of_memory]
        return {"usage": _to_list(usage), "exit": exit_fields}, []

    async def _end(self, name: str) -> None:
        launcher = self._launcher
        sandbox = launcher.sandboxes.get(name)
        if sandbox is not None:
            await sandbox.close()
            launcher.sandboxes.pop(name, None)
            launcher.free_user(name)
        self._owned.discard(name)

    async def _sweep(self, message: Message) -> Answer:
        living = frozenset(map(check_name, message["living"]))
        launcher = self._launcher
        removed = await cleanup.remove_stale(
            launcher.folders, launcher.groups, lambda: living | launcher.busy()
        )
        return removed, []

    async def _report(self, message: Message) -> Answer:
        return None, []

    async def _limits(self, message: Message) -> Answer:
        return [self._launcher.groups.kind, self._launcher.groups.reason], []


def _listen(path: Path) -> socket.socket:
    """Listen on a path that every user may connect to: changing the owner of a path in another
    user's folder could be abused against root. Access is decided by the peer's credentials, which
    come from the kernel.
    """
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.setblocking(False)
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    previous_umask = os.umask(0)
    try:
        server.bind(os.fspath(temporary))
    finally:
        os.umask(previous_umask)
    server.listen(BACKLOG)
    temporary.replace(path)  # from here on clients can connect
    return server


async def _report_regularly(pipe: int) -> None:
    """Report through ``pipe`` that the event loop is running."""
    os.set_blocking(pipe, False)
    os.set_inheritable(pipe, False)
    while True:
        with contextlib.suppress(OSError):  # the root supervisor is stopped, or gone
            os.write(pipe, b".")
        await asyncio.sleep(REPORT_SECONDS)


def _to_list(usage: ProcessUsage) -> list[int]:
    """The fields of ``ProcessUsage`` in the order in which the client reads them."""
    sizes = [usage.memory_peak, usage.work_bytes, usage.memory]
    return [usage.cpu_ms, *sizes, usage.ooms, usage.limited_ms]


def _has_account(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def main(arguments: list[str] | None = None) -> None:
    """``python -I -m fyke.sandbox.process.launcher``: serve until the parent process ends."""
    parser = argparse.ArgumentParser(prog="fyke.sandbox.process.launcher", description=main.__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--home", type=Path, required=True, help="the data folder")
    for name in ("--uid", "--gid", "--uid-base", "--uid-count"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--find-links", type=Path, action="append", default=[])
    parser.add_argument("--parent", type=int, required=True, help="pid of the root supervisor")
    parser.add_argument("--reports", type=int, help="a pipe to the root supervisor")
    parser.add_argument("--quiet", action="store_true", help="do not print which users are used")
    options = parser.parse_args(arguments)
    end_with_parent(options.parent)
    try:
        serve(
            options.socket,
            options.home,
            options.uid,
            options.gid,
            options.uid_base,
            options.uid_count,
            lambda: None,
            options.find_links,
            reports=options.reports,
            quiet=options.quiet,
        )
    except ValueError as error:
        raise SystemExit(f"fyke: {error}") from None


if __name__ == "__main__":
    main()
