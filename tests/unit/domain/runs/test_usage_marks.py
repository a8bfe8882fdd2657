from __future__ import annotations

from fyke.domain.runs.usage import MAX_MARKS, marks_of
from fyke.model.run import RunEvent
from fyke.reasons import Reason, ReasonCode


def event(kind: str, reason: Reason | None = None) -> RunEvent:
    return RunEvent("r", 1, kind, "running", "running", "runner", "", reason, node="secret")


def test_faults_limits_and_aborts_are_marked_without_their_machine() -> None:
    timeout = Reason.of(ReasonCode.TIMEOUT, seconds=60)
    events = [
        event("Accepted"), event("AttemptStarted"), event("AttemptLost"), event("SubtaskEnded"),
        event("SubtaskEnded", timeout), event("LimitReached"), event("AbortRequested"),
    ]  # fmt: skip
    marks = marks_of(events)
    assert [mark.kind for mark in marks] == [
        "AttemptLost", "SubtaskEnded", "LimitReached", "AbortRequested",
    ]  # fmt: skip
    assert not any(mark.node for mark in marks)


def test_few_events_are_marked() -> None:
    assert len(marks_of([event("AttemptLost")] * 99)) == MAX_MARKS
