"""A sandbox whose first process is the Worker's interpreter, idle or not: its Worker sees what that
of another sandbox sees, and nothing of an attempt is in it before the assignment.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from fyke.contracts.execution import Environment, Sandbox, SandboxFault, SandboxSpec
from fyke.kit.ids import new_ulid
from fyke.model.worker import Language
from fyke.sandbox import isolated
from fyke.sandbox.factory import IDLE_MEMORY
from fyke.sandbox.isolated import IsolatedSandbox
from fyke.sandbox.process import processes
from integration.sandbox.sandboxes import (
    MIB,
    ROOT,
    SPAWNERS,
    SandboxSetup,
    drain,
    line,
    sandbox_setup,
)

pytestmark = [pytest.mark.anyio, pytest.mark.needs("bwrap")]

SDK = Path(__file__).resolve().parents[3] / "sdk" / "python" / "sdk.py"
FACTS = """
import json, os, resource, signal, sys, warnings
me = sys.modules["__main__"]
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "arguments": [sys.argv, sys.orig_argv, open("/proc/self/cmdline").read()],
    "path": sys.path,
    "importers": sorted(sys.path_importer_cache),
    "flags": repr(sys.flags),
    "prefixes": [sys.executable, sys.prefix, sys.base_prefix, sys.exec_prefix],
    "main": {name: repr(value) for name, value in vars(me).items() if name.startswith("__")},
    "names": sorted(name for name in vars(me) if not name.startswith("__")),
    "folder": os.getcwd(),
    "files": sorted(os.listdir()),
    "variables": dict(os.environ),
    "pids": [os.getpid(), os.getppid(), os.getsid(0), os.getpgid(0)],
    "descriptors": sorted(os.listdir("/proc/self/fd")),
    "streams": [[s.fileno(), s.encoding, s.errors, s.line_buffering, s.write_through]
                for s in (sys.stdin, sys.stdout, sys.stderr)],
    "input": os.readlink("/proc/self/fd/0"),
    "umask": os.umask(0o022),
    "signals": [status[name].strip() for name in ("SigBlk", "SigIgn", "SigCgt")],
    "privileges": [status[name].strip() for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")],
    "limits": [resource.getrlimit(number) for number in range(16)],
    "filters": repr(warnings.filters),
    "hooks": [repr(sys.meta_path), repr(sys.path_hooks)],
    "threads": len(os.listdir("/proc/self/task")),
}))
"""
ADDRESS = re.compile(" at 0x[0-9a-f]+")
STARTUP_CODE = {"startup.pth": "import sys\n"}  # so that the shim is the first process
SLEEP = "import time\nprint('up', flush=True)\ntime.sleep(600)\n"


@pytest.fixture(params=SPAWNERS)
async def setup(request: pytest.FixtureRequest) -> AsyncIterator[SandboxSetup]:
    async with sandbox_setup(request.param) as setup:
        yield setup


def environment(setup: SandboxSetup, files: dict[str, str]) -> Path:
    """A virtual environment with these files among its packages."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    command = ["/usr/bin/python3", "-I", "-S", "-c", code]
    number = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    folder = setup.home / "cache" / "environments" / new_ulid()
    packages = folder / "lib" / f"python{number}" / "site-packages"
    packages.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to("/usr/bin/python3")
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    for name, content in files.items():
        (packages / name).write_text(content)
    subprocess.run(["chmod", "-R", "a+rX", str(folder.parent)], check=True)
    return folder


def memory(pid: int) -> bytes:
    """All memory of a process that it can write to."""
    parts = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            area, rights, *_ = line.split()
            if rights.startswith("rw"):
                begin, end = (int(number, 16) for number in area.split("-"))
                file.seek(begin)
                parts.append(file.read(end - begin))
    return b"".join(parts)


async def idle(setup: SandboxSetup, spec: SandboxSpec) -> IsolatedSandbox:
    sandbox = await setup.sandbox.open_idle(spec)
    setup.sandboxes.append(sandbox)
    return sandbox


async def warm(
    setup: SandboxSetup, spec: SandboxSpec, env: dict[str, str] | None = None
) -> Sandbox:
    """A launched sandbox that was idle before."""
    sandbox = await idle(setup, spec)
    await sandbox.assign(spec.limits)
    await sandbox.launch(env or {})
    return sandbox


async def cold(
    setup: SandboxSetup, spec: SandboxSpec, env: dict[str, str] | None = None
) -> Sandbox:
    sandbox = await setup.sandbox.open(spec)
    setup.sandboxes.append(sandbox)
    await sandbox.launch(env or {})
    return sandbox


async def in_all_ways(
    setup: SandboxSetup, files: dict[str, str | bytes] | str, env: dict[str, str] | None = None
) -> list[tuple[str, str, int]]:
    """Output, errors and exit code of a Worker that the shim executes, then those of one whose
    interpreter was the first process: in a cold sandbox, and in a warm one.
    """
    results = []
    for start, packages in ((cold, STARTUP_CODE), (cold, {}), (warm, {})):
        spec = setup.spec(files, environment=environment(setup, packages))
        sandbox = await start(setup, spec, env)
        out, err = await drain(sandbox)
        results.append((out, err, (await sandbox.wait()).code))
    return results


def main_process(name: str) -> int:
    """The pid of the process that becomes the Worker: the last one of the sandbox."""
    return max(processes.with_work_folders(frozenset({name}))[name])


# --- the Worker sees no difference


async def test_the_worker_sees_the_same_process(setup: SandboxSetup) -> None:
    env = {"PROXY_DOMAIN": "127.0.0.1:1080", "KEY": "x=y z", "EMPTY": ""}
    ends = await in_all_ways(setup, FACTS, env)
    assert [(err, code) for _, err, code in ends] == [("", 0)] * 3
    first, *others = (json.loads(ADDRESS.sub("", out)) for out, _, _ in ends)
    assert first["variables"]["KEY"] == "x=y z"
    for other in others:
        for name in first:
            assert other[name] == first[name], name


@pytest.mark.parametrize(
    "code",
    [
        "def f():\n    raise ValueError('lost')\nf()",
        "syntax error",
        "import sys\nsys.exit('words')",
        "import atexit, sys\natexit.register(print, 'last')\nsys.exit(3)",
        "import threading, time\nthreading.Thread(target=lambda: (time.sleep(.1), print('later')))"
        ".start()\nprint('first')",
        "import os\nos.kill(os.getpid(), 11)",
        "import sys\nsys.stdout.write('without a newline')\nimport os\nos._exit(0)",
        "import sys\nprint(sys.stdin.read() == '')",
        "import absent_module",
        "raise KeyboardInterrupt",
    ],
)
async def test_it_ends_in_the_same_way(setup: SandboxSetup, code: str) -> None:
    first, *others = await in_all_ways(setup, code)
    assert others == [first, first]


async def test_child_processes_and_pickles_find_the_main_module(setup: SandboxSetup) -> None:
    code = """
import multiprocessing, os, pickle, subprocess, sys
class Thing:
    def __eq__(self, other): return type(other) is type(self)
def work(number): return number * 2
if __name__ == "__main__":
    print(pickle.loads(pickle.dumps(Thing())) == Thing(), Thing.__module__)
    for method in ("spawn", "forkserver", "fork"):
        context = multiprocessing.get_context(method)
        with context.Pool(1) as pool:
            print(method, pool.map(work, [1, 2]))
    code = "import sys; print(sys.path[1:], sys.prefix)"
    print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
"""
    first, *others = await in_all_ways(setup, code)
    assert others == [first, first]
    assert first[0].count("[2, 4]") == 3


async def test_a_module_of_the_worker_is_not_replaced_by_one_that_is_loaded(
    setup: SandboxSetup,
) -> None:
    files: dict[str, str | bytes] = {
        "main.py": "import json, socket, shim\nprint(json.MINE, socket.MINE, shim.MINE)",
        "json.py": "MINE = 'own json'",
        "socket/__init__.py": "MINE = 'own socket'",
        "shim.py": "MINE = 'own shim'",
    }
    first, *others = await in_all_ways(setup, files)
    assert others == [first, first]
    assert first[0] == "own json own socket own shim\n"


@pytest.mark.parametrize(
    ("env", "code", "output"),
    [
        ({"PYTHONHASHSEED": "1"}, "print(hash('a') == {hash})", "True\n"),
        ({"TZ": "Asia/Shanghai"}, "import time\nprint(time.strftime('%z', time.gmtime(0)))", ""),
        ({"PYTHONPATH": "/work/lib"}, "import inner\nprint(inner.X)", "inner\n"),
        ({"PYTHONUNBUFFERED": ""}, "import sys\nprint(sys.stdout.write_through)", "False\n"),
        ({"LC_ALL": "C.UTF-8"}, "import locale\nprint(locale.setlocale(locale.LC_ALL))", ""),
    ],
)
async def test_variables_that_are_read_at_the_start_count(
    setup: SandboxSetup, env: dict[str, str], code: str, output: str
) -> None:
    if "{hash}" in code:
        command = ["/usr/bin/python3", "-c", "print(hash('a'))"]
        seen = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
        code = code.format(hash=seen.strip())
    files: dict[str, str | bytes] = {"main.py": code, "lib/inner.py": "X = 'inner'"}
    first, *others = await in_all_ways(setup, files, env)
    assert others == [first, first]
    assert output in first[0]


async def test_every_warm_interpreter_has_a_hash_seed_of_its_own(setup: SandboxSetup) -> None:
    code = "print(hash('some text'))"
    seen = set()
    for _ in range(3):
        seen.add((await drain(await warm(setup, setup.spec(code))))[0])
    assert len(seen) == 3


@pytest.mark.parametrize("change", [b"", b"\n# changed\n"], ids=["ours", "another"])
@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
async def test_the_bytecode_of_the_sdk_is_there_and_not_used_for_a_changed_one(
    setup: SandboxSetup, is_warm: bool, change: bytes
) -> None:
    code = """
import os, sys
names = os.listdir("__pycache__") if os.path.isdir("__pycache__") else []
print(names)
import sdk
print(sdk.ADDRESS, sdk.__file__, sdk.__cached__ == "/work/__pycache__/" + "".join(names))
open("sdk.py", "w").write("ADDRESS = 'another'")
del sys.modules["sdk"]
import sdk
print(sdk.ADDRESS)
"""
    files: dict[str, str | bytes] = {"main.py": code, "sdk.py": SDK.read_bytes() + change}
    one = await (warm if is_warm else cold)(setup, setup.spec(files))
    out, err = await drain(one)
    assert err == ""
    names, *lines = out.splitlines()
    is_there = is_warm or not change
    assert names.startswith("['sdk.cpython-") is is_there
    assert lines == [f"127.0.0.1:20086 /work/sdk.py {is_there}", "another"]


@pytest.mark.parametrize("sdk", ["not a program", "x = '\0'", "(" * 5000, "x = 1\n" * 200_000])
async def test_an_sdk_that_cannot_be_compiled_is_left_to_the_worker(
    setup: SandboxSetup, sdk: str
) -> None:
    files: dict[str, str | bytes] = {"main.py": "import os\nprint(os.listdir())", "sdk.py": sdk}
    sandbox = await warm(setup, setup.spec(files))
    out, err = await drain(sandbox)
    assert (sorted(eval(out)), err) == (["main.py", "sdk.py"], "")


async def test_the_sitecustomize_of_an_environment_runs_after_the_assignment(
    setup: SandboxSetup,
) -> None:
    packages = {"sitecustomize.py": "import os\nprint('custom', os.environ['KEY'])"}
    made = setup.spec("import sitecustomize\nprint(sitecustomize.__file__)")
    for start in (cold, warm):
        here = Environment(environment(setup, packages), "")
        one = await start(setup, replace(made, name=new_ulid(), environment=here), {"KEY": "v"})
        out, _ = await drain(one)
        assert out.startswith("custom v\n/env/lib/python")


@pytest.mark.needs("node")
async def test_node_starts_in_a_sandbox_that_was_idle(setup: SandboxSetup) -> None:
    script = "console.log(process.argv0, process.env.KEY, process.env.NODE_OPTIONS)"
    made = setup.spec({"main.js": script}, language=Language.NODE, memory=512 * MIB)
    out, _ = await drain(await warm(setup, made, {"KEY": "v"}))
    assert out.startswith("/usr/bin/node v") or out.startswith("node v"), out
    assert "--max-old-space-size=512" in out


async def test_a_compiled_worker_starts_in_a_sandbox_that_was_idle(setup: SandboxSetup) -> None:
    script = '#!/bin/sh\necho "$0 $KEY $GOMAXPROCS $GOMEMLIMIT"\n'
    made = setup.spec({"main": script}, language=Language.GO, cpus=2.0, memory=512 * MIB)
    found = []
    for start in (cold, warm):
        out, err = await drain(await start(setup, replace(made, name=new_ulid()), {"KEY": "v"}))
        assert " v " in out and err == ""
        found.append(out)
    assert found[0] == found[1]


# --- before the assignment


@pytest.mark.skipif(not ROOT, reason="root reads the processes of sandboxes")
async def test_an_idle_sandbox_has_nothing_of_an_attempt(setup: SandboxSetup) -> None:
    made = setup.spec(SLEEP)
    sandbox = await idle(setup, made)
    pid = main_process(made.name)
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"/usr/bin/python3\0main.py\0"
    assert os.listdir(setup.work / made.name) == []
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)  # the SDK was compiled
    await sandbox.assign(made.limits)
    await sandbox.launch({"KEY": "a secret"})
    assert await line(sandbox) == "up"
    assert "main.py" in os.listdir(setup.work / made.name)
    variables = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"a secret" not in variables  # the kernel's copy is of the start


@pytest.mark.skipif(not ROOT, reason="root reads the memory of sandboxes")
async def test_the_memory_of_an_idle_sandbox_has_no_secret_of_the_attempt(
    setup: SandboxSetup,
) -> None:
    """Neither of its own attempt to come nor of one that this factory has started before."""
    secrets = [new_ulid().encode(), new_ulid().encode()]
    made = setup.spec(SLEEP)
    first = await warm(setup, made, {"KEY": secrets[0].decode()})
    assert await line(first) == "up"
    sandbox = await idle(setup, replace(made, name=(name := new_ulid())))
    before = memory(main_process(name))
    assert len(before) > MIB and not any(secret in before for secret in secrets)
    await sandbox.assign(made.limits)
    await sandbox.launch({"KEY": secrets[1].decode()})
    assert await line(sandbox) == "up"
    after = memory(main_process(name))
    assert [secret in after for secret in secrets] == [False, True]


@pytest.mark.skipif(not ROOT, reason="root reads the processes of sandboxes")
async def test_code_of_an_environment_does_not_run_before_the_assignment(
    setup: SandboxSetup,
) -> None:
    mark = "import os; os.write(1, b'startup\\n')\n"
    made = setup.spec("print('main')", environment=environment(setup, {"a.pth": mark}))
    sandbox = await idle(setup, made)
    pid = main_process(made.name)
    assert b"shim.pyc" in Path(f"/proc/{pid}/cmdline").read_bytes()
    await sandbox.assign(made.limits)
    await sandbox.launch({})
    out, _ = await drain(sandbox)
    assert out.startswith("startup\n")
    assert out == (await drain(await cold(setup, replace(made, name=new_ulid()))))[0]


# --- limits and counters


async def test_the_limits_of_the_attempt_replace_those_of_the_idle_sandbox(
    setup: SandboxSetup,
) -> None:
    fill = "a = bytearray({})\nprint(len(a))\nimport time; time.sleep(0.5)\n"
    more, over = IDLE_MEMORY + 32 * MIB, 2 * IDLE_MEMORY + 64 * MIB
    made = setup.spec(fill.format(more), memory=2 * IDLE_MEMORY)
    out, _ = await drain(await warm(setup, made))
    assert out == f"{more}\n"
    made = setup.spec(fill.format(over), memory=2 * IDLE_MEMORY)
    sandbox = await warm(setup, made)
    await drain(sandbox)
    assert (await sandbox.wait()).out_of_memory


async def test_cpu_time_before_the_assignment_is_not_counted(setup: SandboxSetup) -> None:
    made = setup.spec("import os; os.write(1, b'up\\n'); os.read(os.pipe()[0], 1)")
    sandbox = await warm(setup, made)
    await line(sandbox)
    warm_ms = (await sandbox.usage()).cpu_ms
    packages = environment(setup, STARTUP_CODE)
    other = await cold(setup, replace(made, name=new_ulid(), environment=Environment(packages, "")))
    await line(other)
    assert warm_ms < (await other.usage()).cpu_ms


async def test_a_sandbox_is_assigned_once(setup: SandboxSetup) -> None:
    made = setup.spec(SLEEP)
    sandbox = await idle(setup, made)
    await sandbox.assign(made.limits)
    with pytest.raises(SandboxFault, match="has an attempt already"):
        await sandbox.assign(made.limits)
    other = await setup.open(SLEEP)
    assert isinstance(other, IsolatedSandbox)
    with pytest.raises(SandboxFault, match="has an attempt already"):
        await other.assign(made.limits)


@pytest.mark.skipif(not ROOT, reason="root kills processes of sandboxes")
async def test_a_sandbox_that_ended_while_it_was_idle_is_not_assigned(
    setup: SandboxSetup,
) -> None:
    made = setup.spec(SLEEP)
    sandbox = await idle(setup, made)
    os.kill(main_process(made.name), signal.SIGKILL)
    await sandbox.wait()
    with pytest.raises(SandboxFault, match="ended while it was idle"):
        await sandbox.assign(made.limits)


@pytest.mark.skipif(not ROOT, reason="root kills processes of sandboxes")
async def test_a_sandbox_that_ends_after_the_assignment_is_a_fault(setup: SandboxSetup) -> None:
    made = setup.spec(SLEEP)
    sandbox = await idle(setup, made)
    await sandbox.assign(made.limits)
    os.kill(main_process(made.name), signal.SIGKILL)
    await sandbox.wait()
    with pytest.raises(SandboxFault):
        await sandbox.launch({})


@pytest.mark.skipif(not ROOT, reason="root stops processes of sandboxes")
async def test_a_sandbox_that_was_stopped_while_it_was_idle_does_not_hold_an_attempt(
    setup: SandboxSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolated, "TAKE_SECONDS", 0.2)
    made = setup.spec(SLEEP)
    sandbox = await idle(setup, made)
    os.kill(main_process(made.name), signal.SIGSTOP)
    await sandbox.assign(made.limits)
    with pytest.raises(SandboxFault, match=r"did not take its job within 0\.2 s"):
        async with asyncio.timeout(10):
            await sandbox.launch({})
    await sandbox.close()


async def test_a_bundle_that_is_gone_is_a_fault_of_the_platform(setup: SandboxSetup) -> None:
    made = setup.spec({"main.py": "pass", "data": "x"})
    sandbox = await idle(setup, made)
    await sandbox.assign(made.limits)
    shutil.rmtree(made.bundle)
    await asyncio.sleep(0)
    try:
        await sandbox.launch({})
    except SandboxFault as error:
        assert "cannot prepare the sandbox" in str(error)
    else:  # without overlays the mount keeps what it showed, which is an empty folder
        assert (await sandbox.wait()).code
