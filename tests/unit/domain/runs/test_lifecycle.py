"""The transitions of a run one by one, and properties of any sequence of events."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.runs.lifecycle import (
    AbortRequested,
    AttemptReturned,
    AttemptStarted,
    Event,
    Instruction,
    LimitReached,
    SubtaskEnded,
    Transition,
    advance,
)
from fyke.domain.runs.outcome import end_of
from fyke.errors import RunNotAbortable
from fyke.model.run import SUCCESS, End, Outcome, RunState
from fyke.reasons import Reason, ReasonCode

GOOD = SubtaskEnded(0, 1, SUCCESS)
BAD = SubtaskEnded(0, 0, end_of(Reason.of(ReasonCode.EXIT_CODE, exit_code=3)))
MORE = SubtaskEnded(2, 1, SUCCESS)
CAP = LimitReached(1, end_of(Reason.of(ReasonCode.TRAFFIC_CAP, traffic_bytes=5)))
BACK = AttemptReturned(False, End(Outcome.RETURNED, "away"))

ROWS = [
    (RunState.READY, AttemptStarted(), RunState.RUNNING, None),
    (RunState.READY, MORE, RunState.READY, None),
    (RunState.READY, BAD, RunState.FAILED, Outcome.EXIT_CODE),
    (RunState.RUNNING, BACK, RunState.READY, None),
    (RunState.RUNNING, replace(BACK, others_started=True), RunState.RUNNING, None),
    (RunState.READY, BACK, RunState.READY, None),
    (RunState.ABORTING, BACK, RunState.ABORTING, None),
    (RunState.FAILED, BACK, RunState.FAILED, None),
    (RunState.RUNNING, MORE, RunState.RUNNING, None),
    (RunState.RUNNING, GOOD, RunState.SUCCEEDED, Outcome.SUCCEEDED),
    (RunState.RUNNING, BAD, RunState.FAILED, Outcome.EXIT_CODE),
    (RunState.READY, AbortRequested(0), RunState.ABORTED, Outcome.ABORTED),
    (RunState.READY, AbortRequested(1), RunState.ABORTING, Outcome.ABORTED),
    (RunState.RUNNING, AbortRequested(0), RunState.ABORTED, Outcome.ABORTED),
    (RunState.RUNNING, AbortRequested(2), RunState.ABORTING, Outcome.ABORTED),
    (RunState.RUNNING, CAP, RunState.ENDING, Outcome.TRAFFIC_CAP),
    (RunState.RUNNING, LimitReached(0, End(Outcome.ROW_CAP)), RunState.FAILED, Outcome.ROW_CAP),
    (RunState.ABORTING, MORE, RunState.ABORTING, None),
    (RunState.ABORTING, GOOD, RunState.ABORTED, None),
    (RunState.ABORTING, AbortRequested(1), RunState.ABORTING, None),
    (RunState.ABORTING, CAP, RunState.ABORTING, None),
    (RunState.ENDING, BAD, RunState.FAILED, None),
    (RunState.ENDING, AbortRequested(1), RunState.ENDING, None),
    (RunState.ABORTED, AbortRequested(0), RunState.ABORTED, None),
    (RunState.SUCCEEDED, BAD, RunState.SUCCEEDED, None),
    (RunState.FAILED, AttemptStarted(), RunState.FAILED, None),
]


@pytest.mark.parametrize(("state", "event", "after", "outcome"), ROWS)
def test_each_transition_of_the_table(
    state: RunState, event: Event, after: RunState, outcome: Outcome | None
) -> None:
    step = advance(state, event)
    assert (step.state, step.end and step.end.outcome) == (after, outcome)


@pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.FAILED])
def test_a_finished_run_cannot_be_aborted(state: RunState) -> None:
    with pytest.raises(RunNotAbortable):
        advance(state, AbortRequested(0))


def test_an_abort_ends_waiting_subtasks_and_stops_running_ones() -> None:
    assert advance(RunState.RUNNING, AbortRequested(2)).instructions == (
        Instruction.END_WAITING,
        Instruction.STOP_ATTEMPTS,
    )
    assert Instruction.FINISH in advance(RunState.READY, AbortRequested(0)).instructions


EVENTS = st.one_of(
    st.just(AttemptStarted()),
    st.builds(AttemptReturned, st.integers(0, 2), st.just(End(Outcome.RETURNED, "m"))),
    st.builds(
        SubtaskEnded,
        st.integers(0, 3),
        st.integers(0, 3),
        st.sampled_from([SUCCESS, End(Outcome.EXIT_CODE, "m"), End(Outcome.TIMEOUT, "m")]),
    ),
    st.builds(AbortRequested, st.integers(0, 2)),
    st.builds(LimitReached, st.integers(0, 2), st.just(End(Outcome.TRAFFIC_CAP, "m"))),
)


@given(st.lists(EVENTS, max_size=30))
def test_a_run_ends_at_most_once_and_stays_as_it_ended(events: list[Event]) -> None:
    state, finished = RunState.READY, 0
    for event in events:
        try:
            step = advance(state, event)
        except RunNotAbortable:
            continue
        if state.terminal:
            assert step == Transition(state)
        finished += Instruction.FINISH in step.instructions
        assert step.state.terminal == (finished == 1)
        state = step.state
    assert finished <= 1


def test_the_reason_of_a_run_is_that_of_its_first_subtask_that_failed() -> None:
    step = advance(RunState.RUNNING, BAD)
    assert step.end is not None
    assert step.end.reason == Reason(ReasonCode.EXIT_CODE, {"exit_code": 3})
    assert step.end.message == "The Worker exited with code 3"


def test_an_abort_and_its_refusal_have_a_reason_code() -> None:
    aborted = advance(RunState.RUNNING, AbortRequested(0)).end
    assert aborted is not None and aborted.reason == Reason(ReasonCode.ABORTED)
    with pytest.raises(RunNotAbortable) as refused:
        advance(RunState.FAILED, AbortRequested(0))
    assert refused.value.reason == Reason(ReasonCode.RUN_ENDED, {"state": "failed"})


def test_the_first_attempt_marks_the_start() -> None:
    assert advance(RunState.READY, AttemptStarted()) == Transition(
        RunState.RUNNING, None, (Instruction.MARK_STARTED,)
    )


@pytest.mark.parametrize("state", [RunState.READY, RunState.RUNNING])
def test_a_limit_stops_active_attempts(state: RunState) -> None:
    assert advance(state, CAP) == Transition(
        RunState.ENDING, CAP.end, (Instruction.END_WAITING, Instruction.STOP_ATTEMPTS)
    )


def test_a_limit_without_active_attempts_ends_the_run_immediately() -> None:
    assert advance(RunState.READY, LimitReached(0, CAP.end)) == Transition(
        RunState.FAILED, CAP.end, (Instruction.END_WAITING, Instruction.FINISH)
    )


@pytest.mark.parametrize(("last", "after"), [(GOOD, RunState.SUCCEEDED), (BAD, RunState.FAILED)])
def test_the_last_subtask_settles_the_run(last: SubtaskEnded, after: RunState) -> None:
    assert advance(RunState.RUNNING, last) == Transition(after, last.end, (Instruction.FINISH,))
