"""What a runner says of its disk."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from fyke.model.runner import NOT_MEASURED
from fyke.runner.disk import DiskFacts, RunnerDisk

pytestmark = pytest.mark.anyio


async def test_the_caches_are_measured_and_a_failure_is_survived(tmp_path: Path) -> None:
    measured, answers = asyncio.Event(), [OSError("unreadable"), 42]
    loop = asyncio.get_running_loop()

    def measure() -> int:
        answer = answers.pop(0)
        loop.call_soon_threadsafe(measured.set)
        if isinstance(answer, OSError):
            raise answer
        return answer

    disk = RunnerDisk(tmp_path, measure, floor=7)
    for expected in (NOT_MEASURED, 42):
        watching = asyncio.create_task(disk.watch())
        async with asyncio.timeout(30):
            await measured.wait()
            while disk.facts().caches != expected:
                await asyncio.sleep(0)
        assert not watching.done()
        watching.cancel()
        measured.clear()


async def test_the_facts_are_those_of_the_folder(tmp_path: Path) -> None:
    facts = RunnerDisk(tmp_path, lambda: 0, floor=7).facts()
    assert facts.total == shutil.disk_usage(tmp_path).total and 0 < facts.free <= facts.total
    assert facts.floor == 7
    absent = RunnerDisk(tmp_path / "absent", lambda: 0, floor=7).facts()
    assert absent == DiskFacts(floor=7) and absent.caches == NOT_MEASURED
