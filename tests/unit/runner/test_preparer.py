"""The preparation of environments in the background: what it records, and when it waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog

from fyke.contracts.execution import (
    DiskShort,
    Environment,
    EnvironmentFailed,
    RegistryAway,
    SandboxFault,
)
from fyke.domain.results import commit
from fyke.errors import BlobsAway, Unavailable, VersionUnavailable
from fyke.model.node import OrderedWorker, PreparationOrder
from fyke.model.worker import EnvironmentState, InstallFailure, VersionEnvironment
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode
from fyke.runner import preparer
from fyke.runner.faults import EgressAway
from fyke.runner.preparer import Preparer
from support.memory import a_runnable_version, a_worker

pytestmark = pytest.mark.anyio
BAD = Reason(ReasonCode.BAD_REQUIREMENT)
AWAY = RegistryAway(Reason.of(ReasonCode.PACKAGES_FAILED, detail="timed out"), "log")
FULL = EnvironmentFailed(Reason(ReasonCode.INSTALL_DISK_FULL), "ENOSPC")


def preparation(refusal: Reason | None = None) -> PreparationOrder:
    worker = a_worker("account", builds_allowed=True)
    version = a_runnable_version(worker.id)
    due = VersionEnvironment(version.id, EnvironmentState.PREPARING)
    ordered = OrderedWorker.of(worker, is_operators=False)
    return PreparationOrder(ordered, version, due, refusal)


class Platform:
    """The versions to prepare, an installer, and signals. ``error`` is what an installation
    raises, ``short`` what the check of the disk raises, ``missing`` what reading the bundle raises;
    ``results`` are what was recorded.
    """

    def __init__(self, *waiting: PreparationOrder, error: Exception | None = None) -> None:
        self.waiting = list(waiting)
        self.error = error
        self.short: Exception | None = None
        self.missing: Exception | None = None
        self.away: list[Exception] = []  # raised by the next calls that record a result
        self.results: list[Reason | Detail | None] = []
        self.installed: list[tuple[Any, ...]] = []
        self.waits = asyncio.Event()
        self.free = True
        self.publishing: Any = None

    async def take_preparation(self) -> PreparationOrder | None:
        return self.waiting.pop(0) if self.waiting else None

    async def end_preparation(self, version_id: str, result: Reason | Detail | None) -> None:
        if self.away:
            raise self.away.pop()
        self.results.append(result)

    def check_room(self) -> None:
        if self.short is not None:
            raise self.short

    async def failure_for_others(
        self, version: Any, bundle: Any, account: str, failed: EnvironmentFailed
    ) -> InstallFailure | None:
        return InstallFailure(failed.reason, failed.log, f"of {bundle} and {account}")

    async def ensure(self, *arguments: Any) -> Any:
        if len(arguments) == 2:
            if self.missing is not None:
                raise self.missing
            return "bundle"
        self.installed.append(arguments[:4])
        if self.error is not None:
            raise self.error
        return Environment(None, "")

    @contextlib.asynccontextmanager
    async def listen(self) -> AsyncIterator[Any]:
        yield self

    async def wait(self, topics: frozenset[str], timeout: float) -> str | None:
        self.waits.set()
        await asyncio.Event().wait()
        raise AssertionError

    def make(self) -> Preparer:
        deps = SimpleNamespace(
            gateway=self, environments=self, bundles=self, publishing=self.publishing
        )
        return Preparer(cast(Any, deps), lambda: self.free)

    async def until_idle(self) -> None:
        running = asyncio.create_task(self.make().run())
        await asyncio.wait_for(self.waits.wait(), 10)
        running.cancel()


async def test_all_that_is_due_is_installed_as_for_a_run() -> None:
    one, two = preparation(), preparation()
    platform = Platform(one, two)
    await platform.until_idle()
    assert platform.results == [None, None]
    assert platform.installed == [
        (each.version, "bundle", each.worker.account_id, True) for each in (one, two)
    ]


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (EnvironmentFailed(BAD, "log"), BAD),
        (FULL, Detail(DetailCode.DISK_USED_UP)),
        (AWAY, Detail.of(DetailCode.REGISTRY_AWAY, problem="timed out")),
        (SandboxFault("x"), Detail.of(DetailCode.SANDBOX_FAILED, problem="x")),
        (ValueError("a bug"), Detail.of(DetailCode.UNFORESEEN, problem="a bug")),
    ],
)
async def test_a_failure_of_the_version_is_its_result_and_a_fault_of_the_platform_is_not(
    error: Exception, result: Reason | Detail
) -> None:
    platform = Platform(preparation(), error=error)
    await platform.until_idle()
    assert platform.results == [result]


async def test_a_refused_version_is_not_installed() -> None:
    refusal = Reason(ReasonCode.LIMITS_MISSING)
    platform = Platform(preparation(refusal))
    await platform.until_idle()
    assert (platform.results, platform.installed) == ([refusal], [])


async def test_missing_files_are_the_result_and_are_not_retried() -> None:
    platform = Platform(preparation())
    reason = Reason.of(ReasonCode.VERSION_FILES_MISSING, number=1)
    platform.missing = VersionUnavailable(reason)
    await platform.until_idle()
    assert (platform.results, platform.installed) == ([reason], [])


async def test_runs_keep_the_last_of_the_disk() -> None:
    platform = Platform(preparation())
    platform.short = DiskShort(1, 2)
    await platform.until_idle()
    assert platform.installed == []
    assert [cast(Detail, each).code for each in platform.results] == [DetailCode.DISK_SHORT]


async def test_a_result_is_recorded_when_the_store_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "RETRY_BASE", 0.001)
    platform = Platform(preparation())
    platform.away = [Unavailable("away"), Unavailable("away")]
    await platform.until_idle()
    assert platform.results == [None]


class Publishing:
    """The versions to pack; ``failed`` are those of which it was said that there is nothing."""

    def __init__(self, *orders: PreparationOrder) -> None:
        self.orders = list(orders)
        self.failures: list[tuple[str, bool]] = []  # and whether soon again
        self.told: list[tuple[str, InstallFailure | None]] = []

    async def take(self) -> PreparationOrder | None:
        return self.orders.pop(0) if self.orders else None

    async def reuse(self, version_id: str, key: str) -> bool:
        return False

    async def drop(self, digest: str, read_at: float) -> None:
        raise AssertionError("nothing was fetched")

    async def failed(
        self, version_id: str, *, soon: bool, failure: InstallFailure | None = None
    ) -> None:
        self.failures.append((version_id, soon))
        self.told.append((version_id, failure))

    async def note_failure(self, version_id: str, failure: InstallFailure) -> None:
        self.told.append((version_id, failure))


async def test_nothing_is_packed_on_a_full_disk_which_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def key(*_: object) -> str:
        return "k"

    async def pack(*_: object) -> None:
        raise DiskShort(1, 2)

    async def ensure(*arguments: Any) -> Any:
        return tmp_path / "bundle"

    orders = preparation(), preparation(), preparation()
    platform = Platform()
    platform.publishing = publishing = Publishing(*orders)
    for name, work in (("key", key), ("pack", pack), ("ensure", ensure)):
        monkeypatch.setattr(platform, name, work, raising=False)
    with structlog.testing.capture_logs() as logs:
        await platform.until_idle()
    assert publishing.failures == [(order.version.id, False) for order in orders]
    assert [line["event"] for line in logs] == ["no_room_to_pack_environments"]


@pytest.mark.parametrize(
    ("error", "soon"), [(BlobsAway("away"), True), (EgressAway(), True), (OSError(), False)]
)
async def test_what_is_away_is_tried_again_soon(
    monkeypatch: pytest.MonkeyPatch, error: Exception, soon: bool
) -> None:
    async def ensure(*arguments: Any) -> Any:
        raise error

    platform, order = Platform(), preparation()
    platform.publishing = publishing = Publishing(order)
    monkeypatch.setattr(platform, "ensure", ensure)
    await platform.until_idle()
    assert publishing.failures == [(order.version.id, soon)]


async def test_nodes_are_told_what_the_installation_has_found() -> None:
    prepared, packed = preparation(), preparation()
    platform = Platform(prepared, error=EnvironmentFailed(BAD, "log"))
    platform.publishing = publishing = Publishing(packed)
    await platform.until_idle()
    assert (platform.results, publishing.failures) == ([BAD], [(packed.version.id, False)])
    assert publishing.told == [
        (order.version.id, InstallFailure(BAD, "log", f"of bundle and {order.worker.account_id}"))
        for order in (prepared, packed)
    ]


@pytest.mark.parametrize("error", [AWAY, FULL])
async def test_nodes_are_not_told_of_what_may_be_over_soon(error: Exception) -> None:
    packed = preparation()
    platform = Platform(preparation(), error=error)
    platform.publishing = publishing = Publishing(packed)
    await platform.until_idle()
    assert publishing.told == [(packed.version.id, None)]


async def test_a_runner_that_starts_no_workers_prepares_nothing() -> None:
    platform = Platform(preparation())
    platform.free = False
    await platform.until_idle()
    assert len(platform.waiting) == 1


async def test_an_error_of_the_state_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparer, "SETTLE_SECONDS", 0)
    platform, errors = Platform(preparation()), [ValueError("broken"), Unavailable("away")]
    take, again = platform.take_preparation, asyncio.Event()

    async def failing() -> PreparationOrder | None:
        if errors:
            raise errors.pop()
        return await take()

    async def wait(topics: frozenset[str], timeout: float) -> str | None:
        if not platform.results:
            return "prepare"
        again.set()
        await asyncio.Event().wait()
        return None

    monkeypatch.setattr(platform, "take_preparation", failing)
    monkeypatch.setattr(platform, "wait", wait)
    running = asyncio.create_task(platform.make().run())
    await asyncio.wait_for(again.wait(), 10)
    running.cancel()
    assert platform.results == [None]
