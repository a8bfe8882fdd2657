"""Files shared between sandboxes and the machine neither reveal activity nor block each other."""

from __future__ import annotations

import fcntl
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fyke.contracts.execution import Environment, Sandbox, SandboxLimits, SandboxSpec
from fyke.kit.ids import new_ulid
from fyke.model.worker import Language
from fyke.sandbox.isolation import bubblewrap
from fyke.sandbox.isolation.python_command import INTERPRETER
from integration.sandbox.sandboxes import (
    MIB,
    SPAWNERS,
    SandboxSetup,
    drain,
    line,
    sandbox_setup,
    version,
)

pytestmark = [pytest.mark.anyio, pytest.mark.needs("bwrap")]

# Watches every shared path, locks it, and tries a lease; prints all events at SIGTERM.
OBSERVER = """
import ctypes, errno, fcntl, json, os, signal, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
seen = {"refused": "", "leases": [], "locked": []}
queue = libc.inotify_init1(os.O_NONBLOCK)
if queue < 0:
    seen["refused"] = errno.errorcode[ctypes.get_errno()]
paths, watches = json.loads(os.environ["PATHS"]), {}
for path in paths if queue >= 0 else []:
    watches[libc.inotify_add_watch(queue, path.encode(), 0xFFF)] = path
files = []
for path in paths:
    try:
        files.append(open(path, "rb"))
    except OSError:
        continue  # a folder, or the terminal
    fcntl.flock(files[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    seen["locked"].append(path)
    for command in (1024, 1026):
        try:
            fcntl.fcntl(files[-1], command, 0)
            seen["leases"].append(path)
        except PermissionError:
            pass
def events():
    found = []
    while queue >= 0:
        try:
            data, at = os.read(queue, 1 << 20), 0
        except BlockingIOError:
            break
        while at < len(data):
            watch, mask, _, size = struct.unpack_from("iIII", data, at)
            name = data[at + 16 : at + 16 + size].rstrip(b"\\0").decode()
            found.append(f"{watches[watch]} {mask:#x} {name}")
            at += 16 + size
    return found
def report(*_):
    seen["foreign"] = events()
    open("/usr/bin/env", "rb").close()
    open("/work/own", "w").close()
    seen["own"] = events()
    print(json.dumps(seen), flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, report)
if queue >= 0:
    watches[libc.inotify_add_watch(queue, b"/work", 0xFFF)] = "/work"
events()
print("up", flush=True)
while True:
    signal.pause()
"""
USER = """
import json, os, pathlib, subprocess
for path in json.loads(os.environ["PATHS"]):
    try:
        open(path, "rb").close() if os.path.isfile(path) else os.listdir(path)
    except OSError:
        pass
subprocess.run(["/usr/bin/env"], stdout=subprocess.DEVNULL)
open("/dev/null", "w").write("x"); open("/dev/urandom", "rb").read(8)
import xml.dom.minidom
print(open("/bundle/data.txt").read(), open("/env/lib.txt").read())
"""
FILES = ("/usr/bin/env", "/etc/ld.so.cache", "/bundle/data.txt", "/env/lib.txt", "/dev/null")
FOLDERS = ("/usr/bin", "/usr/lib", "/bundle", "/env")


@pytest.fixture(params=SPAWNERS)
async def setup(request: pytest.FixtureRequest) -> AsyncIterator[SandboxSetup]:
    async with sandbox_setup(request.param) as setup:
        yield setup


@pytest.fixture
def shared(setup: SandboxSetup) -> Iterator[tuple[Path, Path]]:
    """The folder of a version with its dependencies, which all its sandboxes mount."""
    bundle = setup.bundle({"main.py": "import os; exec(os.environ['CODE'])", "data.txt": "data"})
    environment = setup.home / "cache" / "environments" / "e"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(INTERPRETER)
    (environment / "lib.txt").write_text("lib")
    for folder in (environment.parent, environment, environment / "bin"):
        folder.chmod(0o755)
    yield bundle, environment


async def start(
    setup: SandboxSetup, shared: tuple[Path, Path], code: str, paths: list[str]
) -> Sandbox:
    bundle, environment = shared
    spec = SandboxSpec(
        name=new_ulid(),
        owner="ACCOUNT",
        version=version(Language.PYTHON),
        bundle=bundle,
        environment=Environment(environment, ""),
        limits=SandboxLimits(cpus=1.0, memory=256 * MIB),
    )
    sandbox = await setup.sandbox.open(spec)
    setup.sandboxes.append(sandbox)
    await sandbox.launch({"CODE": code, "PATHS": json.dumps(paths)})
    return sandbox


def on_machine(paths: list[str], shared: tuple[Path, Path]) -> list[Path]:
    """The same files outside of the sandboxes."""
    folders = {"/bundle": shared[0], "/env": shared[1]}
    outside = []
    for path in paths:
        top, _, rest = path.strip("/").partition("/")
        outside.append(folders[f"/{top}"] / rest if f"/{top}" in folders else Path(path))
    return outside


def locked(files: list[Path]) -> list[str]:
    """Open each file, read from it, and return those that another process has locked."""
    paths = []
    for file in files:
        with file.open("rb") as opened:
            opened.read(1)
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                paths.append(str(file))
    return paths


async def watches_of(setup: SandboxSetup) -> str:
    report = await setup.sandbox.probe()
    [detail] = [detail for name, _, detail in report.checks if name == "watches"]
    return detail


def gives_own_inodes(setup: SandboxSetup, detail: str) -> bool:
    """Whether sandboxes share no inode here: root makes devices, bubblewrap 0.11 makes overlays."""
    if "no overlay can be mounted" in detail:
        pytest.skip(detail)
    answer = subprocess.run([bubblewrap.PROGRAM, "--version"], capture_output=True, text=True)
    major, minor = map(int, answer.stdout.split()[-1].split(".")[:2])
    return setup.launcher is not None and (major, minor) >= (0, 11)


async def test_watches_and_locks_stay_within_a_sandbox(
    setup: SandboxSetup, shared: tuple[Path, Path]
) -> None:
    detail = await watches_of(setup)
    devices = [f"/dev/{name}" for name in bubblewrap.DEVICES if name != "tty"]
    paths = sorted({*FILES, *FOLDERS, *devices, "/dev/tty", "/etc/ssl/certs"})
    paths = [path for path in paths if not path.startswith("/etc") or Path(path).exists()]
    observer = await start(setup, shared, OBSERVER, paths)
    assert await line(observer) == "up"

    user = await start(setup, shared, USER, paths)
    assert await drain(user) == ("data lib\n", "")
    files = [item for item in on_machine(paths, shared) if not item.is_dir()]
    blocked = locked([file for file in files if file != Path("/dev/tty")])
    with Path("/dev/null").open("w") as null:
        null.write("x")

    await observer.terminate()
    out, err = await drain(observer)
    report = json.loads(out)
    assert report["leases"] == [], err
    assert {"/usr/bin/env", "/bundle/data.txt", "/env/lib.txt"} <= set(report["locked"])
    assert report["foreign"] == []
    assert (report["refused"] == "") == gives_own_inodes(setup, detail)
    if report["refused"]:
        assert report["refused"] == "ENOSYS"
        assert "are shared with other sandboxes" in detail
        assert set(blocked) <= set(devices) or "overlay" in detail
    else:
        assert detail == "every file has its own inode"
        assert blocked == []
        assert any(event.startswith("/usr/bin 0x20 env") for event in report["own"])
        assert any(event.startswith("/work 0x100 own") for event in report["own"])


@pytest.mark.needs("node")
async def test_node_watches_its_own_files_or_gets_an_error(setup: SandboxSetup) -> None:
    code = """
const fs = require("fs");
try {
  fs.watch("/work", (event, name) => { console.log(event, name); process.exit(0); });
  fs.writeFileSync("/work/new", "x");
} catch (error) { console.log(error.code); }
"""
    sandbox = await setup.open({"main.js": code}, language=Language.NODE)
    await sandbox.launch({})
    out, err = await drain(sandbox)
    assert out in ("rename new\n", "ENOSYS\n"), err
    assert out.startswith("rename") == gives_own_inodes(setup, await watches_of(setup))
