"""Workers that refuse to end, hide, or exhaust resources are removed within ten seconds."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fyke.contracts.execution import Sandbox
from fyke.kit.ids import new_ulid
from fyke.sandbox.process import processes
from fyke.sandbox.process.sandbox_process import HIDDEN_CHECKS
from integration.sandbox.sandboxes import (
    MIB,
    ROOT,
    SPAWNERS,
    SandboxSetup,
    drain,
    line,
    sandbox_setup,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.needs("bwrap"),
]

END_SECONDS = 10
SLEEP = "print('done', flush=True)\nimport time; time.sleep(600)\n"

FORK_BOMB = """
import os, time
made = 0
try:
    while True:
        if os.fork() == 0:
            while True:
                try: os.fork()
                except OSError: time.sleep(0.001)
        made += 1
except OSError as error:
    print("stopped", error.errno, flush=True)
while True: pass
"""

DAEMONS = """
import os, signal, sys, time
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        if os.fork(): os._exit(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        while True: time.sleep(1)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
"""


@pytest.fixture(params=SPAWNERS)
async def setup(request: pytest.FixtureRequest) -> AsyncIterator[SandboxSetup]:
    async with sandbox_setup(request.param) as setup:
        yield setup


async def ends(sandbox: Sandbox, name: str, setup: SandboxSetup) -> float:
    """Close the sandbox and check that nothing is left; return the seconds it took."""
    started = time.monotonic()
    await sandbox.close()
    seconds = time.monotonic() - started
    assert processes.with_work_folders(frozenset({name})) == {}
    assert name not in os.listdir(setup.work)
    assert seconds < END_SECONDS
    return seconds


def quotas(name: str) -> list[str]:
    """The CPU quotas of a sandbox's control groups, v1 or v2; empty without a group."""
    root = Path("/sys/fs/cgroup")
    files = [*root.glob(f"**/{name}/cpu.cfs_quota_us"), *root.glob(f"**/{name}/cpu.max")]
    return [path.read_text().split()[0] for path in files]


async def test_the_cpu_quota_is_lifted_before_the_kill(setup: SandboxSetup) -> None:
    """The exit of processes takes CPU time, so a low quota would delay it."""
    name = new_ulid()
    sandbox = await setup.open(SLEEP, name=name, cpus=0.125)
    await sandbox.launch({})
    await line(sandbox)
    before = quotas(name)
    await sandbox.apply_cpu_limit()
    during = quotas(name)
    await sandbox.kill()
    after = quotas(name)
    assert (set(before), set(during), set(after)) in (
        ({"-1"}, {"12500"}, {"-1"}),
        ({"max"}, {"12500"}, {"max"}),
        (set(), set(), set()),  # without control groups
    )
    await ends(sandbox, name, setup)


@pytest.mark.parametrize("cpus", [1.0, 0.125])
async def test_a_fork_bomb_is_limited(setup: SandboxSetup, cpus: float) -> None:
    name = new_ulid()
    sandbox = await setup.open(FORK_BOMB, name=name, processes=64, cpus=cpus)
    await sandbox.launch({})
    assert await line(sandbox) == "stopped 11"
    await sandbox.apply_cpu_limit()
    alive = processes.with_work_folders(frozenset({name}))[name]
    assert 8 < len(alive) <= 68
    await ends(sandbox, name, setup)


async def test_killing_the_sandbox_ends_daemons(setup: SandboxSetup) -> None:
    name = new_ulid()
    sandbox = await setup.open(DAEMONS + "time.sleep(600)", name=name)
    await sandbox.launch({})
    await line(sandbox)
    async with asyncio.timeout(END_SECONDS):  # the last daemons may still be forking
        while len(processes.with_work_folders(frozenset({name})).get(name, [])) < 21:
            await asyncio.sleep(0.01)
    await sandbox.terminate()
    await sandbox.kill()
    assert processes.with_work_folders(frozenset({name})) == {}
    await ends(sandbox, name, setup)


async def test_the_end_of_the_main_process_ends_daemons(setup: SandboxSetup) -> None:
    name = new_ulid()
    sandbox = await setup.open(DAEMONS, name=name)
    await sandbox.launch({})
    await asyncio.wait_for(drain(sandbox), END_SECONDS)
    ended = await asyncio.wait_for(sandbox.wait(), END_SECONDS)
    assert (ended.code, ended.signal) == (0, 0)
    await ends(sandbox, name, setup)


async def test_stopped_processes_are_killed_too(setup: SandboxSetup) -> None:
    name = new_ulid()
    code = """
import os, signal, time
for _ in range(5):
    if os.fork() == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
print("up", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""
    sandbox = await setup.open(code, name=name)
    await sandbox.launch({})
    await line(sandbox)
    await ends(sandbox, name, setup)
    assert (await sandbox.wait()).signal == signal.SIGKILL


async def test_threads_count_as_processes(setup: SandboxSetup) -> None:
    code = """
import threading, time
try:
    for _ in range(200):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    print("all")
except RuntimeError:
    print("stopped", flush=True)
import os; os._exit(0)
"""
    out, _, _ = await setup.run(code, processes=40)
    assert out == "stopped\n"


async def test_a_memory_hog_is_killed_with_the_reason(setup: SandboxSetup) -> None:
    name = new_ulid()
    code = "x = []\nwhile True: x.append(bytearray(8 << 20))"
    sandbox = await setup.open(code, name=name, memory=96 * MIB)
    await sandbox.launch({})
    ended = await asyncio.wait_for(sandbox.wait(), END_SECONDS)
    assert ended.out_of_memory
    assert ended.signal == signal.SIGKILL
    await ends(sandbox, name, setup)


FILL = """
import sys
written = 0
try:
    with open(sys.argv[1] if len(sys.argv) > 1 else PATH, "wb", buffering=0) as f:
        while written < 400 << 20:
            written += f.write(bytes(1 << 20))
except OSError as error:
    print(error.errno, written >> 20)
else:
    print("full", written >> 20)
"""


async def test_the_size_of_tmp_is_limited(setup: SandboxSetup) -> None:
    out, _, _ = await setup.run(f"PATH = '/tmp/x'\n{FILL}", tmp_size=16 * MIB)
    assert out == "28 16\n"


async def test_the_size_of_shared_memory_is_limited(setup: SandboxSetup) -> None:
    out, _, _ = await setup.run(f"PATH = '/dev/shm/x'\n{FILL}")
    assert out == "28 16\n"


async def test_dev_cannot_be_filled(setup: SandboxSetup) -> None:
    out, _, _ = await setup.run(f"PATH = '/dev/x'\n{FILL}")
    assert out == "30 0\n"


async def test_the_size_of_a_file_is_limited(setup: SandboxSetup) -> None:
    out, _, _ = await setup.run(f"PATH = 'x'\n{FILL}", file_size=8 * MIB)
    assert out == "27 8\n"


async def test_space_cannot_be_preallocated(setup: SandboxSetup) -> None:
    """Preallocating a terabyte would fill the disk before the next check."""
    code = """
import ctypes, fcntl, os, struct
libc = ctypes.CDLL(None, use_errno=True)
file = os.open("x", os.O_RDWR | os.O_CREAT)
ask = struct.pack("hhxxxxqqiI16x", 0, 0, 0, 1 << 30, 0, 0)
if libc.fallocate(file, 0, ctypes.c_long(0), ctypes.c_long(1 << 30)) != 0:
    print(ctypes.get_errno())
for number in (0x40305828, 0x4030582A, 0x40305839):
    try: fcntl.ioctl(file, number, ask)
    except OSError as error: print(error.errno)
os.posix_fallocate(file, 0, 1 << 20)  # the C library writes zeros instead
print(os.stat("x").st_size)
"""
    out, err, _ = await setup.run(code)
    assert out.split() == [*["95"] * 4, str(1 << 20)], err


@pytest.mark.parametrize(
    "code",
    [
        "for i in range(12): open(str(i), 'wb').write(bytes(1 << 20))",
        "for i in range(3000): open(str(i), 'wb').close()",
        "import os\nfor i in range(100): os.mkdir('d'); os.chdir('d')",
        "import os\nos.mkdir('d'); open('d/x', 'wb').write(bytes(9 << 20)); os.chmod('d', 0)",
        "import os\nopen('x', 'wb').write(bytes(9 << 20)); os.chmod('/work', 0)",
        "import os\nos.mkdir('d'); open('d/x', 'wb').write(bytes(9 << 20)); os.chmod('d', 0o400)",
        "import os\nf = open('x', 'wb'); f.write(bytes(9 << 20)); f.flush(); os.unlink('x')",
    ],
    ids=[
        *("large files", "many files", "deep folders", "closed folder", "closed work folder"),
        *("listed folder", "no name"),
    ],
)
async def test_a_full_work_folder_is_detected_and_removed(setup: SandboxSetup, code: str) -> None:
    name = new_ulid()
    limit = 8 * MIB
    full = f"{code}\nprint('done', flush=True)\nimport time; time.sleep(600)"
    sandbox = await setup.open(full, name=name, work_size=limit)
    await sandbox.launch({})
    assert await line(sandbox) == "done"
    used = await sandbox.usage()
    if setup.launcher is not None and "chmod" in code:
        assert used.work_bytes >= 8 * MIB  # root can read folders without permissions
    else:
        assert used.work_bytes > limit
    await ends(sandbox, name, setup)


HIDES = {
    "mapped": """
import ctypes
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap(None, 4096, 3, 1, file, ctypes.c_long(0))
os.unlink("x"); os.close(file)
""",
    "in a table of a thread": """
import ctypes
libc = ctypes.CDLL(None)
stack = ctypes.create_string_buffer(1 << 20)
thread = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(lambda _: libc.sleep(600))
top = ctypes.c_void_p((ctypes.addressof(stack) + len(stack)) & ~15)
PLAIN = ctypes.cast(libc.pause, ctypes.c_void_p)  # a thread without a Python of its own
libc.clone(PLAIN, top, 0x100 | 0x200 | 0x800 | 0x10000, None)  # VM, FS, SIGHAND, THREAD; no FILES
os.unlink("x"); os.close(file)
""",
    "executed": """
import shutil
os.close(file)
shutil.copy("/usr/bin/sleep", "y")
with open("y", "ab") as program: program.write(bytes(9 << 20))
os.chmod("y", 0o755)
import subprocess
subprocess.Popen(["./y", "600"])
os.unlink("x"); os.unlink("y")
""",
}


@pytest.mark.skipif(not ROOT, reason="only root sees what others have mapped")
@pytest.mark.parametrize("way", HIDES)
async def test_hidden_files_are_detected(setup: SandboxSetup, way: str) -> None:
    write = "import os\nfile = os.open('x', os.O_RDWR | os.O_CREAT)\nos.write(file, bytes(9 << 20))"
    sandbox = await setup.open(f"{write}\n{HIDES[way]}\n{SLEEP}", work_size=8 * MIB)
    await sandbox.launch({})
    assert await line(sandbox) == "done"
    async with asyncio.timeout(END_SECONDS):  # a program that has just started is not mapped yet
        while (await sandbox.usage()).work_bytes <= 8 * MIB:
            await asyncio.sleep(0.02)


async def test_files_in_flight_finally_count_as_too_many(setup: SandboxSetup) -> None:
    code = """
import os, socket
file = os.open("x", os.O_RDWR | os.O_CREAT)
os.write(file, bytes(9 << 20))
left, right = socket.socketpair()
socket.send_fds(left, [b"x"], [file])
os.unlink("x"); os.close(file)
"""
    sandbox = await setup.open(code + SLEEP, work_size=8 * MIB)
    await sandbox.launch({})
    assert await line(sandbox) == "done"
    looks = [(await sandbox.usage()).work_bytes for _ in range(HIDDEN_CHECKS)]
    assert max(looks[:-1]) < 8 * MIB < looks[-1]


async def test_a_small_work_folder_stays_below_its_limit(setup: SandboxSetup) -> None:
    code = "open('x', 'wb').write(bytes(2 << 20))\n" + SLEEP
    sandbox = await setup.open(code, work_size=8 * MIB)
    await sandbox.launch({})
    await line(sandbox)
    assert 2 * MIB <= (await sandbox.usage()).work_bytes < 3 * MIB


async def test_links_to_other_folders_are_not_followed(setup: SandboxSetup) -> None:
    """Neither measuring nor removing follows links of the Worker."""
    name = new_ulid()
    victim = setup.home / "victim"
    victim.mkdir(mode=0o777)
    victim.chmod(0o777)
    (victim / "precious").write_text("x")
    code = f"""
import os
os.symlink({str(victim)!r}, 'folder')
os.symlink({str(victim)!r} + '/precious', 'file')
os.symlink('/usr', 'usr')
os.mkdir('d'); os.symlink('..', 'd/loop')
os.mkfifo('fifo')
import socket; s = socket.socket(socket.AF_UNIX); s.bind('sock')
open('set-id', 'w').close(); os.chmod('set-id', 0o6755)
print("done", flush=True)
import time; time.sleep(600)
"""
    sandbox = await setup.open(code, name=name)
    await sandbox.launch({})
    assert await line(sandbox) == "done"
    assert (await sandbox.usage()).work_bytes < MIB
    await ends(sandbox, name, setup)
    assert (victim / "precious").read_text() == "x"


@pytest.mark.long
async def test_a_deep_tree_is_removed(setup: SandboxSetup) -> None:
    name = new_ulid()
    code = """
import os
for i in range(3000):
    os.mkdir('d' * 200); open('f', 'w').close(); os.chdir('d' * 200)
print("done", flush=True)
import time; time.sleep(600)
"""
    sandbox = await setup.open(code, name=name)
    await sandbox.launch({})
    assert await line(sandbox) == "done"
    await ends(sandbox, name, setup)


@pytest.mark.long
async def test_files_with_unusual_names_are_removed(setup: SandboxSetup) -> None:
    name = new_ulid()
    code = """
import os
for i in range(1, 256):
    if i != 47:
        n = bytes([i]) + b'\\xff\\xfe-' + bytes([i])
        os.mkdir(n); open(n + b'/.moved-1', 'w').close(); os.mkdir(n + b'/.moved-2')
        open(n + b'/.moved-2/x', 'w').close()
open('.moved-1', 'w').close()
os.mkdir('.moved-3'); open('.moved-3/x', 'w').close()
print("done", flush=True)
import time; time.sleep(600)
"""
    sandbox = await setup.open(code, name=name)
    await sandbox.launch({})
    assert await line(sandbox) == "done"
    await ends(sandbox, name, setup)


@pytest.mark.parametrize("count", [5, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.timeout(900)
async def test_daemonising_runs_leave_no_process(setup: SandboxSetup, count: int) -> None:
    names = [new_ulid() for _ in range(count)]
    limit = asyncio.Semaphore(4)

    async def once(name: str) -> None:
        async with limit:
            sandbox = await setup.open(DAEMONS, name=name)
            await sandbox.launch({})
            await asyncio.wait_for(sandbox.wait(), 60)
            await ends(sandbox, name, setup)
            for listener in sandbox.listeners.values():
                listener.close()

    await asyncio.gather(*map(once, names))
    assert processes.with_work_folders(frozenset(names)) == {}
