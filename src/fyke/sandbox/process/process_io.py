"""Starts bubblewrap, receives its descriptors and credentials, and waits for its end.

Processes are identified by descriptors, because a pid may be reused after its process has ended.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from fyke.sandbox.isolation import bubblewrap, seccomp
from fyke.sandbox.isolation.cgroup_files import ControlGroup

_STARTER = ThreadPoolExecutor(1, "sandbox-starter")  # its thread starts with the first sandbox


class SandboxStartFailed(Exception):
    """The sandbox could not be started or ended; the message gives the cause."""


def start(
    group: ControlGroup, popen: Callable[[], subprocess.Popen[bytes]]
) -> tuple[subprocess.Popen[bytes], bool]:
    """Start bubblewrap, inside the group where that is possible; return whether it was.

    In a thread of its own that lives as long as this process: a sandbox ends with the thread that
    started it, and the memory of this process is charged to the group of its main thread.
    """

    def work() -> tuple[subprocess.Popen[bytes], bool]:
        inside = group.enter()
        try:
            return popen(), inside
        finally:
            if inside:
                group.leave()

    return _STARTER.submit(work).result()


def popen(
    layout: bubblewrap.Layout,
    control: socket.socket,
    out: int,
    err: int,
    uid: int | None,
    saved_cache: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start bubblewrap with an empty environment, its options hidden from the process list."""
    given = [control.fileno(), *([] if saved_cache is None else [saved_cache])]
    descriptors: list[int] = []

    def data(content: bytes) -> int:
        descriptors.append(_memory_file(content))
        return descriptors[-1]

    try:
        nested = layout.browser is not None and layout.browser.own_sandbox
        rules = seccomp.FilterRules.BROWSER if nested else seccomp.FilterRules.WORKER
        program = data(seccomp.program(watches=layout.watches, rules=rules))
        options = bubblewrap.arguments(layout, data, program, control.fileno())
        options_fd = data(b"".join(os.fsencode(option) + b"\0" for option in options))
        return subprocess.Popen(
            [
                *(bubblewrap.PROGRAM, "--args", str(options_fd), "--"),
                *bubblewrap.command(layout, *given),
            ],
            pass_fds=[*descriptors, *given],
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
        )
    finally:
        for number in descriptors:
            os.close(number)


def _memory_file(content: bytes) -> int:
    number = os.memfd_create("fyke", os.MFD_CLOEXEC)
    os.write(number, content)
    os.lseek(number, 0, os.SEEK_SET)
    return number


def receive(control: socket.socket) -> tuple[list[int], tuple[int, int, int] | None]:
    """Receive descriptors, and (pid, uid, gid) of the sender from the kernel; None without."""
    numbers: list[int] = []
    credentials = None
    _, ancillary, _, _ = control.recvmsg(64, 256, socket.MSG_CMSG_CLOEXEC)
    for _, kind, content in ancillary:
        if kind == socket.SCM_RIGHTS:
            numbers += [number for (number,) in struct.iter_unpack("i", content)]
        elif kind == socket.SCM_CREDENTIALS:
            credentials = struct.unpack("3i", content)
    return numbers, credentials


def resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def watch_exit(process: subprocess.Popen[bytes]) -> asyncio.Future[int]:
    """Return a future of the exit status."""
    loop = asyncio.get_running_loop()
    exited: asyncio.Future[int] = loop.create_future()
    descriptor = os.pidfd_open(process.pid)

    def set_status() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        status = process.wait()
        if not exited.done():
            exited.set_result(status)

    loop.add_reader(descriptor, set_status)  # readable once the process has ended
    return exited


async def wait_until_ended(descriptor: int, timeout: float) -> None:
    """Wait for the process of ``descriptor``. Raise ``SandboxStartFailed`` after ``timeout``
    seconds.
    """
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    copy = os.dup(descriptor)
    loop.add_reader(copy, resolve, readable)
    try:
        await asyncio.wait_for(readable, timeout)
    except TimeoutError as error:
        raise SandboxStartFailed(f"the sandbox did not end within {timeout:.0f} s") from error
    finally:
        loop.remove_reader(copy)
        os.close(copy)
