"""What is marked of an attempt, from totals and readings."""

from __future__ import annotations

import pytest

from fyke.contracts.execution import SandboxUsage
from fyke.model.attempt import SiteTraffic
from fyke.model.usage_marks import MarkKind, UsageMark
from fyke.runner.usage_marks import EVERY_MS, UsageMarks

MEMORY = 1000


def sites(**statuses: int) -> list[SiteTraffic]:
    counts = {name.removeprefix("s"): count for name, count in statuses.items()}
    return [SiteTraffic("a.example", statuses=counts), SiteTraffic("b.example", statuses=counts)]


@pytest.fixture
def marks() -> UsageMarks:
    return UsageMarks(MEMORY)


def test_answers_are_marked_with_their_number_when_they_came(marks: UsageMarks) -> None:
    marks.look(sites(s200=9), SandboxUsage(), 5000)
    assert marks.read() == ()
    marks.look(sites(s200=9, s429=2, s403=1, s500=7), SandboxUsage(), 10_000)
    assert marks.read() == (
        UsageMark(MarkKind.FORBIDDEN, 5000, 10_000, 2),
        UsageMark(MarkKind.TOO_MANY, 5000, 10_000, 4),
    )
    for at in (15_000, 20_000, 60_000):  # no more
        marks.look(sites(s429=2, s403=1), SandboxUsage(), at)
    assert len(marks.read()) == 2


def test_what_goes_on_is_one_mark(marks: UsageMarks) -> None:
    for n in range(1, 6):
        marks.look(sites(s429=n), SandboxUsage(), n * EVERY_MS)
    assert marks.read() == (UsageMark(MarkKind.TOO_MANY, 0, 5 * EVERY_MS, 10),)
    marks.look(sites(s429=5), SandboxUsage(), 60_000)
    marks.look(sites(s429=6), SandboxUsage(), 65_000)
    assert [mark.since for mark in marks.read()] == [0, 60_000]


def test_a_worker_at_the_limit_of_its_cores_is_marked(marks: UsageMarks) -> None:
    marks.look([], SandboxUsage(limited_ms=900), 5000)  # less than a fifth of the time
    assert marks.read() == ()
    marks.look([], SandboxUsage(limited_ms=1900), 10_000)
    assert marks.read() == (UsageMark(MarkKind.CPU_LIMIT, 5000, 10_000, 1000),)


def test_the_highest_memory_between_two_looks_counts(marks: UsageMarks) -> None:
    marks.measured(SandboxUsage(memory=949))
    marks.look([], SandboxUsage(memory=10), 5000)
    assert marks.read() == ()
    marks.measured(SandboxUsage(memory=980))
    marks.look([], SandboxUsage(memory=10), 10_000)
    marks.look([], SandboxUsage(memory=10), 15_000)
    assert marks.read() == (UsageMark(MarkKind.MEMORY_HIGH, 5000, 10_000, 980),)
    unlimited = UsageMarks(0)
    unlimited.look([], SandboxUsage(memory=10), 5000)
    assert unlimited.read() == ()


def test_a_look_is_due_every_five_seconds(marks: UsageMarks) -> None:
    assert not marks.is_due(4999)
    assert marks.is_due(5000)
    marks.look([], SandboxUsage(), 5200)
    assert not marks.is_due(10_000)
