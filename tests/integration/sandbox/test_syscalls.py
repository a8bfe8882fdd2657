"""Makes every system call by number inside a real sandbox, each in its own child process."""

from __future__ import annotations

import errno
import json
import platform
from collections.abc import AsyncIterator

import pytest

from fyke.sandbox.isolation import syscalls
from integration.sandbox.sandboxes import SPAWNERS, SandboxSetup, drain, sandbox_setup
from unit.sandbox.isolation.test_seccomp import run

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.needs("bwrap"),
]

MAX_NUMBER = 600
# calls that end or suspend the child instead of returning
SILENT = {"exit", "exit_group", "pause", "rt_sigreturn", "rt_sigsuspend", "vfork", "fork", "clone"}

# uretprobe and uprobe: newer kernels exempt them from filters and accept them only from own traps
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


# makes each call in this process; closes new descriptors, and a forked child exits at once
ARGUMENTS_CALLER = """
import ctypes, json, os
libc = ctypes.CDLL(None, use_errno=True)
met, own = [], os.getpid()
pair = (ctypes.c_int * 2)()
for number, arguments in json.load(open("calls.json")):
    given = [ctypes.addressof(pair) if a == "room" else a for a in arguments]
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, given))
    code = ctypes.get_errno() if result == -1 else 0
    if os.getpid() != own: os._exit(0)
    if code == 0 and result > 2:
        try: os.close(result)
        except OSError: pass
    met.append(code)
print(json.dumps(met))
"""


@pytest.fixture(params=SPAWNERS[:1])
async def setup(request: pytest.FixtureRequest) -> AsyncIterator[SandboxSetup]:
    async with sandbox_setup(request.param) as setup:
        yield setup


async def met(setup: SandboxSetup, numbers: list[int]) -> dict[int, int | None]:
    sandbox = await setup.open(CALLER)
    await sandbox.launch({"NUMBERS": json.dumps(numbers)})
    out, err = await drain(sandbox)
    assert out, err
    return {int(number): code for number, code in json.loads(out).items()}


async def test_refused_calls_return_the_error_of_the_table(setup: SandboxSetup) -> None:
    machine = platform.machine()
    allowed = set(syscalls.allowed(machine).values()) | set(syscalls.checked(machine).values())
    denied = set(syscalls.denied(machine).values())
    answers = await met(setup, sorted(set(range(MAX_NUMBER + 1)) - allowed))
    deviations = {
        number: code
        for number, code in answers.items()
        if number not in UNFILTERED and code != (errno.EPERM if number in denied else errno.ENOSYS)
    }
    assert deviations == {}
    assert len(answers) > 250


async def test_allowed_calls_reach_the_kernel(setup: SandboxSetup) -> None:
    """With invalid arguments the kernel may return any error but ENOSYS, unless it is older than
    the call.
    """
    allowed = {
        name: number
        for name, number in syscalls.allowed(platform.machine()).items()
        if name not in SILENT
    }
    answers = await met(setup, sorted(allowed.values()))
    absent = {name for name, number in allowed.items() if answers[number] == errno.ENOSYS}
    known_absent = {"epoll_ctl_old", "epoll_wait_old", "get_thread_area", "set_thread_area"}
    known_absent.add("futex")  # an unknown operation also returns ENOSYS
    newer = {"setxattrat", "getxattrat", "listxattrat", "removexattrat", "memfd_secret"}
    assert absent <= known_absent | newer | {"map_shadow_stack", "mq_open", "futex_requeue"}


Call = tuple[int, list[int | str]]


def argument_calls(machine: str) -> list[Call]:
    """Calls that the filter decides by their arguments, on both sides of each rule."""
    number = syscalls.checked(machine)
    high = 1 << 33  # the filter and the kernel use only the low half of the argument
    calls: list[Call] = []
    for family in range(64):
        for protocol in (0, 1, 2, 6, 15, 16, 17, 58, 132, 136, 255, 262):
            calls.append((number["socket"], [family, 3, protocol]))
            calls.append((number["socket"], [family | high, 2, protocol]))
            calls.append((number["socketpair"], [family, 2, protocol, "room"]))
    for request in (0x5412, 0x541C, 0x5412 | high, 0x541C | high, *range(0x5400, 0x5480)):
        calls.append((number["ioctl"], [0, request, "room"]))
    for bit in range(7, 33):
        if 1 << bit & 0x7E020000:
            calls.append((number["clone"], [1 << bit | 17, 0, 0, 0, 0]))
    calls += [(number["fallocate"], [0, mode, 0, 1 << 40]) for mode in range(128)]
    calls += [(number["ioctl"], [0, 0x40305800 + low, "room"]) for low in range(64)]
    calls += [(number["clone3"], ["room", size]) for size in (0, 64, 88)]
    return calls


async def test_calls_decided_by_arguments_return_what_the_filter_says(setup: SandboxSetup) -> None:
    machine = platform.machine()
    calls = argument_calls(machine)
    sandbox = await setup.open({"main.py": ARGUMENTS_CALLER, "calls.json": json.dumps(calls)})
    await sandbox.launch({})
    out, err = await drain(sandbox)
    assert out, err
    answers = json.loads(out)
    assert len(answers) == len(calls) > 2000
    deviations = []
    for (number, arguments), code in zip(calls, answers, strict=True):
        values = [1 if argument == "room" else int(argument) for argument in arguments]
        verdict = run(machine, number, *values)
        right = code != errno.ENOSYS if verdict == "allow" else code == verdict
        if not right:
            deviations.append((number, arguments, verdict, code))
    assert deviations == []
    refused = sum(code in (errno.EPERM, errno.EAFNOSUPPORT) for code in answers)
    assert refused > 1500


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 exists on x86_64 only")
async def test_x32_numbers_do_not_exist_in_a_sandbox(setup: SandboxSetup) -> None:
    bit = 0x40000000
    calls = [(bit + number, [-1] * 6) for number in range(MAX_NUMBER + 1)]
    sandbox = await setup.open({"main.py": ARGUMENTS_CALLER, "calls.json": json.dumps(calls)})
    await sandbox.launch({})
    out, err = await drain(sandbox)
    assert set(json.loads(out)) == {errno.ENOSYS}, err
