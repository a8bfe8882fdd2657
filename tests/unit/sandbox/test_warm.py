"""Which versions have idle sandboxes, who gets them, and when they are started and closed."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from fyke.contracts.execution import (
    DiskShort,
    Environment,
    IdleSandboxes,
    SandboxFault,
    SandboxLimits,
    SandboxSpec,
    SandboxUsage,
)
from fyke.kit.ids import new_ulid
from fyke.model.node import RunnableVersion
from fyke.model.worker import BrowserNeed, Language
from fyke.sandbox import warm
from fyke.sandbox.warm import WarmSandboxes

pytestmark = pytest.mark.anyio

LIMITS = SandboxLimits(cpus=1.0, memory=2**28)


class Box:
    """A sandbox that records what happens to it."""

    def __init__(self, spec: SandboxSpec) -> None:
        self.spec = spec
        self.assigned: list[SandboxLimits] = []
        self.fault = ""
        self.closed = False
        self.on_launch: Callable[[], None] = lambda: None

    async def assign(self, limits: SandboxLimits) -> None:
        if self.fault:
            raise SandboxFault(self.fault)
        self.assigned.append(limits)

    async def usage(self) -> SandboxUsage:
        if self.fault:
            raise SandboxFault(self.fault)
        return SandboxUsage(memory=7 * 2**20)

    async def close(self) -> None:
        self.closed = True


class Cold:
    """``BubblewrapSandboxes`` without processes."""

    def __init__(self) -> None:
        self.opened: list[Box] = []
        self.idle: list[Box] = []
        self.faults: list[SandboxFault] = []  # of the next calls of ``open``
        self.idle_fault: SandboxFault | None = None
        self.may_open = asyncio.Event()
        self.may_open.set()
        self.may_open_idle = asyncio.Event()
        self.may_open_idle.set()
        self.starting = 0  # idle sandboxes, so far

    async def open(self, spec: SandboxSpec) -> Box:
        await self.may_open.wait()
        if self.faults:
            raise self.faults.pop(0)
        self.opened.append(Box(spec))
        return self.opened[-1]

    async def open_idle(self, spec: SandboxSpec) -> Box:
        self.starting += 1
        await asyncio.sleep(0)
        await self.may_open_idle.wait()
        if self.idle_fault is not None:
            raise self.idle_fault
        self.idle.append(Box(spec))
        return self.idle[-1]

    @property
    def living(self) -> list[Box]:
        """Idle sandboxes that are neither assigned nor closed."""
        return [box for box in self.idle if not box.assigned and not box.closed]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "LAUNCH_SECONDS", 0.001)
    monkeypatch.setattr(warm, "CHECK_SECONDS", 0.01)


@pytest.fixture
def cold() -> Cold:
    return Cold()


def sandboxes(cold: Cold, count: int = 4, idle_seconds: float = 600) -> WarmSandboxes:
    return WarmSandboxes(cast(Any, cold), count, idle_seconds)


def spec_of(folder: Path, name: str = "A", owner: str = "ACCOUNT") -> SandboxSpec:
    bundle, environment = folder / f"bundle-{name}", folder / f"environment-{name}"
    for path in (bundle, environment):
        path.mkdir(exist_ok=True)
    version = RunnableVersion(
        id=name,
        worker_id="WORKER",
        number="1.0.0",
        digest=name * 64,
        language=Language.PYTHON,
        requirements="",
        builds=False,
        egress=None,
        secrets=(),
        browser=BrowserNeed.UNKNOWN,
    )
    return SandboxSpec(new_ulid(), owner, version, bundle, Environment(environment, ""), LIMITS)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.001)


def names(boxes: list[Box]) -> Counter[str]:
    return Counter(box.spec.version.id for box in boxes)


async def test_a_start_is_followed_by_a_sandbox_for_the_next_one(
    cold: Cold, tmp_path: Path
) -> None:
    warm_sandboxes, spec = sandboxes(cold), spec_of(tmp_path)
    async with warm_sandboxes.kept():
        assert await warm_sandboxes.open(spec) is cold.opened[0]
        await until(lambda: warm_sandboxes.idle == 1)
        limits = replace(LIMITS, cpus=0.5, memory=2**29)
        second = await warm_sandboxes.open(replace(spec, name=new_ulid(), limits=limits))
        assert second is cold.idle[0]
        assert cold.idle[0].assigned == [limits]
        assert len(cold.opened) == 1


async def test_no_sandbox_is_used_twice_and_each_has_a_name_of_its_own(
    cold: Cold, tmp_path: Path
) -> None:
    warm_sandboxes, spec = sandboxes(cold), spec_of(tmp_path)
    async with warm_sandboxes.kept():
        seen: list[object] = []
        for _ in range(6):
            seen.append(await warm_sandboxes.open(spec))
            await until(lambda: warm_sandboxes.idle)
        assert len({id(box) for box in seen}) == 6
    idle_names = [box.spec.name for box in cold.idle]
    assert len({*idle_names, spec.name}) == len(idle_names) + 1


@pytest.mark.parametrize(
    "change",
    [
        {"owner": "ANOTHER"},
        {"version": {"id": "B"}},
        {"version": {"digest": "B" * 64}},
        {"version": {"language": Language.NODE}},
        {"bundle": "bundle-B"},
        {"environment": "environment-B"},
        {"limits": replace(LIMITS, processes=64)},
        {"limits": replace(LIMITS, tmp_size=2**20)},
        {"limits": replace(LIMITS, open_files=64)},
        {"limits": replace(LIMITS, file_size=2**20)},
    ],
    ids=str,
)
async def test_only_an_attempt_with_the_same_content_gets_it(
    cold: Cold, tmp_path: Path, change: dict[str, Any]
) -> None:
    warm_sandboxes, spec = sandboxes(cold), spec_of(tmp_path)
    spec_of(tmp_path, "B")
    if "version" in change:
        change = {"version": replace(spec.version, **change["version"])}
    if "bundle" in change:
        change = {"bundle": tmp_path / change["bundle"]}
    if "environment" in change:
        change = {"environment": Environment(tmp_path / change["environment"], "")}
    async with warm_sandboxes.kept():
        await warm_sandboxes.open(spec)
        await until(lambda: warm_sandboxes.idle == 1)
        other = await warm_sandboxes.open(replace(spec, **change))
        assert other is cold.opened[1]
        assert cold.idle[0].assigned == []


@pytest.mark.parametrize("part", ["bundle", "environment"])
async def test_a_sandbox_of_a_replaced_folder_is_closed(
    cold: Cold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """The folder of an idle sandbox is removed by ``fyke prune`` and made again."""
    monkeypatch.setattr(warm, "CHECK_SECONDS", 600)
    warm_sandboxes, spec = sandboxes(cold), spec_of(tmp_path)
    async with warm_sandboxes.kept():
        await warm_sandboxes.open(spec)
        await until(lambda: warm_sandboxes.idle == 1)
        folder = tmp_path / f"{part}-A"
        folder.rename(tmp_path / "removed")
        folder.mkdir()
        assert await warm_sandboxes.open(spec) is cold.opened[1]
        await until(lambda: cold.idle[0].closed)


async def test_a_sandbox_of_a_removed_folder_is_closed_although_nothing_starts(
    cold: Cold, tmp_path: Path
) -> None:
    warm_sandboxes, spec = sandboxes(cold), spec_of(tmp_path)
    async with warm_sandboxes.kept():
        await warm_sandboxes.open(spec)
        await until(lambda: warm_sandboxes.idle == 1)
        shutil.rmtree(spec.bundle)
        await until(lambda: cold.idle[0].closed and not warm_sandboxes.idle)
        assert len(cold.idle) == 1  # none is started for it


async def test_the_last_starts_decide_which_versions_have_sandboxes(
    cold: Cold, tmp_path: Path
) -> None:
    warm_sandboxes = sandboxes(cold, count=3)
    async with warm_sandboxes.kept():
        for name in "AAB":
            await warm_sandboxes.open(spec_of(tmp_path, name))
        await until(lambda: names(cold.living) == {"A": 2, "B": 1})
        for name in "CC":
            await warm_sandboxes.open(spec_of(tmp_path, name))
        await until(lambda: names(cold.living) == {"B": 1, "C": 2})
        assert warm_sandboxes.idle == 3
        assert [box.closed for box in cold.idle if box.spec.version.id == "A"] == [True, True]


async def test_a_sandbox_is_closed_after_its_idle_time(cold: Cold, tmp_path: Path) -> None:
    warm_sandboxes = sandboxes(cold, idle_seconds=0.2)
    async with warm_sandboxes.kept():
        await warm_sandboxes.open(spec_of(tmp_path))
        await until(lambda: warm_sandboxes.idle == 1)
        await until(lambda: cold.idle[0].closed)
        assert (warm_sandboxes.idle, len(cold.idle)) == (0, 1)


async def test_a_count_of_zero_starts_nothing_ahead(cold: Cold, tmp_path: Path) -> None:
    warm_sandboxes, spec = sandboxes(cold, count=0), spec_of(tmp_path)
    async with warm_sandboxes.kept():
        for _ in range(3):
            await warm_sandboxes.open(spec)
        await asyncio.sleep(0.02)
        assert len(cold.opened) == 3
    assert cold.idle == []


async def test_none_is_started_while_one_is_opened_for_an_attempt(
    cold: Cold, tmp_path: Path
) -> None:
    warm_sandboxes = sandboxes(cold)
    async with warm_sandboxes.kept():
        cold.may_open.clear()
        opening = asyncio.create_task(warm_sandboxes.open(spec_of(tmp_path, "B")))
        await asyncio.sleep(0)
        warm_sandboxes._starts.append(
            warm._Start(warm.SandboxContent.of(spec_of(tmp_path)), spec_of(tmp_path), 1e12)
        )
        warm_sandboxes._changed.set()
        await asyncio.sleep(0.03)
        assert cold.idle == []
        cold.may_open.set()
        await opening
        await until(lambda: names(cold.living) == {"A": 1, "B": 1})


async def test_one_is_started_as_soon_as_the_program_of_the_attempt_runs(
    cold: Cold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "LAUNCH_SECONDS", 600)
    warm_sandboxes, spec = sandboxes(cold), spec_of(tmp_path)
    async with warm_sandboxes.kept():
        first, second = await warm_sandboxes.open(spec), await warm_sandboxes.open(spec)
        cast(Box, first).on_launch()
        await asyncio.sleep(0.03)
        assert cold.idle == []
        cast(Box, second).on_launch()
        await until(lambda: warm_sandboxes.idle == 2)


async def test_an_attempt_waits_for_the_sandbox_that_is_being_started(
    cold: Cold, tmp_path: Path
) -> None:
    warm_sandboxes, spec = sandboxes(cold), spec_of(tmp_path)
    async with warm_sandboxes.kept():
        cold.may_open_idle.clear()
        await warm_sandboxes.open(spec)
        await until(lambda: cold.starting)
        waiting = asyncio.create_task(warm_sandboxes.open(spec))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        # it is for one attempt, and for its version
        assert await warm_sandboxes.open(spec) is cold.opened[1]
        assert await warm_sandboxes.open(spec_of(tmp_path, "B")) is cold.opened[2]
        cold.may_open_idle.set()
        assert await waiting is cold.idle[0]
        assert len(cold.opened) == 3


@pytest.mark.parametrize("hangs", [False, True])
async def test_an_attempt_gets_another_sandbox_when_the_one_it_waits_for_does_not_start(
    cold: Cold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    monkeypatch.setattr(warm, "COMING_SECONDS", 0.02 if hangs else 600)
    warm_sandboxes, spec = sandboxes(cold), spec_of(tmp_path)
    async with warm_sandboxes.kept():
        cold.may_open_idle.clear()
        await warm_sandboxes.open(spec)
        await until(lambda: cold.starting)
        waiting = asyncio.create_task(warm_sandboxes.open(spec))
        await asyncio.sleep(0)
        if not hangs:
            cold.idle_fault = SandboxFault("no memory")
            cold.may_open_idle.set()
        assert await waiting is cold.opened[1]


async def test_one_that_cannot_be_assigned_is_closed_and_the_next_one_is_tried(
    cold: Cold, tmp_path: Path
) -> None:
    warm_sandboxes, spec = sandboxes(cold, count=2), spec_of(tmp_path)
    async with warm_sandboxes.kept():
        await warm_sandboxes.open(spec)
        await warm_sandboxes.open(spec)
        await until(lambda: warm_sandboxes.idle == 2)
        cold.idle[0].fault = "it ended while it was idle"
        assert await warm_sandboxes.open(spec) is cold.idle[1]
        await until(lambda: cold.idle[0].closed)


async def test_a_cancelled_assignment_closes_the_sandbox(cold: Cold, tmp_path: Path) -> None:
    warm_sandboxes, spec = sandboxes(cold, count=1), spec_of(tmp_path)

    async def never(limits: SandboxLimits) -> None:
        await asyncio.Event().wait()

    async with warm_sandboxes.kept():
        await warm_sandboxes.open(spec)
        await until(lambda: warm_sandboxes.idle == 1)
        box = cold.idle[0]
        box.assign = never  # type: ignore[method-assign]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await warm_sandboxes.open(spec)
        await until(lambda: box.closed)


async def test_a_start_that_fails_is_repeated_without_idle_sandboxes(
    cold: Cold, tmp_path: Path
) -> None:
    warm_sandboxes = sandboxes(cold)
    async with warm_sandboxes.kept():
        await warm_sandboxes.open(spec_of(tmp_path))
        await until(lambda: warm_sandboxes.idle == 1)
        cold.faults = [SandboxFault("all users for sandboxes are taken")]
        other = await warm_sandboxes.open(spec_of(tmp_path, "B"))
        assert other is cold.opened[1]
        assert cold.idle[0].closed
        cold.faults = [DiskShort(1, 2)]
        with pytest.raises(DiskShort):
            await warm_sandboxes.open(spec_of(tmp_path, "C"))
        cold.faults = [SandboxFault("bad"), SandboxFault("bad")]
        with pytest.raises(SandboxFault):
            await warm_sandboxes.open(spec_of(tmp_path, "C"))


async def test_a_version_that_cannot_be_started_ahead_is_left_until_its_next_start(
    cold: Cold, tmp_path: Path
) -> None:
    warm_sandboxes = sandboxes(cold)
    async with warm_sandboxes.kept():
        cold.idle_fault = SandboxFault("no memory")
        await warm_sandboxes.open(spec_of(tmp_path))
        await until(lambda: not warm_sandboxes._starts)
        cold.idle_fault = None
        await asyncio.sleep(0.03)
        assert cold.idle == []
        await warm_sandboxes.open(spec_of(tmp_path))
        await until(lambda: warm_sandboxes.idle == 1)


async def test_an_unexpected_error_does_not_end_the_upkeep(
    cold: Cold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm_sandboxes = sandboxes(cold)
    async with warm_sandboxes.kept():
        cold.idle_fault = cast(Any, RuntimeError("a fault of the program"))
        await warm_sandboxes.open(spec_of(tmp_path))
        await until(lambda: not warm_sandboxes._starts)
        cold.idle_fault = None
        await warm_sandboxes.open(spec_of(tmp_path))
        await until(lambda: warm_sandboxes.idle == 1)
        assert len(cold.idle) == 1


async def test_idle_sandboxes_are_counted_with_their_memory(
    cold: Cold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm_sandboxes, spec = sandboxes(cold), spec_of(tmp_path)
    async with warm_sandboxes.kept():
        assert await warm_sandboxes.idle_sandboxes() == IdleSandboxes()
        for _ in range(3):
            await warm_sandboxes.open(spec)
        await until(lambda: warm_sandboxes.idle == 3)
        assert await warm_sandboxes.idle_sandboxes() == IdleSandboxes(3, 21 * 2**20)
        cold.idle[0].fault = "it has ended"
        assert await warm_sandboxes.idle_sandboxes() == IdleSandboxes(3, 14 * 2**20)

        async def never() -> SandboxUsage:
            await asyncio.Event().wait()
            raise AssertionError

        cold.idle[1].usage = never  # type: ignore[method-assign]
        monkeypatch.setattr(warm, "MEASURE_SECONDS", 0.01)
        assert await warm_sandboxes.idle_sandboxes() == IdleSandboxes(3)


async def test_all_are_closed_at_the_end(cold: Cold, tmp_path: Path) -> None:
    warm_sandboxes = sandboxes(cold)
    async with warm_sandboxes.kept():
        for name in "AB":
            await warm_sandboxes.open(spec_of(tmp_path, name))
        await until(lambda: warm_sandboxes.idle == 2)
    assert [box.closed for box in cold.idle] == [True, True]
    await warm_sandboxes.open(spec_of(tmp_path))  # nothing is started ahead any more
    assert len(cold.idle) == 2
