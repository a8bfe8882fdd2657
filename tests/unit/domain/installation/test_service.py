"""Reports about the installation: only for the operator, cached, and with a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.liveness import ProcessReport, StoreState
from fyke.domain.health import Health
from fyke.domain.installation import service
from fyke.domain.installation.service import DAY_MS, Installation
from fyke.errors import Forbidden, InvalidRequest, NotFound, Unavailable
from fyke.kit.clock import ManualClock
from fyke.model.account import Plan
from fyke.model.billing import Prices
from fyke.model.health import Disk, HealthCheck, Level
from fyke.model.installation import HealthCard, TimerLine
from fyke.model.run import RunState
from fyke.model.runner import RunnerInfo
from fyke.reasons import Detail, DetailCode
from fyke.storage.sql.state.storage import SqlStorage
from support import records
from support.installation import FixedProbe
from support.memory import caller_of
from support.prepared import state_in
from support.stores import open_state

pytestmark = pytest.mark.anyio


class Setup:
    """An installation over a real database, with a clock that the test moves."""

    def __init__(self, storage: SqlStorage, clock: ManualClock) -> None:
        self.storage, self.clock = storage, clock
        self.probe = FixedProbe(Prices())
        self.operator = records.account(operator=True)
        self.caller = caller_of(self.operator)
        self.processes: list[ProcessReport] = []
        health = Health(
            storage,
            lambda: Disk(9, 10, 1),
            self.proxies,
            lambda: self.processes,
            self.probe.database,
        )
        self.health = health
        self.installation = Installation(storage, self.probe, health, clock)

    async def proxies(self) -> Any:
        await asyncio.Event().wait()


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    url = state_in(tmp_path)
    clock = ManualClock(records.START)
    async with open_state(url, clock=clock.now_ms) as storage:
        setup = Setup(storage, clock)
        await storage.write(lambda tx: tx.accounts.add(setup.operator))
        yield setup


async def test_only_the_operator_gets_reports(setup: Setup) -> None:
    other = caller_of(records.account())
    installation = setup.installation
    for read in (installation.tariff, installation.egress_report, installation.settings):
        with pytest.raises(Forbidden):
            read(other)
    for request in (
        installation.plans(other), installation.storage(other), installation.retention(other),
        installation.versions(other), installation.card(other, "disk"),
        installation.card(other, "nothing"),
    ):  # fmt: skip
        with pytest.raises(Forbidden):
            await request
    assert setup.probe.calls == []


async def test_accounts_are_counted_by_plan(setup: Setup) -> None:
    await setup.storage.write(
        lambda tx: [tx.accounts.add(records.account(plan=Plan.PRO)) for _ in range(2)]
    )
    found = {line.plan: (line.max_runs, line.accounts) for line in
             await setup.installation.plans(setup.caller)}  # fmt: skip
    assert found[Plan.PRO] == (10, 2)
    assert found[Plan.UNLIMITED] == (None, 1)
    assert list(found) == list(Plan)


async def test_the_storage_report_is_cached_for_a_minute(setup: Setup) -> None:
    owner, worker = await setup.storage.write(records.seed)
    await setup.storage.write(lambda tx: records.seed_run(tx, owner, worker))
    reports = await asyncio.gather(*(setup.installation.storage(setup.caller) for _ in range(5)))
    assert setup.probe.calls == ["storage"]
    assert reports[0].runs == 1 and reports[0].used == sum(p.bytes for p in reports[0].parts)
    setup.clock.advance(59)
    await setup.installation.storage(setup.caller)
    assert setup.probe.calls == ["storage"]
    await setup.installation.storage(setup.caller, fresh=True)
    setup.clock.advance(61)
    await setup.installation.storage(setup.caller)
    assert setup.probe.calls == ["storage"] * 3


async def test_retention_counts_the_runs_that_it_would_remove(setup: Setup) -> None:
    owner, worker = await setup.storage.write(records.seed)
    now = setup.clock.now_ms()

    def add_runs(tx: Any) -> None:
        for days in (1, 5, 10, 40):
            at = now - days * DAY_MS
            records.seed_run(tx, owner, worker, 0, state=RunState.SUCCEEDED, finished_at=at)
        records.seed_run(tx, owner, worker)

    await setup.storage.write(add_runs)
    read = setup.installation.retention
    found = await read(setup.caller)
    assert (found.setting, found.days, found.runs) == (0, 0, 0)
    setup.probe.days = 30
    found = await read(setup.caller)
    assert (found.setting, found.days, found.runs) == (30, 30, 1)
    found = await read(setup.caller, 4)
    assert (found.runs, found.oldest_at, found.newest_at) == (
        3, now - 40 * DAY_MS, now - 5 * DAY_MS,
    )  # fmt: skip
    assert (await read(setup.caller, 0)).runs == 0
    with pytest.raises(InvalidRequest, match="days must be 0 to 36500"):
        await read(setup.caller, -1)
    assert await setup.storage.read(lambda tx: tx.installation.runs()) == 5


async def test_the_versions_include_the_sandbox_of_each_runner(setup: Setup) -> None:
    runner = RunnerInfo("r", "node-1", "no-limits", "no cgroups here", 2, 1024, records.START)
    await setup.storage.write(lambda tx: tx.runs.put_runner(runner))
    found = await setup.installation.versions(setup.caller)
    last = found[-1]
    assert (last.name, last.version, last.note) == (
        "sandbox of node-1", "no-limits", "no cgroups here",
    )  # fmt: skip


async def test_a_runner_that_cannot_start_workers_is_bad(setup: Setup) -> None:
    trouble = Detail.of(DetailCode.DISK_SHORT, free_bytes=2**20, needed_bytes=2**26)
    for name, reported in (("r1", trouble), ("r2", Detail(DetailCode.EGRESS_AWAY))):
        runner = RunnerInfo(name, name, "full", "", 2, 1024, setup.clock.now_ms(), trouble=reported)
        await setup.storage.write(lambda tx, runner=runner: tx.runs.put_runner(runner))
    disk, egress = await setup.installation.card(setup.caller, "runners")
    assert (disk.level, disk.remedy) == (Level.BAD, "free some space")
    assert "cannot start Workers: the disk of the runner has 1 MiB free" in disk.detail
    assert (egress.level, egress.remedy) == (Level.BAD, "runs wait")


async def test_the_overview_begins_with_database_and_blobs(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none() -> list[Any]:
        return []

    monkeypatch.setattr(setup.health, "_proxies", none)
    checks = await setup.health.all(setup.caller)
    assert [check.name for check in checks] == ["database", "disk", "runner"]
    with pytest.raises(Forbidden):
        await setup.health.all(caller_of(records.account()))


async def test_the_message_about_an_installation_that_is_not_ready_names_the_cause_first(
    setup: Setup,
) -> None:
    async def put(name: str, trouble: Detail | None) -> None:
        runner = RunnerInfo(name, name, "full", "", 2, 1024, setup.clock.now_ms(), trouble=trouble)
        await setup.storage.write(lambda tx: tx.runs.put_runner(runner))

    assert await setup.health.not_ready() == "no runner is alive"
    await put("r1", Detail(DetailCode.EGRESS_AWAY))
    away = "no runner can start Workers: the egress process does not answer"
    assert await setup.health.not_ready() == away
    setup.processes = [ProcessReport("egress", 5.9, StoreState.NONE, 0, "")]
    assert await setup.health.not_ready() == away
    await put("r2", None)
    assert await setup.health.not_ready() == ""
    setup.processes = [ProcessReport("egress", 6, StoreState.NONE, 0, "")]
    silent = "the process egress has not reported for 6 s"
    assert await setup.health.not_ready() == silent
    await put("r2", Detail(DetailCode.EGRESS_AWAY))
    assert await setup.health.not_ready() == silent


async def test_a_card_without_an_answer_in_time_is_bad(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "CARD_SECONDS", 0.05)
    [check] = await setup.installation.card(setup.caller, "proxies")
    assert (check.level, check.detail) == (Level.BAD, "no answer within 0.05 s")

    async def unavailable() -> list[HealthCheck]:
        raise Unavailable("The database does not answer")

    monkeypatch.setattr(setup.probe, "database", unavailable)
    [check] = await setup.installation.card(setup.caller, "database")
    assert (check.level, check.detail) == (Level.BAD, "The database does not answer")
    with pytest.raises(NotFound, match="There is no card 'nothing'; use one of database, disk"):
        await setup.installation.card(setup.caller, "nothing")
    for card in set(HealthCard) - {HealthCard.PROXIES, HealthCard.PROCESSES}:
        assert await setup.installation.card(setup.caller, card)


async def test_a_process_that_does_not_report_is_bad_and_named(setup: Setup) -> None:
    def report(name: str, silent: float, store: str, restarts: int = 0) -> ProcessReport:
        cause = "it did not report for 21 s" if restarts else ""
        return ProcessReport(name, silent, StoreState(store), restarts, cause)

    assert await setup.installation.card(setup.caller, "processes") == []
    setup.processes = [report("egress", 5.9, "none"), report("server", 0, "answered", 1)]
    setup.processes += [report("runner", 6, "pending", 2), report("other", 1, "failed")]
    setup.processes += [report("last", 1, "pending")]
    found = await setup.installation.card(setup.caller, "processes")
    assert [(one.name, one.level.value, one.detail) for one in found] == [
        ("process egress", "good", "it reports"),
        (
            "process server",
            "good",
            "it reports; it was restarted once, most recently because it did not report for 21 s",
        ),
        (
            "process runner",
            "bad",
            "it has not reported for 6 s; "
            "it was restarted 2 times, most recently because it did not report for 21 s",
        ),
        ("process other", "bad", "it reports, but its database fails"),
        ("process last", "warning", "it reports, but its database does not answer"),
    ]
    assert [bool(one.remedy) for one in found] == [False, False, True, True, True]


async def test_the_level_of_a_timer_depends_on_how_long_it_has_been_failing(setup: Setup) -> None:
    now = setup.clock.now_ms()
    setup.probe.lines = [
        TimerLine("a", now, 0, 0, 0, ""),
        TimerLine("b", 0, now - 1000, now, 1, "once"),
        TimerLine("c", 0, now - 10**7, now, 7, "often"),
        TimerLine("d", 0, 0, now, 2, "never succeeded"),
    ]
    found = await setup.installation.card(setup.caller, "timers")
    assert [(one.name, one.level.value) for one in found] == [
        ("a", "good"), ("b", "warning"), ("c", "bad"), ("d", "bad"),
    ]  # fmt: skip
    assert found[2].detail == "failed 7 times in a row: often"
