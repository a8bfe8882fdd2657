"""The shapes of version 1: what is read of a request, and what an answer says of a run."""

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
def test_a_status_is_a_number_or_its_word(value: object, status: int) -> None:
    assert to_status(value) == status


@pytest.mark.parametrize("value", [6, -1, "done", "6", None, True, 2.5, [1], "3,4"])
def test_another_status_is_refused_with_those_there_are(value: object) -> None:
    with pytest.raises(FieldError, match=r"0 \(all\), 1 \(ready\).*5 \(aborted\)"):
        to_status(value)


@pytest.mark.parametrize(
    ("value", "keys"),
    [("a, b,a,,", ["a", "b"]), ("", []), ([" a ", "b", ""], ["a", "b"]), ([], [])],
)
def test_keys_are_an_array_or_one_string_each_key_once(value: object, keys: list[str]) -> None:
    assert to_keys(value) == keys


@pytest.mark.parametrize("value", [None, 1, {"a": 1}])
def test_keys_of_another_kind_are_refused(value: object) -> None:
    with pytest.raises(FieldError, match="array of strings, or one string with commas"):
        to_keys(value)


def parameters(**changes: Any) -> SystemParameters:
    return SystemParameters.of(a_version("W", defaults=SystemDefaults(**changes)))


def test_the_cores_follow_from_the_memory_also_where_no_device_has_it() -> None:
    assert (parameters(memory_mb=512).cpus, parameters(memory_mb=4096).cpus) == (0.125, 1)
    assert parameters(memory_mb=6144).cpus == 1.5
    found = parameters(memory_mb=512, max_charge_micros=2_500_000, max_traffic_bytes=3 * 10**6)
    assert (found.memory, found.memory_bytes) == (512, 512)
    assert (found.max_total_charge, found.max_total_traffic) == (2.5, 3)


def detail(**changes: Any) -> RunDetail:
    run = a_run("A", **changes)
    return RunDetail.of(RunView(run, a_worker("A"), 7, 21_700, 5, now=99 * SECOND))


@pytest.mark.parametrize(
    ("started", "finished", "duration"),
    [(0, 0, 0), (5 * SECOND, 0, 0), (0, 9 * SECOND, 0), (5 * SECOND, 9 * SECOND, 4),
     (9 * SECOND, 5 * SECOND, 0)],
)  # fmt: skip
def test_a_duration_is_known_after_the_end_of_a_run_that_has_started(
    started: int, finished: int, duration: int
) -> None:
    assert detail(started_at=started, finished_at=finished).duration == duration


@pytest.mark.parametrize(
    ("state", "status", "name", "ended"),
    [(RunState.READY, 1, "ready", False), (RunState.RUNNING, 2, "running", False),
     (RunState.ENDING, 2, "running", False), (RunState.SUCCEEDED, 3, "succeeded", True),
     (RunState.FAILED, 4, "failed", True), (RunState.ABORTED, 5, "aborted", True)],
)  # fmt: skip
def test_a_state_has_its_number_its_word_and_whether_it_is_over(
    state: RunState, status: int, name: str, ended: bool
) -> None:
    found = detail(state=state)
    assert (found.status, found.status_name, found.ended) == (status, name, ended)


def test_clients_know_no_other_origin_for_a_test_run() -> None:
    assert [detail(origin=one).origin for one in (Origin.TEST, Origin.SCHEDULE)] == [
        "web",
        "schedule",
    ]
    assert all(detail(origin=one).origin for one in Origin)


def synchronous(run: Run, now: int) -> SyncResult:
    return SyncResult.of(run, now, RowPage(0, [], [], 1, 10))


def test_a_start_that_waits_answers_with_the_end_or_with_what_there_is() -> None:
    run = a_run("A", state=RunState.RUNNING, created_at=1 * SECOND, started_at=4 * SECOND)
    early = synchronous(run, 8_999)
    assert (early.run_status, early.execution_end_timestamp) == ("running", 0)
    assert (early.running_duration, synchronous(run, 0).running_duration) == (7, 0)
    over = synchronous(replace(run, state=RunState.FAILED, finished_at=6 * SECOND), 99 * SECOND)
    assert (over.run_status, over.status, over.running_duration) == ("completed", 4, 5)
    assert over.execution_end_timestamp == 6 * SECOND


def test_published_words_come_before_our_own_sentence() -> None:
    run = a_run("A", outcome=Outcome.INTERNAL, err_msg="The Worker was deleted")
    assert err_msg(run) == "The Worker was deleted"
    gone = replace(run, reason=Reason(ReasonCode.WORKER_DELETED))
    assert err_msg(gone) == "Worker version unavailable: the Worker was deleted"
    assert err_msg(replace(run, reason=Reason(ReasonCode.SIGNAL))) == "The Worker was deleted"


def test_an_account_shows_what_remains_and_never_less_than_nothing() -> None:
    account = Account("A", "acme", False, 10_000_000, 0, -5, 7 * SECOND, 0)
    found = AccountInfo.of(account)
    assert (found.balance, found.traffic, found.traffic_expiration_at) == ("10.00", 0, 7)
