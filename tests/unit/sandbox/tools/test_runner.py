"""The order, the limits and the job of a tool's sandbox, and what stops a tool."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from fyke.contracts.execution import SandboxFault, SandboxUsage
from fyke.contracts.tools import ToolKind, ToolLimits, ToolSpec, ToolStop
from fyke.sandbox.process import folders
from fyke.sandbox.process.order import parse
from fyke.sandbox.tools import runner
from fyke.sandbox.tools.runner import SandboxedTools

LIMITS = ToolLimits(seconds=7, cpus=0.5, memory=2**28, processes=9, work_size=2**25)
SPEC = ToolSpec(ToolKind.UV, ["/bin/tool", "-x"], LIMITS, cache="01ARZ3-UV")


class Sandbox:
    """A sandbox that returns the usages in turn; an exception is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    async def usage(self) -> SandboxUsage:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return cast(SandboxUsage, answer)

    @staticmethod
    def process_limits() -> list[tuple[str, str]]:
        return [("l", "7=1")]


def test_the_launcher_accepts_the_order_of_a_tool(tmp_path: Path) -> None:
    one, two = runner._order(SPEC), runner._order(SPEC)
    assert parse(one.to_message(), tmp_path) == one
    assert one.name.startswith("TOOL-") and one.name != two.name
    assert (one.cpus, one.memory, one.processes, one.work_size) == (0.5, 2**28, 9, 2**25)
    assert (one.kind, one.cache, one.environment) == ("uv", "01ARZ3-UV", None)


def test_an_invalid_cache_name_is_a_fault() -> None:
    with pytest.raises(SandboxFault, match="cache"):
        runner._order(replace(SPEC, cache="../etc"))


def test_a_file_may_be_as_large_as_the_work_folder() -> None:
    limits = runner._sandbox_limits(LIMITS)
    assert (limits.file_size, limits.work_size) == (2**25, 2**25)
    assert (limits.cpus, limits.memory, limits.open_files) == (0.5, 2**28, LIMITS.open_files)


def test_a_job_has_variables_files_and_the_command_in_this_order() -> None:
    spec = replace(SPEC, files={"out/a": "x=y"})
    sandbox: Any = Sandbox()
    job = runner._job(sandbox, spec, {"HOME": "/elsewhere", "MORE": "1"})
    assert dict(entry[1].split("=", 1) for entry in job if entry[0] == "e") == {
        "PATH": runner.SYSTEM_PATH,
        "LANG": "C.UTF-8",
        "HOME": "/elsewhere",
        "TMPDIR": "/work/.tmp",
        "MORE": "1",
    }
    assert [entry for entry in job if entry[0] != "e"] == [
        ("l", "7=1"),
        ("d", "/work/.home"),
        ("d", "/work/.tmp"),
        ("f", "/work/out/a=x=y"),
        ("a", "/bin/tool"),
        ("a", "-x"),
    ]


@pytest.mark.anyio
async def test_no_tool_starts_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "MIN_FREE_BYTES", 2**80)
    tools = SandboxedTools(tmp_path, cast(Any, None), cast(Any, None))
    with pytest.raises(
        SandboxFault,
        match=r"the disk of the runner has .* free, and a sandbox needs .*; free some space",
    ):
        async with tools.run(SPEC):
            pytest.fail("it has started")


@pytest.mark.anyio
async def test_a_failed_measurement_does_not_end_the_watch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "_MEASURE_SECONDS", 0.0)
    fits = SandboxUsage(cpu_ms=0, memory_peak=0, work_bytes=100)
    sandbox: Any = Sandbox(fits, SandboxFault("busy"), replace(fits, work_bytes=101))
    await runner._until_too_large(sandbox, 100)
    assert sandbox.answers == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("ended", "too_large", "stopped"),
    [
        (True, True, None),
        (True, False, None),
        (False, True, ToolStop.SIZE),
        (False, False, ToolStop.TIME),
    ],
)
async def test_a_tool_that_has_ended_counts_as_not_stopped(
    ended: bool, too_large: bool, stopped: ToolStop | None
) -> None:
    async def wait_unless(done: bool) -> Any:
        return None if done else await asyncio.Event().wait()

    tasks = [asyncio.create_task(wait_unless(done)) for done in (ended, too_large)]
    await asyncio.sleep(0)
    tools = SandboxedTools(Path(), cast(Any, None), cast(Any, None))
    assert await tools._why_stopped("A", *tasks) is stopped
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
