"""Running one attempt: which isolation is enough, and how each failure ends it."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.contracts.egress import Traffic
from fyke.contracts.execution import (
    DiskShort,
    Environment,
    EnvironmentFailed,
    Isolation,
    IsolationReport,
    RegistryAway,
    SandboxFault,
)
from fyke.domain.results import commit
from fyke.domain.runs.outcome import end_of
from fyke.domain.secrets.masking import Masker
from fyke.errors import Unavailable
from fyke.kit.file_lock import is_folder_locked
from fyke.model.attempt import AfterAttempt, AttemptEnd, SiteTraffic
from fyke.model.log import LogType
from fyke.model.node import EgressPolicy
from fyke.model.run import SUCCESS, AttemptKey, End, Outcome
from fyke.model.secret import InjectedSecrets
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode
from fyke.runner import attempt, attempt_environment
from fyke.runner.egress_rules import EgressRules
from fyke.runner.endings import StartRefused
from support.attempt_runner import runner
from support.blocking_results import BlockableResults, running

pytestmark = pytest.mark.anyio


class Ended:
    """An installation that records the ends and returns; ``fail_first``: the state is unavailable
    at the first call. ``start`` is raised when an attempt is to be started, and ``note`` when an
    environment is noted.
    """

    def __init__(
        self,
        *,
        fail_first: bool = False,
        start: Exception | None = None,
        note: Exception | None = None,
        secrets: InjectedSecrets | None = None,
    ) -> None:
        self.ends: list[End] = []
        self.faults: list[Detail] = []
        self.noted: list[Reason | None] = []
        self.starts = 0
        self._start = start
        self._note = note
        self._secrets = secrets or InjectedSecrets()
        self.sites: list[tuple[SiteTraffic, ...] | None] = []
        self.rows: list[int | None] = []  # of the closed attempt
        self._failing = fail_first

    async def end(self, _key: AttemptKey, ended: AttemptEnd) -> AfterAttempt:
        self.ends.append(ended.end)
        self.sites.append(ended.sites)
        self.rows.append(ended.closed_rows)
        if self._failing:
            self._failing = False
            raise Unavailable("the disk is full")
        return AfterAttempt(is_run_over=True)

    async def start(self, _key: AttemptKey) -> InjectedSecrets:
        self.starts += 1
        if self._start is not None:
            raise self._start
        return self._secrets

    async def give_back(self, _key: AttemptKey, fault: Detail) -> AfterAttempt:
        self.faults.append(fault)
        if self._failing:
            self._failing = False
            raise Unavailable("the disk is full")
        return AfterAttempt(is_run_over=False, pause_ms=1000)

    async def note_environment(self, _key: AttemptKey, _known: Any, reason: Reason | None) -> None:
        self.noted.append(reason)
        if self._note is not None:
            raise self._note


class Failing:
    """Environments that always raise ``error``."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def ensure(self, *_args: Any) -> Any:
        raise self._error


def kinds(results: BlockableResults) -> list[int]:
    return [entry.type for batches in results.batches for b in batches for entry in b.log]


# --- isolation -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "is_operators", "unsafe", "warning"),
    [(Isolation.FULL, False, False, ""), (Isolation.NO_LIMITS, True, False, "cannot limit cpu"),
     (Isolation.NONE, False, True, "FYKE_UNSAFE is set")],
)  # fmt: skip
async def test_an_incomplete_isolation_that_is_allowed_is_a_warning_in_the_log(
    results: BlockableResults, level: Isolation, is_operators: bool, unsafe: bool, warning: str
) -> None:
    report = IsolationReport(level, "no cgroup", ())
    async with running(results) as intake:
        attempt_intake = await intake.open("run", "A", "7")
        one = runner(is_operators=is_operators, isolation=report, unsafe=unsafe)
        for _ in range(3):  # once for each run, however often it is tried
            one._check_isolation(attempt_intake)
        await attempt_intake.flush()
    assert len(results.lines) == bool(warning)
    assert all(warning in line and "no cgroup" in line for line in results.lines)


@pytest.mark.parametrize(
    ("level", "is_operators", "code"),
    [(Isolation.NO_LIMITS, False, ReasonCode.LIMITS_MISSING),
     (Isolation.NONE, True, ReasonCode.ISOLATION_MISSING),
     (Isolation.NONE, False, ReasonCode.ISOLATION_MISSING)],
)  # fmt: skip
async def test_an_insufficient_isolation_is_refused_with_the_failed_check(
    results: BlockableResults, level: Isolation, is_operators: bool, code: ReasonCode
) -> None:
    report = IsolationReport(level, "bad", (("user", True, "ok"), ("cgroup", False, "read-only")))
    async with running(results) as intake:
        attempt_intake = await intake.open("run", "A", "7")
        with pytest.raises(StartRefused) as refused:
            runner(is_operators=is_operators, isolation=report)._check_isolation(attempt_intake)
    reason = refused.value.end.reason
    assert reason is not None and reason.code is code
    assert (reason.params["check"], reason.params["seen"]) == ("cgroup", "read-only")


# --- ends ----------------------------------------------------------------------------------


async def execute(results: BlockableResults, error: Exception) -> End:
    """The end of an attempt whose environment fails with ``error``."""
    ended = Ended()
    async with running(results) as intake:
        tools = {"intake": intake, "gateway": ended, "environments": Failing(error)}
        await runner(**tools).execute()
    (end,) = ended.ends
    return end


@pytest.mark.parametrize("is_empty", [True, False])
async def test_the_rows_of_a_run_are_counted_unless_it_can_have_none(
    results: BlockableResults, is_empty: bool
) -> None:
    async with running(results) as intake:
        error = EnvironmentFailed(Reason(ReasonCode.INSTALLER_MISSING), "")
        one = runner(intake=intake, gateway=Ended(), environments=Failing(error))
        one.order = replace(one.order, is_empty=is_empty)
        await one.execute()
    assert results.counted == [one.key.run_id] * (not is_empty)


async def test_a_failed_installation_ends_with_its_reason_and_shows_its_log(
    results: BlockableResults,
) -> None:
    reason = Reason(ReasonCode.INSTALLER_MISSING)
    end = await execute(results, EnvironmentFailed(reason, "no matching distribution"))
    assert end.reason == reason and end.outcome is not Outcome.SUCCEEDED
    preparing, output, failed = results.lines
    assert (output, kinds(results)[1]) == ("no matching distribution", LogType.ERROR)
    assert preparing.endswith("Preparing the execution environment.") and end.message in failed


async def test_what_an_attempt_finds_out_about_the_environment_is_noted(
    results: BlockableResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Ended(note=Unavailable("away"))  # which changes nothing for the run
    await run_with(results, monkeypatch, ended)
    assert [end.outcome for end in ended.ends] == [Outcome.SUCCEEDED]
    reason = Reason(ReasonCode.INSTALL_TIMEOUT)
    for failure in (EnvironmentFailed(reason), FULL_DISK, SandboxFault("the launcher has ended")):
        await run_with(results, monkeypatch, ended, environment=failure)
    assert ended.noted == [None, reason]


async def test_bundle_and_environment_are_locked_until_the_sandbox_is_removed(
    results: BlockableResults, tmp_path: Path
) -> None:
    folders = tmp_path / "bundle", tmp_path / "environment"
    for folder in folders:
        folder.mkdir()

    class Found:
        def __init__(self, value: Any) -> None:
            self._value = value

        async def ensure(self, *_args: Any) -> Any:
            return self._value

    async with running(results) as intake:
        one = runner(
            intake=intake, gateway=Ended(), bundles=Found(folders[0]), work_bytes=1,
            environments=Found(Environment(folders[1], "")),
            sandbox=Working(sandbox=SandboxFault("the launcher has ended")),
        )  # fmt: skip
        await one.execute()
        assert [is_folder_locked(folder) for folder in folders] == [True, True]
        await one.closed()
    assert [is_folder_locked(folder) for folder in folders] == [False, False]


# --- returned to the queue -----------------------------------------------------------------


class Working:
    """An environment, a sandbox and an egress that work, unless an error is set."""

    def __init__(self, **errors: Exception) -> None:
        self._errors = errors
        self.launches = 0
        self.ending: list[str] = []
        self.listeners = {"sdk": None, "proxy": None, "proxy6000": None}

    async def ensure(self, *_args: Any) -> Environment:
        return self._do("environment", Environment(None, ""))

    async def open(self, *args: Any) -> Any:
        return self._do("sandbox" if len(args) == 1 else "egress", self)

    async def check(self) -> None:
        self._do("check", None)

    async def launch(self, _env: Any) -> None:
        self.launches += 1
        self._do("launch", None)

    async def kill(self) -> None:
        self.ending.append("kill")
        self._do("kill", None)

    async def close(self, *args: Any) -> Traffic:
        if not args:
            self.ending.append("close")
        return Traffic()

    async def result_files(self) -> list[str]:
        return []

    def traffic(self, _id: str) -> Traffic:
        return Traffic()

    def sites(self, _id: str) -> tuple[SiteTraffic, ...]:
        return ()

    def _do(self, step: str, found: Any) -> Any:
        if step in self._errors:
            raise self._errors[step]
        return found


async def run_with(
    results: BlockableResults,
    monkeypatch: pytest.MonkeyPatch,
    ended: Ended,
    **errors: Exception,
) -> tuple[AfterAttempt | None, Working]:
    """Execute an attempt whose steps raise these errors."""
    working = Working(**errors)

    async def serve(*_args: Any) -> Working:
        return working

    async def until_end(_watch: Any) -> End:
        return working._do("end", SUCCESS)

    monkeypatch.setattr(attempt, "serve", serve)
    monkeypatch.setattr(attempt.ProcessWatch, "until_end", until_end)
    monkeypatch.setattr(commit, "RETRY_BASE", 0.001)
    async with running(results) as intake:
        one = runner(
            intake=intake, gateway=ended, environments=working, sandbox=working, egress=working,
            work_bytes=1, egress_rules=EgressRules(EgressPolicy()),
        )  # fmt: skip
        after = await one.execute()
        await one.closed()
    return after, working


AWAY = RegistryAway(Reason.of(ReasonCode.PACKAGES_FAILED, detail="timed out"), "connecting ...")
FULL_DISK = EnvironmentFailed(Reason(ReasonCode.INSTALL_DISK_FULL), "ENOSPC")


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ({"environment": SandboxFault("the launcher has ended")}, DetailCode.SANDBOX_FAILED),
        ({"environment": AWAY}, DetailCode.REGISTRY_AWAY),
        ({"environment": FULL_DISK, "check": DiskShort(1, 2)}, DetailCode.DISK_SHORT),
        ({"sandbox": DiskShort(1, 2)}, DetailCode.DISK_SHORT),
        ({"sandbox": OSError(errno.ENOSPC, "no space")}, DetailCode.DISK_USED_UP),
        ({"egress": Unavailable("silent")}, DetailCode.EGRESS_AWAY),
        ({"start": ValueError("a bug")}, DetailCode.UNFORESEEN),
        ({"start": Unavailable("away")}, DetailCode.STORE_AWAY),
        ({"launch": SandboxFault("cannot copy main.py: ENOSPC")}, DetailCode.SANDBOX_FAILED),
    ],
)
async def test_a_fault_before_the_first_instruction_returns_the_attempt(
    results: BlockableResults,
    monkeypatch: pytest.MonkeyPatch,
    errors: dict[str, Exception],
    code: DetailCode,
) -> None:
    ended = Ended(start=errors.pop("start", None))
    after, working = await run_with(results, monkeypatch, ended, **errors)
    assert ([fault.code for fault in ended.faults], ended.ends) == ([code], [])
    assert after == AfterAttempt(is_run_over=False, pause_ms=1000)
    assert working.launches == int("launch" in errors)


@pytest.mark.parametrize("last", ["egress", "started"])
async def test_the_worker_is_launched_after_its_preparations_which_run_at_the_same_time(
    results: BlockableResults, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    done: list[str] = []
    others_done = asyncio.Event()

    async def step(name: str) -> None:
        if name == last:
            await others_done.wait()
            await asyncio.sleep(0.01)
        done.append(name)
        if len(done) == 1:
            others_done.set()

    class Steps(Working):
        async def open(self, *args: Any) -> Any:
            if len(args) > 1:
                await step("egress")
            return await super().open(*args)

        async def launch(self, env: Any) -> None:
            done.append("launched")

    class Start(Ended):
        async def start(self, key: AttemptKey) -> InjectedSecrets:
            await step("started")
            return await super().start(key)

    monkeypatch.setitem(globals(), "Working", Steps)
    async with asyncio.timeout(10):
        await run_with(results, monkeypatch, Start())
    assert done[1:] == [last, "launched"]


async def test_a_sandbox_is_closed_although_the_egress_does_not_close(
    results: BlockableResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []

    async def close(_self: Any, *args: Any) -> Traffic:
        if args:
            raise Unavailable("away")
        await asyncio.sleep(0.01)
        closed.append("closed")
        return Traffic()

    monkeypatch.setattr(Working, "close", close)
    await run_with(results, monkeypatch, Ended())
    assert closed == ["closed"] * 2  # the SDK service and the sandbox


@pytest.mark.parametrize("errors", [{}, {"kill": SandboxFault("slow")}, {"egress": RuntimeError()}])
async def test_the_end_is_recorded_when_nothing_runs_any_more_and_before_the_sandbox_is_removed(
    results: BlockableResults, monkeypatch: pytest.MonkeyPatch, errors: dict[str, Exception]
) -> None:
    recorded = asyncio.Event()
    seen: list[list[str]] = []

    class Removed(Working):
        async def kill(self) -> None:
            await asyncio.sleep(0.01)
            await super().kill()

        async def close(self, *args: Any) -> Traffic:
            if not args and "kill" in self.ending:
                await recorded.wait()
            return await super().close(*args)

    class Recorded(Ended):
        def note(self) -> None:
            seen.append(list(boxes[0].ending))
            recorded.set()

        async def end(self, *args: Any) -> AfterAttempt:
            self.note()
            return await super().end(*args)

        async def give_back(self, *args: Any) -> AfterAttempt:
            self.note()
            return await super().give_back(*args)

    boxes: list[Working] = []

    def working(**steps: Exception) -> Working:
        boxes.append(Removed(**steps))
        return boxes[0]

    monkeypatch.setitem(globals(), "Working", working)
    async with asyncio.timeout(10):
        await run_with(results, monkeypatch, Recorded(), **errors)
    served = ["close"] if "egress" not in errors else []  # the SDK service
    assert seen == [[*served, "kill"]]
    assert boxes[0].ending == [*served, "kill", "close"]


async def test_a_fault_after_the_first_instruction_ends_the_attempt(
    results: BlockableResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Ended()
    lost = SandboxFault("the launcher has ended")
    _, working = await run_with(results, monkeypatch, ended, end=lost)
    assert (working.launches, ended.faults) == (1, [])
    assert [end.reason for end in ended.ends] == [
        Reason.of(ReasonCode.INTERNAL, detail="the launcher has ended")
    ]


async def test_a_disk_that_only_the_installation_filled_ends_the_attempt(
    results: BlockableResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Ended()
    await run_with(results, monkeypatch, ended, environment=FULL_DISK)
    assert ended.faults == []
    assert [end.reason for end in ended.ends] == [FULL_DISK.reason]


async def test_an_attempt_is_returned_when_the_store_is_back(
    results: BlockableResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Ended(fail_first=True)
    await run_with(results, monkeypatch, ended, sandbox=DiskShort(1, 2))
    assert len(ended.faults) == 2


@pytest.mark.parametrize("code", [ReasonCode.PLATFORM_STOPPED, ReasonCode.RUNNER_LOST])
async def test_an_attempt_that_is_stopped_while_it_is_prepared_is_returned(
    results: BlockableResults, code: ReasonCode
) -> None:
    ended = Ended()
    async with running(results) as intake:

        class Slow:
            async def ensure(self, *_args: Any) -> Any:
                one.stop(end_of(Reason(code)))
                await asyncio.Event().wait()

        one = runner(intake=intake, gateway=ended, environments=Slow())
        await one.execute()
    assert ended.ends == []
    assert ended.faults == [Detail(DetailCode.RUNNER_LOST_EARLY)]


@pytest.mark.parametrize("slow", [True, False])
async def test_the_log_says_that_dependencies_are_installed_if_that_takes_long(
    results: BlockableResults, monkeypatch: pytest.MonkeyPatch, slow: bool
) -> None:
    monkeypatch.setattr(attempt_environment, "INSTALL_SECONDS", 0 if slow else 60)
    async with running(results) as intake:

        class Installing:
            async def ensure(self, *_args: Any) -> Any:
                for _ in range(3):
                    await asyncio.sleep(0)
                one.stop(End(Outcome.ABORTED, "aborted"))
                await asyncio.Event().wait()

        one = runner(intake=intake, gateway=Ended(), environments=Installing())
        await one.execute()
    said = [line for line in results.lines if "environment of this version" in str(line)]
    assert len(said) == slow


async def test_an_attempt_that_waits_for_the_egress_can_be_stopped(
    results: BlockableResults,
) -> None:
    class Silent(Working):
        async def open(self, *args: Any) -> Any:
            if len(args) > 1:
                one.stop(end_of(Reason(ReasonCode.PLATFORM_STOPPED)))
                await asyncio.Event().wait()
            return await super().open(*args)

    ended, tools = Ended(), Silent()
    async with running(results) as intake:
        one = runner(
            intake=intake, gateway=ended, environments=tools, sandbox=tools, egress=tools,
            work_bytes=1, egress_rules=EgressRules(EgressPolicy()),
        )  # fmt: skip
        await one.execute()
    assert ended.faults == [Detail(DetailCode.RUNNER_LOST_EARLY)]


async def test_secrets_are_masked_in_a_fault(
    results: BlockableResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Ended(secrets=InjectedSecrets({"TOKEN": "hunter2secret"}))
    await run_with(results, monkeypatch, ended, launch=SandboxFault("bad: hunter2secret"))
    assert "hunter2secret" not in f"{ended.faults} {results.lines}"


# --- ends, continued -----------------------------------------------------------------------


async def test_the_first_stop_during_the_preparation_counts(
    results: BlockableResults,
) -> None:
    ended = Ended()
    async with running(results) as intake:

        class Slow:
            async def ensure(self, *_args: Any) -> Any:
                one.stop(End(Outcome.ABORTED, "aborted"))
                one.stop(End(Outcome.TIMEOUT, "too late"))
                await asyncio.Event().wait()

        one = runner(intake=intake, gateway=ended, environments=Slow())
        await one.execute()
    assert ended.ends == [End(Outcome.ABORTED, "aborted")]


async def test_a_success_is_reported_again_until_the_state_accepts_it(
    results: BlockableResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "RETRY_BASE", 0.001)
    ended = Ended(fail_first=True)
    async with running(results) as intake:
        attempt_intake = await intake.open("run", "A", "7")
        await runner(gateway=ended)._finish(attempt_intake, End(Outcome.SUCCEEDED))
    assert [end.outcome for end in ended.ends] == [Outcome.SUCCEEDED, Outcome.SUCCEEDED]
    assert ended.rows == [None, None]  # they are closed with the end


async def test_secrets_are_masked_in_the_end_and_in_the_names_of_sites(
    results: BlockableResults,
) -> None:
    ended = Ended()
    sites = (SiteTraffic("hunter2secret.example", 1),)
    async with running(results) as intake:
        attempt_intake = await intake.open("run", "A", "7")
        one = runner(gateway=ended, sites=sites)
        one._masker = attempt_intake.masker = Masker({"TOKEN": "hunter2secret"})
        await one._finish(attempt_intake, End(Outcome.EXIT_CODE, "exit 1: hunter2secret"))
    assert "hunter2secret" not in f"{ended.ends} {ended.sites} {results.lines}"
    assert ended.ends[0].message.startswith("exit 1: ")


async def test_the_password_of_the_proxy_is_masked_without_secrets_too(
    results: BlockableResults,
) -> None:
    password, ended = "Jq3-_zQx7LrVn0Tt8mWcYb2eKd5sHfGa", Ended()
    async with running(results) as intake:
        taking = await intake.open("run", "A", "7")
        one = runner(gateway=ended)
        assert await one._start(taking, password) == {}
        taking.log(LogType.WARN, f"cannot open ws://A:{password}@127.0.0.1:9222/")
        await taking.push(f'{{"error":"ws://A:{password}@127.0.0.1:9222/"}}'.encode())
        reason = Reason.of(ReasonCode.EXIT_CODE, exit_code=1, last_words=f"A:{password}@")
        await one._finish(taking, end_of(reason))
    stored = f"{ended.ends} {results.batches}"
    assert password not in stored and "ws://A:***PROXY_AUTH***@127.0.0.1:9222/" in stored


@pytest.mark.parametrize("places", [[], ["items.csv", "storage/datasets/default (3 files)"]])
async def test_rows_in_files_are_reported_as_an_error(
    results: BlockableResults, places: list[str]
) -> None:
    async def result_files() -> list[str]:
        return places

    async with running(results) as intake:
        taking = await intake.open("run", "A", "7")
        sandbox = cast(Any, SimpleNamespace(result_files=result_files))
        await runner()._report_rows_not_pushed(taking, sandbox)
        await taking.flush()
    assert kinds(results) == [LogType.ERROR] * bool(places)
    assert all(", ".join(places) in line for line in results.lines)


async def test_a_sandbox_that_cannot_be_removed_does_not_change_the_end() -> None:
    closed = []

    class Stuck:
        async def kill(self) -> None:
            raise SandboxFault("busy")

        async def close(self) -> None:
            closed.append(True)
            raise SandboxFault("busy")

    await runner()._close_sandbox(cast(Any, Stuck()))
    assert closed == [True]
