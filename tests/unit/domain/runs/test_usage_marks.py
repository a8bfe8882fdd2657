from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from fyke.domain.runs.usage import MAX_MARKS, _usage_marks, marks_of
from fyke.model.run import RunEvent
from fyke.model.usage_marks import MarkKind, UsageMark
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


def test_what_ended_the_run_is_marked_after_many_faults() -> None:
    limit, abort = event("LimitReached"), event("AbortRequested")
    kinds = [mark.kind for mark in marks_of([*[event("AttemptLost")] * 30, limit, abort])]
    assert len(kinds) == MAX_MARKS
    assert kinds[-3:] == ["AttemptLost", "LimitReached", "AbortRequested"]


def test_marks_of_attempts_get_the_time_of_the_run_and_overlapping_ones_are_one() -> None:
    attempts = [
        SimpleNamespace(id=name, started_at=at)
        for name, at in (("a", 1000), ("b", 1500), ("c", 9000), ("d", 0))
    ]
    busy = UsageMark(MarkKind.TOO_MANY, 100, 900, 2)
    marks = {
        "a": (busy, UsageMark("of a newer release", 1, 2, 3)),
        "b": (busy,),
        "c": (busy, UsageMark(MarkKind.CPU_LIMIT, 0, 50, 40)),
        "d": (busy,),  # not started
        "gone": (busy,),
    }
    assert _usage_marks(cast(Any, attempts), marks) == [
        UsageMark(MarkKind.TOO_MANY, 1100, 2400, 4),
        UsageMark(MarkKind.CPU_LIMIT, 9000, 9050, 40),
        UsageMark(MarkKind.TOO_MANY, 9100, 9900, 2),
    ]
