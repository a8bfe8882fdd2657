"""How a runner is composed. No attempt is run."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from fyke.app import folder, node_stores, runner, runner_role, server
from fyke.app.folder import make_home
from fyke.app.runner import only_runner, open_sandbox, runner_size
from fyke.app.state import open_state
from fyke.contracts.execution import SandboxFault
from fyke.errors import Conflict
from fyke.kit.ids import new_ulid
from fyke.model.runner import RunnerInfo
from fyke.reasons import ReasonCode
from fyke.runner.loop import RunnerSize
from fyke.sandbox.process.launcher_client import LauncherClient
from fyke.settings import Settings
from support.prepared import state_in


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(home=tmp_path)
    made.run_dir.mkdir()
    made.work_dir.mkdir()
    made.node_file.write_text("NODE\n")
    return made


def with_(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update=changes)


@pytest.mark.parametrize(
    ("upstreams", "region", "passed"),
    [
        ({}, "", False),
        ({"US": "http://p"}, "", False),
        ({"US": "http://p"}, "us", True),
        ({"us": "http://p"}, "US", True),
        ({"US": "http://p"}, "DE", False),
        ({"*": "http://p"}, "", True),
    ],
)
def test_installations_use_the_proxy_of_the_default_region(
    settings: Settings, upstreams: dict[str, str], region: str, passed: bool
) -> None:
    changed = with_(settings, egress_upstreams=upstreams, default_region=region)
    assert runner.has_upstream(changed) is passed


def test_the_capacity_is_that_of_the_machine_or_the_settings(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    monkeypatch.setattr(runner, "_machine_memory_mb", lambda: 10_000)
    whole = runner_size(with_(settings, runner_cpus=0, runner_memory_mb=0))
    assert (whole.cpus, whole.memory_mb) == (6.0, 8000)
    part = runner_size(with_(settings, runner_cpus=1.5, runner_memory_mb=512, runner_slots=3))
    assert part == RunnerSize(1.5, 512, 3)


def test_leases_last_as_long_as_set_in_the_server_and_the_runner(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = with_(settings, lease_seconds=60, database_url="postgresql://db/fyke")
    built: dict[str, Any] = {}

    def note(module: Any, name: str) -> None:
        monkeypatch.setattr(
            module, name, lambda *args, **named: built.update({name: (args, named)})
        )

    note(server, "LeaseTimer")
    note(node_stores, "NodeStores")
    monkeypatch.setattr(server, "master_secret", lambda _: bytes(32))
    monkeypatch.setattr(node_stores, "master_secret", lambda _: bytes(32))
    runtime = MagicMock(settings=changed)
    server._timers(runtime, MagicMock(), MagicMock())
    node_stores.node_stores(runtime)
    assert built["LeaseTimer"][0][1] == built["NodeStores"][1]["lease_seconds"] == 60


def runner_at_work(settings: Settings, name: str, **changes: Any) -> RunnerInfo:
    info = RunnerInfo(new_ulid(), name, "full", "", 1, 512, int(time.time() * 1000))
    return replace(info, **({"place": folder.place(settings)} | changes))


@pytest.mark.anyio
async def test_a_copied_folder_gets_its_own_name(tmp_path: Path) -> None:
    original = Settings(home=tmp_path / "original")
    make_home(original)
    name = runner_role.node_name(original)
    copy = Settings(home=tmp_path / "copy")
    shutil.copytree(original.home, copy.home)
    state_in(tmp_path)
    settings = Settings(home=tmp_path)
    async with open_state(settings) as storage:
        for change in ({}, {"place": ""}, {"heartbeat_at": 0}):
            at_work = runner_at_work(original, name, **change)
            await storage.write(lambda tx, info=at_work: tx.runs.put_runner(info))
            if change:  # of an older release, or no longer there
                await runner_role.rename_copied_node(copy, storage)
                assert runner_role.node_name(copy) == name
            await runner_role.rename_copied_node(original, storage)
            assert runner_role.node_name(original) == name
            await storage.write(lambda tx, info=at_work: tx.runs.drop_runner(info.id))
        at_work = runner_at_work(original, name)
        await storage.write(lambda tx: tx.runs.put_runner(at_work))
        await runner_role.rename_copied_node(copy, storage)
        assert runner_role.node_name(copy) != name
        assert folder.place(copy) != folder.place(original)


def test_the_memory_of_the_machine_is_in_mebibytes() -> None:
    lines = Path("/proc/meminfo").read_text().splitlines()
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("MemTotal:"))
    assert abs(runner._machine_memory_mb() - kilobytes // 1024) <= 1


def test_a_folder_has_one_runner_at_a_time(settings: Settings) -> None:
    with only_runner(settings):
        words = f"uses the data folder {settings.home}; stop it first"
        with pytest.raises(Conflict, match=words), only_runner(settings):
            pytest.fail("both run")
    with only_runner(settings):
        pass


def test_root_starts_sandboxes_through_the_launcher_only(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(SandboxFault, match="through the launcher only"):
        open_sandbox(settings)
    sandbox = open_sandbox(with_(settings, launcher=True))
    assert isinstance(sandbox._spawner, LauncherClient)


STOP = ("stop", "do not wait")


class Runner:
    """Records the calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def drain(self) -> None:
        self.calls.append("drain")

    def stop_all(self, code: ReasonCode) -> None:
        assert code is ReasonCode.NODE_DRAINED
        self.calls.append("stop")

    def stop_waiting(self) -> None:
        self.calls.append("do not wait")


@pytest.mark.anyio
@pytest.mark.parametrize("orphaned", [False, True])
async def test_the_first_sigterm_drains_and_the_second_stops(
    monkeypatch: pytest.MonkeyPatch, orphaned: bool
) -> None:
    stub: Any = Runner()
    loop = asyncio.get_running_loop()
    runner.drain_on_sigterm(stub, stub, ReasonCode.NODE_DRAINED)
    if orphaned:  # no supervisor is left to send a second one
        monkeypatch.setattr(os, "getppid", lambda: -1)
    try:
        for _ in range(2):
            handled = len(stub.calls)
            os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(10):
                while len(stub.calls) == handled:
                    await asyncio.sleep(0)
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
    expected = ["drain", *STOP] * 2 if orphaned else ["drain", "drain", *STOP]
    assert stub.calls == expected
