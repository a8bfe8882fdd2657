from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.schedules.rules import (
    OWN_NAMES,
    check_complete,
    check_members,
    first_time,
    only_its_own,
)
from fyke.errors import InvalidRequest
from fyke.model.schedule import ScheduleKind, ScheduleSpec
from support.examples import examples

NOW = 1_767_225_600_000


def test_a_plan_keeps_only_what_its_kind_uses() -> None:
    full = ScheduleSpec(
        ScheduleKind.WEEKLY, "09:00", 3, 31, "2030-01-01", "* * * * *", 60, "Europe/Berlin"
    )
    assert only_its_own(full) == ScheduleSpec(
        ScheduleKind.WEEKLY, time="09:00", weekday=3, time_zone="Europe/Berlin"
    )


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        (ScheduleSpec(ScheduleKind.DAILY), "time"),
        (ScheduleSpec(ScheduleKind.WEEKLY, time="09:00", day=31), "weekday"),
        (ScheduleSpec(ScheduleKind.MONTHLY, time="09:00", weekday=1), "day"),
        (ScheduleSpec(ScheduleKind.ONCE, time="09:00"), "date"),
        (ScheduleSpec(ScheduleKind.CRON), "cron"),
        (ScheduleSpec(ScheduleKind.INTERVAL), "every"),
    ],
)
def test_what_is_missing_is_named(plan: ScheduleSpec, field: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{field} is required"):
        check_complete(plan, OWN_NAMES)


@pytest.mark.parametrize("every", [1, 59, 366 * 86_400 + 1, -60])
def test_an_interval_has_bounds(every: int) -> None:
    with pytest.raises(InvalidRequest, match=r"^every must be 60 to"):
        check_members(ScheduleSpec(ScheduleKind.INTERVAL, every_s=every), OWN_NAMES)


def test_a_rule_that_never_fires_is_refused() -> None:
    never = ScheduleSpec(ScheduleKind.CRON, cron="0 0 29 2 1#5,2#1")
    check_members(ScheduleSpec(ScheduleKind.CRON, cron="0 0 29 2 *"), OWN_NAMES)
    assert first_time(ScheduleSpec(ScheduleKind.CRON, cron="0 0 29 2 *"), "UTC", 0, NOW, OWN_NAMES)
    with pytest.raises(InvalidRequest, match="cron"):
        check_members(ScheduleSpec(ScheduleKind.CRON, cron="0 0 31 4,6 *"), OWN_NAMES)
    assert first_time(never, "UTC", 0, NOW, OWN_NAMES)  # either of the two is enough for a day


def is_judged(text: str) -> None:
    plan = ScheduleSpec(ScheduleKind.CRON, cron=text)
    try:
        check_members(plan, OWN_NAMES)
        first_time(plan, "UTC", 0, NOW, OWN_NAMES)
    except InvalidRequest as error:
        assert error.message.startswith("cron")


@examples(60)
@given(st.text(st.characters(codec="ascii"), min_size=1, max_size=30))
def test_no_text_breaks_the_check_of_a_cron_rule(text: str) -> None:
    is_judged(text)


fields = st.text("0123456789*,-/LWF#MONUEJAB", min_size=1, max_size=7)


@examples(60)
@given(st.tuples(fields, fields, fields, fields, fields))
def test_no_five_fields_break_the_check_of_a_cron_rule(five: tuple[str, ...]) -> None:
    is_judged(" ".join(five))
