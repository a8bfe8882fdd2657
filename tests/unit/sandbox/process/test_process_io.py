"""Descriptors, credentials and the end of real processes."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import threading

import pytest

from fyke.sandbox.isolation.cgroups import NoGroup
from fyke.sandbox.process import process_io
from fyke.sandbox.process.process_io import SandboxStartFailed

pytestmark = pytest.mark.anyio


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_the_credentials_of_the_sender_are_received_with_descriptors() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        socket.send_fds(theirs, [b"x"], [0, 1])
        numbers, credentials = process_io.receive(ours)
        assert credentials == (os.getpid(), os.getuid(), os.getgid())
        assert [os.get_inheritable(number) for number in numbers] == [False, False]
        for number in numbers:
            os.close(number)


def test_a_closed_socket_has_no_descriptors_and_no_credentials() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        assert process_io.receive(ours) == ([], None)


def test_a_file_in_memory_is_read_from_its_beginning_and_not_inherited() -> None:
    number = process_io._memory_file(b"content")
    assert os.read(number, 100) == b"content"
    assert not os.get_inheritable(number)
    os.close(number)


class RecordedGroup(NoGroup):
    """A group that records which threads enter and leave it."""

    def __init__(self, *, enters: bool = True) -> None:
        super().__init__()
        self.moves: list[tuple[str, int]] = []
        self._enters = enters

    def enter(self) -> bool:
        self.moves.append(("enter", threading.get_ident()))
        return self._enters

    def leave(self) -> None:
        self.moves.append(("leave", threading.get_ident()))


def started(group: RecordedGroup, program: str = "/bin/true") -> bool:
    def popen() -> subprocess.Popen[bytes]:
        group.moves.append(("popen", threading.get_ident()))
        return subprocess.Popen([program])

    process, inside = process_io.start(group, popen)
    process.wait()
    return inside


def test_one_thread_starts_all_sandboxes_each_inside_its_group() -> None:
    first, second = RecordedGroup(), RecordedGroup()
    assert started(first)
    assert started(second)
    assert [name for name, _ in first.moves] == ["enter", "popen", "leave"]
    threads = {thread for _, thread in first.moves + second.moves}
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_a_thread_that_entered_leaves_also_after_a_failure() -> None:
    group, closed = RecordedGroup(), RecordedGroup(enters=False)
    with pytest.raises(OSError, match="/nonexistent"):
        started(group, "/nonexistent")
    assert [name for name, _ in group.moves] == ["enter", "popen", "leave"]
    assert not started(closed)
    assert [name for name, _ in closed.moves] == ["enter", "popen"]


@pytest.mark.parametrize(("script", "status"), [("exit 3", 3), ("kill -9 $$", -9)])
async def test_watch_exit_returns_the_status_of_the_process(script: str, status: int) -> None:
    before = descriptors()
    process = subprocess.Popen(["/bin/sh", "-c", script])
    assert await process_io.watch_exit(process) == status
    assert descriptors() == before


async def test_cancelling_one_wait_does_not_affect_another() -> None:
    before = descriptors()
    process = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    exited = process_io.watch_exit(process)
    exited.cancel()
    second = process_io.watch_exit(process)
    process.communicate()
    assert await second == 0
    assert descriptors() == before


async def test_waiting_for_the_end_leaves_no_descriptor_open() -> None:
    reading, writing = os.pipe()
    before = descriptors()
    with pytest.raises(SandboxStartFailed, match="did not end within 0 s"):
        await process_io.wait_until_ended(reading, 0.01)
    waiting = asyncio.create_task(process_io.wait_until_ended(reading, 10))
    await asyncio.sleep(0)
    os.close(writing)
    await waiting
    assert descriptors() == before - 1
    os.close(reading)


async def test_a_future_may_be_resolved_twice() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    process_io.resolve(future)
    process_io.resolve(future)
    assert future.done()
