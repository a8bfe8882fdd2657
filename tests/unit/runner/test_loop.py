"""The loops of the runner when the state is unavailable or something else fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.contracts.execution import DiskShort, IdleSandboxes, Isolation, IsolationReport
from fyke.errors import Unavailable
from fyke.kit.clock import ManualClock
from fyke.model.attempt import RunnerOrders
from fyke.model.browser import BrowserOffer, BrowserProgram
from fyke.model.run import AttemptKey, End, RunState
from fyke.model.runner import Capacity, RunnerInfo
from fyke.reasons import Detail, DetailCode, ReasonCode
from fyke.runner import loop
from fyke.runner.attempt import AttemptDependencies
from fyke.runner.lease_monitor import LeaseMonitor
from fyke.runner.loop import Identity, Runner

pytestmark = pytest.mark.anyio
NO_BROWSER = cast(AttemptDependencies, SimpleNamespace(browser=None))


async def test_a_report_that_fails_in_any_way_does_not_end_the_runner() -> None:
    failures = iter([Unavailable("away"), ValueError("unforeseen")])

    async def report(*_args: Any) -> None:
        raise next(failures)

    none = cast(Any, None)
    attempts = cast(Any, SimpleNamespace(report=report))
    engine = cast(Any, SimpleNamespace(lease_seconds=15.0))
    identity = cast(Any, SimpleNamespace(id="R"))
    runner = Runner(identity, none, engine, none, attempts, none, NO_BROWSER)
    runner._attempt_runners["A"] = cast(Any, SimpleNamespace(report=lambda: None))
    await runner._report_safely()
    await runner._report_safely()
    assert next(failures, None) is None


async def test_a_runner_whose_group_commit_has_ended_ends_too() -> None:
    async def broken() -> None:
        raise OSError("disk on fire")

    committing = asyncio.create_task(broken())
    await asyncio.wait({committing})
    with pytest.raises(RuntimeError, match="group commit has ended") as caught:
        loop._check_committing(committing)
    assert isinstance(caught.value.__cause__, OSError)


class Platform:
    """What a runner needs of the platform; ``reported`` are its records in the state."""

    def __init__(self) -> None:
        self.reported: list[RunnerInfo] = []
        self.draining = asyncio.Event()
        self.isolation = IsolationReport(Isolation.FULL, "", ())
        self.lease_seconds, self.unsafe, self.now = 15.0, False, 0
        self.browser = None
        self.fault: Exception | None = None

    def count_active(self, since: int) -> int:
        """Stand in for the servers in the state."""
        return 2

    def __getattr__(self, name: str) -> Any:
        return self  # storage, transaction, stores, sandbox, listener ...

    async def write(self, work: Any) -> Any:
        return work(self)

    def put_runner(self, runner: RunnerInfo) -> None:
        self.reported.append(runner)
        if runner.draining:
            self.draining.set()

    def runners(self, since: int) -> list[RunnerInfo]:
        return []

    def drop_runner(self, runner_id: str) -> None: ...

    async def end_of_earlier_runners(self, *_: Any) -> int:
        return 0

    async def sweep(self, keep: Any) -> None: ...

    async def idle_sandboxes(self) -> IdleSandboxes:
        return IdleSandboxes(3, 20 * 2**20)

    async def check(self) -> None:
        """Stand in for the checks of the sandboxes and of the egress."""
        if self.fault is not None:
            raise self.fault

    async def take(self, *_: Any, **__: Any) -> list[Any]:
        return []

    @contextlib.asynccontextmanager
    async def listen(self) -> AsyncIterator[Any]:
        yield self

    async def wait(self, *_: Any) -> None:
        await asyncio.Event().wait()

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def report(self, *_: Any) -> RunnerOrders:
        return RunnerOrders({}, frozenset())


async def test_a_runner_reports_at_once_that_it_is_being_stopped() -> None:
    platform: Any = Platform()
    identity = Identity(id="r", node="n", place="p", cpus=1, memory_mb=512, slots=1)
    runner = Runner(identity, platform, platform, platform, platform, platform, platform)
    attempt = asyncio.Event()
    working = asyncio.create_task(attempt.wait())
    runner._tasks.add(cast(Any, working))
    working.add_done_callback(cast(Any, runner._tasks.discard))
    running = asyncio.create_task(runner.run())
    runner.drain()
    await asyncio.wait_for(platform.draining.wait(), 10)
    assert [info.draining for info in platform.reported][-1]
    assert not running.done()
    attempt.set()
    await asyncio.wait_for(running, 10)


async def test_the_next_report_comes_when_a_charge_reaches_its_cap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 5.0)
    times: list[float] = []
    twice = asyncio.Event()

    async def report(*_args: Any) -> RunnerOrders:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 2:
            twice.set()
        return RunnerOrders({}, frozenset(), next_check_ms=50)

    none = cast(Any, None)
    attempts = cast(Any, SimpleNamespace(report=report))
    engine = cast(Any, SimpleNamespace(lease_seconds=15.0))
    runner = Runner(
        cast(Any, SimpleNamespace(id="R")), none, engine, none, attempts, none, NO_BROWSER
    )
    runner._attempt_runners["A"] = cast(
        Any, SimpleNamespace(report=lambda: None, confirm_report=lambda _report: None)
    )
    await runner._report_safely()
    reporting = asyncio.create_task(runner._report_regularly())
    await asyncio.wait_for(twice.wait(), 4)
    reporting.cancel()
    assert 0.04 <= times[1] - times[0] < 4


async def test_a_cut_off_runner_stops_the_attempts_it_cannot_renew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "CHECK_INTERVAL", 0.001)
    clock, asked, stopped = ManualClock(), list[int](), list[ReasonCode]()

    async def alone(servers: int) -> bool:
        asked.append(servers)
        return True

    platform: Any = Platform()
    monitor = LeaseMonitor(alone, clock=clock.monotonic)
    identity = Identity(id="r", node="n", place="p", cpus=1, memory_mb=512, slots=1)
    runner = Runner(identity, platform, platform, platform, platform, platform, platform, monitor)
    ended = asyncio.Event()

    def stop(end: End) -> None:
        assert end.reason is not None
        stopped.append(end.reason.code)
        ended.set()

    attempt = SimpleNamespace(report=lambda: None, confirm_report=lambda _: None, stop=stop)
    runner._attempt_runners["A"] = cast(Any, attempt)
    await runner._report_safely(register=True)
    clock.advance(3)
    await monitor.overdue()
    await runner._report_safely()  # renews
    clock.advance(3)
    assert await monitor.overdue() == [] and not asked
    monitoring = asyncio.create_task(runner._monitor_leases())
    while not ended.is_set():
        clock.advance(1)
        await asyncio.sleep(0.001)
    monitoring.cancel()
    assert (set(asked), stopped) == ({2}, [ReasonCode.RUNNER_LOST])


# --- attempts that cannot be started ----------------------------------------------------------


class Leasing(Platform):
    """A platform with waiting work. ``unreadable`` are the attempts whose worker cannot be read."""

    def __init__(self, *waiting: str) -> None:
        super().__init__()
        self.waiting = [self._lease(name) for name in waiting]
        self.unreadable: set[str] = set()
        self.takes = 0
        self.capacity: Capacity | None = None  # that the last call was asked for
        self.returned: list[tuple[str, DetailCode]] = []
        self.unknown: list[Any] = []
        self.cut_off: Exception | None = None  # raised after the leases were written

    @staticmethod
    def _lease(name: str) -> Any:
        return SimpleNamespace(
            attempt=SimpleNamespace(id=name, key=AttemptKey(name, "run", 0, "7", 1))
        )

    async def take(self, _: str, capacity: Capacity, **__: Any) -> list[Any]:
        self.takes += 1
        self.capacity = capacity
        taken, self.waiting = self.waiting, []
        if self.cut_off is not None:
            self.unknown, error, self.cut_off = [x.attempt for x in taken], self.cut_off, None
            raise error
        return taken

    async def read(self, work: Any) -> Any:
        return work(self)

    def active_attempts(self, _runner: str) -> list[Any]:
        return self.unknown

    async def give_back(self, key: AttemptKey, fault: Detail, **_: Any) -> None:
        self.returned.append((key.id, fault.code))


class PartlyFailing(Runner):
    """Records the attempts that it starts."""

    def __init__(self, platform: Any) -> None:
        identity = Identity(id="r", node="n", place="p", cpus=1, memory_mb=512, slots=9)
        super().__init__(identity, platform, platform, platform, platform, platform, platform)
        self._platform = platform
        self.begun: list[str] = []

    async def _start_attempt(self, lease: Any) -> None:
        if lease.attempt.id in self._platform.unreadable:
            raise Unavailable
        self.begun.append(lease.attempt.id)


async def test_a_lease_that_cannot_be_read_is_returned_and_does_not_delay_the_others() -> None:
    platform = Leasing("a", "b", "c")
    platform.unreadable = {"a"}
    runner = PartlyFailing(platform)
    await runner._take_attempts()
    await asyncio.gather(*runner._tasks)
    assert runner.begun == ["b", "c"]
    assert platform.returned == [("a", DetailCode.STORE_AWAY)]


async def test_attempts_that_a_failed_call_leased_are_returned() -> None:
    platform = Leasing("a", "b")
    platform.cut_off = Unavailable("the connection was lost during the commit")
    limits = SimpleNamespace(cpus=1, memory_mb=1)
    running = SimpleNamespace(lease=SimpleNamespace(run=SimpleNamespace(limits=limits)))
    runner = PartlyFailing(platform)
    await runner._take_attempts()
    assert platform.returned == []
    runner._attempt_runners["b"] = cast(Any, running)  # this one is known
    await runner._take_attempts()
    assert platform.capacity == Capacity(0, 511, 8, total=(1, 512))
    assert platform.returned == [("a", DetailCode.STORE_AWAY)]
    platform.unknown = platform.unknown[:1]
    await runner._take_attempts()
    assert (platform.takes, len(platform.returned)) == (3, 1)  # not checked again


async def test_a_runner_with_trouble_takes_no_attempts_and_reports_why() -> None:
    platform = Leasing("a")
    runner = PartlyFailing(platform)
    for free in (5, 4):
        platform.fault = DiskShort(free, 10)
        await runner._look_for_trouble()
        await runner._take_attempts()
    assert (platform.takes, runner.begun) == (0, [])
    [told] = [info.trouble for info in platform.reported]  # once, not with every figure
    assert told is not None and told.code is DetailCode.DISK_SHORT
    runner._capacity_freed.clear()
    platform.fault = None
    await runner._look_for_trouble()
    assert platform.reported[-1].trouble is None
    assert runner._capacity_freed.is_set()
    await runner._take_attempts()
    assert runner.begun == ["a"]


@pytest.mark.parametrize(("missing", "expected"), [(False, (6, 0.15)), (True, (0, 0.15))])
async def test_a_runner_reports_its_places_for_browsers(
    missing: bool, expected: tuple[int, float]
) -> None:
    platform = Leasing()

    async def idle_sandboxes() -> IdleSandboxes:
        return IdleSandboxes(1, 100)

    platform.browser = SimpleNamespace(
        places=6,
        share=0.15,
        missing=missing,
        problem="none found",
        offer=BrowserOffer((BrowserProgram.CHROMIUM,), display=True),
        checks=lambda: (),
        browsers=SimpleNamespace(idle_sandboxes=idle_sandboxes),
    )
    runner = PartlyFailing(platform)
    await runner._register()
    [reported] = platform.reported
    assert (reported.browsers, reported.browser_share) == expected
    assert (reported.idle_sandboxes, reported.idle_memory) == (3 + 1, 20 * 2**20 + 100)
    assert reported.browser_problem == "none found"
    assert (reported.browser_programs, reported.browser_display) == (("chromium",), True)


@pytest.mark.parametrize(
    ("ended", "is_over"),
    [
        (SimpleNamespace(state=RunState.SUCCEEDED), True),
        (SimpleNamespace(state=RunState.RUNNING), False),
        (None, False),  # the lease was lost
        (ValueError("unforeseen"), False),
    ],
    ids=["ended", "running", "lost", "failed"],
)
async def test_the_cache_of_a_run_is_left_when_the_sandboxes_are_removed(
    ended: Any, is_over: bool
) -> None:
    events: list[Any] = []

    async def execute() -> Any:
        if isinstance(ended, Exception):
            raise ended
        return ended

    async def closed() -> None:
        events.append("closed")

    async def logged(run: Any) -> None:
        events.append("logged")

    attempt = cast(
        Any,
        SimpleNamespace(
            attempt=SimpleNamespace(id="a", run_id="R"), execute=execute, closed=closed, pause_ms=0
        ),
    )
    platform = Leasing()
    caches = SimpleNamespace(end=lambda run_id, is_over: events.append((run_id, is_over)))
    platform.browser = SimpleNamespace(caches=caches, missing=True, problem="")
    runner = PartlyFailing(platform)
    runner._log_completed = logged  # type: ignore[method-assign]
    await runner._run_attempt(attempt)
    assert [event for event in events if event != "logged"] == ["closed", ("R", is_over)]


async def test_an_unexpected_error_of_the_check_does_not_stop_the_runner() -> None:
    platform = Leasing("a")
    runner = PartlyFailing(platform)
    platform.fault = ValueError("a bug")
    await runner._look_for_trouble()
    await runner._take_attempts()
    assert runner.begun == ["a"]
