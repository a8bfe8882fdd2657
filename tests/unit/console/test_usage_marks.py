"""The lines of the table of a usage chart that belong to a mark."""

from __future__ import annotations

from fyke.console.usage_marks import marked_rows
from fyke.domain.runs.usage import RunUsage
from fyke.model.run import RunEvent, UsageSample
from fyke.model.usage_marks import MarkKind, UsageMark
from support import records


def usage(*marks: RunEvent | UsageMark) -> RunUsage:
    samples = [UsageSample("r", at, 0, 0, 0, 0) for at in (1000, 2000, 3000, 4000)]
    events = [mark for mark in marks if isinstance(mark, RunEvent)]
    noticed = [mark for mark in marks if isinstance(mark, UsageMark)]
    run = records.run("owner", "worker")
    return RunUsage(run, samples, 0, 0, 0, None, 0, 0, [], events, noticed)


def event(at: int) -> RunEvent:
    return RunEvent("r", at, "LimitReached", "running", "running", "limits", "")


def mark(since: int, until: int) -> UsageMark:
    return UsageMark(MarkKind.TOO_MANY, since, until, 1)


def test_a_mark_is_named_in_each_line_that_it_touches_by_its_place_in_the_list() -> None:
    found = usage(mark(1500, 2500), event(1200), mark(500, 700))
    assert [type(one) for one in found.timeline] == [UsageMark, RunEvent, UsageMark]
    assert marked_rows(found) == ["1", "2, 3", "3", ""]


def test_what_came_after_the_last_sample_belongs_to_it() -> None:
    assert marked_rows(usage(event(9000), mark(3500, 8000))) == ["", "", "", "1, 2"]
    assert marked_rows(usage()) == [""] * 4
