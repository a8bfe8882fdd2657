"""The loops of the runner when the state is unavailable or something else fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from fyke.contracts.execution import DiskShort, IdleSandboxes, Isolation, IsolationReport
from fyke.errors import Unavailable
from fyke.kit.clock import ManualClock
from fyke.model.attempt import AfterAttempt, RunnerOrders
from fyke.model.browser import BrowserOffer, BrowserProgram
from fyke.model.node import ContactState, EgressPolicy, NodeState, Registered
from fyke.model.run import End
from fyke.model.runner import Capacity, RunnerInfo
from fyke.reasons import Detail, DetailCode, ReasonCode
from fyke.runner import loop
from fyke.runner.dependencies import AttemptDependencies
from fyke.runner.egress_rules import EgressRules
from fyke.runner.lease_monitor import NOT_RENEWED, LeaseMonitor
from fyke.runner.loop import Runner, RunnerSize

pytestmark = pytest.mark.anyio
SIZE = RunnerSize(cpus=1, memory_mb=512, slots=1)


def a_runner(gateway: Any, size: RunnerSize = SIZE, sharing: Any = None, **more: Any) -> Runner:
    """A runner without a browser, which only reports."""
    rules = EgressRules(EgressPolicy())
    deps = SimpleNamespace(
        browser=None, gateway=gateway, egress_rules=rules, disk=None, site_sharing=sharing
    )
    return Runner(size, cast(AttemptDependencies, deps), **more)


async def no_environments() -> tuple[str, ...]:
    return ()


async def test_a_report_that_fails_in_any_way_does_not_end_the_runner() -> None:
    failures = iter([Unavailable("away"), ValueError("unforeseen")])

    async def report(*_args: Any) -> None:
        raise next(failures)

    runner = a_runner(SimpleNamespace(report=report, contact=None))
    runner._attempt_runners["A"] = cast(Any, SimpleNamespace(report=lambda: None))
    await runner._report_safely()
    await runner._report_safely()
    assert next(failures, None) is None


async def test_an_outage_has_one_line_for_its_begin_and_one_for_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    platform = Leasing("a")
    runner = Recording(platform)
    order = SimpleNamespace(limits=SimpleNamespace(cpus=0.1, memory_mb=64))
    attempt = SimpleNamespace(report=lambda: None, confirm_report=lambda _: None, order=order)
    runner._attempt_runners["A"] = cast(Any, attempt)

    async def away(*_: Any, **__: Any) -> Any:
        raise Unavailable("no connection")

    with capture_logs() as logged:
        with monkeypatch.context() as patch:
            for name in ("report", "lease", "take_preparation"):
                patch.setattr(platform, name, away)
            for _ in range(5):
                await runner._report_safely(register=True)
                await runner._take_attempts()
                await runner._preparer._prepare_next()
        for _ in range(3):
            await runner._take_attempts()
            await runner._report_safely()
            await runner._preparer._prepare_next()
    assert [(line["event"], line["times"]) for line in logged] == [
        ("cannot_report", 1),
        ("cannot_take_work", 1),
        ("cannot_prepare_environment", 1),
        ("takes_work_again", 5),
        ("reports_again", 5),
        ("prepares_environments_again", 5),
    ]


async def test_what_asks_for_nothing_does_not_end_an_outage() -> None:
    async def away(*_: Any) -> Any:
        raise Unavailable("no connection")

    runner = a_runner(SimpleNamespace(report=away, contact=None))
    runner._attempt_runners["A"] = cast(Any, SimpleNamespace(report=lambda: None))
    with capture_logs() as logged:
        await runner._report_safely()
        runner._attempt_runners.clear()
        await runner._report_safely()
    assert [line["event"] for line in logged] == ["cannot_report"]


def test_the_number_of_machines_is_passed_on() -> None:
    counts: list[int] = []
    runner = a_runner(
        SimpleNamespace(contact=None), sharing=SimpleNamespace(registered=counts.append)
    )
    runner._follow(Registered(NodeState.READY, 15.0, machines=3))
    assert counts == [3]


async def test_a_runner_whose_group_commit_has_ended_ends_too() -> None:
    async def broken() -> None:
        raise OSError("disk on fire")

    committing = asyncio.create_task(broken())
    await asyncio.wait({committing})
    with pytest.raises(RuntimeError, match="group commit has ended") as caught:
        loop._check_committing(committing)
    assert isinstance(caught.value.__cause__, OSError)


class Platform:
    """What a runner needs of the platform, and its installation; ``reported`` is what it said of
    itself.
    """

    def __init__(self) -> None:
        self.reported: list[RunnerInfo] = []
        self.draining = asyncio.Event()
        self.isolation = IsolationReport(Isolation.FULL, "", ())
        self.unsafe, self.lease_seconds = False, 15.0
        self.browser = self.disk = self.site_sharing = None
        self.fault: Exception | None = None
        self.state, self.drain_ms = NodeState.READY, cast("int | None", None)
        self.preparations = 0
        self.egress_rules = EgressRules(EgressPolicy())
        self.environments = SimpleNamespace(held=no_environments)
        self.settings: tuple[int, EgressPolicy] | None = None
        self.leases = 0

    def __getattr__(self, name: str) -> Any:
        return self  # gateway, intake, sandbox, listener ...

    async def register(self, info: RunnerInfo) -> Registered:
        self.reported.append(info)
        if info.draining:
            self.draining.set()
        number, egress = self.settings or (0, None)
        if info.settings_version == number:
            egress = None
        return Registered(self.state, self.lease_seconds, self.drain_ms, number, egress)

    async def replace_earlier(self) -> int:
        return 0

    async def leave(self) -> None: ...

    async def sweep(self, keep: Any) -> None: ...

    async def idle_sandboxes(self) -> IdleSandboxes:
        return IdleSandboxes(3, 20 * 2**20)

    async def check(self) -> None:
        """Stand in for the checks of the sandboxes and of the egress."""
        if self.fault is not None:
            raise self.fault

    async def lease(self, *_: Any, **__: Any) -> list[Any]:
        self.leases += 1
        return []

    async def take_preparation(self) -> None:
        self.preparations += 1

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
    runner = Runner(SIZE, platform)
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


async def test_no_attempt_is_taken_before_the_egress_has_the_settings() -> None:
    platform, applied = Platform(), list[EgressPolicy]()
    answers, is_tried = [Unavailable("no answer"), ValueError("malformed")], asyncio.Event()

    async def apply(policy: EgressPolicy) -> None:
        assert not platform.leases
        is_tried.set()
        if answers:
            raise answers.pop(0)
        applied.append(policy)

    policy = EgressPolicy(upstreams={"US": "http://u:hunter2@a.example:1"})
    platform.settings = 4, policy
    platform.egress_rules = EgressRules(EgressPolicy(), apply)
    runner = Runner(SIZE, cast(Any, platform))
    running = asyncio.create_task(runner.run())
    while answers:
        await is_tried.wait()
        is_tried.clear()
        await asyncio.sleep(0)
        await runner._report_safely(register=True)
    while not platform.leases:
        await asyncio.sleep(0)
    assert applied == [policy] and platform.egress_rules.policy == policy
    assert [info.settings_version for info in platform.reported][-1] == 4
    assert "hunter2" not in repr(policy)
    runner.drain()
    await asyncio.wait_for(running, 10)


async def test_a_runner_that_cannot_reach_its_installation_can_be_stopped() -> None:
    platform: Any = Platform()
    tries = asyncio.Event()

    async def register(_: RunnerInfo) -> Registered:
        tries.set()
        raise Unavailable("away")

    platform.register = register
    runner = Runner(SIZE, platform)
    running = asyncio.create_task(runner.run())
    await tries.wait()
    await asyncio.sleep(0)
    assert not running.done()
    runner.drain()
    await asyncio.wait_for(running, 10)


async def test_the_next_report_comes_when_a_charge_reaches_its_cap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 3600.0)
    times: list[float] = []
    twice = asyncio.Event()

    async def report(*_args: Any) -> RunnerOrders:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 2:
            twice.set()
        return RunnerOrders({}, frozenset(), next_check_ms=50)

    runner = a_runner(SimpleNamespace(report=report, contact=None))
    runner._attempt_runners["A"] = cast(
        Any, SimpleNamespace(report=lambda: None, confirm_report=lambda _report: None)
    )
    await runner._report_safely()
    reporting = asyncio.create_task(runner._report_regularly())
    await asyncio.wait_for(twice.wait(), 20)
    reporting.cancel()
    assert times[1] - times[0] >= 0.04


async def test_a_cut_off_runner_stops_the_attempts_it_cannot_renew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "CHECK_INTERVAL", 0.001)
    clock, asked, stopped = ManualClock(), list[float](), list[ReasonCode]()

    async def alone() -> ContactState:
        asked.append(clock.monotonic())
        return ContactState.CUT_OFF

    platform: Any = Platform()
    monitor = LeaseMonitor(alone, clock=clock.monotonic)
    runner = Runner(SIZE, platform, monitor=monitor)
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
    with capture_logs() as logged:
        while not ended.is_set():
            clock.advance(1)
            await asyncio.sleep(0.001)
    monitoring.cancel()
    assert asked and stopped == [ReasonCode.RUNNER_LOST]
    [line] = logged
    assert line["event"] == "cut_off_so_the_worker_is_stopped" and line["why"] == NOT_RENEWED


# --- attempts that cannot be started ----------------------------------------------------------


class Leasing(Platform):
    """An installation with waiting attempts."""

    def __init__(self, *waiting: str) -> None:
        super().__init__()
        self.waiting = [self._order(name) for name in waiting]
        self.takes = 0
        self.capacity: Capacity | None = None  # that the last call was asked for
        self.returned: list[tuple[str, DetailCode]] = []
        self.unknown: list[Any] = []
        self.cut_off: Exception | None = None  # raised after the leases were written

    @staticmethod
    def _order(name: str) -> Any:
        return SimpleNamespace(key=SimpleNamespace(id=name), is_last=False)

    async def lease(self, capacity: Capacity, *, idle: bool) -> list[Any]:
        self.takes += 1
        self.capacity = capacity
        taken, self.waiting = self.waiting, []
        if self.cut_off is not None:
            self.unknown, error, self.cut_off = [x.key for x in taken], self.cut_off, None
            raise error
        return taken

    async def active(self) -> list[Any]:
        return self.unknown

    async def give_back(self, key: Any, fault: Detail, *, unstarted_only: bool) -> None:
        assert unstarted_only
        self.returned.append((key.id, fault.code))


class Recording(Runner):
    """Records the attempts that it starts."""

    def __init__(self, platform: Any) -> None:
        super().__init__(RunnerSize(cpus=1, memory_mb=512, slots=9), platform)
        self.begun: list[str] = []

    def _start_attempt(self, order: Any) -> None:
        self.begun.append(order.key.id)


async def test_attempts_that_a_failed_call_leased_are_returned() -> None:
    platform = Leasing("a", "b")
    platform.cut_off = Unavailable("the connection was lost during the commit")
    limits = SimpleNamespace(cpus=1, memory_mb=1)
    running = SimpleNamespace(order=SimpleNamespace(limits=limits))
    runner = Recording(platform)
    await runner._take_attempts()
    assert platform.returned == []
    runner._attempt_runners["b"] = cast(Any, running)  # this one is known
    await runner._take_attempts()
    assert platform.capacity == Capacity(0, 511, 8, total=(1, 512))
    assert platform.returned == [("a", DetailCode.STORE_AWAY)]
    platform.unknown = platform.unknown[:1]
    await runner._take_attempts()
    assert (platform.takes, len(platform.returned)) == (3, 1)  # not checked again


async def test_a_runner_with_attempts_asks_for_more_once_they_are_started() -> None:
    platform = Leasing("a")
    runner = Recording(platform)
    await runner._take_attempts()
    assert runner.begun == ["a"] and runner._capacity_freed.is_set()
    runner._capacity_freed.clear()
    await runner._take_attempts()
    assert platform.takes == 2 and not runner._capacity_freed.is_set()
    runner._size = RunnerSize(cpus=1, memory_mb=512, slots=0)
    await runner._take_attempts()
    assert platform.takes == 2  # it has no place for one


async def test_a_runner_that_has_got_the_last_that_fits_does_not_ask_for_more() -> None:
    platform = Leasing("a", "b")
    platform.waiting[1].is_last = True
    runner = Recording(platform)
    await runner._take_attempts()
    assert runner.begun == ["a", "b"] and not runner._capacity_freed.is_set()


async def test_a_runner_waits_as_long_as_the_leases_of_its_installation_last() -> None:
    platform = Leasing()
    runner = Recording(platform)
    platform.lease_seconds = 60.0
    await runner._report_safely(register=True)
    assert runner._monitor.lease_seconds == 60


async def test_a_runner_with_trouble_takes_no_attempts_and_reports_why() -> None:
    platform = Leasing("a")
    runner = Recording(platform)
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
    runner = Recording(platform)
    await runner._register()
    [reported] = platform.reported
    assert (reported.browsers, reported.browser_share) == expected
    assert (reported.idle_sandboxes, reported.idle_memory) == (3 + 1, 20 * 2**20 + 100)
    assert reported.browser_problem == "none found"
    assert (reported.browser_programs, reported.browser_display) == (("chromium",), True)


@pytest.mark.parametrize(
    ("ended", "is_over"),
    [
        (AfterAttempt(is_run_over=True), True),
        (AfterAttempt(is_run_over=False), False),
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

    attempt = cast(
        Any,
        SimpleNamespace(key=SimpleNamespace(id="a", run_id="R"), execute=execute, closed=closed),
    )
    platform = Leasing()
    caches = SimpleNamespace(end=lambda run_id, is_over: events.append((run_id, is_over)))
    platform.browser = SimpleNamespace(caches=caches, missing=True, problem="")
    runner = Recording(platform)
    await runner._run_attempt(attempt)
    assert events == ["closed", ("R", is_over)]


async def test_an_unexpected_error_of_the_check_does_not_stop_the_runner() -> None:
    platform = Leasing("a")
    runner = Recording(platform)
    platform.fault = ValueError("a bug")
    await runner._look_for_trouble()
    await runner._take_attempts()
    assert runner.begun == ["a"]


# --- what the operator has decided about the machine ------------------------------------------


@pytest.mark.parametrize("state", [NodeState.CORDONED, NodeState.DRAINING])
async def test_a_node_that_is_not_ready_takes_and_prepares_nothing(state: NodeState) -> None:
    platform = Leasing("a")
    runner = Recording(platform)
    platform.state = state
    await runner._report_safely(register=True)
    await runner._take_attempts()
    assert not await runner._preparer._prepare_next()
    assert (platform.takes, platform.preparations, runner.begun) == (0, 0, [])
    runner._capacity_freed.clear()
    await runner._report_safely(register=True)
    assert not runner._capacity_freed.is_set()  # nothing has changed
    platform.state = NodeState.READY
    await runner._report_safely(register=True)
    assert runner._capacity_freed.is_set()
    await runner._take_attempts()
    await runner._preparer._prepare_next()
    assert (platform.preparations, runner.begun) == (1, ["a"])


class Draining:
    """A runner with one attempt, on a node whose times are those of a clock that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.platform = Leasing()
        self.runner = Recording(self.platform)
        self.ends: list[ReasonCode] = []
        attempt = SimpleNamespace(
            report=lambda: None, confirm_report=lambda _: None, stop=self._stop
        )
        self.runner._attempt_runners["a"] = cast(Any, attempt)
        self.timers: list[asyncio.TimerHandle] = []
        self.seconds: list[float] = []  # of them
        self.has_stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        call_later = loop.call_later

        def noted(seconds: float, *args: Any, **options: Any) -> asyncio.TimerHandle:
            self.seconds.append(seconds)
            self.timers.append(call_later(seconds, *args, **options))
            return self.timers[-1]

        monkeypatch.setattr(loop, "call_later", noted)

    def _stop(self, end: End) -> None:
        assert end.reason is not None
        self.ends.append(end.reason.code)
        self.has_stopped.set()

    async def learns(self, state: NodeState, drain_ms: int | None = None) -> None:
        self.platform.state, self.platform.drain_ms = state, drain_ms
        await self.runner._report_safely(register=True)


async def test_a_draining_node_stops_what_is_left_at_the_end_of_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draining = Draining(monkeypatch)
    await draining.learns(NodeState.DRAINING, 30)
    assert (draining.ends, draining.seconds) == ([], [0.03])
    await draining.has_stopped.wait()
    assert draining.ends == [ReasonCode.NODE_DRAINED]


async def test_a_later_drain_counts_instead_of_the_earlier_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draining = Draining(monkeypatch)
    await draining.learns(NodeState.DRAINING, 3_600_000)
    await draining.learns(NodeState.DRAINING, 0)
    first, second = draining.timers
    assert first.cancelled() and not second.cancelled()
    await draining.has_stopped.wait()
    assert draining.ends == [ReasonCode.NODE_DRAINED]


@pytest.mark.parametrize("state", [NodeState.READY, NodeState.CORDONED])
async def test_a_node_that_is_not_draining_any_more_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, state: NodeState
) -> None:
    draining = Draining(monkeypatch)
    await draining.learns(NodeState.DRAINING, 0)
    await draining.learns(state)
    [timer] = draining.timers
    assert timer.cancelled()
    assert draining.ends == []
