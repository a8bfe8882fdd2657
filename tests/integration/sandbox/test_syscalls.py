"""Every system call number, called for real inside a box, each in a child of its own."""

from __future__ import annotations

import errno
import json
import platform
import shutil
from collections.abc import AsyncIterator

import pytest

from fyke.sandbox import syscalls
from integration.sandbox.boxes import SPAWNERS, Site, drain, site

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
]

HIGHEST = 600
# what would end or stop the child before it can answer, rather than return
SILENT = {"exit", "exit_group", "pause", "rt_sigreturn", "rt_sigsuspend", "vfork", "fork", "clone"}

# uretprobe and uprobe: newer kernels let them past every filter, and answer only their own traps
UNFILTERED = {335, 336} if platform.machine() == "x86_64" else set()

CALLER = """
import ctypes, json, os, select, signal
libc = ctypes.CDLL(None, use_errno=True)
met = {}
for number in json.loads(os.environ["NUMBERS"]):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(2)
        ctypes.set_errno(0)
        result = libc.syscall(number, *[ctypes.c_long(-1)] * 6)
        os.write(writer, b"%d" % (ctypes.get_errno() if result == -1 else 0))
        os._exit(0)
    os.close(writer)
    ready = select.select([reader], [], [], 3)[0]
    said = os.read(reader, 20) if ready else b""
    os.close(reader)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    met[number] = int(said) if said else None
print(json.dumps(met))
"""


@pytest.fixture(params=SPAWNERS[:1])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    async with site(request.param) as made:
        yield made


async def met(place: Site, numbers: list[int]) -> dict[int, int | None]:
    box = await place.open(CALLER)
    await box.launch({"NUMBERS": json.dumps(numbers)})
    out, err = await drain(box)
    assert out, err
    return {int(number): code for number, code in json.loads(out).items()}


async def test_what_is_not_allowed_answers_as_the_table_says(place: Site) -> None:
    machine = platform.machine()
    allowed = set(syscalls.allowed(machine).values()) | set(syscalls.checked(machine).values())
    denied = set(syscalls.denied(machine).values())
    answers = await met(place, sorted(set(range(HIGHEST + 1)) - allowed))
    wrong = {
        number: code
        for number, code in answers.items()
        if number not in UNFILTERED and code != (errno.EPERM if number in denied else errno.ENOSYS)
    }
    assert wrong == {}
    assert len(answers) > 250


@pytest.mark.long
async def test_what_is_allowed_reaches_the_kernel(place: Site) -> None:
    """With senseless arguments the kernel answers anything, but not that there is no such call,
    unless it is older than the call.
    """
    allowed = {
        name: number
        for name, number in syscalls.allowed(platform.machine()).items()
        if name not in SILENT
    }
    answers = await met(place, sorted(allowed.values()))
    absent = {name for name, number in allowed.items() if answers[number] == errno.ENOSYS}
    known_absent = {"epoll_ctl_old", "epoll_wait_old", "get_thread_area", "set_thread_area"}
    known_absent.add("futex")  # an operation that it does not know is answered the same
    newer = {"setxattrat", "getxattrat", "listxattrat", "removexattrat", "memfd_secret"}
    assert absent <= known_absent | newer | {"map_shadow_stack", "mq_open", "futex_requeue"}
