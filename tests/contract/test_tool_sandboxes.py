"""The contract of ``ToolRunner`` with each spawner available to this user, and the real egress."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fyke.contracts.execution import SandboxFault
from fyke.contracts.tools import ToolAccess, ToolKind, ToolLimits, ToolSpec, ToolStop
from fyke.egress.local import LocalEgress
from fyke.sandbox.process import processes
from fyke.sandbox.tools.runner import SandboxedTools
from integration.sandbox.sandboxes import MIB, SPAWNERS, SandboxSetup, sandbox_setup

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.needs("bwrap"),
]

PYTHON = "/usr/bin/python3"
LIMITS = ToolLimits(seconds=30, memory=256 * MIB, work_size=64 * MIB)


class ToolSetup:
    """A tool runner with its own data folder."""

    def __init__(self, setup: SandboxSetup, egress: LocalEgress) -> None:
        self.setup = setup
        self.tools = SandboxedTools(setup.work, setup.spawner, egress)

    def spec(self, code: str, *, limits: ToolLimits = LIMITS, **options: Any) -> ToolSpec:
        return ToolSpec(ToolKind.GIT, [PYTHON, "-I", "-c", code], limits, **options)

    async def output_of(self, code: str, **options: Any) -> str:
        async with self.tools.run(self.spec(code, **options)) as run:
            assert (run.code, run.stopped) == (0, None), run.output
            return run.output.strip()


@pytest.fixture(params=SPAWNERS)
async def workspace(request: pytest.FixtureRequest) -> AsyncIterator[ToolSetup]:
    async with sandbox_setup(request.param) as setup:
        egress = LocalEgress(own=tuple)
        yield ToolSetup(setup, egress)
        await egress.stop()
        assert os.listdir(setup.work) == []


@contextmanager
def origin() -> Iterator[tuple[int, list[str]]]:
    """A web server on the loopback interface: its port, and the paths of its requests."""
    requested: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested.append(self.path)
            self.send_response(200)
            self.send_header("content-length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1], requested
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_a_tool_sees_its_folders_and_its_files_are_kept(workspace: ToolSetup) -> None:
    code = """
import os, sys
print(sorted(os.environ), os.getcwd(), os.getuid(), os.listdir("/cache"))
print(open("given/name.txt").read(), file=sys.stderr)
print(open("/bundle/in").read())
try: open("/bundle/in", "w")
except OSError as e: print(e.strerror)
os.makedirs("out/deep"); open("out/deep/file", "w").write("made"); os.chmod("out", 0)
"""
    inputs = workspace.setup.bundle({"in": "an input"})
    spec = workspace.spec(
        code, env={"GIVEN": "1"}, files={"given/name.txt": "a=b\nc\u00e4"}, inputs=inputs
    )
    async with workspace.tools.run(spec) as run:
        assert (run.code, run.stopped) == (0, None), run.output
        lines = run.output.splitlines()
        expected = "['GIVEN', 'HOME', 'LANG', 'PATH', 'TMPDIR'] /work 1000 []"
        assert expected in [line.replace("'LC_CTYPE', ", "") for line in lines]
        assert {"a=b", "c\u00e4", "an input", "Read-only file system"} <= set(lines)
        assert "c\u00e4" not in run.stdout.decode()
        assert (run.work / "out").stat().st_mode & 0o777 == 0
        (run.work / "out").chmod(0o700)
        assert (run.work / "out" / "deep" / "file").read_text() == "made"
    assert not run.work.exists()


async def test_the_exit_code_of_a_tool_is_reported(workspace: ToolSetup) -> None:
    async with workspace.tools.run(workspace.spec("import sys; print('why'); sys.exit(3)")) as run:
        assert (run.code, run.stopped, run.output, run.stdout) == (3, None, "why\n", b"why\n")


async def test_output_is_bounded_and_credentials_are_masked(workspace: ToolSetup) -> None:
    code = "print('https://user:secret@host/x'); print('x' * 5_000_000); print('the end')"
    async with workspace.tools.run(workspace.spec(code)) as run:
        assert len(run.output) < 200_000
        assert len(run.stdout) == MIB
        assert run.output.startswith("https://***@host/x")
        assert run.output.endswith("the end\n")


async def test_time_is_limited(workspace: ToolSetup) -> None:
    code = "import os, time\nif os.fork() == 0: os.setsid()\ntime.sleep(600)"
    limits = replace(LIMITS, seconds=0.5)
    async with workspace.tools.run(workspace.spec(code, limits=limits)) as run:
        assert run.stopped is ToolStop.TIME
        assert not processes.with_work_folders(frozenset({run.work.name}))


async def test_memory_is_limited(workspace: ToolSetup) -> None:
    code = "a = []\nwhile True: a.append(bytearray(1 << 20))"
    limits = replace(LIMITS, memory=64 * MIB)
    async with workspace.tools.run(workspace.spec(code, limits=limits)) as run:
        assert run.stopped is ToolStop.MEMORY


@pytest.mark.parametrize("where", ["/work", "/cache"])
async def test_size_is_limited(workspace: ToolSetup, where: str) -> None:
    code = f"""
import time
for number in range(40):
    open("{where}/" + str(number), "wb").write(bytes(1 << 20))
time.sleep(600)
"""
    limits = replace(LIMITS, work_size=32 * MIB)
    async with workspace.tools.run(workspace.spec(code, limits=limits, cache="A")) as run:
        assert run.stopped is ToolStop.SIZE


async def test_a_work_folder_that_is_too_deep_is_refused(workspace: ToolSetup) -> None:
    code = "import os\nfor _ in range(90):\n    os.mkdir('d'); os.chdir('d')"
    async with workspace.tools.run(workspace.spec(code)) as run:
        assert run.stopped in (ToolStop.SIZE, None)  # without root the folder is not checked


async def test_a_symbolic_link_in_the_work_folder_is_not_followed(
    workspace: ToolSetup, tmp_path: Any
) -> None:
    target = tmp_path / "theirs"
    target.write_text("x")
    before = target.stat()
    code = f"import os; os.symlink({str(target)!r}, 'link'); os.symlink('/etc', 'etc')"
    async with workspace.tools.run(workspace.spec(code)) as run:
        assert stat.S_ISLNK((run.work / "link").lstat().st_mode)
    after = target.stat()
    assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode)


async def test_processes_left_by_a_tool_are_killed(workspace: ToolSetup) -> None:
    code = "import os, time\nif os.fork() == 0:\n    os.setsid(); os.close(1); os.close(2)\n"
    async with workspace.tools.run(workspace.spec(code + "    time.sleep(600)")) as run:
        assert (run.code, run.stopped) == (0, None)
        assert not processes.with_work_folders(frozenset({run.work.name}))


async def test_cancelling_kills_the_tool(workspace: ToolSetup) -> None:
    with origin() as (port, requested):
        target = f"127.0.0.1:{port}"

        async def hold() -> None:
            code = get(f"http://{target}/") + "import time; time.sleep(600)"
            async with workspace.tools.run(workspace.spec(code, access=access_to(target))):
                raise AssertionError("the tool has ended by itself")

        work = asyncio.create_task(hold())
        while not requested:
            await asyncio.sleep(0.01)
        (name,) = os.listdir(workspace.setup.work)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert os.listdir(workspace.setup.work) == []
        assert not processes.with_work_folders(frozenset({name}))


# --- caches


async def test_a_cache_persists_under_its_own_name_only(workspace: ToolSetup) -> None:
    write = "open('/cache/x', 'w').write('kept')"
    look = "import os; print(os.path.exists('/cache/x') and open('/cache/x').read())"
    await workspace.output_of(write, cache="ONE")
    assert await workspace.output_of(look, cache="ONE") == "kept"
    assert await workspace.output_of(look, cache="TWO") == "False"
    assert await workspace.output_of(look) == "False"
    await workspace.output_of(write)
    assert await workspace.output_of(look) == "False"


async def test_a_cache_has_one_user_at_a_time(workspace: ToolSetup) -> None:
    hold = "open('/cache/x', 'w').write('kept')\nimport os\nprint(sorted(os.listdir('/cache')))"
    async with workspace.tools.run(workspace.spec(hold, cache="ONE")):
        assert (
            await workspace.output_of("import os; print(os.listdir('/cache'))", cache="ONE") == "[]"
        )
    assert (
        await workspace.output_of("import os; print(os.listdir('/cache'))", cache="ONE") == "['x']"
    )


@pytest.mark.parametrize("name", ["../x", "a", "A/B", ".", "A" * 65])
async def test_invalid_cache_names_are_refused(workspace: ToolSetup, name: str) -> None:
    with pytest.raises(SandboxFault, match="cache"):
        await workspace.output_of("pass", cache=name)


async def test_a_cache_with_broken_permissions_can_be_used_again(workspace: ToolSetup) -> None:
    code = """
import os
os.makedirs("/cache/closed/in"); os.symlink("/etc/passwd", "/cache/link")
os.chmod("/cache/closed", 0); os.chmod("/cache", 0o500)
"""
    await workspace.output_of(code, cache="ONE")
    look = "import os; print(sorted(os.listdir('/cache'))); open('/cache/new', 'w')"
    assert await workspace.output_of(look, cache="ONE") in ("['closed', 'link']", "[]")


# --- the egress

GET = """
import urllib.request
for url in {urls!r}:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer: print(answer.read().decode())
    except OSError as error: print(getattr(error, "code", error))
"""


def get(*urls: str) -> str:
    return GET.format(urls=urls)


def access_to(*targets: str, allow: Sequence[str] | None = None) -> ToolAccess:
    return ToolAccess(targets, tuple(targets if allow is None else allow))


async def test_a_tool_reaches_only_its_targets(workspace: ToolSetup) -> None:
    with origin() as (port, requested), origin() as (other, other_requested):
        target = f"127.0.0.1:{port}"
        urls = [f"http://{target}/a", f"http://127.0.0.1:{other}/b", "http://example.invalid/"]
        code = get(*urls) + "import os; print(os.environ['no_proxy'] == '')"
        output = await workspace.output_of(code, access=access_to(target))
        assert output.split() == ["hello", "403", "403", "True"]
        assert (requested, other_requested) == (["/a"], [])


async def test_a_private_target_must_be_allowed(workspace: ToolSetup) -> None:
    with origin() as (port, requested):
        target = f"127.0.0.1:{port}"
        assert (
            await workspace.output_of(get(f"http://{target}/"), access=access_to(target, allow=()))
            == "403"
        )
        assert requested == []


async def test_a_tool_without_access_has_no_egress(workspace: ToolSetup) -> None:
    code = """
import socket
for port in (1080, 6000, 9222, 20086):
    try: socket.create_connection(("127.0.0.1", port), 5)
    except OSError as e: print(e.errno)
"""
    assert (await workspace.output_of(code)).split() == ["111"] * 4


async def test_traffic_is_limited(workspace: ToolSetup) -> None:
    with origin() as (port, _):
        target = f"127.0.0.1:{port}"
        code = get(*[f"http://{target}/"] * 50) + "raise SystemExit(1)"
        limits = replace(LIMITS, traffic=4000)
        async with workspace.tools.run(
            workspace.spec(code, limits=limits, access=access_to(target))
        ) as run:
            assert run.stopped is ToolStop.TRAFFIC


async def test_an_invalid_target_is_a_fault_of_the_platform(workspace: ToolSetup) -> None:
    with pytest.raises(SandboxFault, match="egress"):
        await workspace.output_of("pass", access=access_to("not a host"))
