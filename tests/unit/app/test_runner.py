"""How a runner is composed. No attempt is run."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from fyke.app import runner
from fyke.app.runner import identity, only_runner, open_sandbox
from fyke.contracts.execution import SandboxFault
from fyke.errors import Conflict
from fyke.sandbox.process.launcher_client import LauncherClient
from fyke.settings import Settings


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
    whole = identity(with_(settings, runner_cpus=0, runner_memory_mb=0))
    assert (whole.node, whole.cpus, whole.memory_mb) == ("NODE", 6.0, 8000)
    part = identity(with_(settings, runner_cpus=1.5, runner_memory_mb=512, runner_slots=3))
    assert (part.cpus, part.memory_mb, part.slots) == (1.5, 512, 3)
    assert part.id != whole.id


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


class Runner:
    """Records the calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def drain(self) -> None:
        self.calls.append("drain")

    def stop_all(self) -> None:
        self.calls.append("stop")


@pytest.mark.anyio
@pytest.mark.parametrize("orphaned", [False, True])
async def test_the_first_sigterm_drains_and_the_second_stops(
    monkeypatch: pytest.MonkeyPatch, orphaned: bool
) -> None:
    stub: Any = Runner()
    loop = asyncio.get_running_loop()
    runner._drain_on_sigterm(stub)
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
    expected = ["drain", "stop"] * 2 if orphaned else ["drain", "drain", "stop"]
    assert stub.calls == expected
