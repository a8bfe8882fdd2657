"""The contract of ``Sandbox``, over every spawner that this user can use.

Root uses the launcher. Other users use the direct spawner:
``tests/integration/sandbox/test_plain_user.py`` runs this file as such a user.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from fyke.contracts.execution import (
    DiskShort,
    Environment,
    Isolation,
    SandboxFault,
    SandboxLimits,
    SandboxSpec,
    SandboxUsage,
)
from fyke.kit.ids import new_ulid
from fyke.model.worker import Language
from fyke.sandbox.isolated import GO_PROGRAM
from fyke.sandbox.process import folders
from integration.sandbox.sandboxes import (
    MIB,
    ROOT,
    SPAWNERS,
    WARM,
    SandboxSetup,
    drain,
    line,
    sandbox_setup,
    version,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.needs("bwrap"),
]

SLEEP = "import time\nprint('up', flush=True)\ntime.sleep(600)\n"
IGNORES_SIGTERM = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEP


@pytest.fixture(params=[*SPAWNERS, *(f"{spawner}{WARM}" for spawner in SPAWNERS)])
async def setup(request: pytest.FixtureRequest) -> AsyncIterator[SandboxSetup]:
    async with sandbox_setup(request.param) as setup:
        yield setup


async def test_output_and_exit_code_are_returned(setup: SandboxSetup) -> None:
    out, err, ended = await setup.run(
        "import sys\nprint('to out')\nprint('to err', file=sys.stderr)\nsys.exit(7)"
    )
    assert (out, err) == ("to out\n", "to err\n")
    assert (ended.code, ended.signal, ended.out_of_memory) == (7, 0, False)


async def test_success_has_exit_code_zero(setup: SandboxSetup) -> None:
    _, _, ended = await setup.run("pass")
    assert (ended.code, ended.signal, ended.out_of_memory) == (0, 0, False)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
async def test_a_signal_is_recognised(setup: SandboxSetup, number: signal.Signals) -> None:
    _, _, ended = await setup.run(f"import os\nos.kill(os.getpid(), {int(number)})")
    assert (ended.signal, ended.out_of_memory) == (number, False)


async def test_an_unhandled_exception_ends_the_worker_with_code_1(setup: SandboxSetup) -> None:
    _, err, ended = await setup.run("raise ValueError('lost')")
    assert (ended.code, ended.signal) == (1, 0)
    assert "ValueError: lost" in err


async def test_out_of_memory_is_recognised(setup: SandboxSetup) -> None:
    code = "a = []\nwhile True:\n    a.append(bytearray(1 << 20))\n"
    _, _, ended = await setup.run(code, memory=64 * MIB)
    assert (ended.signal, ended.out_of_memory) == (signal.SIGKILL, True)


async def test_a_child_out_of_memory_ends_the_whole_sandbox(setup: SandboxSetup) -> None:
    code = """
import os, time
if os.fork() == 0:
    a = []
    while True:
        a.append(bytearray(1 << 20))
time.sleep(600)
"""
    _, _, ended = await setup.run(code, memory=64 * MIB)
    assert ended.out_of_memory


async def test_the_environment_has_given_and_base_variables(setup: SandboxSetup) -> None:
    sandbox = await setup.open("import os, json\nprint(json.dumps(dict(os.environ)))")
    await sandbox.launch({"GREETING": "hello = world", "PROXY_DOMAIN": "127.0.0.1:1080"})
    out, _ = await drain(sandbox)
    variables = json.loads(out)
    variables.pop("LC_CTYPE", None)
    assert variables == {
        "GREETING": "hello = world",
        "PROXY_DOMAIN": "127.0.0.1:1080",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/work",
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",
        "PYTHONUNBUFFERED": "1",
    }


async def test_no_code_runs_before_launch(setup: SandboxSetup) -> None:
    sandbox = await setup.open("print('ran')")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sandbox.wait(), 0.3)
    await sandbox.launch({})
    assert (await drain(sandbox))[0] == "ran\n"


async def test_the_bundle_becomes_the_work_folder(setup: SandboxSetup) -> None:
    code = """
import os, stat
assert os.getcwd() == "/work"
for root, folders, files in os.walk("."):
    for name in sorted(folders + files):
        path = os.path.join(root, name)
        info = os.stat(path)
        print(path, oct(stat.S_IMODE(info.st_mode)), info.st_nlink if name in files else "-")
open("main.py", "w").write("changed")
open("new", "w").write("made")
"""
    files: dict[str, str | bytes] = {
        "main.py": code,
        "lib/deep/data.bin": b"\0\1" * 700_000,
        "run": "x",
    }
    bundle = setup.bundle(files)
    (bundle / "run").chmod(0o755)
    sandbox = await setup.open(files)
    source = next(iter((setup.home / "cache" / "bundles").glob("*/lib"))).parent
    await sandbox.launch({})
    out, err = await drain(sandbox)
    assert err == ""
    assert "./lib/deep/data.bin 0o644 1" in out
    assert "./lib 0o755 -" in out
    assert (await sandbox.wait()).code == 0
    assert (source / "main.py").read_text() == code


async def test_executable_files_stay_executable(setup: SandboxSetup) -> None:
    sandbox = await setup.open(
        {
            "main.py": "import subprocess\nprint(subprocess.check_output(['./tool']).decode())",
            "tool": "#!/bin/sh\necho from tool\n",
        }
    )
    bundle = max((setup.home / "cache" / "bundles").iterdir(), key=lambda p: p.stat().st_mtime_ns)
    (bundle / "tool").chmod(0o755)
    await sandbox.launch({})
    assert (await drain(sandbox))[0].strip() == "from tool"
    assert stat.S_IMODE((bundle / "main.py").stat().st_mode) & 0o444 == 0o444


@pytest.mark.needs("node")
async def test_a_node_worker_finds_its_modules(setup: SandboxSetup) -> None:
    modules = setup.bundle({"greet/index.js": "module.exports = () => 'hello from a module'"})
    sandbox = await setup.open(
        {"main.js": "console.log(require('greet')())"},
        language=Language.NODE,
        environment=modules,
        memory=512 * MIB,
    )
    await sandbox.launch({})
    out, err = await drain(sandbox)
    assert (out, err) == ("hello from a module\n", "")


async def test_a_compiled_worker_runs(setup: SandboxSetup) -> None:
    script = "#!/bin/sh\necho compiled, as far as the sandbox knows\n"
    sandbox = await setup.open({"main": script}, language=Language.GO)
    await sandbox.launch({})
    assert (await drain(sandbox))[0].startswith("compiled")


async def test_a_python_environment_is_used(setup: SandboxSetup) -> None:
    env = setup.bundle({"lib/here.txt": "x"})
    (env / "bin").mkdir()
    (env / "bin" / "python").symlink_to("/usr/bin/python3")
    subprocess.run(["chmod", "-R", "a+rX", str(env)], check=True)
    sandbox = await setup.open(
        "import sys, os\nprint(sys.executable, os.environ['PATH'], os.listdir('/env'))",
        environment=env,
    )
    await sandbox.launch({})
    out, err = await drain(sandbox)
    assert out.startswith("/env/bin/python /env/bin:/usr/local/bin"), err


async def test_a_file_that_cannot_be_executed_is_reported(setup: SandboxSetup) -> None:
    sandbox = await setup.open({"main": b"\x7fELF broken"}, language=Language.GO)
    await sandbox.launch({})
    _, err = await drain(sandbox)
    assert f"cannot start {GO_PROGRAM}" in err
    assert (await sandbox.wait()).code == 126


async def test_launching_an_ended_sandbox_is_a_platform_error(setup: SandboxSetup) -> None:
    sandbox = await setup.open("print('never')")
    await sandbox.kill()
    with pytest.raises(SandboxFault):
        await sandbox.launch({})


async def test_a_worker_can_handle_termination(setup: SandboxSetup) -> None:
    code = """
import signal, sys, time
def leave(*_):
    print("bye", flush=True)
    sys.exit(3)
signal.signal(signal.SIGTERM, leave)
print("up", flush=True)
time.sleep(600)
"""
    sandbox = await setup.open(code)
    await sandbox.launch({})
    assert await line(sandbox) == "up"
    await sandbox.terminate()
    assert (await drain(sandbox))[0] == "bye\n"
    ended = await sandbox.wait()
    assert (ended.code, ended.signal) == (3, 0)


async def test_a_worker_without_a_handler_ends_at_termination(setup: SandboxSetup) -> None:
    sandbox = await setup.open(SLEEP)
    await sandbox.launch({})
    await line(sandbox)
    await sandbox.terminate()
    assert (await sandbox.wait()).signal == signal.SIGTERM


async def test_kill_ends_a_worker_that_ignores_termination(setup: SandboxSetup) -> None:
    sandbox = await setup.open(IGNORES_SIGTERM)
    await sandbox.launch({})
    await line(sandbox)
    await sandbox.terminate()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sandbox.wait(), 0.3)
    await sandbox.kill()
    ended = await sandbox.wait()
    assert (ended.signal, ended.out_of_memory) == (signal.SIGKILL, False)
    await sandbox.kill()
    await sandbox.terminate()


LISTENERS = {"sdk": 20086, "proxy": 1080, "cdp": 9222, "proxy6000": 6000} | (
    {"cdp80": 80} if ROOT else {}
)


@pytest.mark.parametrize(("name", "port"), LISTENERS.items())
async def test_listeners_are_reachable_inside(setup: SandboxSetup, name: str, port: int) -> None:
    code = f"""
import socket
s = socket.create_connection(("127.0.0.1", {port}))
s.sendall(b"ping from inside")
print(s.recv(100).decode())
"""
    sandbox = await setup.open(code)
    assert set(sandbox.listeners) == set(LISTENERS)
    listener = sandbox.listeners[name]
    assert not listener.get_inheritable()
    await sandbox.launch({})
    loop = asyncio.get_running_loop()
    peer, _ = await asyncio.wait_for(loop.sock_accept(listener), 20)
    with peer:
        assert await loop.sock_recv(peer, 100) == b"ping from inside"
        await loop.sock_sendall(peer, b"pong from outside")
    assert (await drain(sandbox))[0] == "pong from outside\n"


async def test_addresses_in_published_workers_lead_to_the_loopback(setup: SandboxSetup) -> None:
    names = [
        f"{part}-inner.{site}.com"
        for part in ("proxy", "chrome-ws", "chrome-http", "lightpanda")
        for site in ("coreclaw", "cafescraper")
    ]
    out, err, _ = await setup.run(
        f"import socket\nprint({{socket.gethostbyname(n) for n in {names!r}}})"
    )
    assert out == "{'127.0.0.1'}\n", err


async def test_two_sandboxes_have_their_own_ports(setup: SandboxSetup) -> None:
    first, second = (
        await setup.open(SLEEP),
        await setup.open(
            "import socket\nsocket.create_connection(('127.0.0.1', 20086))\nprint('in')"
        ),
    )
    await second.launch({})
    assert await line(second) == "in"
    with pytest.raises(BlockingIOError):
        first.listeners["sdk"].accept()
    peer, _ = second.listeners["sdk"].accept()
    peer.close()


async def test_the_usage_of_a_sandbox_is_measured(setup: SandboxSetup) -> None:
    code = """
import time
block = bytearray(40 << 20)
end = time.process_time() + 0.5
while time.process_time() < end: pass
open("data", "wb").write(bytes(3 << 20))
print("done", flush=True)
time.sleep(600)
"""
    sandbox = await setup.open(code)
    await sandbox.launch({})
    await line(sandbox)
    used = await sandbox.usage()
    assert used.cpu_ms >= 450
    assert 40 * MIB <= used.memory_peak <= 200 * MIB
    assert 3 * MIB <= used.work_bytes <= 4 * MIB
    await sandbox.close()
    after = await sandbox.usage()
    assert after.cpu_ms >= used.cpu_ms
    assert after != SandboxUsage()


async def test_close_removes_all_and_can_be_repeated(setup: SandboxSetup) -> None:
    sandbox = await setup.open(IGNORES_SIGTERM)
    await sandbox.launch({})
    await line(sandbox)
    assert len(os.listdir(setup.work)) == 1
    listeners = sandbox.listeners
    assert all(listener.fileno() >= 0 for listener in listeners.values())
    await asyncio.gather(sandbox.close(), sandbox.close())
    await sandbox.close()
    assert os.listdir(setup.work) == []
    assert {name: listener.fileno() for name, listener in listeners.items()} == dict.fromkeys(
        listeners, -1
    )
    assert (await sandbox.wait()).signal == signal.SIGKILL


async def test_a_sandbox_can_be_closed_before_its_launch(setup: SandboxSetup) -> None:
    sandbox = await setup.open("print('never')")
    await sandbox.close()
    assert os.listdir(setup.work) == []


async def test_output_ends_when_the_sandbox_is_closed(setup: SandboxSetup) -> None:
    sandbox = await setup.open(SLEEP)
    await sandbox.launch({})
    reading = asyncio.create_task(drain(sandbox))
    await asyncio.sleep(0.2)
    await sandbox.close()
    assert (await asyncio.wait_for(reading, 10))[0] in ("up\n", "")


async def test_a_name_can_be_used_once(setup: SandboxSetup) -> None:
    name = new_ulid()
    await setup.open(SLEEP, name=name)
    with pytest.raises(SandboxFault):
        await setup.open(SLEEP, name=name)


@pytest.mark.parametrize("name", ["", "a", "../X", "A/B", "A.B", "A" * 65, "A\n", "\u00c4"])
async def test_invalid_names_are_refused(setup: SandboxSetup, name: str) -> None:
    with pytest.raises(SandboxFault, match="name"):
        await setup.sandbox.open(replace(_spec(setup), name=name))


def _spec(setup: SandboxSetup) -> SandboxSpec:
    return SandboxSpec(
        new_ulid(),
        "ACCOUNT",
        version(Language.PYTHON),
        setup.bundle({"main.py": "pass"}),
        Environment(None, ""),
        SandboxLimits(cpus=1.0, memory=64 * MIB),
    )


async def test_sweep_keeps_active_sandboxes(setup: SandboxSetup) -> None:
    name = new_ulid()
    sandbox = await setup.open(SLEEP, name=name)
    await sandbox.launch({})
    await line(sandbox)
    assert await setup.sandbox.sweep(frozenset({name})) == []
    assert await setup.sandbox.sweep(frozenset()) == []  # this process has the sandbox open
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sandbox.wait(), 0.2)


async def test_sweep_removes_folders_of_ended_sandboxes(setup: SandboxSetup) -> None:
    name = new_ulid()
    deep = setup.work / name / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")
    (deep / "link").symlink_to("/etc/passwd")
    assert await setup.sandbox.sweep(frozenset()) == [name]
    assert os.listdir(setup.work) == []
    assert os.path.exists("/etc/passwd")


async def test_limits_of_a_process_are_set(setup: SandboxSetup) -> None:
    code = """
import resource as r
print(r.getrlimit(r.RLIMIT_CORE), r.getrlimit(r.RLIMIT_NOFILE), r.getrlimit(r.RLIMIT_FSIZE))
try:
    with open("big", "wb") as f:
        for _ in range(20): f.write(bytes(1 << 20))
except OSError as e:
    print(e.errno)
"""
    out, _, ended = await setup.run(code, open_files=256, file_size=8 * MIB)
    assert out == f"(0, 0) (256, 256) ({8 * MIB}, {8 * MIB})\n27\n"
    assert ended.code == 0


async def test_standard_input_is_empty(setup: SandboxSetup) -> None:
    out, _, _ = await setup.run("import sys\nprint(repr(sys.stdin.read()))")
    assert out == "''\n"


async def test_signals_have_their_defaults(setup: SandboxSetup) -> None:
    sandbox = await setup.open(
        {"main": "#!/bin/sh\ngrep -E 'SigIgn|SigBlk' /proc/self/status\n"}, language=Language.GO
    )
    await sandbox.launch({})
    out, _ = await drain(sandbox)
    assert [row.split()[1] for row in out.splitlines()] == ["0" * 16] * 2


async def test_much_output_is_delayed_and_not_lost(setup: SandboxSetup) -> None:
    sandbox = await setup.open(
        "import sys\nfor i in range(200000): sys.stdout.write('%010d\\n' % i)"
    )
    await sandbox.launch({})
    await asyncio.sleep(0.3)
    out, _ = await drain(sandbox)
    assert len(out) == 200_000 * 11
    assert out.endswith("0000199999\n")


async def test_the_cpu_limit_applies_after_the_grace_period(setup: SandboxSetup) -> None:
    report = await setup.sandbox.probe()
    if report.level is not Isolation.FULL:
        pytest.skip("no control groups for this user")
    code = """
import time
print("up", flush=True)
start, cpu = time.monotonic(), time.process_time()
while time.monotonic() < start + 0.4: pass
print(time.process_time() - cpu, flush=True)
until = time.monotonic() + 30
while True:  # the limit is set meanwhile
    start, cpu = time.monotonic(), time.process_time()
    while time.monotonic() < start + 2: pass
    used = time.process_time() - cpu
    if used / 2 < 0.35 or start > until: break
print(used, flush=True)
"""
    sandbox = await setup.open(code, cpus=0.2)
    await sandbox.launch({})
    await line(sandbox)
    unlimited = float(await line(sandbox))
    await sandbox.apply_cpu_limit()
    limited = float(await line(sandbox))
    assert limited / 2 < 0.35
    assert unlimited / 0.4 > limited / 2  # the start of the Worker ran without the limit


async def test_probe_reports_the_level(setup: SandboxSetup, request: pytest.FixtureRequest) -> None:
    report = await setup.sandbox.probe()
    names = [name for name, _, _ in report.checks]
    assert names[0] == "bubblewrap"
    assert {"user namespace", "unprivileged user", "seccomp", "network", "proc"} <= set(names)
    assert {"capabilities", "no new privileges", "read-only system", "limits"} <= set(names)
    passed_checks = [passed for name, passed, _ in report.checks if name != "limits"]
    assert all(passed_checks), report
    kind, _ = await setup.spawner.limits()
    assert report.level is (Isolation.NO_LIMITS if kind == "none" else Isolation.FULL), report
    assert report.reason
    assert os.listdir(setup.work) == []


async def test_child_processes_inherit_no_descriptors(setup: SandboxSetup) -> None:
    sandbox = await setup.open(SLEEP)
    for listener in sandbox.listeners.values():
        assert isinstance(listener, socket.socket)
        assert not os.get_inheritable(listener.fileno())
    out = subprocess.run(
        ["/bin/ls", "/proc/self/fd"], capture_output=True, text=True, close_fds=False
    )
    assert len(out.stdout.split()) <= 8


async def test_the_check_passes_while_a_sandbox_can_be_opened(
    setup: SandboxSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    await setup.sandbox.check()
    monkeypatch.setattr(folders, "MIN_FREE_BYTES", 2**80)
    with pytest.raises(DiskShort, match="free some space"):
        await setup.sandbox.check()
    with pytest.raises(DiskShort):
        await setup.open("pass")
