"""The payload with the members of both wire forms."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fyke.domain.callbacks.payload import MAX_MESSAGE, payload
from fyke.model.run import RunState
from support import records


def test_every_field_of_both_forms() -> None:
    run = replace(
        records.run("account", "worker"),
        state=RunState.SUCCEEDED,
        results=20,
        usage_micros=60_000,
        err_msg="",
        started_at=1_700_000_100_400,
        finished_at=1_700_000_200_900,
    )
    assert payload(run) == {
        "run_slug": run.id,
        "run_id": run.id,
        "status": 3,
        "results": 20,
        "usage": "0.06",
        "run_status": "succeeded",
        "error_message": "",
        "execution_start_timestamp": 1_700_000_100,
        "execution_end_timestamp": 1_700_000_200,
        "running_duration": 100,
        "result_count": 20,
        "result_message": "done",
    }


@pytest.mark.parametrize(
    ("state", "word", "number"),
    [
        (RunState.READY, "running", 1),
        (RunState.RUNNING, "running", 2),
        (RunState.ENDING, "running", 2),
        (RunState.ABORTING, "running", 5),
        (RunState.SUCCEEDED, "succeeded", 3),
        (RunState.FAILED, "failed", 4),
        (RunState.ABORTED, "aborted", 5),
    ],
)
def test_every_state_has_the_published_word_and_number(
    state: RunState, word: str, number: int
) -> None:
    body = payload(replace(records.run("account", "worker"), state=state))
    assert (body["run_status"], body["status"]) == (word, number)


def test_every_state_has_a_word() -> None:
    assert all(
        payload(replace(records.run("account", "worker"), state=state))["run_status"]
        for state in RunState
    )


def test_an_active_run_has_no_end_and_no_duration() -> None:
    run = replace(
        records.run("account", "worker"), state=RunState.RUNNING, started_at=5_000, finished_at=0
    )
    body = payload(run)
    assert (body["execution_end_timestamp"], body["running_duration"]) == (0, 0)
    never = payload(
        replace(
            records.run("account", "worker"), state=RunState.FAILED, started_at=0, finished_at=9_000
        )
    )
    assert (never["execution_start_timestamp"], never["running_duration"]) == (0, 0)


def test_a_long_reason_stays_under_20_kb() -> None:
    body = payload(replace(records.run("account", "worker"), err_msg="\U0001f41f" * 50_000))
    assert len(body["error_message"]) == MAX_MESSAGE
    assert len(json.dumps(body).encode()) < 40_000
    assert len(json.dumps(body, ensure_ascii=False).encode()) < 20_000


@pytest.mark.parametrize("state", [s for s in RunState if s is not RunState.SUCCEEDED])
def test_only_a_succeeded_run_has_the_message_done(state: RunState) -> None:
    assert payload(replace(records.run("account", "worker"), state=state))["result_message"] == ""


def test_a_run_that_ends_within_its_first_second_has_no_duration() -> None:
    run = replace(records.run("account", "worker"), started_at=1_000_100, finished_at=1_000_900)
    assert payload(run)["running_duration"] == 0
