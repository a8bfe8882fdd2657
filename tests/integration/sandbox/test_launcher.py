"""The launcher of root: accepted clients, refused requests, and the end of all processes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.execution import Isolation, SandboxFault
from fyke.kit.ids import new_ulid
from fyke.sandbox.factory import BubblewrapSandboxes
from fyke.sandbox.isolation import cgroup_files
from fyke.sandbox.isolation.cgroup_v1 import GroupV1
from fyke.sandbox.isolation.cgroups import detect
from fyke.sandbox.process import processes
from fyke.sandbox.process.folders import WorkFolders
from fyke.sandbox.process.launcher import Launcher, serve
from fyke.sandbox.process.launcher_client import LauncherClient, LauncherGone
from fyke.sandbox.process.order import BadLaunchOrder
from fyke.sandbox.process.spawner import DirectSpawner
from fyke.sandbox.process.user_claims import active_claims, claim_users
from integration.sandbox.sandboxes import (
    MIB,
    ROOT,
    SERVICE_UID,
    UID_BASE,
    UID_COUNT,
    SandboxSetup,
    connect,
    data_folder,
    launched,
    launcher,
    line,
    others_can_run_us,
    used_launcher,
)
from support.processes import is_alive

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not ROOT, reason="the launcher is a program of root"),
    pytest.mark.needs("bwrap"),
]

CLIENTS_OF_OTHERS = pytest.mark.skipif(
    not others_can_run_us(), reason="this Python is closed to other users"
)
SLEEP = "import time\nprint('up', flush=True)\ntime.sleep(600)\n"
IGNORES_SIGTERM = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEP


@pytest.fixture
async def setup() -> AsyncIterator[SandboxSetup]:
    async with used_launcher() as opened:
        yield opened


def order(setup: SandboxSetup, **changes: Any) -> dict[str, Any]:
    """A valid order with these changes."""
    good = {
        "name": new_ulid(),
        "kind": "python",
        "bundle": str(setup.bundle({"main.py": SLEEP})),
        "environment": None,
        "cpus": 1.0,
        "memory": 64 * MIB,
        "processes": 32,
        "tmp_size": 16 * MIB,
        "work_size": 16 * MIB,
    }
    return good | changes


def sandboxes_of(names: set[str]) -> dict[str, list[int]]:
    return processes.with_work_folders(frozenset(names))


async def until(holds: Callable[[], bool], seconds: float = 10) -> float:
    """Poll until true, because there is no event to wait for; return the seconds it took."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() < started + seconds, f"not true within {seconds} s"
        await asyncio.sleep(0.02)
    return time.monotonic() - started


async def running(setup: SandboxSetup, count: int = 1, code: str = IGNORES_SIGTERM) -> set[str]:
    names = {new_ulid() for _ in range(count)}
    for name in names:
        sandbox = await setup.open(code, name=name)
        await sandbox.launch({})
        await line(sandbox)
    return names


async def test_every_process_is_in_the_control_groups_from_the_beginning(
    setup: SandboxSetup,
) -> None:
    if detect(setup.work).kind != "v1":
        pytest.skip("only with control groups v1 a thread can enter one")
    [name] = await running(setup)
    group = detect(setup.work).find(name)
    assert isinstance(group, GroupV1)
    inside = set(sandboxes_of({name})[name])
    for controller, path in group.paths.items():
        members = set(cgroup_files.pids(path))
        assert inside < members, controller
        assert len(members) == len(inside) + 1, controller  # and bubblewrap itself, outside


async def idle(setup: SandboxSetup) -> str:
    """The name of a sandbox whose interpreter waits for an attempt."""
    name = new_ulid()
    sandbox = await setup.sandbox.open_idle(setup.spec(SLEEP, name=name))
    setup.sandboxes.append(sandbox)
    return name


# --- accepted clients


@pytest.mark.parametrize("uid", [0, 1, SERVICE_UID + 1, UID_BASE])
async def test_other_users_are_refused(setup: SandboxSetup, uid: int) -> None:
    (setup.home / "run").chmod(0o711)
    client = await connect(setup.home, uid)
    with pytest.raises(SandboxFault):
        await client.limits()
    await client.close()


async def test_the_group_must_match_too(setup: SandboxSetup) -> None:
    client = LauncherClient(setup.home / "run" / "launcher.sock")
    os.seteuid(SERVICE_UID)
    try:
        await client.connect()
    finally:
        os.seteuid(0)
    with pytest.raises(SandboxFault):
        await client.limits()
    await client.close()


async def test_a_missing_launcher_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SandboxFault, match="no launcher at"):
        await LauncherClient(tmp_path / "launcher.sock", timeout=0).limits()


# --- refused requests


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("name", value) for value in ("", "a", "../X", "A/B", "A" * 65, None, 7, "A\0", "A\n")],
        *[("kind", value) for value in ("", "ruby", None, ["python"], {"a": 1})],
        *[("cpus", value) for value in (0, -1, float("nan"), float("inf"), "1", None, True, 1e9)],
        *[("memory", value) for value in (0, -1, 1.5, "64", None, True, 2**63)],
        *[("processes", value) for value in (0, -5, 2**40, "8")],
        *[("tmp_size", value) for value in (0, 2**60, None)],
        *[("work_size", value) for value in (0, 2**60, None)],
        *[("bundle", value) for value in (None, 5, "", "relative", "/", "/etc", "/root", "/proc")],
        *[("environment", value) for value in (5, "", "usr", "/", "/usr", "/etc", "/dev")],
    ],
)
async def test_the_error_for_a_bad_field_names_it(
    setup: SandboxSetup, field: str, value: Any
) -> None:
    with pytest.raises(SandboxFault, match=field):
        await setup.spawner.ask("open", **order(setup, **{field: value}))  # type: ignore[attr-defined]
    assert os.listdir(setup.work) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda home: home,
        lambda home: home / "cache",
        lambda home: home / "run",
        lambda home: home / "work",
        lambda home: home / "cache" / "bundles" / ".." / ".." / "run",
        lambda home: home / "cache" / "bundles" / "missing",
        lambda home: home / "cache" / "bundles" / "file",
        lambda home: home / "cache" / "bundles" / "link",
        lambda home: home / "cache" / "link" / "passwd",
    ],
)
@pytest.mark.parametrize("field", ["bundle", "environment"])
async def test_only_folders_of_the_cache_are_mounted(
    setup: SandboxSetup, field: str, make: Callable[[Path], Path]
) -> None:
    bundles = setup.home / "cache" / "bundles"
    (bundles / "file").write_text("x")
    (bundles / "link").symlink_to("/root")
    (setup.home / "cache" / "link").symlink_to("/etc")
    with pytest.raises(SandboxFault, match=field):
        await setup.spawner.ask("open", **order(setup, **{field: str(make(setup.home))}))  # type: ignore[attr-defined]
    assert os.listdir(setup.work) == []


@pytest.mark.parametrize(
    "packet",
    [
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"id": 1}',
        b'{"id": 1, "op": "exec"}',
        b'{"id": 1, "op": "sweep", "living": 5}',
        b'{"id": 1, "op": "sweep", "living": ["../x"]}',
        b'{"id": 1, "op": "kill"}',
        b'{"id": 1, "op": "drop_cache", "cache": "../x"}',
        b'{"id": 1, "op": "drop_cache"}',
        b'{"id": 1, "op": "save_cache", "name": "A", "limit": -1}',
        b'{"id": 1, "op": "save_cache", "name": "A", "limit": true}',
        b'{"id": 1, "op": "save_cache", "name": "A"}',
        b"\xff\xfe",
        b"[" * 60000,
    ],
)
async def test_invalid_requests_are_answered_with_an_error(
    setup: SandboxSetup, packet: bytes
) -> None:
    with raw_connection(setup.home) as raw:
        raw.send(packet)
        answer = json.loads(raw.recv(65536))
        assert "error" in answer
    assert (await setup.spawner.limits())[0] in ("v1", "v2", "none")


async def test_descriptors_sent_with_a_request_are_dropped(setup: SandboxSetup) -> None:
    assert setup.launcher is not None
    folder = f"/proc/{setup.launcher.pid}/fd"
    with raw_connection(setup.home) as raw:
        await setup.spawner.limits()
        before = len(os.listdir(folder))
        for _ in range(20):
            socket.send_fds(raw, [b'{"id": 1, "op": "limits"}'], [0, 0, 0, 0])
            raw.recv(65536)
        assert len(os.listdir(folder)) == before


async def test_sandboxes_of_another_connection_cannot_be_used(setup: SandboxSetup) -> None:
    (name,) = await running(setup)
    other = await connect(setup.home)
    for operation in ("wait", "usage", "cpu", "terminate", "kill", "close"):
        with pytest.raises(SandboxFault, match="this client has no such sandbox"):
            await other.ask(operation, name=name)
    with pytest.raises(SandboxFault, match="this client has no such sandbox"):
        await other.ask("save_cache", name=name, limit=1)
    with pytest.raises(SandboxFault, match="only a browser with a cache"):
        await setup.spawner.ask("save_cache", name=name, limit=1)  # type: ignore[attr-defined]
    assert await other.sweep(frozenset()) == []
    await other.close()
    await asyncio.sleep(0.2)
    assert sandboxes_of({name})


async def test_only_the_sandbox_of_the_inspector_can_be_inspected(setup: SandboxSetup) -> None:
    (name,) = await running(setup)
    with pytest.raises(SandboxFault, match="only a running sandbox of the inspector"):
        await setup.spawner.ask("observe", name=name)  # type: ignore[attr-defined]
    report = await setup.sandbox.probe()
    assert report.level is not Isolation.NONE, report


def test_a_range_with_user_0_or_the_service_is_refused(tmp_path: Path) -> None:
    for base in (0, -5, SERVICE_UID, SERVICE_UID - 3):
        with pytest.raises(ValueError, match="range"):
            serve(tmp_path / "s", tmp_path, SERVICE_UID, SERVICE_UID, base, 10, lambda: None)


def test_root_never_starts_sandboxes_directly(tmp_path: Path) -> None:
    with pytest.raises(SandboxFault, match="launcher"):
        DirectSpawner(tmp_path / "work")


def test_users_with_an_account_are_skipped(tmp_path: Path) -> None:
    known = next(entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid > 1)
    two_users_launcher = Launcher(tmp_path, (SERVICE_UID, SERVICE_UID), range(known, known + 1))
    with pytest.raises(BadLaunchOrder, match="widen the range"):
        two_users_launcher.take_user("A")
    two_users_launcher = Launcher(
        tmp_path, (SERVICE_UID, SERVICE_UID), range(UID_BASE, UID_BASE + 2)
    )
    assert two_users_launcher.take_user("A") != two_users_launcher.take_user("B")
    with pytest.raises(BadLaunchOrder, match="already"):
        two_users_launcher.take_user("A")
    with pytest.raises(BadLaunchOrder, match="widen the range"):
        two_users_launcher.take_user("C")
    two_users_launcher.free_user("A")
    assert two_users_launcher.take_user("C") == UID_BASE


# --- users and folders


async def test_every_sandbox_has_a_separate_user(setup: SandboxSetup) -> None:
    names = await running(setup, 3)
    owners = {os.stat(setup.work / name).st_uid for name in names}
    assert len(owners) == 3
    [users] = [
        active_claim.users
        for active_claim in active_claims()
        if active_claim.home == str(setup.home)
    ]
    assert len(users) == UID_COUNT
    assert owners <= set(users)
    for name, pids in sandboxes_of(names).items():
        owner = os.stat(setup.work / name).st_uid
        for pid in pids:
            with open(f"/proc/{pid}/status") as file:
                rows = dict(row.rstrip("\n").split(":", 1) for row in file)
            assert rows["Uid"].split() == [str(owner)] * 4
            assert rows["Gid"].split() == [str(owner)] * 4
            assert rows["Groups"].split() == []
        assert os.stat(setup.work / name).st_mode & 0o777 == 0o700


async def test_two_installations_never_share_a_user(setup: SandboxSetup) -> None:
    async with used_launcher() as other:
        owners = []
        for item in (setup, other):
            names = await running(item, 2)
            owners.append({os.stat(item.work / name).st_uid for name in names})
        assert owners[0].isdisjoint(owners[1])
        first, second = (
            next(claim.users for claim in active_claims() if claim.home == str(item.home))
            for item in (setup, other)
        )
        assert set(first).isdisjoint(second)
    assert setup.launcher is not None


async def test_the_users_of_a_killed_launcher_are_free(tmp_path: Path) -> None:
    with data_folder() as home:
        with launcher(home) as killed:
            [before] = [
                active_claim.users
                for active_claim in active_claims()
                if active_claim.home == str(home)
            ]
            killed.kill()
            killed.wait(20)
        assert str(home) not in {active_claim.home for active_claim in active_claims()}
        claim = claim_users(before.start, len(before), home)
        assert claim.users == before
        claim.close()


async def test_root_owns_the_folder_of_work_folders(setup: SandboxSetup) -> None:
    info = os.stat(setup.work)
    assert (info.st_uid, info.st_mode & 0o777) == (0, 0o711)


async def test_a_work_folder_cannot_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "work").symlink_to("/etc")
    with pytest.raises(OSError):
        Launcher(tmp_path, (SERVICE_UID, SERVICE_UID), range(UID_BASE, UID_BASE + 1))


# --- no process outlives the launcher


async def test_sandboxes_end_with_their_client(setup: SandboxSetup) -> None:
    names = await running(setup, 3)
    assert set(sandboxes_of(names)) == names
    await setup.spawner.close()  # type: ignore[attr-defined]
    seconds = await until(lambda: not sandboxes_of(names) and os.listdir(setup.work) == [])
    assert seconds < 5
    with pytest.raises(LauncherGone):
        await setup.sandboxes[0].wait()


CLIENT = """
import asyncio, json, sys
from pathlib import Path
from fyke.contracts.execution import SandboxFault
from fyke.sandbox.process.launcher_client import LauncherClient

async def main():
    client = LauncherClient(Path(sys.argv[1]))
    order = json.loads(sys.argv[2])
    await client.ask("open", **order)
    print("open", flush=True)
    try:
        await client.ask("wait", name=order["name"])
    except SandboxFault as error:
        print(error, flush=True)

asyncio.run(main())
"""


@contextlib.contextmanager
def client_process(
    setup: SandboxSetup, name: str, *, idle: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """A client in a separate process, with a sandbox of this ``name``."""
    (setup.home / "run").chmod(0o711)
    child = subprocess.Popen(
        [
            *(sys.executable, "-c", CLIENT, str(setup.home / "run" / "launcher.sock")),
            json.dumps(order(setup, name=name, idle=idle)),
        ],
        user=SERVICE_UID,
        group=SERVICE_UID,
        extra_groups=[],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "open\n"
            assert sandboxes_of({name})
            yield child
        finally:
            child.kill()


@CLIENTS_OF_OTHERS
@pytest.mark.parametrize("idle", [False, True], ids=["running", "idle"])
async def test_sandboxes_end_when_the_client_is_killed(setup: SandboxSetup, idle: bool) -> None:
    name = new_ulid()
    with client_process(setup, name, idle=idle) as child:
        child.kill()
        assert await until(lambda: not sandboxes_of({name}) and os.listdir(setup.work) == []) < 5


@CLIENTS_OF_OTHERS
async def test_the_sandboxes_of_a_frozen_client_end_and_those_of_others_continue() -> None:
    frozen, other = new_ulid(), new_ulid()
    with data_folder() as home:
        async with launched(home, client_silence=3) as setup:
            sandbox = await setup.open(IGNORES_SIGTERM, name=other)
            await sandbox.launch({})
            await line(sandbox)
            with client_process(setup, frozen) as child:
                child.send_signal(signal.SIGSTOP)
                await until(lambda: not sandboxes_of({frozen}), 30)
                assert sandboxes_of({other})
                child.send_signal(signal.SIGCONT)
                assert child.stdout is not None
                assert "no report for 3 s" in child.stdout.readline()
            await sandbox.close()


async def test_no_sandbox_survives_a_killed_launcher(setup: SandboxSetup) -> None:
    names = await running(setup, 3) | {await idle(setup)}
    waiting = asyncio.create_task(setup.sandboxes[0].wait())
    await asyncio.sleep(0)
    assert setup.launcher is not None
    setup.launcher.kill()
    setup.launcher.wait()
    assert await until(lambda: not sandboxes_of(names)) < 5
    with pytest.raises(SandboxFault):
        await asyncio.wait_for(waiting, 5)
    for sandbox in setup.sandboxes:
        await sandbox.close()
    assert set(os.listdir(setup.work)) == names  # the next launcher removes it
    with launcher(setup.home):
        assert os.listdir(setup.work) == []
        assert detect(setup.work).names() == []
        client = await connect(setup.home)
        restarted = SandboxSetup(setup.home, BubblewrapSandboxes(setup.work, client), client)
        out, _, ended = await restarted.run("print('back')")
        assert (out, ended.code) == ("back\n", 0)
        await restarted.sandboxes[0].close()
        await client.close()


async def test_a_launcher_of_a_copied_data_folder_ends_no_sandbox_of_the_original(
    setup: SandboxSetup,
) -> None:
    names = await running(setup, 2)
    before = sandboxes_of(names)
    with data_folder() as copy:
        shutil.copytree(setup.work, copy / "work")
        assert {*os.listdir(copy / "work")} == names
        with launcher(copy):
            assert os.listdir(copy / "work") == []
            assert sandboxes_of(names) == before
    assert {*os.listdir(setup.work)} == names


async def test_sandboxes_are_found_by_the_work_folders_of_a_renamed_data_folder(
    setup: SandboxSetup,
) -> None:
    names = frozenset(await running(setup, 2))
    before = sandboxes_of({*names})
    renamed = setup.home.with_name(f"{setup.home.name}-renamed")
    setup.home.rename(renamed)
    try:
        folders = WorkFolders(renamed / "work")
        assert processes.with_work_folders(names, folders.places(names)) == before
        folders.close()
    finally:
        renamed.rename(setup.home)


async def test_a_regular_stop_leaves_no_files(setup: SandboxSetup) -> None:
    names = await running(setup, 2) | {await idle(setup)}
    assert setup.launcher is not None
    setup.launcher.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(setup.launcher.wait, 20) == 0
    assert sandboxes_of(names) == {}
    assert os.listdir(setup.work) == []
    assert detect(setup.work).names() == []
    detect(setup.work).close()


async def test_a_stop_right_after_the_client_disconnects_leaves_no_files(
    setup: SandboxSetup,
) -> None:
    await running(setup, 3)
    assert setup.launcher is not None
    await setup.spawner.close()  # type: ignore[attr-defined]
    setup.launcher.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(setup.launcher.wait, 20) == 0
    assert os.listdir(setup.work) == []
    assert detect(setup.work).names() == []


async def test_the_launcher_runs_as_a_program_and_ends_with_its_parent() -> None:
    with data_folder() as home:
        path = home / "run" / "launcher.sock"
        arguments = [
            *(sys.executable, "-m", "fyke.sandbox.process.launcher", "--socket", str(path)),
            *("--home", str(home), "--uid", str(SERVICE_UID), "--gid", str(SERVICE_UID)),
            *("--uid-base", str(UID_BASE), "--uid-count", "4"),
        ]
        starter = (
            "import os,subprocess,sys;"
            "p=subprocess.Popen([*sys.argv[1:],'--parent',str(os.getpid())]);"
            "print(p.pid,flush=True);p.wait()"
        )
        parent = subprocess.Popen(
            [sys.executable, "-c", starter, *arguments],
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        await until(path.exists, 20)
        client = await connect(home)
        names = await running(
            SandboxSetup(home, BubblewrapSandboxes(home / "work", client), client)
        )
        assert sandboxes_of(names)
        parent.kill()
        parent.wait()
        parent.stdout.close()
        await until(lambda: not is_alive(pid))
        assert sandboxes_of(names) == {}
        assert os.listdir(home / "work") == []
        await client.close()
        detect(home / "work").close()


async def test_an_open_request_whose_client_has_disconnected_is_undone(setup: SandboxSetup) -> None:
    client = setup.spawner
    for _ in range(5):
        opening = asyncio.create_task(client.ask("open", **order(setup)))  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    await until(lambda: os.listdir(setup.work) == [])
    assert setup.launcher is not None
    assert setup.launcher.poll() is None


@pytest.mark.long
async def test_many_opened_and_closed_sandboxes_leak_no_descriptor(setup: SandboxSetup) -> None:
    assert setup.launcher is not None
    folders = ("/proc/self/fd", f"/proc/{setup.launcher.pid}/fd")
    counts = []
    for _ in range(3):
        for _ in range(4):
            await setup.run("print(1)")
        for sandbox in setup.sandboxes:
            await sandbox.close()
            for listener in sandbox.listeners.values():
                listener.close()
        gc.collect()  # otherwise sockets of earlier tests would be counted
        counts.append([len(os.listdir(folder)) for folder in folders])
    assert counts[1] == counts[2]


def raw_connection(home: Path) -> Any:
    return _Raw(home)


class _Raw:
    """A connection of the service user that sends raw bytes."""

    def __init__(self, home: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(10)
        os.setegid(SERVICE_UID)
        os.seteuid(SERVICE_UID)
        try:
            self._socket.connect(str(home / "run" / "launcher.sock"))
        finally:
            os.seteuid(0)
            os.setegid(0)

    def __enter__(self) -> socket.socket:
        return self._socket

    def __exit__(self, *_: object) -> None:
        self._socket.close()
