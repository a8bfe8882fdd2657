"""The shapes of version 1."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.domain.results.service import RowPage
from fyke.domain.runs.service import RunView
from fyke.model.account import Account
from fyke.model.run import Origin, Outcome, Run, RunState
from fyke.model.worker import SystemDefaults
from fyke.reasons import Reason, ReasonCode
from fyke.wire.fields import FieldError
from fyke.wire.v1 import (
    AccountInfo,
    RunDetail,
    SyncResult,
    SystemParameters,
    err_msg,
    to_keys,
    to_status,
)
from support.memory import a_run, a_version, a_worker

SECOND = 1000


@pytest.mark.parametrize(
    ("value", "status"),
    [(0, 0), (5, 5), ("", 0), ("  ", 0), ("3", 3), (3.0, 3), ("Failed", 4), (" ready ", 1),
     ("aborting", 5), ("aborted", 5)],
)  # fmt: skip
def test_a_status_is_a_number_or_a_name(value: object, status: int) -> None:
    assert to_status(value) == status


@pytest.mark.parametrize("value", [6, -1, "done", "6", None, True, 2.5, [1], "3,4"])
def test_the_error_for_an_unknown_status_lists_all_statuses(value: object) -> None:
    with pytest.raises(FieldError, match=r"0 \(all\), 1 \(ready\).*5 \(aborted\)"):
        to_status(value)


@pytest.mark.parametrize(
    ("value", "keys"),
    [("a, b,a,,", ["a", "b"]), ("", []), ([" a ", "b", ""], ["a", "b"]), ([], [])],
)
def test_keys_are_an_array_or_a_string_without_duplicates(value: object, keys: list[str]) -> None:
    assert to_keys(value) == keys


@pytest.mark.parametrize("value", [None, 1, {"a": 1}])
def test_keys_of_another_type_are_refused(value: object) -> None:
    with pytest.raises(FieldError, match="array of strings, or one string with commas"):
        to_keys(value)


def parameters(**changes: Any) -> SystemParameters:
    return SystemParameters.of(a_version("W", defaults=SystemDefaults(**changes)))


def test_the_cores_depend_on_the_memory() -> None:
    assert (parameters(memory_mb=512).cpus, parameters(memory_mb=4096).cpus) == (0.125, 1)
    assert parameters(memory_mb=6144).cpus == 1.5
    system = parameters(memory_mb=512, max_charge_micros=2_500_000, max_traffic_bytes=3 * 10**6)
    assert (system.memory, system.memory_bytes) == (512, 512)
    assert (system.max_total_charge, system.max_total_traffic) == (2.5, 3)


def detail(**changes: Any) -> RunDetail:
    run = a_run("A", **changes)
    return RunDetail.of(RunView(run, a_worker("A"), 7, 21_700, 5, now=99 * SECOND))


@pytest.mark.parametrize(
    ("started", "finished", "duration"),
    [(0, 0, 0), (5 * SECOND, 0, 0), (0, 9 * SECOND, 0), (5 * SECOND, 9 * SECOND, 4),
     (9 * SECOND, 5 * SECOND, 0)],
)  # fmt: skip
def test_only_a_run_that_has_started_and_ended_has_a_duration(
    started: int, finished: int, duration: int
) -> None:
    assert detail(started_at=started, finished_at=finished).duration == duration


@pytest.mark.parametrize(
    ("state", "status", "name", "ended"),
    [(RunState.READY, 1, "ready", False), (RunState.RUNNING, 2, "running", False),
     (RunState.ENDING, 2, "running", False), (RunState.SUCCEEDED, 3, "succeeded", True),
     (RunState.FAILED, 4, "failed", True), (RunState.ABORTED, 5, "aborted", True)],
)  # fmt: skip
def test_a_state_has_a_number_and_a_name(
    state: RunState, status: int, name: str, ended: bool
) -> None:
    run = detail(state=state)
    assert (run.status, run.status_name, run.ended) == (status, name, ended)


def test_a_test_run_has_the_origin_web() -> None:
    assert [detail(origin=one).origin for one in (Origin.TEST, Origin.SCHEDULE)] == [
        "web",
        "schedule",
    ]
    assert all(detail(origin=one).origin for one in Origin)


def synchronous(run: Run, now: int) -> SyncResult:
    return SyncResult.of(run, now, RowPage(0, [], [], 1, 10))


def test_the_result_of_a_synchronous_start_depends_on_the_state() -> None:
    run = a_run("A", state=RunState.RUNNING, created_at=1 * SECOND, started_at=4 * SECOND)
    early = synchronous(run, 8_999)
    assert (early.run_status, early.execution_end_timestamp) == ("running", 0)
    assert (early.running_duration, synchronous(run, 0).running_duration) == (7, 0)
    over = synchronous(replace(run, state=RunState.FAILED, finished_at=6 * SECOND), 99 * SECOND)
    assert (over.run_status, over.status, over.running_duration) == ("completed", 4, 5)
    assert over.execution_end_timestamp == 6 * SECOND


def test_err_msg_starts_with_the_published_text() -> None:
    run = a_run("A", outcome=Outcome.INTERNAL, err_msg="The Worker was deleted")
    assert err_msg(run) == "The Worker was deleted"
    deleted = replace(run, reason=Reason(ReasonCode.WORKER_DELETED))
    assert err_msg(deleted) == "Worker version unavailable: the Worker was deleted"
    assert err_msg(replace(run, reason=Reason(ReasonCode.SIGNAL))) == "The Worker was deleted"


def test_the_remaining_traffic_is_never_negative() -> None:
    account = Account("A", "acme", False, 10_000_000, 0, -5, 7 * SECOND, 0)
    info = AccountInfo.of(account)
    assert (info.balance, info.traffic, info.traffic_expiration_at) == ("10.00", 0, 7)
